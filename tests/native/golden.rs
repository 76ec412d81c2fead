//! Each frame and each error as it is on the wire: one file each in `tests/golden`, one JSON value a line. TypeScript
//! reads the same files. `UPDATE_GOLDEN=1` writes them. Not here: when a frame is sent (`room`).

use chinwag::error::{Code, Refusal};
use chinwag::ids::MessageId;
use chinwag::limits::Limits;
use chinwag::protocol::client::{ClientFrame, DeleteDraft, EditDraft, MessageDraft, ReactionDraft};
use chinwag::protocol::message::{Attachment, Message};
use chinwag::protocol::server::{self, Ack, CloseCode, Hello, ReactionDelta, ResyncReason};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use testkit::cast::NOON;

fn id(seq: u64) -> MessageId {
    MessageId::new(NOON, seq, 0x1234_5678_9abc)
}

/// The file holds exactly these lines.
fn golden(name: &str, lines: &[String]) {
    let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden")).join(format!("{name}.jsonl"));
    for line in lines {
        serde_json::from_str::<Value>(line).unwrap_or_else(|e| panic!("{name}: {e}: {line}"));
    }
    let text = lines.join("\n") + "\n";
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &text).unwrap();
    }
    let known = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        known, text,
        "{name}.jsonl is another; if that is meant: UPDATE_GOLDEN=1, and docs/PROTOCOL.md"
    );
}

fn draft(content: &str) -> MessageDraft {
    MessageDraft {
        content: content.into(),
        attachments: vec![],
        client_id: None,
        thread_id: None,
        reply_to_id: None,
        also_to_room: false,
    }
}

fn file() -> Attachment {
    let text = str::to_owned;
    let (url, name) = (text("https://files.example/cat.png"), text("cat.png"));
    let (sha256, width, height) = (None, None, None);
    Attachment { id: None, url, name, mime_type: text("image/png"), size: 20_480, sha256, width, height }
}

fn uploaded() -> Attachment {
    let upload = "r1.0123456789abcdef0123456789abcdef".to_owned();
    let url = format!("/api/chat/attachments/{upload}");
    let sha256 = Some("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855".to_owned());
    Attachment { id: Some(upload), url, sha256, width: Some(640), height: Some(480), ..file() }
}

