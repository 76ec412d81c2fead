//! Rooms that a restored backup lacks and rooms that were deleted, on a real Postgres.

use crate::db::{batch, done, group, message_row, room, tenant, user};
use crate::postgres::{Database, NativePostgres};

use chinwag::db::{
    self, Applied, ChangeSet, NewRoom, Projected, Restored, RoomCopy, RoomSnapshot, SnapshotBan,
};
use chinwag::ids::RoomId;
use chinwag::protocol::room::{HistoryVisibility, NotifyLevel, RoomKind};
use std::time::Instant;
use testkit::cast::member;

async fn snapshot(pg: &NativePostgres) -> Option<RoomSnapshot> {
    db::room_snapshot(pg, &tenant("acme"), &room("r1"), None).await.expect("snapshot")
}

fn copy(snapshot: &RoomSnapshot) -> RoomCopy {
    RoomCopy::new(tenant("acme"), room("r1"), snapshot.clone())
}

async fn count(pg: &NativePostgres, sql: &str) -> i64 {
    pg.client.query_one(&format!("SELECT count(*) FROM {sql}"), &[]).await.expect(sql).get(0)
}

/// A room that was changed a few times after its creation.
async fn changed_room(pg: &NativePostgres) -> RoomSnapshot {
    group(pg, "acme", "r1", "alice", &["bob", "carol"]).await;
    let mut known = snapshot(pg).await.expect("a room");
    (known.topic, known.archived, known.slow_mode_s) = (Some("tea".into()), true, 30);
    known.history_visibility = HistoryVisibility::SinceJoin;
    known.members_version = 8;
    known.members.retain(|member| member.user_id.as_str() != "carol");
    let mut dave = member("dave", "moderator");
    (dave.joined_at_ms, dave.joined_seq, dave.last_read_seq) = (1_795_424_703_123, 7, 9);
    (dave.notify.level, dave.notify.notifications_snoozed_until_ms) =
        (NotifyLevel::None, Some(1_795_424_703_120));
    dave.silenced_until_ms = Some(1_795_424_703_120);
    known.members.push(dave);
    known.bans = vec![SnapshotBan { user_id: user("carol"), until_ms: None }];
    known
}

#[tokio::test]
async fn lost_changes_are_put_back_once_and_an_older_copy_changes_nothing() {
    let rig = Database::new().await;
    let pg = rig.connect().await;
    let known = changed_room(&pg).await;
    let before = snapshot(&pg).await.expect("a room");
    let row = vec![message_row("r1", 2, "bob", "two")];
    done(&pg, &batch("acme", "r1", 0, 2, row)).await;
    assert_eq!(db::restore_room(&pg, &copy(&known)).await, Ok(Restored::Done));
    let (last_seq, epoch) = (2, Some("e1".into()));
    let now = snapshot(&pg).await.expect("a room");
    assert_eq!(now, RoomSnapshot { last_seq, epoch, ..known.clone() }, "all of the copy, and no more");
    // The reply was lost; or the statement hung, and a newer version is there.
    for late in [&known, &before] {
        let current = Restored::Current { members_version: 8 };
        assert_eq!(db::restore_room(&pg, &copy(late)).await, Ok(current));
    }
    assert_eq!(snapshot(&pg).await.expect("a room"), now);
}

#[tokio::test]
async fn a_lost_room_is_put_back_and_asks_for_all_messages() {
    let rig = Database::new().await;
    let pg = rig.connect().await;
    let known = changed_room(&pg).await;
    pg.client.batch_execute("TRUNCATE chat_rooms CASCADE").await.expect("a backup from before");
    let rows = vec![message_row("r1", 9, "bob", "nine")];
    assert_eq!(db::project(&pg, &batch("acme", "r1", 8, 9, rows)).await, Ok(Projected::Missing));
    assert_eq!(db::restore_room(&pg, &copy(&known)).await, Ok(Restored::Done));
    assert_eq!(snapshot(&pg).await, Some(RoomSnapshot { last_seq: 0, epoch: None, ..known }));
    let rows = vec![message_row("r1", 9, "bob", "nine")];
    let behind = db::project(&pg, &batch("acme", "r1", 8, 9, rows)).await;
    assert!(matches!(behind, Ok(Projected::Behind { last_seq: 0, members_version: 8, .. })), "{behind:?}");
}

