//! Members, roles, settings and moderation over REST, and the events that sockets receive.
//! Not here: each rule by itself (`tests/native/room/members.rs`), and permissions (`roles`).

use crate::rig::client::text;
use crate::rig::{Answer, Tenant, eventually};
use futures_util::future::join_all;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// People who set something at once. All are answered within the patience of a request; 400 beside the 50 additions took
/// 20 s on two cores that compiled at the same time.
const CROWD: usize = 120;

/// alice owns the room, anna is an admin of it, mo a moderator; bob and carol are members.
pub async fn ranks(t: &Tenant) -> String {
    let room = t.group(&["alice", "anna", "mo", "bob", "carol"]).await;
    for (name, role) in [("anna", "admin"), ("mo", "moderator")] {
        let path = format!("/rooms/{room}/members/{name}");
        let set = t.rest("alice", "PATCH", &path, Some(json!({"role": role}))).await.ok();
        assert_eq!((&set["member"]["userId"], &set["member"]["role"]), (&json!(name), &json!(role)));
    }
    room
}

async fn roles(t: &Tenant, room: &str) -> Vec<(String, String)> {
    let page = t.get("alice", &format!("/rooms/{room}/members?limit=100")).await;
    assert_eq!(page["nextCursor"], Value::Null);
    let member = |m: &Value| (text(&m["userId"]), text(&m["role"]));
    page["members"].as_array().expect("members").iter().map(member).collect()
}

#[tokio::test]
async fn people_come_go_and_rise_and_all_hear_of_it_in_the_log() {
    let t = Tenant::shared();
    let room = t.group(&["alice", "bob", "carol"]).await;
    let path = format!("/rooms/{room}/members");
    let [mut alice, mut bob] = t.together(&room, ["alice", "bob"]).await;
    alice.say("c1", "one").await;
    let body = Some(json!({"userIds": ["dave", "bob", "dave"]}));
    let added = t.rest("alice", "POST", &path, body.clone()).await.ok();
    let people: Vec<String> =
        added["members"].as_array().expect("members").iter().map(|m| text(&m["userId"])).collect();
    assert_eq!(people, ["dave", "bob"], "those asked for: {added}");
    let event = bob.next("member_added").await;
    assert_eq!(
        event,
        json!({"type": "member_added", "seq": 2, "userId": "dave", "role": "member", "by": "alice"})
    );
    t.rest("alice", "POST", &path, body).await.ok();
    let seen = t.get("dave", &format!("/rooms/{room}")).await;
    assert_eq!((&seen["room"]["unread"], &seen["room"]["me"]["role"]), (&json!(0), &json!("member")));
    let mut dave = t.join(&room, "dave").await;

    t.rest("bob", "DELETE", &format!("{path}/dave"), None).await.refusal(403, "forbidden");
    t.rest("dave", "POST", &format!("/rooms/{room}/leave"), None).await.ok();
    assert_eq!(dave.close_code().await, (4403, "removed".into()));
    let event = bob.next("member_removed").await;
    assert_eq!(
        event,
        json!({"type": "member_removed", "seq": 3, "userId": "dave", "role": "member", "by": "dave"})
    );
    t.dial(&room, "dave").refused().await.refusal(404, "room_not_found");
    t.rest("dave", "GET", &format!("/rooms/{room}"), None).await.refusal(404, "room_not_found");

    t.rest("alice", "PATCH", &format!("{path}/bob"), Some(json!({"role": "owner"}))).await.ok();
    let events = [bob.next("member_updated").await, bob.next("member_updated").await];
    assert_eq!(
        events.each_ref().map(|e| (&e["userId"], &e["role"])),
        [(&json!("alice"), &json!("admin")), (&json!("bob"), &json!("owner"))]
    );
    t.rest("bob", "POST", &format!("/rooms/{room}/leave"), None).await.refusal(409, "last_owner");
    let audit = t.get("bob", &format!("/rooms/{room}/audit?limit=2")).await;
    let entries = audit["entries"].as_array().expect("entries");
    assert!(entries.iter().all(|e| e["action"] == "role" && e["actor"] == "alice"), "{audit}");
    let next = format!("/rooms/{room}/audit?cursor={}", text(&audit["nextCursor"]));
    let rest = t.get("bob", &next).await;
    let actions: Vec<String> =
        rest["entries"].as_array().expect("entries").iter().map(|e| text(&e["action"])).collect();
    assert_eq!(actions, ["remove", "add"]);
    t.rest("carol", "GET", &format!("/rooms/{room}/audit"), None).await.refusal(403, "forbidden");
    t.rest("eve", "GET", &format!("/rooms/{room}/audit"), None).await.refusal(404, "room_not_found");

    // A replay tells the same.
    let epoch = text(&t.get("bob", &format!("/rooms/{room}/messages")).await["epoch"]);
    let mut again = t.dial(&room, "carol").and(&format!("since=0&epoch={epoch}")).open().await;
    let kinds: Vec<String> = again.greeting().await.between.iter().map(|e| text(&e["type"])).collect();
    assert_eq!(kinds, ["new_message", "member_added", "member_removed", "member_updated", "member_updated"]);
}

