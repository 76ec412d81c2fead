//! The messages that call somebody, newest first: by name (`chat_mentions`), or as everybody of a room.
//! Not here: who is mentioned by what (`room`), and how many of them are unread (`unread`).

use super::place::{behind, place};
use super::projection::message_row;
use super::rooms::seen;
use super::{DbError, Found, Place, Postgres, decode, unix_ms};
use crate::ids::{TenantId, UserId};
use serde_json::json;

/// Each room's newest `@room`s are taken and then merged: few messages call everybody.
const MENTIONS: &str = concat!(
    "
WITH named AS MATERIALIZED (
    SELECT n.room_id, n.seq, n.created_at
    FROM chat_mentions n
    CROSS JOIN LATERAL (
        SELECT a.* FROM chat_room_members a
        WHERE a.tenant_id = n.tenant_id AND a.room_id = n.room_id AND a.user_id = n.user_id LIMIT 1) m
    CROSS JOIN LATERAL (
        SELECT a.* FROM chat_rooms a WHERE a.tenant_id = m.tenant_id AND a.id = m.room_id LIMIT 1) r",
    seen!(),
    "
    CROSS JOIN LATERAL (
        SELECT a.user_id FROM chat_messages a
        WHERE a.tenant_id = n.tenant_id AND a.room_id = n.room_id AND a.seq = n.seq LIMIT 1) c
    WHERE n.tenant_id = $1->>'tenant' AND n.user_id = $1->>'user' AND n.seq > seen.since AND c.user_id <> n.user_id
      AND ",
    behind!("n"),
    "
    ORDER BY n.created_at DESC, n.seq DESC, n.room_id DESC LIMIT ($1->>'limit')::bigint
), called AS MATERIALIZED (
    SELECT c.room_id, c.seq, c.created_at
    FROM chat_room_members m
    CROSS JOIN LATERAL (
        SELECT a.* FROM chat_rooms a WHERE a.tenant_id = m.tenant_id AND a.id = m.room_id LIMIT 1) r",
    seen!(),
    "
    CROSS JOIN LATERAL (
        SELECT c.room_id, c.seq, c.created_at FROM chat_messages c
        WHERE c.tenant_id = m.tenant_id AND c.room_id = m.room_id AND c.mentions_room AND c.deleted_at IS NULL
          AND c.seq > seen.since AND c.user_id <> m.user_id AND NOT c.mentions ? m.user_id
          AND ",
    behind!("c"),
    "
        ORDER BY c.created_at DESC, c.seq DESC LIMIT ($1->>'limit')::bigint) c
    WHERE m.tenant_id = $1->>'tenant' AND m.user_id = $1->>'user'
), page AS MATERIALIZED (
    SELECT * FROM (SELECT * FROM named UNION ALL SELECT * FROM called) p
    ORDER BY p.created_at DESC, p.seq DESC, p.room_id DESC LIMIT ($1->>'limit')::bigint
)
SELECT coalesce(json_agg(json_build_object(
    'place', ",
    place!("p"),
    ", 'roomId', p.room_id, 'roomName', NULL, 'message', ",
    message_row!(),
    ") ORDER BY p.created_at DESC, p.seq DESC, p.room_id DESC), '[]')
FROM page p
CROSS JOIN LATERAL (
    SELECT * FROM chat_messages a
    WHERE a.tenant_id = $1->>'tenant' AND a.room_id = p.room_id AND a.seq = p.seq LIMIT 1) c
WHERE c.deleted_at IS NULL"
);

/// At most `limit` messages behind `place`, newest first; the person's own never, nor what they may not see.
///
/// # Cost  one look-up a room for `@room`; else what the page holds.
pub async fn mentions(
    db: &impl Postgres,
    tenant: &TenantId,
    user: &UserId,
    place: &Place,
    limit: u64,
) -> Result<Vec<Found>, DbError> {
    decode(db.query(MENTIONS, json!({"tenant": tenant, "user": user, "place": place, "limit": limit})).await?)
}
