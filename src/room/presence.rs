//! Who is there and who types: kept in memory alone, since after a kill it is what sockets exist then.
//! Not here: sockets (`connection`), and telling people (`room`).

use super::connection::ConnectionId;
use crate::ids::UnixMs;
use crate::limits::{JOIN_GATHER_MS, LEAVE_GRACE_MS, TYPING_EXPIRES_MS, TYPING_REFRESH_MS};
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
        *sockets = sockets.saturating_sub(1);
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
