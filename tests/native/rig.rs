//! The shell of one room, played: a virtual clock, sockets, alarms, eviction, crashes, and a Postgres that fails on
//! demand. Its end checks what must hold after any conversation. Not here: the language of the transcripts.
//!
//! The shell's law is kept: what `handle` wrote stands first, effects are performed in order, and on an error none
//! is performed, the room is dropped and loaded again.

use crate::fake_postgres::Ledger;
use crate::fixtures::{group, user};
use crate::invariants::{Ear, Laws};
use crate::membership::Membership;
use crate::render;
use crate::sqlite::Sqlite;
use chinwag::auth::{Identity, Role};
use chinwag::db::{Applied, DbError, Projection, RoomSnapshot};
use chinwag::error::{Code, Refusal};
use chinwag::ids::{RoomId, Seq, TenantId, UnixMs};
use chinwag::limits::Limits;
use chinwag::room::moderation::Moderation;
use chinwag::room::store::Store;
use chinwag::room::{
    AdminChange, Connect, ConnectionId, Effect, Input, OutboxProblem, OutboxReport, Rebuild, Room, RoomCall,
    RoomInfo, SocketState,
};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;

pub use crate::fixtures::NOON;
pub const TENANT: &str = "acme";
pub const ROOM: &str = "r1";

pub struct Socket {
    pub id: ConnectionId,
    pub name: String,
    pub user: String,
    pub batches: bool,
    pub ear: Ear,
    attachment: Option<SocketState>,
}

pub struct Rig {
    pub sql: Sqlite,
    pub ledger: Ledger,
    pub laws: Laws,
    pub now: UnixMs,
    pub limits: Limits,
    /// The var `MODERATION`.
    pub moderation: String,
    /// What Postgres says of the room and its people.
    pub snapshot: RoomSnapshot,
    pub membership: Membership,
    pub room: Option<Room>,
    pub sockets: BTreeMap<ConnectionId, Socket>,
    pub alarm: Option<UnixMs>,
    /// Batches that hang.
    pub hanging: Vec<Rc<Projection>>,
    /// What the tenant's list of rooms in trouble says of this one, and whether it can be reached.
    pub listed: Option<OutboxProblem>,
    pub listed_at: UnixMs,
    pub list_is_away: bool,
    pub list_is_watched: bool,
    /// The keys of the objects that the bucket of files holds, and whether it can be reached.
    pub bucket: BTreeSet<String>,
    pub bucket_is_away: bool,
    /// Whether the transcript shows who is notified, and whether the queue can't be reached.
    pub queue_is_watched: bool,
    pub queue_is_away: bool,
    /// Whether the transcript shows batches and alarms.
    pub watched: bool,
    /// Whether `Drop` checks that log and Postgres agree; off where a test makes that impossible.
    pub lawful: bool,
    pub longest_frame_bytes: usize,
    /// The room is deleted, and nothing of it is here any more.
    pub wiped: bool,
    /// What was heard by whom since it was last taken.
    pub heard: Vec<(String, String)>,
    /// The head when all was last told to the sockets.
    delivered_seq: Option<Seq>,
    /// Follow-ups of effects, to come back as inputs.
    errands: VecDeque<Errand>,
    caller: String,
    drawn: u64,
    pub epochs: u32,
}

enum Errand {
    Verify(ConnectionId, String),
    Project(Rc<Projection>),
    Refresh,
    ReportAlert(OutboxReport),
    RemoveFiles(Vec<String>, Vec<String>),
    ListFiles(String),
}

impl Rig {
    /// A group of alice (its owner), bob, carol and dave.
    pub fn new() -> Self {
        Self::of(&["alice", "bob", "carol", "dave"])
    }

    /// A group whose first one is the owner.
    pub fn of(people: &[&str]) -> Self {
        let mut rig = Self {
            sql: Sqlite::new(),
            ledger: Ledger { members_version: 1, ..Ledger::default() },
            laws: Laws::default(),
            now: NOON,
            limits: Limits::default(),
            moderation: String::new(),
            snapshot: group(people),
            membership: Membership::default(),
            room: None,
            sockets: BTreeMap::new(),
            alarm: None,
            hanging: Vec::new(),
            listed: None,
            listed_at: 0,
            list_is_away: false,
            list_is_watched: false,
            bucket: BTreeSet::new(),
            bucket_is_away: false,
            queue_is_watched: false,
            queue_is_away: false,
            watched: false,
            lawful: true,
            longest_frame_bytes: 0,
            wiped: false,
            heard: Vec::new(),
            delivered_seq: None,
            errands: VecDeque::new(),
            caller: String::new(),
            drawn: 0,
            epochs: 0,
        };
        rig.rebuild(u64::MAX);
        rig
    }

