//! What a notification says, on a device that gets pushes and in an open inbox alike.
//! Not here: who is notified (`db::notify`), and the forms that carry it (`push::payload`, `inbox`).

use crate::limits::UNREAD_MAX;
use serde_json::Value;

/// The title, which counts what is unread in the room, and the text.
///
/// # Takes  message and room as `db::NotificationPayload` has them.
pub fn title_and_body(message: &Value, room: &Value, unread: u64) -> (String, String) {
    let (room_name, is_direct) = (text(room, "name"), text(room, "type") == "direct");
    let sender = match text(message, "senderName") {
        "" => text(message, "userId"),
        name => name,
    };
    let place = if is_direct || room_name.is_empty() { sender } else { room_name };
    let title = match unread {
        0 | 1 => place.to_owned(),
        unread if unread >= UNREAD_MAX => format!("{UNREAD_MAX}+ new: {place}"),
        unread => format!("{unread} new: {place}"),
    };
    let preview = match text(message, "preview") {
        words if words.trim().is_empty() => "📎".to_owned(),
        words => with_names(words, message),
    };
    (title, if is_direct { preview } else { format!("{sender}: {preview}") })
}

fn text<'a>(of: &'a Value, name: &str) -> &'a str {
    of.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// The text with `@name` for each `<@id>` of a mention.
fn with_names(text: &str, message: &Value) -> String {
    let mut parts = text.split("<@");
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.split_once('>') {
            Some((id, rest)) => {
                let name =
                    message.pointer(&format!("/mentioned/{}/name", id.replace('~', "~0").replace('/', "~1")));
                shown.push_str(&format!("@{}{rest}", name.and_then(Value::as_str).unwrap_or(id)));
            }
            None => shown.push_str(&format!("<@{part}")),
        }
    }
    shown
}
