//! What is unread, over all of a person's rooms. The room object counts by the same rule (`room::reads`).
//! Not here: writing read markers (`projection`).

use super::port::{DbError, Postgres, decode};
use crate::ids::{TenantId, UserId};
use crate::limits::{ROOM_MEMBERS_LISTED_MAX, UNREAD_MAX, UNREAD_THREADS_MAX, UNREAD_WALK_MAX};
use serde_json::{Value, json};

/// `[{roomId, unread, mentions, lastSeq, lastReadSeq}]` of all of the person's rooms, as of each room's `lastSeq`.
///
/// # Cost  one lookup a room; of each that has something unread usually 100 messages, at most `UNREAD_WALK_MAX`, and
/// `UNREAD_THREADS_MAX` threads.
pub async fn unread(db: &impl Postgres, tenant: &TenantId, user: &UserId) -> Result<Vec<Value>, DbError> {
    let input = json!({"tenant": tenant, "user": user, "bounds": bounds()});
    decode(db.query(include_str!("sql/unread.sql"), input).await?)
}

/// What the functions that count, and that show a room, take as `bounds`.
pub(super) fn bounds() -> Value {
    json!({"countMax": UNREAD_MAX, "walkMax": UNREAD_WALK_MAX, "threadsMax": UNREAD_THREADS_MAX,
           "listedMax": ROOM_MEMBERS_LISTED_MAX})
}
