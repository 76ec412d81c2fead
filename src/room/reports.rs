//! What is noted for moderators: a person's report of a message, a message that a rule flagged, and what a moderator did
//! to another person's message. Reports go to the tenant's list; a group's audit log has all three. Notes are written
//! before the event that they are about: a note without its event does no harm.
//! Not here: how notes come to Postgres (`audit`), and the notes of admin changes (`admin_plan`).

use super::send_checks::Operation;
use super::store::{Event, Kind, Result};
use super::turn::{Request, Turn};
use super::{Room, RoomError};
use crate::db::{AuditRow, ReportedMessage};
use crate::protocol::message::Message;
use crate::protocol::room::AuditAction;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

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
        let message = self.require_message(request, message)?;
        let user = request.user();
        let note_id = format!("report.{}.{user}", message.id);
        self.note_report(request.turn, note_id, user, &message, reason)?;
        Ok(json!({"messageId": message.id}))
    }

    /// A rule flagged this message.
    pub(super) fn note_flagged(&mut self, turn: Turn, message: &Message, rule: &str) -> Result<()> {
        self.note_report(turn, format!("flag.{}", message.id), SYSTEM, message, rule.to_owned())
    }

    /// Keeps the message as it is now: the report shows this text, whatever becomes of the message.
    fn note_report(
        &mut self,
        turn: Turn,
        note_id: String,
        reporter: &str,
        message: &Message,
        reason: String,
    ) -> Result<()> {
        let report = ReportedMessage {
            id: report_id(&note_id),
            author: message.user_id.clone(),
            text: message.content.clone(),
        };
        let note = AuditRow {
            id: note_id,
            at_ms: turn.now,
            actor: reporter.to_owned(),
            action: AuditAction::Report,
            target: Some(message.id.clone()),
            reason: Some(reason),
            report: Some(report),
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
            report: None,
        };
        self.audit.add(turn.store, &note)
    }
}

/// The id of a report in the tenant's list: a UUIDv8 of the note's hash, so that a person's ids stay out of URLs, and the
/// same report always has the same id.
fn report_id(note_id: &str) -> String {
    let hash = Sha256::digest(note_id);
    hash.first_chunk::<16>()
        .map_or_else(String::new, |bytes| uuid::Builder::from_custom_bytes(*bytes).into_uuid().to_string())
}