#[tokio::test]
async fn a_lost_direct_room_is_found_by_its_people_again_unless_they_have_another_one() {
    let rig = Database::new().await;
    let pg = rig.connect().await;
    let new = |id: &str| NewRoom {
        tenant: tenant("acme"),
        id: room(id),
        is_repeatable: false,
        kind: RoomKind::Direct,
        name: None,
        creator: user("bob"),
        participants: vec![user("alice")],
        create_per_day: 500,
        rooms_per_person: 100,
    };
    db::create_room(&pg, &new("r1")).await.expect("create");
    let known = snapshot(&pg).await.expect("a room");
    let lose = "TRUNCATE chat_rooms CASCADE";
    pg.client.batch_execute(lose).await.expect("a backup from before");
    assert_eq!(db::restore_room(&pg, &copy(&known)).await, Ok(Restored::Done));
    let found = db::create_room(&pg, &new("r2")).await.expect("create").expect("their room");
    assert_eq!((found.room["id"].as_str(), found.created), (Some("r1"), false));
    pg.client.batch_execute(lose).await.expect("a backup from before");
    db::create_room(&pg, &new("r3")).await.expect("create");
    assert_eq!(db::restore_room(&pg, &copy(&known)).await, Ok(Restored::Replaced));
    assert_eq!(snapshot(&pg).await, None);
}

fn deletion(version: u64) -> ChangeSet {
    ChangeSet { delete: true, ..ChangeSet::new(tenant("acme"), room("r1"), version, 100) }
}

/// Erases all pieces; how many there were.
async fn erase(pg: &NativePostgres) -> u64 {
    let mut pieces = 1;
    while db::erase_room(pg, &tenant("acme"), &room("r1")).await.expect("a piece") {
        pieces += 1;
    }
    pieces
}

#[tokio::test]
async fn a_marked_room_is_gone_for_everybody_and_its_rows_follow_in_pieces() {
    let rig = Database::new().await;
    let pg = rig.connect().await;
    group(&pg, "acme", "r1", "alice", &["bob"]).await;
    group(&pg, "acme", "r2", "alice", &["bob"]).await;
    let rows = (1..=20).map(|seq| {
        let mut row = message_row("r1", seq, "bob", "hi <@alice>");
        row.mentions = vec!["alice".into()];
        row.reactions = Some(vec![db::ReactionRow { emoji: "👍".into(), user_id: "alice".into() }]);
        row
    });
    done(&pg, &batch("acme", "r1", 0, 20, rows.collect())).await;
    done(&pg, &batch("acme", "r2", 0, 1, vec![message_row("r2", 1, "bob", "stays")])).await;
    let others = "INSERT INTO chat_bans (tenant_id, room_id, user_id, banned_by, banned_at)
            VALUES ('acme', 'r1', 'eve', 'alice', now());
        INSERT INTO chat_audit (tenant_id, room_id, id, at, actor, action)
            VALUES ('acme', 'r1', 'x', now(), 'alice', 'ban')";
    pg.client.batch_execute(others).await.expect("a ban and its note");
    assert_eq!(db::apply(&pg, &deletion(7)).await.map(|change| change.state), Ok(Applied::Stale));
    assert_eq!(db::apply(&pg, &deletion(1)).await.map(|change| change.state), Ok(Applied::Done));
    assert_eq!(
        db::apply(&pg, &deletion(1)).await.map(|change| change.state),
        Ok(Applied::Done),
        "its reply was lost"
    );
    let (acme, alice, r1) = (tenant("acme"), user("alice"), room("r1"));
    assert_eq!(snapshot(&pg).await, None);
    assert_eq!(db::access(&pg, &acme, &alice, &r1).await, Ok(None));
    assert_eq!(db::get_room(&pg, &acme, &alice, &r1).await, Ok(None));
    assert_eq!(db::list_rooms(&pg, &acme, &alice, None, 10).await.expect("rooms").rooms.len(), 1);
    assert_eq!(count(&pg, "chat_messages WHERE room_id = 'r1'").await, 20, "they follow");
    assert_eq!(erase(&pg).await, 6, "reactions, mentions, messages, bans, the audit log, the room");
    for table in
        ["chat_rooms", "chat_room_members", "chat_messages", "chat_message_reactions", "chat_mentions"]
    {
        let key = if table == "chat_rooms" { "id" } else { "room_id" };
        assert_eq!(count(&pg, &format!("{table} WHERE {key} = 'r1'")).await, 0, "{table}");
        let other = i64::from(!matches!(table, "chat_message_reactions" | "chat_mentions"));
        assert!(count(&pg, &format!("{table} WHERE {key} = 'r2'")).await >= other, "{table} of another room");
    }
    assert_eq!(count(&pg, "chat_bans").await + count(&pg, "chat_audit").await, 0);
    assert_eq!(erase(&pg).await, 1, "once more does no harm");
    assert_eq!(db::apply(&pg, &deletion(1)).await.map(|change| change.state), Ok(Applied::Missing));
}

