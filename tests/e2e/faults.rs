//! Clients keep sending while Postgres is stopped, the runtime is killed, storage is lost or a reader doesn't read.
//! Afterwards every acked operation is in the log once, in the same order for everybody.

use crate::rig::checks::{self, Log, seq};
use crate::rig::client::text;
use crate::rig::load_client::{LoadClientPlan, LoadReport, Phase, run_load_client};
use crate::rig::stack::{Stopped, fragile, loud};
use crate::rig::{PATIENCE, Tenant, eventually};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Three clients that send in a room until they are stopped; dave is a member too, without a connection.
struct Conversation {
    t: Tenant,
    room: String,
    stop: watch::Sender<Phase>,
    acked: watch::Receiver<u64>,
    people: Vec<(String, JoinHandle<LoadReport>)>,
}

impl Conversation {
    async fn begin(t: &Tenant, pace: Duration) -> Conversation {
        let users = ["alice", "bob", "carol"];
        let room = t.group(&["alice", "bob", "carol", "dave"]).await;
        let (stop, heard_stop) = watch::channel(Phase::Send);
        let (count, acked) = watch::channel(0);
        let people = users.map(|user| {
            let plan = LoadClientPlan {
                tenant: t.clone(),
                room: room.clone(),
                user: user.to_owned(),
                pace,
                stop: heard_stop.clone(),
                acked: count.clone(),
                synced: watch::Sender::new(0),
                reacts: false,
                edits: false,
                through: None,
                gives_up: false,
            };
            (user.to_owned(), tokio::spawn(run_load_client(plan)))
        });
        let mut conversation = Conversation { t: t.clone(), room, stop, acked, people: people.into() };
        conversation.goes_on(10).await;
        conversation
    }

    /// Waits until this many more messages are acked.
    async fn goes_on(&mut self, more: u64) {
        let goal = *self.acked.borrow() + more;
        let reached = self.acked.wait_for(|count| *count >= goal);
        let late = tokio::time::timeout(Duration::from_secs(45), reached).await.is_err();
        if late {
            for (_, person) in self.people.iter_mut().filter(|(_, person)| person.is_finished()) {
                person.await.expect("a load_client gave up");
            }
            panic!("nobody is acked any more: {} of {goal}", *self.acked.borrow());
        }
    }

    /// Ends it and checks every law: of acks, of order, of history, of Postgres.
    async fn end(self) -> (Log, Vec<LoadReport>) {
        let Conversation { t, room, stop, people, acked } = self;
        stop.send_replace(Phase::Settle);
        let head = crate::rig::eventually("all is acked", Duration::from_secs(40), || async {
            let before = *acked.borrow();
            let page = t.rest("alice", "GET", &format!("/rooms/{room}/messages?limit=1"), None).await;
            tokio::time::sleep(Duration::from_millis(500)).await;
            (page.status == 200 && before == *acked.borrow())
                .then(|| page.json()["lastSeq"].as_u64())
                .flatten()
        })
        .await;
        stop.send_replace(Phase::LeaveAt(head));
        let mut reports = Vec::new();
        for (user, person) in people {
            let one = tokio::time::timeout(Duration::from_secs(60), person).await;
            reports.push((user, one.expect("they finish").expect("they found nothing wrong")));
        }
        let log = checks::history(&t, &room, "alice").await;
        let expected: Vec<u64> = (1..=u64::try_from(log.len()).expect("a count")).collect();
        assert_eq!(log.keys().copied().collect::<Vec<_>>(), expected, "gapless");
        for (user, one) in &reports {
            assert!(one.acks.len() >= 3, "{user} was in it: {} acks", one.acks.len());
            checks::acked(&one.acks, &log);
            checks::received(user, &one.received, &log);
            checks::changed(&one.edited, &one.deleted, &log);
            let missed: Vec<_> = log.keys().filter(|seq| !one.received.contains_key(seq)).collect();
            let first = one.received.keys().next().expect("received something");
            assert!(missed.iter().all(|seq| *seq < first), "{user} missed {missed:?}");
        }
        t.drained(&room, Duration::from_secs(60)).await;
        checks::same("history and Postgres", &log, &checks::postgres(&t, &room).await);
        (log, reports.into_iter().map(|(_, one)| one).collect())
    }
}

/// How long acks of operations sent between `from` and `until` took: the slowest and the median.
fn ack_ms(reports: &[LoadReport], from: Instant, until: Instant) -> (u64, u64) {
    let within = |(sent, _): &&(Instant, Duration)| *sent >= from && *sent <= until;
    let ms = |(_, took): &(Instant, Duration)| u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    let mut all: Vec<u64> =
        reports.iter().flat_map(|one| one.ack_times.iter().filter(within).map(ms)).collect();
    all.sort_unstable();
    assert!(all.len() > 50, "people talked meanwhile: {}", all.len());
    (all[all.len() - 1], all[all.len() / 2])
}

