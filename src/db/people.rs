//! Changing a room's members, bans and settings: one statement for changes that are planned together, their audit entries
//! included.
//! Not here: which change is allowed (`room::admin_changes`).

use super::audit::AuditRow;
use super::port::{DbError, Postgres, decode, encode};
use crate::auth::Role;
use crate::ids::{RoomId, Seq, TenantId, UnixMs, UserId};
use crate::protocol::room::{HistoryVisibility, NotifyLevel, RoomMention};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// Everything that a statement writes, planned for the room as it was at `version`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChangeSet {
    pub tenant: TenantId,
    pub room: RoomId,
    pub version: u64,
    /// Members as they will be, new ones included.
    pub put: Vec<MemberPut>,
    pub gone: Vec<UserId>,
    /// All of the room's settings, if any of them changes.
    pub settings: Option<Settings>,
    pub bans: Vec<BanPut>,
    pub unbanned: Vec<UserId>,
    pub audit: Vec<AuditRow>,
    /// Members' own notification settings. They don't depend on `version` and make no new one.
    pub notify: Vec<NotifyPut>,
    /// Nobody is added who is in as many rooms as this.
    pub rooms_per_person: u64,
    /// Mark the room as deleted: nobody finds it any more. Its rows follow (`erase_room`).
    pub delete: bool,
}

impl ChangeSet {
    /// A set that changes nothing, for the room as it is at `version`.
    pub fn new(tenant: TenantId, room: RoomId, version: u64, rooms_per_person: u64) -> Self {
        Self {
            tenant,
            room,
            version,
            put: Vec::new(),
            gone: Vec::new(),
            settings: None,
            bans: Vec::new(),
            unbanned: Vec::new(),
            audit: Vec::new(),
            notify: Vec::new(),
            rooms_per_person,
            delete: false,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MemberPut {
    pub user_id: UserId,
    #[serde(deserialize_with = "Role::read_stored")]
    pub role: Role,
    /// Where a new member begins, and has read up to. An existing member keeps both.
    pub joined_seq: Seq,
    #[serde(rename = "mutedUntilMs")]
    pub silenced_until_ms: Option<UnixMs>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NotifyPut {
    pub user_id: UserId,
    pub level: NotifyLevel,
    #[serde(rename = "muteUntilMs")]
    pub notifications_snoozed_until_ms: Option<UnixMs>,
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
    pub banned_by: UserId,
    pub until_ms: Option<UnixMs>,
    pub reason: Option<String>,
}

/// The outcome of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Applied {
    Done,
    /// Nothing was changed: the room is at another version than the plan's.
    Stale,
    /// There is no such room, or it was deleted.
    Missing,
}

/// What a change has done.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct AppliedChange {
    pub state: Applied,
    /// Whose inbox is open of those whom no event of the room tells: who is no member any more, and whose own settings
    /// these are. `None`: nobody's.
    #[serde(default)]
    pub inboxes: Option<Vec<UserId>>,
}

/// The changes are in Postgres with their audit entries, all of them, or nothing of them is.
///
/// # Laws  they are applied only to the version that they were planned for; sent twice, the second is `Stale`. A set that
/// has nothing but `notify` is applied to any version.
/// # Cost  one statement, which waits for the room's other changes and batches.
pub async fn apply(db: &impl Postgres, set: &ChangeSet) -> Result<AppliedChange, DbError> {
    if set.delete {
        let input = json!({"tenant": set.tenant, "room": set.room, "deleteVersion": set.version});
        return decode(db.query("SELECT chat_mark_deleted_v2($1)", input).await?);
    }
    decode(db.query("SELECT chat_apply_v4($1)", encode(set)?).await?)
}
