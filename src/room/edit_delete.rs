//! Changing what was said: edits keep what stood before, deletions leave a tombstone and nothing else.
//! Not here: what else of a message goes when it is deleted: in Postgres it follows from its tombstone, files are in `files`.

use super::connection::ConnectionId;
use super::files::uploads_of;
use super::rate::Rate;
use super::store::mutations::Mutation;
use super::store::{Event, Kind, Store};
use super::thread::{thread_event, thread_update_text};
use super::{Room, RoomError};
use crate::auth::{Action, Identity};
use crate::db::VersionRow;
use crate::error::{Code, Refusal};
use crate::ids::{MessageId, Seq, UnixMs, iso};
use crate::mutants::{Mutant, is};
use crate::protocol::client::{DeleteDraft, EditDraft, ensure_not_empty};
use crate::protocol::message::Message;
use crate::protocol::server;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What the log keeps of an edit or a deletion besides its sender and its message.
#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChangeBody {
    pub message_id: String,
    /// Of the message, from then on.
    pub version: u64,
    /// Whom an edit names that weren't named before: news for them. It goes with the message.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mentioned: Vec<String>,
    /// It calls all, which the message didn't before.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub calls_all: bool,
}

pub(super) fn no_such_message() -> Refusal {
    Refusal::new(Code::MessageNotFound, "no such message")
}

impl Room {
    /// Gives a message other words; the ones it had are kept.
    ///
    /// # Gives   the message's object as it is then.
    /// # Errors  message_not_found; forbidden; version_conflict → `baseVersion` isn't what it is now; content_empty.
    pub(super) fn edit(
        &mut self,
        store: &Store,
        now: UnixMs,
        from: (&Identity, Option<ConnectionId>),
        mut draft: EditDraft,
    ) -> Result<String, RoomError> {
        let (caller, connection) = from;
        self.authorize(caller, Action::EditOwn)?;
        let digest = draft.digest();
        if let Some(event) =
            self.find_duplicate(store, caller, draft.client_id.as_deref(), Kind::Edit, digest)?
        {
            self.ack_change(connection, &event);
            let message = event.target.map(|seq| store.by_seq(seq)).transpose()?.flatten();
            return Ok(message.map_or_else(|| "null".to_owned(), |message| message.body));
        }
        self.ensure_not_archived()?;
        self.ensure_not_muted(caller, now)?;
        self.charge_rate(caller, Rate::Messages, now)?;
        let mut message = self.find(store, caller, draft.message_id)?.ok_or_else(no_such_message)?;
        if message.user_id != caller.user.as_str() {
            self.authorize(caller, Action::EditOthers)?;
        }
        let other = draft.base_version.is_some_and(|base| base != message.version);
        if other && !is(Mutant::EditWithoutVersionCheck) {
            let now = format!("the message is at version {}", message.version);
            return Err(Refusal::new(Code::VersionConflict, now).field("baseVersion").into());
        }
        if message.attachments.is_empty() {
            ensure_not_empty(&draft.content)?;
        }
        let unjudged = is(Mutant::EditsUnjudged);
        let flagged = if unjudged { None } else { self.moderate_content(&mut draft.content, &[])? };
        if draft.content == message.content {
            self.ack_noop(connection, draft.client_id.as_deref(), "edit", &message, now);
            return Ok(server::body(&message));
        }
        let first = || (message.user_id.clone(), message.created_at);
        let written = store.last_edit(message.seq)?.unwrap_or_else(first);
        let others = message.user_id != caller.user.as_str();
        let (event, kept) = self.edited((caller, now), written, &mut message, draft, digest);
        let body = server::body(&message);
        if let Some(rule) = flagged {
            self.note_flagged(store, now, &message.id, rule)?;
        }
        if others {
            self.note_change(store, "edit", &event, &message.id)?;
        }
        let changes = [
            Mutation::Keep { seq: message.seq, edit: event.seq, version: kept },
            Mutation::Body { seq: message.seq, body: &body },
        ];
        store.append(&[&event], &changes)?;
        self.head = event.seq;
        self.ack(connection, &event, (&message.id, message.version), false);
        self.broadcast_about(event.target, event.seq, server::message_updated(event.seq, &body));
        Ok(body)
    }