type ClientExample = (&'static str, Value, ClientFrame);

fn message_frames() -> Vec<ClientExample> {
    let (root, reply) = (id(1), id(2));
    vec![
        // A legacy client's, with its placeholder for a tenant.
        (
            "message",
            json!({"type": "message", "content": "hi", "contentType": "text", "tenantId": "current-tenant-id"}),
            ClientFrame::Message(draft("hi")),
        ),
        (
            "message",
            json!({"type": "message", "content": "see there", "clientId": "c1", "threadId": root.to_string(),
                "replyToId": reply.to_string(), "alsoToRoom": true,
                "attachments": [file(), {"id": uploaded().id}]}),
            ClientFrame::Message(MessageDraft {
                attachments: vec![file().into(), uploaded().into()],
                client_id: Some("c1".into()),
                thread_id: Some(root),
                reply_to_id: Some(reply),
                also_to_room: true,
                ..draft("see there")
            }),
        ),
        (
            "message",
            json!({"type": "message", "attachments": [file()]}),
            ClientFrame::Message(MessageDraft { attachments: vec![file().into()], ..draft("") }),
        ),
    ]
}

fn other_client_frames() -> Vec<ClientExample> {
    let root = id(1);
    let reaction = |add, client_id: Option<&str>| {
        let client_id = client_id.map(str::to_owned);
        ClientFrame::Reaction(ReactionDraft { message_id: root, emoji: "👍".into(), add, client_id })
    };
    let edit = |message_id, base_version, client_id: Option<&str>| {
        let client_id = client_id.map(str::to_owned);
        ClientFrame::Edit(EditDraft { message_id, content: "ho".into(), base_version, client_id })
    };
    let typing = |is_typing, thread_id| ClientFrame::Typing { is_typing, thread_id };
    vec![
        (
            "reaction",
            json!({"type": "reaction", "messageId": root.to_string(), "emoji": "👍", "action": "add"}),
            reaction(true, None),
        ),
        (
            "reaction",
            json!({"type": "reaction", "messageId": root.to_string(), "emoji": "👍", "action": "remove", "clientId": "c2"}),
            reaction(false, Some("c2")),
        ),
        (
            "edit",
            json!({"type": "edit", "messageId": root.to_string(), "content": "ho"}),
            edit(root, None, None),
        ),
        (
            "edit",
            json!({"type": "edit", "messageId": root.to_string(), "content": "ho", "baseVersion": 1, "clientId": "c3"}),
            edit(root, Some(1), Some("c3")),
        ),
        (
            "delete",
            json!({"type": "delete", "messageId": root.to_string(), "clientId": "c4"}),
            ClientFrame::Delete(DeleteDraft { message_id: root, client_id: Some("c4".into()) }),
        ),
        ("typing", json!({"type": "typing", "isTyping": true}), typing(true, None)),
        ("typing", json!({"type": "typing", "isTyping": false}), typing(false, None)),
        (
            "typing",
            json!({"type": "typing", "isTyping": true, "threadId": root.to_string()}),
            typing(true, Some(root)),
        ),
        ("read", json!({"type": "read", "seq": 7}), ClientFrame::Read { seq: 7 }),
        ("ping", json!({"type": "ping", "t": 17}), ClientFrame::Ping { t: json!(17) }),
        ("auth", json!({"type": "auth", "token": "a.b.c"}), ClientFrame::Auth { token: "a.b.c".into() }),
    ]
}

#[test]
fn frames_of_clients() {
    let mut files: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (name, frame, means) in message_frames().into_iter().chain(other_client_frames()) {
        assert_eq!(ClientFrame::decode(&frame.to_string()), Ok(means));
        files.entry(name).or_default().push(frame.to_string());
    }
    for (name, lines) in files {
        golden(&format!("client_{name}"), &lines);
    }
}

fn message() -> Message {
    let text = str::to_owned;
    Message {
        id: id(8).to_string(),
        seq: 8,
        tenant_id: text("acme"),
        room_id: text("r1"),
        user_id: text("alice"),
        content: text("<@bob> look \"there\" @room"),
        content_type: text("text"),
        attachments: vec![file(), uploaded()],
        reactions: [(text("👍"), vec![text("bob"), text("alice")])].into(),
        reaction_counts: [(text("👍"), 2)].into(),
        client_id: Some(text("c1")),
        thread_id: Some(id(1).to_string()),
        reply_to_id: Some(id(2).to_string()),
        also_to_room: true,
        mentions: vec![text("bob")],
        mentions_room: true,
        version: 2,
        reply_count: 3,
        last_reply_at: Some(NOON + 180_000),
        created_at: NOON,
        edited_at: Some(NOON + 1_500),
        edited_by: Some(text("carol")),
        deleted_at: None,
        deleted_by: None,
    }
}

fn plain() -> Message {
    Message {
        content: "hi".into(),
        attachments: vec![],
        reactions: BTreeMap::new(),
        reaction_counts: BTreeMap::new(),
        client_id: None,
        thread_id: None,
        reply_to_id: None,
        also_to_room: false,
        mentions: vec![],
        mentions_room: false,
        version: 1,
        reply_count: 0,
        last_reply_at: None,
        edited_at: None,
        edited_by: None,
        ..message()
    }
}

fn tombstone() -> Message {
    let deleted_by = Some("carol".to_owned());
    Message { content: String::new(), deleted_at: Some(NOON), deleted_by, ..plain() }
}

type ServerExample = (&'static str, Vec<server::EventText>);

fn acks(one: &str) -> Vec<server::EventText> {
    let ack = Ack {
        client_id: "c1",
        op: "message",
        message_id: one,
        seq: Some(8),
        version: 1,
        created_at: NOON,
        duplicate: false,
    };
    vec![
        server::ack(&ack),
        server::ack(&Ack { duplicate: true, ..ack }),
        server::ack(&Ack { op: "edit", client_id: "c3", seq: Some(9), version: 2, ..ack }),
        server::ack(&Ack { op: "delete", client_id: "c4", seq: Some(10), version: 2, ..ack }),
        server::ack(&Ack { op: "reaction", seq: None, client_id: "c2", message_id: one, ..ack }),
    ]
}

fn room_frames() -> Vec<ServerExample> {
    vec![
        ("member_added", vec![server::member("member_added", 14, "dave", "member", "alice")]),
        ("member_removed", vec![server::member("member_removed", 15, "dave", "member", "dave")]),
        ("member_updated", vec![server::member("member_updated", 16, "bob", "moderator", "alice")]),
        (
            "room_updated",
            vec![server::room_updated(
                17,
                &json!({
                    "id": "r1", "tenantId": "acme", "type": "group", "name": "Lunch", "topic": null,
                    "createdBy": "alice", "createdAt": "2026-11-23T09:00:00.000Z", "archived": true,
                    "historyVisibility": "since_join", "roomMention": "admins", "slowModeS": 30,
                }),
            )],
        ),
    ]
}

fn mutes() -> Vec<server::EventText> {
    let mutes = [Value::Null, json!({"until": null}), json!({"until": "2026-11-24T10:00:00.000Z"})];
    mutes.iter().map(server::mute_updated).collect()
}

fn conversation_frames() -> Vec<ServerExample> {
    let limits = Limits::default();
    let hello = Hello {
        connection_id: "7".into(),
        room_id: "r1",
        user_id: "alice",
        role: "owner",
        seq: 8,
        epoch: "e1",
        limits: &limits,
        last_read_seq: 5,
        notify: json!({"level": "all", "muteUntil": null}),
        mute: Value::Null,
        read_markers: [("alice", 5), ("bob", 8)].into(),
        people: json!({"alice": {"name": "Alice", "avatarUrl": "https://a.example/1.png"},
                       "bob": {"name": "bob", "avatarUrl": null}}),
    };
    let (one, tombstone) = (id(8).to_string(), tombstone());
    let resyncs = [ResyncReason::Epoch, ResyncReason::TooOld, ResyncReason::TooMany, ResyncReason::Ahead];
    let new_message = |m: &Message| server::new_message(m.seq, &server::body(m), m.client_id.as_deref());
    let reactions = message().reactions;
    let delta = |add| ReactionDelta { user: "bob", emoji: "👍", add };
    let typings = vec![
        server::typing("bob", true, &["bob", "carol"], None),
        server::typing("bob", false, &[], None),
        server::typing("bob", true, &["bob"], Some(&one)),
    ];
    vec![
        ("hello", vec![server::hello(&hello)]),
        ("online_users", vec![server::online_users(&["alice", "bob"])]),
        ("resync", resyncs.map(|reason| server::resync(reason, 8, "e1")).into()),
        ("synced", vec![server::synced(8, Some(3), true), server::synced(8, None, false)]),
        ("new_message", vec![new_message(&plain()), new_message(&message()), new_message(&tombstone)]),
        (
            "reaction_update",
            vec![
                server::reaction_update(9, &one, &delta(true), 2, None),
                server::reaction_update(10, &one, &delta(false), 0, None),
                server::reaction_update(11, &one, &delta(true), 2, Some(&reactions)),
            ],
        ),
        ("typing", typings),
        ("message_updated", vec![server::message_updated(9, &server::body(&message()))]),
        ("message_deleted", vec![server::message_deleted(10, &one, "carol")]),
        (
            "thread_update",
            vec![
                server::thread_update(11, &one, 3, Some(NOON + 180_000)),
                server::thread_update(12, &one, 0, None),
            ],
        ),
        (
            "pins_updated",
            vec![server::pins_updated(14, &[&one], "carol"), server::pins_updated(15, &[], "bob")],
        ),
        ("hidden", vec![server::hidden(13)]),
        ("user_joined", vec![server::user_joined("bob", NOON)]),
        ("user_left", vec![server::user_left("bob", NOON)]),
        ("read_receipt", vec![server::read_receipt("bob", 8)]),
        ("mute_updated", mutes()),
        ("ack", acks(&one)),
        ("pong", vec![server::pong(&json!(17), 8, "e1")]),
        ("auth_ok", vec![server::auth_ok(NOON)]),
    ]
}

fn server_frames() -> Vec<ServerExample> {
    [conversation_frames(), room_frames()].concat()
}

#[test]
fn frames_of_the_server() {
    for (name, events) in server_frames() {
        for event in &events {
            let event: Value = serde_json::from_str(event).unwrap();
            assert_eq!(event["type"], name);
        }
        golden(&format!("server_{name}"), &events.iter().map(|event| event.to_string()).collect::<Vec<_>>());
    }
    let message: Message = serde_json::from_str(&server::body(&message())).unwrap();
    assert_eq!(message, self::message(), "a message object says all of a message");
}

#[test]
fn errors() {
    for code in Code::ALL {
        let refusal = Refusal::new(*code, code.name().replace('_', " "));
        let refusal = match code {
            Code::RateLimited | Code::SlowMode => refusal.retry_after_ms(200),
            Code::BadRequest | Code::Invalid | Code::ContentEmpty | Code::ContentTooLong => {
                refusal.field("content")
            }
            _ => refusal,
        };
        let named = server::error(&refusal, Some("c1"), Some("message"));
        golden(
            &format!("error_{}", code.name()),
            &[server::error(&refusal, None, None).to_string(), named.to_string()],
        );
    }
}

#[test]
fn close_codes() {
    let line = |code: &CloseCode| {
        assert!(code.name().is_ascii() && code.name().len() <= 123, "what a close frame carries");
        json!({"code": code.code(), "name": code.name()}).to_string()
    };
    golden("close_codes", &CloseCode::ALL.iter().map(line).collect::<Vec<_>>());
}

#[test]
fn no_file_is_left_over() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");
    let clients = ["message", "edit", "delete", "reaction", "typing", "read", "ping", "auth"]
        .map(|name| format!("client_{name}"));
    let mut known: Vec<String> = clients.into();
    known.extend(server_frames().iter().map(|(name, _)| format!("server_{name}")));
    known.extend(Code::ALL.iter().map(|code| format!("error_{}", code.name())));
    known.push("close_codes".into());
    known.sort();
    let name = |entry: std::io::Result<std::fs::DirEntry>| {
        entry.unwrap().file_name().into_string().unwrap().trim_end_matches(".jsonl").to_owned()
    };
    let mut found: Vec<String> = std::fs::read_dir(folder).unwrap().map(name).collect();
    // The folder of `golden_stored`.
    found.retain(|name| name != "stored");
    found.sort();
    assert_eq!(found, known);
}
