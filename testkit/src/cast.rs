//! The room that most tests begin with: its time, its people, its snapshot. Not here: what the people do.

use chinwag::auth::Role;
use chinwag::db::{Notify, RoomSnapshot, SnapshotMember};
use chinwag::ids::{UnixMs, UserId};
use chinwag::protocol::room::{HistoryVisibility, NotifyLevel, RoomKind, RoomMention};

/// 2026-11-23T09:00:00Z.
pub const NOON: UnixMs = 1_795_424_400_000;

pub fn user(name: &str) -> UserId {
    UserId::parse(name).unwrap()
}

pub fn member(name: &str, role: &str) -> SnapshotMember {
    SnapshotMember {
        user_id: user(name),
        role: Role::from_name(role).expect("a role"),
        joined_at_ms: NOON,
        joined_seq: 0,
        last_read_seq: 0,
        read_generation: 0,
        notify: Notify { level: NotifyLevel::All, notifications_snoozed_until_ms: None },
        silenced_until_ms: None,
    }
}

/// A group; the first of the people owns it.
pub fn group(people: &[&str]) -> RoomSnapshot {
    let members = people.iter().enumerate();
    RoomSnapshot {
        kind: RoomKind::Group,
        name: Some("Lunch".into()),
        topic: None,
        created_by: user(people[0]),
        created_at_ms: NOON,
        archived: false,
        history_visibility: HistoryVisibility::All,
        room_mention: RoomMention::All,
        slow_mode_s: 0,
        members_version: 1,
        last_seq: 0,
        epoch: None,
        members: members.map(|(i, name)| member(name, ["owner", "member"][i.min(1)])).collect(),
        bans: Vec::new(),
        people: Default::default(),
        refused: Vec::new(),
        blocked: Vec::new(),
        changes: Vec::new(),
    }
}
