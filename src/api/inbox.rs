//! `GET /chat/inbox`, the upgrade to a person's inbox, and what the Worker and the rooms send to an inbox's object. The
//! requests cross a deploy: fields are added and never changed.
//! Not here: what a connection receives (`inbox`), and who is poked (the statements of `db`).

use super::chat::{authenticate_upgrade, since};
use super::context::Unauthenticated;
use super::http::Reply;
use super::ports::Ports;
use crate::auth::Identity;
use crate::error::Refusal;
use crate::ids::{RoomId, Seq, TenantId, UserId};
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
}

/// The name of a person's inbox object. The platform logs names, and a user id may be an address of mail: the name holds
/// its hash.
pub fn inbox_name(tenant: &TenantId, user: &UserId) -> String {
    let hash: String = Sha256::digest(user.as_str()).iter().map(|byte| format!("{byte:02x}")).collect();
    json!([tenant, hash]).to_string()
}

/// # Takes  `raw_query`: the query still percent-encoded, as `auth` reads it.
pub async fn upgrade<P: Ports>(cx: Unauthenticated<'_, '_, P>, raw_query: &str) -> Result<Reply, Refusal> {
    let (caller, batches) = authenticate_upgrade(&cx, raw_query).await?;
    let since = since(&cx.query)?;
    Ok(Reply::OpenInbox(Box::new(InboxUpgrade { caller, batches, since })))
}
