//! What a tenant's admin asks about a room's outbox: its state, trying again, discarding a row.
//! Not here: who may ask (`auth`), and the rows (`outbox`).

use super::store::{Result, Store};
use super::turn::Turn;
use super::{Room, RoomError};
use crate::auth::Identity;
use crate::error::{Code, Refusal};
use crate::ids::{Seq, UnixMs};
use crate::oplog::Entry;
use serde_json::Value;

impl Room {
    /// `POST /rooms/:id/outbox/retry`: quarantined rows are sent again, and a halted outbox tries at once.
    pub(super) fn retry_outbox(&mut self, store: &Store, now: UnixMs, caller: &Identity) -> Result<()> {
        let rows = self.outbox.retry_all(store)?;
        self.report(Entry::warn("outbox_retry_asked").with("by", &caller.user).with("rows", &rows));
        self.check_alert(Turn { store, now })
    }

    /// `POST /rooms/:id/outbox/discard {seq}`: this row is never sent again. The room keeps the message.
    ///
    /// # Errors  `message_not_found`: no such row is in quarantine.
    pub(super) fn discard(
        &mut self,
        store: &Store,
        now: UnixMs,
        caller: &Identity,
        seq: Seq,
    ) -> std::result::Result<(), RoomError> {
        if !self.outbox.discard(store, seq)? {
            return Err(Refusal::new(Code::MessageNotFound, "no row of this seq is in quarantine").into());
        }
        self.report(Entry::warn("row_given_up").with("by", &caller.user).with("seq", &seq));
        Ok(self.check_alert(Turn { store, now })?)
    }

    /// `GET /rooms/:id/outbox`.
    pub(super) fn outbox_status(&self, store: &Store, now: UnixMs) -> Result<Value> {
        self.outbox.status(store, now, &self.backlog())
    }
}
