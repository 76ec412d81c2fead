//! Changes of the room that wait for Postgres, planned together: each as if those before it were already made, all in one
//! statement. Not here: what one change writes (`admin_plan`), and the queue (`object`).

use super::Room;
use super::admin_changes::{AdminChange, AskedChange};
use super::admin_plan::{Basis, audit_id, empty_set, plan_change};
use super::members::Members;
use crate::auth::Identity;
use crate::db::{ChangeSet, SnapshotChange, SnapshotMember};
use crate::error::Refusal;
use crate::ids::{UnixMs, UserId, iso};
use crate::limits::CHANGE_PEOPLE_MAX;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// A plan for the first of the changes that wait.
pub struct ChangeBatch {
    /// What Postgres must write; `None` when nothing changes.
    pub set: Option<ChangeSet>,
    /// For each change of the plan whether its caller may do it. All of these hold only if the set is written.
    pub verdicts: Vec<Result<(), Refusal>>,
}

impl Room {
    /// Plans as many of the first changes as one statement can write. A person, and the settings, are changed once a
    /// statement at most, so that each change has its event; a deletion is a statement of its own.
    pub fn plan_changes<'a>(
        &self,
        asked: impl IntoIterator<Item = &'a AskedChange>,
        now: UnixMs,
    ) -> ChangeBatch {
        let rooms_per_person = self.limits.rooms_per_person;
        let basis = Basis { head: self.log.head(), now, moderator: &self.moderator, rooms_per_person };
        let mut batch = Planner::new(&self.members, rooms_per_person);
        for asked in asked {
            if !batch.add(asked, basis) {
                break;
            }
        }
        ChangeBatch { set: batch.writes.then_some(batch.set), verdicts: batch.verdicts }
    }

    /// Whether the request `id` was carried out although its answer was lost: the newest changes in Postgres say so.
    pub fn knows_of(changes: &[SnapshotChange], id: &str) -> bool {
        let first = audit_id(id, 0);
        changes.iter().any(|change| change.id == first)
    }

    /// The answer to the caller once the change is in force.
    ///
    /// # Errors  room_not_found → the caller's own settings, while somebody else ended the membership.
    pub fn answer_to(&self, caller: &Identity, change: &AdminChange) -> Result<Value, Refusal> {
        let member = |user: &UserId| self.members.member(user.as_str()).map(member_object);
        Ok(match change {
            AdminChange::Add { users } => {
                json!({"members": users.iter().filter_map(member).collect::<Vec<_>>()})
            }
            AdminChange::SetRole { user, .. } => json!({"member": member(user)}),
            AdminChange::Remove { user }
            | AdminChange::Unmute { user }
            | AdminChange::Unban { user }
            | AdminChange::MuteReported { user }
            | AdminChange::BanReported { user, .. } => {
                json!({"userId": user})
            }
            AdminChange::Mute { user, until_ms } => json!({"userId": user, "until": until_ms.map(iso)}),
            AdminChange::Ban { user, until_ms, reason } => {
                json!({"userId": user, "until": until_ms.map(iso), "reason": reason})
            }
            AdminChange::SlowMode { seconds } => json!({"seconds": seconds}),
            AdminChange::Notify { .. } => {
                self.admit(caller)?;
                self.members.notify_settings(caller.user.as_str())
            }
            AdminChange::Settings(_) => json!({"room": self.members.room_object()}),
            AdminChange::Leave | AdminChange::Delete => json!({"roomId": self.members.room()}),
        })
    }
}

/// A batch that is being planned.
struct Planner {
    /// The members as they are once the set is written.
    members: Members,
    set: ChangeSet,
    writes: bool,
    verdicts: Vec<Result<(), Refusal>>,
    /// Whom the set changes.
    touched: BTreeSet<String>,
}

impl Planner {
    fn new(members: &Members, rooms_per_person: u64) -> Self {
        Self {
            members: members.clone(),
            set: empty_set(members, rooms_per_person),
            writes: false,
            verdicts: Vec::new(),
            touched: BTreeSet::new(),
        }
    }

    /// Plans one more change; false: it belongs to the next statement.
    fn add(&mut self, asked: &AskedChange, basis: Basis) -> bool {
        let planned = match plan_change(&self.members, basis, asked) {
            Ok(planned) => planned,
            Err(refusal) => {
                self.verdicts.push(Err(refusal));
                return true;
            }
        };
        let people = people_of(&planned);
        let is_full = self.touched.len().saturating_add(people.len()) > CHANGE_PEOPLE_MAX;
        let has_settings = planned.settings.is_some() && self.set.settings.is_some();
        let is_touched = people.iter().any(|user| self.touched.contains(user));
        let is_apart = planned.delete || is_full || has_settings || is_touched;
        let fits = !(self.set.delete || self.writes && is_apart);
        if fits {
            self.writes |= !people.is_empty() || planned.settings.is_some() || planned.delete;
            self.members.foresee(&planned);
            self.touched.extend(people);
            merge(&mut self.set, planned);
            self.verdicts.push(Ok(()));
        }
        fits
    }
}

/// Everybody whom a set changes.
fn people_of(set: &ChangeSet) -> BTreeSet<String> {
    let put = set.put.iter().map(|put| &put.user_id);
    let bans = set.bans.iter().map(|ban| &ban.user_id);
    let own = set.notify.iter().map(|own| &own.user_id);
    put.chain(bans).chain(own).chain(&set.gone).chain(&set.unbanned).map(UserId::to_string).collect()
}

/// Adds what another change writes.
fn merge(set: &mut ChangeSet, other: ChangeSet) {
    let ChangeSet { put, gone, settings, bans, unbanned, audit, notify, delete, .. } = other;
    set.put.extend(put);
    set.gone.extend(gone);
    set.settings = settings.or(set.settings.take());
    set.bans.extend(bans);
    set.unbanned.extend(unbanned);
    set.audit.extend(audit);
    set.notify.extend(notify);
    set.delete |= delete;
}

/// A member as REST shows it.
fn member_object(member: &SnapshotMember) -> Value {
    json!({"userId": member.user_id, "role": member.role, "joinedAt": iso(member.joined_at_ms)})
}
