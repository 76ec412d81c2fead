//! The runtime's hosts of objects: what of each object outlives its memory, its turns and its output gate.
//! Not here: how an object runs (`objects`), what it asks of its platform (`platform`), how it is lost (`outages`).

use super::network::SimSocket;
use crate::plan::ROOMS;
use crate::stored::user_of;
use chinwag::api::{InboxRequest, RoomRequest, inbox_name, object_name};
use chinwag::error::Refusal;
use chinwag::ids::{RoomId, Seq, TenantId, UnixMs, UserId};
use chinwag::object::Answer;
use chinwag::room::ConnectionId;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::rc::Rc;
use testkit::Sqlite;

pub type ObjectAnswer = Result<Answer<Rc<SimSocket>>, Refusal>;
pub type Work<T> = Pin<Box<dyn Future<Output = T>>>;

/// What is asked of an object: of a room's, or of an inbox's.
pub enum ObjectRequest {
    Room(Box<RoomRequest>),
    Inbox(Box<InboxRequest>),
}

/// An object as the runtime calls it.
pub trait HostedObject {
    fn handle_request(self: Rc<Self>, request: ObjectRequest) -> Work<ObjectAnswer>;
    fn receive_frame(self: Rc<Self>, connection: ConnectionId, text: String) -> Work<()>;
    fn handle_close(self: Rc<Self>, socket: Rc<SimSocket>) -> Work<()>;
    fn handle_alarm(self: Rc<Self>) -> Work<()>;
    /// The bytes of the histories and replays that wait for sockets.
    fn first_load_bytes(&self) -> usize {
        0
    }
}

/// What leaves an object, held back until the writes before it are durable.
pub enum Output {
    Frame(Rc<SimSocket>, String),
    Close(Rc<SimSocket>, u16),
    Answer(Box<dyn FnOnce()>),
}

/// What of an object outlives its memory, and its present turn.
pub struct Host {
    pub name: String,
    pub sqlite: RefCell<Rc<Sqlite>>,
    pub sockets: RefCell<Vec<Rc<SimSocket>>>,
    /// All sockets that it ever accepted.
    pub opened: RefCell<Vec<Rc<SimSocket>>>,
    pub memory_losses: RefCell<Vec<MemoryLoss>>,
    /// When the room last began to offer notices within a second, and how often it has offered since.
    pub offers: Cell<(UnixMs, u32)>,
    pub alarm: Cell<Option<UnixMs>>,
    /// An alarm that fired in this turn: a process that dies before the turn's end fires it again.
    pub fired_alarm: Cell<Option<UnixMs>>,
    /// Set too near: it stays set, and never fires.
    pub alarm_stuck: Cell<bool>,
    /// A handler is running; later alarms wait for it.
    pub alarm_running: Rc<Cell<bool>>,
    /// An abort left the handler running for ever.
    pub alarm_aborted: Cell<bool>,
    pub object: RefCell<Option<Rc<dyn HostedObject>>>,
    /// Which instance of the object this is.
    pub instance: Cell<u64>,
    pub touched_at: Cell<UnixMs>,
    /// The rebuild that the storage held after the last commit.
    pub rebuild: RefCell<Option<SeenRebuild>>,
    // The present turn.
    pub in_transaction: Cell<bool>,
    pub wrote: Cell<bool>,
    /// `Some(None)`: it is removed.
    pub staged_alarm: Cell<Option<Option<UnixMs>>>,
    /// Bytes that it has queued over all sockets.
    pub turn_bytes: Cell<u32>,
    pub gate: RefCell<Vec<Output>>,
}

/// The room's memory was lost, apart from what open sockets keep.
pub struct MemoryLoss {
    pub at: UnixMs,
    /// The people with an open socket.
    pub kept: BTreeSet<String>,
}

/// A rebuild as it was last seen.
pub struct SeenRebuild {
    pub epoch: String,
    pub imported: Seq,
    pub last_seq: Seq,
    /// The instance that stored this progress.
    pub instance: u64,
}

impl Host {
    fn new(name: &str, now: UnixMs) -> Self {
        Self {
            name: name.into(),
            sqlite: RefCell::new(empty_storage()),
            sockets: RefCell::default(),
            opened: RefCell::default(),
            memory_losses: RefCell::default(),
            offers: Cell::default(),
            alarm: Cell::new(None),
            fired_alarm: Cell::new(None),
            alarm_stuck: Cell::new(false),
            alarm_running: Rc::default(),
            alarm_aborted: Cell::new(false),
            object: RefCell::new(None),
            instance: Cell::new(0),
            touched_at: Cell::new(now),
            rebuild: RefCell::default(),
            in_transaction: Cell::new(false),
            wrote: Cell::new(false),
            staged_alarm: Cell::new(None),
            turn_bytes: Cell::new(0),
            gate: RefCell::default(),
        }
    }

