//! What each message says, told by a naive model: its author's words, those of each edit, as far as
//! the tenant's rules allow them, and after its deletion nothing.
//! Not here: where events stand in a log (`oracle`).

use crate::oracle::{CheckResult, Checker, Operation, RoomModel};
use crate::rules::allowed;
use serde_json::Value;
use std::collections::BTreeMap;

/// A message as somebody was shown it.
pub struct Shown<'a> {
    pub id: &'a str,
    pub user: &'a str,
    pub client_id: Option<&'a str>,
    pub version: u64,
    pub content: &'a str,
    pub deleted: bool,
}

impl<'a> Shown<'a> {
    pub fn of(message: &'a Value) -> Self {
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

#[derive(Default)]
pub struct Words {
    /// By message and version, as first shown.
    known: BTreeMap<(String, u64), String>,
    /// Those whose deletion was acked, in that order.
    pub gone: Vec<String>,
}

impl RoomModel {
    /// Somebody was shown this message, by a request made when the first `gone` deletions had been acked.
    pub fn shows(&mut self, shown: &Shown, gone: usize) -> CheckResult {
        let wrong = |what: &str| format!("{what}: {} v{} {:?}", shown.id, shown.version, shown.content);
        if shown.deleted {
            let asked =
                |said: &Operation| matches!(said, Operation::Delete { message } if message == shown.id);
            return match (shown.content.is_empty(), self.said.values().any(asked)) {
                (true, true) => Ok(()),
                (false, _) => Err((Checker::Undead, wrong("a tombstone with words"))),
                (_, false) => Err((Checker::Phantom, wrong("nobody deleted it"))),
            };
        }
        if self.words.gone.iter().take(gone).any(|id| id == shown.id) {
            return Err((Checker::Undead, wrong("shown after its deletion was acked")));
        }
        let first = shown.client_id.and_then(|id| self.said.get(&(shown.user.to_owned(), id.to_owned())));
        let as_shown = |content: &str| allowed(content).as_deref() == Some(shown.content);
        let meant = match shown.version {
            1 => matches!(first, Some(Operation::Message { content, .. }) if as_shown(content)),
            version => self.said.values().any(|said| match said {
                Operation::Edit { message, content, base } => {
                    message == shown.id && as_shown(content) && base.is_none_or(|base| base + 1 == version)
                }
                _ => false,
            }),
        };
        if !meant {
            return Err((Checker::Phantom, wrong("nobody said it so")));
        }
        let key = (shown.id.to_owned(), shown.version);
        let known = self.words.known.entry(key).or_insert_with(|| shown.content.to_owned());
        match known == shown.content {
            true => Ok(()),
            false => Err((Checker::Diverging, wrong("this version said something else"))),
        }
    }

    /// The newest version that an ack promised, with its words.
    pub fn promised(&self, id: &str) -> Option<(u64, String)> {
        let edits = self.acked.iter().filter_map(|(key, acked)| match self.said.get(key) {
            Some(Operation::Edit { message, content, .. }) if message == id && acked.seq.is_some() => {
                Some((acked.version, allowed(content).unwrap_or_default()))
            }
            _ => None,
        });
        edits.max_by_key(|(version, _)| *version)
    }
}
