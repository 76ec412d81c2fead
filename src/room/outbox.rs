//! The way of the log into Postgres: a watermark over the log, batches, and what to do when Postgres
//! refuses. Not here: the statement (`db`), and who waits for it (`shell`).

use super::rebuild::row;
use super::store::{GIVEN_UP, Kind, Result, StateRow, Store};
use super::{Effect, Room};
use crate::db::{DbError, Failure, MessageRow, Projected, Projection};
use crate::ids::{Seq, UnixMs};
use crate::limits::*;
use crate::mutants::{Mutant, is};
use crate::oplog::Entry;
use crate::protocol::message::Message;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// The row that says a whole log stands here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LogState {
    pub epoch: String,
    /// Everything up to here is in Postgres or set aside.
    pub projected: Seq,
    /// Events up to here can't be replayed: the log was made anew from Postgres.
    pub floor: Seq,
    /// Which writing of the row of read markers is in Postgres.
    #[serde(default)]
    pub reads_saved: u64,
    /// How many steps of the schema stand here (`store`).
    #[serde(default)]
    pub schema: u64,
    /// Everything up to here was handed to the queue of notifications; none: as far as it is in Postgres.
    #[serde(default)]
    pub notified: Option<Seq>,
}

impl LogState {
    pub fn notified(&self) -> Seq {
        self.notified.unwrap_or(self.projected)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Idle,
    Retrying,
    Halted,
}

#[derive(Debug)]
struct UnderWay {
    since: UnixMs,
    batch: Rc<Projection>,
    /// The writing of the row of read markers that it brings.
    reads_saved: u64,
}

#[derive(Debug)]
pub struct Outbox {
    state: State,
    attempts: u32,
    /// No try before this.
    retry_at: UnixMs,
    /// The queue of notifications took nothing; not offered again before this. Postgres doesn't wait for it.
    notify_at: UnixMs,
    /// The batch under way and since when; one that doesn't come back is given up after a while.
    under_way: Option<UnderWay>,
    alarm_at: Option<UnixMs>,
    alarm_set_at: UnixMs,
    /// Events of a batch; halved while one of its rows is refused.
    batch_events: u64,
    /// With the reasons; those given up are among them.
    quarantined: BTreeMap<Seq, String>,
    /// Postgres was further than the last batch: rows that go again from where we stand would only hear that.
    ahead: bool,
    /// Postgres has said something since the room was loaded.
    heard: bool,
}

impl Outbox {
    pub fn load(store: &Store) -> Result<Self> {
        Ok(Self {
            state: State::Idle,
            attempts: 0,
            retry_at: 0,
            notify_at: 0,
            under_way: None,
            alarm_at: None,
            alarm_set_at: 0,
            batch_events: BATCH_ROWS_MAX,
            quarantined: store.quarantined()?.into_iter().collect(),
            ahead: false,
            heard: false,
        })
    }

    /// What Postgres refuses and nobody has given up, with the reasons.
    pub fn quarantined_rows(&self) -> impl Iterator<Item = (Seq, &str)> {
        let aside = self.quarantined.iter().map(|(seq, reason)| (*seq, reason.as_str()));
        aside.filter(|(_, reason)| *reason != GIVEN_UP)
    }

    /// It is never sent again.
    pub fn discard(&mut self, seq: Seq) {
        self.quarantined.insert(seq, GIVEN_UP.to_owned());
    }

    /// Somebody has mended something: no waiting for the next try.
    pub fn try_at_once(&mut self) {
        self.retry_at = 0;
    }

    /// Somebody goes, perhaps the last one whose doings drive the outbox, and the platform may have lost the alarm we believe
    /// in: one that isn't fresh is set anew, which costs a row only if something waits.
    pub fn expire_alarm(&mut self, now: UnixMs) {
        self.alarm_at = self.alarm_at.filter(|_| now < self.alarm_set_at.saturating_add(ALARM_DELAY_MS));
    }

    /// The room is deleted: nothing waits, nothing is aside.
    pub fn forget_all(&mut self) {
        (self.state, self.attempts, self.retry_at) = (State::Idle, 0, 0);
        self.under_way = None;
        self.quarantined.clear();
    }

