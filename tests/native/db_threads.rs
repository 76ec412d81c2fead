//! Versions, tombstones, threads and read markers that were set back, on a real Postgres: their projection and the
//! unread counts that follow.

use crate::db::{DAY_MS, batch, done, group, message_row, read, room, tenant, up_to, user};
use crate::postgres::{Database, NativePostgres, one_json};
use chinwag::db::{self, Marker, MessageRow, Projected, VersionRow};
use serde_json::{Value, json};
use tokio_postgres::types::Json;

async fn rig() -> (Database, NativePostgres) {
    let rig = Database::new().await;
    let pg = rig.connect().await;
    group(&pg, "acme", "r1", "alice", &["bob", "carol"]).await;
    (rig, pg)
}

fn version(version: u64, content: &str) -> VersionRow {
    VersionRow {
        version,
        content: content.into(),
        written_by: "alice".into(),
        written_at_ms: DAY_MS + version,
        replaced_by: "bob".into(),
        replaced_at_ms: DAY_MS + version + 1,
    }
}

fn edited(versions: &[&str]) -> MessageRow {
    let mut row = message_row("r1", 1, "alice", "now");
    row.versions = (1..).zip(versions).map(|(n, content)| version(n, content)).collect();
    row.version = versions.len() as u32 + 1;
    row.edited_at_ms = Some(DAY_MS + 9);
    row
}

async fn kept(pg: &NativePostgres) -> Vec<MessageRow> {
    db::messages_after(pg, &tenant("acme"), &room("r1"), 0, up_to(100)).await.expect("messages").messages
}

async fn all(pg: &NativePostgres, table: &str) -> String {
    let sql = format!("SELECT coalesce(json_agg(t), '[]') FROM {table} t WHERE $1 IS NOT NULL");
    one_json(&pg.client, &sql, &Json(&json!({}))).await.expect("a table").to_string()
}

#[tokio::test]
async fn versions_come_and_go_as_the_room_keeps_them_and_come_back_with_a_rebuild() {
    let (_rig, pg) = rig().await;
    done(&pg, &batch("acme", "r1", 0, 1, vec![message_row("r1", 1, "alice", "first")])).await;
    done(&pg, &batch("acme", "r1", 1, 2, vec![edited(&["first"])])).await;
    for _ in 0..2 {
        done(&pg, &batch("acme", "r1", 2, 3, vec![edited(&["first", "second"])])).await;
    }
    assert_eq!(kept(&pg).await, [edited(&["first", "second"])]);
    // One that the room keeps no more.
    let mut fewer = edited(&["first", "second", "third"]);
    fewer.versions.remove(1);
    done(&pg, &batch("acme", "r1", 3, 4, vec![fewer.clone()])).await;
    assert_eq!(kept(&pg).await, [fewer]);
    // A late batch with older state changes nothing.
    let late = db::project(&pg, &batch("acme", "r1", 2, 3, vec![edited(&["first", "second"])])).await;
    assert!(matches!(late.expect("late"), Projected::Ahead { .. }));
    done(&pg, &batch("acme", "r1", 3, 4, vec![edited(&["first"])])).await;
    assert_eq!(kept(&pg).await[0].version, 4, "never an older version over a newer");
}

#[tokio::test]
async fn of_a_deleted_message_nothing_stays_whatever_comes_later() {
    let (_rig, pg) = rig().await;
    done(&pg, &batch("acme", "r1", 0, 2, vec![edited(&["a secret", "another secret"])])).await;
    let mut gone = edited(&["a secret", "another secret"]);
    (gone.content, gone.deleted_at_ms, gone.deleted_by) =
        (String::new(), Some(DAY_MS + 20), Some("bob".into()));
    done(&pg, &batch("acme", "r1", 2, 3, vec![gone.clone()])).await;
    let row = kept(&pg).await.remove(0);
    assert_eq!((row.versions.len(), row.deleted_by.as_deref()), (0, Some("bob")));
    // The batch before it once more, from a connection that hung, under each end that it could have.
    for (from, to) in [(0, 2), (2, 3)] {
        let late = batch("acme", "r1", from, to, vec![edited(&["a secret", "another secret"])]);
        db::project(&pg, &late).await.expect("late");
    }
    for table in ["chat_messages", "chat_message_versions"] {
        let text = all(&pg, table).await;
        assert!(!text.contains("secret"), "{table}: {text}");
    }
}

