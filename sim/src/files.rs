//! Uploads: a client uploads a file and sends it with a message. At the end each file can be downloaded unchanged, and
//! the bucket has no other. Not here: the bucket (`worker`, `platform`).

use crate::plan::ROOMS;
use crate::requests::HttpRequest;
use crate::stored::{Log, Stored};
use crate::token::token;
use crate::world::World;
use crate::world::checker::{CheckResult, Checker};
use crate::world::clients::escape;
use crate::world::content_model::{FILE_MARK, file_in};
use crate::world::network::HttpOutcome;
use crate::world::operation::Operation;
use chinwag::ids::{RoomId, TenantId};
use chinwag::room::file_prefix;
use serde_json::Value;
use std::collections::BTreeSet;
use std::rc::Rc;

impl World {
    /// Uploads a few bytes, and sends them with a message once that is answered.
    pub fn upload(self: &Rc<Self>, tab: usize) {
        let bytes = format!("{:x}", self.clock.random()).repeat(1 + (self.clock.random() % 40) as usize);
        let (name, request) = {
            let it = self.clients.tab(tab);
            if it.removed {
                return;
            }
            let token = it.token(self.clock.now());
            (it.name(), HttpRequest::post(it.room_path("/attachments"), token, bytes.clone()))
        };
        self.recorder.trace(|| format!("{name} uploads {} bytes", bytes.len()));
        self.request_then(request, move |world, got| world.send_upload(tab, bytes, got));
    }

    fn send_upload(self: &Rc<Self>, tab: usize, bytes: String, got: HttpOutcome) {
        let HttpOutcome::Json(200, body) = got else {
            self.recorder.count("uploads failed");
            return;
        };
        let answer: Value = serde_json::from_str(&body).unwrap_or_default();
        let id = answer["attachment"]["id"].as_str().unwrap_or_default().to_owned();
        self.model.uploads.borrow_mut().insert(id.clone(), bytes.into_bytes());
        // Some are never sent.
        if self.clock.random().is_multiple_of(4) {
            self.recorder.count("uploads never sent");
            return;
        }
        let content = format!("{} {FILE_MARK}{id}", self.clock.random() % 1_000_000);
        self.send_operation(tab, Operation::Message { content, thread: None });
    }

    /// A message with this content was refused: only a lost log may not know the upload.
    pub fn check_file_refused(&self, content: &str) {
        if file_in(content).is_some() && !self.recorder.happened("storages lost") {
            let what = format!("the sender's own upload was refused: {content}");
            self.recorder.violation(Checker::Answered, what);
        }
    }
}

/// The prefix of the room's keys in the bucket.
pub fn prefix_of(room: usize) -> String {
    let (tenant, id) = ROOMS[room];
    let parsed = TenantId::parse(tenant).zip(RoomId::parse(id));
    let (tenant, id) = parsed.expect("a room of the plan");
    file_prefix(&tenant, &id)
}

/// Each message has the file that it was sent with, unchanged; the bucket has no other file of the room.
pub fn files_are_complete(world: &Rc<World>, room: usize, log: &Log) -> CheckResult {
    let wrong = |what: String| Err((Checker::Files, what));
    let prefix = prefix_of(room);
    let mut expected = BTreeSet::new();
    let messages = log.values().filter_map(Stored::message);
    for message in messages.filter(|message| message.deleted_at.is_none()) {
        let file = message.attachments.first().and_then(|file| file.id.as_deref());
        if message.version == 1 && file != file_in(&message.content) {
            return wrong(format!("{} has {file:?}: {}", message.seq, message.content));
        }
        let Some(file) = file else { continue };
        expected.insert(format!("{prefix}{}", file.rsplit('.').next().unwrap_or_default()));
        let token = token(ROOMS[room].0, "alice", world.clock.now() + 60_000);
        let path = format!("/api/chat/attachments/{}", escape(file));
        let is_same = match world.request_and_wait(HttpRequest::get(path, token)) {
            Some(HttpOutcome::File(bytes)) => world.model.uploads.borrow().get(file) == Some(&bytes),
            _ => false,
        };
        if !is_same {
            return wrong(format!("{file} of {} cannot be downloaded unchanged", message.seq));
        }
    }
    let bucket = world.backends.bucket.borrow();
    let stored: BTreeSet<String> = bucket.keys().filter(|key| key.starts_with(&prefix)).cloned().collect();
    if stored == expected {
        return no_other_file_counts(world, room, &expected);
    }
    let strays: Vec<_> = stored.difference(&expected).collect();
    let lost: Vec<_> = expected.difference(&stored).collect();
    wrong(format!("files of no message: {strays:?}; missing: {lost:?}"))
}

/// Postgres counts no file that is not there any more. The count of an upload that was interrupted before the room lost its
/// storage is not found again.
pub fn no_other_file_counts(world: &World, room: usize, kept: &BTreeSet<String>) -> CheckResult {
    let (tenant, id) = ROOMS[room];
    let prefix = format!("{tenant}/{id}/");
    let kept: BTreeSet<&str> = kept.iter().filter_map(|key| key.rsplit('/').next()).collect();
    let counted = world.backends.counted_files.borrow();
    let stray = counted.iter().filter_map(|key| key.strip_prefix(&prefix)).find(|file| !kept.contains(file));
    match stray {
        Some(file) if !world.recorder.happened("storages lost") => {
            Err((Checker::Files, format!("{file} counts among somebody's bytes and is not there")))
        }
        _ => Ok(()),
    }
}
