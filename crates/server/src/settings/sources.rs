//! Where settings are given, and which of several values counts.
//!
//! Knows: precedence and spelling. Must never know: what a setting is for.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use super::table::{Setting, TABLE, Wrong};
use super::{Mistake, Settings};

/// The profile for trying out.
const DEVELOPMENT_PROFILE: &str = "development";
/// What the names of settings begin with in the environment.
const PREFIX: &str = "COUNTERSIGN_";
/// A name that clients of older two-factor servers set, and the setting it stands for. The setting's own name goes
/// before it.
const OLDER: (&str, &str) = ("TOTP_ENABLED", "totp_enabled");
/// The file's own place, which is no setting of the file.
const CONFIG: &str = "COUNTERSIGN_CONFIG";
/// Letters by which a name in the environment may differ from a setting's and still be taken for a slip.
///
/// Others are let be: container platforms put names of their own there.
const SLIP_MAX: usize = 2;

/// What the development profile takes for what is not given: a folder of its own, where it can be tried at once, and
/// codes for trying out, asked for at a step-up.
const DEVELOPMENT: [(&str, &str); 5] = [
    ("data", DEVELOPMENT_DATA),
    ("listen", "127.0.0.1:8787"),
    ("tls", "off"),
    ("second_factor", "step_up"),
    ("totp_enabled", "false"),
];

/// The data folder of the development profile: what is tried out never meets what is meant.
const DEVELOPMENT_DATA: &str = "data-development";

/// Where a value was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Given {
    /// Nowhere.
    Default,
    /// By the service manager's credentials.
    Credential,
    /// In the file.
    File,
    /// In the environment.
    Environment,
    /// On the command line.
    Flag,
    /// In several places together.
    Together,
}

impl fmt::Display for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Given::Default => "default",
            Given::Credential => "credential",
            Given::File => "file",
            Given::Environment => "environment",
            Given::Flag => "flag",
            Given::Together => "together",
        })
    }
}

/// Everything that was given, as text.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// Settings on the command line, by the names of the table.
    pub flags: Vec<(String, String)>,
    /// The environment; what does not concern us is passed over.
    pub environment: Vec<(String, String)>,
    /// The file, if there is one.
    pub file: Option<String>,
    /// Whether the file lies in the data folder, where it can't say where that is.
    pub file_is_inside: bool,
    /// A key ring handed over by the service manager.
    pub credential: Option<PathBuf>,
}

