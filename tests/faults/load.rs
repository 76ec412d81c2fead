//! Simulated clients that keep sending through a fault, and the checks over everything that they report afterwards.
//! Not here: the faults (the scenarios).

use crate::environment::{Environment, read_only};
use crate::rig::checks::{self, Log};
use crate::rig::load_client::{LoadClientPlan, LoadReport, Phase, run_load_client};
use crate::rig::processes::{SIGKILL, signal};
use crate::rig::{Tenant, eventually};
use crate::sampler::{Sampler, Samples};
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};
use testkit::history::check_sent;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Nobody is acked for this long only if something is broken: longer than any outage of a scenario in which
/// acks may stop, and the platform's own recoveries.
const STILL_MAX: Duration = Duration::from_secs(60);
/// A batch may wait for `RETRY_MAX_MS`, one that a missing table halted for `HALTED_RETRY_MS`.
const DRAINED_MAX: Duration = Duration::from_secs(90);

pub struct Load {
    pub environment: Arc<Environment>,
    pub t: Tenant,
    pub room: String,
    stop: watch::Sender<Phase>,
    synced: watch::Receiver<u64>,
    acked: watch::Receiver<u64>,
    people: Vec<(String, JoinHandle<LoadReport>)>,
    sampler: Sampler,
    /// Connections that were synced when everybody was last connected.
    there: u64,
    /// `user/clientId` of what other clients sent.
    pub others: BTreeSet<String>,
}

/// The log, the clients' reports and the samples at the end.
pub struct LoadResult {
    pub log: Log,
    pub reports: Vec<LoadReport>,
    pub samples: Samples,
}

impl LoadResult {
    pub fn summary(&self) -> String {
        let refused: u64 = self.reports.iter().map(|one| one.refused).sum();
        let unknown: usize = self.reports.iter().map(|one| one.unknown.len()).sum();
        let reacted: u64 = self.reports.iter().map(|one| one.reacted).sum();
        let edited: usize = self.reports.iter().map(|one| one.edited.len()).sum();
        let deleted: usize = self.reports.iter().map(|one| one.deleted.len()).sum();
        let connections: u32 = self.reports.iter().map(|one| one.connections).sum();
        let Samples { looks, away, .. } = self.samples;
        format!(
            "{} messages, {reacted} reactions, {edited} edited, {deleted} deleted, {connections} connections, {refused} refused, {unknown} unknown, {looks} looks ({away} in vain)",
            self.log.len()
        )
    }
}

pub struct LoadOptions {
    pub people: usize,
    /// Between two messages of one person.
    pub pace: Duration,
    pub through_proxy: bool,
}

impl Default for LoadOptions {
    fn default() -> LoadOptions {
        LoadOptions { people: 4, pace: Duration::from_millis(15), through_proxy: false }
    }
}

impl Load {
    pub async fn start(environment: &Arc<Environment>, options: LoadOptions) -> Load {
        let t = environment.tenant();
        let users: Vec<String> = (0..options.people).map(|i| format!("u{i}")).collect();
        let mut members: Vec<&str> = users.iter().map(String::as_str).collect();
        members.push("watcher");
        let room = t.group(&members).await;
        Self::start_in(environment, t, room, users, options).await
    }

    pub async fn start_in(
        environment: &Arc<Environment>,
        t: Tenant,
        room: String,
        users: Vec<String>,
        options: LoadOptions,
    ) -> Load {
        let (stop, phase) = watch::channel(Phase::Send);
        let (count, acked) = watch::channel(0);
        let (synced_count, synced) = watch::channel(0);
        let people = users.into_iter().enumerate().map(|(i, user)| {
            let plan = LoadClientPlan {
                tenant: t.clone(),
                room: room.clone(),
                user: user.clone(),
                pace: options.pace,
                stop: phase.clone(),
                acked: count.clone(),
                synced: synced_count.clone(),
                reacts: i == 2,
                edits: i == 3,
                through: options.through_proxy.then(|| environment.client_proxy.address.clone()),
                // One client doesn't retry everything.
                gives_up: i == 1,
            };
            (user, tokio::spawn(run_load_client(plan)))
        });
        let people = people.collect();
        let sampler = Sampler::start(environment, &t, &room);
        let (environment, others) = (environment.clone(), BTreeSet::new());
        let mut load = Load { environment, t, room, stop, synced, acked, people, sampler, there: 0, others };
        load.wait_until_all_are_synced().await;
        load.wait_for_acks(20).await;
        load
    }

