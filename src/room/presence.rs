//! Who is there and who types: kept in memory alone, since after a kill it is what sockets exist then.
//! And telling people of it, once it is due. Not here: sockets (`connection`).

use super::connection::{Connection, ConnectionId};
use super::rate::Rate;
use super::store::Store;
use super::{Room, RoomError};
use crate::auth::{Action, Identity};
use crate::ids::{MessageId, UnixMs};
use crate::limits::{JOIN_GATHER_MS, LEAVE_GRACE_MS, TYPING_EXPIRES_MS, TYPING_REFRESH_MS};
use crate::mutants::{Mutant, is};
use crate::protocol::server;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Default)]
pub struct Presence {
    /// Open sockets by person.
    sockets: BTreeMap<String, u32>,
    /// People without a socket, and when that counts as having left.
    leaving: BTreeMap<String, UnixMs>,
    /// Joins not yet told, each with the connection that made it: later ones saw it in `online_users`.
    joined: Vec<(String, ConnectionId)>,
    joins_told_at: Option<UnixMs>,
    /// Who types where until when, and until when the others were told so.
    typing: BTreeMap<(Place, String), Typing>,
}

/// Where somebody types: the thread's root, by its id; `None`: in the room.
type Place = Option<String>;

#[derive(Debug)]
struct Typing {
    until: UnixMs,
    told_until: UnixMs,
}

impl Presence {
    pub fn arrive(&mut self, user: &str, by: ConnectionId, now: UnixMs) {
        let sockets = self.sockets.entry(user.to_owned()).or_default();
        *sockets = sockets.saturating_add(1);
        if *sockets == 1 && self.leaving.remove(user).is_none() {
            self.joined.push((user.to_owned(), by));
            self.joins_told_at.get_or_insert(now.saturating_add(JOIN_GATHER_MS));
        }
    }

    /// One who was there before the room slept: nobody is told.
    pub fn wake(&mut self, user: &str) {
        let sockets = self.sockets.entry(user.to_owned()).or_default();
        *sockets = sockets.saturating_add(1);
    }

    /// A socket is gone; a person's last one begins the grace.
    pub fn depart(&mut self, user: &str, now: UnixMs) {
        let Some(sockets) = self.sockets.get_mut(user) else { return };
        *sockets = if is(Mutant::PresenceOfOneSocket) { 0 } else { sockets.saturating_sub(1) };
        if *sockets == 0 {
            self.sockets.remove(user);
            self.leaving.insert(user.to_owned(), now.saturating_add(LEAVE_GRACE_MS));
        }
    }

    pub fn sockets(&self, user: &str) -> u32 {
        self.sockets.get(user).copied().unwrap_or(0)
    }

    /// Everybody who is there, those in their grace included; unique and sorted.
    pub fn online(&self) -> Vec<&str> {
        let all: BTreeSet<&str> =
            self.sockets.keys().chain(self.leaving.keys()).map(String::as_str).collect();
        all.into_iter().collect()
    }

    /// The joins that are due.
    pub fn take_joined(&mut self, now: UnixMs) -> Vec<(String, ConnectionId)> {
        match self.joins_told_at {
            Some(at) if at <= now => {
                self.joins_told_at = None;
                std::mem::take(&mut self.joined)
            }
            _ => Vec::new(),
        }
    }

    /// The people whose grace is over.
    pub fn take_left(&mut self, now: UnixMs) -> Vec<String> {
        let left: Vec<String> =
            self.leaving.iter().filter(|(_, at)| **at <= now).map(|(user, _)| user.clone()).collect();
        for user in &left {
            self.leaving.remove(user);
        }
        // Somebody whose join nobody heard needs no leaving either, but telling it does no harm.
        left
    }

    /// Types; true when the others should be told (again).
    pub fn set_typing(&mut self, place: &Place, user: &str, now: UnixMs) -> bool {
        // What ended long ago is forgotten, also where nobody must be told of the end.
        self.typing.retain(|_, typing| now < typing.until.saturating_add(TYPING_EXPIRES_MS));
        let until = now.saturating_add(TYPING_EXPIRES_MS);
        let key = (place.clone(), user.to_owned());
        let typing = self.typing.entry(key).or_insert(Typing { until, told_until: 0 });
        typing.until = until;
        let tell = typing.told_until < now.saturating_add(TYPING_REFRESH_MS);
        if tell {
            typing.told_until = until;
        }
        tell
    }

    /// Types there no more; true when that is news.
    pub fn clear_typing(&mut self, place: &Place, user: &str, now: UnixMs) -> bool {
        let typing = self.typing.remove(&(place.clone(), user.to_owned()));
        typing.is_some_and(|typing| typing.until > now)
    }

    /// Where this person types.
    pub fn places(&self, user: &str) -> Vec<Place> {
        let theirs = self.typing.keys().filter(|(_, typist)| typist == user);
        theirs.map(|(place, _)| place.clone()).collect()
    }

