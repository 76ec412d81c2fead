//! Who is to be told of a message that they weren't there for, asked when it is told and not before.
//! Not here: who wasn't there (`room`), and the telling (`notify`).

use super::{DbError, Postgres, decode, iso};
use crate::ids::{RoomId, Seq, TenantId};
use crate::limits::NOTIFY_PREVIEW_CHARS;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A message and the people without a socket: the message of the queue. It holds ids only. Fields are added and never
/// changed, because a notice can be read by another version than the one that wrote it.
///
/// Crosses a deploy: tests/golden/stored/notice.json
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Notice {
    pub tenant: TenantId,
    pub room: RoomId,
    /// Of the message.
    pub seq: Seq,
    pub message: String,
    /// Of the event that is the reason: the message itself, or its edit.
    pub event: Seq,
    /// Which of the event's notices this is: one holds `NOTIFY_USERS_MAX` people at most.
    pub part: u32,
    /// An edit that calls all, which the message didn't before.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub calls_all: bool,
    pub users: Vec<String>,
}

/// What is to be told, and whom.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct NotificationPayload {
    pub message: Value,
    pub room: Value,
    /// `[{userId, reason}]`, never empty.
    pub recipients: Vec<Value>,
}

/// Each person of the notice is looked up by key. An edit tells those whom it mentions or calls, and only as such.
const TO_TELL: &str = concat!(
    "
WITH input AS MATERIALIZED (
    SELECT * FROM jsonb_to_record($1) AS i(
        tenant text, room text, seq bigint, message text, event bigint, \"callsAll\" boolean, users jsonb, chars integer)
), told AS MATERIALIZED (
    SELECT c.*, r.name, r.type, r.history_visibility, i.event, i.\"callsAll\" AS calls_all, i.users, i.chars
    FROM input i
    CROSS JOIN LATERAL (
        SELECT * FROM chat_messages a
        WHERE a.tenant_id = i.tenant AND a.room_id = i.room AND a.seq = i.seq AND a.id = i.message
          AND a.deleted_at IS NULL LIMIT 1) c
    CROSS JOIN LATERAL (SELECT * FROM chat_rooms a WHERE a.tenant_id = i.tenant AND a.id = i.room LIMIT 1) r
), people AS MATERIALIZED (
    SELECT u.ordinality, m.user_id, why.reason
    FROM told c
    CROSS JOIN LATERAL jsonb_array_elements_text(c.users) WITH ORDINALITY AS u(id, ordinality)
    CROSS JOIN LATERAL (
        SELECT * FROM chat_room_members a
        WHERE a.tenant_id = c.tenant_id AND a.room_id = c.room_id AND a.user_id = u.id LIMIT 1) m
    CROSS JOIN LATERAL (
        SELECT CASE
            WHEN c.mentions ? m.user_id THEN 'mention'
            WHEN c.mentions_room AND (c.event = c.seq OR c.calls_all) THEN 'room_mention'
            WHEN c.event <> c.seq THEN NULL
            WHEN c.thread_seq IS NOT NULL AND (
                SELECT true FROM chat_thread_followers f
                WHERE f.tenant_id = c.tenant_id AND f.room_id = c.room_id AND f.thread_seq = c.thread_seq
                  AND f.user_id = m.user_id LIMIT 1) THEN 'thread'
            WHEN c.thread_id IS NOT NULL AND NOT c.also_to_room THEN NULL
            WHEN c.type = 'direct' THEN 'direct'
            ELSE 'message' END AS reason) why
    WHERE why.reason IS NOT NULL AND m.user_id <> c.user_id AND m.last_read_seq < c.seq
      AND (m.notify_level = 'all' OR (m.notify_level = 'mentions' AND why.reason IN ('mention', 'room_mention')))
      AND (m.mute_until IS NULL OR m.mute_until <= now())
      AND (c.history_visibility <> 'since_join' OR c.seq > m.joined_seq)
)
SELECT coalesce((
    SELECT json_build_object(
        'message', json_build_object(
            'id', c.id, 'seq', c.seq, 'userId', c.user_id, 'preview', left(c.content, c.chars),
            'contentType', c.content_type, 'attachments', jsonb_array_length(c.attachments), 'threadId', c.thread_id,
            'version', c.version, 'createdAt', ",
    iso!("c.created_at"),
    "),
        'room', json_build_object('id', c.room_id, 'type', c.type, 'name', c.name),
        'recipients', p.all_of_them)
    FROM told c, (
        SELECT json_agg(json_build_object('userId', user_id, 'reason', reason) ORDER BY ordinality) AS all_of_them
        FROM people) p
    WHERE p.all_of_them IS NOT NULL
), 'null')"
);

/// What is to be told of this now; `None`: nothing to nobody, as it was deleted, read, muted or isn't theirs to see.
///
/// # Cost  a few look-ups by key for each person of the notice.
pub async fn notification_payload(
    db: &impl Postgres,
    notice: &Notice,
) -> Result<Option<NotificationPayload>, DbError> {
    let Notice { tenant, room, seq, message, event, calls_all, users, .. } = notice;
    let input = json!({"tenant": tenant, "room": room, "seq": seq, "message": message, "event": event, "callsAll": calls_all,
                       "users": users, "chars": NOTIFY_PREVIEW_CHARS});
    decode(db.query(TO_TELL, input).await?)
}
