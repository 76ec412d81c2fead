//! Postgres is unavailable while clients send: frozen, black-holed, slow, out of connections, terminated, locked, read-
//! only.
//! Not here: stopped for minutes (`long_outage`); a Postgres that refuses rows or lacks a table (`refusals`).

use crate::environment::Environment;
use crate::load::{Load, LoadOptions, ack_ms};
use crate::proxy::{Fault, Struck as Strikes};
use crate::{Struck, struck};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

/// A room gives a statement up after 8 s (`STATEMENT_TIMEOUT_MS`); a fault that is to be noticed lasts longer.
const LONGER_THAN_A_STATEMENT: Duration = Duration::from_secs(10);

/// People options, and it is known how long their acks took before Postgres was away and meanwhile.
pub struct Compared {
    pub load: Load,
    healthy_from: Instant,
    away_from: Instant,
    /// Nobody can ask Postgres anything meanwhile, the sampler neither.
    blind: bool,
}

impl Compared {
    pub async fn start(environment: &Arc<Environment>) -> Compared {
        let load = Load::start(environment, LoadOptions::default()).await;
        let healthy_from = Instant::now();
        tokio::time::sleep(Duration::from_secs(3)).await;
        Compared { load, healthy_from, away_from: Instant::now(), blind: false }
    }

    /// From now on Postgres is away.
    pub fn away(&mut self) {
        self.away_from = Instant::now();
    }

    /// Everybody is acked still.
    pub async fn wait_for_acks(&mut self) {
        self.load.wait_for_acks(40).await;
    }

    /// Postgres has been back since `back`. Ends all, checks it, and tells the acks of both times side by side.
    pub async fn end(self, back: Instant) -> String {
        let result = self.load.finish().await;
        assert!(!self.blind || result.samples.away > 3, "it answered meanwhile: {:?}", result.samples);
        let healthy = ack_ms(&result.reports, self.healthy_from, self.away_from);
        let away = ack_ms(&result.reports, self.away_from, back);
        // The targets are 1.2 × and 2 × the healthy ones; between times so small the machine's other work decides.
        assert!(away.0 < 150.0 && away.1 < 3_000.0, "acks don't wait for Postgres: {away:?} ms");
        format!(
            "ack {:.1} ms (p99 {:.1}) while away for {:.0} s, before {:.1} ({:.1}): × {:.2} and × {:.2}; {}",
            away.0,
            away.1,
            (back - self.away_from).as_secs_f64(),
            healthy.0,
            healthy.1,
            away.0 / healthy.0,
            away.1 / healthy.1,
            result.summary()
        )
    }
}

/// SIGSTOP: connections are taken, and nobody ever says a word.
pub async fn postgres_is_frozen(environment: Arc<Environment>) -> Struck {
    let mut people = Compared::start(&environment).await;
    people.away();
    people.blind = true;
    let away = environment.stack.freeze_postgres();
    let deaf = tokio::time::timeout(LONGER_THAN_A_STATEMENT, environment.stack.try_sql()).await;
    assert!(!matches!(deaf, Ok(Ok(_))), "it answers nobody");
    tokio::time::sleep_until((people.away_from + LONGER_THAN_A_STATEMENT).into()).await;
    people.wait_for_acks().await;
    let back = Instant::now();
    away.back().await;
    struck(1, people.end(back).await)
}

/// A batch is on its way and the reply never comes: neither side hears that the other is gone.
pub async fn postgres_is_black_holed_in_mid_query(environment: Arc<Environment>) -> Struck {
    let mut people = Compared::start(&environment).await;
    let (lost, stalled) = (
        environment.postgres_proxy.count(|s| &s.swallowed),
        environment.postgres_proxy.count(|s| &s.stalled),
    );
    people.away();
    environment.postgres_proxy.set(Fault::LoseReply);
    environment.postgres_proxy.strikes(|s| &s.swallowed, lost, 1).await;
    environment.postgres_proxy.set(Fault::BlackHole);
    tokio::time::sleep(LONGER_THAN_A_STATEMENT).await;
    environment.postgres_proxy.strikes(|s| &s.stalled, stalled, 1).await;
    people.wait_for_acks().await;
    let back = Instant::now();
    environment.postgres_proxy.set(Fault::Pass);
    let lost = environment.postgres_proxy.count(|s| &s.swallowed) - lost;
    let stalled = environment.postgres_proxy.count(|s| &s.stalled) - stalled;
    struck(lost, format!("{lost} replies lost, {stalled} connections stalled; {}", people.end(back).await))
}

