//! What a client receives: each server event as JSON text, and the close codes.
//! Not here: who receives an event, and gathering events into frames (`room::connection`).

use super::message::{Message, Reactions};
use crate::error::Refusal;
use crate::ids::{Seq, UnixMs, iso};
use crate::limits::{HEARTBEAT_MS, Limits, TYPING_EXPIRES_MS, TYPING_NAMED_MAX};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::rc::Rc;

/// One event's JSON text, shared by everybody who receives it.
pub type EventText = Rc<str>;

/// An event as everybody receives it.
pub struct EventTexts {
    pub event: EventText,
    /// For legacy clients, if it differs.
    pub legacy: Option<EventText>,
}

impl EventTexts {
    /// The text for a client that speaks `chat.v1`, or for a legacy client.
    pub fn text_for(&self, batches: bool) -> &EventText {
        self.legacy.as_ref().filter(|_| !batches).unwrap_or(&self.event)
    }
}

impl From<EventText> for EventTexts {
    fn from(event: EventText) -> Self {
        Self { event, legacy: None }
    }
}

fn text(value: Value) -> EventText {
    value.to_string().into()
}

pub struct Hello<'a> {
    pub connection_id: String,
    pub room_id: &'a str,
    pub user_id: &'a str,
    pub role: &'a str,
    pub seq: Seq,
    pub epoch: &'a str,
    pub limits: &'a Limits,
    pub last_read_seq: Seq,
    pub notify: Value,
    pub mute: Value,
    pub read_markers: BTreeMap<&'a str, Seq>,
    /// How members are shown, by id.
    pub people: Value,
}

pub fn hello(h: &Hello) -> EventText {
    text(json!({
        "type": "hello", "connectionId": h.connection_id, "roomId": h.room_id, "userId": h.user_id,
        "role": h.role, "seq": h.seq, "epoch": h.epoch, "heartbeatMs": HEARTBEAT_MS, "limits": h.limits,
        "me": {"lastReadSeq": h.last_read_seq, "notify": h.notify, "mute": h.mute}, "readMarkers": h.read_markers,
        "people": h.people,
    }))
}

