//! Checks of a room's log after any fault: gapless, nothing twice, one order for all, no acked operation lost, and
//! Postgres, history and received events are equal. The checkers that other tests share are in `testkit::history`.

use super::Tenant;
use super::client::{encoded, text};
use super::tenant::now_ms;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use testkit::history::{check_acked, check_gapless, index_operations, is_sequenced};

/// The room's messages by seq, as one side tells them.
pub type Log = BTreeMap<u64, Value>;

pub fn seq(event: &Value) -> u64 {
    event["seq"].as_u64().unwrap_or_else(|| panic!("no seq: {event}"))
}

/// The sequenced events among these follow `after` one by one.
#[track_caller]
pub fn gapless(events: &[Value], after: u64) {
    let is_logged = |event: &&Value| event["type"].as_str().is_some_and(is_sequenced);
    check_gapless(events.iter().filter(is_logged).map(seq), after).unwrap();
}

/// The messages that these events bring.
pub fn messages(events: &[Value]) -> Log {
    let new = events.iter().filter(|event| event["type"] == "new_message");
    new.map(|event| (seq(event), event["message"].clone())).collect()
}

/// All messages of a room, page by page over REST, oldest first.
pub async fn history(tenant: &Tenant, room: &str, user: &str) -> Log {
    let (mut log, mut after) = (Log::new(), 0);
    loop {
        let path = format!("/rooms/{}/messages?after={after}&limit=100", encoded(room));
        let page = tenant.get(user, &path).await;
        for message in page["messages"].as_array().expect("messages") {
            assert!(seq(message) > after, "ascending, nothing twice: {page}");
            after = seq(message);
            log.insert(after, message.clone());
        }
        if page["hasMoreAfter"] == false {
            return log;
        }
    }
}

/// All messages of a room as Postgres has them, in the shape of the contract's message object.
pub async fn postgres(tenant: &Tenant, room: &str) -> Log {
    const ROWS: &str = "
        SELECT c.seq, (jsonb_build_object(
            'id', id, 'seq', seq, 'tenantId', tenant_id, 'roomId', room_id, 'userId', user_id, 'content', content,
            'contentType', content_type, 'attachments', attachments, 'clientId', client_id, 'threadId', thread_id,
            'replyToId', reply_to_id, 'alsoToRoom', also_to_room, 'mentions', mentions,
            'mentionsRoom', mentions_room, 'version', version, 'replyCount', reply_count,
            'lastReplyAt', to_char(last_reply_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"'),
            'createdAt', to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"'),
            'editedAt', to_char(edited_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"'),
            'deletedAt', to_char(deleted_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"'),
            'editedBy', edited_by,
            'reactions', coalesce((
                SELECT json_object_agg(emoji, users) FROM (
                    SELECT emoji, json_agg(user_id ORDER BY position, created_at) AS users FROM chat_message_reactions r
                    WHERE r.tenant_id = c.tenant_id AND r.room_id = c.room_id AND r.seq = c.seq
                    GROUP BY emoji HAVING count(*) <= 20
                ) AS emojis), '{}'),
            'reactionCounts', coalesce((
                SELECT json_object_agg(emoji, count) FROM (
                    SELECT emoji, count(*) AS count FROM chat_message_reactions r
                    WHERE r.tenant_id = c.tenant_id AND r.room_id = c.room_id AND r.seq = c.seq GROUP BY emoji
                ) AS emojis), '{}'))
            || CASE WHEN deleted_by IS NULL THEN '{}' ELSE jsonb_build_object('deletedBy', deleted_by) END)
        FROM chat_messages c WHERE tenant_id = $1 AND room_id = $2 ORDER BY c.seq";
    let rows = tenant.stack.sql().await.query(ROWS, &[&tenant.id, &room]).await.expect("chat_messages");
    rows.iter().map(|row| (u64::try_from(row.get::<_, i64>(0)).expect("a seq"), row.get(1))).collect()
}

/// Two tellings of one log say the same, message by message.
#[track_caller]
pub fn same(what: &str, a: &Log, b: &Log) {
    let seqs = |log: &Log| log.keys().copied().collect::<Vec<_>>();
    assert_eq!(seqs(a), seqs(b), "{what}: the same seqs");
    for (seq, message) in a {
        assert_eq!(message, &b[seq], "{what}: seq {seq}");
    }
}

/// What somebody heard, applied in its order, is what the log holds now.
#[track_caller]
pub fn received(who: &str, received: &Log, log: &Log) {
    for (seq, message) in received {
        let mut kept = log.get(seq).unwrap_or_else(|| panic!("{who} heard {seq}, the log lacks it")).clone();
        if message["deletedAt"] == true {
            assert!(kept["deletedAt"].is_string(), "{who} heard that {seq} was deleted: {kept}");
            kept["deletedAt"] = json!(true);
        }
        assert_eq!(*message, kept, "{who} heard seq {seq} otherwise than the log has it");
    }
}

/// Every acked edit and deletion is in force.
#[track_caller]
pub fn changed(edited: &BTreeMap<String, (u64, String)>, deleted: &BTreeSet<String>, log: &Log) {
    let by_id: BTreeMap<&str, &Value> = log.values().filter_map(|m| Some((m["id"].as_str()?, m))).collect();
    for id in deleted {
        let message = by_id.get(id.as_str()).unwrap_or_else(|| panic!("{id} keeps its place"));
        assert!(message["deletedAt"].is_string() && message["content"] == "", "{id} was deleted: {message}");
    }
    for (id, (_, content)) in edited.iter().filter(|(id, _)| !deleted.contains(*id)) {
        assert_eq!(by_id.get(id.as_str()).map(|m| &m["content"]), Some(&json!(content)), "{id} was edited");
    }
}

/// Every acked `clientId` is in the log, once, at the seq that the ack named.
#[track_caller]
pub fn acked(acks: &BTreeMap<String, u64>, log: &Log) {
    check_acked(acks.iter().map(|(operation, seq)| (operation, *seq)), &operations(log)).unwrap();
}

/// The log's messages with a `clientId`: `user/clientId` → seq. None of them is there twice.
#[track_caller]
pub fn operations(log: &Log) -> BTreeMap<String, u64> {
    let sent = log.iter().filter(|(_, message)| message["clientId"].is_string());
    let operation = |(seq, message): (&u64, &Value)| {
        (format!("{}/{}", text(&message["userId"]), text(&message["clientId"])), *seq)
    };
    index_operations(sent.map(operation)).unwrap()
}

/// Milliseconds of `2026-11-23T09:05:03.120Z`, which must be within a minute of now.
#[track_caller]
pub fn recent(time: &Value) {
    let ms = chinwag::ids::parse_iso(&text(time)).unwrap_or_else(|| panic!("no ISO-8601 UTC: {time}"));
    assert!(ms.abs_diff(now_ms()) < 60_000, "{time} is not now");
}
