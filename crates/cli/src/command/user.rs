//! `countersign user`: accounts, as an operator manages them.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use countersign_auth::claim::ClaimValue;
use countersign_auth::command::people::Amendment;
use countersign_auth::role::Role;
use countersign_server::people;
use countersign_server::service::operator::{
    Ask, FirstPassword, Reply, Ticket, User as ListedUser, UserAdded,
};
use serde_json::json;

use super::people::{Export, Import};
use super::token::Token;
use crate::installation::{Common, Desk, read_secret};
use crate::out::{Failed, data, say};

/// Manage accounts.
#[derive(Args)]
pub(crate) struct User {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Add an account; without a password its owner is invited to set one
    Add {
        /// The account's name
        name: String,
        /// File with the password, `-` for standard input
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
        /// File with a hash of the password from another system: an Argon2id hash in PHC form, or
        /// `sha256$SALT$DIGEST` over salt and password; it is replaced at the first sign-in
        #[arg(long, value_name = "FILE", conflicts_with = "password_file")]
        password_hash_file: Option<PathBuf>,
        /// Make a second factor, confirmed at once because you vouch for it
        #[arg(long)]
        totp: bool,
        /// A group the account is in; may be given several times
        #[arg(long = "group", value_name = "GROUP")]
        groups: Vec<String>,
        #[command(flatten)]
        common: Common,
    },
    /// List accounts
    List {
        /// Only accounts whose name, mail address or a group holds this
        #[arg(long, default_value = "", hide_default_value = true)]
        matching: String,
        #[command(flatten)]
        common: Common,
    },
    /// Show an account: role, groups, claims, factors
    Show(Named),
    /// Give an account its role: what it may do for others and to this installation
    Role {
        /// The account's name
        name: String,
        /// user, auditor, operator or administrator
        #[arg(value_parser = parse_role)]
        role: Role,
        #[command(flatten)]
        common: Common,
    },
    /// Put an account into groups, or take it out of them
    Group {
        /// The account's name
        name: String,
        /// A group to join; may be given several times
        #[arg(long, value_name = "GROUP", required_unless_present = "leave")]
        join: Vec<String>,
        /// A group to leave; may be given several times
        #[arg(long, value_name = "GROUP")]
        leave: Vec<String>,
        #[command(flatten)]
        common: Common,
    },
    /// Set claims of an account, for the applications behind
    Claim {
        /// The account's name
        name: String,
        /// A claim as NAME=VALUE; the value is JSON: true, false, a whole number, or a text in quotation marks
        #[arg(value_name = "CLAIM", value_parser = parse_claim, required_unless_present = "remove")]
        claims: Vec<(String, ClaimValue)>,
        /// The name of a claim to remove; may be given several times
        #[arg(long, value_name = "NAME")]
        remove: Vec<String>,
        #[command(flatten)]
        common: Common,
    },
    Import(Import),
    Export(Export),
    /// Refuse every sign-in of an account and end its sessions
    Disable(Named),
    /// Let a disabled account sign in again
    Enable(Named),
    /// Issue a link by which an account's owner sets a password; the factors stay, and one is owed after it
    Invite(Named),
    /// Remove password and second factors, end sessions, and issue a link to begin anew
    Reset(Named),
    /// Vouch for an account's owner by a link that is one of two proofs to recover the account, and opens nothing alone
    Vouch(Named),
    /// Remove all second factors of an account and end its sessions; the password stays, and its next sign-in sets one
    /// up
    RemoveFactors {
        /// Only the one of this identifier, as `user show` shows it; with the last one the backup codes go
        #[arg(long)]
        factor: Option<String>,
        #[command(flatten)]
        named: Named,
    },
    /// End all sessions of an account and forget its browsers
    EndSessions {
        /// Only the one of this identifier, as `user show` shows it
        #[arg(long)]
        session: Option<String>,
        #[command(flatten)]
        named: Named,
    },
    Token(Token),
    /// Forget the failures counted against an account
    Unlock(Named),
    /// Set where an account's owner is written to, which you vouch for; without an address it is taken away
    Email {
        /// The account's name
        name: String,
        /// The address
        address: Option<String>,
        #[command(flatten)]
        common: Common,
    },
    /// Set where an account's owner is sent text messages; without a number it is taken away
    Phone {
        /// The account's name
        name: String,
        /// The number, with + and the country's code
        number: Option<String>,
        #[command(flatten)]
        common: Common,
    },
}

