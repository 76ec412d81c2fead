//! Quotas whose count Postgres keeps: each refuses what is past it, leaves nothing of that, and is one person's.
//! Not here: the answers to a caller (`uploads`, `tests/e2e/edge_rates.rs`).

use crate::db::{new_room, room, tenant, user};
use crate::postgres::Database;
use chinwag::db::{self, NewRoom};
use chinwag::protocol::room::RoomKind;

/// RATE-2.
#[tokio::test]
async fn quotas_refuse_the_next_room_and_leave_nothing_of_it() {
    let rig = Database::new().await;
    let pg = &rig.connect().await;
    let new = |id: &str, kind: RoomKind, creator: &str, others: &[&str]| NewRoom {
        create_per_day: 3,
        rooms_per_person: 4,
        ..new_room("acme", id, kind, creator, others)
    };
    let quota = async |new: NewRoom| match db::create_room(pg, &new).await {
        Ok(made) => Ok(made.expect("a member").created),
        Err(error) => Err(error.quota().unwrap_or_else(|| panic!("{error}"))),
    };
    for id in ["g1", "g2"] {
        assert_eq!(quota(new(id, RoomKind::Group, "alice", &["bob"])).await, Ok(true));
    }
    assert_eq!(quota(new("d1", RoomKind::Direct, "alice", &["bob"])).await, Ok(true));
    assert_eq!(quota(new("g3", RoomKind::Group, "alice", &[])).await, Err(db::Quota::RoomsMade));
    assert_eq!(quota(new("d2", RoomKind::Direct, "alice", &["bob"])).await, Ok(false), "the room they have");
    let twice = NewRoom { is_repeatable: true, ..new("g2", RoomKind::Group, "alice", &["bob"]) };
    assert_eq!(quota(twice).await, Ok(false), "a retry creates nothing");
    assert_eq!(quota(new("g4", RoomKind::Group, "carol", &["bob"])).await, Ok(true));
    assert_eq!(quota(new("g5", RoomKind::Group, "carol", &["bob"])).await, Err(db::Quota::Memberships));
    assert_eq!(quota(new("g5", RoomKind::Group, "carol", &["dave"])).await, Ok(true), "bob's quota is bob's");
    let other = NewRoom { tenant: tenant("other"), ..new("g1", RoomKind::Group, "alice", &["bob"]) };
    assert_eq!(quota(other).await, Ok(true), "another tenant's people are others");
    let rooms = pg
        .client
        .query_one("SELECT string_agg(id, ' ' ORDER BY id) FROM chat_rooms WHERE tenant_id = 'acme'", &[]);
    assert_eq!(rooms.await.expect("rooms").get::<_, String>(0), "d1 g1 g2 g4 g5");
    let yesterday = "UPDATE chat_rooms_made SET day = day - 1";
    pg.client.batch_execute(yesterday).await.expect(yesterday);
    assert_eq!(quota(new("g6", RoomKind::Group, "alice", &[])).await, Ok(true), "a new day");
}

/// RATE-3.
#[tokio::test]
async fn files_count_for_their_uploader_in_all_rooms_until_they_are_released() {
    let rig = Database::new().await;
    let pg = &rig.connect().await;
    let quota = |counted: Result<(), db::DbError>| match counted {
        Ok(()) => None,
        Err(error) => Some(error.quota().unwrap_or_else(|| panic!("{error}"))),
    };
    let count = async |of: &str, who: &str, place: &str, file: &str, bytes: u64| {
        let owner = (&tenant(of), &user(who), &room(place));
        quota(db::count_file(pg, owner, (file, bytes), 100).await)
    };
    let full = Some(db::Quota::FileBytes);
    assert_eq!(count("acme", "alice", "r1", "a", 60).await, None);
    assert_eq!(count("acme", "alice", "r1", "a", 60).await, None, "a retry");
    assert_eq!(count("acme", "alice", "r2", "b", 41).await, full, "another room");
    assert_eq!(count("acme", "alice", "r2", "b", 40).await, None, "nothing of the refused one is left");
    assert_eq!(count("acme", "alice", "r3", "c", 1).await, full);
    assert_eq!(count("acme", "bob", "r1", "d", 100).await, None, "somebody else");
    assert_eq!(count("acme", "eve", "r1", "e", 101).await, full, "the first file");
    assert_eq!(count("other", "alice", "r1", "a", 100).await, None, "another tenant");
    let release = async |place: &str, files: &[&str]| {
        let files: Vec<String> = files.iter().map(|&file| file.to_owned()).collect();
        db::release_files(pg, &tenant("acme"), &room(place), &files).await.expect("released");
    };
    release("r2", &["a"]).await;
    assert_eq!(count("acme", "alice", "r3", "c", 1).await, full, "no file of that room");
    for _ in 0..2 {
        release("r1", &["a", "d", "unknown"]).await;
    }
    assert_eq!(count("acme", "alice", "r3", "c", 61).await, full);
    assert_eq!(count("acme", "alice", "r3", "c", 60).await, None);
    assert_eq!(count("acme", "bob", "r3", "f", 100).await, None);
    let sums = "SELECT bool_and(b.bytes = (SELECT coalesce(sum(f.bytes), 0) FROM chat_files f
            WHERE f.tenant_id = b.tenant_id AND f.user_id = b.user_id)) FROM chat_file_bytes b";
    assert!(pg.client.query_one(sums, &[]).await.expect(sums).get::<_, bool>(0));
}

/// RATE-4.
#[tokio::test]
async fn reports_count_for_one_person_and_one_day() {
    let rig = Database::new().await;
    let pg = &rig.connect().await;
    let report = async |of: &str, who: &str| match db::count_report(pg, &tenant(of), &user(who), 2).await {
        Ok(()) => None,
        Err(error) => Some(error.quota().unwrap_or_else(|| panic!("{error}"))),
    };
    assert_eq!([report("acme", "alice").await, report("acme", "alice").await], [None, None]);
    assert_eq!(report("acme", "alice").await, Some(db::Quota::Reports));
    assert_eq!([report("acme", "bob").await, report("other", "alice").await], [None, None]);
    let yesterday = "UPDATE chat_reports_made SET day = day - 1";
    pg.client.batch_execute(yesterday).await.expect(yesterday);
    assert_eq!(report("acme", "alice").await, None, "a new day");
}
