//! A tenant's list of rooms in trouble with Postgres, in the SQLite of a small object of the tenant's own.
//! Not here: when a room is in trouble (`room`), and who may see the list (`api`).

use crate::ids::UnixMs;
use crate::limits::{TROUBLE_FORGOTTEN_MS, TROUBLES_LISTED_MAX};
use crate::room::store::{Result, Row, Sql, SqlValue, StoreError};
use crate::room::{OutboxProblem, OutboxReport};
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

/// `state` NULL: well again. Kept a while, so that an older announcement that comes late is known for one.
const SCHEMA: &str = "CREATE TABLE IF NOT EXISTS troubles (
    room TEXT PRIMARY KEY, at INTEGER NOT NULL, state TEXT, lag INTEGER NOT NULL, oldest_at INTEGER NOT NULL,
    set_aside INTEGER NOT NULL) WITHOUT ROWID";

impl OutboxAlerts<'_> {
    /// The list is as this room says, unless a later announcement of it is here already.
    pub fn take(&self, report: &OutboxReport) -> Result<()> {
        const TAKE: &str =
            "INSERT INTO troubles (room, at, state, lag, oldest_at, set_aside) VALUES (?, ?, ?, ?, ?, ?)
            ON CONFLICT (room) DO UPDATE SET at = excluded.at, state = excluded.state, lag = excluded.lag,
                oldest_at = excluded.oldest_at, set_aside = excluded.set_aside
            WHERE excluded.at >= at";
        self.0.exec(SCHEMA, &[])?;
        let problem = report.problem.as_ref();
        let state = problem.map_or(SqlValue::Null, |t| SqlValue::Text(t.state.clone()));
        let number = |of: fn(&OutboxProblem) -> u64| int(problem.map_or(0, of));
        let room = SqlValue::Text(report.room.as_str().to_owned());
        let (lag, oldest, aside) = (number(|t| t.lag), number(|t| t.oldest_at_ms), number(|t| t.quarantined));
        self.0.exec(TAKE, &[room, int(report.at), state, lag, oldest, aside])?;
        let over = report.at.saturating_sub(TROUBLE_FORGOTTEN_MS);
        self.0.exec("DELETE FROM troubles WHERE state IS NULL AND at < ?", &[int(over)]).map(drop)
    }

    /// Those that wait longest first. A tenant that never had trouble has no table, and gets none.
    pub fn list(&self) -> Result<Vec<Listed>> {
        let known = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'troubles'";
        if self.0.exec(known, &[])?.is_empty() {
            return Ok(Vec::new());
        }
        let sql = "SELECT room, state, lag, oldest_at, set_aside FROM troubles WHERE state IS NOT NULL
            ORDER BY oldest_at = 0, oldest_at, room LIMIT ?";
        self.0.exec(sql, &[int(TROUBLES_LISTED_MAX)])?.iter().map(listed).collect()
    }
}

fn listed(row: &Row) -> Result<Listed> {
    let [SqlValue::Text(room), SqlValue::Text(state), rest @ ..] = row.as_slice() else { return Err(odd()) };
    let [SqlValue::Integer(lag), SqlValue::Integer(oldest), SqlValue::Integer(aside)] = rest else {
        return Err(odd());
    };
    let whole = |n: &i64| u64::try_from(*n).unwrap_or_default();
    let problem = OutboxProblem {
        state: state.clone(),
        lag: whole(lag),
        oldest_at_ms: whole(oldest),
        quarantined: whole(aside),
    };
    Ok(Listed { room_id: room.clone(), problem })
}

fn odd() -> StoreError {
    StoreError("a row of troubles is not what was stored".into())
}

fn int(n: UnixMs) -> SqlValue {
    SqlValue::Integer(i64::try_from(n).unwrap_or(i64::MAX))
}
