//! What is stored, or crosses a deploy between two versions of the code, as golden files in `tests/golden/stored`.
//! Today's code reads each of them and writes the same. `UPDATE_GOLDEN=1` writes files for samples that have none, and
//! never changes one: a format only grows. Not here: frames and errors (`golden`).
//!
//! A file is `FORMAT.json` or, for later samples, `FORMAT.2.json` and so on: an array of values.

use crate::golden_requests::requests;
use crate::rig::Rig;
use chinwag::api::{InboxRequest, RoomRequest};
use chinwag::auth::Identity;
use chinwag::db::{AuditRow, Notice, Notices, NotificationPayload, PushRetry, VersionRow};
use chinwag::inbox::{Confirmed, Draft, Logged, Owner, Views};
use chinwag::notify::{Secret, webhook};
use chinwag::protocol::message::{Attachment, Message};
use chinwag::room::store::formats::{
    AlertRow, ChangeBody, LogState, MemberBody, OutboxReport, PendingDeletion, PinsBody, PinsRow,
    ReactionBody, ReadsRow, RebuildState, RoomInfo,
};
use chinwag::room::{AdminChange, RoomCall, SocketState};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use testkit::cast::NOON;

type Rewrite = fn(&Value) -> Result<Value, String>;

/// Reads a value with today's code, and writes it again.
fn rewrite<T: Serialize + DeserializeOwned>(value: &Value) -> Result<Value, String> {
    let read: T = serde_json::from_str(&value.to_string()).map_err(|error| error.to_string())?;
    let text = serde_json::to_string(&read).map_err(|error| error.to_string())?;
    serde_json::from_str(&text).map_err(|error| error.to_string())
}

/// Every format, with the places that hold it.
const FORMATS: [(&str, Rewrite); 27] = [
    // With each socket.
    ("socket_state", rewrite::<SocketState>),
    // The table `state`.
    ("log_state", rewrite::<LogState>),
    ("rebuild_state", rewrite::<RebuildState>),
    ("room_info", rewrite::<RoomInfo>),
    ("reads_row", rewrite::<ReadsRow>),
    ("pins_row", rewrite::<PinsRow>),
    ("alert_row", rewrite::<AlertRow>),
    ("pending_deletion", rewrite::<PendingDeletion>),
    // The tables `events`, `versions`, `audit` and `uploads`.
    ("message", rewrite::<Message>),
    ("reaction_body", rewrite::<ReactionBody>),
    ("change_body", rewrite::<ChangeBody>),
    ("pins_body", rewrite::<PinsBody>),
    ("member_body", rewrite::<MemberBody>),
    ("version_row", rewrite::<VersionRow>),
    ("audit_row", rewrite::<AuditRow>),
    ("attachment", rewrite::<Attachment>),
    // From the Worker to a room, and from a room to its tenant's list and to the queue.
    ("room_request", rewrite::<RoomRequest>),
    ("outbox_report", rewrite::<OutboxReport>),
    ("notice", rewrite::<Notice>),
    ("notices", rewrite::<Notices>),
    ("push_retry", rewrite::<PushRetry>),
    // To an inbox, and its tables `inbox_state` and `inbox_log`.
    ("inbox_request", rewrite::<InboxRequest>),
    ("inbox_owner", rewrite::<Owner>),
    ("inbox_rooms", rewrite::<Views>),
    ("inbox_turn", rewrite::<Vec<Logged>>),
    ("inbox_draft", rewrite::<Draft>),
    ("inbox_presence", rewrite::<Confirmed>),
];

/// Formats that are written and never read by us.
const WRITTEN: [&str; 2] = ["room_updated_body", "webhook"];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/stored")
}

/// The format whose values a file holds.
fn format_of(file: &str) -> &str {
    file.split('.').next().unwrap_or_default()
}

fn golden_files() -> BTreeMap<String, Vec<Value>> {
    let entries = std::fs::read_dir(folder()).map(|entries| entries.collect::<Vec<_>>()).unwrap_or_default();
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).unwrap();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let values = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        (name, values)
    };
    entries.into_iter().map(|entry| read(entry.unwrap().path())).collect()
}