/// Every place is taken, and each that becomes free is taken at once.
pub async fn postgres_has_too_many_connections(environment: Arc<Environment>) -> Struck {
    let mut people = Compared::start(&environment).await;
    let before = environment.postgres_proxy.sqlstate("53300");
    let mut taken = Vec::new();
    people.away();
    while environment.postgres_proxy.sqlstate("53300") < before + 3 {
        match environment.stack.try_sql().await {
            Ok(client) => taken.push(client),
            Err(_) => {
                // The Worker's own are to open anew, and to find no place.
                environment.postgres_proxy.reset_all();
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        assert!(people.away_from.elapsed() < Duration::from_secs(60), "the Worker is never refused");
    }
    people.wait_for_acks().await;
    let (back, full) = (Instant::now(), taken.len());
    drop(taken);
    environment.stack.postgres_answers().await;
    let refused = environment.postgres_proxy.sqlstate("53300") - before;
    struck(
        refused,
        format!("refused {refused} times (53300) beside {full} others; {}", people.end(back).await),
    )
}

pub async fn backends_are_terminated_in_a_loop(environment: Arc<Environment>) -> Struck {
    let mut people = Compared::start(&environment).await;
    let (before, mut terminated) = (environment.postgres_proxy.sqlstate("57P01"), 0);
    people.away();
    while people.away_from.elapsed() < Duration::from_secs(5) {
        terminated += environment.terminate_backends().await.unsigned_abs();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    people.wait_for_acks().await;
    let back = Instant::now();
    let seen = environment.postgres_proxy.sqlstate("57P01") - before;
    assert!(seen > 0, "the Worker saw 57P01");
    struck(
        terminated,
        format!("{terminated} backends terminated, 57P01 seen {seen} times; {}", people.end(back).await),
    )
}

/// Somebody holds the table, as a migration would: statements wait, are given up, and get in when nobody waits for
/// them.
pub async fn a_lock_is_held(environment: Arc<Environment>) -> Struck {
    let mut people = Compared::start(&environment).await;
    let holder = environment.stack.sql().await;
    holder.batch_execute("BEGIN; LOCK TABLE chat_messages IN ACCESS EXCLUSIVE MODE").await.expect("the lock");
    people.away();
    let waiting = "SELECT count(*) FROM pg_stat_activity
        WHERE wait_event_type = 'Lock' AND application_name <> 'chinwag-test'";
    let mut most = 0;
    while people.away_from.elapsed() < LONGER_THAN_A_STATEMENT {
        most = most.max(environment.number(waiting).await);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    people.wait_for_acks().await;
    let back = Instant::now();
    holder.batch_execute("COMMIT").await.expect("the lock is given back");
    struck(most.unsigned_abs(), format!("up to {most} statements waited; {}", people.end(back).await))
}

/// What the Worker's role has by migration 0015.
const RESET_WORKER: &str = "ALTER ROLE chinwag_worker SET statement_timeout = '8s';
    ALTER ROLE chinwag_worker RESET default_transaction_read_only";

/// The server gives up statements itself, here because somebody holds the room's row.
pub async fn statements_time_out(environment: Arc<Environment>) -> Struck {
    let mut people = Compared::start(&environment).await;
    let before = environment.postgres_proxy.sqlstate("57014");
    environment.sql("ALTER ROLE chinwag_worker SET statement_timeout = '150ms'").await;
    let holder = environment.stack.sql().await;
    let lock = format!("BEGIN; SELECT 1 FROM chat_rooms WHERE id = '{}' FOR UPDATE", people.load.room);
    holder.batch_execute(&lock).await.expect("the lock");
    people.away();
    environment.terminate_backends().await;
    while environment.postgres_proxy.sqlstate("57014") < before + 3 {
        assert!(people.away_from.elapsed() < Duration::from_secs(30), "no statement is given up");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    people.wait_for_acks().await;
    let back = Instant::now();
    holder.batch_execute("COMMIT").await.expect("the lock is given back");
    environment.sql(RESET_WORKER).await;
    environment.terminate_backends().await;
    let seen = environment.postgres_proxy.sqlstate("57014") - before;
    struck(seen, format!("57014 seen {seen} times; {}", people.end(back).await))
}

pub async fn postgres_is_read_only(environment: Arc<Environment>) -> Struck {
    let mut people = Compared::start(&environment).await;
    let before = environment.postgres_proxy.sqlstate("25006");
    environment.sql("ALTER ROLE chinwag_worker SET default_transaction_read_only = on").await;
    people.away();
    environment.terminate_backends().await;
    while environment.postgres_proxy.sqlstate("25006") < before + 3 {
        assert!(people.away_from.elapsed() < Duration::from_secs(30), "nothing is refused");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    people.wait_for_acks().await;
    let back = Instant::now();
    environment.sql(RESET_WORKER).await;
    environment.terminate_backends().await;
    let seen = environment.postgres_proxy.sqlstate("25006") - before;
    struck(seen, format!("25006 seen {seen} times; {}", people.end(back).await))
}

/// How often a kind of fault struck.
type Counter = fn(&Strikes) -> &AtomicU64;

/// The way to Postgres is slow, narrow, cut in the middle of statements, and closed.
pub async fn the_way_to_postgres_is_bad(environment: Arc<Environment>) -> Struck {
    let mut people = Compared::start(&environment).await;
    let d = &environment.postgres_proxy;
    people.away();
    // A batch is some 10 KB here, so each is cut within its statement.
    let ways: [(Fault, Counter); 4] = [
        (Fault::Delay(Duration::from_millis(300)), |s| &s.delayed),
        (Fault::ThrottleBytesPerS(20_000), |s| &s.throttled),
        (Fault::CutAfter(3_000), |s| &s.cut),
        (Fault::Refuse, |s| &s.refused),
    ];
    let mut counts = [0; 4];
    for ((way, kind), count) in ways.into_iter().zip(&mut counts) {
        let before = d.count(kind);
        d.set(way);
        d.reset_all();
        // The room waits longer after each failure, so that the next fault may meet it late.
        d.strikes(kind, before, 1).await;
        tokio::time::sleep(Duration::from_millis(2_500)).await;
        people.wait_for_acks().await;
        *count = d.count(kind) - before;
    }
    let back = Instant::now();
    d.set(Fault::Pass);
    let [delayed, throttled, cut, refused] = counts;
    let summary =
        format!("{delayed} pieces delayed, {throttled} throttled, {cut} connections cut, {refused} refused");
    struck(cut + refused, format!("{summary}; {}", people.end(back).await))
}
