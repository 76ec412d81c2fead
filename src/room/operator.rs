//! What a tenant's admin asks of a room's way to Postgres: how it stands, trying again, giving a row up.
//! Not here: who may ask (`auth`), and how rows go (`outbox`).

use super::store::{GIVEN_UP, Result, Store};
use super::{Room, RoomError};
use crate::auth::Identity;
use crate::error::{Code, Refusal};
use crate::ids::{Seq, UnixMs};
use crate::oplog::Entry;
use serde_json::{Value, json};
use std::collections::BTreeSet;

impl Room {
    /// `POST /rooms/:id/outbox/retry`: what was set aside goes again, and a halted outbox tries at once.
    pub(super) fn retry_outbox(&mut self, store: &Store, now: UnixMs, caller: &Identity) -> Result<()> {
        let again: BTreeSet<Seq> = self.outbox.quarantined_rows().map(|(seq, _)| seq).collect();
        self.report(
            Entry::warn("outbox_retry_asked").with("by", &caller.user).with("rows", &(again.len() as u64)),
        );
        self.alert.request_retry(store, again)?;
        self.outbox.try_at_once();
        self.check_alert(store, now)
    }

    /// `POST /rooms/:id/outbox/discard {seq}`: this row is never sent again. The room keeps it.
    ///
    /// # Errors  `message_not_found`: no such row is set aside.
    pub(super) fn discard(
        &mut self,
        store: &Store,
        now: UnixMs,
        caller: &Identity,
        seq: Seq,
    ) -> std::result::Result<(), RoomError> {
        if !self.outbox.quarantined_rows().any(|(aside, _)| aside == seq) {
            return Err(Refusal::new(Code::MessageNotFound, "no row of this seq is set aside").into());
        }
        store.quarantine(seq, GIVEN_UP)?;
        self.outbox.discard(seq);
        self.alert.remove_retry_rows(store, &[seq])?;
        self.report(Entry::warn("row_given_up").with("by", &caller.user).with("seq", &seq));
        Ok(self.check_alert(store, now)?)
    }

    /// `GET /rooms/:id/outbox`.
    pub(super) fn outbox_status(&self, store: &Store, now: UnixMs) -> Result<Value> {
        let lag = self.head.saturating_sub(self.log.projected);
        let state = self.outbox_state();
        let oldest = store.between(self.log.projected, self.head, 1)?;
        let oldest_ms = oldest.first().map_or(0, |event| now.saturating_sub(event.at));
        let aside = self.outbox.quarantined_rows().map(|(seq, reason)| json!({"seq": seq, "reason": reason}));
        Ok(json!({
            "head": self.head, "projected": self.log.projected, "lag": lag, "oldestMs": oldest_ms,
            "state": state, "setAside": aside.collect::<Vec<_>>(),
        }))
    }
}