/// Each setting with the value that counts and where it was given.
pub type Shown = Vec<(&'static Setting, String, Given)>;

/// Values by setting, the one that counts with where it was given.
type Values = BTreeMap<&'static str, (String, Given)>;

impl Sources {
    /// The data folder, which must be known before its file can be read.
    pub fn data(&self) -> PathBuf {
        let develops = self
            .early("profile")
            .is_some_and(|profile| profile.as_os_str() == DEVELOPMENT_PROFILE);
        let default = if develops { DEVELOPMENT_DATA } else { "data" };
        self.early("data").unwrap_or_else(|| default.into())
    }

    /// The file's place: as given, or inside the data folder.
    pub fn config(&self) -> (PathBuf, bool) {
        match self.early("config") {
            Some(path) => (path, false),
            None => (self.data().join("countersign.toml"), true),
        }
    }

    fn early(&self, name: &str) -> Option<PathBuf> {
        let flag = self.flags.iter().find(|(flag, _)| flag == name);
        let variable = format!("{PREFIX}{}", name.to_ascii_uppercase());
        let found = flag.or_else(|| self.environment.iter().find(|(known, _)| *known == variable));
        found.map(|(_, value)| PathBuf::from(value))
    }

    /// Brings everything together.
    ///
    /// # Errors
    /// Every [`Mistake`] there is.
    pub fn resolve(&self) -> Result<(Settings, Shown), Vec<Mistake>> {
        let mut mistakes = Vec::new();
        let mut values = Values::new();
        if let Some(ring) = self.credential.as_deref().map(Path::to_string_lossy) {
            values.insert("keys_file", (ring.into_owned(), Given::Credential));
        }
        self.read_file(&mut values, &mut mistakes);
        self.read_environment(&mut values, &mut mistakes);
        for (name, value) in self.flags.iter().filter(|(name, _)| name != "config") {
            match known(name) {
                Some(setting) => drop(values.insert(setting.name, (value.clone(), Given::Flag))),
                None => mistakes.push(unknown(name, Given::Flag)),
            }
        }
        let profile = values
            .get("profile")
            .map(|(profile, _)| profile.trim_matches('"'));
        if profile == Some(DEVELOPMENT_PROFILE) {
            for (name, value) in DEVELOPMENT {
                values.entry(name).or_insert((value.to_owned(), Given::Default));
            }
        }
        let mut settings = Settings::blank();
        let mut shown = Vec::new();
        for setting in &TABLE {
            let (value, given) = match values.remove(setting.name) {
                Some((value, given)) => (value, given),
                None => (setting.default_text().to_owned(), Given::Default),
            };
            if let Err((problem, remedy)) = (setting.apply)(&mut settings, &value) {
                mistakes.push(Mistake {
                    setting: setting.name.to_owned(),
                    given,
                    problem,
                    remedy,
                });
            }
            shown.push((setting, value, given));
        }
        // Values that are wrong by themselves are not judged together as well.
        if mistakes.is_empty() {
            mistakes = settings.disagreements();
        }
        if mistakes.is_empty() {
            Ok((settings, shown))
        } else {
            Err(mistakes)
        }
    }

    fn read_file(&self, values: &mut Values, mistakes: &mut Vec<Mistake>) {
        let Some(text) = &self.file else { return };
        let mistake = |setting: &str, problem: String, remedy: &str| Mistake {
            setting: setting.to_owned(),
            given: Given::File,
            problem,
            remedy: remedy.to_owned(),
        };
        let table = match table(text) {
            Ok(table) => table,
            Err((problem, remedy)) => {
                mistakes.push(mistake("the settings file", problem, &remedy));
                return;
            }
        };
        for (name, value) in table {
            let Some(setting) = known(&name) else {
                mistakes.push(unknown(&name, Given::File));
                continue;
            };
            if setting.name == "data" && self.file_is_inside {
                let problem = "the file lies in the data folder and can't say where that is".to_owned();
                mistakes.push(mistake(
                    "data",
                    problem,
                    "use `--data`, or keep the file elsewhere with `--config`",
                ));
                continue;
            }
            match text_of(setting, &value) {
                Some(text) => drop(values.insert(setting.name, (text, Given::File))),
                None => {
                    let problem = format!("a value of type {} does not fit here", value.type_str());
                    mistakes.push(mistake(
                        setting.name,
                        problem,
                        &format!("write {}", setting.example()),
                    ));
                }
            }
        }
    }

    fn read_environment(&self, values: &mut Values, mistakes: &mut Vec<Mistake>) {
        let older = self.environment.iter().find(|(variable, _)| variable == OLDER.0);
        if let Some((_, value)) = older {
            values.insert(OLDER.1, (value.clone(), Given::Environment));
        }
        for (variable, value) in &self.environment {
            let Some(name) = variable.strip_prefix(PREFIX).filter(|_| variable != CONFIG) else {
                continue;
            };
            let name = name.to_ascii_lowercase();
            match known(&name) {
                Some(setting) => drop(values.insert(setting.name, (value.clone(), Given::Environment))),
                None if nearest(&name).0 <= SLIP_MAX => mistakes.push(unknown(&name, Given::Environment)),
                None => {}
            }
        }
    }
}

/// The names and values of a file: TOML, or, where it begins with a brace, which TOML never does, one JSON object of
/// the same.
fn table(text: &str) -> Result<toml::Table, Wrong> {
    if text.trim_start().starts_with('{') {
        let remedy = || "write one object, each setting once, as in {\"name\": value}".to_owned();
        // A whole value, and not the table alone, because that is read with every name at most once.
        return match serde_json::from_str(text) {
            Ok(toml::Value::Table(table)) => Ok(table),
            Ok(_) => Err(("it holds no settings".to_owned(), remedy())),
            Err(error) => {
                let problem = format!("line {} is no JSON of settings: {error}", error.line());
                Err((problem, remedy()))
            }
        };
    }
    toml::from_str(text).map_err(|error| {
        let before = error
            .span()
            .map_or("", |span| text.get(..span.start).unwrap_or(""));
        let line = before.matches('\n').count() + 1;
        let problem = format!("line {line} is no TOML: {}", error.message());
        (problem, "write `name = value`, one a line".to_owned())
    })
}

fn known(name: &str) -> Option<&'static Setting> {
    TABLE.iter().find(|setting| setting.name == name)
}

