//! Rooms, lists and access on a real Postgres. The projection is in `db_projection`, plans and times in `db_plans`.

use crate::postgres::{Database, NativePostgres};
use chinwag::auth::Role;
use chinwag::db::{
    self, Created, Marker, MessageRow, NewRoom, PageBounds, Projected, Projection, RoomCursor,
};
use chinwag::ids::{RoomId, TenantId, UserId};
use chinwag::protocol::room::RoomKind;
use futures_util::future::join_all;
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub fn tenant(name: &str) -> TenantId {
    TenantId::parse(name).expect("tenant id")
}
pub fn user(name: &str) -> UserId {
    UserId::parse(name).expect("user id")
}
pub fn room(name: &str) -> RoomId {
    RoomId::parse(name).expect("room id")
}

/// A page of so many messages, of any size.
pub fn up_to(count: u64) -> PageBounds {
    PageBounds { count, bytes: 1 << 40 }
}

pub fn new_room(t: &str, id: &str, kind: RoomKind, creator: &str, others: &[&str]) -> NewRoom {
    let participants = others.iter().map(|name| user(name)).collect();
    let name = (kind == RoomKind::Group).then(|| format!("The {id}"));
    let (tenant, id, creator) = (tenant(t), room(id), user(creator));
    let (create_per_day, rooms_per_person) = (500, 100_000);
    NewRoom {
        tenant,
        id,
        is_repeatable: false,
        kind,
        name,
        creator,
        participants,
        create_per_day,
        rooms_per_person,
    }
}

pub async fn create(pg: &NativePostgres, new: &NewRoom) -> Created {
    db::create_room(pg, new).await.expect("create").expect("the creator is in it")
}

pub async fn group(pg: &NativePostgres, t: &str, id: &str, creator: &str, others: &[&str]) -> Created {
    create(pg, &new_room(t, id, RoomKind::Group, creator, others)).await
}

pub async fn direct(pg: &NativePostgres, t: &str, id: &str, creator: &str, other: &str) -> Created {
    create(pg, &new_room(t, id, RoomKind::Direct, creator, &[other])).await
}

/// The second of the day at which the message at `seq` was sent.
pub const DAY_MS: u64 = 1_795_392_000_000;

/// A plain message; ids differ by room and seq.
pub fn message_row(room: &str, seq: u64, by: &str, content: &str) -> MessageRow {
    serde_json::from_value(json!({
        "seq": seq, "id": format!("{room}-{seq}"), "userId": by, "content": content, "contentType": "text",
        "attachments": [], "clientId": format!("c{seq}"), "threadId": null, "replyToId": null, "alsoToRoom": false,
        "mentions": [], "mentionsRoom": false, "version": 1, "replyCount": 0, "createdAtMs": DAY_MS + seq * 1000,
        "editedAtMs": null, "deletedAtMs": null, "deletedBy": null, "reactions": [],
    }))
    .expect("message")
}

/// A marker that was never set back.
pub fn read(seq: u64) -> Marker {
    Marker { generation: 0, seq }
}

pub fn batch(t: &str, r: &str, from: u64, to: u64, messages: Vec<MessageRow>) -> Projection {
    let reads = BTreeMap::new();
    Projection {
        tenant: tenant(t),
        room: room(r),
        epoch: "e1".into(),
        from,
        to,
        messages,
        reactions: Vec::new(),
        pins: None,
        reads,
        audit: Vec::new(),
    }
}

/// Projects, and it must be done without a conflict.
pub async fn done(pg: &NativePostgres, batch: &Projection) {
    match db::project(pg, batch).await.expect("project") {
        Projected::Done { last_seq, conflicts, .. } => assert_eq!((last_seq, conflicts), (batch.to, vec![])),
        other => panic!("not done: {other:?}"),
    }
}

async fn see(pg: &NativePostgres, t: &str, who: &str, r: &str) -> Value {
    db::get_room(pg, &tenant(t), &user(who), &room(r)).await.expect("get room").expect("a room").room
}

