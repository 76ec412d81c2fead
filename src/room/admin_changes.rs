//! What the Worker asks of a room to change its row or its members. It crosses a deploy as JSON, so it only grows.
//! Not here: what Postgres must write for it (`admin_plan`), and what follows for the room (`refresh`).

use crate::auth::{Identity, Role};
use crate::ids::{UnixMs, UserId};
use crate::protocol::room::{HistoryVisibility, NotifyLevel, RoomMention};
use serde::{Deserialize, Serialize};

/// A change of a room that a person asks for.
///
/// Crosses a deploy: tests/golden/stored/room_request.json
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum AdminChange {
    Add {
        users: Vec<UserId>,
    },
    Remove {
        user: UserId,
    },
    Leave,
    SetRole {
        user: UserId,
        role: Role,
    },
    Settings(Patch),
    Delete,
    /// `until_ms` `None`: for good.
    Mute {
        user: UserId,
        until_ms: Option<UnixMs>,
    },
    Unmute {
        user: UserId,
    },
    Ban {
        user: UserId,
        until_ms: Option<UnixMs>,
        reason: Option<String>,
    },
    Unban {
        user: UserId,
    },
    SlowMode {
        seconds: u32,
    },
    /// A tenant's moderator resolves a report: the author is muted for good.
    MuteReported {
        user: UserId,
    },
    /// A tenant's moderator resolves a report: the author is banned for good.
    BanReported {
        user: UserId,
        reason: Option<String>,
    },
    /// The caller's own notification settings.
    Notify {
        level: NotifyLevel,
        #[serde(rename = "muteUntilMs")]
        notifications_snoozed_until_ms: Option<UnixMs>,
    },
}

impl AdminChange {
    /// Whether only the tenant's moderators or admins may ask this; they need not be members.
    pub fn is_tenants(&self) -> bool {
        matches!(self, Self::MuteReported { .. } | Self::BanReported { .. })
    }
}

/// A change that waits for Postgres.
#[derive(Clone, Debug)]
pub struct AskedChange {
    /// Of the request, the same each time it is planned: its audit entries begin with it.
    pub id: String,
    pub caller: Identity,
    pub change: AdminChange,
}

/// The settings that change; an empty text removes the name or topic.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Patch {
    pub name: Option<String>,
    pub topic: Option<String>,
    pub archived: Option<bool>,
    pub history_visibility: Option<HistoryVisibility>,
    pub room_mention: Option<RoomMention>,
}
