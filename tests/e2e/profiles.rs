//! People over REST on the real Worker: profiles from tokens and admins, one's own, the directory.
//! Not here: what the directory finds (`tests/native/db_profiles.rs`).

use crate::rig::{Tenant, client::encoded, eventually};
use serde_json::{Value, json};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(5);

impl Tenant {
    async fn admins(&self, method: &str, path: &str, body: Value) -> crate::rig::Answer {
        self.rest_as(&self.admin_token(), method, path, Some(body)).await
    }
}

/// PEOPLE-1: a person who came with a token is known, under the name of their newest one.
#[tokio::test]
async fn who_came_with_a_token_is_known_by_its_name_and_picture() {
    let tenant = Tenant::shared();
    tenant.rest("bob", "GET", "/people/alice", None).await.refusal(404, "person_not_found");
    let first = tenant.token_with("alice", json!({"name": "Alice", "picture": "https://a.example/1.png"}));
    let own = tenant.rest_as(&first, "GET", "/people/me", None).await.ok();
    assert_eq!((&own["person"]["name"], &own["presence"]), (&json!("Alice"), &json!("auto")));
    assert_eq!(tenant.get("bob", "/people/alice").await["person"]["avatarUrl"], "https://a.example/1.png");
    let newer = tenant.token_with("alice", json!({"name": "Alice B.", "picture": "http://a.example/2.png"}));
    tenant.rest_as(&newer, "GET", "/rooms/list", None).await.ok();
    let alice = eventually("the new name", SOON, async || {
        let alice = tenant.get("bob", "/people/alice").await["person"].clone();
        (alice["name"] == "Alice B.").then_some(alice)
    });
    assert_eq!(alice.await["avatarUrl"], "https://a.example/1.png", "what is not https is left out");
    let put = tenant.admins("PUT", "/people/alice", json!({"name": "Ms A", "avatarUrl": null})).await.ok();
    assert_eq!(put["person"]["name"], "Ms A");
    tenant.rest_as(&tenant.token_with("alice", json!({"name": "Al"})), "GET", "/rooms/list", None).await.ok();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(tenant.get("bob", "/people/alice").await["person"]["name"], "Ms A", "an admin has set it");
    // A socket is enough to be known.
    let room = tenant.group(&["bob", "carol"]).await;
    let _carol = tenant.join(&room, "carol").await;
    eventually("carol is known", SOON, async || {
        (tenant.rest("bob", "GET", "/people/carol", None).await.status == 200).then_some(())
    })
    .await;
    Tenant::shared().rest("eve", "GET", "/people/alice", None).await.refusal(404, "person_not_found");
}

/// PEOPLE-4, PEOPLE-2, PEOPLE-3.
#[tokio::test]
async fn admins_make_people_and_everybody_finds_them() {
    let tenant = Tenant::shared();
    let people =
        json!({"people": [{"userId": "b,1", "name": "Böb One"}, {"userId": "c%2", "title": "Chef"}]});
    tenant.rest("bob", "POST", "/people/bulk", Some(people.clone())).await.refusal(403, "forbidden");
    tenant.rest("bob", "PUT", "/people/bob", Some(json!({"name": "B"}))).await.refusal(403, "forbidden");
    let made = tenant.admins("POST", "/people/bulk", people).await.ok();
    assert_eq!(made["people"][0]["name"], "Böb One");
    assert_eq!(made["people"][1]["name"], "c%2", "the id is the name");
    let ids = encoded("b%2C1,c%252,nobody");
    let found = tenant.get("bob", &format!("/people?ids={ids}")).await;
    assert_eq!(found["people"].as_array().map(Vec::len), Some(2), "{found}");
    let found = tenant.get("bob", &format!("/people?q={}", encoded("BO\u{308}B"))).await;
    assert_eq!(found["people"][0]["userId"], "b,1");
    for (body, field) in [
        (json!({"name": "\u{200b}"}), "name"),
        (json!({"name": "x".repeat(101)}), "name"),
        (json!({"avatarUrl": "http://a.example/1"}), "avatarUrl"),
        (json!({"title": "a\nb"}), "title"),
    ] {
        let refusal = tenant.admins("PUT", "/people/bob", body).await.refusal(422, "invalid");
        assert_eq!(refusal["field"], field);
    }
    let twice = json!({"people": [{"userId": "x"}, {"userId": "x"}]});
    tenant.admins("POST", "/people/bulk", twice).await.refusal(422, "invalid");
    tenant.get("bob", "/people?limit=1&q=").await;
    tenant.rest("bob", "GET", "/people?cursor=odd", None).await.refusal(400, "bad_request");
    tenant.rest("bob", "GET", "/people?roomId=unknown", None).await.refusal(404, "room_not_found");
    tenant.rest("bob", "GET", &format!("/people?q={}", "x".repeat(101)), None).await.refusal(422, "invalid");
}

