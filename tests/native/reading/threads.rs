//! The threads that a person follows, and their markers, on a real Postgres.
//! Not here: who follows a thread (`room::thread`), plans and times (`db_plans`).

use super::{deleted, send_rows, sql};
use crate::db::{DAY_MS, batch, done, group, message_row, read as read_to, room, tenant, user};
use crate::postgres::{Database, NativePostgres};
use chinwag::db::{self, MessageRow, Place};
use chinwag::limits::{PAGE_BYTES_MAX, THREADS_FEW_MAX, THREADS_WALK_MAX};

/// The root at `seq`, whose newest reply came at this second.
fn root(r: &str, seq: u64, by: &str, replies: u64, second: u64) -> MessageRow {
    let mut row = message_row(r, seq, by, "root");
    row.reply_count = replies as u32;
    row.last_reply_at_ms = (replies > 0).then_some(DAY_MS + second * 1000);
    row.followers = vec![by.to_owned()];
    row
}

fn reply(r: &str, seq: u64, by: &str, of: u64) -> MessageRow {
    let mut row = message_row(r, seq, by, "reply");
    (row.thread_id, row.thread_seq) = (Some(format!("{r}-{of}")), Some(of));
    row.followers = vec![by.to_owned()];
    row
}

/// Room, root and unread replies of each thread.
async fn threads(pg: &NativePostgres, who: &str) -> Vec<(String, u64, u64)> {
    pages(pg, who, 100).await.0
}

async fn pages(pg: &NativePostgres, who: &str, limit: u64) -> (Vec<(String, u64, u64)>, usize) {
    let (mut all, mut place, mut count) = (Vec::new(), Place::newest(), 0);
    loop {
        let page = db::list_threads(pg, &tenant("acme"), &user(who), &place, limit).await.expect("a page");
        count += 1;
        let bytes: usize = page.found.iter().map(|thread| thread.root.content.len()).sum();
        assert!(bytes <= PAGE_BYTES_MAX && page.found.len() as u64 <= limit, "{bytes}");
        let thread =
            |thread: &db::FollowedThread| (thread.room_id.to_string(), thread.root.seq, thread.unread);
        all.extend(page.found.iter().map(thread));
        let Some(next) = page.next else { return (all, count) };
        place = next;
    }
}

async fn mark(pg: &NativePostgres, who: &str, (r, root): (&str, u64), seq: u64) -> Option<u64> {
    db::mark_thread_read(pg, (&tenant("acme"), &user(who)), (&room(r), root), seq).await.expect("marked")
}

fn thread(r: &str, root: u64, unread: u64) -> (String, u64, u64) {
    (r.to_owned(), root, unread)
}

#[tokio::test]
async fn thread_6_are_those_that_i_follow_newest_reply_first() {
    let rig = Database::new().await;
    let pg = &rig.connect().await;
    for r in ["r1", "r2", "r3", "r4"] {
        group(pg, "acme", r, "alice", &["bob", "carol"]).await;
    }
    let mut mentioning = reply("r1", 5, "bob", 2);
    mentioning.followers.push("carol".into());
    let of_r1 = vec![
        root("r1", 1, "alice", 1, 10),
        root("r1", 2, "bob", 1, 40),
        root("r1", 3, "alice", 0, 0),
        reply("r1", 4, "bob", 1),
        mentioning,
    ];
    send_rows(pg, "r1", of_r1).await;
    send_rows(pg, "r2", vec![root("r2", 1, "bob", 1, 20), reply("r2", 2, "alice", 1)]).await;
    for r in ["r3", "r4"] {
        send_rows(pg, r, vec![root(r, 1, "alice", 1, 30), reply(r, 2, "bob", 1)]).await;
    }
    let all = [thread("r4", 1, 1), thread("r3", 1, 1), thread("r2", 1, 0), thread("r1", 1, 1)];
    assert_eq!(threads(pg, "alice").await, all);
    assert_eq!(threads(pg, "carol").await, [thread("r1", 2, 1)], "whom a reply mentions");
    assert_eq!(pages(pg, "alice", 2).await.1, 2);
    assert_eq!(pages(pg, "alice", 2).await.0, all);
    // A newer reply, and one that is deleted with nothing left.
    done(pg, &batch("acme", "r1", 5, 7, vec![root("r1", 1, "alice", 2, 50), reply("r1", 6, "bob", 1)])).await;
    done(
        pg,
        &batch("acme", "r2", 2, 4, vec![root("r2", 1, "bob", 0, 0), deleted(reply("r2", 2, "alice", 1))]),
    )
    .await;
    sql(
        pg,
        "DELETE FROM chat_room_members WHERE room_id = 'r4' AND user_id = 'alice';
         UPDATE chat_rooms SET history_visibility = 'since_join' WHERE id = 'r3';
         UPDATE chat_room_members SET joined_seq = 1 WHERE room_id = 'r3' AND user_id = 'alice'",
    )
    .await;
    assert_eq!(
        threads(pg, "alice").await,
        [thread("r1", 1, 2)],
        "no room left, no hidden root, no empty thread"
    );
    assert_eq!(threads(pg, "dave").await, []);
}

