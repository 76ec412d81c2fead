//! What is unread, over all of a person's rooms. The room object counts by the same rule (`room::reads`).
//! Not here: writing read markers (`projection`).

use super::port::{DbError, Postgres, decode};
use crate::ids::{TenantId, UserId};
use crate::limits::UNREAD_MAX;
use serde_json::{Value, json};

/// `[{roomId, unread, mentions, lastSeq, lastReadSeq}]` of all of the person's rooms, as of each room's `lastSeq`.
///
/// # Cost  one lookup a room, and up to 100 messages of each that has something unread.
pub async fn unread(db: &impl Postgres, tenant: &TenantId, user: &UserId) -> Result<Vec<Value>, DbError> {
    let input = json!({"tenant": tenant, "user": user, "unreadMax": UNREAD_MAX});
    decode(db.query(include_str!("sql/unread.sql"), input).await?)
}
