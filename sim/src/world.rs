//! The simulated world: its parts, its chance and its clock. Not here: objects (`hosts`), networks (`network`), every way
//! it can break (`breaking`), what clients do (`client`), what must be true (`oracle`), what happens when (`plan`, `run`).

use crate::client::Tab;
use crate::executor::Executor;
use crate::executor::Owner;
use crate::hosts::Host;
use crate::oracle::{Checker, Counters, Oracle, Violation};
use crate::postgres::{PostgresFault, Server};
use crate::rng::Rng;
use crate::rules::{MODERATION, Slow};
use chinwag::ids::UnixMs;
use chinwag::limits::Limits;
use chinwag::room::moderation::Moderation;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// 2026-11-23T09:00:00Z.
const START: UnixMs = 1_795_424_400_000;
/// Turns within one millisecond: a burst of hundreds of messages to all takes a few thousand.
const TURNS_MAX: u32 = 50_000;
/// The platform evicts an object after this long without events (PLATFORM.md).
const EVICTED_AFTER_MS: u64 = 10_000;

pub struct World {
    pub executor: Rc<Executor>,
    pub limits: Limits,
    pub moderation: Rc<Moderation>,
    pub rng: RefCell<Rng>,
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
    pub disk_full_until: Cell<UnixMs>,
    pub dead: Cell<bool>,
    /// What tenants' lists say of rooms in trouble, by tenant and room, and when they were told.
    pub list: RefCell<BTreeMap<(String, String), (UnixMs, bool)>>,
    pub list_is_away: Cell<bool>,
    /// Over the last night the outboxes are halted, and all alarms lost while people are still there.
    pub halts_at_night: Cell<bool>,
    /// The bucket of files, by key.
    pub bucket: RefCell<BTreeMap<String, Vec<u8>>>,
    pub bucket_is_away: Cell<bool>,
    /// Who was muted in which room, and the head when that was answered.
    pub muted: RefCell<BTreeMap<(usize, String), u64>>,
    /// Which rooms are slowed down, and who reported what: the ids of the notes.
    pub slow: RefCell<BTreeMap<usize, Slow>>,
    pub reported: RefCell<BTreeSet<(usize, String)>>,
    /// Rooms whose owner wanted them deleted.
    pub doomed: RefCell<BTreeSet<usize>>,
    /// Who was told of which message, and those that were not in Postgres because it refuses them: room, seq, person.
    pub notified: RefCell<BTreeSet<(usize, u64, String)>>,
    pub untellable: RefCell<BTreeSet<(usize, u64)>>,
    /// What was uploaded and answered, by id.
    pub files: RefCell<BTreeMap<String, Vec<u8>>>,
    /// Many messages were said just now.
    pub bursting: Cell<bool>,
    pub request: Cell<u64>,
    /// FNV-1a over the trace.
    pub hash: Cell<u64>,
    /// Kept only when somebody will read it.
    pub lines: RefCell<Option<Vec<String>>>,
}
impl World {
    pub fn new(seed: u64, limits: Limits, keeps_lines: bool) -> Rc<Self> {
        Rc::new(Self {
            executor: Rc::new(Executor::new(START)),
            limits,
            moderation: Rc::new(Moderation::parse(MODERATION).expect("rules")),
            rng: RefCell::new(Rng::new(seed ^ 0x5eed)),
            hosts: RefCell::default(),
            server: RefCell::new(Server { weather: PostgresFault::Fine, rooms: BTreeMap::new() }),
            tabs: RefCell::default(),
            oracle: RefCell::default(),
            counters: Counters::default(),
            violations: RefCell::default(),
            dies_in: Cell::new(0),
            panics_in: Cell::new(0),
            disk_fails_in: Cell::new(0),
            disk_full_until: Cell::new(0),
            dead: Cell::new(false),
            list: RefCell::default(),
            list_is_away: Cell::new(false),
            halts_at_night: Cell::new(false),
            bucket: RefCell::default(),
            bucket_is_away: Cell::new(false),
            muted: RefCell::default(),
            slow: RefCell::default(),
            reported: RefCell::default(),
            doomed: RefCell::default(),
            notified: RefCell::default(),
            untellable: RefCell::default(),
            files: RefCell::default(),
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
        self.rng.borrow_mut().next()
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
    // --- Time -------------------------------------------------------------------------------------

    /// Lets the world go on for this long.
    pub fn pass(self: &Rc<Self>, ms: u64) {
        let end = self.now() + ms;
        loop {
            let mut turns = 0;
            while self.turn() {
                turns += 1;
                if turns > TURNS_MAX {
                    return self.violation(Checker::Bounds, "something spins: the clock never moves".into());
                }
            }
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

    pub fn turn(self: &Rc<Self>) -> bool {
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

    pub fn next_alarm(&self) -> Option<(UnixMs, Rc<Host>)> {
        let hosts = self.hosts.borrow();
        let set = hosts.values().filter(|h| !h.alarm_broken.get() && !h.alarm_runs.get());
        set.filter_map(|host| Some((host.alarm.get()?, host.clone()))).min_by_key(|(at, _)| *at)
    }

    pub fn evict(&self) {
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