/// The setting whose name is nearest, and by how many letters it differs.
fn nearest(name: &str) -> (usize, &'static str) {
    let distance = |setting: &Setting| (strsim::levenshtein(name, setting.name), setting.name);
    TABLE.iter().map(distance).min().unwrap_or((usize::MAX, ""))
}

fn unknown(name: &str, given: Given) -> Mistake {
    Mistake {
        setting: name.to_owned(),
        given,
        problem: "there is no such setting".into(),
        remedy: format!("the nearest is `{}`", nearest(name).1),
    }
}

/// A value of the file as the other sources would spell it.
fn text_of(setting: &Setting, value: &toml::Value) -> Option<String> {
    let is_switch = ["true", "false"].contains(&setting.default_text());
    match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Boolean(value) if is_switch => Some(value.to_string()),
        toml::Value::Array(values) => {
            let texts: Option<Vec<&str>> = values.iter().map(toml::Value::as_str).collect();
            texts.map(|texts| texts.join(","))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Profile, TlsChoice};
    use countersign_auth::policy::Policy;

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    fn file(text: &str) -> Sources {
        Sources {
            file: Some(text.to_owned()),
            ..Sources::default()
        }
    }

    fn mistakes(sources: &Sources) -> Vec<String> {
        let found = sources.resolve().expect_err("there are mistakes");
        found.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn untouched_settings_are_the_rules_own_defaults() {
        let (settings, _) = Sources::default().resolve().expect("defaults are right");
        assert_eq!(settings.policy, Policy::default());
        assert_eq!(settings.listen.to_string(), "127.0.0.1:8443");
        assert_eq!(
            (settings.tls, settings.profile),
            (TlsChoice::Own, Profile::Production)
        );
        assert_eq!(settings.cost(), crate::service::hashing::Cost::PRODUCTION);
    }

    #[test]
    fn switch_for_codes_is_read_from_every_spelling_and_every_source() {
        let verifies = |value: &str, sources: fn(&str) -> Sources| {
            let mut sources = sources(value);
            sources.flags = pairs(&[("profile", "development")]);
            let (settings, _) = sources.resolve().expect("development takes both");
            !settings.policy.dummy_codes
        };
        let environment: fn(&str) -> Sources = |value| Sources {
            environment: pairs(&[("TOTP_ENABLED", value)]),
            ..Sources::default()
        };
        let toml: fn(&str) -> Sources = |value| file(&format!("totp_enabled = \"{value}\"\n"));
        let json: fn(&str) -> Sources = |value| file(&format!("{{\"totp_enabled\": \"{value}\"}}"));
        for sources in [environment, toml, json] {
            for on in ["true", "1", "yes", "on", "TRUE", "Yes", "oN", " true "] {
                assert!(verifies(on, sources), "{on}");
            }
            for off in ["false", "0", "no", "off", "", "2", "y", "enabled", "truе"] {
                assert!(!verifies(off, sources), "{off}");
            }
        }
        // JSON and TOML have values of their own for it.
        let bare: fn(&str) -> Sources = |value| file(&format!(" \n{{\"totp_enabled\": {value}}}"));
        assert!(verifies("true", bare) && verifies("1", bare));
        assert!(!verifies("false", bare) && !verifies("0", bare));
        let bare: fn(&str) -> Sources = |value| file(&format!("totp_enabled = {value}"));
        assert!(verifies("true", bare) && !verifies("false", bare));
    }

    #[test]
    fn production_refuses_a_switch_for_codes_that_is_off_in_json_too() {
        let found = mistakes(&file(r#"{"totp_enabled": false}"#));
        assert_eq!(found.len(), 1);
        assert!(
            found[0].starts_with("totp_enabled: production verifies codes"),
            "{found:?}"
        );
    }

    #[test]
    fn file_of_json_is_read_like_the_same_in_toml_and_its_mistakes_are_named() {
        let json = r#"{"session_s": 7200, "names": ["a.example", "b.example"], "tls": "own"}"#;
        let toml = "session_s = 7200\nnames = [\"a.example\", \"b.example\"]\ntls = \"own\"\n";
        let settings = |text: &str| file(text).resolve().expect("right").0;
        assert_eq!(settings(json), settings(toml));
        assert_eq!(settings(json).policy.session_s, 7200);
        for (wrong, told) in [
            (
                "{\n\"session_s\": }",
                "the settings file (file): line 2 is no JSON",
            ),
            ("{\"session_s\": 60, \"session_s\": 61}", "duplicate key"),
            ("{\"session_s\": 60} {}", "line 1 is no JSON"),
            ("{\"session_s\": null}", "is no JSON"),
            (
                r#"{"$__toml_private_datetime": "1979-05-27"}"#,
                "it holds no settings",
            ),
            ("{\"sesion_s\": 60}", "the nearest is `session_s`"),
            ("{\"session_s\": {}}", "a value of type table does not fit here"),
        ] {
            let found = mistakes(&file(wrong));
            assert!(found[0].contains(told), "{wrong}: {found:?}");
        }
    }

    #[test]
    fn flag_goes_before_environment_before_file_before_credential_before_default() {
        let mut sources = file("keys_file = \"file\"\n");
        sources.credential = Some("credential".into());
        sources.environment = pairs(&[("COUNTERSIGN_KEYS_FILE", "environment"), ("HOME", "/")]);
        sources.flags = pairs(&[("keys_file", "flag")]);
        let ring = |sources: &Sources| sources.resolve().expect("right").0.keys_file;
        assert_eq!(ring(&sources), Some("flag".into()));
        sources.flags.clear();
        assert_eq!(ring(&sources), Some("environment".into()));
        sources.environment.clear();
        assert_eq!(ring(&sources), Some("file".into()));
        sources.file = None;
        assert_eq!(ring(&sources), Some("credential".into()));
        sources.credential = None;
        assert_eq!(ring(&sources), None);
    }

    #[test]
    fn every_mistake_is_reported_at_once_with_name_problem_and_remedy() {
        let mut sources = file("listne = \"x\"\nsession_s = 1\nnames = [1]\nwindow = true\n");
        sources.environment = pairs(&[("COUNTERSIGN_TSL", "own"), ("COUNTERSIGN_PORT", "tcp://1")]);
        sources.flags = pairs(&[("listen", "everywhere")]);
        let found = mistakes(&sources);
        for expected in [
            "listne (file): there is no such setting; the nearest is `listen`",
            "tsl (environment): there is no such setting; the nearest is `tls`",
            "names (file): a value of type array does not fit",
            "window (file): a value of type boolean does not fit",
            "listen (flag): \"everywhere\" is no address with a port",
            "session_s (file): \"1\" is no number from 60",
        ] {
            assert!(
                found.iter().any(|text| text.starts_with(expected)),
                "{expected}: {found:#?}"
            );
        }
        assert_eq!(found.len(), 6, "a platform's own variable is let be: {found:#?}");
        assert_eq!(mistakes(&file("a = 1\nb = \n")).len(), 1);
        assert!(mistakes(&file("a = 1\nb = \n"))[0].contains("line 2"));
    }

    #[test]
    fn settings_that_do_not_go_together_are_refused() {
        for (text, expected) in [
            (
                "profile = \"development\"\ntls = \"own\"\nlisten = \"0.0.0.0:1\"",
                "profile: the development profile",
            ),
            ("tls = \"off\"\nlisten = \"[::]:1\"", "tls: without TLS"),
            (
                "tls = \"off\"\nlisten = \"[::]:1\"\ntrusted_proxies = [\"unix\"]",
                "tls: without TLS",
            ),
            (
                "tls = \"off\"\nlisten = \"[::]:1\"\ntrusted_proxies = [\"192.0.2.1\"]",
                "public_url: nobody types",
            ),
            ("listen = \"unix:/x\"", "public_url: nobody types"),
            (
                "listen = \"unix:/x\"\npublic_url = \"https://a\"\ntls = \"files\"\ntls_chain = \"c\"\ntls_key = \"k\"",
                "tls: a socket",
            ),
            (
                "public_url = \"http://localhost:1\"",
                "public_url: http://localhost:1 is not https",
            ),
            ("tls = \"files\"\ntls_key = \"k\"", "tls: `files` needs both"),
            ("tls_chain = \"c\"\ntls_key = \"k\"", "tls: a certificate is set"),
            ("window = 2", "window: production accepts"),
            ("session_s = 600", "session_idle_s: a session would end"),
            (
                "throttle_lockout_s = 60",
                "throttle_lockout_s: the throttle would forget",
            ),
            (
                "throttle_lifetime = 40",
                "throttle_lockout_s: the throttle would forget",
            ),
        ] {
            let found = mistakes(&file(text));
            assert_eq!(found.len(), 1, "{text}: {found:#?}");
            assert!(found[0].starts_with(expected), "{found:#?}");
        }
        for text in [
            "tls = \"off\"\nlisten = \"[::]:1\"\ntrusted_proxies = [\"192.0.2.1\"]\npublic_url = \"https://a\"",
            "listen = \"unix:/x\"\npublic_url = \"https://a\"",
            "public_url = \"http://localhost:1\"\nprofile = \"development\"",
        ] {
            assert!(file(text).resolve().is_ok(), "{text}");
        }
        let wide = file("window = 3\nprofile = \"development\"");
        assert_eq!(wide.resolve().expect("development may").0.policy.window.past, 3);
    }

    #[test]
    fn codes_have_six_to_eight_digits_and_steps_of_15_to_120_seconds() {
        let parameters = |text: &str| file(text).resolve().expect("it may").0.policy.parameters;
        let made = parameters("digits = 8\nperiod_s = 60");
        assert_eq!((made.digits.count(), made.time_step.seconds()), (8, 60));
        let untouched = parameters("");
        assert_eq!((untouched.digits.count(), untouched.time_step.seconds()), (6, 30));
        for text in [
            "digits = 5",
            "digits = 9",
            "period_s = 0",
            "period_s = 14",
            "period_s = 121",
            "window = 5",
        ] {
            assert_eq!(mistakes(&file(text)).len(), 1, "{text}");
        }
    }

    #[test]
    fn no_setting_reaches_beyond_what_the_standards_allow() {
        for (text, problem) in [
            ("session_s = 2592001", "session_s (file)"),
            ("session_idle_s = 2592001", "session_idle_s (file)"),
            ("throttle_lifetime = 101", "throttle_lifetime (file)"),
            ("challenge_s = 601", "challenge_s (file)"),
        ] {
            let found = mistakes(&file(text));
            assert!(found[0].starts_with(problem), "{text}: {found:#?}");
        }
    }

    #[test]
    fn session_of_more_than_a_day_takes_the_words_that_say_what_it_costs() {
        let words = "long_sessions = \"a stolen cookie is good for as long\"\n";
        assert!(file("session_s = 86400").resolve().is_ok());
        let found = mistakes(&file("session_s = 86401"));
        assert_eq!(found.len(), 1);
        assert!(
            found[0].starts_with("session_s: sessions of more than a day have a cost"),
            "{found:?}"
        );
        assert!(file(&format!("{words}session_s = 2592000")).resolve().is_ok());
        let found = mistakes(&file("long_sessions = \"yes\""));
        assert!(found[0].starts_with("long_sessions (file)"), "{found:?}");
    }

    #[cfg(not(debug_assertions))]
    #[test]
    fn release_build_hashes_at_the_cost_of_production_in_every_profile() {
        use crate::service::hashing::Cost;
        let settings = file("profile = \"development\"").resolve().expect("it may").0;
        assert_eq!(settings.cost(), Cost::PRODUCTION);
    }

    #[test]
    fn data_folder_is_not_named_by_the_file_inside_it() {
        let mut sources = file("data = \"elsewhere\"");
        assert_eq!(
            sources.resolve().expect("outside it may").0.data,
            PathBuf::from("elsewhere")
        );
        sources.file_is_inside = true;
        assert!(mistakes(&sources)[0].contains("--data"));
    }
}
