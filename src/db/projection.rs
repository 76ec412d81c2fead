//! A room's log on its way into Postgres, and back when the room has lost it.
//! Not here: batching, bisecting, backoff (the room's outbox).

use super::{AuditRow, DbError, Notice, Postgres, decode, encode, unix_ms};
use crate::ids::{RoomId, Seq, TenantId, UnixMs, UserId};
use crate::limits::BATCH_AGAIN_MAX;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A message as it is now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MessageRow {
    pub seq: Seq,
    pub id: String,
    pub user_id: String,
    /// Of a deleted message nothing is kept, whatever stands here.
    pub content: String,
    pub content_type: String,
    pub attachments: Vec<Value>,
    pub client_id: Option<String>,
    pub thread_id: Option<String>,
    /// The root's seq.
    #[serde(default)]
    pub thread_seq: Option<Seq>,
    pub reply_to_id: Option<String>,
    pub also_to_room: bool,
    /// User ids.
    pub mentions: Vec<String>,
    pub mentions_room: bool,
    /// From 1, up by one with each edit.
    pub version: u32,
    /// What it said before, those that are kept, oldest first.
    #[serde(default)]
    pub versions: Vec<VersionRow>,
    pub reply_count: u32,
    #[serde(default)]
    pub last_reply_at_ms: Option<UnixMs>,
    /// Who follows this thread because of this message: user ids. They stay followers, whatever becomes of it.
    #[serde(default)]
    pub followers: Vec<String>,
    pub created_at_ms: UnixMs,
    pub edited_at_ms: Option<UnixMs>,
    pub deleted_at_ms: Option<UnixMs>,
    pub deleted_by: Option<String>,
    /// In the order in which the room shows them.
    pub reactions: Vec<ReactionRow>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReactionRow {
    pub emoji: String,
    pub user_id: String,
}

/// What a message said before an edit: who had written that when, and who the next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VersionRow {
    pub version: u64,
    pub content: String,
    pub written_by: String,
    pub written_at_ms: UnixMs,
    pub replaced_by: String,
    pub replaced_at_ms: UnixMs,
}

/// How far somebody has read. Of two the one of the higher generation counts, then the further one: setting a marker back
/// on purpose begins a generation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Marker {
    pub generation: u64,
    pub seq: Seq,
}

/// One batch of the outbox: what the events in (`from`, `to`] made or touched.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Projection {
    pub tenant: TenantId,
    pub room: RoomId,
    pub epoch: String,
    pub from: Seq,
    /// Rows that were set aside go again with `from` and `to` both where the projection stands.
    pub to: Seq,
    /// Each once, with its state now: later than `to` is fine, earlier isn't.
    pub messages: Vec<MessageRow>,
    pub reads: BTreeMap<UserId, Marker>,
    /// Notes for the audit log.
    #[serde(default)]
    pub audit: Vec<AuditRow>,
    /// Who is to be notified once this is in Postgres; no part of the statement.
    #[serde(skip)]
    pub notices: Vec<Notice>,
    /// Up to which event that is.
    #[serde(skip)]
    pub notices_to: Seq,
}

/// What became of a batch. `epoch` is the one that was stored before it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "state", rename_all = "lowercase", rename_all_fields = "camelCase")]
pub enum Projected {
    /// All of it is in Postgres.
    Done {
        last_seq: Seq,
        members_version: u64,
        epoch: Option<String>,
        /// Another message stands at these seqs. It was left alone: an integrity alarm, never an overwrite.
        conflicts: Vec<Seq>,
    },
    /// Nothing was changed: Postgres hasn't got what comes before `from`. It was set back; send from `last_seq`.
    Behind { last_seq: Seq, members_version: u64, epoch: Option<String> },
    /// Nothing was changed: a later batch is in already. Of this log, its rows are there as that batch knew them better,
    /// `conflicts` apart; of another `epoch`, this log isn't the one Postgres follows.
    Ahead { last_seq: Seq, members_version: u64, epoch: Option<String>, conflicts: Vec<Seq> },
    /// Nothing was changed: there is no such room.
    Missing,
}