    pub fn state(&self) -> State {
        self.state
    }

    pub fn knows_postgres(&self) -> bool {
        self.heard
    }
}

impl Room {
    pub(super) fn lags(&self) -> bool {
        self.head > self.log.projected
            || self.reads.has_unprojected()
            || self.audit_waits
            || self.alert.retry_rows().next().is_some()
    }

    /// When the outbox has something to do next; `None` if nothing waits.
    fn due(&self) -> Option<UnixMs> {
        let notices =
            || self.has_pending_notifications().then(|| self.outbox.retry_at.max(self.outbox.notify_at));
        if self.lags() { Some(self.outbox.retry_at) } else { notices() }
    }

    /// Whether what waits fills a batch.
    pub fn has_a_full_batch(&self) -> bool {
        self.head.saturating_sub(self.log.projected) >= BATCH_ROWS_MAX
    }

    /// Whether a batch should be taken now.
    pub fn wants_drain(&self, now: UnixMs) -> bool {
        let over = |u: &UnderWay| now >= u.since.saturating_add(2 * STATEMENT_TIMEOUT_MS);
        self.due().is_some_and(|at| now >= at) && self.outbox.under_way.as_ref().is_none_or(over)
    }

    /// Makes sure that an alarm finishes what a crash would leave.
    pub(super) fn arm(&mut self, now: UnixMs) {
        let due = self.due().or_else(|| self.alert.due());
        let Some(due) = due.into_iter().chain(self.files.due()).chain(self.deletion_check_at()).min() else {
            return;
        };
        let delay_ms = if due > now { ALARM_MIN_MS.max(due - now) } else { ALARM_DELAY_MS };
        let at = now.saturating_add(delay_ms);
        // One for files may be a day away when something is said.
        let late = |set: UnixMs| set <= now || set > at.saturating_add(ALARM_DELAY_MS);
        if self.outbox.alarm_at.is_none_or(late) {
            self.alarm(now, if is(Mutant::AlarmAtNow) { now } else { at });
        }
    }

    fn alarm(&mut self, now: UnixMs, at: UnixMs) {
        (self.outbox.alarm_at, self.outbox.alarm_set_at) = (Some(at), now);
        self.effects.push(Effect::Alarm(at));
    }

    pub(super) fn alarm_fired(&mut self, store: &Store, now: UnixMs) -> Result<()> {
        self.outbox.alarm_at = None;
        self.check_deletion(store, now)?;
        self.remove_due_files(store, now)?;
        if self.alert.due().is_some() { self.check_alert(store, now) } else { Ok(()) }
    }

    /// The next events that Postgres lacks, with the state their messages have now.
    pub(super) fn take_batch(&mut self, store: &Store, now: UnixMs) -> Result<()> {
        if !self.wants_drain(now) {
            return Ok(());
        }
        if let Some(row) = self.reads.take_unsaved() {
            store.set_state(StateRow::Reads, row)?;
        }
        if self.alert.retry_rows().next().is_some() && !self.outbox.ahead {
            return self.retry_batch(store, now);
        }
        let events = store.between(self.log.projected, self.head, self.outbox.batch_events)?;
        let (mut messages, mut seen) = (Vec::new(), BTreeSet::new());
        let (mut bytes, mut to) = (0usize, self.log.projected);
        for event in events {
            let message = if event.kind == Kind::Message { Some(event.seq) } else { event.target };
            if let Some(target) = message.filter(|target| !self.outbox.quarantined.contains_key(target))
                && seen.insert(target)
            {
                let body = match event.kind {
                    Kind::Message => event.body,
                    _ => store.by_seq(target)?.map(|e| e.body).unwrap_or_default(),
                };
                // A body that isn't a message can't come from this code; it must not stop the rest.
                let taken = row_of(store, &body)?;
                let size = body.len().saturating_add(taken.as_ref().map_or(0, kept_bytes));
                if bytes > 0 && bytes.saturating_add(size) > BATCH_BYTES_MAX {
                    break;
                }
                bytes = bytes.saturating_add(size);
                messages.extend(taken);
            }
            to = event.seq;
        }
        // A log made anew from Postgres may have no event up to its head.
        let to = if seen.is_empty() && bytes == 0 && to == self.log.projected { self.head } else { to };
        self.send_batch(store, now, to, messages)
    }

