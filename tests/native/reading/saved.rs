//! Saved messages, on a real Postgres: what the list shows to whom, its bounds, and what an inbox learns of changes.
//! Not here: whether the room has the message (`room::saved`), and the inbox itself (`inbox`).

use super::{deleted, send_rows, sql};
use crate::db::{DAY_MS, batch, done, group, message_row, room, tenant, user};
use crate::postgres::{Database, NativePostgres};
use chinwag::db::{self, MessageRow, SavedAfter, SavedChanges, SavedSet};
use chinwag::ids::MessageId;
use chinwag::limits::{INBOX_SAVED_MAX, PAGE_BYTES_MAX, SAVED_MAX, SAVED_WALK_MAX};

/// Ids are unique in a tenant.
fn id(r: &str, seq: u64) -> MessageId {
    MessageId::new(DAY_MS, seq, r.bytes().map(u64::from).sum())
}

fn message(r: &str, seq: u64, content: &str) -> MessageRow {
    MessageRow { id: id(r, seq).to_string(), ..message_row(r, seq, "bob", content) }
}

async fn set(pg: &NativePostgres, who: &str, (r, seq): (&str, u64), saved: bool) -> SavedSet {
    db::set_saved(pg, (&tenant("acme"), &user(who)), (&room(r), id(r, seq)), saved).await.expect("saved")
}

async fn save(pg: &NativePostgres, who: &str, r: &str, seq: u64) {
    assert!(!set(pg, who, (r, seq), true).await.is_full);
}

/// Room and seq of each, over all pages of this size; and how many pages.
async fn pages(pg: &NativePostgres, who: &str, limit: u64) -> (Vec<(String, u64)>, usize) {
    let (mut all, mut below, mut count) = (Vec::new(), None, 0);
    loop {
        let page = db::list_saved(pg, &tenant("acme"), &user(who), below, limit).await.expect("a page");
        count += 1;
        let bytes: usize = page.found.iter().map(|found| found.message.content.len()).sum();
        assert!(bytes <= PAGE_BYTES_MAX, "{bytes}");
        all.extend(page.found.iter().map(|found| (found.room_id.to_string(), found.message.seq)));
        let Some(next) = page.next else { return (all, count) };
        below = Some(next);
    }
}

async fn list(pg: &NativePostgres, who: &str) -> Vec<(String, u64)> {
    pages(pg, who, 100).await.0
}

fn seqs(r: &str, seqs: &[u64]) -> Vec<(String, u64)> {
    seqs.iter().map(|seq| (r.to_owned(), *seq)).collect()
}

/// What an inbox learns that has shown everything up to `after`.
async fn changes(pg: &NativePostgres, who: &str, after: Option<u64>) -> SavedChanges {
    let asked = db::InboxAsked { saved: Some(SavedAfter(after)), ..db::InboxAsked::default() };
    let seen = db::inbox_rooms(pg, &tenant("acme"), &user(who), asked).await.expect("changes");
    seen.saved.expect("that was asked for")
}

#[tokio::test]
async fn saved_1_a_list_is_its_persons_alone_and_what_is_sent_twice_changes_nothing() {
    let rig = Database::new().await;
    let pg = &rig.connect().await;
    group(pg, "acme", "r1", "alice", &["bob"]).await;
    send_rows(pg, "r1", (1..=3).map(|seq| message("r1", seq, "hi")).collect()).await;
    for seq in [2, 1, 3, 2] {
        save(pg, "alice", "r1", seq).await;
    }
    assert_eq!(list(pg, "alice").await, seqs("r1", &[3, 1, 2]), "the one saved last first");
    assert_eq!(list(pg, "bob").await, []);
    for _ in 0..2 {
        set(pg, "alice", ("r1", 1), false).await;
        set(pg, "bob", ("r1", 2), false).await;
    }
    assert_eq!(list(pg, "alice").await, seqs("r1", &[3, 2]));
    save(pg, "alice", "r1", 1).await;
    assert_eq!(list(pg, "alice").await, seqs("r1", &[1, 3, 2]), "saved anew");
}

