//! A panic affects only the event that caused it. `test_panic` is a hook of test builds; a test of the release build
//! shows that it isn't there.

use crate::rig::Tenant;
use crate::rig::checks::gapless;
use serde_json::json;

#[tokio::test]
async fn a_panic_is_answered_and_others_notice_nothing() {
    let t = Tenant::shared();
    let room = t.group(&["alice", "bob"]).await;
    let elsewhere = t.group(&["carol"]).await;
    let [mut alice, mut bob] = t.together(&room, ["alice", "bob"]).await;
    let mut carol = t.join(&elsewhere, "carol").await;
    alice.say("c1", "before").await;
    for i in 0..5 {
        // Around the panic others are in the middle of things, in this room and in another.
        bob.send(json!({"type": "message", "content": "around", "clientId": format!("b{i}")})).await;
        alice.send_text(r#"{"type":"test_panic"}"#).await;
        carol.send(json!({"type": "message", "content": "elsewhere", "clientId": format!("k{i}")})).await;
        let error = alice.next("error").await;
        assert_eq!((&error["code"], &error["retryable"]), (&json!("internal"), &json!(true)));
        bob.ack(&format!("b{i}")).await;
        carol.ack(&format!("k{i}")).await;
    }
    assert_eq!((alice.closed(), bob.closed(), carol.closed()), (None, None, None));
    alice.say("c2", "after").await;
    bob.until("the last one", |event| event["message"]["content"] == "after").await;
    assert_eq!(alice.say("c1", "before").await["duplicate"], true);
    for client in [&mut alice, &mut bob, &mut carol] {
        client.barrier().await;
        gapless(&client.all(), 0);
    }
    let page = t.get("alice", &format!("/rooms/{room}/messages")).await;
    assert_eq!(page["lastSeq"], 7);
    t.drained(&room, std::time::Duration::from_secs(15)).await;
}
