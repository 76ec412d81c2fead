//! A room that its owner deletes: its people are closed out before the answer, and in the end nothing of it is left, whatever
//! broke in between. Not here: the other things an owner asks (`people`).

use crate::final_checks::{CheckResult, read_page};
use crate::oracle::Checker;
use crate::plan::{PEOPLE, ROOMS};
use crate::run::host_of;
use crate::world::World;
use chinwag::ids::{RoomId, TenantId};
use chinwag::room::file_prefix;
use rusqlite::types::Value as Cell;
use std::rc::Rc;

impl World {
    /// Postgres has no such room any more.
    pub fn is_gone(&self, room: usize) -> bool {
        let (tenant, id) = ROOMS[room];
        !self.server.borrow().rooms.contains_key(&(tenant.to_owned(), id.to_owned()))
    }

    /// The rooms that are not deleted.
    pub fn rooms_there(&self) -> Vec<usize> {
        (0..ROOMS.len()).filter(|room| !self.is_gone(*room)).collect()
    }

    /// Its deletion was answered.
    pub fn was_deleted(self: &Rc<Self>, room: usize) {
        self.counters.count("rooms deleted");
        if !self.is_gone(room) {
            self.violation(Checker::Gone, format!("room {room} is deleted, and in Postgres"));
        }
        let Some(host) = host_of(self, room) else { return };
        if host.sockets.borrow().iter().any(|sock| !sock.closing.get()) {
            self.violation(
                Checker::Gone,
                format!("room {room} is deleted, and has a socket after the answer"),
            );
        }
    }

    /// Closed because the room is gone: right if somebody wanted that.
    pub fn closed_out(&self, tab: usize) -> bool {
        let mut tabs = self.tabs.borrow_mut();
        let it = &mut tabs[tab];
        (it.removed, it.wants) = (true, false);
        it.ops.clear();
        self.doomed.borrow().contains(&it.room)
    }
}

/// Of a room that Postgres hasn't got any more.
pub fn nothing_is_left(world: &Rc<World>, room: usize) -> CheckResult {
    let wrong = |what: String| Err((Checker::Gone, what));
    let (tenant, id) = ROOMS[room];
    if read_page(world, ROOMS[room], PEOPLE[0], 0).is_some() {
        return wrong("it can be read".into());
    }
    if world.list.borrow().get(&(tenant.to_owned(), id.to_owned())).is_some_and(|(_, trouble)| *trouble) {
        return wrong("it stands on its tenant's list".into());
    }
    let (Some(of), Some(named)) = (TenantId::parse(tenant), RoomId::parse(id)) else { return Ok(()) };
    let prefix = file_prefix(&of, &named);
    if let Some(key) = world.bucket.borrow().keys().find(|key| key.starts_with(&prefix)) {
        return wrong(format!("{key} is in the bucket"));
    }
    let Some(host) = host_of(world, room) else { return Ok(()) };
    if host.sockets.borrow().iter().any(|sock| !sock.closing.get()) {
        return wrong("it has a socket".into());
    }
    let sqlite = host.sqlite.borrow().clone();
    let tables = sqlite.rows("SELECT name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'", []);
    match tables.first().map(|row| row[0].clone()) {
        Some(Cell::Text(name)) => wrong(format!("{name} stands in its storage")),
        _ => Ok(()),
    }
}
