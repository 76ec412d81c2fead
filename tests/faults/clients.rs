//! Faulty clients: they disconnect in every way, don't read, send byte by byte, outlive their tokens. The other clients
//! in the room are not affected. Not here: hundreds of clients at once (`many_clients`).

use crate::environment::Environment;
use crate::load::{Load, LoadOptions};
use crate::proxy::{Fault, Proxy};
use crate::rig::checks;
use crate::rig::client::close_of;
use crate::rig::tenant::now_ms;
use crate::{Struck, struck};
use futures_util::SinkExt;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

pub async fn connections_end_by_rst_and_by_fin(environment: Arc<Environment>) -> Struck {
    let options = LoadOptions { people: 8, through_proxy: true, ..LoadOptions::default() };
    let mut load = Load::start(&environment, options).await;
    let counts =
        || (environment.client_proxy.count(|s| &s.reset), environment.client_proxy.count(|s| &s.ended));
    let before = counts();
    for _ in 0..5 {
        environment.client_proxy.reset_all();
        load.wait_until_all_are_synced().await;
        load.wait_for_acks(40).await;
        environment.client_proxy.end_all();
        load.wait_until_all_are_synced().await;
        load.wait_for_acks(40).await;
    }
    let (resets, ends) = (counts().0 - before.0, counts().1 - before.1);
    assert!(resets >= 40 && ends >= 40, "{resets} RST, {ends} FIN");
    let result = load.finish().await;
    struck(resets + ends, format!("{resets} RST, {ends} FIN; {}", result.summary()))
}