#[tokio::test]
async fn saved_2_what_may_not_be_seen_now_is_left_out() {
    let rig = Database::new().await;
    let pg = &rig.connect().await;
    for r in ["r1", "r2", "r3", "r4"] {
        group(pg, "acme", r, "bob", &["alice"]).await;
        send_rows(pg, r, (1..=2).map(|seq| message(r, seq, "hi")).collect()).await;
        for seq in [1, 2] {
            save(pg, "alice", r, seq).await;
        }
    }
    save(pg, "alice", "r1", 3).await;
    assert_eq!(list(pg, "alice").await.len(), 8, "the last one is not projected");
    done(pg, &batch("acme", "r1", 2, 3, vec![message("r1", 3, "late")])).await;
    let edited = MessageRow { content: "better".into(), version: 2, ..message("r1", 1, "hi") };
    done(pg, &batch("acme", "r1", 3, 5, vec![deleted(message("r1", 2, "")), edited])).await;
    sql(
        pg,
        "DELETE FROM chat_room_members WHERE room_id = 'r2' AND user_id = 'alice';
         UPDATE chat_rooms SET deleted_at = now() WHERE id = 'r3';
         UPDATE chat_rooms SET history_visibility = 'since_join' WHERE id = 'r4';
         UPDATE chat_room_members SET joined_seq = 1 WHERE room_id = 'r4' AND user_id = 'alice'",
    )
    .await;
    let expected = [seqs("r1", &[3]), seqs("r4", &[2]), seqs("r1", &[1])].concat();
    assert_eq!(list(pg, "alice").await, expected);
    let page = db::list_saved(pg, &tenant("acme"), &user("alice"), None, 100).await.expect("a page");
    assert_eq!(page.found[2].message.content, "better", "as it is now");
    group(pg, "acme", "r5", "bob", &["alice"]).await;
    sql(pg, "INSERT INTO chat_room_members (tenant_id, room_id, user_id, role) VALUES ('acme', 'r2', 'alice', 'member')")
        .await;
    assert_eq!(list(pg, "alice").await.len(), 5, "who is back sees it again");
    // Another message took the place of one that was lost with the room's storage.
    let other = MessageRow { id: MessageId::new(DAY_MS, 1, 99).to_string(), ..message("r5", 1, "another") };
    send_rows(pg, "r5", vec![other]).await;
    save(pg, "alice", "r5", 1).await;
    assert_eq!(list(pg, "alice").await.len(), 5);
}

#[tokio::test]
async fn saved_2_pages_end_by_number_bytes_and_what_they_pass_over() {
    let rig = Database::new().await;
    let pg = &rig.connect().await;
    group(pg, "acme", "r1", "bob", &["alice"]).await;
    let large = "x".repeat(20_000);
    send_rows(pg, "r1", (1..=70).map(|seq| message("r1", seq, &large)).collect()).await;
    for seq in 1..=70 {
        save(pg, "alice", "r1", seq).await;
    }
    let newest_first: Vec<u64> = (1..=70).rev().collect();
    assert_eq!(pages(pg, "alice", 40).await, (seqs("r1", &newest_first), 2));
    assert_eq!(pages(pg, "alice", 100).await, (seqs("r1", &newest_first), 2), "1.4 MB");
    // Rooms that she has left.
    let left = format!(
        "INSERT INTO chat_saved SELECT 'acme', 'alice', 'left', n, 'x' || n, 70 + n, true FROM generate_series(1, {}) n;
         UPDATE chat_saved_changes SET rev = 100000",
        SAVED_WALK_MAX + 50
    );
    sql(pg, &left).await;
    assert_eq!(pages(pg, "alice", 100).await, (seqs("r1", &newest_first), 3), "the first one is empty");
}

