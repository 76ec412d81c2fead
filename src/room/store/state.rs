//! The table `state`: one row of JSON for each part that stores its state. Not here: the formats (`formats`).

use super::sql::{Result, SqlValue, Store, StoreError, int, text_at};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The rows of `state`. They are separate because they change at different times, and each written row is billed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateRow {
    /// `LogState`. A rebuild deletes it first and writes it last, so without it there is no complete log.
    Log = 1,
    /// `RoomInfo`: the room and its members as Postgres last returned them.
    Room = 2,
    /// `ReadsRow`: everybody's read marker.
    Reads = 3,
    /// `AlertRow`. Present only while the room may be on its tenant's list of outbox alerts.
    Alert = 4,
    /// `PinsRow`. Absent in a room that never had a pin.
    Pins = 5,
    /// `PendingDeletion`. Present from the owner's request until the storage is wiped or the deletion has failed.
    Deletion = 9,
    /// `RebuildState`. Present while a log is being rebuilt; the row `Room` then is the room as the rebuild began.
    Rebuild = 10,
}

impl Store<'_> {
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
}

/// A row of `state` as it is stored.
pub fn encode<T: Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(corrupt)
}

/// A row of `state` as it was stored.
pub fn decode<T: DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(corrupt)
}

/// Only the kind of the error and its place: the log may not contain what is stored.
fn corrupt(error: serde_json::Error) -> StoreError {
    StoreError(format!("state: {:?} at column {}", error.classify(), error.column()))
}
