//! Roles: what somebody may do to other people's accounts and to the installation.
//!
//! Knows: the four roles, the group that stands for each, and the table of what each may. Must never know: how somebody
//! asks. Every door that lets a person act for others asks [`Role::may`] or [`Role::may_over`]; one's own account needs
//! neither, and the operator's commands belong to the machine's owner, who may everything.
//!
//! A role is held as membership in a reserved group, so that whatever carries a copy of the groups, a session or a
//! token, carries the role as well, and nothing has to be kept in step.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Serialize};

/// What an account's owner is to this installation. Whoever was given nothing is a user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Has an account, and may look after it alone.
    #[default]
    User,
    /// Reads lists and the audit, and changes nothing.
    Auditor,
    /// Helps people who are locked out; gives no rights.
    Operator,
    /// May everything.
    Administrator,
}

/// Something that is done for others or to the installation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Permission {
    /// See accounts: their groups, claims, factors, sessions, and what the throttle holds against them.
    SeeAccounts,
    /// Read, export and verify the audit.
    ReadAudit,
    /// Forget the failures counted against an account.
    LiftThrottles,
    /// End the sessions of an account.
    EndSessions,
    /// Issue a link by which an account's owner sets a password.
    IssueTickets,
    /// Add, disable and reset accounts, remove their factors, set their groups and claims, import and export them.
    ManageAccounts,
    /// Give and take roles.
    GiveRoles,
    /// List, rotate and forget keys.
    ManageKeys,
    /// Change what the installation says and how it stands: texts, settings, the clock.
    ManageInstallation,
}

impl Permission {
    /// All of them.
    pub const ALL: [Permission; 9] = [
        Permission::SeeAccounts,
        Permission::ReadAudit,
        Permission::LiftThrottles,
        Permission::EndSessions,
        Permission::IssueTickets,
        Permission::ManageAccounts,
        Permission::GiveRoles,
        Permission::ManageKeys,
        Permission::ManageInstallation,
    ];
}

/// Whether a role suffices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum RoleVerdict {
    /// It does.
    Allowed,
    /// It lacks the permission.
    Lacking,
    /// It has the permission, but the account it is about may do what this role may not: a link to set that account's
    /// password, for instance, would be a way to its rights.
    Outranked,
}

impl Role {
    /// All of them, the least first.
    pub const ALL: [Role; 4] = [Role::User, Role::Auditor, Role::Operator, Role::Administrator];

    /// Whether this role may do something; docs/operate/people.md shows the table.
    pub fn may(self, permission: Permission) -> RoleVerdict {
        use Permission::{EndSessions, IssueTickets, LiftThrottles, ReadAudit, SeeAccounts};
        let allowed = match self {
            Role::Administrator => true,
            Role::Operator => matches!(
                permission,
                SeeAccounts | LiftThrottles | EndSessions | IssueTickets
            ),
            Role::Auditor => matches!(permission, SeeAccounts | ReadAudit),
            Role::User => false,
        };
        match allowed {
            true => RoleVerdict::Allowed,
            false => RoleVerdict::Lacking,
        }
    }

    /// Whether this role may do something to an account of that role: it must have every permission that the other has.
    pub fn may_over(self, permission: Permission, other: Role) -> RoleVerdict {
        let has = |role: Role, permission| role.may(permission) == RoleVerdict::Allowed;
        let outranked = Permission::ALL
            .into_iter()
            .any(|held| has(other, held) && !has(self, held));
        match self.may(permission) {
            RoleVerdict::Allowed if outranked => RoleVerdict::Outranked,
            verdict => verdict,
        }
    }

    /// The group that stands for it; none stands for a user.
    pub fn group(self) -> Option<&'static str> {
        match self {
            Role::User => None,
            Role::Auditor => Some("auditor"),
            Role::Operator => Some("operator"),
            Role::Administrator => Some("admin"),
        }
    }

    /// The role that a group stands for.
    pub fn of_group(group: &str) -> Option<Role> {
        Role::ALL.into_iter().find(|role| role.group() == Some(group))
    }

    /// The role of whoever is in these groups: the greatest that one of them stands for.
    pub fn of(groups: &[String]) -> Role {
        let roles = groups.iter().filter_map(|group| Role::of_group(group));
        roles.max().unwrap_or_default()
    }

    /// Makes it the one role of whoever is in these groups.
    pub fn take_hold(self, groups: &mut Vec<String>) {
        groups.retain(|group| Role::of_group(group).is_none_or(|role| role == self));
        let missing = self
            .group()
            .filter(|group| !groups.iter().any(|held| held == group));
        groups.extend(missing.map(String::from));
    }

    /// Its name, as people write it.
    pub fn name(self) -> &'static str {
        match self {
            Role::User => "user",
            Role::Auditor => "auditor",
            Role::Operator => "operator",
            Role::Administrator => "administrator",
        }
    }

    /// The role of that name.
    pub fn parse(name: &str) -> Option<Role> {
        Role::ALL.into_iter().find(|role| role.name() == name)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