    /// Waits until this many more messages are acked.
    pub async fn wait_for_acks(&mut self, more: u64) {
        let goal = *self.acked.borrow() + more;
        let late =
            tokio::time::timeout(STILL_MAX, self.acked.wait_for(|count| *count >= goal)).await.is_err();
        if late {
            self.propagate_panic().await;
            panic!("nobody is acked any more: {} of {goal}", *self.acked.borrow());
        }
    }

    /// Nobody sends anything new; all stay connected.
    pub fn stop_sending(&self) {
        self.stop.send_replace(Phase::Settle);
    }

    pub fn acked(&self) -> u64 {
        *self.acked.borrow()
    }

    /// Waits until every client has reconnected and is synced.
    pub async fn wait_until_all_are_synced(&mut self) {
        let goal = self.there + self.people.len() as u64;
        let reached = self.synced.wait_for(|count| *count >= goal);
        if tokio::time::timeout(STILL_MAX, reached).await.is_err() {
            self.propagate_panic().await;
            panic!("not everybody is back: {} of {goal}", *self.synced.borrow());
        }
        self.there = *self.synced.borrow();
    }

    /// SIGKILL for the runtime, and nothing more until everybody is back and has heard everything: how long that took.
    pub async fn kill(&mut self, kills: &mut u64) -> Duration {
        let killed = self.environment.stack.runtime().expect("a runtime");
        self.there = *self.synced.borrow();
        let start = Instant::now();
        assert!(signal(killed, SIGKILL), "killed");
        *kills += 1;
        self.wait_until_all_are_synced().await;
        let took = start.elapsed();
        self.environment.stack.another_runtime(killed).await;
        took
    }

    /// Panics as a client did, if one has.
    async fn propagate_panic(&mut self) {
        for (_, person) in self.people.iter_mut().filter(|(_, person)| person.is_finished()) {
            person.await.expect("a talker gave up");
        }
    }

    /// How far Postgres says the projection is.
    pub async fn last_seq(&self) -> i64 {
        let sql = "SELECT last_seq FROM chat_rooms WHERE tenant_id = $1 AND id = $2";
        self.environment
            .stack
            .sql()
            .await
            .query_one(sql, &[&self.t.id, &self.room])
            .await
            .expect("the room")
            .get(0)
    }

    /// Makes Postgres what an older backup of it would be, in one transaction: how many rows it lost.
    pub async fn set_postgres_back(&self, rows: i64) -> u64 {
        let mut sql = self.environment.stack.sql().await;
        let backup = sql.transaction().await.expect("a transaction");
        let back =
            "UPDATE chat_rooms SET last_seq = greatest(0, last_seq - $3) WHERE tenant_id = $1 AND id = $2";
        backup.execute(back, &[&self.t.id, &self.room, &rows]).await.expect("set back");
        let delete = "DELETE FROM chat_messages m USING chat_rooms r WHERE r.tenant_id = $1 AND r.id = $2
            AND m.tenant_id = r.tenant_id AND m.room_id = r.id AND m.seq > r.last_seq";
        let deleted = backup.execute(delete, &[&self.t.id, &self.room]).await.expect("deleted");
        backup.commit().await.expect("committed");
        deleted
    }

    /// Ends the load and checks the history of operations, every client, REST, the room's file and Postgres.
    pub async fn finish(self) -> LoadResult {
        let result = self.finish_after_set_back(0).await;
        assert!(result.samples.rows > 0, "the prefix rule was looked at: {:?}", result.samples);
        result
    }

    /// The same where Postgres was set back so many times; the room may have mended it before anybody saw.
    pub async fn finish_after_set_back(mut self, at_most: u64) -> LoadResult {
        let head = self.settle().await;
        self.stop.send_replace(Phase::LeaveAt(head));
        let mut reports = Vec::new();
        for (user, person) in self.people {
            let one = tokio::time::timeout(Duration::from_secs(60), person).await;
            reports.push((user, one.expect("they finish").expect("they found nothing wrong")));
        }
        let log = self.environment.equal(&self.t, &self.room, "watcher").await;
        check_reports(&log, &reports, &self.others);
        let samples = self.sampler.end().await;
        assert!(samples.set_back <= at_most, "Postgres only goes forward: {samples:?}");
        LoadResult { log, reports: reports.into_iter().map(|(_, one)| one).collect(), samples }
    }

