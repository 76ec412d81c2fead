//! The calls of REST: each is mapped to the operation that a socket's frame would start, or answered from the log.
//! Not here: routes and HTTP (`api`), and the calls themselves (`input`).

use super::effect::Effect;
use super::input::{PageQuery, RoomCall};
use super::rate::Rate;
use super::store::{self, Stored};
use super::turn::Request;
use super::{Room, RoomError};
use crate::auth::Action;
use crate::error::Refusal;
use crate::ids::{MessageId, Seq};
use crate::limits::{PAGE_DEFAULT, PAGE_MAX, PAGE_UNIT_BYTES};
use crate::protocol::Fields;
use crate::protocol::client::{DeleteDraft, EditDraft, MessageDraft, ReactionDraft};
use serde_json::json;

impl Room {
    /// Answers a call with `Effect::Reply`, also when it is refused.
    pub(super) fn call(&mut self, request: Request, call: RoomCall) -> store::Result<()> {
        let rate = rate_of(&call);
        let charged = self.charge_call(&request, rate).map_err(RoomError::from);
        let reply = match charged.and_then(|()| self.answer_call(request, call)) {
            Ok(answer) => {
                self.charge_answer(&request, rate, answer.len());
                Ok(answer)
            }
            Err(RoomError::Refused(refusal)) => Err(refusal),
            Err(RoomError::Store(error)) => return Err(error),
        };
        self.effects.push(Effect::Reply(reply));
        Ok(())
    }

    /// Takes the call from its caller's bucket. Outsiders are refused later, and nothing of them is remembered.
    fn charge_call(&mut self, request: &Request, rate: Option<Rate>) -> Result<(), Refusal> {
        match rate {
            Some(rate) if self.members.is_member(request.user()) => {
                self.rates.charge(&self.limits, request.user(), rate, request.turn.now)
            }
            _ => Ok(()),
        }
    }

    /// A large page costs as many calls as its bytes are worth. How many that is, nobody knows before it is read.
    fn charge_answer(&mut self, request: &Request, rate: Option<Rate>, bytes: usize) {
        let more = bytes.checked_div(PAGE_UNIT_BYTES).unwrap_or(0) as u64;
        if rate == Some(Rate::Pages) && self.members.is_member(request.user()) {
            self.rates.charge_more(&self.limits, request.user(), (Rate::Pages, more), request.turn.now);
        }
    }

