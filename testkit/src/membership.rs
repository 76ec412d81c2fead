//! Postgres' side of an admin change: the rules of `db::apply`, `db::room_snapshot` and `db::restore_room` over a plain
//! snapshot, and backups of it.
//! Not here: SQL. The statements are tested against a real Postgres (`tests/native/db_people.rs`).

use chinwag::db::{
    Applied, ChangeSet, Notify, Restored, RoomCopy, RoomSnapshot, SnapshotBan, SnapshotChange, SnapshotMember,
};
use chinwag::ids::UnixMs;
use chinwag::protocol::room::NotifyLevel;

#[derive(Default)]
pub struct Membership {
    /// Each change with the members version that it made.
    pub changes: Vec<(u64, SnapshotChange)>,
    /// The whole audit log: action, actor, target.
    pub audit: Vec<(String, String, Option<String>)>,
    /// The room before each change, oldest first.
    backups: Vec<RoomSnapshot>,
    /// When the newest member joined; no two members join at the same time.
    last_joined_at: UnixMs,
}

impl Membership {
    /// Applies a change set to the room, unless the room has another version by now.
    pub fn apply(&mut self, room: &mut RoomSnapshot, set: &ChangeSet, now: UnixMs) -> Applied {
        let is_versioned = set.settings.is_some()
            || !(set.put.is_empty() && set.gone.is_empty() && set.audit.is_empty())
            || !(set.bans.is_empty() && set.unbanned.is_empty());
        if (is_versioned || set.delete) && room.members_version != set.version {
            return Applied::Stale;
        }
        for own in &set.notify {
            if let Some(member) = room.members.iter_mut().find(|m| m.user_id == own.user_id) {
                member.notify = Notify {
                    level: own.level,
                    notifications_snoozed_until_ms: own.notifications_snoozed_until_ms,
                };
            }
        }
        if !is_versioned {
            return Applied::Done;
        }
        self.back_up(room);
        room.members_version += 1;
        room.members.retain(|m| !set.gone.contains(&m.user_id));
        for put in &set.put {
            if let Some(known) = room.members.iter_mut().find(|m| m.user_id == put.user_id) {
                (known.role, known.silenced_until_ms) = (put.role, put.silenced_until_ms);
                continue;
            }
            self.last_joined_at = now.max(self.last_joined_at + 1);
            room.members.push(SnapshotMember {
                user_id: put.user_id.clone(),
                role: put.role,
                joined_at_ms: self.last_joined_at,
                joined_seq: put.joined_seq,
                last_read_seq: put.joined_seq,
                read_generation: 0,
                notify: Notify { level: NotifyLevel::All, notifications_snoozed_until_ms: None },
                silenced_until_ms: put.silenced_until_ms,
            });
        }
        room.members.sort_by(|a, b| a.user_id.cmp(&b.user_id));
        if let Some(settings) = &set.settings {
            (room.name, room.topic) = (settings.name.clone(), settings.topic.clone());
            (room.archived, room.slow_mode_s) = (settings.archived, settings.slow_mode_s);
            room.history_visibility = settings.history_visibility;
            room.room_mention = settings.room_mention;
        }
        let is_banned_again = |user: &chinwag::ids::UserId| set.bans.iter().any(|ban| ban.user_id == *user);
        room.bans.retain(|b| !set.unbanned.contains(&b.user_id) && !is_banned_again(&b.user_id));
        let ban = |b: &chinwag::db::BanPut| SnapshotBan { user_id: b.user_id.clone(), until_ms: b.until_ms };
        room.bans.extend(set.bans.iter().map(ban));
        for row in &set.audit {
            let actor = chinwag::ids::UserId::parse(&row.actor).expect("an actor");
            let (id, action, target) = (row.id.clone(), row.action, row.target.clone());
            self.audit.push((action.name().to_owned(), row.actor.clone(), target.clone()));
            self.changes.push((room.members_version, SnapshotChange { id, actor, action, target }));
        }
        Applied::Done
    }

    /// The room is about to change.
    pub fn back_up(&mut self, room: &RoomSnapshot) {
        self.backups.push(room.clone());
    }

    /// Restores a backup from before the last changes; false if there were none.
    pub fn set_back(&mut self, room: &mut RoomSnapshot, changes: usize) -> bool {
        let kept = self.backups.len().saturating_sub(changes);
        let Some(backup) = self.backups.drain(kept..).next() else { return false };
        *room = backup;
        self.changes.retain(|(version, _)| *version <= room.members_version);
        true
    }

    /// Puts a room back that Postgres has, if the copy is newer.
    pub fn restore(&mut self, room: &mut RoomSnapshot, copy: &RoomCopy) -> Restored {
        if room.members_version >= copy.snapshot.members_version {
            return Restored::Current { members_version: room.members_version };
        }
        *room = copy.snapshot.clone();
        Restored::Done
    }

    /// The snapshot for a room object that knows the members version `known`.
    pub fn snapshot(&self, room: &RoomSnapshot, known: u64, now: UnixMs) -> RoomSnapshot {
        let mut snapshot = room.clone();
        snapshot.bans.retain(|ban| ban.until_ms.is_none_or(|until| until > now));
        let newer = self.changes.iter().filter(|(version, _)| *version > known);
        snapshot.changes = newer.map(|(_, change)| change.clone()).collect();
        snapshot
    }
}
