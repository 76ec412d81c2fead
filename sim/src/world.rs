//! The simulated world: one runtime with its objects, their storage and sockets, the networks, and every way all of it
//! can break. Not here: what clients do (`client`), what must be true (`oracle`), what happens when (`plan`, `run`).

use crate::client::{Got, Tab};
use crate::dice::Dice;
use crate::executor::{Executor, Owner, STRUCK, Slot};
use crate::oracle::{Checker, Counters, Oracle, Violation};
use crate::platform::Simulated;
use crate::postgres::{Server, Weather};
use crate::sqlite::Sqlite;
use crate::worker::{Text, Worker};
use chinwag::api::{self, Ask, Reply, object_name};
use chinwag::error::Refusal;
use chinwag::ids::UnixMs;
use chinwag::limits::Limits;
use chinwag::object::{Answer, Object};
use chinwag::room::ConnectionId;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

/// 2026-11-23T09:00:00Z.
const START: UnixMs = 1_795_424_400_000;
/// A client gives a request up after this.
const REQUEST_MS: u64 = 30_000;
/// The platform evicts an object after this long without events (PLATFORM.md).
const EVICTED_AFTER_MS: u64 = 10_000;

pub type Room = Rc<Object<Simulated>>;

pub struct World {
    executor: Rc<Executor>,
    pub limits: Limits,
    dice: RefCell<Dice>,
    pub hosts: RefCell<BTreeMap<String, Rc<Host>>>,
    pub server: RefCell<Server>,
    pub tabs: RefCell<Vec<Tab>>,
    pub oracle: RefCell<Oracle>,
    pub counters: Counters,
    pub violations: RefCell<Vec<Violation>>,
    /// Effects until the process dies, statements until a panic, until the disk fails; 0: not at all.
    pub dies_in: Cell<u32>,
    pub panics_in: Cell<u32>,
    pub disk_fails_in: Cell<u32>,
    dead: Cell<bool>,
    /// What tenants' lists say of rooms in trouble, by tenant and room, and when they were told.
    pub list: RefCell<BTreeMap<(String, String), (UnixMs, bool)>>,
    pub list_is_away: Cell<bool>,
    /// Many messages were said just now.
    pub bursting: Cell<bool>,
    request: Cell<u64>,
    /// FNV-1a over the trace.
    hash: Cell<u64>,
    /// Kept only when somebody will read it.
    pub lines: RefCell<Option<Vec<String>>>,
}

/// The place for an object's answer, which says so when none will come.
struct Filled(Slot<Asked>);

type Asked = Result<Answer<Rc<Sock>>, Refusal>;

impl Drop for Filled {
    fn drop(&mut self) {
        self.0.put_if_empty(Err(Refusal::fault()));
    }
}

/// A room's object: what of it outlives its memory.
pub struct Host {
    pub name: String,
    pub sqlite: RefCell<Rc<Sqlite>>,
    pub sockets: RefCell<Vec<Rc<Sock>>>,
    pub alarm: Cell<Option<UnixMs>>,
    /// Set too near: it stays set, and never fires.
    alarm_broken: Cell<bool>,
    /// Since when a handler runs; later alarms wait for it.
    alarm_runs: Rc<Cell<bool>>,
    object: RefCell<Option<Room>>,
    making: Cell<u64>,
    touched_at: Cell<UnixMs>,
    // The present turn.
    begun: Cell<bool>,
    pub wrote: Cell<bool>,
    pub staged_alarm: Cell<Option<UnixMs>>,
    gate: RefCell<Vec<Out>>,
}

/// What leaves an object, and is held back while a write before it isn't durable.
pub enum Out {
    Frame(Rc<Sock>, String),
    Close(Rc<Sock>, u16),
    Answer(Box<dyn FnOnce()>),
}

pub struct Sock {
    pub id: ConnectionId,
    pub attachment: RefCell<Option<String>>,
    /// From either side: a send fails from now on.
    pub closing: Cell<bool>,
    /// The client takes what comes.
    reading: Cell<bool>,
    /// It once didn't.
    slow: Cell<bool>,
    /// The network between is gone, and nobody has noticed.
    cut_at: Cell<Option<UnixMs>>,
    queue: RefCell<VecDeque<Wire>>,
    /// Frames that have come as far as the client.
    due: Cell<usize>,
    /// What waited was once little: the budget holds from now on.
    drained: Cell<bool>,
    opened_at: UnixMs,
}

