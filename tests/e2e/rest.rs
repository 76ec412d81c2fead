//! Every route of REST: what it answers, in which order, with which limits. Not here: refusals (`rest_refusals`).

use crate::rig::checks::{recent, seq};
use crate::rig::client::text;
use crate::rig::{Tenant, eventually};
use futures_util::future::join_all;
use serde_json::{Value, json};
use std::time::Duration;

const DRAIN_MAX: Duration = Duration::from_secs(15);

fn ids(rooms: &Value) -> Vec<String> {
    rooms["rooms"].as_array().expect("rooms").iter().map(|room| text(&room["id"])).collect()
}

fn seqs(page: &Value) -> Vec<u64> {
    page["messages"].as_array().expect("messages").iter().map(seq).collect()
}

#[tokio::test]
async fn a_group_is_made_with_its_members_and_its_creator_as_owner() {
    let t = Tenant::shared();
    let body = json!({"type": "group", "name": "Käse & Brot", "participantIds": ["bob", "carol", "bob"]});
    let made = t.rest("alice", "POST", "/rooms/create", Some(body)).await.ok();
    assert_eq!(made["created"], true);
    let room = &made["room"];
    assert_eq!((&room["type"], &room["name"]), (&json!("group"), &json!("Käse & Brot")));
    assert_eq!((&room["tenantId"], &room["createdBy"]), (&json!(t.id), &json!("alice")));
    assert_eq!(room["memberCount"], 3);
    let mut people: Vec<String> = room["participantIds"].as_array().expect("ids").iter().map(text).collect();
    people.sort();
    assert_eq!(people, ["alice", "bob", "carol"]);
    for member in room["members"].as_array().expect("members") {
        let role = if member["userId"] == "alice" { "owner" } else { "member" };
        assert_eq!(member["role"], role, "{member}");
        recent(&member["joinedAt"]);
    }
    recent(&room["createdAt"]);
    assert_eq!((&room["lastMessageAt"], &room["lastMessage"]), (&Value::Null, &Value::Null));
    assert_eq!((&room["lastSeq"], &room["unread"], &room["mentions"]), (&json!(0), &json!(0), &json!(0)));
    assert_eq!(room["me"]["role"], "owner");
    assert_eq!(room["me"]["lastReadSeq"], 0);
    assert_eq!(room["me"]["notify"]["level"], "all");
    let id = text(&room["id"]);
    let seen = t.get("bob", &format!("/rooms/{id}")).await;
    assert_eq!((&seen["room"]["id"], &seen["room"]["me"]["role"]), (&room["id"], &json!("member")));
}

#[tokio::test]
async fn a_pair_has_one_room_whoever_asks() {
    let t = Tenant::shared();
    let with = |other: &str| Some(json!({"type": "direct", "participantIds": [other]}));
    let first = t.rest("alice", "POST", "/rooms/create", with("bob")).await.ok();
    let again = t.rest("bob", "POST", "/rooms/create", with("alice")).await.ok();
    let both = json!({"type": "direct", "participantIds": ["bob", "alice"]});
    let named = t.rest("alice", "POST", "/rooms/create", Some(both)).await.ok();
    let other = t.rest("alice", "POST", "/rooms/create", with("carol")).await.ok();
    assert_eq!(
        [&first, &again, &named, &other].map(|made| made["created"] == true),
        [true, false, false, true]
    );
    assert_eq!(first["room"]["id"], again["room"]["id"]);
    assert_eq!(first["room"]["id"], named["room"]["id"]);
    assert_ne!(first["room"]["id"], other["room"]["id"]);
    assert_eq!(first["room"]["type"], "direct");
}

#[tokio::test]
async fn fifty_at_once_make_one_dm() {
    let t = Tenant::shared();
    let calls = (0..50).map(|i| {
        let t = t.clone();
        let (me, other) = if i % 2 == 0 { ("alice", "bob") } else { ("bob", "alice") };
        let body = json!({"type": "direct", "participantIds": [other]});
        tokio::spawn(async move { t.rest(me, "POST", "/rooms/create", Some(body)).await.ok() })
    });
    let made = futures_util::future::join_all(calls.collect::<Vec<_>>()).await;
    let made: Vec<Value> = made.into_iter().map(|made| made.expect("answered")).collect();
    assert_eq!(made.iter().filter(|made| made["created"] == true).count(), 1, "one of them made it");
    let id = &made[0]["room"]["id"];
    assert!(made.iter().all(|made| made["room"]["id"] == *id), "the same room for all");
    assert_eq!(ids(&t.get("alice", "/rooms/list").await), [text(id)]);
    assert_eq!(made[0]["room"]["memberCount"], 2);
}

