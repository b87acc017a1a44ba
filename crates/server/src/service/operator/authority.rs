//! Who asks: the machine's owner, or somebody signed in who acts by a role.
//!
//! Knows: what each request takes. Must never know: how it is carried out. Read next:
//! [`countersign_auth::command::authority`], where it is judged.

use countersign_auth::command::authority::{Authorised, Authority, Needs, NotAllowed};
use countersign_auth::command::people::Amendment;
use countersign_auth::command::upkeep::Note;
use countersign_auth::event::{Act, Event, Origin, Reason};
use countersign_auth::role::Permission;
use countersign_auth::rule::Rule;

use super::super::{Failure, Live, names};
use super::{Ask, Operator, Reply};

/// Who asks.
#[derive(Clone)]
pub(super) struct By {
    /// What the audit says of it.
    pub(super) origin: Origin,
    /// Whose role it rests on; none is the machine's owner.
    pub(super) authority: Option<Authority>,
}

/// Why there is no reply.
pub(super) enum Stop {
    Failed(Failure),
    NotAllowed(NotAllowed),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Stop {
        Stop::Failed(failure)
    }
}

impl Operator {
    /// Answers somebody signed in, if their role and proof suffice.
    ///
    /// # Errors
    /// The outer [`Failure`] when nothing could be decided; the inner [`NotAllowed`] when they may not.
    pub async fn answer_as(
        &self,
        live: &Live,
        ask: Ask,
        origin: &Origin,
    ) -> Result<Result<Reply, NotAllowed>, Failure> {
        let name = live.session.account.clone();
        let authority = Authority {
            session: live.id,
            standing: live.standing,
            needs: ask.needs(),
            name: name.clone(),
        };
        let by = By {
            origin: Origin {
                by: Some(name),
                ..origin.clone()
            },
            authority: Some(authority),
        };
        match self.answer_by(ask, &by).await {
            Ok(reply) => Ok(Ok(reply)),
            Err(Stop::Failed(failure)) => Err(failure),
            Err(Stop::NotAllowed(why)) => {
                if matches!(why, NotAllowed::Lacking | NotAllowed::Outranked) {
                    let act = Act::Administer;
                    self.service.note_refusal(act, Reason::NotPermitted, &by.origin);
                }
                Ok(Err(why))
            }
        }
    }

    /// Everything is allowed before it begins, for what only reads and for what is done outside the store, like the key
    /// ring; each decision again as it is made.
    async fn answer_by(&self, ask: Ask, by: &By) -> Result<Reply, Stop> {
        let nothing = Authorised {
            authority: by.authority.clone(),
            rule: Note { events: Vec::new() },
        };
        let allowed = self.service.ask(nothing).await?;
        allowed.map_err(Stop::NotAllowed)?;
        // Whoever waits here holds nothing, while whoever reads far holds a thread and a connection of the store.
        let _turn = match ask.reads_far() {
            true => Some(
                self.service
                    .far_reads
                    .acquire()
                    .await
                    .map_err(|_| Failure::Stopping)?,
            ),
            false => None,
        };
        self.dispatch(ask, by).await
    }

    /// Hands in a rule in somebody's name.
    pub(super) async fn submit<R>(&self, by: &By, rule: R) -> Result<R::Outcome, Stop>
    where
        R: Rule + Send + 'static,
        R::Outcome: Send + 'static,
    {
        let authority = by.authority.clone();
        let decided = self.service.submit(Authorised { authority, rule }).await?;
        decided.map_err(Stop::NotAllowed)
    }

    /// Writes into the audit what is about to be done in somebody's name. What was done already is noted whether or not
    /// they still may.
    pub(super) async fn note(&self, by: &By, event: Event) -> Result<(), Stop> {
        self.submit(by, Note { events: vec![event] }).await
    }
}

impl Ask {
    /// What it takes to ask this.
    pub fn needs(&self) -> Needs {
        let (permission, changes) = self.permission();
        let over = self.about().and_then(|typed| names::parse(typed).ok());
        Needs {
            permission,
            over,
            changes,
        }
    }

