//! What enters the room and what leaves it. Not here: what follows from an input (`Room::handle`), and how an effect is
//! performed (`object`).

use super::calls::RoomCall;
use super::connection::{ConnectionId, SocketState};
use super::session::Connect;
use super::store::StoreError;
use super::store::formats::OutboxReport;
use crate::auth::Identity;
use crate::db::{DbError, Projected, Projection, RoomSnapshot};
use crate::error::Refusal;
use crate::ids::{Seq, UnixMs};
use crate::oplog::Entry;
use crate::protocol::server::{CloseCode, EventText};
use std::rc::Rc;

/// Something that happened to the room.
pub enum Input<'a> {
    /// A member's socket was accepted (see `Room::admit`).
    Connect(Connect),
    Frame {
        connection: ConnectionId,
        text: &'a str,
        random: u64,
    },
    Binary {
        connection: ConnectionId,
    },
    /// The result of `Effect::Verify`.
    Verified {
        connection: ConnectionId,
        outcome: Result<Identity, Refusal>,
    },
    /// Clients that have sent pings before and send nothing any more.
    Silent {
        connections: Vec<ConnectionId>,
    },
    /// More bytes wait for this socket than its budget allows.
    Slow {
        connection: ConnectionId,
    },
    Closed {
        connection: ConnectionId,
    },
    /// A REST request.
    Call {
        caller: &'a Identity,
        call: RoomCall,
        random: u64,
    },
    /// The turn is over: gathered events are sent.
    Flush,
    /// The time of `Room::deadline` has come.
    Tick,
    AlarmFired,
    /// Asks for the next batch (`Effect::Project`), if one is due.
    Drain,
    /// The result of `Effect::Project`. The batch comes back with it: an answer that is late, or that belongs to a room
    /// before a reload, must not count for another batch.
    Projected {
        batch: Rc<Projection>,
        outcome: Result<Projected, DbError>,
        /// The queue of notifications has the batch's notices.
        notified: bool,
    },
    /// Whether the tenant's list has confirmed the `Effect::ReportAlert` of that time.
    AlertReported {
        at: UnixMs,
        taken: bool,
    },
    /// Whether the bucket has removed the objects of these uploads (`Effect::RemoveFiles`).
    FilesRemoved {
        ids: Vec<String>,
        gone: bool,
    },
    /// The result of `Effect::ListFiles`; `None`: the bucket did not answer.
    FilesListed(Option<Vec<String>>),
    /// The result of `Effect::Refresh`: the room and its members; `None`: Postgres does not have the room.
    Refreshed(Option<RoomSnapshot>),
    /// The owner has asked for the deletion of the room, and Postgres is about to be asked.
    DeletionRequested,
    /// The memory was lost while sockets were open (a panic, a failing store). Events after `delivered_seq`, the head at
    /// the last flush, were committed and not delivered.
    Recovered {
        delivered_seq: Seq,
    },
    /// This connection's frame could not be handled because of a fault of ours.
    Failed {
        connection: ConnectionId,
        text: &'a str,
    },
}

/// Something that must be done, at once and in the order given.
#[derive(Debug)]
pub enum Effect {
    /// One frame to one socket.
    Send {
        connection: ConnectionId,
        frame: EventText,
    },
    Close {
        connection: ConnectionId,
        code: CloseCode,
    },
    /// What the platform must store with the socket.
    Attach {
        connection: ConnectionId,
        attachment: Box<SocketState>,
    },
    /// Verify this token; the result is `Input::Verified`.
    Verify {
        connection: ConnectionId,
        token: String,
    },
    /// The answer to a `Call`, as JSON text.
    Reply(Result<String, Refusal>),
    /// Bring this to Postgres; the result is `Input::Projected`.
    Project(Rc<Projection>),
    /// Ask Postgres for the room and its members; the result is `Input::Refreshed`.
    Refresh,
    /// Set the alarm to this time.
    Alarm(UnixMs),
    /// The room is deleted and its storage empty: nothing of it may stay in memory.
    Wiped,
    /// Report to the tenant's list of outbox alerts; the result is `Input::AlertReported`.
    ReportAlert(OutboxReport),
    /// Remove these objects from the bucket; the result is `Input::FilesRemoved`.
    RemoveFiles {
        ids: Vec<String>,
        keys: Vec<String>,
    },
    /// List the objects with this prefix; the result is `Input::FilesListed`.
    ListFiles(String),
    /// Write a line to the operator's log.
    Report(Entry),
}

/// Why an operation was not done.
pub(crate) enum RoomError {
    /// The caller gets this answer; nothing happened.
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