#[tokio::test]
async fn my_rooms_come_newest_activity_first_and_unused_ones_last() {
    let t = Tenant::shared();
    let mut rooms = Vec::new();
    for _ in 0..4 {
        rooms.push(t.group(&["alice", "bob"]).await);
    }
    let foreign = t.group(&["bob", "carol"]).await;
    for room in [&rooms[2], &rooms[0]] {
        let body = json!({"content": format!("hello {room}"), "clientId": "c"});
        t.rest("bob", "POST", &format!("/rooms/{room}/messages"), Some(body)).await.ok();
        t.drained(room, DRAIN_MAX).await;
    }
    let list = t.get("alice", "/rooms/list").await;
    let listed = ids(&list);
    assert_eq!(listed[..2], [rooms[0].clone(), rooms[2].clone()], "newest activity first");
    assert_eq!(listed.len(), 4);
    assert!(listed[2..].contains(&rooms[1]) && listed[2..].contains(&rooms[3]), "never-used rooms last");
    assert!(!listed.contains(&foreign), "my rooms only");
    assert_eq!(list["nextCursor"], Value::Null);
    let first = &list["rooms"][0];
    assert_eq!((&first["lastSeq"], &first["unread"]), (&json!(1), &json!(1)));
    assert_eq!(first["lastMessage"]["content"], format!("hello {}", rooms[0]));
    assert_eq!(first["lastMessage"]["userId"], "bob");
    recent(&first["lastMessageAt"]);
    let mine = t.get("bob", &format!("/rooms/{}", rooms[0])).await;
    assert_eq!(mine["room"]["unread"], 0, "what one said oneself is read");

    // Page by page the same, each room once.
    let (mut paged, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = t.get("alice", &format!("/rooms/list?limit=1{cursor}")).await;
        assert_eq!(page["rooms"].as_array().map(Vec::len), Some(1), "{page}");
        paged.extend(ids(&page));
        match page["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={}", crate::rig::client::encoded(next)),
            None => break,
        }
    }
    assert_eq!(paged, listed);
}

#[tokio::test]
async fn history_pages_ascend_and_say_whether_there_is_more() {
    let t = Tenant::shared();
    let room = t.group(&["alice", "bob"]).await;
    let mut alice = t.join(&room, "alice").await;
    for i in 1..=9 {
        alice.say(&format!("c{i}"), &format!("message {i}")).await;
    }
    let id =
        text(&alice.all().iter().rev().find(|e| e["type"] == "new_message").expect("heard")["message"]["id"]);
    let react = json!({"type": "reaction", "messageId": id, "emoji": "👍", "action": "add", "clientId": "r"});
    alice.send(react).await;
    alice.ack("r").await;
    let page = async |query: &str| t.get("bob", &format!("/rooms/{room}/messages{query}")).await;

    let all = page("").await;
    assert_eq!(seqs(&all), (1..=9).collect::<Vec<_>>());
    assert_eq!(
        (&all["lastSeq"], &all["hasMoreBefore"], &all["hasMoreAfter"]),
        (&json!(10), &json!(false), &json!(false))
    );
    assert!(all["epoch"].as_str().is_some_and(|epoch| !epoch.is_empty()));
    assert_eq!(all["messages"][8]["reactions"], json!({"👍": ["alice"]}));

    for (query, expected, more) in [
        ("?limit=4", vec![6, 7, 8, 9], (true, false)),
        ("?before=5&limit=2", vec![3, 4], (true, true)),
        ("?before=3", vec![1, 2], (false, true)),
        ("?before=1", vec![], (false, true)),
        ("?before=1000&limit=1", vec![9], (true, false)),
        ("?after=0&limit=3", vec![1, 2, 3], (false, true)),
        ("?after=7", vec![8, 9], (true, false)),
        ("?after=10", vec![], (true, false)),
        ("?around=5&limit=4", vec![3, 4, 5, 6], (true, true)),
        ("?around=1&limit=4", vec![1, 2], (false, true)),
        ("?at=2001-01-01T00:00:00Z&limit=4", vec![1, 2], (false, true)),
        ("?at=2999-01-01T00:00:00.000Z&limit=4", vec![8, 9], (true, false)),
        ("?limit=0", vec![9], (true, false)),
        ("?limit=1000", (1..=9).collect(), (false, false)),
    ] {
        let page = page(query).await;
        assert_eq!(seqs(&page), expected, "{query}");
        assert_eq!(
            (&page["hasMoreBefore"], &page["hasMoreAfter"]),
            (&json!(more.0), &json!(more.1)),
            "{query}"
        );
    }
}

