//! The language of the transcripts: on the left what is done, on the right what each then hears.
//!
//! An action stands at the margin; what is heard follows it after two blanks or more, or on lines further in.
//! `UPDATE_TRANSCRIPTS=1` writes what was heard into the source: look at every line of the difference.
//! Not here: playing (`rig`) and the words for what is heard (`telling`).

use crate::rig::Rig;
use chinwag::auth::Role;
use chinwag::protocol::message::Attachment;
use chinwag::room::{AdminChange, Input, PageQuery, RoomCall};
use serde_json::{Value, json};
use std::panic::Location;
use std::sync::Mutex;
use testkit::Fault;
use testkit::cast::user;

/// Where what is heard begins.
const COLUMN: usize = 44;

impl Rig {
    /// Does what stands on the left and compares with what stands on the right.
    #[track_caller]
    pub fn play(&mut self, script: &str) {
        let caller = Location::caller();
        let margin = script.lines().filter(|l| !l.trim().is_empty()).map(indent).min().unwrap_or(0);
        let mut heard = String::from("\n");
        for line in script.lines().filter(|l| !l.trim().is_empty() && indent(l) == margin) {
            let action = action_of(line.trim());
            self.act(action);
            let lines = std::mem::take(&mut self.heard);
            let mut left = format!("{}{action}", " ".repeat(margin));
            for (who, what) in lines {
                if left.chars().count() > margin + COLUMN {
                    heard += &format!("{left}\n");
                    left.clear();
                }
                let gap = margin + COLUMN + 2 - left.chars().count();
                heard += &format!("{left}{}{who} < {what}\n", " ".repeat(gap));
                left.clear();
            }
            if !left.is_empty() {
                heard += &format!("{left}\n");
            }
        }
        let words = |text: &str| {
            let line = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
            text.lines().map(line).filter(|line| !line.is_empty()).collect::<Vec<_>>()
        };
        if words(script) != words(&heard) {
            if std::env::var_os("UPDATE_TRANSCRIPTS").is_some() {
                return update(caller.file(), script, &heard);
            }
            let (want, got) = (words(script), words(&heard));
            let first = want.iter().zip(&got).find(|(want, got)| want != got);
            self.lawful = false;
            panic!("{caller}: the conversation went otherwise, first {first:#?}\n{heard}");
        }
    }

    /// Does these things, a line each; nobody looks at what is heard.
    pub fn prepare(&mut self, script: &str) {
        script.lines().map(str::trim).filter(|line| !line.is_empty()).for_each(|line| self.act(line));
        self.heard.clear();
    }

    /// Does one thing; what is heard stays to be looked at.
    pub fn play_freely(&mut self, action: &str) {
        self.act(action);
    }

    fn act(&mut self, action: &str) {
        if let Some(direction) = action.strip_prefix('(') {
            self.direct(direction.trim_end_matches(')'));
        } else {
            // What is joined by `&` happens within one turn.
            for (at, action) in action.split(" & ").enumerate() {
                let (name, what) = action.split_once(' ').expect("somebody does something");
                if at > 0 && names_message(what) {
                    self.process_frames();
                }
                self.person_does(name, what);
            }
        }
        self.turn();
    }

