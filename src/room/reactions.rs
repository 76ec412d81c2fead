//! Reactions: who has reacted to a message, what of it the message object shows, and the operation itself. The body of
//! a message names the first people of each emoji and counts all; the column `reactors` beside it has the others.
//! Not here: which checks a reaction passes first (`send_checks`), and its delta for Postgres (`outbox`).

use super::message::{MessageVersion, no_such_message};
use super::send_checks::{Begin, Operation, RetryKey};
use super::store::formats::ReactionBody;
use super::store::mutations::Mutation;
use super::store::{Event, Kind, Result, Store, Stored};
use super::turn::Request;
use super::{Room, RoomError};
use crate::auth::Action;
use crate::db;
use crate::error::Refusal;
use crate::ids::{Seq, UserId};
use crate::limits::*;
use crate::protocol::client::ReactionDraft;
use crate::protocol::message::{Message, Reactions};
use crate::protocol::server::{self, EventTexts, ReactionDelta};
use serde_json::json;

/// The emoji as it is stored (each once, whether or not its variation selectors were sent); `None`: the text is not one
/// emoji. The runtime knows, so that the Worker needs no table.
pub type EmojiParser = fn(&str) -> Option<String>;

/// Everybody who has reacted to a message, by emoji, in the order in which they did.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reactors(Reactions);

impl Reactors {
    /// # Takes  `others`: the column `reactors`, with those whom the message does not name.
    pub fn of(message: &Message, others: Option<&str>) -> Self {
        let mut all = message.reactions.clone();
        let others: Reactions = others.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        for (emoji, users) in others {
            all.entry(emoji).or_default().extend(users);
        }
        Self(all)
    }

    /// The reactors of the message that stands in the log at this seq; `None`: it is deleted, or no message.
    pub fn load(store: &Store, body: &str, seq: Seq) -> Result<Option<Self>> {
        let message = serde_json::from_str::<Message>(body).ok().filter(|m| m.deleted_at.is_none());
        let Some(message) = message else { return Ok(None) };
        Ok(Some(Self::of(&message, store.reactors(seq)?.as_deref())))
    }

    pub fn has(&self, user: &str, emoji: &str) -> bool {
        self.users(emoji).iter().any(|known| known == user)
    }

    pub fn users(&self, emoji: &str) -> &[String] {
        self.0.get(emoji).map(Vec::as_slice).unwrap_or_default()
    }

    /// Each emoji with each of its people.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().flat_map(|(emoji, users)| users.iter().map(move |user| (emoji.as_str(), user.as_str())))
    }

    /// At most `REACTORS_LEGACY_MAX` people for each emoji, as legacy clients receive them.
    fn for_legacy(&self) -> Reactions {
        first_of_each(&self.0, REACTORS_LEGACY_MAX)
    }

    /// Adds a person; false if they had reacted with this emoji before.
    ///
    /// # Errors  invalid → the message has `EMOJI_KINDS_MAX` other emoji.
    fn add(&mut self, user: &str, emoji: &str) -> std::result::Result<bool, Refusal> {
        if self.0.len() >= EMOJI_KINDS_MAX && !self.0.contains_key(emoji) {
            return Err(Refusal::invalid("emoji", "this message has 20 different ones already"));
        }
        if self.has(user, emoji) {
            return Ok(false);
        }
        self.0.entry(emoji.to_owned()).or_default().push(user.to_owned());
        Ok(true)
    }

    /// Removes a person; false if they had not reacted with this emoji.
    fn remove(&mut self, user: &str, emoji: &str) -> bool {
        let Some(users) = self.0.get_mut(emoji) else { return false };
        let before = users.len();
        users.retain(|known| known != user);
        let changed = users.len() < before;
        if users.is_empty() {
            self.0.remove(emoji);
        }
        changed
    }

    /// Writes into the message what it shows of them, and gives the column `reactors`.
    pub fn show_in(&self, message: &mut Message) -> Option<String> {
        message.reactions = first_of_each(&self.0, REACTORS_NAMED_MAX);
        let count = |(emoji, users): (&String, &Vec<String>)| (emoji.clone(), users.len() as u64);
        message.reaction_counts = self.0.iter().map(count).collect();
        let rest = |(emoji, users): (&String, &Vec<String>)| {
            let rest = users.get(REACTORS_NAMED_MAX..).filter(|rest| !rest.is_empty())?;
            Some((emoji.clone(), rest.to_vec()))
        };
        let others: Reactions = self.0.iter().filter_map(rest).collect();
        (!others.is_empty()).then(|| serde_json::to_string(&others).unwrap_or_default())
    }

    /// As `show_in`, and where this person has reacted and would not be named, they are named last.
    pub fn show_to(&self, user: &str, message: &mut Message) {
        self.show_in(message);
        for (emoji, named) in &mut message.reactions {
            let is_left_out = self.has(user, emoji) && !named.iter().any(|known| known == user);
            if let (true, Some(last)) = (is_left_out, named.last_mut()) {
                user.clone_into(last);
            }
        }
    }
}

