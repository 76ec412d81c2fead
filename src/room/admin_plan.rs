//! Plans one admin change: decides over a copy of the members who may do it, and what Postgres must write.
//! Postgres checks the version of the copy; if it was old, the change is planned again.
//! Not here: planning several together (`change_batch`), the table of permissions (`auth`), the statement (`db`), and
//! what follows for the room (`refresh`).

use super::admin_changes::{AdminChange, AskedChange, Patch};
use super::members::Members;
use super::moderation::Moderator;
use super::reports::SYSTEM;
use crate::auth::{Action, Identity, Role};
use crate::db::{AuditRow, BanPut, ChangeSet, MemberPut, NotifyPut, Settings, SnapshotBan, SnapshotMember};
use crate::error::{Code, Refusal};
use crate::ids::{Seq, UnixMs, UserId, iso};
use crate::limits::{BANS_MAX, FOREVER_MS, GROUP_MEMBERS_MAX};
use crate::protocol::room::{AuditAction, NotifyLevel};

/// What a plan depends on besides the members.
#[derive(Clone, Copy)]
pub(super) struct Basis<'a> {
    /// Where new members begin.
    pub head: Seq,
    pub now: UnixMs,
    pub moderator: &'a Moderator,
    /// In how many rooms a person may be.
    pub rooms_per_person: u64,
}

/// What Postgres must write for one change, planned over these members; an empty set when nothing changes.
///
/// # Errors  why the caller may not do it; nothing happened.
pub(super) fn plan_change(
    members: &Members,
    Basis { head, now, moderator, rooms_per_person }: Basis,
    asked: &AskedChange,
) -> Result<ChangeSet, Refusal> {
    let AskedChange { id, caller, change } = asked;
    let (moderated, flagged) = moderate(members, moderator, caller, change)?;
    let mut plan = Plan { members, head, caller, now, id, set: empty_set(members, rooms_per_person) };
    plan.add_change(moderated.as_ref().unwrap_or(change))?;
    if let Some(rule) = flagged.filter(|_| plan.set.settings.is_some()) {
        plan.note_flagged(rule);
    }
    Ok(plan.set)
}

/// A change of texts that everybody sees, masked where the tenant's rules ask for it (`None`: as it is), and the rule
/// for which it is noted.
///
/// # Errors  room_not_found, forbidden; moderation_blocked.
fn moderate(
    members: &Members,
    moderator: &Moderator,
    caller: &Identity,
    change: &AdminChange,
) -> Result<(Option<AdminChange>, Option<&'static str>), Refusal> {
    let AdminChange::Settings(patch) = change else { return Ok((None, None)) };
    members.authorize(caller, Action::ChangeRoom)?;
    let (mut patch, mut flagged) = (patch.clone(), None);
    for (field, text) in [("name", &mut patch.name), ("topic", &mut patch.topic)] {
        if let Some(text) = text {
            flagged = flagged.or(moderator.check_name(field, text)?);
        }
    }
    Ok((Some(AdminChange::Settings(patch)), flagged))
}

/// A set that changes nothing, for the version of these members.
pub(super) fn empty_set(members: &Members, rooms_per_person: u64) -> ChangeSet {
    let (tenant, room) = (members.tenant().clone(), members.room().clone());
    ChangeSet::new(tenant, room, members.snapshot().members_version, rooms_per_person)
}

/// A plan in progress.
struct Plan<'a> {
    members: &'a Members,
    head: Seq,
    caller: &'a Identity,
    now: UnixMs,
    id: &'a str,
    set: ChangeSet,
}

