//! What a push says. It names one message and stands for all that is unread in its room, because push services keep only
//! the newest of a topic. Not here: encryption.

use crate::db::{Device, NotificationPayload};
use crate::ids::RoomId;
use crate::limits::PUSH_PLAIN_BYTES_MAX;
use crate::protocol::notification::title_and_body;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// The JSON for this device, in the form of Declarative Web Push.
pub fn payload(payload: &NotificationPayload, device: &Device) -> String {
    let text = |of: &Value, name: &str| of.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let NotificationPayload { message, room, .. } = payload;
    let room_id = text(room, "id");
    let (title, body) = title_and_body(message, room, device.unread);
    let seq = message.get("seq").cloned().unwrap_or_default();
    let place = percent_encoding::utf8_percent_encode(&room_id, percent_encoding::NON_ALPHANUMERIC);
    let thread = match text(message, "threadId") {
        root if root.is_empty() => root,
        root => format!("/t/{root}"),
    };
    let navigate = format!("/#/r/{place}/m/{seq}{thread}");
    let data =
        json!({"roomId": room_id, "messageId": message.get("id"), "seq": seq, "unread": device.unread});
    let tag = topic_of(&room_id);
    let whole = |body: &str| {
        json!({"web_push": 8030, "notification": {
            "title": title, "body": body, "navigate": navigate, "tag": tag, "data": data, "app_badge": device.rooms,
        }})
        .to_string()
    };
    fitting(&body, whole)
}

/// The text with as much of its end cut off as it needs to fit. Quotes and control characters grow in JSON, so the size
/// is only known afterwards.
fn fitting(body: &str, whole: impl Fn(&str) -> String) -> String {
    let mut chars = body.chars().count();
    let mut text = whole(body);
    while text.len() > PUSH_PLAIN_BYTES_MAX && chars > 0 {
        chars /= 2;
        let cut: String = body.chars().take(chars).chain("…".chars()).collect();
        text = whole(&cut);
    }
    text
}

/// The topic of a room: of pushes with the same topic the push service keeps the newest. The device does so with the
/// same tag.
pub fn topic(room: &RoomId) -> String {
    topic_of(room.as_str())
}

fn topic_of(room: &str) -> String {
    match uuid::Uuid::parse_str(room) {
        Ok(id) => id.simple().to_string(),
        Err(_) => {
            let digest = Sha256::digest(room.as_bytes());
            URL_SAFE_NO_PAD.encode(digest.get(..24).unwrap_or_default())
        }
    }
}

/// Whether the device is to be woken for it: messages of a direct room, and mentions.
pub fn is_urgent(reason: &str) -> bool {
    matches!(reason, "direct" | "mention" | "room_mention")
}