    /// Opens the turn's transaction: all that a turn writes commits together.
    pub fn begin_transaction(&self, sqlite: &Sqlite) {
        if !self.in_transaction.replace(true) {
            sqlite.rows("BEGIN", []);
        }
    }

    /// Notes that the room's memory is lost now, and whose sockets keep something.
    pub fn note_memory_loss(&self, now: UnixMs) {
        let sockets = self.sockets.borrow();
        let open = sockets.iter().filter(|socket| !socket.closing.get());
        let kept = open.filter_map(|socket| user_of(&socket.attachment.borrow())).collect();
        self.memory_losses.borrow_mut().push(MemoryLoss { at: now, kept });
    }

    /// Drops the object and all that it had not committed.
    pub fn drop_object(&self) {
        if self.in_transaction.replace(false) {
            self.sqlite.borrow().rows("ROLLBACK", []);
        }
        self.wrote.set(false);
        self.staged_alarm.set(None);
        self.alarm_running.set(false);
        self.alarm_aborted.set(false);
        let dropped = (self.gate.take(), self.object.take());
        drop(dropped);
    }

    /// Loses the storage and the alarm for good.
    pub fn drop_storage(&self) {
        *self.sqlite.borrow_mut() = empty_storage();
        self.rebuild.take();
        self.alarm.set(None);
    }

    /// An inbox lives here, and no room.
    pub fn is_inbox(&self) -> bool {
        self.name.starts_with(INBOX_PREFIX)
    }

    pub fn is_awake(&self) -> bool {
        self.object.borrow().is_some()
    }

    pub fn has_open_socket(&self) -> bool {
        self.sockets.borrow().iter().any(|socket| !socket.closing.get())
    }

    pub fn has_socket(&self, socket: &Rc<SimSocket>) -> bool {
        self.sockets.borrow().iter().any(|known| Rc::ptr_eq(known, socket))
    }
}

fn empty_storage() -> Rc<Sqlite> {
    let sqlite = Sqlite::new();
    sqlite.counts_rows.set(false);
    Rc::new(sqlite)
}

/// Rooms and inboxes are classes of their own, whose names may be alike.
const INBOX_PREFIX: &str = "inbox ";

/// The name of the host of a person's inbox.
pub fn inbox_host(tenant: &TenantId, user: &UserId) -> String {
    format!("{INBOX_PREFIX}{}", inbox_name(tenant, user))
}

/// All hosts, by the object's name.
#[derive(Default)]
pub struct Hosts(RefCell<BTreeMap<String, Rc<Host>>>);

impl Hosts {
    pub fn get_or_create(&self, name: &str, now: UnixMs) -> Rc<Host> {
        let mut hosts = self.0.borrow_mut();
        hosts.entry(name.to_owned()).or_insert_with(|| Rc::new(Host::new(name, now))).clone()
    }

    pub fn find(&self, name: &str) -> Option<Rc<Host>> {
        self.0.borrow().get(name).cloned()
    }

    pub fn all(&self) -> Vec<Rc<Host>> {
        self.0.borrow().values().cloned().collect()
    }

    /// The host of a room of the plan, if its object was ever created.
    pub fn of_room(&self, room: usize) -> Option<Rc<Host>> {
        let (tenant, id) = ROOMS[room];
        let (tenant, id) = (TenantId::parse(tenant)?, RoomId::parse(id)?);
        self.find(&object_name(&tenant, &id))
    }

    /// The host of a person's inbox, if its object was ever created.
    pub fn of_inbox(&self, tenant: &TenantId, user: &UserId) -> Option<Rc<Host>> {
        self.find(&inbox_host(tenant, user))
    }

    pub fn of_socket(&self, socket: &Rc<SimSocket>) -> Option<Rc<Host>> {
        self.0.borrow().values().find(|host| host.has_socket(socket)).cloned()
    }

    /// The next alarm that can fire.
    pub fn next_alarm(&self) -> Option<(UnixMs, Rc<Host>)> {
        let hosts = self.0.borrow();
        let armed = hosts.values().filter(|host| !host.alarm_stuck.get() && !host.alarm_running.get());
        armed.filter_map(|host| Some((host.alarm.get()?, host.clone()))).min_by_key(|(at, _)| *at)
    }

    /// Drops all hosts, so that nothing keeps anything alive.
    pub fn clear(&self) {
        let hosts = self.0.take();
        hosts.values().for_each(|host| host.drop_object());
    }
}
