//! Every frame of a `chat.v1` client and its answer.
//! Not here: limits and close codes (`limits`), presence (`presence`), resuming (`resume`).

use crate::rig::checks::{gapless, recent, seq};
use crate::rig::client::text;
use crate::rig::{Client, Tenant};
use serde_json::{Value, json};

/// Sends a frame that is refused and gives the error.
async fn refused(client: &mut Client, frame: Value, code: &str) -> Value {
    client.send(frame.clone()).await;
    let error = client.event().await;
    assert_eq!((&error["type"], &error["code"]), (&json!("error"), &json!(code)), "{frame}: {error}");
    assert!(error["message"].is_string() && error["retryable"].is_boolean(), "{error}");
    assert_eq!(error["clientId"], frame["clientId"], "{error}");
    error
}

#[tokio::test]
async fn the_first_frames_are_hello_online_history_synced() {
    let t = Tenant::shared();
    let room = t.group(&["alice", "bob"]).await;
    let mut alice = t.dial(&room, "alice").open().await;
    let greeting = alice.greeting().await;
    let hello = &greeting.hello;
    assert_eq!((&hello["roomId"], &hello["userId"]), (&json!(room), &json!("alice")));
    assert_eq!((&hello["role"], &hello["seq"]), (&json!("owner"), &json!(0)));
    assert!(!text(&hello["epoch"]).is_empty() && !text(&hello["connectionId"]).is_empty());
    assert!(hello["heartbeatMs"].as_u64().is_some_and(|ms| ms > 0));
    assert_eq!(
        (&hello["limits"]["messagesPerS"], &hello["limits"]["messagesBurst"]),
        (&json!(5.0), &json!(10))
    );
    assert_eq!((&hello["me"]["lastReadSeq"], &hello["me"]["notify"]["level"]), (&json!(0), &json!("all")));
    assert!(hello["readMarkers"].is_object());
    assert_eq!(greeting.online, ["alice"]);
    assert_eq!((greeting.between.len(), greeting.synced), (0, 0));
    assert_eq!(alice.frames(), 1, "one commit leaves as one frame");

    for i in 1..=8 {
        alice.say(&format!("c{i}"), &format!("message {i}")).await;
    }
    let mut bob = t.dial(&room, "bob").and("history=3").open().await;
    let greeting = bob.greeting().await;
    assert_eq!(greeting.between.iter().map(seq).collect::<Vec<_>>(), [6, 7, 8], "the newest, ascending");
    assert!(greeting.between.iter().all(|event| event["type"] == "new_message"));
    assert_eq!(greeting.online, ["alice", "bob"], "unique and sorted");
    assert_eq!(greeting.hello["readMarkers"]["alice"], 8);
    assert_eq!(greeting.hello["role"], "member");
    let mut all = t.dial(&room, "bob").and("history=99999").open().await;
    assert_eq!(all.greeting().await.between.len(), 8, "history is clamped");
    let mut none = t.dial(&room, "bob").and("history=0").open().await;
    assert_eq!(none.greeting().await.between.len(), 0);
}

#[tokio::test]
async fn a_message_is_acked_to_its_socket_and_then_heard_by_all() {
    let t = Tenant::shared();
    let room = t.group(&["alice", "bob"]).await;
    let [mut alice, mut bob] = t.together(&room, ["alice", "bob"]).await;
    let mut other_tab = t.join(&room, "alice").await;
    let attachment =
        json!({"url": "https://example.com/a.png", "name": "a.png", "mimeType": "image/png", "size": 5});
    let content = "héllo <@bob> and <@nobody> 😀 @room";
    let frame = json!({"type": "message", "content": content, "clientId": "c1", "contentType": "text",
        "attachments": [attachment], "tenantId": "ignored"});
    alice.send(frame).await;
    let (ack, new) = (alice.event().await, alice.event().await);
    assert_eq!(
        (&ack["type"], &ack["clientId"], &ack["op"]),
        (&json!("ack"), &json!("c1"), &json!("message"))
    );
    assert_eq!((&ack["seq"], &ack["version"]), (&json!(1), &json!(1)));
    assert!(ack.get("duplicate").is_none(), "{ack}");
    recent(&ack["createdAt"]);
    assert_eq!(
        (&new["type"], &new["seq"], &new["clientId"]),
        (&json!("new_message"), &json!(1), &json!("c1"))
    );
    let message = &new["message"];
    assert_eq!((&message["id"], &message["createdAt"]), (&ack["messageId"], &ack["createdAt"]));
    assert_eq!((&message["tenantId"], &message["roomId"]), (&json!(t.id), &json!(room)));
    assert_eq!((&message["userId"], &message["content"]), (&json!("alice"), &json!(content)));
    assert_eq!((&message["mentions"], &message["mentionsRoom"]), (&json!(["bob"]), &json!(true)));
    assert_eq!(message["attachments"][0]["url"], attachment["url"]);
    assert_eq!((&message["editedAt"], &message["deletedAt"]), (&Value::Null, &Value::Null));
    for client in [&mut bob, &mut other_tab] {
        assert_eq!(client.event().await, new, "the same for all, and no ack");
    }
    let reply = json!({"type": "message", "content": "yes", "clientId": "c2", "replyToId": message["id"]});
    bob.send(reply).await;
    let reply = alice.next("new_message").await;
    assert_eq!((&reply["message"]["replyToId"], &reply["seq"]), (&message["id"], &json!(2)));
}

