//! `countersign completions` and `man`: the command line described to a shell and to a reader.

use std::path::PathBuf;

use clap::{Args, Command};
use clap_complete::Shell;

use crate::out::{Failed, say, text};

/// Print completions for a shell.
#[derive(Args)]
pub(crate) struct Completions {
    /// The shell
    shell: Shell,
}

/// Print the manual's first page, or write all of its pages.
#[derive(Args)]
pub(crate) struct Man {
    /// Write every page into this folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

impl Completions {
    pub(crate) fn run(self, mut command: Command) -> Result<(), Failed> {
        let mut written = Vec::new();
        clap_complete::generate(self.shell, &mut command, "countersign", &mut written);
        text(&String::from_utf8_lossy(&written));
        Ok(())
    }
}

impl Man {
    pub(crate) fn run(self, command: Command) -> Result<(), Failed> {
        if let Some(folder) = self.out {
            std::fs::create_dir_all(&folder).map_err(Failed::unavailable)?;
            clap_mangen::generate_to(command, &folder).map_err(Failed::unavailable)?;
            say(format_args!("the pages are in {}", folder.display()));
            return Ok(());
        }
        let mut written = Vec::new();
        clap_mangen::Man::new(command)
            .render(&mut written)
            .map_err(Failed::unavailable)?;
        text(&String::from_utf8_lossy(&written));
        Ok(())
    }
}