/// Whether all that `old` says, `new` says too.
fn keeps(old: &Value, new: &Value) -> bool {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => {
            old.iter().all(|(name, value)| new.get(name).is_some_and(|other| keeps(value, other)))
        }
        (Value::Array(old), Value::Array(new)) => {
            old.len() == new.len() && old.iter().zip(new).all(|(old, new)| keeps(old, new))
        }
        _ => old == new,
    }
}

#[test]
fn every_golden_file_is_read_and_kept() {
    let files = golden_files();
    for (name, values) in &files {
        let Some((_, rewrite)) = FORMATS.iter().find(|(format, _)| *format == format_of(name)) else {
            assert!(WRITTEN.contains(&format_of(name)), "{name} is of no format in FORMATS");
            continue;
        };
        for value in values {
            let written = rewrite(value).unwrap_or_else(|error| panic!("{name}: {error}\n{value}"));
            assert!(
                keeps(value, &written),
                "{name}: today's code drops something of\n{value}\nand writes\n{written}"
            );
        }
    }
    let known: BTreeSet<&str> = files.keys().map(|name| format_of(name)).collect();
    let formats: BTreeSet<&str> = FORMATS.iter().map(|(format, _)| *format).chain(WRITTEN).collect();
    assert_eq!(known, formats, "each format has a golden file (UPDATE_GOLDEN=1 writes missing ones)");
}

/// The values of today, each of which is in a golden file exactly as today's code writes it.
#[test]
fn every_sample_of_today_has_its_golden_value() {
    let mut samples = samples();
    samples.extend(queued());
    samples.extend(requests().into_iter().map(|request| ("room_request", request)));
    samples.extend(inboxes());
    samples.push(("room_updated_body", room_updated_body()));
    samples.push(("webhook", webhook_payload()));
    for (format, sample) in &samples {
        if let Some((_, rewrite)) = FORMATS.iter().find(|(name, _)| name == format) {
            let written = rewrite(sample).unwrap_or_else(|error| panic!("{format}: {error}\n{sample}"));
            assert_eq!(written, *sample, "{format}: today's code writes a sample otherwise");
        }
    }
    let files = golden_files();
    let mut missing: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for (format, sample) in &samples {
        let is_known =
            |(name, values): (&String, &Vec<Value>)| format_of(name) == *format && values.contains(sample);
        if !files.iter().any(is_known) {
            missing.entry(format).or_default().push(sample);
        }
    }
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        missing.iter().for_each(|(format, values)| add_file(&files, format, values));
        return;
    }
    assert!(missing.is_empty(), "no golden file has these (UPDATE_GOLDEN=1 adds one): {missing:#?}");
}

fn add_file(files: &BTreeMap<String, Vec<Value>>, format: &str, values: &[&Value]) {
    let names = std::iter::once(format!("{format}.json")).chain((2..).map(|n| format!("{format}.{n}.json")));
    let name = names.into_iter().find(|name| !files.contains_key(name)).expect("a free name");
    let lines: Vec<String> = values.iter().map(|value| format!("  {value}")).collect();
    std::fs::create_dir_all(folder()).unwrap();
    std::fs::write(folder().join(name), format!("[\n{}\n]\n", lines.join(",\n"))).unwrap();
}

#[test]
fn every_question_of_the_worker_has_a_sample() {
    let requests = requests();
    let has = |part: &str, name: &str, value: &Value| {
        let op = &value["op"];
        if part == "op" { op.get(name).is_some() } else { op[part][part] == name }
    };
    for (part, names) in [
        ("op", variants::<chinwag::api::RoomOp>(json!({"?": {}}))),
        ("call", variants::<RoomCall>(json!({"call": "?"}))),
        ("change", variants::<AdminChange>(json!({"change": "?"}))),
    ] {
        assert!(names.len() > 2, "{part}: {names:?}");
        for name in names {
            assert!(
                requests.iter().any(|request| has(part, &name, request)),
                "no sample of the {part} `{name}`"
            );
        }
    }
}

/// The names of an enum's variants, as serde tells them when it knows none of that name.
fn variants<T: DeserializeOwned>(unknown: Value) -> Vec<String> {
    let Err(error) = serde_json::from_value::<T>(unknown) else { panic!("no variant is named ?") };
    error.to_string().split('`').skip(3).step_by(2).map(str::to_owned).collect()
}

