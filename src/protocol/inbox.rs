//! The inbox on the wire: what a client sends to it, and each of its events as JSON text.
//! Not here: what an event says of a room (`inbox`), and the frames of rooms (`client`, `server`).

use super::client::BadFrame;
use super::json::Fields;
use super::notification::title_and_body;
use super::server::EventText;
use crate::error::{Code, Refusal};
use crate::ids::{MessageId, RoomId, Seq, UserId};
use crate::limits::{CONTENT_CHARS_MAX, HEARTBEAT_MS};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// One frame of a client of the inbox.
#[derive(Debug, PartialEq)]
pub enum InboxFrame {
    Ping {
        t: Value,
    },
    Auth {
        token: String,
    },
    /// The person has read the room up to here.
    Read {
        room: RoomId,
        seq: Seq,
    },
    Draft(DraftFrame),
    /// The person has done something on this device, or does nothing any more.
    Active {
        active: bool,
    },
}

/// What waits to be sent in a room, or in the thread with this root.
#[derive(Debug, PartialEq)]
pub struct DraftFrame {
    pub room: RoomId,
    pub thread: Option<String>,
    /// Empty: sent, or cleared.
    pub text: String,
    /// Of two writers the higher one wins.
    pub rev: u64,
}

impl DraftFrame {
    fn from_fields(fields: &mut Fields) -> Result<Self, Refusal> {
        let room = room_id(fields)?;
        let thread = fields.text_opt("threadId")?;
        if thread.as_deref().is_some_and(|id| MessageId::parse(id).is_none()) {
            return Err(Refusal::invalid("threadId", "no message's id"));
        }
        let text = fields.text("text")?;
        if text.chars().count() > CONTENT_CHARS_MAX {
            let message = format!("text: more than {CONTENT_CHARS_MAX} characters");
            return Err(Refusal::new(Code::ContentTooLong, message).field("text"));
        }
        Ok(Self { room, thread, text, rev: fields.integer("rev")? })
    }
}

impl InboxFrame {
    /// # Errors  a `BadFrame` with the code of ERR-1. The frame has no effect.
    pub fn decode(text: &str) -> Result<Self, BadFrame> {
        let bad = |kind| move |refusal| BadFrame { refusal, client_id: None, kind };
        let mut fields = Fields::parse(text).map_err(bad(None))?;
        let kind = fields.peek_text("type");
        Self::from_fields(&mut fields).map_err(bad(kind))
    }

    fn from_fields(fields: &mut Fields) -> Result<Self, Refusal> {
        match fields.text("type")?.as_str() {
            "ping" => Ok(Self::Ping { t: fields.any("t").unwrap_or(Value::Null) }),
            "auth" => Ok(Self::Auth { token: fields.text("token")? }),
            "read" => Ok(Self::Read { room: room_id(fields)?, seq: fields.integer("seq")? }),
            "draft" => Ok(Self::Draft(DraftFrame::from_fields(fields)?)),
            "active" => Ok(Self::Active { active: fields.flag("active")? }),
            _ => Err(Refusal::new(Code::BadRequest, "unknown type").field("type")),
        }
    }

    pub fn name(&self) -> &'static str {
        match self {
            Self::Ping { .. } => "ping",
            Self::Auth { .. } => "auth",
            Self::Read { .. } => "read",
            Self::Draft(_) => "draft",
            Self::Active { .. } => "active",
        }
    }
}

/// An invalid id is answered like an unknown one.
fn room_id(fields: &mut Fields) -> Result<RoomId, Refusal> {
    RoomId::parse(&fields.text("roomId")?).ok_or_else(|| Refusal::new(Code::RoomNotFound, "no such room"))
}

/// What others see of a person who has not asked to be left in peace.
///
/// Stored format: tests/golden/stored/inbox_presence.json
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Presence {
    Online,
    Away,
    Offline,
}

/// Why a room is not in a person's list any more.
///
/// Stored format: tests/golden/stored/inbox_turn.json
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GoneReason {
    Removed,
    Left,
    Banned,
    Deleted,
}

/// Why somebody is notified of a message.
///
/// Stored format: tests/golden/stored/inbox_turn.json
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NotifyReason {
    Mention,
    RoomMention,
    /// A thread that they follow.
    Thread,
    Direct,
    Message,
}

fn text(value: Value) -> EventText {
    value.to_string().into()
}

/// `name`: the person's, as their token has it.
pub fn hello(connection_id: &str, user_id: &str, name: Option<&str>, seq: Seq, epoch: &str) -> EventText {
    text(json!({
        "type": "hello", "connectionId": connection_id, "userId": user_id, "seq": seq, "epoch": epoch,
        "heartbeatMs": HEARTBEAT_MS, "me": {"userId": user_id, "name": name},
    }))
}

/// The newest rooms of the list; the totals are over these. `drafts`: all that have a text, as `draft_fields` has them.
pub fn rooms(rooms: &[Value], next_cursor: Option<&str>, drafts: &[Value]) -> EventText {
    let total = |name: &str| rooms.iter().map(|room| number(room, name)).sum::<u64>();
    text(json!({
        "type": "rooms", "rooms": rooms, "nextCursor": next_cursor, "unreadTotal": total("unread"),
        "mentionsTotal": total("mentions"), "drafts": drafts,
    }))
}

pub fn synced(seq: Seq) -> EventText {
    text(json!({"type": "synced", "seq": seq}))
}

