//! Our codes beside those of programs written by others: oathtool (C) and pyotp (Python).
//!
//! Knows: how to ask both for many codes at once. Must never know: how any of the three computes one. Ignored
//! unless asked for, since plain `cargo test` needs no program but itself. `COUNTERSIGN_SEED` replays a run.

use std::hash::{BuildHasher, RandomState};
use std::io::Write;
use std::process::{Child, Command, Stdio};

use countersign_core::otp::{Algorithm, Digits, SharedSecret, Totp};
use countersign_core::time::{TimeStep, UnixSeconds};
use countersign_testkit::SeededChance;

/// Secrets that oathtool is asked about.
const SECRETS: usize = 2_500;
/// Codes of neighbouring steps that one call of oathtool prints: `-w 49` are 49 more than the first.
const STEPS: u64 = 50;
/// Secrets that pyotp is asked about, all in one process.
const PYTHON_SECRETS: usize = 500;
/// Calls of oathtool that run at once.
const AT_ONCE: usize = 8;

/// One secret with its parameters, and the moment whose code is the first.
struct Sample {
    secret: SharedSecret,
    totp: Totp,
    at: UnixSeconds,
}

impl Sample {
    fn draw(number: usize, chance: &mut SeededChance) -> Sample {
        let mut bytes = [0; 64];
        chance.fill(&mut bytes);
        let len = usize::try_from(16 + chance.below(49)).expect("at most 64");
        // All 27 combinations come round in turn, whatever chance does.
        let algorithm = [Algorithm::Sha1, Algorithm::Sha256, Algorithm::Sha512][number % 3];
        let digits = [Digits::SIX, Digits::SEVEN, Digits::EIGHT][number / 3 % 3];
        let seconds = [15, 30, 60][number / 9 % 3];
        // Some moments lie within the first steps, the others anywhere before the year 2242.
        let at = UnixSeconds(if number.is_multiple_of(50) {
            chance.below(90)
        } else {
            chance.below(1 << 33)
        });
        Sample {
            secret: SharedSecret::from_bytes(&bytes[..len]).expect("16 to 64 bytes are a secret"),
            totp: Totp {
                algorithm,
                digits,
                time_step: TimeStep::new(seconds).expect("15, 30 and 60 are not 0"),
                t0: UnixSeconds(0),
            },
            at,
        }
    }

    fn ours(&self) -> Vec<String> {
        let seconds = u64::from(self.totp.time_step.seconds());
        let codes = (0..STEPS).map(|step| self.totp.generate(&self.secret, self.at.plus(step * seconds)));
        codes.map(|code| code.to_string()).collect()
    }

