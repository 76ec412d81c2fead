//! What the Worker sends to a room's object, and the object's name. Worker and room run different versions while a
//! deploy is under way, so these types are formats: fields are added and never changed.
//! Not here: how a request gets to the room (`room_access`), and what the room does with it (`object`, `room`).

use crate::auth::Identity;
use crate::db;
use crate::ids::{RoomId, Seq, TenantId};
use crate::room::{AdminChange, RoomCall};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One request to a room on behalf of a verified caller.
///
/// Crosses a deploy: tests/golden/stored/room_request.json
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RoomRequest {
    pub caller: Identity,
    pub room: RoomId,
    /// `None`: Postgres gave no answer, and the room decides by the members it knows.
    pub membership: Option<Membership>,
    pub op: RoomOp,
}

/// The caller's membership of the room, as Postgres has it.
///
/// Crosses a deploy: tests/golden/stored/room_request.json
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Membership {
    /// A room that knows an older version asks Postgres for the members.
    pub members_version: u64,
    /// A room whose log ends before this has lost its storage.
    pub last_seq: Seq,
    /// The caller's notification settings, which make no version: a room that knows others asks Postgres before it shows
    /// them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notify: Option<db::Notify>,
    /// How the caller is shown: a room that shows them otherwise asks Postgres before it shows people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<db::ShownPerson>,
}

impl From<db::Access> for Membership {
    fn from(access: db::Access) -> Self {
        let db::Access { members_version, last_seq, notify, person, .. } = access;
        Self { members_version, last_seq, notify, person }
    }
}

/// Crosses a deploy: tests/golden/stored/room_request.json
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RoomOp {
    Upgrade(UpgradeRequest),
    Call(RoomCall),
    Change(AdminChange),
    /// Which tokens are refused has changed in Postgres: the room asks for it, and closes the sockets of those.
    EndSessions {},
    /// What else the room copies from Postgres has changed: it asks for it.
    Refresh {},
}

impl RoomOp {
    /// Whether only the tenant's moderators or admins may ask this; they need not be members of the room.
    pub fn is_tenants(&self) -> bool {
        match self {
            Self::Upgrade(_) => false,
            Self::Call(call) => call.is_tenants(),
            Self::Change(change) => change.is_tenants(),
            Self::EndSessions {} | Self::Refresh {} => true,
        }
    }
}

/// Crosses a deploy: tests/golden/stored/room_request.json
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UpgradeRequest {
    /// The client speaks `chat.v1`.
    pub batches: bool,
    /// The last event that the client has, and the log that it belongs to.
    pub since: Option<(Seq, String)>,
    /// The number of messages to send first.
    pub history: u64,
}

/// The name of a room's object. Different pairs of tenant and room have different names, whatever their characters.
pub fn object_name(tenant: &TenantId, room: &RoomId) -> String {
    Value::from(vec![tenant.as_str(), room.as_str()]).to_string()
}
