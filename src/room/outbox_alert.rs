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
pub struct OutboxProblem {
    pub lag: u64,
    /// When the oldest event that waits was said; 0: none waits.
    pub oldest_at_ms: UnixMs,
    pub state: String,
    pub quarantined: u64,
}

impl OutboxProblem {
    /// Nothing an operator would act upon differs.
    fn is_like(&self, other: &Self) -> bool {
        (&self.state, self.quarantined) == (&other.state, other.quarantined)
    }
}

/// A room's word to its tenant's list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OutboxReport {
    pub tenant: TenantId,
    pub room: RoomId,
    /// A later one counts more.
    pub at: UnixMs,
    /// `None`: well again.
    pub problem: Option<OutboxProblem>,
}

/// The room's row while it may stand on the list.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AlertRow {
    /// What the list is known to say, and by which announcement.
    told: Option<OutboxProblem>,
    #[serde(default)]
    at: UnixMs,
    /// Rows set aside that the operator wants tried again.
    #[serde(default)]
    retry_rows: BTreeSet<Seq>,
}

#[derive(Debug, Default)]
pub struct AlertState {
    row: Option<AlertRow>,
    /// The list has still to hear something.
    owed: bool,
    /// With the time since when.
    under_way: Option<(UnixMs, OutboxReport)>,
    /// The last announcement's. The next is later, whatever a clock says: the list drops what comes from before.
    at: UnixMs,
    attempts: u32,
    retry_at: UnixMs,
    told_at: UnixMs,
}

impl AlertState {
    /// When the list has still to hear something: not before this.
    pub fn due(&self) -> Option<UnixMs> {
        self.owed.then_some(self.retry_at)
    }

    /// Rows set aside that are to be tried again.
    pub fn retry_rows(&self) -> impl Iterator<Item = Seq> {
        self.row.iter().flat_map(|row| row.retry_rows.iter().copied())
    }

    fn keep(&mut self, store: &Store, row: AlertRow) -> Result<()> {
        if self.row.as_ref() != Some(&row) {
            store.set_state(StateRow::OutboxProblem, serde_json::to_string(&row).unwrap_or_default())?;
            self.row = Some(row);
        }
        Ok(())
    }

    /// From here on these are to be tried again; the list is told how it goes, even if it knew of no trouble.
    pub fn request_retry(&mut self, store: &Store, retry_rows: BTreeSet<Seq>) -> Result<()> {
        self.owed = true;
        let row = self.row.clone().unwrap_or_default();
        self.keep(store, AlertRow { retry_rows, ..row })
    }

    /// This one too.
    pub fn add_retry_row(&mut self, store: &Store, seq: Seq) -> Result<()> {
        let retry_rows: BTreeSet<Seq> = self.retry_rows().chain([seq]).collect();
        self.request_retry(store, retry_rows)
    }

    /// Whether the list may still say something of the room.
    pub fn is_listed(&self) -> bool {
        self.row.is_some()
    }

    /// Nothing is tried again: the room is deleted.
    pub fn clear_retry_rows(&mut self, store: &Store) -> Result<()> {
        let all: Vec<Seq> = self.retry_rows().collect();
        if all.is_empty() { Ok(()) } else { self.remove_retry_rows(store, &all) }
    }

    /// These have been tried, or are given up.
    pub fn remove_retry_rows(&mut self, store: &Store, seqs: &[Seq]) -> Result<()> {
        let Some(mut row) = self.row.clone() else { return Ok(()) };
        row.retry_rows.retain(|seq| !seqs.contains(seq));
        self.keep(store, row)
    }
}

impl Room {
    fn problem(&self, store: &Store, now: UnixMs) -> Result<Option<OutboxProblem>> {
        let lag = self.head.saturating_sub(self.log.projected);
        let oldest =
            if lag == 0 { None } else { store.between(self.log.projected, self.head, 1)?.into_iter().next() };
        let oldest_at_ms = oldest.map_or(0, |event| event.at);
        let quarantined = self.outbox.quarantined_rows().count() as u64;
        let lags = oldest_at_ms > 0 && now.saturating_sub(oldest_at_ms) > TROUBLE_LAG_MS;
        let state = self.outbox_state();
        let problem = OutboxProblem { lag, oldest_at_ms, state: state.to_owned(), quarantined };
        Ok((lags || quarantined > 0 || self.outbox.state() == State::Halted).then_some(problem))
    }