    /// The same room, made otherwise: nothing has happened in it.
    pub fn given(mut self, change: impl FnOnce(&mut RoomSnapshot)) -> Self {
        change(&mut self.snapshot);
        (self.sql, self.epochs) = (Sqlite::new(), 0);
        self.rebuild(u64::MAX);
        self
    }

    pub fn person(&self, name: &str) -> Identity {
        Identity {
            tenant: TenantId::parse(TENANT).unwrap(),
            user: user(name),
            name: None,
            tenant_role: (name == "root").then_some(Role::Admin),
            expires_ms: self.now + 86_400_000,
        }
    }

    /// Makes the log anew from Postgres, `pages` pages of it at most before a crash.
    pub fn rebuild(&mut self, pages: u64) {
        self.epochs += 1;
        self.snapshot.last_seq = self.ledger.last_seq;
        for member in &mut self.snapshot.members {
            let marker = self.ledger.reads.get(member.user_id.as_str()).copied().unwrap_or_default();
            (member.last_read_seq, member.read_generation) = (marker.seq, marker.generation);
        }
        let facts = RoomInfo {
            tenant: TenantId::parse(TENANT).unwrap(),
            id: RoomId::parse(ROOM).unwrap(),
            snapshot: self.snapshot.clone(),
        };
        let store = Store(&self.sql);
        let mut rebuild = Rebuild::begin(&store, facts, format!("e{}", self.epochs)).unwrap();
        let mut asked = 0;
        while let Some(after) = rebuild.wants() {
            if asked == pages {
                return;
            }
            asked += 1;
            let page = self.ledger.rows.range(after + 1..).take(chinwag::limits::REBUILD_PAGE as usize);
            rebuild.page(&store, page.map(|(_, row)| row.clone()).collect()).unwrap();
        }
        rebuild.finish(&store, self.now).unwrap();
        self.room = None;
    }

    /// The room, loaded if it isn't in memory.
    pub fn room(&mut self) -> &mut Room {
        if self.room.is_none() {
            let kept: Vec<_> = self.sockets.values().filter_map(|s| s.attachment.clone()).collect();
            let load = || Room::load(&Store(&self.sql), kept.clone(), self.limits.clone());
            // A load that fails is tried again by the next event; a fault of the disk strikes once.
            let room = load().or_else(|_| load()).unwrap();
            let room = room.expect("there is a whole log");
            self.delivered_seq.get_or_insert(room.head());
            self.room = Some(room.with_moderation(&Moderation::parse(&self.moderation).unwrap()));
        }
        self.room.as_mut().unwrap()
    }

    /// Memory goes; storage and sockets stay.
    pub fn evict(&mut self) {
        (self.room, self.delivered_seq) = (None, None);
        self.errands.clear();
    }

    /// Memory goes under open sockets: what was gathered is told first, then what came after it.
    pub fn fail(&mut self) {
        if let Some(mut room) = self.room.take() {
            let (effects, told) = room.flush_settled(self.now);
            self.perform(effects);
            self.delivered_seq = Some(told);
        }
        self.room();
        let told = self.delivered_seq.unwrap();
        self.input(Input::Recovered { delivered_seq: told });
    }

    /// Memory and sockets go; storage and the alarm stay.
    pub fn crash(&mut self) {
        self.evict();
        self.sockets.clear();
    }

    /// Hands one input over and performs what follows; false when the store failed.
    pub fn input(&mut self, input: Input) -> bool {
        self.room();
        let Some(mut room) = self.room.take() else { return false };
        let flushes = matches!(input, Input::Flush);
        match room.handle(&Store(&self.sql), self.now, input) {
            Ok(effects) => {
                if flushes {
                    self.delivered_seq = Some(room.head());
                }
                self.room = Some(room);
                self.perform(effects);
                true
            }
            Err(error) => {
                self.tell("operator", format!("failed: {error}"));
                self.room = Some(room);
                self.fail();
                false
            }
        }
    }