#[tokio::test]
async fn a_group_has_its_creator_as_owner_and_nobody_twice() {
    let rig = Database::new().await;
    let pg = rig.connect().await;
    db::ping(&pg).await.expect("ping");
    let made = group(&pg, "acme", "r1", "alice", &["bob", "alice", "bob", "carol"]).await;
    assert!(made.created);
    let room = made.room;
    let at = room["createdAt"].as_str().expect("createdAt").to_owned();
    let time = regex_like(&at, "dddd-dd-ddTdd:dd:dd.dddZ");
    assert!(time, "{at}");
    let member = |id: &str, role: &str| json!({"userId": id, "name": id, "avatarUrl": null, "role": role, "joinedAt": at});
    assert_eq!(
        room,
        json!({
            "id": "r1", "tenantId": "acme", "type": "group", "name": "The r1", "topic": null,
            "createdBy": "alice", "createdAt": at, "archived": false, "historyVisibility": "all",
            "roomMention": "all", "slowModeS": 0, "participantIds": ["alice", "bob", "carol"],
            "members": [member("alice", "owner"), member("bob", "member"), member("carol", "member")],
            "memberCount": 3, "lastMessageAt": null, "lastMessage": null, "lastSeq": 0, "unread": 0, "mentions": 0,
            "me": {"role": "owner", "lastReadSeq": 0, "notify": {"level": "all", "muteUntil": null}},
        })
    );
    let id = RoomId::parse("r1").expect("room id");
    let again = group(&pg, "acme", "r1", "alice", &["bob", "alice", "bob", "carol"]).await;
    assert_eq!(
        again,
        Created { id, room, created: true, inboxes: vec![] },
        "a retry answers like the first try"
    );
}

fn regex_like(text: &str, shape: &str) -> bool {
    text.len() == shape.len()
        && text.chars().zip(shape.chars()).all(|(c, s)| if s == 'd' { c.is_ascii_digit() } else { c == s })
}

#[tokio::test]
async fn a_pair_has_one_room_under_50_concurrent_creations() {
    let rig = Database::new().await;
    let mut tasks = Vec::new();
    for n in 0..50 {
        let pg = rig.connect().await;
        tasks.push(tokio::spawn(async move {
            let (creator, other) = if n % 2 == 0 { ("alice", "bob") } else { ("bob", "alice") };
            direct(&pg, "acme", &format!("r{n}"), creator, other).await
        }));
    }
    let mut made = Vec::new();
    for task in tasks {
        made.push(task.await.expect("task"));
    }
    assert_eq!(made.iter().filter(|one| one.created).count(), 1);
    let first = &made[0].room;
    assert!(made.iter().all(|one| one.room["id"] == first["id"] && one.room["memberCount"] == 2), "{first}");
    let owners =
        |room: &Value| room["members"].as_array().unwrap().iter().filter(|m| m["role"] == "owner").count();
    assert!(made.iter().all(|one| owners(&one.room) == 0), "both are members");
    assert!(made.iter().all(|one| one.room["me"]["role"] == "member"));
}

