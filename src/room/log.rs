//! The position of the log: its epoch and head, and the watermarks of what Postgres and the queue of notifications
//! have. Not here: the events themselves (`store`), and when a watermark advances (`outbox`, `notifications`).

use super::store::formats::LogState;
use super::store::{Result, SCHEMA_STEPS, StateRow, Store, decode, encode};
use crate::ids::{Seq, UnixMs};
use std::collections::BTreeMap;

/// Owns the row `StateRow::Log`.
pub struct Log {
    state: LogState,
    /// What is stored of it.
    stored: LogState,
    head: Seq,
    /// The head after the last input that did not fail.
    settled_head: Seq,
}

impl Log {
    /// The log's position from its stored row; the storage then has the whole schema.
    pub fn load(store: &Store, row: &str) -> Result<Self> {
        let mut state: LogState = decode(row)?;
        if state.schema < SCHEMA_STEPS {
            store.upgrade(state.schema)?;
            state.schema = SCHEMA_STEPS;
            store.set_state(StateRow::Log, encode(&state)?)?;
        }
        let newest = store.newest()?;
        // The newest events before a rebuild may have been reactions, which a rebuilt log does not contain.
        let head = newest.max(state.projected).max(state.floor);
        Ok(Self { stored: state.clone(), state, head, settled_head: head })
    }

    /// Stores the position of a log that was rebuilt from Postgres. The log is complete then.
    ///
    /// # Takes  `floor`: up to where it was rebuilt; `projected`: what Postgres still has of it.
    pub fn store_rebuilt(store: &Store, epoch: String, floor: Seq, projected: Seq) -> Result<()> {
        let (reads_saved, schema, notified) = (0, SCHEMA_STEPS, Some(floor));
        let unheard = BTreeMap::new();
        let state = LogState { epoch, projected, floor, reads_saved, schema, notified, unheard };
        store.set_state(StateRow::Log, encode(&state)?)
    }

    pub fn epoch(&self) -> &str {
        &self.state.epoch
    }

    pub fn head(&self) -> Seq {
        self.head
    }

    pub fn next_seq(&self) -> Seq {
        self.head.saturating_add(1)
    }

    pub fn floor(&self) -> Seq {
        self.state.floor
    }

    /// The watermark of the outbox.
    pub fn projected(&self) -> Seq {
        self.state.projected
    }

    /// The watermark of notifications.
    pub fn notified(&self) -> Seq {
        self.state.notified.unwrap_or(self.state.projected)
    }

    /// Which `ReadsRow` Postgres has.
    pub fn reads_saved(&self) -> u64 {
        self.state.reads_saved
    }

    /// The number of events in the outbox.
    pub fn lag(&self) -> u64 {
        self.head.saturating_sub(self.state.projected)
    }

    /// Events up to `seq` are stored.
    pub fn advance(&mut self, seq: Seq) {
        self.head = seq;
    }

    /// The input that appended the newest events did not fail.
    pub fn settle(&mut self) {
        self.settled_head = self.head;
    }

    pub fn settled_head(&self) -> Seq {
        self.settled_head
    }

    /// Who may have missed events up to the watermark of notifications.
    pub fn unheard(&self) -> &BTreeMap<String, UnixMs> {
        &self.state.unheard
    }

    /// Moves the outbox's watermark; `reads_saved`: `None` leaves it. `save` stores it.
    pub fn move_watermark(&mut self, projected: Seq, reads_saved: Option<u64>) {
        // Before the outbox's watermark moves: from here on the other one does not follow it.
        self.state.notified = Some(self.notified());
        self.state.projected = projected;
        self.state.reads_saved = reads_saved.unwrap_or(self.state.reads_saved);
    }

    /// Moves the watermark of notifications. `save` stores it.
    pub fn move_notified(&mut self, to: Seq) {
        // Postgres may have lost events whose notifications were sent: nobody is notified again.
        self.state.notified = Some(self.notified().max(to.min(self.state.projected)));
    }

    /// Stores the watermarks if they have changed.
    pub fn save(&mut self, store: &Store, unheard: BTreeMap<String, UnixMs>) -> Result<()> {
        self.state.unheard = unheard;
        if self.state != self.stored {
            store.set_state(StateRow::Log, encode(&self.state)?)?;
            self.stored = self.state.clone();
        }
        Ok(())
    }

    /// The room is deleted: the outbox is empty and nobody is notified. Gives the row, which the caller stores.
    pub fn close(&mut self) -> Result<String> {
        (self.state.projected, self.state.notified) = (self.head, None);
        self.state.unheard.clear();
        self.stored = self.state.clone();
        encode(&self.state)
    }
}
