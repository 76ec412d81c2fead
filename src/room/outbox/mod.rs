//! The way of the log to Postgres: when a batch is due, what it contains, and the state of the tries. `answer` has what
//! an answer of Postgres means, `quarantine` the refused rows, `alert` the reports to the tenant's list.
//! Not here: the statement (`db`), who awaits it (`object`), the watermark (`log`), markers and audit notes (`reads`,
//! `audit`), which go with a batch.

mod alert;
mod answer;
mod quarantine;

pub use alert::{AlertAnswer, AlertReport};
pub use answer::Next;

use super::backoff::Backoff;
use super::message_row::{REACTION_BYTES, details_bytes, row_of};
use super::reactions::Reactors;
use super::store::formats::OutboxState;
use super::store::formats::ReactionBody;
use super::store::{Event, Kind, Result, Store};
use crate::db::{MessageRow, Projection, ReactionChange};
use crate::ids::{Seq, UnixMs};
use crate::limits::*;
use crate::metrics::Counts;
use alert::Alert;
use quarantine::Quarantine;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle,
    Retrying,
    Halted,
}

/// The batch in progress. An answer belongs to it only by identity.
#[derive(Debug)]
struct InProgress {
    since: UnixMs,
    batch: Rc<Projection>,
    /// The number of the `ReadsRow` whose markers it contains.
    reads_saved: u64,
}

/// What other parts have for Postgres.
#[derive(Clone, Copy, Debug)]
pub struct Backlog {
    pub head: Seq,
    pub projected: Seq,
    /// The log has no events of reactions up to here.
    pub floor: Seq,
    /// How full the storage is, if that is worth an alert.
    pub storage_percent: Option<u64>,
    pub audit_notes: bool,
    /// Read markers wait for the next batch, until this time at most.
    pub markers_at: Option<UnixMs>,
    /// The room is deleted: nothing of it goes to Postgres any more, or a restore would bring it back.
    pub is_closed: bool,
}

impl Backlog {
    fn lag(&self) -> u64 {
        self.head.saturating_sub(self.projected)
    }
}

/// The message rows of a batch, and up to where it brings the watermark.
pub struct Rows {
    pub to: Seq,
    pub messages: Vec<MessageRow>,
    pub reactions: Vec<ReactionChange>,
}

pub struct Outbox {
    state: State,
    backoff: Backoff,
    /// No try before this.
    retry_at: UnixMs,
    in_progress: Option<InProgress>,
    /// The most events in a batch; halved while one of its rows is refused.
    batch_events: u64,
    /// Postgres was further than the last batch. Rows from quarantine wait: a batch that ends at the watermark would
    /// get the same answer.
    ahead: bool,
    /// A batch is wanted, even an empty one: it shows what Postgres has.
    wants_batch: bool,
    /// Postgres has answered since the room was loaded.
    has_answer: bool,
    quarantine: Quarantine,
    alert: Alert,
    counts: Counts,
}

impl Outbox {
    /// The outbox of a room that was just loaded; `load_alert` completes it.
    pub fn load(store: &Store) -> Result<Self> {
        Ok(Self {
            state: State::Idle,
            backoff: Backoff::default(),
            retry_at: 0,
            in_progress: None,
            batch_events: BATCH_ROWS_MAX,
            ahead: false,
            wants_batch: false,
            has_answer: false,
            quarantine: Quarantine::load(store)?,
            alert: Alert::default(),
            counts: Counts::default(),
        })
    }

    pub fn take_counts(&mut self) -> Counts {
        std::mem::take(&mut self.counts)
    }

    /// The room is deleted: nothing waits for Postgres, no row is in quarantine.
    pub fn clear(&mut self, store: &Store) -> Result<()> {
        (self.state, self.retry_at, self.wants_batch) = (State::Idle, 0, false);
        self.backoff.succeed();
        self.in_progress = None;
        self.quarantine.clear();
        self.alert.clear_retry_rows(store)
    }

