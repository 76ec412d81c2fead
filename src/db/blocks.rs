//! Whom people have blocked, and what keeps a person from opening a room with others (migrations/0026_blocks.sql).
//! Not here: what a block stops (`room`), and whom notifications leave out (`notify`).

use super::port::{DbError, Postgres, decode};
use super::profiles::Directory;
use super::rooms::direct_key;
use crate::ids::{RoomId, TenantId, UserId};
use crate::limits::BLOCKS_MAX;
use serde::Deserialize;
use serde_json::{Value, json};

/// What setting a block has done.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BlockSet {
    /// Nothing was changed: the person has blocked `BLOCKS_MAX` others.
    pub is_full: bool,
    /// The direct room of the two.
    pub room: Option<RoomId>,
}

/// The person has blocked the other one, or has not.
///
/// # Laws  sent twice, the second changes nothing.
pub async fn set_block(
    db: &impl Postgres,
    (tenant, person): (&TenantId, &UserId),
    other: &UserId,
    blocked: bool,
) -> Result<BlockSet, DbError> {
    let dm_key = direct_key([person, other].into_iter());
    let input = json!({"tenant": tenant, "user": person, "other": other, "blocked": blocked, "dmKey": dm_key,
                       "max": BLOCKS_MAX});
    decode(db.query("SELECT chat_set_block_v1($1)", input).await?)
}

/// The people whom this person has blocked, in the order of their ids.
pub async fn list_blocks(
    db: &impl Postgres,
    tenant: &TenantId,
    person: &UserId,
) -> Result<Vec<Value>, DbError> {
    decode(db.query("SELECT chat_list_blocks_v1($1)", json!({"tenant": tenant, "user": person})).await?)
}

/// What keeps a person from opening a room with others, or adding them.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Meeting {
    /// One of them has blocked the person.
    pub blocked: bool,
    /// Somebody whom nobody knows, or whom the directory does not show to the person.
    #[serde(default)]
    pub unknown: Option<UserId>,
}

/// What keeps `person` from these people. Nothing does if `dm_key` is that of a direct room which is there.
///
/// # Takes   `known_only`: people must be known, and shown by this directory; `None`: anybody will do.
/// # Cost    two lookups by primary key a person.
pub async fn meeting(
    db: &impl Postgres,
    (tenant, person): (&TenantId, &UserId),
    people: &[UserId],
    dm_key: Option<String>,
    known_only: Option<Directory>,
) -> Result<Meeting, DbError> {
    let input = json!({"tenant": tenant, "user": person, "people": people, "dmKey": dm_key,
                       "knownOnly": known_only.is_some(), "onlyShared": known_only == Some(Directory::Rooms)});
    decode(db.query("SELECT chat_meeting_v1($1)", input).await?)
}
