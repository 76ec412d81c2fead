//! What a person reads over all their rooms, on a real Postgres: here unread counts, and what the other files share.
//! Not here: plans and times (`db_plans`).

mod inbox_notices;
mod lists;
mod mentions;
mod notify;
mod push;
mod push_keys;
mod saved;
mod search;
mod threads;

use crate::db::{DAY_MS, batch, done, group, message_row, read as read_to, room, tenant, user};
use crate::postgres::{Backend, Database, NativePostgres};
use chinwag::db::{self, Found, MessageRow};
use serde_json::{Value, json};

/// What a room says, from `seq` 1 on.
async fn send_rows(pg: &NativePostgres, r: &str, messages: Vec<MessageRow>) {
    let to = messages.len() as u64;
    done(pg, &batch("acme", r, 0, to, messages)).await;
}

async fn sql(pg: &NativePostgres, statements: &str) {
    pg.client.batch_execute(statements).await.unwrap_or_else(|e| panic!("{statements}: {e:?}"));
}

fn mentioning(mut message: MessageRow, users: &[&str]) -> MessageRow {
    message.mentions = users.iter().map(|user| (*user).to_owned()).collect();
    message
}

fn to_all(mut message: MessageRow) -> MessageRow {
    message.mentions_room = true;
    message
}

fn deleted(mut message: MessageRow) -> MessageRow {
    message.deleted_at_ms = Some(DAY_MS + 100_000);
    message.version += 1;
    message
}

async fn unread(pg: &NativePostgres, who: &str) -> Vec<Value> {
    db::unread(pg, &tenant("acme"), &user(who), None).await.expect("unread").items
}

fn row(r: &str, unread: u64, mentions: u64, last: u64, read: u64) -> Value {
    json!({"roomId": r, "unread": unread, "mentions": mentions, "lastSeq": last, "lastReadSeq": read})
}

#[tokio::test]
async fn unread_1_what_others_sent_and_i_may_see_and_have_not_read_is_counted() {
    let rig = Database::new().await;
    let pg = &rig.connect().await;
    for r in ["r1", "r2", "r3", "r4"] {
        group(pg, "acme", r, "alice", &["bob", "carol"]).await;
    }
    group(pg, "acme", "other", "carol", &["dave"]).await;
    group(pg, "umbrella", "r1", "alice", &["eve"]).await;
    let mut in_thread = message_row("r1", 5, "bob", "in a thread");
    (in_thread.thread_id, in_thread.thread_seq) = (Some("r1-1".into()), Some(1));
    in_thread.followers = vec!["carol".into()];
    send_rows(
        pg,
        "r1",
        vec![
            mentioning(message_row("r1", 1, "bob", "<@alice>"), &["alice"]),
            mentioning(message_row("r1", 2, "alice", "<@alice>"), &["alice"]),
            deleted(message_row("r1", 3, "bob", "gone")),
            to_all(message_row("r1", 4, "bob", "@room")),
            in_thread,
            mentioning(message_row("r1", 6, "bob", "<@carol>"), &["carol"]),
        ],
    )
    .await;
    send_rows(
        pg,
        "r2",
        (1..=120).map(|n| mentioning(message_row("r2", n, "bob", "x"), &["alice"])).collect(),
    )
    .await;
    send_rows(pg, "r3", vec![message_row("r3", 1, "bob", "before"), message_row("r3", 2, "bob", "after")])
        .await;
    sql(
        pg,
        "UPDATE chat_rooms SET history_visibility = 'since_join' WHERE id = 'r3';
             UPDATE chat_room_members SET joined_seq = 1 WHERE room_id = 'r3' AND user_id = 'alice';
             UPDATE chat_room_members SET last_read_seq = 1 WHERE room_id = 'r1' AND user_id = 'carol'",
    )
    .await;
    let of_alice = unread(pg, "alice").await;
    assert_eq!(
        of_alice,
        [row("r1", 3, 2, 6, 0), row("r2", 100, 100, 120, 0), row("r3", 1, 0, 2, 0)],
        "nothing is unread in r4"
    );
    let of_carol = row("r1", 4, 2, 6, 1);
    assert_eq!(unread(pg, "carol").await[0], of_carol, "her own marker, and a thread that she follows");
    assert_eq!(unread(pg, "bob").await[0]["unread"], 1, "bob's own never");
    for r in &of_alice {
        let id = r["roomId"].as_str().expect("id");
        let object = db::get_room(pg, &tenant("acme"), &user("alice"), &room(id))
            .await
            .expect("get")
            .expect("in")
            .room;
        let same = (&object["unread"], &object["mentions"], &object["lastSeq"], &object["me"]["lastReadSeq"]);
        assert_eq!(
            same,
            (&r["unread"], &r["mentions"], &r["lastSeq"], &r["lastReadSeq"]),
            "one rule for both"
        );
    }
    let mut read = batch("acme", "r2", 120, 120, vec![]);
    read.reads.insert(user("alice"), read_to(120));
    done(pg, &read).await;
    assert_eq!(unread(pg, "alice").await[1], row("r3", 1, 0, 2, 0), "r2 is read");
    sql(pg, "DELETE FROM chat_room_members WHERE room_id = 'r2' AND user_id = 'alice'").await;
    sql(pg, "DELETE FROM chat_room_members WHERE room_id = 'r3' AND user_id = 'alice'").await;
    assert_eq!(unread(pg, "alice").await.len(), 1, "a room left is no room of hers");
    assert!(unread(pg, "nobody").await.is_empty());
}

