//! Postgres as the outbox sees it: the rules of `db::project` over plain maps, with faults.
//! Not here: SQL. The statement itself is tested against a real Postgres (`tests/native/db_projection.rs`).

use chinwag::db::{
    DbError, Marker, MessagePage, MessageRow, PageBounds, PinRow, Projected, Projection, ReactionChange,
    ReactionRow,
};
use chinwag::ids::Seq;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Debug, Default, PartialEq)]
pub enum Fault {
    #[default]
    None,
    /// Each statement fails with this SQLSTATE; empty: with an I/O error.
    Fails(String),
    /// No statement is answered, and none is committed until the test commits it.
    Hangs,
    /// Each statement is committed, and its answer is an I/O error.
    LosesReply,
}

/// The rows of one room.
#[derive(Default)]
pub struct FakePostgres {
    pub fault: Fault,
    pub rows: BTreeMap<Seq, MessageRow>,
    /// The oldest first.
    pub pins: Vec<PinRow>,
    /// Every list of pins in the order of arrival, with the `last_seq` of its batch.
    pub pins_log: Vec<(Seq, Vec<PinRow>)>,
    pub reads: BTreeMap<String, Marker>,
    /// Every read marker in the order of arrival, with the `last_seq` of its batch.
    pub reads_log: Vec<(Seq, String, Marker)>,
    /// The followers of each thread.
    pub followers: BTreeMap<Seq, BTreeSet<String>>,
    /// The place of a reaction among those of its message.
    positions: BTreeMap<(Seq, String, String), Seq>,
    /// Action, actor, target and reason of each note, by id.
    pub audit: BTreeMap<String, (String, String, Option<String>, Option<String>)>,
    /// Reporter, author and text of each report in the tenant's list, by the id of its note.
    pub reports: BTreeMap<String, (String, String, String)>,
    /// Whether the room is a direct one, whose audit log names no reporter.
    pub is_direct: bool,
    pub last_seq: Seq,
    pub epoch: Option<String>,
    pub members_version: u64,
    pub missing: bool,
    /// Poison is accepted, because what refused it was repaired.
    pub accepts_poison: bool,
    /// How many batches arrived.
    pub tries: u64,
}

/// Content that Postgres refuses permanently.
pub const POISON: &str = "poison";

impl FakePostgres {
    /// The room as it was created: empty, with the first version of its members.
    pub fn new() -> Self {
        Self { members_version: 1, ..Self::default() }
    }

    /// Answers a batch as the present fault says; `None`: no answer comes.
    pub fn take(&mut self, batch: &Projection) -> Option<Result<Projected, DbError>> {
        self.tries += 1;
        let io = || DbError { sqlstate: None, message: "connection reset".into() };
        match &self.fault {
            Fault::None => Some(self.commit(batch)),
            Fault::Hangs => None,
            Fault::LosesReply => Some(self.commit(batch).and(Err(io()))),
            Fault::Fails(state) if state.is_empty() => Some(Err(io())),
            Fault::Fails(state) => {
                Some(Err(DbError { sqlstate: Some(state.clone()), message: format!("failed with {state}") }))
            }
        }
    }

    /// Does what `db::project` does, without a fault.
    pub fn commit(&mut self, batch: &Projection) -> Result<Projected, DbError> {
        let (last_seq, members_version, epoch) = (self.last_seq, self.members_version, self.epoch.clone());
        if self.missing {
            return Ok(Projected::Missing);
        }
        if last_seq < batch.from {
            return Ok(Projected::Behind { last_seq, members_version, epoch });
        }
        if last_seq > batch.to {
            let conflicts = self.conflicts(batch);
            return Ok(Projected::Ahead { last_seq, members_version, epoch, conflicts, inboxes: Vec::new() });
        }
        if !self.accepts_poison && batch.messages.iter().any(is_poison) {
            let message = "invalid byte sequence".into();
            return Err(DbError { sqlstate: Some("22021".into()), message });
        }
        let conflicts = self.conflicts(batch);
        for row in &batch.messages {
            match self.rows.get(&row.seq) {
                Some(known) if known.id != row.id => {}
                Some(known) if known.version > row.version => {}
                Some(known) if known.deleted_at_ms.is_some() && row.deleted_at_ms.is_none() => {}
                _ => self.put(row),
            }
        }
        batch.reactions.iter().for_each(|change| self.react(change));
        if let Some(pins) = &batch.pins {
            self.pins_log.push((batch.to, pins.clone()));
            self.pins.clone_from(pins);
        }
        for (user, read) in &batch.reads {
            self.reads_log.push((batch.to, user.to_string(), *read));
            self.mark(user.as_str(), *read);
        }
        for row in batch.audit.iter().cloned() {
            if let Some(report) = row.report {
                let text = (row.actor.clone(), report.author, report.text);
                self.reports.entry(row.id.clone()).or_insert(text);
                if self.is_direct {
                    continue;
                }
            }
            let action = row.action.name().to_owned();
            self.audit.entry(row.id).or_insert((action, row.actor, row.target, row.reason));
        }
        (self.last_seq, self.epoch) = (batch.to, Some(batch.epoch.clone()));
        Ok(Projected::Done { last_seq: batch.to, members_version, epoch, conflicts, inboxes: Vec::new() })
    }

