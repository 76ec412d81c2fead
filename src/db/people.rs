//! Changing who is in a room and what it is set to: one statement a change, with its audit entries. And pages of the
//! members and of the audit log.
//! Not here: which change is allowed (`room::plan`).

use super::{DbError, Postgres, cursor, decode, encode, iso, unix_ms};
use crate::error::Refusal;
use crate::ids::{RoomId, Seq, TenantId, UnixMs, UserId};
use crate::limits::{BATCH_AGAIN_MAX, FOREVER_MS};
use crate::protocol::room::{HistoryVisibility, NotifyLevel, RoomKind, RoomMention};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// All that one change writes, planned over the room as it was at `version`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChangeSet {
    pub tenant: TenantId,
    pub room: RoomId,
    pub version: u64,
    /// Members as they are to be, new ones among them.
    pub put: Vec<MemberPut>,
    pub gone: Vec<UserId>,
    /// The room's columns, all of them, if any changes.
    pub settings: Option<Settings>,
    pub bans: Vec<BanPut>,
    pub unbanned: Vec<UserId>,
    pub audit: Vec<AuditRow>,
    /// The room goes, and with it everything that refers to it.
    pub delete: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MemberPut {
    pub user_id: UserId,
    pub role: String,
    /// Where a newcomer begins, and has read up to; somebody who is there already keeps both.
    pub joined_seq: Seq,
    pub notify_level: NotifyLevel,
    #[serde(rename = "muteUntilMs")]
    pub notifications_snoozed_until_ms: Option<UnixMs>,
    #[serde(rename = "mutedUntilMs")]
    pub silenced_until_ms: Option<UnixMs>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Settings {
    pub name: Option<String>,
    pub topic: Option<String>,
    pub archived: bool,
    pub history_visibility: HistoryVisibility,
    pub room_mention: RoomMention,
    pub slow_mode_s: u32,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BanPut {
    pub user_id: UserId,
    pub until_ms: Option<UnixMs>,
    pub reason: Option<String>,
}

/// An entry of the audit log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditRow {
    /// The same in each retry.
    pub id: String,
    pub at_ms: UnixMs,
    pub actor: String,
    pub action: String,
    pub target: Option<String>,
    pub reason: Option<String>,
}

/// What became of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Applied {
    Done,
    /// Nothing was changed: the room is at another version than the plan's.
    Stale,
    /// There is no such room (any more).
    Missing,
}

