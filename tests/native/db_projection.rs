//! Batches of the outbox on a real Postgres: repeated, overlapping, late, conflicting, refused; and the rebuild.

use crate::db::{DAY_MS, batch, done, group, message_row, read, room, tenant, up_to, user};
use crate::postgres::{Database, NativePostgres, one_json};
use chinwag::db::{
    self, DbError, Failure, MessageRow, PageBounds, Postgres, Projected, Projection, ReactionRow,
};
use serde_json::{Value, json};
use std::sync::Mutex;
use tokio_postgres::types::{IsNull, ToSql, Type, private::BytesMut, to_sql_checked};

async fn log(pg: &NativePostgres) -> Vec<MessageRow> {
    db::messages_after(pg, &tenant("acme"), &room("r1"), 0, up_to(1000)).await.expect("messages").messages
}

async fn seqs(pg: &NativePostgres) -> Vec<u64> {
    log(pg).await.iter().map(|m| m.seq).collect()
}

/// A database with room r1 of alice, bob and carol.
async fn rig() -> (Database, NativePostgres) {
    let rig = Database::new().await;
    let pg = rig.connect().await;
    group(&pg, "acme", "r1", "alice", &["bob", "carol"]).await;
    (rig, pg)
}

fn talk(from: u64, to: u64) -> Projection {
    batch(
        "acme",
        "r1",
        from,
        to,
        (from + 1..=to).map(|seq| message_row("r1", seq, "alice", &format!("m{seq}"))).collect(),
    )
}

fn reacts(emoji: &str, by: &str) -> ReactionRow {
    ReactionRow { emoji: emoji.into(), user_id: by.into() }
}

#[tokio::test]
async fn what_goes_in_comes_back_whole_and_in_pages() {
    let (_rig, pg) = rig().await;
    let mut all = talk(0, 5);
    let rich = &mut all.messages[2];
    rich.content = "<@bob> \"quoted\" \\ 🦀 \u{1}\n\u{2028}".into();
    rich.attachments =
        vec![json!({"id": "a1", "name": "é.png", "mimeType": "image/png", "size": 12, "url": null})];
    rich.thread_id = Some("r1-1".into());
    rich.reply_to_id = Some("r1-2".into());
    rich.also_to_room = true;
    rich.mentions = vec!["bob".into()];
    rich.mentions_room = true;
    rich.version = 3;
    rich.reply_count = 7;
    rich.edited_at_ms = Some(DAY_MS + 123_456_789);
    rich.created_at_ms = 1_795_424_703_123;
    rich.client_id = None;
    rich.reactions = Some(vec![reacts("👍", "carol"), reacts("👍", "alice"), reacts("❤️", "bob")]);
    done(&pg, &all).await;
    assert_eq!(log(&pg).await, all.messages);
    let page = db::messages_after(&pg, &tenant("acme"), &room("r1"), 2, up_to(2)).await.expect("page");
    assert_eq!((&*page.messages, page.has_more), (&all.messages[2..4], true));
    let page = db::messages_after(&pg, &tenant("acme"), &room("r1"), 3, up_to(2)).await.expect("page");
    assert_eq!((&*page.messages, page.has_more), (&all.messages[3..5], false));
    // The third message is larger than the others. The one that exceeds the bytes ends the page.
    let bounds = |bytes| PageBounds { count: 10, bytes };
    for (bytes, count) in [(1, 1), (700, 2), (1_100, 3)] {
        let page =
            db::messages_after(&pg, &tenant("acme"), &room("r1"), 0, bounds(bytes)).await.expect("page");
        assert_eq!((&*page.messages, page.has_more), (&all.messages[..count], true), "{bytes}");
    }
    assert!(
        db::messages_after(&pg, &tenant("acme"), &room("r1"), 5, up_to(2))
            .await
            .expect("page")
            .messages
            .is_empty()
    );
}

#[tokio::test]
async fn a_batch_whose_reply_was_lost_goes_again_without_a_trace() {
    let (_rig, pg) = rig().await;
    let mut all = talk(0, 20);
    all.messages[4].reactions = Some(vec![reacts("👍", "bob"), reacts("🎉", "bob")]);
    all.reads.insert(user("bob"), read(7));
    done(&pg, &all).await;
    let before = physical(&pg).await;
    for _ in 0..2 {
        done(&pg, &all).await;
    }
    assert_eq!(log(&pg).await, all.messages);
    assert_eq!(physical(&pg).await, before, "no row but the room's was written again");
}

