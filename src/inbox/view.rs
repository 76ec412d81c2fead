//! What the inbox has shown of a room, and what has changed since. Of texts it keeps digests: a message that was deleted
//! stands nowhere in an inbox.
//! Not here: the events of a change (`protocol::inbox`).

use super::log::Logged;
use crate::ids::{RoomId, Seq, UnixMs, UserId, is_zero};
use crate::protocol::client::digest;
use crate::protocol::inbox::{at, field, number, partner};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A room as the inbox has shown it last.
///
/// Stored format: tests/golden/stored/inbox_rooms.json
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RoomView {
    /// By this the rooms are ordered: the last activity, or else the creation, as the list has it.
    at: String,
    last_seq: Seq,
    read_seq: Seq,
    unread: u64,
    mentions: u64,
    /// Digest of the preview.
    preview: u64,
    /// Digest of name, topic, archived and the number of members.
    about: u64,
    /// Digest of the rest.
    details: u64,
    /// Digest of the person's own settings.
    settings: u64,
    /// The other person of a direct room.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partner: Option<UserId>,
    /// Digest of the partner's profile; 0: it was not shown yet.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub profile: u64,
    /// `None`: nothing was asked yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notified: Option<Notified>,
}

/// Up to where the person was notified of a room.
///
/// Stored format: tests/golden/stored/inbox_rooms.json
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Notified {
    /// Of messages up to here. Never less, though Postgres may be restored from a backup.
    pub seq: Seq,
    /// Of edits up to this time of the room's.
    pub edited_ms: UnixMs,
    /// The message of the newest notification, until it is withdrawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<Pending>,
}

/// Stored format: tests/golden/stored/inbox_rooms.json
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    pub message: String,
    pub seq: Seq,
}

impl RoomView {
    /// What the list says of the room to this person. The partner's profile, and what was notified of, are not known from it.
    pub fn of(room: &Value, me: &UserId) -> Self {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let sum = |names: &[&str]| {
            let values: Vec<String> = names.iter().map(|name| at(room, name).to_string()).collect();
            digest(&values.iter().map(String::as_str).collect::<Vec<_>>())
        };
        Self {
            at: text(field(room, "lastMessageAt"))
                .or_else(|| text(field(room, "createdAt")))
                .unwrap_or_default(),
            last_seq: number(room, "lastSeq"),
            read_seq: at(room, "/me/lastReadSeq").as_u64().unwrap_or_default(),
            unread: number(room, "unread"),
            mentions: number(room, "mentions"),
            preview: sum(&["/lastMessage", "/lastMessageAt"]),
            about: sum(&["/name", "/topic", "/archived", "/memberCount"]),
            details: sum(&[
                "/participantIds",
                "/members",
                "/historyVisibility",
                "/roomMention",
                "/slowModeS",
                "/me/role",
            ]),
            settings: sum(&["/me/notify", "/me/hidden"]),
            partner: partner(room, me),
            profile: 0,
            notified: None,
        }
    }

    pub fn last_seq(&self) -> Seq {
        self.last_seq
    }

    pub fn read_seq(&self) -> Seq {
        self.read_seq
    }

    /// Rooms with newer activity come first.
    pub fn activity(&self) -> &str {
        &self.at
    }

    /// The events that make of this view the `newer` one, in order.
    pub fn changes(&self, id: &RoomId, newer: &Self) -> Vec<Logged> {
        let mut events = Vec::new();
        let has_moved = self.read_seq != newer.read_seq;
        let has_activity = (self.last_seq, self.preview) != (newer.last_seq, newer.preview);
        let counts_differ = (self.unread, self.mentions) != (newer.unread, newer.mentions);
        if has_activity || counts_differ && !has_moved {
            events.push(Logged::Activity { room: id.clone() });
        }
        if has_moved {
            events.push(Logged::Read { room: id.clone() });
        }
        if (self.about, self.details) != (newer.about, newer.details) {
            events.push(Logged::Changed { room: id.clone(), details: self.details != newer.details });
        }
        if self.settings != newer.settings {
            events.push(Logged::Settings { room: id.clone() });
        }
        events
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn room(patch: &[(&str, Value)]) -> Value {
        let mut room = json!({
            "id": "r", "name": "Lunch", "topic": null, "archived": false, "memberCount": 2, "lastSeq": 3,
            "createdAt": "2026-11-27T10:00:00.000Z", "lastMessageAt": null, "lastMessage": null, "unread": 1,
            "mentions": 0, "me": {"role": "member", "lastReadSeq": 2, "notify": {"level": "all"}},
        });
        for (pointer, value) in patch {
            *room.pointer_mut(pointer).expect("a field") = value.clone();
        }
        room
    }

    #[test]
    fn inbox_4_each_difference_of_the_list_has_its_event_and_what_is_equal_has_none() {
        let id = RoomId::parse("r").expect("an id");
        let me = UserId::parse("alice").expect("an id");
        let before = RoomView::of(&room(&[]), &me);
        let names = |patch: &[(&str, Value)]| -> Vec<&'static str> {
            let changes = before.changes(&id, &RoomView::of(&room(patch), &me));
            changes
                .iter()
                .map(|event| match event {
                    Logged::Activity { .. } => "activity",
                    Logged::Read { .. } => "read",
                    Logged::Changed { details: false, .. } => "changed",
                    Logged::Changed { details: true, .. } => "details",
                    Logged::Settings { .. } => "settings",
                    _ => "other",
                })
                .collect()
        };
        assert_eq!(names(&[]), [""; 0]);
        assert_eq!(names(&[("/lastSeq", json!(4))]), ["activity"]);
        assert_eq!(names(&[("/lastMessage", json!({"content": "x"}))]), ["activity"]);
        assert_eq!(names(&[("/unread", json!(0))]), ["activity"], "a message was deleted");
        assert_eq!(names(&[("/me/lastReadSeq", json!(3)), ("/unread", json!(0))]), ["read"]);
        assert_eq!(names(&[("/lastSeq", json!(4)), ("/me/lastReadSeq", json!(4))]), ["activity", "read"]);
        assert_eq!(names(&[("/name", json!("Tea"))]), ["changed"]);
        assert_eq!(names(&[("/me/role", json!("admin"))]), ["details"]);
        assert_eq!(names(&[("/me/notify/level", json!("none"))]), ["settings"]);
    }
}
