//! What a person's inbox asks: its lease, and rooms as the person sees them. A room of an answer is the list's.
//! Not here: the list itself (`rooms`), and what the inbox makes of an answer (`inbox`).

use super::port::{DbError, Postgres, decode};
use super::unread::bounds;
use crate::ids::{RoomId, TenantId, UserId};
use crate::limits::INBOX_LEASE_MS;
use crate::protocol::inbox::GoneReason;
use serde::Deserialize;
use serde_json::{Value, json};

/// A room as one person sees it now.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InboxRoom {
    pub id: RoomId,
    /// The list's room; `None`: the person is not in it.
    pub room: Option<Value>,
    /// Why the person is not in it.
    #[serde(default)]
    pub gone: Option<GoneReason>,
}

/// The person's inbox is open from now on: what changes their list names them.
///
/// # Gives  whether it was open before. What was committed by a statement that began before this one may name nobody.
pub async fn begin_inbox_lease(
    db: &impl Postgres,
    tenant: &TenantId,
    user: &UserId,
) -> Result<bool, DbError> {
    lease(db, tenant, user, INBOX_LEASE_MS).await
}

/// The person's inbox is closed.
pub async fn end_inbox_lease(db: &impl Postgres, tenant: &TenantId, user: &UserId) -> Result<(), DbError> {
    lease(db, tenant, user, 0).await.map(drop)
}

async fn lease(db: &impl Postgres, tenant: &TenantId, user: &UserId, lease_ms: u64) -> Result<bool, DbError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Answer {
        was_running: bool,
    }
    let input = json!({"tenant": tenant, "user": user, "leaseMs": lease_ms});
    let answer: Answer = decode(db.query("SELECT chat_lease_inbox_v1($1)", input).await?)?;
    Ok(answer.was_running)
}

/// These rooms as the person sees them now, in the order asked for.
///
/// # Cost  one statement; a room costs what it costs in the list.
pub async fn inbox_rooms(
    db: &impl Postgres,
    tenant: &TenantId,
    user: &UserId,
    rooms: &[RoomId],
) -> Result<Vec<InboxRoom>, DbError> {
    if rooms.is_empty() {
        return Ok(Vec::new());
    }
    let input = json!({"tenant": tenant, "user": user, "rooms": rooms, "bounds": bounds()});
    decode(db.query("SELECT chat_inbox_rooms_v1($1)", input).await?)
}
