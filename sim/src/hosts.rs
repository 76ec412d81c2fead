//! The objects of the simulated runtime: what of each outlives its memory, its turns and its output gate.
//! Not here: what an object asks of its platform (`platform`), and how it is lost (`breaking`).

use crate::executor::Slot;
use crate::network::{SimSocket, Wire};
use crate::platform::Simulated;
use crate::sqlite::Sqlite;
use crate::world::World;
use chinwag::api::{RoomRequest, object_name};
use chinwag::error::Refusal;
use chinwag::ids::UnixMs;
use chinwag::object::{Answer, Object};
use std::cell::{Cell, RefCell};
use std::rc::Rc;

pub type Room = Rc<Object<Simulated>>;

/// The place for an object's answer, which says so when none will come.
struct Filled(Slot<Asked>);

type Asked = Result<Answer<Rc<SimSocket>>, Refusal>;

impl Drop for Filled {
    fn drop(&mut self) {
        self.0.put_if_empty(Err(Refusal::fault()));
    }
}
/// A room's object: what of it outlives its memory.
pub struct Host {
    pub name: String,
    pub sqlite: RefCell<Rc<Sqlite>>,
    pub sockets: RefCell<Vec<Rc<SimSocket>>>,
    pub alarm: Cell<Option<UnixMs>>,
    /// One that has fired in this turn: a process that dies before the turn is over fires it again.
    pub fired: Cell<Option<UnixMs>>,
    /// Set too near: it stays set, and never fires.
    pub alarm_broken: Cell<bool>,
    /// Since when a handler runs; later alarms wait for it.
    pub alarm_runs: Rc<Cell<bool>>,
    /// An abort left it so.
    pub aborted_alarm: Cell<bool>,
    pub object: RefCell<Option<Room>>,
    pub making: Cell<u64>,
    pub touched_at: Cell<UnixMs>,
    // The present turn.
    pub begun: Cell<bool>,
    pub wrote: Cell<bool>,
    pub staged_alarm: Cell<Option<UnixMs>>,
    pub gate: RefCell<Vec<Out>>,
}
/// What leaves an object, and is held back while a write before it isn't durable.
pub enum Out {
    Frame(Rc<SimSocket>, String),
    Close(Rc<SimSocket>, u16),
    Answer(Box<dyn FnOnce()>),
}
impl Host {
    fn new(name: &str, now: UnixMs) -> Self {
        let sqlite = Sqlite::new();
        sqlite.counts_rows.set(false);
        Self {
            name: name.into(),
            sqlite: RefCell::new(Rc::new(sqlite)),
            sockets: RefCell::default(),
            alarm: Cell::new(None),
            fired: Cell::new(None),
            alarm_broken: Cell::new(false),
            alarm_runs: Rc::default(),
            aborted_alarm: Cell::new(false),
            object: RefCell::new(None),
            making: Cell::new(0),
            touched_at: Cell::new(now),
            begun: Cell::new(false),
            wrote: Cell::new(false),
            staged_alarm: Cell::new(None),
            gate: RefCell::default(),
        }
    }

    /// What a turn writes commits together.
    pub fn begin(&self, sqlite: &Sqlite) {
        if !self.begun.replace(true) {
            sqlite.rows("BEGIN", []);
        }
    }

    pub fn is_awake(&self) -> bool {
        self.object.borrow().is_some()
    }
}
impl World {
    // --- Objects ----------------------------------------------------------------------------------

    pub fn host(&self, name: &str) -> Rc<Host> {
        let now = self.now();
        let mut hosts = self.hosts.borrow_mut();
        hosts.entry(name.to_owned()).or_insert_with(|| Rc::new(Host::new(name, now))).clone()
    }

    /// Runs a callback of the platform in the object's own turn; a sleeping one is made anew for it.
    pub fn call<F: Future<Output = ()> + 'static>(
        self: &Rc<Self>,
        host: &Rc<Host>,
        work: impl FnOnce(Room) -> F,
    ) {
        host.touched_at.set(self.now());
        let known = host.object.borrow().clone();
        let object = known.unwrap_or_else(|| {
            host.making.set(host.making.get() + 1);
            if !host.sockets.borrow().is_empty() {
                self.counters.count("wakes");
            }
            let platform = Simulated::new(self, host, host.making.get());
            let object = Object::new(platform, self.limits.clone(), self.moderation.clone());
            *host.object.borrow_mut() = Some(object.clone());
            object
        });
        self.spawn_for(host, host.making.get(), work(object));
    }

    /// The Worker asks a room.
    pub async fn ask(self: &Rc<Self>, ask: RoomRequest) -> Asked {
        let host = self.host(&object_name(&ask.caller.tenant, &ask.room));
        let slot: Slot<Asked> = Slot::new();
        let (world, filled, at) = (self.clone(), slot.clone(), host.clone());
        self.call(&host, async move |object: Room| {
            // A handler that panics is a failed request to the Worker.
            let filled = Filled(filled);
            let answer = object.handle_request(ask).await;
            world.out(&at, Out::Answer(Box::new(move || filled.0.put(answer))));
        });
        slot.get().await
    }

    /// Something leaves the object: at once if nothing was written in this turn before it.
    pub fn out(self: &Rc<Self>, host: &Host, out: Out) {
        if host.wrote.get() { host.gate.borrow_mut().push(out) } else { self.release(out) }
    }

    pub fn release(self: &Rc<Self>, out: Out) {
        match out {
            Out::Frame(sock, frame) => self.deliver(&sock, Wire::Frame(frame)),
            Out::Close(sock, code) => self.deliver(&sock, Wire::Close(code)),
            Out::Answer(answer) => answer(),
        }
    }

    pub fn end_turn(self: &Rc<Self>, host: &Rc<Host>) {
        let staged_alarm = host.staged_alarm.take();
        if host.begun.replace(false) {
            // The process may die before the commit, or after it.
            let dead = self.dead.get() || (host.wrote.get() && self.effect());
            host.sqlite.borrow().rows(if dead { "ROLLBACK" } else { "COMMIT" }, []);
        }
        host.wrote.set(false);
        let gate = host.gate.take();
        if self.dead.get() {
            return;
        }
        host.fired.set(None);
        if let Some(at) = staged_alarm {
            let broken = at < self.now() + chinwag::limits::ALARM_MIN_MS;
            host.alarm.set(Some(at));
            host.alarm_broken.set(broken);
        }
        for out in gate {
            if self.effect() {
                return;
            }
            self.release(out);
        }
    }

    pub fn fire_alarm(self: &Rc<Self>, host: &Rc<Host>) {
        if host.alarm_runs.replace(true) {
            self.counters.count("alarms blocked");
            return;
        }
        host.fired.set(host.alarm.take());
        self.counters.count("alarms");
        let runs = host.alarm_runs.clone();
        self.call(host, async move |object: Room| {
            object.alarm().await;
            runs.set(false);
        });
    }
}
