//! The sockets of a room's object: their numbers, closing, clients that went silent.
//! Not here: delivering events (`delivery`), and when any of this is due (`room`).

use super::Object;
use super::platform::{Gone, Platform};
use super::send_queue::SendQueue;
use crate::ids::UnixMs;
use crate::limits::{HEARTBEAT_SWEEP_MS, HEARTBEAT_TIMEOUT_MS, Limits};
use crate::protocol::server::{CloseCode, EventText};
use crate::room::{ConnectionId, Input, SocketEffect, SocketState};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

pub(super) struct Socket<S> {
    pub socket: S,
    /// Whether the client speaks `chat.v1`.
    pub batches: bool,
    pub queue: SendQueue,
    /// Whether the socket's stored state says that events wait for it.
    pub is_behind: bool,
}

/// The state of the delivery over all sockets.
#[derive(Default)]
pub(super) struct Delivery {
    /// Something may wait for a socket.
    pub is_due: Cell<bool>,
    /// Another turn will continue.
    pub is_scheduled: Cell<bool>,
    /// Bytes that the present turn has handed to the platform.
    pub turn_bytes: Cell<usize>,
    /// The socket with which the next turn begins: this one's budget ended before it.
    pub next: Cell<ConnectionId>,
}

/// The sockets that the room knows.
pub(super) struct Sockets<S> {
    pub open: RefCell<BTreeMap<ConnectionId, Socket<S>>>,
    /// Larger than every number that this instance of the object has given.
    next_id: Cell<ConnectionId>,
    swept_at: Cell<UnixMs>,
    pub delivery: Delivery,
}

impl<S> Sockets<S> {
    pub fn new() -> Self {
        Self {
            open: RefCell::default(),
            next_id: Cell::new(0),
            swept_at: Cell::new(0),
            delivery: Delivery::default(),
        }
    }

    /// Adds a socket that has received nothing yet.
    pub fn insert_new(&self, id: ConnectionId, socket: S, batches: bool) {
        self.open
            .borrow_mut()
            .insert(id, Socket { socket, batches, queue: SendQueue::default(), is_behind: false });
    }

    /// Replaces all sockets by those of a room that was loaded. Those that were known before keep what waits for them.
    ///
    /// # Gives  those for which events waited in the memory of an instance that is gone. Nothing is delivered to them.
    pub fn reload(&self, sockets: impl Iterator<Item = (S, SocketState)>) -> Vec<ConnectionId> {
        let mut open = self.open.borrow_mut();
        let mut known = std::mem::take(&mut *open);
        let mut lost = Vec::new();
        for (socket, state) in sockets {
            let is_known = known.contains_key(&state.id);
            let mut queue = known.remove(&state.id).map(|known| known.queue).unwrap_or_default();
            if state.is_behind && !is_known {
                queue.abandon();
                lost.push(state.id);
            }
            let socket = Socket { socket, batches: state.batches, queue, is_behind: state.is_behind };
            open.insert(state.id, socket);
        }
        lost
    }

    /// A new turn of the event loop has a new budget.
    pub fn begin_turn(&self) {
        self.delivery.turn_bytes.set(0);
    }

    /// The turn that continues the delivery begins.
    pub fn begin_later_turn(&self) {
        self.delivery.is_scheduled.set(false);
        self.begin_turn();
    }

