//! The inbox's log: which event happened at which `seq`. A replayed event shows what its room is now, so the log holds no
//! content. Not here: the rows (`store`).

use super::drafts::Drafts;
use crate::ids::{RoomId, Seq, UserId};
use crate::protocol::inbox::{self, GoneReason, NotifyReason};
use crate::protocol::server::{self, EventText};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// An event of the log.
///
/// Stored format: tests/golden/stored/inbox_turn.json
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum Logged {
    Activity {
        room: RoomId,
    },
    Added {
        room: RoomId,
    },
    Removed {
        room: RoomId,
        reason: GoneReason,
    },
    Changed {
        room: RoomId,
        details: bool,
    },
    Read {
        room: RoomId,
    },
    Settings {
        room: RoomId,
    },
    /// `rev`: of the draft at that time, for one that is not kept any more.
    Draft {
        room: RoomId,
        thread: Option<String>,
        rev: u64,
    },
    /// Whether this message was saved from then on.
    Saved {
        room: RoomId,
        message: String,
        saved: bool,
    },
    /// The person was notified of this message.
    Notification {
        room: RoomId,
        message: String,
        reason: NotifyReason,
    },
    /// What they were notified of is read or deleted.
    Withdrawn {
        room: RoomId,
        message: String,
        position: Seq,
    },
    /// The profile of somebody with whom the person has a direct room.
    Person {
        user: UserId,
    },
    /// What newer code has written.
    #[serde(other)]
    Unknown,
}

/// An answer: the rooms as the list shows them, people as everybody sees them, and of each room the message that the person
/// is notified of.
#[derive(Default)]
pub struct Shown {
    pub rooms: BTreeMap<RoomId, Value>,
    pub people: BTreeMap<UserId, Value>,
    pub notices: BTreeMap<RoomId, Value>,
}

impl Logged {
    /// The event as it is delivered. A room that is not shown any more has nothing to show: its events are `hidden`. A
    /// draft that is not kept any more shows as cleared. A notification that another one has replaced, or that is withdrawn, is
    /// `hidden`.
    pub fn text(&self, seq: Seq, shown: &Shown, drafts: &Drafts) -> EventText {
        let of = |id: &RoomId, text: &dyn Fn(&Value) -> EventText| match shown.rooms.get(id) {
            Some(room) => text(room),
            None => server::hidden(seq),
        };
        match self {
            Self::Activity { room: id } => of(id, &|room| inbox::room_activity(seq, id, room)),
            Self::Added { room: id } => of(id, &|room| inbox::room_added(seq, room)),
            Self::Removed { room: id, reason } => inbox::room_removed(seq, id, *reason),
            Self::Changed { room: id, details } => {
                of(id, &|room| inbox::room_changed(seq, id, room, *details))
            }
            Self::Read { room: id } => of(id, &|room| inbox::read(seq, id, room)),
            Self::Settings { room: id } => of(id, &|room| inbox::settings_changed(seq, id, room)),
            Self::Draft { room, thread, rev } => {
                let (text, rev) = match drafts.get(&(room.clone(), thread.clone())) {
                    Some(draft) => (draft.text.as_str(), draft.rev),
                    None => ("", *rev),
                };
                inbox::draft(seq, inbox::draft_fields(room, thread.as_deref(), text, rev))
            }
            Self::Person { user } => match shown.people.get(user) {
                Some(person) => inbox::person(seq, person),
                None => server::hidden(seq),
            },
            Self::Notification { room: id, message, reason } => match shown.notices.get(id) {
                Some(pending) if inbox::field(pending, "id") == message.as_str() => {
                    of(id, &|room| inbox::notification(seq, *reason, room, pending))
                }
                _ => server::hidden(seq),
            },
            Self::Withdrawn { room, message, position } => {
                inbox::notification_withdrawn(seq, room, message, *position)
            }
            Self::Saved { room, message, saved } => inbox::saved(seq, room, message, *saved),
            Self::Unknown => server::hidden(seq),
        }
    }
}