/// Where each row lies: an update moves it.
async fn physical(pg: &NativePostgres) -> Value {
    let sql = "SELECT json_build_array((SELECT json_agg(ctid ORDER BY seq) FROM chat_messages),
        (SELECT json_agg(ctid ORDER BY seq, emoji, user_id) FROM chat_message_reactions),
        (SELECT json_agg(ctid ORDER BY user_id) FROM chat_room_members))";
    pg.query(sql, json!({})).await.expect("physical")
}

#[tokio::test]
async fn overlapping_batches_bring_the_newest_and_late_ones_change_nothing() {
    let (_rig, pg) = rig().await;
    done(&pg, &talk(0, 5)).await;
    let mut next = talk(3, 8);
    next.messages[0].content = "m4, edited".into();
    next.messages[0].version = 2;
    done(&pg, &next).await;
    assert_eq!(seqs(&pg).await, [1, 2, 3, 4, 5, 6, 7, 8]);
    // The first batch again, from a connection that hung: it knows message 4 only as it was.
    let late = db::project(&pg, &talk(0, 5)).await.expect("late");
    let epoch = Some("e1".to_owned());
    assert_eq!(
        late,
        Projected::Ahead { last_seq: 8, members_version: 1, epoch, conflicts: vec![], inboxes: vec![] }
    );
    // A batch whose message 2 is another one: it is reported as a conflict, and nothing is changed.
    let mut foreign = talk(0, 5);
    foreign.messages[1].id = "another".into();
    let before = physical(&pg).await;
    let late = db::project(&pg, &foreign).await.expect("late");
    let epoch = Some("e1".to_owned());
    assert_eq!(
        late,
        Projected::Ahead { last_seq: 8, members_version: 1, epoch, conflicts: vec![2], inboxes: vec![] }
    );
    assert_eq!(physical(&pg).await, before);
    // And one with the same end, whose message 4 is old.
    done(&pg, &talk(3, 8)).await;
    assert_eq!(log(&pg).await[3].content, "m4, edited");
    assert_eq!(log(&pg).await[3].version, 2);
}

#[tokio::test]
async fn edits_reactions_and_deletions_make_the_rows_equal_to_the_room() {
    let (_rig, pg) = rig().await;
    let mut first = talk(0, 2);
    first.messages[0].reactions = Some(vec![reacts("👍", "carol"), reacts("👍", "bob"), reacts("🎉", "bob")]);
    first.messages[1].reactions = Some(vec![reacts("👍", "bob")]);
    first.messages[0].mentions = vec!["bob".into()];
    first.messages[0].attachments = vec![json!({"id": "a1"})];
    done(&pg, &first).await;

    let mut second = batch("acme", "r1", 2, 5, first.messages.clone());
    second.messages[0].reactions = Some(vec![reacts("🦀", "alice"), reacts("👍", "carol")]);
    second.messages[1].content = "edited".into();
    second.messages[1].version = 2;
    second.messages[1].edited_at_ms = Some(DAY_MS);
    second.messages[1].reply_count = 1;
    done(&pg, &second).await;
    assert_eq!(log(&pg).await, second.messages);

    // A tombstone takes everything along, even if the room still sends it.
    let mut third = batch("acme", "r1", 5, 6, vec![second.messages[0].clone()]);
    third.messages[0].deleted_at_ms = Some(DAY_MS + 1);
    third.messages[0].deleted_by = Some("alice".into());
    done(&pg, &third).await;
    let grave = log(&pg).await.swap_remove(0);
    assert_eq!((grave.content.as_str(), grave.attachments.len(), grave.mentions.len()), ("", 0, 0));
    assert_eq!((grave.deleted_at_ms, grave.deleted_by.as_deref()), (Some(DAY_MS + 1), Some("alice")));
    assert!(grave.reactions == Some(Vec::new()) && grave.id == "r1-1");

    // Content never comes back over it.
    done(&pg, &batch("acme", "r1", 5, 6, vec![second.messages[0].clone()])).await;
    assert_eq!(log(&pg).await[0], grave);
    let shown =
        db::get_room(&pg, &tenant("acme"), &user("bob"), &room("r1")).await.expect("get").expect("room").room;
    assert_eq!(
        shown["lastMessageAt"], "2026-11-23T00:00:02.000Z",
        "touching an old message is no new activity"
    );
}

