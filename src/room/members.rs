//! Who may do what in the room, and what it knows of itself and its people: a copy of what Postgres last told.
//! Not here: the table of permissions (`auth`), and asking Postgres (`shell`).

use super::Room;
use super::connection::{Connection, ConnectionId};
use super::store::{self, StateRow, Store};
use crate::auth::{self, Action, Identity, Role};
use crate::db::{Marker, RoomSnapshot, SnapshotMember};
use crate::error::{Code, Refusal};
use crate::ids::{Seq, UnixMs};
use crate::limits::RECEIPTS_MEMBERS_MAX;
use crate::mutants::{Mutant, is};
use crate::protocol::server::CloseCode;
use serde_json::{Value, json};

impl Room {
    /// The effective role here; `None` for one who isn't a member.
    pub(super) fn role(&self, who: &Identity) -> Option<Role> {
        let role = *self.members.get(who.user.as_str())?;
        Some(auth::effective_role(role, who.tenant_role))
    }

    pub(super) fn authorize(&self, who: &Identity, action: Action) -> Result<(), Refusal> {
        let same_tenant = who.tenant.as_str() == self.room_tenant();
        let role = self.role(who).filter(|_| same_tenant);
        auth::authorize(role, who.tenant_role.filter(|_| same_tenant), action)
    }

    pub(super) fn unarchived(&self) -> Result<(), Refusal> {
        match self.facts.snapshot.archived {
            true => Err(Refusal::new(Code::Archived, "the room is archived")),
            false => Ok(()),
        }
    }

    pub(super) fn room_tenant(&self) -> &str {
        self.facts.tenant.as_str()
    }

    pub(super) fn room_id(&self) -> &str {
        self.facts.id.as_str()
    }

    pub(super) fn shares_receipts(&self) -> bool {
        self.members.len() <= RECEIPTS_MEMBERS_MAX
    }

    pub(super) fn notify(&self, user: &str) -> Value {
        let member = self.facts.snapshot.members.iter().find(|m| m.user_id.as_str() == user);
        let level = member.map_or("all", |m| m.notify.level.as_str());
        let mute_until = member.and_then(|m| m.notify.mute_until_ms).map(crate::ids::iso);
        json!({"level": level, "muteUntil": mute_until})
    }

    /// Moves a person's marker forward; true when it moved.
    pub(super) fn mark_read(&mut self, user: &str, seq: Seq) -> bool {
        let moved = self.reads.advance(user, seq);
        if moved {
            self.connections.values_mut().filter(|c| c.user() == user).for_each(|c| c.changed = true);
        }
        moved
    }

    /// Somebody has read up to here, and says so on this connection or over REST.
    pub(super) fn reads_to(
        &mut self,
        who: &Identity,
        by: Option<ConnectionId>,
        seq: Seq,
        now: UnixMs,
    ) -> Result<(), Refusal> {
        self.authorize(who, Action::Read)?;
        let user = who.user.as_str();
        let other_tabs = self.presence.sockets(user) > u32::from(by.is_some());
        if self.mark_read(user, seq.min(self.head)) && (self.shares_receipts() || other_tabs) {
            self.reads.tell(user, false, now);
        }
        Ok(())
    }

    /// From `seq` on everything is to be unread again: their own tabs hear of it, others need not know.
    pub(super) fn unreads(&mut self, who: &Identity, seq: Seq, now: UnixMs) -> Result<(), Refusal> {
        self.authorize(who, Action::Read)?;
        let user = who.user.as_str();
        if self.reads.set_back(user, seq.saturating_sub(1)) {
            self.connections.values_mut().filter(|c| c.user() == user).for_each(|c| c.changed = true);
            self.reads.tell(user, true, now);
        }
        Ok(())
    }

    pub(super) fn learn_members(&mut self) {
        let role = |m: &SnapshotMember| {
            (m.user_id.as_str().to_owned(), Role::from_name(&m.role).unwrap_or(Role::Member))
        };
        self.members = self.facts.snapshot.members.iter().map(role).collect();
        for member in &self.facts.snapshot.members {
            let marker = Marker { generation: member.read_generation, seq: member.last_read_seq };
            self.reads.learn(member.user_id.as_str(), marker);
        }
    }

    /// Takes over what Postgres says of the room: those who are members no more are closed.
    pub(super) fn refreshed(
        &mut self,
        store: &Store,
        snapshot: Option<RoomSnapshot>,
        now: UnixMs,
    ) -> store::Result<()> {
        let Some(snapshot) = snapshot else {
            let all: Vec<_> = self.connections.keys().copied().collect();
            all.into_iter().for_each(|id| self.close(id, CloseCode::RoomGone, now));
            self.members.clear();
            return Ok(());
        };
        if snapshot.members_version < self.facts.snapshot.members_version
            || is(Mutant::MembershipNeverRefreshed)
        {
            return Ok(());
        }
        self.facts.snapshot = snapshot;
        store.set_state(StateRow::Room, serde_json::to_string(&self.facts).unwrap_or_default())?;
        self.learn_members();
        let removed = |c: &&Connection| !self.members.contains_key(c.user());
        let removed: Vec<_> = self.connections.values().filter(removed).map(|c| c.kept.id).collect();
        removed.into_iter().for_each(|id| self.close(id, CloseCode::Removed, now));
        Ok(())
    }
}
