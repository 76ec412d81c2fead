//! Whether the person is here, as others see it, and when that is written; and the person's direct partners, whose
//! presence and profiles the devices show. Postgres has the truth of both, like that of the list.
//! Not here: the statement (`db`), poking partners (`object`), and who is online in a room (`room::presence`).

use super::Inbox;
use super::input::{Effect, OwnWrite};
use super::log::{Logged, Shown};
use super::store::{Confirmed, Store, Touched};
use crate::ids::{RoomId, UnixMs, UserId};
use crate::limits::*;
use crate::protocol::client::digest;
use crate::protocol::inbox::{self, Presence};
use crate::room::ConnectionId;
use crate::room::store::Result;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

pub struct OwnPresence {
    pub confirmed: Confirmed,
    /// The last activity on a device that is closed now.
    active_ms: UnixMs,
    /// When the last socket was closed, as far as this memory knows.
    left_at: Option<UnixMs>,
    /// What is to be written.
    due: Option<Presence>,
    /// It is not written before this.
    next_at: UnixMs,
}

impl OwnPresence {
    pub fn new(confirmed: Confirmed) -> Self {
        Self { confirmed, active_ms: 0, left_at: None, due: None, next_at: 0 }
    }

    /// When it is to be written, if it is.
    pub fn due_at(&self) -> Option<UnixMs> {
        self.due.map(|_| self.next_at)
    }

    fn grace_ends_at(&self) -> Option<UnixMs> {
        self.left_at.map(|at| at.saturating_add(LEAVE_GRACE_MS))
    }
}

impl Inbox {
    /// What others should see now. Within the grace nothing changes.
    fn presence(&self, now: UnixMs) -> Presence {
        if self.is_open() {
            return if now < self.away_at() { Presence::Online } else { Presence::Away };
        }
        match self.own.grace_ends_at() {
            Some(ends_at) if now < ends_at => self.own.confirmed.presence,
            _ => Presence::Offline,
        }
    }

    fn away_at(&self) -> UnixMs {
        let of_sockets = self.connections.iter().map(|state| state.active_ms);
        let last_ms = of_sockets.max().unwrap_or_default().max(self.own.active_ms);
        last_ms.saturating_add(AWAY_AFTER_MS)
    }

    /// Whether the person's presence has to be written is known after each input.
    pub(super) fn note_presence(&mut self, now: UnixMs) {
        let presence = self.presence(now);
        self.own.due = (presence != self.own.confirmed.presence).then_some(presence);
    }

    /// The person has done something on this device, or says that they do nothing any more.
    pub(super) fn mark_active(&mut self, id: ConnectionId, is_active: bool, now: UnixMs) {
        let before = self.presence(now);
        if !is_active {
            self.own.active_ms = 0;
        }
        self.connections.mark_active(id, if is_active { now } else { 0 });
        // Who was online has an alarm already.
        if before != Presence::Online && is_active {
            self.set_alarm(now);
        }
    }

    /// The socket is no longer one of the inbox's; what was done there still counts.
    pub(super) fn remove_connection(&mut self, id: ConnectionId) -> bool {
        let state = self.connections.remove(id);
        if let Some(state) = &state {
            self.own.active_ms = self.own.active_ms.max(state.active_ms);
        }
        state.is_some()
    }

    /// Somebody has connected.
    pub(super) fn arrive(&mut self, now: UnixMs, lease_was_running: bool) {
        self.own.left_at = None;
        let in_ms = if lease_was_running { INBOX_RENEW_MS } else { INBOX_SETTLE_MS };
        self.own.confirmed.renew_at = now.saturating_add(in_ms);
        self.set_alarm(now);
    }

    /// Others see this. If it is not what was confirmed, a lease has ended or an answer was lost: it is written again,
    /// and the partners are poked again.
    pub(super) fn check_presence(&mut self, shown: Option<Presence>) {
        if shown.is_some_and(|shown| shown != self.own.confirmed.presence) {
            self.own.confirmed.presence = Presence::Offline;
        }
    }

    /// The last socket was closed: the grace begins.
    pub(super) fn leave(&mut self, now: UnixMs) {
        if self.own.left_at.is_none() {
            self.own.left_at = Some(now);
            self.set_alarm(now);
        }
    }

