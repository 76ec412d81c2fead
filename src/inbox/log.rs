//! The inbox's log: which event happened at which `seq`. A replayed event shows what its room is now, so the log holds no
//! content. Not here: the rows (`store`).

use crate::ids::{RoomId, Seq};
use crate::protocol::inbox::{self, GoneReason};
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
    /// What newer code has written.
    #[serde(other)]
    Unknown,
}

/// The rooms of an answer, as the list shows them.
pub type Shown = BTreeMap<RoomId, Value>;

impl Logged {
    /// The event as it is delivered. A room that is not shown any more has nothing to show: its events are `hidden`.
    pub fn text(&self, seq: Seq, shown: &Shown) -> EventText {
        let of = |id: &RoomId, text: &dyn Fn(&Value) -> EventText| match shown.get(id) {
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
            Self::Unknown => server::hidden(seq),
        }
    }
}
