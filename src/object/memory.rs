//! The room in memory: loaded by the first event that needs it, dropped after a fault, and loaded again.
//! Not here: what a room does when it is loaded (`Room::load`, `Input::Recovered`).

use super::host::Host;
use super::platform::Platform;
use super::{Fed, Object};
use crate::ids::Seq;
use crate::metrics::Counts;
use crate::oplog::Entry;
use crate::protocol::server::CloseCode;
use crate::room::store::{Store, StoreError};
use crate::room::{Input, Room};
use std::cell::{Cell, RefCell, RefMut};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

/// A room that may be in memory, and what must outlive its loss.
#[derive(Default)]
pub(super) struct Memory {
    room: RefCell<Option<Room>>,
    /// The head when the sockets last received everything; `None` until the room was loaded once.
    delivered_seq: Cell<Option<Seq>>,
    /// What lost rooms had counted, and their losses.
    counts: Cell<Counts>,
}

impl Memory {
    /// Looks at the room, if it is in memory.
    pub fn look<T>(&self, look: impl FnOnce(&Room) -> T) -> Option<T> {
        self.room.borrow().as_ref().map(look)
    }

    /// The room, loaded if it was not in memory; `None` inside if there is no log.
    pub fn loaded(
        &self,
        load: impl FnOnce() -> Result<Option<Room>, StoreError>,
    ) -> Result<RefMut<'_, Option<Room>>, StoreError> {
        let mut slot = self.room.borrow_mut();
        if slot.is_none() {
            *slot = load()?;
        }
        if self.delivered_seq.get().is_none() {
            self.delivered_seq.set(slot.as_ref().map(Room::head));
        }
        Ok(slot)
    }

    pub fn delivered(&self, seq: Seq) {
        self.delivered_seq.set(Some(seq));
    }

    /// The room is deleted or has a new log: the next event loads it, and nothing was delivered.
    pub fn forget(&self) {
        *self.room.borrow_mut() = None;
        self.delivered_seq.set(None);
    }

    /// Drops the room after a fault; what it has counted is kept.
    fn drop_room(&self, is_panic: bool) -> Option<Room> {
        let mut room = self.room.borrow_mut().take();
        let mut counts = self.counts.get();
        counts.panics = counts.panics.saturating_add(u64::from(is_panic));
        if let Some(room) = &mut room {
            counts = counts.plus(&room.take_counts());
        }
        self.counts.set(counts);
        room
    }
}

impl<P: Platform> Object<P> {
    /// The room in memory, loaded if it was not there; `None` inside if there is no log here.
    pub(super) fn loaded(self: &Rc<Self>) -> Result<RefMut<'_, Option<Room>>, StoreError> {
        self.memory.loaded(|| self.load())
    }

    /// The room from its storage and its open sockets: after hibernation, a deploy, a panic, a failing store.
    fn load(self: &Rc<Self>) -> Result<Option<Room>, StoreError> {
        let (states, connections) = self.sockets.wake(&self.platform);
        if !connections.is_empty() {
            self.later(async move |object| drop(object.feed(Input::Lost { connections })));
        }
        let room = Room::load(&Store(self.platform.sql()), states, self.limits.clone())?;
        Ok(room.map(|room| room.with_moderation(&self.moderation).with_emoji(P::parse_emoji)))
    }

    /// The input is lost, and the memory with it; the room is loaded again from storage and sockets. What earlier inputs
    /// of the turn had to send is sent first. A flush that failed counts as nothing delivered: the loaded room delivers
    /// everything since the last complete flush from the log.
    ///
    /// # Takes  `error`: the store's; `None`: a panic.
    pub(super) fn recover(self: &Rc<Self>, error: Option<&StoreError>, flushing: bool) -> Fed {
        let dropped = self.memory.drop_room(error.is_none());
        self.report_loss(dropped.as_ref(), error);
        self.schedule.flushed();
        self.schedule.cancel_tick();
        let now = self.platform.now();
        let rest = dropped
            .filter(|_| !flushing)
            .and_then(|mut room| catch_unwind(AssertUnwindSafe(move || room.flush_settled(now))).ok());
        if let Some((effects, delivered_seq)) = rest {
            self.perform_all(effects);
            self.memory.delivered(delivered_seq);
        }
        let recovered = catch_unwind(AssertUnwindSafe(|| {
            // A room that could not be loaded at all has nothing to deliver: it begins at its head.
            drop(self.loaded()?);
            let delivered_seq = self.memory.delivered_seq.get().unwrap_or_default();
            self.handle(Input::Recovered { delivered_seq })
        }));
        if let Ok(Ok(Some(effects))) = recovered {
            self.perform_all(effects);
            self.schedule_next();
        } else {
            // The room can't be loaded: the clients come back later.
            self.close_all(CloseCode::Internal);
        }
        Fed { failed: true, ..Fed::default() }
    }

    fn report_loss(&self, room: Option<&Room>, error: Option<&StoreError>) {
        let mut entry = match error {
            Some(error) => Entry::error("store_failed").with("why", error),
            None => Entry::error("room_panicked"),
        };
        if let Some((tenant, room)) = room.map(Room::key) {
            entry = entry.with("tenant", &tenant).with("room", &room);
        }
        self.platform.report(&entry);
    }

    /// Writes what the room has counted, at most once per batch: a data point is billed too.
    pub(super) fn count(&self) {
        let slot = &mut *self.memory.room.borrow_mut();
        let Some(room) = slot else { return };
        let counts = self.memory.counts.take().plus(&room.take_counts());
        if !counts.is_empty() {
            let (tenant, room) = room.key();
            self.platform.count(&tenant, &room, &counts);
        }
    }
}
