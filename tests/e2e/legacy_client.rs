//! A legacy client: no subprotocol, no `clientId`, `tenantId: "current-tenant-id"`, `userId` in the query. It must be
//! able to send and receive everything that the hook `useChatRoom` of such clients does.

use crate::rig::client::{Dial, encoded};
use crate::rig::stack::APP_ORIGIN;
use crate::rig::{Client, Tenant};
use serde_json::{Value, json};

/// As the seed's hook connects: by its URL, and the cookie that the page has.
fn dial(t: &Tenant, room: &str, user: &str) -> Dial {
    let query = format!("roomId={}&userId={}", encoded(room), encoded(user));
    let cookie = format!("chat_token={}", t.token(user));
    Dial::bare(&t.stack, &query).header("Cookie", cookie).header("Origin", APP_ORIGIN)
}

async fn join(t: &Tenant, room: &str, user: &str) -> Client {
    let mut client = dial(t, room, user).open().await;
    client.next("synced").await;
    client
}

fn message(content: &str) -> Value {
    json!({"type": "message", "content": content, "contentType": "text", "tenantId": "current-tenant-id",
        "attachments": []})
}

#[tokio::test]
async fn it_sends_and_hears_everything_the_hook_does() {
    let t = Tenant::shared();
    let room = t.group(&["alice", "bob", "carol"]).await;
    let mut alice = join(&t, &room, "alice").await;
    let mut carol = t.join(&room, "carol").await;
    assert_eq!(alice.next("user_joined").await["userId"], "carol");
    let mut bob = join(&t, &room, "bob").await;
    let online = bob.all().into_iter().find(|event| event["type"] == "online_users").expect("online_users");
    assert_eq!(online["users"], json!(["alice", "bob", "carol"]));
    let joined = alice.next("user_joined").await;
    assert_eq!(joined["userId"], "bob");
    assert!(joined["timestamp"].is_u64());

    alice.send(message("from the seed")).await;
    for client in [&mut alice, &mut bob, &mut carol] {
        let new = client.next("new_message").await;
        let message = &new["message"];
        assert_eq!((&message["content"], &message["userId"]), (&json!("from the seed"), &json!("alice")));
        assert_eq!(
            (&message["tenantId"], &message["roomId"]),
            (&json!(t.id), &json!(room)),
            "the token's, not the frame's"
        );
        assert_eq!((&message["reactions"], &message["attachments"]), (&json!({}), &json!([])));
    }
    let id = bob.all().last().expect("heard")["message"]["id"].clone();
    bob.send(json!({"type": "typing", "isTyping": true})).await;
    let typing = alice.next("typing").await;
    assert_eq!((&typing["userId"], &typing["typingUsers"]), (&json!("bob"), &json!(["bob"])));
    bob.send(json!({"type": "reaction", "messageId": id, "emoji": "🎉", "action": "add"})).await;
    let update = alice.next("reaction_update").await;
    assert_eq!((&update["messageId"], &update["reactions"]), (&id, &json!({"🎉": ["bob"]})));
    // The hook knows of no end but the frame that says so, after 6 s of silence.
    let ended = alice.next("typing").await;
    assert_eq!((&ended["isTyping"], &ended["typingUsers"]), (&json!(false), &json!([])));
    bob.leave().await;
    assert_eq!(alice.next("user_left").await["userId"], "bob");
    assert!(alice.all().iter().all(|event| event["type"] != "ack"), "without a clientId no ack");
}

#[tokio::test]
async fn the_same_words_twice_are_two_messages_and_each_event_is_a_frame() {
    let t = Tenant::shared();
    let room = t.group(&["alice", "bob"]).await;
    let mut alice = join(&t, &room, "alice").await;
    let frames = alice.frames();
    alice.send(message("again")).await;
    alice.send(message("again")).await;
    let (first, second) = (alice.next("new_message").await, alice.next("new_message").await);
    assert_eq!((&first["seq"], &second["seq"]), (&json!(1), &json!(2)));
    assert_eq!(first["message"]["clientId"], Value::Null);
    assert_eq!(alice.frames() - frames, 2);
    alice.send_text(r#"{"type":"ping"}"#).await;
    assert_eq!(alice.event().await, json!({"type": "pong"}));
}

#[tokio::test]
async fn it_gets_in_by_ticket_and_by_header_as_well() {
    let t = Tenant::shared();
    let room = t.group(&["alice", "bob"]).await;
    let ticket = t.rest("alice", "POST", "/ws-ticket", None).await.ok()["ticket"].clone();
    let query = format!("roomId={room}&userId=alice&ticket={}", ticket.as_str().expect("text"));
    let mut by_ticket = Dial::bare(&t.stack, &query).open().await;
    assert_eq!(by_ticket.greeting().await.hello["userId"], "alice");
    let query = format!("roomId={room}&userId=bob");
    let by_header =
        Dial::bare(&t.stack, &query).header("Authorization", format!("Bearer {}", t.token("bob")));
    let mut by_header = by_header.open().await;
    by_header.greeting().await;
    by_header.send(message("both are here")).await;
    assert_eq!(by_ticket.next("new_message").await["message"]["userId"], "bob");
    let other = Dial::bare(&t.stack, &format!("roomId={room}&userId=bob"));
    let lying = other.header("Authorization", format!("Bearer {}", t.token("alice")));
    lying.refused().await.refusal(403, "forbidden");
}
