//! Saying something: messages and reactions become events of the log, exactly once by `clientId`.
//! Not here: decoding (`protocol::client`) and the log's tables (`store`).

use super::connection::ConnectionId;
use super::rate::Rate;
use super::store::{Event, Kind, Store, StoreError};
use super::{Refused, Room};
use crate::auth::{Action, Identity};
use crate::error::{Code, Refusal};
use crate::ids::{MessageId, Seq, UnixMs};
use crate::limits::EMOJI_KINDS_MAX;
use crate::protocol::client::{MessageDraft, ReactionDraft};
use crate::protocol::message::Message;
use crate::protocol::server::{self, Ack};
use serde::{Deserialize, Serialize};

/// What the log keeps of a reaction besides its sender and its message.
#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReactionBody {
    pub message_id: String,
    /// Of the message, when it was reacted to.
    pub version: u64,
    pub emoji: String,
    pub add: bool,
}

/// What became of a message or reaction.
pub struct Said {
    /// The message's object, as it is now.
    pub body: String,
    pub duplicate: bool,
}

impl Room {
    /// Takes a message into the log: one row, and then the ack and the broadcast.
    ///
    /// # Laws    ACK-2 (durable before acked), DEDUPE-1 (once by `clientId`), SEQ-1 (gapless).
    pub(super) fn say(
        &mut self,
        store: &Store,
        now: UnixMs,
        from: (&Identity, Option<ConnectionId>),
        draft: MessageDraft,
        random: u64,
    ) -> Result<Said, Refused> {
        let (who, connection) = from;
        self.authorize(who, Action::Talk)?;
        let digest = draft.digest();
        if let Some(event) =
            self.said_before(store, who, draft.client_id.as_deref(), Kind::Message, digest)?
        {
            let id = serde_json::from_str::<Message>(&event.body).map(|m| m.id).unwrap_or_default();
            self.ack(connection, &event, (&id, 1), true);
            return Ok(Said { body: event.body, duplicate: true });
        }
        self.unarchived()?;
        self.take(who, Rate::Messages, now)?;
        let thread = self.thread_root(store, draft.thread_id)?;
        if let Some(id) = draft.reply_to_id {
            self.find(store, id)?.ok_or_else(|| Refusal::invalid("replyToId", "no such message"))?;
        }
        let seq = self.head.saturating_add(1);
        let (mentions, mentions_room) = self.mentions(who, &draft.content);
        let message = Message {
            id: MessageId::new(now, seq, random).to_string(),
            seq,
            tenant_id: self.room_tenant().to_owned(),
            room_id: self.room_id().to_owned(),
            user_id: who.user.as_str().to_owned(),
            content: draft.content,
            content_type: "text".into(),
            attachments: draft.attachments,
            reactions: Default::default(),
            client_id: draft.client_id.clone(),
            thread_id: draft.thread_id.map(|id| id.to_string()),
            reply_to_id: draft.reply_to_id.map(|id| id.to_string()),
            also_to_room: draft.also_to_room,
            mentions,
            mentions_room,
            version: 1,
            reply_count: 0,
            last_reply_at: None,
            created_at: now,
            edited_at: None,
            deleted_at: None,
        };
        let event = Event {
            seq,
            kind: Kind::Message,
            at: now,
            user_id: message.user_id.clone(),
            client_id: draft.client_id,
            digest: Some(digest),
            target: None,
            thread,
            body: server::body(&message),
        };
        self.write(store, &event)?;
        self.head = seq;
        self.mark_read(&message.user_id, seq);
        self.ack(connection, &event, (&message.id, 1), false);
        self.broadcast(server::new_message(seq, &event.body, event.client_id.as_deref()));
        self.stop_typing(&message.user_id, now);
        Ok(Said { body: event.body, duplicate: false })
    }

    #[cfg(not(feature = "mutants"))]
    fn write(&mut self, store: &Store, event: &Event) -> Result<(), StoreError> {
        store.insert(event)
    }

    /// One that is acked before it is written.
    #[cfg(feature = "mutants")]
    fn write(&mut self, store: &Store, event: &Event) -> Result<(), StoreError> {
        if crate::mutants::is(crate::mutants::Mutant::AckBeforeWrite) {
            self.unwritten.push(event.clone());
            return Ok(());
        }
        store.insert(event)
    }

