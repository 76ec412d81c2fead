//! INBOX-11 on a real Postgres: what there is to notify of in a room. That it is what a webhook tells (NOTIFY-2, NOTIFY-6,
//! NOTIFY-10, PEOPLE-8) follows from the common function; a sample is here.
//! Not here: what an inbox makes of it (`inbox::notices`).

use super::{deleted, mentioning, send_rows, sql, to_all};
use crate::db::{DAY_MS, batch, done, group, message_row, room, tenant, user};
use crate::postgres::{Database, NativePostgres};
use chinwag::db::{self, InboxAsked, MessageRow, NoticesAfter, NoticesOfRoom, VersionRow};
use chinwag::protocol::inbox::NotifyReason::{self, Mention, Message, RoomMention, Thread};

fn after(seq: impl Into<Option<u64>>) -> NoticesAfter {
    NoticesAfter {
        room: room("r1"),
        after: seq.into(),
        edited_ms: DAY_MS,
        read: 0,
        pending: None,
        is_replayed: false,
    }
}

async fn ask(pg: &NativePostgres, who: &str, asked: NoticesAfter) -> Option<NoticesOfRoom> {
    let asked = InboxAsked { notices: &[asked], ..InboxAsked::default() };
    let seen = db::inbox_rooms(pg, &tenant("acme"), &user(who), asked).await.expect("notices");
    seen.notices.into_iter().next()
}

/// The message found, and why.
async fn found(pg: &NativePostgres, who: &str, asked: NoticesAfter) -> Option<(u64, NotifyReason)> {
    let found = ask(pg, who, asked).await.and_then(|notices| notices.found)?;
    Some((found.message["seq"].as_u64().expect("a seq"), found.reason))
}

/// Alice's messages 1 to 4: plain, a mention of Carol, one to all, a reply in a thread that Bob follows; Bob's 5.
async fn five_messages(pg: &NativePostgres) -> Vec<MessageRow> {
    group(pg, "acme", "r1", "alice", &["bob", "carol", "dave"]).await;
    let mut reply = message_row("r1", 4, "alice", "in a thread");
    (reply.thread_id, reply.thread_seq) = (Some("r1-1".into()), Some(1));
    reply.followers = vec!["bob".into()];
    let messages = vec![
        message_row("r1", 1, "alice", "plain"),
        mentioning(message_row("r1", 2, "alice", "<@carol>"), &["carol"]),
        to_all(message_row("r1", 3, "alice", "@room")),
        reply,
        message_row("r1", 5, "bob", "own"),
    ];
    send_rows(pg, "r1", messages.clone()).await;
    messages
}

#[tokio::test]
async fn inbox_11_the_newest_message_that_concerns_the_person_is_found() {
    let rig = Database::new().await;
    let pg = &rig.connect().await;
    let messages = five_messages(pg).await;
    assert_eq!(found(pg, "bob", after(0)).await, Some((4, Thread)), "not his own");
    assert_eq!(found(pg, "bob", after(4)).await, None);
    assert_eq!(found(pg, "carol", after(0)).await, Some((5, Message)));
    assert_eq!(found(pg, "stranger", after(0)).await, None);
    assert!(ask(pg, "carol", after(5)).await.is_none(), "the log has not grown");
    sql(pg, "UPDATE chat_room_members SET notify_level = 'mentions' WHERE user_id = 'carol'").await;
    assert_eq!(found(pg, "carol", after(0)).await, Some((3, RoomMention)));
    assert_eq!(found(pg, "carol", after(3)).await, None);
    let read = NoticesAfter { read: 3, ..after(0) };
    assert_eq!(found(pg, "carol", read).await, None, "the room knows that it is read");
    done(pg, &batch("acme", "r1", 5, 6, vec![deleted(messages[2].clone())])).await;
    assert_eq!(found(pg, "carol", after(0)).await, Some((2, Mention)));
    db::set_block(pg, (&tenant("acme"), &user("carol")), &user("alice"), true).await.expect("blocked");
    assert_eq!(found(pg, "carol", after(0)).await, None);
    let dnd = serde_json::json!({"presence": "dnd"}).as_object().cloned().expect("fields");
    let put = db::ProfilePut { user_id: user("dave"), set: dnd };
    assert_eq!(found(pg, "dave", after(0)).await, Some((5, Message)));
    db::put_people(pg, &tenant("acme"), db::ProfileWriter::Person, &[put]).await.expect("set");
    let quiet = ask(pg, "dave", after(0)).await.expect("the log has grown");
    assert_eq!((quiet.found, quiet.last_seq), (None, 6), "what comes meanwhile is not notified of later");
}

