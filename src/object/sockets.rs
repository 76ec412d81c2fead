//! The sockets of a room's object: their numbers, sending, the budget of a slow one, clients that went silent.
//! Not here: when any of this is due (`room`).

use super::Object;
use super::platform::{Gone, Platform};
use crate::ids::UnixMs;
use crate::limits::{HEARTBEAT_SWEEP_MS, HEARTBEAT_TIMEOUT_MS};
use crate::protocol::server::{CloseCode, EventText};
use crate::room::{ConnectionId, Input, SocketState};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

struct Socket<S> {
    socket: S,
    budget: Budget,
}

/// Judges how much waits for a socket: once per flush, before the flush's first frame. Nothing drains within a turn of
/// the event loop, so a later sample would judge what the same flush has queued.
#[derive(Default)]
struct Budget {
    first_delivery: Cell<FirstDelivery>,
    /// The last flush that sent to the socket.
    flush: Cell<u64>,
    /// Stays true until the socket is closed: after a frame that was left out, no other one may follow.
    is_slow: Cell<bool>,
}

/// What a new connection receives first: its history or replay, which may be larger than the usual budget.
#[derive(Clone, Copy, Default)]
enum FirstDelivery {
    NotSent,
    /// Its bytes may wait in addition to the usual budget.
    Sent {
        flush: u64,
        bytes: u32,
    },
    #[default]
    Drained,
}

/// The sockets that the room knows.
pub(super) struct Sockets<S> {
    open: RefCell<HashMap<ConnectionId, Socket<S>>>,
    /// Larger than every number that this instance of the object has given.
    next_id: Cell<ConnectionId>,
    swept_at: Cell<UnixMs>,
    /// The number of the present flush, from 1.
    flush: Cell<u64>,
}

impl<S> Sockets<S> {
    pub fn new() -> Self {
        Self { open: RefCell::default(), next_id: Cell::new(0), swept_at: Cell::new(0), flush: Cell::new(0) }
    }

    /// Adds a socket that has received nothing yet.
    pub fn insert_new(&self, id: ConnectionId, socket: S) {
        let budget = Budget { first_delivery: Cell::new(FirstDelivery::NotSent), ..Budget::default() };
        self.open.borrow_mut().insert(id, Socket { socket, budget });
    }

    /// Replaces all sockets by those of a room that was loaded. Those that were known before keep their budget.
    pub fn reload(&self, sockets: impl Iterator<Item = (ConnectionId, S)>) {
        let mut open = self.open.borrow_mut();
        let mut known = std::mem::take(&mut *open);
        open.extend(sockets.map(|(id, socket)| {
            let budget = known.remove(&id).map(|known| known.budget).unwrap_or_default();
            (id, Socket { socket, budget })
        }));
    }

    /// The frames that are sent from now on belong to another flush than those before.
    pub fn begin_flush(&self) {
        self.flush.set(self.flush.get().saturating_add(1));
    }

    pub fn remove(&self, id: ConnectionId) -> Option<S> {
        self.open.borrow_mut().remove(&id).map(|open| open.socket)
    }

    pub fn clear(&self) {
        self.open.borrow_mut().clear();
    }

    /// The number for a new socket: the room's proposal, or larger. It was never given before, not even in this
    /// millisecond to a socket that a reloaded room does not know.
    pub fn number(&self, proposal: ConnectionId) -> ConnectionId {
        let id = proposal.max(self.next_id.get());
        self.next_id.set(id.saturating_add(1));
        id
    }

    /// Whether a sweep is due; the next one is due later.
    fn begin_sweep(&self, now: UnixMs) -> bool {
        let is_due = now.saturating_sub(self.swept_at.get()) >= HEARTBEAT_SWEEP_MS;
        if is_due {
            self.swept_at.set(now);
        }
        is_due
    }
}

impl Budget {
    /// Judges what earlier flushes left, before the first frame of this flush.
    ///
    /// # Takes  `waiting`: bytes that wait; `usual_max`: how many may wait once the first delivery has drained.
    fn begin_flush(&self, flush: u64, waiting: u32, usual_max: u32) {
        self.flush.set(flush);
        let extra = match self.first_delivery.get() {
            FirstDelivery::NotSent => {
                return self.first_delivery.set(FirstDelivery::Sent { flush, bytes: 0 });
            }
            FirstDelivery::Sent { bytes, .. } => bytes,
            FirstDelivery::Drained => 0,
        };
        if waiting <= usual_max {
            self.first_delivery.set(FirstDelivery::Drained);
        } else if waiting > usual_max.saturating_add(extra) {
            self.is_slow.set(true);
        }
    }

