//! What a room's object and its sockets hold, read past the code that wrote it. Not here: what it should be (`ending`).

use crate::run::host_of;
use crate::world::World;
use chinwag::ids::Seq;
use rusqlite::types::Value as Cell;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

pub struct Stored {
    pub kind: i64,
    pub user: String,
    pub client_id: Option<String>,
    pub body: String,
}

pub fn log(world: &World, room: usize) -> BTreeMap<Seq, Stored> {
    let Some(host) = host_of(world, room) else { return BTreeMap::new() };
    let sqlite = host.sqlite.borrow().clone();
    if sqlite.rows("SELECT 1 FROM sqlite_master WHERE name = 'events'", []).is_empty() {
        return BTreeMap::new();
    }
    let text = |cell: &Cell| if let Cell::Text(text) = cell { Some(text.clone()) } else { None };
    let int = |cell: &Cell| if let Cell::Integer(n) = cell { *n } else { 0 };
    let rows = sqlite.rows("SELECT seq, kind, user_id, client_id, body FROM events", []);
    let stored = |row: &Vec<Cell>| {
        let user = text(&row[2]).unwrap_or_default();
        let body = text(&row[4]).unwrap_or_default();
        (int(&row[0]) as Seq, Stored { kind: int(&row[1]), user, client_id: text(&row[3]), body })
    };
    rows.iter().map(stored).collect()
}

pub fn state(world: &World, room: usize, id: i64) -> Value {
    let Some(host) = host_of(world, room) else { return Value::Null };
    let sqlite = host.sqlite.borrow().clone();
    if sqlite.rows("SELECT 1 FROM sqlite_master WHERE name = 'state'", []).is_empty() {
        return Value::Null;
    }
    match sqlite.rows("SELECT value FROM state WHERE id = ?", [id]).first().map(|row| row[0].clone()) {
        Some(Cell::Text(text)) => serde_json::from_str(&text).unwrap_or_default(),
        _ => Value::Null,
    }
}

/// What messages said before, by their seq.
pub fn versions(world: &World, room: usize) -> BTreeMap<Seq, Vec<Value>> {
    let Some(host) = host_of(world, room) else { return BTreeMap::new() };
    let sqlite = host.sqlite.borrow().clone();
    if sqlite.rows("SELECT 1 FROM sqlite_master WHERE name = 'versions'", []).is_empty() {
        return BTreeMap::new();
    }
    let mut versions: BTreeMap<Seq, Vec<Value>> = BTreeMap::new();
    for row in sqlite.rows("SELECT seq, body FROM versions ORDER BY seq, version", []) {
        if let (Cell::Integer(seq), Cell::Text(body)) = (&row[0], &row[1]) {
            let version = serde_json::from_str(body).unwrap_or_default();
            versions.entry(*seq as Seq).or_default().push(version);
        }
    }
    versions
}

/// The log's newest seq.
pub fn head(world: &World, room: usize) -> Seq {
    let Some(host) = host_of(world, room) else { return 0 };
    let sqlite = host.sqlite.borrow().clone();
    if sqlite.rows("SELECT 1 FROM sqlite_master WHERE name = 'events'", []).is_empty() {
        return 0;
    }
    let newest = match sqlite.rows("SELECT max(seq) FROM events", []).first().map(|row| row[0].clone()) {
        Some(Cell::Integer(n)) => n as Seq,
        _ => 0,
    };
    newest.max(state(world, room, 1)["floor"].as_u64().unwrap_or(0))
}

pub fn has_log(world: &World, room: usize) -> bool {
    state(world, room, 1).is_object()
}

pub fn lag(world: &World, room: usize) -> u64 {
    head(world, room).saturating_sub(world.table(room, |table| table.ledger.last_seq))
}

/// Whether all that was said was handed to the queue of notifications, and the room has heard so.
pub fn all_notified(world: &World, room: usize) -> bool {
    let log = state(world, room, 1);
    log["notified"].as_u64().or(log["projected"].as_u64()).is_none_or(|to| to >= head(world, room))
}

/// Whether nothing waits for the audit log.
pub fn all_noted(world: &World, room: usize) -> bool {
    let Some(host) = host_of(world, room) else { return true };
    let sqlite = host.sqlite.borrow().clone();
    let there = !sqlite.rows("SELECT 1 FROM sqlite_master WHERE name = 'audit'", []).is_empty();
    !there || sqlite.rows("SELECT 1 FROM audit", []).is_empty()
}

/// The messages that the log has in (after, to].
pub fn messages_between(world: &World, room: usize, after: Seq, to: Seq) -> Vec<Seq> {
    let Some(host) = host_of(world, room) else { return Vec::new() };
    let sqlite = host.sqlite.borrow().clone();
    if sqlite.rows("SELECT 1 FROM sqlite_master WHERE name = 'events'", []).is_empty() {
        return Vec::new();
    }
    let sql = "SELECT seq FROM events WHERE kind = 1 AND seq > ?1 AND seq <= ?2";
    let rows = sqlite.rows(sql, [after as i64, to as i64]);
    rows.iter().filter_map(|row| if let Cell::Integer(n) = row[0] { Some(n as Seq) } else { None }).collect()
}

/// What the room has set aside.
pub fn aside(world: &World, room: usize) -> BTreeSet<Seq> {
    let Some(host) = host_of(world, room) else { return BTreeSet::new() };
    let sqlite = host.sqlite.borrow().clone();
    if sqlite.rows("SELECT 1 FROM sqlite_master WHERE name = 'quarantine'", []).is_empty() {
        return BTreeSet::new();
    }
    let rows = sqlite.rows("SELECT seq FROM quarantine", []);
    rows.iter().filter_map(|row| if let Cell::Integer(n) = row[0] { Some(n as Seq) } else { None }).collect()
}

pub fn user_of(attachment: &Option<String>) -> Option<String> {
    let value: Value = serde_json::from_str(attachment.as_ref()?).ok()?;
    value["identity"]["user"].as_str().map(str::to_owned)
}
