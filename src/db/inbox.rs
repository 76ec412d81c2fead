//! What a person's inbox asks: its lease and presence, rooms as the person sees them, and people. A room of an answer is
//! the list's.
//! Not here: the list itself (`rooms`), and what the inbox makes of an answer (`inbox`).

use super::port::{DbError, Postgres, decode};
use super::saved::SavedChanges;
use super::unread::bounds;
use crate::ids::{RoomId, Seq, TenantId, UnixMs, UserId};
use crate::limits::{
    INBOX_LEASE_MS, INBOX_NOTICE_FRESH_MS, INBOX_NOTICES_LOOK_MAX, INBOX_SAVED_MAX, NOTIFY_PREVIEW_CHARS,
    PARTNERS_ROOMS_MAX,
};
use crate::protocol::inbox::{GoneReason, NotifyReason, Presence};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A room as one person sees it now.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InboxRoom {
    pub id: RoomId,
    /// The list's room; `None`: the person is not in it.
    pub room: Option<Value>,
    /// Why the person is not in it.
    #[serde(default)]
    pub gone: Option<GoneReason>,
}

/// The person's inbox is open from now on: what changes their list names them.
///
/// # Gives  whether it was open before, and the presence. What was committed by a statement that began before this one may name nobody, and
/// nobody sees the person online.
pub async fn begin_inbox_lease(
    db: &impl Postgres,
    tenant: &TenantId,
    user: &UserId,
) -> Result<(bool, Presence), DbError> {
    let input = json!({"tenant": tenant, "user": user, "leaseMs": INBOX_LEASE_MS});
    lease(db, input).await.map(|answer| (answer.was_running, answer.presence))
}

/// The person's inbox is closed, and nobody is poked.
pub async fn end_inbox_lease(db: &impl Postgres, tenant: &TenantId, user: &UserId) -> Result<(), DbError> {
    lease(db, json!({"tenant": tenant, "user": user, "leaseMs": 0})).await.map(drop)
}

/// Others see the person so from now on. `Offline` ends the lease, everything else renews it.
///
/// # Gives  those of `partners` whose inbox is open.
pub async fn write_presence(
    db: &impl Postgres,
    (tenant, user): (&TenantId, &UserId),
    presence: Presence,
    partners: &[UserId],
) -> Result<Vec<UserId>, DbError> {
    let lease_ms = if presence == Presence::Offline { 0 } else { INBOX_LEASE_MS };
    let input = json!({"tenant": tenant, "user": user, "leaseMs": lease_ms, "presence": presence,
                       "partners": partners});
    lease(db, input).await.map(|answer| answer.inboxes.unwrap_or_default())
}

/// Those who have a direct room with the person, and an open inbox.
///
/// # Cost  the newest `PARTNERS_ROOMS_MAX` rooms of the person.
pub async fn inboxes_of_partners(
    db: &impl Postgres,
    tenant: &TenantId,
    user: &UserId,
) -> Result<Vec<UserId>, DbError> {
    let input = json!({"tenant": tenant, "user": user, "roomsMax": PARTNERS_ROOMS_MAX});
    let inboxes: Option<_> = decode(db.query("SELECT chat_inboxes_of_partners_v1($1)", input).await?)?;
    Ok(inboxes.unwrap_or_default())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Leased {
    was_running: bool,
    presence: Presence,
    inboxes: Option<Vec<UserId>>,
}

async fn lease(db: &impl Postgres, input: Value) -> Result<Leased, DbError> {
    decode(db.query("SELECT chat_lease_inbox_v2($1)", input).await?)
}

/// What an inbox has asked for.
#[derive(Debug, Default, Deserialize)]
pub struct InboxSeen {
    pub rooms: Vec<InboxRoom>,
    /// As everybody sees them; unknown ones are left out.
    pub people: Vec<Value>,
    /// What has changed in the list of saved messages, if that was asked for.
    #[serde(default)]
    pub saved: Option<SavedChanges>,
    /// Of rooms whose log has grown, and those that are replayed.
    #[serde(default)]
    pub notices: Vec<NoticesOfRoom>,
}

/// What an inbox asks for.
#[derive(Clone, Copy, Debug, Default)]
pub struct InboxAsked<'a> {
    pub rooms: &'a [RoomId],
    pub people: &'a [UserId],
    pub saved: Option<SavedAfter>,
    pub notices: &'a [NoticesAfter],
}

/// An inbox wants to know what there is to notify of in a room (INBOX-11).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NoticesAfter {
    pub room: RoomId,
    /// Up to here it has asked; `None`: it does not know the room.
    pub after: Option<Seq>,
    /// The time of the newest edit that it has heard of.
    pub edited_ms: UnixMs,
    /// Up to here the room knows that its person has read; Postgres may not know it yet.
    pub read: Seq,
    /// The message that its person was last notified of.
    pub pending: Option<Seq>,
    /// A connection resumes: what is pending is to be shown again.
    pub is_replayed: bool,
}

impl NoticesAfter {
    /// Of a room that the inbox does not know.
    pub fn of_unknown(room: RoomId, now: UnixMs) -> Self {
        Self { room, after: None, edited_ms: now, read: 0, pending: None, is_replayed: false }
    }
}

/// What there is to notify of in a room.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NoticesOfRoom {
    pub room: RoomId,
    pub last_seq: Seq,
    pub edited_ms: UnixMs,
    pub found: Option<FoundNotice>,
    /// `None`: it is read or deleted, or nothing was pending.
    pub pending: Option<PendingNotice>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct FoundNotice {
    pub reason: NotifyReason,
    /// As a webhook has it (`NotificationPayload`).
    pub message: Value,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct PendingNotice {
    pub message: Value,
}

/// What an inbox wants to know of the list of saved messages: what has changed after this change; `None`: only which change
/// was the newest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SavedAfter(pub Option<u64>);

/// These rooms as the person sees them now, in the order asked for, these people, what has changed in the list of saved
/// messages, and what there is to notify of.
///
/// # Cost  one statement; a room costs what it costs in the list.
pub async fn inbox_rooms(
    db: &impl Postgres,
    tenant: &TenantId,
    user: &UserId,
    InboxAsked { rooms, people, saved, notices }: InboxAsked<'_>,
) -> Result<InboxSeen, DbError> {
    if rooms.is_empty() && people.is_empty() && saved.is_none() && notices.is_empty() {
        return Ok(InboxSeen::default());
    }
    let saved = saved.map(|SavedAfter(after)| json!({"after": after, "limit": INBOX_SAVED_MAX}));
    let input = json!({"tenant": tenant, "user": user, "rooms": rooms, "people": people, "saved": saved,
                       "bounds": bounds(), "notices": notices, "noticeBounds": {
                           "freshMs": INBOX_NOTICE_FRESH_MS, "lookMax": INBOX_NOTICES_LOOK_MAX,
                           "chars": NOTIFY_PREVIEW_CHARS}});
    decode(db.query("SELECT chat_inbox_rooms_v4($1)", input).await?)
}