fn ids(found: &[Found]) -> Vec<&str> {
    found.iter().map(|found| found.message.id.as_str()).collect()
}

/// Rooms of Alice's: `count` of them, in each of which Bob has sent something that she has read, but for those in `open`.
async fn rooms_of_alice(pg: &NativePostgres, count: u64, open: &[u64]) {
    let open: Vec<String> = open.iter().map(|n| format!("room-{n:06}")).collect();
    let open = open.join("','");
    sql(
        pg,
        &format!(
            "INSERT INTO chat_rooms (tenant_id, id, type, name, created_by, last_seq, last_message_at)
             SELECT 'acme', 'room-' || to_char(n, 'FM000000'), 'group', 'Room ' || n, 'bob', 1, now() - n * interval '1 s'
             FROM generate_series(1, {count}) n;
             INSERT INTO chat_room_members (tenant_id, room_id, user_id, role, last_read_seq)
             SELECT tenant_id, id, who, 'member', CASE WHEN id IN ('{open}') THEN 0 ELSE 1 END
             FROM chat_rooms, unnest(ARRAY['alice', 'bob']) who;
             INSERT INTO chat_messages (tenant_id, room_id, seq, id, user_id, content, content_type, created_at)
             SELECT tenant_id, id, 1, id || '-1', 'bob', 'hi', 'text', now() FROM chat_rooms"
        ),
    )
    .await;
}

/// All pages of `/unread`: the rooms, and how many pages.
async fn unread_pages(pg: &NativePostgres) -> (Vec<String>, usize) {
    let (mut rooms, mut pages, mut after) = (Vec::new(), 0, None);
    loop {
        let page = db::unread(pg, &tenant("acme"), &user("alice"), after.as_ref()).await.expect("a page");
        pages += 1;
        rooms.extend(page.items.iter().map(|one| one["roomId"].as_str().expect("an id").to_owned()));
        let Some(cursor) = page.next_cursor else { return (rooms, pages) };
        after = Some(db::parse_unread_cursor(&cursor).expect("a cursor"));
    }
}

#[tokio::test]
async fn unread_4_pages_hold_what_is_unread_and_walk_over_a_bounded_number_of_rooms() {
    let rig = Database::new().await;
    let pg = &rig.connect().await;
    let open: Vec<u64> = (1..=120).map(|n| n * 40).chain([4_999, 5_000]).collect();
    rooms_of_alice(pg, 5_000, &open).await;
    let (rooms, pages) = unread_pages(pg).await;
    let mut expected: Vec<String> = open.iter().map(|n| format!("room-{n:06}")).collect();
    expected.sort();
    expected.dedup();
    assert_eq!(rooms, expected);
    // 50 rooms are among the first 2,000, 50 among the next, and the rest.
    assert_eq!(pages, 3);
    sql(pg, "UPDATE chat_room_members SET last_read_seq = 1").await;
    assert_eq!(unread_pages(pg).await, (vec![], 3), "pages without rooms have a cursor");
}

/// UNREAD-4: the last page of so many rooms takes no longer than the first. `CHINWAG_UNREAD_ROOMS=100000` for the figures in
/// bench/results/callers.md.
#[tokio::test]
async fn unread_4_a_page_takes_50_ms_at_most_wherever_it_begins() {
    let rig = Database::new().await;
    let pg = &rig.connect().await;
    let count = std::env::var("CHINWAG_UNREAD_ROOMS").ok().and_then(|n| n.parse().ok()).unwrap_or(5_000);
    rooms_of_alice(pg, count, &[]).await;
    let backend = Backend::of(pg).await;
    for statistics in ["never analysed", "analysed"] {
        let (mut after, mut pages) = (None, Vec::new());
        loop {
            let start = backend.processor_ms();
            let page = db::unread(pg, &tenant("acme"), &user("alice"), after.as_ref()).await.expect("a page");
            pages.push(backend.processor_ms() - start);
            let Some(cursor) = page.next_cursor else { break };
            after = Some(db::parse_unread_cursor(&cursor).expect("a cursor"));
        }
        let (first, last) = (pages[0], pages[pages.len() - 1]);
        pages.sort_by(f64::total_cmp);
        let most = pages[pages.len() - 1];
        println!(
            "{statistics}: {} pages, median {:.1} ms, first {first:.1}, last {last:.1}, most {most:.1}",
            pages.len(),
            pages[pages.len() / 2]
        );
        assert!(pages.len() as u64 >= count / 2_000 && most <= 50.0, "{statistics}: {pages:?}");
        sql(pg, "ANALYZE").await;
    }
}
