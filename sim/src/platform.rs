//! The runtime as one room's object has it, with the habits of the real one: what is sent before a write is out, what
//! is sent after it waits for the commit; a send to a socket that is closing fails; alarms too near never fire.
//! Not here: time, crashes and networks (`world`).

use crate::hosts::{Host, Out};
use crate::network::SimSocket;
use crate::postgres::Db;
use crate::sqlite::Sqlite;
use crate::worker;
use crate::world::World;
use chinwag::auth::Identity;
use chinwag::db::Notice;
use chinwag::error::{Code, Refusal};
use chinwag::ids::UnixMs;
use chinwag::object::{Gone, Platform};
use chinwag::oplog::Entry;
use chinwag::protocol::server::CloseCode;
use chinwag::room::store::{Result, Row, Sql, SqlValue, StoreError};
use chinwag::room::{ConnectionId, OutboxReport};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;

pub struct Simulated {
    world: Rc<World>,
    host: Rc<Host>,
    making: u64,
    disk: Disk,
    db: Db,
}

/// The object's storage during one making of it.
struct Disk {
    world: Rc<World>,
    host: Rc<Host>,
    sqlite: Rc<Sqlite>,
}

impl Simulated {
    pub fn new(world: &Rc<World>, host: &Rc<Host>, making: u64) -> Self {
        let sqlite = host.sqlite.borrow().clone();
        let disk = Disk { world: world.clone(), host: host.clone(), sqlite };
        let db = Db { world: world.clone(), hasty: false };
        Self { world: world.clone(), host: host.clone(), making, disk, db }
    }
}

impl Sql for Disk {
    fn exec(&self, sql: &'static str, params: &[SqlValue]) -> Result<Vec<Row>> {
        if self.world.effect() {
            return Err(StoreError("the process is dead".into()));
        }
        self.world.strikes();
        self.host.begin(&self.sqlite);
        let writes = !sql.starts_with("SELECT");
        if self.world.disk_fails() || (writes && self.world.disk_is_full()) {
            return Err(StoreError("the disk is full".into()));
        }
        if writes {
            self.host.wrote.set(true);
        }
        self.sqlite.exec(sql, params)
    }

    fn atomically(&self, work: &mut dyn FnMut() -> Result<()>) -> Result<()> {
        self.host.begin(&self.sqlite);
        let mut panicked = None;
        let outcome = self.sqlite.atomically(&mut || match catch_unwind(AssertUnwindSafe(&mut *work)) {
            Ok(outcome) => outcome,
            Err(panic) => {
                panicked = Some(panic);
                Err(StoreError("panicked".into()))
            }
        });
        if let Some(panic) = panicked {
            resume_unwind(panic);
        }
        outcome
    }
}

impl Platform for Simulated {
    type Socket = Rc<SimSocket>;
    type Peer = Rc<SimSocket>;
    type Db = Db;

    fn now(&self) -> UnixMs {
        self.world.now()
    }

    fn random(&self) -> u64 {
        self.world.random()
    }

    async fn sleep(&self, ms: u64) {
        self.world.sleep(ms).await;
    }

    fn later(&self, work: impl Future<Output = ()> + 'static) {
        self.world.spawn_for(&self.host, self.making, work);
    }

    fn sql(&self) -> &dyn Sql {
        &self.disk
    }

    fn db(&self) -> &Db {
        &self.db
    }

    fn close_db(&self) {}

    fn set_alarm(&self, at: UnixMs) {
        if !self.world.effect() {
            self.host.staged_alarm.set(Some(at));
        }
    }

    fn accept(&self, id: ConnectionId) -> Option<(Rc<SimSocket>, Rc<SimSocket>)> {
        let sock = Rc::new(SimSocket::new(id, self.world.now()));
        self.host.sockets.borrow_mut().push(sock.clone());
        Some((sock.clone(), sock))
    }

    fn sockets(&self) -> Vec<Rc<SimSocket>> {
        self.host.sockets.borrow().iter().filter(|sock| !sock.closing.get()).cloned().collect()
    }

