//! A room's deletion: its owner asks for it, Postgres marks the room as deleted, its rows are deleted piece by piece, and
//! then the room's storage is emptied. The request is stored before Postgres is asked. So a room that Postgres does not
//! have was deleted if there is a request; without one, Postgres' list of deleted rooms says whether it was deleted or
//! lost in a restored backup. Each stage is stored, and the alarm continues after a crash.
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
    /// The next piece of the room's rows: the last one got no answer.
    Erase,
    /// Whether the storage can be wiped: a fault may have prevented it.
    Wipe,
}

/// Owns the row `StateRow::Deletion`.
#[derive(Debug, Default)]
pub struct Deletion {
    pending: Option<PendingDeletion>,
    /// No check before this.
    check_at: UnixMs,
    /// The storage is being emptied; the room is forgotten with it.
    is_wiping: bool,
}

impl Deletion {
    pub fn load(store: &Store) -> Result<Self> {
        let pending: Option<PendingDeletion> =
            store.state(StateRow::Deletion)?.and_then(|row| decode(&row).ok());
        let asked = pending.as_ref().filter(|pending| !pending.done);
        let check_at = asked.map_or(0, |pending| check_after(pending.requested_at));
        Ok(Self { pending, check_at, is_wiping: false })
    }

    /// From now on, a room that Postgres does not have was deleted.
    pub fn begin(&mut self, turn: Turn) -> Result<()> {
        let pending = PendingDeletion { requested_at: turn.now, done: false, erased: false };
        turn.store.set_state(StateRow::Deletion, encode(&pending)?)?;
        (self.pending, self.check_at) = (Some(pending), check_after(turn.now));
        Ok(())
    }

    /// When the outcome in Postgres must be checked, a piece be deleted after one got no answer, or the storage wiped
    /// after a fault prevented it.
    ///
    /// # Takes  `is_settled`: nothing outside of the deletion prevents the wipe.
    pub fn due(&self, is_settled: bool) -> Option<UnixMs> {
        let pending = self.pending.as_ref()?;
        let is_due = !pending.done || !pending.erased || is_settled;
        (is_due && !self.is_wiping).then_some(self.check_at)
    }

    /// Whether Postgres has no row of the room any more.
    pub fn is_erased(&self) -> bool {
        self.pending.as_ref().is_some_and(|pending| pending.done && pending.erased)
    }

    /// The storage is being emptied: no alarm may outlive it.
    pub fn begin_wipe(&mut self) {
        self.is_wiping = true;
    }

    /// Whether Postgres has marked the room as deleted. What remains in storage is needed to delete the rest of it.
    pub fn is_done(&self) -> bool {
        self.pending.as_ref().is_some_and(|pending| pending.done)
    }

    /// The check that is due now, if any; the next one is due later.
    pub fn check(&mut self, now: UnixMs) -> Option<Check> {
        let pending = self.pending.as_ref().filter(|_| self.check_at <= now)?;
        self.check_at = check_after(now);
        Some(match pending {
            PendingDeletion { done: false, .. } => Check::AskPostgres,
            PendingDeletion { erased: false, .. } => Check::Erase,
            PendingDeletion { .. } => Check::Wipe,
        })
    }

    /// Postgres still has the room: the deletion has failed, unless a statement in progress may still delete the room.
    pub fn cancel(&mut self, turn: Turn) -> Result<()> {
        if self.pending.as_ref().is_some_and(|pending| turn.now >= check_after(pending.requested_at)) {
            turn.store.clear_state(StateRow::Deletion)?;
            self.pending = None;
        }
        Ok(())
    }

    /// Postgres has marked the room as deleted, if somebody asked for that. Gives the row, which the caller stores.
    pub fn finish(&mut self) -> Result<Option<String>> {
        let Some(pending) = &mut self.pending else { return Ok(None) };
        pending.done = true;
        encode(pending).map(Some)
    }

    /// A piece of the room's rows is requested: the next one, if this one gets no answer, later.
    pub fn request_piece(&mut self, now: UnixMs) {
        self.check_at = check_after(now);
    }

    /// Postgres has no row of the room any more.
    pub fn finish_erasing(&mut self, turn: Turn) -> Result<()> {
        let Some(pending) = &mut self.pending else { return Ok(()) };
        pending.erased = true;
        // The wipe follows at once; if a fault prevents it, after this.
        self.check_at = check_after(turn.now);
        turn.store.set_state(StateRow::Deletion, encode(pending)?)
    }
}

fn check_after(at: UnixMs) -> UnixMs {
    at.saturating_add(DELETION_CHECK_MS)
}
