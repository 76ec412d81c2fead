//! Changes of who is in the room and what it is set to: what somebody asks for becomes what Postgres is to write, decided
//! over the room's copy of its people. Whether the copy was current, Postgres says, and then it is planned anew.
//! Not here: the table of permissions (`auth`), the statement (`db`), and what follows for the room (`members`).

use super::Room;
use super::members::room_shown;
use crate::auth::{Action, Identity, Role, is_membership_change};
use crate::db::{AuditRow, BanPut, ChangeSet, MemberPut, Settings, SnapshotBan, SnapshotMember};
use crate::error::{Code, Refusal};
use crate::ids::{UnixMs, UserId, iso};
use crate::limits::{BANS_MAX, FOREVER_MS, GROUP_MEMBERS_MAX};
use crate::mutants::{Mutant, is};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What the Worker asks of a room on somebody's behalf that changes its row or its people.
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
    /// One's own notification settings.
    Notify {
        level: String,
        #[serde(rename = "muteUntilMs")]
        notifications_snoozed_until_ms: Option<UnixMs>,
    },
}

/// What of the room is to change; an empty text takes name or topic away.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Patch {
    pub name: Option<String>,
    pub topic: Option<String>,
    pub archived: Option<bool>,
    pub history_visibility: Option<String>,
    pub room_mention: Option<String>,
}

/// A plan in the making.
struct Draft<'a> {
    set: ChangeSet,
    /// Of the change: what the ids of its audit entries begin with.
    id: &'a str,
    caller: &'a Identity,
    now: UnixMs,
}

impl Draft<'_> {
    fn note(&mut self, action: &str, target: Option<&UserId>, reason: Option<String>) {
        self.set.audit.push(AuditRow {
            id: audit_id(self.id, self.set.audit.len()),
            at_ms: self.now,
            actor: self.caller.user.to_string(),
            action: action.to_owned(),
            target: target.map(UserId::to_string),
            reason,
        });
    }

    fn put(&mut self, member: &SnapshotMember, change: impl FnOnce(&mut MemberPut)) {
        let mut put = MemberPut {
            user_id: member.user_id.clone(),
            role: member.role.clone(),
            joined_seq: member.joined_seq,
            notify_level: member.notify.level.clone(),
            notifications_snoozed_until_ms: member.notify.notifications_snoozed_until_ms,
            silenced_until_ms: member.silenced_until_ms,
        };
        change(&mut put);
        self.set.put.push(put);
    }
}

fn audit_id(change: &str, nth: usize) -> String {
    format!("{change}.{nth}")
}

impl Room {
    /// What Postgres is to write for this change; `None` when everything is so already.
    ///
    /// # Takes   `id`: of this asking, the same when it is planned again.
    /// # Errors  what the one who asks is told; nothing happened.
    pub fn plan(
        &self,
        caller: &Identity,
        change: &AdminChange,
        now: UnixMs,
        id: &str,
    ) -> Result<Option<ChangeSet>, Refusal> {
        let set = ChangeSet {
            tenant: self.info.tenant.clone(),
            room: self.info.id.clone(),
            version: self.members_version(),
            put: Vec::new(),
            gone: Vec::new(),
            settings: None,
            bans: Vec::new(),
            unbanned: Vec::new(),
            audit: Vec::new(),
            delete: false,
        };
        let mut draft = Draft { set, id, caller, now };
        match change {
            AdminChange::Add { users } => self.plan_add(&mut draft, users)?,
            AdminChange::Remove { user } if *user == caller.user => self.plan_leave(&mut draft)?,
            AdminChange::Remove { user } => self.plan_remove(&mut draft, user)?,
            AdminChange::Leave => self.plan_leave(&mut draft)?,
            AdminChange::SetRole { user, role } => self.plan_role(&mut draft, user, *role)?,
            AdminChange::Settings(patch) => self.plan_settings(&mut draft, patch)?,
            AdminChange::Delete => {
                self.may_change(caller, Action::DeleteRoom)?;
                draft.set.delete = true;
            }
            AdminChange::Mute { user, until_ms } => {
                let until_ms = until_ms.unwrap_or(FOREVER_MS).min(FOREVER_MS);
                self.plan_mute(&mut draft, user, Some(until_ms))?;
            }
            AdminChange::Unmute { user } => self.plan_mute(&mut draft, user, None)?,
            AdminChange::Ban { user, until_ms, reason } => {
                self.plan_ban(&mut draft, user, *until_ms, reason.clone())?;
            }
            AdminChange::Unban { user } => self.plan_unban(&mut draft, user)?,
            AdminChange::SlowMode { seconds } => self.plan_slow_mode(&mut draft, *seconds)?,
            AdminChange::Notify { level, notifications_snoozed_until_ms } => {
                self.authorize(caller, Action::Read)?;
                let member = self.member(&caller.user)?;
                if (&member.notify.level, member.notify.notifications_snoozed_until_ms)
                    != (level, *notifications_snoozed_until_ms)
                {
                    draft.put(member, |m| {
                        (m.notify_level, m.notifications_snoozed_until_ms) =
                            (level.clone(), *notifications_snoozed_until_ms);
                    });
                }
            }
        }
        let set = draft.set;
        let nothing = set.put.is_empty() && set.audit.is_empty() && !set.delete;
        Ok((!nothing).then_some(set))
    }

