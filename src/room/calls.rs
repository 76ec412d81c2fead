//! What REST asks of a room: what a socket's frames do, without a socket; pages of history, the state of the outbox.
//! Not here: routes and HTTP (`api`).

use super::store::{self, Store, Stored};
use super::{Effect, Room, RoomError};
use crate::auth::{Action, Identity};
use crate::error::Refusal;
use crate::ids::{MessageId, Seq, UnixMs};
use crate::limits::{PAGE_DEFAULT, PAGE_MAX};
use crate::protocol::Fields;
use crate::protocol::client::{DeleteDraft, EditDraft, MessageDraft, ReactionDraft};
use crate::protocol::message::Attachment;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// What the Worker asks of a room on a caller's behalf.
///
/// Crosses a deploy: tests/golden/stored/room_request.json
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "call", rename_all = "camelCase")]
pub enum RoomCall {
    /// The body of `POST /rooms/:id/messages`, as it came.
    Say { body: String },
    /// `GET /rooms/:id/messages`.
    Page(PageQuery),
    /// The body of `PATCH /rooms/:id/messages/:mid`, as it came.
    Edit { message: String, body: String },
    /// `DELETE /rooms/:id/messages/:mid`.
    Delete { message: String },
    /// `GET /rooms/:id/messages/:mid/versions`.
    Versions { message: String },
    /// `PUT` or `DELETE /rooms/:id/messages/:mid/reactions/:emoji`.
    React { message: String, emoji: String, add: bool },
    /// `GET /rooms/:id/threads/:rootId`.
    Thread { root: String, before: Option<Seq>, limit: Option<u64> },
    /// `POST /rooms/:id/read`.
    Read { seq: Seq },
    /// `POST /rooms/:id/unread`.
    Unread { seq: Seq },
    /// `POST /rooms/:id/messages/:mid/report`.
    Report { message: String, reason: String },
    /// `GET /rooms/:id/outbox`.
    Outbox,
    /// `POST /rooms/:id/outbox/retry`.
    RetryOutbox,
    /// `POST /rooms/:id/outbox/discard`.
    Discard { seq: Seq },
    /// `POST /rooms/:id/attachments`, before a byte is stored.
    Reserve { upload: String, size: u64 },
    /// Its file is in the bucket.
    Uploaded { upload: String, file: Attachment },
    /// It isn't, and will not be.
    UploadFailed { upload: String },
    /// `GET /attachments/:id`.
    File { upload: String },
}

