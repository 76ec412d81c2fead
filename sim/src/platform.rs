//! The runtime as one room's object sees it, with the behaviour of the real one: what is sent before a write leaves at
//! once, what is sent after it waits for the commit; a send to a closing socket fails; alarms too near never fire.
//! Not here: when an object runs (`objects`), crashes (`outages`), networks (`transport`).

use crate::postgres::Db;
use crate::token::parse_token;
use crate::world::World;
use crate::world::checker::Checker;
use crate::world::executor::Owner;
use crate::world::hosts::{Host, HostedObject, ObjectAnswer, ObjectRequest, Output, Work};
use crate::world::network::{LATENCY_MS, SimSocket};
use chinwag::api::{InboxRequest, Reply, RoomRequest};
use chinwag::auth::Identity;
use chinwag::db::Notices;
use chinwag::error::{Code, Refusal};
use chinwag::ids::UnixMs;
use chinwag::object::{Gone, InboxObject, Object, Platform};
use chinwag::oplog::Entry;
use chinwag::protocol::server::CloseCode;
use chinwag::room::store::{Result, Row, Sql, SqlValue, StoreError};
use chinwag::room::{ConnectionId, OutboxReport};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use testkit::Sqlite;

pub struct Simulated {
    world: Rc<World>,
    host: Rc<Host>,
    instance: u64,
    disk: Disk,
    db: Db,
}

/// The object's storage during one instance of it.
struct Disk {
    world: Rc<World>,
    host: Rc<Host>,
    sqlite: Rc<Sqlite>,
}

/// The real object of a room, or of an inbox, on its host.
pub fn new_object(world: &Rc<World>, host: &Rc<Host>) -> Rc<dyn HostedObject> {
    let sqlite = host.sqlite.borrow().clone();
    let disk = Disk { world: world.clone(), host: host.clone(), sqlite };
    let db = Db { world: world.clone(), fail_fast: false };
    let platform =
        Simulated { world: world.clone(), host: host.clone(), instance: host.instance.get(), disk, db };
    if host.is_inbox() {
        return InboxObject::new(platform, world.limits.clone());
    }
    Object::new(platform, world.limits.clone(), world.moderation.clone())
}

impl HostedObject for Object<Simulated> {
    fn handle_request(self: Rc<Self>, request: ObjectRequest) -> Work<ObjectAnswer> {
        Box::pin(async move {
            match request {
                ObjectRequest::Room(request) => Object::handle_request(self, *request).await,
                ObjectRequest::Inbox(_) => Err(Refusal::fault()),
            }
        })
    }

    fn receive_frame(self: Rc<Self>, connection: ConnectionId, text: String) -> Work<()> {
        Box::pin(async move { self.received(connection, text) })
    }

    fn handle_close(self: Rc<Self>, socket: Rc<SimSocket>) -> Work<()> {
        Box::pin(async move { self.gone(socket.id, &socket, false) })
    }

    fn handle_alarm(self: Rc<Self>) -> Work<()> {
        Box::pin(self.alarm())
    }

    fn first_load_bytes(&self) -> usize {
        Object::first_load_bytes(self)
    }
}

impl HostedObject for InboxObject<Simulated> {
    fn handle_request(self: Rc<Self>, request: ObjectRequest) -> Work<ObjectAnswer> {
        Box::pin(async move {
            match request {
                ObjectRequest::Inbox(request) => InboxObject::handle_request(self, *request).await,
                ObjectRequest::Room(_) => Err(Refusal::fault()),
            }
        })
    }

    fn receive_frame(self: Rc<Self>, connection: ConnectionId, text: String) -> Work<()> {
        Box::pin(async move { self.received(connection, text) })
    }

    fn handle_close(self: Rc<Self>, socket: Rc<SimSocket>) -> Work<()> {
        Box::pin(async move { self.gone(socket.id) })
    }

    fn handle_alarm(self: Rc<Self>) -> Work<()> {
        Box::pin(self.alarm())
    }
}

