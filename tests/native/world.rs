//! What surrounds the one room of a conversation: its clock, sockets, storage, Postgres, bucket, queue and list of outbox
//! alerts. Not here: how the object reaches it (`platform`), and what people do (`rig`, `transcript`).

use crate::invariants::Received;
use crate::render;
use crate::rig::{ROOM, TENANT};
use chinwag::auth::{Identity, Role};
use chinwag::db::{Applied, DbError, Notices, Projection, Restored, RoomCopy, RoomSnapshot};
use chinwag::error::{Code, Refusal};
use chinwag::ids::{RoomId, Seq, TenantId, UnixMs};
use chinwag::limits::ALARM_MIN_MS;
use chinwag::metrics::Counts;
use chinwag::oplog::Entry;
use chinwag::room::{ConnectionId, OutboxProblem, OutboxReport};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::task::Waker;
use testkit::cast::{NOON, user};
use testkit::history::Stream;
use testkit::{FakePostgres, Fault, Membership, Sqlite, Statement, encode_projected};

/// An input of this connection panics; no socket has the number.
pub const PANICKING: ConnectionId = ConnectionId::MAX;

/// One client's end of a socket.
pub struct Socket {
    pub id: ConnectionId,
    pub name: String,
    pub user: String,
    pub batches: bool,
    pub stream: Stream,
    pub attachment: Option<String>,
    /// Frames of an upgrade that isn't answered yet; `None`: it is answered.
    pub unanswered: Option<Vec<String>>,
    /// The client reads nothing: everything that is sent waits.
    pub is_slow: bool,
    /// When its client was lost; until then it pings.
    pub vanished_at: Option<UnixMs>,
    /// Its client has closed it, and the platform lists it no more.
    pub is_closing: bool,
    /// Bytes that wait: a client that reads takes them between two turns, and not within one.
    pub waiting_bytes: u32,
}

/// A batch that gets no answer until the test gives one.
pub struct HungBatch {
    pub batch: Projection,
    pub answer: Rc<RefCell<Reply>>,
}

#[derive(Default)]
pub struct Reply {
    pub outcome: Option<Result<Value, DbError>>,
    pub waker: Option<Waker>,
}

pub struct World {
    pub sql: Rc<Sqlite>,
    pub postgres: FakePostgres,
    pub received: Received,
    pub now: UnixMs,
    /// The room and its people as Postgres has them, unless `postgres.missing`.
    pub snapshot: RoomSnapshot,
    /// Postgres knows that the room was deleted, and this many pieces of it are left.
    pub room_is_deleted: bool,
    pub pieces_left: u64,
    pub membership: Membership,
    pub sockets: BTreeMap<ConnectionId, Socket>,
    /// Who is about to be accepted.
    pub upgrading: Option<Socket>,
    pub alarm: Option<UnixMs>,
    pub hanging: Vec<HungBatch>,
    /// After which seqs pages were asked for.
    pub pages_after: Vec<Seq>,
    /// The room's entry in the tenant's list of outbox alerts, its time, and whether the list can be reached.
    pub listed: Option<OutboxProblem>,
    pub listed_at: UnixMs,
    pub list_is_away: bool,
    pub list_is_watched: bool,
    /// The keys of the objects that the bucket of files holds, and whether it can be reached.
    pub bucket: BTreeSet<String>,
    pub bucket_is_away: bool,
    /// Whether the transcript shows notices, and whether the queue can't be reached.
    pub queue_is_watched: bool,
    pub queue_is_away: bool,
    /// What the queue has, and how many offerings it takes before it is away.
    pub queued: Vec<Vec<Notices>>,
    pub queue_takes: Option<usize>,
    /// Whether the transcript shows batches and alarms.
    pub watched: bool,
    /// Alarms that were set while a request runs: the transcript shows its answer first.
    pub request_alarms: Option<Vec<String>>,
    /// How long something was under way, so that the object could not hibernate.
    pub awake_ms: u64,
    /// Whether events are gathered for a batch as long as on the platform.
    pub gathers: bool,
    pub longest_frame_bytes: usize,
    /// Bytes that the present turn has sent to all sockets, and the most of any turn.
    pub turn_bytes: usize,
    pub longest_turn_bytes: usize,
    /// The last `synced`.
    pub synced: Value,
    /// The events that each name received last, in one frame.
    pub last_events: BTreeMap<String, Vec<Value>>,
    /// The last answer of REST.
    pub answer: Value,
    /// What the object has counted for the operator's graphs.
    pub counts: Counts,
    /// What everybody received since it was last taken.
    pub heard: Vec<(String, String)>,
    pub drawn: u64,
}

