//! Whether the room is in trouble with Postgres, and what its tenant's list is told of it: when it changes, again
//! until it is taken, and once more when the room is well. A healthy room has no row here and tells nobody anything.
//! Not here: the list (`troubles`), and what is done about the trouble (`outbox`, the operator).

use super::outbox::{State, backoff_ms};
use super::store::{Result, StateRow, Store};
use super::{Effect, Room};
use crate::ids::{RoomId, Seq, TenantId, UnixMs};
use crate::limits::*;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What the list says of a room: it lags by more than 30 s, is halted, or has rows set aside.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Trouble {
    pub lag: u64,
    /// When the oldest event that waits was said; 0: none waits.
    pub oldest_at_ms: UnixMs,
    pub state: String,
    pub set_aside: u64,
}

impl Trouble {
    /// Nothing an operator would act upon differs.
    fn is_like(&self, other: &Self) -> bool {
        (&self.state, self.set_aside) == (&other.state, other.set_aside)
    }
}

/// A room's word to its tenant's list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Announcement {
    pub tenant: TenantId,
    pub room: RoomId,
    /// A later one counts more.
    pub at: UnixMs,
    /// `None`: well again.
    pub trouble: Option<Trouble>,
}

/// The room's row while it may stand on the list.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Row {
    /// What the list is known to say, and by which announcement.
    told: Option<Trouble>,
    #[serde(default)]
    at: UnixMs,
    /// Rows set aside that the operator wants tried again.
    #[serde(default)]
    again: BTreeSet<Seq>,
}

#[derive(Debug, Default)]
pub struct Standing {
    row: Option<Row>,
    /// The list has still to hear something.
    owed: bool,
    /// With the time since when.
    under_way: Option<(UnixMs, Announcement)>,
    /// The last announcement's. The next is later, whatever a clock says: the list drops what comes from before.
    at: UnixMs,
    attempts: u32,
    retry_at: UnixMs,
    told_at: UnixMs,
}

impl Standing {
    /// When the list has still to hear something: not before this.
    pub fn due(&self) -> Option<UnixMs> {
        self.owed.then_some(self.retry_at)
    }

    /// Rows set aside that are to be tried again.
    pub fn again(&self) -> impl Iterator<Item = Seq> {
        self.row.iter().flat_map(|row| row.again.iter().copied())
    }

    fn keep(&mut self, store: &Store, row: Row) -> Result<()> {
        if self.row.as_ref() != Some(&row) {
            store.set_state(StateRow::Trouble, serde_json::to_string(&row).unwrap_or_default())?;
            self.row = Some(row);
        }
        Ok(())
    }

    /// From here on these are to be tried again; the list is told how it goes, even if it knew of no trouble.
    pub fn want_again(&mut self, store: &Store, again: BTreeSet<Seq>) -> Result<()> {
        self.owed = true;
        let row = self.row.clone().unwrap_or_default();
        self.keep(store, Row { again, ..row })
    }

    /// This one too.
    pub fn want_also(&mut self, store: &Store, seq: Seq) -> Result<()> {
        let again: BTreeSet<Seq> = self.again().chain([seq]).collect();
        self.want_again(store, again)
    }

    /// Whether the list may still say something of the room.
    pub fn is_listed(&self) -> bool {
        self.row.is_some()
    }

    /// Nothing is tried again: the room is deleted.
    pub fn no_more_at_all(&mut self, store: &Store) -> Result<()> {
        let all: Vec<Seq> = self.again().collect();
        if all.is_empty() { Ok(()) } else { self.no_more(store, &all) }
    }

    /// These have been tried, or are given up.
    pub fn no_more(&mut self, store: &Store, seqs: &[Seq]) -> Result<()> {
        let Some(mut row) = self.row.clone() else { return Ok(()) };
        row.again.retain(|seq| !seqs.contains(seq));
        self.keep(store, row)
    }
}