#[tokio::test]
async fn settings_change_for_all_and_an_archived_room_rests() {
    let t = Tenant::shared();
    let room = ranks(&t).await;
    let path = format!("/rooms/{room}");
    let mut bob = t.join(&room, "bob").await;
    let body = json!({"name": "  Dinner ", "topic": "soup", "roomMention": "admins"});
    let changed = t.rest("anna", "PATCH", &path, Some(body)).await.ok();
    assert_eq!((&changed["room"]["name"], &changed["room"]["topic"]), (&json!("Dinner"), &json!("soup")));
    assert_eq!(changed["room"]["me"]["role"], "admin", "as the one who asks sees it");
    let event = bob.next("room_updated").await;
    assert_eq!((&event["room"]["id"], &event["room"]["name"]), (&json!(room), &json!("Dinner")));
    assert_eq!(event["room"]["me"], Value::Null, "nothing of anybody's own");
    for (body, status, code, field) in [
        (json!({}), 400, "bad_request", Value::Null),
        (json!({"name": 1}), 400, "bad_request", json!("name")),
        (json!({"name": "x".repeat(101)}), 422, "invalid", json!("name")),
        (json!({"topic": "x".repeat(301)}), 422, "invalid", json!("topic")),
        (json!({"topic": "a\nb"}), 422, "invalid", json!("topic")),
        (json!({"archived": "yes"}), 400, "bad_request", json!("archived")),
        (json!({"historyVisibility": "none"}), 422, "invalid", json!("historyVisibility")),
        (json!({"roomMention": "some"}), 422, "invalid", json!("roomMention")),
    ] {
        let refused = t.rest("anna", "PATCH", &path, Some(body.clone())).await.refusal(status, code);
        assert_eq!(refused["field"], field, "{body}");
    }
    t.rest("mo", "PATCH", &path, Some(json!({"name": "x"}))).await.refusal(403, "forbidden");
    t.rest("anna", "PATCH", &path, Some(json!({"archived": true}))).await.ok();
    let body = Some(json!({"content": "hi"}));
    t.rest("bob", "POST", &format!("{path}/messages"), body.clone()).await.refusal(409, "archived");
    let add = Some(json!({"userIds": ["erin"]}));
    t.rest("anna", "POST", &format!("{path}/members"), add).await.refusal(409, "archived");
    t.rest("anna", "PATCH", &path, Some(json!({"archived": false, "name": ""}))).await.ok();
    t.rest("bob", "POST", &format!("{path}/messages"), body).await.ok();
    assert_eq!(t.get("bob", &path).await["room"]["name"], Value::Null);
}

