//! A connection's beginning: hello, who is there, the replay or the history, synced. And its end.
//! Not here: who may connect at all (`Room::admit`), and the upgrade itself (`shell`).

use super::connection::{Connection, ConnectionId};
use super::store::{Event, Kind, Result, Store};
use super::{Effect, Room};
use crate::auth::Identity;
use crate::ids::{Seq, UnixMs};
use crate::limits::*;
use crate::mutants;
use crate::protocol::message::{Message, Reactions};
use crate::protocol::server::{self, CloseCode, EventText, ResyncReason};
use std::collections::HashMap;

/// A socket that was just accepted, of a member.
#[derive(Clone, Debug)]
pub struct Connect {
    pub id: ConnectionId,
    pub identity: Identity,
    /// Whether the client speaks `chat.v1`.
    pub batches: bool,
    /// Where it wants to go on, and in which log.
    pub since: Option<(Seq, String)>,
    /// How many messages it wants otherwise.
    pub history: u64,
}

impl Room {
    /// Everything a new connection hears first, in the contract's order.
    pub(super) fn connect(&mut self, store: &Store, now: UnixMs, connect: Connect) -> Result<()> {
        let Connect { id, identity, batches, since, history } = connect;
        let to = mutants::remembered().unwrap_or(self.head);
        // What may fail comes first: an error must leave nothing half done.
        let past = match since {
            Some((since, epoch)) => match self.replay(store, (since, to), &epoch)? {
                Ok(replay) => replay,
                Err(reason) => vec![server::resync(reason, self.head, &self.log.epoch)],
            },
            None => self.history(store, to, history)?,
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
        connection.kept.read_seq = self.reads.of(&user);
        let mut events = vec![self.hello(&connection), server::online_users(&self.presence.online())];
        events.extend(past);
        events.push(server::synced(self.head));
        connection.pending = events;
        self.connections.insert(id, connection);
        Ok(())
    }

    fn hello(&self, connection: &Connection) -> EventText {
        let user = connection.user();
        let shared = self.shares_receipts();
        let members = self.facts.snapshot.members.iter().map(|m| m.user_id.as_str());
        let shown = members.filter(|member| shared || *member == user);
        let read_markers = shown.map(|member| (member, self.reads.of(member)));
        server::hello(&server::Hello {
            connection_id: connection.kept.id.to_string(),
            room_id: self.room_id(),
            user_id: user,
            role: self.role(&connection.kept.identity).map_or("member", |role| role.name()),
            seq: self.head,
            epoch: &self.log.epoch,
            limits: &self.limits,
            last_read_seq: self.reads.of(user),
            notify: self.notify(user),
            read_markers: read_markers.filter(|(_, seq)| *seq > 0).collect(),
        })
    }

    /// The events in (since, head] as they would go out live, or why that can't be done whole.
    fn replay(
        &self,
        store: &Store,
        (since, to): (Seq, Seq),
        epoch: &str,
    ) -> Result<std::result::Result<Vec<EventText>, ResyncReason>> {
        if epoch != self.log.epoch {
            return Ok(Err(ResyncReason::Epoch));
        }
        if since > self.head {
            return Ok(Err(ResyncReason::Ahead));
        }
        if since < self.log.floor {
            return Ok(Err(ResyncReason::TooOld));
        }
        if self.head.saturating_sub(since) > REPLAY_EVENTS_MAX {
            return Ok(Err(ResyncReason::TooMany));
        }
        let mut targets = HashMap::new();
        let (mut events, mut bytes) = (Vec::new(), 0usize);
        for event in store.between(since, to, REPLAY_EVENTS_MAX)? {
            let text = replayed(store, &event, &mut targets)?;
            bytes = bytes.saturating_add(text.len());
            if bytes > REPLAY_BYTES_MAX {
                return Ok(Err(ResyncReason::TooMany));
            }
            events.push(text);
        }
        Ok(Ok(events))
    }

    /// Tells everybody what memory lost: the events after `told`, and who is there.
    pub(super) fn recovered(&mut self, store: &Store, told: Seq) -> Result<()> {
        let mut targets = HashMap::new();
        for event in store.between(told, self.head, REPLAY_EVENTS_MAX)? {
            let text = replayed(store, &event, &mut targets)?;
            self.broadcast(text);
        }
        let online = server::online_users(&self.presence.online());
        self.broadcast(online);
        Ok(())
    }

    fn history(&self, store: &Store, to: Seq, count: u64) -> Result<Vec<EventText>> {
        let newest = store.messages_before(to.saturating_add(1), None, count.min(HISTORY_MAX))?;
        let text = |m: &super::store::Stored| server::new_message(m.seq, &m.body, m.client_id.as_deref());
        Ok(newest.iter().rev().map(text).collect())
    }

    /// Ends a connection from our side.
    pub(super) fn close(&mut self, id: ConnectionId, code: CloseCode, now: UnixMs) {
        if self.gone(id, now) {
            self.effects.push(Effect::Close { connection: id, code });
        }
    }

    /// A socket is no more; false when the room didn't know it.
    pub(super) fn gone(&mut self, id: ConnectionId, now: UnixMs) -> bool {
        let Some(connection) = self.connections.remove(&id) else { return false };
        let user = connection.user();
        self.presence.depart(user, now);
        if self.presence.sockets(user) == 0 {
            self.stop_typing(user, now);
        }
        true
    }
}

/// An event as it would go out now: with the state its message has today.
fn replayed(store: &Store, event: &Event, targets: &mut HashMap<Seq, Option<Message>>) -> Result<EventText> {
    match event.kind {
        Kind::Message => Ok(server::new_message(event.seq, &event.body, event.client_id.as_deref())),
        Kind::Reaction => {
            let seq = event.target.unwrap_or_default();
            if let std::collections::hash_map::Entry::Vacant(slot) = targets.entry(seq) {
                slot.insert(store.by_seq(seq)?.and_then(|e| serde_json::from_str(&e.body).ok()));
            }
            let target = targets.get(&seq).and_then(Option::as_ref);
            let none = Reactions::new();
            let (id, reactions) = target.map_or(("", &none), |m| (m.id.as_str(), &m.reactions));
            let delta: super::message::ReactionBody = serde_json::from_str(&event.body).unwrap_or_default();
            let (user, emoji) = (&event.user_id, &delta.emoji);
            Ok(server::reaction_update(event.seq, id, reactions, user, emoji, delta.add))
        }
    }
}
