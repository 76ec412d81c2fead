//! Threads: replies to a message, one level deep. Its root counts them, and each change of that is an event of its own.
//! Not here: saying and deleting the replies themselves (`message`, `change`).

use super::store::mutations::Mutation;
use super::store::{Event, Kind, Store, StoreError};
use super::{Room, RoomError};
use crate::auth::{Action, Identity};
use crate::error::{Code, Refusal};
use crate::ids::{MessageId, Seq};
use crate::limits::{PAGE_DEFAULT, PAGE_MAX};
use crate::mutants::{Mutant, is};
use crate::protocol::message::Message;
use crate::protocol::server::{self, EventText};

/// What is told of a thread whose count has changed: its root, the event's seq and text.
pub type ThreadUpdate = (Seq, Seq, EventText);

impl Room {
    /// The message that a reply is to; it must be there and in no thread itself.
    pub(super) fn thread_root(
        &self,
        store: &Store,
        caller: &Identity,
        id: Option<MessageId>,
    ) -> Result<Option<Message>, RoomError> {
        let Some(id) = id else { return Ok(None) };
        let root = self.find(store, caller, id)?.filter(|root| root.thread_id.is_none());
        let none = || Refusal::invalid("threadId", "no such message to reply to");
        Ok(Some(root.ok_or_else(none)?))
    }

    /// Takes a reply into the log, and with it the event of its thread.
    pub(super) fn write_reply(
        &mut self,
        store: &Store,
        reply: &Event,
        mut root: Message,
        uploads: &[String],
    ) -> Result<ThreadUpdate, StoreError> {
        root.reply_count = root.reply_count.saturating_add(1);
        root.last_reply_at = Some(reply.at);
        let update = thread_event(reply, &root);
        let body = server::body(&root);
        let changes = [
            Mutation::Body { seq: root.seq, body: &body },
            Mutation::MarkUploadsSent { uploads, message: reply.seq },
        ];
        store.append(&[reply, &update], &changes)?;
        self.log.advance(update.seq);
        Ok(thread_update_text(&root, update.seq))
    }

    /// The root of a reply that goes, as it is then.
    pub(super) fn root_without(&self, store: &Store, reply: &Message) -> Result<Option<Message>, StoreError> {
        let Some(id) = reply.thread_id.as_deref().and_then(MessageId::parse) else { return Ok(None) };
        let root = store.by_seq(id.seq())?.filter(|event| event.kind == Kind::Message);
        let Some(mut root) = root.and_then(|event| serde_json::from_str::<Message>(&event.body).ok()) else {
            return Ok(None);
        };
        if !is(Mutant::ReplyGoneStillCounted) {
            root.reply_count = root.reply_count.saturating_sub(1);
        }
        root.last_reply_at = store.last_reply_at(root.seq, reply.seq)?;
        Ok(Some(root))
    }

    /// `GET /rooms/:id/threads/:rootId`: the newest replies below `before`, ascending. A deleted root is a tombstone; its
    /// replies stay.
    pub(super) fn thread_page(
        &self,
        store: &Store,
        caller: &Identity,
        root: &str,
        (before, limit): (Option<Seq>, Option<u64>),
    ) -> Result<String, RoomError> {
        self.authorize(caller, Action::Read)?;
        let none = || Refusal::new(Code::MessageNotFound, "no such thread");
        let id = MessageId::parse(root).ok_or_else(none)?;
        let root =
            self.find_any(store, caller, id)?.filter(|root| root.thread_id.is_none()).ok_or_else(none)?;
        let limit = limit.unwrap_or(PAGE_DEFAULT).clamp(1, PAGE_MAX);
        let before = before.unwrap_or(Seq::MAX);
        let mut replies = store.messages_before(before, Some(root.seq), limit.saturating_add(1))?;
        let more = super::calls::cut(&mut replies, limit);
        let bodies: Vec<&str> = replies.iter().rev().map(|reply| reply.body.as_str()).collect();
        let (root, replies) = (server::body(&root), bodies.join(","));
        Ok(format!(r#"{{"root":{root},"replies":[{replies}],"hasMoreBefore":{more}}}"#))
    }
}

/// The event that follows upon `cause`.
pub fn thread_event(cause: &Event, root: &Message) -> Event {
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

pub fn thread_update_text(root: &Message, seq: Seq) -> ThreadUpdate {
    (root.seq, seq, server::thread_update(seq, &root.id, root.reply_count, root.last_reply_at))
}
