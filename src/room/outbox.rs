//! The way of the log into Postgres: a watermark over the log, batches, and what to do when Postgres
//! refuses. Not here: the statement (`db`), and who waits for it (`shell`).

use super::rebuild::row;
use super::store::{Kind, Result, StateRow, Store};
use super::{Effect, Room};
use crate::db::{DbError, Failure, Projected, Projection};
use crate::ids::{Seq, UnixMs};
use crate::limits::*;
use crate::mutants::{Mutant, is};
use crate::protocol::message::Message;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
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
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
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
    /// The batch under way and since when; one that doesn't come back is given up after a while.
    under_way: Option<UnderWay>,
    alarm_at: Option<UnixMs>,
    /// Events of a batch; halved while one of its rows is refused.
    batch_events: u64,
    set_aside: BTreeMap<Seq, String>,
}

impl Outbox {
    pub fn load(store: &Store) -> Result<Self> {
        Ok(Self {
            state: State::Idle,
            attempts: 0,
            retry_at: 0,
            under_way: None,
            alarm_at: None,
            batch_events: BATCH_ROWS_MAX,
            set_aside: store.quarantined()?.into_iter().collect(),
        })
    }
}

impl Room {
    pub(super) fn lags(&self) -> bool {
        self.head > self.log.projected || self.reads.unprojected()
    }

    /// Whether what waits fills a batch.
    pub fn has_a_full_batch(&self) -> bool {
        self.head.saturating_sub(self.log.projected) >= BATCH_ROWS_MAX
    }

    /// Whether a batch should be taken now.
    pub fn wants_drain(&self, now: UnixMs) -> bool {
        let over = |u: &UnderWay| now >= u.since.saturating_add(2 * STATEMENT_TIMEOUT_MS);
        self.lags() && now >= self.outbox.retry_at && self.outbox.under_way.as_ref().is_none_or(over)
    }

    /// Makes sure that an alarm finishes what a crash would leave.
    pub(super) fn arm(&mut self, now: UnixMs) {
        if self.lags() && self.outbox.alarm_at.is_none_or(|at| at <= now) {
            let retry_at = self.outbox.retry_at;
            if is(Mutant::AlarmAtNow) {
                return self.alarm(now);
            }
            let delay_ms = if retry_at > now { ALARM_MIN_MS.max(retry_at - now) } else { ALARM_DELAY_MS };
            self.alarm(now.saturating_add(delay_ms));
        }
    }

    fn alarm(&mut self, at: UnixMs) {
        self.outbox.alarm_at = Some(at);
        self.effects.push(Effect::Alarm(at));
    }

    pub(super) fn alarm_fired(&mut self) {
        self.outbox.alarm_at = None;
    }