    /// Sets or removes one person's emoji on a message; what changes nothing is no event.
    pub(super) fn react(
        &mut self,
        store: &Store,
        now: UnixMs,
        from: (&Identity, Option<ConnectionId>),
        draft: ReactionDraft,
    ) -> Result<(), Refused> {
        let (who, connection) = from;
        self.authorize(who, Action::React)?;
        let digest = draft.digest();
        if let Some(event) =
            self.said_before(store, who, draft.client_id.as_deref(), Kind::Reaction, digest)?
        {
            let body: ReactionBody = serde_json::from_str(&event.body).unwrap_or_default();
            self.ack(connection, &event, (&body.message_id, body.version), true);
            return Ok(());
        }
        self.unarchived()?;
        self.take(who, Rate::Reactions, now)?;
        let none = || Refusal::new(Code::MessageNotFound, "no such message");
        let mut message = self.find(store, draft.message_id)?.ok_or_else(none)?;
        let user = who.user.as_str();
        if !changed(&mut message, user, &draft)? {
            if let (Some(id), Some(client_id)) = (connection, &draft.client_id) {
                let ack = Ack {
                    client_id,
                    op: "reaction",
                    message_id: &message.id,
                    seq: None,
                    version: message.version,
                    created_at: now,
                    duplicate: false,
                };
                self.send(id, server::ack(&ack));
            }
            return Ok(());
        }
        let (message_id, version) = (message.id.clone(), message.version);
        let body = ReactionBody { message_id, version, emoji: draft.emoji, add: draft.add };
        let event = Event {
            seq: self.head.saturating_add(1),
            kind: Kind::Reaction,
            at: now,
            user_id: user.to_owned(),
            client_id: draft.client_id,
            digest: Some(digest),
            target: Some(message.seq),
            thread: None,
            body: serde_json::to_string(&body).unwrap_or_default(),
        };
        store.insert_and_change(&event, message.seq, &server::body(&message))?;
        self.head = event.seq;
        self.ack(connection, &event, (&message.id, message.version), false);
        let (id, reactions) = (&message.id, &message.reactions);
        self.broadcast(server::reaction_update(event.seq, id, reactions, user, &body.emoji, body.add));
        Ok(())
    }

    /// The event this person already has under this `clientId`, if it is the same thing said again.
    fn said_before(
        &self,
        store: &Store,
        who: &Identity,
        client_id: Option<&str>,
        kind: Kind,
        digest: u64,
    ) -> Result<Option<Event>, Refused> {
        let Some(client_id) = client_id else { return Ok(None) };
        let Some(event) = store.by_client(who.user.as_str(), client_id)? else { return Ok(None) };
        if event.kind != kind || event.digest.is_some_and(|known| known != digest) {
            let message = "this clientId stands for another operation or payload";
            return Err(Refusal::new(Code::ClientIdConflict, message).field("clientId").into());
        }
        Ok(Some(event))
    }

    /// Tells the sending socket what its operation became; without a `clientId` there is no ack.
    fn ack(
        &mut self,
        connection: Option<ConnectionId>,
        event: &Event,
        message: (&str, u64),
        duplicate: bool,
    ) {
        let (Some(id), Some(client_id)) = (connection, &event.client_id) else { return };
        let op = if event.kind == Kind::Message { "message" } else { "reaction" };
        let (message_id, version) = message;
        let (seq, created_at) = (Some(event.seq), event.at);
        self.counts.acks = self.counts.acks.saturating_add(1);
        self.send(id, server::ack(&Ack { client_id, op, message_id, seq, version, created_at, duplicate }));
    }

    fn thread_root(&self, store: &Store, id: Option<MessageId>) -> Result<Option<Seq>, Refused> {
        let Some(id) = id else { return Ok(None) };
        let root = self.find(store, id)?.filter(|root| root.thread_id.is_none());
        let root = root.ok_or_else(|| Refusal::invalid("threadId", "no such message to reply to"))?;
        Ok(Some(root.seq))
    }

    /// The message with this id, unless it is deleted.
    fn find(&self, store: &Store, id: MessageId) -> Result<Option<Message>, StoreError> {
        let event = store.by_seq(id.seq())?.filter(|event| event.kind == Kind::Message);
        let message = event.and_then(|event| serde_json::from_str::<Message>(&event.body).ok());
        Ok(message.filter(|m| m.id == id.to_string() && m.deleted_at.is_none()))
    }

    /// Who is named in the text: `<@userId>`, members only, and `@room`, of those who may call all.
    fn mentions(&self, who: &Identity, content: &str) -> (Vec<String>, bool) {
        let mut users: Vec<String> = Vec::new();
        for part in content.split("<@").skip(1) {
            if let Some((user, _)) = part.split_once('>')
                && self.members.contains_key(user)
                && !users.iter().any(|known| known == user)
            {
                users.push(user.to_owned());
            }
        }
        let word = |part: &str| part.trim_matches(|c: char| c.is_ascii_punctuation() && c != '@') == "@room";
        let may = self.facts.snapshot.room_mention != "admins"
            || self.authorize(who, Action::MentionRoomAmongAdmins).is_ok();
        (users, may && content.split_whitespace().any(word))
    }
}

/// Applies the reaction; false when it changes nothing.
fn changed(message: &mut Message, user: &str, draft: &ReactionDraft) -> Result<bool, Refusal> {
    let kinds = message.reactions.len();
    if draft.add {
        if kinds >= EMOJI_KINDS_MAX && !message.reactions.contains_key(&draft.emoji) {
            return Err(Refusal::invalid("emoji", "this message has 20 different ones already"));
        }
        let users = message.reactions.entry(draft.emoji.clone()).or_default();
        if users.iter().any(|known| known == user) {
            return Ok(false);
        }
        users.push(user.to_owned());
        return Ok(true);
    }
    let Some(users) = message.reactions.get_mut(&draft.emoji) else { return Ok(false) };
    let before = users.len();
    users.retain(|known| known != user);
    let changed = users.len() < before;
    if users.is_empty() {
        message.reactions.remove(&draft.emoji);
    }
    Ok(changed)
}