    /// Rows set aside go again by themselves: from where the projection stands to there.
    fn retry_batch(&mut self, store: &Store, now: UnixMs) -> Result<()> {
        let (mut messages, mut bytes, mut lost) = (Vec::new(), 0usize, Vec::new());
        for seq in self.alert.retry_rows() {
            let body = store.by_seq(seq)?.map(|event| event.body).unwrap_or_default();
            let taken = row_of(store, &body)?;
            let size = body.len().saturating_add(taken.as_ref().map_or(0, kept_bytes));
            let full = messages.len() as u64 >= self.outbox.batch_events;
            if full || (bytes > 0 && bytes.saturating_add(size) > BATCH_BYTES_MAX) {
                break;
            }
            bytes = bytes.saturating_add(size);
            match taken {
                Some(row) => messages.push(row),
                None => lost.push(seq),
            }
        }
        self.alert.remove_retry_rows(store, &lost)?;
        self.send_batch(store, now, self.log.projected, messages)
    }

    fn send_batch(&mut self, store: &Store, now: UnixMs, to: Seq, messages: Vec<MessageRow>) -> Result<()> {
        let (notices, notices_to) = match now >= self.outbox.notify_at {
            true => self.notices(store, now, to)?,
            false => (Vec::new(), self.log.notified()),
        };
        let batch = Rc::new(Projection {
            tenant: self.members.tenant().clone(),
            room: self.members.room().clone(),
            epoch: self.log.epoch.clone(),
            from: self.log.projected,
            to,
            messages,
            reads: self.reads.batch(),
            audit: if self.audit_waits { store.audit_notes()? } else { Vec::new() },
            notices,
            notices_to,
        });
        let reads_saved = self.reads.number();
        self.outbox.under_way = Some(UnderWay { since: now, batch: batch.clone(), reads_saved });
        self.effects.push(Effect::Project(batch));
        Ok(())
    }

    /// What became of a batch; a straggler's answer says nothing of the one under way.
    pub(super) fn projected(
        &mut self,
        store: &Store,
        now: UnixMs,
        batch: &Rc<Projection>,
        (outcome, notified): (std::result::Result<Projected, DbError>, bool),
    ) -> Result<()> {
        let expected = self.outbox.under_way.take_if(|expected| Rc::ptr_eq(&expected.batch, batch));
        let Some(UnderWay { reads_saved, .. }) = expected else { return Ok(()) };
        self.outbox.heard = true;
        self.counts.batches = self.counts.batches.saturating_add(1);
        match outcome {
            Ok(done) => self.batch_done(store, now, (batch, reads_saved, notified), done)?,
            Err(error) => match error.failure() {
                Failure::SetAside if !batch.messages.is_empty() => {
                    self.isolate_refused_row(store, batch, &error)?
                }
                Failure::SetAside | Failure::Halt => self.halt(now, "refused", Some(&error)),
                Failure::Retry => self.retry(now, "no answer", Some(&error)),
            },
        }
        self.check_alert(store, now)
    }

