//! The content of each message by a naive model: its author's, that of each edit, as far as the tenant's rules allow
//! it, and none after its deletion. Not here: where events stand in a log (`model`).

use super::checker::{CheckResult, Checker};
use super::operation::{Acked, Operation};
use serde_json::Value;
use std::collections::BTreeMap;

/// Words that are rejected, masked, and flagged in the audit log.
pub const WORDS: [&str; 3] = ["verboten", "hush", "gossip"];
pub const MODERATION: &str = r#"{"*":{"words":{"reject":["verboten"],"mask":["hush"],"flag":["gossip"]}}}"#;

/// The content as others may see it; `None`: it must be rejected.
pub fn moderated(content: &str) -> Option<String> {
    let [rejected, masked, _] = WORDS;
    (!content.contains(rejected)).then(|| content.replace(masked, &"*".repeat(masked.len())))
}

/// Precedes an upload's id in the content of the message that carries it.
pub const FILE_MARK: &str = "file=";

/// The upload that a message with this content carries.
pub fn file_in(content: &str) -> Option<&str> {
    content.split(FILE_MARK).nth(1)?.split_whitespace().next()
}

/// A message as a client received it.
pub struct Shown<'a> {
    pub id: &'a str,
    pub user: &'a str,
    pub client_id: Option<&'a str>,
    pub version: u64,
    pub content: &'a str,
    pub deleted: bool,
}

impl<'a> Shown<'a> {
    pub fn from_json(message: &'a Value) -> Self {
        let text = |name: &str| message[name].as_str().unwrap_or_default();
        Self {
            id: text("id"),
            user: text("userId"),
            client_id: message["clientId"].as_str(),
            version: message["version"].as_u64().unwrap_or(0),
            content: text("content"),
            deleted: message["deletedAt"].is_string(),
        }
    }
}

/// By person and `clientId`.
pub type ByClientId<T> = BTreeMap<(String, String), T>;

#[derive(Default)]
pub struct ContentModel {
    /// By message and version, as first shown.
    versions: BTreeMap<(String, u64), String>,
    /// Messages whose deletion was acked, in that order.
    pub deleted: Vec<String>,
}

impl ContentModel {
    /// A replay that was requested after the first `deletions` acked deletions does not say with which emoji somebody
    /// reacted to one of them (DEL-1).
    pub fn check_replayed_reaction(&self, message: &str, emoji: &str, deletions: usize) -> CheckResult {
        let is_deleted = self.deleted.iter().take(deletions).any(|id| id == message);
        match is_deleted && !emoji.is_empty() {
            true => Err((Checker::Undead, format!("the reaction {emoji} to {message}, which is deleted"))),
            false => Ok(()),
        }
    }

    /// Checks a message shown by a request that was made after the first `deletions` acked deletions.
    pub fn check_shown(
        &mut self,
        sent: &ByClientId<Operation>,
        shown: &Shown,
        deletions: usize,
    ) -> CheckResult {
        let wrong = |what: &str| format!("{what}: {} v{} {:?}", shown.id, shown.version, shown.content);
        if shown.deleted {
            let deletes =
                |sent: &Operation| matches!(sent, Operation::Delete { message } if message == shown.id);
            return match (shown.content.is_empty(), sent.values().any(deletes)) {
                (true, true) => Ok(()),
                (false, _) => Err((Checker::Undead, wrong("a tombstone with content"))),
                (_, false) => Err((Checker::Phantom, wrong("nobody deleted it"))),
            };
        }
        if self.deleted.iter().take(deletions).any(|id| id == shown.id) {
            return Err((Checker::Undead, wrong("shown after its deletion was acked")));
        }
        if !was_sent(sent, shown) {
            return Err((Checker::Phantom, wrong("nobody sent this content")));
        }
        let key = (shown.id.to_owned(), shown.version);
        let known = self.versions.entry(key).or_insert_with(|| shown.content.to_owned());
        match known == shown.content {
            true => Ok(()),
            false => Err((Checker::Diverging, wrong("this version had other content"))),
        }
    }
}

fn was_sent(sent: &ByClientId<Operation>, shown: &Shown) -> bool {
    let first = shown.client_id.and_then(|id| sent.get(&(shown.user.to_owned(), id.to_owned())));
    let as_shown = |content: &str| moderated(content).as_deref() == Some(shown.content);
    match shown.version {
        1 => matches!(first, Some(Operation::Message { content, .. }) if as_shown(content)),
        version => sent.values().any(|sent| match sent {
            Operation::Edit { message, content, base } => {
                message == shown.id && as_shown(content) && base.is_none_or(|base| base + 1 == version)
            }
            _ => false,
        }),
    }
}

/// The newest version of a message that an ack promised, with its content.
pub fn newest_acked_edit(
    sent: &ByClientId<Operation>,
    acked: &ByClientId<Acked>,
    id: &str,
) -> Option<(u64, String)> {
    let edits = acked.iter().filter_map(|(key, acked)| match sent.get(key) {
        Some(Operation::Edit { message, content, .. }) if message == id && acked.seq.is_some() => {
            Some((acked.version, moderated(content).unwrap_or_default()))
        }
        _ => None,
    });
    edits.max_by_key(|(version, _)| *version)
}
