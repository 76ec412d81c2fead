//! Rate limits, and every close code that a client can cause. The other clients in the room are not affected.

use crate::rig::tenant::now_ms;
use crate::rig::{Client, Dial, Tenant};
use serde_json::{Value, json};

async fn pair(t: &Tenant) -> (String, Client, Client) {
    let room = t.group(&["alice", "bob"]).await;
    let [alice, bob] = t.together(&room, ["alice", "bob"]).await;
    (room, alice, bob)
}

/// The one who did nothing wrong talks and is heard.
async fn unharmed(client: &mut Client) {
    let seq = client.say("unharmed", "I am still here").await["seq"].clone();
    client.until("one's own message", |event| event["type"] == "new_message" && event["seq"] == seq).await;
}

fn closed(code: u16, name: &str) -> (u16, String) {
    (code, name.to_owned())
}

#[tokio::test]
async fn past_a_rate_one_learns_when_to_come_back() {
    let t = Tenant::shared();
    let (room, mut alice, mut bob) = pair(&t).await;
    let mut other_tab = t.join(&room, "alice").await;
    for i in 1..=30 {
        let frame = json!({"type": "message", "content": "quick", "clientId": format!("c{i}")});
        let tab = if i % 2 == 0 { &mut alice } else { &mut other_tab };
        tab.send(frame).await;
    }
    let mut refused = Vec::new();
    for tab in [&mut alice, &mut other_tab] {
        let events = tab.barrier().await;
        refused.extend(events.into_iter().filter(|event| event["type"] == "error"));
    }
    // 5 a second and a burst of 10, over both tabs; the machine may take a second for the thirty.
    assert!((10..=20).contains(&refused.len()), "{}", refused.len());
    for error in &refused {
        assert_eq!((&error["code"], &error["ref"]), (&json!("rate_limited"), &json!("message")));
        assert_eq!(error["retryable"], true);
        assert!(error["retryAfterMs"].as_u64().is_some_and(|ms| (1..=10_000).contains(&ms)), "{error}");
        assert!(error["clientId"].is_string(), "{error}");
    }
    unharmed(&mut bob).await;
    let wait = refused.iter().filter_map(|error| error["retryAfterMs"].as_u64()).max().expect("some");
    tokio::time::sleep(std::time::Duration::from_millis(wait)).await;
    let id = refused[0]["clientId"].as_str().expect("text").to_owned();
    assert!(alice.say(&id, "quick").await["seq"].is_number(), "then it is taken");
}

#[tokio::test]
async fn reactions_and_typing_have_rates_of_their_own() {
    let t = Tenant::shared();
    let (_, mut alice, mut bob) = pair(&t).await;
    let id = alice.say("c1", "react").await["messageId"].clone();
    alice.next("new_message").await;
    let rated = |events: &[Value], kind: &str| {
        events.iter().filter(|e| e["code"] == "rate_limited" && e["ref"] == kind).count()
    };
    for i in 0..45 {
        let action = if i % 2 == 0 { "add" } else { "remove" };
        alice.send(json!({"type": "reaction", "messageId": id, "emoji": "👍", "action": action})).await;
    }
    let events = alice.barrier().await;
    let reactions = rated(&events, "reaction");
    assert!((5..=25).contains(&reactions), "10 a second, burst 20: {reactions}");
    for _ in 0..10 {
        bob.send(json!({"type": "typing", "isTyping": true})).await;
    }
    let events = bob.barrier().await;
    let typing = rated(&events, "typing");
    assert!((3..=6).contains(&typing), "2 a second, burst 4: {typing}");
    alice.say("c2", "messages have their own").await;
}

#[tokio::test]
async fn a_binary_frame_is_closed_4415() {
    let t = Tenant::shared();
    let (_, mut alice, mut bob) = pair(&t).await;
    alice.send_binary(b"{\"type\":\"ping\"}".to_vec()).await;
    assert_eq!(alice.close_code().await, closed(4415, "binary_unsupported"));
    unharmed(&mut bob).await;
}

#[tokio::test]
async fn a_frame_over_64_kib_is_closed_4413() {
    let t = Tenant::shared();
    let (room, mut alice, mut bob) = pair(&t).await;
    let padded = |bytes: usize| {
        let frame = json!({"type": "message", "content": "x", "pad": ""}).to_string();
        json!({"type": "message", "content": "x", "pad": "p".repeat(bytes - frame.len())}).to_string()
    };
    alice.send_text(padded(64 * 1024)).await;
    alice.next("new_message").await;
    alice.send_text(padded(64 * 1024 + 1)).await;
    assert_eq!(alice.close_code().await, closed(4413, "frame_too_large"));
    refused_for_a_while(&t, &room).await;
    let mut huge = t.join(&room, "bob").await;
    huge.send_text(padded(2 << 20)).await;
    assert_eq!(huge.close_code().await, closed(4413, "frame_too_large"));
    unharmed(&mut bob).await;
}

#[tokio::test]
async fn more_than_five_malformed_frames_are_closed_4400() {
    let t = Tenant::shared();
    let (room, mut alice, mut bob) = pair(&t).await;
    let mut other_tab = t.join(&room, "alice").await;
    for _ in 0..5 {
        alice.send_text("nonsense").await;
        assert_eq!(alice.next("error").await["code"], "bad_json");
    }
    other_tab.send_text("nonsense").await;
    assert_eq!(other_tab.next("error").await["code"], "bad_json", "counted by socket");
    alice.send_text("nonsense").await;
    assert_eq!(alice.close_code().await, closed(4400, "protocol"));
    other_tab.say("c1", "the other tab is fine").await;
    refused_for_a_while(&t, &room).await;
    unharmed(&mut bob).await;
}

