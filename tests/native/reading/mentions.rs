//! Mentions over all rooms of a person, on a real Postgres. Not here: which mentions a text holds
//! (`src/room/message.rs`).

use super::{deleted, ids, mentioning, send_rows, sql, to_all};
use crate::db::{DAY_MS, batch, done, group, message_row, tenant, user};
use crate::postgres::{Database, NativePostgres};
use chinwag::db::{self, Found, MessageRow, Place};
use chinwag::limits::{MENTIONS_ROOMS_MAX, MENTIONS_WALK_MAX, PAGE_BYTES_MAX};

async fn mentions(pg: &NativePostgres, who: &str) -> Vec<Found> {
    db::mentions(pg, &tenant("acme"), &user(who), &Place::newest(), 100).await.expect("mentions").found
}

fn at(mut message: MessageRow, second: u64) -> MessageRow {
    message.created_at_ms = DAY_MS + second * 1000;
    message
}

/// Messages in three rooms, one of them without Alice; those of the first.
async fn send_mentions(pg: &NativePostgres) -> Vec<MessageRow> {
    group(pg, "acme", "r1", "alice", &["bob", "carol"]).await;
    group(pg, "acme", "r2", "alice", &["bob", "carol"]).await;
    group(pg, "acme", "r3", "carol", &["bob"]).await;
    let first = vec![
        at(mentioning(message_row("r1", 1, "bob", "1"), &["alice", "carol"]), 1),
        at(to_all(message_row("r1", 2, "bob", "2")), 4),
        at(mentioning(message_row("r1", 3, "alice", "3"), &["alice"]), 5),
        at(to_all(mentioning(message_row("r1", 4, "bob", "4"), &["alice"])), 6),
        at(mentioning(message_row("r1", 5, "bob", "5"), &["carol"]), 7),
    ];
    send_rows(pg, "r1", first.clone()).await;
    send_rows(
        pg,
        "r2",
        vec![
            at(mentioning(message_row("r2", 1, "bob", "1"), &["alice"]), 2),
            at(mentioning(message_row("r2", 2, "bob", "2"), &["alice"]), 3),
            at(to_all(message_row("r2", 3, "alice", "3")), 8),
        ],
    )
    .await;
    send_rows(pg, "r3", vec![at(mentioning(message_row("r3", 1, "bob", "not hers"), &["alice"]), 9)]).await;
    first
}

#[tokio::test]
async fn mentions_1_are_those_of_my_rooms_newest_first_and_never_mine() {
    let rig = Database::new().await;
    let pg = &rig.connect().await;
    send_mentions(pg).await;
    assert_eq!(ids(&mentions(pg, "alice").await), ["r1-4", "r1-2", "r2-2", "r2-1", "r1-1"]);
    assert_eq!(ids(&mentions(pg, "carol").await), ["r2-3", "r1-5", "r1-4", "r1-2", "r1-1"]);
}

#[tokio::test]
async fn mentions_1_pages_hold_still_while_mentions_come_and_go() {
    let rig = Database::new().await;
    let pg = &rig.connect().await;
    let first = send_mentions(pg).await;
    let mut walked = Vec::new();
    let mut place = Place::newest();
    loop {
        let page = db::mentions(pg, &tenant("acme"), &user("alice"), &place, 2).await.expect("page");
        walked.extend(page.found.iter().map(|found| found.message.id.clone()));
        if walked.len() == 2 {
            // One that was shown goes, and a new one comes: nothing else moves.
            let mut edited = first.clone();
            edited[3] = deleted(edited[3].clone());
            done(
                pg,
                &batch(
                    "acme",
                    "r1",
                    5,
                    6,
                    vec![edited[3].clone(), at(to_all(message_row("r1", 6, "bob", "new")), 20)],
                ),
            )
            .await;
        }
        let Some(next) = page.next else { break };
        place = Place::parse(&next.text()).expect("cursor");
    }
    assert_eq!(walked, ["r1-4", "r1-2", "r2-2", "r2-1", "r1-1"]);
}

#[tokio::test]
async fn mentions_1_edits_and_what_a_person_may_see_decide() {
    let rig = Database::new().await;
    let pg = &rig.connect().await;
    let first = send_mentions(pg).await;
    // An edit takes one name out and puts another in.
    let mut edited = first[0].clone();
    (edited.version, edited.mentions) = (2, vec!["bob".into(), "carol".into()]);
    done(pg, &batch("acme", "r1", 5, 6, vec![edited])).await;
    assert_eq!(ids(&mentions(pg, "alice").await), ["r1-4", "r1-2", "r2-2", "r2-1"]);
    assert_eq!(ids(&mentions(pg, "carol").await), ["r2-3", "r1-5", "r1-4", "r1-2", "r1-1"]);

    sql(
        pg,
        "UPDATE chat_rooms SET history_visibility = 'since_join' WHERE id = 'r1';
             UPDATE chat_room_members SET joined_seq = 2 WHERE room_id = 'r1' AND user_id = 'alice';
             DELETE FROM chat_room_members WHERE room_id = 'r2' AND user_id = 'alice'",
    )
    .await;
    assert_eq!(
        ids(&mentions(pg, "alice").await),
        ["r1-4"],
        "nothing from before she came, or from a room she left"
    );
    assert!(mentions(pg, "nobody").await.is_empty());
    let other =
        db::mentions(pg, &tenant("umbrella"), &user("alice"), &Place::newest(), 9).await.expect("mentions");
    assert!(other.found.is_empty(), "another tenant's alice");
}

