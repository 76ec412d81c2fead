//! One sample of each request of the Worker to a room, for the golden files of `golden_stored`.

use crate::golden_stored::{identity, message_id, upload};
use serde_json::{Value, json};
use testkit::cast::NOON;

pub fn requests() -> Vec<Value> {
    let id = message_id(1);
    let calls = [
        json!({"call": "say", "body": "{\"content\":\"hi\"}"}),
        json!({"call": "page", "before": 5, "after": null, "around": null, "limit": 50, "threadId": id}),
        json!({"call": "page", "before": null, "after": null, "around": null, "at": 1_795_424_703_120_u64, "limit": 1, "threadId": null}),
        json!({"call": "edit", "message": id, "body": "{\"content\":\"ho\"}"}),
        json!({"call": "delete", "message": id}),
        json!({"call": "versions", "message": id}),
        json!({"call": "versions", "message": id, "before": 9}),
        json!({"call": "react", "message": id, "emoji": "👍", "add": true}),
        json!({"call": "reactors", "message": id, "emoji": "👍", "after": "bob", "limit": 50}),
        json!({"call": "pin", "message": id, "pin": true}),
        json!({"call": "pins"}),
        json!({"call": "readers", "message": id}),
        json!({"call": "thread", "root": id, "before": 9, "limit": 20}),
        json!({"call": "read", "seq": 7}),
        json!({"call": "unread", "seq": 5}),
        json!({"call": "find", "message": id}),
        json!({"call": "find", "message": id, "tombstones": true}),
        json!({"call": "report", "message": id, "reason": "spam"}),
        json!({"call": "outbox"}),
        json!({"call": "retryOutbox"}),
        json!({"call": "discard", "seq": 3}),
        json!({"call": "reserve", "upload": "0123456789abcdef0123456789abcdef", "size": 20_480}),
        json!({"call": "uploaded", "upload": "0123456789abcdef0123456789abcdef", "file": upload()}),
        json!({"call": "uploadFailed", "upload": "0123456789abcdef0123456789abcdef"}),
        json!({"call": "file", "upload": "0123456789abcdef0123456789abcdef"}),
        json!({"call": "deleteReported", "message": id}),
    ];
    let changes = [
        json!({"change": "add", "users": ["erin", "frank"]}),
        json!({"change": "remove", "user": "bob"}),
        json!({"change": "leave"}),
        json!({"change": "setRole", "user": "bob", "role": "moderator"}),
        json!({
            "change": "settings", "name": "Lunch", "topic": "", "archived": true, "historyVisibility": "since_join",
            "roomMention": "admins",
        }),
        json!({"change": "delete"}),
        json!({"change": "mute", "user": "bob", "untilMs": NOON}),
        json!({"change": "unmute", "user": "bob"}),
        json!({"change": "ban", "user": "bob", "untilMs": null, "reason": "spam"}),
        json!({"change": "unban", "user": "bob"}),
        json!({"change": "slowMode", "seconds": 5}),
        json!({"change": "notify", "level": "none", "muteUntilMs": NOON}),
        json!({"change": "muteReported", "user": "bob"}),
        json!({"change": "banReported", "user": "bob", "reason": null}),
    ];
    let upgrade = json!({"upgrade": {"batches": true, "since": [7, "0123456789abcdef"], "history": 50}});
    let ops = std::iter::once(upgrade)
        .chain(calls.into_iter().map(|call| json!({"call": call})))
        .chain(changes.into_iter().map(|change| json!({"change": change})));
    let request = |op: Value| {
        let membership = json!({"membersVersion": 4, "lastSeq": 7});
        json!({"caller": identity(), "room": "r1", "membership": membership, "op": op})
    };
    let mut requests: Vec<Value> = ops.map(request).collect();
    let mut upgrade = requests[0].clone();
    upgrade["membership"]["notify"] = json!({"level": "mentions", "muteUntilMs": NOON});
    requests.push(upgrade.clone());
    upgrade["caller"]["issuedMs"] = json!(NOON);
    upgrade["membership"]["person"] = json!({"name": "Alice", "avatarUrl": null});
    let ending =
        json!({"caller": upgrade["caller"], "room": "r1", "membership": null, "op": {"endSessions": {}}});
    let mut refreshing = ending.clone();
    refreshing["op"] = json!({"refresh": {}});
    requests.extend([upgrade, ending, refreshing]);
    requests
}
