//! The platform of the real `Object` in a conversation: every call goes to the `World`.
//! Not here: what the world does with it.

use crate::tasks::Tasks;
use crate::world::{HungBatch, PANICKING, Reply, Socket, World};
use chinwag::auth::Identity;
use chinwag::db::{DbError, Notices, Postgres};
use chinwag::error::Refusal;
use chinwag::ids::{RoomId, TenantId, UnixMs};
use chinwag::limits::DRAIN_GATHER_MIN_MS;
use chinwag::metrics::Counts;
use chinwag::object::{Gone, Platform};
use chinwag::oplog::Entry;
use chinwag::protocol::server::CloseCode;
use chinwag::room::store::Sql;
use chinwag::room::{ConnectionId, Input, OutboxReport};
use serde_json::Value;
use std::cell::{RefCell, RefMut};
use std::rc::Rc;
use std::task::Poll;
use testkit::Sqlite;

/// The platform of the object, and its way to Postgres.
pub struct NativePlatform {
    world: Rc<RefCell<World>>,
    tasks: Rc<Tasks>,
    sql: Rc<Sqlite>,
    db: FakeDb,
}

pub struct FakeDb(Rc<RefCell<World>>);

impl NativePlatform {
    pub fn new(world: &Rc<RefCell<World>>, tasks: &Rc<Tasks>, sql: &Rc<Sqlite>) -> Self {
        let db = FakeDb(world.clone());
        Self { world: world.clone(), tasks: tasks.clone(), sql: sql.clone(), db }
    }

    fn world(&self) -> RefMut<'_, World> {
        self.world.borrow_mut()
    }
}

impl Postgres for FakeDb {
    async fn query(&self, _sql: &'static str, input: Value) -> Result<Value, DbError> {
        let answered = self.0.borrow_mut().query(&input);
        if let Some(outcome) = answered {
            return outcome;
        }
        let batch = serde_json::from_value(input).expect("only batches hang");
        let answer = Rc::<RefCell<Reply>>::default();
        self.0.borrow_mut().hanging.push(HungBatch { batch, answer: answer.clone() });
        std::future::poll_fn(|context| {
            let mut reply = answer.borrow_mut();
            reply.waker = Some(context.waker().clone());
            reply.outcome.take().map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }
}

impl Platform for NativePlatform {
    type Socket = ConnectionId;
    type Peer = ConnectionId;
    type Db = FakeDb;

    fn now(&self) -> UnixMs {
        self.world().now
    }

    /// The same numbers in every run.
    fn random(&self) -> u64 {
        let mut world = self.world();
        world.drawn += 1;
        world.drawn.wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    /// Batches are not gathered unless a test says so: each line of a transcript shows what Postgres received because
    /// of it.
    async fn sleep(&self, ms: u64) {
        let is_gathering = ms == DRAIN_GATHER_MIN_MS && !self.world().gathers;
        let until = if is_gathering { self.now() } else { self.now() + ms };
        self.tasks.sleep_until(until).await;
    }

    fn later(&self, work: impl Future<Output = ()> + 'static) {
        self.tasks.spawn(work);
    }

    fn sql(&self) -> &dyn Sql {
        &*self.sql
    }

    fn db(&self) -> &FakeDb {
        &self.db
    }

    fn close_db(&self) {}

    fn delete_all(&self) {
        self.sql.delete_all();
        self.world().alarm = None;
    }

    fn set_alarm(&self, at: UnixMs) {
        self.world().set_alarm(at);
    }

    fn accept(&self, id: ConnectionId) -> Option<(ConnectionId, ConnectionId)> {
        let mut world = self.world();
        let dialling = world.upgrading.take()?;
        world.sockets.insert(id, Socket { id, ..dialling });
        Some((id, id))
    }

    fn sockets(&self) -> Vec<ConnectionId> {
        let world = self.world();
        world.sockets.values().filter(|socket| !socket.is_closing).map(|socket| socket.id).collect()
    }

    fn send(&self, socket: &ConnectionId, frame: &str) -> Result<(), Gone> {
        let mut world = self.world();
        let waiting = &mut world.sockets.get_mut(socket).ok_or(Gone)?.waiting_bytes;
        *waiting = waiting.saturating_add(frame.len() as u32);
        world.turn_bytes += frame.len();
        world.longest_turn_bytes = world.longest_turn_bytes.max(world.turn_bytes);
        world.deliver(*socket, frame);
        Ok(())
    }

    fn close(&self, socket: &ConnectionId, code: CloseCode) -> Result<(), Gone> {
        let mut world = self.world();
        let socket = world.sockets.remove(socket).ok_or(Gone)?;
        // The answer to the upgrade says what went wrong.
        if socket.unanswered.is_none() {
            world.tell(&socket.name, format!("closed {} {}", code.code(), code.name()));
        }
        Ok(())
    }

    fn waiting_bytes(&self, socket: &ConnectionId) -> u32 {
        self.world().sockets.get(socket).map_or(0, |socket| socket.waiting_bytes)
    }

    fn attach(&self, socket: &ConnectionId, text: &str) {
        assert!(text.len() <= 16_384, "the platform keeps no {} bytes with a socket", text.len());
        let mut world = self.world();
        world.sockets.get_mut(socket).expect("only open sockets keep state").attachment =
            Some(text.to_owned());
    }

    fn attachment(&self, socket: &ConnectionId) -> Option<String> {
        self.world().sockets.get(socket)?.attachment.clone()
    }

    fn pinged_at(&self, socket: &ConnectionId) -> Option<UnixMs> {
        let world = self.world();
        let vanished_at = world.sockets.get(socket)?.vanished_at;
        Some(vanished_at.unwrap_or(world.now))
    }

    fn parse_emoji(text: &str) -> Option<String> {
        testkit::parse_emoji(text)
    }

    async fn authenticate(&self, token: &str) -> Result<Identity, Refusal> {
        // `bob+60@500` takes 500 ms.
        let (token, takes_ms) = token.split_once('@').unwrap_or((token, "0"));
        if let Some(ms) = takes_ms.parse().ok().filter(|ms| *ms > 0) {
            self.sleep(ms).await;
        }
        self.world().verify(token)
    }

    async fn report_alert(&self, report: &OutboxReport) -> bool {
        self.world().report_alert(report)
    }

    async fn remove_files(&self, keys: &[String]) -> bool {
        self.world().remove_files(keys)
    }

    async fn list_files(&self, prefix: &str) -> Option<Vec<String>> {
        let world = self.world();
        let uploads = world.bucket.iter().filter_map(|key| key.strip_prefix(prefix).map(str::to_owned));
        (!world.bucket_is_away).then(|| uploads.collect())
    }

    async fn notify(&self, notices: &[Notices]) -> bool {
        self.world().notify(notices)
    }

    fn count(&self, _tenant: &TenantId, _room: &RoomId, counts: &Counts) {
        let mut world = self.world();
        world.counts = world.counts.plus(counts);
    }

    fn report(&self, entry: &Entry) {
        self.world().report(entry);
    }

    fn strike(&self, input: &Input) {
        if matches!(input, Input::Binary { connection: PANICKING }) {
            // Without the panic hook: its text would fill the output of every run.
            std::panic::resume_unwind(Box::new("a test's panic"));
        }
    }
}
