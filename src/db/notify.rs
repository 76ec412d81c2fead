//! What the queue of notifications holds, and who is notified of a message: that is decided when the notification is
//! sent and not before.
//! Not here: who was absent (`room::notices`), and sending (`notify`).

use super::port::{DbError, Postgres, decode};
use crate::ids::{RoomId, Seq, TenantId, is_zero};
use crate::limits::{NOTIFY_PREVIEW_CHARS, NOTIFY_USERS_MAX};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A message of the queue of notifications. It holds ids only. Fields are added and never changed, because a message can
/// be read by another version than the one that wrote it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum QueueMessage {
    Many(Notices),
    Push(PushRetry),
    One(Notice),
}

/// A message and people who were absent: what one webhook is made of. Rooms send `Notices`; the consumer puts the
/// notices of them that failed into the queue, each by itself.
///
/// Crosses a deploy: tests/golden/stored/notice.json
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Notice {
    pub tenant: TenantId,
    pub room: RoomId,
    /// The message's seq.
    pub seq: Seq,
    pub message: String,
    /// The seq of the event that caused this: the message itself, or its edit.
    pub event: Seq,
    /// Which of the event's notices this is; each holds at most `NOTIFY_USERS_MAX` people.
    pub part: u32,
    /// The edit mentions the whole room, and the message did not before.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub calls_all: bool,
    pub users: Vec<String>,
}

/// Devices of one person that could not be notified yet. They count as notified of this event, so no other push repeats it.
///
/// Crosses a deploy: tests/golden/stored/push_retry.json
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PushRetry {
    pub tenant: TenantId,
    pub room: RoomId,
    pub seq: Seq,
    pub message: String,
    pub event: Seq,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub calls_all: bool,
    pub user: String,
    /// Ids of subscriptions.
    pub devices: Vec<String>,
    pub tries: u32,
}

/// Events of a room and the people who were absent for some of them. Expanded by the consumer of the queue, this is one
/// notice for each event and `NOTIFY_USERS_MAX` people.
///
/// Crosses a deploy: tests/golden/stored/notices.json
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Notices {
    pub tenant: TenantId,
    pub room: RoomId,
    /// Ascending.
    pub events: Vec<NoticeEvent>,
    pub absent: Vec<Absent>,
    /// The part that the first of these people are in: others of the same events are in parts before it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub part: u32,
    /// These people counted as present and were lost later. Each has a part of their own, apart from those of everybody
    /// who was absent, so that a notice that is sent again has the same id.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub missed: bool,
    /// How many notices of the first event are done.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub done: u32,
    /// How often delivery was interrupted without a success in between.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub pauses: u32,
}

/// What people are notified of: a message, or its edit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NoticeEvent {
    pub seq: Seq,
    pub message: String,
    pub event: Seq,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub calls_all: bool,
    /// The edit notifies these people alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only: Option<Vec<String>>,
    /// It does not notify these people: the author, and those whom the message mentioned before the edit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub except: Vec<String>,
}

/// Somebody who was absent for the events from `from` to `to`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Absent {
    pub id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Seq>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Seq>,
}

impl Notices {
    /// The part of the people behind these.
    pub fn next_part(&self) -> u32 {
        let parts = self.absent.len().div_ceil(NOTIFY_USERS_MAX);
        self.part.saturating_add(u32::try_from(parts).unwrap_or(u32::MAX))
    }

    /// The notices of one event. A person is in the same part of each event, whoever else is left out.
    pub fn of(&self, event: &NoticeEvent) -> Vec<Notice> {
        let size = if self.missed { 1 } else { NOTIFY_USERS_MAX };
        let parts = self.absent.chunks(size).zip(self.part..);
        let notices = parts.map(|(absent, number)| {
            let users = absent.iter().filter(|absent| absent.concerns(event)).map(|absent| absent.id.clone());
            let part = match absent.first() {
                Some(first) if self.missed => missed_part(&first.id),
                _ => number,
            };
            Notice {
                tenant: self.tenant.clone(),
                room: self.room.clone(),
                seq: event.seq,
                message: event.message.clone(),
                event: event.event,
                part,
                calls_all: event.calls_all,
                users: users.collect(),
            }
        });
        notices.filter(|notice| !notice.users.is_empty()).collect()
    }
}

impl Absent {
    fn concerns(&self, event: &NoticeEvent) -> bool {
        let is_named = |names: &Vec<String>| names.contains(&self.id);
        self.from.is_none_or(|from| event.event >= from)
            && self.to.is_none_or(|to| event.event <= to)
            && event.only.as_ref().is_none_or(is_named)
            && !is_named(&event.except)
    }
}

/// The part of a notice for somebody whose client was lost: FNV-1a of the person.
fn missed_part(user: &str) -> u32 {
    let hash =
        user.bytes().fold(0x811c_9dc5, |hash: u32, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    hash | 0x8000_0000
}

/// A notification and its recipients.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct NotificationPayload {
    pub message: Value,
    pub room: Value,
    /// `[{userId, reason}]`, never empty.
    pub recipients: Vec<Value>,
}

/// The notification to send now; `None`: nobody is notified, because the message was deleted or read, or they have
/// snoozed notifications or may not see it.
///
/// # Cost  a few lookups by key for each person of the notice.
pub async fn notification_payload(
    db: &impl Postgres,
    notice: &Notice,
) -> Result<Option<NotificationPayload>, DbError> {
    let Notice { tenant, room, seq, message, event, calls_all, users, .. } = notice;
    let input = json!({"tenant": tenant, "room": room, "seq": seq, "message": message, "event": event,
                       "callsAll": calls_all, "users": users, "chars": NOTIFY_PREVIEW_CHARS});
    decode(db.query(include_str!("sql/notification_payload.sql"), input).await?)
}
