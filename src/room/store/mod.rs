//! The room's log in SQLite: the schema and every statement, over a synchronous port that the object's
//! SQLite and an in-process SQLite both fill. Not here: what an event means (`room`).
//!
//! The schema follows the money (PLATFORM.md, What it costs): a message is one row and one index entry;
//! there is no outbox table (a watermark is), no row per reader, and a message is found by its id without an index.

pub mod mutations;
/// The formats of what is stored as JSON, in one place.
pub mod formats {
    pub use crate::room::deletion::PendingDeletion;
    pub use crate::room::edit_delete::ChangeBody;
    pub use crate::room::message::ReactionBody;
    pub use crate::room::outbox::LogState;
    pub use crate::room::outbox_alert::{AlertRow, OutboxProblem, OutboxReport};
    pub use crate::room::reads::ReadsRow;
    pub use crate::room::rebuild::RoomInfo;
    pub use crate::room::replay::MemberBody;
}

use crate::db::AuditRow;
use crate::ids::{Seq, UnixMs};
use crate::limits::{AUDIT_BATCH_MAX, SLOW_LOOK_BACK_EVENTS};
use crate::mutants::{Mutant, is};
use crate::oplog::Loggable;
use mutations::Mutation;
use std::fmt;

/// One value going into or coming out of a statement.
#[derive(Clone, Debug, PartialEq)]
pub enum SqlValue {
    Null,
    Integer(i64),
    Text(String),
}

/// Nothing was decided; the room is dropped from memory and the next event loads it again. Its words are logged, so
/// they never hold what is stored.
#[derive(Debug)]
pub struct StoreError(pub String);

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Loggable for StoreError {
    fn logged(&self) -> serde_json::Value {
        self.0.as_str().into()
    }
}

pub type Row = Vec<SqlValue>;
pub type Result<T> = std::result::Result<T, StoreError>;

/// A SQLite. Statements without an `await` between them become durable together.
pub trait Sql {
    fn exec(&self, sql: &'static str, params: &[SqlValue]) -> Result<Vec<Row>>;
    /// Runs `work`; when it fails, nothing it wrote remains.
    fn atomically(&self, work: &mut dyn FnMut() -> Result<()>) -> Result<()>;
}

/// What each step of the schema added; `LogState::schema` says how many of them a room has. A room of before gets the rest
/// when it is loaded, so a step is never changed: others are added behind it.
const SCHEMA: [&[&str]; 4] = [
    &[
        // `target`: the seq of the message that the event is about, unless it is one. `thread`: the seq of a reply's root.
        // `body`: a message's object as clients see it now; else what the kind says. `digest` NULL: any payload matches.
        "CREATE TABLE IF NOT EXISTS events (
            seq INTEGER PRIMARY KEY, kind INTEGER NOT NULL, at INTEGER NOT NULL, user_id TEXT NOT NULL,
            client_id TEXT, digest INTEGER, target INTEGER, thread INTEGER, body TEXT NOT NULL)",
        "CREATE UNIQUE INDEX IF NOT EXISTS events_by_client ON events (user_id, client_id)
            WHERE client_id IS NOT NULL",
        // One row each of JSON: see `StateRow`.
        "CREATE TABLE IF NOT EXISTS state (id INTEGER PRIMARY KEY, value TEXT NOT NULL)",
        // Messages that Postgres refuses. `reason` '': given up by the operator, never sent again.
        "CREATE TABLE IF NOT EXISTS quarantine (seq INTEGER PRIMARY KEY, reason TEXT NOT NULL)",
    ],
    &[
        // What a message said before it was edited. `edit`: the seq of the event that replaced it; `body`: a `VersionRow`.
        "CREATE TABLE IF NOT EXISTS versions (
            seq INTEGER NOT NULL, version INTEGER NOT NULL, edit INTEGER, body TEXT NOT NULL,
            PRIMARY KEY (seq, version)) WITHOUT ROWID",
        // A thread's replies in their order; it costs replies alone.
        "CREATE INDEX IF NOT EXISTS events_by_thread ON events (thread) WHERE thread IS NOT NULL",
    ],
    &super::uploads::SCHEMA,
    &[
        // Notes for the audit log that Postgres hasn't got yet. `body`: an `AuditRow`.
        "CREATE TABLE IF NOT EXISTS audit (id TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID",
    ],
];
/// How many steps a room has that was made by this code.
pub const SCHEMA_STEPS: u64 = SCHEMA.len() as u64;
/// Everything but the log's state, which goes last. Uploads stay: their objects do.
const DROPS: [&str; 5] = [
    "DROP TABLE IF EXISTS events",
    "DROP TABLE IF EXISTS versions",
    "DROP TABLE IF EXISTS audit",
    "DROP TABLE IF EXISTS quarantine",
    "DROP TABLE IF EXISTS state",
];

