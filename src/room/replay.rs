//! The log told again: a replay, the history of a new connection, what memory lost. An event is told as it would go out
//! now, with the state its message has today; what somebody may not see keeps its place alone.
//! Not here: when (`session`), and pages over REST (`pages`).

use super::Room;
use super::message::ReactionBody;
use super::store::{Event, Kind, Result, Store, Stored};
use crate::ids::Seq;
use crate::limits::*;
use crate::protocol::message::{Message, Reactions};
use crate::protocol::server::{self, EventText, ReactionDelta, ResyncReason};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// What the log keeps of a change of membership; who made it is the event's person.
#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MemberBody {
    pub user_id: String,
    pub role: String,
}

/// The messages that a replay's events are about, each read once.
#[derive(Default)]
pub struct Targets(HashMap<Seq, Option<(Message, String)>>);

impl Targets {
    fn of(&mut self, store: &Store, event: &Event) -> Result<Option<&(Message, String)>> {
        let Some(seq) = event.target else { return Ok(None) };
        if let Entry::Vacant(slot) = self.0.entry(seq) {
            let body = store.by_seq(seq)?.filter(|event| event.kind == Kind::Message).map(|event| event.body);
            slot.insert(body.and_then(|body| Some((serde_json::from_str(&body).ok()?, body))));
        }
        Ok(self.0.get(&seq).and_then(Option::as_ref))
    }
}

impl Room {
    /// Nothing said up to here, and nothing about it, is shown to this person: with `since_join`, what was before they came.
    pub(super) fn visible_from(&self, user: &str) -> Seq {
        if self.info.snapshot.history_visibility != "since_join" {
            return 0;
        }
        let member = self.info.snapshot.members.iter().find(|m| m.user_id.as_str() == user);
        member.map_or(0, |m| m.joined_seq)
    }

    /// The events in (since, head] as they would go out live, or why that can't be done whole.
    ///
    /// # Takes  `visible_from`: nothing up to there is shown.
    pub(super) fn replay(
        &self,
        store: &Store,
        (since, to): (Seq, Seq),
        epoch: &str,
        visible_from: Seq,
    ) -> Result<std::result::Result<Vec<EventText>, ResyncReason>> {
        if epoch != self.log.epoch {
            return Ok(Err(ResyncReason::Epoch));
        }
        if since > self.head {
            return Ok(Err(ResyncReason::Ahead));
        }
        if since < self.log.floor.max(visible_from) {
            return Ok(Err(ResyncReason::TooOld));
        }
        if self.head.saturating_sub(since) > REPLAY_EVENTS_MAX {
            return Ok(Err(ResyncReason::TooMany));
        }
        let mut targets = Targets::default();
        let (mut events, mut bytes) = (Vec::new(), 0usize);
        for event in store.between(since, to, REPLAY_EVENTS_MAX)? {
            let text = match hides(&event, visible_from) {
                true => server::hidden(event.seq),
                false => replayed(store, &event, &mut targets)?,
            };
            bytes = bytes.saturating_add(text.len());
            if bytes > REPLAY_BYTES_MAX {
                return Ok(Err(ResyncReason::TooMany));
            }
            events.push(text);
        }
        Ok(Ok(events))
    }

    /// Tells everybody what memory lost: the events after `told`, and who is there.
    pub(super) fn recovered(&mut self, store: &Store, delivered_seq: Seq) -> Result<()> {
        let mut targets = Targets::default();
        for event in store.between(delivered_seq, self.head, REPLAY_EVENTS_MAX)? {
            let text = replayed(store, &event, &mut targets)?;
            self.broadcast_about(event.target, event.seq, text);
        }
        let online = server::online_users(&self.presence.online());
        self.broadcast(online);
        Ok(())
    }

    pub(super) fn history(
        &self,
        store: &Store,
        (from, to): (Seq, Seq),
        count: u64,
    ) -> Result<Vec<EventText>> {
        let newest = store.messages_before(to.saturating_add(1), None, count.min(HISTORY_MAX))?;
        let text = |m: &Stored| server::new_message(m.seq, &m.body, m.client_id.as_deref());
        Ok(newest.iter().rev().filter(|m| m.seq > from).map(text).collect())
    }

    /// Tells everybody of the event `seq`; those who may not see the message it is about hear of its place alone.
    pub(super) fn broadcast_about(&mut self, target: Option<Seq>, seq: Seq, event: EventText) {
        let Some(target) = target.filter(|_| self.info.snapshot.history_visibility == "since_join") else {
            return self.broadcast(event);
        };
        let blind: Vec<_> =
            self.connections.values().map(|c| target <= self.visible_from(c.user())).collect();
        let hidden = server::hidden(seq);
        for (connection, blind) in self.connections.values_mut().zip(blind) {
            match (blind, connection.state.batches) {
                (false, _) => connection.pending.push(event.clone()),
                (true, true) => connection.pending.push(hidden.clone()),
                // Clients of the original protocol know no places.
                (true, false) => {}
            }
        }
    }
}

fn hides(event: &Event, visible_from: Seq) -> bool {
    event.target.is_some_and(|target| target <= visible_from)
}

/// An event as it would go out now: with the state its message has today.
fn replayed(store: &Store, event: &Event, targets: &mut Targets) -> Result<EventText> {
    let seq = event.seq;
    let target = targets.of(store, event)?;
    let id = target.map_or("", |(message, _)| message.id.as_str());
    Ok(match event.kind {
        Kind::Message => server::new_message(seq, &event.body, event.client_id.as_deref()),
        Kind::Reaction => {
            let none = Reactions::new();
            let reactions = target.map_or(&none, |(message, _)| &message.reactions);
            let delta: ReactionBody = serde_json::from_str(&event.body).unwrap_or_default();
            server::reaction_update(
                seq,
                id,
                reactions,
                &ReactionDelta { user: &event.user_id, emoji: &delta.emoji, add: delta.add },
            )
        }
        Kind::Edit => server::message_updated(seq, target.map_or("null", |(_, body)| body)),
        Kind::Delete => server::message_deleted(seq, id, &event.user_id),
        Kind::Thread => {
            let (count, last) = target.map_or((0, None), |(root, _)| (root.reply_count, root.last_reply_at));
            server::thread_update(seq, id, count, last)
        }
        Kind::MemberAdded | Kind::MemberRemoved | Kind::MemberUpdated | Kind::RoomUpdated => {
            member_event_text(event)
        }
    })
}

/// An event about the room or its people, which says everything itself.
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
    server::member(kind, event.seq, &body.user_id, &body.role, &event.user_id)
}
