//! What goes into `Room::handle`: everything that can happen to a room, and the calls of the Worker among it.
//! Not here: what follows from an input (`Room`), and what comes out (`effect`).

use super::notifications::Offering;
use super::socket_state::{ConnectionId, SocketState};
use crate::auth::Identity;
use crate::db::{DbError, Projected, Projection, Restored, RoomSnapshot};
use crate::error::Refusal;
use crate::ids::{Seq, UnixMs, UserId};
use crate::protocol::message::Attachment;
use serde::{Deserialize, Serialize};
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
    /// Clients that had pinged and then sent nothing for too long.
    Silent {
        connections: Vec<ConnectionId>,
    },
    /// More bytes wait for this socket than `limits` allows.
    Slow {
        connection: ConnectionId,
    },
    /// What waited for these sockets was lost with the object's memory: their clients have to resume.
    Lost {
        connections: Vec<ConnectionId>,
    },
    Closed {
        connection: ConnectionId,
        /// The client has sent a close frame. Otherwise it may have been gone for a while.
        is_clean: bool,
        /// What the platform stored with a socket that no room of this instance has known: an earlier instance accepted
        /// it, and this one was created for its end.
        stored: Option<Box<SocketState>>,
    },
    /// When the platform last answered a ping of these clients.
    Pinged(Vec<(ConnectionId, UnixMs)>),
    /// A REST request.
    Call {
        caller: &'a Identity,
        call: RoomCall,
        random: u64,
    },
    /// The turn is over: pending events leave.
    Flush,
    /// `Room::deadline` has come.
    Tick,
    AlarmFired,
    /// The outbox may take its next batch.
    Drain,
    /// The result of `Effect::Project`. The batch comes back with it, so that a late answer, or one from before a
    /// reload, is not taken for another batch's.
    Projected {
        batch: Rc<Projection>,
        outcome: Result<Projected, DbError>,
    },
    /// Notices may go to their queue.
    Notify,
    /// Whether the queue has taken the notices of `Effect::Offer`.
    Offered {
        offering: Rc<Offering>,
        taken: bool,
    },
    /// Whether the tenant's list took the `Effect::ReportAlert` of that time.
    AlertReported {
        at: UnixMs,
        taken: bool,
    },
    /// Whether the bucket and Postgres removed the objects of `Effect::RemoveFiles`.
    FilesRemoved {
        ids: Vec<String>,
        gone: bool,
    },
    /// The result of `Effect::ListFiles`; `None`: the bucket did not answer.
    FilesListed(Option<Vec<String>>),
    /// The result of `Effect::Refresh`: the room and its members in Postgres; `None`: Postgres has no such room.
    Refreshed(Option<RoomSnapshot>),
    /// The result of `Effect::Restore`.
    Restored(Result<Restored, DbError>),
    /// The owner asked for the deletion of the room; Postgres is asked next.
    DeletionRequested,
    /// The result of `Effect::Erase`: whether there are more pieces.
    Erased(Result<bool, DbError>),
    /// The room was loaded again under open sockets (a panic, a failed store). Events after `delivered_seq`, the head
    /// at the last flush, were committed and not delivered.
    Recovered {
        delivered_seq: Seq,
    },
    /// This connection's frame was lost to an internal error.
    Failed {
        connection: ConnectionId,
        text: &'a str,
    },
}

/// The last event that a client has, and the log that it belongs to.
#[derive(Clone, Debug, PartialEq)]
pub struct ResumePosition {
    pub seq: Seq,
    pub epoch: String,
}

/// A member's socket that was just accepted.
#[derive(Clone, Debug)]
pub struct Connect {
    pub id: ConnectionId,
    pub identity: Identity,
    /// Whether the client speaks `chat.v1`.
    pub batches: bool,
    /// The position from which the client resumes.
    pub since: Option<ResumePosition>,
    /// The number of messages that a client without a position wants.
    pub history: u64,
}

/// What the Worker asks of a room for a person. It crosses a deploy as JSON, so it only grows.
///
/// Crosses a deploy: tests/golden/stored/room_request.json
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "call", rename_all = "camelCase")]
pub enum RoomCall {
    /// `POST /rooms/:id/messages`; `body` is the request's body, unparsed.
    Say { body: String },
    /// `GET /rooms/:id/messages`.
    Page(PageQuery),
    /// `PATCH /rooms/:id/messages/:mid`; `body` is the request's body, unparsed.
    Edit { message: String, body: String },
    /// `DELETE /rooms/:id/messages/:mid`.
    Delete { message: String },
    /// `GET /rooms/:id/messages/:mid/versions`: those below the version `before`.
    Versions {
        message: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        before: Option<u64>,
    },
    /// `PUT` or `DELETE /rooms/:id/messages/:mid/reactions/:emoji`.
    React { message: String, emoji: String, add: bool },
    /// `GET /rooms/:id/messages/:mid/reactions/:emoji`: those whose ids follow `after`.
    Reactors { message: String, emoji: String, after: Option<UserId>, limit: Option<u64> },
    /// `PUT` or `DELETE /rooms/:id/pins/:mid`.
    Pin { message: String, pin: bool },
    /// `GET /rooms/:id/pins`.
    Pins,
    /// `GET /rooms/:id/messages/:mid/readers`.
    Readers { message: String },
    /// `GET /rooms/:id/threads/:rootId`.
    Thread { root: String, before: Option<Seq>, limit: Option<u64> },
    /// `POST /rooms/:id/read`.
    Read { seq: Seq },
    /// `POST /rooms/:id/unread`.
    Unread { seq: Seq },
    /// Whether there is such a message, as it is asked before something outside of the room names it.
    Find {
        message: String,
        /// Deleted messages count as well.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        tombstones: bool,
    },
    /// `POST /rooms/:id/messages/:mid/report`.
    Report { message: String, reason: String },
    /// `POST /admin/reports/:id/resolve` with `delete`.
    DeleteReported { message: String },
    /// `GET /rooms/:id/outbox`.
    Outbox,
    /// `POST /rooms/:id/outbox/retry`.
    RetryOutbox,
    /// `POST /rooms/:id/outbox/discard`.
    Discard { seq: Seq },
    /// `POST /rooms/:id/attachments`, before a byte is stored.
    Reserve { upload: String, size: u64 },
    /// The upload's file is in the bucket.
    Uploaded { upload: String, file: Attachment },
    /// The upload's file did not reach the bucket, as far as the Worker knows.
    UploadFailed { upload: String },
    /// `GET /attachments/:id`.
    File { upload: String },
}

impl RoomCall {
    /// Whether only the tenant's moderators or admins may ask this; they need not be members.
    pub fn is_tenants(&self) -> bool {
        matches!(self, Self::Outbox | Self::RetryOutbox | Self::Discard { .. } | Self::DeleteReported { .. })
    }
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PageQuery {
    pub before: Option<Seq>,
    pub after: Option<Seq>,
    pub around: Option<Seq>,
    /// Stands for `around` the first message at or after this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<UnixMs>,
    pub limit: Option<u64>,
    pub thread_id: Option<String>,
}
