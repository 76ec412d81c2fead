//! Who is notified of a message, decided when the notification is sent and not before.
//! Not here: who was absent (`room::notifications`), and sending (`notify`).

use super::port::{DbError, Postgres, decode};
use crate::ids::{RoomId, Seq, TenantId};
use crate::limits::NOTIFY_PREVIEW_CHARS;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A message and the people without a socket: the message of the queue. It holds ids only. Fields are added and never
/// changed, because a notice can be read by another version than the one that wrote it.
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