impl RoomCall {
    /// Asked by the tenant's admins, in the room or not.
    pub fn is_operators(&self) -> bool {
        matches!(self, Self::Outbox | Self::RetryOutbox | Self::Discard { .. })
    }
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PageQuery {
    pub before: Option<Seq>,
    pub after: Option<Seq>,
    pub around: Option<Seq>,
    pub limit: Option<u64>,
    pub thread_id: Option<String>,
}

impl Room {
    pub(super) fn call(
        &mut self,
        store: &Store,
        now: UnixMs,
        caller: &Identity,
        call: RoomCall,
        random: u64,
    ) -> Result<(), RoomError> {
        let answer = match call {
            RoomCall::Say { body } => {
                let draft = MessageDraft::from_fields(&mut Fields::parse(&body)?)?;
                let said = self.say(store, now, (caller, None), draft, random)?;
                format!(r#"{{"message":{},"duplicate":{}}}"#, said.body, said.duplicate)
            }
            RoomCall::Page(query) => self.page(store, caller, &query)?,
            RoomCall::Edit { message, body } => {
                let draft = EditDraft::from_fields(&message, &mut Fields::parse(&body)?)?;
                format!(r#"{{"message":{}}}"#, self.edit(store, now, (caller, None), draft)?)
            }
            RoomCall::Delete { message } => {
                let draft = DeleteDraft::new(&message, None)?;
                let (id, seq) = self.delete(store, now, (caller, None), draft)?;
                json!({"messageId": id, "seq": seq}).to_string()
            }
            RoomCall::Versions { message } => self.versions(store, caller, &message)?.to_string(),
            RoomCall::React { message, emoji, add } => {
                let draft = ReactionDraft::new(&message, emoji, add, None)?;
                let message = self.react(store, now, (caller, None), draft)?.ok_or_else(Refusal::fault)?;
                json!({"messageId": message.id, "reactions": message.reactions}).to_string()
            }
            RoomCall::Thread { root, before, limit } => {
                self.thread_page(store, caller, &root, (before, limit))?
            }
            RoomCall::Read { seq } => {
                self.mark_read(caller, None, seq, now)?;
                json!({"lastReadSeq": self.reads.of(caller.user.as_str())}).to_string()
            }
            RoomCall::Unread { seq } => {
                self.mark_unread(caller, seq, now)?;
                json!({"lastReadSeq": self.reads.of(caller.user.as_str())}).to_string()
            }
            RoomCall::Report { message, reason } => {
                self.report_message(store, now, caller, &message, reason)?.to_string()
            }
            RoomCall::Outbox | RoomCall::RetryOutbox | RoomCall::Discard { .. } => {
                self.call_outbox(store, now, caller, call)?
            }
            RoomCall::Reserve { upload, size } => self.reserve_upload(store, now, caller, (&upload, size))?,
            RoomCall::Uploaded { upload, file } => self.upload_done(store, now, caller, (&upload, file))?,
            RoomCall::UploadFailed { upload } => self.upload_failed(store, now, caller, &upload)?,
            RoomCall::File { upload } => self.file(store, now, caller, &upload)?,
        };
        self.effects.push(Effect::Reply(Ok(answer)));
        Ok(())
    }

    /// What the tenant's admins ask.
    fn call_outbox(
        &mut self,
        store: &Store,
        now: UnixMs,
        caller: &Identity,
        call: RoomCall,
    ) -> Result<String, RoomError> {
        self.authorize(caller, Action::OperateOutbox)?;
        match call {
            RoomCall::RetryOutbox => self.retry_outbox(store, now, caller)?,
            RoomCall::Discard { seq } => self.discard(store, now, caller, seq)?,
            _ => {}
        }
        Ok(self.outbox_status(store, now)?.to_string())
    }

    /// One page, ascending; `around` gives half before and half from there on, fewer where the log ends.
    fn page(&self, store: &Store, caller: &Identity, query: &PageQuery) -> Result<String, RoomError> {
        self.authorize(caller, Action::Read)?;
        let limit = query.limit.unwrap_or(PAGE_DEFAULT).clamp(1, PAGE_MAX);
        // An unknown thread is an empty page: nothing is revealed.
        let thread = query.thread_id.as_deref().map(|id| MessageId::parse(id).map_or(0, MessageId::seq));
        let end = self.head.saturating_add(1);
        let floor = self.visible_from(caller.user.as_str());
        let below = |seq: Seq, count: u64| -> store::Result<Vec<Stored>> {
            let mut messages = store.messages_before(seq, thread, count)?;
            messages.retain(|message| message.seq > floor);
            Ok(messages)
        };
        let above = |seq: Seq, count: u64| store.messages_after(seq.max(floor), thread, count);
        let (mut older, mut newer) = (Vec::new(), Vec::new());
        let (before, after);
        match (query.around, query.after) {
            (Some(seq), _) => {
                let half = limit / 2;
                older = below(seq, half.saturating_add(1))?;
                newer = above(seq.saturating_sub(1), (limit - half).saturating_add(1))?;
                before = cut(&mut older, half);
                after = cut(&mut newer, limit - half);
            }
            (None, Some(seq)) => {
                newer = above(seq, limit.saturating_add(1))?;
                after = cut(&mut newer, limit);
                let oldest = newer.first().map_or(seq.saturating_add(1), |m| m.seq);
                before = !below(oldest, 1)?.is_empty();
            }
            (None, None) => {
                let seq = query.before.unwrap_or(end).min(end);
                older = below(seq, limit.saturating_add(1))?;
                before = cut(&mut older, limit);
                let newest = older.first().map_or(seq.saturating_sub(1), |m| m.seq);
                after = !above(newest, 1)?.is_empty();
            }
        }
        older.reverse();
        older.append(&mut newer);
        let bodies: Vec<&str> = older.iter().map(|m| m.body.as_str()).collect();
        let (messages, seq, epoch) = (bodies.join(","), self.head, serde_json::Value::from(&*self.log.epoch));
        Ok(format!(
            r#"{{"messages":[{messages}],"hasMoreBefore":{before},"hasMoreAfter":{after},"lastSeq":{seq},"epoch":{epoch}}}"#
        ))
    }
}

/// Leaves at most `limit`; true when there were more.
pub(super) fn cut(messages: &mut Vec<Stored>, limit: u64) -> bool {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = messages.len() > limit;
    messages.truncate(limit);
    more
}