fn first_of_each(reactions: &Reactions, count_max: usize) -> Reactions {
    let first = |(emoji, users): (&String, &Vec<String>)| {
        (emoji.clone(), users.iter().take(count_max).cloned().collect())
    };
    reactions.iter().map(first).collect()
}

/// `:name:`, an emoji of the tenant's own: clients show a picture, or the text.
fn is_custom_emoji(text: &str) -> bool {
    let name = text.strip_prefix(':').and_then(|rest| rest.strip_suffix(':')).unwrap_or_default();
    let is_valid = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_+-".contains(&b);
    (1..=CUSTOM_EMOJI_CHARS_MAX).contains(&name.len()) && name.bytes().all(is_valid)
}

impl Room {
    /// Sets or removes the caller's emoji on a message. A reaction that changes nothing is not an event.
    ///
    /// # Gives   the message afterwards, as the caller sees it; `None` for a duplicate.
    /// # Errors  those of `begin`; message_not_found; invalid → no emoji, too many different ones, or too
    ///           many people; moderation_blocked.
    pub(super) fn react(
        &mut self,
        request: Request,
        draft: ReactionDraft,
    ) -> std::result::Result<Option<Message>, RoomError> {
        let retry = RetryKey { client_id: draft.client_id.as_deref(), digest: draft.digest() };
        let digest = retry.digest;
        if let Begin::Duplicate(event) = self.begin(request, Operation::React, retry)? {
            let body: ReactionBody = serde_json::from_str(&event.body).unwrap_or_default();
            let version = MessageVersion { id: &body.message_id, version: body.version };
            self.ack(request, &event, version, true);
            return Ok(None);
        }
        let (store, user) = (request.turn.store, request.user());
        let mut message = self.find_message(request, draft.message_id)?.ok_or_else(no_such_message)?;
        let mut reactors = Reactors::of(&message, store.reactors(message.seq)?.as_deref());
        let emoji = self.emoji(&draft, &reactors)?;
        if draft.add {
            self.storage.ensure_not_full()?;
        }
        let flagged = if draft.add { self.moderator.check_emoji(&emoji)? } else { None };
        let changed = if draft.add { reactors.add(user, &emoji)? } else { reactors.remove(user, &emoji) };
        if !changed {
            self.ack_noop(request, draft.client_id.as_deref(), Kind::Reaction, &message);
            reactors.show_to(user, &mut message);
            return Ok(Some(message));
        }
        let others = reactors.show_in(&mut message);
        let is_too_large = others.as_ref().is_some_and(|others| others.len() > REACTORS_BYTES_MAX);
        if draft.add && is_too_large {
            return Err(Refusal::invalid("emoji", "this message has too many reactions").into());
        }
        let body = ReactionBody {
            message_id: message.id.clone(),
            version: message.version,
            emoji: emoji.clone(),
            add: draft.add,
        };
        let event = Event {
            client_id: draft.client_id,
            digest: Some(digest),
            target: Some(message.seq),
            body: serde_json::to_string(&body).unwrap_or_default(),
            ..request.event(self.log.next_seq(), Kind::Reaction)
        };
        if let Some(rule) = flagged {
            self.note_flagged(request.turn, &message, rule)?;
        }
        let shown = server::body(&message);
        let others = others.as_deref();
        let (seq, event_seq) = (message.seq, Some(event.seq));
        store.append(&[&event], &[Mutation::Reactions { seq, event: event_seq, body: &shown, others }])?;
        self.log.advance(event.seq);
        self.ack(request, &event, (&message).into(), false);
        let delta = ReactionDelta { user, emoji: &emoji, add: draft.add };
        let legacy = self.connections.has_legacy();
        let texts = reaction_texts(event.seq, &message.id, &reactors, &delta, legacy);
        self.broadcast_about(event.target, event.seq, texts);
        reactors.show_to(user, &mut message);
        Ok(Some(message))
    }

    /// The emoji that a draft means. One that was stored before it had to be an emoji can still be removed.
    fn emoji(&self, draft: &ReactionDraft, reactors: &Reactors) -> std::result::Result<String, Refusal> {
        let is_stored = !reactors.users(&draft.emoji).is_empty();
        if !draft.add && is_stored {
            return Ok(draft.emoji.clone());
        }
        let known = match is_custom_emoji(&draft.emoji) {
            true => Some(draft.emoji.clone()),
            false => (self.parse_emoji)(&draft.emoji),
        };
        match known {
            Some(emoji) => Ok(emoji),
            None if draft.add => Err(Refusal::invalid("emoji", "one emoji, or :name: of a-z, 0-9, _, +, -")),
            None => Ok(draft.emoji.clone()),
        }
    }

