//! A connection's beginning: hello, who is there, the replay or the history, synced. And its end.
//! Not here: what is replayed (`replay`), who may connect at all (`Room::admit`), and the upgrade itself (`shell`).

use super::connection::{Connection, ConnectionId};
use super::input::Connect;
use super::store::{Result, Store};
use super::{Effect, Room};
use crate::ids::UnixMs;
use crate::mutants;
use crate::protocol::server::{self, CloseCode, EventText};

impl Room {
    /// Everything a new connection hears first, in the contract's order.
    pub(super) fn connect(&mut self, store: &Store, now: UnixMs, connect: Connect) -> Result<()> {
        let Connect { id, identity, batches, since, history } = connect;
        let to = mutants::remembered().unwrap_or(self.log.head());
        let from = self.visible_from(identity.user.as_str());
        // What may fail comes first: an error must leave nothing half done.
        let past = match since {
            Some((since, epoch)) => match self.replay(store, (since, to), &epoch, from)? {
                Ok(replay) => replay,
                Err(reason) => vec![server::resync(reason, self.log.head(), self.log.epoch())],
            },
            None => self.history(store, (from, to), history)?,
        };
        // What was due before is told to those who were there then.
        self.tick(now);
        let user = identity.user.as_str().to_owned();
        while self.presence.sockets(&user) >= self.limits.sockets_per_person.max(1) {
            let oldest = self.connections.iter().find(|(_, c)| c.user() == user).map(|(id, _)| *id);
            let Some(oldest) = oldest else { break };
            self.close(oldest, CloseCode::TooManyConnections, now);
        }
        self.next_connection = self.next_connection.max(id.saturating_add(1));
        self.presence.arrive(&user, id, now);
        let mut connection = Connection::new(id, identity, batches, now);
        connection.remember_read(self.reads.marker(&user));
        let mut events = vec![self.hello(&connection), server::online_users(&self.presence.online())];
        events.extend(past);
        events.push(server::synced(self.log.head()));
        connection.pending = events;
        self.connections.insert(id, connection);
        Ok(())
    }

    fn hello(&self, connection: &Connection) -> EventText {
        let user = connection.user();
        let shared = self.shares_receipts();
        let members = self.info.snapshot.members.iter().map(|m| m.user_id.as_str());
        let shown = members.filter(|member| shared || *member == user);
        let read_markers = shown.map(|member| (member, self.reads.of(member)));
        server::hello(&server::Hello {
            connection_id: connection.state.id.to_string(),
            room_id: self.room_id(),
            user_id: user,
            role: self.role(&connection.state.identity).map_or("member", |role| role.name()),
            seq: self.log.head(),
            epoch: self.log.epoch(),
            limits: &self.limits,
            last_read_seq: self.reads.of(user),
            notify: self.notify(user),
            read_markers: read_markers.filter(|(_, seq)| *seq > 0).collect(),
        })
    }

    /// Ends a connection from our side.
    pub(super) fn close(&mut self, id: ConnectionId, code: CloseCode, now: UnixMs) {
        if self.remove_connection(id, now) {
            self.effects.push(Effect::Close { connection: id, code });
        }
    }

    /// A socket is no more; false when the room didn't know it.
    pub(super) fn remove_connection(&mut self, id: ConnectionId, now: UnixMs) -> bool {
        let Some(connection) = self.connections.remove(&id) else { return false };
        let user = connection.user();
        self.presence.depart(user, now);
        if self.presence.sockets(user) == 0 {
            self.stop_typing(user, now);
        }
        true
    }
}
