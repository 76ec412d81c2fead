//! Who may do what in the room, and what it knows of itself and its people: a copy of what Postgres last told.
//! Not here: the table of permissions (`auth`), and asking Postgres (`shell`).

use super::Room;
use super::connection::{Connection, ConnectionId};
use super::replay::member_event_text;
use super::store::formats::{MemberBody, RoomInfo};
use super::store::{self, Event, Kind, Store};
use super::turn::Turn;
use crate::auth::{self, Action, Identity, Role};
use crate::db::{Marker, RoomSnapshot, SnapshotChange, SnapshotMember};
use crate::error::{Code, Refusal};
use crate::ids::{Seq, UnixMs, UserId, iso};
use crate::limits::RECEIPTS_MEMBERS_MAX;
use crate::mutants::{Mutant, is};
use crate::protocol::server::CloseCode;
use serde_json::{Value, json};

impl Room {
    /// The effective role here; `None` for one who isn't a member.
    pub(super) fn role(&self, caller: &Identity) -> Option<Role> {
        let role = *self.members.get(caller.user.as_str())?;
        Some(auth::effective_role(role, caller.tenant_role))
    }

    pub(super) fn authorize(&self, caller: &Identity, action: Action) -> Result<(), Refusal> {
        let same_tenant = caller.tenant.as_str() == self.room_tenant();
        let role = self.role(caller).filter(|_| same_tenant);
        auth::authorize(role, caller.tenant_role.filter(|_| same_tenant), action)
    }

    pub(super) fn ensure_not_archived(&self) -> Result<(), Refusal> {
        match self.info.snapshot.archived {
            true => Err(Refusal::new(Code::Archived, "the room is archived")),
            false => Ok(()),
        }
    }

    pub(super) fn room_tenant(&self) -> &str {
        self.info.tenant.as_str()
    }

    pub(super) fn room_id(&self) -> &str {
        self.info.id.as_str()
    }

    pub(super) fn shares_receipts(&self) -> bool {
        self.members.len() <= RECEIPTS_MEMBERS_MAX
    }

    pub(super) fn notify(&self, user: &str) -> Value {
        let member = self.info.snapshot.members.iter().find(|m| m.user_id.as_str() == user);
        let level = member.map_or("all", |m| m.notify.level.as_str());
        let mute_until = member.and_then(|m| m.notify.notifications_snoozed_until_ms).map(crate::ids::iso);
        json!({"level": level, "muteUntil": mute_until})
    }

    /// Moves a person's marker forward; true when it moved.
    pub(super) fn advance_marker(&mut self, user: &str, seq: Seq) -> bool {
        let moved = self.reads.advance(user, seq);
        if moved {
            self.connections.values_mut().filter(|c| c.user() == user).for_each(|c| c.changed = true);
        }
        moved
    }

    /// Somebody has read up to here, and says so on this connection or over REST.
    pub(super) fn mark_read(
        &mut self,
        caller: &Identity,
        by: Option<ConnectionId>,
        seq: Seq,
        now: UnixMs,
    ) -> Result<(), Refusal> {
        self.authorize(caller, Action::Read)?;
        let user = caller.user.as_str();
        let other_tabs = self.presence.sockets(user) > u32::from(by.is_some());
        if self.advance_marker(user, seq.min(self.log.head())) && (self.shares_receipts() || other_tabs) {
            self.reads.queue_receipt(user, false, now);
        }
        Ok(())
    }

    /// From `seq` on everything is to be unread again: their own tabs hear of it, others need not know.
    pub(super) fn mark_unread(&mut self, caller: &Identity, seq: Seq, now: UnixMs) -> Result<(), Refusal> {
        self.authorize(caller, Action::Read)?;
        let user = caller.user.as_str();
        if self.reads.set_back(user, seq.saturating_sub(1)) {
            self.connections.values_mut().filter(|c| c.user() == user).for_each(|c| c.changed = true);
            self.reads.queue_receipt(user, true, now);
        }
        Ok(())
    }

    pub(super) fn index_members(&mut self) {
        let role = |m: &SnapshotMember| {
            (m.user_id.as_str().to_owned(), Role::from_name(&m.role).unwrap_or(Role::Member))
        };
        self.members = self.info.snapshot.members.iter().map(role).collect();
        for member in &self.info.snapshot.members {
            let marker = Marker { generation: member.read_generation, seq: member.last_read_seq };
            self.reads.learn(member.user_id.as_str(), marker);
        }
    }