#[tokio::test]
async fn a_retry_is_acked_again_and_heard_once() {
    let t = Tenant::shared();
    let room = t.group(&["alice", "bob"]).await;
    let [mut alice, mut bob] = t.together(&room, ["alice", "bob"]).await;
    let first = alice.say("c1", "once").await;
    let again = alice.say("c1", "once").await;
    assert_eq!(again["duplicate"], true);
    for field in ["messageId", "seq", "version", "createdAt", "op"] {
        assert_eq!(again[field], first[field], "the original ack: {field}");
    }
    let mut other_tab = t.join(&room, "alice").await;
    assert_eq!(other_tab.say("c1", "once").await["duplicate"], true, "from any socket");
    refused(
        &mut other_tab,
        json!({"type": "message", "content": "else", "clientId": "c1"}),
        "client_id_conflict",
    )
    .await;
    let react = json!({"type": "reaction", "messageId": first["messageId"], "emoji": "👍", "action": "add", "clientId": "c1"});
    refused(&mut other_tab, react, "client_id_conflict").await;
    bob.next("new_message").await;
    let rest = bob.barrier().await;
    assert!(rest.iter().all(|event| event["type"] != "new_message"), "{rest:?}");
}

#[tokio::test]
async fn messages_that_were_sent_together_leave_together_and_in_order() {
    let t = Tenant::shared();
    let room = t.group(&["alice", "bob"]).await;
    let [mut alice, mut bob] = t.together(&room, ["alice", "bob"]).await;
    for i in 1..=10 {
        alice.send(json!({"type": "message", "content": format!("m{i}"), "clientId": format!("c{i}")})).await;
    }
    for i in 1..=10 {
        assert_eq!(bob.next("new_message").await["message"]["content"], format!("m{i}"));
    }
    gapless(&bob.all(), 0);
    alice.ack("c10").await;
    gapless(&alice.all(), 0);
}

#[tokio::test]
async fn reactions_are_idempotent_and_tell_what_changed() {
    let t = Tenant::shared();
    let room = t.group(&["alice", "bob"]).await;
    let [mut alice, mut bob] = t.together(&room, ["alice", "bob"]).await;
    let id = alice.say("c1", "react to me").await["messageId"].clone();
    bob.next("new_message").await;
    let react = |emoji: &str, action: &str, client_id: &str| json!({"type": "reaction", "messageId": id, "emoji": emoji, "action": action, "clientId": client_id});
    bob.send(react("👍", "add", "r1")).await;
    let (ack, update) = (bob.event().await, bob.event().await);
    assert_eq!((&ack["op"], &ack["seq"], &ack["messageId"]), (&json!("reaction"), &json!(2), &id));
    assert_eq!((&update["type"], &update["seq"]), (&json!("reaction_update"), &json!(2)));
    assert_eq!((&update["messageId"], &update["count"]), (&id, &json!(1)));
    assert_eq!(update.get("reactions"), None, "the people are for legacy clients");
    assert_eq!(update["delta"], json!({"userId": "bob", "emoji": "👍", "action": "add"}));
    assert_eq!(alice.next("reaction_update").await, update);

    bob.send(react("👍", "add", "r1")).await;
    assert_eq!(bob.ack("r1").await["duplicate"], true);
    bob.send(react("👍", "add", "r2")).await;
    let noop = bob.ack("r2").await;
    assert_eq!((&noop["noop"], noop.get("seq")), (&json!(true), None), "{noop}");
    alice.send(react("👍", "add", "r1")).await;
    assert_eq!(bob.next("reaction_update").await["count"], 2);
    bob.send(react("👍", "remove", "r3")).await;
    let removed = alice.until("the removal", |e| e["delta"]["action"] == "remove").await;
    assert_eq!((&removed["seq"], &removed["count"]), (&json!(4), &json!(1)));
    bob.send(react("👎", "remove", "r4")).await;
    assert_eq!(bob.ack("r4").await["noop"], true);

    for i in 0..19 {
        alice.send(react(&format!(":e{i}:"), "add", &format!("k{i}"))).await;
        alice.ack(&format!("k{i}")).await;
    }
    bob.barrier().await;
    assert_eq!(refused(&mut bob, react(":the_21st:", "add", "r5"), "invalid").await["field"], "emoji");
    let page = t.get("bob", &format!("/rooms/{room}/messages")).await;
    assert_eq!(page["messages"][0]["reactions"].as_object().map(|kinds| kinds.len()), Some(20));
    gapless(&alice.all(), 0);
}