    /// Counts a frame of this flush, if the flush is the first delivery.
    fn count(&self, frame: &EventText) {
        if let FirstDelivery::Sent { flush, bytes } = self.first_delivery.get()
            && flush == self.flush.get()
        {
            let bytes = bytes.saturating_add(u32::try_from(frame.len()).unwrap_or(u32::MAX));
            self.first_delivery.set(FirstDelivery::Sent { flush, bytes });
        }
    }
}

impl<P: Platform> Object<P> {
    /// Sends a frame, or reports the socket as slow.
    ///
    /// # Errors  the socket is gone; the effects after this one must be performed nevertheless.
    pub(super) fn send(self: &Rc<Self>, connection: ConnectionId, frame: &EventText) -> Result<(), Gone> {
        let open = self.sockets.open.borrow();
        let Some(Socket { socket, budget }) = open.get(&connection) else { return Ok(()) };
        let flush = self.sockets.flush.get();
        let is_first_frame = budget.flush.get() != flush;
        if is_first_frame {
            budget.begin_flush(flush, self.platform.waiting_bytes(socket), self.limits.waiting_bytes);
        }
        if !budget.is_slow.get() {
            budget.count(frame);
            return self.platform.send(socket, frame);
        }
        drop(open);
        if is_first_frame {
            self.later(async move |object| drop(object.feed(Input::Slow { connection })));
        }
        Ok(())
    }

    /// Closes a socket that the room does not know any more.
    ///
    /// # Errors  the socket is gone; the effects after this one must be performed nevertheless.
    pub(super) fn close(&self, connection: ConnectionId, code: CloseCode) -> Result<(), Gone> {
        let socket = self.sockets.remove(connection);
        socket.map_or(Ok(()), |socket| self.platform.close(&socket, code))
    }

    pub(super) fn close_all(&self, code: CloseCode) {
        for socket in self.platform.sockets() {
            let _ = self.platform.close(&socket, code);
        }
    }

    /// The platform stores this with the socket.
    pub(super) fn attach(&self, connection: ConnectionId, state: &SocketState) {
        if let Some(socket) = self.sockets.open.borrow().get(&connection) {
            let text = serde_json::to_string(state).unwrap_or_default();
            self.platform.attach(&socket.socket, &text);
        }
    }

    /// A socket has ended; `is_clean`: by a close frame of its client.
    pub fn gone(self: &Rc<Self>, connection: ConnectionId, is_clean: bool) {
        let socket = self.sockets.remove(connection);
        if let Some(at) = socket.and_then(|socket| self.platform.pinged_at(&socket)) {
            self.feed(Input::Pinged(vec![(connection, at)]));
        }
        self.feed(Input::Closed { connection, is_clean });
    }

    /// Tells the room when its clients last sent a ping.
    pub(super) fn feed_pings(self: &Rc<Self>) {
        let ping = |(id, socket): (&ConnectionId, &Socket<P::Socket>)| {
            self.platform.pinged_at(&socket.socket).map(|at| (*id, at))
        };
        let mut pings: Vec<_> = self.sockets.open.borrow().iter().filter_map(ping).collect();
        pings.sort_unstable();
        if !pings.is_empty() {
            self.feed(Input::Pinged(pings));
        }
    }

    /// Looks, at most every `HEARTBEAT_SWEEP_MS`, for clients that have sent pings and are silent now.
    pub(super) fn sweep(self: &Rc<Self>) {
        let now = self.platform.now();
        if !self.sockets.begin_sweep(now) {
            return;
        }
        let silent = |(id, socket): (&ConnectionId, &Socket<P::Socket>)| {
            let last_frame_ms = self.memory.look(|room| room.last_frame_ms(*id))??;
            let last_ms = self.platform.pinged_at(&socket.socket)?.max(last_frame_ms);
            (now.saturating_sub(last_ms) > HEARTBEAT_TIMEOUT_MS).then_some(*id)
        };
        let mut connections: Vec<_> = self.sockets.open.borrow().iter().filter_map(silent).collect();
        connections.sort_unstable();
        if !connections.is_empty() {
            self.feed_pings();
            self.feed(Input::Silent { connections });
        }
    }
}