    /// Makes the message what it is after the edit.
    ///
    /// # Gives  the event, and the version that was.
    fn edited(
        &self,
        (caller, now): (&Identity, UnixMs),
        (written_by, written_at_ms): (String, UnixMs),
        message: &mut Message,
        draft: EditDraft,
        digest: u64,
    ) -> (Event, VersionRow) {
        let editor = caller.user.as_str().to_owned();
        let content = std::mem::replace(&mut message.content, draft.content);
        let kept = VersionRow {
            version: message.version,
            content,
            written_by,
            written_at_ms,
            replaced_by: editor.clone(),
            replaced_at_ms: now,
        };
        let known = std::mem::take(&mut message.mentions);
        let (mentions, calls_room) = self.mentions(caller, &message.content);
        let mentioned = mentions.iter().filter(|user| !known.contains(user)).cloned().collect();
        message.mentions = mentions;
        // What somebody was allowed to call stays called, whoever mends the words around it.
        let called = message.mentions_room;
        message.mentions_room = calls_room || (called && calls_all(&message.content));
        message.version = message.version.saturating_add(1);
        message.edited_at = Some(now);
        let body = ChangeBody {
            message_id: message.id.clone(),
            version: message.version,
            mentioned,
            calls_all: message.mentions_room && !called,
        };
        let event = self.change_event(Kind::Edit, message.seq, now, editor, (draft.client_id, digest), &body);
        (event, kept)
    }

    /// Leaves a tombstone: of what was said nothing stays.
    ///
    /// # Gives   the message's id and the event's seq.
    /// # Errors  message_not_found, also for one that is deleted already; forbidden; archived, moderators apart.
    pub(super) fn delete(
        &mut self,
        store: &Store,
        now: UnixMs,
        from: (&Identity, Option<ConnectionId>),
        draft: DeleteDraft,
    ) -> Result<(String, Seq), RoomError> {
        let (caller, connection) = from;
        self.authorize(caller, Action::DeleteOwn)?;
        let digest = draft.digest();
        if let Some(event) =
            self.find_duplicate(store, caller, draft.client_id.as_deref(), Kind::Delete, digest)?
        {
            self.ack_change(connection, &event);
            return Ok((draft.message_id.to_string(), event.seq));
        }
        if self.authorize(caller, Action::DeleteOthers).is_err() {
            self.ensure_not_archived()?;
        }
        self.charge_rate(caller, Rate::Messages, now)?;
        let mut message = self.find(store, caller, draft.message_id)?.ok_or_else(no_such_message)?;
        if message.user_id != caller.user.as_str() {
            self.authorize(caller, Action::DeleteOthers)?;
        }
        // Before the deletion: alone it does no harm, and a deletion without it might leave words behind.
        self.discard_quarantined_content(store, message.seq)?;
        let user = caller.user.as_str().to_owned();
        let files = uploads_of(&message);
        make_tombstone(&mut message, now, &user);
        let (message_id, version) = (message.id.clone(), message.version);
        let change = ChangeBody { message_id, version, ..ChangeBody::default() };
        let event =
            self.change_event(Kind::Delete, message.seq, now, user, (draft.client_id, digest), &change);
        if message.user_id != event.user_id {
            self.note_change(store, "delete", &event, &message.id)?;
        }
        let root = self.root_without(store, &message)?;
        let (body, root_body) = (server::body(&message), root.as_ref().map(server::body));
        let files = if is(Mutant::DeletedFileForgotten) { Vec::new() } else { files };
        let mut changes = vec![Mutation::RemoveUploads { uploads: &files, due: now }];
        if !is(Mutant::DeleteKeepsVersions) {
            changes.push(Mutation::Purge { seq: message.seq });
        }
        changes.push(Mutation::Body { seq: message.seq, body: &body });
        let update = root.as_ref().map(|root| thread_event(&event, root));
        if let (Some(root), Some(body)) = (&root, &root_body) {
            changes.push(Mutation::Body { seq: root.seq, body });
        }
        let events: Vec<&Event> = [&event].into_iter().chain(&update).collect();
        store.append(&events, &changes)?;
        self.head = update.as_ref().map_or(event.seq, |update| update.seq);
        self.schedule_removal(now, files);
        self.ack(connection, &event, (&message.id, message.version), false);
        let deleted = server::message_deleted(event.seq, &message.id, &event.user_id);
        self.broadcast_about(event.target, event.seq, deleted);
        if let (Some(root), Some(update)) = (&root, &update) {
            let (target, seq, text) = thread_update_text(root, update.seq);
            self.broadcast_about(Some(target), seq, text);
        }
        Ok((message.id, event.seq))
    }

