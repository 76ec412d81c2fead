//! Presence and typing: per person over several tabs, with the presence grace; typing that expires by itself.

use crate::rig::Tenant;
use crate::rig::client::text;
use crate::rig::tenant::now_ms;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

fn of<'a>(events: &'a [Value], kind: &str, user: &str) -> Vec<&'a Value> {
    events.iter().filter(|event| event["type"] == kind && event["userId"] == user).collect()
}

#[tokio::test]
async fn a_person_is_there_from_the_first_tab_to_five_seconds_after_the_last() {
    let t = Tenant::shared();
    let room = t.group(&["alice", "bob"]).await;
    let mut bob = t.join(&room, "bob").await;
    let first = t.join(&room, "alice").await;
    let joined = bob.next("user_joined").await;
    assert_eq!(joined["userId"], "alice");
    assert!(joined["timestamp"].as_u64().is_some_and(|ms| ms.abs_diff(now_ms()) < 60_000), "{joined}");
    let mut second = t.join(&room, "alice").await;
    first.leave().await;
    // Longer than the grace: nobody is to hear of either tab.
    assert!(!bob.hears_within(Duration::from_millis(6_000), |e| e["type"] == "user_left").await);
    assert_eq!(of(&bob.all(), "user_joined", "alice").len(), 1, "one person, however many tabs");
    second.barrier().await;
    second.leave().await;
    let gone = Instant::now();
    let mut again = t.dial(&room, "bob").and("history=0").open().await;
    assert_eq!(again.greeting().await.online, ["alice", "bob"], "in the grace one is still there");
    assert_eq!(bob.next("user_left").await["userId"], "alice");
    let after_ms = gone.elapsed().as_millis();
    assert!((4_000..9_000).contains(&after_ms), "a grace of 5 s: {after_ms}");
    assert!(of(&bob.all(), "user_joined", "bob").is_empty(), "never for me");
    let mut later = t.dial(&room, "bob").and("history=0").open().await;
    assert_eq!(later.greeting().await.online, ["bob"]);
}

#[tokio::test]
async fn who_comes_back_within_the_grace_was_never_away() {
    let t = Tenant::shared();
    let room = t.group(&["alice", "bob"]).await;
    let mut bob = t.join(&room, "bob").await;
    let alice = t.join(&room, "alice").await;
    bob.next("user_joined").await;
    alice.leave().await;
    let mut alice = t.join(&room, "alice").await;
    assert!(
        !bob.hears_within(Duration::from_millis(6_500), |e| e["type"] != "pong").await,
        "{:?}",
        bob.all()
    );
    alice.barrier().await;
}

#[tokio::test]
async fn typing_is_sent_to_the_others_and_ends_with_the_message() {
    let t = Tenant::shared();
    let room = t.group(&["alice", "bob"]).await;
    let [mut alice, mut bob] = t.together(&room, ["alice", "bob"]).await;
    alice.send(json!({"type": "typing", "isTyping": true})).await;
    let typing = bob.next("typing").await;
    assert_eq!((&typing["userId"], &typing["isTyping"]), (&json!("alice"), &json!(true)));
    assert_eq!(typing["typingUsers"], json!(["alice"]));
    assert_eq!(typing["expiresInMs"], 6_000);
    alice.send(json!({"type": "typing", "isTyping": false})).await;
    let ended = bob.next("typing").await;
    assert_eq!((&ended["isTyping"], &ended["typingUsers"]), (&json!(false), &json!([])));
    alice.send(json!({"type": "typing", "isTyping": true})).await;
    bob.next("typing").await;
    alice.say("c1", "said").await;
    bob.next("new_message").await;
    let mut carol_tab = t.join(&room, "bob").await;
    carol_tab.send(json!({"type": "typing", "isTyping": true})).await;
    let typing = alice.next("typing").await;
    assert_eq!(typing["typingUsers"], json!(["bob"]), "who has said it types no more");
    assert!(of(&alice.all(), "typing", "alice").is_empty(), "nobody is told of their own typing");
}

#[tokio::test]
async fn typing_again_and_again_is_sent_now_and_then() {
    let t = Tenant::shared();
    let room = t.group(&["alice", "bob"]).await;
    let [mut alice, mut bob] = t.together(&room, ["alice", "bob"]).await;
    for _ in 0..4 {
        alice.send(json!({"type": "typing", "isTyping": true})).await;
    }
    alice.barrier().await;
    let received = bob.barrier().await;
    assert_eq!(of(&received, "typing", "alice").len(), 1, "coalesced: {received:?}");
}

#[tokio::test]
async fn a_room_full_of_people_joins_in_few_frames() {
    let t = Tenant::shared();
    let people: Vec<String> = (0..30).map(|i| format!("u{i:02}")).collect();
    let mut all = vec!["host"];
    all.extend(people.iter().map(String::as_str));
    let room = t.group(&all).await;
    let mut host = t.join(&room, "host").await;
    let frames = host.frames();
    let dials = people.iter().map(|user| {
        let (t, room, user) = (t.clone(), room.clone(), user.clone());
        tokio::spawn(async move { t.join(&room, &user).await })
    });
    let mut guests: Vec<_> = futures_util::future::join_all(dials.collect::<Vec<_>>()).await;
    let mut joined: Vec<String> = Vec::new();
    while joined.len() < 30 {
        joined.push(text(&host.next("user_joined").await["userId"]));
    }
    joined.sort();
    assert_eq!(joined, people, "each once");
    let used = host.frames() - frames;
    assert!(used <= 20, "joins are gathered: {used} frames for 30 people");
    let last = guests[0].as_mut().expect("joined");
    last.barrier().await;
}
