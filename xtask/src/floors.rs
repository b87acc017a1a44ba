//! The lower floors on emulated boards: the vectors on each, whole sign-ins compared with the host's byte for byte, and
//! what each verification weighs.
//!
//! Knows the boards that QEMU emulates, and how an image's flash and RAM are read. Must never know what an image
//! checks; that stands in `boards`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use object::elf::{SHF_ALLOC, SHF_WRITE};
use object::{Object, ObjectSection, SectionFlags, SectionKind};
use serde_json::json;

use crate::Workshop;
use crate::process::{Ended, Task};
use crate::soak::Numbers;
use crate::tally::Tally;
use crate::targets::{self, Source, Toolchain};

/// A machine that QEMU emulates.
struct Board {
    name: &'static str,
    target: &'static str,
    program: &'static str,
    arguments: &'static [&'static str],
    /// Which of its memories holds the RAM: what QEMU calls it, its bytes, and where in it the RAM begins and ends.
    memory: (&'static str, usize),
    ram: (usize, usize),
    /// Whether whole sign-ins run there, too.
    signs_in: bool,
}

const KIB: usize = 1024;

const BOARDS: [Board; 2] = [
    Board {
        name: "mps2-an385",
        target: "thumbv6m-none-eabi",
        program: "qemu-system-arm",
        arguments: &["-machine", "mps2-an385,memory-backend=ram"],
        memory: ("ram", 16 * KIB * KIB),
        ram: (0, 264 * KIB),
        signs_in: false,
    },
    Board {
        name: "virt",
        target: "riscv32imc-unknown-none-elf",
        program: "qemu-system-riscv32",
        arguments: &["-machine", "virt,memory-backend=ram", "-m", "4M", "-bios", "none"],
        memory: ("ram", 4 * KIB * KIB),
        ram: (3 * KIB * KIB, 3 * KIB * KIB + 400 * KIB),
        signs_in: true,
    },
];

/// The images that are weighed.
const WEIGHED: [&str; 7] = [
    "empty",
    "totp_sha1",
    "totp_sha256",
    "totp_sha512",
    "totp_any",
    "hotp_sha1",
    "ocra_any",
];

/// What may be heaviest, and by how much: a verification with SHA-1 alone, in a whole image.
const LIGHT: (&str, &str, u64) = ("thumbv6m-none-eabi", "totp_sha1", 8 * 1024);

/// Seconds an image may run; each takes less than one.
const SECONDS: &str = "60";

/// What unused RAM is filled with before a board starts, so that it can be read what was used.
const PAINT: u8 = 0xa5;

/// Runs everything on every board.
pub(crate) fn check(workshop: &Workshop) -> Result<Tally, String> {
    run(Source::Any, workshop).map(|(tally, _)| tally)
}

/// Runs everything on every board, and answers what each image weighs.
pub(crate) fn run(source: Source, workshop: &Workshop) -> Result<(Tally, Numbers), String> {
    let toolchain = targets::make(source, workshop)?;
    let own = Task::cargo(&["test", "--locked", "--features", "sign_in"]);
    let ended = own.inside(workshop.root.join("boards")).run(workshop)?;
    let mut tally = Tally::read(&ended.output, ended.is_success());
    let vectors = on_host("vectors", workshop)?;
    let sign_in = on_host("sign_in", workshop)?;
    let mut numbers = Numbers::new();
    for board in &BOARDS {
        build(board, &toolchain, workshop)?;
        tally = tally + compared(board, "vectors", &vectors, workshop)?;
        if board.signs_in {
            tally = tally + compared(board, "sign_in", &sign_in, workshop)?;
        }
        let also = board.signs_in.then_some("sign_in");
        let mut weights = BTreeMap::new();
        for image in WEIGHED.into_iter().chain(also) {
            let weight = weighed(board, image, workshop)?;
            println!(
                "{} {image}: {} B of flash, {} B of static RAM, {} B of stack",
                board.target, weight.flash, weight.static_ram, weight.stack
            );
            tally = tally + Tally::one(is_light(board.target, image, weight.flash));
            weights.insert(
                image,
                json!({"flash_b": weight.flash, "static_ram_b": weight.static_ram, "stack_b": weight.stack}),
            );
        }
        numbers.insert(board.target.to_owned(), json!(weights));
    }
    Ok((tally, numbers))
}

/// Whether an image is no heavier than it may be; says so where it is.
fn is_light(target: &str, image: &str, flash: u64) -> bool {
    let (light_target, light_image, most) = LIGHT;
    let is_light = (target, image) != (light_target, light_image) || flash <= most;
    if !is_light {
        println!("{target} {image} takes {flash} B of flash, more than {most} B");
    }
    is_light
}

/// What the host writes where a board writes.
fn on_host(what: &str, workshop: &Workshop) -> Result<String, String> {
    let arguments = [
        "run",
        "--locked",
        "--quiet",
        "--features",
        "sign_in",
        "--example",
        "host",
        what,
    ];
    let ended = Task::cargo(&arguments)
        .inside(workshop.root.join("boards"))
        .ask(workshop)?;
    ended.success(&format!("{what} on the host: {}{}", ended.output, ended.errors))?;
    Ok(ended.output)
}

fn build(board: &Board, toolchain: &Toolchain, workshop: &Workshop) -> Result<(), String> {
    let plain = [
        "build",
        "--locked",
        "--release",
        "-p",
        "countersign-image",
        "--target",
        board.target,
    ];
    let heap = ["--features", "sign_in", "--bin", "sign_in"];
    let with_heap = board.signs_in.then(|| [&plain[..], &heap].concat());
    for arguments in [Some(plain.to_vec()), with_heap].into_iter().flatten() {
        toolchain
            .with(Task::cargo(&arguments))
            .inside(workshop.root.join("boards"))
            .with("CARGO_TARGET_DIR", &images(workshop).to_string_lossy())
            .run(workshop)?
            .success(&format!("the images for {} do not build", board.target))?;
    }
    Ok(())
}