#[tokio::test]
async fn a_message_over_rest_is_heard_acked_and_sent_once() {
    let t = Tenant::shared();
    let room = t.group(&["alice", "bob"]).await;
    let mut bob = t.join(&room, "bob").await;
    let path = format!("/rooms/{room}/messages");
    let body = json!({"content": "from a server <@bob>", "clientId": "k1"});
    let first = t.rest("alice", "POST", &path, Some(body.clone())).await.ok();
    assert_eq!(first["duplicate"], false);
    let message = &first["message"];
    assert_eq!(
        (&message["seq"], &message["userId"], &message["clientId"]),
        (&json!(1), &json!("alice"), &json!("k1"))
    );
    assert_eq!(message["mentions"], json!(["bob"]));
    recent(&message["createdAt"]);
    let heard = bob.next("new_message").await;
    assert_eq!(&heard["message"], message);
    let page = t.get("bob", &path).await;
    assert_eq!(&page["messages"][0], message, "read-your-writes");

    let again = t.rest("alice", "POST", &path, Some(body)).await.ok();
    assert_eq!((&again["duplicate"], &again["message"]), (&json!(true), message));
    assert!(bob.barrier().await.is_empty(), "heard once");
    let other = json!({"content": "another", "clientId": "k1"});
    t.rest("alice", "POST", &path, Some(other)).await.refusal(409, "client_id_conflict");
    let same_id = json!({"content": "from a server <@bob>", "clientId": "k1"});
    let bobs = t.rest("bob", "POST", &path, Some(same_id)).await.ok();
    assert_eq!(
        (&bobs["duplicate"], &bobs["message"]["seq"]),
        (&json!(false), &json!(2)),
        "a clientId is a person's own"
    );
    let without = t.rest("alice", "POST", &path, Some(json!({"content": "no clientId"}))).await.ok();
    assert_eq!(without["message"]["clientId"], Value::Null);
}

#[tokio::test]
async fn a_group_is_created_once_for_a_client_id() {
    let t = Tenant::shared();
    let body = || Some(json!({"type": "group", "participantIds": ["bob"], "clientId": "k1"}));
    let tries = (0..10).map(|_| t.rest("alice", "POST", "/rooms/create", body()));
    let answers: Vec<_> = join_all(tries).await.iter().map(|answer| answer.ok()).collect();
    assert!(answers.iter().all(|answer| answer["room"]["id"] == answers[0]["room"]["id"]), "{answers:?}");
    assert_eq!(answers.iter().filter(|answer| answer["created"] == true).count(), 1);
    let other = t.rest("bob", "POST", "/rooms/create", body()).await.ok();
    assert_ne!(other["room"]["id"], answers[0]["room"]["id"]);
}

#[tokio::test]
async fn health_touches_nothing_unless_asked_deeply() {
    let t = Tenant::shared();
    let plain = t.raw("GET", "/health", &[], None).await.ok();
    assert_eq!(plain, json!({"status": "ok"}));
    t.raw("GET", "/health?deep=1", &[], None).await.refusal(401, "unauthenticated");
    t.rest("alice", "GET", "/health?deep=1", None).await.refusal(401, "unauthenticated");
    let deep = t.rest_as(&t.admin_token(), "GET", "/health?deep=1", None).await.ok();
    assert_eq!((&deep["status"], &deep["postgres"]), (&json!("ok"), &json!("ok")));
    assert!(deep["latencyMs"].is_number(), "{deep}");
}

#[tokio::test]
async fn a_rooms_outbox_is_for_the_tenants_admins() {
    let t = Tenant::shared();
    let room = t.group(&["alice", "bob"]).await;
    let mut alice = t.join(&room, "alice").await;
    alice.say("c1", "one").await;
    let outbox = eventually("drained", DRAIN_MAX, || async {
        let outbox = t.outbox(&room).await;
        (outbox["lag"] == 0 && outbox["state"] == "idle").then_some(outbox)
    });
    let outbox = outbox.await;
    assert_eq!(
        (&outbox["head"], &outbox["projected"], &outbox["setAside"]),
        (&json!(1), &json!(1), &json!([]))
    );
    assert_eq!(outbox["oldestMs"], 0);
    let path = format!("/rooms/{room}/outbox");
    t.rest("alice", "GET", &path, None).await.refusal(403, "forbidden");
    t.rest("mallory", "GET", &path, None).await.refusal(404, "room_not_found");
    let moderator = t.token_with("bob", json!({"roles": ["moderator"]}));
    t.rest_as(&moderator, "GET", &path, None).await.refusal(403, "forbidden");
    let foreign = Tenant::new(&t.stack).admin_token();
    t.rest_as(&foreign, "GET", &path, None).await.refusal(404, "room_not_found");
    let unknown = t.rest_as(&t.admin_token(), "GET", "/rooms/no-such-room/outbox", None).await;
    unknown.refusal(404, "room_not_found");
}

#[tokio::test]
async fn the_dev_sign_in_gives_a_token_that_works() {
    let t = Tenant::shared();
    let body = json!({"sub": "alice", "tenant": t.id}).to_string();
    let headers = [("Content-Type", "application/json")];
    let signed_in = t.raw("POST", "/dev/token", &headers, Some(body.as_bytes())).await.ok();
    let list = t.rest_as(&text(&signed_in["token"]), "GET", "/rooms/list", None).await.ok();
    assert_eq!(list["rooms"], json!([]));
}
