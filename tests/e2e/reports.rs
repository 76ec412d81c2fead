//! Reports on the live stack: from a member of a direct room to the tenant's list, and back into the room as a
//! resolution. Not here: who may do what (`src/auth/tests`), the room's side (`tests/native/room/reports.rs`).

use crate::rig::client::text;
use crate::rig::stack::fragile;
use crate::rig::{PATIENCE, Tenant, eventually};
use serde_json::{Value, json};

async fn listed(t: &Tenant, token: &str, query: &str) -> Vec<Value> {
    let page = t.rest_as(token, "GET", &format!("/admin/reports?{query}"), None).await.ok();
    page["reports"].as_array().expect("reports").clone()
}

async fn report(t: &Tenant, room: &str, user: &str, message: &Value) {
    let path = format!("/rooms/{room}/messages/{}/report", text(&message["id"]));
    t.rest(user, "POST", &path, Some(json!({"reason": "rude"}))).await.ok();
}

#[tokio::test]
async fn a_report_from_a_direct_room_reaches_the_tenants_moderators_and_outlives_the_room() {
    let stack = fragile().await;
    let t = Tenant::new(stack.as_ref().expect("a stack"));
    let moderator = t.token_with("mo", json!({"roles": ["moderator"]}));
    let body = json!({"type": "direct", "participantIds": ["alice", "bob"]});
    let made = t.rest("alice", "POST", "/rooms/create", Some(body)).await.ok();
    let direct = text(&made["room"]["id"]);
    let group = t.group(&["alice", "bob"]).await;
    let say = async |room: &str, content: &str| {
        let path = format!("/rooms/{room}/messages");
        t.rest("bob", "POST", &path, Some(json!({"content": content}))).await.ok()["message"].clone()
    };
    let (private, public) = (say(&direct, "a rude word").await, say(&group, "another").await);

    // Postgres is away while they report, and one message is edited before it is back.
    let away = t.stack.stop_postgres();
    report(&t, &direct, "alice", &private).await;
    report(&t, &direct, "alice", &private).await;
    report(&t, &group, "alice", &public).await;
    let path = format!("/rooms/{direct}/messages/{}", text(&private["id"]));
    t.rest("bob", "PATCH", &path, Some(json!({"content": "all is well"}))).await.ok();
    away.back().await;
    let reports = eventually("both are listed", PATIENCE, || async {
        Some(listed(&t, &moderator, "state=open").await).filter(|reports| reports.len() == 2)
    })
    .await;
    let of = |room: &str| reports.iter().find(|report| report["roomId"] == room).expect("a report").clone();
    let one = of(&direct);
    assert_eq!((&one["text"], &one["author"]), (&json!("a rude word"), &json!("bob")), "{one}");
    assert_eq!((&one["reporter"], &one["messageId"]), (&json!("alice"), &private["id"]), "{one}");
    t.rest("alice", "GET", "/admin/reports", None).await.refusal(403, "forbidden");
    t.rest("alice", "GET", &format!("/rooms/{direct}/audit"), None).await.refusal(403, "forbidden");

    let resolve = async |report: &Value, action: &str| {
        let path = format!("/admin/reports/{}/resolve", text(&report["id"]));
        t.rest_as(&moderator, "POST", &path, Some(json!({"action": action, "note": "enough"}))).await
    };
    resolve(&one, "ban").await.refusal(403, "forbidden");
    let mut bob = t.join(&direct, "bob").await;
    let resolved = resolve(&one, "delete").await.ok()["report"].clone();
    assert_eq!(
        (&resolved["state"], &resolved["resolvedBy"]),
        (&json!("deleted"), &json!("mo")),
        "{resolved}"
    );
    assert_eq!(bob.next("message_deleted").await["deletedBy"], "mo");
    assert_eq!(resolve(&one, "delete").await.ok()["report"], resolved, "twice is no error");
    resolve(&one, "dismiss").await.refusal(409, "version_conflict");

    let public_report = of(&group);
    resolve(&public_report, "ban").await.ok();
    t.rest("bob", "GET", &format!("/rooms/{group}"), None).await.refusal(404, "room_not_found");
    // A report that is still in the room when it is deleted.
    let last = say_as_alice(&t, &group).await;
    t.rest("alice", "POST", &format!("/rooms/{group}/members"), Some(json!({"userIds": ["carol"]})))
        .await
        .ok();
    report(&t, &group, "carol", &last).await;
    t.rest("alice", "DELETE", &format!("/rooms/{group}"), None).await.ok();
    let left = listed(&t, &moderator, "").await;
    assert_eq!(left.len(), 3, "{left:?}");
    let orphan = left.iter().find(|report| report["reporter"] == "carol").expect("the last one");
    assert_eq!(resolve(orphan, "delete").await.ok()["report"]["state"], "deleted", "it went with its room");
}

async fn say_as_alice(t: &Tenant, room: &str) -> Value {
    let path = format!("/rooms/{room}/messages");
    t.rest("alice", "POST", &path, Some(json!({"content": "bye"}))).await.ok()["message"].clone()
}
