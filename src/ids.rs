//! Ids of users, tenants, rooms and messages, as newtypes whose `parse` validates; times.
//! Not here: randomness and clocks (`shell`), and what a person may do (`auth`).

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Unix milliseconds. Time is always an argument: clocks panic on wasm32 (docs/PLATFORM.md, JSON and JWT).
pub type UnixMs = u64;
/// A position in a room's log. The first event has 1; 0 is the position before it.
pub type Seq = u64;

/// For serde: a number that is left out of what is stored.
pub fn is_zero<N: Default + PartialEq>(number: &N) -> bool {
    *number == N::default()
}

/// The largest integer that JavaScript reads from JSON exactly.
pub const INTEGER_MAX: u64 = (1 << 53) - 1;

/// Code points of an id (PROTOCOL.md, "1. Conventions").
pub const ID_CHARS_MAX: usize = 128;

fn is_id(text: &str) -> bool {
    let chars = text.chars().count();
    // `.` and `..`, percent-encoded too, vanish from a URL's path before a server sees it (WHATWG URL, "path state"), so
    // no route could name who has such an id.
    (1..=ID_CHARS_MAX).contains(&chars) && !text.chars().any(char::is_control) && !matches!(text, "." | "..")
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// `None` unless 1–128 code points without control characters; `.` and `..` are no ids.
            pub fn parse(text: &str) -> Option<Self> {
                is_id(text).then(|| Self(text.to_owned()))
            }
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_id!(
    /// A person: the `sub` of their token.
    UserId
);
text_id!(
    /// A customer of the deploying team. Tenants share nothing.
    TenantId
);
text_id!(
    /// A room.
    RoomId
);

/// A message: a UUIDv7 that ends with the message's `seq`. So a message is found by its id without an index, which
/// would cost one written row per message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MessageId(uuid::Uuid);

/// Bits of `seq` in the id: 2^40 events last 3,400 years at 10 a second.
const SEQ_BITS: u32 = 40;

impl MessageId {
    /// The id of the message at `seq`, created at `now`, with 34 bits of `random` so that ids can't be guessed.
    pub fn new(now: UnixMs, seq: Seq, random: u64) -> Self {
        let seq = u128::from(seq) & ((1 << SEQ_BITS) - 1);
        let rand_a = u128::from(random & 0xfff);
        let rand_b = u128::from((random >> 12) & ((1 << (62 - SEQ_BITS)) - 1));
        let bits = (u128::from(now) & ((1 << 48) - 1)) << 80
            | 0x7 << 76
            | rand_a << 64
            | 0b10 << 62
            | rand_b << SEQ_BITS
            | seq;
        Self(uuid::Uuid::from_u128(bits))
    }

    /// `None` unless the text is a UUIDv7 in its canonical lower-case form.
    pub fn parse(text: &str) -> Option<Self> {
        let id = uuid::Uuid::try_parse(text).ok()?;
        (id.get_version_num() == 7 && id.to_string() == text).then_some(Self(id))
    }

    /// The position that the message with this id has in the log, if it exists.
    pub fn seq(self) -> Seq {
        (self.0.as_u128() & ((1 << SEQ_BITS) - 1)) as Seq
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A time as ISO 8601 in UTC with milliseconds, `2026-11-23T09:05:03.120Z`.
pub fn iso(ms: UnixMs) -> String {
    let time = i64::try_from(ms).ok().and_then(DateTime::from_timestamp_millis);
    time.unwrap_or(DateTime::<Utc>::MAX_UTC).to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// The time that `iso` wrote; `None` for any other spelling.
pub fn parse_iso(text: &str) -> Option<UnixMs> {
    let time = DateTime::parse_from_rfc3339(text).ok()?;
    let ms = UnixMs::try_from(time.timestamp_millis()).ok()?;
    // RFC 3339 also allows offsets, lower case and leap seconds.
    (iso(ms) == text).then_some(ms)
}

/// A UTC time with up to nine digits of a second's fraction, or none; anything finer than a millisecond is dropped.
pub fn parse_time(text: &str) -> Option<UnixMs> {
    let time = text.strip_suffix('Z')?;
    let (seconds, fraction) = time.split_once('.').unwrap_or((time, "0"));
    if fraction.is_empty() || fraction.len() > 9 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    parse_iso(&format!("{seconds}.{fraction:0<3.3}Z"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_id_carries_its_seq_and_is_a_uuid_v7() {
        for seq in [1, 2, 255, 1 << 20, (1 << 40) - 1] {
            let id = MessageId::new(1_795_000_000_000, seq, u64::MAX);
            assert_eq!(id.seq(), seq);
            assert_eq!(MessageId::parse(&id.to_string()), Some(id));
        }
        assert_eq!(MessageId::parse("6c0bd2cc-6a9a-4f39-8c5b-0a7a3d7f3b11"), None, "a v4");
        assert_eq!(MessageId::parse("x"), None);
    }

    #[test]
    fn ids_are_1_to_128_characters_without_controls_and_no_path_of_dots() {
        assert!(UserId::parse("ä").is_some());
        assert!(UserId::parse(&"ä".repeat(128)).is_some());
        for bad in ["", "a\nb", "a\u{0}", &"x".repeat(129), ".", ".."] {
            assert!(UserId::parse(bad).is_none(), "{bad:?}");
            assert!(TenantId::parse(bad).is_none() && RoomId::parse(bad).is_none(), "{bad:?}");
        }
        for good in ["...", ".a", "a.", " .", "%2e"] {
            assert!(UserId::parse(good).is_some(), "{good:?}");
        }
    }

    #[test]
    fn iso_times() {
        assert_eq!(iso(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(iso(951_782_400_000), "2000-02-29T00:00:00.000Z");
        assert_eq!(iso(1_795_424_703_120), "2026-11-23T09:05:03.120Z");
        for ms in [0, 951_782_400_000, 1_795_424_703_120, 4_102_444_800_001] {
            assert_eq!(parse_iso(&iso(ms)), Some(ms));
        }
        assert_eq!(parse_iso("2026-02-30T00:00:00.000Z"), None);
        assert_eq!(parse_iso(""), None);
        assert_eq!(parse_time("2026-11-23T09:05:03Z"), Some(1_795_424_703_000));
        assert_eq!(parse_time("2026-11-23T09:05:03.1Z"), Some(1_795_424_703_100));
        assert_eq!(parse_time("2026-11-23T09:05:03.120999Z"), Some(1_795_424_703_120));
        for bad in
            ["", "Z", "2026-11-23", "2026-11-23T09:05:03", "2026-11-23T09:05:03.Z", "2026-11-23T25:05:03Z"]
        {
            assert_eq!(parse_time(bad), None, "{bad}");
        }
    }
}
