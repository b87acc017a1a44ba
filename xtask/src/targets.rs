//! A compiler for machines without an operating system: the one that is installed where it has the targets, else
//! rustup's, else one made of Debian's packages.
//!
//! Knows how a toolchain is laid out and which packages hold its parts. Must never know what is built with it.

use std::fs;
use std::path::{Path, PathBuf};

use crate::Workshop;
use crate::needs::refresh_lists;
use crate::process::Task;

/// The machines that we build for. A further one is a further name here.
pub(crate) const TARGETS: [&str; 2] = ["thumbv6m-none-eabi", "riscv32imc-unknown-none-elf"];

/// Seconds that rustup gets to fetch the targets, before Debian is asked.
const RUSTUP_SECONDS: &str = "60";

/// What cargo has to be told, so that it builds for all of [`TARGETS`]. Empty where it can anyway.
#[derive(Debug, Default)]
pub(crate) struct Toolchain {
    environment: Vec<(&'static str, String)>,
}

impl Toolchain {
    /// A task that is run with this compiler.
    pub(crate) fn with(&self, task: Task) -> Task {
        self.environment
            .iter()
            .fold(task, |task, (name, value)| task.with(name, value))
    }

    /// What to write before a command that is typed by hand.
    pub(crate) fn spelt(&self) -> String {
        self.environment
            .iter()
            .map(|(name, value)| format!("{name}={value} "))
            .collect()
    }
}

/// Where the compiler may come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// From wherever it is had soonest.
    Any,
    /// From Debian's packages, whatever else there is.
    Debian,
}

impl Source {
    pub(crate) fn parse(words: &[&str]) -> Result<Self, String> {
        match words {
            [] => Ok(Self::Any),
            ["--debian"] => Ok(Self::Debian),
            other => Err(format!("`{}` is no option here: --debian", other.join(" "))),
        }
    }
}

/// Finds or makes the compiler, and says which.
pub(crate) fn make(source: Source, workshop: &Workshop) -> Result<Toolchain, String> {
    let sysroot = said(&Task::new("rustc", &["--print", "sysroot"]), workshop)?;
    let is_any = source == Source::Any;
    if is_any && missing(Path::new(&sysroot)).is_empty() {
        println!("the installed compiler builds for {}", TARGETS.join(" and "));
        return Ok(Toolchain::default());
    }
    let folder = workshop.target.join("bare-metal");
    if !missing(&folder).is_empty() {
        if is_any && rustup_adds_them(workshop) {
            return Ok(Toolchain::default());
        }
        println!("making a toolchain of Debian's packages in {}", folder.display());
        Debian::look(workshop)?.make(&folder, workshop)?;
    }
    println!(
        "the compiler in {} builds for {}",
        folder.display(),
        TARGETS.join(" and ")
    );
    Ok(Toolchain {
        environment: environment(&folder),
    })
}

fn rustup_adds_them(workshop: &Workshop) -> bool {
    let add = [&[RUSTUP_SECONDS, "rustup", "target", "add"][..], &TARGETS].concat();
    let added = Task::new("timeout", &add).run(workshop);
    added.is_ok_and(|ended| ended.is_success())
}

/// The targets for which a toolchain has no library.
fn missing(sysroot: &Path) -> Vec<&'static str> {
    let is_missing = |target: &&str| !library(sysroot, target).is_dir();
    TARGETS.into_iter().filter(is_missing).collect()
}

/// Where a toolchain keeps the library of a target.
fn library(sysroot: &Path, target: &str) -> PathBuf {
    sysroot.join("lib/rustlib").join(target).join("lib")
}

fn environment(folder: &Path) -> Vec<(&'static str, String)> {
    vec![
        ("RUSTC", folder.join("bin/rustc").display().to_string()),
        ("LD_LIBRARY_PATH", folder.join("lib").display().to_string()),
    ]
}

/// Debian's packages of a compiler that is newer than Debian itself, which browsers are built with. They are
/// unpacked and never installed: as packages they conflict with other compilers.
#[derive(Debug)]
struct Debian {
    /// The names of the packages to fetch; two of them carry a version.
    packages: Vec<String>,
    /// The folder of libraries under `usr/lib`, such as `x86_64-linux-gnu`.
    multiarch: String,
    /// The machine this runs on, as rustc names it.
    host: String,
}

