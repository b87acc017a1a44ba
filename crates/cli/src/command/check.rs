//! `countersign check`: every mistake in the settings at once, or what they come to.

use clap::Args;
use countersign_server::settings::table;
use serde_json::{Map, json};

use crate::out::{Failed, data, text};
use crate::settings::SettingFlags;

/// Check the settings: exit 2 naming every mistake, or show what they come to and where each was given.
#[derive(Args)]
pub(crate) struct Check {
    /// Print a settings file with every default instead
    #[arg(long)]
    example: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    flags: SettingFlags,
}

impl Check {
    pub(crate) fn run(self) -> Result<(), Failed> {
        if self.example {
            text(&table::example());
            return Ok(());
        }
        let (_, shown) = self.flags.resolve()?;
        if self.json {
            let member = |(setting, value, given): &(&table::Setting, String, _)| {
                let given = format!("{given}");
                (setting.name.to_owned(), json!({ "value": value, "given": given }))
            };
            data(json!(shown.iter().map(member).collect::<Map<_, _>>()));
            return Ok(());
        }
        for (setting, value, given) in shown {
            data(format_args!("{:28} {given:12} {value}", setting.name));
        }
        Ok(())
    }
}
