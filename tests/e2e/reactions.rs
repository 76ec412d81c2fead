//! Reactions on the real runtime: which text is an emoji, and a crowd that reacts to one message.

use crate::rig::client::{Socket, encoded, events};
use crate::rig::stack::loud;
use crate::rig::{PATIENCE, Tenant};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio_tungstenite::tungstenite::Message;

#[tokio::test]
async fn react_1_the_runtime_knows_what_is_one_emoji() {
    let t = Tenant::new(&loud());
    let room = t.group(&["alice", "bob"]).await;
    let mut alice = t.join(&room, "alice").await;
    let id = alice.say("c1", "react to me").await["messageId"].as_str().expect("an id").to_owned();
    let path = |emoji: &str| format!("/rooms/{room}/messages/{id}/reactions/{}", encoded(emoji));
    // With U+FE0F where it belongs, whether or not it was sent.
    for (sent, stored) in [
        ("👍", "👍"),
        ("👍\u{fe0f}", "👍"),
        ("❤", "❤\u{fe0f}"),
        ("❤\u{fe0f}", "❤\u{fe0f}"),
        ("1\u{20e3}", "1\u{fe0f}\u{20e3}"),
        ("🇩🇪", "🇩🇪"),
        ("🏳\u{200d}🌈", "🏳\u{fe0f}\u{200d}🌈"),
        ("👩🏽\u{200d}💻", "👩🏽\u{200d}💻"),
        ("☝🏻", "☝🏻"),
        (
            "🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}",
            "🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}",
        ),
        (":party_parrot:", ":party_parrot:"),
    ] {
        let set = t.rest("alice", "PUT", &path(sent), None).await.ok();
        assert_eq!(set["reactions"], json!({stored: ["alice"]}), "{sent}");
        assert_eq!(set["reactionCounts"], json!({stored: 1}), "{sent}");
        assert_eq!(
            t.get("bob", &path(sent)).await,
            json!({"userIds": ["alice"], "nextCursor": null}),
            "{sent}"
        );
        assert_eq!(t.rest("alice", "DELETE", &path(sent), None).await.ok()["reactions"], json!({}), "{sent}");
    }
    for wrong in ["idiot", "👍👍", "__proto__", "a", "1", "🏻🏻", ":Idiot:", "::", "👍 ", "\u{fe0f}", "🇩"]
    {
        let refused = t.rest("alice", "PUT", &path(wrong), None).await.refusal(422, "invalid");
        assert_eq!(refused["field"], "emoji", "{wrong:?}");
    }
}

const CROWD: u64 = 500;
/// All react within this.
const REACTING: Duration = Duration::from_secs(10);

/// What one socket received.
struct Seen {
    bytes: u64,
    longest_event_bytes: usize,
}

/// Reacts when its time has come, and reads until it has the event of the last reaction.
async fn react_and_read(mut socket: Socket, message: Value, start: Instant, at: Duration) -> Seen {
    let mut seen = Seen { bytes: 0, longest_event_bytes: 0 };
    let mut reaction =
        Some(json!({"type": "reaction", "messageId": message, "emoji": "👍", "action": "add"}));
    loop {
        let wait = (start + at).saturating_duration_since(Instant::now());
        tokio::select! {
            () = tokio::time::sleep(wait), if reaction.is_some() => {
                let frame = reaction.take().expect("it has not reacted").to_string();
                socket.send(Message::text(frame)).await.expect("an open socket");
            }
            frame = socket.next() => {
                let Message::Text(text) = frame.expect("nobody is closed").expect("a frame") else { continue };
                seen.bytes += text.len() as u64;
                for event in events(&text, false) {
                    if event["type"] == "reaction_update" {
                        seen.longest_event_bytes = seen.longest_event_bytes.max(event.to_string().len());
                        if event["count"] == CROWD {
                            return seen;
                        }
                    }
                }
            }
        }
    }
}

#[tokio::test]
async fn react_4_five_hundred_people_react_to_one_message_on_500_sockets() {
    let t = Tenant::new(&loud());
    let people: Vec<String> = (0..CROWD).map(|n| format!("0192f0c4-5a3e-7c11-9d20-{n:012}")).collect();
    let names: Vec<&str> = people.iter().map(String::as_str).collect();
    let room = t.group(&names).await;
    let sent =
        t.rest(names[0], "POST", &format!("/rooms/{room}/messages"), Some(json!({"content": "react"}))).await;
    let message = sent.ok()["message"]["id"].clone();
    let mut sockets = Vec::new();
    for chunk in names.chunks(20) {
        let dials: Vec<_> = chunk.iter().map(|user| t.dial(&room, user).and("history=0")).collect();
        let opened = futures_util::future::join_all(dials.iter().map(|dial| dial.dial())).await;
        sockets.extend(opened.into_iter().map(|socket| socket.expect("an upgrade").0));
    }
    let start = Instant::now() + Duration::from_secs(1);
    let tasks: Vec<_> = sockets
        .into_iter()
        .zip(0u32..)
        .map(|(socket, n)| {
            let at = REACTING * n / u32::try_from(CROWD).expect("few");
            tokio::spawn(tokio::time::timeout(
                6 * PATIENCE,
                react_and_read(socket, message.clone(), start, at),
            ))
        })
        .collect();
    let (mut bytes, mut longest) = (0, 0);
    for task in tasks {
        let seen = task.await.expect("a task").expect("everything arrives in time");
        bytes += seen.bytes;
        longest = longest.max(seen.longest_event_bytes);
    }
    println!("egress {} MB, {longest} bytes the longest event, {:?}", bytes / 1_000_000, start.elapsed());
    assert!(longest <= 400, "{longest} bytes of an event");
    assert!(bytes <= 120_000_000, "{bytes} bytes of egress");
    // The last of the crowd is named to themselves, and a resume brings all changes.
    let page = t.get(names[499], &format!("/rooms/{room}/messages")).await;
    let shown = &page["messages"][0];
    let named = shown["reactions"]["👍"].as_array().expect("people");
    assert_eq!((named.len(), &shown["reactionCounts"]["👍"]), (20, &json!(CROWD)));
    assert!(named.contains(&json!(names[499])));
    let epoch = page["epoch"].as_str().expect("an epoch");
    let mut late = t.dial(&room, names[1]).and(&format!("since=1&epoch={epoch}")).open().await;
    let greeting = late.greeting().await;
    assert_eq!(greeting.between.len() as u64, CROWD);
    assert_eq!(greeting.between.last().map(|event| &event["count"]), Some(&json!(CROWD)));
    t.drained(&room, 2 * PATIENCE).await;
    let sql = "SELECT count(*) FROM chat_message_reactions WHERE tenant_id = $1";
    let rows: i64 = t.stack.sql().await.query_one(sql, &[&t.id]).await.expect("a count").get(0);
    assert_eq!(rows, 500);
}
