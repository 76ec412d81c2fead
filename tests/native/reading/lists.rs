//! The list of a person's rooms, of many rooms and of large ones, on a real Postgres. Not here: what a room's object
//! contains (tests/native/db.rs), plans and times (`db_plans`).

use super::sql;
use crate::db::{tenant, user};
use crate::postgres::{Database, NativePostgres};
use chinwag::db::{self, RoomCursor};
use chinwag::limits::{LISTED_SORTED_MAX, LISTED_WALK_MAX, PAGE_BYTES_MAX};
use serde_json::Value;

/// All pages: the ids of each, and what `between` does after the first.
async fn pages(pg: &NativePostgres, who: &str, limit: u64, between: &str) -> Vec<Vec<String>> {
    let (mut pages, mut cursor) = (Vec::new(), None);
    loop {
        let page =
            db::list_rooms(pg, &tenant("acme"), &user(who), cursor.as_ref(), limit).await.expect("page");
        let bytes = serde_json::to_string(&page.rooms).expect("JSON").len();
        assert!(bytes <= PAGE_BYTES_MAX, "a page of {bytes} bytes");
        let id = |room: &Value| room["id"].as_str().expect("id").to_owned();
        pages.push(page.rooms.iter().map(id).collect());
        if pages.len() == 1 {
            sql(pg, between).await;
        }
        let Some(next) = page.next_cursor else { return pages };
        cursor = Some(RoomCursor::parse(&next).expect("cursor"));
    }
}

/// `count` rooms with bob in them and alice in one of `each`. A fifth was never used; in the others eight were used within
/// ten seconds, two of them in the same moment.
async fn many_rooms(pg: &NativePostgres, count: u64, each: u64) {
    let fill = format!(
        "SET session_replication_role = replica;
         INSERT INTO chat_rooms (tenant_id, id, type, name, created_by, created_at, last_message_at)
         SELECT 'acme', 'r' || n, 'group', 'Room', 'bob', '2026-01-01'::timestamptz + n % 3000 * interval '1 s',
             CASE WHEN n % 5 > 0 THEN '2026-06-01'::timestamptz + n * 7919 % {count} / 2 * interval '2.5 s' END
         FROM generate_series(1, {count}) n;
         INSERT INTO chat_room_members (tenant_id, room_id, user_id, role)
         SELECT tenant_id, id, 'bob', 'member' FROM chat_rooms
         UNION ALL SELECT 'acme', 'r' || n, 'alice', 'member' FROM generate_series(1, {count}, {each}) n;
         RESET session_replication_role"
    );
    sql(pg, &fill).await;
}

async fn in_order(pg: &NativePostgres, who: &str) -> Vec<String> {
    let sql = "SELECT r.id FROM chat_rooms r JOIN chat_room_members m ON m.room_id = r.id AND m.user_id = $1
               ORDER BY r.last_message_at IS NOT NULL DESC, coalesce(r.last_message_at, r.created_at) DESC, r.id DESC";
    let rows = pg.client.query(sql, &[&who]).await.expect("rooms");
    rows.iter().map(|row| row.get(0)).collect()
}

#[tokio::test]
async fn list_1_somebody_in_many_rooms_gets_them_in_the_order_of_their_activity() {
    let rig = Database::new().await;
    let pg = &rig.connect().await;
    many_rooms(pg, LISTED_SORTED_MAX + 500, 1).await;
    let expected = in_order(pg, "bob").await;
    let listed = pages(pg, "bob", 97, "SELECT").await;
    assert_eq!(listed.len(), expected.len().div_ceil(97), "all pages but the last are full");
    assert_eq!(listed.concat(), expected);
    // A room of the first page and one far behind it are used again: nothing else moves.
    let used = [expected[5].as_str(), expected[900].as_str()];
    let again =
        format!("UPDATE chat_rooms SET last_message_at = now() WHERE id IN ('{}', '{}')", used[0], used[1]);
    let listed = pages(pg, "bob", 100, &again).await.concat();
    let kept: Vec<&String> = expected.iter().filter(|id| *id != used[1]).collect();
    assert_eq!(listed.iter().collect::<Vec<_>>(), kept);
}

#[tokio::test]
async fn list_1_a_page_passes_a_bounded_number_of_others_rooms() {
    let rig = Database::new().await;
    let pg = &rig.connect().await;
    // Alice is in more rooms than are sorted, and only in each third.
    many_rooms(pg, 3 * (LISTED_SORTED_MAX + 100), 3).await;
    // The newest ones are none of hers.
    let strangers = format!(
        "INSERT INTO chat_rooms (tenant_id, id, type, name, created_by, last_message_at)
         SELECT 'acme', 'x' || n, 'group', 'Room', 'carol', '2026-07-01'::timestamptz + n * interval '1 s'
         FROM generate_series(1, {}) n",
        LISTED_WALK_MAX + 10
    );
    sql(pg, &strangers).await;
    let expected = in_order(pg, "alice").await;
    let listed = pages(pg, "alice", 100, "SELECT").await;
    assert_eq!(listed[0], Vec::<String>::new(), "the first page ends before it finds one, and has a cursor");
    assert!(listed.len() <= expected.len().div_ceil(100) + 2, "{} pages", listed.len());
    assert_eq!(listed.concat(), expected);
}

#[tokio::test]
async fn list_1_a_page_ends_at_1_mib() {
    let rig = Database::new().await;
    let pg = &rig.connect().await;
    // 50 members with ids of 128 characters of 4 bytes, which stand there three times: 80 KB a room.
    sql(
        pg,
        "INSERT INTO chat_rooms (tenant_id, id, type, name, created_by, last_message_at)
         SELECT 'acme', 'r' || n, 'group', 'Room', 'bob', now() - n * interval '1 s' FROM generate_series(1, 100) n;
         INSERT INTO chat_room_members (tenant_id, room_id, user_id, role)
         SELECT 'acme', r.id, m.who, 'member'
         FROM chat_rooms r, LATERAL (
             SELECT 'alice' UNION ALL SELECT repeat('😀', 125) || n FROM generate_series(100, 148) n) m(who)",
    )
    .await;
    let listed = pages(pg, "alice", 100, "SELECT").await;
    assert_eq!(listed.iter().map(Vec::len).collect::<Vec<_>>(), [13, 13, 13, 13, 13, 13, 13, 9]);
    assert_eq!(listed.concat(), in_order(pg, "alice").await);
}