    /// Those whose typing in the room has ended by itself.
    pub fn take_typed(&mut self, now: UnixMs) -> Vec<String> {
        let ended = self.typing.iter().filter(|(_, t)| t.until <= now).map(|(key, _)| key.clone());
        let ended: Vec<(Place, String)> = ended.collect();
        for key in &ended {
            self.typing.remove(key);
        }
        ended.into_iter().filter(|(place, _)| place.is_none()).map(|(_, user)| user).collect()
    }

    pub fn typing(&self, place: &Place, now: UnixMs) -> Vec<String> {
        let there = self.typing.iter().filter(|((at, _), t)| at == place && t.until > now);
        there.map(|((_, user), _)| user.clone()).collect()
    }

    /// When something is due next. Typing's end counts only if somebody must be told of it.
    pub fn deadline(&self, typing_is_told: bool) -> Option<UnixMs> {
        let in_room = self.typing.iter().filter(|((place, _), _)| place.is_none());
        let typing = in_room.map(|(_, t)| t.until).filter(|_| typing_is_told);
        self.joins_told_at.into_iter().chain(self.leaving.values().copied()).chain(typing).min()
    }
}

impl Room {
    /// Tells what is due by now.
    pub(super) fn tick(&mut self, now: UnixMs) {
        for (user, by) in self.presence.take_joined(now) {
            let event = server::user_joined(&user, now);
            let heard = |c: &&mut Connection| c.state.id < by && c.user() != user;
            self.connections.values_mut().filter(heard).for_each(|c| c.pending.push(event.clone()));
        }
        for user in self.presence.take_left(now) {
            self.broadcast(server::user_left(&user, now));
        }
        let shared = self.shares_receipts();
        for (user, seq, own_alone) in self.reads.take_receipts(now) {
            let event = server::read_receipt(&user, seq);
            let heard = |c: &&mut Connection| (shared && !own_alone) || c.user() == user;
            self.connections.values_mut().filter(heard).for_each(|c| c.pending.push(event.clone()));
        }
        for user in self.presence.take_typed(now) {
            self.tell_typing((&None, &user), false, now, |c| !c.state.batches);
        }
    }

    pub(super) fn set_typing(
        &mut self,
        store: &Store,
        caller: &Identity,
        is_typing: bool,
        thread: Option<MessageId>,
        now: UnixMs,
    ) -> Result<(), RoomError> {
        self.authorize(caller, Action::Talk)?;
        self.ensure_not_muted(caller, now)?;
        self.charge_rate(caller, Rate::Typing, now)?;
        let place = self.thread_root(store, caller, thread)?.map(|root| root.id);
        let user = caller.user.as_str();
        if !is_typing {
            self.stop_typing_in(user, place.as_deref(), now);
        } else if self.presence.set_typing(&place, user, now) {
            self.tell_typing((&place, user), true, now, |_| true);
        }
        Ok(())
    }

    /// Tells the others at once that somebody types no more, if they thought so.
    pub(super) fn stop_typing(&mut self, user: &str, now: UnixMs) {
        for place in self.presence.places(user) {
            self.stop_typing_in(user, place.as_deref(), now);
        }
    }

    /// The same for one thread, or the room.
    pub(super) fn stop_typing_in(&mut self, user: &str, thread: Option<&str>, now: UnixMs) {
        let place = thread.map(str::to_owned);
        if self.presence.clear_typing(&place, user, now) {
            self.tell_typing((&place, user), false, now, |_| true);
        }
    }

    /// Nobody is told of their own typing, nor of a thread that they may not see; clients of the original protocol know
    /// no threads.
    fn tell_typing(
        &mut self,
        (place, user): (&Place, &str),
        is_typing: bool,
        now: UnixMs,
        hears: impl Fn(&Connection) -> bool,
    ) {
        let typing = self.presence.typing(place, now);
        let list = |except: &str| -> Vec<&str> {
            typing.iter().map(String::as_str).filter(|user| *user != except).collect()
        };
        let thread = place.as_deref();
        let root = thread.and_then(MessageId::parse).map(MessageId::seq);
        let legacy_hears = |c: &Connection| root.is_none() || c.state.batches;
        let hearing = self.connections.values().filter(|c| c.user() != user && hears(c) && legacy_hears(c));
        let hearing = hearing.filter(|c| root.is_none_or(|root| root > self.visible_from(c.user())));
        let hearing: Vec<ConnectionId> = hearing.map(|c| c.state.id).collect();
        let shared = server::typing(user, is_typing, &list(""), thread);
        for id in hearing {
            let Some(connection) = self.connections.get_mut(&id) else { continue };
            let event = match typing.iter().any(|typist| typist == connection.user()) {
                true => server::typing(user, is_typing, &list(connection.user()), thread),
                false => shared.clone(),
            };
            connection.pending.push(event);
        }
    }
}
