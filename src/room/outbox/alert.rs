//! The outbox alert: whether the room has an outbox problem, and what its tenant's list has confirmed. The room reports
//! when the problem changes, repeats a report until the list confirms it, and reports once more when the problem is
//! gone. A room without a problem has no row here and reports nothing.
//! Not here: the list (`outbox_alerts`), and what is done about a problem (`answer`, the operator).

use super::{Backlog, Outbox, State};
use crate::ids::{Seq, UnixMs};
use crate::limits::*;
use crate::room::backoff::Backoff;
use crate::room::store::formats::{AlertRow, OutboxProblem};
use crate::room::store::{Result, StateRow, Store, encode};
use crate::room::turn::Turn;
use std::collections::BTreeSet;

/// A report for the tenant's list.
#[derive(Clone, Debug)]
pub struct AlertReport {
    /// Later than every report before, whatever the clock says: the list drops reports with an earlier time.
    pub at: UnixMs,
    /// `None`: the room has no problem any more.
    pub problem: Option<OutboxProblem>,
}

/// What became of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlertAnswer {
    /// It is not about the report in progress.
    Unknown,
    /// The list has not confirmed it; it is repeated later.
    Failed,
    /// The list shows the problem.
    Listed,
    /// The room is not on the list any more.
    Cleared,
}

/// Owns the row `StateRow::Alert`. The row also holds the quarantined rows that are tried again, since both
/// outlive the memory for the same time.
#[derive(Debug, Default)]
pub struct Alert {
    /// Present while the room may be on the list.
    row: Option<AlertRow>,
    /// The list does not know the present state.
    is_report_due: bool,
    in_progress: Option<AlertReport>,
    /// The time of the last report, confirmed or not.
    last_at: UnixMs,
    backoff: Backoff,
    /// No report before this: the lease of the one in progress, or the backoff after a failure.
    not_before: UnixMs,
    /// When the list last confirmed a report; right after a load, when the room first looked.
    confirmed_at: Option<UnixMs>,
}

impl Alert {
    pub fn load(store: &Store) -> Result<Self> {
        let row: Option<AlertRow> =
            store.state(StateRow::Alert)?.map(|row| serde_json::from_str(&row).unwrap_or_default());
        let last_at = row.as_ref().map_or(0, |row| row.reported_at);
        Ok(Self { row, last_at, ..Self::default() })
    }

    /// When a report is due.
    pub fn due(&self) -> Option<UnixMs> {
        self.is_report_due.then_some(self.not_before)
    }

    /// Whether the room may be on the list.
    pub fn is_listed(&self) -> bool {
        self.row.is_some()
    }

    fn keep(&mut self, store: &Store, row: AlertRow) -> Result<()> {
        if self.row.as_ref() != Some(&row) {
            store.set_state(StateRow::Alert, encode(&row)?)?;
            self.row = Some(row);
        }
        Ok(())
    }

    // --- Rows that are tried again ------------------------------------------------------------------

    /// Quarantined rows that are tried again.
    pub fn retry_rows(&self) -> impl Iterator<Item = Seq> {
        self.row.iter().flat_map(|row| row.retry_rows.iter().copied())
    }

    pub fn has_retry_rows(&self) -> bool {
        self.retry_rows().next().is_some()
    }

    /// Exactly these rows are tried again. A report follows, even if the list knew of no problem.
    pub fn set_retry_rows(&mut self, store: &Store, retry_rows: BTreeSet<Seq>) -> Result<()> {
        self.is_report_due = true;
        let row = self.row.clone().unwrap_or_default();
        self.keep(store, AlertRow { retry_rows, ..row })
    }

    /// This row is tried again too.
    pub fn add_retry_row(&mut self, store: &Store, seq: Seq) -> Result<()> {
        let retry_rows = self.retry_rows().chain([seq]).collect();
        self.set_retry_rows(store, retry_rows)
    }

    /// These rows are not tried again: they were answered or discarded.
    pub fn remove_retry_rows(&mut self, store: &Store, seqs: &[Seq]) -> Result<()> {
        let Some(mut row) = self.row.clone() else { return Ok(()) };
        row.retry_rows.retain(|seq| !seqs.contains(seq));
        self.keep(store, row)
    }

    /// No row is tried again.
    pub fn clear_retry_rows(&mut self, store: &Store) -> Result<()> {
        let all: Vec<Seq> = self.retry_rows().collect();
        if all.is_empty() { Ok(()) } else { self.remove_retry_rows(store, &all) }
    }

    // --- Reports --------------------------------------------------------------------------------------

    /// A report is due if the list's entry differs from `problem` in what an operator acts upon, or is not fresh.
    pub fn compare(&mut self, problem: Option<&OutboxProblem>, is_fresh: bool) {
        self.is_report_due = match (&self.row, problem) {
            (None, None) => false,
            (Some(AlertRow { reported: Some(reported), .. }), Some(problem)) => {
                !is_alike(reported, problem) || !is_fresh
            }
            _ => true,
        };
    }