    /// What the list was told before the memory went.
    pub(super) fn load_alert(&mut self, store: &Store) -> Result<()> {
        let row = store.state(StateRow::OutboxProblem)?;
        self.alert.row = row.map(|row| serde_json::from_str(&row).unwrap_or_default());
        self.alert.at = self.alert.row.as_ref().map_or(0, |row| row.at);
        // While something waits, the next batch's outcome shows what is to be told.
        let problem = if self.lags() { None } else { self.problem(store, 0)? };
        self.alert.owed = match (&self.alert.row, &problem) {
            (Some(AlertRow { told: Some(told), .. }), Some(problem)) => !told.is_like(problem),
            (row, problem) => row.is_some() || problem.is_some(),
        };
        Ok(())
    }

    /// Tells the list what it doesn't know yet.
    pub(super) fn check_alert(&mut self, store: &Store, now: UnixMs) -> Result<()> {
        // Right after a load nobody knows yet how Postgres does.
        if self.lags() && !self.outbox.knows_postgres() {
            return Ok(());
        }
        let problem = self.problem(store, now)?;
        let alert = &mut self.alert;
        if alert.told_at == 0 {
            // Told before the memory went; it is not told again for that.
            alert.told_at = now;
        }
        let fresh = now < alert.told_at.saturating_add(TROUBLE_REFRESH_MS);
        alert.owed = match (&alert.row, &problem) {
            (None, None) => false,
            (Some(AlertRow { told: Some(told), .. }), Some(problem)) => !told.is_like(problem) || !fresh,
            _ => true,
        };
        let lost = |(since, _): &(UnixMs, OutboxReport)| now >= since.saturating_add(ANNOUNCE_LEASE_MS);
        let may_tell = now >= alert.retry_at && alert.under_way.as_ref().is_none_or(lost);
        if !alert.owed || !may_tell {
            return Ok(());
        }
        // Written before it is told: whatever crashes, a room on the list knows that it may be.
        let row = alert.row.clone().unwrap_or_default();
        alert.keep(store, row)?;
        let at = now.max(alert.at.saturating_add(1));
        alert.at = at;
        let (tenant, room) = self.key();
        let report = OutboxReport { tenant, room, at, problem };
        self.alert.under_way = Some((now, report.clone()));
        self.effects.push(Effect::ReportAlert(report));
        Ok(())
    }

    /// What became of an announcement; a straggler's answer says nothing of the one under way.
    pub(super) fn alert_reported(
        &mut self,
        store: &Store,
        now: UnixMs,
        at: UnixMs,
        taken: bool,
    ) -> Result<()> {
        let under_way = self.alert.under_way.take_if(|(_, report)| report.at == at);
        let Some((_, told)) = under_way else { return Ok(()) };
        let alert = &mut self.alert;
        if !taken {
            let delay_ms = backoff_ms(&mut alert.attempts, RETRY_MIN_MS, ANNOUNCE_RETRY_MAX_MS);
            alert.retry_at = now.saturating_add(delay_ms);
            return Ok(());
        }
        (alert.attempts, alert.retry_at, alert.told_at) = (0, 0, now);
        match told.problem {
            None => {
                store.clear_state(StateRow::OutboxProblem)?;
                alert.row = None;
                if self.is_deletion_done() {
                    return self.wipe_when_settled(store);
                }
            }
            Some(problem) => {
                let row = alert.row.clone().unwrap_or_default();
                alert.keep(store, AlertRow { told: Some(problem), at: told.at, ..row })?;
            }
        }
        // It may have changed meanwhile.
        self.check_alert(store, now)
    }
}
