//! An idle room hibernates with open sockets and wakes without a visible change; and what a message costs in written
//! rows. `test_instance`, a hook of test builds, returns which instance of the object answers, and its written rows.

use crate::rig::stack::loud;
use crate::rig::{Client, Tenant};
use serde_json::{Value, json};
use std::time::Duration;

/// Locally a room is evicted after 10 s without events; the alarm that would finish an interrupted drain comes 5 s
/// after a message.
const ASLEEP_AFTER: Duration = Duration::from_secs(22);

async fn instance(client: &mut Client) -> Value {
    client.send_text(r#"{"type":"test_instance"}"#).await;
    client.next("test_instance").await
}

#[tokio::test]
async fn an_idle_room_sleeps_with_its_sockets_open_after_it_used_postgres() {
    let t = Tenant::shared();
    let room = t.group(&["alice", "bob"]).await;
    let [mut alice, mut bob] = t.together(&room, ["alice", "bob"]).await;
    let first = alice.say("c1", "before").await;
    assert!(t.stack.alarm(&room).is_some(), "what a crash would interrupt is finished by an alarm");
    t.drained(&room, Duration::from_secs(10)).await;
    let before = instance(&mut alice).await["instance"].clone();
    assert!(before.is_u64());
    // Pings with the exact text are answered without waking it.
    for _ in 0..6 {
        tokio::time::sleep(ASLEEP_AFTER / 6).await;
        bob.send_text(r#"{"type":"ping"}"#).await;
        assert_eq!(bob.next("pong").await, json!({"type": "pong"}));
    }
    assert_eq!(t.stack.alarm(&room), None, "no alarm in an idle room");
    let again = alice.say("c1", "before").await;
    assert_eq!(
        (&again["duplicate"], &again["seq"]),
        (&json!(true), &first["seq"]),
        "it remembers the clientId"
    );
    let after = instance(&mut alice).await["instance"].clone();
    assert_ne!(before, after, "another making of the object: it had slept");
    alice.say("c2", "after").await;
    let heard = bob.until("the next message", |event| event["seq"] == 2).await;
    assert_eq!(heard["message"]["content"], "after");
    let quiet = bob.barrier().await;
    assert!(quiet.iter().all(|e| e["type"] != "user_joined" && e["type"] != "user_left"), "{quiet:?}");
    let mut late = t.dial(&room, "bob").open().await;
    assert_eq!(late.greeting().await.online, ["alice", "bob"]);
    t.drained(&room, Duration::from_secs(10)).await;
}

#[tokio::test]
async fn a_room_whose_change_says_nothing_to_anybody_sleeps_again() {
    let t = Tenant::shared();
    let room = t.group(&["alice", "bob"]).await;
    let mut alice = t.join(&room, "alice").await;
    let before = instance(&mut alice).await["instance"].clone();
    // Of one's own settings no event tells, so no drain follows that would shut the connection they were written over.
    let path = format!("/rooms/{room}/notification-settings");
    t.rest("alice", "PUT", &path, Some(json!({"level": "none"}))).await.ok();
    tokio::time::sleep(ASLEEP_AFTER).await;
    assert_ne!(before, instance(&mut alice).await["instance"], "another making of the object: it had slept");
}

#[tokio::test]
async fn limits_markers_and_reactions_are_remembered_in_sleep() {
    let t = Tenant::new(&loud());
    let room = t.group(&["alice", "bob"]).await;
    let mut alice = t.join(&room, "alice").await;
    let id = alice.say("c1", "mine").await["messageId"].clone();
    alice
        .send(json!({"type": "reaction", "messageId": id, "emoji": "👍", "action": "add", "clientId": "r"}))
        .await;
    alice.ack("r").await;
    alice.send(json!({"type": "read", "seq": 2})).await;
    // On this stack one may type once in 50 s.
    alice.send(json!({"type": "typing", "isTyping": true})).await;
    assert!(alice.barrier().await.iter().all(|event| event["type"] != "error"));
    let before = instance(&mut alice).await["instance"].clone();
    tokio::time::sleep(ASLEEP_AFTER).await;
    assert_ne!(before, instance(&mut alice).await["instance"], "it had slept");
    alice.send(json!({"type": "typing", "isTyping": true})).await;
    assert_eq!(alice.next("error").await["code"], "rate_limited");
    let mut bob = t.dial(&room, "bob").open().await;
    let greeting = bob.greeting().await;
    assert_eq!(greeting.hello["readMarkers"]["alice"], 2);
    assert_eq!(greeting.between[0]["message"]["reactions"], json!({"👍": ["alice"]}));
}

/// Its end wakes the room: the new instance has never known that socket.
#[tokio::test]
async fn who_leaves_a_sleeping_room_is_announced_and_their_marker_is_kept() {
    let t = Tenant::shared();
    let room = t.group(&["alice", "bob"]).await;
    let [mut alice, mut bob] = t.together(&room, ["alice", "bob"]).await;
    for id in ["c1", "c2"] {
        alice.say(id, "to be read").await;
    }
    t.drained(&room, Duration::from_secs(10)).await;
    let before = instance(&mut alice).await["instance"].clone();
    bob.send(json!({"type": "read", "seq": 1})).await;
    bob.barrier().await;
    tokio::time::sleep(ASLEEP_AFTER).await;
    bob.leave().await;
    let left = Duration::from_secs(8);
    let event = tokio::time::timeout(left, alice.until("bob has left", |e| e["type"] == "user_left")).await;
    assert_eq!(event.expect("within the grace period")["userId"], "bob");
    assert_ne!(before, instance(&mut alice).await["instance"], "another making of the object: it had slept");
    let read = t.get("bob", "/unread").await["rooms"][0]["lastReadSeq"].clone();
    assert_eq!(read, 1, "the marker has reached Postgres, before its 30 s were over");
}

#[tokio::test]
async fn markers_alone_write_nothing_and_start_no_batch() {
    let t = Tenant::new(&loud());
    let room = t.group(&["alice", "bob"]).await;
    let [mut alice, mut bob] = t.together(&room, ["alice", "bob"]).await;
    for i in 1..=40 {
        alice.say(&format!("c{i}"), "to be read").await;
    }
    t.drained(&room, Duration::from_secs(10)).await;
    let rows = async |client: &mut Client| instance(client).await["rowsWritten"].as_u64().expect("a count");
    let before = rows(&mut alice).await;
    for seq in 1..=40 {
        bob.send(json!({"type": "read", "seq": seq})).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    bob.barrier().await;
    let written = rows(&mut alice).await - before;
    assert_eq!(written, 0, "40 markers in 4 s");
    bob.leave().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let written = rows(&mut alice).await - before;
    assert!((1..=2).contains(&written), "{written} rows when their person has left");
}

#[tokio::test]
async fn a_message_costs_at_most_three_written_rows_in_a_busy_room() {
    let t = Tenant::new(&loud());
    let room = t.group(&["alice", "bob"]).await;
    let [mut alice, mut bob] = t.together(&room, ["alice", "bob"]).await;
    let id = alice.say("c0", "react to me").await["messageId"].clone();
    let rows = instance(&mut alice).await["rowsWritten"].as_u64().expect("a count");
    for i in 1..=1_000 {
        let sender = if i % 2 == 0 { &mut alice } else { &mut bob };
        sender
            .send(json!({"type": "message", "content": format!("message {i}"), "clientId": format!("c{i}")}))
            .await;
        if i % 10 == 0 {
            bob.send(json!({"type": "read", "seq": i})).await;
        }
        if i % 50 == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    alice.ack("c1000").await;
    bob.ack("c999").await;
    t.drained(&room, Duration::from_secs(30)).await;
    let after_messages = instance(&mut alice).await["rowsWritten"].as_u64().expect("a count");
    let for_messages = after_messages - rows;
    assert!(for_messages <= 3_000, "{for_messages} rows for 1,000 messages and 100 reads");
    assert!(for_messages >= 1_000, "the count counts: {for_messages}");
    for i in 0..100 {
        let action = if i % 2 == 0 { "add" } else { "remove" };
        let frame = json!({"type": "reaction", "messageId": id, "emoji": "👍", "action": action, "clientId": format!("r{i}")});
        bob.send(frame).await;
    }
    bob.ack("r99").await;
    t.drained(&room, Duration::from_secs(30)).await;
    let for_reactions = instance(&mut alice).await["rowsWritten"].as_u64().expect("a count") - after_messages;
    assert!(for_reactions <= 400, "{for_reactions} rows for 100 reactions");
}
