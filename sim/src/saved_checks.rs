//! Saved messages: what a device must show as saved (INBOX-10). Not here: how a device applies an event (`inbox_checks`).

use crate::scheduler::EVICTED_AFTER_MS;
use crate::world::World;
use crate::world::checker::Checker;
use std::collections::BTreeSet;
use std::rc::Rc;

/// With a new connection where a token has expired.
const SAVED_WITHIN_MS: u64 = 10_000;

impl World {
    /// A device that begins anew loads the list of saved messages.
    pub fn load_saved(&self, device: usize) {
        let saved = self.saved_of(device);
        if let Some(mut it) = self.devices.get(device) {
            it.saved = saved;
        }
    }

    fn saved_of(&self, device: usize) -> BTreeSet<(String, String)> {
        let key = self.devices.get(device).map(|it| (it.tenant.to_owned(), it.user.to_owned()));
        let all = self.backends.saved.borrow();
        let rows = key.and_then(|key| all.get(&key)).into_iter().flat_map(|mine| &mine.rows);
        rows.filter(|(_, (_, saved))| *saved).map(|(key, _)| key.clone()).collect()
    }

    /// Within a while all devices show as saved what Postgres says.
    fn expect_saved(self: &Rc<Self>, after: &str) {
        let wrong = || {
            (0..self.devices.count()).find(|device| {
                let expected = self.saved_of(*device);
                !self.devices.get(*device).is_some_and(|it| it.is_live() && it.saved == expected)
            })
        };
        for _ in 0..SAVED_WITHIN_MS / 250 {
            self.advance(250);
            if wrong().is_none() {
                return;
            }
        }
        if let Some(device) = wrong() {
            let shown = self.devices.get(device).map(|it| (it.phase, it.saved.clone()));
            let what =
                format!("{after} device {device} shows {shown:?}, saved is {:?}", self.saved_of(device));
            self.recorder.violation(Checker::Inbox, what);
        }
    }
}

/// INBOX-10: what is saved shows on all devices, over hibernation, a lost poke, and a time without devices.
pub fn check_saved(world: &Rc<World>) {
    let Some((room, _)) = world.senders().first().copied() else { return };
    (0..world.devices.count()).for_each(|device| world.connect_device(device));
    world.expect_saved("once the faults have ended");
    world.save_message(0, room, true);
    world.advance(500);
    world.expect_saved("after a message was saved");
    world.advance(2 * EVICTED_AFTER_MS);
    world.devices.pokes_to_lose.set(1);
    world.save_message(1, room, false);
    world.advance(500);
    world.devices.pokes_to_lose.set(0);
    world.reconnect_device(1);
    world.expect_saved("after a lost poke");
    [0, 1].into_iter().for_each(|device| world.disconnect_device(device));
    world.advance(SAVED_WITHIN_MS);
    world.save_message(0, room, true);
    world.advance(500);
    [0, 1].into_iter().for_each(|device| world.connect_device(device));
    world.expect_saved("after a time without devices");
}