#[tokio::test]
async fn a_deleted_room_is_not_put_back_whoever_deleted_it() {
    let rig = Database::new().await;
    let pg = rig.connect().await;
    let known = changed_room(&pg).await;
    pg.client.batch_execute("DELETE FROM chat_rooms").await.expect("the tenant's own statement");
    assert_eq!(db::restore_room(&pg, &copy(&known)).await, Ok(Restored::Deleted));
    let again = NewRoom {
        tenant: tenant("acme"),
        id: RoomId::parse("r1").expect("an id"),
        is_repeatable: true,
        kind: RoomKind::Group,
        name: None,
        creator: user("alice"),
        participants: Vec::new(),
        create_per_day: 500,
        rooms_per_person: 100,
    };
    assert_eq!(db::create_room(&pg, &again).await, Ok(None), "its id is not used again");
}

#[tokio::test]
async fn a_room_that_a_backup_brought_back_is_marked_again() {
    let rig = Database::new().await;
    let pg = rig.connect().await;
    group(&pg, "acme", "r1", "alice", &["bob"]).await;
    // Its object had it deleted after this backup was made.
    assert!(db::erase_room(&pg, &tenant("acme"), &room("r1")).await.is_ok());
    assert_eq!((snapshot(&pg).await, count(&pg, "chat_room_members").await), (None, 0));
}

/// A table that refers to a room or a message and is no part of `chat_erase_room` would be deleted by a cascade without
/// a bound.
#[tokio::test]
async fn every_table_of_a_room_is_erased_in_pieces() {
    let rig = Database::new().await;
    let pg = rig.connect().await;
    let sql = "SELECT DISTINCT conrelid::regclass::text FROM pg_constraint
        WHERE contype = 'f' AND confrelid IN ('chat_rooms'::regclass, 'chat_messages'::regclass)";
    let body = "SELECT prosrc FROM pg_proc WHERE proname = 'chat_erase_room_v1'";
    let body: String = pg.client.query_one(body, &[]).await.expect("the function").get(0);
    for row in pg.client.query(sql, &[]).await.expect("tables") {
        let table: String = row.get(0);
        // Of pins there are at most 50.
        let is_small = ["chat_room_members", "chat_pins"].contains(&table.as_str());
        let is_known = body.contains(&format!("{{{table},")) || is_small;
        assert!(is_known, "{table} is not erased in pieces");
    }
}

/// The times of docs/RELIABILITY.md: `CHINWAG_ERASE_MESSAGES=700000 cargo test … figures_of_a_deletion -- --nocapture`.
#[tokio::test]
async fn figures_of_a_deletion() {
    let rig = Database::new().await;
    let pg = rig.connect().await;
    group(&pg, "acme", "r1", "alice", &["bob"]).await;
    let messages = std::env::var("CHINWAG_ERASE_MESSAGES").ok().and_then(|n| n.parse().ok()).unwrap_or(5_000);
    let insert = format!(
        "INSERT INTO chat_messages (tenant_id, room_id, seq, id, user_id, content, content_type, created_at)
         SELECT 'acme', 'r1', n, 'm' || n, 'bob', 'message ' || n, 'text', now() FROM generate_series(1, {messages}) n"
    );
    pg.client.batch_execute(&insert).await.expect("messages");
    let start = Instant::now();
    assert_eq!(db::apply(&pg, &deletion(1)).await.map(|change| change.state), Ok(Applied::Done));
    let marked_ms = start.elapsed().as_millis();
    let (mut longest_ms, mut pieces, start) = (0, 0, Instant::now());
    loop {
        let piece = Instant::now();
        let is_more = db::erase_room(&pg, &tenant("acme"), &room("r1")).await.expect("a piece");
        (longest_ms, pieces) = (longest_ms.max(piece.elapsed().as_millis()), pieces + 1);
        if !is_more {
            break;
        }
    }
    println!(
        "{messages} messages: marked in {marked_ms} ms, {pieces} pieces in {} ms, the longest {longest_ms} ms",
        start.elapsed().as_millis()
    );
    assert!(marked_ms < 500, "{marked_ms} ms, and the target is 50");
    assert_eq!(count(&pg, "chat_messages").await, 0);
}
