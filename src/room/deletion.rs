//! A room's end: its owner wants it deleted, Postgres deletes it, and then nothing of it stays here. That its owner wanted it is
//! written before Postgres hears of it: only so can a room that Postgres hasn't got be told from one that a backup lost,
//! which is kept.
//! Not here: the deletion in Postgres (`db::apply`), and who may want it (`plan`).

use super::store::{Result, StateRow, Store};
use super::{Effect, Room};
use crate::ids::UnixMs;
use crate::limits::DELETION_CHECK_MS;
use crate::mutants::{Mutant, is};
use crate::protocol::server::CloseCode;
use serde::{Deserialize, Serialize};

/// The row of a room that its owner wants deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingDeletion {
    since: UnixMs,
    /// It is deleted; what stays is for the tenant's list, which has still to hear of it, and for files in the bucket.
    gone: bool,
    /// Nobody has to look before this.
    #[serde(skip)]
    look_at: UnixMs,
}

impl PendingDeletion {
    pub fn load(store: &Store) -> Result<Option<Self>> {
        let row = store.state(StateRow::Deletion)?;
        Ok(row.and_then(|row| serde_json::from_str(&row).ok()).map(|pending_deletion: Self| Self {
            look_at: pending_deletion.since.saturating_add(DELETION_CHECK_MS),
            ..pending_deletion
        }))
    }

    fn keep(&self, store: &Store) -> Result<()> {
        store.set_state(StateRow::Deletion, serde_json::to_string(self).unwrap_or_default())
    }
}

impl Room {
    /// From here on a room that Postgres hasn't got is one that was deleted.
    pub(super) fn begin_deletion(&mut self, store: &Store, now: UnixMs) -> Result<()> {
        let pending_deletion =
            PendingDeletion { since: now, gone: false, look_at: now.saturating_add(DELETION_CHECK_MS) };
        if !is(Mutant::DoomUnwritten) {
            pending_deletion.keep(store)?;
        }
        self.pending_deletion = Some(pending_deletion);
        Ok(())
    }

    /// When somebody has to look what became of the deletion, or to end it where a fault broke it off.
    pub(super) fn deletion_check_at(&self) -> Option<UnixMs> {
        let pending_deletion = self.pending_deletion.as_ref()?;
        let due = !pending_deletion.gone || !(self.has_unsettled_work() || is(Mutant::WipeForgotten));
        due.then_some(pending_deletion.look_at)
    }

    /// Whether the list has to hear of the room still, or a file is in the bucket.
    fn has_unsettled_work(&self) -> bool {
        self.alert.is_listed() || (self.files.due().is_some() && !is(Mutant::RoomFilesForgotten))
    }

    /// Whether the room is deleted, and there is nothing left but this.
    pub(super) fn is_deletion_done(&self) -> bool {
        self.pending_deletion.as_ref().is_some_and(|pending_deletion| pending_deletion.gone)
    }

    pub(super) fn check_deletion(&mut self, store: &Store, now: UnixMs) -> Result<()> {
        let due = |pending_deletion: &&mut PendingDeletion| {
            pending_deletion.look_at <= now && !(pending_deletion.gone && is(Mutant::WipeForgotten))
        };
        if let Some(pending_deletion) = self.pending_deletion.as_mut().filter(due) {
            pending_deletion.look_at = now.saturating_add(DELETION_CHECK_MS);
            match pending_deletion.gone {
                true => self.wipe_when_settled(store)?,
                false => self.effects.push(Effect::Refresh),
            }
        }
        Ok(())
    }

    /// Postgres still has the room: the deletion has failed, once no straggler can do it any more.
    pub(super) fn cancel_deletion(&mut self, store: &Store, now: UnixMs) -> Result<()> {
        let over = |pending_deletion: &PendingDeletion| {
            now >= pending_deletion.since.saturating_add(DELETION_CHECK_MS)
        };
        if self.pending_deletion.as_ref().is_some_and(over) {
            store.clear_state(StateRow::Deletion)?;
            self.pending_deletion = None;
        }
        Ok(())
    }

    /// Postgres has no such room (any more).
    pub(super) fn finish_deletion(&mut self, store: &Store, now: UnixMs) -> Result<()> {
        self.connections.ids(|_| true).into_iter().for_each(|id| self.close(id, CloseCode::RoomGone, now));
        self.members.revoke_all();
        let Some(pending_deletion) = self.pending_deletion.clone() else { return Ok(()) };
        // Everything said goes at once. That there was a room goes when its tenant's list knows that it isn't in trouble, and when
        // its files are out of the bucket.
        self.members.forget_people();
        // Nothing waits for Postgres, and nobody is to be notified.
        (self.log.projected, self.log.notified) = (self.head, None);
        let pending_deletion = PendingDeletion { gone: true, ..pending_deletion };
        let text = |value: serde_json::Result<String>| value.unwrap_or_default();
        let (log, room) =
            (text(serde_json::to_string(&self.log)), text(serde_json::to_string(self.members.info())));
        let doom = text(serde_json::to_string(&pending_deletion));
        store.purge(&[(StateRow::Log, log), (StateRow::Room, room), (StateRow::Deletion, doom)], now)?;
        self.pending_deletion = Some(pending_deletion);
        self.reads = Default::default();
        self.audit_waits = false;
        self.outbox.forget_all();
        self.alert.clear_retry_rows(store)?;
        self.check_alert(store, now)?;
        self.schedule_all_removals(store, now)?;
        self.wipe_when_settled(store)
    }

    /// Once nobody has to be told anything and no file is in the bucket, the storage is empty.
    pub(super) fn wipe_when_settled(&mut self, store: &Store) -> Result<()> {
        if self.is_deletion_done() && !self.has_unsettled_work() {
            store.wipe()?;
            self.effects.push(Effect::Wiped);
        }
        Ok(())
    }
}
