//! Faults of the objects: a full disk, a panic, hibernation between any two steps, a deploy; and a wrong clock of
//! Postgres.
//! Not here: a killed runtime (`commits`).

use crate::environment::Environment;
use crate::load::{Load, LoadOptions};
use crate::proxy::Fault;
use crate::rig::client::text;
use crate::rig::tenant::now_ms;
use crate::rig::{Client, checks, eventually};
use crate::{Struck, struck};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};

const DAY_S: i64 = 86_400;
/// Locally a room is evicted 10 s after its last event, and the alarm that would finish a drain comes 5 s after a
/// message.
const ASLEEP_AFTER: Duration = Duration::from_secs(20);

/// Nothing is acked that could not be written, and all goes on when there is room again; also for rooms that have just
/// loaded themselves. A real full disk lets the commit fail, and with it the object; a statement alone: see below.
pub async fn the_disk_of_the_objects_is_full(environment: Arc<Environment>) -> Struck {
    let mut load = Load::start(&environment, LoadOptions::default()).await;
    let before = environment.disk_refusals();
    let mut healed_ms = Vec::new();
    for also_killed in [false, true] {
        let refused = environment.disk_refusals();
        if also_killed {
            environment.stack.kill_runtime().await;
        }
        environment.disk_is_full(true);
        eventually("a write is refused", Duration::from_secs(10), || async {
            (environment.disk_refusals() > refused).then_some(())
        })
        .await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        let (acked, head) = (load.acked(), environment.head(&load.room));
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert_eq!(
            (load.acked(), environment.head(&load.room)),
            (acked, head),
            "what can't be written isn't acked"
        );
        environment.disk_is_full(false);
        let start = Instant::now();
        load.wait_for_acks(1).await;
        healed_ms.push(start.elapsed().as_millis());
        load.wait_for_acks(100).await;
    }
    let refused = environment.disk_refusals() - before;
    let result = load.finish().await;
    let summary = format!("{refused} writes refused, acked again after {healed_ms:?} ms");
    struck(refused.unsigned_abs(), format!("{summary}; {}", result.summary()))
}