#[tokio::test]
async fn saved_3_a_full_list_refuses_unless_deleted_messages_make_room() {
    let rig = Database::new().await;
    let pg = &rig.connect().await;
    group(pg, "acme", "r1", "bob", &["alice"]).await;
    send_rows(pg, "r1", vec![message("r1", 1, "one"), message("r1", 2, "two")]).await;
    save(pg, "alice", "r1", 1).await;
    let fill = format!(
        "INSERT INTO chat_saved SELECT 'acme', 'alice', 'r1', 10 + n, 'x' || n, 1 + n, true FROM generate_series(1, {0}) n;
         UPDATE chat_saved_changes SET rev = {SAVED_MAX}, saved = {SAVED_MAX}",
        SAVED_MAX - 1
    );
    sql(pg, &fill).await;
    assert!(set(pg, "alice", ("r1", 2), true).await.is_full);
    assert!(!set(pg, "alice", ("r1", 1), true).await.is_full, "it is saved already");
    assert!(!set(pg, "bob", ("r1", 2), true).await.is_full, "her list is hers");
    done(pg, &batch("acme", "r1", 2, 3, vec![deleted(message("r1", 1, ""))])).await;
    assert!(!set(pg, "alice", ("r1", 2), true).await.is_full, "a deleted one made room");
    let again = set(pg, "alice", ("r1", 3), true).await;
    assert!(again.is_full);
    set(pg, "alice", ("r1", 2), false).await;
    assert!(!set(pg, "alice", ("r1", 3), true).await.is_full, "one less");
}

#[tokio::test]
async fn inbox_10_each_change_has_a_number_and_names_an_open_inbox() {
    let rig = Database::new().await;
    let pg = &rig.connect().await;
    assert_eq!(changes(pg, "alice", None).await, SavedChanges::default());
    assert_eq!(set(pg, "alice", ("r1", 1), true).await.inboxes, None, "nobody is poked");
    db::begin_inbox_lease(pg, &tenant("acme"), &user("alice")).await.expect("a lease");
    assert_eq!(set(pg, "alice", ("r1", 2), true).await.inboxes, Some(vec![user("alice")]));
    assert_eq!(set(pg, "alice", ("r1", 2), true).await.inboxes, None, "nothing has changed");
    set(pg, "alice", ("r1", 1), false).await;
    assert_eq!(changes(pg, "alice", None).await, SavedChanges { rev: 3, changes: vec![] });
    let seen = changes(pg, "alice", Some(0)).await;
    let named: Vec<_> = seen.changes.iter().map(|c| (c.rev, c.message.clone(), c.saved)).collect();
    assert_eq!(named, [(2, id("r1", 2).to_string(), true), (3, id("r1", 1).to_string(), false)]);
    assert_eq!(changes(pg, "alice", Some(3)).await.changes, []);
    assert_eq!(changes(pg, "bob", Some(0)).await.rev, 0);
    for seq in 1..=150 {
        set(pg, "alice", ("r2", seq), true).await;
    }
    let seen = changes(pg, "alice", Some(3)).await;
    assert_eq!((seen.rev, seen.changes.len()), (153, INBOX_SAVED_MAX));
    assert_eq!(changes(pg, "alice", seen.changes.last().map(|change| change.rev)).await.changes.len(), 50);
}

#[tokio::test]
async fn saved_2_a_room_that_is_erased_leaves_nothing_of_it() {
    let rig = Database::new().await;
    let pg = &rig.connect().await;
    group(pg, "acme", "r1", "bob", &["alice"]).await;
    send_rows(pg, "r1", vec![message("r1", 1, "hi")]).await;
    save(pg, "alice", "r1", 1).await;
    while db::erase_room(pg, &tenant("acme"), &room("r1")).await.expect("a piece") {}
    let left = pg.client.query_one("SELECT count(*) FROM chat_saved", &[]).await.expect("rows");
    assert_eq!(left.get::<_, i64>(0), 0);
}
