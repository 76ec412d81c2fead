//! What stands in the way of somebody who may talk: a mute, slow mode, what the tenant doesn't want said. And what the room
//! notes for the audit log, which goes to Postgres with the next batch.
//! Not here: how texts are judged (`moderation`), and mutes and slow mode being set (`plan`).

use super::edit_delete::no_such_message;
use super::moderation::{Measure, Verdict};
use super::store::{self, Store};
use super::{Room, RoomError};
use crate::auth::{Action, Identity, Role};
use crate::db::AuditRow;
use crate::error::{Code, Refusal};
use crate::ids::{MessageId, UnixMs};
use crate::limits::{FOREVER_MS, RATES_KEPT_MAX};
use crate::mutants::{Mutant, is};
use crate::protocol::message::Attachment;
use serde_json::{Value, json};

/// Who did it where the rules did.
const SYSTEM: &str = "system";

impl Room {
    /// # Errors  muted, with `retryAfterMs` when that ends.
    pub(super) fn ensure_not_muted(&self, caller: &Identity, now: UnixMs) -> Result<(), Refusal> {
        let member = self.info.snapshot.members.iter().find(|m| m.user_id == caller.user);
        let until = member.and_then(|m| m.silenced_until_ms).filter(|until| *until > now);
        match until.filter(|_| !is(Mutant::MuteForgotten)) {
            None => Ok(()),
            Some(FOREVER_MS..) => Err(Refusal::new(Code::Muted, "you are muted in this room")),
            Some(until) => Err(Refusal::new(Code::Muted, "you are muted in this room for a while")
                .retry_after_ms(until.saturating_sub(now))),
        }
    }

    /// # Errors  slow_mode, with `retryAfterMs`, for members alone.
    pub(super) fn enforce_slow_mode(
        &mut self,
        store: &Store,
        caller: &Identity,
        now: UnixMs,
    ) -> Result<(), RoomError> {
        let slow_ms = u64::from(self.info.snapshot.slow_mode_s).saturating_mul(1_000);
        if slow_ms == 0 || self.authorize(caller, Action::IgnoreSlowMode).is_ok() {
            return Ok(());
        }
        let user = caller.user.as_str();
        let said_at = match self.said_at.get(user) {
            Some(at) => *at,
            None if is(Mutant::SlowModeForgotten) => 0,
            // Memory was lost: the log knows.
            None => store.said_at(user, self.log.head(), now.saturating_sub(slow_ms))?.unwrap_or(0),
        };
        self.said_at.insert(user.to_owned(), said_at);
        let free_at = said_at.saturating_add(slow_ms);
        if said_at == 0 || now >= free_at {
            return Ok(());
        }
        let refusal = Refusal::new(Code::SlowMode, "slow mode: wait before the next message");
        Err(refusal.retry_after_ms(free_at.saturating_sub(now)).into())
    }

    /// Somebody has said something: slow mode counts from here.
    pub(super) fn has_said(&mut self, user: &str, now: UnixMs) {
        if self.info.snapshot.slow_mode_s == 0 {
            self.said_at.clear();
        } else {
            self.said_at.insert(user.to_owned(), now);
        }
    }

    /// The text as it may be said.
    ///
    /// # Gives   the rule for which it is to stand in the audit log, if any.
    /// # Errors  moderation_blocked.
    pub(super) fn moderate_content(
        &self,
        content: &mut String,
        attachments: &[Attachment],
    ) -> Result<Option<&'static str>, Refusal> {
        let Some(rules) = &self.rules else { return Ok(None) };
        judged(rules.judge(content, attachments.iter().map(|file| file.url.as_str())), content)
    }

    /// How often somebody speaks, and whether always the same: for members alone, as slow mode is.
    pub(super) fn moderate_rate(
        &mut self,
        caller: &Identity,
        content: &mut String,
        now: UnixMs,
    ) -> Result<Option<&'static str>, Refusal> {
        let Some(rules) = self.rules.clone() else { return Ok(None) };
        if self.role(caller).is_some_and(|role| role > Role::Member) {
            return Ok(None);
        }
        if self.recent_sends.len() > RATES_KEPT_MAX {
            self.recent_sends.clear();
        }
        let recent_sends = self.recent_sends.entry(caller.user.as_str().to_owned()).or_default();
        judged(rules.pace(recent_sends, content, now), content)
    }

    /// Notes something for the audit log; the same `id` again is the same note.
    ///
    /// # Takes  `target`: a user's or a message's id. No content may stand in `reason`, but what its giver wrote as one.
    pub(super) fn note_audit(
        &mut self,
        store: &Store,
        now: UnixMs,
        (actor, action): (&str, &str),
        (id, target): (String, &str),
        reason: Option<String>,
    ) -> store::Result<()> {
        let (actor, action, target) = (actor.to_owned(), action.to_owned(), Some(target.to_owned()));
        self.audit.add(store, &AuditRow { id, at_ms: now, actor, action, target, reason })
    }

    /// What the rules flagged.
    pub(super) fn note_flagged(
        &mut self,
        store: &Store,
        now: UnixMs,
        message_id: &str,
        rule: &str,
    ) -> store::Result<()> {
        let id = format!("flag.{message_id}");
        self.note_audit(store, now, (SYSTEM, "report"), (id, message_id), Some(rule.to_owned()))
    }

    /// `POST /rooms/:id/messages/:mid/report`: once for a person and message.
    ///
    /// # Errors  message_not_found.
    pub(super) fn report_message(
        &mut self,
        store: &Store,
        now: UnixMs,
        caller: &Identity,
        message: &str,
        reason: String,
    ) -> Result<Value, RoomError> {
        self.authorize(caller, Action::Report)?;
        self.charge_rate(caller, super::rate::Rate::Reactions, now)?;
        let id = MessageId::parse(message).ok_or_else(no_such_message)?;
        self.find(store, caller, id)?.ok_or_else(no_such_message)?;
        let user = caller.user.as_str();
        let note = format!("report.{message}.{user}");
        self.note_audit(store, now, (user, "report"), (note, message), Some(reason))?;
        Ok(json!({"messageId": message}))
    }
}

fn judged(verdict: Verdict, content: &mut String) -> Result<Option<&'static str>, Refusal> {
    if let Some((Measure::Reject, rule)) = verdict.measure {
        let message = format!("this can't be said here ({rule})");
        return Err(Refusal::new(Code::ModerationBlocked, message).field("content"));
    }
    if let Some(masked) = verdict.masked {
        *content = masked;
    }
    Ok(verdict.flagged)
}
