//! Edits, which keep the earlier versions, and deletions, which leave a tombstone.
//! Not here: what else is deleted with a message: Postgres derives it from the tombstone, and files are in `files`.

use super::calls::count_fitting;
use super::files::uploads_of;
use super::mention_parser::Mentions;
use super::message::{MessageVersion, ensure_size, message_by_id, no_such_message, size_of};
use super::send_checks::{Begin, Operation, RetryKey};
use super::store::formats::ChangeBody;
use super::store::mutations::Mutation;
use super::store::{Event, Kind, encode};
use super::thread::{ThreadUpdate, thread_event};
use super::turn::Request;
use super::{Room, RoomError};
use crate::auth::Action;
use crate::db::VersionRow;
use crate::error::{Code, Refusal};
use crate::ids::{Seq, UnixMs, iso};
use crate::protocol::client::{DeleteDraft, EditDraft, ensure_not_empty, parse_message_id};
use crate::protocol::message::Message;
use crate::protocol::server;
use serde_json::{Value, json};

/// A message after an edit, and what the edit stores.
struct Edited {
    event: Event,
    replaced: VersionRow,
}

impl Room {
    /// Replaces a message's content; the version that it had is kept.
    ///
    /// # Gives   the message object afterwards, as JSON text.
    /// # Errors  those of `begin` and `check_text`; message_not_found; forbidden; content_empty; version_conflict →
    ///           `baseVersion` is not the message's version; too_large.
    pub(super) fn edit(&mut self, request: Request, mut draft: EditDraft) -> Result<String, RoomError> {
        let store = request.turn.store;
        let retry = RetryKey { client_id: draft.client_id.as_deref(), digest: draft.digest() };
        let digest = retry.digest;
        if let Begin::Duplicate(event) = self.begin(request, Operation::Edit, retry)? {
            self.ack_duplicate(request, &event);
            let message = event.target.map(|seq| store.by_seq(seq)).transpose()?.flatten();
            let message = message.and_then(|event| serde_json::from_str(&event.body).ok());
            return Ok(
                message.map_or_else(|| Ok("null".to_owned()), |message| self.body_for(request, message))?
            );
        }
        let mut message = self.find_message(request, draft.message_id)?.ok_or_else(no_such_message)?;
        let is_author = message.user_id == request.user();
        if !is_author {
            self.authorize(request.caller, Action::EditOthers)?;
        }
        let conflict = draft.base_version.is_some_and(|base| base != message.version);
        if conflict {
            let version = format!("the message is at version {}", message.version);
            return Err(Refusal::new(Code::VersionConflict, version).field("baseVersion").into());
        }
        if message.attachments.is_empty() {
            ensure_not_empty(&draft.content)?;
        }
        let flagged = self.check_text(request, Operation::Edit, &mut draft.content, &mut [])?;
        if draft.content == message.content {
            self.ack_noop(request, draft.client_id.as_deref(), Kind::Edit, &message);
            return Ok(self.body_for(request, message)?);
        }
        let former_bytes = size_of(&message);
        let Edited { event, replaced } = self.apply_edit(request, &mut message, draft, digest)?;
        ensure_size(&message, former_bytes)?;
        let body = server::body(&message);
        if let Some(rule) = flagged {
            self.note_flagged(request.turn, &message, rule)?;
        }
        if !is_author {
            self.note_moderation(request.turn, &event, &message.id)?;
        }
        let mutations = [
            Mutation::Keep { seq: message.seq, edit: event.seq, version: replaced },
            Mutation::Body { seq: message.seq, body: &body },
        ];
        store.append(&[&event], &mutations)?;
        self.log.advance(event.seq);
        self.ack(request, &event, (&message).into(), false);
        self.broadcast_about(event.target, event.seq, server::message_updated(event.seq, &body).into());
        Ok(self.body_for(request, message)?)
    }

