//! The settings as flags, and where the other sources are read.
//!
//! Knows: the command line, the environment and the settings file. Must never know: what a setting is for;
//! the table of the server says that.

use std::path::{Path, PathBuf};

use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};
use countersign_server::settings::table::Setting;
use countersign_server::settings::{Settings, Shown, Sources, TABLE};

use crate::out::Failed;

/// What the service manager calls the key ring it hands over.
const CREDENTIAL: &str = "countersign-keys";

/// Every setting of the table as a flag.
#[derive(Default)]
pub(crate) struct SettingFlags {
    given: Vec<(String, String)>,
}

impl SettingFlags {
    /// The settings these flags lead to.
    pub(crate) fn settings(self) -> Result<Settings, Failed> {
        self.resolve().map(|(settings, _)| settings)
    }

    /// The same, with where each came from.
    pub(crate) fn resolve(self) -> Result<(Settings, Shown), Failed> {
        resolve(self.given)
    }
}

impl FromArgMatches for SettingFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<SettingFlags, clap::Error> {
        let mut flags = SettingFlags::default();
        flags.update_from_arg_matches(matches)?;
        Ok(flags)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        for name in TABLE.iter().map(|setting| setting.name).chain(["config"]) {
            let value = matches.get_one::<String>(name).cloned();
            self.given.extend(value.map(|value| (name.to_owned(), value)));
        }
        Ok(())
    }
}

impl Args for SettingFlags {
    fn augment_args(command: Command) -> Command {
        let config = Arg::new("config")
            .long("config")
            .value_name("FILE")
            .help("The settings file, instead of countersign.toml in the data folder");
        let flag = |setting: &'static Setting| {
            Arg::new(setting.name)
                .long(setting.name.replace('_', "-"))
                .value_name("VALUE")
                .help(format!("{} [default: {}]", setting.about, setting.default))
        };
        command.arg(config).args(TABLE.iter().map(flag))
    }

    fn augment_args_for_update(command: Command) -> Command {
        SettingFlags::augment_args(command)
    }
}

/// Brings flags, environment, file and credentials together; every mistake is told at once.
pub(crate) fn resolve(flags: Vec<(String, String)>) -> Result<(Settings, Shown), Failed> {
    let mut sources = Sources {
        flags,
        environment: environment(),
        credential: credential(),
        ..Sources::default()
    };
    let (path, is_inside) = sources.config();
    sources.file_is_inside = is_inside;
    sources.file = read_file(&path, is_inside)?;
    sources.resolve().map_err(|mistakes| {
        let lines: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
        Failed::Usage(lines.join("\n"))
    })
}

/// The file's text; the one in the data folder may be missing.
fn read_file(path: &Path, may_be_missing: bool) -> Result<Option<String>, Failed> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if may_be_missing && error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failed::Usage(format!("{}: {error}", path.display()))),
    }
}

/// The environment, as far as it is text.
fn environment() -> Vec<(String, String)> {
    let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    std::env::vars_os().filter_map(text).collect()
}

fn credential() -> Option<PathBuf> {
    let folder = std::env::var_os("CREDENTIALS_DIRECTORY")?;
    let path = PathBuf::from(folder).join(CREDENTIAL);
    path.exists().then_some(path)
}
