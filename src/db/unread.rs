//! What is unread, over all of a person's rooms. The room object counts by the same rule (`room::reads`).
//! Not here: writing read markers (`projection`).

use super::cursor::{self, Page, PageAnswer};
use super::port::{DbError, Postgres, decode};
use crate::error::Refusal;
use crate::ids::{RoomId, TenantId, UserId};
use crate::limits::*;
use serde_json::{Value, json};

/// `[{roomId, unread, mentions, lastSeq, lastReadSeq}]` of the person's rooms with something unread, by id, as of each
/// room's `lastSeq`. A page may be short, or empty, and still have a cursor.
///
/// # Takes  `after`: the room at which the page before this one ended.
/// # Cost  at most `UNREAD_ROOMS_WALK_MAX` memberships and their rooms; of each room that is shown usually 100 messages,
/// at most `UNREAD_WALK_MAX`, and `UNREAD_THREADS_MAX` threads.
pub async fn unread(
    db: &impl Postgres,
    tenant: &TenantId,
    user: &UserId,
    after: Option<&RoomId>,
) -> Result<Page, DbError> {
    let input = json!({"tenant": tenant, "user": user, "after": after, "walkMax": UNREAD_ROOMS_WALK_MAX,
                       "roomsMax": UNREAD_ROOMS_MAX, "bounds": bounds()});
    let answer: PageAnswer<RoomId> = decode(db.query(include_str!("sql/unread.sql"), input).await?)?;
    Ok(answer.page())
}

/// # Errors  `bad_request`: no page returned this cursor.
pub fn parse_unread_cursor(text: &str) -> Result<RoomId, Refusal> {
    cursor::parse(text, |room: &RoomId| RoomId::parse(room.as_str()).is_some())
}

/// What the functions that count, and that show a room, take as `bounds`.
pub(super) fn bounds() -> Value {
    json!({"countMax": UNREAD_MAX, "walkMax": UNREAD_WALK_MAX, "threadsMax": UNREAD_THREADS_MAX,
           "listedMax": ROOM_MEMBERS_LISTED_MAX})
}
