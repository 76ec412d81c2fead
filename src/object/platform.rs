//! What a room's object needs from the runtime it lives in. Made real by `shell` (workerd) and by the simulator.
//! Not here: what is done with it (`object`).

use crate::auth::Identity;
use crate::db::{Notice, Postgres};
use crate::error::Refusal;
use crate::ids::{RoomId, TenantId, UnixMs};
use crate::metrics::Counts;
use crate::oplog::Entry;
use crate::protocol::server::CloseCode;
use crate::room::store::Sql;
use crate::room::{ConnectionId, Input, OutboxReport};
use std::future::Future;

/// A socket that is closing or gone takes nothing any more.
#[derive(Debug)]
pub struct Gone;

pub trait Platform: 'static {
    /// The room's end of a socket. Clones are the same socket.
    type Socket: Clone;
    /// The other end, for the answer to an upgrade.
    type Peer;
    type Db: Postgres;

    fn now(&self) -> UnixMs;
    fn random(&self) -> u64;
    /// While somebody sleeps, the object stays awake and is paid for.
    fn sleep(&self, ms: u64) -> impl Future<Output = ()>;
    /// Runs `work` after this event; the object stays awake for it.
    fn later(&self, work: impl Future<Output = ()> + 'static);
    fn sql(&self) -> &dyn Sql;
    fn db(&self) -> &Self::Db;
    /// Shuts the connection to Postgres: an open one keeps the object awake.
    fn close_db(&self);
    /// Makes the alarm durable together with what this turn writes. At least `ALARM_MIN_MS` ahead.
    fn set_alarm(&self, at: UnixMs);

    /// A new socket, known by this number in all later callbacks.
    fn accept(&self, id: ConnectionId) -> Option<(Self::Socket, Self::Peer)>;
    /// All sockets that the platform holds for this object and that aren't closing.
    fn sockets(&self) -> Vec<Self::Socket>;
    /// # Errors  the socket is closing or gone. Never a reason to stop.
    fn send(&self, socket: &Self::Socket, frame: &str) -> Result<(), Gone>;
    /// # Errors  it is closing already. Never a reason to stop.
    fn close(&self, socket: &Self::Socket, code: CloseCode) -> Result<(), Gone>;
    /// Bytes that were sent to it and haven't left.
    fn waiting_bytes(&self, socket: &Self::Socket) -> u32;
    /// What is kept with the socket while the object sleeps (≤ 16,384 bytes).
    fn attach(&self, socket: &Self::Socket, text: &str);
    fn attachment(&self, socket: &Self::Socket) -> Option<String>;
    /// When the platform last answered this client's ping for us; `None` if it never pinged.
    fn pinged_at(&self, socket: &Self::Socket) -> Option<UnixMs>;

    fn authenticate(&self, token: &str) -> impl Future<Output = Result<Identity, Refusal>>;
    /// Tells the tenant's list of rooms in trouble; true when it took it.
    fn report_alert(&self, _announcement: &OutboxReport) -> impl Future<Output = bool> {
        async { true }
    }
    /// Removes objects from the bucket of files, those that aren't there too; true when that is done.
    fn remove_files(&self, keys: &[String]) -> impl Future<Output = bool>;
    /// What follows the prefix in the keys of the objects there; `None`: the bucket doesn't say.
    fn list_files(&self, prefix: &str) -> impl Future<Output = Option<Vec<String>>>;
    /// Hands notices to the queue of notifications; true when it has them, or there is no queue.
    ///
    /// # Cost  ends within `QUEUE_TIMEOUT_MS`: the outbox waits for it.
    fn notify(&self, _notices: &[Notice]) -> impl Future<Output = bool> {
        async { true }
    }
    /// A data point for the operator's graphs.
    fn count(&self, _tenant: &TenantId, _room: &RoomId, _counts: &Counts) {}
    /// A line for the operator's log.
    fn report(&self, entry: &Entry);
    /// A test's chance to panic within the handling of this input.
    fn strike(&self, _input: &Input) {}
}
