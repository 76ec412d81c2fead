//! What a caller repeats: every route as a plain member may or may not call it, and every frame.
//! Not here: repeating it (`caller.rs`).

use super::stack::Stack;
use anyhow::{Context, Result};
use serde_json::{Value, json};

/// Messages of the largest size at the beginning of the room: more than the bytes of a page.
pub const LARGE: usize = 70;
const MIB: usize = 1 << 20;

/// 4,000 characters of four bytes.
pub fn large(nth: usize) -> String {
    format!("{nth:04}{}", "\u{1f600}".repeat(3_996))
}

/// What the caller's calls are about.
pub struct Ground {
    pub room: String,
    user: String,
    /// A group of the caller's own.
    own: String,
    /// Messages of the caller: one that stays, and one that is deleted.
    message: String,
    deleted: String,
    /// A large message of somebody else's, with a thread.
    others: String,
    /// A file of a mebibyte, in no message yet: its id, and a URL that needs no token.
    file: String,
    signed: String,
    mebibyte: Vec<u8>,
}

impl Ground {
    pub fn prepare(stack: &Stack<'_>, user: &str, room: &str) -> Result<Self> {
        let text = |value: &Value| value.as_str().map(str::to_owned).context("a text");
        let messages = format!("/rooms/{room}/messages");
        let say = |body: Value| text(&stack.ask(user, "POST", &messages, &body)?["message"]["id"]);
        let page = stack.ask(user, "GET", &format!("{messages}?around=20&limit=10"), &Value::Null)?;
        let first = page["messages"].as_array().and_then(|messages| messages.first());
        let others = text(&first.context("a message")?["id"])?;
        let (message, deleted) = (say(json!({"content": "mine"}))?, say(json!({"content": "not for long"}))?);
        say(json!({"content": "a reply", "threadId": others}))?;
        let group = json!({"type": "group", "name": "own", "participantIds": ["talker-0-1"]});
        let own = text(&stack.ask(user, "POST", "/rooms/create", &group)?["room"]["id"])?;
        // Nobody pushes to the addresses that are made up here.
        let settings = format!("/rooms/{room}/notification-settings");
        stack.ask(user, "PUT", &settings, &json!({"level": "none"}))?;
        let mebibyte = b"a mebibyte of text ".iter().copied().cycle().take(MIB).collect::<Vec<_>>();
        let uploads = format!("/rooms/{room}/attachments");
        let kind = "application/octet-stream";
        let file = stack.ask_bytes((user, kind), "POST", &uploads, &mebibyte)?["attachment"].clone();
        let file = text(&file["id"])?;
        let signed = stack.ask(user, "GET", &format!("{uploads}/{file}/url"), &Value::Null)?;
        Ok(Self {
            signed: text(&signed["url"])?,
            room: room.to_owned(),
            user: user.to_owned(),
            own,
            message,
            deleted,
            others,
            file,
            mebibyte,
        })
    }

    fn in_room(&self, rest: &str) -> String {
        format!("/api/chat/rooms/{}{rest}", self.room)
    }
}