    /// Whether nobody is here, and the grace is over.
    pub(super) fn has_left(&self, now: UnixMs) -> bool {
        !self.is_open() && self.own.grace_ends_at().is_none_or(|ends_at| now >= ends_at)
    }

    /// The alarm comes when the next thing is due: a renewal, `away`, the end of the grace.
    pub(super) fn set_alarm(&mut self, now: UnixMs) {
        let next = match self.is_open() {
            true => [Some(self.own.confirmed.renew_at), Some(self.away_at())],
            false => [self.own.grace_ends_at(), None],
        };
        if let Some(at) = next.into_iter().flatten().filter(|at| *at > now).min() {
            self.effects.push(Effect::Alarm(at.max(now.saturating_add(ALARM_MIN_MS))));
        }
    }

    /// What is to be written now, and whom the statement must name. It is not written again soon, whoever asks for it.
    pub(super) fn take_presence(&mut self, now: UnixMs) -> Option<OwnWrite> {
        let presence = self.own.due.filter(|_| self.own.next_at <= now)?;
        self.own.next_at = now.saturating_add(PRESENCE_EVERY_MS);
        Some(OwnWrite { presence, partners: self.partners() })
    }

    /// The write had no answer. Whoever is gone is offline in any case once the lease has ended.
    pub(super) fn put_presence_back(&mut self, now: UnixMs) {
        self.own.next_at = 0;
        if !self.is_open() {
            let lease_ends_at = self.own.confirmed.renew_at.saturating_add(INBOX_LEASE_MS);
            match now < lease_ends_at {
                true => self.effects.push(Effect::Alarm(now.saturating_add(PRESENCE_RETRY_MS))),
                false => self.own.confirmed.presence = Presence::Offline,
            }
        }
    }

    /// Postgres has the presence; the partners' inboxes hear that there is something to ask.
    pub(super) fn confirm_presence(
        &mut self,
        store: &Store,
        presence: Presence,
        inboxes: Vec<UserId>,
    ) -> Result<()> {
        self.own.confirmed.presence = presence;
        store.confirm(&self.own.confirmed)?;
        if !inboxes.is_empty() {
            self.effects.push(Effect::PokePartners { inboxes });
        }
        Ok(())
    }

    /// The others of the newest direct rooms that the inbox knows.
    pub fn partners(&self) -> Vec<UserId> {
        let mut by_age: Vec<_> =
            self.views.values().filter_map(|view| Some((view.activity(), view.partner.clone()?))).collect();
        by_age.sort_unstable_by(|a, b| b.cmp(a));
        by_age.into_iter().map(|(_, user)| user).take(PARTNERS_MAX).collect()
    }

    /// All devices hear of whoever is shown with another presence, and another profile is an event of the log.
    pub(super) fn compare_people(
        &mut self,
        people: &[Value],
        (events, touched, shown): (&mut Vec<Logged>, &mut Touched, &mut Shown),
    ) {
        let mut rooms: BTreeMap<UserId, RoomId> = BTreeMap::new();
        for (id, view) in &self.views {
            rooms.extend(view.partner.clone().map(|user| (user, id.clone())));
        }
        for person in people {
            let Some(user) = inbox::person_id(person) else { continue };
            let Some(room) = rooms.get(&user) else { continue };
            let presence = inbox::field(person, "presence");
            if self.shown_presence.get(&user) != Some(presence) {
                self.connections.broadcast(&inbox::presence(&user, presence));
                self.shown_presence.insert(user.clone(), presence.clone());
            }
            if let Some(view) = self.views.get_mut(room) {
                let profile = digest_of(person);
                if view.profile != profile {
                    // The first one is what a client has from elsewhere.
                    if view.profile != 0 {
                        events.push(Logged::Person { user: user.clone() });
                    }
                    view.profile = profile;
                    touched.rooms.insert(room.clone());
                }
            }
            shown.people.insert(user, person.clone());
        }
        let partners: BTreeSet<_> = rooms.into_keys().collect();
        self.shown_presence.retain(|user, _| partners.contains(user));
    }
}

/// Of everything but the presence; never 0.
fn digest_of(person: &Value) -> u64 {
    let fields = person.as_object().into_iter().flatten().filter(|(name, _)| *name != "presence");
    let texts: Vec<String> = fields.map(|(name, value)| format!("{name}={value}")).collect();
    digest(&texts.iter().map(String::as_str).collect::<Vec<_>>()).max(1)
}