    /// Changes the message as the edit asks, and gives the event and the version that is replaced.
    fn apply_edit(
        &self,
        request: Request,
        message: &mut Message,
        draft: EditDraft,
        digest: u64,
    ) -> Result<Edited, RoomError> {
        let first = || (message.user_id.clone(), message.created_at);
        let (written_by, written_at_ms) = request.turn.store.last_edit(message.seq)?.unwrap_or_else(first);
        let replaced = VersionRow {
            version: message.version,
            content: std::mem::replace(&mut message.content, draft.content),
            written_by,
            written_at_ms,
            replaced_by: request.user().to_owned(),
            replaced_at_ms: request.turn.now,
        };
        let known = std::mem::take(&mut message.mentions);
        message.mentions = self.members.mentioned_in(&message.content);
        let mentioned = message.mentions.iter().filter(|user| !known.contains(user)).cloned().collect();
        // A mention that the author was allowed to make stays, whoever edits the text around it.
        let had_room_mention = message.mentions_room;
        message.mentions_room = self.mentions_room(request.caller, &message.content)
            || (had_room_mention && Mentions::parse(&message.content).has_room);
        message.version = message.version.saturating_add(1);
        message.edited_at = Some(request.turn.now);
        message.edited_by = Some(request.user()).filter(|user| *user != message.user_id).map(str::to_owned);
        let body = ChangeBody {
            message_id: message.id.clone(),
            version: message.version,
            mentioned,
            calls_all: message.mentions_room && !had_room_mention,
        };
        let event = Event {
            client_id: draft.client_id,
            digest: Some(digest),
            target: Some(message.seq),
            body: serde_json::to_string(&body).unwrap_or_default(),
            ..request.event(self.log.next_seq(), Kind::Edit)
        };
        Ok(Edited { event, replaced })
    }

    /// Replaces a message by its tombstone; no content of it is kept.
    ///
    /// # Gives   the message's id and the event's seq.
    /// # Errors  those of `begin`; message_not_found, also for one that is deleted already; forbidden.
    pub(super) fn delete(
        &mut self,
        request: Request,
        draft: DeleteDraft,
    ) -> Result<(String, Seq), RoomError> {
        let retry = RetryKey { client_id: draft.client_id.as_deref(), digest: draft.digest() };
        if let Begin::Duplicate(event) = self.begin(request, Operation::Delete, retry)? {
            self.ack_duplicate(request, &event);
            return Ok((draft.message_id.to_string(), event.seq));
        }
        let message = self.find_message(request, draft.message_id)?.ok_or_else(no_such_message)?;
        if message.user_id != request.user() {
            self.authorize(request.caller, Action::DeleteOthers)?;
        }
        self.replace_by_tombstone(request, message, draft)
    }

    /// A moderator of the tenant resolves a report: the message is deleted, in whatever room.
    ///
    /// # Errors  forbidden (REPORT-3); message_not_found, also for one that is deleted already.
    pub(super) fn delete_reported(
        &mut self,
        request: Request,
        draft: DeleteDraft,
    ) -> Result<(String, Seq), RoomError> {
        self.members.authorize_resolution(request.caller, Action::DeleteOthers)?;
        let message = message_by_id(request.turn.store, draft.message_id)?;
        let message = message.filter(|message| message.deleted_at.is_none()).ok_or_else(no_such_message)?;
        self.replace_by_tombstone(request, message, draft)
    }

    fn replace_by_tombstone(
        &mut self,
        request: Request,
        mut message: Message,
        draft: DeleteDraft,
    ) -> Result<(String, Seq), RoomError> {
        let (store, now) = (request.turn.store, request.turn.now);
        let is_author = message.user_id == request.user();
        // Before the deletion: alone it does no harm, and a deletion without it might leave content in a reason.
        self.outbox.purge_quarantined(store, message.seq)?;
        let files = uploads_of(&message);
        make_tombstone(&mut message, now, request.user());
        let change =
            ChangeBody { message_id: message.id.clone(), version: message.version, ..ChangeBody::default() };
        let event = Event {
            digest: Some(draft.digest()),
            client_id: draft.client_id,
            target: Some(message.seq),
            body: serde_json::to_string(&change).unwrap_or_default(),
            ..request.event(self.log.next_seq(), Kind::Delete)
        };
        if !is_author {
            self.note_moderation(request.turn, &event, &message.id)?;
        }
        let update = self.append_deletion(request, &message, &event, &files)?;
        self.schedule_removal(now, files);
        self.ack(request, &event, (&message).into(), false);
        let deleted = server::message_deleted(event.seq, &message.id, &event.user_id);
        self.broadcast_about(event.target, event.seq, deleted.into());
        if let Some(ThreadUpdate { root, seq, event }) = update {
            self.broadcast_about(Some(root), seq, event.into());
        }
        Ok((message.id, event.seq))
    }