    fn batch_done(
        &mut self,
        store: &Store,
        now: UnixMs,
        sent: (&Projection, u64, bool),
        outcome: Projected,
    ) -> Result<()> {
        let (batch, reads_saved, notified) = sent;
        let mut log = self.log.clone();
        log.notified = Some(self.log.notified());
        let version = match outcome {
            Projected::Done { members_version, conflicts, .. } => {
                if !conflicts.is_empty() && is(Mutant::ConflictRetriedForEver) {
                    self.retry(now, "another message stands there", None);
                    return Ok(());
                }
                self.quarantine_conflicts(store, &conflicts)?;
                self.outbox.ahead = false;
                self.release_rows(store, batch, &conflicts)?;
                self.reads.mark_projected(&batch.reads);
                if !batch.audit.is_empty() {
                    store.forget_audit(&batch.audit)?;
                    self.audit_waits = !store.audit_notes()?.is_empty();
                }
                (log.projected, log.reads_saved) = (batch.to, reads_saved);
                members_version
            }
            Projected::Behind { last_seq, members_version, .. } => {
                let entry = Entry::warn("postgres_set_back").with("from", &batch.from).with("to", &last_seq);
                self.report(entry);
                self.reads.unproject_all();
                // Memory alone would forget that they must go again.
                if let Some(row) = self.reads.take_unsaved().filter(|_| !is(Mutant::SetBackForgotten)) {
                    store.set_state(StateRow::Reads, row)?;
                }
                log.projected = last_seq;
                members_version
            }
            // A lost reply had brought these rows. Only as far as this batch goes: what stands behind it hasn't been compared.
            Projected::Ahead { last_seq, members_version, epoch, conflicts }
                if epoch.as_ref() == Some(&self.log.epoch) && last_seq <= self.head =>
            {
                if is(Mutant::AheadUncompared) {
                    log.projected = last_seq;
                } else {
                    self.quarantine_conflicts(store, &conflicts)?;
                    log.projected = batch.to;
                }
                self.outbox.ahead = true;
                members_version
            }
            Projected::Ahead { last_seq, .. } => {
                self.report(Entry::error("log_epoch_conflict").with("lastSeq", &last_seq));
                self.halt(now, "Postgres holds another log of this room", None);
                return Ok(());
            }
            Projected::Missing => {
                self.halt(now, "Postgres has no such room", None);
                return Ok(());
            }
        };
        // What the queue didn't take is offered again; what Postgres lost was told of before.
        if notified || is(Mutant::NotifiedWatermarkForgotten) {
            log.notified = Some(log.notified().max(batch.notices_to.min(log.projected)));
        } else if !batch.notices.is_empty() {
            self.outbox.notify_at = now.saturating_add(NOTIFY_OFFER_MS);
        }
        if log != self.log {
            store.set_state(StateRow::Log, serde_json::to_string(&log).unwrap_or_default())?;
            self.log = log;
        }
        if self.outbox.state != State::Idle {
            (self.outbox.state, self.outbox.attempts) = (State::Idle, 0);
            self.report(Entry::info("outbox_recovered"));
        }
        self.outbox.batch_events = self.outbox.batch_events.saturating_mul(2).min(BATCH_ROWS_MAX);
        if version != self.members_version() {
            self.effects.push(Effect::Refresh);
        }
        Ok(())
    }

    /// Other messages stand at these seqs: an integrity alarm, never an overwrite.
    fn quarantine_conflicts(&mut self, store: &Store, conflicts: &[Seq]) -> Result<()> {
        let aside =
            |seq: &Seq| self.quarantined(store, *seq, "another message stands at this seq in Postgres", None);
        conflicts.iter().try_for_each(aside)
    }

    /// One of the batch's rows is poison: halve until it stands alone, then set it aside.
    fn isolate_refused_row(&mut self, store: &Store, batch: &Projection, error: &DbError) -> Result<()> {
        if let [message] = batch.messages.as_slice() {
            let body = store.by_seq(message.seq)?.map(|event| event.body).unwrap_or_default();
            let same = row_of(store, &body)?.is_none_or(|row| row == *message);
            // Changed or deleted meanwhile: Postgres hasn't seen that, and the reason may quote what is gone.
            if !same && !is(Mutant::RefusalOutlived) {
                return Ok(());
            }
            return self.quarantined(store, message.seq, &error.message, Some(error));
        }
        // As many events hold at most as many messages, so it halves.
        self.outbox.batch_events = (batch.messages.len() as u64 / 2).max(1);
        Ok(())
    }

    fn quarantined(&mut self, store: &Store, seq: Seq, reason: &str, error: Option<&DbError>) -> Result<()> {
        // An empty reason would be one given up.
        let reason = if reason == GIVEN_UP { "refused" } else { reason };
        store.quarantine(seq, reason)?;
        self.alert.remove_retry_rows(store, &[seq])?;
        self.outbox.quarantined.insert(seq, reason.to_owned());
        self.counts.rows_quarantined = self.counts.rows_quarantined.saturating_add(1);
        let entry = Entry::error("row_quarantined").with("seq", &seq);
        self.report(match error {
            Some(error) => entry.with("sqlstate", error),
            None => entry.with("why", &"another message stands there"),
        });
        Ok(())
    }

