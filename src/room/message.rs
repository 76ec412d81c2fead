//! Saying something: messages and reactions become events of the log, exactly once by `clientId`.
//! Not here: edits and deletions (`change`), threads (`thread`), decoding (`protocol::client`), the log's tables (`store`).

use super::connection::ConnectionId;
use super::edit_delete::{calls_all, no_such_message};
use super::rate::Rate;
use super::store::mutations::Mutation;
use super::store::{Event, Kind, Store, StoreError};
use super::{Room, RoomError};
use crate::auth::{Action, Identity};
use crate::error::{Code, Refusal};
use crate::ids::{MessageId, UnixMs};
use crate::limits::EMOJI_KINDS_MAX;
use crate::protocol::client::{MessageDraft, ReactionDraft};
use crate::protocol::message::{Attachment, Message};
use crate::protocol::server::{self, Ack, ReactionDelta};
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
pub struct SendOutcome {
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
        mut draft: MessageDraft,
        random: u64,
    ) -> Result<SendOutcome, RoomError> {
        let (caller, connection) = from;
        self.authorize(caller, Action::Talk)?;
        let digest = draft.digest();
        if let Some(event) =
            self.find_duplicate(store, caller, draft.client_id.as_deref(), Kind::Message, digest)?
        {
            let id = serde_json::from_str::<Message>(&event.body).map(|m| m.id).unwrap_or_default();
            self.ack(connection, &event, (&id, 1), true);
            return Ok(SendOutcome { body: event.body, duplicate: true });
        }
        self.ensure_not_archived()?;
        self.ensure_not_muted(caller, now)?;
        self.charge_rate(caller, Rate::Messages, now)?;
        let root = self.thread_root(store, caller, draft.thread_id)?;
        if let Some(id) = draft.reply_to_id {
            self.find(store, caller, id)?.ok_or_else(|| Refusal::invalid("replyToId", "no such message"))?;
        }
        let (files, uploads) =
            self.attachments(store, now, caller, std::mem::take(&mut draft.attachments))?;
        self.enforce_slow_mode(store, caller, now)?;
        let by_pace = self.moderate_rate(caller, &mut draft.content, now)?;
        let flagged = self.moderate_content(&mut draft.content, &files)?.or(by_pace);
        let message = self.build_message((caller, now), draft, files, random);
        let seq = message.seq;
        // Before the message: a note without one does no harm.
        if let Some(rule) = flagged {
            self.note_flagged(store, now, &message.id, rule)?;
        }
        let event = Event {
            seq,
            kind: Kind::Message,
            at: now,
            user_id: message.user_id.clone(),
            client_id: message.client_id.clone(),
            digest: Some(digest),
            target: None,
            thread: root.as_ref().map(|root| root.seq),
            body: server::body(&message),
        };
        let update = match root {
            None => {
                self.write(store, &event, &uploads)?;
                self.head = seq;
                None
            }
            Some(root) => Some(self.write_reply(store, &event, root, &uploads)?),
        };
        self.has_said(&message.user_id, now);
        self.advance_marker(&message.user_id, seq);
        self.ack(connection, &event, (&message.id, 1), false);
        self.broadcast(server::new_message(seq, &event.body, event.client_id.as_deref()));
        self.stop_typing_in(&message.user_id, message.thread_id.as_deref(), now);
        if let Some((target, seq, update)) = update {
            self.broadcast_about(Some(target), seq, update);
        }
        Ok(SendOutcome { body: event.body, duplicate: false })
    }

    /// The message that this draft becomes at the next seq.
    fn build_message(
        &self,
        (caller, now): (&Identity, UnixMs),
        draft: MessageDraft,
        attachments: Vec<Attachment>,
        random: u64,
    ) -> Message {
        let seq = self.head.saturating_add(1);
        let (mentions, mentions_room) = self.mentions(caller, &draft.content);
        Message {
            id: MessageId::new(now, seq, random).to_string(),
            seq,
            tenant_id: self.room_tenant().to_owned(),
            room_id: self.room_id().to_owned(),
            user_id: caller.user.as_str().to_owned(),
            content: draft.content,
            content_type: "text".into(),
            attachments,
            reactions: Default::default(),
            client_id: draft.client_id,
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
            deleted_by: None,
        }
    }

    #[cfg(not(feature = "mutants"))]
    fn write(&mut self, store: &Store, event: &Event, uploads: &[String]) -> Result<(), StoreError> {
        match uploads {
            [] => store.insert(event),
            uploads => store.append(&[event], &[Mutation::MarkUploadsSent { uploads, message: event.seq }]),
        }
    }

    /// One that is acked before it is written.
    #[cfg(feature = "mutants")]
    fn write(&mut self, store: &Store, event: &Event, uploads: &[String]) -> Result<(), StoreError> {
        match uploads {
            [] if crate::mutants::is(crate::mutants::Mutant::AckBeforeWrite) => {
                self.unwritten.push(event.clone());
                Ok(())
            }
            [] => store.insert(event),
            uploads => store.append(&[event], &[Mutation::MarkUploadsSent { uploads, message: event.seq }]),
        }
    }

    /// Sets or removes one person's emoji on a message; what changes nothing is no event.
    ///
    /// # Gives  the message as it is then; `None` for what was said before.
    pub(super) fn react(
        &mut self,
        store: &Store,
        now: UnixMs,
        from: (&Identity, Option<ConnectionId>),
        draft: ReactionDraft,
    ) -> Result<Option<Message>, RoomError> {
        let (caller, connection) = from;
        self.authorize(caller, Action::React)?;
        let digest = draft.digest();
        if let Some(event) =
            self.find_duplicate(store, caller, draft.client_id.as_deref(), Kind::Reaction, digest)?
        {
            let body: ReactionBody = serde_json::from_str(&event.body).unwrap_or_default();
            self.ack(connection, &event, (&body.message_id, body.version), true);
            return Ok(None);
        }
        self.ensure_not_archived()?;
        self.ensure_not_muted(caller, now)?;
        self.charge_rate(caller, Rate::Reactions, now)?;
        let mut message = self.find(store, caller, draft.message_id)?.ok_or_else(no_such_message)?;
        let user = caller.user.as_str();
        if !changed(&mut message, user, &draft)? {
            self.ack_noop(connection, draft.client_id.as_deref(), "reaction", &message, now);
            return Ok(Some(message));
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
        store.append(&[&event], &[Mutation::Body { seq: message.seq, body: &server::body(&message) }])?;
        self.head = event.seq;
        self.ack(connection, &event, (&message.id, message.version), false);
        let (id, reactions) = (&message.id, &message.reactions);
        let update = server::reaction_update(
            event.seq,
            id,
            reactions,
            &ReactionDelta { user, emoji: &body.emoji, add: body.add },
        );
        self.broadcast_about(event.target, event.seq, update);
        Ok(Some(message))
    }

    /// The event this person already has under this `clientId`, if it is the same thing said again.
    pub(super) fn find_duplicate(
        &self,
        store: &Store,
        caller: &Identity,
        client_id: Option<&str>,
        kind: Kind,
        digest: u64,
    ) -> Result<Option<Event>, RoomError> {
        let Some(client_id) = client_id else { return Ok(None) };
        let Some(event) = store.by_client(caller.user.as_str(), client_id)? else { return Ok(None) };
        if event.kind != kind || event.digest.is_some_and(|known| known != digest) {
            let message = "this clientId stands for another operation or payload";
            return Err(Refusal::new(Code::ClientIdConflict, message).field("clientId").into());
        }
        Ok(Some(event))
    }

    /// Tells the sending socket what its operation became; without a `clientId` there is no ack.
    pub(super) fn ack(
        &mut self,
        connection: Option<ConnectionId>,
        event: &Event,
        message: (&str, u64),
        duplicate: bool,
    ) {
        let (Some(id), Some(client_id)) = (connection, &event.client_id) else { return };
        let op = match event.kind {
            Kind::Message => "message",
            Kind::Edit => "edit",
            Kind::Delete => "delete",
            _ => "reaction",
        };
        let (message_id, version) = message;
        let (seq, created_at) = (Some(event.seq), event.at);
        self.counts.acks = self.counts.acks.saturating_add(1);
        self.send(id, server::ack(&Ack { client_id, op, message_id, seq, version, created_at, duplicate }));
    }

    /// The same for what changed nothing.
    pub(super) fn ack_noop(
        &mut self,
        connection: Option<ConnectionId>,
        client_id: Option<&str>,
        op: &'static str,
        message: &Message,
        now: UnixMs,
    ) {
        let (Some(id), Some(client_id)) = (connection, client_id) else { return };
        let (message_id, version) = (message.id.as_str(), message.version);
        let ack = Ack { client_id, op, message_id, seq: None, version, created_at: now, duplicate: false };
        self.send(id, server::ack(&ack));
    }

    /// The message with this id, unless it is deleted or was said before this person could see it.
    pub(super) fn find(
        &self,
        store: &Store,
        caller: &Identity,
        id: MessageId,
    ) -> Result<Option<Message>, StoreError> {
        Ok(self.find_any(store, caller, id)?.filter(|message| message.deleted_at.is_none()))
    }

    /// The same, tombstones among them.
    pub(super) fn find_any(
        &self,
        store: &Store,
        caller: &Identity,
        id: MessageId,
    ) -> Result<Option<Message>, StoreError> {
        if id.seq() <= self.visible_from(caller.user.as_str()) {
            return Ok(None);
        }
        let event = store.by_seq(id.seq())?.filter(|event| event.kind == Kind::Message);
        let message = event.and_then(|event| serde_json::from_str::<Message>(&event.body).ok());
        Ok(message.filter(|message| message.id == id.to_string()))
    }

    /// Who is named in the text: `<@userId>`, members only, and `@room`, of those who may call all.
    pub(super) fn mentions(&self, caller: &Identity, content: &str) -> (Vec<String>, bool) {
        let mut users: Vec<String> = Vec::new();
        for part in content.split("<@").skip(1) {
            if let Some((user, _)) = part.split_once('>')
                && self.members.contains_key(user)
                && !users.iter().any(|known| known == user)
            {
                users.push(user.to_owned());
            }
        }
        let may = self.info.snapshot.room_mention != "admins"
            || self.authorize(caller, Action::MentionRoomAmongAdmins).is_ok();
        (users, may && calls_all(content))
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
