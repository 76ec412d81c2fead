//! The way into a room: who may be let through to it, and what is asked of it. Postgres is asked first, so
//! that strangers wake no room; when it can't answer, the room decides by the membership it knows.
//! Not here: the room's own decision (`room::Room::admit`).

use super::{Ports, Reply, unavailable};
use crate::auth::Identity;
use crate::db;
use crate::error::{Code, Refusal};
use crate::ids::{RoomId, Seq};
use crate::room::{AdminChange, RoomCall};
use serde::{Deserialize, Serialize};

/// What the Worker hands to a room. Old and new code meet here during a deploy: add fields, never change them.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RoomRequest {
    pub caller: Identity,
    pub room: RoomId,
    /// What Postgres said; absent when it could not be asked.
    pub membership: Option<Membership>,
    pub op: RoomOp,
}

/// The room exists and the caller may come in, as Postgres has it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Membership {
    /// A room that knows an older version asks Postgres for the members.
    pub members_version: u64,
    /// A room whose log ends before this has lost its storage.
    pub last_seq: Seq,
}

impl From<db::Access> for Membership {
    fn from(access: db::Access) -> Self {
        Self { members_version: access.members_version, last_seq: access.last_seq }
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RoomOp {
    Upgrade(UpgradeRequest),
    Call(RoomCall),
    Change(AdminChange),
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UpgradeRequest {
    /// The client speaks `chat.v1`.
    pub batches: bool,
    pub since: Option<(Seq, String)>,
    pub history: u64,
}

/// Existence isn't revealed: strangers and the curious hear the same.
pub fn no_such_room() -> Refusal {
    Refusal::new(Code::RoomNotFound, "there is no such room")
}

/// Asks Postgres whether this person is in this room.
///
/// # Gives   `None` when Postgres can't say; the room then decides.
/// # Errors  `room_not_found`, and no room was woken for it.
pub async fn membership<P: Ports>(
    ports: &P,
    caller: &Identity,
    room: &RoomId,
) -> Result<Option<Membership>, Refusal> {
    match db::access(ports.fail_fast_db(), &caller.tenant, &caller.user, room).await {
        Ok(Some(access)) => Ok(Some(access.into())),
        Ok(None) => Err(no_such_room()),
        Err(_) => Ok(None),
    }
}

/// Asks a room on a member's behalf.
pub async fn call<P: Ports>(
    ports: &P,
    caller: Identity,
    room: RoomId,
    call: RoomCall,
) -> Result<Reply, Refusal> {
    let membership = membership(ports, &caller, &room).await?;
    ports.call_room(&RoomRequest { caller, room, membership, op: RoomOp::Call(call) }).await
}

/// Has a room changed on a member's behalf. Postgres decides in the end, so without it nothing is changed.
pub async fn change<P: Ports>(
    ports: &P,
    caller: Identity,
    room: RoomId,
    change: AdminChange,
) -> Result<Reply, Refusal> {
    let membership = membership(ports, &caller, &room).await?;
    ports.call_room(&RoomRequest { caller, room, membership, op: RoomOp::Change(change) }).await
}

/// What a room that must be opened, or has grown old since the version `known`, needs from Postgres.
///
/// # Errors  `room_not_found`; `upstream_unavailable` when Postgres can't say.
pub async fn open_room(
    db: &impl db::Postgres,
    caller: &Identity,
    room: &RoomId,
    known: Option<u64>,
) -> Result<db::RoomSnapshot, Refusal> {
    let snapshot = db::room_snapshot(db, &caller.tenant, room, known).await.map_err(unavailable)?;
    snapshot.ok_or_else(no_such_room)
}