enum Wire {
    Frame(String),
    Close(u16),
}

impl Sock {
    pub fn new(id: ConnectionId, now: UnixMs) -> Self {
        Self {
            id,
            attachment: RefCell::new(None),
            closing: Cell::new(false),
            reading: Cell::new(true),
            slow: Cell::new(false),
            cut_at: Cell::new(None),
            queue: RefCell::default(),
            due: Cell::new(0),
            drained: Cell::new(false),
            opened_at: now,
        }
    }

    /// The kernel's buffers take what a client that reads has coming.
    pub fn waiting_bytes(&self) -> u32 {
        if self.reading.get() && self.cut_at.get().is_none() {
            return 0;
        }
        let bytes = |wire: &Wire| match wire {
            Wire::Frame(text) => text.len(),
            Wire::Close(_) => 0,
        };
        self.queue.borrow().iter().map(bytes).sum::<usize>() as u32
    }

    /// Clients ping every 25 s while they can.
    pub fn pinged_at(&self, now: UnixMs) -> UnixMs {
        let until = self.cut_at.get().unwrap_or(now);
        until - (until - self.opened_at) % 25_000
    }

    pub fn was_slow(&self) -> bool {
        self.slow.get()
    }

    pub fn opened_at(&self) -> UnixMs {
        self.opened_at
    }

    pub fn hears(&self) -> bool {
        self.reading.get() && self.cut_at.get().is_none() && !self.closing.get()
    }
}

impl Host {
    fn new(name: &str, now: UnixMs) -> Self {
        let sqlite = Sqlite::new();
        sqlite.counts.set(false);
        Self {
            name: name.into(),
            sqlite: RefCell::new(Rc::new(sqlite)),
            sockets: RefCell::default(),
            alarm: Cell::new(None),
            alarm_broken: Cell::new(false),
            alarm_runs: Rc::default(),
            object: RefCell::new(None),
            making: Cell::new(0),
            touched_at: Cell::new(now),
            begun: Cell::new(false),
            wrote: Cell::new(false),
            staged_alarm: Cell::new(None),
            gate: RefCell::default(),
        }
    }

    /// What a turn writes commits together. Always true, to be read in a row of conditions.
    pub fn begin(&self, sqlite: &Sqlite) -> bool {
        if !self.begun.replace(true) {
            sqlite.rows("BEGIN", []);
        }
        true
    }

    pub fn is_awake(&self) -> bool {
        self.object.borrow().is_some()
    }
}

impl World {
    pub fn new(seed: u64, limits: Limits, keeps_lines: bool) -> Rc<Self> {
        Rc::new(Self {
            executor: Rc::new(Executor::new(START)),
            limits,
            dice: RefCell::new(Dice::new(seed ^ 0x5eed)),
            hosts: RefCell::default(),
            server: RefCell::new(Server { weather: Weather::Fine, rooms: BTreeMap::new() }),
            tabs: RefCell::default(),
            oracle: RefCell::default(),
            counters: Counters::default(),
            violations: RefCell::default(),
            dies_in: Cell::new(0),
            panics_in: Cell::new(0),
            disk_fails_in: Cell::new(0),
            dead: Cell::new(false),
            list: RefCell::default(),
            list_is_away: Cell::new(false),
            bursting: Cell::new(false),
            request: Cell::new(1),
            hash: Cell::new(0xcbf2_9ce4_8422_2325),
            lines: RefCell::new(keeps_lines.then(Vec::new)),
        })
    }

    pub fn now(&self) -> UnixMs {
        self.executor.now()
    }

    /// Since the beginning.
    pub fn elapsed_ms(&self) -> u64 {
        self.now() - START
    }

    pub fn random(&self) -> u64 {
        self.dice.borrow_mut().next()
    }

    pub fn sleep(&self, ms: u64) -> impl Future<Output = ()> + use<> {
        self.executor.sleep(ms)
    }