pub fn identity() -> Value {
    let identity = json!({
        "tenant": "acme", "user": "alice", "name": "Alice", "tenantRole": "moderator", "expiresMs": NOON + 3_600_000,
    });
    assert_eq!(rewrite::<Identity>(&identity), Ok(identity.clone()));
    identity
}

pub fn message_id(seq: u64) -> String {
    chinwag::ids::MessageId::new(NOON, seq, 0x1234_5678_9abc).to_string()
}

pub fn upload() -> Value {
    json!({
        "id": "r1.0123456789abcdef0123456789abcdef", "url": "/api/chat/attachments/r1.0123456789abcdef0123456789abcdef",
        "name": "cat.png", "mimeType": "image/png", "size": 20_480,
        "sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "width": 640, "height": 480,
    })
}

fn message() -> Value {
    json!({
        "id": message_id(7), "seq": 7, "tenantId": "acme", "roomId": "r1", "userId": "alice", "content": "hi <@bob>",
        "contentType": "text", "attachments": [upload()], "reactions": {"👍": ["bob", "carol"]},
        "reactionCounts": {"👍": 2}, "clientId": "c1",
        "threadId": message_id(1), "replyToId": message_id(2), "alsoToRoom": true, "mentions": ["bob"],
        "mentionsRoom": false, "version": 2, "replyCount": 0, "lastReplyAt": null,
        "createdAt": "2026-11-23T09:00:00.000Z", "editedAt": "2026-11-23T09:00:01.500Z",
        "editedBy": "carol", "deletedAt": null,
    })
}

fn tombstone() -> Value {
    json!({
        "id": message_id(1), "seq": 1, "tenantId": "acme", "roomId": "r1", "userId": "alice", "content": "",
        "contentType": "text", "attachments": [], "reactions": {}, "reactionCounts": {}, "clientId": null, "threadId": null,
        "replyToId": null, "alsoToRoom": false, "mentions": [], "mentionsRoom": false, "version": 1,
        "replyCount": 1, "lastReplyAt": "2026-11-23T09:00:00.000Z", "createdAt": "2026-11-23T08:59:00.000Z",
        "editedAt": null, "editedBy": null, "deletedAt": "2026-11-23T09:00:02.000Z", "deletedBy": "carol",
    })
}

fn snapshot() -> Value {
    let member = |user: &str, role: &str, muted: Option<u64>| {
        json!({
            "userId": user, "role": role, "joinedAtMs": NOON, "joinedSeq": 3, "lastReadSeq": 5, "readGeneration": 1,
            "notify": {"level": "mentions", "muteUntilMs": muted}, "mutedUntilMs": muted,
        })
    };
    json!({
        "type": "group", "name": "Lunch", "topic": "tea", "createdBy": "alice", "createdAtMs": NOON,
        "archived": false, "historyVisibility": "since_join", "roomMention": "admins", "slowModeS": 5,
        "membersVersion": 4, "lastSeq": 7, "epoch": "0123456789abcdef",
        "members": [member("alice", "owner", None), member("bob", "member", Some(NOON + 60_000))],
        "bans": [{"userId": "mallory", "untilMs": NOON + 1}, {"userId": "eve", "untilMs": null}],
    })
}

/// A snapshot of which members are shown otherwise than by their ids, and tokens of some are refused.
fn snapshot_with_people() -> Value {
    let mut snapshot = snapshot();
    snapshot["people"] = json!({"alice": {"name": "Alice", "avatarUrl": "https://a.example/1.png"},
                                "bob": {"name": "Bob", "avatarUrl": null}});
    snapshot["refused"] = json!([{"userId": "alice", "deactivated": false, "signedOutBeforeMs": NOON},
                                 {"userId": "bob", "deactivated": true, "signedOutBeforeMs": null}]);
    snapshot
}