    /// What `db::messages_after` gives.
    pub fn page(&self, after: Seq, bounds: PageBounds) -> MessagePage {
        let mut rows = self.rows.range(after + 1..).map(|(_, row)| row).peekable();
        let (mut messages, mut bytes) = (Vec::new(), 0);
        while (messages.len() as u64) < bounds.count && bytes < bounds.bytes {
            let Some(row) = rows.next() else { break };
            bytes += serde_json::to_string(row).map_or(0, |json| json.len() as u64);
            messages.push(row.clone());
        }
        MessagePage { messages, pins: self.pins.clone(), has_more: rows.peek().is_some() }
    }

    fn put(&mut self, row: &MessageRow) {
        let thread = row.thread_seq.unwrap_or(row.seq);
        self.followers.entry(thread).or_default().extend(row.followers.iter().cloned());
        // Followers belong to the thread, and a deleted message keeps no versions.
        let mut row = MessageRow { followers: Vec::new(), ..row.clone() };
        let known = self.rows.get(&row.seq).and_then(|known| known.reactions.clone());
        if let Some(reactions) = &row.reactions {
            for (position, reaction) in (1..).zip(reactions) {
                self.positions.insert(key(row.seq, &reaction.emoji, &reaction.user_id), position);
            }
        }
        row.reactions = Some(row.reactions.or(known).unwrap_or_default());
        if row.deleted_at_ms.is_some() {
            row.versions.clear();
            row.reactions = Some(Vec::new());
        }
        self.rows.insert(row.seq, row);
    }

    fn react(&mut self, change: &ReactionChange) {
        let ReactionChange { seq, id, emoji, user_id, is_set, position, .. } = change;
        let of_message = self.rows.get_mut(seq).filter(|row| row.id == *id && row.deleted_at_ms.is_none());
        let Some(reactions) = of_message.and_then(|row| row.reactions.as_mut()) else { return };
        reactions.retain(|known| known.emoji != *emoji || known.user_id != *user_id);
        if *is_set {
            self.positions.insert(key(*seq, emoji, user_id), *position);
            reactions.push(ReactionRow { emoji: emoji.clone(), user_id: user_id.clone() });
            reactions.sort_by_key(|row| self.positions.get(&key(*seq, &row.emoji, &row.user_id)));
        }
    }

    fn mark(&mut self, user: &str, read: Marker) {
        let marker = self.reads.entry(user.to_owned()).or_default();
        *marker = (*marker).max(read);
    }

    fn conflicts(&self, batch: &Projection) -> Vec<Seq> {
        let other = |row: &&MessageRow| self.rows.get(&row.seq).is_some_and(|known| known.id != row.id);
        batch.messages.iter().filter(other).map(|row| row.seq).collect()
    }

    /// Restores an older backup: everything that arrived after `last_seq` is lost.
    pub fn set_back(&mut self, last_seq: Seq) {
        self.rows.retain(|seq, _| *seq <= last_seq);
        self.reads.clear();
        self.reads_log.retain(|(at, ..)| *at <= last_seq);
        self.reads_log.clone().iter().for_each(|(_, user, read)| self.mark(user, *read));
        self.pins_log.retain(|(at, _)| *at <= last_seq);
        self.pins = self.pins_log.last().map(|(_, pins)| pins.clone()).unwrap_or_default();
        self.followers.retain(|thread, _| *thread <= last_seq);
        self.last_seq = last_seq;
    }
}

fn key(seq: Seq, emoji: &str, user: &str) -> (Seq, String, String) {
    (seq, emoji.to_owned(), user.to_owned())
}

/// Whether Postgres refuses this row, for its content or for an older version of it.
pub fn is_poison(row: &MessageRow) -> bool {
    row.content.contains(POISON) || row.versions.iter().any(|version| version.content.contains(POISON))
}
