//! Postgres as the system's statements see it: the laws of `db` over plain maps, in every weather.
//! Not here: SQL; the real statements are tested against a real Postgres.

use crate::fake_postgres::{Ledger, poisoned};
use crate::fixtures;
use crate::membership::Membership;
use crate::oracle::Checker;
use crate::plan::ROOMS;
use crate::stored;
use crate::world::World;
use chinwag::db::{
    Applied, ChangeSet, DbError, Marker, MessageRow, Postgres, Projected, Projection, RoomSnapshot,
    SnapshotBan, SnapshotMember,
};
use chinwag::ids::{Seq, UnixMs};
use chinwag::limits::{ACCESS_TIMEOUT_MS, BATCH_ROWS_MAX, STATEMENT_TIMEOUT_MS};
use chinwag::mutants::{Mutant, is};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::rc::Rc;

/// How it is with Postgres when a statement reaches it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PostgresFault {
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
    pub room: RoomSnapshot,
    pub membership: Membership,
    /// Another message stood at these seqs: rows that Postgres may lack.
    pub strangers: BTreeMap<Seq, String>,
}

pub struct Server {
    pub weather: PostgresFault,
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
            PostgresFault::Fine => Server::run(world, &input),
            PostgresFault::Slow(ms) if ms < patience_ms => {
                world.sleep(ms).await;
                Server::run(world, &input)
            }
            PostgresFault::Slow(ms) => {
                later(world, ms, input);
                world.sleep(patience_ms).await;
                Err(io("no answer in time"))
            }
            PostgresFault::Refuses => Err(io("connection refused")),
            PostgresFault::Hangs(done) => {
                if done {
                    later(world, patience_ms + 3_000, input);
                }
                world.sleep(patience_ms).await;
                Err(io("no answer in time"))
            }
            PostgresFault::Fails(state) => {
                Err(DbError { sqlstate: Some(state.into()), message: format!("fails with {state}") })
            }
            PostgresFault::LosesReplies => {
                let _ = Server::run(world, &input);
                Err(io("connection reset"))
            }
            PostgresFault::LosesPromises if self.hasty => Err(io("connection reset")),
            PostgresFault::LosesPromises => {
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
            let of_batch = input["messages"].is_array();
            let of_change = if input["put"].is_array() { json!("missing") } else { Value::Null };
            return Ok(if of_batch { json!({"state": "missing"}) } else { of_change });
        };
        if input["messages"].is_array() {
            let batch: Projection = serde_json::from_value(input.clone()).map_err(|e| io(&e.to_string()))?;
            return table.project(world, &batch);
        }
        if input["put"].is_array() {
            let set: ChangeSet = serde_json::from_value(input.clone()).map_err(|e| io(&e.to_string()))?;
            let (deletes, answer) = (set.delete, table.apply(world, set));
            if deletes && answer == "done" {
                server.rooms.remove(&(text("tenant"), text("room")));
            }
            return Ok(json!(answer));
        }
        if let Some(after) = input["after"].as_u64() {
            let limit = input["limit"].as_u64().unwrap_or(0) as usize;
            let page: Vec<&MessageRow> =
                table.ledger.rows.range(after + 1..).map(|(_, row)| row).take(limit).collect();
            return Ok(json!(page));
        }
        if let Some(user) = input["user"].as_str() {
            let (version, last_seq) = (table.ledger.members_version, table.ledger.last_seq);
            return Ok(table.role(user).map_or(
                Value::Null,
                |role| json!({"role": role, "membersVersion": version, "lastSeq": last_seq}),
            ));
        }
        let known = input["known"].as_u64().unwrap_or(u64::MAX);
        Ok(json!(table.snapshot(known, world.now())))
    }
}

impl Table {
    pub fn new(people: &[&str]) -> Self {
        Self {
            ledger: Ledger { members_version: 1, ..Ledger::default() },
            room: fixtures::group(people),
            membership: Membership::default(),
            strangers: BTreeMap::new(),
        }
    }

    /// Those in force.
    pub fn bans(&self, now: UnixMs) -> impl Iterator<Item = &SnapshotBan> {
        self.room.bans.iter().filter(move |ban| ban.until_ms.is_none_or(|until| until > now))
    }

    pub fn role(&self, user: &str) -> Option<&str> {
        self.room.members.iter().find(|m| m.user_id.as_str() == user).map(|m| m.role.as_str())
    }

    pub fn is_muted(&self, user: &str) -> bool {
        self.room.members.iter().any(|m| m.user_id.as_str() == user && m.silenced_until_ms.is_some())
    }

    fn snapshot(&self, known: u64, now: UnixMs) -> RoomSnapshot {
        let mut told = self.membership.snapshot(&self.room, known, now);
        (told.last_seq, told.epoch) = (self.ledger.last_seq, self.ledger.epoch.clone());
        for member in &mut told.members {
            let read = self.read(member);
            (member.read_generation, member.last_read_seq) = (read.generation, read.seq);
        }
        told
    }

    /// The later of what membership began with and what was projected.
    fn read(&self, member: &SnapshotMember) -> Marker {
        let began = Marker { generation: member.read_generation, seq: member.last_read_seq };
        let read = self.ledger.reads.get(member.user_id.as_str()).copied().unwrap_or_default();
        read.max(began)
    }

    pub fn marker(&self, user: &str) -> Option<Marker> {
        self.room.members.iter().find(|m| m.user_id.as_str() == user).map(|member| self.read(member))
    }

    /// Somebody changes the room past us; the version goes up.
    pub fn change(&mut self, change: impl FnOnce(&mut RoomSnapshot)) {
        change(&mut self.room);
        self.room.members_version += 1;
        self.ledger.members_version = self.room.members_version;
    }

    fn apply(&mut self, world: &World, mut set: ChangeSet) -> &'static str {
        if is(Mutant::PlanWithoutVersion) {
            set.version = self.room.members_version;
        }
        let (before, now) = (self.room.members.clone(), world.now());
        match self.membership.apply(&mut self.room, &set, now) {
            Applied::Done => {}
            Applied::Stale => {
                world.counters.count("changes planned anew");
                return "stale";
            }
            Applied::Missing => return "missing",
        }
        self.ledger.members_version = self.room.members_version;
        world.counters.count("changes");
        let added =
            |user: &str| set.audit.iter().any(|a| a.action == "add" && a.target.as_deref() == Some(user));
        for member in &self.room.members {
            let user = member.user_id.as_str();
            if !before.iter().any(|m| m.user_id == member.user_id) && !added(user) {
                world.violation(Checker::People, format!("{user} came in, and nobody added them"));
            }
            if self.bans(now).any(|ban| ban.user_id == member.user_id) {
                world.violation(Checker::People, format!("{user} is in, and banned"));
            }
        }
        if !self.room.members.iter().any(|m| m.role == "owner") {
            world.violation(Checker::People, "the room has no owner".into());
        }
        "done"
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
        let poison = batch.messages.iter().any(poisoned);
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