/// PEOPLE-1: what people set of their own.
#[tokio::test]
async fn people_set_their_status_zone_quiet_hours_and_presence() {
    let tenant = Tenant::shared();
    let set = async |body: Value| tenant.rest("alice", "PATCH", "/people/me", Some(body)).await;
    let status = json!({"text": "lunch", "emoji": "🍲", "until": "2100-01-01T00:00:00Z"});
    let all = json!({"status": status, "timezone": "Europe/Berlin", "presence": "dnd",
                     "quietHours": {"from": "22:00", "to": "07:00"}});
    let own = set(all).await.ok();
    assert_eq!(own["person"]["status"]["until"], "2100-01-01T00:00:00.000Z");
    assert_eq!((&own["person"]["presence"], &own["quietHours"]["from"]), (&json!("dnd"), &json!("22:00")));
    assert_eq!(tenant.get("bob", "/people/alice").await["person"], own["person"]);
    let own = set(json!({"status": null, "presence": "auto", "quietHours": null})).await.ok();
    assert_eq!((&own["person"]["status"], &own["quietHours"]), (&json!(null), &json!(null)));
    assert_eq!(own["person"]["timezone"], "Europe/Berlin");
    for (body, field) in [
        (json!({"timezone": "Mars/Zürich"}), "timezone"),
        (json!({"quietHours": {"from": "25:00", "to": "07:00"}}), "quietHours"),
        (json!({"status": {"text": "x".repeat(101)}}), "status"),
        (json!({"presence": "online"}), "presence"),
    ] {
        assert_eq!(set(body).await.refusal(422, "invalid")["field"], field);
    }
    set(json!({})).await.refusal(400, "bad_request");
    set(json!({"status": "lunch"})).await.refusal(400, "bad_request");
}

/// PEOPLE-5: names where people appear. A change of a name is no event of the log.
#[tokio::test]
async fn rooms_members_hits_and_hello_carry_names() {
    let tenant = Tenant::shared();
    let name = async |name: &str| tenant.admins("PUT", "/people/bob", json!({"name": name})).await.ok();
    name("Bob One").await;
    let room = tenant.group(&["alice", "bob", "carol"]).await;
    let shown = json!({"name": "Bob One", "avatarUrl": null});
    let bob_of = |members: &Value| {
        let members = members.as_array().expect("members").iter();
        let bob = members.clone().find(|member| member["userId"] == "bob").expect("bob");
        json!({"name": bob["name"], "avatarUrl": bob["avatarUrl"]})
    };
    let seen = tenant.get("alice", &format!("/rooms/{room}")).await;
    assert_eq!(bob_of(&seen["room"]["members"]), shown);
    assert_eq!(bob_of(&tenant.get("alice", "/rooms/list").await["rooms"][0]["members"]), shown);
    assert_eq!(bob_of(&tenant.get("alice", &format!("/rooms/{room}/members")).await["members"]), shown);
    let path = format!("/rooms/{room}/members/bob");
    let set = tenant.rest("alice", "PATCH", &path, Some(json!({"role": "moderator"}))).await.ok();
    assert_eq!(set["member"]["name"], "Bob One");
    let hello = async |user: &str| {
        let mut client = tenant.dial(&room, user).and("history=0").open().await;
        let greeting = client.greeting().await;
        (greeting.hello["people"]["bob"]["name"].clone(), greeting.hello["seq"].clone())
    };
    let first = hello("alice").await;
    assert_eq!(first.0, "Bob One");
    name("Bob Two").await;
    assert_eq!(
        hello("bob").await,
        (json!("Bob Two"), first.1.clone()),
        "at the latest when bob comes himself"
    );
    assert_eq!(hello("alice").await, (json!("Bob Two"), first.1), "without an event");
    let message = json!({"content": "a needle of mine", "clientId": "c1"});
    tenant.rest("bob", "POST", &format!("/rooms/{room}/messages"), Some(message)).await.ok();
    let found = eventually("the message is found", SOON, async || {
        let found = tenant.get("alice", "/search?q=needle").await;
        found["hits"].get(0).cloned()
    });
    assert_eq!(found.await["senderName"], "Bob Two");
}