#[tokio::test]
async fn a_reply_is_unread_for_who_follows_and_for_nobody_else() {
    let (_rig, pg) = rig().await;
    let root = message_row("r1", 1, "alice", "root");
    let mut rows = vec![MessageRow { reply_count: 2, followers: vec!["alice".into()], ..root.clone() }];
    for (seq, followers) in [(2, vec!["bob", "alice"]), (4, vec!["bob"])] {
        let mut reply = message_row("r1", seq, "bob", "reply");
        (reply.thread_id, reply.thread_seq) = (Some(root.id.clone()), Some(1));
        reply.followers = followers.into_iter().map(str::to_owned).collect();
        rows.push(reply);
    }
    let mut shown = message_row("r1", 6, "bob", "in the room too");
    (shown.thread_id, shown.thread_seq, shown.also_to_room) = (Some(root.id.clone()), Some(1), true);
    rows.push(shown);
    done(&pg, &batch("acme", "r1", 0, 6, rows)).await;
    let unread = async |who: &str| {
        let seen = db::get_room(&pg, &tenant("acme"), &user(who), &room("r1")).await;
        seen.expect("get").expect("a room").room["unread"].clone()
    };
    assert_eq!(unread("alice").await, 3, "follows: both replies and what shows in the room");
    assert_eq!(unread("bob").await, 1, "own ones are never unread: the root");
    assert_eq!(unread("carol").await, 2, "doesn't follow: the root and what shows in the room");
    let mut again = message_row("r1", 7, "alice", "<@carol>");
    (again.thread_id, again.thread_seq) = (Some(root.id), Some(1));
    (again.mentions, again.followers) = (vec!["carol".into()], vec!["alice".into(), "carol".into()]);
    done(&pg, &batch("acme", "r1", 6, 8, vec![again])).await;
    assert_eq!(unread("carol").await, 5, "named in it she follows, and all of it counts");
    assert_eq!(unread("bob").await, 2);
}

#[tokio::test]
async fn a_marker_that_was_set_back_is_not_overtaken() {
    let (_rig, pg) = rig().await;
    let marker = async || {
        let room = db::room_snapshot(&pg, &tenant("acme"), &room("r1"), None)
            .await
            .expect("snapshot")
            .expect("room");
        let bob = room.members.into_iter().find(|m| m.user_id == user("bob")).expect("bob");
        (bob.read_generation, bob.last_read_seq)
    };
    let send = async |at: u64, marker: Marker| {
        let mut one = batch("acme", "r1", at, at + 1, vec![]);
        one.reads.insert(user("bob"), marker);
        done(&pg, &one).await;
    };
    send(0, read(5)).await;
    assert_eq!(marker().await, (0, 5));
    send(1, Marker { generation: 1, seq: 2 }).await;
    assert_eq!(marker().await, (1, 2), "set back on purpose");
    send(2, read(9)).await;
    assert_eq!(marker().await, (1, 2), "one of before is further, and older");
    send(3, Marker { generation: 1, seq: 1 }).await;
    assert_eq!(marker().await, (1, 2));
    send(4, Marker { generation: 1, seq: 3 }).await;
    assert_eq!(marker().await, (1, 3));
}

#[tokio::test]
async fn the_migration_finds_the_threads_of_before() {
    let rig = Database::new().await;
    let pg = rig.connect().await;
    // What stood there before 0002, as it left it.
    let id = |seq| chinwag::ids::MessageId::new(DAY_MS, seq, 7).to_string();
    let sql = "SELECT ('x' || right(replace($1, '-', ''), 10))::bit(40)::bigint";
    for seq in [1, 255, 1 << 33] {
        let found: i64 = pg.client.query_one(sql, &[&id(seq)]).await.expect("a seq").get(0);
        assert_eq!(found as u64, seq, "an id ends in its seq");
    }
    let columns: Value =
        serde_json::from_str(&all(&pg, "information_schema.columns").await).expect("columns");
    let has = |name: &str| columns.as_array().into_iter().flatten().any(|c| c["column_name"] == name);
    assert!(has("thread_seq") && has("last_reply_at") && has("read_generation"));
}
