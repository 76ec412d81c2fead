//! The closed sets of texts that describe a room and its members, as they are on the wire and in Postgres.
//! Not here: what follows from them (`room`, `db`), and roles (`auth::Role`).

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An enum of names. A name that this code does not know (a newer database during a deploy) reads as `unknown`.
macro_rules! names {
    ($(#[$doc:meta])* $enum:ident { $($variant:ident = $name:literal),+ } unknown: $unknown:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $enum { $($variant),+ }

        impl $enum {
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|value| value.name() == name)
            }
        }

        impl Serialize for $enum {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.name())
            }
        }

        impl<'de> Deserialize<'de> for $enum {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let name = String::deserialize(deserializer)?;
                Ok(Self::from_name(&name).unwrap_or(Self::$unknown))
            }
        }
    };
}

names! {
    /// The members of a direct room are fixed.
    RoomKind { Direct = "direct", Group = "group" } unknown: Group
}

names! {
    /// Which messages a member may read: all, or those since they joined.
    HistoryVisibility { All = "all", SinceJoin = "since_join" } unknown: All
}

names! {
    /// Who may mention everybody with `@room`.
    RoomMention { All = "all", Admins = "admins" } unknown: All
}

names! {
    /// Which messages a member is notified of.
    NotifyLevel { All = "all", Mentions = "mentions", None = "none" } unknown: Mentions
}

names! {
    /// What an entry of the audit log says was done.
    AuditAction {
        Mute = "mute", Unmute = "unmute", Ban = "ban", Unban = "unban", SlowMode = "slow_mode", Edit = "edit",
        Delete = "delete", Report = "report", Role = "role", Add = "add", Remove = "remove", Settings = "settings"
    } unknown: Settings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back_and_unknown_ones_do_not_fail() {
        assert_eq!(serde_json::to_string(&HistoryVisibility::SinceJoin).unwrap(), r#""since_join""#);
        assert_eq!(serde_json::from_str::<RoomMention>(r#""admins""#).unwrap(), RoomMention::Admins);
        assert_eq!(serde_json::from_str::<NotifyLevel>(r#""digest""#).unwrap(), NotifyLevel::Mentions);
        assert!(RoomKind::ALL.iter().all(|kind| RoomKind::from_name(kind.name()) == Some(*kind)));
        assert_eq!(RoomKind::from_name("channel"), None);
    }
}
