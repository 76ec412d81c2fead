//! The messages that a person has saved (migrations/0030_saved.sql).
//! Not here: whether there is such a message (`room`), and what an inbox makes of a change (`inbox`).

use super::cursor;
use super::port::{DbError, Postgres, decode};
use super::projection::MessageRow;
use crate::error::Refusal;
use crate::ids::{INTEGER_MAX, MessageId, RoomId, TenantId, UserId};
use crate::limits::{PAGE_BYTES_MAX, SAVED_MAX, SAVED_WALK_MAX};
use serde::Deserialize;
use serde_json::json;

/// What saving a message has done.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SavedSet {
    /// Nothing was changed: the person has saved `SAVED_MAX` messages.
    pub is_full: bool,
    /// The person, if something has changed and their inbox is open.
    #[serde(default)]
    pub inboxes: Option<Vec<UserId>>,
}

/// What has changed in a person's list of saved messages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct SavedChanges {
    /// The newest change of all.
    pub rev: u64,
    /// Ascending.
    pub changes: Vec<SavedChange>,
}

/// Whether a message is saved since the change `rev`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct SavedChange {
    pub rev: u64,
    pub room: RoomId,
    pub message: String,
    pub saved: bool,
}

/// A page of a person's saved messages.
#[derive(Debug, Deserialize)]
pub struct SavedPage {
    pub found: Vec<SavedMessage>,
    /// There may be more below this change.
    pub next: Option<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SavedMessage {
    pub room_id: RoomId,
    pub message: MessageRow,
}

/// The person has saved this message, or has not.
///
/// # Laws  sent twice, the second changes nothing.
/// # Cost  two rows and an entry of an index. A full list looks at each of its messages.
pub async fn set_saved(
    db: &impl Postgres,
    (tenant, user): (&TenantId, &UserId),
    (room, message): (&RoomId, MessageId),
    saved: bool,
) -> Result<SavedSet, DbError> {
    let input = json!({"tenant": tenant, "user": user, "room": room, "message": message.to_string(),
                       "seq": message.seq(), "saved": saved, "max": SAVED_MAX});
    decode(db.query("SELECT chat_set_saved_v1($1)", input).await?)
}

/// At most `limit` of the person's saved messages below a change, the newest saved first, as they are now; none that they
/// may not see any more, or that is not projected yet. A page may be short, or empty, and still have a next one.
///
/// # Cost  at most `SAVED_WALK_MAX` rows, three lookups each, and what the page holds.
pub async fn list_saved(
    db: &impl Postgres,
    tenant: &TenantId,
    user: &UserId,
    below: Option<u64>,
    limit: u64,
) -> Result<SavedPage, DbError> {
    let input = json!({"tenant": tenant, "user": user, "below": below, "limit": limit, "bytesMax": PAGE_BYTES_MAX,
                       "walkMax": SAVED_WALK_MAX});
    decode(db.query("SELECT chat_list_saved_v1($1)", input).await?)
}

/// # Errors  `bad_request`: no page returned this cursor.
pub fn parse_saved_cursor(text: &str) -> Result<u64, Refusal> {
    cursor::parse(text, |rev: &u64| *rev <= INTEGER_MAX)
}