impl Sql for Disk {
    fn exec(&self, sql: &'static str, params: &[SqlValue]) -> Result<Vec<Row>> {
        let faults = &self.world.faults;
        if faults.suppress_effect() {
            return Err(StoreError("the process is dead".into()));
        }
        let now = self.world.clock.now();
        if faults.panic_in.get() == 1 {
            self.host.note_memory_loss(now);
        }
        faults.panic_if_due();
        self.host.begin_transaction(&self.sqlite);
        let writes = !sql.starts_with("SELECT");
        if faults.fail_statement() || (writes && faults.fail_write(now)) {
            // The room loads itself again.
            self.host.note_memory_loss(now);
            return Err(StoreError("the disk is full".into()));
        }
        if writes {
            self.host.wrote.set(true);
        }
        self.sqlite.exec(sql, params)
    }

    fn size_bytes(&self) -> u64 {
        self.sqlite.size_bytes()
    }

    fn atomically(&self, work: &mut dyn FnMut() -> Result<()>) -> Result<()> {
        self.host.begin_transaction(&self.sqlite);
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

impl Simulated {
    /// An output leaves at once if the turn has written nothing before it.
    fn output(&self, output: Output) {
        self.world.send_output(&self.host, output);
    }

    /// One time in eight a service does its work and its answer is lost.
    fn is_answer_lost(&self) -> bool {
        self.world.clock.random().is_multiple_of(8)
    }
}

impl Platform for Simulated {
    type Socket = Rc<SimSocket>;
    type Peer = Rc<SimSocket>;
    type Db = Db;

    fn now(&self) -> UnixMs {
        self.world.clock.now()
    }

    fn random(&self) -> u64 {
        match self.host.is_inbox() {
            true => self.world.devices.random(),
            false => self.world.clock.random(),
        }
    }

    async fn sleep(&self, ms: u64) {
        self.world.clock.sleep(ms).await;
    }

    fn later(&self, work: impl Future<Output = ()> + 'static) {
        let owner = Owner::Object { host: self.host.name.clone(), instance: self.instance };
        self.world.clock.spawn_for(owner, work);
    }

    fn sql(&self) -> &dyn Sql {
        &self.disk
    }

    fn db(&self) -> &Db {
        &self.db
    }

    fn close_db(&self) {}

    fn delete_all(&self) {
        if !self.world.faults.suppress_effect() {
            self.host.begin_transaction(&self.disk.sqlite);
            self.host.wrote.set(true);
            self.disk.sqlite.delete_all();
            self.host.staged_alarm.set(Some(None));
        }
    }

    fn set_alarm(&self, at: UnixMs) {
        if !self.world.faults.suppress_effect() {
            self.host.staged_alarm.set(Some(Some(at)));
        }
    }

    fn accept(&self, id: ConnectionId) -> Option<(Rc<SimSocket>, Rc<SimSocket>)> {
        let socket = Rc::new(SimSocket::new(id, self.world.clock.now()));
        self.host.sockets.borrow_mut().push(socket.clone());
        self.host.opened.borrow_mut().push(socket.clone());
        Some((socket.clone(), socket))
    }

    fn sockets(&self) -> Vec<Rc<SimSocket>> {
        self.host.sockets.borrow().iter().filter(|socket| !socket.closing.get()).cloned().collect()
    }

    fn send(&self, socket: &Rc<SimSocket>, frame: &str) -> std::result::Result<(), Gone> {
        if self.world.faults.suppress_effect() {
            return Ok(());
        }
        if socket.closing.get() {
            self.world.recorder.count("sends to a closing socket");
            return Err(Gone);
        }
        self.world.check_send_buffer(&self.host, socket, frame.len());
        self.output(Output::Frame(socket.clone(), frame.to_owned()));
        Ok(())
    }

    fn close(&self, socket: &Rc<SimSocket>, code: CloseCode) -> std::result::Result<(), Gone> {
        if self.world.faults.suppress_effect() {
            return Ok(());
        }
        if socket.close(self.world.clock.now()) {
            self.world.recorder.count("closes of a closing socket");
            return Err(Gone);
        }
        if code == CloseCode::SlowConsumer {
            self.world.recorder.count("slow sockets closed");
            if socket.is_received() && !socket.was_slow.get() {
                let what = format!("socket {} has always read, and is closed as slow", socket.id);
                self.world.recorder.violation(Checker::Bounds, what);
            }
        }
        self.output(Output::Close(socket.clone(), code.code()));
        Ok(())
    }

    fn waiting_bytes(&self, socket: &Rc<SimSocket>) -> u32 {
        socket.waiting_bytes()
    }

    fn attach(&self, socket: &Rc<SimSocket>, text: &str) {
        assert!(text.len() <= 16_384, "the platform keeps no more with a socket");
        *socket.attachment.borrow_mut() = Some(text.to_owned());
    }

    fn attachment(&self, socket: &Rc<SimSocket>) -> Option<String> {
        socket.attachment.borrow().clone()
    }

    fn pinged_at(&self, socket: &Rc<SimSocket>) -> Option<UnixMs> {
        Some(socket.pinged_at(self.world.clock.now()))
    }

    fn parse_emoji(text: &str) -> Option<String> {
        testkit::parse_emoji(text)
    }

    async fn authenticate(&self, token: &str) -> std::result::Result<Identity, Refusal> {
        parse_token(token).ok_or_else(|| Refusal::new(Code::Unauthenticated, "no token"))
    }

    /// See `notifications`.
    async fn notify(&self, notices: &[Notices]) -> bool {
        self.world.check_offers(&self.host);
        self.world.clock.sleep(5).await;
        // The queue fails now and then, and its answer may be lost.
        let chance = self.world.clock.random() % 8;
        if chance == 0 {
            self.world.recorder.count("notifications refused");
            return false;
        }
        notices.iter().for_each(|notices| self.world.consume(notices));
        chance != 1
    }

    async fn report_alert(&self, report: &OutboxReport) -> bool {
        self.world.clock.sleep(5).await;
        if self.world.faults.alerts_unavailable.get() {
            self.world.recorder.count("alert reports lost");
            return false;
        }
        let key = (report.tenant.to_string(), report.room.to_string());
        let mut alerts = self.world.backends.alerts.borrow_mut();
        let known = alerts.entry(key).or_default();
        if report.at >= known.0 {
            *known = (report.at, report.problem.is_some());
        }
        self.world.recorder.count("alert reports");
        !self.is_answer_lost()
    }

    async fn remove_files(&self, keys: &[String]) -> bool {
        self.world.clock.sleep(LATENCY_MS).await;
        if self.world.faults.bucket_unavailable.get() {
            self.world.recorder.count("file removals failed");
            return false;
        }
        let mut bucket = self.world.backends.bucket.borrow_mut();
        let removed = keys.iter().filter(|key| bucket.remove(*key).is_some()).count();
        (0..removed).for_each(|_| self.world.recorder.count("files removed"));
        !self.is_answer_lost()
    }

    async fn list_files(&self, prefix: &str) -> Option<Vec<String>> {
        self.world.clock.sleep(LATENCY_MS).await;
        if self.world.faults.bucket_unavailable.get() {
            return None;
        }
        self.world.recorder.count("searches for strays");
        let bucket = self.world.backends.bucket.borrow();
        Some(bucket.keys().filter_map(|key| key.strip_prefix(prefix).map(str::to_owned)).collect())
    }

    async fn poke(&self, poke: &InboxRequest) -> bool {
        self.world.clone().carry_poke(Some(&self.host), poke.clone()).await
    }

    async fn call_room(&self, request: &RoomRequest) -> std::result::Result<Reply, Refusal> {
        self.world.clone().ask_room_for_inbox(request.clone()).await
    }

    fn report(&self, entry: &Entry) {
        self.world.recorder.trace(|| format!("{}: {entry}", self.host.name));
        if entry.event() == "row_quarantined" {
            self.world.recorder.count("rows quarantined");
        }
    }
}
