//! Who is in a room, and what a room has to know before it can open.
//! Not here: what a role may do (`auth`), and the room as clients see it (`rooms`).

use super::{DbError, Postgres, decode, unix_ms};
use crate::ids::{INTEGER_MAX, RoomId, Seq, TenantId, UnixMs, UserId};
use crate::limits::CHANGES_TOLD_MAX;
use crate::protocol::room::{HistoryVisibility, NotifyLevel, RoomKind, RoomMention};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// A member's way into a room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Access {
    pub role: String,
    /// Newer than the room's own: the room's copy of its members is old.
    pub members_version: u64,
    /// The projection's, so never ahead of the room's head, unless the room lost its log.
    pub last_seq: Seq,
}

/// Everything a room caches of its row and its members.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RoomSnapshot {
    #[serde(rename = "type")]
    pub kind: RoomKind,
    pub name: Option<String>,
    pub topic: Option<String>,
    pub created_by: UserId,
    pub created_at_ms: UnixMs,
    pub archived: bool,
    pub history_visibility: HistoryVisibility,
    pub room_mention: RoomMention,
    pub slow_mode_s: u32,
    pub members_version: u64,
    /// Where the projection stands.
    pub last_seq: Seq,
    /// Of the log that was projected last; `None` before the first batch.
    pub epoch: Option<String>,
    /// In the order of their ids.
    pub members: Vec<SnapshotMember>,
    /// Those in force when it was taken.
    #[serde(default)]
    pub bans: Vec<SnapshotBan>,
    /// Who made the changes since the version that was asked for; not kept by the room.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<SnapshotChange>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SnapshotMember {
    pub user_id: UserId,
    pub role: String,
    pub joined_at_ms: UnixMs,
    pub joined_seq: Seq,
    pub last_read_seq: Seq,
    #[serde(default)]
    pub read_generation: u64,
    pub notify: Notify,
    /// May not talk until then; `FOREVER_MS`: for good.
    #[serde(default, rename = "mutedUntilMs")]
    pub silenced_until_ms: Option<UnixMs>,
}

/// Somebody who may not be in the room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SnapshotBan {
    pub user_id: UserId,
    /// `None`: for good.
    pub until_ms: Option<UnixMs>,
}

/// One entry of the audit log that made a new version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SnapshotChange {
    pub id: String,
    pub actor: UserId,
    pub action: String,
    pub target: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Notify {
    pub level: NotifyLevel,
    #[serde(rename = "muteUntilMs")]
    pub notifications_snoozed_until_ms: Option<UnixMs>,
}

/// SQL of one `Access`, out of the room's row `r` and the member's row `m`.
macro_rules! access_object {
    () => {
        "json_build_object('role', m.role, 'membersVersion', r.members_version, 'lastSeq', r.last_seq)"
    };
}
pub(super) use access_object;

const ACCESS: &str = concat!(
    "
SELECT coalesce((
    SELECT ",
    access_object!(),
    "
    FROM chat_room_members m
    JOIN chat_rooms r ON r.tenant_id = m.tenant_id AND r.id = m.room_id
    WHERE m.tenant_id = $1->>'tenant' AND m.room_id = $1->>'room' AND m.user_id = $1->>'user'
), 'null')"
);

/// How this person stands to this room; `None`: no such room, or not in it, which nobody may tell apart.
///
/// # Cost  two look-ups by primary key; it runs at each upgrade and REST call.
pub async fn access(
    db: &impl Postgres,
    tenant: &TenantId,
    user: &UserId,
    room: &RoomId,
) -> Result<Option<Access>, DbError> {
    decode(db.query(ACCESS, json!({"tenant": tenant, "user": user, "room": room})).await?)
}

const SNAPSHOT: &str = concat!(
    "
SELECT coalesce((
    SELECT json_build_object(
        'type', r.type, 'name', r.name, 'topic', r.topic, 'createdBy', r.created_by,
        'createdAtMs', ",
    unix_ms!("r.created_at"),
    ", 'archived', r.archived_at IS NOT NULL,
        'historyVisibility', r.history_visibility, 'roomMention', r.room_mention, 'slowModeS', r.slow_mode_s,
        'membersVersion', r.members_version, 'lastSeq', r.last_seq, 'epoch', r.epoch,
        'members', (
            SELECT coalesce(json_agg(json_build_object(
                'userId', m.user_id, 'role', m.role, 'joinedAtMs', ",
    unix_ms!("m.joined_at"),
    ", 'joinedSeq', m.joined_seq, 'lastReadSeq', m.last_read_seq, 'readGeneration', m.read_generation,
                'notify', json_build_object('level', m.notify_level, 'muteUntilMs', ",
    unix_ms!("m.mute_until"),
    "), 'mutedUntilMs', ",
    unix_ms!("m.muted_until"),
    ") ORDER BY m.user_id), '[]')
            FROM chat_room_members m WHERE m.tenant_id = r.tenant_id AND m.room_id = r.id),
        'bans', (
            SELECT coalesce(json_agg(json_build_object('userId', b.user_id, 'untilMs', ",
    unix_ms!("b.until"),
    ") ORDER BY b.user_id), '[]')
            FROM chat_bans b
            WHERE b.tenant_id = r.tenant_id AND b.room_id = r.id AND (b.until IS NULL OR b.until > now())),
        'changes', (
            SELECT coalesce(json_agg(json_build_object(
                'id', c.id, 'actor', c.actor, 'action', c.action, 'target', c.target) ORDER BY c.version, c.id), '[]')
            FROM (
                SELECT a.* FROM chat_audit a
                WHERE a.tenant_id = r.tenant_id AND a.room_id = r.id AND a.version > ($1->>'known')::bigint
                ORDER BY a.version DESC, a.id LIMIT ($1->>'changesMax')::bigint) c))
    FROM chat_rooms r
    WHERE r.tenant_id = $1->>'tenant' AND r.id = $1->>'room'
), 'null')"
);

/// The room's row and all its members, at one moment; and who made the changes since the version `known`.
pub async fn room_snapshot(
    db: &impl Postgres,
    tenant: &TenantId,
    room: &RoomId,
    known: Option<u64>,
) -> Result<Option<RoomSnapshot>, DbError> {
    let known = known.unwrap_or(INTEGER_MAX);
    let input = json!({"tenant": tenant, "room": room, "known": known, "changesMax": CHANGES_TOLD_MAX});
    decode(db.query(SNAPSHOT, input).await?)
}
