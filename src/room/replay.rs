//! The log as it is delivered again: a replay, the history of a new connection, and what a reload left undelivered. An
//! event is sent with the state its message has today; an event about a message that the recipient may not see is
//! `hidden`. Not here: when that happens (`session`), and pages over REST (`calls`).

use super::Room;
use super::calls::truncate;
use super::reactions::replayed_reaction;
use super::store::formats::MemberBody;
use super::store::{Event, Kind, Result, Store};
use crate::ids::Seq;
use crate::limits::*;
use crate::protocol::message::Message;
use crate::protocol::room::HistoryVisibility;
use crate::protocol::server::{self, EventText, EventTexts, ResyncReason};
use serde_json::Value;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// A part of the log for one person.
#[derive(Clone, Copy)]
pub struct Range<'a> {
    /// Events up to here are left out.
    pub since: Seq,
    /// The last event.
    pub to: Seq,
    /// Messages up to here are hidden from this person.
    pub visible_from: Seq,
    pub user: &'a str,
    /// Whether the person's client speaks `chat.v1`.
    pub batches: bool,
}

/// What a new connection receives of the past.
pub struct Past {
    pub events: Vec<EventText>,
    /// The oldest message of a history; `None`: there is none, or it is a replay or a resync.
    pub oldest_seq: Option<Seq>,
    /// Whether there are older messages that this person may see.
    pub has_more_before: bool,
}

/// The messages that a replay's events are about, each read once.
#[derive(Default)]
struct Targets(HashMap<Seq, Option<(Message, String)>>);

impl Targets {
    fn target_of(&mut self, store: &Store, event: &Event) -> Result<Option<&(Message, String)>> {
        let Some(seq) = event.target else { return Ok(None) };
        if let Entry::Vacant(slot) = self.0.entry(seq) {
            let body = store.by_seq(seq)?.filter(|event| event.kind == Kind::Message).map(|event| event.body);
            slot.insert(body.and_then(|body| Some((serde_json::from_str(&body).ok()?, body))));
        }
        Ok(self.0.get(&seq).and_then(Option::as_ref))
    }
}

impl Room {
    /// The events of (since, to] as they would be delivered live now, or the reason why they can't be complete.
    fn replay(
        &self,
        store: &Store,
        range: Range,
        epoch: &str,
    ) -> Result<std::result::Result<Vec<EventText>, ResyncReason>> {
        let Range { since, to, visible_from, user: _, batches } = range;
        if epoch != self.log.epoch() {
            return Ok(Err(ResyncReason::Epoch));
        }
        if since > self.log.head() {
            return Ok(Err(ResyncReason::Ahead));
        }
        if since < self.log.floor().max(visible_from) {
            return Ok(Err(ResyncReason::TooOld));
        }
        if self.log.head().saturating_sub(since) > REPLAY_EVENTS_MAX {
            return Ok(Err(ResyncReason::TooMany));
        }
        let mut targets = Targets::default();
        let (mut events, mut bytes) = (Vec::new(), 0usize);
        for event in store.between(since, to, REPLAY_EVENTS_MAX)? {
            let text = match is_hidden(&event, visible_from) {
                true => server::hidden(event.seq),
                false => {
                    let texts = self.event_texts(store, &event, &mut targets, (!batches, visible_from))?;
                    texts.text_for(batches).clone()
                }
            };
            bytes = bytes.saturating_add(text.len());
            if bytes > REPLAY_BYTES_MAX {
                return Ok(Err(ResyncReason::TooMany));
            }
            let Some(text) = self.first_loads.share(event.seq, text, self.limits.first_loads_bytes) else {
                return Ok(Err(ResyncReason::TooMany));
            };
            events.push(text);
        }
        Ok(Ok(events))
    }

    /// Delivers to everybody what a reload left undelivered: the events after `delivered_seq`, and who is online.
    pub(super) fn recovered(&mut self, store: &Store, delivered_seq: Seq) -> Result<()> {
        let mut targets = Targets::default();
        let legacy = self.connections.has_legacy();
        for event in store.between(delivered_seq, self.log.head(), REPLAY_EVENTS_MAX)? {
            if event.kind == Kind::Pins {
                self.broadcast_pins(&event);
                continue;
            }
            let texts = self.event_texts(store, &event, &mut targets, (legacy, 0))?;
            self.broadcast_about(event.target, event.seq, texts);
        }
        let online = server::online_users(&self.presence.online());
        self.connections.broadcast(&online);
        Ok(())
    }