#[tokio::test]
async fn a_flood_is_closed_4429() {
    let t = Tenant::shared();
    let (room, mut alice, mut bob) = pair(&t).await;
    // 5 × 30 a second, over 10 s: the 1,501st within them.
    for _ in 0..1_600 {
        if !alice.send_text(r#"{"type":"typing","isTyping":true}"#).await {
            break;
        }
    }
    assert_eq!(alice.close_code().await, closed(4429, "flood"));
    refused_for_a_while(&t, &room).await;
    unharmed(&mut bob).await;
}

/// After a close for what alice has sent.
async fn refused_for_a_while(t: &Tenant, room: &str) {
    let refusal = t.dial(room, "alice").refused().await;
    let wait = refusal.refusal(429, "rate_limited")["retryAfterMs"].as_u64();
    assert!(wait.is_some_and(|ms| (1..=10_000).contains(&ms)), "{wait:?}");
}

#[tokio::test]
async fn the_eleventh_socket_closes_the_oldest_4409() {
    let t = Tenant::shared();
    let (room, mut oldest, mut bob) = pair(&t).await;
    let mut tabs = Vec::new();
    for _ in 0..9 {
        tabs.push(t.join(&room, "alice").await);
    }
    oldest.barrier().await;
    tabs.push(t.join(&room, "alice").await);
    assert_eq!(oldest.close_code().await, closed(4409, "too_many_connections"));
    for tab in &mut tabs {
        tab.barrier().await;
    }
    let left = bob.barrier().await;
    assert!(left.iter().all(|event| event["type"] != "user_left"), "{left:?}");
    unharmed(&mut bob).await;
}

#[tokio::test]
async fn an_expired_token_is_closed_4401_before_anything_more_is_accepted_or_sent() {
    let t = Tenant::shared();
    let room = t.group(&["alice", "bob", "carol"]).await;
    // Within the leeway of 30 s for ten seconds more: enough for three upgrades on a busy machine.
    let exp = now_ms() / 1000 - 20;
    let dial = |user: &str| {
        Dial::chat_v1(&t.stack, &room, &t.token_with(user, json!({"exp": exp}))).and("history=0")
    };
    let mut silent = dial("alice").open().await;
    silent.greeting().await;
    let mut talking = dial("bob").open().await;
    talking.greeting().await;
    let mut renewing = dial("carol").open().await;
    renewing.greeting().await;
    let fresh = t.token("carol");
    renewing.send(json!({"type": "auth", "token": fresh})).await;
    renewing.next("auth_ok").await;
    let over_ms = (exp + 30) * 1000 + 500;
    tokio::time::sleep(std::time::Duration::from_millis(over_ms.saturating_sub(now_ms()))).await;
    assert!(silent.closed().is_none(), "an idle room isn't woken for it");
    talking.send(json!({"type": "message", "content": "too late", "clientId": "c1"})).await;
    assert_eq!(talking.close_code().await, closed(4401, "auth_expired"));
    renewing.say("c2", "secret").await;
    assert_eq!(silent.close_code().await, closed(4401, "auth_expired"));
    for late in [&silent, &talking] {
        assert!(late.all().iter().all(|event| event["type"] != "new_message"), "{:?}", late.all());
    }
    let page = t.get("carol", &format!("/rooms/{room}/messages")).await;
    assert_eq!(page["messages"].as_array().map(Vec::len), Some(1), "what came too late was not taken");
}

#[tokio::test]
async fn who_is_removed_is_closed_4403_and_stays_out() {
    let t = Tenant::shared();
    let (room, mut alice, mut bob) = pair(&t).await;
    alice.say("c1", "before").await;
    bob.next("new_message").await;
    let sql = t.stack.sql().await;
    let remove = "DELETE FROM chat_room_members WHERE tenant_id = $1 AND room_id = $2 AND user_id = 'bob'";
    assert_eq!(sql.execute(remove, &[&t.id, &room]).await.expect("removed"), 1);
    let version =
        "UPDATE chat_rooms SET members_version = members_version + 1 WHERE tenant_id = $1 AND id = $2";
    sql.execute(version, &[&t.id, &room]).await.expect("a new version");
    // Anything that goes to Postgres tells the room that its copy is old.
    alice.say("c2", "during").await;
    assert_eq!(bob.close_code().await, closed(4403, "removed"));
    t.dial(&room, "bob").refused().await.refusal(404, "room_not_found");
    t.rest("bob", "GET", &format!("/rooms/{room}/messages"), None).await.refusal(404, "room_not_found");
    let body = json!({"content": "let me back"});
    t.rest("bob", "POST", &format!("/rooms/{room}/messages"), Some(body))
        .await
        .refusal(404, "room_not_found");
    unharmed(&mut alice).await;
}

#[tokio::test]
async fn who_had_pinged_and_went_silent_is_closed_4408_when_the_room_runs_anyway() {
    let t = Tenant::shared();
    let room = t.group(&["alice", "bob", "carol"]).await;
    let [mut silent, mut never_pinged, mut pinging] = t.together(&room, ["alice", "bob", "carol"]).await;
    silent.send_text(r#"{"type":"ping"}"#).await;
    silent.until("a pong", |event| *event == json!({"type": "pong"})).await;
    for _ in 0..4 {
        tokio::time::sleep(std::time::Duration::from_millis(15_500)).await;
        pinging.send_text(r#"{"type":"ping"}"#).await;
        pinging.until("a pong", |event| *event == json!({"type": "pong"})).await;
    }
    assert!(silent.closed().is_none(), "an idle room isn't woken for it");
    pinging.say("c1", "the room runs").await;
    assert_eq!(silent.close_code().await, closed(4408, "heartbeat_timeout"));
    never_pinged.next("new_message").await;
    assert_eq!((never_pinged.closed(), pinging.closed()), (None, None));
}
