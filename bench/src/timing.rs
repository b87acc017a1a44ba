//! Time as the operating system accounts it, and medians.

use std::process::Command;
use std::time::{Duration, Instant};

/// CPU time this thread has used, in nanoseconds.
pub fn thread_cpu_ns() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux accounts threads");
    text.split(' ')
        .next()
        .and_then(|word| word.parse().ok())
        .expect("the first word is nanoseconds")
}

/// CPU time all threads of this process have used.
pub fn process_cpu() -> Duration {
    accounted("self").expect("Linux accounts processes").1
}

/// CPU time that a process and its children have used.
pub fn cpu_of_tree(process: u32) -> Duration {
    let all = std::fs::read_dir("/proc").expect("Linux lists processes");
    let numbers = all
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()));
    // One that ended since it was listed was none of a server's.
    let used = numbers.filter_map(|number| Some((number.parse::<u32>().ok()?, accounted(&number)?)));
    used.filter(|(number, (parent, _))| *number == process || *parent == process)
        .map(|(_, (_, cpu))| cpu)
        .sum()
}

/// A process's parent, and the CPU time all its threads have used.
fn accounted(process: &str) -> Option<(u32, Duration)> {
    let text = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let after_name = text.rsplit(')').next().expect("the name is in brackets");
    let word = |at: usize| {
        after_name
            .split_whitespace()
            .nth(at)
            .and_then(|word| word.parse::<u64>().ok())
            .unwrap_or(0)
    };
    let cpu = Duration::from_millis((word(11) + word(12)) * 10);
    Some((u32::try_from(word(1)).unwrap_or(0), cpu))
}

/// CPU nanoseconds per call.
pub fn cpu_ns_per(count: u32, mut call: impl FnMut(u32)) -> f64 {
    let start = thread_cpu_ns();
    (0..count).for_each(&mut call);
    (thread_cpu_ns() - start) as f64 / f64::from(count)
}

/// Wall seconds of one call.
pub fn wall_s(call: impl FnOnce()) -> f64 {
    let start = Instant::now();
    call();
    start.elapsed().as_secs_f64()
}

/// The middle of several figures.
pub fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// To three significant digits or so.
pub fn rounded(figure: f64) -> f64 {
    let scale = 10f64.powi(2 - figure.abs().max(1e-9).log10().floor() as i32);
    (figure * scale).round() / scale
}

/// Compiles a C program beside this crate against a library and runs it; the figure it prints, or none where
/// the library or the compiler is missing.
pub fn peer(source: &str, library: &str) -> Option<f64> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/peers");
    let program = std::env::temp_dir().join(format!("countersign-bench-{source}"));
    let compiled = Command::new("cc")
        .args(["-O2", &format!("{folder}/{source}.c"), "-o"])
        .arg(&program)
        .arg(format!("-l{library}"))
        .output()
        .ok()?;
    if !compiled.status.success() {
        return None;
    }
    let output = Command::new(&program).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}