    fn perform(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Send { connection, frame } => self.deliver(connection, &frame),
                Effect::Close { connection, code } => {
                    let socket = self.sockets.remove(&connection).expect("only open sockets are closed");
                    self.tell(&socket.name, format!("closed {} {}", code.code(), code.name()));
                }
                Effect::Attach { connection, attachment } => {
                    let bytes = serde_json::to_string(&*attachment).unwrap().len();
                    assert!(bytes <= 16_384, "the platform keeps no attachment of {bytes} bytes");
                    let socket = self.sockets.get_mut(&connection).expect("only open sockets are kept");
                    socket.attachment = Some(*attachment);
                }
                Effect::Verify { connection, token } => {
                    self.errands.push_back(Errand::Verify(connection, token));
                }
                Effect::Reply(reply) => {
                    let who = self.caller.clone();
                    self.tell(&who, render::reply(&reply));
                }
                Effect::Project(batch) => self.errands.push_back(Errand::Project(batch)),
                Effect::Refresh => self.errands.push_back(Errand::Refresh),
                Effect::Alarm(at) => {
                    assert!(
                        at >= self.now + 200,
                        "PLATFORM.md: an alarm nearer than 200 ms breaks the chain"
                    );
                    self.alarm = Some(at);
                    self.sql.rows_written.set(self.sql.rows_written.get() + 1);
                    if self.watched {
                        self.tell("alarm", format!("in {} ms", at - self.now));
                    }
                }
                Effect::RemoveFiles { ids, keys } => self.errands.push_back(Errand::RemoveFiles(ids, keys)),
                Effect::Wiped => self.wiped = true,
                Effect::ListFiles(prefix) => self.errands.push_back(Errand::ListFiles(prefix)),
                Effect::ReportAlert(report) => self.errands.push_back(Errand::ReportAlert(report)),
                Effect::Report(entry) => self.tell("operator", render::entry(&entry)),
            }
        }
    }

    fn deliver(&mut self, connection: ConnectionId, frame: &str) {
        let socket = self.sockets.get_mut(&connection).expect("only open sockets are sent to");
        self.longest_frame_bytes = self.longest_frame_bytes.max(frame.len());
        let events = match serde_json::from_str::<Value>(frame).unwrap() {
            Value::Array(events) if socket.batches => events,
            event if !socket.batches => vec![event],
            other => panic!("a chat.v1 client takes arrays alone, not {other}"),
        };
        let mut told = Vec::new();
        for event in &events {
            self.laws.hears(&socket.user, &mut socket.ear, event);
            told.push(render::event(event));
        }
        let name = socket.name.clone();
        self.tell(&name, told.join(", "));
    }

    /// Notes what somebody heard; frames of one breath stand in one line, apart by a slash.
    pub fn tell(&mut self, name: &str, what: String) {
        match self.heard.iter_mut().find(|(known, _)| known == name) {
            Some((_, line)) => *line += &format!(" / {what}"),
            None => self.heard.push((name.to_owned(), what)),
        }
    }

    pub fn connect(&mut self, name: &str, who: Identity, change: impl FnOnce(&mut Connect)) {
        if let Err(refusal) = self.room().admit(&who) {
            return self.tell(name, render::reply(&Err(refusal)));
        }
        let now = self.now;
        let id = self.room().next_connection(now);
        let user = who.user.as_str().to_owned();
        let mut connect = Connect { id, identity: who, batches: true, since: None, history: 50 };
        change(&mut connect);
        let ear = Ear::since(connect.since.as_ref().map(|(since, _)| *since));
        let batches = connect.batches;
        self.sockets.insert(id, Socket { id, name: name.into(), user, batches, ear, attachment: None });
        if self.input(Input::Connect(connect)) {
            self.input(Input::Flush);
        } else {
            self.sockets.remove(&id);
            self.tell(name, "500 internal".into());
        }
    }

    pub fn socket(&self, name: &str) -> Option<ConnectionId> {
        self.sockets.values().rev().find(|socket| socket.name == name).map(|socket| socket.id)
    }

    pub fn frame(&mut self, name: &str, text: &str) {
        let Some(connection) = self.socket(name) else { return self.tell(name, "has no socket".into()) };
        let random = self.random();
        if !self.input(Input::Frame { connection, text, random }) {
            self.input(Input::Failed { connection, text });
        }
    }

    pub fn call(&mut self, name: &str, call: RoomCall) {
        let (who, random) = (self.person(name), self.random());
        self.caller = name.to_owned();
        self.input(Input::Call { caller: &who, call, random });
    }

    /// What the object does for `What::Change`: plan, Postgres, refresh, answer.
    pub fn change_by(&mut self, name: &str, change: AdminChange) {
        let (who, now) = (self.person(name), self.now);
        let id = format!("{:x}", self.random());
        let answer = match self.room().plan(&who, &change, now, &id) {
            Err(refusal) => Err(refusal),
            Ok(set) => {
                if let Some(set) = set {
                    assert_eq!(self.membership.apply(&mut self.snapshot, &set, now), Applied::Done);
                    self.ledger.members_version = self.snapshot.members_version;
                    self.refresh();
                }
                Ok(self.room().answer_to(&who, &change).to_string())
            }
        };
        self.tell(name, render::reply(&answer));
    }

    pub fn refresh(&mut self) {
        let known = self.room().members_version();
        let snapshot = self.membership.snapshot(&self.snapshot, known, self.now);
        self.input(Input::Refreshed(Some(snapshot)));
    }

    /// The key of an upload's object.
    pub fn file_key(&self, upload: &str) -> String {
        let (tenant, room) = (TenantId::parse(TENANT).unwrap(), RoomId::parse(ROOM).unwrap());
        format!("{}{upload}", chinwag::room::file_prefix(&tenant, &room))
    }

    /// The same in every run.
    fn random(&mut self) -> u64 {
        self.drawn += 1;
        self.drawn.wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    /// The end of a turn of the event loop: what came back is taken in, what was gathered leaves, and the outbox
    /// goes on for as long as Postgres takes it.
    pub fn turn(&mut self) {
        for batches in 0.. {
            assert!(batches < 10_000, "the outbox never rests");
            while let Some(errand) = self.errands.pop_front() {
                self.run(errand);
            }
            if self.room().wants_flush() {
                self.input(Input::Flush);
            }
            let now = self.now;
            if !self.room().wants_drain(now) {
                break;
            }
            self.input(Input::Drain);
        }
    }

    fn run(&mut self, errand: Errand) {
        match errand {
            Errand::Verify(connection, token) => {
                let outcome = self.verify(&token);
                self.input(Input::Verified { connection, outcome });
            }
            Errand::Refresh => {
                self.refresh();
            }
            Errand::ReportAlert(report) => {
                let taken = !self.list_is_away;
                if self.list_is_watched {
                    self.tell("list", render::report(&report, taken));
                }
                if taken && report.at >= self.listed_at {
                    (self.listed, self.listed_at) = (report.problem, report.at);
                }
                self.input(Input::AlertReported { at: report.at, taken });
            }
            Errand::ListFiles(prefix) => {
                let ids = self.bucket.iter().filter_map(|key| key.strip_prefix(&prefix).map(str::to_owned));
                let ids = (!self.bucket_is_away).then(|| ids.collect());
                self.input(Input::FilesListed(ids));
            }
            Errand::RemoveFiles(ids, keys) => {
                let gone = !self.bucket_is_away;
                let away = if gone { "" } else { ": away" };
                self.tell("bucket", format!("remove {}{away}", ids.join(" ")));
                self.bucket.retain(|key| !gone || !keys.contains(key));
                self.input(Input::FilesRemoved { ids, gone });
            }
            Errand::Project(batch) => {
                let outcome = self.ledger.take(&batch);
                if self.watched {
                    self.tell("postgres", render::batch(&batch, &outcome));
                }
                match outcome {
                    Some(outcome) => self.answer(batch, outcome),
                    None => self.hanging.push(batch),
                }
            }
        }
    }

    /// Hands a batch's notices to the queue, as the object does once Postgres has it.
    fn notify(&mut self, batch: &Projection) -> bool {
        let taken = !self.queue_is_away;
        if self.queue_is_watched && !batch.notices.is_empty() {
            self.tell("queue", render::notices(&batch.notices, taken));
        }
        taken
    }

    pub fn answer(&mut self, batch: Rc<Projection>, outcome: Result<chinwag::db::Projected, DbError>) {
        let notified = outcome.is_ok() && self.notify(&batch);
        self.input(Input::Projected { batch, outcome, notified });
    }

    /// A token is a name and the seconds it is good for: `bob+60`.
    fn verify(&self, token: &str) -> Result<Identity, Refusal> {
        let bad = || Refusal::new(Code::Unauthenticated, "not a token");
        let (name, seconds) = token.split_once('+').ok_or_else(bad)?;
        let seconds: i64 = seconds.parse().map_err(|_| bad())?;
        let expires_ms = self.now.saturating_add_signed(seconds * 1000);
        let known = Identity { expires_ms, ..self.person(name) };
        if known.is_expired(self.now) { Err(Refusal::new(Code::TokenExpired, "expired")) } else { Ok(known) }
    }

    /// Lets time pass: what is due happens when it is due.
    pub fn pass(&mut self, ms: u64) {
        let end = self.now + ms;
        for steps in 0.. {
            assert!(steps < 10_000, "the room never rests");
            let deadline = self.room().deadline();
            let due = deadline.into_iter().chain(self.alarm).min().filter(|due| *due <= end);
            let Some(due) = due else { break };
            self.now = self.now.max(due);
            if deadline == Some(due) {
                self.input(Input::Tick);
                assert!(self.room().deadline() != deadline, "TIME-1: a tick does what was due");
            }
            if self.alarm == Some(due) {
                self.alarm = None;
                self.input(Input::AlarmFired);
            }
            self.turn();
        }
        self.now = end;
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        if self.lawful && !std::thread::panicking() {
            self.check();
        }
    }
}
