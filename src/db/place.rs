//! The place of a message in the order of pages over many rooms: newest first.
//! Not here: places within one room, which are its `seq`.

use super::cursor;
use super::projection::MessageRow;
use crate::error::Refusal;
use crate::ids::{INTEGER_MAX, RoomId, Seq};
use serde::{Deserialize, Serialize};

/// A page begins behind a place. A place is a message's time, and its seq and room for messages of the same moment. So
/// messages that are written or deleted meanwhile move no others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Place {
    /// Unix microseconds: what Postgres compares, exactly.
    at_us: u64,
    seq: Seq,
    room: String,
}

impl Place {
    /// Behind everything from this time on.
    pub fn before(at_ms: u64) -> Self {
        Self { at_us: at_ms.saturating_mul(1000).min(INTEGER_MAX), seq: 0, room: String::new() }
    }

    /// In front of everything: 2^53 µs are the year 2255.
    pub fn newest() -> Self {
        Self { at_us: INTEGER_MAX, seq: 0, room: String::new() }
    }

    /// The older of the two.
    pub fn older(self, other: Self) -> Self {
        if self.key() <= other.key() { self } else { other }
    }

    fn key(&self) -> (u64, Seq, &str) {
        (self.at_us, self.seq, &self.room)
    }

    /// # Errors  `bad_request`: no page returned this cursor.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        cursor::parse(text, |place: &Self| {
            place.at_us <= INTEGER_MAX
                && place.seq <= INTEGER_MAX
                && (place.room.is_empty() || RoomId::parse(&place.room).is_some())
        })
    }

    pub fn text(&self) -> String {
        cursor::format(self)
    }
}

/// A message in one of a person's rooms.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Found {
    pub place: Place,
    pub room_id: RoomId,
    /// `None` for a direct room.
    pub room_name: Option<String>,
    pub message: MessageRow,
}
