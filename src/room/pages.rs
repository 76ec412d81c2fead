//! What REST asks of a room: a message sent without a socket, pages of history, the state of the outbox.
//! Not here: routes and HTTP (`api`).

use super::store::{Store, Stored};
use super::{Effect, Refused, Room};
use crate::auth::{Action, Identity};
use crate::ids::{MessageId, Seq, UnixMs};
use crate::limits::{PAGE_DEFAULT, PAGE_MAX};
use crate::protocol::Fields;
use crate::protocol::client::MessageDraft;
use serde::{Deserialize, Serialize};

/// What the Worker asks of a room on somebody's behalf.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "call", rename_all = "camelCase")]
pub enum Call {
    /// The body of `POST /rooms/:id/messages`, as it came.
    Say { body: String },
    /// `GET /rooms/:id/messages`.
    Page(PageQuery),
    /// `GET /rooms/:id/outbox`.
    Outbox,
    /// `POST /rooms/:id/outbox/retry`.
    RetryOutbox,
    /// `POST /rooms/:id/outbox/discard`.
    Discard { seq: Seq },
}

impl Call {
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
        who: &Identity,
        call: Call,
        random: u64,
    ) -> Result<(), Refused> {
        let answer = match call {
            Call::Say { body } => {
                let draft = MessageDraft::from_fields(&mut Fields::parse(&body)?)?;
                let said = self.say(store, now, (who, None), draft, random)?;
                format!(r#"{{"message":{},"duplicate":{}}}"#, said.body, said.duplicate)
            }
            Call::Page(query) => {
                self.authorize(who, Action::Read)?;
                self.page(store, &query)?
            }
            Call::Outbox => {
                self.authorize(who, Action::TendRoomOutbox)?;
                self.outbox_status(store, now)?.to_string()
            }
            Call::RetryOutbox => {
                self.authorize(who, Action::TendRoomOutbox)?;
                self.retry_outbox(store, now, who)?;
                self.outbox_status(store, now)?.to_string()
            }
            Call::Discard { seq } => {
                self.authorize(who, Action::TendRoomOutbox)?;
                self.discard(store, now, who, seq)?;
                self.outbox_status(store, now)?.to_string()
            }
        };
        self.effects.push(Effect::Reply(Ok(answer)));
        Ok(())
    }

    /// One page, ascending; `around` gives half before and half from there on, fewer where the log ends.
    fn page(&self, store: &Store, query: &PageQuery) -> Result<String, Refused> {
        let limit = query.limit.unwrap_or(PAGE_DEFAULT).clamp(1, PAGE_MAX);
        // An unknown thread is an empty page: nothing is revealed.
        let thread = query.thread_id.as_deref().map(|id| MessageId::parse(id).map_or(0, MessageId::seq));
        let end = self.head.saturating_add(1);
        let (mut older, mut newer) = (Vec::new(), Vec::new());
        let (before, after);
        match (query.around, query.after) {
            (Some(seq), _) => {
                let half = limit / 2;
                older = store.messages_before(seq, thread, half.saturating_add(1))?;
                newer =
                    store.messages_after(seq.saturating_sub(1), thread, (limit - half).saturating_add(1))?;
                before = cut(&mut older, half);
                after = cut(&mut newer, limit - half);
            }
            (None, Some(seq)) => {
                newer = store.messages_after(seq, thread, limit.saturating_add(1))?;
                after = cut(&mut newer, limit);
                let oldest = newer.first().map_or(seq.saturating_add(1), |m| m.seq);
                before = !store.messages_before(oldest, thread, 1)?.is_empty();
            }
            (None, None) => {
                let seq = query.before.unwrap_or(end).min(end);
                older = store.messages_before(seq, thread, limit.saturating_add(1))?;
                before = cut(&mut older, limit);
                let newest = older.first().map_or(seq.saturating_sub(1), |m| m.seq);
                after = !store.messages_after(newest, thread, 1)?.is_empty();
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
fn cut(messages: &mut Vec<Stored>, limit: u64) -> bool {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = messages.len() > limit;
    messages.truncate(limit);
    more
}
