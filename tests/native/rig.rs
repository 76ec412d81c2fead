//! One room's object with everything around it under the test's hand: its clock, eviction, crashes, faults. Its end checks
//! what must hold after any conversation. Not here: the platform (`world`) and the language of the transcripts.

use crate::platform::NativePlatform;
use crate::render;
use crate::tasks::Tasks;
use crate::world::{PANICKING, World};
use chinwag::api::{Membership, Reply, RoomOp, RoomRequest, UpgradeRequest};
use chinwag::auth::Identity;
use chinwag::db::{DbError, PageBounds, Projected, RoomSnapshot};
use chinwag::error::Refusal;
use chinwag::ids::{RoomId, Seq, TenantId, UnixMs};
use chinwag::limits::Limits;
use chinwag::object::{Answer, Object};
use chinwag::protocol::room::RoomKind;
use chinwag::room::moderation::Moderation;
use chinwag::room::store::Store;
use chinwag::room::{AdminChange, ConnectionId, Input, Rebuild, RebuildStep, Room, RoomCall, RoomInfo};
use futures_util::FutureExt;
use std::cell::RefCell;
use std::ops::{Deref, DerefMut};
use std::rc::Rc;
use testkit::cast::group;
use testkit::{Sqlite, encode_projected};

pub const TENANT: &str = "acme";
pub const ROOM: &str = "r1";
/// No socket has this number: an input of it wakes the object and does nothing else.
const NOBODY: ConnectionId = 0;

pub struct Rig {
    /// What the test sees. While the object runs it is in `shared`.
    world: World,
    shared: Rc<RefCell<World>>,
    tasks: Rc<Tasks>,
    object: Option<Rc<Object<NativePlatform>>>,
    pub limits: Limits,
    /// What the Worker has learned from Postgres about whoever asks; `None`: Postgres gave no answer.
    pub callers_membership: Option<Membership>,
    /// The var `MODERATION`.
    pub moderation: String,
    /// Whether `Drop` checks that log and Postgres agree; off where a test makes that impossible.
    pub lawful: bool,
    pub epochs: u32,
}

impl Deref for Rig {
    type Target = World;

    fn deref(&self) -> &World {
        &self.world
    }
}

impl DerefMut for Rig {
    fn deref_mut(&mut self) -> &mut World {
        &mut self.world
    }
}

impl Rig {
    /// A group of alice (its owner), bob, carol and dave.
    pub fn new() -> Self {
        Self::of(&["alice", "bob", "carol", "dave"])
    }

    /// A group; the first of the people owns it.
    pub fn of(people: &[&str]) -> Self {
        let world = || World::new(Rc::new(Sqlite::new()), group(people));
        let mut rig = Self {
            world: world(),
            shared: Rc::new(RefCell::new(world())),
            tasks: Rc::default(),
            object: None,
            limits: Limits::default(),
            callers_membership: None,
            moderation: String::new(),
            lawful: true,
            epochs: 0,
        };
        rig.rebuild(u64::MAX);
        rig
    }

    /// The same room, created otherwise; nothing has happened in it.
    pub fn given(mut self, change: impl FnOnce(&mut RoomSnapshot)) -> Self {
        change(&mut self.snapshot);
        self.postgres.is_direct = self.snapshot.kind == RoomKind::Direct;
        self.epochs = 0;
        self.lose_storage();
        self.rebuild(u64::MAX);
        self
    }

    pub fn lose_storage(&mut self) {
        self.world.sql = Rc::new(Sqlite::new());
    }

    /// Rebuilds the log from Postgres; the process dies after `pages` pages.
    pub fn rebuild(&mut self, pages: u64) {
        self.evict();
        self.epochs += 1;
        let world = &mut self.world;
        world.snapshot.last_seq = world.postgres.last_seq;
        for member in &mut world.snapshot.members {
            let marker = world.postgres.reads.get(member.user_id.as_str()).copied().unwrap_or_default();
            (member.last_read_seq, member.read_generation) = (marker.seq, marker.generation);
        }
        let info = RoomInfo {
            tenant: TenantId::parse(TENANT).unwrap(),
            id: RoomId::parse(ROOM).unwrap(),
            snapshot: world.snapshot.clone(),
        };
        let store = Store(&*world.sql);
        let epoch = format!("e{}", self.epochs);
        let Some(mut rebuild) = Rebuild::begin(&store, info, epoch, world.now).unwrap() else { return };
        let bounds = PageBounds { count: self.limits.rebuild_messages, bytes: self.limits.rebuild_bytes };
        let mut asked = 0;
        while let Some(after) = rebuild.wants() {
            if asked == pages {
                return;
            }
            asked += 1;
            let step = rebuild.page(&store, world.postgres.page(after, bounds)).unwrap();
            assert_eq!(step, RebuildStep::Progress);
        }
        let step = rebuild.finish(&store, Some(world.snapshot.clone()), world.now).unwrap();
        assert_eq!(step, RebuildStep::Finished);
    }

