//! All faults at once, by a seed, for a minute. Not here: each of them alone (the other scenarios).

use crate::environment::Ground;
use crate::load::{Swarm, Talk};
use crate::proxy::Fault;
use crate::random::Random;
use crate::{Struck, struck};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

const FOR: Duration = Duration::from_secs(60);
/// A fault this long is noticed by some batch, and several of them fit between two kills.
const A_MOMENT: Duration = Duration::from_millis(400);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Blow {
    Kill,
    Swallow,
    Hold,
    Delay,
    Cut,
    BlackHole,
    Refuse,
    ResetDatabase,
    Terminate,
    Freeze,
    Lock,
    Clock,
    DiskFull,
    Panic,
    ResetDoor,
    EndDoor,
    SlowDoor,
    Crumbs,
    SetBack,
    Deploy,
}

const BLOWS: [Blow; 20] = [
    Blow::Kill,
    Blow::Swallow,
    Blow::Hold,
    Blow::Delay,
    Blow::Cut,
    Blow::BlackHole,
    Blow::Refuse,
    Blow::ResetDatabase,
    Blow::Terminate,
    Blow::Freeze,
    Blow::Lock,
    Blow::Clock,
    Blow::DiskFull,
    Blow::Panic,
    Blow::ResetDoor,
    Blow::EndDoor,
    Blow::SlowDoor,
    Blow::Crumbs,
    Blow::SetBack,
    Blow::Deploy,
];

pub async fn everything_at_once_for_60_s(ground: Arc<Ground>) -> Struck {
    let through = Talk { through_door: true, ..Talk::default() };
    let near = Swarm::begin(&ground, Talk::default()).await;
    let far = Swarm::begin(&ground, through).await;
    let mut random = Random::of_now();
    let (start, mut counts) = (Instant::now(), BTreeMap::new());
    // Each once in a random order, again and again: a minute has none of them left out.
    let mut order = Vec::new();
    while start.elapsed() < FOR {
        if order.is_empty() {
            order = BLOWS.to_vec();
            random.shuffle(&mut order);
        }
        let blow = order.pop().expect("some are left");
        strike(&ground, &near, blow).await;
        *counts.entry(blow).or_insert(0_u64) += 1;
        tokio::time::sleep(Duration::from_millis(random.next() % 150)).await;
    }
    ground.heal().await;
    let missing: Vec<_> = BLOWS.iter().filter(|blow| !counts.contains_key(blow)).collect();
    assert!(missing.is_empty(), "not struck within a minute: {missing:?}");
    let set_back = counts[&Blow::SetBack];
    let (near, far) = (near.end_set_back(set_back).await, far.end().await);
    let total = counts.values().sum();
    struck(
        total,
        format!("{total} blows of {} kinds; near: {}; far: {}", counts.len(), near.told(), far.told()),
    )
}

async fn strike(ground: &Arc<Ground>, near: &Swarm, blow: Blow) {
    let moment = || tokio::time::sleep(A_MOMENT);
    let way = match blow {
        Blow::Swallow => Some(Fault::SwallowReply),
        Blow::Hold => Some(Fault::HoldProjection),
        Blow::Delay => Some(Fault::Delay(Duration::from_millis(100))),
        Blow::Cut => Some(Fault::CutAfter(2_000)),
        Blow::BlackHole => Some(Fault::BlackHole),
        Blow::Refuse => Some(Fault::Refuse),
        _ => None,
    };
    if let Some(way) = way {
        ground.database.set(way);
        moment().await;
        return ground.database.set(Fault::Pass);
    }
    match blow {
        Blow::Kill => ground.stack.kill_runtime().await,
        Blow::ResetDatabase => ground.database.reset_all(),
        Blow::Terminate => drop(ground.terminate_backends().await),
        Blow::Freeze => {
            let away = ground.stack.freeze_postgres();
            moment().await;
            away.back().await;
        }
        Blow::Lock => {
            let holder = ground.stack.sql().await;
            let lock = "BEGIN; LOCK TABLE chat_messages IN ACCESS EXCLUSIVE MODE";
            holder.batch_execute(lock).await.expect("the lock");
            moment().await;
        }
        Blow::Clock => {
            ground.postgres_clock_ahead_s(86_400);
            moment().await;
            ground.postgres_clock_ahead_s(0);
        }
        Blow::DiskFull => {
            ground.disk_is_full(true);
            moment().await;
            ground.disk_is_full(false);
        }
        Blow::Panic => {
            if let Some(mut watcher) = near.t.dial(&near.room, "watcher").try_open().await {
                watcher.send_text(r#"{"type":"test_panic"}"#).await;
                moment().await;
            }
        }
        Blow::ResetDoor => ground.door.reset_all(),
        Blow::EndDoor => ground.door.end_all(),
        Blow::SlowDoor => {
            ground.door.set(Fault::ThrottleBytesPerS(50_000));
            moment().await;
            ground.door.set(Fault::Pass);
        }
        Blow::Crumbs => {
            ground.door.set(Fault::OneByte);
            moment().await;
            ground.door.set(Fault::Pass);
        }
        Blow::SetBack => drop(near.set_postgres_back(50).await),
        Blow::Deploy => {
            let runtime = ground.stack.runtime().expect("a runtime");
            ground.deploy();
            // One that is killed while it starts is given up by wrangler.
            ground.stack.another_runtime(runtime).await;
        }
        _ => {}
    }
}