    fn answer_call(&mut self, request: Request, call: RoomCall) -> Result<String, RoomError> {
        Ok(match call {
            RoomCall::Say { body } => {
                let draft = MessageDraft::from_fields(&mut Fields::parse(&body)?)?;
                let sent = self.send_message(request, draft)?;
                format!(r#"{{"message":{},"duplicate":{}}}"#, sent.body, sent.duplicate)
            }
            RoomCall::Page(query) => self.page(request, &query)?,
            RoomCall::Edit { message, body } => {
                let draft = EditDraft::from_fields(&message, &mut Fields::parse(&body)?)?;
                format!(r#"{{"message":{}}}"#, self.edit(request, draft)?)
            }
            RoomCall::Delete { message } => {
                let (id, seq) = self.delete(request, DeleteDraft::new(&message, None)?)?;
                json!({"messageId": id, "seq": seq}).to_string()
            }
            RoomCall::Versions { message, before } => self.versions(request, &message, before)?.to_string(),
            RoomCall::React { message, emoji, add } => {
                let draft = ReactionDraft::new(&message, emoji, add, None)?;
                let message = self.react(request, draft)?.ok_or_else(Refusal::fault)?;
                let (reactions, counts) = (message.reactions, message.reaction_counts);
                json!({"messageId": message.id, "reactions": reactions, "reactionCounts": counts}).to_string()
            }
            RoomCall::Reactors { message, emoji, after, limit } => {
                self.reactors_page(request, (&message, &emoji), after.as_ref(), limit)?
            }
            RoomCall::Pin { message, pin } => self.pin(request, &message, pin)?,
            RoomCall::Pins => self.list_pins(request)?,
            RoomCall::Readers { message } => self.readers(request, &message)?.to_string(),
            RoomCall::Thread { root, before, limit } => self.thread_page(request, &root, before, limit)?,
            RoomCall::Read { seq } => {
                self.mark_read(request, seq)?;
                json!({"lastReadSeq": self.reads.seq_of(request.user())}).to_string()
            }
            RoomCall::Unread { seq } => {
                self.mark_unread(request, seq)?;
                json!({"lastReadSeq": self.reads.seq_of(request.user())}).to_string()
            }
            RoomCall::Find { message, tombstones } => self.find(request, &message, tombstones)?,
            RoomCall::Report { message, reason } => {
                self.report_message(request, &message, reason)?.to_string()
            }
            RoomCall::DeleteReported { message } => {
                let (id, seq) = self.delete_reported(request, DeleteDraft::new(&message, None)?)?;
                json!({"messageId": id, "seq": seq}).to_string()
            }
            RoomCall::Outbox | RoomCall::RetryOutbox | RoomCall::Discard { .. } => {
                self.call_outbox(request, call)?
            }
            RoomCall::Reserve { upload, size } => self.reserve_upload(request, &upload, size)?,
            RoomCall::Uploaded { upload, file } => self.upload_done(request, &upload, file)?,
            RoomCall::UploadFailed { upload } => self.upload_failed(request, &upload)?,
            RoomCall::File { upload } => self.file(request, &upload)?,
        })
    }

    /// The calls of the tenant's admins.
    fn call_outbox(&mut self, request: Request, call: RoomCall) -> Result<String, RoomError> {
        self.authorize(request.caller, Action::OperateOutbox)?;
        match call {
            RoomCall::RetryOutbox => self.retry_outbox(request)?,
            RoomCall::Discard { seq } => self.discard(request, seq)?,
            _ => {}
        }
        Ok(self.outbox_status(request.turn)?.to_string())
    }

    /// One page of messages, ascending. `around` gives half of the page before that seq and half from it on, fewer
    /// where the log ends; so does `at`, with the seq of that time.
    fn page(&self, request: Request, query: &PageQuery) -> Result<String, RoomError> {
        self.authorize(request.caller, Action::Read)?;
        let store = request.turn.store;
        let limit = query.limit.unwrap_or(PAGE_DEFAULT).clamp(1, PAGE_MAX);
        let bytes = self.limits.page_bytes;
        // An unknown thread gives an empty page, which does not reveal whether it exists.
        let thread = query.thread_id.as_deref().map(|id| MessageId::parse(id).map_or(0, MessageId::seq));
        let end = self.log.next_seq();
        let floor = self.members.visible_from(request.user());
        let below = |seq: Seq, count: u64| -> store::Result<Vec<Stored>> {
            let mut messages = store.messages_before(seq, thread, count)?;
            messages.retain(|message| message.seq > floor);
            Ok(messages)
        };
        let above = |seq: Seq, count: u64| store.messages_after(seq.max(floor), thread, count);
        let (mut older, mut newer) = (Vec::new(), Vec::new());
        let (before, after);
        let around = query.at.map(|at| store.first_seq_at(at, end)).transpose()?.or(query.around);
        match (around, query.after) {
            (Some(seq), _) => {
                let half = limit / 2;
                older = below(seq, half.saturating_add(1))?;
                newer = above(seq.saturating_sub(1), (limit - half).saturating_add(1))?;
                before = truncate(&mut older, half, bytes / 2);
                after = truncate(&mut newer, limit - half, bytes / 2);
            }
            (None, Some(seq)) => {
                newer = above(seq, limit.saturating_add(1))?;
                after = truncate(&mut newer, limit, bytes);
                let oldest = newer.first().map_or(seq.saturating_add(1), |m| m.seq);
                before = !below(oldest, 1)?.is_empty();
            }
            (None, None) => {
                let seq = query.before.unwrap_or(end).min(end);
                older = below(seq, limit.saturating_add(1))?;
                before = truncate(&mut older, limit, bytes);
                let newest = older.first().map_or(seq.saturating_sub(1), |m| m.seq);
                after = !above(newest, 1)?.is_empty();
            }
        }
        older.reverse();
        older.append(&mut newer);
        self.show_own_reactions(store, request.user(), &mut older)?;
        let bodies: Vec<&str> = older.iter().map(|m| m.body.as_str()).collect();
        let (messages, seq, epoch) =
            (bodies.join(","), self.log.head(), serde_json::Value::from(self.log.epoch()));
        let more = format!(r#""hasMoreBefore":{before},"hasMoreAfter":{after}"#);
        Ok(format!(r#"{{"messages":[{messages}],{more},"lastSeq":{seq},"epoch":{epoch}}}"#))
    }
}

/// The bucket of a call: what reads a room takes from that of pages, the rest from that of frames, as the same operations
/// do on a socket. The end of an upload is free, as its beginning was paid for.
fn rate_of(call: &RoomCall) -> Option<Rate> {
    Some(match call {
        RoomCall::Page(_) | RoomCall::Thread { .. } | RoomCall::Versions { .. } => Rate::Pages,
        RoomCall::Reactors { .. } | RoomCall::Readers { .. } | RoomCall::Find { .. } => Rate::Pages,
        RoomCall::Pins | RoomCall::Pin { .. } => Rate::Pages,
        RoomCall::Outbox | RoomCall::RetryOutbox | RoomCall::Discard { .. } => Rate::Pages,
        RoomCall::DeleteReported { .. } => Rate::Frames,
        RoomCall::Uploaded { .. } | RoomCall::UploadFailed { .. } => return None,
        RoomCall::Say { .. } | RoomCall::Edit { .. } | RoomCall::Delete { .. } => Rate::Frames,
        RoomCall::React { .. } | RoomCall::Report { .. } | RoomCall::File { .. } => Rate::Frames,
        RoomCall::Read { .. } | RoomCall::Unread { .. } | RoomCall::Reserve { .. } => Rate::Frames,
    })
}

/// Keeps the first messages, at most `limit` of them and `bytes_max` bytes, but at least one, so that pages proceed;
/// true when there were more.
pub(super) fn truncate(messages: &mut Vec<Stored>, limit: u64, bytes_max: usize) -> bool {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let fitting = count_fitting(messages.iter().map(|message| message.body.len()), bytes_max);
    let kept = fitting.max(1).min(limit);
    let more = messages.len() > kept;
    messages.truncate(kept);
    more
}

/// How many of these sizes fit into `bytes_max` together.
pub(super) fn count_fitting(sizes: impl Iterator<Item = usize>, bytes_max: usize) -> usize {
    let mut bytes = 0usize;
    let fits = |size: &usize| {
        bytes = bytes.saturating_add(*size);
        bytes <= bytes_max
    };
    sizes.take_while(fits).count()
}
