//! What comes out of `Room::handle`, and why an operation may come to nothing.
//! Not here: performing effects (`object`).

use super::notifications::Offering;
use super::socket_state::{ConnectionId, SocketState};
use super::store::StoreError;
use super::store::formats::OutboxReport;
use crate::db::Projection;
use crate::error::Refusal;
use crate::ids::UnixMs;
use crate::oplog::Entry;
use crate::protocol::server::{CloseCode, EventText};
use std::rc::Rc;

/// Something the shell must do, at once and in this order.
#[derive(Debug)]
pub enum Effect {
    Socket(SocketEffect),
    Close {
        connection: ConnectionId,
        code: CloseCode,
    },
    /// Verify this token and answer with `Input::Verified`.
    Verify {
        connection: ConnectionId,
        token: String,
    },
    /// The answer to an `Input::Call`, as JSON text.
    Reply(Result<String, Refusal>),
    /// Write this to Postgres and answer with `Input::Projected`.
    Project(Rc<Projection>),
    /// Ask Postgres for the room and its members; answer with `Input::Refreshed`.
    Refresh,
    Alarm(UnixMs),
    /// Put these notices into their queue; answer with `Input::Offered`.
    Offer(Rc<Offering>),
    /// Put the room back into Postgres (`Room::copy`) unless it was deleted there; answer with `Input::Restored`.
    Restore,
    /// Delete the next piece of the deleted room in Postgres; answer with `Input::Erased`.
    Erase,
    /// The room is deleted and nothing else is left of it: empty its storage, remove the alarm, forget the room.
    Wipe,
    /// Send this to the tenant's list of outbox alerts; answer with `Input::AlertReported`.
    ReportAlert(OutboxReport),
    /// Remove these objects from the bucket and from the count of their uploaders' bytes; answer with `Input::FilesRemoved`.
    RemoveFiles {
        ids: Vec<String>,
        keys: Vec<String>,
    },
    /// List the uploads whose objects have this prefix; answer with `Input::FilesListed`.
    ListFiles(String),
    /// A line for the operator's log.
    Report(Entry),
}

/// What `Connections::flush` releases for a socket.
#[derive(Debug)]
pub enum SocketEffect {
    /// Events, in order, after those that were sent to it before.
    Send { connection: ConnectionId, events: Vec<EventText> },
    /// The state that the platform must store with the socket.
    Attach { connection: ConnectionId, state: Box<SocketState> },
}

/// Why an operation was not done.
#[derive(Debug)]
pub(crate) enum RoomError {
    /// The caller gets this refusal; nothing happened.
    Refused(Refusal),
    Store(StoreError),
}

impl From<Refusal> for RoomError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<StoreError> for RoomError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}