    /// `GET /rooms/:id/messages/:mid/reactions/:emoji`: who has reacted with it, by id.
    ///
    /// # Errors  message_not_found.
    pub(super) fn reactors_page(
        &self,
        request: Request,
        (id, emoji): (&str, &str),
        after: Option<&UserId>,
        limit: Option<u64>,
    ) -> std::result::Result<String, RoomError> {
        self.authorize(request.caller, Action::Read)?;
        let message = self.require_message(request, id)?;
        let reactors = Reactors::of(&message, request.turn.store.reactors(message.seq)?.as_deref());
        let parsed = Some(emoji.to_owned()).filter(|emoji| !reactors.users(emoji).is_empty());
        let emoji = parsed.or_else(|| (self.parse_emoji)(emoji)).unwrap_or_default();
        let mut users: Vec<&str> = reactors.users(&emoji).iter().map(String::as_str).collect();
        users.sort_unstable();
        users.retain(|user| after.is_none_or(|after| *user > after.as_str()));
        let limit = usize::try_from(limit.unwrap_or(PAGE_DEFAULT).clamp(1, PAGE_MAX)).unwrap_or(usize::MAX);
        let has_more = users.len() > limit;
        users.truncate(limit);
        let next = users.last().filter(|_| has_more).map(db::format_cursor);
        Ok(json!({"userIds": users, "nextCursor": next}).to_string())
    }

    /// Names the person in the messages where they have reacted and are not among the people named.
    pub(super) fn show_own_reactions(
        &self,
        store: &Store,
        user: &str,
        messages: &mut [Stored],
    ) -> Result<()> {
        for stored in messages.iter_mut().filter(|stored| stored.has_others) {
            let Some(others) = store.reactors_with(stored.seq, user)? else { continue };
            let Ok(mut message) = serde_json::from_str::<Message>(&stored.body) else { continue };
            Reactors::of(&message, Some(&others)).show_to(user, &mut message);
            stored.body = server::body(&message);
        }
        Ok(())
    }

    /// The message object as this person sees it, as JSON text.
    pub(super) fn body_for(&self, request: Request, mut message: Message) -> Result<String> {
        let others = request.turn.store.reactors(message.seq)?;
        if others.is_some() {
            Reactors::of(&message, others.as_deref()).show_to(request.user(), &mut message);
        }
        Ok(server::body(&message))
    }
}

/// The event of a reaction: the change and the count for all, and for legacy clients the people.
fn reaction_texts(
    seq: Seq,
    message_id: &str,
    reactors: &Reactors,
    delta: &ReactionDelta,
    legacy: bool,
) -> EventTexts {
    let count = reactors.users(delta.emoji).len() as u64;
    let text = |people: Option<&Reactions>| server::reaction_update(seq, message_id, delta, count, people);
    EventTexts { event: text(None), legacy: legacy.then(|| text(Some(&reactors.for_legacy()))) }
}

/// The event of a reaction as it is delivered again: the same change, and the present count and people. Of a deleted
/// message it lacks the emoji.
pub(super) fn replayed_reaction(
    store: &Store,
    event: &Event,
    target: Option<&Message>,
    legacy: bool,
) -> Result<EventTexts> {
    let body: ReactionBody = serde_json::from_str(&event.body).unwrap_or_default();
    let others = event.target.map(|seq| store.reactors(seq)).transpose()?.flatten();
    let reactors = target.map(|message| Reactors::of(message, others.as_deref())).unwrap_or_default();
    let id = target.map_or("", |message| message.id.as_str());
    let is_deleted = target.is_some_and(|message| message.deleted_at.is_some());
    let emoji = if is_deleted { "" } else { &body.emoji };
    let delta = ReactionDelta { user: &event.user_id, emoji, add: body.add };
    Ok(reaction_texts(event.seq, id, &reactors, &delta, legacy))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn react_1_a_custom_emoji_is_a_short_name_between_colons() {
        let longest = format!(":{}:", "a".repeat(CUSTOM_EMOJI_CHARS_MAX));
        for name in [":party_parrot:", ":+1:", ":-:", ":8:", longest.as_str()] {
            assert!(is_custom_emoji(name), "{name}");
        }
        let too_long = format!(":{}:", "a".repeat(CUSTOM_EMOJI_CHARS_MAX + 1));
        for name in
            ["", ":", "::", "a", ":a", "a:", ":A:", ":a b:", ":é:", ":a::", "__proto__", too_long.as_str()]
        {
            assert!(!is_custom_emoji(name), "{name}");
        }
    }
}
