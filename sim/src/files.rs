//! Files: somebody uploads one, sends it with a message, and at the end what messages have can be downloaded as it was, and
//! nothing else is in the bucket. Not here: the bucket itself (`worker`, `platform`).

use crate::client::HttpOutcome;
use crate::final_checks::CheckResult;
use crate::oracle::{Checker, Operation};
use crate::plan::ROOMS;
use crate::stored::Stored;
use crate::worker::token;
use crate::world::World;
use chinwag::ids::{RoomId, Seq, TenantId};
use chinwag::protocol::message::Message;
use chinwag::room::file_prefix;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// Stands in the words of a message that carries a file, before the file's id.
const MARK: &str = "file=";

/// The upload that a message with these words is sent with.
pub fn file_in(content: &str) -> Option<&str> {
    content.split(MARK).nth(1)?.split_whitespace().next()
}

impl World {
    /// Uploads a few bytes; once that is answered they are sent.
    pub fn uploads(self: &Rc<Self>, tab: usize) {
        let bytes = format!("{:x}", self.random()).repeat(1 + (self.random() % 40) as usize);
        let (path, token) = {
            let it = &self.tabs.borrow()[tab];
            if it.removed {
                return;
            }
            let room: String = it.room_id.bytes().map(|b| format!("%{b:02x}")).collect();
            (format!("/api/chat/rooms/{room}/attachments"), it.token(self.now()))
        };
        self.trace(|| format!("{} uploads {} bytes", self.name(tab), bytes.len()));
        let body = Some(bytes.clone());
        self.ask_and(http::Method::POST, &path, &token, body, move |world, got| {
            world.uploaded(tab, bytes, got)
        });
    }

    fn uploaded(self: &Rc<Self>, tab: usize, bytes: String, got: HttpOutcome) {
        let HttpOutcome::Json(200, body) = got else {
            self.counters.count("uploads that failed");
            return;
        };
        let answer: Value = serde_json::from_str(&body).unwrap_or_default();
        let id = answer["attachment"]["id"].as_str().unwrap_or_default().to_owned();
        self.files.borrow_mut().insert(id.clone(), bytes.into_bytes());
        // Some are never sent.
        if self.random().is_multiple_of(4) {
            self.counters.count("uploads nobody sent");
            return;
        }
        let content = format!("{} {MARK}{id}", self.random() % 1_000_000);
        self.has_to_say(tab, Some(Operation::Message { content, thread: None }));
    }

    /// A message with a file was refused: only a log that is lost knows nothing of an upload.
    pub fn file_refused(self: &Rc<Self>, content: &str) {
        if file_in(content).is_some() && !self.counters.happened("storages lost") {
            self.violation(Checker::Answered, format!("an upload of one's own was refused: {content}"));
        }
    }
}

/// Each message has the file that it was sent with, as it was; nothing else of the room is in the bucket.
pub fn files_add_up(world: &Rc<World>, room: usize, log: &BTreeMap<Seq, Stored>) -> CheckResult {
    let (tenant, id) = ROOMS[room];
    let parsed = TenantId::parse(tenant).zip(RoomId::parse(id));
    let (in_tenant, in_room) = parsed.ok_or((Checker::Files, "no such room".to_owned()))?;
    let prefix = file_prefix(&in_tenant, &in_room);
    let messages = log.values().filter(|stored| stored.kind == 1);
    let messages = messages.filter_map(|stored| serde_json::from_str::<Message>(&stored.body).ok());
    let mut kept = BTreeSet::new();
    for message in messages.filter(|message| message.deleted_at.is_none()) {
        let has = message.attachments.first().and_then(|file| file.id.as_deref());
        if message.version == 1 && has != file_in(&message.content) {
            return Err((Checker::Files, format!("{} has {has:?}: {}", message.seq, message.content)));
        }
        let Some(file) = has else { continue };
        kept.insert(format!("{prefix}{}", file.rsplit('.').next().unwrap_or_default()));
        let path: String = file.bytes().map(|b| format!("%{b:02x}")).collect();
        let token = token(tenant, "alice", world.now() + 60_000);
        let got = world.ask_once(http::Method::GET, &format!("/api/chat/attachments/{path}"), &token);
        let same = match got {
            Some(HttpOutcome::File(bytes)) => world.files.borrow().get(file) == Some(&bytes),
            _ => false,
        };
        if !same {
            return Err((Checker::Files, format!("{file} of {} can't be had as it was", message.seq)));
        }
    }
    let bucket = world.bucket.borrow();
    let there: BTreeSet<String> = bucket.keys().filter(|key| key.starts_with(&prefix)).cloned().collect();
    match there == kept {
        true => Ok(()),
        false => {
            let (strays, lost): (Vec<_>, Vec<_>) =
                (there.difference(&kept).collect(), kept.difference(&there).collect());
            Err((Checker::Files, format!("in the bucket for nobody: {strays:?}; not there: {lost:?}")))
        }
    }
}