    /// A message goes: of one that was set aside, or given up, Postgres may have earlier words, and its reason may quote what
    /// was said. Its tombstone is sent whatever became of it before.
    pub(super) fn discard_quarantined_content(&mut self, store: &Store, seq: Seq) -> Result<()> {
        if !self.outbox.quarantined.contains_key(&seq) {
            return Ok(());
        }
        const REASON: &str = "deleted meanwhile";
        store.quarantine(seq, REASON)?;
        self.outbox.quarantined.insert(seq, REASON.to_owned());
        self.alert.add_retry_row(store, seq)
    }

    /// What had been set aside and was in this batch is in Postgres now.
    fn release_rows(&mut self, store: &Store, batch: &Projection, conflicts: &[Seq]) -> Result<()> {
        let taken = batch.messages.iter().map(|message| message.seq);
        let taken: Vec<Seq> = taken.filter(|seq| !conflicts.contains(seq)).collect();
        for seq in &taken {
            if self.outbox.quarantined.remove(seq).is_some() {
                store.release(*seq)?;
                self.report(Entry::info("row_released").with("seq", seq));
            }
        }
        if self.alert.retry_rows().any(|seq| taken.contains(&seq)) {
            self.alert.remove_retry_rows(store, &taken)
        } else {
            Ok(())
        }
    }

    fn halt(&mut self, now: UnixMs, why: &'static str, error: Option<&DbError>) {
        self.outbox.state = State::Halted;
        self.postpone(now, now.saturating_add(HALTED_RETRY_MS));
        let entry = Entry::error("outbox_halted").with("why", &why);
        self.report(error.into_iter().fold(entry, |entry, error| entry.with("sqlstate", error)));
    }

    fn retry(&mut self, now: UnixMs, why: &'static str, error: Option<&DbError>) {
        let attempts = self.outbox.attempts;
        self.outbox.state = State::Retrying;
        let delay_ms = backoff_ms(&mut self.outbox.attempts, RETRY_MIN_MS, RETRY_MAX_MS);
        self.postpone(now, now.saturating_add(delay_ms));
        self.counts.retries = self.counts.retries.saturating_add(1);
        if attempts == 0 {
            let entry = Entry::warn("postgres_unavailable").with("why", &why);
            self.report(error.into_iter().fold(entry, |entry, error| entry.with("sqlstate", error)));
        }
    }

    /// The next try comes by an alarm, not a timer: a room that waits for Postgres may sleep meanwhile.
    fn postpone(&mut self, now: UnixMs, until: UnixMs) {
        self.outbox.retry_at = until;
        if self.outbox.alarm_at.is_none_or(|at| at <= now || at > until) {
            self.alarm(now, until);
        }
    }

    pub(super) fn outbox_state(&self) -> &'static str {
        match self.outbox.state {
            State::Halted => "halted",
            State::Retrying => "retrying",
            State::Idle if self.head > self.log.projected || self.outbox.under_way.is_some() => "draining",
            State::Idle => "idle",
        }
    }
}

/// How long to wait before the next try: from `min_ms` on, doubled with each, up to `max_ms`. Counts this one.
pub(super) fn backoff_ms(attempts: &mut u32, min_ms: u64, max_ms: u64) -> u64 {
    let before = (*attempts).min(16);
    *attempts = before.saturating_add(1);
    min_ms.saturating_mul(1 << before).min(max_ms)
}

/// The row of a message out of its object, with what it said before.
fn row_of(store: &Store, body: &str) -> Result<Option<MessageRow>> {
    let Ok(message) = serde_json::from_str::<Message>(body) else { return Ok(None) };
    let versions = if message.version > 1 { store.versions(message.seq)? } else { Vec::new() };
    Ok(Some(row(message, versions)))
}

fn kept_bytes(row: &MessageRow) -> usize {
    row.versions.iter().map(|version| version.content.len()).sum()
}