/// The reason of a message that the operator gave up.
pub const GIVEN_UP: &str = "";

/// The rows of `state`, apart because they change at different times and a written row is what is billed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateRow {
    /// `LogState`: written last when a log is made, so its absence means there is no whole log.
    Log = 1,
    /// `RoomSnapshot`: the room and its members as Postgres last told.
    Room = 2,
    /// Read markers by person.
    Reads = 3,
    /// Only while the room may stand on its tenant's list of those in trouble.
    OutboxProblem = 4,
    /// Since when its owner wants it deleted: should Postgres have no such room any more, it was for that.
    Deletion = 9,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Message = 1,
    Reaction = 2,
    Edit = 3,
    Delete = 4,
    /// A thread's count of replies changed; its target is the root.
    Thread = 5,
    MemberAdded = 6,
    MemberRemoved = 7,
    MemberUpdated = 8,
    RoomUpdated = 9,
}

impl Kind {
    pub const ALL: [Self; 9] = [
        Self::Message,
        Self::Reaction,
        Self::Edit,
        Self::Delete,
        Self::Thread,
        Self::MemberAdded,
        Self::MemberRemoved,
        Self::MemberUpdated,
        Self::RoomUpdated,
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
const MESSAGES_BEFORE: &str = "SELECT seq, client_id, body FROM events
    WHERE kind = 1 AND seq < ?1 ORDER BY seq DESC LIMIT ?2";
const MESSAGES_AFTER: &str = "SELECT seq, client_id, body FROM events
    WHERE kind = 1 AND seq > ?1 ORDER BY seq LIMIT ?2";
const REPLIES_BEFORE: &str = "SELECT seq, client_id, body FROM events
    WHERE kind = 1 AND seq < ?1 AND thread = ?3 ORDER BY seq DESC LIMIT ?2";
const REPLIES_AFTER: &str = "SELECT seq, client_id, body FROM events
    WHERE kind = 1 AND seq > ?1 AND thread = ?3 ORDER BY seq LIMIT ?2";

/// A message as a page or a replay tells it.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    pub seq: Seq,
    pub client_id: Option<String>,
    pub body: String,
}

/// Every statement of the room.
pub struct Store<'a>(pub &'a dyn Sql);

