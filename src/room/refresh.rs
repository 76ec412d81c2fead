//! Taking over a new snapshot: what differs from the last one becomes events of the log, and people who are no longer
//! members are disconnected. Not here: asking Postgres (`object`), and what the copy is used for (`members`).

use super::Room;
use super::effect::Effect;
use super::frame_checks::refused_connections;
use super::members::{Members, equalize_direct_room, room_object};
use super::replay::member_event_text;
use super::store::formats::{MemberBody, RoomInfo};
use super::store::{Event, Kind, Result};
use super::turn::Turn;
use crate::db::{RoomSnapshot, SnapshotChange, SnapshotMember};
use crate::ids::{Seq, UnixMs, UserId};
use crate::protocol::room::AuditAction::{self, Add, Ban, Remove, Role, Settings, SlowMode};
use crate::protocol::server::{self, CloseCode};

impl Room {
    /// Takes over a snapshot of Postgres. The events of what differs are written together with the copy, so that no
    /// crash announces them twice or never. Removed people's sockets are closed before anybody receives an event.
    pub(super) fn refreshed(&mut self, turn: Turn, snapshot: Option<RoomSnapshot>) -> Result<()> {
        let Turn { store, now } = turn;
        let Some(mut snapshot) = snapshot else {
            return self.finish_deletion(turn);
        };
        // A restored backup may have brought a deleted room back: the deletion goes on.
        if self.deletion.is_done() {
            return Ok(());
        }
        equalize_direct_room(&mut snapshot);
        self.deletion.cancel(turn)?;
        let before = self.members.info().clone();
        if snapshot.members_version < before.snapshot.members_version {
            // An answer that was overtaken, or Postgres was restored from a backup: the statement finds out.
            self.effects.push(Effect::Restore);
            return Ok(());
        }
        let changes = std::mem::take(&mut snapshot.changes);
        let after = RoomInfo { snapshot, ..before.clone() };
        if before.snapshot.slow_mode_s != after.snapshot.slow_mode_s {
            self.slow_mode.reset();
        }
        let mut diff = SnapshotDiff { events: Vec::new(), head: self.log.head(), now, changes: &changes };
        diff.add_member_events(&before.snapshot, &after.snapshot);
        diff.add_room_event(&before, &after);
        let events = diff.events;
        store.take_over(&events, serde_json::to_string(&after).unwrap_or_default())?;
        let ended: Vec<&str> =
            ended_memberships(&before.snapshot, &after.snapshot).map(|m| m.user_id.as_str()).collect();
        ended.iter().for_each(|user| self.reads.forget(user));
        let known = std::mem::replace(&mut self.members, Members::new(after.clone()));
        self.learn_markers();
        let members = &self.members;
        let removed = self.connections.ids(|c| ended.contains(&c.user()) || !members.is_member(c.user()));
        let refused = refused_connections(&self.connections, |identity| members.ensure_not_refused(identity));
        removed.into_iter().for_each(|id| self.close(id, CloseCode::Removed, now));
        refused.into_iter().for_each(|(id, code)| self.close(id, code, now));
        for event in events {
            self.log.advance(event.seq);
            self.connections.broadcast(&member_event_text(&event));
        }
        self.announce_mutes(&known, now);
        Ok(())
    }

    /// Whose mute began, ended or changed with this snapshot receives it; nobody else does (MUTE-2).
    fn announce_mutes(&mut self, known: &Members, now: UnixMs) {
        let (members, before, after) = (&self.members, known.mutes(now), self.members.mutes(now));
        if before == after {
            return;
        }
        self.connections.send_each(|connection| {
            let user = connection.user();
            let has_changed = connection.batches && before.get(user) != after.get(user);
            has_changed.then(|| server::mute_updated(&members.mute(user, now)))
        });
    }

    /// Takes over the read markers of the snapshot.
    pub(super) fn learn_markers(&mut self) {
        for (user, marker) in self.members.markers() {
            self.reads.learn(user, marker);
        }
    }
}

/// Memberships that ended since the last snapshot, including those replaced by a newer one of the same person.
fn ended_memberships<'a>(
    before: &'a RoomSnapshot,
    after: &'a RoomSnapshot,
) -> impl Iterator<Item = &'a SnapshotMember> {
    let continues = |m: &SnapshotMember| after.members.iter().any(|n| is_same_membership(m, n));
    before.members.iter().filter(move |m| !continues(m))
}

fn is_same_membership(before: &SnapshotMember, after: &SnapshotMember) -> bool {
    before.user_id == after.user_id && before.joined_at_ms == after.joined_at_ms
}

/// The differences between two snapshots, as events after `head`.
struct SnapshotDiff<'a> {
    events: Vec<Event>,
    head: Seq,
    now: UnixMs,
    changes: &'a [SnapshotChange],
}

impl SnapshotDiff<'_> {
    fn add_member_events(&mut self, before: &RoomSnapshot, after: &RoomSnapshot) {
        for member in ended_memberships(before, after) {
            let actor = self.actor_of(&[Remove, Ban], Some(&member.user_id), &member.user_id);
            self.add(Kind::MemberRemoved, actor, member_body(member));
        }
        for member in &after.members {
            match before.members.iter().find(|m| is_same_membership(m, member)) {
                None => {
                    let actor = self.actor_of(&[Add], Some(&member.user_id), &member.user_id);
                    self.add(Kind::MemberAdded, actor, member_body(member));
                }
                Some(known) if known.role != member.role => {
                    let actor = self.actor_of(&[Role], Some(&member.user_id), &member.user_id);
                    self.add(Kind::MemberUpdated, actor, member_body(member));
                }
                Some(_) => {}
            }
        }
    }

    fn add_room_event(&mut self, before: &RoomInfo, after: &RoomInfo) {
        let object = room_object(after);
        if object != room_object(before) {
            let actor = self.actor_of(&[Settings, SlowMode], None, &after.snapshot.created_by);
            self.add(Kind::RoomUpdated, actor, object.to_string());
        }
    }

    /// Who made the newest such change. `fallback` if there is none, because somebody wrote to Postgres directly.
    fn actor_of(&self, actions: &[AuditAction], target: Option<&UserId>, fallback: &UserId) -> String {
        let target = target.map(UserId::as_str);
        let matches = |c: &&SnapshotChange| actions.contains(&c.action) && c.target.as_deref() == target;
        self.changes.iter().rev().find(matches).map_or(fallback, |change| &change.actor).to_string()
    }

    fn add(&mut self, kind: Kind, actor: String, body: String) {
        self.head = self.head.saturating_add(1);
        self.events.push(Event {
            seq: self.head,
            kind,
            at: self.now,
            user_id: actor,
            client_id: None,
            digest: None,
            target: None,
            thread: None,
            body,
        });
    }
}

fn member_body(member: &SnapshotMember) -> String {
    let body = MemberBody { user_id: member.user_id.to_string(), role: member.role };
    serde_json::to_string(&body).unwrap_or_default()
}
