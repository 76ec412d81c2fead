//! What people do in a transcript: the lines at the margin. The table of their verbs is in `transcript`.
//! Not here: frames (`frames`).

use crate::rig::Rig;
use chinwag::auth::Role;
use chinwag::ids::UserId;
use chinwag::protocol::message::Attachment;
use chinwag::protocol::room::NotifyLevel;
use chinwag::room::{AdminChange, ConnectionId, Input, PageQuery, RoomCall};
use serde_json::{Value, json};
use testkit::cast::user;

impl Rig {
    pub fn person_does(&mut self, name: &str, what: &str) {
        let words: Vec<&str> = what.split(' ').collect();
        if words[0] == ">" {
            let frame = self.frame_of(&what[2..]);
            self.frame(name, &frame);
        } else if self.act_on_connection(name, &words) || self.act_on_upload(name, &words) {
        } else if let Some(call) = self.call_of(&words, what) {
            self.call(name, call);
        } else {
            let change = self.change_of(&words);
            self.change_by(name, change);
        }
    }

    fn open_socket(&self, name: &str) -> ConnectionId {
        self.socket(name).expect("a socket")
    }

    /// False: it is no such action.
    fn act_on_connection(&mut self, name: &str, words: &[&str]) -> bool {
        match *words {
            ["join", ref options @ ..] => self.join(name, options),
            ["leave"] => self.hang_up(name, true),
            ["breaks"] => self.hang_up(name, false),
            ["vanishes"] => self.vanish(name),
            ["send", "binary"] => self.received_binary(self.open_socket(name)),
            ["lag"] => {
                let connection = self.open_socket(name);
                let socket = self.sockets.get_mut(&connection).expect("an open one");
                (socket.is_slow, socket.waiting_bytes) = (true, u32::MAX);
                // The next frame to it finds that nothing has left.
                self.frame(name, r#"{"type":"ping","t":0}"#);
            }
            ["fall", "silent"] => {
                let connections = vec![self.open_socket(name)];
                self.input(Input::Silent { connections });
            }
            ["panic"] => self.fail(),
            _ => return false,
        }
        true
    }

    fn join(&mut self, name: &str, options: &[&str]) {
        let mut caller = self.person(name.trim_end_matches('\''));
        let is_legacy = options.contains(&"as") && options.contains(&"legacy");
        let value = |key: &str| options.iter().find_map(|o| o.strip_prefix(key)?.strip_prefix('='));
        if let Some(ms) = value("expires_ms") {
            caller.expires_ms = self.now.saturating_add_signed(ms.parse().unwrap());
        }
        if let Some(tenant) = value("tenant") {
            caller.tenant = chinwag::ids::TenantId::parse(tenant).unwrap();
        }
        let epoch = value("epoch").unwrap_or("e1").to_owned();
        self.connect(name, caller, |upgrade| {
            upgrade.batches = !is_legacy;
            upgrade.since = value("since").map(|since| (since.parse().unwrap(), epoch));
            upgrade.history = value("history").map_or(50, |n| n.parse().unwrap());
        });
    }

    /// False: it is no such action.
    fn act_on_upload(&mut self, name: &str, words: &[&str]) -> bool {
        match *words {
            ["reserve", upload, ref size @ ..] => {
                let size = size.first().map_or(3, |size| size.parse().unwrap());
                self.call(name, RoomCall::Reserve { upload: upload.into(), size });
            }
            ["store", upload] => self.store_file(upload),
            ["finish", upload] => {
                self.call(name, RoomCall::Uploaded { upload: upload.into(), file: text_file() });
            }
            ["fail", upload] => self.call(name, RoomCall::UploadFailed { upload: upload.into() }),
            ["upload", ref uploads @ ..] => {
                for upload in uploads {
                    self.act_on_upload(name, &["reserve", upload]);
                    self.act_on_upload(name, &["store", upload]);
                    self.act_on_upload(name, &["finish", upload]);
                }
            }
            ["get", upload] => self.call(name, RoomCall::File { upload: upload.into() }),
            _ => return false,
        }
        true
    }

    /// What a REST request asks of the room; `None`: it is no such action.
    fn call_of(&self, words: &[&str], what: &str) -> Option<RoomCall> {
        let id = |seq: &str| self.id(seq);
        Some(match *words {
            ["post", ..] => RoomCall::Say { body: self.body_of(&what["post ".len()..]) },
            ["patch", seq, ref rest @ ..] => RoomCall::Edit {
                message: id(seq),
                body: self.body_of(&format!("message {}", rest.join(" "))),
            },
            ["delete", seq] => RoomCall::Delete { message: id(seq) },
            ["versions", seq] => RoomCall::Versions { message: id(seq), before: None },
            ["react", emoji, seq] => RoomCall::React { message: id(seq), emoji: emoji.into(), add: true },
            ["unreact", emoji, seq] => RoomCall::React { message: id(seq), emoji: emoji.into(), add: false },
            ["reactors", emoji, seq, ref options @ ..] => {
                let value = |key: &str| options.iter().find_map(|option| option.strip_prefix(key));
                let after = value("after=").and_then(UserId::parse);
                let limit = value("limit=").map(|limit| limit.parse().unwrap());
                RoomCall::Reactors { message: id(seq), emoji: emoji.into(), after, limit }
            }
            ["pin", seq] => RoomCall::Pin { message: id(seq), pin: true },
            ["unpin", seq] => RoomCall::Pin { message: id(seq), pin: false },
            ["pins"] => RoomCall::Pins,
            ["readers", seq] => RoomCall::Readers { message: id(seq) },
            ["find", seq] => RoomCall::Find { message: id(seq), tombstones: false },
            ["find", "root", seq] => RoomCall::Find { message: id(seq), tombstones: true },
            ["report", seq, ..] => RoomCall::Report { message: id(seq), reason: "spam".into() },
            ["resolve", "delete", seq] => RoomCall::DeleteReported { message: id(seq) },
            ["page", ref options @ ..] => RoomCall::Page(self.page_query(options)),
            ["thread", root, ref options @ ..] => {
                let value = |key: &str| options.iter().find_map(|o| o.strip_prefix(key)?.parse().ok());
                RoomCall::Thread { root: id(root), before: value("before="), limit: value("limit=") }
            }
            ["read", seq] => RoomCall::Read { seq: seq.parse().unwrap() },
            ["unread", seq] => RoomCall::Unread { seq: seq.parse().unwrap() },
            ["outbox"] => RoomCall::Outbox,
            ["retry"] => RoomCall::RetryOutbox,
            ["discard", seq] => RoomCall::Discard { seq: seq.parse().unwrap() },
            _ => return None,
        })
    }

    /// A frame without its type is a body.
    fn body_of(&self, words: &str) -> String {
        let mut body: Value = serde_json::from_str(&self.frame_of(words)).unwrap();
        body.as_object_mut().unwrap().remove("type");
        body.to_string()
    }

    fn page_query(&self, options: &[&str]) -> PageQuery {
        let mut query = json!({});
        for (key, value) in options.iter().filter_map(|option| option.split_once('=')) {
            query[key] = match key {
                "threadId" => json!(self.id(value)),
                // Seconds before now.
                "at" => json!(self.now - value.parse::<u64>().unwrap() * 1000),
                _ => json!(value.parse::<u64>().unwrap()),
            };
        }
        serde_json::from_value(query).unwrap()
    }

    /// What changes the room or its people.
    fn change_of(&self, words: &[&str]) -> AdminChange {
        let until = |words: &[&str]| match words {
            [] => None,
            ["for", seconds, "s"] => Some(self.now + seconds.parse::<u64>().unwrap() * 1000),
            other => panic!("until when is {other:?}"),
        };
        match words {
            ["add", people @ ..] => {
                AdminChange::Add { users: people.iter().map(|name| user(name)).collect() }
            }
            ["remove", name] => AdminChange::Remove { user: user(name) },
            ["quit"] => AdminChange::Leave,
            ["make", name, role] => {
                AdminChange::SetRole { user: user(name), role: Role::from_name(role).unwrap() }
            }
            ["mute", name, rest @ ..] => AdminChange::Mute { user: user(name), until_ms: until(rest) },
            ["unmute", name] => AdminChange::Unmute { user: user(name) },
            ["ban", name, rest @ ..] => {
                AdminChange::Ban { user: user(name), until_ms: until(rest), reason: None }
            }
            ["resolve", "mute", name] => AdminChange::MuteReported { user: user(name) },
            ["resolve", "ban", name] => AdminChange::BanReported { user: user(name), reason: None },
            ["unban", name] => AdminChange::Unban { user: user(name) },
            ["slow", "to", seconds, "s"] => AdminChange::SlowMode { seconds: seconds.parse().unwrap() },
            ["set", patch] => AdminChange::Settings(serde_json::from_str(patch).unwrap()),
            ["notify", level] => {
                let level = NotifyLevel::from_name(level).unwrap();
                AdminChange::Notify { level, notifications_snoozed_until_ms: None }
            }
            other => panic!("no such action: {other:?}"),
        }
    }
}

/// The file of every upload.
fn text_file() -> Attachment {
    let text = str::to_owned;
    let (id, url, sha256, width, height) = (None, String::new(), Some("ab".repeat(32)), None, None);
    Attachment { id, url, name: text("a.txt"), mime_type: text("text/plain"), size: 3, sha256, width, height }
}
