//! Checks every 100 ms that Postgres is a prefix of a room's log: ascending, without a gap except quarantined rows,
//! with the same messages, and never ahead of the room. Not here: the checks at the end (`load`).

use crate::environment::{Environment, read_only};
use crate::rig::Tenant;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

const EVERY: Duration = Duration::from_millis(100);
/// A fault holds up a statement that takes longer; the next check opens a new connection.
const PATIENCE: Duration = Duration::from_secs(1);

/// What the checks found.
#[derive(Debug, Default, Clone)]
pub struct Samples {
    pub looks: u64,
    /// Checks that Postgres didn't answer.
    pub away: u64,
    pub rows: u64,
    /// How often Postgres had less than before.
    pub set_back: u64,
}

pub struct Sampler {
    stop: watch::Sender<bool>,
    task: JoinHandle<Result<Samples, String>>,
}

impl Sampler {
    pub fn start(environment: &Arc<Environment>, tenant: &Tenant, room: &str) -> Sampler {
        let (stop, mut stopped) = watch::channel(false);
        let mut inspector = Inspector {
            environment: environment.clone(),
            tenant: tenant.id.clone(),
            room: room.to_owned(),
            sql: None,
            file: None,
            checked: 0,
            seen: Samples::default(),
        };
        let task = tokio::spawn(async move {
            while !*stopped.borrow_and_update() {
                inspector.look().await?;
                let _ = tokio::time::timeout(EVERY, stopped.changed()).await;
            }
            Ok(inspector.seen)
        });
        Sampler { stop, task }
    }

    pub async fn end(self) -> Samples {
        self.verdict().await.expect("Postgres was a prefix of the log all the time")
    }

    /// What the checks found, or what was wrong.
    pub async fn verdict(self) -> Result<Samples, String> {
        self.stop.send_replace(true);
        self.task.await.expect("it looked to the end")
    }
}

struct Inspector {
    environment: Arc<Environment>,
    tenant: String,
    room: String,
    sql: Option<tokio_postgres::Client>,
    file: Option<PathBuf>,
    /// Everything up to here was correct.
    checked: i64,
    seen: Samples,
}

/// One snapshot: the position of the projection, and the messages after a seq.
const LOOK: &str = "
    SELECT r.last_seq, (
        SELECT coalesce(json_object_agg(m.seq, m.id), '{}') FROM chat_messages m
        WHERE m.tenant_id = r.tenant_id AND m.room_id = r.id AND m.seq > least($3, r.last_seq))
    FROM chat_rooms r WHERE r.tenant_id = $1 AND r.id = $2";

impl Inspector {
    /// # Errors  Postgres is no prefix of the log.
    async fn look(&mut self) -> Result<(), String> {
        let Some((last, ids)) = self.postgres().await else {
            self.seen.away += 1;
            self.sql = None;
            return Ok(());
        };
        if last < self.checked {
            self.seen.set_back += 1;
            self.checked = last;
        }
        if let Some(ahead) = ids.keys().find(|seq| **seq > last) {
            return Err(format!("a row {ahead} past last_seq {last}"));
        }
        self.seen.looks += 1;
        // Read after Postgres, so it can only be further on.
        let log = if last == self.checked { None } else { self.room(self.checked, last) };
        let Some(log) = log else { return Ok(()) };
        for seq in self.checked + 1..=last {
            match (ids.get(&seq), log.get(&seq)) {
                (_, None) => return Err(format!("Postgres is at {last}, the room has no {seq}")),
                (None, Some(Known::Message(_))) => {
                    return Err(format!("a hole in Postgres at {seq}, which is at {last}"));
                }
                (Some(id), Some(Known::Message(own))) if id != own => {
                    return Err(format!("seq {seq} is {id} in Postgres and {own} in the room"));
                }
                _ => {}
            }
        }
        self.seen.rows += (last - self.checked).unsigned_abs();
        self.checked = last;
        Ok(())
    }

    async fn postgres(&mut self) -> Option<(i64, BTreeMap<i64, String>)> {
        let ask = async {
            if self.sql.is_none() {
                self.sql = Some(self.environment.stack.try_sql().await.ok()?);
            }
            let sql = self.sql.as_ref()?;
            let row = sql.query_one(LOOK, &[&self.tenant, &self.room, &self.checked]).await.ok()?;
            let ids: Value = row.get(1);
            let ids = ids.as_object()?.iter();
            let ids =
                ids.map(|(seq, id)| (seq.parse().expect("a seq"), id.as_str().expect("an id").to_owned()));
            Some((row.get(0), ids.collect()))
        };
        tokio::time::timeout(PATIENCE, ask).await.ok().flatten()
    }

    /// What the room's own file says of (after, to]; `None` while it can't be read.
    fn room(&mut self, after: i64, to: i64) -> Option<BTreeMap<i64, Known>> {
        if self.file.is_none() {
            self.file = self.environment.room_file(&self.room);
        }
        let db = read_only(self.file.as_deref()?)?;
        let sql = "SELECT e.seq, e.kind, e.body ->> 'id', q.seq IS NOT NULL
            FROM events e LEFT JOIN quarantine q ON q.seq = e.seq WHERE e.seq > ?1 AND e.seq <= ?2";
        let mut statement = db.prepare(sql).ok()?;
        let rows = statement.query_map([after, to], |row| {
            let known = match (row.get(1)?, row.get(3)?) {
                (_, true) => Known::SetAside,
                (1, false) => Known::Message(row.get(2)?),
                (_, false) => Known::Other,
            };
            Ok((row.get(0)?, known))
        });
        rows.ok()?.collect::<Result<_, _>>().ok()
    }
}

enum Known {
    Message(String),
    SetAside,
    /// A reaction has no row of its own.
    Other,
}
