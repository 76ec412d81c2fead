//! Who is online and who is typing. Both live in memory alone: after a reload, whoever has a socket is online.
//! Not here: sockets (`connection`), and sending the events that follow (`ephemeral`).

use super::socket_state::ConnectionId;
use crate::ids::{MessageId, Seq, UnixMs};
use crate::limits::{JOIN_GATHER_MS, LEAVE_GRACE_MS, TYPING_EXPIRES_MS, TYPING_REFRESH_MS};
use crate::protocol::server::{self, EventText};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Default)]
pub struct Presence {
    /// Number of open sockets by person.
    sockets: BTreeMap<String, u32>,
    /// People without a socket, and when their grace ends.
    leaving: BTreeMap<String, UnixMs>,
    /// Joins that were not announced yet.
    joined: Vec<Join>,
    joins_due_at: Option<UnixMs>,
    typing: BTreeMap<(Place, String), Typing>,
}

/// Where a person types: in the thread with this root id, or in the room.
type Place = Option<String>;

#[derive(Debug)]
struct Typing {
    until: UnixMs,
    /// Until when the others believe it without another event.
    announced_until: UnixMs,
}

/// A person came online with this connection. Connections opened later saw the person in `online_users`.
#[derive(Debug)]
pub struct Join {
    pub user: String,
    pub connection: ConnectionId,
}

/// A person has started or stopped typing, and the others must hear of it.
pub struct TypingUpdate {
    user: String,
    place: Place,
    event: EventText,
}

impl TypingUpdate {
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The seq of the thread's root; `None` in the room.
    pub fn root(&self) -> Option<Seq> {
        self.place.as_deref().and_then(MessageId::parse).map(MessageId::seq)
    }

    /// The event, the same text for everybody: a recipient who types there is named or counted too.
    pub fn event(&self) -> EventText {
        self.event.clone()
    }
}

impl Presence {
    /// A person's new socket. Reconnecting within the grace period is not a join.
    pub fn add_socket(&mut self, user: &str, connection: ConnectionId, now: UnixMs) {
        let sockets = self.sockets.entry(user.to_owned()).or_default();
        *sockets = sockets.saturating_add(1);
        if *sockets == 1 && self.leaving.remove(user).is_none() {
            self.joined.push(Join { user: user.to_owned(), connection });
            self.joins_due_at.get_or_insert(now.saturating_add(JOIN_GATHER_MS));
        }
    }

    /// A socket that stayed open while the room was out of memory; this is not a join.
    pub fn wake_socket(&mut self, user: &str) {
        let sockets = self.sockets.entry(user.to_owned()).or_default();
        *sockets = sockets.saturating_add(1);
    }

    /// A socket was closed. With a person's last one the grace period begins.
    pub fn remove_socket(&mut self, user: &str, now: UnixMs) {
        let Some(sockets) = self.sockets.get_mut(user) else { return };
        *sockets = sockets.saturating_sub(1);
        if *sockets == 0 {
            self.sockets.remove(user);
            self.leaving.insert(user.to_owned(), now.saturating_add(LEAVE_GRACE_MS));
        }
    }

    pub fn sockets(&self, user: &str) -> u32 {
        self.sockets.get(user).copied().unwrap_or(0)
    }

    /// Everybody who is online, people in their grace period included; unique and sorted.
    pub fn online(&self) -> Vec<&str> {
        let all: BTreeSet<&str> =
            self.sockets.keys().chain(self.leaving.keys()).map(String::as_str).collect();
        all.into_iter().collect()
    }

    /// The joins that are due to be announced.
    pub fn take_joined(&mut self, now: UnixMs) -> Vec<Join> {
        match self.joins_due_at {
            Some(at) if at <= now => {
                self.joins_due_at = None;
                std::mem::take(&mut self.joined)
            }
            _ => Vec::new(),
        }
    }

    /// The people whose grace period is over. A leave is announced even if its join never was; that does no harm.
    pub fn take_left(&mut self, now: UnixMs) -> Vec<String> {
        let left: Vec<String> =
            self.leaving.iter().filter(|(_, at)| **at <= now).map(|(user, _)| user.clone()).collect();
        for user in &left {
            self.leaving.remove(user);
        }
        left
    }

    /// A person types in this place. Repeated typing is announced again only before the others would let it expire.
    pub fn start_typing(&mut self, place: &Place, user: &str, now: UnixMs) -> Option<TypingUpdate> {
        // Entries that ended long ago are dropped here: no timer removes them while no legacy client is connected.
        self.typing.retain(|_, typing| now < typing.until.saturating_add(TYPING_EXPIRES_MS));
        let until = now.saturating_add(TYPING_EXPIRES_MS);
        let key = (place.clone(), user.to_owned());
        let typing = self.typing.entry(key).or_insert(Typing { until, announced_until: 0 });
        typing.until = until;
        if typing.announced_until >= now.saturating_add(TYPING_REFRESH_MS) {
            return None;
        }
        typing.announced_until = until;
        Some(self.typing_update(place, user, true, now))
    }

    /// A person stops typing in this place; `None` if they had not been typing there.
    pub fn stop_typing(&mut self, place: &Place, user: &str, now: UnixMs) -> Option<TypingUpdate> {
        let typing = self.typing.remove(&(place.clone(), user.to_owned()))?;
        (typing.until > now).then(|| self.typing_update(place, user, false, now))
    }

    /// A person stops typing in all places.
    pub fn stop_typing_everywhere(&mut self, user: &str, now: UnixMs) -> Vec<TypingUpdate> {
        let theirs = self.typing.keys().filter(|(_, typist)| typist == user);
        let places: Vec<Place> = theirs.map(|(place, _)| place.clone()).collect();
        places.iter().filter_map(|place| self.stop_typing(place, user, now)).collect()
    }

    /// Removes typing that has expired, and gives the updates of the room itself; those of threads need none.
    pub fn expire_typing(&mut self, now: UnixMs) -> Vec<TypingUpdate> {
        let ended = self.typing.iter().filter(|(_, t)| t.until <= now).map(|(key, _)| key.clone());
        let ended: Vec<(Place, String)> = ended.collect();
        for key in &ended {
            self.typing.remove(key);
        }
        let in_room = ended.iter().filter(|(place, _)| place.is_none());
        in_room.map(|(place, user)| self.typing_update(place, user, false, now)).collect()
    }

    fn typing_update(&self, place: &Place, user: &str, is_typing: bool, now: UnixMs) -> TypingUpdate {
        let there = self.typing.iter().filter(|((at, _), t)| at == place && t.until > now);
        let typing_users: Vec<&str> = there.map(|((_, user), _)| user.as_str()).collect();
        let event = server::typing(user, is_typing, &typing_users, place.as_deref());
        TypingUpdate { user: user.to_owned(), place: place.clone(), event }
    }

    /// When something is due next. Typing that expires is announced only to legacy clients; others use `expiresInMs`.
    pub fn deadline(&self, has_legacy: bool) -> Option<UnixMs> {
        let in_room = self.typing.iter().filter(|((place, _), _)| place.is_none());
        let typing = in_room.map(|(_, t)| t.until).filter(|_| has_legacy);
        self.joins_due_at.into_iter().chain(self.leaving.values().copied()).chain(typing).min()
    }
}