    /// The report that must be sent now, if any; it is in progress from then on.
    fn begin_report(&mut self, turn: Turn, problem: Option<OutboxProblem>) -> Result<Option<AlertReport>> {
        let Turn { store, now } = turn;
        let confirmed_at = *self.confirmed_at.get_or_insert(now);
        self.compare(problem.as_ref(), now < confirmed_at.saturating_add(ALERT_REFRESH_MS));
        if !self.is_report_due || now < self.not_before {
            return Ok(None);
        }
        // Stored before it is sent: after any crash, a room on the list knows that it may be there.
        let row = self.row.clone().unwrap_or_default();
        self.keep(store, row)?;
        self.last_at = now.max(self.last_at.saturating_add(1));
        let report = AlertReport { at: self.last_at, problem };
        (self.in_progress, self.not_before) = (Some(report.clone()), now.saturating_add(ALERT_LEASE_MS));
        Ok(Some(report))
    }

    /// Takes the answer to the report of that time. A late answer says nothing about the report in progress.
    pub fn answered(&mut self, turn: Turn, at: UnixMs, confirmed: bool) -> Result<AlertAnswer> {
        let Turn { store, now } = turn;
        let Some(report) = self.in_progress.take_if(|report| report.at == at) else {
            return Ok(AlertAnswer::Unknown);
        };
        if !confirmed {
            self.not_before = now.saturating_add(self.backoff.fail(RETRY_MIN_MS, ALERT_RETRY_MAX_MS));
            return Ok(AlertAnswer::Failed);
        }
        self.backoff.succeed();
        (self.not_before, self.confirmed_at) = (0, Some(now));
        let Some(problem) = report.problem else {
            store.clear_state(StateRow::Alert)?;
            self.row = None;
            return Ok(AlertAnswer::Cleared);
        };
        let row = self.row.clone().unwrap_or_default();
        self.keep(store, AlertRow { reported: Some(problem), reported_at: report.at, ..row })?;
        Ok(AlertAnswer::Listed)
    }
}

/// Nothing differs that an operator acts upon.
fn is_alike(a: &OutboxProblem, b: &OutboxProblem) -> bool {
    (a.state, a.quarantined, a.storage_percent) == (b.state, b.quarantined, b.storage_percent)
}

impl Outbox {
    /// Loads what the tenant's list knew; the outbox is complete then.
    pub fn load_alert(&mut self, store: &Store, backlog: &Backlog) -> Result<()> {
        self.alert = Alert::load(store)?;
        // While something waits, the next answer of Postgres shows what must be reported.
        let problem = match self.has_backlog(backlog) {
            true => None,
            false => self.problem(Turn { store, now: 0 }, backlog)?,
        };
        self.alert.compare(problem.as_ref(), true);
        Ok(())
    }

    /// Whether the room may be on its tenant's list.
    pub fn is_listed(&self) -> bool {
        self.alert.is_listed()
    }

    pub fn is_report_due(&self) -> bool {
        self.alert.due().is_some()
    }

    /// Whether the room knows its problem: right after a load nobody knows how Postgres does.
    pub(super) fn can_report(&self, backlog: &Backlog) -> bool {
        self.has_answer || !self.has_backlog(backlog)
    }

    /// The report that must be sent now, if any.
    pub fn begin_report(&mut self, turn: Turn, backlog: &Backlog) -> Result<Option<AlertReport>> {
        if !self.can_report(backlog) {
            return Ok(None);
        }
        let problem = self.problem(turn, backlog)?;
        self.alert.begin_report(turn, problem)
    }

    /// Takes the answer to the report of that time.
    pub fn report_answered(&mut self, turn: Turn, at: UnixMs, confirmed: bool) -> Result<AlertAnswer> {
        self.alert.answered(turn, at, confirmed)
    }

    fn problem(&self, turn: Turn, backlog: &Backlog) -> Result<Option<OutboxProblem>> {
        let oldest = match backlog.lag() {
            0 => None,
            _ => turn.store.between(backlog.projected, backlog.head, 1)?.into_iter().next(),
        };
        let oldest_at_ms = oldest.map_or(0, |event| event.at);
        let quarantined = self.quarantine.refused().count() as u64;
        let lags = oldest_at_ms > 0 && turn.now.saturating_sub(oldest_at_ms) > ALERT_LAG_MS;
        let state = self.state(backlog);
        let storage_percent = backlog.storage_percent;
        let problem = OutboxProblem { lag: backlog.lag(), oldest_at_ms, state, quarantined, storage_percent };
        let is_one = lags || quarantined > 0 || self.state == State::Halted || storage_percent.is_some();
        Ok(is_one.then_some(problem))
    }
}