/// The room's version under its lock decides; every change makes a new one, so if it is still the plan's, what the statement's
/// snapshot shows of the members is current. `again` as in the projection: another batch got in while this waited for the lock.
macro_rules! apply {
    ($of_members:expr, $of_bans:expr) => {
        concat!(
            r#"
WITH input AS MATERIALIZED (
    SELECT * FROM jsonb_to_record($1) AS i(
        tenant text, room text, version bigint, "put" jsonb, gone jsonb, settings jsonb, bans jsonb, unbanned jsonb,
        audit jsonb, "delete" boolean)
), seen AS MATERIALIZED (
    SELECT r.ctid FROM input i JOIN chat_rooms r ON r.tenant_id = i.tenant AND r.id = i.room
), room AS MATERIALIZED (
    SELECT r.ctid, r.members_version FROM input i JOIN chat_rooms r ON r.tenant_id = i.tenant AND r.id = i.room
    FOR UPDATE OF r
), verdict AS MATERIALIZED (
    SELECT CASE
        WHEN room.members_version <> i.version THEN 'stale'
        WHEN room.ctid <> seen.ctid THEN 'again'
        ELSE 'done' END AS state
    FROM room, seen, input i
), go AS MATERIALIZED (
    SELECT i.* FROM verdict v, input i WHERE v.state = 'done' AND NOT i."delete"
"#,
            $of_members,
            $of_bans,
            r#"), noted AS (
    INSERT INTO chat_audit (tenant_id, room_id, id, at, actor, action, target, reason, version)
    SELECT go.tenant, go.room, a.id, to_timestamp(a."atMs" / 1000.0), a.actor, a.action, a.target, a.reason, go.version + 1
    FROM go, jsonb_to_recordset(go.audit) AS a(
        id text, "atMs" bigint, actor text, action text, target text, reason text)
    ON CONFLICT (tenant_id, room_id, id) DO NOTHING
), moved AS (
    UPDATE chat_rooms r SET members_version = go.version + 1,
        name = CASE WHEN s IS NULL THEN r.name ELSE s->>'name' END,
        topic = CASE WHEN s IS NULL THEN r.topic ELSE s->>'topic' END,
        archived_at = CASE
            WHEN s IS NULL THEN r.archived_at
            WHEN (s->>'archived')::boolean THEN coalesce(r.archived_at, date_trunc('milliseconds', now())) END,
        history_visibility = coalesce(s->>'historyVisibility', r.history_visibility),
        room_mention = coalesce(s->>'roomMention', r.room_mention),
        slow_mode_s = coalesce((s->>'slowModeS')::integer, r.slow_mode_s)
    FROM go CROSS JOIN LATERAL (SELECT nullif(go.settings, 'null') AS s) x
    WHERE r.tenant_id = go.tenant AND r.id = go.room
), deleted AS (
    DELETE FROM chat_rooms r USING verdict v, input i
    WHERE v.state = 'done' AND i."delete" AND r.tenant_id = i.tenant AND r.id = i.room
)
SELECT to_json(coalesce((SELECT v.state FROM verdict v), 'missing'))"#
        )
    };
}
macro_rules! of_members {
    () => {
        r#"), removed AS (
    DELETE FROM chat_room_members m
    USING go, jsonb_array_elements_text(go.gone) g
    WHERE m.tenant_id = go.tenant AND m.room_id = go.room AND m.user_id = g
), placed AS (
    INSERT INTO chat_room_members AS m (
        tenant_id, room_id, user_id, role, joined_seq, last_read_seq, notify_level, mute_until, muted_until)
    SELECT go.tenant, go.room, p."userId", p.role, p."joinedSeq", p."joinedSeq", p."notifyLevel",
        to_timestamp(p."muteUntilMs" / 1000.0), to_timestamp(p."mutedUntilMs" / 1000.0)
    FROM go, jsonb_to_recordset(go."put") AS p(
        "userId" text, role text, "joinedSeq" bigint, "notifyLevel" text, "muteUntilMs" bigint, "mutedUntilMs" bigint)
    ON CONFLICT (tenant_id, room_id, user_id) DO UPDATE SET
        role = excluded.role, notify_level = excluded.notify_level, mute_until = excluded.mute_until,
        muted_until = excluded.muted_until
"#
    };
}
const APPLY: &str = apply!(
    of_members!(),
    r#"), unbanned AS (
    DELETE FROM chat_bans b USING go
    WHERE b.tenant_id = go.tenant AND b.room_id = go.room
      AND (go.unbanned ? b.user_id OR b.until <= now())
      AND NOT EXISTS (SELECT FROM jsonb_array_elements(go.bans) n WHERE n->>'userId' = b.user_id)
), banned AS (
    INSERT INTO chat_bans AS b (tenant_id, room_id, user_id, banned_by, banned_at, until, reason)
    SELECT go.tenant, go.room, n."userId", (go.audit->0)->>'actor', date_trunc('milliseconds', now()),
        to_timestamp(n."untilMs" / 1000.0), n.reason
    FROM go, jsonb_to_recordset(go.bans) AS n("userId" text, "untilMs" bigint, reason text)
    ON CONFLICT (tenant_id, room_id, user_id) DO UPDATE SET
        banned_by = excluded.banned_by, banned_at = excluded.banned_at, until = excluded.until, reason = excluded.reason
"#
);
const APPLY_NO_BANS: &str = apply!(of_members!(), "");
const APPLY_SETTINGS: &str = apply!("", "");

/// The change is in Postgres, whole and with its audit entries, or nothing of it is.
///
/// # Laws  a change is applied only over the version it was planned for; sent twice, the second is `Stale`.
/// # Cost  one statement, which waits for the room's other changes and batches.
pub async fn apply(db: &impl Postgres, set: &ChangeSet) -> Result<Applied, DbError> {
    // Planning what a change has no part in would be most of the time it takes.
    let bans = !(set.bans.is_empty() && set.unbanned.is_empty());
    let members = !(set.put.is_empty() && set.gone.is_empty());
    let sql = match (bans, members) {
        (true, _) => APPLY,
        (false, true) => APPLY_NO_BANS,
        (false, false) => APPLY_SETTINGS,
    };
    let input = encode(set)?;
    for _ in 0..BATCH_AGAIN_MAX {
        let answer = db.query(sql, input.clone()).await?;
        if answer != json!("again") {
            return decode(answer);
        }
    }
    Err(DbError { sqlstate: None, message: "the room's row keeps changing".into() })
}

/// A page of a room's members or of its audit log.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Page {
    pub items: Vec<Value>,
    pub next_cursor: Option<String>,
}

#[derive(Deserialize)]
struct PageAnswer<C> {
    items: Vec<Value>,
    next: Option<C>,
}

impl<C: Serialize> PageAnswer<C> {
    fn page(self) -> Page {
        Page { items: self.items, next_cursor: self.next.map(|next| cursor::text(&next)) }
    }
}