    /// The newest messages of the range, oldest first: at most `count`, and at most `HISTORY_BYTES_MAX` bytes. While
    /// much waits for other newcomers it may be fewer, but one.
    pub(super) fn history(&self, store: &Store, range: Range, count: u64) -> Result<Past> {
        let count = count.min(HISTORY_MAX);
        let below = range.to.saturating_add(1);
        let mut newest = store.messages_before(below, None, count.saturating_add(1))?;
        newest.retain(|message| message.seq > range.since);
        let is_cut = truncate(&mut newest, count, HISTORY_BYTES_MAX);
        self.show_own_reactions(store, range.user, &mut newest)?;
        let (mut events, bytes_max) = (Vec::new(), self.limits.first_loads_bytes);
        for m in &newest {
            let text = server::new_message(m.seq, &m.body, m.client_id.as_deref());
            let first = events.is_empty().then(|| text.clone());
            let Some(text) = self.first_loads.share(m.seq, text, bytes_max).or(first) else { break };
            events.push(text);
        }
        let has_more_before = is_cut || events.len() < newest.len();
        newest.truncate(events.len());
        events.reverse();
        Ok(Past { events, oldest_seq: newest.last().map(|message| message.seq), has_more_before })
    }

    /// What a connection with `since` receives of the past.
    pub(super) fn replay_or_resync(&self, store: &Store, range: Range, epoch: &str) -> Result<Past> {
        let (events, since) = match self.replay(store, range, epoch)? {
            Ok(events) => (events, range.since),
            Err(reason) => (vec![server::resync(reason, self.log.head(), self.log.epoch())], self.log.head()),
        };
        let before = store.messages_before(since.saturating_add(1), None, 1)?;
        let has_more_before = before.iter().any(|message| message.seq > range.visible_from);
        Ok(Past { events, oldest_seq: None, has_more_before })
    }

    /// Sends the event `seq` to everybody. People who may not see the message at `target` get `hidden` instead; legacy
    /// clients, which do not know `hidden`, get nothing.
    pub(super) fn broadcast_about(&mut self, target: Option<Seq>, seq: Seq, texts: EventTexts) {
        let since_join = self.members.snapshot().history_visibility == HistoryVisibility::SinceJoin;
        let Some(target) = target.filter(|_| since_join) else {
            return self.connections.send_each(|c| Some(texts.text_for(c.batches).clone()));
        };
        let (members, hidden) = (&self.members, server::hidden(seq));
        self.connections.send_each(|c| match target <= members.visible_from(c.user()) {
            false => Some(texts.text_for(c.batches).clone()),
            true => c.batches.then(|| hidden.clone()),
        });
    }

    /// An event as it would be delivered live now: with the state its message has today.
    ///
    /// # Takes  `legacy`: whether a legacy client receives it; `visible_from`: what hides pins from its receiver.
    fn event_texts(
        &self,
        store: &Store,
        event: &Event,
        targets: &mut Targets,
        (legacy, visible_from): (bool, Seq),
    ) -> Result<EventTexts> {
        let seq = event.seq;
        let target = targets.target_of(store, event)?;
        let id = target.map_or("", |(message, _)| message.id.as_str());
        let text = match event.kind {
            Kind::Message => server::new_message(seq, &event.body, event.client_id.as_deref()),
            Kind::Reaction => {
                return replayed_reaction(store, event, target.map(|(message, _)| message), legacy);
            }
            Kind::Edit => server::message_updated(seq, target.map_or("null", |(_, body)| body)),
            Kind::Delete => server::message_deleted(seq, id, &event.user_id),
            Kind::Thread => {
                let (count, last) =
                    target.map_or((0, None), |(root, _)| (root.reply_count, root.last_reply_at));
                server::thread_update(seq, id, count, last)
            }
            Kind::Pins => self.pins.event_text(event, visible_from),
            Kind::MemberAdded | Kind::MemberRemoved | Kind::MemberUpdated | Kind::RoomUpdated => {
                member_event_text(event)
            }
        };
        Ok(text.into())
    }
}

fn is_hidden(event: &Event, visible_from: Seq) -> bool {
    event.target.is_some_and(|target| target <= visible_from)
}

/// An event about the room or its members; it needs no message.
pub(super) fn member_event_text(event: &Event) -> EventText {
    let kind = match event.kind {
        Kind::MemberAdded => "member_added",
        Kind::MemberRemoved => "member_removed",
        Kind::MemberUpdated => "member_updated",
        _ => {
            let room = serde_json::from_str::<Value>(&event.body).unwrap_or_default();
            return server::room_updated(event.seq, &room);
        }
    };
    let body: MemberBody = serde_json::from_str(&event.body).unwrap_or_default();
    server::member(kind, event.seq, &body.user_id, body.role.name(), &event.user_id)
}