    /// Runs a callback of the platform; a sleeping object is created for it.
    fn within<T>(&mut self, work: impl FnOnce(&Rc<Object<NativePlatform>>) -> T) -> T {
        let object = self.object.take().unwrap_or_else(|| {
            let platform = NativePlatform::new(&self.shared, &self.tasks, &self.world.sql);
            let moderation = Rc::new(Moderation::parse(&self.moderation).unwrap());
            Object::new(platform, self.limits.clone(), moderation)
        });
        self.world.turn_bytes = 0;
        std::mem::swap(&mut self.world, &mut *self.shared.borrow_mut());
        let result = work(&object);
        std::mem::swap(&mut self.world, &mut *self.shared.borrow_mut());
        let reading = self.world.sockets.values_mut().filter(|socket| !socket.is_slow);
        reading.for_each(|socket| socket.waiting_bytes = 0);
        self.object = Some(object);
        result
    }

    /// Looks into the room.
    pub fn with_room<T>(&mut self, look: impl FnOnce(&Room) -> T) -> T {
        self.within(|object| object.with_room(|room, _| look(room))).expect("a room with a whole log")
    }

    pub fn head(&mut self) -> Seq {
        self.with_room(Room::head)
    }

    pub fn deadline(&mut self) -> Option<UnixMs> {
        self.with_room(Room::deadline)
    }

    /// Memory is lost; storage and sockets stay.
    pub fn evict(&mut self) {
        self.object = None;
        self.tasks.clear();
    }

    /// Memory is lost by a panic under open sockets.
    pub fn fail(&mut self) {
        self.within(|object| object.received_binary(PANICKING));
    }

    /// Memory and sockets are lost; storage and the alarm stay.
    pub fn crash(&mut self) {
        self.evict();
        self.sockets.clear();
    }

    /// Feeds one input; false when it was lost to a fault.
    pub fn input(&mut self, input: Input) -> bool {
        !self.within(|object| object.feed(input).failed)
    }

    /// The object asks Postgres for the room and its people.
    pub fn refresh(&mut self) {
        self.within(|object| object.refresh().now_or_never()).expect("Postgres answers at once");
    }

    fn request(&mut self, caller: Identity, op: RoomOp) -> Result<Answer<ConnectionId>, Refusal> {
        let membership = self.callers_membership.clone();
        let request = RoomRequest { caller, room: RoomId::parse(ROOM).unwrap(), membership, op };
        let answer = self.within(|object| object.clone().handle_request(request).now_or_never());
        answer.expect("the object answers at once")
    }

    /// Upgrades a connection; what it receives first is received once the upgrade is answered.
    pub fn connect(&mut self, name: &str, caller: Identity, change: impl FnOnce(&mut UpgradeRequest)) {
        let mut upgrade = UpgradeRequest { batches: true, since: None, history: 50 };
        change(&mut upgrade);
        let since = upgrade.since.as_ref().map(|(since, _)| *since);
        self.upgrading = Some(World::dial(name, caller.user.as_str(), upgrade.batches, since));
        match self.request(caller, RoomOp::Upgrade(upgrade)) {
            Ok(Answer::Upgraded { peer, .. }) => self.answer_upgrade(peer),
            Ok(Answer::Reply(reply)) => panic!("an upgrade is answered {reply:?}"),
            Err(refusal) => self.tell(name, render::reply(&Err(refusal))),
        }
        self.upgrading = None;
    }

    pub fn socket(&self, name: &str) -> Option<ConnectionId> {
        self.sockets.values().rev().find(|socket| socket.name == name).map(|socket| socket.id)
    }