impl World {
    pub fn new(sql: Rc<Sqlite>, snapshot: RoomSnapshot) -> Self {
        Self {
            sql,
            postgres: FakePostgres::new(),
            received: Received::default(),
            now: NOON,
            snapshot,
            room_is_deleted: false,
            pieces_left: 0,
            membership: Membership::default(),
            sockets: BTreeMap::new(),
            upgrading: None,
            alarm: None,
            hanging: Vec::new(),
            pages_after: Vec::new(),
            listed: None,
            listed_at: 0,
            list_is_away: false,
            list_is_watched: false,
            bucket: BTreeSet::new(),
            bucket_is_away: false,
            queue_is_watched: false,
            queue_is_away: false,
            queued: Vec::new(),
            queue_takes: None,
            watched: false,
            request_alarms: None,
            awake_ms: 0,
            gathers: false,
            longest_frame_bytes: 0,
            turn_bytes: 0,
            longest_turn_bytes: 0,
            synced: Value::Null,
            last_events: BTreeMap::new(),
            answer: Value::Null,
            counts: Counts::default(),
            heard: Vec::new(),
            drawn: 0,
        }
    }

    /// Notes what somebody received; frames of one turn stand in one line, separated by a slash.
    pub fn tell(&mut self, name: &str, what: String) {
        match self.heard.iter_mut().find(|(known, _)| known == name) {
            Some((_, line)) => *line += &format!(" / {what}"),
            None => self.heard.push((name.to_owned(), what)),
        }
    }

    pub fn person(&self, name: &str) -> Identity {
        let tenant = TenantId::parse(TENANT).unwrap();
        let tenant_role = (name == "root").then_some(Role::Admin);
        Identity { tenant_role, ..Identity::of(tenant, user(name), self.now + 86_400_000) }
    }

    /// The key of an upload's object.
    pub fn file_key(&self, upload: &str) -> String {
        let (tenant, room) = (TenantId::parse(TENANT).unwrap(), RoomId::parse(ROOM).unwrap());
        format!("{}{upload}", chinwag::room::file_prefix(&tenant, &room))
    }

    pub fn store_file(&mut self, upload: &str) {
        let key = self.file_key(upload);
        self.bucket.insert(key);
    }

    /// Hands a batch's notices to the queue; true when it has them.
    pub fn notify(&mut self, notices: &[Notices]) -> bool {
        self.queue_is_away |= self.queue_takes.is_some_and(|takes| self.queued.len() >= takes);
        let taken = !self.queue_is_away;
        if taken {
            self.queued.push(notices.to_vec());
        }
        if self.queue_is_watched && !notices.is_empty() {
            self.tell("queue", render::notices(notices, taken));
        }
        taken
    }

    /// A token is a name and the seconds for which it is valid: `bob+60`.
    pub fn verify(&self, token: &str) -> Result<Identity, Refusal> {
        let bad = || Refusal::new(Code::Unauthenticated, "not a token");
        let (name, seconds) = token.split_once('+').ok_or_else(bad)?;
        let seconds: i64 = seconds.parse().map_err(|_| bad())?;
        let expires_ms = self.now.saturating_add_signed(seconds * 1000);
        let known = Identity { expires_ms, ..self.person(name) };
        if known.is_expired(self.now) { Err(Refusal::new(Code::TokenExpired, "expired")) } else { Ok(known) }
    }

    /// A client's end of a socket that isn't accepted yet.
    pub fn dial(name: &str, user: &str, batches: bool, since: Option<u64>) -> Socket {
        Socket {
            id: 0,
            name: name.to_owned(),
            user: user.to_owned(),
            batches,
            stream: Stream::new(since),
            attachment: None,
            unanswered: Some(Vec::new()),
            is_slow: false,
            vanished_at: None,
            is_closing: false,
            waiting_bytes: 0,
        }
    }

    /// The upgrade is answered: the client receives what was sent meanwhile.
    pub fn answer_upgrade(&mut self, id: ConnectionId) {
        let waiting = self.sockets.get_mut(&id).and_then(|socket| socket.unanswered.take());
        waiting.into_iter().flatten().for_each(|frame| self.deliver(id, &frame));
    }

    pub fn deliver(&mut self, connection: ConnectionId, frame: &str) {
        let socket = self.sockets.get_mut(&connection).expect("only open sockets are sent to");
        if let Some(waiting) = &mut socket.unanswered {
            return waiting.push(frame.to_owned());
        }
        self.longest_frame_bytes = self.longest_frame_bytes.max(frame.len());
        let events = match serde_json::from_str::<Value>(frame).unwrap() {
            Value::Array(events) if socket.batches => events,
            event if !socket.batches => vec![event],
            other => panic!("a chat.v1 client takes only arrays, not {other}"),
        };
        let mut rendered = Vec::new();
        for event in &events {
            self.received.receive(&socket.user, &mut socket.stream, event);
            rendered.push(render::event(event));
            if event["type"] == "synced" {
                self.synced = event.clone();
            }
        }
        let name = socket.name.clone();
        self.last_events.insert(name.clone(), events);
        self.tell(&name, rendered.join(", "));
    }

