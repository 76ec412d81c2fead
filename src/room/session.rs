//! The beginning and the end of a connection: hello, who is online, the replay or the history, synced.
//! Not here: what is replayed (`replay`), who may connect (`Room::admit`), and the upgrade itself (`object`).

use super::Room;
use super::effect::Effect;
use super::input::{Connect, ResumePosition};
use super::replay::Range;
use super::socket_state::{ConnectionId, SocketState};
use super::store::Result;
use super::turn::Turn;
use crate::auth::Identity;
use crate::ids::UnixMs;
use crate::protocol::server::{self, CloseCode, EventText};
use serde_json::json;

impl Room {
    /// Queues everything that a new connection receives first, in the order of PROTOCOL.md, "3. Connecting".
    pub(super) fn connect(&mut self, turn: Turn, connect: Connect) -> Result<()> {
        let Connect { id, identity, batches, since, history } = connect;
        let now = turn.now;
        let to = self.log.head();
        let user = identity.user.as_str().to_owned();
        let visible_from = self.members.visible_from(&user);
        let range = |since| Range { since, to, visible_from, user: &user, batches };
        // What may fail comes first: an error must leave nothing half done.
        let past = match since {
            Some(ResumePosition { seq: since, epoch }) => {
                self.replay_or_resync(turn.store, range(since), &epoch)?
            }
            None => self.history(turn.store, range(visible_from), history)?,
        };
        // Events that were due before go to the connections of before.
        self.tick(now);
        self.close_oldest_of(&identity, now);
        self.presence.add_socket(&user, id, now);
        let mut state = SocketState::new(id, identity, batches, now);
        state.set_marker(self.reads.marker(&user), self.reads.due_of(&user));
        let mut events = vec![self.hello(&state, now), server::online_users(&self.presence.online())];
        events.extend(past.events);
        events.push(server::synced(self.log.head(), past.oldest_seq, past.has_more_before));
        self.connections.open(state, events);
        Ok(())
    }

    /// Makes place for one more socket of this person.
    fn close_oldest_of(&mut self, identity: &Identity, now: UnixMs) {
        let user = identity.user.as_str();
        while self.presence.sockets(user) >= self.limits.sockets_per_person.max(1) {
            let oldest = self.connections.iter().find(|c| c.user() == user).map(|c| c.id);
            let Some(oldest) = oldest else { break };
            self.close(oldest, CloseCode::TooManyConnections, now);
        }
    }

    fn hello(&self, state: &SocketState, now: UnixMs) -> EventText {
        let user = state.user();
        let shared = self.members.shares_receipts();
        let members = self.members.snapshot().members.iter().map(|m| m.user_id.as_str());
        let shown = members.filter(|member| shared || *member == user);
        let read_markers = shown.map(|member| (member, self.reads.seq_of(member)));
        server::hello(&server::Hello {
            connection_id: state.id.to_string(),
            room_id: self.members.room().as_str(),
            user_id: user,
            role: self.members.role(&state.identity).unwrap_or_default().name(),
            seq: self.log.head(),
            epoch: self.log.epoch(),
            limits: &self.limits,
            last_read_seq: self.reads.seq_of(user),
            notify: self.members.notify_settings(user),
            mute: self.members.mute(user, now),
            read_markers: read_markers.filter(|(_, seq)| *seq > 0).collect(),
            people: json!(self.members.shown_people()),
        })
    }

    /// Closes a connection from our side.
    pub(super) fn close(&mut self, id: ConnectionId, code: CloseCode, now: UnixMs) {
        if code.is_misuse()
            && let Some(state) = self.connections.get(id)
        {
            self.rates.refuse_connections(state.user(), now);
        }
        if self.remove_connection(id, now) {
            self.effects.push(Effect::Close { connection: id, code });
        }
    }

    /// A client is lost: nobody knows whether it received what came after its last sign of life (NOTIFY-8).
    ///
    /// # Takes  `is_known`: whether the room knew the client, and did not learn of it by its end.
    pub(super) fn owe_notices(&mut self, id: ConnectionId, is_known: bool) {
        match self.connections.sign_of_life(id) {
            Some((user, at)) if is_known => self.notifications.owe(user, at),
            Some((user, at)) => self.notifications.owe_less(user, at),
            None => {}
        }
    }

    /// A socket was closed from the other side.
    pub(super) fn closed(&mut self, id: ConnectionId, now: UnixMs) {
        self.remove_connection(id, now);
        self.alarm.expire(now);
    }

    /// Forgets a connection; false when the room did not know it.
    fn remove_connection(&mut self, id: ConnectionId, now: UnixMs) -> bool {
        let Some(state) = self.connections.remove(id) else { return false };
        let user = state.user();
        self.presence.remove_socket(user, now);
        self.notifications.forget_socket(user);
        if self.presence.sockets(user) == 0 {
            self.reads.release(user, now);
            for update in self.presence.stop_typing_everywhere(user, now) {
                self.announce_typing(&update);
            }
        }
        true
    }
}
