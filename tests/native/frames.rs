//! A client's frame from the few words of a transcript. Not here: what a frame may hold (`chinwag::protocol`).

use crate::rig::{ROOM, Rig};
use serde_json::{Value, json};

impl Rig {
    /// JSON is taken as it stands, `$3` in it being the id of message 3.
    pub fn frame_of(&self, words: &str) -> String {
        match words.split_once(' ').filter(|_| !words.starts_with('{')) {
            Some((kind, rest)) => {
                let (mut frame, options) = self.frame_and_options(kind, rest);
                options.split_whitespace().for_each(|option| self.set_option(&mut frame, option));
                frame.to_string()
            }
            None => (1..=9).rev().fold(words.to_owned(), |frame, seq| {
                let name = format!("${seq}");
                if frame.contains(&name) { frame.replace(&name, &self.id(&seq.to_string())) } else { frame }
            }),
        }
    }

    fn frame_and_options<'a>(&self, kind: &str, rest: &'a str) -> (Value, &'a str) {
        let (first, after) = rest.split_once(' ').unwrap_or((rest, ""));
        match kind {
            "message" => {
                let (content, options) = content(rest);
                (json!({"type": "message", "content": content}), options)
            }
            "react" | "unreact" => {
                let (seq, options) = after.split_once(' ').unwrap_or((after, ""));
                let action = if kind == "react" { "add" } else { "remove" };
                let id = self.id(seq);
                (json!({"type": "reaction", "messageId": id, "emoji": first, "action": action}), options)
            }
            "edit" => {
                let (content, options) = content(after);
                (json!({"type": "edit", "messageId": self.id(first), "content": content}), options)
            }
            "delete" => (json!({"type": "delete", "messageId": self.id(first)}), after),
            "typing" => (json!({"type": "typing", "isTyping": first == "on"}), after),
            "read" => (json!({"type": "read", "seq": rest.parse::<u64>().unwrap()}), ""),
            "ping" => (json!({"type": "ping", "t": serde_json::from_str::<Value>(rest).unwrap()}), ""),
            "auth" => (json!({"type": "auth", "token": rest}), ""),
            other => panic!("no frame {other}"),
        }
    }

    fn set_option(&self, frame: &mut Value, option: &str) {
        match option.split_once('=') {
            Some(("thread", seq)) => frame["threadId"] = json!(self.id(seq)),
            Some(("files", uploads)) => {
                let upload = |upload: &str| json!({"id": format!("{ROOM}.{upload}")});
                frame["attachments"] = uploads.split(',').map(upload).collect();
            }
            Some(("reply", seq)) => frame["replyToId"] = json!(self.id(seq)),
            Some(("base", version)) => frame["baseVersion"] = json!(version.parse::<u64>().unwrap()),
            None if option == "+room" => frame["alsoToRoom"] = json!(true),
            None => frame["clientId"] = json!(option.strip_prefix('#').unwrap()),
            other => panic!("no option {other:?}"),
        }
    }

    /// The id of the message at `seq`. If there is none, a well-formed id that no message has.
    pub fn id(&self, seq: &str) -> String {
        let seq = seq.parse().unwrap();
        let unknown = || chinwag::ids::MessageId::new(self.now, seq, 42).to_string();
        self.messages().get(&seq).map_or_else(unknown, |m| m.id.clone())
    }
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