#[tokio::test]
async fn postgres_is_stopped_for_30_seconds_while_people_talk() {
    let stack = fragile().await;
    let stack = stack.as_ref().expect("a stack");
    let t = Tenant::new(stack);
    let asleep = t.group(&["alice", "dave"]).await;
    t.join(&asleep, "alice").await.leave().await;
    let mut people = Conversation::begin(&t, Duration::from_millis(80)).await;
    let room = people.room.clone();
    let away = stack.stop_postgres();
    let from = Instant::now();
    people.goes_on(10).await;
    // A member comes in anew, a stranger does not, history and health are answered.
    let mut tab = t.dial(&room, "alice").open().await;
    assert!(tab.greeting().await.between.len() >= 10);
    t.dial(&room, "mallory").refused().await.refusal(404, "room_not_found");
    let page = t.get("bob", &format!("/rooms/{room}/messages?limit=5")).await;
    assert_eq!(page["messages"].as_array().map(Vec::len), Some(5));
    let deep = t.rest_as(&t.admin_token(), "GET", "/health?deep=1", None).await.ok();
    assert_eq!((&deep["status"], &deep["postgres"]), (&json!("degraded"), &json!("down")));
    for path in ["/rooms/list", "/unread", "/mentions", "/saved", "/threads", "/search?q=lunch"] {
        t.rest("alice", "GET", path, None).await.refusal(503, "upstream_unavailable");
    }
    // The first batch without Postgres may be under way still.
    let outbox = eventually("the outbox tries again", PATIENCE, || async {
        let outbox = t.outbox(&room).await;
        (outbox["state"] == "retrying").then_some(outbox)
    })
    .await;
    assert!(outbox["lag"].as_u64() > Some(0) && outbox["oldestMs"].as_u64() > Some(0), "{outbox}");
    let mut other = t.dial(&asleep, "dave").and("history=0").open().await;
    other.greeting().await;
    other.say("c1", "a room that was open before opens without Postgres").await;
    tokio::time::sleep_until((from + Duration::from_secs(30)).into()).await;
    let until = Instant::now();
    people.goes_on(10).await;
    let head = t.outbox(&room).await["lag"].as_u64().expect("a lag");
    assert!(head > 300, "everything of 30 s waits: {head}");
    away.back().await;
    people.goes_on(10).await;
    tab.leave().await;
    let (log, reports) = people.end().await;
    let (slowest, middle) = ack_ms(&reports, from, until);
    println!("Postgres stopped 30 s: {} messages, acks in {middle} ms, the slowest {slowest} ms", log.len());
    assert!(middle < 100 && slowest < 2_000, "acks do not wait: {middle} ms, the slowest {slowest} ms");
    t.drained(&asleep, Duration::from_secs(60)).await;
    assert_eq!(checks::postgres(&t, &asleep).await.len(), 1, "it needs no traffic to finish");
}

#[tokio::test]
async fn postgres_is_a_black_hole_for_15_seconds_while_people_talk() {
    let stack = fragile().await;
    let stack = stack.as_ref().expect("a stack");
    let t = Tenant::new(stack);
    let mut people = Conversation::begin(&t, Duration::from_millis(80)).await;
    let room = people.room.clone();
    let away = stack.freeze_postgres();
    let from = Instant::now();
    people.goes_on(20).await;
    let mut tab = t.dial(&room, "alice").open().await;
    tab.greeting().await;
    t.dial(&room, "mallory").refused().await.refusal(404, "room_not_found");
    tokio::time::sleep_until((from + Duration::from_secs(15)).into()).await;
    let until = Instant::now();
    away.back().await;
    people.goes_on(10).await;
    tab.leave().await;
    let (_, reports) = people.end().await;
    let (slowest, middle) = ack_ms(&reports, from, until);
    println!("Postgres a black hole 15 s: acks in {middle} ms, the slowest {slowest} ms");
    assert!(middle < 100 && slowest < 2_000, "acks do not wait: {middle} ms, the slowest {slowest} ms");
}

#[tokio::test]
async fn the_runtime_is_killed_ten_times_under_load() {
    let stack = fragile().await;
    let stack = stack.as_ref().expect("a stack");
    let t = Tenant::new(stack);
    let mut people = Conversation::begin(&t, Duration::from_millis(5)).await;
    let mut ghost = t.join(&people.room, "dave").await;
    for round in 0..10 {
        people.goes_on(60).await;
        // Not always at the same place in a batch.
        tokio::time::sleep(Duration::from_millis(round * 37 % 250)).await;
        stack.kill_runtime().await;
    }
    people.goes_on(60).await;
    assert_eq!(ghost.close_code().await.0, 1006);
    let dial = t.dial(&people.room, "alice").and("history=0");
    crate::rig::eventually("those are there who have come back, and nobody else", PATIENCE, || async {
        let online = dial.open().await.greeting().await.online;
        (online == ["alice", "bob", "carol"]).then_some(())
    })
    .await;
    let (log, reports) = people.end().await;
    let connections: Vec<u32> = reports.iter().map(|one| one.connections).collect();
    assert!(connections.iter().all(|count| *count >= 8), "the kills struck: {connections:?} connections");
    println!("10 kills: {} messages, connections {connections:?}", log.len());
}

