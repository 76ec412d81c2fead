//! Writing a room's log to Postgres, and reading it back when the room has lost it.
//! Not here: batching, bisecting and backoff (the room's outbox); the statements, which are the functions
//! `chat_project_*` of migrations/0006_writing_functions.sql and 0008_reaction_changes.sql.

use super::audit::AuditRow;
use super::port::{DbError, Postgres, decode, encode};
use crate::ids::{RoomId, Seq, TenantId, UnixMs, UserId};
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
    /// Of a deleted message Postgres keeps no content, whatever stands here.
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
    /// The earlier versions that are kept, oldest first.
    #[serde(default)]
    pub versions: Vec<VersionRow>,
    pub reply_count: u32,
    #[serde(default)]
    pub last_reply_at_ms: Option<UnixMs>,
    /// Who follows this thread because of this message: user ids. They remain followers when it is deleted.
    #[serde(default)]
    pub followers: Vec<String>,
    pub created_at_ms: UnixMs,
    pub edited_at_ms: Option<UnixMs>,
    /// Who made the last edit; `None`: nobody, or the author.
    #[serde(default)]
    pub edited_by: Option<String>,
    pub deleted_at_ms: Option<UnixMs>,
    pub deleted_by: Option<String>,
    /// All of its reactions, in the order in which the room shows them. `None` in a batch: those that Postgres has
    /// stay, and the batch has what changed.
    #[serde(default)]
    pub reactions: Option<Vec<ReactionRow>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReactionRow {
    pub emoji: String,
    pub user_id: String,
}

/// Whether a person's reaction to a message is set now. Set twice, or removed twice, it is the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReactionChange {
    /// The message's seq and id.
    pub seq: Seq,
    pub id: String,
    pub emoji: String,
    pub user_id: String,
    pub is_set: bool,
    /// The seq of the event, by which the room orders the reactions of a message.
    pub position: Seq,
    pub at_ms: UnixMs,
}

/// A pinned message: its seq and id, the seq of the event that pinned it, by whom and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PinRow {
    pub seq: Seq,
    pub id: String,
    pub position: Seq,
    pub pinned_by: String,
    pub at_ms: UnixMs,
}

/// A version of a message before an edit: who wrote it when, and who replaced it when.
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

/// How far somebody has read. Of two markers the one with the higher generation counts, then the one with the higher
/// seq. Setting a marker back on purpose begins a new generation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Marker {
    pub generation: u64,
    pub seq: Seq,
}

/// One batch of the outbox: what the events in (`from`, `to`] created or changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Projection {
    pub tenant: TenantId,
    pub room: RoomId,
    pub epoch: String,
    pub from: Seq,
    /// Quarantined rows are sent again with `from` and `to` both at the watermark.
    pub to: Seq,
    /// Each once, in its present state, which may be newer than `to` but never older.
    pub messages: Vec<MessageRow>,
    /// At most one for each message, emoji and person; none of a message whose `reactions` are in the batch.
    #[serde(default)]
    pub reactions: Vec<ReactionChange>,
    /// All pins of the room, the oldest first; `None`: Postgres has them. As with messages, the list may be newer than
    /// `to` but never older.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pins: Option<Vec<PinRow>>,
    pub reads: BTreeMap<UserId, Marker>,
    /// Entries for the audit log, reports among them.
    #[serde(default)]
    pub audit: Vec<AuditRow>,
}

/// The outcome of a batch. `epoch` is the one that was stored before it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "state", rename_all = "lowercase", rename_all_fields = "camelCase")]
pub enum Projected {
    /// All of it is in Postgres.
    Done {
        last_seq: Seq,
        members_version: u64,
        epoch: Option<String>,
        /// Postgres has another message at these seqs and keeps it. This is an integrity alarm.
        conflicts: Vec<Seq>,
        /// The members whose inbox is open: their list has changed.
        #[serde(default)]
        inboxes: Vec<UserId>,
    },
    /// Nothing was changed: Postgres lacks what comes before `from`, as it was set back. Send from `last_seq`.
    Behind { last_seq: Seq, members_version: u64, epoch: Option<String> },
    /// Nothing was changed: a later batch has been written. If it is of this log, it knew these rows better, except
    /// for `conflicts`. If `epoch` is another one, Postgres follows another log.
    Ahead {
        last_seq: Seq,
        members_version: u64,
        epoch: Option<String>,
        conflicts: Vec<Seq>,
        /// As with `Done`.
        #[serde(default)]
        inboxes: Vec<UserId>,
    },
    /// Nothing was changed: there is no such room.
    Missing,
}

impl Projected {
    /// Whose inboxes are to be poked.
    pub fn inboxes(&self) -> Vec<UserId> {
        match self {
            Self::Done { inboxes, .. } | Self::Ahead { inboxes, .. } => inboxes.clone(),
            Self::Behind { .. } | Self::Missing => Vec::new(),
        }
    }
}

/// The batch is in Postgres, all of it, or nothing of it is.
///
/// # Takes  the present state of each message; the same batch any number of times, and batches that arrive late.
/// # Errors  `SetAside`: some row is refused and nothing was changed; bisect.
/// # Laws  an older version never replaces a newer one, content never replaces a tombstone, and a message never
/// replaces another message. No version of a deleted message is kept. Read markers only advance, or move to a later
/// generation. After `Done` everything up to `last_seq` is in Postgres, except for conflicts.
/// # Cost  one statement; it grows with the batch, not with the tables (bench/results/projection.md).
pub async fn project(db: &impl Postgres, batch: &Projection) -> Result<Projected, DbError> {
    decode(db.query("SELECT chat_project_v3($1)", encode(batch)?).await?)
}

/// A page of a room's messages, ascending, as they were projected.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MessagePage {
    pub messages: Vec<MessageRow>,
    /// All pins of the room, the oldest first, whatever the page.
    #[serde(default)]
    pub pins: Vec<PinRow>,
    pub has_more: bool,
}

/// What a page of messages has at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageBounds {
    pub count: u64,
    /// Of JSON; the message that exceeds them is the page's last one.
    pub bytes: u64,
}

/// The room's messages after a seq.
///
/// # Cost  one statement, 25 µs a message: twice what a page without a bound on bytes takes.
pub async fn messages_after(
    db: &impl Postgres,
    tenant: &TenantId,
    room: &RoomId,
    after: Seq,
    bounds: PageBounds,
) -> Result<MessagePage, DbError> {
    let PageBounds { count, bytes } = bounds;
    let input = json!({"tenant": tenant, "room": room, "after": after, "countMax": count, "bytesMax": bytes});
    decode(db.query(include_str!("sql/messages_after.sql"), input).await?)
}