/// All pages, and how many.
async fn pages(pg: &NativePostgres, who: &str) -> (Vec<String>, usize) {
    let (mut walked, mut count, mut place) = (Vec::new(), 0, Place::newest());
    loop {
        let page = db::mentions(pg, &tenant("acme"), &user(who), &place, 50).await.expect("page");
        count += 1;
        walked.extend(page.found.iter().map(|found| found.message.id.clone()));
        let Some(next) = page.next else { return (walked, count) };
        place = Place::parse(&next.text()).expect("cursor");
    }
}

/// Messages to everybody in each of `count` rooms of bob, of which alice is in the first `few`, and messages to both by
/// name, which each have sent by turns.
fn many_mentions(count: u64, few: u64) -> String {
    format!(
        "SET session_replication_role = replica;
         INSERT INTO chat_rooms (tenant_id, id, type, name, created_by, last_seq)
         SELECT 'acme', 'r' || n, 'group', 'Room', 'bob', 4 FROM generate_series(1, {count}) n;
         INSERT INTO chat_room_members (tenant_id, room_id, user_id, role)
         SELECT 'acme', 'r' || n, who, 'member'
         FROM generate_series(1, {count}) n, unnest(ARRAY['alice', 'bob']) who WHERE who = 'bob' OR n <= {few};
         INSERT INTO chat_messages (tenant_id, room_id, seq, id, user_id, content, content_type, mentions, mentions_room,
             created_at)
         SELECT 'acme', 'r' || n, s, 'r' || n || '-' || s, CASE s % 2 WHEN 0 THEN 'alice' ELSE 'carol' END, 'hi', 'text',
             CASE WHEN s > 2 THEN '[\"alice\", \"bob\"]' ELSE '[]' END::jsonb, s <= 2 OR n % 7 = 0,
             '2026-06-01'::timestamptz + n * 7919 % {count} / 2 * interval '1 s' + s * interval '1 h'
         FROM generate_series(1, {count}) n, generate_series(1, 4) s WHERE n <= 300 OR s <= 2;
         INSERT INTO chat_mentions (tenant_id, user_id, created_at, seq, room_id)
         SELECT 'acme', who, created_at, seq, room_id
         FROM chat_messages, unnest(ARRAY['alice', 'bob']) who WHERE mentions <> '[]';
         RESET session_replication_role"
    )
}

async fn in_order(pg: &NativePostgres, who: &str) -> Vec<String> {
    let sql = "SELECT c.id FROM chat_messages c
               JOIN chat_room_members m ON m.room_id = c.room_id AND m.user_id = $1
               WHERE (c.mentions ? $1 OR c.mentions_room) AND c.user_id <> $1 AND c.deleted_at IS NULL
               ORDER BY c.created_at DESC, c.seq DESC, c.room_id DESC";
    let rows = pg.client.query(sql, &[&who]).await.expect("messages");
    rows.iter().map(|row| row.get(0)).collect()
}

#[tokio::test]
async fn mentions_2_of_many_rooms_are_the_same_and_a_page_walks_over_a_bounded_number() {
    let rig = Database::new().await;
    let pg = &rig.connect().await;
    let count = MENTIONS_ROOMS_MAX + 500;
    sql(pg, &many_mentions(count, 40)).await;
    // Bob is in all rooms, so what mentions everybody is walked; alice in a few, which are looked through.
    for who in ["bob", "alice"] {
        let expected = in_order(pg, who).await;
        assert!(expected.len() > 60, "{who}: {}", expected.len());
        let (walked, pages) = pages(pg, who).await;
        assert_eq!(walked, expected, "{who}");
        assert!(pages <= expected.len() / 50 + 1, "{who}: {pages} pages");
    }
    // Bob's own do not fill his pages, and are not walked over without end.
    sql(pg, "UPDATE chat_messages SET user_id = 'bob' WHERE seq > 1 OR room_id <> 'r1'").await;
    let (walked, pages) = pages(pg, "bob").await;
    assert_eq!(walked, in_order(pg, "bob").await);
    let calling = 2 * count + 600;
    assert_eq!(pages, (calling / MENTIONS_WALK_MAX) as usize + 1, "pages without messages have a cursor");
}

#[tokio::test]
async fn mentions_2_a_page_ends_at_1_mib() {
    let rig = Database::new().await;
    let pg = &rig.connect().await;
    group(pg, "acme", "r1", "alice", &["bob"]).await;
    let large = |seq| at(mentioning(message_row("r1", seq, "bob", &"x".repeat(20_000)), &["alice"]), seq);
    send_rows(pg, "r1", (1..=100).map(large).collect()).await;
    let page = db::mentions(pg, &tenant("acme"), &user("alice"), &Place::newest(), 100).await.expect("page");
    let bytes: usize = page.found.iter().map(|found| found.message.content.len()).sum();
    assert!(bytes <= PAGE_BYTES_MAX + 20_000 && page.found.len() > 50, "{bytes} bytes");
    let rest = page.next.expect("more");
    let page = db::mentions(pg, &tenant("acme"), &user("alice"), &rest, 100).await.expect("page");
    assert_eq!(page.found.last().map(|found| found.message.seq), Some(1));
}
