//! The sockets of a room's object: sending, the budget of a slow one, closing, who went silent.
//! Not here: when any of this is due (`room`).

use super::platform::Platform;
use super::{Gone, Object};
use crate::limits::{HEARTBEAT_SWEEP_MS, HEARTBEAT_TIMEOUT_MS};
use crate::mutants::{Mutant, is};
use crate::protocol::server::EventText;
use crate::room::{ConnectionId, Input};
use std::cell::Cell;
use std::rc::Rc;

pub struct Socket<S> {
    pub socket: S,
    /// Bytes that may wait: more than usual until what it got at its beginning has gone.
    waiting_max: Cell<u32>,
}

impl<P: Platform> Object<P> {
    /// # Errors  the socket is gone; the effects after this one must be performed all the same.
    pub(super) fn send(self: &Rc<Self>, connection: ConnectionId, frame: &EventText) -> Result<(), Gone> {
        let sockets = self.sockets.borrow();
        let Some(socket) = sockets.get(&connection) else { return Ok(()) };
        let waiting = self.platform.waiting_bytes(&socket.socket);
        if waiting <= self.limits.waiting_bytes {
            socket.waiting_max.set(self.limits.waiting_bytes);
        }
        if waiting > socket.waiting_max.get() && !is(Mutant::NoBudgetOnASlowSocket) {
            drop(sockets);
            self.later(async move |object| drop(object.feed(Input::Slow { connection })));
            return Ok(());
        }
        self.platform.send(&socket.socket, frame)
    }

    /// A socket's own end, however it came.
    pub fn gone(self: &Rc<Self>, connection: ConnectionId) {
        self.sockets.borrow_mut().remove(&connection);
        self.feed(Input::Closed { connection });
    }

    /// Looks, at most every `HEARTBEAT_SWEEP_MS`, for clients that had pinged and went silent.
    pub(super) fn sweep(self: &Rc<Self>) {
        let now = self.platform.now();
        if now.saturating_sub(self.swept_at.get()) < HEARTBEAT_SWEEP_MS {
            return;
        }
        self.swept_at.set(now);
        let silent = |(id, socket): (&ConnectionId, &Socket<P::Socket>)| {
            let last_frame_ms = self.room.borrow().as_ref()?.last_frame_ms(*id)?;
            let last_ms = self.platform.pinged_at(&socket.socket)?.max(last_frame_ms);
            (now.saturating_sub(last_ms) > HEARTBEAT_TIMEOUT_MS).then_some(*id)
        };
        let mut connections: Vec<_> = self.sockets.borrow().iter().filter_map(silent).collect();
        connections.sort_unstable();
        if !connections.is_empty() {
            self.feed(Input::Silent { connections });
        }
    }
}

impl<S> Socket<S> {
    pub fn new(socket: S, waiting_max: u32) -> Self {
        Self { socket, waiting_max: Cell::new(waiting_max) }
    }
}