#[tokio::test]
async fn notification_settings_are_ones_own() {
    let t = Tenant::shared();
    let room = t.group(&["alice", "bob"]).await;
    let path = format!("/rooms/{room}/notification-settings");
    assert_eq!(t.get("bob", &path).await, json!({"level": "all", "muteUntil": null}));
    let body = json!({"level": "mentions", "muteUntil": "2031-01-01T00:00:00Z"});
    let set = t.rest("bob", "PUT", &path, Some(body)).await.ok();
    assert_eq!(set, json!({"level": "mentions", "muteUntil": "2031-01-01T00:00:00.000Z"}));
    assert_eq!(t.get("bob", &path).await, set);
    assert_eq!(t.get("alice", &path).await["level"], "all");
    let mut bob = t.dial(&room, "bob").open().await;
    assert_eq!(bob.next("hello").await["me"]["notify"], set);
    t.rest("bob", "PUT", &path, Some(json!({"level": "loud"}))).await.refusal(422, "invalid");
    t.rest("bob", "PUT", &path, Some(json!({}))).await.refusal(400, "bad_request");
    let body = json!({"level": "all", "muteUntil": "soon"});
    assert_eq!(t.rest("bob", "PUT", &path, Some(body)).await.refusal(422, "invalid")["field"], "muteUntil");
    t.rest("eve", "PUT", &path, Some(json!({"level": "all"}))).await.refusal(404, "room_not_found");
    t.rest("eve", "GET", &path, None).await.refusal(404, "room_not_found");
}

/// Everybody at once: the room makes the changes one after the other, and refuses nobody.
#[tokio::test]
async fn fifty_additions_and_all_settings_at_once_are_all_made() {
    let t = Tenant::shared();
    let people: Vec<String> = (0..CROWD).map(|nth| format!("p{nth:03}")).collect();
    let mut members = vec!["alice"];
    members.extend(people.iter().map(String::as_str));
    let room = t.group(&members).await;
    let mut p000 = t.join(&room, "p000").await;
    let path = format!("/rooms/{room}/members");
    let began = Instant::now();
    let adding = (0..50).map(|nth| {
        let (t, path) = (t.clone(), path.clone());
        async move {
            let body = json!({"userIds": [format!("new{nth:02}")]});
            t.rest("alice", "POST", &path, Some(body)).await.status
        }
    });
    let settings = format!("/rooms/{room}/notification-settings");
    let setting = people.iter().map(|who| {
        let (t, settings) = (t.clone(), settings.clone());
        async move { t.rest(who, "PUT", &settings, Some(json!({"level": "mentions"}))).await.status }
    });
    let (added, set) = tokio::join!(join_all(adding), join_all(setting));
    let took = began.elapsed();
    eprintln!("50 additions and {CROWD} settings at once: {took:?}");
    let made = |statuses: &[u16]| statuses.iter().filter(|status| **status == 200).count();
    assert_eq!((made(&added), made(&set)), (50, CROWD), "{added:?} {set:?}");
    let room_now = t.get("alice", &format!("/rooms/{room}")).await["room"].clone();
    assert_eq!(room_now["memberCount"], 1 + CROWD + 50);
    let sql = t.stack.sql().await;
    let count = "SELECT count(*) FROM chat_room_members WHERE tenant_id = $1 AND room_id = $2 AND notify_level = 'mentions'";
    let set: i64 = sql.query_one(count, &[&t.id, &room]).await.expect("a count").get(0);
    assert_eq!(set as usize, CROWD);
    // Everybody hears of each addition once, in the order of the log.
    p000.barrier().await;
    let heard: Vec<Value> = p000.all().into_iter().filter(|e| e["type"] == "member_added").collect();
    let seqs: Vec<u64> = heard.iter().map(|e| e["seq"].as_u64().expect("seq")).collect();
    assert_eq!(seqs, (1..=50).collect::<Vec<u64>>());
    let mut again = t.dial(&room, "p001").open().await;
    assert_eq!(again.next("hello").await["me"]["notify"]["level"], "mentions");
}

