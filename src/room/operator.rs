//! What a tenant's admin asks about a room's outbox: its state, trying again, discarding a row.
//! Not here: who may ask (`auth`), and the rows (`outbox`).

use super::store::Result;
use super::turn::{Request, Turn};
use super::{Room, RoomError};
use crate::error::{Code, Refusal};
use crate::ids::Seq;
use crate::oplog::Entry;
use serde_json::Value;

impl Room {
    /// `POST /rooms/:id/outbox/retry`: quarantined rows are sent again, and a halted outbox tries at once.
    pub(super) fn retry_outbox(&mut self, request: Request) -> Result<()> {
        let rows = self.outbox.retry_all(request.turn.store)?;
        self.report(Entry::warn("outbox_retry_asked").with("by", &request.caller.user).with("rows", &rows));
        self.check_alert(request.turn)
    }

    /// `POST /rooms/:id/outbox/discard {seq}`: this row is never sent again. The room keeps the message.
    ///
    /// # Errors  `message_not_found`: no such row is in quarantine.
    pub(super) fn discard(&mut self, request: Request, seq: Seq) -> std::result::Result<(), RoomError> {
        if !self.outbox.discard(request.turn.store, seq)? {
            return Err(Refusal::new(Code::MessageNotFound, "no row of this seq is in quarantine").into());
        }
        self.report(Entry::warn("row_given_up").with("by", &request.caller.user).with("seq", &seq));
        Ok(self.check_alert(request.turn)?)
    }

    /// `GET /rooms/:id/outbox`.
    pub(super) fn outbox_status(&self, turn: Turn) -> Result<Value> {
        self.outbox.status(turn.store, turn.now, &self.backlog())
    }
}
