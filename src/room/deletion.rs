//! A room's end: its owner wants it deleted, Postgres deletes it, and then nothing of it stays here. That its owner wanted it is
//! written before Postgres hears of it: only so can a room that Postgres hasn't got be told from one that a backup lost,
//! which is kept.
//! Not here: the deletion in Postgres (`db::apply`), and who may want it (`plan`).

use super::store::{Result, StateRow, Store};
use super::{Effect, Room};
use crate::ids::UnixMs;
use crate::limits::DOOMED_LOOK_MS;
use crate::mutants::{Mutant, is};
use crate::protocol::server::CloseCode;
use serde::{Deserialize, Serialize};

/// The row of a room that its owner wants deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Doomed {
    since: UnixMs,
    /// It is deleted; what stays is for the tenant's list, which has still to hear of it, and for files in the bucket.
    gone: bool,
    /// Nobody has to look before this.
    #[serde(skip)]
    look_at: UnixMs,
}

impl Doomed {
    pub fn load(store: &Store) -> Result<Option<Self>> {
        let row = store.state(StateRow::Doomed)?;
        Ok(row
            .and_then(|row| serde_json::from_str(&row).ok())
            .map(|doomed: Self| Self { look_at: doomed.since.saturating_add(DOOMED_LOOK_MS), ..doomed }))
    }

    fn keep(&self, store: &Store) -> Result<()> {
        store.set_state(StateRow::Doomed, serde_json::to_string(self).unwrap_or_default())
    }
}

impl Room {
    /// From here on a room that Postgres hasn't got is one that was deleted.
    pub(super) fn dooms(&mut self, store: &Store, now: UnixMs) -> Result<()> {
        let doomed = Doomed { since: now, gone: false, look_at: now.saturating_add(DOOMED_LOOK_MS) };
        if !is(Mutant::DoomUnwritten) {
            doomed.keep(store)?;
        }
        self.doomed = Some(doomed);
        Ok(())
    }

    /// When somebody has to look what became of the deletion, or to end it where a fault broke it off.
    pub(super) fn doom_due(&self) -> Option<UnixMs> {
        let doomed = self.doomed.as_ref()?;
        let due = !doomed.gone || !(self.is_owed() || is(Mutant::WipeForgotten));
        due.then_some(doomed.look_at)
    }

    /// Whether the list has to hear of the room still, or a file is in the bucket.
    fn is_owed(&self) -> bool {
        self.standing.is_listed() || (self.files.due().is_some() && !is(Mutant::RoomFilesForgotten))
    }

    /// Whether the room is deleted, and there is nothing left but this.
    pub(super) fn doom_is_done(&self) -> bool {
        self.doomed.as_ref().is_some_and(|doomed| doomed.gone)
    }

    pub(super) fn look_for_doom(&mut self, store: &Store, now: UnixMs) -> Result<()> {
        let due = |doomed: &&mut Doomed| doomed.look_at <= now && !(doomed.gone && is(Mutant::WipeForgotten));
        if let Some(doomed) = self.doomed.as_mut().filter(due) {
            doomed.look_at = now.saturating_add(DOOMED_LOOK_MS);
            match doomed.gone {
                true => self.wipe_if_told(store)?,
                false => self.effects.push(Effect::Refresh),
            }
        }
        Ok(())
    }

    /// Postgres still has the room: the deletion has failed, once no straggler can do it any more.
    pub(super) fn is_spared(&mut self, store: &Store, now: UnixMs) -> Result<()> {
        let over = |doomed: &Doomed| now >= doomed.since.saturating_add(DOOMED_LOOK_MS);
        if self.doomed.as_ref().is_some_and(over) {
            store.clear_state(StateRow::Doomed)?;
            self.doomed = None;
        }
        Ok(())
    }

    /// Postgres has no such room (any more).
    pub(super) fn is_gone(&mut self, store: &Store, now: UnixMs) -> Result<()> {
        let all: Vec<_> = self.connections.keys().copied().collect();
        all.into_iter().for_each(|id| self.close(id, CloseCode::RoomGone, now));
        self.members.clear();
        let Some(doomed) = self.doomed.clone() else { return Ok(()) };
        // Everything said goes at once. That there was a room goes when its tenant's list knows that it isn't in trouble, and when
        // its files are out of the bucket.
        self.facts.snapshot.members.clear();
        self.facts.snapshot.bans.clear();
        // Nothing waits for Postgres, and nobody is to be notified.
        (self.log.projected, self.log.notified) = (self.head, None);
        let doomed = Doomed { gone: true, ..doomed };
        let text = |value: serde_json::Result<String>| value.unwrap_or_default();
        let (log, room) = (text(serde_json::to_string(&self.log)), text(serde_json::to_string(&self.facts)));
        let doom = text(serde_json::to_string(&doomed));
        store.purge(&[(StateRow::Log, log), (StateRow::Room, room), (StateRow::Doomed, doom)], now)?;
        self.doomed = Some(doomed);
        self.reads = Default::default();
        self.audit_waits = false;
        self.outbox.forget_all();
        self.standing.no_more_at_all(store)?;
        self.look_for_trouble(store, now)?;
        self.files_are_all_due(store, now)?;
        self.wipe_if_told(store)
    }

    /// Once nobody has to be told anything and no file is in the bucket, the storage is empty.
    pub(super) fn wipe_if_told(&mut self, store: &Store) -> Result<()> {
        if self.doom_is_done() && !self.is_owed() {
            store.wipe()?;
            self.effects.push(Effect::Wiped);
        }
        Ok(())
    }
}