/// Runs an image and compares every line that it writes with the host's; each line counts.
fn compared(board: &Board, image: &str, on_host: &str, workshop: &Workshop) -> Result<Tally, String> {
    let ended = booted(board, image, workshop)?;
    println!("{} {image} on {}:\n{}", board.target, board.name, ended.output);
    Ok(judge(&ended.output, on_host, ended.is_success()))
}

/// One passed for each line that is the host's, one failed for each that is not or is missing.
fn judge(board: &str, host: &str, success: bool) -> Tally {
    let (board, host): (Vec<&str>, Vec<&str>) = (board.lines().collect(), host.lines().collect());
    let mut tally = Tally::default();
    for line in 0..board.len().max(host.len()) {
        let (here, there) = (host.get(line), board.get(line));
        if here != there {
            println!(
                "line {}\n  on the host:  {here:?}\n  on the board: {there:?}",
                line + 1
            );
        }
        tally = tally + Tally::one(here == there);
    }
    tally + Tally::one(success && !host.is_empty())
}

/// What an image takes of a board.
struct Weight {
    flash: u64,
    static_ram: u64,
    stack: u64,
}

/// Runs an image and reads what it takes. Its stack is the RAM that is no longer painted; its heap is static.
fn weighed(board: &Board, image: &str, workshop: &Workshop) -> Result<Weight, String> {
    let ended = booted(board, image, workshop)?;
    ended.success(&format!("{} {image} ends with a failure", board.target))?;
    let (flash, static_ram) = sections(&path(board, image, workshop))?;
    let file = memory(workshop);
    let all = fs::read(&file).map_err(|error| format!("{}: {error}", file.display()))?;
    let (from, to) = board.ram;
    let offset = usize::try_from(static_ram).map_err(|error| error.to_string())?;
    let free = all
        .get(from + offset..to)
        .ok_or("the board's memory is cut short")?;
    let untouched = free.iter().take_while(|byte| **byte == PAINT).count();
    Ok(Weight {
        flash,
        static_ram,
        stack: u64::try_from(free.len() - untouched).map_err(|error| error.to_string())?,
    })
}

/// Runs an image to its end, with painted RAM that stands in a file.
fn booted(board: &Board, image: &str, workshop: &Workshop) -> Result<Ended, String> {
    let file = memory(workshop);
    let (id, bytes) = board.memory;
    fs::write(&file, vec![PAINT; bytes]).map_err(|error| format!("{}: {error}", file.display()))?;
    let backend = format!(
        "memory-backend-file,id={id},size={bytes},mem-path={},share=on",
        file.display()
    );
    let kernel = path(board, image, workshop);
    let head = [SECONDS, board.program];
    let tail = [
        "-object",
        &backend,
        "-nographic",
        "-monitor",
        "none",
        "-serial",
        "none",
        "-semihosting-config",
        "enable=on,target=native",
        "-kernel",
        &kernel.to_string_lossy(),
    ];
    Task::new("timeout", &[&head[..], board.arguments, &tail].concat()).ask(workshop)
}

/// Where the images are built, apart from what another compiler builds.
fn images(workshop: &Workshop) -> PathBuf {
    workshop.target.join("boards")
}

fn path(board: &Board, image: &str, workshop: &Workshop) -> PathBuf {
    images(workshop).join(board.target).join("release").join(image)
}

fn memory(workshop: &Workshop) -> PathBuf {
    images(workshop).join("memory")
}

/// Bytes of flash and of static RAM that an image takes: what is loaded, and what is writable. The room that the
/// linker's script leaves to stack and heap is neither.
fn sections(image: &Path) -> Result<(u64, u64), String> {
    let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", image.display());
    let bytes = fs::read(image).map_err(|error| failed(&error))?;
    let file = object::File::parse(&*bytes).map_err(|error| failed(&error))?;
    let (mut flash, mut ram) = (0, 0);
    for section in file.sections() {
        let name = section.name().map_err(|error| failed(&error))?;
        let SectionFlags::Elf { sh_flags, .. } = section.flags() else {
            continue;
        };
        let is = |flag: u64| sh_flags.0 & flag != 0;
        if !is(SHF_ALLOC.0) || matches!(name, ".stack" | ".heap") {
            continue;
        }
        if section.kind() != SectionKind::UninitializedData {
            flash += section.size();
        }
        if is(SHF_WRITE.0) {
            ram += section.size();
        }
    }
    Ok((flash, ram))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_a_board_has_to_be_the_hosts() {
        let told = "a: 1 of 1 cases\nb: 2 of 2 cases\n";
        assert_eq!(judge(told, told, true).failed, 0);
        assert_eq!(judge("a: 1 of 1 cases\nb: 1 of 2 cases\n", told, true).failed, 1);
        assert_eq!(judge("a: 1 of 1 cases\n", told, true).failed, 1);
        assert_eq!(judge(told, "a: 1 of 1 cases\n", true).failed, 1);
        assert_eq!(judge(told, told, false).failed, 1);
        assert_eq!(judge("", "", true).failed, 1);
    }

    #[test]
    fn one_byte_of_flash_too_many_is_seen() {
        let (target, image, most) = LIGHT;
        assert!(is_light(target, image, most));
        assert!(!is_light(target, image, most + 1));
        assert!(is_light(target, "ocra_any", most + 1));
    }

    #[test]
    fn every_board_is_one_that_we_build_for() {
        assert!(BOARDS.iter().map(|board| board.target).eq(targets::TARGETS));
    }
}