    /// Appends a deletion to the log and removes the message's content; a reply's root counts one reply less.
    fn append_deletion(
        &mut self,
        request: Request,
        tombstone: &Message,
        event: &Event,
        files: &[String],
    ) -> Result<Option<ThreadUpdate>, RoomError> {
        let root = self.root_without(request.turn, tombstone)?;
        let (body, root_body) = (server::body(tombstone), root.as_ref().map(server::body));
        let pins = self.pins.without(tombstone.seq, event.seq);
        let pins_row = pins.as_ref().map(encode).transpose()?;
        let mut mutations = vec![Mutation::RemoveUploads { uploads: files, due: request.turn.now }];
        mutations.push(Mutation::Purge { seq: tombstone.seq });
        mutations.push(Mutation::Body { seq: tombstone.seq, body: &body });
        let thread_event = root.as_ref().map(|root| thread_event(event, root));
        if let (Some(root), Some(body)) = (&root, &root_body) {
            mutations.push(Mutation::Body { seq: root.seq, body });
        }
        mutations.extend(pins_row.as_deref().map(|row| Mutation::Pins { row }));
        let events: Vec<&Event> = [event].into_iter().chain(&thread_event).collect();
        request.turn.store.append(&events, &mutations)?;
        pins.into_iter().for_each(|row| self.pins.replace(row));
        self.log.advance(thread_event.as_ref().map_or(event.seq, |thread_event| thread_event.seq));
        Ok(root.zip(thread_event).map(|(root, event)| ThreadUpdate::new(&root, event.seq)))
    }

    /// Answers a retry with the original ack.
    fn ack_duplicate(&mut self, request: Request, event: &Event) {
        let body: ChangeBody = serde_json::from_str(&event.body).unwrap_or_default();
        self.ack(request, event, MessageVersion { id: &body.message_id, version: body.version }, true);
    }

    /// `GET /rooms/:id/messages/:mid/versions`: the versions of a message, oldest first, the present one last; or those below
    /// the version `before`. The oldest are left out where all together exceed a page.
    ///
    /// # Errors  message_not_found; forbidden → neither its author nor a moderator.
    pub(super) fn versions(
        &self,
        request: Request,
        id: &str,
        before: Option<u64>,
    ) -> Result<Value, RoomError> {
        self.authorize(request.caller, Action::ReadOwnVersions)?;
        let id = parse_message_id(id)?;
        let message = self.find_message_or_tombstone(request, id)?.ok_or_else(no_such_message)?;
        if message.user_id != request.user() {
            self.authorize(request.caller, Action::ReadOthersVersions)?;
        }
        if message.deleted_at.is_some() {
            return Ok(json!({"versions": [], "hasMoreBefore": false}));
        }
        let kept = request.turn.store.versions(message.seq)?;
        let (by, at) = kept
            .last()
            .map_or((&message.user_id, message.created_at), |last| (&last.replaced_by, last.replaced_at_ms));
        let former = kept.iter().map(|v| (v.version, &v.content, &v.written_by, v.written_at_ms));
        let all = former.chain([(message.version, &message.content, by, at)]);
        let shown = all.filter(|(version, ..)| before.is_none_or(|before| *version < before));
        let mut versions: Vec<Value> = shown.map(version_object).collect();
        let newest_first = versions.iter().rev().map(|version| version.to_string().len());
        let fitting = count_fitting(newest_first, self.limits.page_bytes).max(1);
        let left_out = versions.len().saturating_sub(fitting);
        versions.drain(..left_out);
        Ok(json!({"versions": versions, "hasMoreBefore": left_out > 0}))
    }
}

/// A version as REST shows it.
fn version_object((version, content, by, at): (u64, &String, &String, UnixMs)) -> Value {
    json!({"version": version, "content": content, "editedBy": by, "editedAt": iso(at)})
}

/// Removes all content from the message.
fn make_tombstone(message: &mut Message, now: UnixMs, by: &str) {
    message.content.clear();
    message.attachments.clear();
    message.mentions.clear();
    message.mentions_room = false;
    message.reactions.clear();
    message.reaction_counts.clear();
    message.edited_by = None;
    message.deleted_at = Some(now);
    message.deleted_by = Some(by.to_owned());
}