    fn state(&self, backlog: &Backlog) -> OutboxState {
        match self.state {
            State::Halted => OutboxState::Halted,
            State::Retrying => OutboxState::Retrying,
            State::Idle if backlog.lag() > 0 || self.in_progress.is_some() => OutboxState::Draining,
            State::Idle => OutboxState::Idle,
        }
    }

    // --- When ---------------------------------------------------------------------------------------

    fn has_backlog(&self, backlog: &Backlog) -> bool {
        self.has_urgent(backlog) || backlog.markers_at.is_some()
    }

    /// Whether something waits that starts a batch. Markers alone do not.
    fn has_urgent(&self, backlog: &Backlog) -> bool {
        backlog.lag() > 0 || backlog.audit_notes || self.wants_batch || self.alert.has_retry_rows()
    }

    /// When a batch is due; `None` if nothing waits.
    pub fn batch_due(&self, backlog: &Backlog) -> Option<UnixMs> {
        if backlog.is_closed {
            return None;
        }
        if self.has_urgent(backlog) {
            return Some(self.retry_at);
        }
        backlog.markers_at.map(|at| self.retry_at.max(at))
    }

    /// When the outbox has something to do: a batch, or a report to the tenant's list.
    pub fn due(&self, backlog: &Backlog) -> Option<UnixMs> {
        let batch = self.batch_due(backlog);
        if self.has_urgent(backlog) {
            return batch;
        }
        let report = self.alert.due().filter(|_| self.can_report(backlog));
        batch.into_iter().chain(report).min()
    }

    /// Whether a batch should be taken now.
    pub fn is_batch_due(&self, now: UnixMs, backlog: &Backlog) -> bool {
        // A batch that gets no answer is given up.
        let expired = |batch: &InProgress| now >= batch.since.saturating_add(2 * STATEMENT_TIMEOUT_MS);
        self.batch_due(backlog).is_some_and(|at| now >= at) && self.in_progress.as_ref().is_none_or(expired)
    }

    // --- What ---------------------------------------------------------------------------------------

    /// The rows of the next batch: rows from quarantine that are tried again, else the oldest events that Postgres
    /// lacks.
    pub fn next_rows(&mut self, store: &Store, backlog: &Backlog) -> Result<Rows> {
        if self.alert.has_retry_rows() && !self.ahead {
            let messages = self.retry_rows(store)?;
            return Ok(Rows { to: backlog.projected, messages, reactions: Vec::new() });
        }
        let events = store.between(backlog.projected, backlog.head, self.batch_events)?;
        let mut rows = Gathered::default();
        let mut to = backlog.projected;
        let is_empty = events.is_empty();
        for event in events {
            let seq = event.seq;
            let message = if event.kind == Kind::Message { Some(seq) } else { event.target };
            if let Some(message) = message.filter(|message| !self.quarantine.contains(*message)) {
                let fits = match event.kind {
                    Kind::Reaction => rows.add_change(store, &event, message)?,
                    _ => rows.add_once(store, event, (message, message <= backlog.floor))?,
                };
                if !fits {
                    break;
                }
            }
            to = seq;
        }
        // A log that was rebuilt from Postgres may have no event up to its head.
        let to = if is_empty { backlog.head } else { to };
        let reactions = rows.changes.into_values().collect();
        Ok(Rows { to, messages: rows.messages, reactions })
    }

    /// Rows from quarantine. They bring the watermark no further.
    fn retry_rows(&mut self, store: &Store) -> Result<Vec<MessageRow>> {
        let (mut rows, mut lost) = (Gathered::default(), Vec::new());
        for seq in self.alert.retry_rows() {
            let body = store.by_seq(seq)?.map(|event| event.body).unwrap_or_default();
            let count = rows.messages.len();
            if count as u64 >= self.batch_events || !rows.add(store, &body, true)? {
                break;
            }
            if rows.messages.len() == count {
                lost.push(seq);
            }
        }
        self.alert.remove_retry_rows(store, &lost)?;
        Ok(rows.messages)
    }

