//! The operator's log: one JSON line an event that matters. What may stand in it is decided by `Loggable`: numbers,
//! ids, codes and words of ours; so no line can hold what somebody said, a token or a secret.
//! Not here: where the lines go (`shell`: the console), and counters (`counts`).

use crate::ids::{RoomId, TenantId, UserId};
use serde_json::{Map, Value};
use std::fmt;

/// One event.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry(Map<String, Value>);

/// What may be logged. Text of unknown origin may not: there is no such thing for `String`.
pub trait Loggable {
    fn logged(&self) -> Value;
}

/// The operator's own configuration, as far as its reader complains about it; it never names a secret's value.
pub struct Complaint<'a>(pub &'a str);
/// Made by the platform or by us, at random.
pub struct RequestId<'a>(pub &'a str);

impl Entry {
    pub fn info(event: &'static str) -> Self {
        Self::of("info", event)
    }

    pub fn warn(event: &'static str) -> Self {
        Self::of("warn", event)
    }

    pub fn error(event: &'static str) -> Self {
        Self::of("error", event)
    }

    fn of(level: &'static str, event: &'static str) -> Self {
        Self(Map::new()).with("level", &level).with("event", &event)
    }

    pub fn with(mut self, name: &'static str, value: &(impl Loggable + ?Sized)) -> Self {
        self.0.insert(name.to_owned(), value.logged());
        self
    }

    /// What happened, in one word.
    pub fn event(&self) -> &str {
        self.0.get("event").and_then(Value::as_str).unwrap_or_default()
    }

    /// How loud: `info`, `warn` or `error`.
    pub fn level(&self) -> &str {
        self.0.get("level").and_then(Value::as_str).unwrap_or_default()
    }
}

/// The line.
impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&Value::Object(self.0.clone()).to_string())
    }
}

impl Loggable for u64 {
    fn logged(&self) -> Value {
        (*self).into()
    }
}

impl Loggable for &'static str {
    fn logged(&self) -> Value {
        (*self).into()
    }
}

macro_rules! by_its_text {
    ($($type:ty => $text:expr),* $(,)?) => { $(
        impl Loggable for $type {
            fn logged(&self) -> Value {
                let text: fn(&Self) -> &str = $text;
                text(self).into()
            }
        }
    )* };
}

by_its_text! {
    TenantId => Self::as_str,
    RoomId => Self::as_str,
    UserId => Self::as_str,
    Complaint<'_> => |complaint| complaint.0,
    RequestId<'_> => |id| id.0,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::DbError;

    #[test]
    fn an_entry_is_one_line_of_json_whatever_an_id_holds() {
        let room = RoomId::parse("a\"b \u{2028} é").unwrap();
        let error =
            DbError { sqlstate: Some("22P02".into()), message: "invalid: \"what alice said\"".into() };
        let line = Entry::warn("set_aside").with("room", &room).with("seq", &3).with("sqlstate", &error);
        let text = line.to_string();
        assert_eq!(line.level(), "warn");
        assert!(!text.contains('\n') && !text.contains("alice"), "{text}");
        let told: Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&told["room"], &told["seq"]), (&room.as_str().into(), &3.into()));
        assert_eq!((&told["event"], &told["sqlstate"]), (&"set_aside".into(), &"22P02".into()));
    }
}
