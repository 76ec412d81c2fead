//! Unread counts, mentions and search on the live stack: soon after the event, only for members, and what is refused.
//! Not here: what counts and what is found (`tests/native/reading`).

use crate::rig::client::{encoded, text};
use crate::rig::{Tenant, eventually};
use serde_json::{Value, json};
use std::time::Duration;

/// For what isn't measured: the machine runs other tests too.
const SOON: Duration = Duration::from_secs(10);

async fn found(t: &Tenant, who: &str, q: &str) -> Vec<Value> {
    let page = t.get(who, &format!("/search?q={}", encoded(q))).await;
    page["hits"].as_array().expect("hits").iter().map(|hit| hit["message"]["content"].clone()).collect()
}

#[tokio::test]
async fn what_is_sent_is_unread_mentions_and_is_found_until_it_is_read() {
    let t = Tenant::shared();
    let room = t.group(&["alice", "bob"]).await;
    let quiet = t.group(&["alice", "bob"]).await;
    t.says("bob", &room, "nothing special").await;
    let sent = t.says("bob", &room, "Lunch, <@alice>? 会議室で").await;
    let rooms = eventually("alice sees what is unread", SOON, || async {
        let rooms = t.get("alice", "/unread").await["rooms"].clone();
        rooms.as_array().expect("rooms").iter().any(|r| r["unread"] == 2).then_some(rooms)
    })
    .await;
    assert_eq!(rooms, json!([{"roomId": room, "unread": 2, "mentions": 1, "lastSeq": 2, "lastReadSeq": 0}]));
    assert!(!rooms.to_string().contains(&quiet), "nothing is unread there");

    let history = t.get("alice", &format!("/rooms/{room}/messages")).await;
    let mentions = t.get("alice", "/mentions").await;
    assert_eq!(mentions, json!({"messages": [history["messages"][1]], "nextCursor": null}), "whole messages");
    let hits = t.get("alice", &format!("/search?q={}", encoded("lun 会議"))).await;
    let hit = json!({"message": history["messages"][1], "roomName": "a group", "senderName": "bob"});
    assert_eq!(hits, json!({"hits": [hit], "nextCursor": null}));
    assert_eq!(found(&t, "bob", "from:me").await, [sent["content"].clone(), json!("nothing special")]);
    assert_eq!(found(&t, "bob", "from:alice").await, [] as [Value; 0]);

    let mut alice = t.join(&room, "alice").await;
    alice.send(json!({"type": "read", "seq": 2})).await;
    alice.leave().await;
    eventually("it is read", SOON, || async {
        let rooms = t.get("alice", "/unread").await["rooms"].clone();
        rooms.as_array().expect("rooms").iter().all(|r| r["unread"] == 0 && r["mentions"] == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn read_8_members_see_who_has_read_a_message() {
    let t = Tenant::shared();
    let room = t.group(&["alice", "bob", "carol"]).await;
    t.says("alice", &room, "read me").await;
    let page = t.get("alice", &format!("/rooms/{room}/messages")).await;
    let path = |id: &str| format!("/rooms/{room}/messages/{id}/readers");
    let id = page["messages"][0]["id"].as_str().expect("an id").to_owned();
    assert_eq!(t.get("alice", &path(&id)).await, json!({"userIds": [], "count": 0}), "not its author");
    t.rest("bob", "POST", &format!("/rooms/{room}/read"), Some(json!({"seq": 1}))).await.ok();
    assert_eq!(t.get("carol", &path(&id)).await, json!({"userIds": ["bob"], "count": 1}));
    t.rest("alice", "POST", &format!("/rooms/{room}/members"), Some(json!({"userIds": ["dave"]}))).await.ok();
    assert_eq!(t.get("dave", &path(&id)).await, json!({"userIds": ["bob"], "count": 1}), "he joined later");
    t.rest("eve", "GET", &path(&id), None).await.refusal(404, "room_not_found");
    t.rest("alice", "GET", &path("x"), None).await.refusal(404, "message_not_found");
    t.rest("alice", "DELETE", &format!("/rooms/{room}/messages/{id}"), None).await.ok();
    t.rest("alice", "GET", &path(&id), None).await.refusal(404, "message_not_found");
}

/// How long it takes until `/unread` returns these numbers to alice: unread messages and mentions (UNREAD-1).
async fn shown(t: &Tenant, room: &str, event: &str, expected: Option<(u64, u64)>) -> Duration {
    let begin = std::time::Instant::now();
    loop {
        let rooms = t.get("alice", "/unread").await["rooms"].clone();
        let of = rooms.as_array().expect("rooms").iter().find(|r| r["roomId"] == room);
        let took = begin.elapsed();
        // A room with nothing unread is not in the list.
        let (unread, mentions) = expected.unwrap_or_default();
        if of.map_or((json!(0), json!(0)), |r| (r["unread"].clone(), r["mentions"].clone()))
            == (json!(unread), json!(mentions))
        {
            return took;
        }
        assert!(took < Duration::from_secs(1), "{event}: {of:?} instead of {expected:?} after {took:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn unread_is_right_within_a_second_of_the_event() {
    let t = Tenant::shared();
    let mut all: Vec<(Duration, &str)> = Vec::new();
    for _ in 0..3 {
        let room = t.group(&["bob", "alice"]).await;
        let path = format!("/rooms/{room}");
        let bob = async |method: &str, rest: &str, body: Option<Value>| {
            t.rest("bob", method, &format!("{path}{rest}"), body).await.ok()
        };
        let alice = async |rest: &str, body: Value| {
            t.rest("alice", "POST", &format!("{path}{rest}"), Some(body)).await.ok()
        };
        let mut look = async |event: &'static str, expected| {
            all.push((shown(&t, &room, event, expected).await, event));
        };
        look("a new room", Some((0, 0))).await;
        let first = t.says("bob", &room, "one").await;
        look("a message", Some((1, 0))).await;
        let second = t.says("bob", &room, "two, <@alice>").await;
        look("a mention", Some((2, 1))).await;
        t.says("bob", &room, "three, @room").await;
        look("a call to all", Some((3, 2))).await;
        let of = |message: &Value| format!("/messages/{}", message["id"].as_str().expect("id"));
        bob("PATCH", &of(&first), Some(json!({"content": "one, <@alice>"}))).await;
        look("an edit that mentions", Some((3, 3))).await;
        bob("POST", "/messages", Some(json!({"content": "reply", "threadId": first["id"]}))).await;
        look("a reply in a thread that one follows", Some((4, 3))).await;
        bob("DELETE", &of(&second), None).await;
        look("a deletion", Some((3, 2))).await;
        alice("/read", json!({"seq": 1_000_000})).await;
        look("a marker", Some((0, 0))).await;
        alice("/unread", json!({"seq": 1})).await;
        look("a marker set back", Some((3, 2))).await;
        t.says("alice", &room, "mine").await;
        look("an own message", Some((0, 0))).await;
        for _ in 0..5 {
            t.says("bob", &room, "more").await;
        }
        look("five messages", Some((5, 0))).await;
        let mut socket = t.join(&room, "alice").await;
        socket.send(json!({"type": "read", "seq": 1_000_000})).await;
        socket.leave().await;
        look("a marker of whoever has left", Some((0, 0))).await;
        bob("DELETE", "/members/alice", None).await;
        look("a removal", None).await;
    }
    all.sort();
    let median = all[all.len() / 2].0;
    println!(
        "unread is right after {median:?} (median of {}), at the latest after {:?}",
        all.len(),
        all.last()
    );
}

#[tokio::test]
async fn nobody_reads_what_is_not_theirs() {
    let (t, other) = (Tenant::shared(), Tenant::shared());
    let room = t.group(&["alice", "bob", "gone"]).await;
    other.group(&["alice", "mallory"]).await;
    t.says("bob", &room, "the secret, <@alice> <@gone> @room").await;
    eventually("it is in Postgres", SOON, || async {
        (!found(&t, "gone", "secret").await.is_empty()).then_some(())
    })
    .await;
    let remove = "DELETE FROM chat_room_members WHERE tenant_id = $1 AND user_id = 'gone'";
    t.stack.sql().await.execute(remove, &[&t.id]).await.expect("gone is out");
    for (tenant, who) in [(&t, "gone"), (&t, "stranger"), (&other, "alice"), (&other, "mallory")] {
        assert_eq!(found(tenant, who, "secret").await, [] as [Value; 0], "{who}");
        assert_eq!(tenant.get(who, "/mentions").await["messages"], json!([]), "{who}");
        let rooms = tenant.get(who, "/unread").await["rooms"].clone();
        assert!(
            rooms.as_array().expect("rooms").iter().all(|r| r["unread"] == 0 && r["roomId"] != json!(room))
        );
        let inside =
            tenant.rest(who, "GET", &format!("/search?q=secret&roomId={}", encoded(&room)), None).await;
        inside.refusal(404, "room_not_found");
    }
    for path in ["/unread", "/mentions", "/saved", "/threads", "/search?q=x"] {
        t.raw("GET", path, &[], None).await.refusal(401, "unauthenticated");
        t.rest("alice", "POST", path, None).await.refusal(405, "method_not_allowed");
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_with_its_field() {
    let t = Tenant::shared();
    t.group(&["alice", "bob"]).await;
    let cases = [
        ("/mentions?cursor=zz", 400, "bad_request", "cursor"),
        ("/saved?cursor=zz", 400, "bad_request", "cursor"),
        ("/threads?cursor=zz", 400, "bad_request", "cursor"),
        ("/mentions?limit=x", 400, "bad_request", "limit"),
        ("/search?q=x&cursor=7b7d", 400, "bad_request", "cursor"),
        ("/search?q=x&limit=1.5", 400, "bad_request", "limit"),
        ("/search", 400, "bad_request", "q"),
        ("/search?q=", 422, "invalid", "q"),
        ("/search?q=has:nothing", 422, "invalid", "q"),
        ("/search?q=before:noon", 422, "invalid", "q"),
        ("/search?q=x%00y", 422, "invalid", "q"),
        ("/search?q=x&after=yesterday", 422, "invalid", "after"),
    ];
    for (path, status, code, field) in cases {
        let error = t.rest("alice", "GET", path, None).await.refusal(status, code);
        assert_eq!(error["field"], field, "{path}");
    }
    assert_eq!(t.get("alice", "/search?q=%27%3B%20DROP%20TABLE%20chat_rooms%20--").await["hits"], json!([]));
    assert_eq!(t.get("alice", "/mentions?limit=1000").await["nextCursor"], Value::Null, "clamped");
}

/// [THREAD-6] to [THREAD-8].
#[tokio::test]
async fn threads_that_i_follow_have_their_own_markers() {
    let t = Tenant::shared();
    let room = t.group(&["alice", "bob", "carol"]).await;
    let say = async |who: &str, content: &str, thread: Option<&str>| {
        let body = json!({"content": content, "threadId": thread});
        let path = format!("/rooms/{}/messages", encoded(&room));
        let sent = t.rest(who, "POST", &path, Some(body)).await.ok();
        (text(&sent["message"]["id"]), sent["message"]["seq"].as_u64().expect("a seq"))
    };
    let (first, _) = say("alice", "tea?", None).await;
    let (second, _) = say("alice", "coffee?", None).await;
    let (_, read) = say("bob", "yes", Some(&first)).await;
    say("carol", "no", Some(&second)).await;
    let (reply, _) = say("bob", "milk?", Some(&first)).await;
    let listed = async |who: &str, expected: &[(&str, u64, u64)]| {
        eventually("the list has it", Duration::from_secs(10), || async {
            let page = t.get(who, "/threads").await;
            let threads = page["threads"].as_array().expect("threads").iter();
            let shown: Vec<_> = threads
                .map(|thread| {
                    assert_eq!(
                        (&thread["roomId"], &thread["root"]["replyCount"]),
                        (&json!(room), &thread["replyCount"])
                    );
                    assert_eq!(thread["root"]["lastReplyAt"], thread["lastReplyAt"]);
                    (text(&thread["root"]["id"]), thread["replyCount"].as_u64(), thread["unread"].as_u64())
                })
                .collect();
            let expected: Vec<_> = expected
                .iter()
                .map(|(id, replies, unread)| ((*id).to_owned(), Some(*replies), Some(*unread)))
                .collect();
            (shown == expected).then_some(())
        })
        .await;
    };
    listed("alice", &[(&first, 2, 2), (&second, 1, 1)]).await;
    listed("carol", &[(&second, 1, 0)]).await;
    let path = |root: &str| format!("/rooms/{}/threads/{root}/read", encoded(&room));
    let mark = async |root: &str, seq: u64| {
        t.rest("alice", "POST", &path(root), Some(json!({"seq": seq}))).await.ok()["lastReadSeq"].as_u64()
    };
    assert_eq!(mark(&first, read).await, Some(read));
    listed("alice", &[(&first, 2, 1), (&second, 1, 1)]).await;
    let end = mark(&first, 1 << 40).await.expect("a seq");
    assert!(end < 1 << 30, "no further than the room: {end}");
    assert_eq!(mark(&first, 1).await, Some(end));
    listed("alice", &[(&first, 2, 0), (&second, 1, 1)]).await;
    for unknown in [reply.as_str(), "nothing"] {
        t.rest("alice", "POST", &path(unknown), Some(json!({"seq": 1})))
            .await
            .refusal(404, "message_not_found");
    }
    t.rest("alice", "POST", &path(&first), Some(json!({}))).await.refusal(400, "bad_request");
    t.rest("eve", "POST", &path(&first), Some(json!({"seq": 1}))).await.refusal(404, "room_not_found");
    // A deleted root has its replies still.
    t.rest("alice", "DELETE", &format!("/rooms/{}/messages/{second}", encoded(&room)), None).await.ok();
    mark(&second, end).await;
    listed("alice", &[(&first, 2, 0), (&second, 1, 0)]).await;
}