#[tokio::test]
async fn the_same_request_many_times_at_once_makes_one_room() {
    let rig = Database::new().await;
    let clients = join_all((0..8).map(|_| rig.connect())).await;
    // Some rounds, as it takes luck to be between the look at the pair and the insertion.
    for round in 0..25 {
        for kind in [RoomKind::Direct, RoomKind::Group] {
            let new = new_room("acme", &format!("{kind:?}{round}"), kind, "alice", &[&format!("bob{round}")]);
            for made in join_all(clients.iter().map(|pg| create(pg, &new))).await {
                assert!(made.created && made.room["memberCount"] == 2, "{made:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_repeatable_group_is_created_once_and_stays_as_it_is_now() {
    let rig = Database::new().await;
    let clients = join_all((0..8).map(|_| rig.connect())).await;
    let new = |n: u32, others: &[&str]| NewRoom {
        is_repeatable: true,
        ..new_room("acme", &format!("g{n}"), RoomKind::Group, "alice", others)
    };
    for round in 0..25 {
        let new = new(round, &["bob", "carol"]);
        let made = join_all(clients.iter().map(|pg| create(pg, &new))).await;
        assert_eq!(made.iter().filter(|made| made.created).count(), 1);
        assert!(made.iter().all(|made| made.room["id"] == new.id.as_str() && made.room["memberCount"] == 3));
    }
    let pg = &clients[0];
    pg.client
        .batch_execute("DELETE FROM chat_room_members WHERE room_id = 'g0' AND user_id = 'bob'")
        .await
        .expect("remove bob");
    let again = create(pg, &new(0, &["bob", "dave"])).await;
    assert_eq!((again.created, &again.room["participantIds"]), (false, &json!(["alice", "carol"])));
    pg.client
        .batch_execute("DELETE FROM chat_room_members WHERE room_id = 'g0' AND user_id = 'alice'")
        .await
        .expect("remove alice");
    assert_eq!(
        db::create_room(pg, &new(0, &["bob"])).await.expect("create"),
        None,
        "she is not in it any more"
    );
    pg.client.batch_execute("DELETE FROM chat_rooms WHERE id = 'g0'").await.expect("delete the room");
    let again = db::create_room(pg, &new(0, &["bob"])).await.expect("create");
    assert_eq!(again, None, "the room is deleted, and its object may still be at it");
}

#[tokio::test]
async fn pairs_are_distinguished_whatever_their_names_are_made_of() {
    let rig = Database::new().await;
    let pg = rig.connect().await;
    let pairs = [
        ("a", "b,c"),
        ("a,b", "c"),
        ("a\",\"b", "c"),
        ("a", "b\",\"c"),
        ("ä", "\\"),
        ("a:b", "c"),
        ("A", "B"),
    ];
    for (n, (one, other)) in pairs.iter().enumerate() {
        let made = direct(&pg, "acme", &format!("r{n}"), one, other).await;
        assert!(made.created, "{one} {other}");
        let back = direct(&pg, "acme", "other", other, one).await;
        assert!(!back.created && back.room["id"] == made.room["id"], "{one} {other}");
    }
}

#[tokio::test]
async fn two_tenants_with_the_same_ids_never_meet() {
    let rig = Database::new().await;
    let pg = rig.connect().await;
    for t in ["acme", "umbrella"] {
        let made = direct(&pg, t, "r1", "alice", "bob").await;
        assert!(made.created && made.room["tenantId"] == t);
    }
    group(&pg, "umbrella", "r2", "alice", &["eve"]).await;
    let mut both = batch("acme", "r1", 0, 1, vec![message_row("r1", 1, "alice", "for acme")]);
    both.reads.insert(user("alice"), read(1));
    done(&pg, &both).await;
    both.tenant = tenant("umbrella");
    both.messages[0].content = "for umbrella".into();
    both.reads.clear();
    done(&pg, &both).await;

    for (t, content, unread) in [("acme", "for acme", 1), ("umbrella", "for umbrella", 1)] {
        let seen = see(&pg, t, "bob", "r1").await;
        assert_eq!((&seen["lastMessage"]["content"], &seen["unread"]), (&json!(content), &json!(unread)));
        let log =
            db::messages_after(&pg, &tenant(t), &room("r1"), 0, up_to(10)).await.expect("messages").messages;
        assert_eq!(log.iter().map(|m| m.content.as_str()).collect::<Vec<_>>(), [content]);
    }
    assert_eq!(see(&pg, "acme", "alice", "r1").await["me"]["lastReadSeq"], 1);
    assert_eq!(see(&pg, "umbrella", "alice", "r1").await["me"]["lastReadSeq"], 0);
    let rooms = db::list_rooms(&pg, &tenant("acme"), &user("alice"), None, 50).await.expect("list").rooms;
    assert_eq!(rooms.len(), 1);
    assert!(db::access(&pg, &tenant("acme"), &user("alice"), &room("r2")).await.expect("access").is_none());
    assert!(db::room_snapshot(&pg, &tenant("acme"), &room("r2"), None).await.expect("snapshot").is_none());
}

#[tokio::test]
async fn only_members_have_access() {
    let rig = Database::new().await;
    let pg = rig.connect().await;
    group(&pg, "acme", "r1", "alice", &["bob"]).await;
    done(&pg, &batch("acme", "r1", 0, 1, vec![message_row("r1", 1, "alice", "hi")])).await;
    let access = async |who: &str, r: &str| {
        db::access(&pg, &tenant("acme"), &user(who), &room(r)).await.expect("access")
    };
    let bob = access("bob", "r1").await.expect("bob is in");
    assert_eq!((bob.role.name(), bob.members_version, bob.last_seq), ("member", 1, 1));
    assert_eq!(access("alice", "r1").await.expect("alice is in").role, Role::Owner);
    assert!(access("eve", "r1").await.is_none());
    assert!(access("alice", "r2").await.is_none());
    assert!(db::get_room(&pg, &tenant("acme"), &user("eve"), &room("r1")).await.expect("get").is_none());
}

#[tokio::test]
async fn a_snapshot_is_all_that_a_room_caches() {
    let rig = Database::new().await;
    let pg = rig.connect().await;
    group(&pg, "acme", "r1", "bob", &["alice"]).await;
    let mut first = batch("acme", "r1", 0, 3, vec![message_row("r1", 3, "alice", "hi")]);
    first.reads.insert(user("alice"), read(3));
    done(&pg, &first).await;
    pg.client
        .batch_execute(
            "UPDATE chat_room_members SET notify_level = 'mentions', mute_until = '2026-11-24 00:00:00.5+00'
             WHERE user_id = 'bob'; UPDATE chat_rooms SET archived_at = now(), topic = 't', slow_mode_s = 5",
        )
        .await
        .expect("settings");
    let snapshot =
        db::room_snapshot(&pg, &tenant("acme"), &room("r1"), None).await.expect("snapshot").expect("room");
    let at_ms = snapshot.created_at_ms;
    let member = |id: &str, role: &str, read: u64, notify: Value| json!({"userId": id, "role": role, "joinedAtMs": at_ms, "joinedSeq": 0, "lastReadSeq": read, "readGeneration": 0, "notify": notify, "mutedUntilMs": null});
    let members = [
        member("alice", "member", 3, json!({"level": "all", "muteUntilMs": null})),
        member("bob", "owner", 0, json!({"level": "mentions", "muteUntilMs": DAY_MS + 86_400_500})),
    ];
    let json = serde_json::to_value(&snapshot).expect("json");
    assert_eq!(
        json,
        json!({"type": "group", "name": "The r1", "topic": "t", "createdBy": "bob", "createdAtMs": at_ms,
               "archived": true, "historyVisibility": "all", "roomMention": "all", "slowModeS": 5,
               "membersVersion": 1, "lastSeq": 3, "epoch": "e1", "members": members, "bans": []})
    );
    assert_eq!(serde_json::from_value::<db::RoomSnapshot>(json).expect("back"), snapshot);
    let shown = see(&pg, "acme", "bob", "r1").await;
    assert_eq!(shown["me"]["notify"], json!({"level": "mentions", "muteUntil": "2026-11-24T00:00:00.500Z"}));
}

#[tokio::test]
async fn a_room_of_120_lists_its_first_50_and_counts_all() {
    let rig = Database::new().await;
    let pg = rig.connect().await;
    let names: Vec<String> = (0..119).map(|n| format!("u{n:03}")).collect();
    let others: Vec<&str> = names.iter().map(String::as_str).collect();
    let room = group(&pg, "acme", "r1", "zoe", &others).await.room;
    assert_eq!(room["memberCount"], 120);
    assert_eq!(room["participantIds"], json!(names[..50]));
    let listed: Vec<&Value> =
        room["members"].as_array().expect("members").iter().map(|m| &m["userId"]).collect();
    assert_eq!(json!(listed), json!(names[..50]));
    assert_eq!(room["me"]["role"], "owner", "though not among the first");
}

#[tokio::test]
async fn a_list_walks_newest_first_never_used_last_and_no_room_twice_while_rooms_move() {
    let rig = Database::new().await;
    let pg = rig.connect().await;
    for n in 0..12 {
        group(&pg, "acme", &format!("r{n:02}"), "alice", &["bob"]).await;
    }
    let activity = async |n: u64, from: u64, at: u64| {
        let id = format!("r{n:02}");
        let mut message = message_row(&id, from + 1, "bob", "hi");
        message.created_at_ms = DAY_MS + at;
        done(&pg, &batch("acme", &id, from, from + 1, vec![message])).await;
    };
    // r00–r08 are used, in this order; r02–r04, where the first page ends, in one millisecond. r09–r11 never.
    for n in 0..9 {
        activity(n, 0, 1000 + if n == 3 || n == 4 { 2 } else { n }).await;
    }
    let mut cursor: Option<String> = None;
    let mut walked: Vec<String> = Vec::new();
    let mut pages = 0;
    loop {
        let parsed = cursor.as_deref().map(|text| RoomCursor::parse(text).expect("cursor"));
        let page =
            db::list_rooms(&pg, &tenant("acme"), &user("alice"), parsed.as_ref(), 5).await.expect("list");
        walked.extend(page.rooms.iter().map(|room| room["id"].as_str().expect("id").to_owned()));
        pages += 1;
        if pages == 1 {
            // One that was listed and one that was not rise to the top.
            activity(8, 1, 9000).await;
            activity(1, 1, 9001).await;
        }
        match page.next_cursor {
            Some(next) => cursor = Some(next),
            None => break,
        }
    }
    assert_eq!(walked, ["r08", "r07", "r06", "r05", "r04", "r03", "r02", "r00", "r11", "r10", "r09"]);
    assert_eq!(pages, 3);
    let first = db::list_rooms(&pg, &tenant("acme"), &user("alice"), None, 100).await.expect("list");
    assert_eq!((first.rooms.len(), first.next_cursor), (12, None));
    assert_eq!(first.rooms[0]["id"], "r01");
    assert_eq!(first.rooms[0]["lastMessageAt"], "2026-11-23T00:00:09.001Z");
    assert_eq!(first.rooms[0], see(&pg, "acme", "alice", "r01").await, "one object for both routes");
}
