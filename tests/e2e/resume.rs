//! Reconnecting: a gap is replayed exactly, with the frames that were sent live, or answered with `resync`.

use crate::rig::checks::{gapless, same, seq};
use crate::rig::client::text;
use crate::rig::{Dial, Tenant, checks};
use serde_json::{Value, json};

fn since(dial: Dial, seq: u64, epoch: &str) -> Dial {
    dial.and(&format!("since={seq}&epoch={epoch}"))
}

#[tokio::test]
async fn what_was_missed_is_replayed_exactly_and_then_it_is_live() {
    let t = Tenant::shared();
    let room = t.group(&["alice", "bob", "carol"]).await;
    let mut alice = t.join(&room, "alice").await;
    let mut stayed = t.join(&room, "carol").await;
    let mut bob = t.dial(&room, "bob").and("history=0").open().await;
    let epoch = text(&bob.greeting().await.hello["epoch"]);
    let first = alice.say("c1", "one").await;
    assert_eq!(seq(&bob.next("new_message").await), 1);
    bob.leave().await;
    for i in 2..=5 {
        alice.say(&format!("c{i}"), &format!("message {i}")).await;
    }
    let react = json!({"type": "reaction", "messageId": first["messageId"], "emoji": "👍", "action": "add", "clientId": "r"});
    alice.send(react).await;
    alice.ack("r").await;
    stayed.next("reaction_update").await;
    let live: Vec<Value> =
        stayed.all().into_iter().filter(|e| e["seq"].as_u64() > Some(1) && e["type"] != "synced").collect();

    let mut back = since(t.dial(&room, "bob"), 1, &epoch).open().await;
    let greeting = back.greeting().await;
    let frames: Vec<Value> = greeting.between;
    assert_eq!(frames.iter().map(seq).collect::<Vec<_>>(), [2, 3, 4, 5, 6]);
    assert_eq!(frames, live, "the same frames that went out live");
    assert_eq!(greeting.synced, 6);
    alice.say("c6", "live again").await;
    assert_eq!(seq(&back.next("new_message").await), 7);
    let mut up_to_date = since(t.dial(&room, "bob"), 7, &epoch).open().await;
    assert!(up_to_date.greeting().await.between.is_empty());
}

#[tokio::test]
async fn a_gap_of_200_is_replayed_whole_while_people_talk_on() {
    let stack = crate::rig::stack::loud();
    let t = Tenant::new(&stack);
    let room = t.group(&["alice", "bob"]).await;
    let mut bob = t.dial(&room, "bob").and("history=0").open().await;
    let epoch = text(&bob.greeting().await.hello["epoch"]);
    bob.leave().await;
    let mut alice = t.join(&room, "alice").await;
    for i in 1..=200 {
        alice.send(json!({"type": "message", "content": format!("m{i}"), "clientId": format!("c{i}")})).await;
    }
    alice.ack("c200").await;
    let talking = tokio::spawn(async move {
        for i in 201..=260 {
            alice
                .send(json!({"type": "message", "content": format!("m{i}"), "clientId": format!("c{i}")}))
                .await;
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
        alice.ack("c260").await;
    });
    let mut bob = since(t.dial(&room, "bob"), 0, &epoch).open().await;
    let greeting = bob.greeting().await;
    assert!(greeting.between.len() >= 200, "{}", greeting.between.len());
    talking.await.expect("said");
    bob.barrier().await;
    gapless(&bob.all(), 0);
    same("heard and history", &checks::messages(&bob.all()), &checks::history(&t, &room, "bob").await);
}

#[tokio::test]
async fn what_cannot_be_replayed_whole_is_one_resync() {
    let stack = crate::rig::stack::loud();
    let t = Tenant::new(&stack);
    let room = t.group(&["alice", "bob"]).await;
    let mut alice = t.dial(&room, "alice").and("history=0").open().await;
    let epoch = text(&alice.greeting().await.hello["epoch"]);
    alice.say("c1", "one").await;
    for (at, log, reason) in [(5, epoch.as_str(), "ahead"), (0, "another", "epoch"), (1, "another", "epoch")]
    {
        let mut bob = since(t.dial(&room, "bob"), at, log).open().await;
        let expected = json!({"type": "resync", "reason": reason, "seq": 1, "epoch": epoch});
        assert_eq!(bob.greeting().await.between, [expected], "since {at} of {log}");
    }
    for i in 2..=1_002 {
        alice.send(json!({"type": "message", "content": "many", "clientId": format!("c{i}")})).await;
    }
    alice.ack("c1002").await;
    let mut bob = since(t.dial(&room, "bob"), 1, &epoch).open().await;
    let expected = json!({"type": "resync", "reason": "too_many", "seq": 1_002, "epoch": epoch});
    assert_eq!(bob.greeting().await.between, [expected]);
    alice.say("live", "after a resync too").await;
    assert_eq!(seq(&bob.next("new_message").await), 1_003);
    let mut bob = since(t.dial(&room, "bob"), 3, &epoch).open().await;
    let replayed: Vec<u64> = bob.greeting().await.between.iter().map(seq).collect();
    assert_eq!(replayed, (4..=1_003).collect::<Vec<_>>(), "a thousand are not too many");
}