#[tokio::test]
async fn thread_7_a_thread_has_a_marker_of_its_own() {
    let rig = Database::new().await;
    let pg = &rig.connect().await;
    group(pg, "acme", "r1", "alice", &["bob"]).await;
    let mut shared = reply("r1", 6, "bob", 1);
    shared.also_to_room = true;
    let rows = vec![
        root("r1", 1, "alice", 5, 10),
        reply("r1", 2, "bob", 1),
        reply("r1", 3, "bob", 1),
        deleted(reply("r1", 4, "bob", 1)),
        reply("r1", 5, "alice", 1),
        shared,
    ];
    send_rows(pg, "r1", rows).await;
    let unread = async |who: &str| threads(pg, who).await[0].2;
    assert_eq!(unread("alice").await, 3, "none of hers, none that is deleted, and the one in the room");
    let mut read = batch("acme", "r1", 6, 6, vec![]);
    read.reads.insert(user("alice"), read_to(2));
    done(pg, &read).await;
    assert_eq!(unread("alice").await, 2, "without a marker of the thread that of the room counts");
    assert_eq!(mark(pg, "alice", ("r1", 1), 1).await, Some(1));
    assert_eq!(unread("alice").await, 3, "the thread was read less far");
    read.reads.insert(user("alice"), read_to(6));
    done(pg, &read).await;
    assert_eq!(unread("alice").await, 3, "who has read the room has not read the thread");
    assert_eq!(mark(pg, "alice", ("r1", 1), 3).await, Some(3));
    assert_eq!(mark(pg, "alice", ("r1", 1), 2).await, Some(3), "never back");
    assert_eq!(unread("alice").await, 1);
    assert_eq!(mark(pg, "alice", ("r1", 1), 6).await, Some(6));
    assert_eq!((unread("alice").await, unread("bob").await), (0, 1), "hers alone");
    let page =
        db::list_threads(pg, &tenant("acme"), &user("alice"), &Place::newest(), 1).await.expect("a page");
    assert_eq!(page.found[0].last_read_seq, 6);
}

#[tokio::test]
async fn thread_7_counts_end_at_100() {
    let rig = Database::new().await;
    let pg = &rig.connect().await;
    group(pg, "acme", "r1", "alice", &["bob"]).await;
    let replies = (2..=151).map(|seq| reply("r1", seq, "bob", 1));
    send_rows(pg, "r1", [root("r1", 1, "alice", 150, 9)].into_iter().chain(replies).collect()).await;
    assert_eq!(threads(pg, "alice").await, [thread("r1", 1, 100)]);
}

#[tokio::test]
async fn thread_8_nothing_is_kept_for_who_does_not_follow() {
    let rig = Database::new().await;
    let pg = &rig.connect().await;
    group(pg, "acme", "r1", "alice", &["bob", "carol"]).await;
    send_rows(pg, "r1", vec![root("r1", 1, "alice", 1, 10), reply("r1", 2, "bob", 1)]).await;
    assert_eq!(mark(pg, "carol", ("r1", 1), 2).await, None);
    assert_eq!(threads(pg, "carol").await, []);
}

/// Threads of Bob's in so many rooms, the newest first; alice follows each `each`th.
async fn many(pg: &NativePostgres, rooms: u64, (count, each): (u64, u64)) {
    for n in 0..rooms {
        group(pg, "acme", &format!("r{n}"), "bob", &["alice"]).await;
    }
    let fill = format!(
        "INSERT INTO chat_messages (tenant_id, room_id, seq, id, user_id, content, content_type, reply_count, created_at, last_reply_at)
         SELECT 'acme', 'r' || n % {rooms}, 1 + n / {rooms}, 'm' || n, 'bob', 'root', 'text', 1, '2026-06-01',
             '2026-06-02'::timestamptz - n * interval '1 s'
         FROM generate_series(0, {count} - 1) n;
         INSERT INTO chat_thread_followers (tenant_id, room_id, thread_seq, user_id)
         SELECT 'acme', 'r' || n % {rooms}, 1 + n / {rooms}, 'alice' FROM generate_series(0, {count} - 1, {each}) n"
    );
    sql(pg, &fill).await;
}

#[tokio::test]
async fn thread_6_somebody_who_follows_many_gets_them_by_a_bounded_walk() {
    for rooms in [20, 1] {
        let rig = Database::new().await;
        let pg = &rig.connect().await;
        let (followed, each) = (THREADS_FEW_MAX + 200, 4);
        many(pg, rooms, (followed * each, each)).await;
        let (all, count) = pages(pg, "alice", 100).await;
        let followed = (0..followed * each).step_by(4);
        let expected = followed.map(|n| thread(&format!("r{}", n % rooms), 1 + n / rooms, 0));
        assert_eq!((all.clone(), count), (expected.collect::<Vec<_>>(), 22));
        // The newest are none of hers.
        let strangers = format!(
            "INSERT INTO chat_threads SELECT 'acme', 'x', n, now() FROM generate_series(1, {}) n",
            THREADS_WALK_MAX + 10
        );
        sql(pg, &strangers).await;
        assert_eq!(pages(pg, "alice", 100).await.1, 23, "the first page ends before it finds one");
        let few = "DELETE FROM chat_thread_followers WHERE thread_seq > (SELECT max(thread_seq) / 2 FROM chat_thread_followers)";
        sql(pg, few).await;
        let (half, count) = pages(pg, "alice", 100).await;
        assert_eq!((&half[..], count), (&all[..half.len()], half.len().div_ceil(100)), "the same, sorted");
    }
}
