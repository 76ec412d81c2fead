//! Postgres as the system's statements see it: the laws of `db` over plain maps, in every weather.
//! Not here: SQL; the real statements are tested against a real Postgres.

use crate::ledger::{Ledger, POISON};
use crate::oracle::Checker;
use crate::plan::ROOMS;
use crate::stored;
use crate::world::World;
use chinwag::db::{DbError, MessageRow, Postgres, Projected, Projection};
use chinwag::ids::Seq;
use chinwag::limits::{ACCESS_TIMEOUT_MS, BATCH_ROWS_MAX, STATEMENT_TIMEOUT_MS};
use chinwag::mutants::{Mutant, is};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::rc::Rc;

/// How it is with Postgres when a statement reaches it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Weather {
    Fine,
    /// Each statement takes this long; past the patience of who asks, it is done all the same.
    Slow(u64),
    Refuses,
    /// No answer; `true`: it is done all the same, a while after everybody has given up.
    Hangs(bool),
    /// Fails before anything is done, with this SQLSTATE.
    Fails(&'static str),
    /// Commits, and the answer is lost.
    LosesReplies,
    /// Neither answer nor timeout ever comes: the promise was lost.
    LosesPromises,
}

pub struct Table {
    pub ledger: Ledger,
    /// Role by person.
    pub members: BTreeMap<String, &'static str>,
    /// Another message stood at these seqs: rows that Postgres may lack.
    pub strangers: BTreeMap<Seq, String>,
}

pub struct Server {
    pub weather: Weather,
    /// By tenant and room.
    pub rooms: BTreeMap<(String, String), Table>,
}

/// A connection to it.
pub struct Db {
    pub world: Rc<World>,
    /// The Worker's questions about access give up sooner than a room's batches.
    pub hasty: bool,
}

/// Milliseconds to Postgres.
const WAY_MS: u64 = 2;

impl Postgres for Db {
    async fn query(&self, _sql: &'static str, input: Value) -> Result<Value, DbError> {
        let world = &self.world;
        let patience_ms = if self.hasty { ACCESS_TIMEOUT_MS } else { STATEMENT_TIMEOUT_MS };
        world.sleep(WAY_MS).await;
        let weather = world.server.borrow().weather;
        match weather {
            Weather::Fine => Server::run(world, &input),
            Weather::Slow(ms) if ms < patience_ms => {
                world.sleep(ms).await;
                Server::run(world, &input)
            }
            Weather::Slow(ms) => {
                later(world, ms, input);
                world.sleep(patience_ms).await;
                Err(io("no answer in time"))
            }
            Weather::Refuses => Err(io("connection refused")),
            Weather::Hangs(done) => {
                if done {
                    later(world, patience_ms + 3_000, input);
                }
                world.sleep(patience_ms).await;
                Err(io("no answer in time"))
            }
            Weather::Fails(state) => {
                Err(DbError { sqlstate: Some(state.into()), message: format!("fails with {state}") })
            }
            Weather::LosesReplies => {
                let _ = Server::run(world, &input);
                Err(io("connection reset"))
            }
            Weather::LosesPromises if self.hasty => Err(io("connection reset")),
            Weather::LosesPromises => {
                world.counters.count("promises lost");
                crate::executor::lost().await
            }
        }
    }
}

/// Postgres is a prefix of the log at every instant: all that a batch stands for is there, or known to be refused.
fn prefix(world: &World, table: &Table, batch: &Projection, done: &Projected) {
    if batch.messages.len() as u64 > BATCH_ROWS_MAX {
        world.violation(Checker::Bounds, format!("a batch of {} rows", batch.messages.len()));
    }
    let Projected::Done { last_seq, .. } = done else { return };
    let room =
        ROOMS.iter().position(|(tenant, id)| (*tenant, *id) == (batch.tenant.as_str(), batch.room.as_str()));
    let Some(room) = room else { return };
    let aside = stored::aside(world, room);
    let missing = stored::messages_between(world, room, batch.from, *last_seq)
        .into_iter()
        .find(|seq| !table.ledger.rows.contains_key(seq) && !aside.contains(seq));
    if let Some(seq) = missing {
        world.violation(Checker::Postgres, format!("stands at {last_seq} and lacks {seq}"));
    }
}

fn io(message: &str) -> DbError {
    DbError { sqlstate: None, message: message.into() }
}

