//! The tables, how a room's storage gets them, and how it is emptied. Not here: the other statements.

use super::sql::{Result, Store, int, text};
use super::state::StateRow;
use crate::ids::UnixMs;

/// What each step of the schema added; `LogState::schema` says how many of them a room has. An older room gets the rest
/// when it is loaded. So a step never changes; new steps are appended.
const SCHEMA: [&[&str]; 7] = [
    &[
        // `target`: the seq of the message that the event is about, NULL for a message. `thread`: the seq of a reply's
        // root. `body`: a message's object as clients see it now; for other kinds see `formats`. `digest` NULL: any
        // payload matches.
        "CREATE TABLE IF NOT EXISTS events (
            seq INTEGER PRIMARY KEY, kind INTEGER NOT NULL, at INTEGER NOT NULL, user_id TEXT NOT NULL,
            client_id TEXT, digest INTEGER, target INTEGER, thread INTEGER, body TEXT NOT NULL)",
        "CREATE UNIQUE INDEX IF NOT EXISTS events_by_client ON events (user_id, client_id)
            WHERE client_id IS NOT NULL",
        // One row of JSON per `StateRow`.
        "CREATE TABLE IF NOT EXISTS state (id INTEGER PRIMARY KEY, value TEXT NOT NULL)",
        // Messages that Postgres refuses. `reason`: see `QuarantineReason`.
        "CREATE TABLE IF NOT EXISTS quarantine (seq INTEGER PRIMARY KEY, reason TEXT NOT NULL)",
    ],
    &[
        // Earlier versions of edited messages. `edit`: the seq of the event that replaced the version; `body`: a
        // `VersionRow`.
        "CREATE TABLE IF NOT EXISTS versions (
            seq INTEGER NOT NULL, version INTEGER NOT NULL, edit INTEGER, body TEXT NOT NULL,
            PRIMARY KEY (seq, version)) WITHOUT ROWID",
        // A thread's replies in their order; only replies have an entry.
        "CREATE INDEX IF NOT EXISTS events_by_thread ON events (thread) WHERE thread IS NOT NULL",
    ],
    &[
        // `file`: the attachment's JSON, from when it is in the bucket until it is in a message. `message`: the seq of
        // that message. `due`: when the object must be removed; NULL: it stays.
        "CREATE TABLE IF NOT EXISTS uploads (
            id TEXT PRIMARY KEY, user_id TEXT NOT NULL, file TEXT, message INTEGER, due INTEGER) WITHOUT ROWID",
        "CREATE INDEX IF NOT EXISTS uploads_due ON uploads (due) WHERE due IS NOT NULL",
    ],
    &[
        // Audit notes that Postgres does not have yet. `body`: an `AuditRow`.
        "CREATE TABLE IF NOT EXISTS audit (id TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID",
    ],
    &[
        // Of a message: who has reacted and is not named in its body, as JSON {emoji: [userId]}; NULL: nobody. It is
        // the last column, so that reading a body does not read it.
        "ALTER TABLE events ADD COLUMN reactors TEXT",
    ],
    &[
        // The blocks of `MESSAGE_BLOCK_SEQS` seqs that have a message, so that a page passes over everything else. An
        // index of messages would cost a written row for each; this costs one a block. The condition of the trigger
        // stands for OR IGNORE, which an import's OR REPLACE would override.
        "CREATE TABLE IF NOT EXISTS message_blocks (block INTEGER PRIMARY KEY)",
        "INSERT OR IGNORE INTO message_blocks (block) SELECT DISTINCT seq / 32 FROM events WHERE kind = 1",
        "CREATE TRIGGER IF NOT EXISTS events_message_block AFTER INSERT ON events
            WHEN new.kind = 1 AND NOT EXISTS (SELECT 1 FROM message_blocks WHERE block = new.seq / 32)
            BEGIN INSERT INTO message_blocks (block) VALUES (new.seq / 32); END",
    ],
    &[
        // Of a message: the seq of its newest event of a reaction; of such an event: that of the one before. So a
        // deletion finds them, and they cost no row more.
        "ALTER TABLE events ADD COLUMN last_reaction INTEGER",
        "UPDATE events SET last_reaction = r.before
            FROM (SELECT seq, lag(seq) OVER (PARTITION BY target ORDER BY seq) AS before FROM events WHERE kind = 2) r
            WHERE events.seq = r.seq AND r.before IS NOT NULL AND events.last_reaction IS NULL",
        "UPDATE events SET last_reaction = r.newest
            FROM (SELECT target, max(seq) AS newest FROM events WHERE kind = 2 GROUP BY target) r
            WHERE events.seq = r.target AND events.last_reaction IS NULL",
    ],
];