/// Statements that write fail for 2 s while a batch comes back from Postgres, and read markers are not in their row
/// yet. Nobody asks the store again without a pause: a drain that did gave workerd no other turn, and no room of the
/// process ever answered again.
pub async fn statements_of_the_store_fail_under_a_drain(environment: Arc<Environment>) -> Struck {
    let t = environment.tenant();
    let room = t.group(&["alice", "bob"]).await;
    let [mut alice, mut bob] = t.together(&room, ["alice", "bob"]).await;
    let log = environment.stack.dir.join("wrangler.log");
    let complaints = || std::fs::read_to_string(&log).unwrap_or_default().matches("store_failed").count();
    let (before, held) = (complaints(), environment.postgres_proxy.count(|s| &s.held));
    for round in 1..=3 {
        environment.postgres_proxy.set(Fault::HoldProjection);
        alice.say(&format!("a{round}"), "its batch is held").await;
        environment.postgres_proxy.strikes(|s| &s.held, held, round).await;
        let seq = checks::seq(&alice.say(&format!("b{round}"), "this is in no batch yet").await);
        bob.send(json!({"type": "read", "seq": seq})).await;
        bob.barrier().await;
        bob.send_text(r#"{"type":"test_store_fails"}"#).await;
        bob.next("test_store_fails").await;
        environment.postgres_proxy.set(Fault::Pass);
        alice.send(json!({"type": "message", "content": "too early", "clientId": format!("c{round}")})).await;
        let error = alice.next("error").await;
        assert_eq!((&error["code"], &error["retryable"]), (&json!("internal"), &json!(true)));
        tokio::time::sleep(Duration::from_millis(2_100)).await;
        alice.say(&format!("c{round}"), "too early").await;
    }
    let complaints = complaints() - before;
    // One for the frame, one for the batch that came back, and one for each try of 2 s; those are half a second apart.
    assert!(complaints < 3 * 12, "{complaints} complaints within 6 s: it spins");
    checks::gapless(&alice.all(), 0);
    let log = environment.equal(&t, &room, "bob").await;
    assert_eq!(log.len(), 9);
    struck(complaints as u64, format!("{complaints} statements failed, nothing is lost and nothing spins"))
}

/// Panics in one room: its clients get an error and continue, and another room is not affected.
pub async fn one_room_panics_while_another_works(environment: Arc<Environment>) -> Struck {
    let mut panicking = Load::start(&environment, LoadOptions::default()).await;
    let mut calm = Load::start(&environment, LoadOptions::default()).await;
    let runtime = environment.stack.runtime();
    let mut watcher = panicking.t.join(&panicking.room, "watcher").await;
    let (start, mut panics, drained) = (Instant::now(), 0, calm.last_seq().await);
    while start.elapsed() < Duration::from_secs(5) {
        assert!(watcher.send_text(r#"{"type":"test_panic"}"#).await, "open: {:?}", watcher.closed());
        let error = watcher.next("error").await;
        assert_eq!((&error["code"], &error["retryable"]), (&json!("internal"), &json!(true)));
        panics += 1;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let drained = calm.last_seq().await - drained;
    assert!(drained > 50, "the other room drains meanwhile: {drained}");
    calm.wait_for_acks(40).await;
    panicking.wait_for_acks(40).await;
    assert_eq!(environment.stack.runtime(), runtime, "the same process all the time");
    let (one, other) = (panicking.finish().await, calm.finish().await);
    let connections: u32 = other.reports.iter().map(|report| report.connections).sum();
    assert_eq!(connections as usize, other.reports.len(), "nobody elsewhere lost a connection");
    let summary =
        format!("{panics} panics, {drained} rows of the other room drained meanwhile; {}", one.summary());
    struck(panics, summary)
}

/// Which making of the object answers.
async fn instance(client: &mut Client) -> u64 {
    client.send_text(r#"{"type":"test_instance"}"#).await;
    client.next("test_instance").await["instance"].as_u64().expect("a number")
}

/// Sleeps until the room does, and shows by somebody's question that it had slept. The alarm of a read marker wakes the
/// room once.
async fn slept(asks: &mut Client, made: &mut Vec<u64>) {
    let before = instance(asks).await;
    let mut after = before;
    for _ in 0..3 {
        tokio::time::sleep(ASLEEP_AFTER).await;
        after = instance(asks).await;
        if after != before {
            break;
        }
    }
    assert_ne!(before, after, "it had slept");
    made.push(after);
}

pub async fn a_room_sleeps_between_every_two_steps(environment: Arc<Environment>) -> Struck {
    let t = environment.tenant();
    let room = t.group(&["alice", "bob"]).await;
    let [mut alice, mut bob] = t.together(&room, ["alice", "bob"]).await;
    let mut made = Vec::new();
    let summary = alice.say("c1", "first").await;
    slept(&mut bob, &mut made).await;
    let like = json!({"type": "reaction", "messageId": summary["messageId"], "emoji": "👍", "action": "add", "clientId": "r"});
    bob.send(like.clone()).await;
    assert_eq!(bob.ack("r").await["seq"], 2);
    slept(&mut alice, &mut made).await;
    assert_eq!(alice.say("c1", "first").await["duplicate"], true, "it remembers what was said");
    bob.send(like).await;
    assert_eq!(bob.ack("r").await["duplicate"], true);
    slept(&mut alice, &mut made).await;
    alice.send(json!({"type": "read", "seq": 2})).await;
    bob.until("alice has read", |e| e["type"] == "read_receipt" && e["userId"] == "alice" && e["seq"] == 2)
        .await;
    slept(&mut bob, &mut made).await;
    let mut tab = t.dial(&room, "bob").open().await;
    let greeting = tab.greeting().await;
    assert_eq!(greeting.online, ["alice", "bob"], "who is there is known after sleep");
    assert_eq!(greeting.hello["readMarkers"]["alice"], 2);
    assert_eq!(greeting.between[0]["message"]["reactions"], json!({"👍": ["bob"]}));
    let epoch = text(&greeting.hello["epoch"]);
    tab.leave().await;
    slept(&mut alice, &mut made).await;
    bob.leave().await;
    slept(&mut alice, &mut made).await;
    assert_eq!(alice.say("c2", "second").await["seq"], 3);
    let mut bob = t.dial(&room, "bob").and(&format!("since=1&epoch={epoch}")).open().await;
    let missed: Vec<u64> = bob.greeting().await.between.iter().map(checks::seq).collect();
    assert_eq!(missed, [2, 3], "what bob missed");
    checks::gapless(&alice.all(), 0);
    environment.equal(&t, &room, "bob").await;
    struck(made.len() as u64, format!("slept {} times, makings {made:?}", made.len()))
}

/// The Worker's file changes: to wrangler that is a deploy, and everybody's socket is on the old code.
pub async fn a_redeploy_with_200_sockets(environment: Arc<Environment>) -> Struck {
    let options = LoadOptions { people: 200, pace: Duration::from_secs(4), ..LoadOptions::default() };
    let mut load = Load::start(&environment, options).await;
    let (runtime, log) = (environment.stack.runtime(), environment.stack.dir.join("wrangler.log"));
    let deploys =
        || std::fs::read_to_string(&log).unwrap_or_default().matches("Local server updated").count();
    let before = deploys();
    let start = Instant::now();
    environment.deploy();
    load.wait_until_all_are_synced().await;
    let whole_ms = start.elapsed().as_millis();
    eventually("wrangler tells of the deploy", Duration::from_secs(20), || async {
        (deploys() > before).then_some(())
    })
    .await;
    assert_ne!(environment.stack.runtime(), runtime, "another runtime");
    load.wait_for_acks(200).await;
    let result = load.finish().await;
    struck(1, format!("all 200 whole again {whole_ms} ms after the code changed; {}", result.summary()))
}

/// The times of the log are the room's, and no order depends on a clock.
pub async fn the_clock_of_postgres_is_a_day_off(environment: Arc<Environment>) -> Struck {
    let mut load = Load::start(&environment, LoadOptions::default()).await;
    // A client whose clock is off shows it in nothing but perhaps its token.
    let late = json!({"iat": now_ms() / 1000 + DAY_S.unsigned_abs()});
    let token = load.t.token_with("watcher", late);
    let mut kills = 0;
    for days in [1, -1] {
        environment.postgres_clock_ahead_s(days * DAY_S);
        let now = environment.number("SELECT extract(epoch FROM now())::bigint").await;
        let off = now - i64::try_from(now_ms() / 1000).expect("a time");
        assert!((off - days * DAY_S).abs() < 60, "Postgres is {off} s off");
        load.wait_for_acks(100).await;
        load.kill(&mut kills).await;
        load.wait_for_acks(100).await;
        let room = load.t.group(&["watcher"]).await;
        let listed = load.t.rest_as(&token, "GET", "/rooms/list", None).await.ok();
        let rooms: Vec<&Value> = listed["rooms"].as_array().expect("rooms").iter().collect();
        assert!(
            rooms.iter().any(|r| r["id"] == *room) && rooms[0]["id"] == *load.room,
            "newest activity first"
        );
        let mut watcher = load.t.join(&room, "watcher").await;
        let ack = watcher.say("c1", "what time is it?").await;
        checks::recent(&ack["createdAt"]);
    }
    let result = load.finish().await;
    let times: Vec<&str> = result.log.values().filter_map(|m| m["createdAt"].as_str()).collect();
    assert!(times.is_sorted(), "the room's times go on");
    environment.postgres_clock_ahead_s(0);
    struck(2, format!("a day ahead and a day behind, {kills} kills; {}", result.summary()))
}
