//! A tenant's list of outbox alerts, in the SQLite of a small object of the tenant.
//! Not here: when a room has an outbox problem (`room`), and who may see the list (`api`).

use crate::ids::UnixMs;
use crate::limits::{ALERT_FORGET_MS, ALERTS_LISTED_MAX};
use crate::room::store::{Result, Row, Sql, SqlValue, StoreError};
use crate::room::{OutboxProblem, OutboxReport, OutboxState};
use serde::{Deserialize, Serialize};

/// One room of the list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Listed {
    pub room_id: String,
    #[serde(flatten)]
    pub problem: OutboxProblem,
}

pub struct OutboxAlerts<'a>(pub &'a dyn Sql);

/// `state` NULL: the room has no problem any more. Such a row stays a while, so that an earlier report that arrives
/// late is recognised.
const SCHEMA: &str = "CREATE TABLE IF NOT EXISTS outbox_alerts (
    room TEXT PRIMARY KEY, at INTEGER NOT NULL, state TEXT, lag INTEGER NOT NULL, oldest_at INTEGER NOT NULL,
    set_aside INTEGER NOT NULL, storage INTEGER) WITHOUT ROWID";
/// Lists that older code has created lack it.
const STORAGE: &str = "ALTER TABLE outbox_alerts ADD COLUMN storage INTEGER";

impl OutboxAlerts<'_> {
    /// The list shows what this room reports, unless it has a later report of the room.
    pub fn take(&self, report: &OutboxReport) -> Result<()> {
        const TAKE: &str =
            "INSERT INTO outbox_alerts (room, at, state, lag, oldest_at, set_aside, storage) VALUES (?, ?, ?, ?, ?, ?, ?)
            ON CONFLICT (room) DO UPDATE SET at = excluded.at, state = excluded.state, lag = excluded.lag,
                oldest_at = excluded.oldest_at, set_aside = excluded.set_aside, storage = excluded.storage
            WHERE excluded.at >= at";
        self.0.exec(SCHEMA, &[])?;
        self.add_storage_column()?;
        let problem = report.problem.as_ref();
        let state = problem.map_or(SqlValue::Null, |p| SqlValue::Text(p.state.name().to_owned()));
        let number = |of: fn(&OutboxProblem) -> u64| int(problem.map_or(0, of));
        let room = SqlValue::Text(report.room.as_str().to_owned());
        let (lag, oldest) = (number(|p| p.lag), number(|p| p.oldest_at_ms));
        let quarantined = number(|p| p.quarantined);
        let storage = problem.and_then(|p| p.storage_percent).map_or(SqlValue::Null, int);
        self.0.exec(TAKE, &[room, int(report.at), state, lag, oldest, quarantined, storage])?;
        let forgotten = report.at.saturating_sub(ALERT_FORGET_MS);
        self.0.exec("DELETE FROM outbox_alerts WHERE state IS NULL AND at < ?", &[int(forgotten)]).map(drop)
    }

    /// The rooms with a problem, those with the oldest waiting event first. A tenant that never had an alert has no
    /// table and gets none.
    pub fn list(&self) -> Result<Vec<Listed>> {
        let known = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'outbox_alerts'";
        if self.0.exec(known, &[])?.is_empty() {
            return Ok(Vec::new());
        }
        self.add_storage_column()?;
        let sql = "SELECT room, state, lag, oldest_at, set_aside, storage FROM outbox_alerts WHERE state IS NOT NULL
            ORDER BY oldest_at = 0, oldest_at, room LIMIT ?";
        self.0.exec(sql, &[int(ALERTS_LISTED_MAX)])?.iter().map(listed).collect()
    }

    fn add_storage_column(&self) -> Result<()> {
        let has = "SELECT 1 FROM sqlite_master WHERE name = 'outbox_alerts' AND instr(sql, 'storage') > 0";
        if self.0.exec(has, &[])?.is_empty() { self.0.exec(STORAGE, &[]).map(drop) } else { Ok(()) }
    }
}

fn listed(row: &Row) -> Result<Listed> {
    let [SqlValue::Text(room), SqlValue::Text(state), rest @ ..] = row.as_slice() else {
        return Err(corrupt_row());
    };
    let [SqlValue::Integer(lag), SqlValue::Integer(oldest), SqlValue::Integer(quarantined), storage] = rest
    else {
        return Err(corrupt_row());
    };
    let unsigned = |n: &i64| u64::try_from(*n).unwrap_or_default();
    let problem = OutboxProblem {
        state: OutboxState::from_name(state).ok_or_else(corrupt_row)?,
        lag: unsigned(lag),
        oldest_at_ms: unsigned(oldest),
        quarantined: unsigned(quarantined),
        storage_percent: match storage {
            SqlValue::Integer(percent) => Some(unsigned(percent)),
            _ => None,
        },
    };
    Ok(Listed { room_id: room.clone(), problem })
}

fn corrupt_row() -> StoreError {
    StoreError("a row of outbox_alerts can't be read".into())
}

fn int(n: UnixMs) -> SqlValue {
    SqlValue::Integer(i64::try_from(n).unwrap_or(i64::MAX))
}