    /// Whether it may look at thousands of records.
    fn reads_far(&self) -> bool {
        match self {
            Ask::AuditSearch(_) | Ask::AuditTimeline { .. } | Ask::AuditVerify { .. } => true,
            Ask::ThrottleList { .. } | Ask::KeyList | Ask::KeyForget { .. } => true,
            Ask::UserList { matching, .. } => !matching.is_empty(),
            _ => false,
        }
    }

    /// The permission, and whether it changes something or takes something away.
    fn permission(&self) -> (Permission, bool) {
        use Permission::{
            EndSessions, GiveRoles, IssueTickets, LiftThrottles, ManageAccounts, ManageInstallation,
            ManageKeys, ReadAudit, SeeAccounts,
        };
        match self {
            Ask::UserList { .. } | Ask::UserShow { .. } | Ask::UserTokenList { .. } => (SeeAccounts, false),
            Ask::AuditNodes | Ask::AuditPage { .. } | Ask::AuditVerify { .. } => (ReadAudit, false),
            Ask::AuditSearch(_) | Ask::AuditTimeline { .. } => (ReadAudit, false),
            Ask::Status => (ReadAudit, false),
            Ask::ThrottleList { .. } => (SeeAccounts, false),
            Ask::UserUnlock { .. } | Ask::ThrottleLift { .. } => (LiftThrottles, true),
            Ask::UserEndSessions { .. } | Ask::UserEndSession { .. } | Ask::UserTokenRevoke { .. } => {
                (EndSessions, true)
            }
            Ask::TextList | Ask::TextShow { .. } | Ask::TextTry { .. } => (ManageInstallation, false),
            Ask::TextSet { .. } | Ask::TextReset { .. } => (ManageInstallation, true),
            Ask::UserInvite { .. } | Ask::UserVouch { .. } => (IssueTickets, true),
            Ask::UserAmend { amendments, .. } => {
                let gives = amendments
                    .iter()
                    .any(|amendment| matches!(amendment, Amendment::Role(_)));
                (if gives { GiveRoles } else { ManageAccounts }, true)
            }
            Ask::UserAdd { .. }
            | Ask::UserEnrol { .. }
            | Ask::Import { .. }
            | Ask::PeopleImport { .. }
            | Ask::PeopleExport { .. }
            | Ask::UserRemoveFactors { .. }
            | Ask::UserRemoveFactor { .. }
            | Ask::UserTokenAdd { .. }
            | Ask::UserDisable { .. }
            | Ask::UserEnable { .. }
            | Ask::UserReset { .. }
            | Ask::UserEmail { .. }
            | Ask::UserPhone { .. } => (ManageAccounts, true),
            Ask::KeyList | Ask::SigningList => (ManageKeys, false),
            Ask::KeyRotate | Ask::KeyReseal { .. } | Ask::KeyForget { .. } | Ask::SigningRotate => {
                (ManageKeys, true)
            }
            Ask::AppList => (ManageInstallation, false),
            Ask::Init { .. }
            | Ask::SetupLink
            | Ask::AdminRecover { .. }
            | Ask::AppAdd { .. }
            | Ask::AppRemove { .. }
            | Ask::Copy { .. }
            | Ask::ClockAccept => (ManageInstallation, true),
        }
    }

    /// The account it is done to, as typed. To look at one is to do nothing to it.
    fn about(&self) -> Option<&str> {
        match self {
            Ask::UserEnrol { name, .. }
            | Ask::UserAmend { name, .. }
            | Ask::UserRemoveFactors { name }
            | Ask::UserRemoveFactor { name, .. }
            | Ask::UserEndSessions { name }
            | Ask::UserEndSession { name, .. }
            | Ask::UserDisable { name }
            | Ask::UserEnable { name }
            | Ask::UserReset { name }
            | Ask::UserInvite { name }
            | Ask::UserVouch { name }
            | Ask::UserUnlock { name }
            | Ask::UserEmail { name, .. }
            | Ask::UserPhone { name, .. }
            | Ask::UserTokenAdd { name, .. }
            | Ask::UserTokenList { name }
            | Ask::UserTokenRevoke { name, .. } => Some(name),
            _ => None,
        }
    }
}
