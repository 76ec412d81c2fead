//! What is noted for moderators in the audit log: a person's report of a message, a message that a rule flagged, and
//! what a moderator did to another person's message. Notes are written before the event that they are about: a note
//! without its event does no harm.
//! Not here: how notes come to Postgres (`audit`), and the notes of admin changes (`admin_plan`).

use super::message::no_such_message;
use super::send_checks::Operation;
use super::store::{Event, Kind, Result};
use super::turn::{Request, Turn};
use super::{Room, RoomError};
use crate::db::AuditRow;
use crate::ids::MessageId;
use crate::protocol::room::AuditAction;
use serde_json::{Value, json};

/// The actor of a note that the tenant's rules cause.
pub(super) const SYSTEM: &str = "system";

impl Room {
    /// `POST /rooms/:id/messages/:mid/report`: one note per person and message.
    ///
    /// # Errors  message_not_found.
    pub(super) fn report_message(
        &mut self,
        request: Request,
        message: &str,
        reason: String,
    ) -> std::result::Result<Value, RoomError> {
        self.check_operation(request, Operation::Report)?;
        let id = MessageId::parse(message).ok_or_else(no_such_message)?;
        self.find_message(request, id)?.ok_or_else(no_such_message)?;
        let user = request.user();
        let note = AuditRow {
            id: format!("report.{message}.{user}"),
            at_ms: request.turn.now,
            actor: user.to_owned(),
            action: AuditAction::Report,
            target: Some(message.to_owned()),
            reason: Some(reason),
        };
        self.audit.add(request.turn.store, &note)?;
        Ok(json!({"messageId": message}))
    }

    /// A rule flagged this message.
    pub(super) fn note_flagged(&mut self, turn: Turn, message_id: &str, rule: &str) -> Result<()> {
        let note = AuditRow {
            id: format!("flag.{message_id}"),
            at_ms: turn.now,
            actor: SYSTEM.to_owned(),
            action: AuditAction::Report,
            target: Some(message_id.to_owned()),
            reason: Some(rule.to_owned()),
        };
        self.audit.add(turn.store, &note)
    }

    /// A moderator edits or deletes another person's message with this event. The note's id contains the event's place,
    /// which stays the same when the operation is tried again.
    pub(super) fn note_moderation(&mut self, turn: Turn, event: &Event, message_id: &str) -> Result<()> {
        let action = if event.kind == Kind::Edit { AuditAction::Edit } else { AuditAction::Delete };
        let note = AuditRow {
            id: format!("{}.{}.{}", self.log.epoch(), event.seq, action.name()),
            at_ms: event.at,
            actor: event.user_id.clone(),
            action,
            target: Some(message_id.to_owned()),
            reason: None,
        };
        self.audit.add(turn.store, &note)
    }
}
