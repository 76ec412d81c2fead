//! What the object of a room or an inbox needs from its runtime. `shell` (workerd) and the simulator implement it.
//! Not here: what the object does with it.

use crate::api::{InboxRequest, Reply, RoomRequest};
use crate::auth::Identity;
use crate::db::{Notices, Postgres};
use crate::error::Refusal;
use crate::ids::{RoomId, TenantId, UnixMs};
use crate::metrics::Counts;
use crate::oplog::Entry;
use crate::protocol::server::CloseCode;
use crate::room::store::Sql;
use crate::room::{ConnectionId, Input, OutboxReport};
use std::future::Future;

/// A socket that is closing or gone accepts nothing any more.
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
    /// During a sleep the object stays awake, and its time is billed.
    fn sleep(&self, ms: u64) -> impl Future<Output = ()>;
    /// Runs `work` after this event; the object stays awake for it.
    fn later(&self, work: impl Future<Output = ()> + 'static);
    fn sql(&self) -> &dyn Sql;
    fn db(&self) -> &Self::Db;
    /// Closes the connection to Postgres: an open one keeps the object awake.
    fn close_db(&self);
    /// Empties the storage, tables and alarm: afterwards it is as if the object had never been used.
    fn delete_all(&self);
    /// The alarm becomes durable together with what this turn writes. `at` is at least `ALARM_MIN_MS` ahead.
    fn set_alarm(&self, at: UnixMs);

    /// A new socket; all later callbacks use this number.
    fn accept(&self, id: ConnectionId) -> Option<(Self::Socket, Self::Peer)>;
    /// All sockets of this object that are not closing.
    fn sockets(&self) -> Vec<Self::Socket>;
    /// # Errors  the socket is closing or gone. The caller continues nevertheless.
    fn send(&self, socket: &Self::Socket, frame: &str) -> Result<(), Gone>;
    /// # Errors  the socket is closing already. The caller continues nevertheless.
    fn close(&self, socket: &Self::Socket, code: CloseCode) -> Result<(), Gone>;
    /// Bytes that were sent to the socket and are still waiting.
    fn waiting_bytes(&self, socket: &Self::Socket) -> u32;
    /// Stores this text with the socket, also while the object hibernates (≤ 16,384 bytes).
    fn attach(&self, socket: &Self::Socket, text: &str);
    fn attachment(&self, socket: &Self::Socket) -> Option<String>;
    /// When the platform last answered a ping of this client; `None` if the client has sent none.
    fn pinged_at(&self, socket: &Self::Socket) -> Option<UnixMs>;

    /// See `EmojiParser`.
    fn parse_emoji(text: &str) -> Option<String>;

    fn authenticate(&self, token: &str) -> impl Future<Output = Result<Identity, Refusal>>;
    /// Reports to the tenant's list of outbox alerts; true if the list has confirmed.
    fn report_alert(&self, _report: &OutboxReport) -> impl Future<Output = bool> {
        async { true }
    }
    /// Removes objects from the bucket, if they are there; true when none of them is there any more.
    fn remove_files(&self, keys: &[String]) -> impl Future<Output = bool>;
    /// The rest of the key of each object with this prefix; `None`: the bucket did not answer.
    fn list_files(&self, prefix: &str) -> impl Future<Output = Option<Vec<String>>>;
    /// Hands notices to the queue of notifications; true if the queue has them, or there is no queue.
    ///
    /// # Cost  at most `QUEUE_TIMEOUT_MS`.
    fn notify(&self, _notices: &[Notices]) -> impl Future<Output = bool> {
        async { true }
    }
    /// Pokes a person's inbox; true when it has the poke.
    ///
    /// # Cost  at most `OBJECT_TIMEOUT_MS`.
    fn poke(&self, _poke: &InboxRequest) -> impl Future<Output = bool> {
        async { true }
    }
    /// Asks a room for an inbox.
    ///
    /// # Cost  at most `OBJECT_TIMEOUT_MS`.
    fn call_room(&self, _request: &RoomRequest) -> impl Future<Output = Result<Reply, Refusal>> {
        async { Err(Refusal::fault()) }
    }
    /// Writes a data point for the operator's graphs.
    fn count(&self, _tenant: &TenantId, _room: &RoomId, _counts: &Counts) {}
    /// Writes a line to the operator's log.
    fn report(&self, entry: &Entry);
    /// A test may panic here, within the handling of this input.
    fn strike(&self, _input: &Input) {}
}
