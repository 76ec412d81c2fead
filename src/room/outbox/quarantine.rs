//! Rows that Postgres refuses: what is remembered of them, and how a row enters and leaves the quarantine.
//! Not here: which answer of Postgres leads here (`answer`), and the table (`store`).

use super::{Backlog, Next, Outbox};
use crate::db::{DbError, Projection};
use crate::ids::{Seq, UnixMs};
use crate::oplog::Entry;
use crate::room::store::{QuarantineReason, Result, Store};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Why a row is quarantined whose seq holds another message in Postgres.
const CONFLICT: &str = "another message stands at this seq in Postgres";
/// Why the tombstone of a quarantined message is quarantined, until Postgres has it.
const DELETED: &str = "deleted meanwhile";

/// A copy of the table `quarantine`.
#[derive(Debug)]
pub struct Quarantine(BTreeMap<Seq, QuarantineReason>);

impl Quarantine {
    pub fn load(store: &Store) -> Result<Self> {
        Ok(Self(store.quarantined()?.into_iter().collect()))
    }

    /// Refused or discarded.
    pub fn contains(&self, seq: Seq) -> bool {
        self.0.contains_key(&seq)
    }

    /// The rows that Postgres refuses and nobody has discarded, with Postgres' texts.
    pub fn refused(&self) -> impl Iterator<Item = (Seq, &str)> {
        self.0.iter().filter_map(|(seq, reason)| match reason {
            QuarantineReason::Refused(text) => Some((*seq, text.as_str())),
            QuarantineReason::Discarded => None,
        })
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }

    fn put(&mut self, store: &Store, seq: Seq, reason: QuarantineReason) -> Result<()> {
        store.quarantine(seq, &reason)?;
        self.0.insert(seq, reason);
        Ok(())
    }
}

impl Outbox {
    /// Other messages are at these seqs in Postgres: an integrity alarm, never an overwrite.
    pub(super) fn quarantine_conflicts(
        &mut self,
        store: &Store,
        conflicts: &[Seq],
        next: &mut Vec<Next>,
    ) -> Result<()> {
        for seq in conflicts {
            self.enter_quarantine(store, *seq, CONFLICT)?;
            let entry = Entry::error("row_quarantined").with("seq", seq);
            next.push(Next::Report(entry.with("why", &"another message stands there")));
        }
        Ok(())
    }

    /// Postgres refuses this row.
    pub(super) fn quarantine_refused(&mut self, store: &Store, seq: Seq, error: &DbError) -> Result<Next> {
        self.enter_quarantine(store, seq, &error.message)?;
        Ok(Next::Report(Entry::error("row_quarantined").with("seq", &seq).with("sqlstate", error)))
    }

    fn enter_quarantine(&mut self, store: &Store, seq: Seq, reason: &str) -> Result<()> {
        self.quarantine.put(store, seq, QuarantineReason::Refused(reason.to_owned()))?;
        self.alert.remove_retry_rows(store, &[seq])?;
        self.counts.rows_quarantined = self.counts.rows_quarantined.saturating_add(1);
        Ok(())
    }

    /// The rows of this batch are in Postgres, apart from the conflicts: they leave the quarantine.
    pub(super) fn release_rows(
        &mut self,
        store: &Store,
        batch: &Projection,
        conflicts: &[Seq],
        next: &mut Vec<Next>,
    ) -> Result<()> {
        let seqs = batch.messages.iter().map(|message| message.seq);
        let projected: Vec<Seq> = seqs.filter(|seq| !conflicts.contains(seq)).collect();
        for seq in &projected {
            if self.quarantine.0.remove(seq).is_some() {
                store.release(*seq)?;
                next.push(Next::Report(Entry::info("row_released").with("seq", seq)));
            }
        }
        if self.alert.retry_rows().any(|seq| projected.contains(&seq)) {
            self.alert.remove_retry_rows(store, &projected)?;
        }
        Ok(())
    }

    /// A message is deleted. If it is in quarantine, Postgres may have an earlier version, and the reason may quote
    /// content. So the reason is replaced, and the tombstone is sent even if the row was discarded.
    pub fn purge_quarantined(&mut self, store: &Store, seq: Seq) -> Result<()> {
        if !self.quarantine.contains(seq) {
            return Ok(());
        }
        self.quarantine.put(store, seq, QuarantineReason::Refused(DELETED.to_owned()))?;
        self.alert.add_retry_row(store, seq)
    }

    // --- What the tenant's admins ask -----------------------------------------------------------------

    /// All refused rows are sent again, and the next try is at once, even if nothing waits: after a restore of Postgres
    /// the answer shows what the room has to put back.
    ///
    /// # Gives  how many rows.
    pub fn retry_all(&mut self, store: &Store) -> Result<u64> {
        let refused: BTreeSet<Seq> = self.quarantine.refused().map(|(seq, _)| seq).collect();
        let count = refused.len() as u64;
        self.alert.set_retry_rows(store, refused)?;
        (self.retry_at, self.wants_batch) = (0, true);
        Ok(count)
    }

    /// The row is never sent again, unless its message is deleted. False if no such row is refused.
    pub fn discard(&mut self, store: &Store, seq: Seq) -> Result<bool> {
        if !self.quarantine.refused().any(|(refused, _)| refused == seq) {
            return Ok(false);
        }
        self.quarantine.put(store, seq, QuarantineReason::Discarded)?;
        self.alert.remove_retry_rows(store, &[seq])?;
        Ok(true)
    }

    /// The state of the outbox, as `GET /rooms/:id/outbox` returns it.
    pub fn status(&self, store: &Store, now: UnixMs, backlog: &Backlog) -> Result<Value> {
        let oldest = store.between(backlog.projected, backlog.head, 1)?;
        let oldest_ms = oldest.first().map_or(0, |event| now.saturating_sub(event.at));
        let row = |(seq, reason): (Seq, &str)| json!({"seq": seq, "reason": reason});
        Ok(json!({
            "head": backlog.head, "projected": backlog.projected, "lag": backlog.lag(), "oldestMs": oldest_ms,
            "state": self.state(backlog).name(), "setAside": self.quarantine.refused().map(row).collect::<Vec<_>>(),
        }))
    }
}