    pub fn spawn(&self, work: impl Future<Output = ()> + 'static) {
        self.executor.spawn(Owner::World, work);
    }

    pub fn spawn_for(&self, host: &Host, making: u64, work: impl Future<Output = ()> + 'static) {
        self.executor.spawn(Owner::Object { host: host.name.clone(), making }, work);
    }

    pub fn hash(&self) -> u64 {
        self.hash.get()
    }

    /// One line of what happened, and into the hash.
    pub fn trace(&self, line: impl FnOnce() -> String) {
        let line = format!("{:>8} {}", self.elapsed_ms(), line());
        self.fold(&line);
        if let Some(lines) = self.lines.borrow_mut().as_mut() {
            lines.push(line);
        }
    }

    pub fn fold(&self, line: &str) {
        let fold = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        self.hash.set(line.bytes().fold(self.hash.get(), fold));
    }

    pub fn violation(&self, checker: Checker, what: String) {
        self.trace(|| format!("VIOLATION {checker:?}: {what}"));
        self.violations.borrow_mut().push(Violation { checker, what });
    }

    // --- Breaking ---------------------------------------------------------------------------------

    fn counts_down(cell: &Cell<u32>) -> bool {
        let left = cell.get();
        cell.set(left.saturating_sub(1));
        left == 1
    }

    /// Counts one effect; true when the process is dead and nothing has an effect any more.
    pub fn effect(&self) -> bool {
        if Self::counts_down(&self.dies_in) {
            self.dead.set(true);
        }
        self.dead.get()
    }

    /// Panics if that is due.
    pub fn strikes(&self) {
        if Self::counts_down(&self.panics_in) {
            self.counters.count("panics survived");
            self.trace(|| "a panic".into());
            std::panic::panic_any(STRUCK);
        }
    }

    pub fn disk_fails(&self) -> bool {
        let fails = Self::counts_down(&self.disk_fails_in);
        if fails {
            self.counters.count("failing statements");
            self.trace(|| "the disk fails".into());
        }
        fails
    }

    /// SIGKILL: memory and sockets are gone, storage and alarms stay.
    pub fn kill(self: &Rc<Self>) {
        self.dead.set(false);
        self.dies_in.set(0);
        self.counters.count("crashes");
        self.trace(|| "the process is killed".into());
        self.executor.end(|owner| *owner != Owner::World);
        let hosts: Vec<_> = self.hosts.borrow().values().cloned().collect();
        for host in hosts {
            self.forget(&host);
            for sock in host.sockets.take() {
                sock.closing.set(true);
                self.deliver(&sock, Wire::Close(1006));
            }
        }
        self.fail_requests();
    }

    /// The instance aborts: memory is gone under open sockets, handlers under way never answer.
    pub fn abort(self: &Rc<Self>) {
        self.counters.count("instances aborted");
        self.trace(|| "the instance aborts".into());
        let alarms: Vec<_> = self.hosts.borrow().values().filter(|h| h.alarm_runs.get()).cloned().collect();
        self.executor.end(|owner| *owner != Owner::World);
        let hosts: Vec<_> = self.hosts.borrow().values().cloned().collect();
        hosts.iter().for_each(|host| self.forget(host));
        // An alarm that was under way blocks all later ones.
        alarms.iter().for_each(|host| host.alarm_runs.set(true));
        self.tabs.borrow_mut().iter_mut().for_each(Tab::forgives);
    }

    /// New code: idle objects wake into it with their sockets, the others lose them.
    pub fn redeploy(self: &Rc<Self>) {
        self.counters.count("deploys");
        self.trace(|| "a deploy".into());
        let hosts: Vec<_> = self.hosts.borrow().values().cloned().collect();
        for host in hosts {
            if self.hibernate(&host) {
                continue;
            }
            self.end_object(&host);
            for sock in host.sockets.take() {
                sock.closing.set(true);
                self.deliver(&sock, Wire::Close(1006));
            }
        }
    }

    fn end_object(&self, host: &Host) {
        let name = host.name.clone();
        self.executor.end(|owner| matches!(owner, Owner::Object { host, .. } if *host == name));
        self.forget(host);
    }

