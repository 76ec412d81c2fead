//! The room's open connections, and the events that wait for the end of the turn.
//! Not here: what of a connection survives hibernation (`socket_state`), what an event means, who is online
//! (`presence`), and the sockets themselves (`shell`).

use super::effect::SocketEffect;
use super::rate::Window;
use super::socket_state::{ConnectionId, SocketState};
use crate::auth::Identity;
use crate::ids::UnixMs;
use crate::limits::{CONNECTIONS_PER_MS, MALFORMED_MAX, MALFORMED_WINDOW_MS};
use crate::protocol::server::EventText;
use std::collections::{BTreeMap, HashMap};

#[derive(Debug)]
struct Connection {
    state: SocketState,
    /// Events that leave with the next flush.
    pending: Vec<EventText>,
    /// How many of `pending` come from inputs that succeeded: those stay when the next input is lost to a panic.
    settled: usize,
    /// Whether `state` differs from what the platform has stored.
    changed: bool,
    malformed: Window,
    /// When the platform last answered a ping, as far as the room knows.
    pinged_ms: UnixMs,
}

impl Connection {
    fn new(state: SocketState, pending: Vec<EventText>, changed: bool) -> Self {
        Self { state, pending, settled: 0, changed, malformed: Window::default(), pinged_ms: 0 }
    }
}

/// All open connections of the room.
#[derive(Debug)]
pub struct Connections {
    open: BTreeMap<ConnectionId, Connection>,
    /// Larger than the id of every connection that this room knew.
    next_id: ConnectionId,
}

impl Default for Connections {
    fn default() -> Self {
        Self { open: BTreeMap::new(), next_id: 1 }
    }
}

impl Connections {
    /// Adds an accepted socket; `first` are the first events it receives.
    pub fn open(&mut self, state: SocketState, first: Vec<EventText>) {
        self.add(Connection::new(state, first, true));
    }

    /// Adds a socket that stayed open while the room was out of memory.
    pub fn wake(&mut self, state: SocketState) {
        self.add(Connection::new(state, Vec::new(), false));
    }

    fn add(&mut self, connection: Connection) {
        let id = connection.state.id;
        self.next_id = self.next_id.max(id.saturating_add(1));
        self.open.insert(id, connection);
    }

    /// Removes a connection, and its pending events with it; `None` for one that the room does not know.
    pub fn remove(&mut self, id: ConnectionId) -> Option<SocketState> {
        self.open.remove(&id).map(|connection| connection.state)
    }

    /// The id for the next socket. Ids are never reused, even for sockets that a reloaded room does not know: the late
    /// close of an old socket must not end another connection.
    pub fn next_id(&self, now: UnixMs) -> ConnectionId {
        self.next_id.max(now.saturating_mul(CONNECTIONS_PER_MS))
    }

    pub fn get(&self, id: ConnectionId) -> Option<&SocketState> {
        self.open.get(&id).map(|connection| &connection.state)
    }