impl<'a> Plan<'a> {
    fn add_change(&mut self, change: &AdminChange) -> Result<(), Refusal> {
        match change {
            AdminChange::Add { users } => self.add_members(users),
            AdminChange::Remove { user } if *user == self.caller.user => self.leave(),
            AdminChange::Remove { user } => self.remove_member(user),
            AdminChange::Leave => self.leave(),
            AdminChange::SetRole { user, role } => self.set_role(user, *role),
            AdminChange::Settings(patch) => self.change_settings(patch),
            AdminChange::Delete => {
                self.authorize(Action::DeleteRoom)?;
                self.set.delete = true;
                Ok(())
            }
            AdminChange::Mute { user, until_ms } => {
                self.authorize(Action::Mute { target: self.role_of(user) })?;
                let until_ms = until_ms.unwrap_or(FOREVER_MS).min(FOREVER_MS);
                self.set_mute(user, Some(until_ms))
            }
            AdminChange::Unmute { user } => {
                self.authorize(Action::Mute { target: self.role_of(user) })?;
                self.set_mute(user, None)
            }
            AdminChange::Ban { user, until_ms, reason } => {
                self.authorize(Action::Ban { target: self.role_of(user) })?;
                self.ban(user, *until_ms, reason.clone())
            }
            AdminChange::MuteReported { user } => {
                let action = Action::Mute { target: self.role_of(user) };
                self.members.authorize_resolution(self.caller, action)?;
                self.set_mute(user, Some(FOREVER_MS))
            }
            AdminChange::BanReported { user, reason } => {
                let action = Action::Ban { target: self.role_of(user) };
                self.members.authorize_resolution(self.caller, action)?;
                self.ban(user, None, reason.clone())
            }
            AdminChange::Unban { user } => self.unban(user),
            AdminChange::SlowMode { seconds } => self.set_slow_mode(*seconds),
            AdminChange::Notify { level, notifications_snoozed_until_ms } => {
                self.set_notify(*level, *notifications_snoozed_until_ms)
            }
        }
    }

    // --- What the plan consists of ------------------------------------------------------------------

    fn note(&mut self, action: AuditAction, target: Option<&UserId>, reason: Option<String>) {
        self.set.audit.push(AuditRow {
            id: audit_id(self.id, self.set.audit.len()),
            at_ms: self.now,
            actor: self.caller.user.to_string(),
            action,
            target: target.map(UserId::to_string),
            reason,
            report: None,
        });
    }

    /// A rule flagged the room's new name or topic.
    fn note_flagged(&mut self, rule: &str) {
        self.note(AuditAction::Report, None, Some(rule.to_owned()));
        if let Some(note) = self.set.audit.last_mut() {
            SYSTEM.clone_into(&mut note.actor);
        }
    }

    fn put(&mut self, member: &SnapshotMember, change: impl FnOnce(&mut MemberPut)) {
        let mut put = MemberPut {
            user_id: member.user_id.clone(),
            role: member.role,
            joined_seq: member.joined_seq,
            silenced_until_ms: member.silenced_until_ms,
        };
        change(&mut put);
        self.set.put.push(put);
    }

    /// Ends a membership, unless the room would be left without an owner.
    fn end_membership(&mut self, user: &UserId) -> Result<(), Refusal> {
        self.ensure_owner_without(user)?;
        self.set.gone.push(user.clone());
        Ok(())
    }

    // --- What the copy says -------------------------------------------------------------------------

    fn authorize(&self, action: Action) -> Result<(), Refusal> {
        self.members.authorize(self.caller, action)
    }