fn dial_inbox(tenant: &Tenant, user: &str) -> crate::rig::Dial {
    crate::rig::Dial::inbox(&tenant.stack, &tenant.token(user))
}

/// PEOPLE-6.
#[tokio::test]
async fn who_is_deactivated_is_disconnected_everywhere_and_refused_from_then_on() {
    let tenant = Tenant::shared();
    let mut rooms = Vec::new();
    for _ in 0..60 {
        rooms.push(tenant.group(&["alice", "bob"]).await);
    }
    let mut sockets = Vec::new();
    for room in [&rooms[0], &rooms[30], &rooms[59]] {
        sockets.push(tenant.join(room, "bob").await);
    }
    for _ in 0..2 {
        let mut inbox = dial_inbox(&tenant, "bob").open().await;
        assert_eq!(inbox.event().await["type"], "hello");
        sockets.push(inbox);
    }
    let mut alice = dial_inbox(&tenant, "alice").open().await;
    assert_eq!(alice.event().await["type"], "hello");
    // This isolate has just learnt that he may.
    tenant.get("bob", "/rooms/list").await;
    tenant
        .rest("alice", "PUT", "/people/bob", Some(json!({"deactivated": true})))
        .await
        .refusal(403, "forbidden");
    let put = tenant.admins("PUT", "/people/bob", json!({"deactivated": true})).await.ok();
    assert_eq!(put["person"]["deactivated"], true);
    for socket in &mut sockets {
        assert_eq!(socket.close_code().await, (4403, "removed".into()));
    }
    for room in [&rooms[0], &rooms[1]] {
        tenant.dial(room, "bob").refused().await.refusal(403, "forbidden");
        tenant.rest("bob", "GET", &format!("/rooms/{room}/messages"), None).await.refusal(403, "forbidden");
        tenant.rest("bob", "GET", &format!("/rooms/{room}"), None).await.refusal(403, "forbidden");
    }
    for path in
        ["/rooms/list", "/unread", "/mentions", "/saved", "/threads", "/search?q=x", "/people", "/people/me"]
    {
        tenant.rest("bob", "GET", path, None).await.refusal(403, "forbidden");
    }
    tenant.rest("bob", "POST", "/ws-ticket", None).await.refusal(403, "forbidden");
    dial_inbox(&tenant, "bob").refused().await.refusal(403, "forbidden");
    tenant.admins("PUT", "/people/bob", json!({"deactivated": false})).await.ok();
    assert_eq!(dial_inbox(&tenant, "bob").open().await.event().await["type"], "hello");
    let mut back = tenant.join(&rooms[0], "bob").await;
    back.say("c1", "back again").await;
}

/// PEOPLE-7.
#[tokio::test]
async fn signing_out_ends_older_tokens_and_their_sockets() {
    let tenant = Tenant::shared();
    let room = tenant.group(&["alice", "bob"]).await;
    let now_s = crate::rig::tenant::now_ms() / 1000;
    let old = tenant.token_with("bob", json!({"iat": now_s - 100}));
    let newer = tenant.token_with("bob", json!({"iat": now_s + 20}));
    let dial = |token: &str| crate::rig::Dial::chat_v1(&tenant.stack, &room, token);
    let mut inbox = crate::rig::Dial::inbox(&tenant.stack, &old).open().await;
    let mut before = dial(&old).and("history=0").open().await;
    let mut after = dial(&newer).and("history=0").open().await;
    before.greeting().await;
    after.greeting().await;
    tenant.admins("POST", "/people/nobody/sign-out", json!({})).await.refusal(404, "person_not_found");
    tenant.rest("alice", "POST", "/people/bob/sign-out", None).await.refusal(403, "forbidden");
    tenant.admins("PUT", "/people/bob", json!({})).await.ok();
    tenant.admins("POST", "/people/bob/sign-out", json!({})).await.ok();
    assert_eq!(before.close_code().await.0, 4401);
    assert_eq!(inbox.close_code().await.0, 4401);
    after.say("c1", "still here").await;
    let messages = format!("/rooms/{room}/messages");
    for token in [old.as_str(), &tenant.token("bob")] {
        tenant.rest_as(token, "GET", &messages, None).await.refusal(401, "unauthenticated");
        dial(token).refused().await.refusal(401, "unauthenticated");
    }
    tenant.rest_as(&newer, "GET", &messages, None).await.ok();
    after.send(json!({"type": "auth", "token": old})).await;
    assert_eq!(after.next("error").await["code"], "unauthenticated");
}

