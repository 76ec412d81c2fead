//! Pages of a room's members, and a member's notification settings.
//! Not here: changing them (`people`).

use super::cursor::{Page, PageAnswer};
use super::port::{DbError, Postgres, decode};
use crate::ids::{RoomId, TenantId, UserId};
use crate::protocol::room::RoomKind;
use serde_json::{Value, json};

/// The room's kind, the stored role of the caller, and members in the order of their ids; `None`: no such room, or the
/// caller is not in it.
/// Not everybody may see who is muted (`mutedUntil`); the caller of this function decides that.
pub async fn list_members(
    db: &impl Postgres,
    (tenant, user, room): (&TenantId, &UserId, &RoomId),
    after: Option<&UserId>,
    limit: u64,
) -> Result<Option<(RoomKind, String, Page)>, DbError> {
    let input = json!({"tenant": tenant, "user": user, "room": room, "after": after, "limit": limit});
    let answer: Option<(RoomKind, String, PageAnswer<UserId>)> =
        decode(db.query(include_str!("sql/list_members.sql"), input).await?)?;
    Ok(answer.map(|(kind, role, answer)| (kind, role, answer.page())))
}

/// A member's notification settings; `None`: no such room, or not in it.
pub async fn notify_settings(
    db: &impl Postgres,
    tenant: &TenantId,
    user: &UserId,
    room: &RoomId,
) -> Result<Option<Value>, DbError> {
    let input = json!({"tenant": tenant, "user": user, "room": room});
    decode(db.query(include_str!("sql/notify_settings.sql"), input).await?)
}