#[tokio::test]
async fn reading_moves_a_marker_forward_and_the_others_hear_of_it() {
    let t = Tenant::shared();
    let room = t.group(&["alice", "bob"]).await;
    let [mut alice, mut bob] = t.together(&room, ["alice", "bob"]).await;
    for i in 1..=3 {
        alice.say(&format!("c{i}"), "read me").await;
    }
    bob.send(json!({"type": "read", "seq": 2})).await;
    assert_eq!(alice.next("read_receipt").await, json!({"type": "read_receipt", "userId": "bob", "seq": 2}));
    bob.send(json!({"type": "read", "seq": 1})).await;
    bob.send(json!({"type": "read", "seq": 99})).await;
    let receipt = alice.next("read_receipt").await;
    assert_eq!(receipt["seq"], 3, "monotonic, and clamped to the last seq");
    let mut again = t.dial(&room, "bob").open().await;
    let hello = again.greeting().await.hello;
    assert_eq!(hello["me"]["lastReadSeq"], 3);
    assert_eq!(hello["readMarkers"], json!({"alice": 3, "bob": 3}));
    let own =
        alice.all().into_iter().filter(|e| e["type"] == "read_receipt" && e["userId"] == "alice").count();
    assert_eq!(own, 0, "none for the marker that one's own message moves");
}

#[tokio::test]
async fn pings_are_answered_without_the_room_or_by_it() {
    let t = Tenant::shared();
    let room = t.group(&["alice", "bob"]).await;
    let mut alice = t.join(&room, "alice").await;
    alice.send_text(r#"{"type":"ping"}"#).await;
    assert_eq!(alice.event().await, json!({"type": "pong"}));
    let epoch = {
        alice.say("c1", "x").await;
        t.get("alice", &format!("/rooms/{room}/messages")).await["epoch"].clone()
    };
    alice.send(json!({"type": "ping", "t": "a time"})).await;
    assert_eq!(alice.next("pong").await, json!({"type": "pong", "t": "a time", "seq": 1, "epoch": epoch}));
}

#[tokio::test]
async fn a_fresh_token_is_taken_if_it_is_the_same_persons() {
    let t = Tenant::shared();
    let room = t.group(&["alice", "bob"]).await;
    let mut alice = t.join(&room, "alice").await;
    let exp = crate::rig::tenant::now_ms() / 1000 + 7_200;
    alice.send(json!({"type": "auth", "token": t.token_with("alice", json!({"exp": exp}))})).await;
    assert_eq!(alice.event().await, json!({"type": "auth_ok", "exp": exp}));
    for (token, code) in [
        (t.token("bob"), "forbidden"),
        (Tenant::new(&t.stack).token("alice"), "forbidden"),
        ("nonsense".into(), "unauthenticated"),
        (t.token_with("alice", json!({"exp": 1_000})), "token_expired"),
    ] {
        let error = refused(&mut alice, json!({"type": "auth", "token": token}), code).await;
        assert_eq!(error["ref"], "auth");
    }
    alice.say("c1", "still here").await;
}

#[tokio::test]
async fn frames_that_are_wrong_get_an_error_and_hurt_nobody() {
    let t = Tenant::shared();
    let room = t.group(&["alice", "bob"]).await;
    let [mut alice, mut bob] = t.together(&room, ["alice", "bob"]).await;
    let id = alice.say("c1", "first").await["messageId"].clone();
    alice.next("new_message").await;
    let absent = "019aa000-0000-7000-8000-000000000001";
    for (frame, code, field) in [
        (json!({"type": "message", "content": "", "clientId": "k"}), "content_empty", Some("content")),
        (
            json!({"type": "message", "content": "x".repeat(4_001), "clientId": "k"}),
            "content_too_long",
            Some("content"),
        ),
        (
            json!({"type": "message", "content": "x", "threadId": absent, "clientId": "k"}),
            "invalid",
            Some("threadId"),
        ),
        (json!({"type": "message", "content": "x", "replyToId": "nope"}), "invalid", Some("replyToId")),
        (
            json!({"type": "reaction", "messageId": absent, "emoji": "x", "action": "add"}),
            "message_not_found",
            None,
        ),
        (
            json!({"type": "reaction", "messageId": id, "emoji": "x", "action": "flip"}),
            "invalid",
            Some("action"),
        ),
        (
            json!({"type": "reaction", "messageId": id, "emoji": "x".repeat(65), "action": "add"}),
            "invalid",
            Some("emoji"),
        ),
    ] {
        let error = refused(&mut alice, frame.clone(), code).await;
        assert_eq!(error["field"].as_str(), field, "{error}");
        assert_eq!(error["ref"], frame["type"]);
    }
    // Malformed ones are counted: five are borne within ten seconds, on each socket.
    for (text, code) in [
        ("nonsense", "bad_json"),
        (r#"{"type":"message","content":"a","content":"b"}"#, "bad_json"),
        (r#"[{"type":"ping"}]"#, "bad_request"),
        (r#"{"type":"dance"}"#, "bad_request"),
        (r#"{"type":"read","seq":-1}"#, "bad_request"),
    ] {
        alice.send_text(text).await;
        let error = alice.event().await;
        assert_eq!((&error["type"], &error["code"]), (&json!("error"), &json!(code)), "{text}: {error}");
    }
    alice.say("c2", "and on it goes").await;
    bob.until("the second message", |e| e["message"]["content"] == "and on it goes").await;
    gapless(&bob.all(), 0);
}
