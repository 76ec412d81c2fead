//! A room that its owner deletes: its connections are closed before the answer, and in the end nothing of it is left.
//! Not here: the owner's other requests (`people`).

use crate::files::{no_other_file_counts, prefix_of};
use crate::plan::PEOPLE;
use crate::stored::any_table;
use crate::world::World;
use crate::world::checker::{CheckResult, Checker};
use std::collections::BTreeSet;
use std::rc::Rc;

impl World {
    /// Checks a deletion that was answered.
    pub fn check_deletion_answered(&self, room: usize) {
        self.recorder.count("rooms deleted");
        // What Postgres had lost when its owner deleted it is deleted, not lost: nobody puts it back.
        self.backends.forget_if_lost(room);
        let wrong = |what: String| self.recorder.violation(Checker::Gone, what);
        if !self.backends.is_deleted(room) {
            wrong(format!("room {room} is deleted, and in Postgres"));
        }
        if self.hosts.of_room(room).is_some_and(|host| host.has_open_socket()) {
            wrong(format!("room {room} is deleted, and has a socket after the answer"));
        }
    }

    /// A tab was closed because its room is deleted; true when its owner requested that.
    pub fn accept_room_deletion(&self, tab: usize) -> bool {
        let mut it = self.clients.tab_mut(tab);
        (it.removed, it.wants_connection) = (true, false);
        it.pending.clear();
        self.model.deletion_requested.borrow().contains(&it.room)
    }
}

/// Nothing is left of a deleted room.
pub fn nothing_is_left(world: &Rc<World>, room: usize) -> CheckResult {
    let wrong = |what: String| Err((Checker::Gone, what));
    if world.read_page(room, PEOPLE[0], 0).is_some() {
        return wrong("it can be read".into());
    }
    if world.backends.is_alerted(room) {
        return wrong("it is in its tenant's alert list".into());
    }
    if world.backends.pieces_left(room) > 0 {
        return wrong("Postgres has rows of it".into());
    }
    let prefix = prefix_of(room);
    if let Some(key) = world.backends.bucket.borrow().keys().find(|key| key.starts_with(&prefix)) {
        return wrong(format!("{key} is in the bucket"));
    }
    no_other_file_counts(world, room, &BTreeSet::new())?;
    if world.hosts.of_room(room).is_some_and(|host| host.has_open_socket()) {
        return wrong("it has a socket".into());
    }
    match any_table(world, room) {
        Some(name) => wrong(format!("{name} is in its storage")),
        None => Ok(()),
    }
}
