//! Postgres: every statement of the system, one function each, over a port.
//!
//! Each statement takes one `jsonb` parameter, gives one row of one `json` column, and may be run twice
//! (PLATFORM.md, "Postgres through Hyperdrive"): a reply can be lost after the commit, so callers may retry all of them.
//! Statements that change a room lock its row in `chat_rooms` first; that is what keeps them in order.
//! Not here: connections, timeouts and retries (the port's and its callers'), nor who may do what.

mod access;
mod cursor;
mod mentions;
mod notify;
mod people;
mod place;
mod projection;
mod rooms;
mod search;
mod unread;

pub use access::{
    Access, Notify, RoomSnapshot, SnapshotBan, SnapshotChange, SnapshotMember, access, room_snapshot,
};
pub use cursor::parse as parse_cursor;
pub use mentions::mentions;
pub use notify::{Notice, NotificationPayload, notification_payload};
pub use people::{
    Applied, AuditCursor, AuditRow, BanPut, ChangeSet, MemberPut, Page, Settings, apply, list_audit,
    list_members, notify_settings,
};
pub use place::{Found, Place};
pub use projection::{
    Marker, MessageRow, Projected, Projection, ReactionRow, VersionRow, messages_after, project,
};
pub use rooms::{Created, NewRoom, RoomCursor, RoomPage, RoomSeen, create_room, get_room, list_rooms};
pub use search::{Filter, Has, Hits, Scope, Term, Words, search, search_scope};
pub use unread::unread;

use crate::mutants::{Mutant, is};
use crate::oplog::Loggable;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::future::Future;

/// Runs statements. Made real by the shell (tokio-postgres over Hyperdrive) and by the native tests (over TCP).
pub trait Postgres {
    /// The one value of the one row, SQL's null as JSON's.
    ///
    /// # Takes  `sql` with one parameter `$1` of type `jsonb`, to be sent with its type (`query_typed`).
    /// # Errors  whatever stands between here and the row; the statement may have been committed all the same.
    fn query(&self, sql: &'static str, input: Value) -> impl Future<Output = Result<Value, DbError>>;
}

/// A statement that gave no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DbError {
    /// `None`: no word from Postgres itself (I/O, timeout, an answer of another shape).
    pub sqlstate: Option<String>,
    pub message: String,
}

/// What a failed write asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// These rows are refused for good: find them by bisecting, set them aside, go on.
    SetAside,
    /// Nothing will work until an operator has acted. Setting rows aside would lose them all.
    Halt,
    /// It may work later, unchanged.
    Retry,
}

impl DbError {
    /// # Source  PLATFORM.md, "Postgres through Hyperdrive". Two states are added to its list:
    /// 23505, which after `ON CONFLICT` can only be a message id that another row has, and 21000, a row twice in one
    /// batch; both are the data's fault and would else block the rows behind them for ever.
    pub fn failure(&self) -> Failure {
        match self.sqlstate.as_deref() {
            None => Failure::Retry,
            Some("23502" | "23514" | "23505" | "21000") => Failure::SetAside,
            Some(state) => match state.get(..2) {
                Some("22" | "54") => Failure::SetAside,
                Some("42") if is(Mutant::MissingTableIsPoison) => Failure::SetAside,
                Some("42" | "28" | "3D") => Failure::Halt,
                _ => Failure::Retry,
            },
        }
    }

    fn is(&self, state: &str) -> bool {
        self.sqlstate.as_deref() == Some(state)
    }
}

impl std::fmt::Display for DbError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.sqlstate.as_deref().unwrap_or("no SQLSTATE:"), self.message)
    }
}

/// Its code alone: Postgres' words may quote what somebody said.
impl Loggable for DbError {
    fn logged(&self) -> Value {
        self.sqlstate.as_deref().unwrap_or("none").into()
    }
}

/// Whether Postgres answers at all; reads no table.
pub async fn ping(db: &impl Postgres) -> Result<(), DbError> {
    db.query("SELECT json_build_object('ok', $1 IS NOT NULL)", json!({})).await.map(drop)
}

/// A statement's answer as a type. Another shape means other code on the other side (a deploy under way): tried again.
fn decode<T: DeserializeOwned>(value: Value) -> Result<T, DbError> {
    serde_json::from_value(value)
        .map_err(|e| DbError { sqlstate: None, message: format!("unexpected answer: {e}") })
}

/// A statement's input; `Err` only for a map with keys that are no text, which no type here has.
fn encode(input: &impl serde::Serialize) -> Result<Value, DbError> {
    serde_json::to_value(input)
        .map_err(|e| DbError { sqlstate: None, message: format!("unsendable input: {e}") })
}

/// SQL that turns a `timestamptz` into the contract's text, `2026-11-23T09:05:03.120Z`; null stays null.
macro_rules! iso {
    ($time:literal) => {
        concat!("to_char(", $time, " AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')")
    };
}
/// SQL that turns a `timestamptz` into Unix milliseconds; null stays null.
macro_rules! unix_ms {
    ($time:literal) => {
        concat!("(extract(epoch FROM ", $time, ") * 1000)::bigint")
    };
}
use {iso, unix_ms};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_sqlstate_has_its_class() {
        let class = |state: &str| DbError { sqlstate: Some(state.into()), message: String::new() }.failure();
        for state in
            ["22021", "22P05", "22P02", "22003", "23502", "23514", "54000", "54001", "23505", "21000"]
        {
            assert_eq!(class(state), Failure::SetAside, "{state}");
        }
        for state in ["42P01", "42703", "42501", "28P01", "28000", "3D000"] {
            assert_eq!(class(state), Failure::Halt, "{state}");
        }
        let again = [
            "08006", "40001", "40P01", "53300", "55P03", "57014", "57P01", "25006", "23503", "XX000", "58030",
        ];
        for state in again.into_iter().chain(["", "é", "2"]) {
            assert_eq!(class(state), Failure::Retry, "{state}");
        }
        assert_eq!(DbError { sqlstate: None, message: "connection reset".into() }.failure(), Failure::Retry);
    }
}