/// `seen` is the room's row as the statement's snapshot has it, `room` the row as it is once the lock is had. If they
/// differ, another batch got in while this one waited, and everything else read here would be old: go again.
///
/// The lock is NO KEY: foreign keys to the room may be checked meanwhile. `LIMIT 1` and `ANY` keep rows looked up one by
/// one: joined, the planner reads all of a big room, as it can't know how few rows a batch has. `$1` is named once: the
/// planner copies all of it for each mention (measured: 50 of them cost 5 ms).
macro_rules! project {
    ($of_messages:expr, $talked:expr, $conflicts:expr) => {
        concat!(
            r#"
WITH input AS MATERIALIZED (
    SELECT * FROM jsonb_to_record($1) AS i(
        tenant text, room text, epoch text, "from" bigint, "to" bigint, messages jsonb, reads jsonb, audit jsonb)
), seen AS MATERIALIZED (
    SELECT r.ctid FROM input i JOIN chat_rooms r ON r.tenant_id = i.tenant AND r.id = i.room
), room AS MATERIALIZED (
    SELECT r.ctid, r.last_seq, r.members_version, r.epoch
    FROM input i JOIN chat_rooms r ON r.tenant_id = i.tenant AND r.id = i.room
    FOR NO KEY UPDATE OF r
), verdict AS MATERIALIZED (
    SELECT CASE
        WHEN room.ctid <> seen.ctid THEN 'again'
        WHEN room.last_seq < i."from" THEN 'behind'
        WHEN room.last_seq > i."to" THEN 'ahead'
        ELSE 'done' END AS state
    FROM room, seen, input i
"#,
            $of_messages,
            r#"), read AS (
    UPDATE chat_room_members m SET read_generation = r.generation, last_read_seq = r.seq
    FROM verdict, input i, jsonb_each(i.reads) x,
        jsonb_to_record(x.value) AS r(generation bigint, seq bigint)
    WHERE verdict.state = 'done' AND m.tenant_id = i.tenant AND m.room_id = i.room AND m.user_id = x.key
      AND (m.read_generation, m.last_read_seq) < (r.generation, r.seq)
), noted AS (
    INSERT INTO chat_audit (tenant_id, room_id, id, at, actor, action, target, reason)
    SELECT i.tenant, i.room, a.id, to_timestamp(a."atMs" / 1000.0), a.actor, a.action, a.target, a.reason
    FROM verdict, input i, jsonb_to_recordset(i.audit) AS a(
        id text, "atMs" bigint, actor text, action text, target text, reason text)
    WHERE verdict.state = 'done'
    ON CONFLICT (tenant_id, room_id, id) DO NOTHING
), moved AS (
    UPDATE chat_rooms r SET last_seq = i."to", epoch = i.epoch"#,
            $talked,
            r#"
    FROM verdict, input i
    WHERE verdict.state = 'done' AND r.tenant_id = i.tenant AND r.id = i.room
)
SELECT coalesce((
    SELECT json_build_object(
        'state', v.state, 'membersVersion', room.members_version, 'epoch', room.epoch,
        'lastSeq', CASE v.state WHEN 'done' THEN i."to" ELSE room.last_seq END,
        'conflicts', "#,
            $conflicts,
            r#")
    FROM verdict v, room, input i
), json_build_object('state', 'missing'))"#
        )
    };
}
const PROJECT: &str = project!(
    r#"), given AS MATERIALIZED (
    SELECT i.tenant, i.room, g.*, g."deletedAtMs" IS NOT NULL AS deleted
    FROM verdict, input i, jsonb_to_recordset(i.messages) AS g(
        seq bigint, id text, "userId" text, content text, "contentType" text, attachments jsonb,
        "clientId" text, "threadId" text, "threadSeq" bigint, "replyToId" text, "alsoToRoom" boolean, mentions jsonb,
        "mentionsRoom" boolean, version integer, versions jsonb, "replyCount" integer, "lastReplyAtMs" bigint,
        followers jsonb, "createdAtMs" bigint, "editedAtMs" bigint, "deletedAtMs" bigint, "deletedBy" text,
        reactions jsonb)
    WHERE verdict.state IN ('done', 'ahead')
), judged AS MATERIALIZED (
    SELECT g.*, c.id IS NOT NULL AS known, c.id IS NOT NULL AND c.id IS DISTINCT FROM g.id AS conflict,
        c.version > g.version OR (c.deleted_at IS NOT NULL AND NOT g.deleted) AS stale
    FROM given g
    LEFT JOIN LATERAL (
        SELECT m.id, m.version, m.deleted_at FROM chat_messages m
        WHERE m.tenant_id = g.tenant AND m.room_id = g.room AND m.seq = g.seq LIMIT 1) c ON true
), fit AS MATERIALIZED (
    SELECT judged.* FROM judged, verdict WHERE verdict.state = 'done' AND NOT conflict AND stale IS NOT TRUE
), put AS (
    INSERT INTO chat_messages AS c (
        tenant_id, room_id, seq, id, user_id, content, content_type, attachments, client_id, thread_id, thread_seq,
        reply_to_id, also_to_room, mentions, mentions_room, version, reply_count, last_reply_at, created_at, edited_at,
        deleted_at, deleted_by)
    SELECT tenant, room, seq, id, "userId", CASE WHEN deleted THEN '' ELSE content END, "contentType",
        CASE WHEN deleted THEN '[]' ELSE attachments END, "clientId", "threadId", "threadSeq",
        "replyToId", "alsoToRoom", CASE WHEN deleted THEN '[]' ELSE mentions END, "mentionsRoom" AND NOT deleted,
        version, "replyCount", to_timestamp("lastReplyAtMs" / 1000.0), to_timestamp("createdAtMs" / 1000.0),
        to_timestamp("editedAtMs" / 1000.0), to_timestamp("deletedAtMs" / 1000.0), "deletedBy"
    FROM fit
    ORDER BY seq
    ON CONFLICT (tenant_id, room_id, seq) DO UPDATE SET
        content = excluded.content, content_type = excluded.content_type, attachments = excluded.attachments,
        mentions = excluded.mentions, mentions_room = excluded.mentions_room, version = excluded.version,
        reply_count = excluded.reply_count, last_reply_at = excluded.last_reply_at, edited_at = excluded.edited_at,
        deleted_at = excluded.deleted_at, deleted_by = excluded.deleted_by
    WHERE c.id = excluded.id
      AND (c.content, c.content_type, c.attachments, c.mentions, c.mentions_room, c.version, c.reply_count,
           c.last_reply_at, c.edited_at, c.deleted_at, c.deleted_by)
        IS DISTINCT FROM (excluded.content, excluded.content_type, excluded.attachments, excluded.mentions,
           excluded.mentions_room, excluded.version, excluded.reply_count, excluded.last_reply_at,
           excluded.edited_at, excluded.deleted_at, excluded.deleted_by)
), wanted AS MATERIALIZED (
    SELECT fit.tenant, fit.room, fit.seq, x.value->>'emoji' AS emoji, x.value->>'userId' AS user_id, x.position::integer
    FROM fit, jsonb_array_elements(CASE WHEN deleted THEN '[]' ELSE reactions END)
        WITH ORDINALITY AS x(value, position)
), unset AS (
    DELETE FROM chat_message_reactions x
    WHERE x.tenant_id = (SELECT tenant FROM input) AND x.room_id = (SELECT room FROM input)
      AND x.seq = ANY (ARRAY(SELECT seq FROM fit WHERE known))
      AND (x.seq, x.emoji, x.user_id) NOT IN (SELECT seq, emoji, user_id FROM wanted)
), set_ AS (
    INSERT INTO chat_message_reactions AS x (tenant_id, room_id, seq, emoji, user_id, position)
    SELECT tenant, room, seq, emoji, user_id, position FROM wanted
    ON CONFLICT (tenant_id, room_id, seq, emoji, user_id) DO UPDATE SET position = excluded.position
    WHERE x.position <> excluded.position
), kept AS MATERIALIZED (
    SELECT fit.tenant, fit.room, fit.seq, v.*
    FROM fit, jsonb_to_recordset(CASE WHEN deleted THEN '[]' ELSE versions END) AS v(
        version integer, content text, "writtenBy" text, "writtenAtMs" bigint, "replacedBy" text, "replacedAtMs" bigint)
), unkept AS (
    DELETE FROM chat_message_versions x
    WHERE x.tenant_id = (SELECT tenant FROM input) AND x.room_id = (SELECT room FROM input)
      AND x.seq = ANY (ARRAY(SELECT seq FROM fit WHERE known))
      AND (x.seq, x.version) NOT IN (SELECT seq, version FROM kept)
), keep AS (
    INSERT INTO chat_message_versions (
        tenant_id, room_id, seq, version, content, written_by, written_at, replaced_by, replaced_at)
    SELECT tenant, room, seq, version, content, "writtenBy", to_timestamp("writtenAtMs" / 1000.0), "replacedBy",
        to_timestamp("replacedAtMs" / 1000.0)
    FROM kept
    ON CONFLICT DO NOTHING
), follow AS (
    INSERT INTO chat_thread_followers (tenant_id, room_id, thread_seq, user_id)
    SELECT DISTINCT fit.tenant, fit.room, coalesce(fit."threadSeq", fit.seq), f.user_id
    FROM fit, jsonb_array_elements_text(fit.followers) f (user_id)
    ON CONFLICT DO NOTHING
), named AS MATERIALIZED (
    SELECT DISTINCT fit.tenant, fit.room, fit.seq, to_timestamp("createdAtMs" / 1000.0) AS at, who.id
    FROM fit, jsonb_array_elements_text(CASE WHEN deleted THEN '[]' ELSE mentions END) AS who(id)
), unname AS (
    DELETE FROM chat_mentions x
    WHERE x.tenant_id = (SELECT tenant FROM input) AND x.room_id = (SELECT room FROM input)
      AND x.seq = ANY (ARRAY(SELECT seq FROM fit WHERE known))
      AND (x.seq, x.user_id) NOT IN (SELECT seq, id FROM named)
), name AS (
    INSERT INTO chat_mentions (tenant_id, user_id, created_at, seq, room_id)
    SELECT tenant, id, at, seq, room FROM named
    ON CONFLICT DO NOTHING
"#,
    r#",
        last_message_at = greatest(r.last_message_at, (
            SELECT to_timestamp(max("createdAtMs") / 1000.0) FROM fit WHERE "threadId" IS NULL OR "alsoToRoom"))"#,
    "(SELECT coalesce(json_agg(seq ORDER BY seq), '[]') FROM judged WHERE conflict)"
);
/// Of markers and people's coming and going, which touch no message: planned in a fifth of the time.
const PROJECT_NO_MESSAGES: &str = project!("", "", "'[]'::json");

/// The batch is in Postgres, whole, or nothing of it is.
///
/// # Takes  what the room says now of each message; the same batch any number of times, stragglers included.
/// # Errors  `SetAside`: some row is refused and nothing was changed; bisect.
/// # Laws  never a newer version overwritten by an older, a tombstone by content, a message by another one; of a deleted
/// message no version stays; read markers go forward only, or to a later generation; when this returns `Done`, everything up to `last_seq` is there, conflicts apart.
/// # Cost  one statement; grows with the batch, not with the tables.
pub async fn project(db: &impl Postgres, batch: &Projection) -> Result<Projected, DbError> {
    let sql = if batch.messages.is_empty() { PROJECT_NO_MESSAGES } else { PROJECT };
    let input = encode(batch)?;
    for _ in 0..BATCH_AGAIN_MAX {
        let answer = db.query(sql, input.clone()).await?;
        if answer.get("state") != Some(&json!("again")) {
            return decode(answer);
        }
    }
    Err(DbError { sqlstate: None, message: "the room's row keeps changing".into() })
}

/// SQL of one `MessageRow`, out of the row `c` of `chat_messages`.
macro_rules! message_row {
    () => {
        concat!(
            "json_build_object(
    'seq', c.seq, 'id', c.id, 'userId', c.user_id, 'content', c.content, 'contentType', c.content_type,
    'attachments', c.attachments, 'clientId', c.client_id, 'threadId', c.thread_id, 'threadSeq', c.thread_seq, 'replyToId', c.reply_to_id,
    'alsoToRoom', c.also_to_room, 'mentions', c.mentions, 'mentionsRoom', c.mentions_room, 'version', c.version,
    'replyCount', c.reply_count, 'lastReplyAtMs', ",
            unix_ms!("c.last_reply_at"),
    ", 'createdAtMs', ",
            unix_ms!("c.created_at"),
    ", 'editedAtMs', ",
            unix_ms!("c.edited_at"),
    ", 'deletedAtMs', ",
            unix_ms!("c.deleted_at"),
    ", 'deletedBy', c.deleted_by, 'versions', (
        SELECT coalesce(json_agg(json_build_object('version', v.version, 'content', v.content,
            'writtenBy', v.written_by, 'writtenAtMs', ",
            unix_ms!("v.written_at"),
    ", 'replacedBy', v.replaced_by, 'replacedAtMs', ",
            unix_ms!("v.replaced_at"),
    ") ORDER BY v.version), '[]')
        FROM chat_message_versions v
        WHERE c.version > 1 AND v.tenant_id = c.tenant_id AND v.room_id = c.room_id AND v.seq = c.seq),
    'reactions', (
        SELECT coalesce(json_agg(json_build_object('emoji', x.emoji, 'userId', x.user_id)
            ORDER BY x.position, x.created_at, x.emoji, x.user_id), '[]')
        FROM chat_message_reactions x
        WHERE x.tenant_id = c.tenant_id AND x.room_id = c.room_id AND x.seq = c.seq)
)"
        )
    };
}
pub(super) use message_row;

const AFTER: &str = concat!(
    "
SELECT coalesce(json_agg(",
    message_row!(),
    " ORDER BY c.seq), '[]')
FROM (
    SELECT * FROM chat_messages
    WHERE tenant_id = $1->>'tenant' AND room_id = $1->>'room' AND seq > ($1->>'after')::bigint
    ORDER BY seq LIMIT ($1->>'limit')::bigint) c"
);

/// The room's messages after a seq, ascending, as they were projected; fewer than `limit`: that was the end.
pub async fn messages_after(
    db: &impl Postgres,
    tenant: &TenantId,
    room: &RoomId,
    after: Seq,
    limit: u64,
) -> Result<Vec<MessageRow>, DbError> {
    decode(db.query(AFTER, json!({"tenant": tenant, "room": room, "after": after, "limit": limit})).await?)
}