    fn forget(&self, host: &Host) {
        if host.begun.replace(false) {
            host.sqlite.borrow().rows("ROLLBACK", []);
        }
        host.wrote.set(false);
        host.staged_alarm.set(None);
        host.alarm_runs.set(false);
        let dropped = (host.gate.take(), host.object.take());
        drop(dropped);
    }

    /// Whether nothing keeps the object awake: no timer, no promise.
    pub fn is_idle(&self, host: &Host) -> bool {
        let owner = Owner::Object { host: host.name.clone(), making: host.making.get() };
        !self.executor.has(&owner)
    }

    /// Memory goes, if the platform may do that now.
    pub fn hibernate(&self, host: &Host) -> bool {
        let may = self.is_idle(host);
        if may && host.is_awake() {
            self.counters.count("hibernations");
            self.forget(host);
        }
        may
    }

    /// The object's storage is lost for good.
    pub fn lose_disk(self: &Rc<Self>, host: &Host) {
        self.counters.count("storages lost");
        self.trace(|| format!("{} loses its storage", host.name));
        self.end_object(host);
        let sqlite = Sqlite::new();
        sqlite.counts.set(false);
        *host.sqlite.borrow_mut() = Rc::new(sqlite);
        host.alarm.set(None);
        for sock in host.sockets.take() {
            sock.closing.set(true);
            self.deliver(&sock, Wire::Close(1006));
        }
    }

    // --- Objects ----------------------------------------------------------------------------------

    pub fn host(&self, name: &str) -> Rc<Host> {
        let now = self.now();
        let mut hosts = self.hosts.borrow_mut();
        hosts.entry(name.to_owned()).or_insert_with(|| Rc::new(Host::new(name, now))).clone()
    }