#[tokio::test]
async fn inbox_11_of_a_room_that_is_not_known_only_what_is_young_is_news() {
    let rig = Database::new().await;
    let pg = &rig.connect().await;
    five_messages(pg).await;
    assert_eq!(found(pg, "carol", after(None)).await, None, "old ones may be unread for long");
    sql(pg, "UPDATE chat_messages SET created_at = now() - interval '5 min' WHERE seq = 2").await;
    assert_eq!(found(pg, "carol", after(None)).await, Some((2, Mention)));
}

#[tokio::test]
async fn inbox_11_what_is_pending_is_over_when_it_is_read_or_deleted() {
    let rig = Database::new().await;
    let pg = &rig.connect().await;
    let messages = five_messages(pg).await;
    let pending = |read, is_replayed| NoticesAfter { pending: Some(2), read, is_replayed, ..after(5) };
    let is_pending = async |asked| ask(pg, "carol", asked).await.map(|notices| notices.pending.is_some());
    assert_eq!(is_pending(pending(0, false)).await, None, "nothing has happened");
    assert_eq!(is_pending(pending(0, true)).await, Some(true));
    assert_eq!(is_pending(pending(2, true)).await, Some(false), "read");
    done(pg, &batch("acme", "r1", 5, 6, vec![deleted(messages[1].clone())])).await;
    assert_eq!(is_pending(pending(0, false)).await, Some(false), "deleted");
}

/// As NOTIFY-5 has it.
#[tokio::test]
async fn inbox_11_an_edit_notifies_whom_it_newly_mentions_once() {
    let rig = Database::new().await;
    let pg = &rig.connect().await;
    let messages = five_messages(pg).await;
    let edit = |of: &MessageRow, content: &str, mentions: &[&str], at: u64| {
        let mut row = mentioning(of.clone(), mentions);
        row.versions.push(VersionRow {
            version: row.version.into(),
            content: std::mem::replace(&mut row.content, content.into()),
            written_by: row.user_id.clone(),
            written_at_ms: DAY_MS,
            replaced_by: row.user_id.clone(),
            replaced_at_ms: at,
        });
        (row.version, row.edited_at_ms) = (row.version + 1, Some(at));
        row
    };
    let first = edit(&messages[0], "for <@carol>", &["carol"], DAY_MS + 60_000);
    done(pg, &batch("acme", "r1", 5, 6, vec![first.clone()])).await;
    let seen = ask(pg, "carol", after(5)).await.expect("the log has grown");
    let notice = seen.found.expect("a mention");
    assert_eq!(
        (notice.reason, &notice.message["seq"], &notice.message["preview"]),
        (Mention, &1.into(), &"for <@carol>".into())
    );
    assert_eq!(seen.edited_ms, DAY_MS + 60_000);
    assert_eq!(found(pg, "dave", after(5)).await, None);
    let second = edit(&first, "still for <@carol>", &["carol"], DAY_MS + 90_000);
    done(pg, &batch("acme", "r1", 6, 7, vec![second])).await;
    let again = NoticesAfter { edited_ms: seen.edited_ms, ..after(6) };
    assert_eq!(found(pg, "carol", again).await, None, "it mentioned her before");
    assert_eq!(found(pg, "carol", after(6)).await, Some((1, Mention)), "who has missed the first edit");
    let mut to_all_now = edit(&messages[4], "@room", &[], DAY_MS + 95_000);
    to_all_now.mentions_room = true;
    done(pg, &batch("acme", "r1", 7, 8, vec![to_all_now])).await;
    assert_eq!(found(pg, "dave", after(7)).await, Some((5, RoomMention)));
}