    pub fn set_alarm(&mut self, at: UnixMs) {
        assert!(at >= self.now + ALARM_MIN_MS, "docs/PLATFORM.md, Hibernation and alarms: {at} is too near");
        self.alarm = Some(at);
        self.sql.rows_written.set(self.sql.rows_written.get() + 1);
        let what = format!("in {} ms", at - self.now);
        match &mut self.request_alarms {
            _ if !self.watched => {}
            Some(alarms) => alarms.push(what),
            None => self.tell("alarm", what),
        }
    }

    pub fn report(&mut self, entry: &Entry) {
        match entry.event() {
            // The transcript says itself that the room panics.
            "room_panicked" => {}
            "store_failed" => {
                let entry: Value = serde_json::from_str(&entry.to_string()).unwrap();
                self.tell("operator", format!("failed: {}", entry["why"].as_str().unwrap()));
            }
            _ => self.tell("operator", render::entry(entry)),
        }
    }

    pub fn report_alert(&mut self, report: &OutboxReport) -> bool {
        let taken = !self.list_is_away;
        if self.list_is_watched {
            self.tell("list", render::report(report, taken));
        }
        if taken && report.at >= self.listed_at {
            (self.listed, self.listed_at) = (report.problem.clone(), report.at);
        }
        taken
    }

    pub fn remove_files(&mut self, keys: &[String]) -> bool {
        let gone = !self.bucket_is_away;
        let uploads: Vec<&str> = keys.iter().filter_map(|key| key.rsplit('/').next()).collect();
        self.tell("bucket", format!("remove {}{}", uploads.join(" "), if gone { "" } else { ": away" }));
        self.bucket.retain(|key| !gone || !keys.contains(key));
        gone
    }

    /// What `db::restore_room` does.
    fn restore(&mut self, copy: &RoomCopy) -> Restored {
        if self.postgres.missing && self.room_is_deleted {
            return Restored::Deleted;
        }
        if std::mem::take(&mut self.postgres.missing) {
            self.snapshot.members_version = 0;
            self.postgres.set_back(0);
        }
        let restored = self.membership.restore(&mut self.snapshot, copy);
        self.postgres.members_version = self.snapshot.members_version;
        restored
    }

    /// What Postgres answers; `None`: nothing yet.
    pub fn query(&mut self, input: &Value) -> Option<Result<Value, DbError>> {
        Some(match Statement::parse(input) {
            Ok(Statement::Project(batch)) => {
                let outcome = self.postgres.take(&batch);
                if self.watched {
                    self.tell("postgres", render::batch(&batch, &outcome));
                }
                outcome?.map(encode_projected)
            }
            Ok(Statement::Apply(set)) => {
                let now = self.now;
                if self.postgres.missing {
                    return Some(Ok(json!({"state": "missing"})));
                }
                let applied = self.membership.apply(&mut self.snapshot, &set, now);
                self.postgres.members_version = self.snapshot.members_version;
                Ok(json!({"state": if applied == Applied::Done { "done" } else { "stale" }}))
            }
            Ok(Statement::MarkDeleted { version }) => {
                assert_eq!(version, self.snapshot.members_version);
                (self.postgres.missing, self.room_is_deleted) = (true, true);
                Ok(json!({"state": "done"}))
            }
            Ok(Statement::ReleaseFiles { .. }) => Ok(json!("done")),
            Ok(Statement::Erase) => {
                (self.postgres.missing, self.room_is_deleted) = (true, true);
                let is_more = self.pieces_left > 0;
                self.pieces_left = self.pieces_left.saturating_sub(1);
                Ok(json!(is_more))
            }
            Ok(Statement::Restore(copy)) => Ok(json!(self.restore(&copy))),
            Ok(Statement::Snapshot { .. }) if self.postgres.missing => Ok(Value::Null),
            Ok(Statement::MessagesAfter { after, bounds }) => {
                self.pages_after.push(after);
                match self.postgres.fault {
                    Fault::None => Ok(json!(self.postgres.page(after, bounds))),
                    _ => Err(DbError { sqlstate: None, message: "connection reset".into() }),
                }
            }
            Ok(Statement::Snapshot { known }) => {
                self.snapshot.last_seq = self.postgres.last_seq;
                Ok(json!(self.membership.snapshot(&self.snapshot, known, self.now)))
            }
            Ok(other) => panic!("no conversation needs {other:?}"),
            Err(error) => Err(error),
        })
    }
}
