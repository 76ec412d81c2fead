//! The table `events`: the log itself. Not here: what an event does to other rows (`mutations`).

use super::mutations::Mutation;
use super::schema::MESSAGE_BLOCK_SEQS;
use super::sql::{
    Result, Row, SqlValue, Store, corrupt_column, int, int_at, int_opt_at, opt_int, text, text_at,
    text_opt_at,
};
use super::state::StateRow;
use crate::ids::{Seq, UnixMs};
use crate::limits::{SAME_MS_REPLIES, SLOW_LOOK_BACK_EVENTS};
use crate::protocol::message::Message;
use crate::protocol::server;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Message = 1,
    Reaction = 2,
    Edit = 3,
    Delete = 4,
    /// The number of replies of a thread changed; the event's target is the root.
    Thread = 5,
    MemberAdded = 6,
    MemberRemoved = 7,
    MemberUpdated = 8,
    RoomUpdated = 9,
    /// A message was pinned or unpinned.
    Pins = 10,
}

impl Kind {
    pub const ALL: [Self; 10] = [
        Self::Message,
        Self::Reaction,
        Self::Edit,
        Self::Delete,
        Self::Thread,
        Self::MemberAdded,
        Self::MemberRemoved,
        Self::MemberUpdated,
        Self::RoomUpdated,
        Self::Pins,
    ];

    fn of(value: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as i64 == value)
    }
}

/// A sequenced fact of the log.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    pub seq: Seq,
    pub kind: Kind,
    pub at: UnixMs,
    pub user_id: String,
    pub client_id: Option<String>,
    pub digest: Option<u64>,
    pub target: Option<Seq>,
    pub thread: Option<Seq>,
    pub body: String,
}

const COLUMNS_BY_CLIENT: &str = "SELECT seq, kind, at, user_id, client_id, digest, target, thread, body
    FROM events WHERE user_id = ? AND client_id = ?";
const COLUMNS_BY_SEQ: &str = "SELECT seq, kind, at, user_id, client_id, digest, target, thread, body
    FROM events WHERE seq = ?";
const COLUMNS_BETWEEN: &str = "SELECT seq, kind, at, user_id, client_id, digest, target, thread, body
    FROM events WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?";
/// Only blocks that have messages are read. The plus signs keep SQLite from making an index of kinds for each page.
/// workerd binds each number as REAL, so a quotient is cut to an integer.
const MESSAGES_BEFORE: &str = "SELECT e.seq, e.client_id, e.body, e.reactors IS NOT NULL
    FROM message_blocks b CROSS JOIN events e ON e.seq BETWEEN b.block * ?3 AND b.block * ?3 + ?3 - 1
    WHERE b.block <= CAST(?1 / ?3 AS INTEGER) AND +e.kind = 1 AND +e.seq < ?1 ORDER BY b.block DESC, e.seq DESC LIMIT ?2";
const MESSAGES_AFTER: &str = "SELECT e.seq, e.client_id, e.body, e.reactors IS NOT NULL
    FROM message_blocks b CROSS JOIN events e ON e.seq BETWEEN b.block * ?3 AND b.block * ?3 + ?3 - 1
    WHERE b.block >= CAST(?1 / ?3 AS INTEGER) AND +e.kind = 1 AND +e.seq > ?1 ORDER BY b.block, e.seq LIMIT ?2";
const REPLIES_BEFORE: &str = "SELECT seq, client_id, body, reactors IS NOT NULL FROM events
    WHERE kind = 1 AND seq < ?1 AND thread = ?3 ORDER BY seq DESC LIMIT ?2";
const REPLIES_AFTER: &str = "SELECT seq, client_id, body, reactors IS NOT NULL FROM events
    WHERE kind = 1 AND seq > ?1 AND thread = ?3 ORDER BY seq LIMIT ?2";

/// A message as a page or a replay contains it.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    pub seq: Seq,
    pub client_id: Option<String>,
    pub body: String,
    /// People have reacted whom the body does not name.
    pub has_others: bool,
}