/// The rows of the table `state`.
fn state_samples(problem: &Value) -> Vec<(&'static str, Value)> {
    vec![
        (
            "log_state",
            json!({"epoch": "0123456789abcdef", "projected": 7, "floor": 2, "reads_saved": 3, "schema": 4, "notified": 6,
                   "unheard": {"bob": NOON}}),
        ),
        (
            "rebuild_state",
            json!({"epoch": "0123456789abcdef", "imported": 500, "lastSeq": 1_203, "beganAtMs": NOON}),
        ),
        ("room_info", json!({"tenant": "acme", "id": "r1", "snapshot": snapshot()})),
        ("room_info", json!({"tenant": "acme", "id": "r1", "snapshot": snapshot_with_people()})),
        (
            "reads_row",
            json!({"number": 9, "markers": {"alice": 7, "bob": 5}, "unprojected": ["bob"], "generations": {"bob": 1}}),
        ),
        ("reads_row", json!({"number": 1, "markers": {}, "unprojected": []})),
        (
            "pins_row",
            json!({
                "changedAt": 9,
                "pins": [{"seq": 1, "id": message_id(1), "position": 5, "pinnedBy": "alice", "atMs": NOON}],
            }),
        ),
        ("alert_row", json!({"told": problem, "at": NOON, "retry_rows": [3, 5]})),
        ("pending_deletion", json!({"since": NOON, "gone": false})),
    ]
}

fn samples() -> Vec<(&'static str, Value)> {
    let problem = json!({"lag": 3, "oldestAtMs": NOON, "state": "halted", "quarantined": 2});
    let limits = json!({"full_at_ms": [0.0, 1.5, 0.0, 2.0], "pages_full_at_ms": 2.5, "frames": {"from_ms": NOON, "count": 4}});
    let others = vec![
        (
            "socket_state",
            json!({
                "id": 1_795_424_400_000_001_u64, "identity": identity(), "batches": true, "expires_ms": NOON + 60_000,
                "read_seq": 5, "read_generation": 1, "read_due_ms": NOON + 30_000, "rates": limits, "last_frame_ms": NOON,
            }),
        ),
        ("message", message()),
        ("message", tombstone()),
        ("reaction_body", json!({"messageId": message_id(1), "version": 2, "emoji": "👍", "add": true})),
        (
            "change_body",
            json!({"messageId": message_id(1), "version": 2, "mentioned": ["bob"], "callsAll": true}),
        ),
        ("change_body", json!({"messageId": message_id(1), "version": 3})),
        ("pins_body", json!({"messageId": message_id(1)})),
        ("member_body", json!({"userId": "bob", "role": "moderator"})),
        (
            "version_row",
            json!({
                "version": 1, "content": "hi", "writtenBy": "alice", "writtenAtMs": NOON, "replacedBy": "carol",
                "replacedAtMs": NOON + 1,
            }),
        ),
        (
            "audit_row",
            json!({
                "id": "0123456789abcdef.1", "atMs": NOON, "actor": "carol", "action": "ban", "target": "mallory",
                "reason": "spam",
            }),
        ),
        (
            "audit_row",
            json!({
                "id": "report.1.dave", "atMs": NOON, "actor": "dave", "action": "report", "target": message_id(1),
                "reason": "rude",
                "report": {"id": "7cdd4b5d-0f0e-8a6b-9b5e-b6f0b6c4a1d2", "author": "bob", "text": "rude words"},
            }),
        ),
        ("attachment", upload()),
        (
            "attachment",
            json!({"url": "https://files.example/a.txt", "name": "a.txt", "mimeType": "text/plain", "size": 3}),
        ),
        ("outbox_report", json!({"tenant": "acme", "room": "r1", "at": NOON, "problem": problem})),
        ("outbox_report", json!({"tenant": "acme", "room": "r1", "at": NOON, "problem": null})),
    ];
    state_samples(&problem).into_iter().chain(others).collect()
}

/// Messages of the queue of notifications.
fn queued() -> Vec<(&'static str, Value)> {
    vec![
        (
            "notice",
            json!({
                "tenant": "acme", "room": "r1", "seq": 7, "message": message_id(7), "event": 8, "part": 1,
                "callsAll": true, "users": ["bob", "carol"],
            }),
        ),
        (
            "notices",
            json!({
                "tenant": "acme", "room": "r1", "part": 1, "missed": true, "done": 2, "pauses": 3,
                "events": [
                    {"seq": 7, "message": message_id(7), "event": 7, "except": ["alice"]},
                    {"seq": 7, "message": message_id(7), "event": 8, "only": ["bob"]},
                    {"seq": 7, "message": message_id(7), "event": 9, "callsAll": true, "except": ["bob"]},
                ],
                "absent": [{"id": "bob"}, {"id": "carol", "from": 8, "to": 8}],
            }),
        ),
        (
            "push_retry",
            json!({
                "tenant": "acme", "room": "r1", "seq": 7, "message": message_id(7), "event": 8, "callsAll": true,
                "user": "bob", "devices": ["DGv6ra1nlYgDCS1FRnbzlw00"], "tries": 2,
            }),
        ),
    ]
}