    /// A moderator has changed somebody else's message: it goes into the audit log. Before the event, under its place: alone
    /// the note does no harm, and the place is the event's however often this is tried.
    fn note_change(
        &mut self,
        store: &Store,
        action: &str,
        event: &Event,
        message: &str,
    ) -> Result<(), RoomError> {
        let id = format!("{}.{}.{action}", self.log.epoch, event.seq);
        Ok(self.note_audit(store, event.at, (&event.user_id, action), (id, message), None)?)
    }

    fn change_event(
        &self,
        kind: Kind,
        target: Seq,
        now: UnixMs,
        user_id: String,
        (client_id, digest): (Option<String>, u64),
        body: &ChangeBody,
    ) -> Event {
        Event {
            seq: self.head.saturating_add(1),
            kind,
            at: now,
            user_id,
            client_id,
            digest: Some(digest),
            target: Some(target),
            thread: None,
            body: serde_json::to_string(body).unwrap_or_default(),
        }
    }

    /// The original ack again.
    fn ack_change(&mut self, connection: Option<ConnectionId>, event: &Event) {
        let body: ChangeBody = serde_json::from_str(&event.body).unwrap_or_default();
        self.ack(connection, event, (&body.message_id, body.version), true);
    }

    /// `GET /rooms/:id/messages/:mid/versions`: all that it has said, oldest first, the present words last.
    ///
    /// # Errors  message_not_found; forbidden → neither its author nor a moderator.
    pub(super) fn versions(&self, store: &Store, caller: &Identity, id: &str) -> Result<Value, RoomError> {
        self.authorize(caller, Action::ReadOwnVersions)?;
        let id = MessageId::parse(id).ok_or_else(no_such_message)?;
        let message = self.find_any(store, caller, id)?.ok_or_else(no_such_message)?;
        if message.user_id != caller.user.as_str() {
            self.authorize(caller, Action::ReadOthersVersions)?;
        }
        if message.deleted_at.is_some() {
            return Ok(json!({"versions": []}));
        }
        let version = |version: u64, content: &str, by: &str, at: UnixMs| json!({"version": version, "content": content, "editedBy": by, "editedAt": iso(at)});
        let kept = store.versions(message.seq)?;
        let (by, at) = kept
            .last()
            .map_or((&message.user_id, message.created_at), |last| (&last.replaced_by, last.replaced_at_ms));
        let present = version(message.version, &message.content, by, at);
        let before = kept.iter().map(|v| version(v.version, &v.content, &v.written_by, v.written_at_ms));
        let versions: Vec<Value> = before.chain([present]).collect();
        Ok(json!({"versions": versions}))
    }
}

/// Whether `@room` stands in the text as a word.
pub fn calls_all(content: &str) -> bool {
    let word = |part: &str| part.trim_matches(|c: char| c.is_ascii_punctuation() && c != '@') == "@room";
    content.split_whitespace().any(word)
}

fn make_tombstone(message: &mut Message, now: UnixMs, by: &str) {
    message.content.clear();
    message.attachments.clear();
    message.mentions.clear();
    message.mentions_room = false;
    message.reactions.clear();
    message.deleted_at = Some(now);
    message.deleted_by = Some(by.to_owned());
}