#[tokio::test]
async fn a_stopped_stack_has_lost_nothing_and_lost_storage_is_rebuilt() {
    let mut slot = fragile().await;
    let stack = slot.take().expect("a stack");
    let t = Tenant::new(&stack);
    let (kept, lost) = (t.group(&["alice", "bob"]).await, t.group(&["alice", "bob"]).await);
    let mut before = Vec::new();
    for room in [&kept, &lost] {
        let mut alice = t.dial(room, "alice").and("history=0").open().await;
        let epoch = text(&alice.greeting().await.hello["epoch"]);
        for i in 1..=12 {
            alice.say(&format!("c{i}"), &format!("message {i}")).await;
        }
        let id = alice.all().iter().find(|e| e["type"] == "ack").expect("an ack")["messageId"].clone();
        alice
            .send(
                json!({"type": "reaction", "messageId": id, "emoji": "👍", "action": "add", "clientId": "r"}),
            )
            .await;
        alice.ack("r").await;
        t.drained(room, PATIENCE).await;
        before.push((epoch, checks::history(&t, room, "bob").await));
    }
    // No refusal makes a room's storage.
    let files = stack.room_files();
    for user in ["mallory", "alice"] {
        t.dial("no-such-room", user).refused().await.refusal(404, "room_not_found");
        t.rest(user, "GET", "/rooms/no-such-room/messages", None).await.refusal(404, "room_not_found");
    }
    t.dial(&t.group(&["carol"]).await, "mallory").refused().await.refusal(404, "room_not_found");
    assert_eq!(stack.room_files(), files, "refusals make no storage");

    let stopped: Stopped = stack.stop();
    stopped.lose_room(&lost);
    let stack = stopped.start();
    let t = Tenant { stack: stack.clone(), id: t.id };
    *slot = Some(stack);
    let (epoch, log) = &before[0];
    let mut bob = t.dial(&kept, "bob").and(&format!("since=10&epoch={epoch}")).open().await;
    assert_eq!(
        bob.greeting().await.between.iter().map(seq).collect::<Vec<_>>(),
        [11, 12, 13],
        "the same log goes on"
    );
    checks::same("before and after", log, &checks::history(&t, &kept, "bob").await);
    let mut alice = t.join(&kept, "alice").await;
    assert_eq!(alice.say("c1", "message 1").await["duplicate"], true);
    assert_eq!(alice.say("new", "goes on").await["seq"], 14);

    let (epoch, log) = &before[1];
    let mut bob = t.dial(&lost, "bob").and(&format!("since=10&epoch={epoch}")).open().await;
    let greeting = bob.greeting().await;
    assert_ne!(greeting.hello["epoch"], **epoch, "another log");
    assert_eq!(
        (&greeting.between[0]["type"], &greeting.between[0]["reason"]),
        (&json!("resync"), &json!("epoch"))
    );
    assert_eq!(greeting.synced, 13);
    checks::same("before and after", log, &checks::history(&t, &lost, "bob").await);
    let mut alice = t.join(&lost, "alice").await;
    assert_eq!(alice.say("c1", "message 1").await["duplicate"], true, "clientIds are remembered");
    assert_eq!(alice.say("new", "goes on").await["seq"], 14);
    t.drained(&lost, PATIENCE).await;
    checks::same("the new log", &checks::history(&t, &lost, "bob").await, &checks::postgres(&t, &lost).await);
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_closed_and_hurts_nobody() {
    let t = Tenant::new(&loud());
    let room = t.group(&["alice", "bob", "deaf"]).await;
    let (mut alice, mut bob) = (t.join(&room, "alice").await, t.join(&room, "bob").await);
    let deaf = t.dial(&room, "deaf").and("history=0").open_deaf().await;
    bob.next("user_joined").await;
    let content = "x".repeat(4_000);
    let mut sent_count = 0;
    let left = |event: &Value| event["type"] == "user_left" && event["userId"] == "deaf";
    let start = Instant::now();
    // The kernel and wrangler's proxy take some megabytes before anything waits in the room.
    while !bob.all().iter().any(left) {
        assert!(start.elapsed() < Duration::from_secs(90), "never closed, after {sent_count} messages");
        for _ in 0..100 {
            sent_count += 1;
            alice
                .send(json!({"type": "message", "content": content, "clientId": format!("c{sent_count}")}))
                .await;
        }
        alice.ack(&format!("c{sent_count}")).await;
        bob.until("what was said", |event| event["seq"] == sent_count && event["type"] == "new_message")
            .await;
    }
    println!("the deaf one was closed after {} KiB", sent_count * 4_200 / 1_024);
    checks::gapless(&bob.all(), 0);
    let (code, reason) = crate::rig::client::close_of(deaf).await;
    assert_eq!((code, reason.as_str()), (4420, "slow_consumer"));
    let mut back = t.dial(&room, "deaf").and("history=5").open().await;
    assert_eq!(back.greeting().await.between.len(), 5, "and may come back");
}
