//! The messages that mention a person, newest first: by name (`chat_mentions`), or with everybody of a room.
//! Not here: whom a message mentions (`room`), and how many mentions are unread (`unread`).

use super::place::{Found, Place};
use super::port::{DbError, Postgres, decode};
use crate::ids::{TenantId, UserId};
use serde_json::json;

/// At most `limit` messages behind `place`, newest first; none of the person's own, none that they may not see.
///
/// # Cost  one lookup a room for mentions of the whole room, and what the page holds.
pub async fn mentions(
    db: &impl Postgres,
    tenant: &TenantId,
    user: &UserId,
    place: &Place,
    limit: u64,
) -> Result<Vec<Found>, DbError> {
    let input = json!({"tenant": tenant, "user": user, "place": place, "limit": limit});
    decode(db.query(include_str!("sql/mentions.sql"), input).await?)
}