    fn send(&self, sock: &Rc<SimSocket>, frame: &str) -> std::result::Result<(), Gone> {
        if self.world.effect() {
            return Ok(());
        }
        if sock.closing.get() {
            self.world.counters.count("sends to a closing socket");
            return Err(Gone);
        }
        self.world.sent(sock, frame.len());
        self.world.out(&self.host, Out::Frame(sock.clone(), frame.to_owned()));
        Ok(())
    }

    fn close(&self, sock: &Rc<SimSocket>, code: CloseCode) -> std::result::Result<(), Gone> {
        if self.world.effect() {
            return Ok(());
        }
        if sock.closing.replace(true) {
            self.world.counters.count("closes of a closing socket");
            return Err(Gone);
        }
        if code == CloseCode::SlowConsumer {
            self.world.counters.count("slow sockets closed");
        }
        self.world.out(&self.host, Out::Close(sock.clone(), code.code()));
        Ok(())
    }

    fn waiting_bytes(&self, sock: &Rc<SimSocket>) -> u32 {
        sock.waiting_bytes()
    }

    fn attach(&self, sock: &Rc<SimSocket>, text: &str) {
        assert!(text.len() <= 16_384, "the platform keeps no more with a socket");
        *sock.attachment.borrow_mut() = Some(text.to_owned());
    }

    fn attachment(&self, sock: &Rc<SimSocket>) -> Option<String> {
        sock.attachment.borrow().clone()
    }

    fn pinged_at(&self, sock: &Rc<SimSocket>) -> Option<UnixMs> {
        Some(sock.pinged_at(self.world.now()))
    }

    async fn authenticate(&self, token: &str) -> std::result::Result<Identity, Refusal> {
        worker::identity(token).ok_or_else(|| Refusal::new(Code::Unauthenticated, "no token"))
    }

    /// The queue and its consumer: what isn't in Postgres when it is told is told to nobody.
    async fn notify(&self, notices: &[Notice]) -> bool {
        self.world.sleep(5).await;
        // It fails now and then, and its answer may be lost as well.
        let chance = self.world.random() % 8;
        if chance == 0 {
            self.world.counters.count("notices not taken");
            return false;
        }
        for notice in notices {
            self.world.notify(notice);
        }
        chance != 1
    }

    async fn report_alert(&self, report: &OutboxReport) -> bool {
        self.world.sleep(5).await;
        if self.world.list_is_away.get() {
            self.world.counters.count("announcements lost");
            return false;
        }
        let key = (report.tenant.to_string(), report.room.to_string());
        let mut list = self.world.list.borrow_mut();
        let known = list.entry(key).or_default();
        if report.at >= known.0 {
            *known = (report.at, report.problem.is_some());
        }
        self.world.counters.count("announcements");
        // Its answer may be lost as well.
        !self.world.random().is_multiple_of(8)
    }

    async fn remove_files(&self, keys: &[String]) -> bool {
        self.world.sleep(World::WAY_MS).await;
        if self.world.bucket_is_away.get() {
            self.world.counters.count("removals that failed");
            return false;
        }
        let mut bucket = self.world.bucket.borrow_mut();
        let gone = keys.iter().filter(|key| bucket.remove(*key).is_some()).count();
        (0..gone).for_each(|_| self.world.counters.count("objects removed"));
        // Its answer may be lost as well.
        !self.world.random().is_multiple_of(8)
    }

    async fn list_files(&self, prefix: &str) -> Option<Vec<String>> {
        self.world.sleep(World::WAY_MS).await;
        if self.world.bucket_is_away.get() {
            return None;
        }
        self.world.counters.count("strays looked for");
        let bucket = self.world.bucket.borrow();
        Some(bucket.keys().filter_map(|key| key.strip_prefix(prefix).map(str::to_owned)).collect())
    }

    fn report(&self, entry: &Entry) {
        self.world.trace(|| format!("{}: {entry}", self.host.name));
        if entry.event() == "row_quarantined" {
            self.world.counters.count("rows set aside");
        }
    }
}