/// A new preview, or other counts.
pub fn room_activity(seq: Seq, id: &RoomId, room: &Value) -> EventText {
    text(json!({
        "type": "room_activity", "seq": seq, "roomId": id, "lastSeq": field(room, "lastSeq"),
        "lastMessage": field(room, "lastMessage"), "lastMessageAt": field(room, "lastMessageAt"),
        "unread": field(room, "unread"), "mentions": field(room, "mentions"),
    }))
}

pub fn room_added(seq: Seq, room: &Value) -> EventText {
    text(json!({"type": "room_added", "seq": seq, "room": room}))
}

pub fn room_removed(seq: Seq, id: &RoomId, reason: GoneReason) -> EventText {
    text(json!({"type": "room_removed", "seq": seq, "roomId": id, "reason": reason}))
}

/// What the list says of the room besides its activity and the person's own settings; `details` are the members that it
/// lists, their roles, and the settings that only the room itself shows.
pub fn room_changed(seq: Seq, id: &RoomId, room: &Value, details: bool) -> EventText {
    let mut event = json!({
        "type": "room_changed", "seq": seq, "roomId": id, "name": field(room, "name"), "topic": field(room, "topic"),
        "archived": field(room, "archived"), "memberCount": field(room, "memberCount"),
    });
    if let (true, Some(map)) = (details, event.as_object_mut()) {
        for name in ["participantIds", "members", "historyVisibility", "roomMention", "slowModeS"] {
            map.insert(name.to_owned(), field(room, name).clone());
        }
        map.insert("role".to_owned(), at(room, "/me/role").clone());
    }
    text(event)
}

pub fn read(seq: Seq, id: &RoomId, room: &Value) -> EventText {
    text(json!({
        "type": "read", "seq": seq, "roomId": id, "lastReadSeq": at(room, "/me/lastReadSeq"),
        "unread": field(room, "unread"), "mentions": field(room, "mentions"),
    }))
}

pub fn settings_changed(seq: Seq, id: &RoomId, room: &Value) -> EventText {
    let mut event =
        json!({"type": "settings_changed", "seq": seq, "roomId": id, "notify": at(room, "/me/notify")});
    if let (Some(hidden), Some(map)) = (room.pointer("/me/hidden"), event.as_object_mut()) {
        map.insert("hidden".to_owned(), hidden.clone());
    }
    text(event)
}

/// A direct partner's presence, as their profile has it. It has no `seq`.
pub fn presence(user: &UserId, presence: &Value) -> EventText {
    text(json!({"type": "presence", "userId": user, "presence": presence}))
}

/// A direct partner's profile.
pub fn person(seq: Seq, person: &Value) -> EventText {
    text(json!({"type": "person", "seq": seq, "person": person}))
}

/// The fields of a draft, wherever it stands.
pub fn draft_fields(room: &RoomId, thread: Option<&str>, text: &str, rev: u64) -> Value {
    json!({"roomId": room, "threadId": thread, "text": text, "rev": rev})
}

/// `fields`: of `draft_fields`.
pub fn draft(seq: Seq, mut fields: Value) -> EventText {
    if let Some(map) = fields.as_object_mut() {
        map.insert("type".to_owned(), json!("draft"));
        map.insert("seq".to_owned(), json!(seq));
    }
    text(fields)
}

/// A message was saved, or is saved no more.
pub fn saved(seq: Seq, room: &RoomId, message: &str, saved: bool) -> EventText {
    text(json!({"type": "saved", "seq": seq, "roomId": room, "messageId": message, "saved": saved}))
}

/// The person is notified of a message. `room` is the list's, `message` as a webhook has it.
pub fn notification(seq: Seq, reason: NotifyReason, room: &Value, message: &Value) -> EventText {
    let (title, body) = title_and_body(message, room, number(room, "unread"));
    text(json!({
        "type": "notification", "seq": seq, "roomId": field(room, "id"), "messageId": field(message, "id"),
        "messageSeq": field(message, "seq"), "threadId": field(message, "threadId"), "reason": reason,
        "title": title, "body": body,
    }))
}

/// The message that the person was notified of is read or deleted.
pub fn notification_withdrawn(seq: Seq, room: &RoomId, message: &str, message_seq: Seq) -> EventText {
    text(json!({
        "type": "notification_withdrawn", "seq": seq, "roomId": room, "messageId": message, "messageSeq": message_seq,
    }))
}

/// The id of a list's room.
pub fn id(room: &Value) -> Option<RoomId> {
    RoomId::parse(field(room, "id").as_str()?)
}

/// The other person of a direct room.
pub fn partner(room: &Value, me: &UserId) -> Option<UserId> {
    let ids = field(room, "participantIds").as_array().filter(|_| field(room, "type") == "direct")?;
    ids.iter().filter_map(|id| UserId::parse(id.as_str()?)).find(|id| id != me)
}

/// The id of a person, as everybody sees them.
pub fn person_id(person: &Value) -> Option<UserId> {
    UserId::parse(field(person, "userId").as_str()?)
}

/// A field of a list's room; `null` if it has none of this name.
pub fn field<'a>(room: &'a Value, name: &str) -> &'a Value {
    room.get(name).unwrap_or(&Value::Null)
}

/// Like `field`, by a JSON pointer.
pub fn at<'a>(room: &'a Value, pointer: &str) -> &'a Value {
    room.pointer(pointer).unwrap_or(&Value::Null)
}

/// A number of a list's room; 0 if it has none of this name.
pub fn number(room: &Value, name: &str) -> u64 {
    field(room, name).as_u64().unwrap_or_default()
}
