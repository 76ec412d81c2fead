//! Reads what a room's object stores, past the code that wrote it. Not here: what it should be (`final_checks`).

use crate::world::World;
use chinwag::ids::Seq;
use chinwag::protocol::message::Message;
use rusqlite::types::Value as Cell;
use serde_json::Value;
use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use testkit::Sqlite;

/// An event as the log has it.
pub struct Stored {
    pub kind: i64,
    pub user: String,
    pub client_id: Option<String>,
    pub body: String,
    /// Parsed once: most checks look at all messages, some for each message.
    message: OnceCell<Option<Message>>,
}

impl Stored {
    pub fn message(&self) -> Option<&Message> {
        let parse = || serde_json::from_str(&self.body).ok().filter(|_| self.kind == 1);
        self.message.get_or_init(parse).as_ref()
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }
}

pub type Log = BTreeMap<Seq, Stored>;

/// The room's storage, if it has this table.
fn storage_with(world: &World, room: usize, table: &str) -> Option<Rc<Sqlite>> {
    let sqlite = world.hosts.of_room(room)?.sqlite.borrow().clone();
    let tables = sqlite.rows("SELECT 1 FROM sqlite_master WHERE name = ?", [table]);
    (!tables.is_empty()).then_some(sqlite)
}

fn integer(cell: &Cell) -> Option<u64> {
    if let Cell::Integer(n) = cell { Some(*n as u64) } else { None }
}

fn text(cell: &Cell) -> Option<String> {
    if let Cell::Text(text) = cell { Some(text.clone()) } else { None }
}

pub fn log(world: &World, room: usize) -> Log {
    let Some(sqlite) = storage_with(world, room, "events") else { return BTreeMap::new() };
    let rows = sqlite.rows("SELECT seq, kind, user_id, client_id, body FROM events", []);
    let stored = |row: &Vec<Cell>| {
        let (kind, client_id) = (integer(&row[1]).unwrap_or(0) as i64, text(&row[3]));
        let (user, body) = (text(&row[2]).unwrap_or_default(), text(&row[4]).unwrap_or_default());
        (integer(&row[0]).unwrap_or(0), Stored { kind, user, client_id, body, message: OnceCell::new() })
    };
    rows.iter().map(stored).collect()
}

/// A row of the table `state`: 1 is the log's, 2 the copy of Postgres' snapshot.
pub fn state(world: &World, room: usize, id: i64) -> Value {
    let Some(sqlite) = storage_with(world, room, "state") else { return Value::Null };
    let rows = sqlite.rows("SELECT value FROM state WHERE id = ?", [id]);
    let value = rows.first().and_then(|row| text(&row[0]));
    value.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default()
}

/// The earlier versions of messages, by their seq.
pub fn versions(world: &World, room: usize) -> BTreeMap<Seq, Vec<Value>> {
    let mut versions: BTreeMap<Seq, Vec<Value>> = BTreeMap::new();
    let Some(sqlite) = storage_with(world, room, "versions") else { return versions };
    for row in sqlite.rows("SELECT seq, body FROM versions ORDER BY seq, version", []) {
        if let (Some(seq), Some(body)) = (integer(&row[0]), text(&row[1])) {
            versions.entry(seq).or_default().push(serde_json::from_str(&body).unwrap_or_default());
        }
    }
    versions
}

/// The seq of the log's newest event.
pub fn head(world: &World, room: usize) -> Seq {
    let Some(sqlite) = storage_with(world, room, "events") else { return 0 };
    let rows = sqlite.rows("SELECT max(seq) FROM events", []);
    let newest = rows.first().and_then(|row| integer(&row[0])).unwrap_or(0);
    newest.max(floor(world, room))
}

/// The seq at which a rebuilt log begins.
pub fn floor(world: &World, room: usize) -> Seq {
    state(world, room, 1)["floor"].as_u64().unwrap_or(0)
}

pub fn has_log(world: &World, room: usize) -> bool {
    state(world, room, 1).is_object()
}

/// How many events Postgres is behind.
pub fn lag(world: &World, room: usize) -> u64 {
    head(world, room).saturating_sub(world.backends.rows(room, |rows| rows.postgres.last_seq))
}

/// Whether the queue of notifications has taken all messages, and the room knows it.
pub fn is_all_notified(world: &World, room: usize) -> bool {
    let log = state(world, room, 1);
    log["notified"].as_u64().or(log["projected"].as_u64()).is_none_or(|to| to >= head(world, room))
}

/// Whether no row waits for the audit log.
pub fn is_all_audited(world: &World, room: usize) -> bool {
    storage_with(world, room, "audit").is_none_or(|sqlite| sqlite.rows("SELECT 1 FROM audit", []).is_empty())
}

/// The messages that the log has in (after, to].
pub fn messages_between(world: &World, room: usize, after: Seq, to: Seq) -> Vec<Seq> {
    let Some(sqlite) = storage_with(world, room, "events") else { return Vec::new() };
    let sql = "SELECT seq FROM events WHERE kind = 1 AND seq > ?1 AND seq <= ?2";
    sqlite.rows(sql, [after as i64, to as i64]).iter().filter_map(|row| integer(&row[0])).collect()
}

/// The seqs of the quarantined rows.
pub fn quarantined(world: &World, room: usize) -> BTreeSet<Seq> {
    let Some(sqlite) = storage_with(world, room, "quarantine") else { return BTreeSet::new() };
    sqlite.rows("SELECT seq FROM quarantine", []).iter().filter_map(|row| integer(&row[0])).collect()
}

/// A table that is left in the room's storage.
pub fn any_table(world: &World, room: usize) -> Option<String> {
    let sqlite = world.hosts.of_room(room)?.sqlite.borrow().clone();
    let tables = sqlite.rows("SELECT name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'", []);
    tables.first().and_then(|row| text(&row[0]))
}

/// The person of a socket's attachment.
pub fn user_of(attachment: &Option<String>) -> Option<String> {
    let value: Value = serde_json::from_str(attachment.as_ref()?).ok()?;
    value["identity"]["user"].as_str().map(str::to_owned)
}