    /// Runs a callback of the platform in the object's own turn; a sleeping one is made anew for it.
    fn call<F: Future<Output = ()> + 'static>(
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
            let object = Object::new(platform, self.limits.clone());
            *host.object.borrow_mut() = Some(object.clone());
            object
        });
        self.spawn_for(host, host.making.get(), work(object));
    }

    /// The Worker asks a room.
    pub async fn ask(self: &Rc<Self>, ask: Ask) -> Asked {
        let host = self.host(&object_name(&ask.who.tenant, &ask.room));
        let slot: Slot<Asked> = Slot::new();
        let (world, filled, at) = (self.clone(), slot.clone(), host.clone());
        self.call(&host, async move |object: Room| {
            // A handler that panics is a failed request to the Worker.
            let filled = Filled(filled);
            let answer = object.asked(ask).await;
            world.out(&at, Out::Answer(Box::new(move || filled.0.put(answer))));
        });
        slot.get().await
    }

    /// Something leaves the object: at once if nothing was written in this turn before it.
    pub fn out(self: &Rc<Self>, host: &Host, out: Out) {
        if host.wrote.get() { host.gate.borrow_mut().push(out) } else { self.release(out) }
    }

    fn release(self: &Rc<Self>, out: Out) {
        match out {
            Out::Frame(sock, frame) => self.deliver(&sock, Wire::Frame(frame)),
            Out::Close(sock, code) => self.deliver(&sock, Wire::Close(code)),
            Out::Answer(answer) => answer(),
        }
    }

    fn end_turn(self: &Rc<Self>, host: &Rc<Host>) {
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
        host.alarm.set(None);
        self.counters.count("alarms");
        let runs = host.alarm_runs.clone();
        self.call(host, async move |object: Room| {
            object.alarm().await;
            runs.set(false);
        });
    }

    // --- Networks ---------------------------------------------------------------------------------

    /// One way between a client and the runtime.
    const WAY_MS: u64 = 20;

    fn deliver(self: &Rc<Self>, sock: &Rc<Sock>, wire: Wire) {
        sock.queue.borrow_mut().push_back(wire);
        let (world, sock) = (self.clone(), sock.clone());
        self.spawn(async move {
            world.sleep(Self::WAY_MS).await;
            sock.due.set(sock.due.get() + 1);
            world.pump(&sock);
        });
    }

    /// Hands over what has come as far as the client, if it takes it.
    pub fn pump(self: &Rc<Self>, sock: &Rc<Sock>) {
        loop {
            let tab = self.tabs.borrow().iter().position(|tab| tab.has(sock));
            let Some(tab) = tab.filter(|_| sock.reading.get() && sock.cut_at.get().is_none()) else { return };
            if sock.due.get() == 0 {
                return;
            }
            sock.due.set(sock.due.get() - 1);
            let wire = sock.queue.borrow_mut().pop_front();
            match wire {
                Some(Wire::Frame(text)) => self.hears(tab, &text),
                Some(Wire::Close(code)) => {
                    self.server_forgets(sock);
                    self.closed(tab, code);
                }
                None => return,
            }
        }
    }

    /// What a send to this socket means for its budget.
    pub fn sent(&self, sock: &Sock, bytes: usize) {
        let waiting = sock.waiting_bytes();
        if waiting <= self.limits.waiting_bytes {
            sock.drained.set(true);
        } else if sock.drained.get() {
            let what = format!("{bytes} bytes more to a socket with {waiting} waiting");
            self.violation(Checker::Bounds, what);
        }
    }

    /// A frame of a client.
    pub fn send_frame(self: &Rc<Self>, sock: &Rc<Sock>, text: String) {
        let (world, sock) = (self.clone(), sock.clone());
        self.spawn(async move {
            world.sleep(Self::WAY_MS).await;
            if sock.closing.get() || sock.cut_at.get().is_some() {
                return;
            }
            let Some(host) = world.host_of(&sock) else { return };
            let id = sock.id;
            world.call(&host, async move |object: Room| object.received(id, text));
        });
    }

    fn host_of(&self, sock: &Rc<Sock>) -> Option<Rc<Host>> {
        let holds = |host: &&Rc<Host>| host.sockets.borrow().iter().any(|known| Rc::ptr_eq(known, sock));
        self.hosts.borrow().values().find(holds).cloned()
    }

    /// The client closes; the room hears of it a little later, and until then its sends fail.
    pub fn leave(self: &Rc<Self>, sock: &Rc<Sock>) {
        sock.closing.set(true);
        self.server_forgets(sock);
    }

    fn server_forgets(self: &Rc<Self>, sock: &Rc<Sock>) {
        let (world, sock) = (self.clone(), sock.clone());
        // Sometimes late: meanwhile the object knows a socket that takes nothing.
        let late_ms = self.random() % 4 / 3 * 2_000;
        self.spawn(async move {
            world.sleep(Self::WAY_MS + late_ms).await;
            let Some(host) = world.host_of(&sock) else { return };
            host.sockets.borrow_mut().retain(|known| !Rc::ptr_eq(known, &sock));
            let id = sock.id;
            world.call(&host, async move |object: Room| object.gone(id));
        });
    }

    /// The client is gone and nobody is told.
    pub fn vanish(&self, sock: &Sock) {
        sock.cut_at.set(Some(self.now()));
    }

    pub fn set_reading(self: &Rc<Self>, sock: &Rc<Sock>, reads: bool) {
        sock.reading.set(reads);
        sock.slow.set(sock.slow.get() || !reads);
        self.pump(sock);
    }

    /// A client's HTTP request; its answer comes to `answered`.
    pub fn request(
        self: &Rc<Self>,
        tab: usize,
        method: http::Method,
        path: &str,
        token: &str,
        body: Option<String>,
    ) -> u64 {
        let number = self.request.replace(self.request.get() + 1);
        let batches = self.tabs.borrow()[tab].batches;
        let request = request(method, path, token, body, batches);
        self.handle(request, move |world, got| world.answered(tab, number, got));
        let world = self.clone();
        self.spawn(async move {
            world.sleep(REQUEST_MS).await;
            world.answered(tab, number, Got::Failed);
        });
        number
    }

    /// A request of somebody who does nothing else; lets time pass until it is answered.
    pub fn ask_once(self: &Rc<Self>, method: http::Method, path: &str, token: &str) -> Option<Got> {
        let answer: Rc<RefCell<Option<Got>>> = Rc::default();
        let put = answer.clone();
        self.handle(request(method, path, token, None, true), move |_, got| *put.borrow_mut() = Some(got));
        for _ in 0..REQUEST_MS / 50 {
            self.pass(50);
            if let Some(got) = answer.borrow_mut().take() {
                return Some(got);
            }
        }
        None
    }

    /// The Worker's part: there, through the real routes, and back.
    fn handle(self: &Rc<Self>, request: api::Request<Text>, then: impl FnOnce(&Rc<Self>, Got) + 'static) {
        let world = self.clone();
        self.spawn(async move {
            world.sleep(Self::WAY_MS).await;
            let inner = world.clone();
            world.executor.spawn(Owner::Worker, async move {
                let worker = Worker::new(&inner);
                let got = match api::handle(&worker, request).await {
                    Reply::Json { status, body, .. } => Got::Json(status, body),
                    Reply::Upgrade(ask) => match inner.ask(*ask).await {
                        Ok(Answer::Upgraded { peer, .. }) => Got::Upgraded(peer),
                        Ok(Answer::Reply(_)) => Got::Failed,
                        Err(refusal) => Got::Json(refusal.code.status(), refusal.code.name().into()),
                    },
                };
                let outer = inner.clone();
                inner.spawn(async move {
                    outer.sleep(Self::WAY_MS).await;
                    then(&outer, got);
                });
            });
        });
    }

    fn fail_requests(self: &Rc<Self>) {
        let pending: Vec<(usize, u64)> = self
            .tabs
            .borrow()
            .iter()
            .flat_map(|tab| tab.requests().map(|number| (tab.index, number)))
            .collect();
        for (tab, number) in pending {
            let world = self.clone();
            self.spawn(async move {
                world.sleep(Self::WAY_MS).await;
                world.answered(tab, number, Got::Failed);
            });
        }
    }

    // --- Time -------------------------------------------------------------------------------------

    /// Lets the world go on for this long.
    pub fn pass(self: &Rc<Self>, ms: u64) {
        let end = self.now() + ms;
        loop {
            while self.turn() {}
            self.evict();
            let alarm = self.next_alarm();
            let next = self.executor.next_timer().into_iter().chain(alarm.as_ref().map(|(at, _)| *at)).min();
            let Some(next) = next.filter(|at| *at <= end) else { break };
            self.executor.pass_to(next);
            if let Some((at, host)) = alarm
                && at <= self.now()
            {
                self.fire_alarm(&host);
            }
        }
        self.executor.pass_to(end);
        self.evict();
    }

    fn turn(self: &Rc<Self>) -> bool {
        let world = self.clone();
        let ran = self.executor.step(|owner, poll| {
            poll();
            if let Owner::Object { host, .. } = owner {
                let host = world.host(host);
                world.end_turn(&host);
            }
        });
        if self.dead.get() {
            self.kill();
        }
        ran
    }

    fn next_alarm(&self) -> Option<(UnixMs, Rc<Host>)> {
        let hosts = self.hosts.borrow();
        let set = hosts.values().filter(|h| !h.alarm_broken.get() && !h.alarm_runs.get());
        set.filter_map(|host| Some((host.alarm.get()?, host.clone()))).min_by_key(|(at, _)| *at)
    }

    fn evict(&self) {
        let now = self.now();
        let hosts: Vec<_> = self.hosts.borrow().values().cloned().collect();
        for host in hosts {
            if host.is_awake() && now - host.touched_at.get() >= EVICTED_AFTER_MS {
                self.hibernate(&host);
            }
        }
    }

    /// Ends everything, so that nothing keeps anything alive.
    pub fn forget_all(&self) {
        self.executor.end(|_| true);
        let hosts = self.hosts.take();
        hosts.values().for_each(|host| self.forget(host));
    }
}

fn request(
    method: http::Method,
    path: &str,
    token: &str,
    body: Option<String>,
    batches: bool,
) -> api::Request<Text> {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let mut headers = http::HeaderMap::new();
    let mut put =
        |name: &'static str, value: &str| drop(headers.insert(name, value.parse().expect("a header")));
    put("authorization", &format!("Bearer {token}"));
    if path == "/chat" {
        put("upgrade", "websocket");
        if batches {
            put("sec-websocket-protocol", "chat.v1");
        }
    }
    let (path, query, body) = (path.to_owned(), query.to_owned(), Text(body.unwrap_or_default()));
    api::Request { method, path, query, headers, body }
}