impl Debian {
    /// Asks which packages there are now.
    fn look(workshop: &Workshop) -> Result<Self, String> {
        let packages = packages(workshop).or_else(|_| {
            refresh_lists(workshop)?;
            packages(workshop)
        })?;
        let about = said(&Task::new("rustc", &["-vV"]), workshop)?;
        let host = about.lines().find_map(|line| line.strip_prefix("host: "));
        Ok(Self {
            packages,
            multiarch: said(
                &Task::new("dpkg-architecture", &["-qDEB_HOST_MULTIARCH"]),
                workshop,
            )
            .or_else(|_| said(&Task::new("gcc", &["-print-multiarch"]), workshop))?,
            host: host
                .ok_or("rustc does not say for which machine it is")?
                .to_owned(),
        })
    }

    /// Makes the toolchain. Each part takes its place only when it is whole, so that a run that was cut short is
    /// taken up by the next.
    fn make(&self, folder: &Path, workshop: &Workshop) -> Result<(), String> {
        if !folder.is_dir() {
            let half = folder.with_extension("half");
            emptied(&half)?;
            self.assemble(&half, workshop)?;
            told(&half, fs::rename(&half, folder))?;
        }
        for target in missing(folder) {
            println!("building core and alloc for {target}");
            build_library(folder, target, workshop)?;
        }
        Ok(())
    }

    /// Fetches the packages and lays their parts out as rustup would.
    fn assemble(&self, folder: &Path, workshop: &Workshop) -> Result<(), String> {
        let fetched = folder.join("packages");
        emptied(&fetched)?;
        let packages: Vec<&str> = self.packages.iter().map(String::as_str).collect();
        let fetch = Task::new("apt-get", &[&["download"], &packages[..]].concat()).inside(fetched.clone());
        if !fetch.run(workshop)?.is_success() {
            refresh_lists(workshop)?;
            fetch
                .run(workshop)?
                .success("the packages could not be fetched")?;
        }
        let unpacked = folder.join("unpacked");
        for file in told(&fetched, fs::read_dir(&fetched))? {
            let file = told(&fetched, file)?.path();
            Task::new(
                "dpkg",
                &["-x", &file.to_string_lossy(), &unpacked.to_string_lossy()],
            )
            .ask(workshop)?
            .success(&format!("{} could not be unpacked", file.display()))?;
        }
        let usr = unpacked.join("usr");
        let sources = self.the_one(&usr.join("src"), "rustc-")?;
        let linker = self.the_one(&usr.join("lib"), "llvm-")?.join("bin/lld");
        // A link to where the package would have put the sources.
        let link = usr.join("lib/rustlib/src");
        told(&link, fs::remove_dir_all(&link))?;
        let own = folder.join("lib/rustlib").join(&self.host).join("bin");
        let parts = [
            (usr.join("lib").join(&self.multiarch), folder.join("lib")),
            (usr.join("lib/rustlib"), folder.join("lib/rustlib")),
            (usr.join("bin/rustc"), folder.join("bin/rustc")),
            (linker, own.join("rust-lld")),
            (
                sources.join("library"),
                folder.join("lib/rustlib/src/rust/library"),
            ),
        ];
        for (from, to) in parts {
            moved(&from, &to)?;
        }
        [&unpacked, &fetched]
            .into_iter()
            .try_for_each(|folder| told(folder, fs::remove_dir_all(folder)))
    }

    /// The one entry of a folder whose name begins so; the rest of the name is a version.
    fn the_one(&self, folder: &Path, head: &str) -> Result<PathBuf, String> {
        let entries = told(folder, fs::read_dir(folder))?.filter_map(Result::ok);
        let mut found = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(head));
        match (found.next(), found.next()) {
            (Some(entry), None) => Ok(entry.path()),
            _ => Err(format!(
                "{} has not one {head}… of {:?}",
                folder.display(),
                self.packages
            )),
        }
    }
}

/// The packages' names of now, found from one another: the standard library's carries the compiler's version, and
/// what it depends on carries that of LLVM, which is the linker's as well.
fn packages(workshop: &Workshop) -> Result<Vec<String>, String> {
    let named = |package: &str, head: &str| {
        let depends = said(&Task::new("apt-cache", &["depends", package]), workshop)?;
        dependency(&depends, head).ok_or_else(|| format!("Debian's {package} depends on no {head}…"))
    };
    let library = named("libstd-rust-web-dev", "libstd-rust-web-")?;
    let llvm = named(&library, "libllvm")?;
    let linker = format!("lld-{}", llvm.trim_start_matches("libllvm"));
    let fixed = ["rustc-web", "libstd-rust-web-dev", "rust-web-src"].map(str::to_owned);
    Ok([&fixed[..], &[library, llvm, linker]].concat())
}

