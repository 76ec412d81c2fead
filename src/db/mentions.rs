//! The messages that mention a person, newest first: by name (`chat_mentions`), or with everybody of a room.
//! Not here: whom a message mentions (`room`), and how many mentions are unread (`unread`).

use super::place::Place;
use super::port::{DbError, Postgres, decode};
use super::search::Hits;
use crate::ids::{TenantId, UserId};
use crate::limits::{MENTIONS_ROOMS_MAX, MENTIONS_WALK_MAX, PAGE_BYTES_MAX};
use serde_json::json;

/// At most `limit` messages behind `place`, newest first; none of the person's own, none that they may not see. A page may
/// be short, or empty, and still have a next place.
///
/// # Cost  one lookup a room for mentions of the whole room, in up to `MENTIONS_ROOMS_MAX` rooms; otherwise, and for
/// mentions by name, at most `MENTIONS_WALK_MAX` messages; and what the page holds.
pub async fn mentions(
    db: &impl Postgres,
    tenant: &TenantId,
    user: &UserId,
    place: &Place,
    limit: u64,
) -> Result<Hits, DbError> {
    let input = json!({"tenant": tenant, "user": user, "place": place, "limit": limit, "bytesMax": PAGE_BYTES_MAX,
                       "fewMax": MENTIONS_ROOMS_MAX, "walkMax": MENTIONS_WALK_MAX});
    decode(db.query("SELECT chat_mentions_v1($1)", input).await?)
}