impl Room {
    fn trouble(&self, store: &Store, now: UnixMs) -> Result<Option<Trouble>> {
        let lag = self.head.saturating_sub(self.log.projected);
        let oldest =
            if lag == 0 { None } else { store.between(self.log.projected, self.head, 1)?.into_iter().next() };
        let oldest_at_ms = oldest.map_or(0, |event| event.at);
        let set_aside = self.outbox.aside().count() as u64;
        let lags = oldest_at_ms > 0 && now.saturating_sub(oldest_at_ms) > TROUBLE_LAG_MS;
        let state = self.outbox_state();
        let trouble = Trouble { lag, oldest_at_ms, state: state.to_owned(), set_aside };
        Ok((lags || set_aside > 0 || self.outbox.state() == State::Halted).then_some(trouble))
    }

    /// What the list was told before the memory went.
    pub(super) fn recall_standing(&mut self, store: &Store) -> Result<()> {
        let row = store.state(StateRow::Trouble)?;
        self.standing.row = row.map(|row| serde_json::from_str(&row).unwrap_or_default());
        self.standing.at = self.standing.row.as_ref().map_or(0, |row| row.at);
        // While something waits, the next batch's outcome shows what is to be told.
        let trouble = if self.lags() { None } else { self.trouble(store, 0)? };
        self.standing.owed = match (&self.standing.row, &trouble) {
            (Some(Row { told: Some(told), .. }), Some(trouble)) => !told.is_like(trouble),
            (row, trouble) => row.is_some() || trouble.is_some(),
        };
        Ok(())
    }

    /// Tells the list what it doesn't know yet.
    pub(super) fn look_for_trouble(&mut self, store: &Store, now: UnixMs) -> Result<()> {
        // Right after a load nobody knows yet how Postgres does.
        if self.lags() && !self.outbox.knows_postgres() {
            return Ok(());
        }
        let trouble = self.trouble(store, now)?;
        let standing = &mut self.standing;
        if standing.told_at == 0 {
            // Told before the memory went; it is not told again for that.
            standing.told_at = now;
        }
        let fresh = now < standing.told_at.saturating_add(TROUBLE_REFRESH_MS);
        standing.owed = match (&standing.row, &trouble) {
            (None, None) => false,
            (Some(Row { told: Some(told), .. }), Some(trouble)) => !told.is_like(trouble) || !fresh,
            _ => true,
        };
        let lost = |(since, _): &(UnixMs, Announcement)| now >= since.saturating_add(ANNOUNCE_LEASE_MS);
        let may_tell = now >= standing.retry_at && standing.under_way.as_ref().is_none_or(lost);
        if !standing.owed || !may_tell {
            return Ok(());
        }
        // Written before it is told: whatever crashes, a room on the list knows that it may be.
        let row = standing.row.clone().unwrap_or_default();
        standing.keep(store, row)?;
        let at = now.max(standing.at.saturating_add(1));
        standing.at = at;
        let (tenant, room) = self.key();
        let announcement = Announcement { tenant, room, at, trouble };
        self.standing.under_way = Some((now, announcement.clone()));
        self.effects.push(Effect::Announce(announcement));
        Ok(())
    }

    /// What became of an announcement; a straggler's answer says nothing of the one under way.
    pub(super) fn announced(&mut self, store: &Store, now: UnixMs, at: UnixMs, taken: bool) -> Result<()> {
        let under_way = self.standing.under_way.take_if(|(_, announcement)| announcement.at == at);
        let Some((_, told)) = under_way else { return Ok(()) };
        let standing = &mut self.standing;
        if !taken {
            let delay_ms = backoff_ms(&mut standing.attempts, RETRY_MIN_MS, ANNOUNCE_RETRY_MAX_MS);
            standing.retry_at = now.saturating_add(delay_ms);
            return Ok(());
        }
        (standing.attempts, standing.retry_at, standing.told_at) = (0, 0, now);
        match told.trouble {
            None => {
                store.clear_state(StateRow::Trouble)?;
                standing.row = None;
                if self.doom_is_done() {
                    return self.wipe_if_told(store);
                }
            }
            Some(trouble) => {
                let row = standing.row.clone().unwrap_or_default();
                standing.keep(store, Row { told: Some(trouble), at: told.at, ..row })?;
            }
        }
        // It may have changed meanwhile.
        self.look_for_trouble(store, now)
    }
}