    /// The next events that Postgres lacks, with the state their messages have now.
    pub(super) fn take_batch(&mut self, store: &Store, now: UnixMs) -> Result<()> {
        if !self.wants_drain(now) {
            return Ok(());
        }
        if let Some(row) = self.reads.take_unsaved() {
            store.set_state(StateRow::Reads, row)?;
        }
        let events = store.between(self.log.projected, self.head, self.outbox.batch_events)?;
        let (mut messages, mut seen) = (Vec::new(), BTreeSet::new());
        let (mut bytes, mut to) = (0usize, self.log.projected);
        for event in events {
            let target = event.target.unwrap_or(event.seq);
            if !self.outbox.set_aside.contains_key(&target) && seen.insert(target) {
                let body = match event.kind {
                    Kind::Message => event.body,
                    Kind::Reaction => store.by_seq(target)?.map(|e| e.body).unwrap_or_default(),
                };
                if bytes > 0 && bytes.saturating_add(body.len()) > BATCH_BYTES_MAX {
                    break;
                }
                bytes = bytes.saturating_add(body.len());
                // A body that isn't a message can't come from this code; it must not stop the rest.
                messages.extend(serde_json::from_str::<Message>(&body).ok().map(row));
            }
            to = event.seq;
        }
        // A log made anew from Postgres may have no event up to its head.
        let to = if seen.is_empty() && bytes == 0 && to == self.log.projected { self.head } else { to };
        let batch = Rc::new(Projection {
            tenant: self.facts.tenant.clone(),
            room: self.facts.id.clone(),
            epoch: self.log.epoch.clone(),
            from: self.log.projected,
            to,
            messages,
            reads: self.reads.batch(),
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
        outcome: std::result::Result<Projected, DbError>,
    ) -> Result<()> {
        let expected = self.outbox.under_way.take_if(|expected| Rc::ptr_eq(&expected.batch, batch));
        let Some(UnderWay { reads_saved, .. }) = expected else { return Ok(()) };
        match outcome {
            Ok(done) => self.batch_done(store, now, (batch, reads_saved), done),
            Err(error) => match error.failure() {
                Failure::SetAside if !batch.messages.is_empty() => self.refused(store, batch, &error),
                Failure::SetAside | Failure::Halt => {
                    self.halt(now, &error.message);
                    Ok(())
                }
                Failure::Retry => {
                    self.retry(now, &error.message);
                    Ok(())
                }
            },
        }
    }

    fn batch_done(
        &mut self,
        store: &Store,
        now: UnixMs,
        sent: (&Projection, u64),
        outcome: Projected,
    ) -> Result<()> {
        let (batch, reads_saved) = sent;
        let mut log = self.log.clone();
        let version = match outcome {
            Projected::Done { members_version, conflicts, .. } => {
                if !conflicts.is_empty() && is(Mutant::ConflictRetriedForEver) {
                    self.retry(now, "another message stands there");
                    return Ok(());
                }
                for seq in conflicts {
                    self.set_aside(store, seq, "another message stands at this seq in Postgres")?;
                }
                self.reads.projected(&batch.reads);
                (log.projected, log.reads_saved) = (batch.to, reads_saved);
                members_version
            }
            Projected::Behind { last_seq, members_version, .. } => {
                self.report(format!(
                    "Postgres was set back from {} to {last_seq}: sending again",
                    batch.from
                ));
                self.reads.unproject_all();
                log.projected = last_seq;
                members_version
            }
            Projected::Ahead { last_seq, members_version, epoch }
                if epoch.as_ref() == Some(&self.log.epoch) && last_seq <= self.head =>
            {
                log.projected = last_seq;
                members_version
            }
            Projected::Ahead { last_seq, .. } => {
                self.halt(now, &format!("Postgres holds another log of this room, up to {last_seq}"));
                return Ok(());
            }
            Projected::Missing => {
                self.halt(now, "Postgres has no such room");
                return Ok(());
            }
        };
        if log != self.log {
            store.set_state(StateRow::Log, serde_json::to_string(&log).unwrap_or_default())?;
            self.log = log;
        }
        if self.outbox.state != State::Idle {
            (self.outbox.state, self.outbox.attempts) = (State::Idle, 0);
            self.report("Postgres takes rows again".into());
        }
        self.outbox.batch_events = self.outbox.batch_events.saturating_mul(2).min(BATCH_ROWS_MAX);
        if version != self.members_version() {
            self.effects.push(Effect::Refresh);
        }
        Ok(())
    }

    /// One of the batch's rows is poison: halve until it stands alone, then set it aside.
    fn refused(&mut self, store: &Store, batch: &Projection, error: &DbError) -> Result<()> {
        if let [message] = batch.messages.as_slice() {
            return self.set_aside(store, message.seq, &error.message);
        }
        // As many events hold at most as many messages, so it halves.
        self.outbox.batch_events = (batch.messages.len() as u64 / 2).max(1);
        Ok(())
    }

    fn set_aside(&mut self, store: &Store, seq: Seq, reason: &str) -> Result<()> {
        store.quarantine(seq, reason)?;
        self.outbox.set_aside.insert(seq, reason.to_owned());
        self.report(format!("set aside seq {seq}: {reason}"));
        Ok(())
    }

    fn halt(&mut self, now: UnixMs, reason: &str) {
        self.outbox.state = State::Halted;
        self.put_off(now, now.saturating_add(HALTED_RETRY_MS));
        self.report(format!("outbox halted: {reason}"));
    }

    fn retry(&mut self, now: UnixMs, reason: &str) {
        let attempts = self.outbox.attempts.min(16);
        self.outbox.attempts = attempts.saturating_add(1);
        self.outbox.state = State::Retrying;
        let delay_ms = RETRY_MIN_MS.saturating_mul(1 << attempts).min(RETRY_MAX_MS);
        self.put_off(now, now.saturating_add(delay_ms));
        if attempts == 0 {
            self.report(format!("Postgres fails, trying again: {reason}"));
        }
    }

    /// The next try comes by an alarm, not a timer: a room that waits for Postgres may sleep meanwhile.
    fn put_off(&mut self, now: UnixMs, until: UnixMs) {
        self.outbox.retry_at = until;
        if self.outbox.alarm_at.is_none_or(|at| at <= now || at > until) {
            self.alarm(until);
        }
    }

    /// `GET /rooms/:id/outbox`.
    pub(super) fn outbox_status(&self, store: &Store, now: UnixMs) -> Result<Value> {
        let lag = self.head.saturating_sub(self.log.projected);
        let state = match self.outbox.state {
            State::Halted => "halted",
            State::Retrying => "retrying",
            State::Idle if lag > 0 || self.outbox.under_way.is_some() => "draining",
            State::Idle => "idle",
        };
        let oldest = store.between(self.log.projected, self.head, 1)?;
        let oldest_ms = oldest.first().map_or(0, |event| now.saturating_sub(event.at));
        let aside = self.outbox.set_aside.iter().map(|(seq, reason)| json!({"seq": seq, "reason": reason}));
        Ok(json!({
            "head": self.head, "projected": self.log.projected, "lag": lag, "oldestMs": oldest_ms,
            "state": state, "setAside": aside.collect::<Vec<_>>(),
        }))
    }
}