    /// Whether the room knows that this asking was carried out: its answer may have been lost.
    pub fn knows_of(changes: &[crate::db::SnapshotChange], id: &str) -> bool {
        let first = audit_id(id, 0);
        changes.iter().any(|change| change.id == first)
    }

    /// What the one who asked is told, once it is in force.
    pub fn answer_to(&self, caller: &Identity, change: &AdminChange) -> Value {
        let member = |user: &UserId| self.member(user).ok().map(shown);
        match change {
            AdminChange::Add { users } => {
                json!({"members": users.iter().filter_map(member).collect::<Vec<_>>()})
            }
            AdminChange::SetRole { user, .. } => json!({"member": member(user)}),
            AdminChange::Remove { user } | AdminChange::Unmute { user } | AdminChange::Unban { user } => {
                json!({"userId": user})
            }
            AdminChange::Mute { user, until_ms } => json!({"userId": user, "until": until_ms.map(iso)}),
            AdminChange::Ban { user, until_ms, reason } => {
                json!({"userId": user, "until": until_ms.map(iso), "reason": reason})
            }
            AdminChange::SlowMode { seconds } => json!({"seconds": seconds}),
            AdminChange::Notify { .. } => self.notify(caller.user.as_str()),
            AdminChange::Settings(_) => json!({"room": room_shown(&self.info)}),
            AdminChange::Leave | AdminChange::Delete => json!({"roomId": self.room_id()}),
        }
    }

    /// Of two people none has power over the other, so a direct room stays as it is.
    fn may_change(&self, caller: &Identity, action: Action) -> Result<(), Refusal> {
        self.authorize(caller, action).and_then(|()| {
            let fixed = is_membership_change(action)
                || matches!(action, Action::Mute { .. } | Action::Ban { .. } | Action::SetSlowMode);
            match fixed && self.info.snapshot.kind == "direct" {
                true => Err(Refusal::new(Code::Forbidden, "the people of a direct room are fixed")),
                false => Ok(()),
            }
        })
    }

    fn member(&self, user: &UserId) -> Result<&SnapshotMember, Refusal> {
        let found = self.info.snapshot.members.iter().find(|m| m.user_id == *user);
        found.ok_or_else(|| Refusal::new(Code::MemberNotFound, "there is no such member"))
    }

    /// Of somebody who isn't there that of a member: what may be done to them is no more.
    fn role_of(&self, user: &UserId) -> Role {
        self.members.get(user.as_str()).copied().unwrap_or(Role::Member)
    }

    fn is_banned(&self, user: &UserId, now: UnixMs) -> bool {
        self.bans(now).any(|ban| ban.user_id == *user)
    }