#[tokio::test]
async fn another_message_under_the_same_seq_is_reported_and_left_alone() {
    let (_rig, pg) = rig().await;
    done(&pg, &talk(0, 5)).await;
    let mut second = talk(2, 7);
    second.messages[1].id = "another".into();
    second.messages[1].content = "another log's".into();
    second.messages[1].reactions = Some(vec![reacts("👍", "bob")]);
    second.epoch = "e2".into();
    let answer = db::project(&pg, &second).await.expect("project");
    let epoch = Some("e1".into());
    assert_eq!(
        answer,
        Projected::Done { last_seq: 7, members_version: 1, epoch, conflicts: vec![4], inboxes: vec![] }
    );
    assert_eq!(log(&pg).await, [talk(0, 4).messages, talk(4, 7).messages].concat());
}

#[tokio::test]
async fn a_postgres_set_back_says_from_where_to_send_again() {
    let (_rig, pg) = rig().await;
    let mut all = talk(0, 60);
    all.messages[20].reactions = Some(vec![reacts("👍", "bob")]);
    done(&pg, &all).await;
    pg.client
        .batch_execute("DELETE FROM chat_messages WHERE seq > 10; UPDATE chat_rooms SET last_seq = 10")
        .await
        .expect("set back");
    let behind = Projected::Behind { last_seq: 10, members_version: 1, epoch: Some("e1".into()) };
    assert_eq!(db::project(&pg, &talk(60, 61)).await.expect("project"), behind);
    assert_eq!(seqs(&pg).await.len(), 10, "nothing was changed");
    let mut rest = batch("acme", "r1", 10, 60, all.messages[10..].to_vec());
    done(&pg, &rest).await;
    rest = talk(60, 61);
    done(&pg, &rest).await;
    assert_eq!(log(&pg).await, [all.messages, rest.messages].concat());
}

#[tokio::test]
async fn a_room_that_is_gone_is_missing() {
    let (_rig, pg) = rig().await;
    done(&pg, &talk(0, 3)).await;
    pg.client.batch_execute("DELETE FROM chat_rooms").await.expect("delete");
    assert_eq!(db::project(&pg, &talk(3, 4)).await.expect("project"), Projected::Missing);
    assert!(log(&pg).await.is_empty(), "its messages went with it");
}