    pub fn frame(&mut self, name: &str, text: &str) {
        let Some(connection) = self.socket(name) else { return self.tell(name, "has no socket".into()) };
        self.within(|object| object.received(connection, text.to_owned()));
    }

    pub fn call(&mut self, name: &str, call: RoomCall) {
        self.request_alarms = Some(Vec::new());
        self.ask(name, RoomOp::Call(call));
        let alarms = self.request_alarms.take();
        alarms.into_iter().flatten().for_each(|what| self.tell("alarm", what));
    }

    pub fn change_by(&mut self, name: &str, change: AdminChange) {
        self.ask(name, RoomOp::Change(change));
    }

    fn ask(&mut self, name: &str, op: RoomOp) {
        let caller = self.person(name);
        let reply = match self.request(caller, op) {
            Ok(Answer::Reply(Reply::Json { body, .. })) => Ok(body),
            Ok(_) => panic!("a request is answered with JSON"),
            Err(refusal) => Err(refusal),
        };
        self.answer =
            reply.as_ref().ok().and_then(|body| serde_json::from_str(body).ok()).unwrap_or_default();
        self.tell(name, render::reply(&reply));
    }

    pub fn received_binary(&mut self, connection: ConnectionId) {
        self.within(|object| object.received_binary(connection));
    }

    /// A client's end of a socket is gone.
    pub fn hang_up(&mut self, name: &str, is_clean: bool) {
        let connection = self.socket(name).expect("a socket");
        self.sockets.get_mut(&connection).expect("a socket").is_closing = true;
        self.within(|object| object.gone(connection, &connection, is_clean));
        self.sockets.remove(&connection);
    }

    /// Answers the oldest batch that hangs. One whose object was lost gets the answer into the next one, as a late answer.
    pub fn answer_hung_batch(&mut self, outcome: Result<Projected, DbError>) {
        let hung = self.hanging.remove(0);
        if Rc::strong_count(&hung.answer) > 1 {
            let mut reply = hung.answer.borrow_mut();
            reply.outcome = Some(outcome.map(encode_projected));
            return reply.waker.take().into_iter().for_each(|waker| waker.wake());
        }
        self.input(Input::Projected { batch: Rc::new(hung.batch), outcome });
    }

    /// A client is gone without a word: its socket stays open, and its pings end.
    pub fn vanish(&mut self, name: &str) {
        let (connection, now) = (self.socket(name).expect("a socket"), self.now);
        self.sockets.get_mut(&connection).expect("a socket").vanished_at = Some(now);
    }

    /// The frames that arrived in this turn are handled now, and not at its end.
    pub fn process_frames(&mut self) {
        self.received_binary(NOBODY);
    }

    /// The end of a turn of the event loop: everything runs that can run now.
    pub fn turn(&mut self) {
        if self.object.is_none() {
            self.process_frames();
        }
        for steps in 0.. {
            assert!(steps < 100_000, "the object never rests");
            self.tasks.wake_due(self.now);
            let tasks = self.tasks.clone();
            if !self.within(|_| tasks.step()) {
                break;
            }
        }
    }

    /// Lets time pass: what is due happens when it is due.
    pub fn pass(&mut self, ms: u64) {
        let end = self.now + ms;
        for steps in 0.. {
            assert!(steps < 10_000, "the room never rests");
            let due = self.tasks.next_timer().into_iter().chain(self.alarm).min().filter(|due| *due <= end);
            let Some(due) = due else { break };
            self.advance(due);
            self.turn();
            if self.alarm.is_some_and(|at| at <= self.now) {
                self.alarm = None;
                let alarm = self.within(|object| object.clone().alarm().now_or_never());
                alarm.expect("an alarm waits for nothing");
                self.turn();
            }
        }
        self.advance(end);
    }

    /// Moves the clock forward.
    fn advance(&mut self, to: UnixMs) {
        let until = self.now.max(to);
        if !self.tasks.is_idle() {
            self.awake_ms += until - self.now;
        }
        self.now = until;
    }

    /// Whether the room is deleted, and nothing of it is stored any more.
    pub fn is_wiped(&self) -> bool {
        self.sql.rows("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'state'", []).is_empty()
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        if self.lawful && !std::thread::panicking() {
            self.check();
        }
    }
}
