//! Messages become events of the log, once per `clientId`.
//! Not here: which checks they pass first (`send_checks`), edits and deletions (`edit_delete`), threads
//! (`thread`), reactions (`reactions`), decoding (`protocol::client`), and the log's tables (`store`).

use super::mention_parser::Mentions;
use super::send_checks::{Begin, Operation, RetryKey};
use super::store::mutations::Mutation;
use super::store::{Event, Kind, Store, StoreError};
use super::thread::ThreadUpdate;
use super::turn::{Request, Turn};
use super::{Room, RoomError};
use crate::auth::{Action, Identity};
use crate::error::{Code, Refusal};
use crate::ids::MessageId;
use crate::limits::MESSAGE_BYTES_MAX;
use crate::protocol::client::{MessageDraft, parse_message_id};
use crate::protocol::message::{Attachment, Message};
use crate::protocol::room::RoomMention;
use crate::protocol::server::{self, Ack};
use serde_json::json;

/// The result of sending a message.
pub struct SendOutcome {
    /// The message object as JSON text.
    pub body: String,
    pub duplicate: bool,
}

/// A message and one of its versions, as an ack names them.
#[derive(Clone, Copy)]
pub(super) struct MessageVersion<'a> {
    pub id: &'a str,
    pub version: u64,
}

impl<'a> From<&'a Message> for MessageVersion<'a> {
    fn from(message: &'a Message) -> Self {
        Self { id: &message.id, version: message.version }
    }
}

/// The message or tombstone with this id, whoever asks.
pub(super) fn message_by_id(store: &Store, id: MessageId) -> Result<Option<Message>, StoreError> {
    let event = store.by_seq(id.seq())?.filter(|event| event.kind == Kind::Message);
    let message = event.and_then(|event| serde_json::from_str::<Message>(&event.body).ok());
    Ok(message.filter(|message| message.id == id.to_string()))
}

pub(super) fn no_such_message() -> Refusal {
    Refusal::new(Code::MessageNotFound, "no such message")
}

impl Room {
    /// Appends a message to the log, as one row; then sends the ack and the broadcast.
    ///
    /// # Errors  those of `begin` and `check_text`; invalid → a thread, reply or upload that does not exist; too_large.
    /// # Laws    ACK-2 (durable before acked), DEDUPE-1 (once by `clientId`), SEQ-1 (gapless).
    pub(super) fn send_message(
        &mut self,
        request: Request,
        mut draft: MessageDraft,
    ) -> Result<SendOutcome, RoomError> {
        let turn = request.turn;
        let retry = RetryKey { client_id: draft.client_id.as_deref(), digest: draft.digest() };
        let digest = retry.digest;
        if let Begin::Duplicate(event) = self.begin(request, Operation::Message, retry)? {
            let id = serde_json::from_str::<Message>(&event.body).map(|m| m.id).unwrap_or_default();
            self.ack(request, &event, MessageVersion { id: &id, version: 1 }, true);
            return Ok(SendOutcome { body: event.body, duplicate: true });
        }
        let root = self.thread_root(request, draft.thread_id)?;
        if let Some(id) = draft.reply_to_id {
            self.find_message(request, id)?
                .ok_or_else(|| Refusal::invalid("replyToId", "no such message"))?;
        }
        let attached = std::mem::take(&mut draft.attachments);
        let (mut files, uploads) = self.attachments(request, attached)?;
        let flagged = self.check_text(request, Operation::Message, &mut draft.content, &mut files)?;
        let message = self.build_message(request, draft, files);
        ensure_size(&message, 0)?;
        if let Some(rule) = flagged {
            self.note_flagged(turn, &message, rule)?;
        }
        let event = Event {
            client_id: message.client_id.clone(),
            digest: Some(digest),
            thread: root.as_ref().map(|root| root.seq),
            body: server::body(&message),
            ..request.event(message.seq, Kind::Message)
        };
        let update = match root {
            None => {
                Self::append_message(turn, &event, &uploads)?;
                self.log.advance(event.seq);
                None
            }
            Some(root) => Some(self.append_reply(turn, &event, root, &uploads)?),
        };
        self.slow_mode.record(&message.user_id, self.members.snapshot().slow_mode_s > 0, turn.now);
        self.advance_marker(&message.user_id, message.seq, turn.now);
        self.ack(request, &event, (&message).into(), false);
        let new_message = server::new_message(event.seq, &event.body, event.client_id.as_deref());
        self.connections.broadcast(&new_message);
        self.stop_typing_in(&message.user_id, message.thread_id.as_deref(), turn.now);
        if let Some(ThreadUpdate { root, seq, event }) = update {
            self.broadcast_about(Some(root), seq, event.into());
        }
        Ok(SendOutcome { body: event.body, duplicate: false })
    }

