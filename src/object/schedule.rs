//! When the room's turn ends and when its deadline comes: frames gathered until then, the flush, the tick.
//! Not here: what a flush or a tick does (`room`), and batches for Postgres (`drain`).

use super::Object;
use super::host::Host;
use super::platform::Platform;
use crate::ids::UnixMs;
use crate::limits::{QUEUE_LEASE_MS, RETRY_MIN_MS};
use crate::room::{ConnectionId, Input, Offering, Room};
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// What is scheduled.
#[derive(Default)]
pub(super) struct Schedule {
    /// Frames that wait for the end of the turn. Handled when it arrives, each would be a commit and a wait for the
    /// disk.
    inbox: RefCell<Vec<(ConnectionId, String)>>,
    flush_is_due: Cell<bool>,
    tick_at: Cell<Option<UnixMs>>,
    notices_are_due: Cell<bool>,
    /// When the last offering to the queue was begun; `None`: it is answered, and the room knows.
    offered_at: Cell<Option<UnixMs>>,
}

impl Schedule {
    pub fn push_frame(&self, connection: ConnectionId, text: String) {
        self.inbox.borrow_mut().push((connection, text));
    }

    pub fn take_frames(&self) -> Vec<(ConnectionId, String)> {
        self.inbox.take()
    }

    /// A flush is due; true if none was before.
    fn request_flush(&self) -> bool {
        !self.flush_is_due.replace(true)
    }

    /// Notices are due; true if none were before.
    fn request_notices(&self) -> bool {
        !self.notices_are_due.replace(true)
    }

    /// Whether the queue may still answer. A room that was loaded meanwhile does not know.
    fn is_offering(&self, now: UnixMs) -> bool {
        self.offered_at.get().is_some_and(|at| now < at.saturating_add(QUEUE_LEASE_MS))
    }

    /// Nothing waits for a flush any more.
    pub fn flushed(&self) {
        self.flush_is_due.set(false);
    }

    /// A tick is due at this time; true if none was due at this time or earlier.
    fn request_tick(&self, at: UnixMs) -> bool {
        let is_new = self.tick_at.get().is_none_or(|due| at < due);
        if is_new {
            self.tick_at.set(Some(at));
        }
        is_new
    }

    /// Whether the tick of this time is still due; it is not any more.
    fn take_tick(&self, at: UnixMs) -> bool {
        let is_due = self.tick_at.get() == Some(at);
        if is_due {
            self.cancel_tick();
        }
        is_due
    }

    pub fn cancel_tick(&self) {
        self.tick_at.set(None);
    }
}

impl<P: Platform> Object<P> {
    /// Flushes at the end of the turn: what arrives together is committed together, and each socket gets one frame.
    pub(super) fn flush_later(self: &Rc<Self>) {
        if !self.schedule.request_flush() {
            return;
        }
        self.later(async move |object| {
            object.platform.sleep(0).await;
            if object.schedule.flush_is_due.get() {
                object.sockets.begin_turn();
                // While the flush is still due: these frames need no other one.
                object.process_inbox();
                object.schedule.flushed();
                object.feed_one(Input::Flush);
                object.sweep();
            }
        });
    }

    /// Offers notices to the queue; nothing waits for it. While the room can't store the answer they are not offered again
    /// at once: the queue would take them each time.
    pub(super) async fn offer(self: Rc<Self>, offering: Rc<Offering>) {
        let now = self.platform.now();
        self.schedule.offered_at.set(Some(now));
        let taken = self.platform.notify(&offering.notices).await;
        let answer = Input::Offered { offering, taken };
        if self.feed(answer).failed {
            self.platform.sleep(RETRY_MIN_MS).await;
        }
        // Unless there is a later one.
        if self.schedule.offered_at.get() == Some(now) {
            self.schedule.offered_at.set(None);
            self.schedule_next();
        }
    }

    /// Schedules what the room needs next: a flush, a tick, a drain.
    pub(super) fn schedule_next(self: &Rc<Self>) {
        let now = self.platform.now();
        let look = |room: &Room| {
            (room.wants_flush(), room.deadline(), room.wants_drain(now), room.wants_notices(now))
        };
        let Some((wants_flush, deadline, wants_drain, wants_notices)) = self.memory.look(look) else {
            return;
        };
        if wants_flush {
            self.flush_later();
        }
        if let Some(at) = deadline.filter(|at| self.schedule.request_tick(*at)) {
            self.later(async move |object| {
                object.platform.sleep(at.saturating_sub(object.platform.now())).await;
                if object.schedule.take_tick(at) {
                    object.feed(Input::Tick);
                }
            });
        }
        if wants_drain {
            self.start_drain(now);
        }
        if wants_notices && !self.schedule.is_offering(now) && self.schedule.request_notices() {
            self.later(async move |object| {
                object.platform.sleep(0).await;
                // Who is present decides who is notified.
                object.feed_pings();
                if object.feed(Input::Notify).failed {
                    // A failing store gets a pause, as in `drain`.
                    object.platform.sleep(RETRY_MIN_MS).await;
                }
                object.schedule.notices_are_due.set(false);
                object.schedule_next();
            });
        }
    }
}
