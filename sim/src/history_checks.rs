//! Histories and pages: whole, within their bytes, and right about whether there is more (HIST-1, HIST-3, HIST-4, HIST-7).
//! Not here: replays and live events (`client_checks`), what each message says (`world::content_model`).

use crate::stored::{Log, Stored, log, messages_between, state};
use crate::world::World;
use crate::world::checker::{CheckResult, Checker};
use crate::world::clients::Tab;
use crate::world::hosts::Host;
use crate::world::network::SimSocket;
use chinwag::ids::Seq;
use serde_json::Value;
use std::collections::BTreeMap;
use std::rc::Rc;

/// The messages of a page and of a history, if their bytes allow.
const PAGE: usize = 100;
/// A client that reads has its first load after this long.
const FIRST_LOAD_MS: u64 = 2_000;
/// An event without its message.
const EVENT_BYTES: usize = 400;
const HISTORY_DEFAULT: usize = chinwag::limits::HISTORY_DEFAULT as usize;

impl World {
    /// A history that has just been received whole: the newest messages without a hole, at least one, and whether there
    /// are older ones.
    pub fn check_history(&self, tab: &Tab, synced: &Value) -> CheckResult {
        let head = synced["seq"].as_u64().unwrap_or(0);
        // The log was lost since, and may have another head; or the room is being deleted.
        let is_other = state(self, tab.room, 1)["epoch"].as_str() != Some(&tab.epoch);
        if is_other || self.model.deletion_requested.borrow().contains(&tab.room) {
            return Ok(());
        }
        let all = messages_between(self, tab.room, 0, head);
        let newest = &all[all.len().saturating_sub(tab.history.len())..];
        let is_newest = *newest == tab.history && newest.is_empty() == all.is_empty();
        let has_more = synced["hasMoreBefore"] == (newest.len() < all.len());
        let is_oldest = synced["oldestSeq"].as_u64() == newest.first().copied();
        if newest.len() < all.len().min(HISTORY_DEFAULT) {
            self.recorder.count("histories cut at their bytes");
        }
        match is_newest && has_more && is_oldest {
            true => Ok(()),
            false => Err((Checker::Seam, format!("the history {:?} of {all:?}: {synced}", tab.history))),
        }
    }

    /// A replay may be refused as too large: it is long, or its events have too many bytes together with what waits for
    /// others.
    pub fn may_be_too_many(&self, room: usize, since: Seq, head: Seq) -> bool {
        let Some(host) = self.hosts.of_room(room) else { return false };
        let now = self.clock.now();
        let may_wait = |socket: &&Rc<SimSocket>| {
            let is_new = socket.opened_at + FIRST_LOAD_MS > now;
            is_new || socket.was_slow.get() || socket.closing.get() || !socket.is_received()
        };
        // One of them is the client's own.
        if head.saturating_sub(since) > 100 || host.sockets.borrow().iter().filter(may_wait).count() > 1 {
            return true;
        }
        let log = log(self, room);
        let message_of = |stored: &Stored| match stored.kind {
            3 => log.values().find(|m| m.message().is_some_and(|m| stored.body.contains(&m.id))),
            _ => None,
        };
        let bytes = |stored: &Stored| EVENT_BYTES + message_of(stored).unwrap_or(stored).body.len();
        let events = log.range(since + 1..=head).map(|(_, stored)| stored);
        events.map(bytes).sum::<usize>() > self.limits.first_loads_bytes
    }

    /// What waits for newcomers has a bound.
    pub fn check_first_loads(&self, host: &Host) {
        let object = host.object.borrow();
        let bytes = object.as_ref().map_or(0, |object| object.first_load_bytes());
        if bytes > self.limits.first_loads_bytes {
            let what = format!("{}: histories and replays of {bytes} bytes wait", host.name);
            self.recorder.violation(Checker::Bounds, what);
        }
    }

    /// A page ends at its bytes, but has at least one message.
    pub fn check_page_bytes(&self, page: &Value) {
        let messages = page["messages"].as_array().map(Vec::as_slice).unwrap_or_default();
        let bytes: usize = messages.iter().map(|message| message.to_string().len()).sum();
        if messages.len() > 1 && bytes > self.limits.page_bytes {
            let what = format!("a page of {} messages has {bytes} bytes", messages.len());
            self.recorder.violation(Checker::Bounds, what);
        }
        if messages.len() < PAGE && (page["hasMoreAfter"] == true || page["hasMoreBefore"] == true) {
            self.recorder.count("pages cut at their bytes");
        }
    }
}

/// REST pages through the same messages: forwards, and in the second room backwards.
pub fn log_equals_history(world: &Rc<World>, room: usize, log: &Log) -> CheckResult {
    let backwards = room == 1;
    let (mut at, mut pages) = (0, BTreeMap::new());
    loop {
        let page = match backwards {
            true => world.read_page_before(room, "alice", at),
            false => world.read_page(room, "alice", at),
        };
        let Some(page) = page else { return Err((Checker::Live, "no page of the history".into())) };
        let messages = page["messages"].as_array().map(Vec::as_slice).unwrap_or_default();
        let seqs: Vec<Seq> = messages.iter().filter_map(|message| message["seq"].as_u64()).collect();
        pages.extend(seqs.iter().copied().zip(messages.iter().cloned()));
        let next = if backwards { seqs.first() } else { seqs.last() };
        let has_more = page[if backwards { "hasMoreBefore" } else { "hasMoreAfter" }] == true;
        match next {
            Some(next) if has_more => at = *next,
            _ => break,
        }
    }
    let messages = log.iter().filter(|(_, stored)| stored.kind == 1);
    let messages: BTreeMap<Seq, Value> = messages.map(|(seq, stored)| (*seq, stored.json())).collect();
    match pages == messages {
        true => Ok(()),
        false => Err((Checker::Diverging, "the history is not the log".into())),
    }
}