#[derive(Args)]
struct Named {
    /// The account's name
    name: String,
    #[command(flatten)]
    common: Common,
}

impl User {
    pub(crate) fn run(self) -> Result<(), Failed> {
        match self.action {
            Action::Add {
                name,
                password_file,
                password_hash_file,
                totp,
                groups,
                common,
            } => {
                let password = match (password_file, password_hash_file) {
                    (Some(path), _) => Some(FirstPassword::Typed(read_secret(&path)?)),
                    (None, Some(path)) => Some(FirstPassword::Hash(read_secret(&path)?)),
                    (None, None) => None,
                };
                let ask = Ask::UserAdd {
                    name,
                    groups,
                    password,
                    totp,
                };
                common.carry_out(ask, show)
            }
            Action::List { matching, common } => list(&matching, &common),
            Action::Show(named) => show_user(&named),
            Action::Role { name, role, common } => amend(name, vec![Amendment::Role(role)], common),
            Action::Group {
                name,
                join,
                leave,
                common,
            } => {
                let joined = join.into_iter().map(Amendment::Join);
                amend(
                    name,
                    joined.chain(leave.into_iter().map(Amendment::Leave)).collect(),
                    common,
                )
            }
            Action::Claim {
                name,
                claims,
                remove,
                common,
            } => {
                let set = claims
                    .into_iter()
                    .map(|(claim, value)| Amendment::Claim(claim, value));
                amend(
                    name,
                    set.chain(remove.into_iter().map(Amendment::Unclaim)).collect(),
                    common,
                )
            }
            Action::Import(import) => import.run(),
            Action::Export(export) => export.run(),
            Action::RemoveFactors { factor, named } => named.manage(|name| match factor {
                Some(factor) => Ask::UserRemoveFactor { name, factor },
                None => Ask::UserRemoveFactors { name },
            }),
            Action::EndSessions { session, named } => named.manage(|name| match session {
                Some(session) => Ask::UserEndSession { name, session },
                None => Ask::UserEndSessions { name },
            }),
            Action::Disable(named) => named.manage(|name| Ask::UserDisable { name }),
            Action::Enable(named) => named.manage(|name| Ask::UserEnable { name }),
            Action::Invite(named) => named.manage(|name| Ask::UserInvite { name }),
            Action::Reset(named) => named.manage(|name| Ask::UserReset { name }),
            Action::Vouch(named) => named.manage(|name| Ask::UserVouch { name }),
            Action::Token(token) => token.run(),
            Action::Unlock(named) => named.manage(|name| Ask::UserUnlock { name }),
            Action::Email {
                name,
                address,
                common,
            } => Named { name, common }.manage(|name| Ask::UserEmail { name, address }),
            Action::Phone { name, number, common } => {
                Named { name, common }.manage(|name| Ask::UserPhone { name, number })
            }
        }
    }
}

impl Named {
    fn manage(self, ask: impl FnOnce(String) -> Ask) -> Result<(), Failed> {
        let Named { name, common } = self;
        match common.data.ask(ask(name.clone()))? {
            Reply::Done if common.json => data(json!({ "name": name, "done": true })),
            Reply::Done => say("done"),
            Reply::Ticket(ticket) if common.json => data(json!(ticket)),
            Reply::Ticket(ticket) => show_ticket(&ticket),
            other => return Err(unexpected(&other)),
        }
        Ok(())
    }
}

fn amend(name: String, amendments: Vec<Amendment>, common: Common) -> Result<(), Failed> {
    Named { name, common }.manage(|name| Ask::UserAmend { name, amendments })
}

fn parse_role(text: &str) -> Result<Role, &'static str> {
    Role::parse(text).ok_or("give user, auditor, operator or administrator")
}

