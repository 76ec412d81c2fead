//! Threads: replies to a root message, one level deep. The root counts its replies, and each change of the count is an
//! event of its own. Not here: sending and deleting the replies (`message`, `edit_delete`).

use super::store::mutations::Mutation;
use super::store::{Event, Kind, StoreError};
use super::turn::{Request, Turn};
use super::{Room, RoomError};
use crate::auth::Action;
use crate::error::{Code, Refusal};
use crate::ids::{MessageId, Seq};
use crate::limits::{PAGE_DEFAULT, PAGE_MAX};
use crate::protocol::message::Message;
use crate::protocol::server::{self, EventText};

/// The event of a thread whose count of replies has changed.
pub(super) struct ThreadUpdate {
    /// The seq of the thread's root.
    pub root: Seq,
    pub seq: Seq,
    pub event: EventText,
}

impl ThreadUpdate {
    pub fn new(root: &Message, seq: Seq) -> Self {
        let event = server::thread_update(seq, &root.id, root.reply_count, root.last_reply_at);
        Self { root: root.seq, seq, event }
    }
}

impl Room {
    /// The message that a reply belongs to. It must exist and not be a reply itself.
    pub(super) fn thread_root(
        &self,
        request: Request,
        id: Option<MessageId>,
    ) -> Result<Option<Message>, RoomError> {
        let Some(id) = id else { return Ok(None) };
        let root = self.find_message(request, id)?.filter(|root| root.thread_id.is_none());
        let none = || Refusal::invalid("threadId", "no such message to reply to");
        Ok(Some(root.ok_or_else(none)?))
    }

    /// Appends a reply to the log, together with the event of its thread.
    pub(super) fn append_reply(
        &mut self,
        turn: Turn,
        reply: &Event,
        mut root: Message,
        uploads: &[String],
    ) -> Result<ThreadUpdate, StoreError> {
        root.reply_count = root.reply_count.saturating_add(1);
        root.last_reply_at = Some(reply.at);
        let update = thread_event(reply, &root);
        let body = server::body(&root);
        let mutations = [
            Mutation::Body { seq: root.seq, body: &body },
            Mutation::MarkUploadsSent { uploads, message: reply.seq },
        ];
        turn.store.append(&[reply, &update], &mutations)?;
        self.log.advance(update.seq);
        Ok(ThreadUpdate::new(&root, update.seq))
    }

    /// The root of a reply that is being deleted, as it is afterwards; `None` for a message that is not a reply.
    pub(super) fn root_without(&self, turn: Turn, reply: &Message) -> Result<Option<Message>, StoreError> {
        let Some(id) = reply.thread_id.as_deref().and_then(MessageId::parse) else { return Ok(None) };
        let root = turn.store.by_seq(id.seq())?.filter(|event| event.kind == Kind::Message);
        let Some(mut root) = root.and_then(|event| serde_json::from_str::<Message>(&event.body).ok()) else {
            return Ok(None);
        };
        root.reply_count = root.reply_count.saturating_sub(1);
        if root.last_reply_at.is_none_or(|last| last <= reply.created_at) {
            root.last_reply_at = turn.store.last_reply_at(root.seq, reply.seq, reply.created_at)?;
        }
        Ok(Some(root))
    }

    /// `GET /rooms/:id/threads/:rootId`: the newest replies below `before`, ascending. A deleted root is a tombstone;
    /// its replies stay.
    pub(super) fn thread_page(
        &self,
        request: Request,
        root: &str,
        before: Option<Seq>,
        limit: Option<u64>,
    ) -> Result<String, RoomError> {
        self.authorize(request.caller, Action::Read)?;
        let none = || Refusal::new(Code::MessageNotFound, "no such thread");
        let id = MessageId::parse(root).ok_or_else(none)?;
        let root = self.find_message_or_tombstone(request, id)?;
        let root = root.filter(|root| root.thread_id.is_none()).ok_or_else(none)?;
        let limit = limit.unwrap_or(PAGE_DEFAULT).clamp(1, PAGE_MAX);
        let before = before.unwrap_or(Seq::MAX);
        let mut replies =
            request.turn.store.messages_before(before, Some(root.seq), limit.saturating_add(1))?;
        let more = super::calls::truncate(&mut replies, limit, self.limits.page_bytes);
        self.show_own_reactions(request.turn.store, request.user(), &mut replies)?;
        let bodies: Vec<&str> = replies.iter().rev().map(|reply| reply.body.as_str()).collect();
        let (root, replies) = (self.body_for(request, root)?, bodies.join(","));
        Ok(format!(r#"{{"root":{root},"replies":[{replies}],"hasMoreBefore":{more}}}"#))
    }
}

/// The event of a thread that follows `cause`, a reply or its deletion.
pub(super) fn thread_event(cause: &Event, root: &Message) -> Event {
    Event {
        seq: cause.seq.saturating_add(1),
        kind: Kind::Thread,
        at: cause.at,
        user_id: cause.user_id.clone(),
        client_id: None,
        digest: None,
        target: Some(root.seq),
        thread: None,
        body: "{}".to_owned(),
    }
}
