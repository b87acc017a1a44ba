//! The one binary: server, operator's tools, code generator.
//!
//! Knows: arguments, exit codes, and how to print. Must never know: rules. One file a command; a command that
//! changes state asks the running server over its control socket, or takes the data folder and runs the same
//! service itself.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

mod command;
mod installation;
mod out;
mod png;
mod qr;
mod settings;

use out::Failed;

/// A second factor for people, devices and radio links.
#[derive(Parser)]
#[command(name = "countersign", version, about, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Serve; what happens when no command is given
    Serve(command::serve::Serve),
    /// Make the first administrator without a browser
    Init(command::first::Init),
    /// Print a new link that sets up the first administrator
    SetupLink(command::first::SetupLink),
    /// Let an administrator who lost a factor begin anew
    Admin(command::first::Admin),
    /// Add, list, change, import and export accounts
    User(command::user::User),
    /// Take over authenticators from other systems' files
    Import(command::import::Import),
    /// List, rotate and forget the keys that secrets are sealed under
    Key(command::key::Key),
    /// Add, renew, remove and list applications that ask about tokens
    App(command::app::App),
    /// List and rotate the keys that sign tokens
    Signing(command::app::Signing),
    /// Make a second factor for an account and show its code to scan
    Enrol(command::enrol::Enrol),
    /// Say whether a code is right
    Verify(command::verify::Verify),
    /// Draw a shared secret
    Secret(command::secret::Secret),
    /// Print the certificate that clients pin
    Trust(command::trust::Trust),
    /// Examine clock, store and keys, or a secret and a code
    Doctor(command::doctor::Doctor),
    /// Print completions for a shell
    Completions(command::describe::Completions),
    /// Print the manual
    Man(command::describe::Man),
    /// Check the rules of protected applications, and say which one counts
    Rules(command::rules::Rules),
    /// Check the settings and show them
    Check(command::check::Check),
    /// Write everything into one encrypted file, while the server runs
    Backup(command::backup::Backup),
    /// Restore a backup into an empty data folder
    Restore(command::backup::Restore),
    /// Move an installation between stores
    Store(command::store::Store),
    /// Generate a one-time code, as an authenticator would
    Code(command::code::Code),
    /// See, try and set the words of what is mailed
    Mail(command::mail::Mail),
    /// See who is held off, and let them in again
    Throttle(command::throttle::Throttle),
    /// Read, search, export and verify the audit
    Audit(command::audit::Audit),
    /// See what is thought of the clock, and accept it
    Clock(command::clock::Clock),
    /// Measure what this machine can do
    Bench(command::bench::Bench),
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failed) => {
            out::complain(&failed);
            failed.code()
        }
    }
}

fn run(command: Option<Command>) -> Result<(), Failed> {
    match command {
        None => command::serve::Serve::default().run(),
        Some(Command::Serve(serve)) => serve.run(),
        Some(Command::Init(init)) => init.run(),
        Some(Command::SetupLink(link)) => link.run(),
        Some(Command::Admin(admin)) => admin.run(),
        Some(Command::User(user)) => user.run(),
        Some(Command::Import(import)) => import.run(),
        Some(Command::Key(key)) => key.run(),
        Some(Command::App(app)) => app.run(),
        Some(Command::Signing(signing)) => signing.run(),
        Some(Command::Enrol(enrol)) => enrol.run(),
        Some(Command::Verify(verify)) => verify.run(),
        Some(Command::Secret(secret)) => secret.run(),
        Some(Command::Trust(trust)) => trust.run(),
        Some(Command::Doctor(doctor)) => doctor.run(),
        Some(Command::Completions(completions)) => completions.run(Arguments::command()),
        Some(Command::Man(man)) => man.run(Arguments::command()),
        Some(Command::Rules(rules)) => rules.run(),
        Some(Command::Check(check)) => check.run(),
        Some(Command::Backup(backup)) => backup.run(),
        Some(Command::Restore(restore)) => restore.run(),
        Some(Command::Store(store)) => store.run(),
        Some(Command::Code(code)) => code.run(),
        Some(Command::Mail(mail)) => mail.run(),
        Some(Command::Throttle(throttle)) => throttle.run(),
        Some(Command::Audit(audit)) => audit.run(),
        Some(Command::Clock(clock)) => clock.run(),
        Some(Command::Bench(bench)) => bench.run(),
    }
}