    /// Takes over what Postgres says of the room: what is new becomes events of the log, in one writing with the copy, so that
    /// no crash tells it twice or never. Those who are members no more are closed before anybody hears of it.
    pub(super) fn refreshed(
        &mut self,
        store: &Store,
        snapshot: Option<RoomSnapshot>,
        now: UnixMs,
    ) -> store::Result<()> {
        let Some(mut snapshot) = snapshot else {
            return self.finish_deletion(Turn { store, now });
        };
        self.deletion.cancel(Turn { store, now })?;
        if snapshot.members_version < self.info.snapshot.members_version
            || is(Mutant::MembershipNeverRefreshed)
        {
            return Ok(());
        }
        let changes = std::mem::take(&mut snapshot.changes);
        let info = RoomInfo { snapshot, ..self.info.clone() };
        let gone = ended(&self.info.snapshot, &info.snapshot);
        let gone: Vec<String> = gone.map(|m| m.user_id.as_str().to_owned()).collect();
        if self.info.snapshot.slow_mode_s != info.snapshot.slow_mode_s {
            // What was looked up for another span of time doesn't hold.
            self.said_at.clear();
        }
        let mut news = SnapshotDiff { events: Vec::new(), head: self.log.head(), now, changes: &changes };
        news.of_people(&self.info.snapshot, &info.snapshot);
        news.of_room(&self.info, &info);
        let events = if is(Mutant::RefreshWithoutEvents) { Vec::new() } else { news.events };
        store.take_over(&events, serde_json::to_string(&info).unwrap_or_default())?;
        self.info = info;
        gone.iter().for_each(|user| self.reads.forget(user));
        self.index_members();
        let closed = |c: &&Connection| {
            gone.iter().any(|user| user == c.user()) || !self.members.contains_key(c.user())
        };
        let closed: Vec<_> = self.connections.values().filter(closed).map(|c| c.state.id).collect();
        closed.into_iter().for_each(|id| self.close(id, CloseCode::Removed, now));
        for event in events {
            self.log.advance(event.seq);
            self.broadcast(member_event_text(&event));
        }
        Ok(())
    }
}

/// Memberships of before that have ended, be it that another of the same person has begun.
fn ended<'a>(before: &'a RoomSnapshot, after: &'a RoomSnapshot) -> impl Iterator<Item = &'a SnapshotMember> {
    let same = |m: &SnapshotMember| after.members.iter().any(|n| is_the_same(m, n));
    before.members.iter().filter(move |m| !same(m))
}

fn is_the_same(before: &SnapshotMember, after: &SnapshotMember) -> bool {
    before.user_id == after.user_id && before.joined_at_ms == after.joined_at_ms
}

/// What differs between two copies of the room, as events after `head`.
struct SnapshotDiff<'a> {
    events: Vec<Event>,
    head: Seq,
    now: UnixMs,
    changes: &'a [SnapshotChange],
}

impl SnapshotDiff<'_> {
    fn of_people(&mut self, before: &RoomSnapshot, after: &RoomSnapshot) {
        for member in ended(before, after) {
            let by = self.maker(&["remove", "ban"], Some(&member.user_id), &member.user_id);
            self.add(Kind::MemberRemoved, by, member_body(member));
        }
        for member in &after.members {
            match before.members.iter().find(|m| is_the_same(m, member)) {
                None => {
                    let by = self.maker(&["add"], Some(&member.user_id), &member.user_id);
                    self.add(Kind::MemberAdded, by, member_body(member));
                }
                Some(known) if known.role != member.role => {
                    let by = self.maker(&["role"], Some(&member.user_id), &member.user_id);
                    self.add(Kind::MemberUpdated, by, member_body(member));
                }
                Some(_) => {}
            }
        }
    }

    fn of_room(&mut self, before: &RoomInfo, after: &RoomInfo) {
        let shown = room_shown(after);
        if shown != room_shown(before) {
            let by = self.maker(&["settings", "slow_mode"], None, &after.snapshot.created_by);
            self.add(Kind::RoomUpdated, by, shown.to_string());
        }
    }

    /// Who made the newest such change; `else_by` where Postgres was changed past us.
    fn maker(&self, actions: &[&str], target: Option<&UserId>, else_by: &UserId) -> String {
        let target = target.map(UserId::as_str);
        let made =
            |c: &&SnapshotChange| actions.contains(&c.action.as_str()) && c.target.as_deref() == target;
        self.changes.iter().rev().find(made).map_or(else_by, |change| &change.actor).to_string()
    }

    fn add(&mut self, kind: Kind, by: String, body: String) {
        self.head = self.head.saturating_add(1);
        self.events.push(Event {
            seq: self.head,
            kind,
            at: self.now,
            user_id: by,
            client_id: None,
            digest: None,
            target: None,
            thread: None,
            body,
        });
    }
}

fn member_body(member: &SnapshotMember) -> String {
    let body = MemberBody { user_id: member.user_id.to_string(), role: member.role.clone() };
    serde_json::to_string(&body).unwrap_or_default()
}

/// The room as all in it may see it.
pub(super) fn room_shown(info: &RoomInfo) -> Value {
    let room = &info.snapshot;
    json!({
        "id": info.id, "tenantId": info.tenant, "type": room.kind, "name": room.name, "topic": room.topic,
        "archived": room.archived, "historyVisibility": room.history_visibility, "roomMention": room.room_mention,
        "slowModeS": room.slow_mode_s, "createdBy": room.created_by, "createdAt": iso(room.created_at_ms),
    })
}
