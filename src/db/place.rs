//! A message's place among all of a person's messages, newest first: what pages over many rooms are cut by.
//! Not here: places within one room, which are its `seq`.

use super::{MessageRow, cursor};
use crate::error::Refusal;
use crate::ids::{INTEGER_MAX, RoomId, Seq};
use serde::{Deserialize, Serialize};

/// Pages begin behind it. It names a message's time, and tells those of one moment apart, so nothing that comes or goes
/// meanwhile moves anything else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Place {
    /// Unix microseconds: what Postgres compares, exactly.
    at_us: u64,
    seq: Seq,
    room: String,
}

impl Place {
    /// Before everything from this time on.
    pub fn before(at_ms: u64) -> Self {
        Self { at_us: at_ms.saturating_mul(1000).min(INTEGER_MAX), seq: 0, room: String::new() }
    }

    /// The newest there may be: 2^53 µs are the year 2255.
    pub fn newest() -> Self {
        Self { at_us: INTEGER_MAX, seq: 0, room: String::new() }
    }

    /// Whichever is further back.
    pub fn older(self, other: Self) -> Self {
        if self.key() <= other.key() { self } else { other }
    }

    fn key(&self) -> (u64, Seq, &str) {
        (self.at_us, self.seq, &self.room)
    }

    /// # Errors  `bad_request`: not one that a page gave.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        cursor::parse(text, |place: &Self| {
            place.at_us <= INTEGER_MAX
                && place.seq <= INTEGER_MAX
                && (place.room.is_empty() || RoomId::parse(&place.room).is_some())
        })
    }

    pub fn text(&self) -> String {
        cursor::text(self)
    }
}

/// A message somewhere among a person's rooms.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Found {
    pub place: Place,
    pub room_id: RoomId,
    /// `None` for a direct room.
    pub room_name: Option<String>,
    pub message: MessageRow,
}

/// SQL of the `Place` of `at`, `seq` and `room` in the row of this alias.
macro_rules! place {
    ($row:literal) => {
        concat!(
            "json_build_object('atUs', (extract(epoch FROM ",
            $row,
            ".created_at) * 1000000)::bigint, 'seq', ",
            $row,
            ".seq, 'room', ",
            $row,
            ".room_id)"
        )
    };
}
/// SQL that is true of what comes behind the input's `place` in the order of pages.
macro_rules! behind {
    ($row:literal) => {
        concat!(
            "(",
            $row,
            ".created_at, ",
            $row,
            ".seq, ",
            $row,
            ".room_id) < (to_timestamp(($1->'place'->>'atUs')::bigint / 1000000.0::double precision), \
             ($1->'place'->>'seq')::bigint, $1->'place'->>'room')"
        )
    };
}
pub(super) use {behind, place};