#[tokio::test]
async fn of_two_who_race_one_wins_and_the_room_stays_whole() {
    let t = Tenant::shared();
    for round in 0..8 {
        let room = t.group(&["alice", "bob", "carol", "dave"]).await;
        let mut carol = t.join(&room, "carol").await;
        // A second owner, as another system might have made one.
        let sql = t.stack.sql().await;
        let two = "UPDATE chat_room_members SET role = 'owner' WHERE tenant_id = $1 AND room_id = $2 AND user_id = 'bob'";
        sql.execute(two, &[&t.id, &room]).await.expect("an owner");
        let bump =
            "UPDATE chat_rooms SET members_version = members_version + 1 WHERE tenant_id = $1 AND id = $2";
        sql.execute(bump, &[&t.id, &room]).await.expect("a version");
        let leave = format!("/rooms/{room}/leave");
        let left = join_all(["alice", "bob"].map(|who| t.rest(who, "POST", &leave, None))).await;
        let mut statuses: Vec<u16> = left.iter().map(|answer| answer.status).collect();
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 409], "round {round}: one of two owners stays: {left:?}");
        let owner = if left[0].status == 409 { "alice" } else { "bob" };

        let path = format!("/rooms/{room}/members");
        let change = |method: &'static str, rest: String, body: Option<Value>| {
            let t = t.clone();
            async move { t.rest(owner, method, &rest, body).await }
        };
        let raced: Vec<Answer> = join_all([
            change("POST", path.clone(), Some(json!({"userIds": ["erin"]}))),
            change("PUT", format!("/rooms/{room}/bans/erin"), Some(json!({}))),
            change("PATCH", format!("{path}/dave"), Some(json!({"role": "moderator"}))),
            change("DELETE", format!("{path}/dave"), None),
        ])
        .await;
        assert!(raced.iter().all(|answer| [200, 404, 409].contains(&answer.status)), "{raced:?}");
        let there = t.rest(owner, "GET", &path, None).await.ok();
        let names: Vec<String> =
            there["members"].as_array().expect("members").iter().map(|m| text(&m["userId"])).collect();
        let mut expected = vec![owner.to_owned(), "carol".to_owned()];
        expected.sort_unstable();
        assert_eq!(names, expected, "erin is banned and dave removed, whoever was first: {raced:?}");

        // What carol heard adds up to the same.
        let mut heard = ["alice", "bob", "carol", "dave"].map(str::to_owned).to_vec();
        carol.barrier().await;
        let all = carol.all();
        let news = all.iter().filter(|e| text(&e["type"]).starts_with("member_"));
        for (before, event) in news.enumerate() {
            assert_eq!(event["seq"], before + 1, "gapless: {event}");
            let user = text(&event["userId"]);
            match event["type"].as_str() {
                Some("member_added") => heard.push(user),
                Some("member_removed") => heard.retain(|known| *known != user),
                _ => assert!(heard.contains(&user), "{event}"),
            }
        }
        heard.sort_unstable();
        assert_eq!(heard, expected, "round {round}");
    }
}

#[tokio::test]
async fn bad_input_is_reported_by_its_code_and_changes_nothing() {
    let t = Tenant::shared();
    let room = ranks(&t).await;
    let path = format!("/rooms/{room}");
    let before = roles(&t, &room).await;
    let many: Vec<String> = (0..501).map(|n| format!("p{n}")).collect();
    for (method, rest, body, status, code, field) in [
        ("POST", "/members", json!({}), 400, "bad_request", json!("userIds")),
        ("POST", "/members", json!({"userIds": []}), 422, "invalid", json!("userIds")),
        ("POST", "/members", json!({"userIds": [1]}), 400, "bad_request", json!("userIds")),
        ("POST", "/members", json!({"userIds": [""]}), 422, "invalid", json!("userIds")),
        ("POST", "/members", json!({"userIds": many}), 422, "invalid", json!("userIds")),
        ("PATCH", "/members/bob", json!({}), 400, "bad_request", json!("role")),
        ("PATCH", "/members/bob", json!({"role": "king"}), 422, "invalid", json!("role")),
        ("PATCH", "/members/nobody", json!({"role": "moderator"}), 404, "member_not_found", Value::Null),
        ("DELETE", "/members/nobody", Value::Null, 404, "member_not_found", Value::Null),
        ("PUT", "/mutes/nobody", json!({}), 404, "member_not_found", Value::Null),
        ("PUT", "/mutes/bob", json!({"until": "tomorrow"}), 422, "invalid", json!("until")),
        ("PUT", "/mutes/bob", json!({"until": "2020-01-01T00:00:00Z"}), 422, "invalid", json!("until")),
        ("PUT", "/mutes/bob", json!({"until": 5}), 400, "bad_request", json!("until")),
        ("PUT", "/bans/bob", json!({"reason": "x".repeat(501)}), 422, "invalid", json!("reason")),
        ("PUT", "/bans/alice", json!({}), 403, "forbidden", Value::Null),
        ("PUT", "/slow-mode", json!({}), 400, "bad_request", json!("seconds")),
        ("PUT", "/slow-mode", json!({"seconds": 21_601}), 422, "invalid", json!("seconds")),
        ("PUT", "/slow-mode", json!({"seconds": -1}), 400, "bad_request", json!("seconds")),
    ] {
        let body_sent = (!body.is_null()).then(|| body.clone());
        let refused = t.rest("anna", method, &format!("{path}{rest}"), body_sent).await.refusal(status, code);
        assert_eq!(refused["field"], field, "{method} {rest} {body}");
    }
    for cursor in ["x", "7b7d"] {
        for pages in ["members", "audit"] {
            let bad = t.rest("anna", "GET", &format!("{path}/{pages}?cursor={cursor}"), None).await;
            bad.refusal(400, "bad_request");
        }
    }
    assert_eq!(roles(&t, &room).await, before);
}