const MEMBERS: &str = concat!(
    "
WITH page AS MATERIALIZED (
    SELECT m.user_id, m.role, m.joined_at, m.muted_until FROM chat_room_members m
    WHERE m.tenant_id = $1->>'tenant' AND m.room_id = $1->>'room' AND m.user_id > coalesce($1->>'after', '')
    ORDER BY m.user_id LIMIT ($1->>'limit')::bigint + 1
), shown AS MATERIALIZED (
    SELECT * FROM page ORDER BY user_id LIMIT ($1->>'limit')::bigint
)
SELECT coalesce((
    SELECT json_build_array(r.type, me.role, json_build_object(
        'items', (
            SELECT coalesce(json_agg(json_strip_nulls(json_build_object(
                'userId', s.user_id, 'role', s.role, 'joinedAt', ",
    iso!("s.joined_at"),
    ", 'mutedUntil', CASE WHEN s.muted_until > now() THEN ",
    iso!("s.muted_until"),
    " END)) ORDER BY s.user_id), '[]') FROM shown s),
        'next', CASE WHEN (SELECT count(*) FROM page) > ($1->>'limit')::bigint THEN (SELECT max(user_id) FROM shown) END))
    FROM chat_room_members me
    JOIN chat_rooms r ON r.tenant_id = me.tenant_id AND r.id = me.room_id
    WHERE me.tenant_id = $1->>'tenant' AND me.room_id = $1->>'room' AND me.user_id = $1->>'user'
), 'null')"
);

/// The room's kind, the stored role of the caller, and members in the order of their ids; `None`: there is no such
/// room, or the caller is not a member.
/// Who is muted (`mutedUntil`) isn't for everybody: that is the caller's question.
pub async fn list_members(
    db: &impl Postgres,
    (tenant, user, room): (&TenantId, &UserId, &RoomId),
    after: Option<&UserId>,
    limit: u64,
) -> Result<Option<(RoomKind, String, Page)>, DbError> {
    let input = json!({"tenant": tenant, "user": user, "room": room, "after": after, "limit": limit});
    let answer: Option<(RoomKind, String, PageAnswer<UserId>)> = decode(db.query(MEMBERS, input).await?)?;
    Ok(answer.map(|(kind, role, answer)| (kind, role, answer.page())))
}

/// The place after the last entry of a page of the audit log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AuditCursor {
    at_ms: UnixMs,
    id: String,
}

impl AuditCursor {
    /// # Errors  `bad_request`: not one that a page gave.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        cursor::parse(text, |c: &Self| c.at_ms <= FOREVER_MS && !c.id.contains('\0'))
    }
}

/// Times are whole milliseconds, so a cursor's time compares exactly.
const AUDIT: &str = concat!(
    "
WITH page AS MATERIALIZED (
    SELECT a.* FROM chat_audit a
    WHERE a.tenant_id = $1->>'tenant' AND a.room_id = $1->>'room'
      AND ($1->'atMs' = 'null' OR (a.at, a.id) < (to_timestamp(($1->>'atMs')::bigint / 1000.0), $1->>'id'))
    ORDER BY a.at DESC, a.id DESC LIMIT ($1->>'limit')::bigint + 1
), shown AS MATERIALIZED (
    SELECT * FROM page ORDER BY at DESC, id DESC LIMIT ($1->>'limit')::bigint
)
SELECT json_build_object(
    'items', (
        SELECT coalesce(json_agg(json_strip_nulls(json_build_object('at', ",
    iso!("s.at"),
    ", 'actor', s.actor, 'action', s.action, 'target', coalesce(s.target, s.room_id), 'reason', s.reason))
            ORDER BY s.at DESC, s.id DESC), '[]') FROM shown s),
    'next', CASE WHEN (SELECT count(*) FROM page) > ($1->>'limit')::bigint THEN (
        SELECT json_build_object('atMs', ",
    unix_ms!("s.at"),
    ", 'id', s.id) FROM shown s ORDER BY s.at, s.id LIMIT 1) END)"
);

/// The audit log, newest first. Who may read it is the caller's question.
pub async fn list_audit(
    db: &impl Postgres,
    tenant: &TenantId,
    room: &RoomId,
    cursor: Option<&AuditCursor>,
    limit: u64,
) -> Result<Page, DbError> {
    let (at_ms, id) = (cursor.map(|c| c.at_ms), cursor.map(|c| &c.id));
    let input = json!({"tenant": tenant, "room": room, "atMs": at_ms, "id": id, "limit": limit});
    let answer: PageAnswer<AuditCursor> = decode(db.query(AUDIT, input).await?)?;
    Ok(answer.page())
}

const NOTIFY: &str = concat!(
    "
SELECT coalesce((
    SELECT json_build_object('level', m.notify_level, 'muteUntil', ",
    iso!("m.mute_until"),
    ") FROM chat_room_members m
    WHERE m.tenant_id = $1->>'tenant' AND m.room_id = $1->>'room' AND m.user_id = $1->>'user'
), 'null')"
);

/// Somebody's notification settings in a room; `None`: no such room, or not in it.
pub async fn notify_settings(
    db: &impl Postgres,
    tenant: &TenantId,
    user: &UserId,
    room: &RoomId,
) -> Result<Option<Value>, DbError> {
    decode(db.query(NOTIFY, json!({"tenant": tenant, "user": user, "room": room})).await?)
}