    /// Those in force: some may have ended since they were learnt.
    fn bans(&self, now: UnixMs) -> impl Iterator<Item = &SnapshotBan> {
        let in_force = move |until: UnixMs| until > now || is(Mutant::BanWithoutEnd);
        self.info.snapshot.bans.iter().filter(move |ban| ban.until_ms.is_none_or(in_force))
    }

    fn plan_add(&self, draft: &mut Draft, users: &[UserId]) -> Result<(), Refusal> {
        self.may_change(draft.caller, Action::AddPeople)?;
        self.ensure_not_archived()?;
        if !is(Mutant::BannedCanBeAdded) && users.iter().any(|user| self.is_banned(user, draft.now)) {
            return Err(Refusal::new(Code::Banned, "somebody of these is banned from the room"));
        }
        for user in users {
            let known = |put: &MemberPut| put.user_id == *user;
            if self.member(user).is_ok() || draft.set.put.iter().any(known) {
                continue;
            }
            draft.set.put.push(MemberPut {
                user_id: user.clone(),
                role: Role::Member.name().to_owned(),
                joined_seq: self.head,
                notify_level: "all".to_owned(),
                notifications_snoozed_until_ms: None,
                silenced_until_ms: None,
            });
            draft.note("add", Some(user), None);
        }
        if self.members.len().saturating_add(draft.set.put.len()) > GROUP_MEMBERS_MAX {
            return Err(Refusal::invalid("userIds", &format!("more than {GROUP_MEMBERS_MAX} people")));
        }
        Ok(())
    }

    fn plan_remove(&self, draft: &mut Draft, user: &UserId) -> Result<(), Refusal> {
        self.may_change(draft.caller, Action::RemovePerson { target: self.role_of(user) })?;
        self.member(user)?;
        self.plan_end(draft, user)?;
        draft.note("remove", Some(user), None);
        Ok(())
    }

    fn plan_leave(&self, draft: &mut Draft) -> Result<(), Refusal> {
        let user = &draft.caller.user;
        self.may_change(draft.caller, Action::Leave)?;
        self.plan_end(draft, user)?;
        draft.note("remove", Some(user), None);
        Ok(())
    }

    /// A membership ends, unless the room would be left without an owner.
    fn plan_end(&self, draft: &mut Draft, user: &UserId) -> Result<(), Refusal> {
        self.keeps_an_owner(user)?;
        draft.set.gone.push(user.clone());
        Ok(())
    }

    fn keeps_an_owner(&self, without: &UserId) -> Result<(), Refusal> {
        let owns = |m: &&SnapshotMember| m.role == Role::Owner.name();
        let mut owners = self.info.snapshot.members.iter().filter(owns);
        match self.role_of(without) == Role::Owner && !owners.any(|m| m.user_id != *without) {
            true => Err(Refusal::new(Code::LastOwner, "the room would have no owner: hand it over first")),
            false => Ok(()),
        }
    }

    fn plan_role(&self, draft: &mut Draft, user: &UserId, to: Role) -> Result<(), Refusal> {
        let target = self.role_of(user);
        if *user == draft.caller.user && target == Role::Owner {
            // An owner who stays one changes nothing; one who steps down needs another.
            self.may_change(draft.caller, Action::SetRole { target: Role::Member, to: Role::Member })?;
            if to != Role::Owner {
                self.keeps_an_owner(user)?;
            }
        } else {
            self.may_change(draft.caller, Action::SetRole { target, to })?;
        }
        let member = self.member(user)?;
        if target == to {
            return Ok(());
        }
        draft.put(member, |m| m.role = to.name().to_owned());
        draft.note("role", Some(user), Some(to.name().to_owned()));
        // Handing the room over: there is one owner.
        if to == Role::Owner {
            let me = self.member(&draft.caller.user)?;
            draft.put(me, |m| m.role = Role::Admin.name().to_owned());
            draft.note("role", Some(&me.user_id), Some(Role::Admin.name().to_owned()));
        }
        Ok(())
    }