impl Store<'_> {
    /// The newest seq, 0 for an empty log.
    pub fn newest(&self) -> Result<Seq> {
        let rows = self.0.exec("SELECT coalesce(max(seq), 0) FROM events", &[])?;
        rows.first().map_or(Ok(0), |row| int_at(row, 0))
    }

    pub fn insert(&self, e: &Event) -> Result<()> {
        const INSERT: &str = "INSERT INTO events
            (seq, kind, at, user_id, client_id, digest, target, thread, body, last_reaction)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9,
                CASE WHEN ?2 = 2 THEN (SELECT last_reaction FROM events WHERE seq = ?7) END)";
        self.put(INSERT, e)
    }

    /// Stores an event that a rebuild took from Postgres, in place of what was at its seq.
    pub fn import(&self, e: &Event) -> Result<()> {
        const IMPORT: &str = "INSERT OR REPLACE INTO events
            (seq, kind, at, user_id, client_id, digest, target, thread, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)";
        self.put(IMPORT, e)
    }

    fn put(&self, sql: &'static str, e: &Event) -> Result<()> {
        let params = [
            int(e.seq),
            int(e.kind as u64),
            int(e.at),
            text(&e.user_id),
            e.client_id.as_deref().map_or(SqlValue::Null, text),
            opt_int(e.digest),
            opt_int(e.target),
            opt_int(e.thread),
            text(&e.body),
        ];
        self.0.exec(sql, &params).map(drop)
    }

    /// Appends these events and applies their mutations: all of it or nothing.
    pub fn append(&self, events: &[&Event], mutations: &[Mutation]) -> Result<()> {
        self.0.atomically(&mut || {
            events.iter().try_for_each(|event| self.insert(event))?;
            mutations.iter().try_for_each(|mutation| self.apply(mutation))
        })
    }

    /// When the newest remaining reply of this thread was sent, once its newest, sent as `reply` and at `at`, is gone.
    /// Newer ones can only be deleted, or of the same millisecond: of these the next `SAME_MS_REPLIES` are looked at.
    /// So deleting a thread from its end reads as much each time.
    pub fn last_reply_at(&self, root: Seq, reply: Seq, at: UnixMs) -> Result<Option<UnixMs>> {
        const SAME: &str =
            "SELECT at FROM (SELECT at, body FROM events WHERE kind = 1 AND thread = ?1 AND seq > ?2
            ORDER BY seq LIMIT ?4) WHERE at = ?3 AND json_extract(body, '$.deletedAt') IS NULL LIMIT 1";
        const BEFORE: &str = "SELECT at FROM events WHERE kind = 1 AND thread = ?1 AND seq < ?2
            AND json_extract(body, '$.deletedAt') IS NULL ORDER BY seq DESC LIMIT 1";
        let (root, reply) = (int(root), int(reply));
        let mut rows = self.0.exec(SAME, &[root.clone(), reply.clone(), int(at), int(SAME_MS_REPLIES)])?;
        if rows.is_empty() {
            rows = self.0.exec(BEFORE, &[root, reply])?;
        }
        rows.first().map(|row| int_at(row, 0)).transpose()
    }

    /// When this person last sent a message, if that was after `since`. Searches backwards from `head`, not beyond
    /// `since`.
    pub fn last_message_at(&self, user: &str, head: Seq, since: UnixMs) -> Result<Option<UnixMs>> {
        const LAST: &str = "SELECT max(CASE WHEN kind = 1 AND user_id = ?1 THEN at END), min(at) FROM events
            WHERE seq > ?2 AND seq <= ?3";
        let mut to = head;
        while to > 0 {
            let from = to.saturating_sub(SLOW_LOOK_BACK_EVENTS);
            let rows = self.0.exec(LAST, &[text(user), int(from), int(to)])?;
            let found = rows.first().and_then(|row| int_opt_at(row, 0));
            let oldest = rows.first().and_then(|row| int_opt_at(row, 1));
            if found.is_some() || oldest.is_none_or(|at| at <= since) {
                return Ok(found.filter(|at| *at > since));
            }
            to = from;
        }
        Ok(None)
    }

    /// Appends the events of a new snapshot and stores the snapshot: both or neither.
    pub fn take_over(&self, events: &[Event], room: String) -> Result<()> {
        if events.is_empty() {
            events.iter().try_for_each(|event| self.insert(event))?;
            return self.set_state(StateRow::Room, room);
        }
        self.0.atomically(&mut || {
            events.iter().try_for_each(|event| self.insert(event))?;
            self.set_state(StateRow::Room, room.clone())
        })
    }

    /// The event that this person has sent under this `clientId`.
    pub fn by_client(&self, user: &str, client_id: &str) -> Result<Option<Event>> {
        let params = [text(user), text(client_id)];
        self.0.exec(COLUMNS_BY_CLIENT, &params)?.first().map(event).transpose()
    }

    pub fn by_seq(&self, seq: Seq) -> Result<Option<Event>> {
        self.0.exec(COLUMNS_BY_SEQ, &[int(seq)])?.first().map(event).transpose()
    }

    /// Who has reacted to the message at `seq` and is not named in its body.
    pub fn reactors(&self, seq: Seq) -> Result<Option<String>> {
        let rows = self.0.exec("SELECT reactors FROM events WHERE seq = ?", &[int(seq)])?;
        Ok(rows.first().and_then(|row| text_opt_at(row, 0)))
    }

    /// The same if it may contain this person.
    pub fn reactors_with(&self, seq: Seq, user: &str) -> Result<Option<String>> {
        const WITH: &str = "SELECT reactors FROM events WHERE seq = ? AND instr(reactors, ?) > 0";
        let quoted = serde_json::to_string(user).unwrap_or_default();
        let rows = self.0.exec(WITH, &[int(seq), text(&quoted)])?;
        Ok(rows.first().and_then(|row| text_opt_at(row, 0)))
    }

    /// Events in (after, to], ascending, at most `count`.
    pub fn between(&self, after: Seq, to: Seq, count: u64) -> Result<Vec<Event>> {
        self.0.exec(COLUMNS_BETWEEN, &[int(after), int(to), int(count)])?.iter().map(event).collect()
    }

    /// The seq of the first event at or after this time, or `end`. Reads one row for each halving of the log: its times
    /// ascend with its seqs, as far as the clocks of the machines that the room has run on agree.
    pub fn first_seq_at(&self, at: UnixMs, end: Seq) -> Result<Seq> {
        const NEXT: &str = "SELECT seq, at FROM events WHERE seq >= ? ORDER BY seq LIMIT 1";
        let (mut low, mut high) = (1, end);
        while low < high {
            let middle = low.midpoint(high);
            // A rebuilt log has holes.
            let next = self.0.exec(NEXT, &[int(middle)])?;
            match next.first().map(|row| Ok((int_at(row, 0)?, int_at(row, 1)?))).transpose()? {
                Some((seq, time)) if time < at => low = seq.saturating_add(1),
                _ => high = middle,
            }
        }
        Ok(low)
    }

    /// The newest messages below `seq`, newest first; those of a thread, or all.
    pub fn messages_before(&self, seq: Seq, thread: Option<Seq>, count: u64) -> Result<Vec<Stored>> {
        self.messages([MESSAGES_BEFORE, REPLIES_BEFORE], seq, thread, count)
    }

    /// The oldest messages above `seq`, oldest first; those of a thread, or all.
    pub fn messages_after(&self, seq: Seq, thread: Option<Seq>, count: u64) -> Result<Vec<Stored>> {
        self.messages([MESSAGES_AFTER, REPLIES_AFTER], seq, thread, count)
    }

    fn messages(
        &self,
        [all, replies]: [&'static str; 2],
        seq: Seq,
        thread: Option<Seq>,
        count: u64,
    ) -> Result<Vec<Stored>> {
        let rows = match thread {
            None => self.0.exec(all, &[int(seq), int(count), int(MESSAGE_BLOCK_SEQS)])?,
            Some(thread) => self.0.exec(replies, &[int(seq), int(count), int(thread)])?,
        };
        let stored = |row: &Row| {
            Ok(Stored {
                seq: int_at(row, 0)?,
                client_id: text_opt_at(row, 1),
                body: with_counts(text_at(row, 2)?),
                has_others: int_opt_at(row, 3) == Some(1),
            })
        };
        rows.iter().map(stored).collect()
    }
}

/// A body with `reactionCounts`: those that older code has stored name everybody and count nobody. No text within a
/// body can look like the field, as its quotes are escaped there.
fn with_counts(body: String) -> String {
    if body.contains(r#""reactionCounts":{"#) {
        return body;
    }
    let Ok(mut message) = serde_json::from_str::<Message>(&body) else { return body };
    let count = |(emoji, users): (&String, &Vec<String>)| (emoji.clone(), users.len() as u64);
    message.reaction_counts = message.reactions.iter().map(count).collect();
    server::body(&message)
}

fn event(row: &Row) -> Result<Event> {
    let kind = i64::try_from(int_at(row, 1)?).ok().and_then(Kind::of).ok_or_else(|| corrupt_column(1))?;
    let body = text_at(row, 8)?;
    Ok(Event {
        seq: int_at(row, 0)?,
        kind,
        at: int_at(row, 2)?,
        user_id: text_at(row, 3)?,
        client_id: text_opt_at(row, 4),
        digest: int_opt_at(row, 5),
        target: int_opt_at(row, 6),
        thread: int_opt_at(row, 7),
        body: if kind == Kind::Message { with_counts(body) } else { body },
    })
}