    /// The states of all connections, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &SocketState> {
        self.open.values().map(|connection| &connection.state)
    }

    /// The ids of the connections for which `predicate` holds, oldest first.
    pub fn ids(&self, predicate: impl Fn(&SocketState) -> bool) -> Vec<ConnectionId> {
        self.iter().filter(|state| predicate(state)).map(|state| state.id).collect()
    }

    pub fn has_legacy(&self) -> bool {
        self.iter().any(|state| !state.batches)
    }

    /// Notes that a frame arrived.
    pub fn record_frame(&mut self, id: ConnectionId, now: UnixMs) {
        if let Some(connection) = self.open.get_mut(&id) {
            connection.changed = true;
            connection.state.last_frame_ms = now;
        }
    }

    /// When the person last did something there.
    pub fn mark_active(&mut self, id: ConnectionId, active_ms: UnixMs) {
        if let Some(connection) = self.open.get_mut(&id) {
            connection.changed = true;
            connection.state.active_ms = active_ms;
        }
    }

    pub fn record_pings(&mut self, pings: &[(ConnectionId, UnixMs)]) {
        for (id, at) in pings {
            if let Some(connection) = self.open.get_mut(id) {
                connection.pinged_ms = connection.pinged_ms.max(*at);
            }
        }
    }

    /// Whose connection it is, and when its client was last heard of.
    pub fn sign_of_life(&self, id: ConnectionId) -> Option<(&str, UnixMs)> {
        self.open.get(&id).map(|c| (c.state.user(), c.state.last_frame_ms.max(c.pinged_ms)))
    }

    /// When each person with a connection was last heard of.
    pub fn signs_of_life(&self) -> HashMap<&str, UnixMs> {
        let mut signs = HashMap::new();
        for (user, at) in self.open.keys().filter_map(|id| self.sign_of_life(*id)) {
            let last: &mut UnixMs = signs.entry(user).or_default();
            *last = at.max(*last);
        }
        signs
    }

    /// Counts a malformed frame; true when the connection has sent too many.
    pub fn count_malformed(&mut self, id: ConnectionId, now: UnixMs) -> bool {
        let connection = self.open.get_mut(&id);
        connection.is_some_and(|c| c.malformed.count(MALFORMED_WINDOW_MS, now) > MALFORMED_MAX)
    }

    /// Replaces the connection's token by a newer one of the same person.
    pub fn renew(&mut self, id: ConnectionId, identity: Identity, now: UnixMs) {
        if let Some(connection) = self.open.get_mut(&id) {
            connection.state.renew(identity, now);
            connection.changed = true;
        }
    }

    /// The states of this person's connections are stored again with the next flush.
    pub fn mark_changed(&mut self, user: &str) {
        let theirs = self.open.values_mut().filter(|connection| connection.state.user() == user);
        theirs.for_each(|connection| connection.changed = true);
    }

    // --- Events -----------------------------------------------------------------------------------

    pub fn send(&mut self, id: ConnectionId, event: EventText) {
        if let Some(connection) = self.open.get_mut(&id) {
            connection.pending.push(event);
        }
    }

    pub fn broadcast(&mut self, event: &EventText) {
        self.send_each(|_| Some(event.clone()));
    }

    /// Queues for each connection the event that `event_for` gives for it.
    pub fn send_each(&mut self, event_for: impl Fn(&SocketState) -> Option<EventText>) {
        for connection in self.open.values_mut() {
            connection.pending.extend(event_for(&connection.state));
        }
    }

    /// Whether a flush has anything to do.
    pub fn wants_flush(&self) -> bool {
        self.open.values().any(|c| !c.pending.is_empty() || c.changed)
    }

    /// An input succeeded: its events are delivered whatever becomes of the next input.
    pub fn settle(&mut self) {
        self.open.values_mut().for_each(|c| c.settled = c.pending.len());
    }

    /// An input failed: its events are not delivered.
    pub fn drop_unsettled(&mut self) {
        self.open.values_mut().for_each(|c| c.pending.truncate(c.settled));
    }

    /// Connections that would receive something although their token has expired.
    pub fn expired_ids(&self, now: UnixMs) -> Vec<ConnectionId> {
        let is_expired = |c: &&Connection| !c.pending.is_empty() && c.state.has_expired(now);
        self.open.values().filter(is_expired).map(|c| c.state.id).collect()
    }

    /// Releases pending events, and changed states as what the platform must store.
    ///
    /// # Takes  `update`: brings a changed state up to date before it is stored.
    pub fn flush(&mut self, update: impl Fn(&mut SocketState)) -> Vec<SocketEffect> {
        let mut effects = Vec::new();
        for (id, connection) in &mut self.open {
            let events = std::mem::take(&mut connection.pending);
            if !events.is_empty() {
                effects.push(SocketEffect::Send { connection: *id, events });
            }
            if std::mem::take(&mut connection.changed) {
                update(&mut connection.state);
                let state = Box::new(connection.state.clone());
                effects.push(SocketEffect::Attach { connection: *id, state });
            }
        }
        effects
    }
}