    /// Stops sending, and waits until everything is acked: the head.
    async fn settle(&mut self) -> u64 {
        self.stop.send_replace(Phase::Settle);
        let (t, room, acked) = (self.t.clone(), self.room.clone(), self.acked.clone());
        eventually("all is acked", STILL_MAX, || async {
            let before = *acked.borrow();
            let page = t.rest("watcher", "GET", &format!("/rooms/{room}/messages?limit=1"), None).await;
            tokio::time::sleep(Duration::from_millis(500)).await;
            (page.status == 200 && before == *acked.borrow())
                .then(|| page.json()["lastSeq"].as_u64())
                .flatten()
        })
        .await
    }
}

/// What was acked is in the log once at its seq; everything in the log was sent; what was received is in the log.
fn check_reports(log: &Log, reports: &[(String, LoadReport)], others: &BTreeSet<String>) {
    let invoked = reports.iter().flat_map(|(_, one)| &one.invoked).chain(others).cloned().collect();
    check_sent(&checks::operations(log), &invoked).unwrap();
    assert!(log.values().all(|message| message["clientId"].is_string()), "every message has a clientId");
    for (user, one) in reports {
        assert!(!one.acks.is_empty(), "{user} was in it");
        checks::acked(&one.acks, log);
        checks::received(user, &one.received, log);
        checks::changed(&one.edited, &one.deleted, log);
        let first = one.received.keys().next().expect("heard something");
        let missed: Vec<_> =
            log.keys().filter(|seq| *seq > first && !one.received.contains_key(seq)).collect();
        assert!(missed.is_empty(), "{user} missed {missed:?}");
        let lost: Vec<_> = one
            .invoked
            .iter()
            .filter(|id| !one.acks.contains_key(*id) && !one.unknown.contains(*id))
            .collect();
        assert!(lost.is_empty(), "{user} never heard of {lost:?}");
    }
}

impl Environment {
    /// Once the room is drained, without quarantined rows: history over REST, the object's file and Postgres are equal.
    pub async fn equal(&self, t: &Tenant, room: &str, member: &str) -> Log {
        t.drained(room, DRAINED_MAX).await;
        let log = checks::history(t, room, member).await;
        checks::same("history and Postgres", &log, &checks::postgres(t, room).await);
        checks::same("history and the room's file", &log, &self.file_log(room));
        let db = self.room_file(room).and_then(|path| read_only(&path)).expect("the room's file");
        let sql = "SELECT count(*), coalesce(min(seq), 1), coalesce(max(seq), 0) FROM events";
        let ends = |row: &rusqlite::Row| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
        let (count, first, last): (i64, i64, i64) = db.query_row(sql, [], ends).expect("events");
        assert_eq!((first, last), (1, count), "gapless");
        log
    }

    /// The newest seq in the file of a room's object, which a test may read at any moment.
    pub fn head(&self, room: &str) -> i64 {
        let db = self.room_file(room).and_then(|path| read_only(&path)).expect("the room's file");
        db.query_row("SELECT coalesce(max(seq), 0) FROM events", [], |row| row.get(0)).expect("a head")
    }

    /// The messages of a room as its object's file has them.
    pub fn file_log(&self, room: &str) -> Log {
        let db = self.room_file(room).and_then(|path| read_only(&path)).expect("the room's file");
        let mut statement = db.prepare("SELECT seq, body FROM events WHERE kind = 1").expect("events");
        let rows = statement
            .query_map([], |row| Ok((row.get::<_, i64>(0)?.unsigned_abs(), row.get::<_, String>(1)?)));
        let message = |text: &str| serde_json::from_str::<Value>(text).expect("a message");
        rows.expect("events")
            .map(|row| row.expect("an event"))
            .map(|(seq, body)| (seq, message(&body)))
            .collect()
    }
}

/// Milliseconds that acks took which were asked for between two moments: the middle, and of a hundred the slowest.
pub fn ack_ms(reports: &[LoadReport], from: Instant, until: Instant) -> (f64, f64) {
    let within = |(sent, _): &&(Instant, Duration)| *sent >= from && *sent <= until;
    let times = reports.iter().flat_map(|one| one.ack_times.iter().filter(within).map(|(_, took)| *took));
    let mut all: Vec<Duration> = times.collect();
    all.sort_unstable();
    assert!(all.len() > 50, "people talked meanwhile: {}", all.len());
    let ms = |place: usize| all[place].as_secs_f64() * 1_000.0;
    (ms(all.len() / 2), ms(all.len() * 99 / 100))
}
