//! What the room knows of itself and its members: a copy of the newest snapshot, and who may do what by it.
//! Not here: the table of permissions (`auth`), and taking over a new snapshot (`refresh`).

use super::mention_parser::Mentions;
use super::store::formats::RoomInfo;
use crate::auth::{self, Action, Identity, Role};
use crate::db::{BanPut, ChangeSet, Marker, Notify, RoomSnapshot, ShownPerson, SnapshotBan, SnapshotMember};
use crate::error::{Code, Refusal};
use crate::ids::{RoomId, Seq, TenantId, UnixMs, UserId, iso};
use crate::limits::{FOREVER_MS, RECEIPTS_MEMBERS_MAX};
use crate::protocol::room::{HistoryVisibility, NotifyLevel, RoomKind};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};

#[derive(Clone, Debug)]
pub struct Members {
    info: RoomInfo,
    /// The role of each member of the snapshot.
    roles: HashMap<String, Role>,
}

impl Members {
    pub fn new(mut info: RoomInfo) -> Self {
        equalize_direct_room(&mut info.snapshot);
        let role = |m: &SnapshotMember| (m.user_id.as_str().to_owned(), m.role);
        let roles = info.snapshot.members.iter().map(role).collect();
        Self { info, roles }
    }

    pub fn info(&self) -> &RoomInfo {
        &self.info
    }

    pub fn snapshot(&self) -> &RoomSnapshot {
        &self.info.snapshot
    }

    pub fn tenant(&self) -> &TenantId {
        &self.info.tenant
    }

    pub fn room(&self) -> &RoomId {
        &self.info.id
    }

    /// The room is deleted: nothing about people stays.
    pub fn forget_people(&mut self) {
        self.roles.clear();
        self.info.snapshot.members.clear();
        self.info.snapshot.bans.clear();
        self.info.snapshot.people.clear();
        self.info.snapshot.refused.clear();
        self.info.snapshot.blocked.clear();
    }

    /// The members are as they will be once Postgres has written this. New members get their times from Postgres.
    pub fn foresee(&mut self, set: &ChangeSet) {
        let room = &mut self.info.snapshot;
        room.members.retain(|member| !set.gone.contains(&member.user_id));
        for user in &set.gone {
            self.roles.remove(user.as_str());
        }
        for put in &set.put {
            self.roles.insert(put.user_id.to_string(), put.role);
            match room.members.iter_mut().find(|member| member.user_id == put.user_id) {
                Some(known) => {
                    (known.role, known.silenced_until_ms) = (put.role, put.silenced_until_ms);
                }
                None => room.members.push(SnapshotMember {
                    user_id: put.user_id.clone(),
                    role: put.role,
                    joined_at_ms: 0,
                    joined_seq: put.joined_seq,
                    last_read_seq: put.joined_seq,
                    read_generation: 0,
                    notify: Notify { level: NotifyLevel::All, notifications_snoozed_until_ms: None },
                    silenced_until_ms: put.silenced_until_ms,
                }),
            }
        }
        let is_replaced = |user: &UserId| set.bans.iter().any(|ban| ban.user_id == *user);
        room.bans.retain(|ban| !set.unbanned.contains(&ban.user_id) && !is_replaced(&ban.user_id));
        let ban = |b: &BanPut| SnapshotBan { user_id: b.user_id.clone(), until_ms: b.until_ms };
        room.bans.extend(set.bans.iter().map(ban));
        if let Some(settings) = set.settings.clone() {
            (room.name, room.topic) = (settings.name, settings.topic);
            (room.archived, room.slow_mode_s) = (settings.archived, settings.slow_mode_s);
            (room.history_visibility, room.room_mention) =
                (settings.history_visibility, settings.room_mention);
        }
    }

    pub fn is_member(&self, user: &str) -> bool {
        self.roles.contains_key(user)
    }

    pub fn count(&self) -> usize {
        self.roles.len()
    }

    pub fn member(&self, user: &str) -> Option<&SnapshotMember> {
        self.info.snapshot.members.iter().find(|m| m.user_id.as_str() == user)
    }

    /// The role that the snapshot gives this person.
    pub fn room_role(&self, user: &str) -> Option<Role> {
        self.roles.get(user).copied()
    }

    /// The effective role in the room; `None` for a person who is not a member.
    pub fn role(&self, caller: &Identity) -> Option<Role> {
        let role = self.room_role(caller.user.as_str())?;
        Some(auth::effective_role(self.info.snapshot.kind, role, caller.tenant_role))
    }

    /// # Errors  room_not_found → not a member; forbidden → the role is too low.
    pub fn authorize(&self, caller: &Identity, action: Action) -> Result<(), Refusal> {
        let same_tenant = caller.tenant == self.info.tenant;
        let role = self.role(caller).filter(|_| same_tenant);
        let tenant_role = caller.tenant_role.filter(|_| same_tenant);
        auth::authorize(self.info.snapshot.kind, role, tenant_role, action)
    }

    /// # Errors  forbidden → what a report asks for is not this person's to do.
    pub fn authorize_resolution(&self, caller: &Identity, action: Action) -> Result<(), Refusal> {
        let role = self.room_role(caller.user.as_str());
        let tenant_role = caller.tenant_role.filter(|_| caller.tenant == self.info.tenant);
        auth::authorize_resolution(self.info.snapshot.kind, role, tenant_role, action)
    }

    pub fn ensure_not_archived(&self) -> Result<(), Refusal> {
        match self.info.snapshot.archived {
            true => Err(Refusal::new(Code::Archived, "the room is archived")),
            false => Ok(()),
        }
    }