    fn person_does(&mut self, name: &str, what: &str) {
        let words: Vec<&str> = what.split(' ').collect();
        match words[0] {
            "joins" => self.joins(name, &words[1..]),
            "leaves" => self.hang_up(name),
            "sends" => {
                let connection = self.socket(name).expect("a socket");
                self.received_binary(connection);
            }
            "lags" => {
                let connection = self.socket(name).expect("a socket");
                self.sockets.get_mut(&connection).expect("an open one").is_slow = true;
                // The next thing that is sent to it finds that nothing has left.
                self.frame(name, r#"{"type":"ping","t":0}"#);
            }
            "panics" => self.fail(),
            "falls" => {
                let connections = vec![self.socket(name).expect("a socket")];
                self.input(Input::Silent { connections });
            }
            ">" => {
                let frame = self.frame_of(&what[2..]);
                self.frame(name, &frame);
            }
            "posts" => {
                let mut body: Value = serde_json::from_str(&self.frame_of(&what["posts ".len()..])).unwrap();
                body.as_object_mut().unwrap().remove("type");
                self.call(name, RoomCall::Say { body: body.to_string() });
            }
            "pages" => {
                let mut query = json!({});
                for (key, value) in words[1..].iter().filter_map(|word| word.split_once('=')) {
                    query[key] = match key {
                        "threadId" => json!(self.id(value)),
                        _ => json!(value.parse::<u64>().unwrap()),
                    };
                }
                let query: PageQuery = serde_json::from_value(query).unwrap();
                self.call(name, RoomCall::Page(query));
            }
            "patches" => {
                let (seq, rest) = words[1..].split_first().unwrap();
                let body = self.frame_of(&format!("message {}", rest.join(" ")));
                let mut body: Value = serde_json::from_str(&body).unwrap();
                body.as_object_mut().unwrap().remove("type");
                self.call(name, RoomCall::Edit { message: self.id(seq), body: body.to_string() });
            }
            "deletes" => self.call(name, RoomCall::Delete { message: self.id(words[1]) }),
            "looks" => self.call(name, RoomCall::Versions { message: self.id(words[1]) }),
            "reacts" | "unreacts" => {
                let (message, emoji) = (self.id(words[2]), words[1].to_owned());
                self.call(name, RoomCall::React { message, emoji, add: words[0] == "reacts" });
            }
            "threads" => {
                let value = |key: &str| words.iter().find_map(|w| w.strip_prefix(key)?.parse().ok());
                let (before, limit) = (value("before="), value("limit="));
                self.call(name, RoomCall::Thread { root: self.id(words[1]), before, limit });
            }
            "reads" => self.call(name, RoomCall::Read { seq: words[1].parse().unwrap() }),
            "unreads" => self.call(name, RoomCall::Unread { seq: words[1].parse().unwrap() }),
            "reserves" => {
                let size = words.get(2).map_or(3, |size| size.parse().unwrap());
                self.call(name, RoomCall::Reserve { upload: words[1].into(), size });
            }
            "stores" => self.store_file(words[1]),
            "finishes" => self.call(name, RoomCall::Uploaded { upload: words[1].into(), file: a_file() }),
            "uploads" => {
                for upload in &words[1..] {
                    self.call(name, RoomCall::Reserve { upload: (*upload).into(), size: 3 });
                    self.store_file(upload);
                    self.call(name, RoomCall::Uploaded { upload: (*upload).into(), file: a_file() });
                }
            }
            "fails" => self.call(name, RoomCall::UploadFailed { upload: words[1].into() }),
            "gets" => self.call(name, RoomCall::File { upload: words[1].into() }),
            "asks" => self.call(name, RoomCall::Outbox),
            "retries" => self.call(name, RoomCall::RetryOutbox),
            "discards" => self.call(name, RoomCall::Discard { seq: words[1].parse().unwrap() }),
            "reports" => {
                let message = self.id(words[1]);
                self.call(name, RoomCall::Report { message, reason: "spam".into() });
            }
            _ => {
                let change = self.change_of(&words);
                self.change_by(name, change);
            }
        }
    }

    /// `adds erin frank`, `bans bob for 60 s`, `sets {"topic":"tea"}`.
    fn change_of(&self, words: &[&str]) -> AdminChange {
        let until = |words: &[&str]| match words {
            [] => None,
            ["for", seconds, "s"] => Some(self.now + seconds.parse::<u64>().unwrap() * 1000),
            other => panic!("until when is {other:?}"),
        };
        match words {
            ["adds", people @ ..] => {
                AdminChange::Add { users: people.iter().map(|name| user(name)).collect() }
            }
            ["removes", name] => AdminChange::Remove { user: user(name) },
            ["quits"] => AdminChange::Leave,
            ["makes", name, role] => {
                AdminChange::SetRole { user: user(name), role: Role::from_name(role).unwrap() }
            }
            ["mutes", name, rest @ ..] => AdminChange::Mute { user: user(name), until_ms: until(rest) },
            ["unmutes", name] => AdminChange::Unmute { user: user(name) },
            ["bans", name, rest @ ..] => {
                AdminChange::Ban { user: user(name), until_ms: until(rest), reason: None }
            }
            ["unbans", name] => AdminChange::Unban { user: user(name) },
            ["slows", "to", seconds, "s"] => AdminChange::SlowMode { seconds: seconds.parse().unwrap() },
            ["sets", patch] => AdminChange::Settings(serde_json::from_str(patch).unwrap()),
            ["wants", level] => {
                AdminChange::Notify { level: (*level).into(), notifications_snoozed_until_ms: None }
            }
            other => panic!("nobody {other:?}"),
        }
    }

    fn joins(&mut self, name: &str, options: &[&str]) {
        let mut who = self.person(name.trim_end_matches('\''));
        let seed = options.contains(&"as") && options.contains(&"seed");
        let value = |key: &str| options.iter().find_map(|o| o.strip_prefix(key)?.strip_prefix('='));
        if let Some(ms) = value("expires_ms") {
            who.expires_ms = self.now.saturating_add_signed(ms.parse().unwrap());
        }
        if let Some(tenant) = value("tenant") {
            who.tenant = chinwag::ids::TenantId::parse(tenant).unwrap();
        }
        let epoch = value("epoch").unwrap_or("e1").to_owned();
        self.connect(name, who, |connect| {
            connect.batches = !seed;
            connect.since = value("since").map(|since| (since.parse().unwrap(), epoch));
            connect.history = value("history").map_or(50, |n| n.parse().unwrap());
        });
    }

    /// A client's frame from its few words; JSON is taken as it stands, `$3` in it being the id of message 3.
    fn frame_of(&self, words: &str) -> String {
        if let Some((kind, rest)) = words.split_once(' ').filter(|_| !words.starts_with('{')) {
            let mut frame = json!({"type": kind});
            let options = match kind {
                "message" => {
                    let (content, options) = content(rest);
                    frame["content"] = json!(content);
                    options
                }
                "react" | "unreact" => {
                    let mut parts = rest.splitn(3, ' ');
                    let (emoji, seq) = (parts.next().unwrap(), parts.next().unwrap());
                    let action = if kind == "react" { "add" } else { "remove" };
                    frame = json!({"type": "reaction", "messageId": self.id(seq), "emoji": emoji,
                        "action": action});
                    parts.next().unwrap_or("")
                }
                "edit" => {
                    let (seq, rest) = rest.split_once(' ').unwrap();
                    let (content, options) = content(rest);
                    (frame["messageId"], frame["content"]) = (json!(self.id(seq)), json!(content));
                    options
                }
                "delete" => {
                    let (seq, options) = rest.split_once(' ').unwrap_or((rest, ""));
                    frame["messageId"] = json!(self.id(seq));
                    options
                }
                "typing" => {
                    let (sign, options) = rest.split_once(' ').unwrap_or((rest, ""));
                    frame["isTyping"] = json!(sign == "on");
                    options
                }
                "read" => {
                    frame["seq"] = json!(rest.parse::<u64>().unwrap());
                    ""
                }
                "ping" => {
                    frame["t"] = serde_json::from_str(rest).unwrap();
                    ""
                }
                "auth" => {
                    frame["token"] = json!(rest);
                    ""
                }
                other => panic!("no frame {other}"),
            };
            for option in options.split_whitespace() {
                match option.split_once('=') {
                    Some(("thread", seq)) => frame["threadId"] = json!(self.id(seq)),
                    Some(("files", uploads)) => {
                        let upload = |upload: &str| json!({"id": format!("{}.{upload}", crate::rig::ROOM)});
                        frame["attachments"] = uploads.split(',').map(upload).collect();
                    }
                    Some(("reply", seq)) => frame["replyToId"] = json!(self.id(seq)),
                    Some(("base", version)) => frame["baseVersion"] = json!(version.parse::<u64>().unwrap()),
                    None if option == "+room" => frame["alsoToRoom"] = json!(true),
                    None => frame["clientId"] = json!(option.strip_prefix('#').unwrap()),
                    other => panic!("no option {other:?}"),
                }
            }
            return frame.to_string();
        }
        let mut frame = words.to_owned();
        for seq in (1..=9).rev() {
            let name = format!("${seq}");
            if frame.contains(&name) {
                frame = frame.replace(&name, &self.id(&seq.to_string()));
            }
        }
        frame
    }

    /// The id of the message at `seq`; of none, a well-formed one that nobody has.
    fn id(&self, seq: &str) -> String {
        let seq = seq.parse().unwrap();
        let unknown = || chinwag::ids::MessageId::new(self.now, seq, 42).to_string();
        self.messages().get(&seq).map_or_else(unknown, |m| m.id.clone())
    }

    fn direct(&mut self, direction: &str) {
        let words: Vec<&str> = direction.split(' ').collect();
        match words[..] {
            [n, "s", "pass" | "passes"] => self.pass(n.parse::<u64>().unwrap() * 1000),
            [n, "ms", "pass"] => self.pass(n.parse().unwrap()),
            ["the", "room", "is", "evicted"] => self.evict(),
            ["the", "room", "crashes"] => self.crash(),
            ["the", "room", "panics"] => self.fail(),
            ["the", "room", "is", "rebuilt", ..] => {
                self.lose_storage();
                self.crash();
                self.rebuild(u64::MAX);
            }
            ["the", "room", "is", "archived"] => self.change(|s| s.archived = true),
            ["history", "is", "seen", "since", "join"] => {
                self.change(|s| s.history_visibility = "since_join".into());
            }
            [name, "has", "come", "at", seq] => {
                let seq = seq.parse().unwrap();
                self.change(|s| {
                    let member = s.members.iter_mut().find(|m| m.user_id.as_str() == name);
                    member.unwrap().joined_seq = seq;
                });
            }
            ["the", "room", "is", "deleted"] => {
                self.room_is_missing = true;
                self.refresh();
            }
            [name, "is", "removed"] => self.change(|s| s.members.retain(|m| m.user_id.as_str() != name)),
            [name, "becomes", role] => self.change(|s| {
                let member = s.members.iter_mut().find(|m| m.user_id.as_str() == name);
                member.unwrap().role = role.into();
            }),
            ["the", "bucket", "is", "away"] => self.bucket_is_away = true,
            ["the", "bucket", "is", "back"] => self.bucket_is_away = false,
            ["the", "queue", "is", "watched"] => self.queue_is_watched = true,
            ["the", "queue", "is", "away"] => self.queue_is_away = true,
            ["the", "queue", "is", "back"] => self.queue_is_away = false,
            ["the", "list", "is", "watched"] => self.list_is_watched = true,
            ["the", "list", "is", "away"] => self.list_is_away = true,
            ["the", "list", "is", "back"] => self.list_is_away = false,
            ["Postgres", "is", "mended"] => self.postgres.accepts_poison = true,
            ["Postgres", "is", "watched"] => self.watched = true,
            ["Postgres", "fails"] => self.postgres.fault = Fault::Fails(String::new()),
            ["Postgres", "fails", "with", state] => self.postgres.fault = Fault::Fails(state.into()),
            ["Postgres", "hangs"] => self.postgres.fault = Fault::Hangs,
            ["Postgres", "loses", "replies"] => self.postgres.fault = Fault::LosesReply,
            ["Postgres", "recovers"] => self.postgres.fault = Fault::None,
            ["Postgres", "is", "set", "back", "to", seq] => self.postgres.set_back(seq.parse().unwrap()),
            ["the", "hung", "batch", "commits"] => {
                let batch = self.hanging[0].batch.clone();
                let outcome = self.postgres.commit(&batch);
                self.tell("postgres", crate::render::batch(&batch, &Some(outcome.clone())));
                self.answer_hung_batch(outcome);
            }
            ["the", "hung", "batch", "is", "refused"] => {
                let error = chinwag::db::DbError { sqlstate: Some("22021".into()), message: "late".into() };
                self.answer_hung_batch(Err(error));
            }
            ["the", "disk", "fails", "at", "statement", n] => self.sql.fails_at.set(n.parse().unwrap()),
            _ => panic!("no such stage direction: {direction}"),
        }
    }

    /// The room changes in Postgres, and the room is told.
    pub fn change(&mut self, change: impl FnOnce(&mut chinwag::db::RoomSnapshot)) {
        change(&mut self.snapshot);
        self.snapshot.members_version += 1;
        self.postgres.members_version = self.snapshot.members_version;
        self.refresh();
    }
}

/// Whether an action is about a message, which may have been sent within this turn.
fn names_message(what: &str) -> bool {
    let actions = ["> react", "> unreact", "> edit", "> delete"];
    actions.iter().any(|action| what.starts_with(action))
        || what.contains("thread=")
        || what.contains("reply=")
}

/// `"hi" #c1` → `hi`, ` #c1`; `"a"*4001` is that many.
fn content(words: &str) -> (String, &str) {
    let end = words.rfind('"').unwrap() + 1;
    let text: String = serde_json::from_str(&words[..end]).unwrap();
    match words[end..].strip_prefix('*') {
        Some(rest) => {
            let (count, rest) = rest.split_once(' ').unwrap_or((rest, ""));
            (text.repeat(count.parse().unwrap()), rest)
        }
        None => (text, &words[end..]),
    }
}

/// What an upload is once it is stored.
fn a_file() -> Attachment {
    let text = str::to_owned;
    let (id, url, sha256, width, height) = (None, String::new(), Some("ab".repeat(32)), None, None);
    Attachment { id, url, name: text("a.txt"), mime_type: text("text/plain"), size: 3, sha256, width, height }
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// What stands before two blanks.
fn action_of(line: &str) -> &str {
    line.split_once("  ").map_or(line, |(action, _)| action)
}

fn update(file: &str, script: &str, heard: &str) {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let source = std::fs::read_to_string(file).unwrap();
    assert_eq!(source.matches(script).count(), 1, "{file}: the same script twice");
    let end = script.rfind('\n').map_or("", |at| &script[at + 1..]);
    std::fs::write(file, source.replacen(script, &format!("{heard}{end}"), 1)).unwrap();
}