    fn push(&self, connection: ConnectionId, events: Vec<EventText>) {
        if let Some(socket) = self.open.borrow_mut().get_mut(&connection) {
            socket.queue.push(events);
            self.delivery.is_due.set(true);
        }
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

/// What needs the platform of the sockets.
impl<S: Clone> Sockets<S> {
    pub fn perform<P: Platform<Socket = S>>(&self, platform: &P, effect: SocketEffect) {
        match effect {
            SocketEffect::Send { connection, events } => self.push(connection, events),
            SocketEffect::Attach { connection, state } => self.attach(platform, connection, &state),
        }
    }

    /// Stores this with the socket.
    fn attach<P: Platform<Socket = S>>(&self, platform: &P, connection: ConnectionId, state: &SocketState) {
        if let Some(socket) = self.open.borrow().get(&connection) {
            let state = SocketState { is_behind: socket.is_behind, ..state.clone() };
            platform.attach(&socket.socket, &serde_json::to_string(&state).unwrap_or_default());
        }
    }

    /// Closes a socket whose end tells nothing any more.
    ///
    /// # Errors  the socket is gone; the effects after this one must be performed nevertheless.
    pub fn close<P: Platform<Socket = S>>(
        &self,
        platform: &P,
        limits: &Limits,
        connection: ConnectionId,
        code: CloseCode,
    ) -> Result<(), Gone> {
        // What was sent before the close goes first, as far as the socket takes it.
        self.deliver_to(platform, limits, connection);
        self.remove(connection).map_or(Ok(()), |socket| dismiss(platform, &socket, code))
    }

    /// Stores whether events wait for the socket, if that has changed: a new instance, which lost them, must know.
    pub fn note_behind<P: Platform<Socket = S>>(platform: &P, socket: &mut Socket<S>) {
        let is_behind = !socket.queue.is_empty();
        if is_behind == socket.is_behind {
            return;
        }
        let Some(text) = platform.attachment(&socket.socket) else { return };
        let Ok(state) = serde_json::from_str::<SocketState>(&text) else { return };
        socket.is_behind = is_behind;
        let state = SocketState { is_behind, ..state };
        platform.attach(&socket.socket, &serde_json::to_string(&state).unwrap_or_default());
    }

    /// Takes over the sockets that stayed open while whoever knew them was not in memory.
    ///
    /// # Gives  their stored states, and what `reload` gives.
    pub fn wake<P: Platform<Socket = S>>(&self, platform: &P) -> (Vec<SocketState>, Vec<ConnectionId>) {
        let stored = |socket: S| {
            let state: SocketState = serde_json::from_str(&platform.attachment(&socket)?).ok()?;
            Some((socket, state))
        };
        let sockets: Vec<_> = platform.sockets().into_iter().filter_map(stored).collect();
        let states = sockets.iter().map(|(_, state)| state.clone()).collect();
        (states, self.reload(sockets.into_iter()))
    }

    /// The clients that have sent pings and are silent now; looked for at most every `HEARTBEAT_SWEEP_MS`.
    ///
    /// # Takes  `last_frame_ms`: when a connection last sent a frame, if it is known.
    pub fn silent<P: Platform<Socket = S>>(
        &self,
        platform: &P,
        last_frame_ms: impl Fn(ConnectionId) -> Option<UnixMs>,
    ) -> Vec<ConnectionId> {
        let now = platform.now();
        if !self.begin_sweep(now) {
            return Vec::new();
        }
        let silent = |(id, socket): (&ConnectionId, &Socket<S>)| {
            let last_ms = platform.pinged_at(&socket.socket)?.max(last_frame_ms(*id)?);
            (now.saturating_sub(last_ms) > HEARTBEAT_TIMEOUT_MS).then_some(*id)
        };
        let mut connections: Vec<_> = self.open.borrow().iter().filter_map(silent).collect();
        connections.sort_unstable();
        connections
    }
}

/// Closes a socket that was known, whose end tells nobody anything any more.
fn dismiss<P: Platform>(platform: &P, socket: &P::Socket, code: CloseCode) -> Result<(), Gone> {
    platform.attach(socket, "");
    platform.close(socket, code)
}

impl<P: Platform> Object<P> {
    /// Closes all sockets, of which a new log must know nothing.
    pub(super) fn dismiss_all(&self, code: CloseCode) {
        for socket in self.platform.sockets() {
            let _ = dismiss(&self.platform, &socket, code);
        }
    }

    /// Closes all sockets of a room that can't be loaded; their ends will tell it what they hold.
    pub(super) fn close_all(&self, code: CloseCode) {
        for socket in self.platform.sockets() {
            let _ = self.platform.close(&socket, code);
        }
    }

    /// A socket has ended; `is_clean`: by a close frame of its client. One that this instance does not know was not
    /// closed by it: whoever was there is leaving now, and what the socket's stored state holds must outlive it.
    pub fn gone(self: &Rc<Self>, connection: ConnectionId, socket: &P::Socket, is_clean: bool) {
        let is_known = self.sockets.remove(connection).is_some();
        let pinged_ms = self.platform.pinged_at(socket);
        if let Some(at) = pinged_ms.filter(|_| is_known) {
            self.feed(Input::Pinged(vec![(connection, at)]));
        }
        let text = if is_known { None } else { self.platform.attachment(socket) };
        let mut stored: Option<Box<SocketState>> = text.and_then(|text| serde_json::from_str(&text).ok());
        if let Some(state) = &mut stored {
            state.last_frame_ms = state.last_frame_ms.max(pinged_ms.unwrap_or_default());
        }
        self.feed(Input::Closed { connection, is_clean, stored });
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

    /// Looks for silent clients, which the room closes.
    pub(super) fn sweep(self: &Rc<Self>) {
        let last_frame_ms = |id| self.memory.look(|room| room.last_frame_ms(id))?;
        let connections = self.sockets.silent(&self.platform, last_frame_ms);
        if !connections.is_empty() {
            self.feed_pings();
            self.feed(Input::Silent { connections });
        }
    }
}
