//! Who is there and who types: kept in memory alone, since after a kill it is what sockets exist then.
//! And telling people of it, once it is due. Not here: sockets (`connection`).

use super::connection::{Connection, ConnectionId};
use super::rate::Rate;
use super::{Refused, Room};
use crate::auth::{Action, Identity};
use crate::ids::UnixMs;
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
    /// Who types until when, and until when the others were told so.
    typing: BTreeMap<String, Typing>,
}

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
    pub fn types(&mut self, user: &str, now: UnixMs) -> bool {
        let until = now.saturating_add(TYPING_EXPIRES_MS);
        let typing = self.typing.entry(user.to_owned()).or_insert(Typing { until, told_until: 0 });
        typing.until = until;
        let tell = typing.told_until < now.saturating_add(TYPING_REFRESH_MS);
        if tell {
            typing.told_until = until;
        }
        tell
    }

    /// Types no more; true when that is news.
    pub fn types_no_more(&mut self, user: &str, now: UnixMs) -> bool {
        self.typing.remove(user).is_some_and(|typing| typing.until > now)
    }

    /// Those whose typing has ended by itself.
    pub fn take_typed(&mut self, now: UnixMs) -> Vec<String> {
        let ended: Vec<String> =
            self.typing.iter().filter(|(_, t)| t.until <= now).map(|(user, _)| user.clone()).collect();
        for user in &ended {
            self.typing.remove(user);
        }
        ended
    }

    pub fn typing(&self, now: UnixMs) -> Vec<String> {
        self.typing.iter().filter(|(_, t)| t.until > now).map(|(user, _)| user.clone()).collect()
    }

    /// When something is due next. Typing's end counts only if somebody must be told of it.
    pub fn deadline(&self, typing_is_told: bool) -> Option<UnixMs> {
        let typing = self.typing.values().map(|t| t.until).filter(|_| typing_is_told);
        self.joins_told_at.into_iter().chain(self.leaving.values().copied()).chain(typing).min()
    }
}

impl Room {
    /// Tells what is due by now.
    pub(super) fn tick(&mut self, now: UnixMs) {
        for (user, by) in self.presence.take_joined(now) {
            let event = server::user_joined(&user, now);
            let heard = |c: &&mut Connection| c.kept.id < by && c.user() != user;
            self.connections.values_mut().filter(heard).for_each(|c| c.pending.push(event.clone()));
        }
        for user in self.presence.take_left(now) {
            self.broadcast(server::user_left(&user, now));
        }
        let shared = self.shares_receipts();
        for (user, seq) in self.reads.take_receipts(now) {
            let event = server::read_receipt(&user, seq);
            let heard = |c: &&mut Connection| shared || c.user() == user;
            self.connections.values_mut().filter(heard).for_each(|c| c.pending.push(event.clone()));
        }
        for user in self.presence.take_typed(now) {
            self.tell_typing(&user, false, now, |c| !c.kept.batches);
        }
    }

    pub(super) fn types(&mut self, who: &Identity, is_typing: bool, now: UnixMs) -> Result<(), Refused> {
        self.authorize(who, Action::Talk)?;
        self.take(who, Rate::Typing, now)?;
        let user = who.user.as_str();
        if !is_typing {
            self.stop_typing(user, now);
        } else if self.presence.types(user, now) {
            self.tell_typing(user, true, now, |_| true);
        }
        Ok(())
    }

    /// Tells the others at once that somebody types no more, if they thought so.
    pub(super) fn stop_typing(&mut self, user: &str, now: UnixMs) {
        if self.presence.types_no_more(user, now) {
            self.tell_typing(user, false, now, |_| true);
        }
    }

    /// Nobody is told of their own typing.
    fn tell_typing(&mut self, user: &str, is_typing: bool, now: UnixMs, hears: impl Fn(&Connection) -> bool) {
        let typing = self.presence.typing(now);
        let list = |except: &str| -> Vec<&str> {
            typing.iter().map(String::as_str).filter(|user| *user != except).collect()
        };
        let shared = server::typing(user, is_typing, &list(""));
        for connection in self.connections.values_mut().filter(|c| c.user() != user && hears(c)) {
            let event = match typing.iter().any(|typist| typist == connection.user()) {
                true => server::typing(user, is_typing, &list(connection.user())),
                false => shared.clone(),
            };
            connection.pending.push(event);
        }
    }
}
