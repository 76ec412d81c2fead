//! The position of the log: its epoch and head, and the watermarks of what Postgres and the queue of notifications
//! have. Not here: the events themselves (`store`), and when a watermark advances (`outbox`, `notifications`).

use super::store::formats::LogState;
use super::store::{Result, SCHEMA_STEPS, StateRow, Store, decode, encode};
use crate::ids::Seq;

/// Owns the row `StateRow::Log`.
pub struct Log {
    state: LogState,
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
        Ok(Self { state, head, settled_head: head })
    }

    /// Stores the position of a log that was rebuilt from Postgres. The log is complete then.
    ///
    /// # Takes  `floor`: up to where it was rebuilt; `projected`: what Postgres still has of it.
    pub fn store_rebuilt(store: &Store, epoch: String, floor: Seq, projected: Seq) -> Result<()> {
        let (reads_saved, schema, notified) = (0, SCHEMA_STEPS, Some(floor));
        let state = LogState { epoch, projected, floor, reads_saved, schema, notified };
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

    /// Moves the watermarks and stores them, if they differ.
    ///
    /// # Takes  `reads_saved`: `None` leaves it; `notified`: up to where the queue has notifications, `None` leaves it.
    pub fn move_watermarks(
        &mut self,
        store: &Store,
        projected: Seq,
        reads_saved: Option<u64>,
        notified: Option<Seq>,
    ) -> Result<()> {
        // Before the outbox's watermark moves: from here on the other one does not follow it.
        let before = self.notified();
        // Postgres may have lost events whose notifications were sent: nobody is notified again.
        let after = notified.map_or(before, |to| before.max(to.min(projected)));
        let state = LogState {
            projected,
            reads_saved: reads_saved.unwrap_or(self.state.reads_saved),
            notified: Some(after),
            ..self.state.clone()
        };
        if state != self.state {
            store.set_state(StateRow::Log, encode(&state)?)?;
            self.state = state;
        }
        Ok(())
    }

    /// The room is deleted: the outbox is empty and nobody is notified. Gives the row, which the caller stores.
    pub fn close(&mut self) -> Result<String> {
        (self.state.projected, self.state.notified) = (self.head, None);
        encode(&self.state)
    }
}
