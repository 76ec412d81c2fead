//! The port to Postgres, and what an error of it means for a write.
//! Not here: statements (the other files of `db`), and what is done about an error (the room's outbox).

use crate::oplog::Loggable;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::future::Future;

/// Runs statements. Implemented by the shell (tokio-postgres over Hyperdrive) and by the native tests (over TCP).
pub trait Postgres {
    /// The one value of the one row; SQL's null is JSON's null.
    ///
    /// # Takes  `sql` with one parameter `$1` of type `jsonb`, to be sent with its type (`query_typed`).
    /// # Errors  anything that went wrong on the way; the statement may have been committed all the same.
    fn query(&self, sql: &'static str, input: Value) -> impl Future<Output = Result<Value, DbError>>;
}

/// A statement that returned no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} {message}", sqlstate.as_deref().unwrap_or("no SQLSTATE:"))]
pub struct DbError {
    /// `None`: the error is not Postgres' own (I/O, timeout, an answer of another shape).
    pub sqlstate: Option<String>,
    pub message: String,
}

/// What has to be done after a write failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Postgres will always refuse some of these rows: find them by bisecting, quarantine them, go on.
    SetAside,
    /// Nothing will work until an operator acts. Quarantining rows would quarantine all of them.
    Halt,
    /// It may work later, unchanged.
    Retry,
}

/// A quota whose count Postgres keeps (migrations/0013_quotas.sql, 0018_file_quota.sql,
/// 0020_report_quota.sql).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quota {
    /// Rooms that a person creates in a day of UTC.
    RoomsMade,
    /// Rooms that a person is in.
    Memberships,
    /// Bytes of a person's files.
    FileBytes,
    /// Reports that a person makes in a day of UTC.
    Reports,
}

impl DbError {
    /// # Source  docs/PLATFORM.md, "Postgres through Hyperdrive". 23505 and 21000 are the data's fault as well: after
    /// `ON CONFLICT` the first can only be a message id that another row has, the second is a row twice in one batch.
    pub fn failure(&self) -> Failure {
        match self.sqlstate.as_deref() {
            None => Failure::Retry,
            Some("23502" | "23514" | "23505" | "21000") => Failure::SetAside,
            Some(state) => match state.get(..2) {
                Some("22" | "54") => Failure::SetAside,
                Some("42" | "28" | "3D") => Failure::Halt,
                _ => Failure::Retry,
            },
        }
    }

    /// The quota that the statement would have exceeded.
    pub fn quota(&self) -> Option<Quota> {
        match self.sqlstate.as_deref() {
            Some("CW001") => Some(Quota::RoomsMade),
            Some("CW002") => Some(Quota::Memberships),
            Some("CW003") => Some(Quota::FileBytes),
            Some("CW004") => Some(Quota::Reports),
            _ => None,
        }
    }

    pub(super) fn has_state(&self, state: &str) -> bool {
        self.sqlstate.as_deref() == Some(state)
    }
}

/// Only the SQLSTATE: Postgres' message may quote what somebody wrote.
impl Loggable for DbError {
    fn logged(&self) -> Value {
        self.sqlstate.as_deref().unwrap_or("none").into()
    }
}

/// Postgres answers; no table is read.
pub async fn ping(db: &impl Postgres) -> Result<(), DbError> {
    db.query("SELECT json_build_object('ok', $1 IS NOT NULL)", json!({})).await.map(drop)
}

/// A statement's answer as a type. An answer of another shape comes from other code (a deploy under way), so it has no
/// SQLSTATE and is retried.
pub(super) fn decode<T: DeserializeOwned>(value: Value) -> Result<T, DbError> {
    serde_json::from_value(value)
        .map_err(|e| DbError { sqlstate: None, message: format!("unexpected answer: {e}") })
}

/// A statement's input. `Err` only for a map whose keys are not text, which no type here has.
pub(super) fn encode(input: &impl serde::Serialize) -> Result<Value, DbError> {
    serde_json::to_value(input)
        .map_err(|e| DbError { sqlstate: None, message: format!("input that cannot be sent: {e}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_has_an_errors_sqlstate_and_not_its_message() {
        let message = "invalid: \"a message of alice\"".into();
        let error = DbError { sqlstate: Some("22P02".into()), message };
        let line = crate::oplog::Entry::warn("row_quarantined").with("sqlstate", &error).to_string();
        assert!(line.contains("22P02") && !line.contains("alice"), "{line}");
    }

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
