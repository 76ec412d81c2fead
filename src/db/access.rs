//! Whether a person is in a room, and what a room object loads before it can serve.
//! Not here: what a role may do (`auth`), and the room as clients see it (`rooms`).

use super::port::{DbError, Postgres, decode};
use crate::auth::{Identity, Role};
use crate::error::{Code, Refusal};
use crate::ids::{INTEGER_MAX, RoomId, Seq, TenantId, UnixMs, UserId};
use crate::limits::{RECEIPTS_MEMBERS_MAX, SNAPSHOT_CHANGES_MAX};
use crate::protocol::room::{AuditAction, HistoryVisibility, NotifyLevel, RoomKind, RoomMention};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeMap;

/// How a member stands to a room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Access {
    #[serde(deserialize_with = "Role::read_stored")]
    pub role: Role,
    /// If it is newer than the room object's own, the object's copy of the members is old.
    pub members_version: u64,
    /// The watermark in Postgres: never above the room's head, unless the room lost its log.
    pub last_seq: Seq,
    /// If they differ from what the object knows, its copy of them is old: they make no new `members_version`.
    #[serde(default)]
    pub notify: Option<Notify>,
    /// How the person is shown. If the room object shows them otherwise, its copy is old.
    #[serde(default)]
    pub person: Option<ShownPerson>,
    #[serde(default)]
    pub account: Option<Account>,
}

impl Access {
    /// # Errors  those of `Account::admit`.
    pub fn admit(&self, caller: &Identity) -> Result<(), Refusal> {
        self.account.as_ref().map_or(Ok(()), |account| account.admit(caller))
    }
}

/// How a person is shown where they appear.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ShownPerson {
    pub name: String,
    pub avatar_url: Option<String>,
}

impl ShownPerson {
    /// A person of whom nothing but the id is known.
    pub fn unnamed(user: &str) -> Self {
        Self { name: user.to_owned(), avatar_url: None }
    }
}

/// Which of a person's tokens are refused (PEOPLE-6).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Account {
    pub user_id: UserId,
    pub deactivated: bool,
    /// Tokens issued before this, and tokens that don't tell when they were issued.
    pub signed_out_before_ms: Option<UnixMs>,
}

impl Account {
    /// # Errors  forbidden → deactivated; unauthenticated → signed out since the token was issued.
    pub fn admit(&self, caller: &Identity) -> Result<(), Refusal> {
        if self.deactivated {
            return Err(Refusal::new(Code::Forbidden, "this account is deactivated"));
        }
        let before_ms = self.signed_out_before_ms.unwrap_or(0);
        match before_ms == 0 || caller.issued_ms.is_some_and(|issued_ms| issued_ms >= before_ms) {
            true => Ok(()),
            false => Err(Refusal::new(Code::Unauthenticated, "signed out since this token was issued")),
        }
    }
}

/// Everything that a room object caches of its row and its members.
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
    /// The watermark.
    pub last_seq: Seq,
    /// The epoch of the log that was projected last; `None` before the first batch.
    pub epoch: Option<String>,
    /// In the order of their ids.
    pub members: Vec<SnapshotMember>,
    /// The bans that were in force when the snapshot was taken.
    #[serde(default)]
    pub bans: Vec<SnapshotBan>,
    /// How members are shown, by id, in rooms of at most `RECEIPTS_MEMBERS_MAX`; who has neither name nor avatar is left
    /// out.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub people: BTreeMap<String, ShownPerson>,
    /// Members of whom tokens are refused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<Account>,
    /// Members of a direct room whom the other one has blocked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blocked: Vec<UserId>,
    /// Who made the changes since the version that was asked for. The room does not store them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<SnapshotChange>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SnapshotMember {
    pub user_id: UserId,
    #[serde(deserialize_with = "Role::read_stored")]
    pub role: Role,
    pub joined_at_ms: UnixMs,
    pub joined_seq: Seq,
    pub last_read_seq: Seq,
    #[serde(default)]
    pub read_generation: u64,
    pub notify: Notify,
    /// Muted by a moderator until then; `FOREVER_MS`: for good.
    #[serde(default, rename = "mutedUntilMs")]
    pub silenced_until_ms: Option<UnixMs>,
}

/// A person who is banned from the room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SnapshotBan {
    pub user_id: UserId,
    /// `None`: for good.
    pub until_ms: Option<UnixMs>,
}

/// An entry of the audit log that made a new version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SnapshotChange {
    pub id: String,
    pub actor: UserId,
    pub action: AuditAction,
    pub target: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Notify {
    pub level: NotifyLevel,
    #[serde(rename = "muteUntilMs")]
    pub notifications_snoozed_until_ms: Option<UnixMs>,
}

/// How a person stands to a room; `None`: no such room, or not in it, which must look the same from outside.
///
/// # Cost  three lookups by primary key; it runs at each upgrade and REST call.
pub async fn access(
    db: &impl Postgres,
    tenant: &TenantId,
    user: &UserId,
    room: &RoomId,
) -> Result<Option<Access>, DbError> {
    let input = json!({"tenant": tenant, "user": user, "room": room});
    decode(db.query("SELECT chat_access_v3($1)", input).await?)
}

/// The room's row, all its members and bans, as of one moment, and who made the changes since the version `known`.
pub async fn room_snapshot(
    db: &impl Postgres,
    tenant: &TenantId,
    room: &RoomId,
    known: Option<u64>,
) -> Result<Option<RoomSnapshot>, DbError> {
    let known = known.unwrap_or(INTEGER_MAX);
    let input = json!({"tenant": tenant, "room": room, "known": known, "changesMax": SNAPSHOT_CHANGES_MAX,
                       "peopleMax": RECEIPTS_MEMBERS_MAX});
    decode(db.query(include_str!("sql/room_snapshot.sql"), input).await?)
}