    /// What halted the outbox may be over: the next try is at once.
    pub fn resume(&mut self) {
        self.retry_at = 0;
    }

    /// The batch is in progress from now on.
    pub fn begin(&mut self, now: UnixMs, batch: &Rc<Projection>, reads_saved: u64) {
        self.wants_batch = false;
        self.in_progress = Some(InProgress { since: now, batch: batch.clone(), reads_saved });
    }
}

/// The body that the message has now: of its own event, or of the event's target.
fn present_body(store: &Store, event: Event, message: Seq) -> Result<String> {
    Ok(match event.kind {
        Kind::Message => event.body,
        _ => store.by_seq(message)?.map(|event| event.body).unwrap_or_default(),
    })
}

/// Rows up to the size of a batch.
#[derive(Default)]
struct Gathered {
    messages: Vec<MessageRow>,
    seen: BTreeSet<Seq>,
    /// By message, emoji and person.
    changes: BTreeMap<(Seq, String, String), ReactionChange>,
    /// The messages of the reactions, each read once; `None`: it has no reactions, as it is deleted.
    reactors: BTreeMap<Seq, Option<(String, Reactors)>>,
    bytes: usize,
}

impl Gathered {
    /// Adds the message that an event is about, unless it was added before; false if it does not fit.
    fn add_once(&mut self, store: &Store, event: Event, (seq, has_reactions): (Seq, bool)) -> Result<bool> {
        Ok(!self.seen.insert(seq) || self.add(store, &present_body(store, event, seq)?, has_reactions)?)
    }

    /// Adds a message with its earlier versions; false if it does not fit. The first one always fits.
    fn add(&mut self, store: &Store, body: &str, has_reactions: bool) -> Result<bool> {
        // This code writes no body that isn't a message; if there is one, the rows behind it must not wait for it.
        let row = row_of(store, body, has_reactions)?;
        let bytes = body.len().saturating_add(row.as_ref().map_or(0, details_bytes));
        if !self.reserve(bytes) {
            return Ok(false);
        }
        self.messages.extend(row);
        Ok(true)
    }

    /// Adds the present state of the reaction that an event set or removed; false if it does not fit.
    fn add_change(&mut self, store: &Store, event: &Event, seq: Seq) -> Result<bool> {
        let reaction: ReactionBody = serde_json::from_str(&event.body).unwrap_or_default();
        if let Entry::Vacant(slot) = self.reactors.entry(seq) {
            let body = store.by_seq(seq)?.map(|event| event.body).unwrap_or_default();
            slot.insert(
                Reactors::load(store, &body, seq)?.map(|reactors| (reaction.message_id.clone(), reactors)),
            );
        }
        let Some(Some((id, reactors))) = self.reactors.get(&seq) else { return Ok(true) };
        let (user_id, emoji) = (event.user_id.clone(), reaction.emoji);
        let is_set = reactors.has(&user_id, &emoji);
        let change = ReactionChange {
            seq,
            id: id.clone(),
            emoji: emoji.clone(),
            user_id: user_id.clone(),
            is_set,
            position: event.seq,
            at_ms: event.at,
        };
        let bytes = REACTION_BYTES.saturating_add(emoji.len()).saturating_add(user_id.len());
        if !self.reserve(bytes) {
            return Ok(false);
        }
        self.changes.insert((seq, emoji, user_id), change);
        Ok(true)
    }

    /// Whether so many more bytes fit; they count then.
    fn reserve(&mut self, bytes: usize) -> bool {
        let total = self.bytes.saturating_add(bytes);
        let fits = self.bytes == 0 || total <= BATCH_BYTES_MAX;
        if fits {
            self.bytes = total;
        }
        fits
    }
}