impl Store<'_> {
    /// Whether a whole log stands here. Creates nothing.
    pub fn exists(&self) -> Result<bool> {
        let sql = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'state'";
        Ok(!self.0.exec(sql, &[])?.is_empty() && self.state(StateRow::Log)?.is_some())
    }

    /// Makes an empty log; what an unfinished making left is gone.
    pub fn create(&self) -> Result<()> {
        for statement in DROPS {
            self.0.exec(statement, &[])?;
        }
        self.upgrade(0)
    }

    /// Gives a log that has the first `steps` of the schema all of it.
    pub fn upgrade(&self, steps: u64) -> Result<()> {
        let missing = SCHEMA.iter().skip(usize::try_from(steps).unwrap_or(usize::MAX));
        let statements: Vec<&str> = missing.flat_map(|step| step.iter().copied()).collect();
        self.0.atomically(&mut || statements.iter().try_for_each(|sql| self.0.exec(sql, &[]).map(drop)))
    }

    pub fn state(&self, row: StateRow) -> Result<Option<String>> {
        let rows = self.0.exec("SELECT value FROM state WHERE id = ?", &[int(row as u64)])?;
        rows.into_iter().next().map(|row| text_at(&row, 0)).transpose()
    }

    pub fn set_state(&self, row: StateRow, value: String) -> Result<()> {
        let sql = "INSERT INTO state (id, value) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET value = excluded.value";
        self.0.exec(sql, &[int(row as u64), SqlValue::Text(value)]).map(drop)
    }

    pub fn clear_state(&self, row: StateRow) -> Result<()> {
        self.0.exec("DELETE FROM state WHERE id = ?", &[int(row as u64)]).map(drop)
    }

    /// The newest seq, 0 for an empty log.
    pub fn newest(&self) -> Result<Seq> {
        let rows = self.0.exec("SELECT coalesce(max(seq), 0) FROM events", &[])?;
        rows.first().map_or(Ok(0), |row| int_at(row, 0))
    }

    pub fn insert(&self, e: &Event) -> Result<()> {
        const INSERT: &str = "INSERT INTO events
            (seq, kind, at, user_id, client_id, digest, target, thread, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)";
        self.put(INSERT, e)
    }

    /// Takes an event over from Postgres, whatever stood at its seq.
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
            SqlValue::Text(e.user_id.clone()),
            e.client_id.clone().map_or(SqlValue::Null, SqlValue::Text),
            e.digest.map_or(SqlValue::Null, int),
            e.target.map_or(SqlValue::Null, int),
            e.thread.map_or(SqlValue::Null, int),
            SqlValue::Text(e.body.clone()),
        ];
        self.0.exec(sql, &params).map(drop)
    }

    /// Appends these events and does what they change: all of it or nothing.
    pub fn append(&self, events: &[&Event], changes: &[Mutation]) -> Result<()> {
        self.0.atomically(&mut || {
            events.iter().try_for_each(|event| self.insert(event))?;
            changes.iter().try_for_each(|change| self.apply(change))
        })
    }

    /// When the newest reply of this thread was said that isn't deleted, `except` apart.
    pub fn last_reply_at(&self, root: Seq, except: Seq) -> Result<Option<UnixMs>> {
        const LAST: &str = "SELECT at FROM events WHERE kind = 1 AND thread = ?1 AND seq <> ?2
            AND json_extract(body, '$.deletedAt') IS NULL ORDER BY seq DESC LIMIT 1";
        let rows = self.0.exec(LAST, &[int(root), int(except)])?;
        rows.first().map(|row| int_at(row, 0)).transpose()
    }

    /// Drops everything: the room is deleted. Nothing of it can be loaded afterwards.
    pub fn wipe(&self) -> Result<()> {
        self.0.atomically(&mut || {
            self.0.exec("DROP TABLE IF EXISTS uploads", &[])?;
            DROPS.iter().try_for_each(|sql| self.0.exec(sql, &[]).map(drop))
        })
    }

    /// Nothing that was said stays, and of the state only these rows and what the tenant's list must hear.
    /// Objects of uploads are due at once; one under way may still come to its end and is due when it was.
    pub fn purge(&self, rows: &[(StateRow, String)], now: UnixMs) -> Result<()> {
        self.0.atomically(&mut || {
            for sql in
                ["DELETE FROM events", "DELETE FROM versions", "DELETE FROM audit", "DELETE FROM quarantine"]
            {
                self.0.exec(sql, &[])?;
            }
            let whole = "UPDATE uploads SET due = ? WHERE file IS NOT NULL OR message IS NOT NULL";
            self.0.exec(whole, &[int(now)])?;
            self.clear_state(StateRow::Reads)?;
            rows.iter().try_for_each(|(row, value)| self.set_state(*row, value.clone()))
        })
    }

    /// When this person last said something, if that was after `since`. Walks back from `head`, no further than that time.
    pub fn said_at(&self, user: &str, head: Seq, since: UnixMs) -> Result<Option<UnixMs>> {
        const LAST: &str = "SELECT max(CASE WHEN kind = 1 AND user_id = ?1 THEN at END), min(at) FROM events
            WHERE seq > ?2 AND seq <= ?3";
        let mut to = head;
        while to > 0 {
            let from = to.saturating_sub(SLOW_LOOK_BACK_EVENTS);
            let rows = self.0.exec(LAST, &[SqlValue::Text(user.to_owned()), int(from), int(to)])?;
            let found = rows.first().and_then(|row| int_opt_at(row, 0));
            let oldest = rows.first().and_then(|row| int_opt_at(row, 1));
            if found.is_some() || oldest.is_none_or(|at| at <= since) {
                return Ok(found.filter(|at| *at > since));
            }
            to = from;
        }
        Ok(None)
    }

    /// Keeps a note for the audit log until Postgres has it; the same id again is the same note.
    pub fn note_audit(&self, row: &AuditRow) -> Result<()> {
        let body = serde_json::to_string(row).map_err(|_| corrupt_column(1))?;
        let sql = "INSERT OR IGNORE INTO audit (id, body) VALUES (?, ?)";
        self.0.exec(sql, &[SqlValue::Text(row.id.clone()), SqlValue::Text(body)]).map(drop)
    }

    /// Notes that Postgres hasn't got, as many as go with one batch.
    pub fn audit_notes(&self) -> Result<Vec<AuditRow>> {
        let rows = self.0.exec("SELECT body FROM audit LIMIT ?", &[int(AUDIT_BATCH_MAX)])?;
        rows.iter()
            .map(|row| serde_json::from_str(&text_at(row, 0)?).map_err(|_| corrupt_column(0)))
            .collect()
    }

    pub fn forget_audit(&self, rows: &[AuditRow]) -> Result<()> {
        let forget = |row: &AuditRow| {
            self.0.exec("DELETE FROM audit WHERE id = ?", &[SqlValue::Text(row.id.clone())]).map(drop)
        };
        rows.iter().try_for_each(forget)
    }

    /// Appends what is new about the room and its people, and sets the row that says how they are: all or nothing.
    pub fn take_over(&self, events: &[Event], room: String) -> Result<()> {
        if events.is_empty() || is(Mutant::RefreshInTwoWritings) {
            events.iter().try_for_each(|event| self.insert(event))?;
            return self.set_state(StateRow::Room, room);
        }
        self.0.atomically(&mut || {
            events.iter().try_for_each(|event| self.insert(event))?;
            self.set_state(StateRow::Room, room.clone())
        })
    }

    /// What this person has under this `clientId` already.
    pub fn by_client(&self, user: &str, client_id: &str) -> Result<Option<Event>> {
        let params = [SqlValue::Text(user.to_owned()), SqlValue::Text(client_id.to_owned())];
        if is(Mutant::DedupeWithoutSender) {
            const OF_ANYBODY: &str = "SELECT seq, kind, at, user_id, client_id, digest, target, thread, body
                FROM events WHERE ?1 <> '' AND client_id = ?2";
            return self.0.exec(OF_ANYBODY, &params)?.first().map(event).transpose();
        }
        self.0.exec(COLUMNS_BY_CLIENT, &params)?.first().map(event).transpose()
    }

    pub fn by_seq(&self, seq: Seq) -> Result<Option<Event>> {
        self.0.exec(COLUMNS_BY_SEQ, &[int(seq)])?.first().map(event).transpose()
    }

    /// Events in (after, to], ascending, at most `count`.
    pub fn between(&self, after: Seq, to: Seq, count: u64) -> Result<Vec<Event>> {
        self.0.exec(COLUMNS_BETWEEN, &[int(after), int(to), int(count)])?.iter().map(event).collect()
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
            None => self.0.exec(all, &[int(seq), int(count)])?,
            Some(thread) => self.0.exec(replies, &[int(seq), int(count), int(thread)])?,
        };
        let stored = |row: &Row| {
            Ok(Stored { seq: int_at(row, 0)?, client_id: text_opt_at(row, 1), body: text_at(row, 2)? })
        };
        rows.iter().map(stored).collect()
    }

    /// Sets a message aside, or changes the reason; an empty one is `GIVEN_UP`.
    pub fn quarantine(&self, seq: Seq, reason: &str) -> Result<()> {
        let sql = "INSERT INTO quarantine (seq, reason) VALUES (?, ?)
            ON CONFLICT (seq) DO UPDATE SET reason = excluded.reason";
        self.0.exec(sql, &[int(seq), SqlValue::Text(reason.to_owned())]).map(drop)
    }

    /// Postgres has it after all.
    pub fn release(&self, seq: Seq) -> Result<()> {
        self.0.exec("DELETE FROM quarantine WHERE seq = ?", &[int(seq)]).map(drop)
    }

    pub fn quarantined(&self) -> Result<Vec<(Seq, String)>> {
        let rows = self.0.exec("SELECT seq, reason FROM quarantine ORDER BY seq", &[])?;
        rows.iter().map(|row| Ok((int_at(row, 0)?, text_at(row, 1)?))).collect()
    }
}