pub struct Ask {
    pub method: &'static str,
    pub path: String,
    pub body: Option<(&'static str, Vec<u8>)>,
    /// Instead of the caller's.
    pub token: Option<&'static str>,
}

impl Ask {
    fn token(mut self, token: &'static str) -> Self {
        self.token = Some(token);
        self
    }
}

fn with(method: &'static str, path: String, kind: &'static str, body: Vec<u8>) -> Ask {
    Ask { method, path, body: Some((kind, body)), token: None }
}

fn send(method: &'static str, path: String, body: Value) -> Ask {
    with(method, path, "application/json", body.to_string().into_bytes())
}

fn bare(method: &'static str, path: String) -> Ask {
    Ask { method, path, body: None, token: None }
}

fn get(path: impl Into<String>) -> Ask {
    bare("GET", format!("/api/chat{}", path.into()))
}

/// One of these in turn.
fn alternate<T>(turn: usize, one: T, other: T) -> T {
    // A connection has every fourth turn.
    if (turn / super::caller::CONNECTIONS).is_multiple_of(2) { one } else { other }
}

#[derive(Clone, Copy)]
pub enum What {
    /// The control: how far apart two measurements of the same are.
    Nothing,
    Rest(fn(&Ground, usize) -> Ask),
    /// Over an open socket, as fast as the connection takes them.
    Frames(fn(&Ground, usize) -> String),
    /// Connected and left at once.
    Upgrades(fn(&Ground) -> String),
}

pub struct Kind {
    pub name: &'static str,
    pub what: What,
}

const fn rest(name: &'static str, ask: fn(&Ground, usize) -> Ask) -> Kind {
    Kind { name, what: What::Rest(ask) }
}

const fn frames(name: &'static str, frame: fn(&Ground, usize) -> String) -> Kind {
    Kind { name, what: What::Frames(frame) }
}

const fn upgrades(name: &'static str, path: fn(&Ground) -> String) -> Kind {
    Kind { name, what: What::Upgrades(path) }
}

const EMOJI: [&str; 4] = ["\u{1f44d}", "\u{1f389}", "\u{1f600}", "\u{1f680}"];
const EMOJI_ENCODED: [&str; 4] = ["%F0%9F%91%8D", "%F0%9F%8E%89", "%F0%9F%98%80", "%F0%9F%9A%80"];

fn reaction(g: &Ground, method: &'static str, turn: usize) -> Ask {
    bare(method, g.in_room(&format!("/messages/{}/reactions/{}", g.others, EMOJI_ENCODED[turn % 4])))
}

fn message_frame(content: &str, turn: usize) -> String {
    json!({"type": "message", "content": content, "clientId": format!("c{turn}")}).to_string()
}

fn subscription(turn: usize) -> Value {
    let key = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";
    json!({"endpoint": format!("https://push.example.com/{turn}"), "device": format!("device {}", turn % 40),
           "keys": {"p256dh": key, "auth": "BTBZMqHH6r4Tts7J_aSIgg"}})
}

fn create(turn: usize, people: usize) -> Ask {
    let people: Vec<String> = (0..people).map(|nth| format!("talker-{}-{nth}", nth % 2)).collect();
    let body = json!({"type": "group", "name": format!("made {turn}"), "participantIds": people});
    send("POST", "/api/chat/rooms/create".into(), body)
}

const NOTHING: Kind = Kind { name: "nothing", what: What::Nothing };

pub const KINDS: &[Kind] = &[
    NOTHING,
    // What is no call at all.
    rest("an unknown path", |_, n| get(format!("/nothing/{n}"))),
    rest("an unknown method", |_, _| bare("DELETE", "/api/chat/rooms/list".into())),
    rest("a token that is none", |_, _| get("/rooms/list").token("a.b.c")),
    rest("a body that is no JSON", |g, _| {
        with("POST", g.in_room("/messages"), "application/json", b"{\"content\":".to_vec())
    }),
    rest("a body of 256 KiB of nested lists", |g, _| {
        with("POST", g.in_room("/messages"), "application/json", vec![b'['; 256 * 1024 - 1])
    }),
    rest("a body over 256 KiB", |g, _| {
        with("POST", g.in_room("/messages"), "application/json", g.mebibyte.clone())
    }),
    rest("GET /health", |_, _| get("/health")),
    rest("GET /health?deep=1", |_, _| get("/health?deep=1")),
    rest("GET /openapi.json", |_, _| get("/openapi.json")),
    rest("GET /protocol.json", |_, _| get("/protocol.json")),
    // Lists.
    rest("POST /ws-ticket", |_, _| bare("POST", "/api/chat/ws-ticket".into())),
    rest("POST /rooms/create", |_, n| create(n, 10)),
    rest("POST /rooms/create, 500 people", |_, n| create(n, 499)),
    rest("POST /rooms/create, the same again", |_, _| {
        let body = json!({"type": "group", "participantIds": ["talker-0-1"], "clientId": "same"});
        send("POST", "/api/chat/rooms/create".into(), body)
    }),
    rest("GET /rooms/list", |_, _| get("/rooms/list?limit=100")),
    rest("GET /unread", |_, _| get("/unread")),
    rest("GET /mentions", |_, _| get("/mentions?limit=100")),
    rest("GET /search, found everywhere", |_, _| get("/search?q=message&limit=100")),
    rest("GET /search, found nowhere", |_, n| get(format!("/search?q=xylophone{n}"))),
    rest("GET /threads", |_, _| get("/threads?limit=100")),
    rest("GET /saved", |_, _| get("/saved?limit=100")),
    rest("PUT and DELETE /saved/:id/:mid", |g, n| {
        bare(alternate(n, "PUT", "DELETE"), format!("/api/chat/saved/{}/{}", g.room, g.others))
    }),
    rest("GET /people/me/reports", |_, _| get("/people/me/reports?limit=100")),
    // A room.
    rest("GET /rooms/:id", |g, _| bare("GET", g.in_room(""))),
    rest("GET …/members", |g, _| bare("GET", g.in_room("/members?limit=100"))),
    rest("GET …/messages, the newest", |g, _| bare("GET", g.in_room("/messages?limit=100"))),
    rest("GET …/messages, 1 MiB", |g, _| bare("GET", g.in_room("/messages?around=40&limit=100"))),
    rest("GET …/messages?at=", |g, _| {
        bare("GET", g.in_room("/messages?at=2026-11-24T00:00:00Z&limit=100"))
    }),
    rest("GET …/readers", |g, _| bare("GET", g.in_room(&format!("/messages/{}/readers", g.others)))),
    rest("GET …/pins", |g, _| bare("GET", g.in_room("/pins"))),
    rest("PUT and DELETE …/pins/:mid", |g, n| {
        bare(alternate(n, "PUT", "DELETE"), g.in_room(&format!("/pins/{}", g.others)))
    }),
    rest("POST …/threads/:root/read", |g, n| {
        send("POST", g.in_room(&format!("/threads/{}/read", g.others)), json!({"seq": n}))
    }),
    rest("GET …/threads/:root", |g, _| bare("GET", g.in_room(&format!("/threads/{}", g.others)))),
    rest("GET …/versions", |g, _| bare("GET", g.in_room(&format!("/messages/{}/versions", g.message)))),
    rest("GET …/reactions/:emoji", |g, n| reaction(g, "GET", n)),
    rest("GET …/notification-settings", |g, _| bare("GET", g.in_room("/notification-settings"))),
    rest("PUT …/notification-settings", |g, n| {
        let body = json!({"level": alternate(n, "none", "mentions")});
        send("PUT", g.in_room("/notification-settings"), body)
    }),
    rest("POST …/read", |g, n| send("POST", g.in_room("/read"), json!({"seq": n}))),
    rest("POST …/unread", |g, n| send("POST", g.in_room("/unread"), json!({"seq": 1 + n % 50}))),
    // Messages.
    rest("POST …/messages, the largest", |g, n| {
        let body = json!({"content": large(n), "clientId": format!("rest-{n}")});
        send("POST", g.in_room("/messages"), body)
    }),
    rest("POST …/messages, the same again", |g, _| {
        send("POST", g.in_room("/messages"), json!({"content": "mine", "clientId": "same"}))
    }),
    rest("PATCH …/messages/:mid, the largest", |g, n| {
        send("PATCH", g.in_room(&format!("/messages/{}", g.message)), json!({"content": large(n)}))
    }),
    rest("DELETE …/messages/:mid", |g, _| bare("DELETE", g.in_room(&format!("/messages/{}", g.deleted)))),
    rest("PUT and DELETE …/reactions/:emoji", |g, n| reaction(g, alternate(n, "PUT", "DELETE"), n)),
    rest("POST …/report", |g, _| {
        send("POST", g.in_room(&format!("/messages/{}/report", g.others)), json!({"reason": "spam"}))
    }),
    // People.
    rest("GET /people?q=", |_, _| get("/people?q=talk&limit=100")),
    rest("GET /people?ids=", |_, _| {
        let ids: Vec<String> = (0..40).map(|nth| format!("talker-{}-{}", nth % 2, nth / 2)).collect();
        get(format!("/people?ids={}", ids.join(",")))
    }),
    rest("GET /people/:user", |_, n| get(format!("/people/talker-0-{}", n % 20))),
    rest("GET /people/me", |_, _| get("/people/me")),
    rest("PATCH /people/me", |_, n| {
        send("PATCH", "/api/chat/people/me".into(), json!({"status": {"text": format!("busy {n}")}}))
    }),
    rest("PUT and DELETE /people/:user/block", |_, n| {
        bare(alternate(n, "PUT", "DELETE"), format!("/api/chat/people/talker-1-{}/block", n % 4))
    }),
    rest("GET /people/me/blocks", |_, _| get("/people/me/blocks")),
    rest("GET /push/key", |_, _| get("/push/key")),
    rest("POST /push/subscriptions", |_, n| {
        send("POST", "/api/chat/push/subscriptions".into(), subscription(n))
    }),
    rest("GET /push/subscriptions", |_, _| get("/push/subscriptions")),
    rest("DELETE /push/subscriptions/:id", |_, n| {
        bare("DELETE", format!("/api/chat/push/subscriptions/{n}"))
    }),
    NOTHING,
    // Files.
    rest("POST …/attachments, 100 bytes", |g, n| {
        with("POST", g.in_room("/attachments"), "text/plain", format!("{n:0100}").into_bytes())
    }),
    rest("POST …/attachments, 1 MiB", |g, _| {
        with("POST", g.in_room("/attachments"), "application/octet-stream", g.mebibyte.clone())
    }),
    rest("GET …/attachments/:id/url", |g, _| {
        bare("GET", g.in_room(&format!("/attachments/{}/url", g.file)))
    }),
    rest("GET /attachments/:id, 1 MiB", |g, _| get(format!("/attachments/{}", g.file))),
    rest("GET a signed URL, 1 MiB", |g, _| bare("GET", g.signed.clone())),
    // What a member may not do, and what the owner of a room of their own may.
    rest("PATCH /rooms/:id, refused", |g, n| send("PATCH", g.in_room(""), json!({"topic": format!("{n}")}))),
    rest("PATCH /rooms/:id, one's own", |g, n| {
        send("PATCH", format!("/api/chat/rooms/{}", g.own), json!({"topic": format!("topic {n}")}))
    }),
    rest("DELETE /rooms/:id, refused", |g, _| bare("DELETE", g.in_room(""))),
    rest("POST …/members, refused", |g, n| {
        send("POST", g.in_room("/members"), json!({"userIds": [format!("guest-{n}")]}))
    }),
    rest("POST …/members, one's own", |g, n| {
        let body = json!({"userIds": [format!("guest-{n}")]});
        send("POST", format!("/api/chat/rooms/{}/members", g.own), body)
    }),
    rest("PATCH …/members/:user, refused", |g, _| {
        send("PATCH", g.in_room("/members/talker-0-1"), json!({"role": "admin"}))
    }),
    rest("PUT and DELETE …/mutes/:user, one's own", |g, n| {
        let path = format!("/api/chat/rooms/{}/mutes/talker-0-1", g.own);
        alternate(n, send("PUT", path.clone(), json!({})), bare("DELETE", path))
    }),
    rest("PUT and DELETE …/bans/:user, one's own", |g, n| {
        let path = format!("/api/chat/rooms/{}/bans/guest-9", g.own);
        alternate(n, send("PUT", path.clone(), json!({"reason": "spam"})), bare("DELETE", path))
    }),
    rest("PUT …/slow-mode, one's own", |g, n| {
        send("PUT", format!("/api/chat/rooms/{}/slow-mode", g.own), json!({"seconds": alternate(n, 0, 5)}))
    }),
    rest("GET …/audit, one's own", |g, _| get(format!("/rooms/{}/audit", g.own))),
    rest("GET …/outbox, refused", |g, _| bare("GET", g.in_room("/outbox"))),
    rest("GET /admin/outbox, refused", |_, _| get("/admin/outbox")),
    rest("POST /people/:user/sign-out, one's own", |g, _| {
        bare("POST", format!("/api/chat/people/{}/sign-out", g.user))
    }),
    rest("POST …/leave, a room of others", |_, n| {
        bare("POST", format!("/api/chat/rooms/nothing-{n}/leave"))
    }),
    // Sockets.
    upgrades("a socket, the newest 100", |g| format!("/chat?roomId={}&history=100", g.room)),
    upgrades("a socket, everything again", |g| format!("/chat?roomId={}&since=1", g.room)),
    upgrades("a socket in no room", |_| "/chat?roomId=nothing".into()),
    upgrades("an inbox", |_| "/chat/inbox".into()),
    frames("ping", |_, n| json!({"type": "ping", "t": n}).to_string()),
    frames("typing", |_, n| json!({"type": "typing", "isTyping": n % 8 < 4}).to_string()),
    frames("read", |_, n| json!({"type": "read", "seq": n}).to_string()),
    frames("reaction", |g, n| {
        let action = alternate(n, "add", "remove");
        json!({"type": "reaction", "messageId": g.others, "emoji": EMOJI[n % 4], "action": action})
            .to_string()
    }),
    frames("message", message_frame_of),
    frames("message, the largest", |_, n| message_frame(&large(n), n)),
    frames("edit, the largest", |g, n| {
        json!({"type": "edit", "messageId": g.message, "content": large(n)}).to_string()
    }),
    frames("delete", |g, _| json!({"type": "delete", "messageId": g.deleted}).to_string()),
    frames("auth", |_, _| json!({"type": "auth", "token": "a.b.c"}).to_string()),
    frames("no JSON", |_, _| "{\"type\":".into()),
    frames("60 KiB of nested lists", |_, _| "[".repeat(60 * 1024)),
    frames("a frame over 64 KiB", |_, _| "x".repeat(100 * 1024)),
    NOTHING,
];

fn message_frame_of(_: &Ground, turn: usize) -> String {
    message_frame(&format!("message {turn}"), turn)
}