/// Seqs of a block of `message_blocks`; stored, so it never changes. With 32 a message costs 0.03 written rows more, and
/// a page of 100 messages that each stand alone among 31 reactions reads 3,200 rows (180 µs instead of 50).
pub(super) const MESSAGE_BLOCK_SEQS: u64 = 32;

/// How many steps a room has that this code creates.
pub const SCHEMA_STEPS: u64 = SCHEMA.len() as u64;

/// Every table but `uploads`, whose objects are still in the bucket. `state` is last: without it there is no log.
const DROPS: [&str; 6] = [
    "DROP TABLE IF EXISTS events",
    "DROP TABLE IF EXISTS message_blocks",
    "DROP TABLE IF EXISTS versions",
    "DROP TABLE IF EXISTS audit",
    "DROP TABLE IF EXISTS quarantine",
    "DROP TABLE IF EXISTS state",
];

impl Store<'_> {
    /// Whether a complete log is here. Creates nothing.
    pub fn exists(&self) -> Result<bool> {
        Ok(self.stored_state(StateRow::Log)?.is_some())
    }

    /// A row of `state`, if the table is here. Creates nothing.
    pub fn stored_state(&self, row: StateRow) -> Result<Option<String>> {
        let sql = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'state'";
        if self.0.exec(sql, &[])?.is_empty() { Ok(None) } else { self.state(row) }
    }

    /// Creates an empty log in place of what was here.
    pub fn create(&self) -> Result<()> {
        for statement in DROPS {
            self.0.exec(statement, &[])?;
        }
        self.upgrade(0)
    }

    /// A log that has the first `steps` of the schema has all of it.
    pub fn upgrade(&self, steps: u64) -> Result<()> {
        self.0.atomically(&mut || self.add_steps(steps))
    }

    fn add_steps(&self, steps: u64) -> Result<()> {
        let missing = SCHEMA.iter().skip(usize::try_from(steps).unwrap_or(usize::MAX));
        missing.flat_map(|step| step.iter().copied()).try_for_each(|sql| match self.has_column_of(sql)? {
            true => Ok(()),
            false => self.0.exec(sql, &[]).map(drop),
        })
    }

    /// Whether the statement would add a column that `events` has: SQLite has no `IF NOT EXISTS` for it.
    fn has_column_of(&self, sql: &str) -> Result<bool> {
        let Some(column) = sql.strip_prefix("ALTER TABLE events ADD COLUMN ") else { return Ok(false) };
        const HAS: &str =
            "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'events' AND instr(sql, ?) > 0";
        Ok(!self.0.exec(HAS, &[text(column)])?.is_empty())
    }

    /// Deletes all content. Of the state, only `rows` and the outbox alert stay. Objects in the bucket are due at once;
    /// an upload in progress may still complete, so it keeps its time. Tables are dropped and created again: each deleted
    /// row would be billed.
    pub fn purge(&self, rows: &[(StateRow, String)], now: UnixMs) -> Result<()> {
        self.0.atomically(&mut || {
            let [tables_of_content @ .., _] = DROPS;
            tables_of_content.iter().try_for_each(|sql| self.0.exec(sql, &[]).map(drop))?;
            self.add_steps(0)?;
            let complete = "UPDATE uploads SET due = ? WHERE file IS NOT NULL OR message IS NOT NULL";
            self.0.exec(complete, &[int(now)])?;
            self.clear_state(StateRow::Reads)?;
            self.clear_state(StateRow::Pins)?;
            rows.iter().try_for_each(|(row, value)| self.set_state(*row, value.clone()))
        })
    }
}