pub(super) fn int(n: u64) -> SqlValue {
    SqlValue::Integer(i64::try_from(n).unwrap_or(i64::MAX))
}

pub(super) fn corrupt_column(at: usize) -> StoreError {
    StoreError(format!("column {at} is not what was stored"))
}

fn int_at(row: &Row, at: usize) -> Result<u64> {
    int_opt_at(row, at).ok_or_else(|| corrupt_column(at))
}

pub(super) fn int_opt_at(row: &Row, at: usize) -> Option<u64> {
    match row.get(at) {
        Some(SqlValue::Integer(n)) => u64::try_from(*n).ok(),
        _ => None,
    }
}

pub(super) fn text_at(row: &Row, at: usize) -> Result<String> {
    text_opt_at(row, at).ok_or_else(|| corrupt_column(at))
}

pub(super) fn text_opt_at(row: &Row, at: usize) -> Option<String> {
    match row.get(at) {
        Some(SqlValue::Text(text)) => Some(text.clone()),
        _ => None,
    }
}

fn event(row: &Row) -> Result<Event> {
    Ok(Event {
        seq: int_at(row, 0)?,
        kind: i64::try_from(int_at(row, 1)?).ok().and_then(Kind::of).ok_or_else(|| corrupt_column(1))?,
        at: int_at(row, 2)?,
        user_id: text_at(row, 3)?,
        client_id: text_opt_at(row, 4),
        digest: int_opt_at(row, 5),
        target: int_opt_at(row, 6),
        thread: int_opt_at(row, 7),
        body: text_at(row, 8)?,
    })
}
