//! What an answer of Postgres to a batch means. Not here: asking Postgres (`object`), and the statement (`db`).

use super::{InProgress, Outbox, State};
use crate::db::{DbError, Failure, Projected, Projection};
use crate::ids::{Seq, UnixMs};
use crate::limits::*;
use crate::oplog::Entry;
use crate::room::message_row::row_of;
use crate::room::store::{Result, Store};
use crate::room::turn::Turn;
use std::rc::Rc;

/// What follows from an answer for the rest of the room, which does it in the order given.
pub enum Next {
    Report(Entry),
    /// An alarm must come at this time or earlier.
    WakeBy(UnixMs),
    /// Postgres has the batch's read markers and audit notes.
    SideRowsProjected,
    /// Postgres may have lost any read marker.
    MarkersLost,
    /// The watermark is here. `reads_saved`: the number of the `ReadsRow` that Postgres has, if it is a new one.
    MoveWatermark {
        projected: Seq,
        reads_saved: Option<u64>,
    },
    /// The version of the members that Postgres has.
    MembersVersion(u64),
    /// Postgres has no such room.
    PutBack,
}

impl Outbox {
    /// Takes the answer to a batch. `None`: it is late, and says nothing about the batch in progress.
    pub fn answered(
        &mut self,
        turn: Turn,
        head: Seq,
        batch: &Rc<Projection>,
        outcome: std::result::Result<Projected, DbError>,
    ) -> Result<Option<Vec<Next>>> {
        let in_progress = self.in_progress.take_if(|expected| Rc::ptr_eq(&expected.batch, batch));
        let Some(in_progress) = in_progress else { return Ok(None) };
        self.has_answer = true;
        self.counts.batches = self.counts.batches.saturating_add(1);
        let next = match outcome {
            Ok(projected) => self.compared(turn, head, &in_progress, projected)?,
            Err(error) => match error.failure() {
                Failure::SetAside if !batch.messages.is_empty() || !batch.reactions.is_empty() => {
                    self.isolate_refused_row(turn.store, batch, &error)?
                }
                Failure::SetAside | Failure::Halt => self.halt(turn.now, "refused", Some(&error)),
                Failure::Retry => self.retry(turn.now, "no answer", Some(&error)),
            },
        };
        Ok(Some(next))
    }

    /// Postgres has compared the batch with what it has.
    fn compared(
        &mut self,
        turn: Turn,
        head: Seq,
        InProgress { batch, reads_saved, .. }: &InProgress,
        projected: Projected,
    ) -> Result<Vec<Next>> {
        let Turn { store, now } = turn;
        let mut next = Vec::new();
        let version = match projected {
            Projected::Done { members_version, conflicts, .. } => {
                self.quarantine_conflicts(store, &conflicts, &mut next)?;
                self.ahead = false;
                self.release_rows(store, batch, &conflicts, &mut next)?;
                next.push(Next::SideRowsProjected);
                next.push(Next::MoveWatermark { projected: batch.to, reads_saved: Some(*reads_saved) });
                members_version
            }
            // Postgres was restored from a backup.
            Projected::Behind { last_seq, members_version, .. } => {
                let entry = Entry::warn("postgres_set_back").with("from", &batch.from).with("to", &last_seq);
                next.push(Next::Report(entry));
                next.push(Next::MarkersLost);
                next.push(Next::MoveWatermark { projected: last_seq, reads_saved: None });
                members_version
            }
            // An earlier batch whose reply was lost had brought these rows. The watermark advances to the end of this
            // batch only: what is behind it was not compared.
            Projected::Ahead { last_seq, members_version, epoch, conflicts, .. }
                if epoch.as_ref() == Some(&batch.epoch) && last_seq <= head =>
            {
                self.quarantine_conflicts(store, &conflicts, &mut next)?;
                let projected = batch.to;
                next.push(Next::MoveWatermark { projected, reads_saved: None });
                self.ahead = true;
                members_version
            }
            Projected::Ahead { last_seq, .. } => {
                next.push(Next::Report(Entry::error("log_epoch_conflict").with("lastSeq", &last_seq)));
                next.extend(self.halt(now, "Postgres holds another log of this room", None));
                return Ok(next);
            }
            Projected::Missing => {
                next.extend(self.halt(now, "Postgres has no such room", None));
                next.push(Next::PutBack);
                return Ok(next);
            }
        };
        if self.state != State::Idle {
            self.state = State::Idle;
            self.backoff.succeed();
            next.push(Next::Report(Entry::info("outbox_recovered")));
        }
        self.batch_events = self.batch_events.saturating_mul(2).min(BATCH_ROWS_MAX);
        next.push(Next::MembersVersion(version));
        Ok(next)
    }

    /// Postgres refuses one of the batch's rows: the batch is halved until that row is alone, then it is quarantined.
    fn isolate_refused_row(
        &mut self,
        store: &Store,
        batch: &Projection,
        error: &DbError,
    ) -> Result<Vec<Next>> {
        if let ([], [reaction]) = (batch.messages.as_slice(), batch.reactions.as_slice()) {
            return Ok(vec![self.quarantine_refused(store, reaction.seq, error)?]);
        }
        if let ([message], []) = (batch.messages.as_slice(), batch.reactions.as_slice()) {
            let body = store.by_seq(message.seq)?.map(|event| event.body).unwrap_or_default();
            let present = row_of(store, &body, message.reactions.is_some())?;
            let is_same = present.is_none_or(|row| row == *message);
            // Edited or deleted meanwhile: Postgres has not seen that, and the reason may quote deleted content.
            if !is_same {
                return Ok(Vec::new());
            }
            return Ok(vec![self.quarantine_refused(store, message.seq, error)?]);
        }
        // So many events have at most so many rows, so the batch is halved at least.
        let rows = batch.messages.len().saturating_add(batch.reactions.len());
        self.batch_events = (rows as u64 / 2).max(1);
        Ok(Vec::new())
    }

    /// Retries don't help until somebody repairs something, so they are rare.
    fn halt(&mut self, now: UnixMs, why: &'static str, error: Option<&DbError>) -> Vec<Next> {
        self.state = State::Halted;
        self.retry_at = now.saturating_add(HALTED_RETRY_MS);
        vec![Next::WakeBy(self.retry_at), Next::Report(entry(Entry::error("outbox_halted"), why, error))]
    }

    fn retry(&mut self, now: UnixMs, why: &'static str, error: Option<&DbError>) -> Vec<Next> {
        let is_first = !self.backoff.has_failed();
        self.state = State::Retrying;
        self.retry_at = now.saturating_add(self.backoff.fail(RETRY_MIN_MS, RETRY_MAX_MS));
        self.counts.retries = self.counts.retries.saturating_add(1);
        let mut next = vec![Next::WakeBy(self.retry_at)];
        if is_first {
            next.push(Next::Report(entry(Entry::warn("postgres_unavailable"), why, error)));
        }
        next
    }
}

fn entry(entry: Entry, why: &'static str, error: Option<&DbError>) -> Entry {
    let entry = entry.with("why", &why);
    match error {
        Some(error) => entry.with("sqlstate", error),
        None => entry,
    }
}