    fn settings(&self) -> Settings {
        let now = &self.info.snapshot;
        Settings {
            name: now.name.clone(),
            topic: now.topic.clone(),
            archived: now.archived,
            history_visibility: now.history_visibility.clone(),
            room_mention: now.room_mention.clone(),
            slow_mode_s: now.slow_mode_s,
        }
    }

    fn plan_settings(&self, draft: &mut Draft, patch: &Patch) -> Result<(), Refusal> {
        self.may_change(draft.caller, Action::ChangeRoom)?;
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
        let given = |value: &Option<String>, before: &String| value.as_ref().unwrap_or(before).clone();
        after.history_visibility = given(&patch.history_visibility, &before.history_visibility);
        after.room_mention = given(&patch.room_mention, &before.room_mention);
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
        // What stays archived stays as it is.
        if before.archived && after.archived {
            self.ensure_not_archived()?;
        }
        draft.set.settings = Some(after);
        draft.note("settings", None, Some(names.join(", ")));
        Ok(())
    }

    fn plan_slow_mode(&self, draft: &mut Draft, seconds: u32) -> Result<(), Refusal> {
        self.may_change(draft.caller, Action::SetSlowMode)?;
        let before = self.settings();
        if before.slow_mode_s != seconds {
            draft.set.settings = Some(Settings { slow_mode_s: seconds, ..before });
            draft.note("slow_mode", None, Some(seconds.to_string()));
        }
        Ok(())
    }

    /// # Takes  `until_ms`: `None` ends the mute.
    fn plan_mute(&self, draft: &mut Draft, user: &UserId, until_ms: Option<UnixMs>) -> Result<(), Refusal> {
        self.may_change(draft.caller, Action::Mute { target: self.role_of(user) })?;
        let member = self.member(user)?;
        refuse_past(until_ms, draft.now)?;
        if member.silenced_until_ms == until_ms {
            return Ok(());
        }
        draft.put(member, |m| m.silenced_until_ms = until_ms);
        match until_ms {
            Some(until) => draft.note("mute", Some(user), (until < FOREVER_MS).then(|| iso(until))),
            None => draft.note("unmute", Some(user), None),
        }
        Ok(())
    }

    fn plan_ban(
        &self,
        draft: &mut Draft,
        user: &UserId,
        until_ms: Option<UnixMs>,
        reason: Option<String>,
    ) -> Result<(), Refusal> {
        self.may_change(draft.caller, Action::Ban { target: self.role_of(user) })?;
        if *user == draft.caller.user {
            return Err(Refusal::new(Code::Forbidden, "nobody bans themselves: leave"));
        }
        refuse_past(until_ms, draft.now)?;
        if !self.is_banned(user, draft.now) && self.bans(draft.now).count() >= BANS_MAX {
            return Err(Refusal::invalid("userId", &format!("more than {BANS_MAX} bans in one room")));
        }
        if self.member(user).is_ok() {
            self.plan_end(draft, user)?;
        }
        draft.set.bans.push(BanPut { user_id: user.clone(), until_ms, reason: reason.clone() });
        draft.note("ban", Some(user), reason);
        Ok(())
    }

    fn plan_unban(&self, draft: &mut Draft, user: &UserId) -> Result<(), Refusal> {
        self.may_change(draft.caller, Action::Ban { target: self.role_of(user) })?;
        if self.is_banned(user, draft.now) {
            draft.set.unbanned.push(user.clone());
            draft.note("unban", Some(user), None);
        }
        Ok(())
    }
}

fn refuse_past(until_ms: Option<UnixMs>, now: UnixMs) -> Result<(), Refusal> {
    match until_ms.is_some_and(|until| until <= now) {
        true => Err(Refusal::invalid("until", "has passed already")),
        false => Ok(()),
    }
}

/// A member as REST shows one.
fn shown(member: &SnapshotMember) -> Value {
    json!({"userId": member.user_id, "role": member.role, "joinedAt": iso(member.joined_at_ms)})
}
