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