/// Half-open connections: no close, no answer. One that had pinged is closed after 60 s and affects nobody meanwhile.
pub async fn clients_are_half_open(environment: Arc<Environment>) -> Struck {
    let way = Proxy::listen(false).await;
    way.to(&environment.stack.host);
    let mut load =
        Load::start(&environment, LoadOptions { pace: Duration::from_millis(400), ..LoadOptions::default() })
            .await;
    let mut gone = load.t.dial(&load.room, "watcher").and("history=0").through(&way.address).open().await;
    gone.greeting().await;
    // Answered without waking the room, and what tells it that silence would mean something.
    gone.send_text(r#"{"type":"ping"}"#).await;
    gone.next("pong").await;
    let mut looker = load.t.join(&load.room, "u0").await;
    way.set(Fault::BlackHole);
    let start = Instant::now();
    let left = |event: &Value| event["type"] == "user_left" && event["userId"] == "watcher";
    // 60 s of silence, looked at every 30 s, and 5 s of grace.
    assert!(looker.hears_within(Duration::from_secs(115), left).await, "the half-open one is taken for gone");
    let noticed = start.elapsed().as_secs();
    load.wait_for_acks(20).await;
    let stalled = way.count(|s| &s.stalled);
    way.set(Fault::Pass);
    assert_eq!(gone.close_code().await.0, 4408);
    drop(looker);
    let result = load.finish().await;
    struck(stalled, format!("noticed after {noticed} s; {}", result.summary()))
}

/// Three clients that read nothing, in a busy room.
pub async fn readers_do_not_read(environment: Arc<Environment>) -> Struck {
    let t = environment.tenant();
    let room = t.group(&["alice", "bob", "deaf0", "deaf1", "deaf2"]).await;
    let [mut alice, mut bob] = t.together(&room, ["alice", "bob"]).await;
    let mut deaf = Vec::new();
    for i in 0..3 {
        deaf.push(t.dial(&room, &format!("deaf{i}")).and("history=0").open_deaf().await);
    }
    let content = "x".repeat(4_000);
    let (start, mut sent, mut slowest) = (Instant::now(), 0, Duration::ZERO);
    let mut closed = 0;
    while closed < deaf.len() {
        assert!(start.elapsed() < Duration::from_secs(120), "only {closed} closed, after {sent} messages");
        let asked = Instant::now();
        for _ in 0..50 {
            sent += 1;
            alice.send(json!({"type": "message", "content": content, "clientId": format!("c{sent}")})).await;
        }
        alice.ack(&format!("c{sent}")).await;
        slowest = slowest.max(asked.elapsed());
        let last = format!("c{sent}");
        bob.until("what was said", |e| e["type"] == "new_message" && e["clientId"] == *last).await;
        closed = bob.all().iter().filter(|e| e["type"] == "user_left").count();
    }
    let kib = sent * content.len() as u64 / 1_024;
    checks::gapless(&bob.all(), 0);
    for socket in deaf {
        assert_eq!(close_of(socket).await, (4420, "slow_consumer".to_owned()));
    }
    environment.equal(&t, &room, "bob").await;
    let sent = format!(
        "3 closed 4420 after {kib} KiB; 50 messages were acked within {} ms at most",
        slowest.as_millis()
    );
    struck(3, sent)
}

/// A frame that arrives byte by byte is handled; one that never ends affects nobody else.
pub async fn frames_come_in_crumbs_and_never_end(environment: Arc<Environment>) -> Struck {
    let way = Proxy::listen(false).await;
    way.to(&environment.stack.host);
    let mut load = Load::start(&environment, LoadOptions::default()).await;
    let mut crumbs = load.t.dial(&load.room, "watcher").and("history=0").through(&way.address).open().await;
    crumbs.greeting().await;
    way.set(Fault::OneByte);
    for i in 0..5 {
        crumbs.send(json!({"type": "ping", "t": i})).await;
        crumbs.until("the pong", |e| e["type"] == "pong" && e["t"] == i).await;
    }
    let bytes = way.count(|s| &s.single_bytes);
    assert!(bytes > 100, "{bytes} crumbs");
    let part = |text: &str, opcode, last| {
        Message::Frame(Frame::message(text.as_bytes().to_vec(), OpCode::Data(opcode), last))
    };
    let mut unfinished = Vec::new();
    for _ in 0..10 {
        let (mut socket, _) = load.t.dial(&load.room, "watcher").dial().await.expect("upgraded");
        socket.send(part(r#"{"type":"mess"#, Data::Text, false)).await.expect("sent");
        unfinished.push(socket);
    }
    load.wait_for_acks(100).await;
    // One of them does end in time, and then it counts.
    let (mut slow, _) = load.t.dial(&load.room, "watcher").dial().await.expect("upgraded");
    slow.send(part(r#"{"type":"pi"#, Data::Text, false)).await.expect("sent");
    tokio::time::sleep(Duration::from_secs(1)).await;
    slow.send(part(r#"ng","t":77}"#, Data::Continue, true)).await.expect("sent");
    assert!(hears(&mut slow, r#""t":77"#).await, "a frame in two halves is a frame");
    let fragments = unfinished.len();
    drop(unfinished);
    load.wait_for_acks(40).await;
    let result = load.finish().await;
    struck(
        fragments as u64,
        format!("{bytes} crumbs of one byte, {fragments} fragments unfinished; {}", result.summary()),
    )
}

async fn hears(socket: &mut crate::rig::client::Socket, what: &str) -> bool {
    use futures_util::StreamExt;
    let read = async {
        while let Some(Ok(message)) = socket.next().await {
            if message.to_text().is_ok_and(|text| text.contains(what)) {
                return true;
            }
        }
        false
    };
    tokio::time::timeout(Duration::from_secs(10), read).await.unwrap_or(false)
}

/// Ten people whose tokens end while they listen; half of them bring new ones in time.
pub async fn tokens_expire_live(environment: Arc<Environment>) -> Struck {
    let t = environment.tenant();
    let users: Vec<String> = (0..10).map(|i| format!("e{i}")).collect();
    let mut members: Vec<&str> = users.iter().map(String::as_str).collect();
    members.push("alice");
    let room = t.group(&members).await;
    let mut alice = t.join(&room, "alice").await;
    // 30 s of leeway (`TOKEN_LEEWAY_S`): this one ends in 8 s, which a slow upgrade of ten survives.
    let exp = now_ms() / 1000 - 22;
    let mut people = Vec::new();
    for user in &users {
        let token = t.token_with(user, json!({"exp": exp}));
        let mut client =
            crate::rig::Dial::chat_v1(&environment.stack, &room, &token).and("history=0").open().await;
        client.greeting().await;
        people.push(client);
    }
    for (i, client) in people.iter_mut().enumerate().skip(5) {
        client.send(json!({"type": "auth", "token": t.token(&users[i])})).await;
        client.next("auth_ok").await;
    }
    tokio::time::sleep(Duration::from_secs((exp + 31).saturating_sub(now_ms() / 1000))).await;
    let seq = alice.say("c1", "who is still there?").await["seq"].clone();
    let mut expired = 0;
    for (i, mut client) in people.into_iter().enumerate() {
        if i < 5 {
            assert_eq!(client.close_code().await, (4401, "auth_expired".to_owned()));
            assert!(client.all().iter().all(|e| e["type"] != "new_message"), "it hears nothing more");
            expired += 1;
        } else {
            client.until("what was said", |e| e["type"] == "new_message" && e["seq"] == seq).await;
        }
    }
    environment.equal(&t, &room, "alice").await;
    struck(expired, format!("{expired} closed 4401 before they heard more, 5 went on with new tokens"))
}