/// PEOPLE-8.
#[tokio::test]
async fn who_is_blocked_cannot_write_open_a_room_or_add_and_the_other_can() {
    let tenant = Tenant::shared();
    for person in ["alice", "bob"] {
        tenant.get(person, "/people/me").await;
    }
    let dm = async |from: &str, to: &str| {
        tenant
            .rest(from, "POST", "/rooms/create", Some(json!({"type": "direct", "participantIds": [to]})))
            .await
    };
    let block = async |by: &str, method: &str, other: &str| {
        tenant.rest(by, method, &format!("/people/{other}/block"), None).await
    };
    assert_eq!(block("alice", "PUT", "alice").await.refusal(422, "invalid")["field"], "user");
    block("alice", "PUT", "nobody").await.refusal(404, "person_not_found");
    block("alice", "DELETE", "nobody").await.ok();
    block("alice", "PUT", "bob").await.ok();
    dm("bob", "alice").await.refusal(403, "blocked");
    let group = tenant.group(&["bob", "carol"]).await;
    let add = Some(json!({"userIds": ["carol", "alice"]}));
    let members = format!("/rooms/{group}/members");
    tenant.rest("bob", "POST", &members, add.clone()).await.refusal(403, "blocked");
    tenant.rest("eve", "POST", &members, add.clone()).await.refusal(404, "room_not_found");
    let of_three = json!({"type": "group", "participantIds": ["carol", "alice"]});
    tenant.rest("bob", "POST", "/rooms/create", Some(of_three)).await.refusal(403, "blocked");
    assert_eq!(tenant.get("alice", "/people/me/blocks").await["people"][0]["userId"], "bob");
    assert_eq!(tenant.get("bob", "/people/me/blocks").await["people"], json!([]));
    assert_eq!(tenant.get("bob", "/people/alice").await["person"]["userId"], "alice", "bob is not told");
    let room = crate::rig::client::text(&dm("alice", "bob").await.ok()["room"]["id"]);
    let again = dm("bob", "alice").await.ok();
    assert_eq!((&again["room"]["id"], &again["created"]), (&json!(room), &json!(false)));
    let mut alice = tenant.join(&room, "alice").await;
    let mut bob = tenant.join(&room, "bob").await;
    bob.send(json!({"type": "message", "content": "hi", "clientId": "c1"})).await;
    assert_eq!(bob.next("error").await["code"], "blocked");
    let messages = format!("/rooms/{room}/messages");
    let post = Some(json!({"content": "hi", "clientId": "c2"}));
    tenant.rest("bob", "POST", &messages, post.clone()).await.refusal(403, "blocked");
    alice.say("c1", "I can write").await;
    block("alice", "DELETE", "bob").await.ok();
    bob.say("c3", "so can I again").await;
    // The open room knows of a block at once, without anybody connecting.
    block("alice", "PUT", "bob").await.ok();
    bob.send(json!({"type": "message", "content": "hi", "clientId": "c4"})).await;
    assert_eq!(bob.next("error").await["code"], "blocked");
    block("alice", "DELETE", "bob").await.ok();
    tenant.rest("bob", "POST", &members, add).await.ok();
}

/// PEOPLE-9.
#[tokio::test]
async fn unknown_people_are_refused_where_the_tenant_wants_it() {
    let stack = crate::rig::Stack::start(&["UNKNOWN_PEOPLE=refuse"]);
    let tenant = Tenant::new(&stack);
    tenant.admins("POST", "/people/bulk", json!({"people": [{"userId": "bob", "name": "Bob"}]})).await.ok();
    let create = async |kind: &str, ids: Value| {
        let body = json!({"type": kind, "participantIds": ids});
        tenant.rest("alice", "POST", "/rooms/create", Some(body)).await
    };
    for (kind, ids) in [("direct", json!(["nobody"])), ("group", json!(["bob", "nobody"]))] {
        let refused = create(kind, ids).await.refusal(404, "person_not_found");
        assert_eq!(refused["field"], "participantIds");
    }
    create("direct", json!(["bob"])).await.ok();
    let room = crate::rig::client::text(&create("group", json!(["bob"])).await.ok()["room"]["id"]);
    let add = Some(json!({"userIds": ["nobody"]}));
    let refused = tenant.rest("alice", "POST", &format!("/rooms/{room}/members"), add).await;
    assert_eq!(refused.refusal(404, "person_not_found")["field"], "userIds");
}