/// A statement that its sender has given up is done after all.
fn later(world: &Rc<World>, ms: u64, input: Value) {
    let work = world.clone();
    world.spawn(async move {
        work.sleep(ms).await;
        work.counters.count("stragglers");
        let _ = Server::run(&work, &input);
    });
}

impl Server {
    fn run(world: &Rc<World>, input: &Value) -> Result<Value, DbError> {
        let mut server = world.server.borrow_mut();
        let text = |name: &str| input[name].as_str().unwrap_or_default().to_owned();
        let Some(table) = server.rooms.get_mut(&(text("tenant"), text("room"))) else {
            return Ok(if input["messages"].is_array() { json!({"state": "missing"}) } else { Value::Null });
        };
        if input["messages"].is_array() {
            let batch: Projection = serde_json::from_value(input.clone()).map_err(|e| io(&e.to_string()))?;
            return table.project(world, &batch);
        }
        if let Some(after) = input["after"].as_u64() {
            let limit = input["limit"].as_u64().unwrap_or(0) as usize;
            let page: Vec<&MessageRow> =
                table.ledger.rows.range(after + 1..).map(|(_, row)| row).take(limit).collect();
            return Ok(json!(page));
        }
        if let Some(user) = input["user"].as_str() {
            return Ok(table.members.get(user).map_or(Value::Null, |role| {
                json!({"role": role, "membersVersion": table.ledger.members_version, "lastSeq": table.ledger.last_seq})
            }));
        }
        Ok(table.snapshot())
    }
}

impl Table {
    pub fn new(people: &[&str]) -> Self {
        let role = |(i, user): (usize, &&str)| (user.to_string(), ["owner", "member"][i.min(1)]);
        Self {
            ledger: Ledger { members_version: 1, ..Ledger::default() },
            members: people.iter().enumerate().map(role).collect(),
            strangers: BTreeMap::new(),
        }
    }

    fn snapshot(&self) -> Value {
        let reads = |user: &String| self.ledger.reads.get(user).copied().unwrap_or_default();
        let member = |(user, role): (&String, &&str)| {
            json!({"userId": user, "role": role, "joinedAtMs": 0, "joinedSeq": 0, "lastReadSeq": reads(user).seq,
                   "readGeneration": reads(user).generation,
                   "notify": {"level": "all", "muteUntilMs": null}})
        };
        json!({
            "type": "group", "name": null, "topic": null, "createdBy": "alice", "createdAtMs": 0,
            "archived": false, "historyVisibility": "all", "roomMention": "all", "slowModeS": 0,
            "membersVersion": self.ledger.members_version, "lastSeq": self.ledger.last_seq,
            "epoch": self.ledger.epoch, "members": self.members.iter().map(member).collect::<Vec<_>>(),
        })
    }

    fn project(&mut self, world: &World, batch: &Projection) -> Result<Value, DbError> {
        let known = |row: &&MessageRow| self.ledger.rows.contains_key(&row.seq);
        if is(Mutant::InsertWithoutConflict) && batch.messages.iter().any(|row| known(&row)) {
            let message = "duplicate key value violates unique constraint".into();
            return Err(DbError { sqlstate: Some("23505".into()), message });
        }
        let again = batch.from < batch.to
            && self.ledger.last_seq == batch.to
            && batch.messages.iter().all(|row| known(&row));
        let poison = batch.messages.iter().any(|row| row.content.contains(POISON));
        let done = self.ledger.commit(batch)?;
        prefix(world, self, batch, &done);
        if poison && matches!(done, Projected::Done { .. }) {
            world.violation(Checker::Postgres, "a poisoned row was taken".into());
        }
        world.counters.count("batches");
        if again && matches!(done, Projected::Done { .. }) {
            world.counters.count("conflicts seen as the same");
        }
        let (name, last_seq, version, epoch, conflicts) = match done {
            Projected::Done { last_seq, members_version, epoch, conflicts } => {
                ("done", last_seq, members_version, epoch, conflicts)
            }
            Projected::Behind { last_seq, members_version, epoch } => {
                world.counters.count("set-backs noticed");
                ("behind", last_seq, members_version, epoch, Vec::new())
            }
            Projected::Ahead { last_seq, members_version, epoch, conflicts } => {
                ("ahead", last_seq, members_version, epoch, conflicts)
            }
            Projected::Missing => return Ok(json!({"state": "missing"})),
        };
        Ok(
            json!({"state": name, "lastSeq": last_seq, "membersVersion": version, "epoch": epoch, "conflicts": conflicts}),
        )
    }
}
