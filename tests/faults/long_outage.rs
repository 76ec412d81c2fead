//! Postgres is stopped for longer than an alarm survives its own failures; afterwards the outbox is drained without
//! clients. It has a stack of its own because it takes over 3 minutes. Not here: short outages (`outages`).

use crate::environment::Environment;
use crate::outages::Compared;
use crate::rig::client::Client;
use crate::rig::{checks, eventually};
use crate::sampler::Sampler;
use crate::{Struck, struck};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The platform gives an alarm up after 7 failures, some 145 s (docs/PLATFORM.md, Hibernation and alarms).
const STOPPED: Duration = Duration::from_secs(185);
/// What waits: 10 s of a big room's options, and enough to see a rate.
const ROWS: u64 = 12_000;
const IN_FLIGHT: u64 = 200;
/// Of the longest wait between two tries, and of slow draining on a busy machine.
const EQUAL_MAX: Duration = Duration::from_secs(60);

/// Alice sends `ROWS` messages. The `seq` of those acks that are waited for, by person and `clientId`.
async fn send_while_stopped(alice: &mut Client) -> BTreeMap<String, u64> {
    let mut acks = BTreeMap::new();
    for i in 1..=ROWS {
        let frame = json!({"type": "message", "content": format!("message {i} while Postgres is stopped"), "clientId": format!("c{i}")});
        assert!(alice.send(frame).await, "open: {:?}", alice.closed());
        if i % IN_FLIGHT == 0 {
            let ack = alice.ack(&format!("c{i}")).await;
            acks.insert(format!("alice/c{i}"), checks::seq(&ack));
        }
    }
    acks
}

/// Up to which `seq` Postgres has this room.
async fn projected(environment: &Environment, tenant: &str, room: &str) -> i64 {
    let sql = "SELECT last_seq FROM chat_rooms WHERE tenant_id = $1 AND id = $2";
    let row = environment.stack.sql().await.query_one(sql, &[&tenant, &room]).await.expect("a room");
    row.get(0)
}

pub async fn postgres_is_stopped_for_185_s_and_drained_with_nobody_there(
    environment: Arc<Environment>,
) -> Struck {
    let t = environment.tenant();
    let room = t.group(&["alice", "bob"]).await;
    let mut people = Compared::start(&environment).await;
    let mut alice = t.join(&room, "alice").await;
    alice.say("c0", "before").await;
    t.drained(&room, Duration::from_secs(20)).await;
    let sampler = Sampler::start(&environment, &t, &room);
    let away = environment.stack.stop_postgres();
    people.away();
    let from = Instant::now();
    tokio::time::sleep(Duration::from_secs(8)).await;
    people.wait_for_acks().await;
    let compared_until = Instant::now();
    people.load.stop_sending();
    let acks = send_while_stopped(&mut alice).await;
    let acked_after = from.elapsed();
    alice.leave().await;
    tokio::time::sleep_until((from + STOPPED).into()).await;
    let alarm = environment.stack.alarm(&room);
    assert!(alarm.is_some(), "after {STOPPED:?} there is still an alarm that will look again");
    let head = environment.head(&room);
    away.back().await;
    let (back, stopped) = (Instant::now(), from.elapsed());
    // Nobody asks the room anything: its alarm alone can drain it.
    let rows = || projected(&environment, &t.id, &room);
    let waited_from = rows().await;
    let mut first = None;
    while first.is_none() {
        assert!(back.elapsed() < EQUAL_MAX, "the room never looks again");
        let now = rows().await;
        first = (now > waited_from).then(|| (Instant::now(), now));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let (began, at) = first.expect("it began");
    eventually("Postgres has all", EQUAL_MAX, || async { (rows().await == head).then_some(()) }).await;
    let (equal, drained) = (back.elapsed(), began.elapsed());
    let rate = (head - at) as f64 / drained.as_secs_f64();
    let samples = sampler.end().await;
    let log = checks::postgres(&t, &room).await;
    assert_eq!(log.len() as u64, ROWS + 1, "every message is there");
    checks::acked(&acks, &log);
    environment.equal(&t, &room, "bob").await;
    let allowed = 10.0 + ROWS as f64 / 2_000.0;
    // The targets are 2,000 rows/s and 10 s + rows/2,000; half of that is asserted on a machine that others use.
    assert!(equal.as_secs_f64() < 3.0 * allowed, "equal after {equal:?}");
    let compared = people.end(compared_until).await;
    let summary = format!(
        "stopped {} s, {ROWS} rows waited (acked within {:.0} s), {} looks in vain; first rows {:.1} s after it was back, then {rate:.0} rows/s, equal after {:.1} s (target {allowed:.0}); {compared}",
        stopped.as_secs(),
        acked_after.as_secs_f64(),
        samples.away,
        began.duration_since(back).as_secs_f64(),
        equal.as_secs_f64()
    );
    struck(1, summary)
}