    /// Until when a moderator has muted this person; `FOREVER_MS`: for good.
    fn silenced_until(&self, user: &str, now: UnixMs) -> Option<UnixMs> {
        self.member(user).and_then(|m| m.silenced_until_ms).filter(|until| *until > now)
    }

    /// Everybody who is muted, and until when.
    pub fn mutes(&self, now: UnixMs) -> BTreeMap<&str, UnixMs> {
        let until = |m: &SnapshotMember| m.silenced_until_ms.filter(|until| *until > now);
        let members = self.info.snapshot.members.iter();
        members.filter_map(|m| Some((m.user_id.as_str(), until(m)?))).collect()
    }

    /// The person's mute, as on the wire: `null` if there is none; its `until` is `null` if it is for good.
    pub fn mute(&self, user: &str, now: UnixMs) -> Value {
        let until = self.silenced_until(user, now);
        until.map_or(Value::Null, |until| json!({"until": (until < FOREVER_MS).then(|| iso(until))}))
    }

    /// # Errors  muted, with `retryAfterMs` unless the mute is for good.
    pub fn ensure_not_muted(&self, caller: &Identity, now: UnixMs) -> Result<(), Refusal> {
        match self.silenced_until(caller.user.as_str(), now) {
            None => Ok(()),
            Some(FOREVER_MS..) => Err(Refusal::new(Code::Muted, "you are muted in this room")),
            Some(until) => Err(Refusal::new(Code::Muted, "you are muted in this room for a while")
                .retry_after_ms(until.saturating_sub(now))),
        }
    }

    /// # Errors  blocked → the other one of the direct room wants to hear nothing of this person. It does not say so.
    pub fn ensure_not_blocked(&self, caller: &Identity) -> Result<(), Refusal> {
        match self.info.snapshot.blocked.contains(&caller.user) {
            true => Err(Refusal::new(Code::Blocked, "you can't write to this person")),
            false => Ok(()),
        }
    }

    /// Messages up to this seq, and events about them, are hidden from this person.
    pub fn visible_from(&self, user: &str) -> Seq {
        match self.info.snapshot.history_visibility {
            HistoryVisibility::All => 0,
            HistoryVisibility::SinceJoin => self.member(user).map_or(0, |m| m.joined_seq),
        }
    }

    /// # Errors  forbidden, unauthenticated → tokens of this person, or older ones, are refused.
    pub fn ensure_not_refused(&self, caller: &Identity) -> Result<(), Refusal> {
        let refused = &self.info.snapshot.refused;
        let account = refused.iter().find(|account| account.user_id == caller.user);
        account.map_or(Ok(()), |account| account.admit(caller))
    }

    /// How the person is shown.
    pub fn shown(&self, user: &str) -> ShownPerson {
        self.info.snapshot.people.get(user).cloned().unwrap_or_else(|| ShownPerson::unnamed(user))
    }

    /// How all members are shown; empty in rooms of more than `RECEIPTS_MEMBERS_MAX`.
    pub fn shown_people(&self) -> BTreeMap<&str, ShownPerson> {
        let members = self.info.snapshot.members.iter().filter(|_| self.shares_receipts());
        members.map(|m| (m.user_id.as_str(), self.shown(m.user_id.as_str()))).collect()
    }

    /// Whether members see each other's read markers: in small rooms only.
    pub fn shares_receipts(&self) -> bool {
        self.roles.len() <= RECEIPTS_MEMBERS_MAX
    }

    /// Whether the person's notification settings are these.
    pub fn has_notify(&self, user: &str, notify: &Notify) -> bool {
        self.member(user).is_some_and(|member| member.notify == *notify)
    }

    /// The person's notification settings, as on the wire.
    pub fn notify_settings(&self, user: &str) -> Value {
        let member = self.member(user);
        let level = member.map_or(NotifyLevel::All, |m| m.notify.level);
        let snoozed_until = member.and_then(|m| m.notify.notifications_snoozed_until_ms).map(iso);
        json!({"level": level, "muteUntil": snoozed_until})
    }

    /// The read markers of the snapshot.
    pub fn markers(&self) -> impl Iterator<Item = (&str, Marker)> {
        self.info
            .snapshot
            .members
            .iter()
            .map(|m| (m.user_id.as_str(), Marker { generation: m.read_generation, seq: m.last_read_seq }))
    }

    /// The members that the text mentions with `<@userId>` outside of code, in its order.
    pub fn mentioned_in(&self, content: &str) -> Vec<String> {
        let mut users: Vec<String> = Vec::new();
        for user in Mentions::parse(content).users {
            if self.is_member(user) && !users.iter().any(|known| known == user) {
                users.push(user.to_owned());
            }
        }
        users
    }

    /// The room object as every member may see it.
    pub fn room_object(&self) -> Value {
        room_object(&self.info)
    }
}

/// Both people of a direct room are members. Rooms made by earlier versions store the creator as owner.
pub fn equalize_direct_room(snapshot: &mut RoomSnapshot) {
    if snapshot.kind == RoomKind::Direct {
        snapshot.members.iter_mut().for_each(|member| member.role = Role::Member);
    }
}

/// The room object as every member may see it.
pub fn room_object(info: &RoomInfo) -> Value {
    let room = &info.snapshot;
    json!({
        "id": info.id, "tenantId": info.tenant, "type": room.kind, "name": room.name, "topic": room.topic,
        "archived": room.archived, "historyVisibility": room.history_visibility, "roomMention": room.room_mention,
        "slowModeS": room.slow_mode_s, "createdBy": room.created_by, "createdAt": iso(room.created_at_ms),
    })
}