#[tokio::test]
async fn the_muted_and_the_rate_limited_get_an_error_and_the_banned_are_out() {
    let t = Tenant::shared();
    let room = ranks(&t).await;
    let path = format!("/rooms/{room}");
    let [mut bob, mut carol] = t.together(&room, ["bob", "carol"]).await;
    bob.say("c1", "before").await;
    t.rest("mo", "PUT", &format!("{path}/mutes/bob"), Some(json!({"until": "2031-01-01T00:00:00Z"})))
        .await
        .ok();
    bob.send(json!({"type": "message", "content": "hi", "clientId": "c2"})).await;
    let refused = bob.next("error").await;
    assert_eq!((&refused["code"], &refused["clientId"]), (&json!("muted"), &json!("c2")));
    assert!(refused["retryAfterMs"].as_u64().is_some_and(|ms| ms > 86_400_000), "{refused}");
    let body = Some(json!({"content": "hi"}));
    t.rest("bob", "POST", &format!("{path}/messages"), body.clone()).await.refusal(403, "muted");
    // Who is muted, moderators see, and nobody else.
    for (who, shown) in [("mo", json!("2031-01-01T00:00:00.000Z")), ("bob", Value::Null)] {
        let members = t.get(who, &format!("{path}/members")).await;
        let muted: Vec<&Value> = members["members"]
            .as_array()
            .expect("members")
            .iter()
            .filter(|member| member.get("mutedUntil").is_some())
            .collect();
        match shown.is_null() {
            true => assert!(muted.is_empty(), "{who}: {muted:?}"),
            false => assert_eq!(
                (muted.len(), &muted[0]["userId"], &muted[0]["mutedUntil"]),
                (1, &json!("bob"), &shown)
            ),
        }
    }
    // A body may be left out.
    t.rest("mo", "DELETE", &format!("{path}/mutes/bob"), None).await.ok();
    assert!(!t.get("mo", &format!("{path}/members")).await.to_string().contains("mutedUntil"));
    t.rest("bob", "POST", &format!("{path}/messages"), body.clone()).await.ok();

    t.rest("mo", "PUT", &format!("{path}/slow-mode"), Some(json!({"seconds": 600}))).await.ok();
    assert_eq!(carol.next("room_updated").await["room"]["slowModeS"], 600);
    assert_eq!(t.get("carol", &path).await["room"]["slowModeS"], 600);
    let slow = t.rest("bob", "POST", &format!("{path}/messages"), body.clone()).await;
    assert!(slow.header("retry-after").is_some_and(|s| s.parse::<u64>().is_ok_and(|s| s > 500)), "{slow:?}");
    slow.refusal(429, "slow_mode");
    t.rest("mo", "POST", &format!("{path}/messages"), body).await.ok();

    let message = carol.next("new_message").await["message"]["id"].clone();
    let report = format!("{path}/messages/{}/report", text(&message));
    t.rest("carol", "POST", &report, Some(json!({}))).await.refusal(400, "bad_request");
    t.rest("carol", "POST", &report, Some(json!({"reason": "rude"}))).await.ok();
    t.rest("eve", "POST", &report, Some(json!({"reason": "rude"}))).await.refusal(404, "room_not_found");
    let ban = json!({"reason": "rude"});
    t.rest("mo", "PUT", &format!("{path}/bans/bob"), Some(ban)).await.ok();
    assert_eq!(bob.close_code().await, (4403, "removed".into()));
    let add = Some(json!({"userIds": ["bob"]}));
    t.rest("anna", "POST", &format!("{path}/members"), add.clone()).await.refusal(409, "banned");
    t.rest("mo", "DELETE", &format!("{path}/bans/bob"), None).await.ok();
    t.rest("anna", "POST", &format!("{path}/members"), add).await.ok();
    t.drained(&room, std::time::Duration::from_secs(15)).await;
    let audit = t.get("mo", &format!("{path}/audit")).await;
    let actions: Vec<String> =
        audit["entries"].as_array().expect("entries").iter().map(|e| text(&e["action"])).collect();
    assert_eq!(actions[..3], ["add", "unban", "ban"]);
    for action in ["mute", "unmute", "slow_mode", "report"] {
        assert!(actions.iter().any(|known| known == action), "{action} in {actions:?}");
    }
    let report =
        audit["entries"].as_array().expect("entries").iter().find(|e| e["action"] == "report").unwrap();
    assert_eq!(
        (&report["actor"], &report["target"], &report["reason"]),
        (&json!("carol"), &message, &json!("rude"))
    );
}

