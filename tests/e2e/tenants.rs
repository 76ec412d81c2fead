//! Two tenants with rooms and people of the same ids never see each other.

use crate::rig::{Tenant, checks};
use serde_json::{Value, json};

/// A room with an id of our choosing, as another system might have put it there.
async fn insert(t: &Tenant, room: &str, people: &[&str]) {
    let sql = t.stack.sql().await;
    let insert =
        "INSERT INTO chat_rooms (tenant_id, id, type, name, created_by) VALUES ($1, $2, 'group', $1, $3)";
    sql.execute(insert, &[&t.id, &room, &people[0]]).await.expect("a room");
    for user in people {
        let insert =
            "INSERT INTO chat_room_members (tenant_id, room_id, user_id, role) VALUES ($1, $2, $3, 'member')";
        sql.execute(insert, &[&t.id, &room, user]).await.expect("a member");
    }
}

#[tokio::test]
async fn the_same_ids_in_two_tenants_are_two_rooms() {
    let (a, b) = (Tenant::shared(), Tenant::shared());
    let room = "the same room";
    insert(&a, room, &["alice", "bob"]).await;
    insert(&b, room, &["alice", "bob"]).await;
    let (mut in_a, mut in_b) = (a.join(room, "alice").await, b.join(room, "alice").await);
    let (mut bob_a, mut bob_b) = (a.join(room, "bob").await, b.join(room, "bob").await);
    let ack_a = in_a.say("c1", "for a only").await;
    let ack_b = in_b.say("c1", "for b only").await;
    assert_eq!((&ack_a["seq"], &ack_b["seq"]), (&json!(1), &json!(1)), "each has its own log");
    in_b.say("c2", "and another for b").await;
    for (t, bob, contents) in
        [(&a, &mut bob_a, vec!["for a only"]), (&b, &mut bob_b, vec!["for b only", "and another for b"])]
    {
        bob.next("new_message").await;
        bob.barrier().await;
        let heard: Vec<Value> = checks::messages(&bob.all()).values().map(|m| m["content"].clone()).collect();
        assert_eq!(heard, contents);
        let history = checks::history(t, room, "bob").await;
        assert!(history.values().all(|message| message["tenantId"] == t.id));
        t.drained(room, std::time::Duration::from_secs(15)).await;
        checks::same("history and Postgres", &history, &checks::postgres(t, room).await);
        let list = t.get("alice", "/rooms/list").await;
        assert_eq!(list["rooms"].as_array().map(Vec::len), Some(1));
        assert_eq!(list["rooms"][0]["name"], t.id);
        assert_eq!(list["rooms"][0]["lastSeq"], contents.len());
    }
    let react = json!({"type": "reaction", "messageId": ack_b["messageId"], "emoji": "x", "action": "add", "clientId": "r"});
    in_a.send(react).await;
    assert_eq!(in_a.next("error").await["code"], "message_not_found", "the other tenant's message");
}

#[tokio::test]
async fn a_frames_tenant_is_ignored() {
    let (a, b) = (Tenant::shared(), Tenant::shared());
    let room = a.group(&["alice", "bob"]).await;
    let mut alice = a.join(&room, "alice").await;
    alice.send(json!({"type": "message", "content": "x", "clientId": "c", "tenantId": b.id})).await;
    assert_eq!(alice.next("new_message").await["message"]["tenantId"], a.id);
    let path = format!("/rooms/{room}/messages");
    let body = json!({"content": "y", "tenantId": b.id});
    let sent = a.rest("alice", "POST", &path, Some(body)).await.ok();
    assert_eq!(sent["message"]["tenantId"], a.id);
    let body = json!({"type": "group", "participantIds": ["bob"], "tenantId": b.id});
    let made = a.rest("alice", "POST", "/rooms/create", Some(body)).await.ok();
    assert_eq!(made["room"]["tenantId"], a.id);
    b.rest("alice", "GET", &format!("/rooms/{}", made["room"]["id"].as_str().expect("id")), None)
        .await
        .refusal(404, "room_not_found");
}
