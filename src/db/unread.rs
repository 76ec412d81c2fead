//! What is unread, over all of somebody's rooms. The rule of what counts is the room object's (`rooms::unread`).
//! Not here: read markers on their way here (`projection`).

use super::rooms::{mentions, seen, unread};
use super::{DbError, Postgres, decode};
use crate::ids::{TenantId, UserId};
use crate::limits::UNREAD_MAX;
use serde_json::{Value, json};

/// `LIMIT 1` keeps the rooms looked up one by one. Where the marker stands at the end nothing is counted.
const UNREAD: &str = concat!(
    "
SELECT coalesce(json_agg(json_build_object(
    'roomId', m.room_id,
    'unread', CASE WHEN r.last_seq > m.last_read_seq THEN ",
    unread!(),
    " ELSE 0 END,
    'mentions', CASE WHEN r.last_seq > m.last_read_seq THEN ",
    mentions!(),
    " ELSE 0 END,
    'lastSeq', r.last_seq, 'lastReadSeq', m.last_read_seq) ORDER BY m.room_id), '[]')
FROM chat_room_members m
CROSS JOIN LATERAL (
    SELECT a.* FROM chat_rooms a WHERE a.tenant_id = m.tenant_id AND a.id = m.room_id LIMIT 1) r",
    seen!(),
    "
WHERE m.tenant_id = $1->>'tenant' AND m.user_id = $1->>'user'"
);

/// `[{roomId, unread, mentions, lastSeq, lastReadSeq}]`, all my rooms, as of each one's `lastSeq`.
///
/// # Cost  one look-up a room, and up to 100 messages of each that has something unread.
pub async fn unread(db: &impl Postgres, tenant: &TenantId, user: &UserId) -> Result<Vec<Value>, DbError> {
    decode(db.query(UNREAD, json!({"tenant": tenant, "user": user, "unreadMax": UNREAD_MAX})).await?)
}