/// The first dependency whose name is so begun and ends in a version, in what `apt-cache depends` prints.
fn dependency(depends: &str, head: &str) -> Option<String> {
    depends
        .lines()
        .filter_map(|line| line.trim().strip_prefix("Depends: "))
        .find(|name| {
            name.strip_prefix(head)
                .is_some_and(|version| version.starts_with(|first: char| first.is_ascii_digit()))
        })
        .map(str::to_owned)
}

/// Builds core and alloc for a target once, from the compiler's own sources, with what fat LTO needs inside.
fn build_library(folder: &Path, target: &str, workshop: &Workshop) -> Result<(), String> {
    let empty = folder.join("empty");
    told(&empty, fs::create_dir_all(empty.join("src")))?;
    told(&empty, fs::write(empty.join("src/lib.rs"), "#![no_std]\n"))?;
    let manifest = r#"
[workspace]
[package]
name = "empty"
edition = "2024"
[profile.release]
panic = "abort"
"#;
    told(&empty, fs::write(empty.join("Cargo.toml"), manifest))?;
    let built = folder.join("built");
    let arguments = [
        "build",
        "--quiet",
        "--release",
        "-Zbuild-std=core,alloc",
        "--target",
        target,
    ];
    let toolchain = Toolchain {
        environment: environment(folder),
    };
    toolchain
        .with(Task::cargo(&arguments))
        .with("RUSTC_BOOTSTRAP", "1")
        .with("RUSTFLAGS", "-Cembed-bitcode=yes")
        .with("CARGO_TARGET_DIR", &built.to_string_lossy())
        .inside(empty)
        .run(workshop)?
        .success(&format!("the library for {target} does not build"))?;
    let made = built.join(target).join("release/deps");
    let place = library(folder, target);
    let half = place.with_extension("half");
    emptied(&half)?;
    for file in told(&made, fs::read_dir(&made))? {
        let file = told(&made, file)?;
        let name = file.file_name().to_string_lossy().into_owned();
        let is_ours = ["libcore-", "liballoc-", "libcompiler_builtins-"]
            .iter()
            .any(|head| name.starts_with(head));
        if is_ours && name.ends_with(".rlib") {
            told(&half, fs::rename(file.path(), half.join(name)))?;
        }
    }
    told(&place, fs::rename(&half, &place))?;
    told(&built, fs::remove_dir_all(&built))
}

/// Makes a folder, without what an earlier run may have left in it.
fn emptied(folder: &Path) -> Result<(), String> {
    if folder.exists() {
        told(folder, fs::remove_dir_all(folder))?;
    }
    told(folder, fs::create_dir_all(folder))
}

/// Moves a file, or all that a folder holds into one that may exist already.
fn moved(from: &Path, to: &Path) -> Result<(), String> {
    if !(from.is_dir() && to.is_dir()) {
        let parent = to.parent().expect("every part stands in a folder");
        told(parent, fs::create_dir_all(parent))?;
        return told(from, fs::rename(from, to));
    }
    for entry in told(from, fs::read_dir(from))? {
        let entry = told(from, entry)?;
        moved(&entry.path(), &to.join(entry.file_name()))?;
    }
    Ok(())
}

/// What a program says in one line.
fn said(task: &Task, workshop: &Workshop) -> Result<String, String> {
    let answer = task.ask(workshop)?;
    answer.success(&answer.errors)?;
    Ok(answer.output.trim().to_owned())
}

fn told<T>(path: &Path, result: std::io::Result<T>) -> Result<T, String> {
    result.map_err(|error| format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn package_is_found_by_its_version() {
        let depends = "libstd\n  Depends: libc6\n  Depends: libllvm22\n  Replaces: <libllvm23>\n";
        assert_eq!(dependency(depends, "libllvm"), Some("libllvm22".to_owned()));
        assert_eq!(dependency(depends, "libstd-rust-web-"), None);
        let next = "  Depends: libstd-rust-web-dev-bpf\n  Depends: libstd-rust-web-1.97\n";
        assert_eq!(
            dependency(next, "libstd-rust-web-"),
            Some("libstd-rust-web-1.97".to_owned())
        );
    }

    #[test]
    fn toolchain_without_a_library_misses_its_target() {
        assert_eq!(missing(Path::new("no/such/folder")), TARGETS);
    }

    #[test]
    fn hand_typed_command_gets_what_cargo_gets() {
        assert_eq!(Toolchain::default().spelt(), "");
        let made = Toolchain {
            environment: environment(Path::new("/made")),
        };
        assert_eq!(made.spelt(), "RUSTC=/made/bin/rustc LD_LIBRARY_PATH=/made/lib ");
    }
}
