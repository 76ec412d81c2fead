//! A room's deletion: its owner asks for it, Postgres deletes the room, and then the room's storage is emptied. The
//! request is stored before Postgres is asked. So a room that Postgres does not have was deleted if there is a request,
//! and lost in a restored backup if there is none; a lost room is kept.
//! Not here: the deletion in Postgres (`db::apply`), and who may ask for it (`admin_changes`).

use super::store::formats::PendingDeletion;
use super::store::{Result, StateRow, Store, decode, encode};
use super::turn::Turn;
use crate::ids::UnixMs;
use crate::limits::DELETION_CHECK_MS;

/// What a check of a pending deletion asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// Whether Postgres still has the room.
    AskPostgres,
    /// Whether the storage can be wiped: a fault may have prevented it.
    Wipe,
}

/// Owns the row `StateRow::Deletion`.
#[derive(Debug, Default)]
pub struct Deletion {
    pending: Option<PendingDeletion>,
    /// No check before this.
    check_at: UnixMs,
}

impl Deletion {
    pub fn load(store: &Store) -> Result<Self> {
        let pending: Option<PendingDeletion> =
            store.state(StateRow::Deletion)?.and_then(|row| decode(&row).ok());
        let check_at = pending.as_ref().map_or(0, |pending| check_after(pending.requested_at));
        Ok(Self { pending, check_at })
    }

    /// From now on, a room that Postgres does not have was deleted.
    pub fn begin(&mut self, turn: Turn) -> Result<()> {
        let pending = PendingDeletion { requested_at: turn.now, done: false };
        turn.store.set_state(StateRow::Deletion, encode(&pending)?)?;
        (self.pending, self.check_at) = (Some(pending), check_after(turn.now));
        Ok(())
    }

    /// When the outcome in Postgres must be checked, or the storage wiped after a fault prevented it.
    ///
    /// # Takes  `is_settled`: nothing prevents the wipe.
    pub fn due(&self, is_settled: bool) -> Option<UnixMs> {
        let pending = self.pending.as_ref()?;
        let is_due = !pending.done || is_settled;
        is_due.then_some(self.check_at)
    }

    /// Whether Postgres has deleted the room. What remains in storage is needed to clear its alert and its files.
    pub fn is_done(&self) -> bool {
        self.pending.as_ref().is_some_and(|pending| pending.done)
    }

    /// The check that is due now, if any; the next one is due later.
    pub fn check(&mut self, now: UnixMs) -> Option<Check> {
        let pending = self.pending.as_ref().filter(|_| self.check_at <= now)?;
        self.check_at = check_after(now);
        Some(if pending.done { Check::Wipe } else { Check::AskPostgres })
    }

    /// Postgres still has the room: the deletion has failed, unless a statement in progress may still delete the room.
    pub fn cancel(&mut self, turn: Turn) -> Result<()> {
        if self.pending.as_ref().is_some_and(|pending| turn.now >= check_after(pending.requested_at)) {
            turn.store.clear_state(StateRow::Deletion)?;
            self.pending = None;
        }
        Ok(())
    }

    /// Postgres has deleted the room, if somebody asked for that. Gives the row, which the caller stores.
    pub fn finish(&mut self) -> Result<Option<String>> {
        let Some(pending) = &mut self.pending else { return Ok(None) };
        pending.done = true;
        encode(pending).map(Some)
    }
}

fn check_after(at: UnixMs) -> UnixMs {
    at.saturating_add(DELETION_CHECK_MS)
}
