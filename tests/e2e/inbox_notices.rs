//! Being notified by an open inbox, on the live stack. Not here: webhooks (`notifications`) and pushes (`push`).

use crate::inbox::Device;
use crate::rig::client::text;
use crate::rig::{Dial, Tenant};
use serde_json::json;
use std::time::{Duration, Instant};

/// [INBOX-11]: by the rules of webhook and push, within a second, until it is read or deleted; resumed exactly.
#[tokio::test]
async fn inbox_11_an_open_inbox_is_notified_of_what_concerns_its_person() {
    let t = Tenant::shared();
    let room = t.group(&["bob", "alice"]).await;
    t.rest("bob", "PATCH", &format!("/rooms/{room}"), Some(json!({"name": "Lunch"}))).await.ok();
    let post = async |who: &str, content: &str| {
        let body = json!({"content": content});
        let sent = t.rest(who, "POST", &format!("/rooms/{room}/messages"), Some(body)).await.ok();
        (text(&sent["message"]["id"]), sent["message"]["seq"].clone())
    };
    let delete = async |id: &str| {
        t.rest("bob", "DELETE", &format!("/rooms/{room}/messages/{id}"), None).await.ok();
    };
    let mut alice = Device::open(&t, "alice").await;
    let mut took = Vec::new();
    for n in 1..=5 {
        let sent = Instant::now();
        let (id, seq) = post("bob", &format!("soup {n}, <@alice>?")).await;
        let event = alice.until("notification").await;
        took.push(sent.elapsed());
        let expected = json!({
            "type": "notification", "seq": event["seq"], "roomId": room, "messageId": id, "messageSeq": seq,
            "threadId": null, "reason": "mention", "body": format!("bob: soup {n}, @alice?"),
            "title": if n == 1 { "Lunch".to_owned() } else { format!("{n} new: Lunch") },
        });
        assert_eq!(event, expected);
    }
    println!("notifications: {took:?}");
    assert!(took.iter().all(|took| *took < Duration::from_secs(2)), "{took:?}");
    let (last, seq) = post("bob", "and more").await;
    assert_eq!(alice.until("notification").await["reason"], "message");
    t.rest("alice", "POST", &format!("/rooms/{room}/read"), Some(json!({"seq": seq}))).await.ok();
    let withdrawn = alice.until("notification_withdrawn").await;
    assert_eq!((&withdrawn["messageId"], &withdrawn["messageSeq"]), (&json!(last), &seq));
    // While the device is away for a moment; the deleted one is never shown.
    let (seq_before, epoch) = (alice.seq, alice.epoch.clone());
    let (gone, _) = post("bob", "a secret").await;
    alice.until("notification").await;
    delete(&gone).await;
    assert_eq!(alice.until("notification_withdrawn").await["messageId"], json!(gone));
    let (kept, _) = post("bob", "no secret").await;
    alice.until("notification").await;
    let position = format!("since={seq_before}&epoch={epoch}");
    let mut again = Dial::inbox(&t.stack, &t.token("alice")).and(&position).open().await;
    let mut notified = Vec::new();
    loop {
        let event = again.event().await;
        assert!(!event.to_string().contains("a secret"), "{event}");
        match event["type"].as_str() {
            Some("synced") => break,
            Some("notification") => notified.push(event["messageId"].clone()),
            _ => {}
        }
    }
    assert_eq!(notified, [json!(kept)]);
    // Nothing of one's own, nor of a room that is switched off.
    post("alice", "my own").await;
    let none = json!({"level": "none"});
    t.rest("alice", "PUT", &format!("/rooms/{room}/notification-settings"), Some(none)).await.ok();
    alice.until("settings_changed").await;
    let seq = alice.seq;
    post("bob", "who hears this?").await;
    let event = loop {
        let event = alice.until("room_activity").await;
        if event["lastMessage"]["content"] == "who hears this?" {
            break event;
        }
    };
    alice.equals_the_list(&t, "alice").await;
    let fresh = alice.notified.iter().filter(|at| **at > seq);
    assert_eq!(fresh.count(), 0, "{event}");
}