    /// Starts oathtool. The secret goes to its standard input, so that no list of processes shows it.
    fn ask_oathtool(&self) -> Child {
        let mut child = Command::new("oathtool")
            .arg(format!("--totp={}", self.totp.algorithm))
            .arg(format!("--digits={}", self.totp.digits.count()))
            .arg(format!("--time-step-size={}s", self.totp.time_step.seconds()))
            .arg(format!("--window={}", STEPS - 1))
            .arg(format!("--now=@{}", self.at))
            .args(["--base32", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("oathtool is installed");
        let mut input = child.stdin.take().expect("standard input is a pipe");
        writeln!(input, "{}", self.secret.to_base32()).expect("oathtool reads its secret");
        child
    }

    /// As one line for Python.
    fn to_line(&self) -> String {
        let (totp, secret) = (&self.totp, self.secret.to_base32());
        let (algorithm, digits) = (totp.algorithm, totp.digits.count());
        format!(
            "{secret} {algorithm} {digits} {} {}",
            totp.time_step.seconds(),
            self.at
        )
    }
}

/// How many codes were compared, and which differed.
#[derive(Default)]
struct Comparison {
    cases: usize,
    mismatches: Vec<String>,
}

impl Comparison {
    fn compare(&mut self, sample: &Sample, theirs: &[&str]) {
        let ours = sample.ours();
        assert_eq!(
            theirs.len(),
            ours.len(),
            "they show another number of codes for {}",
            sample.to_line()
        );
        for (step, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
            self.cases += 1;
            if ours != theirs {
                let line = sample.to_line();
                self.mismatches
                    .push(format!("{line} + {step} steps: ours {ours}, theirs {theirs}"));
            }
        }
    }

    fn summary(&self) -> String {
        format!("{} cases, {} mismatches", self.cases, self.mismatches.len())
    }

    fn assert_none_differs(&self, cases_min: usize) {
        assert!(self.cases >= cases_min, "only {} cases", self.cases);
        let first = self
            .mismatches
            .iter()
            .take(10)
            .map(String::as_str)
            .collect::<Vec<_>>();
        assert!(
            first.is_empty(),
            "{}, first:\n{}",
            self.summary(),
            first.join("\n")
        );
    }
}

fn seeded() -> SeededChance {
    SeededChance::from_environment_or(RandomState::new().hash_one("seed"))
}

#[test]
#[ignore = "needs oathtool"]
fn oathtool_and_we_show_the_same_codes() {
    let mut chance = seeded();
    let samples: Vec<Sample> = (0..SECRETS)
        .map(|number| Sample::draw(number, &mut chance))
        .collect();
    let mut comparison = Comparison::default();
    for few in samples.chunks(AT_ONCE) {
        let asked: Vec<Child> = few.iter().map(Sample::ask_oathtool).collect();
        for (sample, child) in few.iter().zip(asked) {
            let output = child.wait_with_output().expect("oathtool ends");
            assert!(output.status.success(), "oathtool refuses {}", sample.to_line());
            let text = String::from_utf8(output.stdout).expect("codes are ASCII");
            comparison.compare(sample, &text.lines().collect::<Vec<_>>());
        }
    }
    println!("oathtool, seed {}: {}", chance.seed(), comparison.summary());
    comparison.assert_none_differs(100_000);
}

/// Answers each line with the codes of its steps.
const PYTHON: &str = "
import hashlib, sys, pyotp
for line in sys.stdin:
    secret, algorithm, digits, interval, at = line.split()
    digest = getattr(hashlib, algorithm.lower())
    totp = pyotp.TOTP(secret, digits=int(digits), digest=digest, interval=int(interval))
    print(*(totp.generate_otp(int(at) // int(interval) + step) for step in range(int(sys.argv[1]))))
";

#[test]
#[ignore = "needs pyotp"]
fn pyotp_and_we_show_the_same_codes() {
    let mut chance = seeded();
    let samples: Vec<Sample> = (0..PYTHON_SECRETS)
        .map(|number| Sample::draw(number, &mut chance))
        .collect();
    let mut child = Command::new("python3")
        .args(["-c", PYTHON, &STEPS.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 is installed");
    let mut input = child.stdin.take().expect("standard input is a pipe");
    let lines: String = samples.iter().map(|sample| sample.to_line() + "\n").collect();
    // Written from beside, for Python answers before it has read everything and both pipes have an end.
    let writer = std::thread::spawn(move || input.write_all(lines.as_bytes()));
    let output = child.wait_with_output().expect("python3 ends");
    writer
        .join()
        .expect("the writer ends")
        .expect("python3 reads all lines");
    assert!(output.status.success(), "python3 with pyotp fails");
    let text = String::from_utf8(output.stdout).expect("codes are ASCII");
    let mut comparison = Comparison::default();
    assert_eq!(text.lines().count(), samples.len());
    for (sample, line) in samples.iter().zip(text.lines()) {
        comparison.compare(sample, &line.split(' ').collect::<Vec<_>>());
    }
    println!("pyotp, seed {}: {}", chance.seed(), comparison.summary());
    comparison.assert_none_differs(10_000);
}

/// Reads each URI and says what it found in it, in the vectors' words.
const PYTHON_URIS: &str = "
import json, sys, pyotp
for case in json.load(open(sys.argv[1]))['cases']:
    # It decodes twice, so a plus sign is a blank to it.
    if 'canonical' not in case or '%2B' in case['canonical']:
        continue
    otp = pyotp.parse_uri(case['canonical'])
    found = dict(issuer=otp.issuer or '', account=otp.name, secret=otp.secret, digits=otp.digits,
                 algorithm=otp.digest().name.upper())
    if isinstance(otp, pyotp.HOTP):
        found.update(kind='hotp', counter=str(otp.initial_count))
    else:
        found.update(kind='totp', period=otp.interval)
    assert found == case['expected'], (case['canonical'], found)
    print(case['canonical'])
";

#[test]
#[ignore = "needs pyotp"]
fn uris_that_we_emit_are_read_by_pyotp_as_what_they_were_made_of() {
    let vectors = concat!(env!("CARGO_MANIFEST_DIR"), "/../../vectors/otp/otpauth.json");
    let output = Command::new("python3")
        .args(["-c", PYTHON_URIS, vectors])
        .output()
        .expect("python3 is installed");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let read = String::from_utf8_lossy(&output.stdout).lines().count();
    assert!(read >= 18, "only {read} were read");
}