    /// The message that this draft becomes at the next seq.
    fn build_message(&self, request: Request, draft: MessageDraft, attachments: Vec<Attachment>) -> Message {
        let (seq, now) = (self.log.next_seq(), request.turn.now);
        Message {
            id: MessageId::new(now, seq, request.random).to_string(),
            seq,
            tenant_id: self.members.tenant().as_str().to_owned(),
            room_id: self.members.room().as_str().to_owned(),
            user_id: request.user().to_owned(),
            mentions: self.members.mentioned_in(&draft.content),
            mentions_room: self.mentions_room(request.caller, &draft.content),
            content: draft.content,
            content_type: "text".into(),
            attachments,
            reactions: Default::default(),
            reaction_counts: Default::default(),
            client_id: draft.client_id,
            thread_id: draft.thread_id.map(|id| id.to_string()),
            reply_to_id: draft.reply_to_id.map(|id| id.to_string()),
            also_to_room: draft.also_to_room,
            version: 1,
            reply_count: 0,
            last_reply_at: None,
            created_at: now,
            edited_at: None,
            edited_by: None,
            deleted_at: None,
            deleted_by: None,
        }
    }

    fn append_message(turn: Turn, event: &Event, uploads: &[String]) -> Result<(), StoreError> {
        match uploads {
            [] => turn.store.insert(event),
            uploads => {
                turn.store.append(&[event], &[Mutation::MarkUploadsSent { uploads, message: event.seq }])
            }
        }
    }

    /// Confirms an operation to the socket that sent it. REST, and an operation without `clientId`, get no ack.
    pub(super) fn ack(&mut self, request: Request, event: &Event, message: MessageVersion, duplicate: bool) {
        let (Some(id), Some(client_id)) = (request.connection, &event.client_id) else { return };
        let op = operation_name(event.kind);
        let (message_id, version) = (message.id, message.version);
        let (seq, created_at) = (Some(event.seq), event.at);
        self.counts.acks = self.counts.acks.saturating_add(1);
        let ack = Ack { client_id, op, message_id, seq, version, created_at, duplicate };
        self.connections.send(id, server::ack(&ack));
    }

    /// Confirms an operation that changed nothing, and so has no seq.
    pub(super) fn ack_noop(
        &mut self,
        request: Request,
        client_id: Option<&str>,
        kind: Kind,
        message: &Message,
    ) {
        let (Some(id), Some(client_id)) = (request.connection, client_id) else { return };
        let (message_id, version, created_at) = (message.id.as_str(), message.version, request.turn.now);
        let op = operation_name(kind);
        let ack = Ack { client_id, op, message_id, seq: None, version, created_at, duplicate: false };
        self.connections.send(id, server::ack(&ack));
    }

    /// Whether there is such a message, and where.
    ///
    /// # Errors  message_not_found → there is none, or it is hidden from the caller.
    pub(super) fn find(&self, request: Request, id: &str, tombstones: bool) -> Result<String, RoomError> {
        self.authorize(request.caller, Action::Read)?;
        let id = parse_message_id(id)?;
        let found = self.find_message_or_tombstone(request, id)?;
        let found = found.filter(|message| tombstones || message.deleted_at.is_none());
        let Message { id, seq, thread_id, .. } = found.ok_or_else(no_such_message)?;
        let head = self.log.head();
        Ok(json!({"messageId": id, "seq": seq, "threadId": thread_id, "lastSeq": head}).to_string())
    }

    /// The message with this id, as a client has written it.
    ///
    /// # Errors  message_not_found → there is none, or it is deleted or hidden from the caller.
    pub(super) fn require_message(&self, request: Request, id: &str) -> Result<Message, RoomError> {
        let message = self.find_message(request, parse_message_id(id)?)?;
        Ok(message.ok_or_else(no_such_message)?)
    }

    /// The message with this id, unless it is deleted or hidden from the caller.
    pub(super) fn find_message(
        &self,
        request: Request,
        id: MessageId,
    ) -> Result<Option<Message>, StoreError> {
        let message = self.find_message_or_tombstone(request, id)?;
        Ok(message.filter(|message| message.deleted_at.is_none()))
    }

    /// The message or tombstone with this id, unless it is hidden from the caller.
    pub(super) fn find_message_or_tombstone(
        &self,
        request: Request,
        id: MessageId,
    ) -> Result<Option<Message>, StoreError> {
        if id.seq() <= self.members.visible_from(request.user()) {
            return Ok(None);
        }
        message_by_id(request.turn.store, id)
    }

    /// Whether the text mentions everybody, and the caller may do that.
    pub(super) fn mentions_room(&self, caller: &Identity, content: &str) -> bool {
        let allowed = self.members.snapshot().room_mention == RoomMention::All
            || self.authorize(caller, Action::MentionRoomAmongAdmins).is_ok();
        allowed && Mentions::parse(content).has_room
    }
}

/// # Takes  `former_bytes`: the size before an edit. A message that was stored before this limit may become smaller.
/// # Errors  too_large → more than `MESSAGE_BYTES_MAX` bytes as JSON.
pub(super) fn ensure_size(message: &Message, former_bytes: usize) -> Result<(), Refusal> {
    if size_of(message) > MESSAGE_BYTES_MAX.max(former_bytes) {
        return Err(Refusal::new(Code::TooLarge, "the message is larger than 24 KiB as JSON"));
    }
    Ok(())
}

/// Bytes of the message object as JSON. Reactions are not counted: they are other people's.
pub(super) fn size_of(message: &Message) -> usize {
    let (reactions, reaction_counts) = Default::default();
    server::body(&Message { reactions, reaction_counts, ..message.clone() }).len()
}

/// The name of the operation that becomes such an event, in acks and in the audit log.
pub(super) fn operation_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Message => "message",
        Kind::Edit => "edit",
        Kind::Delete => "delete",
        _ => "reaction",
    }
}
