//! The one gate of all operations: which checks each of them must pass, in which order, and the duplicate that answers
//! a retry. The order is that of PROTOCOL.md, "5. Messages".
//! Not here: the checks of what an operation refers to (`message`, `edit_delete`, `thread`, `files`), and how texts are
//! judged (`moderation`).

use super::rate::Rate;
use super::store::{Event, Kind};
use super::turn::Request;
use super::{Room, RoomError};
use crate::auth::{Action, Role};
use crate::error::{Code, Refusal};
use crate::protocol::message::Attachment;

/// An operation of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    Message,
    Edit,
    Delete,
    React,
    Type,
    Report,
    Pin,
}

/// Whom an archived room, a mute or a block stops.
#[derive(Clone, Copy)]
enum Stops {
    Everybody,
    /// Everybody below moderator.
    Members,
    Nobody,
}

/// What is checked about the text that an operation writes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Text {
    /// Slow mode, floods and repeats, words and links.
    Sent,
    /// Words and links.
    Edited,
    Absent,
}

/// Permission, whom an archived room stops, whom a mute or a block stops, the rate that is charged, the check of the text.
struct Checks(Action, Stops, Stops, Rate, Text);

impl Operation {
    /// The table. An operation passes the checks of its row from left to right. A duplicate is answered after the
    /// first, and what the operation refers to is looked up before the last.
    #[rustfmt::skip]
    const fn checks(self) -> Checks {
        use Action::{DeleteOwn, EditOwn, Pin, React, Report, Talk};
        use Rate::{Messages, Reactions, Typing};
        use Stops::{Everybody, Members, Nobody};
        use Text::{Edited, Absent, Sent};
        match self {
            //                        permission  archived   muted      rate       text
            Self::Message   => Checks(Talk,       Everybody, Everybody, Messages,  Sent),
            Self::Edit      => Checks(EditOwn,    Everybody, Everybody, Messages,  Edited),
            Self::Delete    => Checks(DeleteOwn,  Members,   Nobody,    Messages,  Absent),
            Self::React     => Checks(React,      Everybody, Everybody, Reactions, Absent),
            Self::Type      => Checks(Talk,       Everybody, Everybody, Typing,    Absent),
            Self::Report    => Checks(Report,     Nobody,    Nobody,    Reactions, Absent),
            Self::Pin       => Checks(Pin,        Everybody, Everybody, Reactions, Absent),
        }
    }

    /// The kind of the event that the operation becomes in the log; `None`: it leaves none.
    const fn kind(self) -> Option<Kind> {
        match self {
            Self::Message => Some(Kind::Message),
            Self::Edit => Some(Kind::Edit),
            Self::Delete => Some(Kind::Delete),
            Self::React => Some(Kind::Reaction),
            // A pin has no clientId: it changes nothing the second time.
            Self::Type | Self::Report | Self::Pin => None,
        }
    }
}

/// What recognises a retry (DEDUPE-1).
#[derive(Clone, Copy)]
pub(super) struct RetryKey<'a> {
    pub client_id: Option<&'a str>,
    pub digest: u64,
}

/// What an operation is at its beginning.
pub(super) enum Begin {
    /// A retry: the event that the operation became the first time.
    Duplicate(Event),
    /// A new operation that has passed the checks which need nothing but the room and the caller.
    New,
}

impl Room {
    /// Begins an operation that becomes an event of the log.
    ///
    /// # Errors  room_not_found, forbidden; client_id_conflict; archived; muted; blocked; rate_limited.
    pub(super) fn begin(
        &mut self,
        request: Request,
        operation: Operation,
        retry: RetryKey,
    ) -> Result<Begin, RoomError> {
        self.authorize(request.caller, operation.checks().0)?;
        match self.find_duplicate(request, operation, retry)? {
            Some(event) => Ok(Begin::Duplicate(event)),
            None => {
                self.check_sender(request, operation)?;
                Ok(Begin::New)
            }
        }
    }

    /// Begins an operation that leaves no event in the log.
    ///
    /// # Errors  room_not_found, forbidden; archived; muted; blocked; rate_limited.
    pub(super) fn check_operation(&mut self, request: Request, operation: Operation) -> Result<(), Refusal> {
        self.authorize(request.caller, operation.checks().0)?;
        self.check_sender(request, operation)
    }

    /// The event of the same operation, if the caller has sent it before.
    fn find_duplicate(
        &self,
        request: Request,
        operation: Operation,
        retry: RetryKey,
    ) -> Result<Option<Event>, RoomError> {
        let Some(client_id) = retry.client_id else { return Ok(None) };
        let Some(event) = request.turn.store.by_client(request.user(), client_id)? else { return Ok(None) };
        let other_payload = event.digest.is_some_and(|digest| digest != retry.digest);
        if Some(event.kind) != operation.kind() || other_payload {
            let message = "this clientId stands for another operation or payload";
            return Err(Refusal::new(Code::ClientIdConflict, message).field("clientId").into());
        }
        Ok(Some(event))
    }

    fn check_sender(&mut self, request: Request, operation: Operation) -> Result<(), Refusal> {
        let Checks(_, archived, muted, rate, text) = operation.checks();
        if self.is_stopped(request, archived) {
            self.members.ensure_not_archived()?;
        }
        if self.is_stopped(request, muted) {
            self.members.ensure_not_muted(request.caller, request.turn.now)?;
            self.members.ensure_not_blocked(request.caller)?;
        }
        self.rates.charge(&self.limits, request.user(), rate, request.turn.now)?;
        if text == Text::Absent { Ok(()) } else { self.storage.ensure_not_full() }
    }

    fn is_stopped(&self, request: Request, stops: Stops) -> bool {
        match stops {
            Stops::Everybody => true,
            Stops::Members => self.authorize(request.caller, Action::DeleteOthers).is_err(),
            Stops::Nobody => false,
        }
    }

    /// Checks the text that the operation writes, last of all, and masks it where the tenant's rules ask for it.
    ///
    /// # Gives   the rule for which the message must be noted in the audit log, if any.
    /// # Errors  slow_mode; moderation_blocked.
    pub(super) fn check_text(
        &mut self,
        request: Request,
        operation: Operation,
        content: &mut String,
        files: &mut [Attachment],
    ) -> Result<Option<&'static str>, RoomError> {
        let text = operation.checks().4;
        if text == Text::Absent {
            return Ok(None);
        }
        let mut flagged_by_frequency = None;
        if text == Text::Sent {
            self.enforce_slow_mode(request)?;
            let exempt = self.members.role(request.caller).is_some_and(|role| role > Role::Member);
            if !exempt {
                flagged_by_frequency =
                    self.moderator.check_frequency(request.user(), content, request.turn.now)?;
            }
        }
        Ok(self.moderator.check_content(content, files)?.or(flagged_by_frequency))
    }

    /// # Errors  slow_mode, with `retryAfterMs`, for members alone.
    fn enforce_slow_mode(&mut self, request: Request) -> Result<(), RoomError> {
        let interval_ms = u64::from(self.members.snapshot().slow_mode_s).saturating_mul(1_000);
        if interval_ms == 0 || self.authorize(request.caller, Action::IgnoreSlowMode).is_ok() {
            return Ok(());
        }
        self.slow_mode.enforce(request.turn, request.user(), self.log.head(), interval_ms)
    }
}