#[tokio::test]
async fn a_batch_that_waited_for_another_does_not_judge_by_what_it_saw_before() {
    let (rig, pg) = rig().await;
    done(&pg, &talk(0, 1)).await;
    let waiting = rig.connect().await;
    // The first batch sets bob's reaction and hasn't committed; the second, by then, knows that it was removed.
    let mut first = batch("acme", "r1", 1, 2, vec![message_row("r1", 1, "alice", "m1")]);
    first.messages[0].reactions = Some(vec![reacts("👍", "bob")]);
    first.reads.insert(user("bob"), read(1));
    let second = batch("acme", "r1", 1, 3, vec![message_row("r1", 1, "alice", "m1")]);
    pg.client.batch_execute("BEGIN").await.expect("begin");
    done(&pg, &first).await;
    let task = tokio::spawn(async move { db::project(&waiting, &second).await });
    let blocked = "SELECT FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let watch = rig.connect().await.client;
    while watch.query(blocked, &[]).await.expect("watch").len() != 1 {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    pg.client.batch_execute("COMMIT").await.expect("commit");
    let answer = task.await.expect("task").expect("second");
    assert!(matches!(answer, Projected::Done { last_seq: 3, .. }), "{answer:?}");
    assert_eq!(log(&pg).await[0].reactions, Some(Vec::new()), "the second batch is the truth");
}

#[tokio::test]
async fn read_markers_only_go_forward() {
    let (_rig, pg) = rig().await;
    let mut all = talk(0, 9);
    all.reads.insert(user("bob"), read(6));
    all.reads.insert(user("eve"), read(6));
    done(&pg, &all).await;
    let marker = async |who: &str| {
        let snapshot = db::room_snapshot(&pg, &tenant("acme"), &room("r1"), None)
            .await
            .expect("snapshot")
            .expect("room");
        snapshot.members.iter().find(|m| m.user_id == user(who)).map(|m| m.last_read_seq)
    };
    assert_eq!((marker("bob").await, marker("carol").await, marker("eve").await), (Some(6), Some(0), None));
    // Markers alone, no event: a batch from and to where the projection stands.
    for (sent, stands) in [(4, 6), (8, 8), (0, 8)] {
        let mut markers = batch("acme", "r1", 9, 9, vec![]);
        markers.reads.insert(user("bob"), read(sent));
        done(&pg, &markers).await;
        assert_eq!(marker("bob").await, Some(stands));
    }
}

#[tokio::test]
async fn unread_and_mentions_are_exact() {
    let (_rig, pg) = rig().await;
    let mut all = talk(0, 200);
    let message = |all: &mut Projection, seq: usize, change: &dyn Fn(&mut MessageRow)| {
        change(&mut all.messages[seq - 1])
    };
    for seq in 101..=200 {
        message(&mut all, seq, &|m| m.user_id = "bob".into());
    }
    message(&mut all, 190, &|m| m.mentions = vec!["carol".into(), "alice".into()]);
    message(&mut all, 191, &|m| m.mentions_room = true);
    message(&mut all, 192, &|m| m.thread_id = Some("r1-1".into()));
    message(&mut all, 193, &|m| (m.thread_id, m.also_to_room) = (Some("r1-1".into()), true));
    message(&mut all, 194, &|m| (m.deleted_at_ms, m.mentions_room) = (Some(DAY_MS), true));
    message(&mut all, 195, &|m| m.mentions = vec!["car".into(), "carol2".into()]);
    message(&mut all, 199, &|m| (m.thread_id, m.created_at_ms) = (Some("r1-1".into()), DAY_MS + 3_600_000));
    message(&mut all, 200, &|m| (m.content, m.deleted_at_ms) = (String::new(), Some(DAY_MS)));
    message(&mut all, 198, &|m| m.content = "🦀".repeat(300));
    all.reads.insert(user("carol"), read(180));
    done(&pg, &all).await;
    let see = async |who: &str| {
        db::get_room(&pg, &tenant("acme"), &user(who), &room("r1")).await.expect("get").expect("room").room
    };
    let counts = async |who: &str| {
        let room = see(who).await;
        (room["unread"].as_u64().unwrap(), room["mentions"].as_u64().unwrap())
    };
    assert_eq!(counts("carol").await, (20 - 4, 2), "two in a thread only, two deleted");
    assert_eq!(counts("alice").await, (100 - 4, 2), "none of her own");
    assert_eq!(counts("bob").await, (100, 0), "capped at 100; his own @room is none");
    assert_eq!(see("carol").await["lastMessageAt"], "2026-11-23T00:03:20.000Z", "threads don't lift a room");
    let last = see("carol").await["lastMessage"].clone();
    assert_eq!(last["seq"], 198, "past the tombstone and the thread's reply");
    assert_eq!(last["content"], json!("🦀".repeat(200)));
    assert_eq!(last["createdAt"], "2026-11-23T00:03:18.000Z");
    // Who came at 185 to a room whose history begins with joining.
    pg.client
        .batch_execute(
            "UPDATE chat_rooms SET history_visibility = 'since_join';
             UPDATE chat_room_members SET joined_seq = 191, last_read_seq = 0 WHERE user_id = 'carol';
             UPDATE chat_room_members SET joined_seq = 198 WHERE user_id = 'alice'",
        )
        .await
        .expect("since_join");
    assert_eq!(counts("carol").await, (9 - 4, 0));
    assert_eq!(see("alice").await["lastMessage"], Value::Null, "what is before one's joining isn't shown");
}

/// Sends its input as these bytes, whatever is asked: what no typed input can be made of.
struct Raw<'a>(&'a NativePostgres, Mutex<Vec<u8>>);

#[derive(Debug)]
struct Bytes(Vec<u8>);

