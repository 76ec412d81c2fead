//! All faults in a random order for one minute. Not here: each fault by itself (the other scenarios).

use crate::environment::Environment;
use crate::load::{Load, LoadOptions};
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
enum FaultKind {
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

const FAULTS: [FaultKind; 20] = [
    FaultKind::Kill,
    FaultKind::Swallow,
    FaultKind::Hold,
    FaultKind::Delay,
    FaultKind::Cut,
    FaultKind::BlackHole,
    FaultKind::Refuse,
    FaultKind::ResetDatabase,
    FaultKind::Terminate,
    FaultKind::Freeze,
    FaultKind::Lock,
    FaultKind::Clock,
    FaultKind::DiskFull,
    FaultKind::Panic,
    FaultKind::ResetDoor,
    FaultKind::EndDoor,
    FaultKind::SlowDoor,
    FaultKind::Crumbs,
    FaultKind::SetBack,
    FaultKind::Deploy,
];

pub async fn everything_at_once_for_60_s(environment: Arc<Environment>) -> Struck {
    let through = LoadOptions { through_proxy: true, ..LoadOptions::default() };
    let near = Load::start(&environment, LoadOptions::default()).await;
    let far = Load::start(&environment, through).await;
    let mut random = Random::of_now();
    let (start, mut counts) = (Instant::now(), BTreeMap::new());
    // Each once in a random order, again and again: a minute has none of them left out.
    let mut order = Vec::new();
    while start.elapsed() < FOR {
        if order.is_empty() {
            order = FAULTS.to_vec();
            random.shuffle(&mut order);
        }
        let kind = order.pop().expect("some are left");
        strike(&environment, &near, kind).await;
        *counts.entry(kind).or_insert(0_u64) += 1;
        tokio::time::sleep(Duration::from_millis(random.next() % 150)).await;
    }
    environment.heal().await;
    let missing: Vec<_> = FAULTS.iter().filter(|kind| !counts.contains_key(kind)).collect();
    assert!(missing.is_empty(), "not struck within a minute: {missing:?}");
    let set_back = counts[&FaultKind::SetBack];
    let (near, far) = (near.finish_after_set_back(set_back).await, far.finish().await);
    let total = counts.values().sum();
    struck(
        total,
        format!("{total} blows of {} kinds; near: {}; far: {}", counts.len(), near.summary(), far.summary()),
    )
}

async fn strike(environment: &Arc<Environment>, near: &Load, kind: FaultKind) {
    let moment = || tokio::time::sleep(A_MOMENT);
    let way = match kind {
        FaultKind::Swallow => Some(Fault::SwallowReply),
        FaultKind::Hold => Some(Fault::HoldProjection),
        FaultKind::Delay => Some(Fault::Delay(Duration::from_millis(100))),
        FaultKind::Cut => Some(Fault::CutAfter(2_000)),
        FaultKind::BlackHole => Some(Fault::BlackHole),
        FaultKind::Refuse => Some(Fault::Refuse),
        _ => None,
    };
    if let Some(way) = way {
        environment.postgres_proxy.set(way);
        moment().await;
        return environment.postgres_proxy.set(Fault::Pass);
    }
    match kind {
        FaultKind::Kill => environment.stack.kill_runtime().await,
        FaultKind::ResetDatabase => environment.postgres_proxy.reset_all(),
        FaultKind::Terminate => drop(environment.terminate_backends().await),
        FaultKind::Freeze => {
            let away = environment.stack.freeze_postgres();
            moment().await;
            away.back().await;
        }
        FaultKind::Lock => {
            let holder = environment.stack.sql().await;
            let lock = "BEGIN; LOCK TABLE chat_messages IN ACCESS EXCLUSIVE MODE";
            holder.batch_execute(lock).await.expect("the lock");
            moment().await;
        }
        FaultKind::Clock => {
            environment.postgres_clock_ahead_s(86_400);
            moment().await;
            environment.postgres_clock_ahead_s(0);
        }
        FaultKind::DiskFull => {
            environment.disk_is_full(true);
            moment().await;
            environment.disk_is_full(false);
        }
        FaultKind::Panic => {
            if let Some(mut watcher) = near.t.dial(&near.room, "watcher").try_open().await {
                watcher.send_text(r#"{"type":"test_panic"}"#).await;
                moment().await;
            }
        }
        FaultKind::ResetDoor => environment.client_proxy.reset_all(),
        FaultKind::EndDoor => environment.client_proxy.end_all(),
        FaultKind::SlowDoor => {
            environment.client_proxy.set(Fault::ThrottleBytesPerS(50_000));
            moment().await;
            environment.client_proxy.set(Fault::Pass);
        }
        FaultKind::Crumbs => {
            environment.client_proxy.set(Fault::OneByte);
            moment().await;
            environment.client_proxy.set(Fault::Pass);
        }
        FaultKind::SetBack => drop(near.set_postgres_back(50).await),
        FaultKind::Deploy => {
            let runtime = environment.stack.runtime().expect("a runtime");
            environment.deploy();
            // One that is killed while it starts is given up by wrangler.
            environment.stack.another_runtime(runtime).await;
        }
        _ => {}
    }
}
