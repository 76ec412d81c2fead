//! What the Worker and the rooms send to an inbox's object, and the object's name. Both sides run different versions while
//! a deploy is under way, so these types are formats: fields are added and never changed.
//! Not here: what an inbox does with a request (`object`), and who is poked (the statements of `db`).

use crate::auth::Identity;
use crate::ids::{RoomId, Seq, TenantId, UserId, is_zero};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};

/// One request to a person's inbox.
///
/// Crosses a deploy: tests/golden/stored/inbox_request.json
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum InboxRequest {
    Upgrade(InboxUpgrade),
    Poke(Poke),
    PersonPoke(PersonPoke),
    /// The list of saved messages may have changed. It may arrive twice, late or never: the inbox asks Postgres.
    #[serde(rename_all = "camelCase")]
    SavedPoke {
        tenant: TenantId,
        user: UserId,
    },
    /// Which tokens are refused has changed in Postgres: the inbox asks for it, and closes the sockets of those.
    #[serde(rename_all = "camelCase")]
    EndSessions {
        tenant: TenantId,
        user: UserId,
    },
}

/// Crosses a deploy: tests/golden/stored/inbox_request.json
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InboxUpgrade {
    pub caller: Identity,
    /// The client speaks `chat.v1`.
    pub batches: bool,
    /// The last event that the client has, and the log that it belongs to.
    pub since: Option<(Seq, String)>,
}

/// A room of this person may have changed. It may arrive twice, late or never: the inbox asks Postgres.
///
/// Crosses a deploy: tests/golden/stored/inbox_request.json
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Poke {
    pub tenant: TenantId,
    pub user: UserId,
    pub room: RoomId,
    /// Up to here the room knows that the person has read.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub read: Seq,
}

/// The presence or the profile of `person`, who has a direct room with `user`, may have changed. It may arrive twice, late
/// or never: the inbox asks Postgres.
///
/// Crosses a deploy: tests/golden/stored/inbox_request.json
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PersonPoke {
    pub tenant: TenantId,
    pub user: UserId,
    pub person: UserId,
}

impl InboxRequest {
    /// Whose inbox it is for.
    pub fn owner(&self) -> (&TenantId, &UserId) {
        match self {
            Self::Upgrade(InboxUpgrade { caller, .. }) => (&caller.tenant, &caller.user),
            Self::Poke(Poke { tenant, user, .. })
            | Self::PersonPoke(PersonPoke { tenant, user, .. })
            | Self::SavedPoke { tenant, user }
            | Self::EndSessions { tenant, user } => (tenant, user),
        }
    }
}

/// The name of a person's inbox object. The platform logs names, and a user id may be an address of mail: the name holds
/// its hash.
pub fn inbox_name(tenant: &TenantId, user: &UserId) -> String {
    let hash: String = Sha256::digest(user.as_str()).iter().map(|byte| format!("{byte:02x}")).collect();
    json!([tenant, hash]).to_string()
}