pub fn online_users(users: &[&str]) -> EventText {
    text(json!({"type": "online_users", "users": users}))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResyncReason {
    Epoch,
    TooOld,
    TooMany,
    Ahead,
}

pub fn resync(reason: ResyncReason, seq: Seq, epoch: &str) -> EventText {
    let reason = match reason {
        ResyncReason::Epoch => "epoch",
        ResyncReason::TooOld => "too_old",
        ResyncReason::TooMany => "too_many",
        ResyncReason::Ahead => "ahead",
    };
    text(json!({"type": "resync", "reason": reason, "seq": seq, "epoch": epoch}))
}

/// `oldest_seq`: the oldest message of the history, if there is any. `has_more_before`: there are older ones.
pub fn synced(seq: Seq, oldest_seq: Option<Seq>, has_more_before: bool) -> EventText {
    text(json!({"type": "synced", "seq": seq, "oldestSeq": oldest_seq, "hasMoreBefore": has_more_before}))
}

/// `body`: the message object's JSON text as the log stores it.
pub fn new_message(seq: Seq, body: &str, client_id: Option<&str>) -> EventText {
    match client_id {
        None => format!(r#"{{"type":"new_message","seq":{seq},"message":{body}}}"#).into(),
        Some(id) => {
            let id = Value::from(id);
            format!(r#"{{"type":"new_message","seq":{seq},"message":{body},"clientId":{id}}}"#).into()
        }
    }
}

/// What one person changed about a message's reactions.
pub struct ReactionDelta<'a> {
    pub user: &'a str,
    pub emoji: &'a str,
    pub add: bool,
}

/// `count`: how many people have reacted with this emoji, after the change. `reactions`: for legacy clients alone.
pub fn reaction_update(
    seq: Seq,
    message_id: &str,
    delta: &ReactionDelta,
    count: u64,
    reactions: Option<&Reactions>,
) -> EventText {
    let action = if delta.add { "add" } else { "remove" };
    let mut event = json!({
        "type": "reaction_update", "seq": seq, "messageId": message_id, "count": count,
        "delta": {"userId": delta.user, "emoji": delta.emoji, "action": action},
    });
    if let (Some(reactions), Some(map)) = (reactions, event.as_object_mut()) {
        map.insert("reactions".into(), json!(reactions));
    }
    text(event)
}

/// `body`: the message object's JSON text as the log stores it after the edit.
pub fn message_updated(seq: Seq, body: &str) -> EventText {
    format!(r#"{{"type":"message_updated","seq":{seq},"message":{body}}}"#).into()
}

pub fn message_deleted(seq: Seq, message_id: &str, deleted_by: &str) -> EventText {
    text(json!({"type": "message_deleted", "seq": seq, "messageId": message_id, "deletedBy": deleted_by}))
}

pub fn thread_update(
    seq: Seq,
    thread_id: &str,
    reply_count: u64,
    last_reply_at: Option<UnixMs>,
) -> EventText {
    let last = last_reply_at.map(iso);
    text(json!({
        "type": "thread_update", "seq": seq, "threadId": thread_id, "replyCount": reply_count, "lastReplyAt": last,
    }))
}

/// `message_ids`: all pinned messages, newest pin first.
pub fn pins_updated(seq: Seq, message_ids: &[&str], by: &str) -> EventText {
    text(json!({"type": "pins_updated", "seq": seq, "messageIds": message_ids, "by": by}))
}

/// `kind`: `member_added`, `member_removed` or `member_updated`.
pub fn member(kind: &str, seq: Seq, user: &str, role: &str, by: &str) -> EventText {
    text(json!({"type": kind, "seq": seq, "userId": user, "role": role, "by": by}))
}

/// `room`: the room object without anything that belongs to one member.
pub fn room_updated(seq: Seq, room: &Value) -> EventText {
    text(json!({"type": "room_updated", "seq": seq, "room": room}))
}

/// An event that its receiver may not see, because it is older than their membership. Its `seq` is sent so that the
/// receiver doesn't take it for lost.
pub fn hidden(seq: Seq) -> EventText {
    text(json!({"type": "hidden", "seq": seq}))
}

/// `typing_users`: everybody who types there; the event names the first `TYPING_NAMED_MAX` and counts all.
/// `thread`: the root's id while the person types in a thread.
pub fn typing(user: &str, is_typing: bool, typing_users: &[&str], thread: Option<&str>) -> EventText {
    let expires_ms = if is_typing { TYPING_EXPIRES_MS } else { 0 };
    let named: Vec<&str> = typing_users.iter().copied().take(TYPING_NAMED_MAX).collect();
    let mut event = json!({
        "type": "typing", "userId": user, "isTyping": is_typing, "typingUsers": named,
        "typingCount": typing_users.len(), "expiresInMs": expires_ms,
    });
    if let (Some(thread), Some(map)) = (thread, event.as_object_mut()) {
        map.insert("threadId".into(), json!(thread));
    }
    text(event)
}

pub fn user_joined(user: &str, now: UnixMs) -> EventText {
    text(json!({"type": "user_joined", "userId": user, "timestamp": now}))
}

pub fn user_left(user: &str, now: UnixMs) -> EventText {
    text(json!({"type": "user_left", "userId": user, "timestamp": now}))
}

/// `mute`: `null`, or its `until`. For the person alone.
pub fn mute_updated(mute: &Value) -> EventText {
    text(json!({"type": "mute_updated", "mute": mute}))
}

pub fn read_receipt(user: &str, seq: Seq) -> EventText {
    text(json!({"type": "read_receipt", "userId": user, "seq": seq}))
}

/// The confirmation of one operation. `seq` is `None` if the operation changed nothing (`noop`).
#[derive(Clone, Copy)]
pub struct Ack<'a> {
    pub client_id: &'a str,
    pub op: &'static str,
    pub message_id: &'a str,
    pub seq: Option<Seq>,
    pub version: u64,
    pub created_at: UnixMs,
    pub duplicate: bool,
}

pub fn ack(a: &Ack) -> EventText {
    let mut map = Map::new();
    map.insert("type".into(), json!("ack"));
    map.insert("clientId".into(), json!(a.client_id));
    map.insert("op".into(), json!(a.op));
    map.insert("messageId".into(), json!(a.message_id));
    match a.seq {
        Some(seq) => map.insert("seq".into(), json!(seq)),
        None => map.insert("noop".into(), json!(true)),
    };
    map.insert("version".into(), json!(a.version));
    map.insert("createdAt".into(), json!(iso(a.created_at)));
    if a.duplicate {
        map.insert("duplicate".into(), json!(true));
    }
    text(Value::Object(map))
}

pub fn error(refusal: &Refusal, client_id: Option<&str>, frame: Option<&str>) -> EventText {
    let mut map = refusal.members();
    map.insert("type".into(), json!("error"));
    if let Some(id) = client_id {
        map.insert("clientId".into(), json!(id));
    }
    if let Some(kind) = frame {
        map.insert("ref".into(), json!(kind));
    }
    text(Value::Object(map))
}

pub fn pong(t: &Value, seq: Seq, epoch: &str) -> EventText {
    text(json!({"type": "pong", "t": t, "seq": seq, "epoch": epoch}))
}

pub fn auth_ok(expires_ms: UnixMs) -> EventText {
    text(json!({"type": "auth_ok", "exp": expires_ms / 1000}))
}

/// The message object's JSON text as the log stores it.
pub fn body(message: &Message) -> String {
    serde_json::to_string(message).unwrap_or_default()
}

macro_rules! close_codes {
    ($($variant:ident $code:literal $name:literal,)*) => {
        /// Why a socket is closed (PROTOCOL.md, "10. Errors, limits and close codes").
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum CloseCode { $($variant,)* }

        impl CloseCode {
            pub const ALL: &'static [CloseCode] = &[$(CloseCode::$variant,)*];
            pub fn code(self) -> u16 {
                match self { $(CloseCode::$variant => $code,)* }
            }
            pub fn name(self) -> &'static str {
                match self { $(CloseCode::$variant => $name,)* }
            }
        }
    };
}

impl CloseCode {
    /// Whether the client sent what none may send. Each connection can bring hundreds of such frames before its close
    /// reaches the client, so the next one has to wait (CLOSE-4400).
    pub fn is_misuse(self) -> bool {
        matches!(self, Self::Protocol | Self::FrameTooLarge | Self::BinaryUnsupported | Self::Flood)
    }
}

close_codes! {
    Restart 1012 "restart",
    Protocol 4400 "protocol",
    AuthExpired 4401 "auth_expired",
    Removed 4403 "removed",
    HeartbeatTimeout 4408 "heartbeat_timeout",
    TooManyConnections 4409 "too_many_connections",
    RoomGone 4410 "room_gone",
    FrameTooLarge 4413 "frame_too_large",
    BinaryUnsupported 4415 "binary_unsupported",
    SlowConsumer 4420 "slow_consumer",
    Flood 4429 "flood",
    Internal 4500 "internal",
    Overloaded 4503 "overloaded",
}