/// What an inbox is sent, and what it stores.
fn inboxes() -> Vec<(&'static str, Value)> {
    let upgrade = json!({"caller": identity(), "batches": true, "since": [7, "0123456789abcdef"]});
    let poke = json!({"tenant": "acme", "user": "alice", "room": "r1"});
    let view = json!({"at": "2026-11-23", "lastSeq": 7, "readSeq": 5, "unread": 2, "mentions": 1, "preview": 11,
        "about": 12, "details": 13, "settings": 14});
    let events = json!([
        {"kind": "activity", "room": "r1"}, {"kind": "added", "room": "r1"}, {"kind": "read", "room": "r1"},
        {"kind": "removed", "room": "r1", "reason": "banned"}, {"kind": "settings", "room": "r1"},
        {"kind": "changed", "room": "r1", "details": true}]);
    let turn = json!([{"kind": "draft", "room": "r1", "thread": null, "rev": 7}]);
    let mut direct = view.clone();
    direct["partner"] = json!("bob");
    direct["profile"] = json!(15);
    let mut notified = view.clone();
    notified["notified"] =
        json!({"seq": 7, "editedMs": NOON, "pending": {"message": message_id(7), "seq": 7}});
    let notices = json!([
        {"kind": "notification", "room": "r1", "message": message_id(7), "reason": "room_mention"},
        {"kind": "withdrawn", "room": "r1", "message": message_id(7), "position": 7}]);
    let draft = json!({"room": "r1", "thread": null, "text": "half a", "rev": 7, "at": NOON});
    vec![
        ("inbox_request", json!({"upgrade": upgrade})),
        ("inbox_request", json!({"poke": poke})),
        ("inbox_request", json!({"endSessions": {"tenant": "acme", "user": "alice"}})),
        ("inbox_owner", json!({"tenant": "acme", "user": "alice", "epoch": "0123456789abcdef"})),
        ("inbox_rooms", json!({"r1": view})),
        ("inbox_turn", events),
        ("inbox_turn", turn),
        ("inbox_draft", draft),
        ("inbox_request", json!({"personPoke": {"tenant": "acme", "user": "alice", "person": "bob"}})),
        ("inbox_rooms", json!({"r2": direct})),
        ("inbox_turn", json!([{"kind": "person", "user": "bob"}])),
        ("inbox_request", json!({"savedPoke": {"tenant": "acme", "user": "alice"}})),
        ("inbox_turn", json!([{"kind": "saved", "room": "r1", "message": message_id(7), "saved": true}])),
        ("inbox_request", json!({"poke": {"tenant": "acme", "user": "alice", "room": "r1", "read": 6}})),
        ("inbox_rooms", json!({"r3": notified})),
        ("inbox_turn", notices),
        ("inbox_presence", json!({"presence": "online", "renewAt": NOON, "savedRev": 7})),
        ("inbox_presence", json!({"presence": "away", "renewAt": NOON})),
    ]
}

/// The body of an event about the room's settings, as the room writes it.
fn room_updated_body() -> Value {
    let mut rig = Rig::new();
    rig.prepare("alice join\nalice set {\"topic\":\"tea\"}");
    let rows = rig.sql.rows("SELECT body FROM events WHERE kind = 9", []);
    let rusqlite::types::Value::Text(body) = &rows[0][0] else { panic!("a body is text: {rows:?}") };
    serde_json::from_str(body).unwrap()
}

fn webhook_payload() -> Value {
    let notice = &queued().into_iter().find(|(format, _)| *format == "notice").unwrap().1;
    let notice: Notice = serde_json::from_value(notice.clone()).unwrap();
    let payload = NotificationPayload {
        message: json!({"id": message_id(7), "preview": "hi <@bob>"}),
        room: json!({"id": "r1", "name": "Lunch"}),
        recipients: vec![json!({"userId": "bob", "reason": "mention"})],
    };
    let secret = Secret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
    let request = webhook(&secret, &notice, &payload, NOON);
    let body: Value = serde_json::from_str(&request.body).unwrap();
    json!({"id": request.id, "timestampS": request.timestamp_s, "signature": request.signature, "body": body})
}
