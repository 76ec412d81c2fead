//! Poking the inboxes whose list a batch or a change has changed: in the background, never in a message's path, a few at
//! once, and each inbox once a second at most.
//! Not here: whose inbox is open (the statements of `db` say so), and what an inbox does with a poke (`inbox`).

use super::Object;
use super::host::Host;
use super::platform::Platform;
use crate::api::{InboxRequest, Poke};
use crate::ids::{UnixMs, UserId};
use crate::limits::*;
use crate::room::Room;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

/// The inboxes that are to be poked. They are in memory alone: what a crash forgets, an inbox's next renewal finds.
#[derive(Default)]
pub(super) struct Pokes {
    pending: RefCell<BTreeMap<UserId, Pending>>,
    /// When each inbox may be poked again.
    next_at: RefCell<BTreeMap<UserId, UnixMs>>,
    /// How many are on the way.
    under_way: Cell<usize>,
    /// For when the next look is scheduled.
    wakes_at: Cell<Option<UnixMs>>,
}

#[derive(Clone, Copy)]
struct Pending {
    due_at: UnixMs,
    tries: u32,
}

impl Pokes {
    fn add(&self, users: Vec<UserId>, now: UnixMs) {
        let mut next_at = self.next_at.borrow_mut();
        next_at.retain(|_, at| *at > now);
        let mut pending = self.pending.borrow_mut();
        for user in users {
            let due_at = next_at.get(&user).copied().unwrap_or(now);
            // A newer change does not wait for the pause of a poke that had no answer.
            let due_at = pending.get(&user).map_or(due_at, |poke| poke.due_at.min(due_at));
            pending.insert(user, Pending { due_at, tries: 0 });
        }
    }

    /// The inboxes that are due, as many as may be poked at once. They are on the way from now on.
    fn take_due(&self, now: UnixMs) -> Vec<(UserId, u32)> {
        let mut pending = self.pending.borrow_mut();
        let due = pending
            .iter()
            .filter(|(_, poke)| poke.due_at <= now)
            .take(POKES_AT_ONCE.saturating_sub(self.under_way.get()));
        let due: Vec<_> = due.map(|(user, poke)| (user.clone(), poke.tries)).collect();
        let mut next_at = self.next_at.borrow_mut();
        for (user, _) in &due {
            pending.remove(user);
            next_at.insert(user.clone(), now.saturating_add(INBOX_ROOM_EVERY_MS));
        }
        self.under_way.set(self.under_way.get().saturating_add(due.len()));
        due
    }

    fn arrived(&self) {
        self.under_way.set(self.under_way.get().saturating_sub(1));
    }

    /// A poke had no answer: it is tried again after a pause, which grows.
    fn put_back(&self, user: UserId, tries: u32, now: UnixMs) {
        let tries = tries.saturating_add(1);
        if tries < POKE_TRIES_MAX {
            let pause_ms = INBOX_ROOM_EVERY_MS.saturating_mul(1 << tries.min(8));
            self.pending
                .borrow_mut()
                .entry(user)
                .or_insert(Pending { due_at: now.saturating_add(pause_ms), tries });
        }
    }

    fn next_due(&self) -> Option<UnixMs> {
        self.pending.borrow().values().map(|poke| poke.due_at).min()
    }
}

impl<P: Platform> Object<P> {
    /// These people's inboxes will be poked for this room.
    pub(super) fn poke(self: &Rc<Self>, users: Vec<UserId>) {
        if users.is_empty() {
            return;
        }
        self.pokes.add(users, self.platform.now());
        self.send_pokes();
    }

    /// Sends the pokes that are due, and schedules the others.
    fn send_pokes(self: &Rc<Self>) {
        let now = self.platform.now();
        let Some((tenant, room)) = self.memory.look(Room::key) else { return };
        for (user, tries) in self.pokes.take_due(now) {
            let (tenant, room) = (tenant.clone(), room.clone());
            let read = self.memory.look(|memory| memory.read_seq(&user)).unwrap_or_default();
            let poke = InboxRequest::Poke(Poke { tenant, user: user.clone(), room, read });
            self.later(async move |object| {
                let has_arrived = object.platform.poke(&poke).await;
                object.pokes.arrived();
                if !has_arrived {
                    object.pokes.put_back(user, tries, object.platform.now());
                }
                object.send_pokes();
            });
        }
        // What is due already waits for one that is on the way.
        let next = self.pokes.next_due().filter(|due| *due > now);
        if let Some(at) = next.filter(|at| self.pokes.wakes_at.get().is_none_or(|wakes| *at < wakes)) {
            self.pokes.wakes_at.set(Some(at));
            self.later(async move |object| {
                object.platform.sleep(at.saturating_sub(object.platform.now())).await;
                if object.pokes.wakes_at.get() == Some(at) {
                    object.pokes.wakes_at.set(None);
                    object.send_pokes();
                }
            });
        }
    }
}