impl ToSql for Bytes {
    fn to_sql(
        &self,
        _: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        out.extend_from_slice(&[1]);
        out.extend_from_slice(&self.0);
        Ok(IsNull::No)
    }
    fn accepts(ty: &Type) -> bool {
        *ty == Type::JSONB
    }
    to_sql_checked!();
}

impl Postgres for Raw<'_> {
    async fn query(&self, sql: &'static str, _: Value) -> Result<Value, DbError> {
        let bytes = self.1.lock().expect("bytes").clone();
        one_json(&self.0.client, sql, &Bytes(bytes)).await
    }
}

#[tokio::test]
async fn each_poison_has_its_state_and_leaves_nothing_behind() {
    let (_rig, pg) = rig().await;
    let good = talk(0, 3);
    let text = serde_json::to_string(&good).expect("text");
    let with = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        text.replacen(from, to, 1).into_bytes()
    };
    let mut bad_utf8 = with("m2", "m__");
    let at = bad_utf8.windows(3).position(|w| w == b"m__").expect("place");
    bad_utf8[at..at + 3].copy_from_slice(&[0xff, 0xfe, 0xfd]);
    let deep = format!("\"attachments\":[{}{}]", "[".repeat(50_000), "]".repeat(50_000));
    let poisons = [
        ("a NUL", with("m2", "\\u0000"), "22P05"),
        ("half a surrogate pair", with("m2", "\\ud800"), "22P02"),
        ("bytes that are no UTF-8", bad_utf8, "22021"),
        ("no JSON", with("\"m2\"", "m2"), "22P02"),
        ("nested too deeply", with("\"attachments\":[]", &deep), "54001"),
        ("a seq past bigint", with("\"seq\":2", "\"seq\":99999999999999999999"), "22003"),
        ("a seq that is text", with("\"seq\":2", "\"seq\":\"two\""), "22P02"),
        ("a version past integer", with("\"version\":1", "\"version\":4294967295"), "22003"),
        ("a time past all calendars", with("\"createdAtMs\":1", "\"createdAtMs\":99991"), "22008"),
        ("an id too long", with("\"r1-2\"", &format!("\"{}\"", "x".repeat(129))), "23514"),
        ("version 0", with("\"version\":1", "\"version\":0"), "23514"),
        ("no content", with("\"m2\"", "null"), "23502"),
        ("no user", with("\"userId\":\"alice\",", ""), "23502"),
        ("an id that another seq has", with("\"r1-2\"", "\"r1-1\""), "23505"),
        ("a seq twice", with("\"seq\":2", "\"seq\":1"), "21000"),
        ("an empty emoji", with("\"reactions\":[]", r#""reactions":[{"emoji":"","userId":"bob"}]"#), "23514"),
    ];
    for (what, bytes, state) in poisons {
        let error = db::project(&Raw(&pg, Mutex::new(bytes)), &good).await.expect_err(what);
        assert_eq!(error.sqlstate.as_deref(), Some(state), "{what}: {error}");
        assert_eq!(error.failure(), Failure::SetAside, "{what}");
    }
    assert!(log(&pg).await.is_empty());
    done(&pg, &good).await;

    pg.client.batch_execute("ALTER TABLE chat_messages RENAME TO away").await.expect("rename");
    let error = db::project(&pg, &talk(3, 4)).await.expect_err("a table is away");
    assert_eq!((error.sqlstate.as_deref(), error.failure()), (Some("42P01"), Failure::Halt));
    pg.client.batch_execute("ALTER TABLE away RENAME TO chat_messages").await.expect("back");
    pg.client.batch_execute("SET default_transaction_read_only = on").await.expect("read-only");
    let error = db::project(&pg, &talk(3, 4)).await.expect_err("read-only");
    assert_eq!((error.sqlstate.as_deref(), error.failure()), (Some("25006"), Failure::Retry));
    pg.client
        .batch_execute("RESET default_transaction_read_only; SET statement_timeout = 1")
        .await
        .expect("set");
    let error = db::project(&pg, &talk(3, 2000)).await.expect_err("too slow");
    assert_eq!((error.sqlstate.as_deref(), error.failure()), (Some("57014"), Failure::Retry));
    pg.client.batch_execute("RESET statement_timeout").await.expect("reset");
    done(&pg, &talk(3, 4)).await;
}