    fn member(&self, user: &UserId) -> Result<&'a SnapshotMember, Refusal> {
        let found = self.members.member(user.as_str());
        found.ok_or_else(|| Refusal::new(Code::MemberNotFound, "there is no such member"))
    }

    /// People who are not in the room count as members: that decides who may mute, ban or unban them.
    fn role_of(&self, user: &UserId) -> Role {
        self.members.room_role(user.as_str()).unwrap_or(Role::Member)
    }

    fn is_banned(&self, user: &UserId) -> bool {
        self.bans().any(|ban| ban.user_id == *user)
    }

    /// The bans in force. Some may have ended since the snapshot was taken.
    fn bans(&self) -> impl Iterator<Item = &'a SnapshotBan> {
        let now = self.now;
        let in_force = move |until: UnixMs| until > now;
        self.members.snapshot().bans.iter().filter(move |ban| ban.until_ms.is_none_or(in_force))
    }

    fn ensure_owner_without(&self, user: &UserId) -> Result<(), Refusal> {
        let is_owner = |m: &&SnapshotMember| m.role == Role::Owner;
        let mut owners = self.members.snapshot().members.iter().filter(is_owner);
        match self.role_of(user) == Role::Owner && !owners.any(|m| m.user_id != *user) {
            true => Err(Refusal::new(Code::LastOwner, "the room would have no owner: hand it over first")),
            false => Ok(()),
        }
    }

    fn settings(&self) -> Settings {
        let room = self.members.snapshot();
        Settings {
            name: room.name.clone(),
            topic: room.topic.clone(),
            archived: room.archived,
            history_visibility: room.history_visibility,
            room_mention: room.room_mention,
            slow_mode_s: room.slow_mode_s,
        }
    }

    // --- The changes --------------------------------------------------------------------------------

    fn add_members(&mut self, users: &[UserId]) -> Result<(), Refusal> {
        self.authorize(Action::AddPeople)?;
        self.members.ensure_not_archived()?;
        if users.iter().any(|user| self.is_banned(user)) {
            return Err(Refusal::new(Code::Banned, "somebody of these is banned from the room"));
        }
        for user in users {
            let known = |put: &MemberPut| put.user_id == *user;
            if self.member(user).is_ok() || self.set.put.iter().any(known) {
                continue;
            }
            self.set.put.push(MemberPut {
                user_id: user.clone(),
                role: Role::Member,
                joined_seq: self.head,
                silenced_until_ms: None,
            });
            self.note(AuditAction::Add, Some(user), None);
        }
        if self.members.count().saturating_add(self.set.put.len()) > GROUP_MEMBERS_MAX {
            return Err(Refusal::invalid("userIds", &format!("more than {GROUP_MEMBERS_MAX} people")));
        }
        Ok(())
    }

    fn remove_member(&mut self, user: &UserId) -> Result<(), Refusal> {
        self.authorize(Action::RemovePerson { target: self.role_of(user) })?;
        self.member(user)?;
        self.end_membership(user)?;
        self.note(AuditAction::Remove, Some(user), None);
        Ok(())
    }

    fn leave(&mut self) -> Result<(), Refusal> {
        let user = &self.caller.user;
        self.authorize(Action::Leave)?;
        self.end_membership(user)?;
        self.note(AuditAction::Remove, Some(user), None);
        Ok(())
    }

    fn set_role(&mut self, user: &UserId, to: Role) -> Result<(), Refusal> {
        let target = self.role_of(user);
        if *user == self.caller.user && target == Role::Owner {
            // An owner who stays one changes nothing; one who steps down needs another.
            self.authorize(Action::SetRole { target: Role::Member, to: Role::Member })?;
            if to != Role::Owner {
                self.ensure_owner_without(user)?;
            }
        } else {
            self.authorize(Action::SetRole { target, to })?;
        }
        let member = self.member(user)?;
        if target == to {
            return Ok(());
        }
        self.put(member, |m| m.role = to);
        self.note(AuditAction::Role, Some(user), Some(to.name().to_owned()));
        // There is one owner: handing the room over makes the previous one an admin.
        if to == Role::Owner {
            let previous = self.member(&self.caller.user)?;
            self.put(previous, |m| m.role = Role::Admin);
            self.note(AuditAction::Role, Some(&previous.user_id), Some(Role::Admin.name().to_owned()));
        }
        Ok(())
    }

    fn change_settings(&mut self, patch: &Patch) -> Result<(), Refusal> {
        self.authorize(Action::ChangeRoom)?;
        let before = self.settings();
        let mut after = before.clone();
        let text = |text: &String| (!text.is_empty()).then(|| text.clone());
        if let Some(name) = &patch.name {
            after.name = text(name);
        }
        if let Some(topic) = &patch.topic {
            after.topic = text(topic);
        }
        after.archived = patch.archived.unwrap_or(before.archived);
        after.history_visibility = patch.history_visibility.unwrap_or(before.history_visibility);
        after.room_mention = patch.room_mention.unwrap_or(before.room_mention);
        let changed = [
            ("name", before.name != after.name),
            ("topic", before.topic != after.topic),
            ("archived", before.archived != after.archived),
            ("historyVisibility", before.history_visibility != after.history_visibility),
            ("roomMention", before.room_mention != after.room_mention),
        ];
        let names: Vec<&str> =
            changed.iter().filter(|(_, changed)| *changed).map(|(name, _)| *name).collect();
        if names.is_empty() {
            return Ok(());
        }
        // An archived room accepts no other change than `archived: false` (ROOM-6).
        if before.archived && after.archived {
            self.members.ensure_not_archived()?;
        }
        self.set.settings = Some(after);
        self.note(AuditAction::Settings, None, Some(names.join(", ")));
        Ok(())
    }

    fn set_slow_mode(&mut self, seconds: u32) -> Result<(), Refusal> {
        self.authorize(Action::SetSlowMode)?;
        let before = self.settings();
        if before.slow_mode_s != seconds {
            self.set.settings = Some(Settings { slow_mode_s: seconds, ..before });
            self.note(AuditAction::SlowMode, None, Some(seconds.to_string()));
        }
        Ok(())
    }

    /// # Takes  `until_ms`: `None` ends the mute.
    fn set_mute(&mut self, user: &UserId, until_ms: Option<UnixMs>) -> Result<(), Refusal> {
        let member = self.member(user)?;
        refuse_past(until_ms, self.now)?;
        if member.silenced_until_ms == until_ms {
            return Ok(());
        }
        self.put(member, |m| m.silenced_until_ms = until_ms);
        match until_ms {
            Some(until) => self.note(AuditAction::Mute, Some(user), (until < FOREVER_MS).then(|| iso(until))),
            None => self.note(AuditAction::Unmute, Some(user), None),
        }
        Ok(())
    }

    fn ban(
        &mut self,
        user: &UserId,
        until_ms: Option<UnixMs>,
        reason: Option<String>,
    ) -> Result<(), Refusal> {
        if *user == self.caller.user {
            return Err(Refusal::new(Code::Forbidden, "nobody bans themselves: leave"));
        }
        refuse_past(until_ms, self.now)?;
        if !self.is_banned(user) && self.bans().count() >= BANS_MAX {
            return Err(Refusal::invalid("userId", &format!("more than {BANS_MAX} bans in one room")));
        }
        if self.member(user).is_ok() {
            self.end_membership(user)?;
        }
        self.set.bans.push(BanPut {
            user_id: user.clone(),
            banned_by: self.caller.user.clone(),
            until_ms,
            reason: reason.clone(),
        });
        self.note(AuditAction::Ban, Some(user), reason);
        Ok(())
    }

    fn unban(&mut self, user: &UserId) -> Result<(), Refusal> {
        self.authorize(Action::Ban { target: self.role_of(user) })?;
        if self.is_banned(user) {
            self.set.unbanned.push(user.clone());
            self.note(AuditAction::Unban, Some(user), None);
        }
        Ok(())
    }

    /// Written in any case: the copy may be old, as these settings make no version.
    fn set_notify(&mut self, level: NotifyLevel, snoozed_until_ms: Option<UnixMs>) -> Result<(), Refusal> {
        self.authorize(Action::Read)?;
        let user_id = self.caller.user.clone();
        self.set.notify.push(NotifyPut { user_id, level, notifications_snoozed_until_ms: snoozed_until_ms });
        Ok(())
    }
}

/// The id of the `nth` audit entry of a request.
pub(super) fn audit_id(request: &str, nth: usize) -> String {
    format!("{request}.{nth}")
}

fn refuse_past(until_ms: Option<UnixMs>, now: UnixMs) -> Result<(), Refusal> {
    match until_ms.is_some_and(|until| until <= now) {
        true => Err(Refusal::invalid("until", "has passed already")),
        false => Ok(()),
    }
}