#[tokio::test]
async fn a_deleted_room_leaves_nothing() {
    let t = Tenant::shared();
    let room = t.group(&["alice", "bob"]).await;
    let path = format!("/rooms/{room}");
    let mut bob = t.join(&room, "bob").await;
    bob.say("c1", "soon gone").await;
    t.drained(&room, std::time::Duration::from_secs(15)).await;
    t.rest("bob", "DELETE", &path, None).await.refusal(403, "forbidden");
    t.rest("eve", "DELETE", &path, None).await.refusal(404, "room_not_found");
    t.rest("alice", "DELETE", &path, None).await.ok();
    assert_eq!(bob.close_code().await, (4410, "room_gone".into()));
    t.rest("alice", "GET", &path, None).await.refusal(404, "room_not_found");
    t.rest("alice", "DELETE", &path, None).await.refusal(404, "room_not_found");
    t.dial(&room, "bob").refused().await.refusal(404, "room_not_found");
    let sql = t.stack.sql().await;
    let left = "SELECT (SELECT count(*) FROM chat_rooms WHERE id = $1)
        + (SELECT count(*) FROM chat_messages WHERE room_id = $1)
        + (SELECT count(*) FROM chat_room_members WHERE room_id = $1)";
    eventually("Postgres has no row of the room", Duration::from_secs(20), || async {
        (sql.query_one(left, &[&room]).await.expect("rows").get::<_, i64>(0) == 0).then_some(())
    })
    .await;
    let tombstones = "SELECT count(*) FROM chat_deleted_rooms WHERE room_id = $1";
    assert_eq!(sql.query_one(tombstones, &[&room]).await.expect("tombstones").get::<_, i64>(0), 1);
}

#[tokio::test]
async fn a_change_is_answered_with_the_room_as_it_is() {
    let t = Tenant::shared();
    let room = t.group(&["alice", "bob"]).await;
    let path = format!("/rooms/{room}");
    let message = Some(json!({"content": "before carol came"}));
    t.rest("bob", "POST", &format!("{path}/messages"), message).await.ok();
    t.drained(&room, Duration::from_secs(10)).await;
    t.rest("alice", "POST", &format!("{path}/members"), Some(json!({"userIds": ["carol"]}))).await.ok();
    t.rest("alice", "PATCH", &format!("{path}/members/carol"), Some(json!({"role": "admin"}))).await.ok();
    for (change, last) in [
        (json!({"topic": "tea", "name": "Kitchen"}), json!("before carol came")),
        (json!({"archived": true}), json!("before carol came")),
        (json!({"archived": false, "roomMention": "admins"}), json!("before carol came")),
        (json!({"historyVisibility": "since_join"}), Value::Null),
    ] {
        let mut answered = t.rest("carol", "PATCH", &path, Some(change.clone())).await.ok();
        let mut seen = t.get("carol", &path).await;
        assert_eq!(seen["room"]["lastMessage"]["content"], last, "{change}");
        // Where the projection stands: the change itself is on its way there.
        for room in [&mut answered, &mut seen] {
            room["room"]["lastSeq"].take();
        }
        assert_eq!(answered, seen, "{change}");
    }
}
