//! The formats of what a room stores as JSON. They are together because they only grow: a value that an older version
//! has stored must be read by this one, and golden files in `tests/golden/stored/` hold examples of each.
//! Not here: what is done with the values.
//!
//! Also stored, and defined where their fields are explained:
//! - `protocol::message::Message`, the body of a message in `events`: tests/golden/stored/message.json
//! - `protocol::message::Attachment`, the file of an upload that is in no message yet:
//!   tests/golden/stored/attachment.json
//! - `SocketState`, with each socket: tests/golden/stored/socket_state.json
//! - `db::AuditRow` in `audit`: tests/golden/stored/audit_row.json
//! - `db::VersionRow` in `versions`: tests/golden/stored/version_row.json

use crate::auth::Role;
use crate::db::{PinRow, RoomSnapshot};
use crate::ids::{RoomId, Seq, TenantId, UnixMs};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

// --- Rows of `state` ----------------------------------------------------------------------------

/// The log's position. The row's presence says that a complete log is here.
///
/// Stored format: tests/golden/stored/log_state.json
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LogState {
    pub epoch: String,
    /// The watermark: everything up to here is in Postgres or in quarantine.
    pub projected: Seq,
    /// Events up to here can't be replayed: the log was rebuilt from Postgres.
    pub floor: Seq,
    /// The number of the newest `ReadsRow` whose markers Postgres has.
    #[serde(default)]
    pub reads_saved: u64,
    /// How many steps of the schema this storage has.
    #[serde(default)]
    pub schema: u64,
    /// Notifications of everything up to here are in the queue; `None`: up to `projected`.
    #[serde(default)]
    pub notified: Option<Seq>,
    /// Who counted as present for an event up to `notified` and was not heard of after it, and when they were last heard
    /// of: if their socket is gone when the room is loaded, they may have missed it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unheard: BTreeMap<String, UnixMs>,
}

/// How far the log is rebuilt from Postgres.
///
/// Stored format: tests/golden/stored/rebuild_state.json
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RebuildState {
    /// The name of the log when it is complete.
    pub epoch: String,
    /// Messages up to here are in the log.
    pub imported: Seq,
    /// Postgres' watermark when the pages began: everything up to here is to be imported.
    pub last_seq: Seq,
    pub began_at_ms: UnixMs,
}

/// Which room this is, and what Postgres last returned about it.
///
/// Stored format: tests/golden/stored/room_info.json
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RoomInfo {
    pub tenant: TenantId,
    pub id: RoomId,
    pub snapshot: RoomSnapshot,
}

/// Everybody's read marker.
///
/// Stored format: tests/golden/stored/reads_row.json
#[derive(Default, Serialize, Deserialize)]
pub struct ReadsRow {
    /// How often the row was written; this write included.
    pub number: u64,
    pub markers: BTreeMap<String, Seq>,
    /// Whose markers Postgres did not have when the row was written.
    pub unprojected: BTreeSet<String>,
    /// The generations of those who have ever set their marker back.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub generations: BTreeMap<String, u64>,
}

/// The room's pins.
///
/// Stored format: tests/golden/stored/pins_row.json
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PinsRow {
    /// The seq of the event that last changed the list: a pin, or a deletion.
    pub changed_at: Seq,
    /// The oldest pin first.
    pub pins: Vec<PinRow>,
}

/// What the tenant's list of outbox alerts knows, and what the operator wants tried again.
///
/// Stored format: tests/golden/stored/alert_row.json
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AlertRow {
    /// The last problem that the list has confirmed.
    #[serde(rename = "told")]
    pub reported: Option<OutboxProblem>,
    /// The time of that report.
    #[serde(default, rename = "at")]
    pub reported_at: UnixMs,
    /// Quarantined rows that are sent again.
    #[serde(default)]
    pub retry_rows: BTreeSet<Seq>,
}

/// A deletion that the room's owner has asked for.
///
/// Stored format: tests/golden/stored/pending_deletion.json
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingDeletion {
    #[serde(rename = "since")]
    pub requested_at: UnixMs,
    /// Postgres has marked the room as deleted. What remains in storage is needed to delete its rows there, to clear its
    /// outbox alert, and to remove its files.
    #[serde(rename = "gone")]
    pub done: bool,
    /// Postgres has no row of the room any more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub erased: bool,
}

// --- Bodies of events ---------------------------------------------------------------------------

/// The body of a `Kind::Reaction`.
///
/// Stored format: tests/golden/stored/reaction_body.json
#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReactionBody {
    pub message_id: String,
    /// The message's version at the time of the reaction.
    pub version: u64,
    pub emoji: String,
    pub add: bool,
}

/// The body of a `Kind::Edit` or `Kind::Delete`.
///
/// Stored format: tests/golden/stored/change_body.json
#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChangeBody {
    pub message_id: String,
    /// The message's version after the event.
    pub version: u64,
    /// Members whom an edit mentions and whom the message did not mention before. Deleted with the message.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mentioned: Vec<String>,
    /// The edit mentions `@room`, and the message did not before.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub calls_all: bool,
}

/// The body of a `Kind::Pins`: the message that was pinned or unpinned. The list is in the row `PinsRow`.
///
/// Stored format: tests/golden/stored/pins_body.json
#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PinsBody {
    pub message_id: String,
}

/// The body of a `Kind::MemberAdded`, `MemberRemoved` or `MemberUpdated`. The event's `user_id` is who made the change.
///
/// Stored format: tests/golden/stored/member_body.json
#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MemberBody {
    pub user_id: String,
    #[serde(deserialize_with = "Role::read_stored")]
    pub role: Role,
}

// --- Sent to another object, which may run another version ------------------------------------

/// What an operator sees of the outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OutboxState {
    Idle,
    /// Events wait for Postgres, or a batch is in progress.
    Draining,
    Retrying,
    Halted,
}

impl OutboxState {
    pub const ALL: [Self; 4] = [Self::Idle, Self::Draining, Self::Retrying, Self::Halted];

    pub fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Draining => "draining",
            Self::Retrying => "retrying",
            Self::Halted => "halted",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }
}

impl fmt::Display for OutboxState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why a room has an outbox alert: it lags by more than 30 s, is halted, has quarantined rows, or its storage is nearly
/// full.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OutboxProblem {
    pub lag: u64,
    /// When the oldest event in the outbox was sent; 0 if the outbox is empty.
    pub oldest_at_ms: UnixMs,
    pub state: OutboxState,
    pub quarantined: u64,
    /// How full the room's storage is, from `STORAGE_ALERT_PERCENT` on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage_percent: Option<u64>,
}

/// What a room reports to its tenant's list of outbox alerts.
///
/// Stored format: tests/golden/stored/outbox_report.json
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OutboxReport {
    pub tenant: TenantId,
    pub room: RoomId,
    /// The list keeps the report with the largest time.
    pub at: UnixMs,
    /// `None`: the room has no problem any more.
    pub problem: Option<OutboxProblem>,
}