fn parse_claim(text: &str) -> Result<(String, ClaimValue), String> {
    let (name, value) = text.split_once('=').ok_or("give NAME=VALUE")?;
    Ok((name.to_owned(), people::parse_claim(value)?))
}

fn show_user(named: &Named) -> Result<(), Failed> {
    let name = named.name.clone();
    let shown = match named.common.data.ask(Ask::UserShow { name })? {
        Reply::User(shown) => shown,
        other => return Err(unexpected(&other)),
    };
    if named.common.json {
        data(json!(shown));
        return Ok(());
    }
    let user = &shown.user;
    data(format_args!("name          {}", user.name));
    data(format_args!("role          {}", user.role));
    data(format_args!(
        "state         {}",
        if user.disabled { "disabled" } else { "enabled" }
    ));
    data(format_args!(
        "password      {}",
        if user.password { "set" } else { "none" }
    ));
    for group in &user.groups {
        data(format_args!("group         {group}"));
    }
    for (name, value) in &user.claims {
        data(format_args!("claim         {name}={}", json!(value)));
    }
    for factor in &shown.factors {
        data(format_args!(
            "factor        {}  {}  {}",
            factor.id, factor.kind, factor.label
        ));
    }
    if let Some(email) = &shown.email {
        data(format_args!("email         {email}"));
    }
    if let Some(phone) = &shown.phone {
        data(format_args!("phone         {phone}"));
    }
    for session in &shown.open {
        let elevated = session.elevated_until.map_or("", |_| "  elevated");
        data(format_args!(
            "session       {}  {}  {}{elevated}",
            session.id, session.acr, session.network
        ));
    }
    data(format_args!("sessions      {}", user.sessions));
    data(format_args!("failures      {}", shown.failures));
    Ok(())
}

fn list(matching: &str, common: &Common) -> Result<(), Failed> {
    let desk = common.data.open()?;
    let users = list_pages(&desk, matching);
    desk.close()?;
    let users = users?;
    if common.json {
        data(json!(users));
        return Ok(());
    }
    for user in users {
        let state = if user.disabled { "disabled" } else { "enabled" };
        let (factors, sessions) = (user.second_factors, user.sessions);
        let groups = user.groups.join(",");
        let line = format!(
            "{}  {state}  second factors {factors}  sessions {sessions}  {groups}",
            user.name
        );
        data(line.trim_end());
    }
    Ok(())
}

fn list_pages(desk: &Desk, matching: &str) -> Result<Vec<ListedUser>, Failed> {
    let (mut users, mut after) = (Vec::new(), String::new());
    loop {
        let matching = matching.to_owned();
        match desk.ask(&Ask::UserList { after, matching })? {
            Reply::Users { users: page, next } => {
                users.extend(page);
                match next {
                    Some(next) => after = next,
                    None => return Ok(users),
                }
            }
            other => return Err(unexpected(&other)),
        }
    }
}

/// Shows an added account or a ticket to a person.
pub(crate) fn show(reply: &Reply) -> Result<(), Failed> {
    match reply {
        Reply::UserAdded(added) => show_added(added),
        Reply::Ticket(ticket) => show_ticket(ticket),
        other => return Err(unexpected(other)),
    }
    Ok(())
}

fn show_added(added: &UserAdded) {
    data(format_args!("name          {}", added.name));
    if let (Some(uri), Some(secret)) = (&added.otpauth_uri, &added.totp_secret) {
        data(format_args!("otpauth URI   {uri}"));
        data(format_args!("TOTP secret   {secret}"));
    }
    for code in &added.backup_codes {
        data(format_args!("backup code   {code}"));
    }
    if let Some(ticket) = &added.invitation {
        show_ticket(ticket);
    }
    say("These are shown once; hand them over on a channel you trust.");
}

fn show_ticket(ticket: &Ticket) {
    data(format_args!("link          {}", ticket.link));
    say(format_args!(
        "It works once, within {} minutes.",
        ticket.expires_in / 60
    ));
}

/// A reply of another kind can only come from a server of another version.
pub(crate) fn unexpected(_: &Reply) -> Failed {
    Failed::Unavailable("the running server answered in another version's way; restart it".into())
}
