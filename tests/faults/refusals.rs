//! Postgres answers and refuses: rows that no retry can store, a missing table, a restored backup.
//! Not here: a Postgres that doesn't answer (`outages`).

use crate::environment::Environment;
use crate::load::{Load, LoadOptions};
use crate::proxy::Fault;
use crate::rig::{Client, Tenant, checks, eventually};
use crate::sampler::Sampler;
use crate::{Struck, struck};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Each class that sets a row aside, by SQLSTATEs that text and limits of a message could bring about.
const POISON: [&str; 6] = ["22021", "22P05", "22003", "23502", "23514", "54000"];
const BATCH: u64 = 9;
/// First, middle and last of a batch.
const PLACES: [u64; 3] = [1, 5, 9];
/// A batch that failed while nobody could be reached waits for its next try, and is then halved again and again.
const SET_ASIDE_MAX: Duration = Duration::from_secs(60);

/// Postgres refuses a message that says so, with the SQLSTATE that it names.
const REFUSE: &str = "
    CREATE OR REPLACE FUNCTION chat_test_poison() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE EXCEPTION 'refused by a test' USING ERRCODE = substr(NEW.content, 8, 5); END $$;
    CREATE OR REPLACE TRIGGER chat_test_poison BEFORE INSERT OR UPDATE ON chat_messages
    FOR EACH ROW WHEN (NEW.content LIKE 'poison %') EXECUTE FUNCTION chat_test_poison()";

struct Poisoned {
    room: String,
    alice: Client,
    state: &'static str,
    place: u64,
}

impl Poisoned {
    /// All of it while Postgres can't be reached, so that it is one batch afterwards.
    async fn say(&mut self) {
        for i in 1..=BATCH {
            let content =
                if i == self.place { format!("poison {}", self.state) } else { format!("message {i}") };
            let frame = json!({"type": "message", "content": content, "clientId": format!("c{i}")});
            assert!(self.alice.send(frame).await, "open");
        }
        self.alice.ack(&format!("c{BATCH}")).await;
    }

    /// The one row is in quarantine, and the others are in Postgres.
    async fn check(&self, t: &Tenant) {
        let what = format!("{} at {} is set aside", self.state, self.place);
        let outbox = eventually(&what, SET_ASIDE_MAX, || async {
            let outbox = t.outbox(&self.room).await;
            (outbox["lag"] == 0).then_some(outbox)
        })
        .await;
        let aside: Vec<&Value> = outbox["setAside"].as_array().expect("a list").iter().collect();
        assert!(aside.len() == 1 && aside[0]["seq"] == self.place, "{what}: {outbox}");
        assert_eq!(aside[0]["reason"], "refused by a test", "{outbox}");
        let mut log = checks::history(t, &self.room, "alice").await;
        assert_eq!(log.len() as u64, BATCH, "people see all of it");
        log.remove(&self.place);
        checks::same("all but the poison", &log, &checks::postgres(t, &self.room).await);
    }
}

pub async fn every_kind_of_poison_at_each_place_of_a_batch(environment: Arc<Environment>) -> Struck {
    let t = environment.tenant();
    environment.sql(REFUSE).await;
    let mut rooms = Vec::new();
    for state in POISON {
        for place in PLACES {
            let room = t.group(&["alice"]).await;
            let alice = t.join(&room, "alice").await;
            rooms.push(Poisoned { room, alice, state, place });
        }
    }
    let seen = || POISON.map(|state| environment.postgres_proxy.sqlstate(state));
    let before = seen();
    environment.postgres_proxy.set(Fault::Refuse);
    environment.postgres_proxy.reset_all();
    for room in &mut rooms {
        room.say().await;
    }
    environment.postgres_proxy.set(Fault::Pass);
    for room in &rooms {
        room.check(&t).await;
    }
    environment.sql("DROP TRIGGER chat_test_poison ON chat_messages").await;
    let after = seen();
    let counts: Vec<u64> = after.iter().zip(before).map(|(after, before)| after - before).collect();
    // Each place refuses its batch, and its row alone.
    assert!(counts.iter().all(|count| *count >= 2 * PLACES.len() as u64), "each was refused: {counts:?}");
    let summary =
        format!("{} rows of {POISON:?} set aside after {} refusals", rooms.len(), counts.iter().sum::<u64>());
    struck(rooms.len() as u64, summary)
}

/// The schema is wrong: nothing is quarantined for that; the outbox halts, reports it, and continues after the repair.
pub async fn a_table_is_renamed_away_and_back(environment: Arc<Environment>) -> Struck {
    let mut load =
        Load::start(&environment, LoadOptions { pace: Duration::from_millis(100), ..LoadOptions::default() })
            .await;
    let before = environment.postgres_proxy.sqlstate("42P01");
    environment.sql("ALTER TABLE chat_messages RENAME TO chat_messages_away").await;
    let outbox = eventually("the outbox halts", Duration::from_secs(20), || async {
        let outbox = load.t.outbox(&load.room).await;
        (outbox["state"] == "halted").then_some(outbox)
    })
    .await;
    assert_eq!(outbox["setAside"], json!([]), "a missing table poisons no row");
    load.wait_for_acks(100).await;
    assert_eq!(load.t.outbox(&load.room).await["setAside"], json!([]));
    environment.sql("ALTER TABLE chat_messages_away RENAME TO chat_messages").await;
    let start = Instant::now();
    let head = environment.head(&load.room);
    eventually("the outbox goes on", Duration::from_secs(75), || async {
        (load.last_seq().await >= head).then_some(())
    })
    .await;
    let late = start.elapsed().as_secs();
    let seen = environment.postgres_proxy.sqlstate("42P01") - before;
    let result = load.finish().await;
    struck(
        seen,
        format!("42P01 seen {seen} times, went on {late} s after the table was back; {}", result.summary()),
    )
}

/// Postgres is an older backup of itself: the room notices, and sends again from there.
pub async fn postgres_is_set_back_by_50_rows(environment: Arc<Environment>) -> Struck {
    let mut load = Load::start(&environment, LoadOptions::default()).await;
    load.wait_for_acks(200).await;
    // So that the room can't mend it before the sampler has seen it.
    let held = environment.postgres_proxy.count(|s| &s.held);
    environment.postgres_proxy.set(Fault::HoldProjection);
    environment.postgres_proxy.strikes(|s| &s.held, held, 1).await;
    let deleted = load.set_postgres_back(50).await;
    let start = Instant::now();
    let lost_from = load.last_seq().await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    environment.postgres_proxy.set(Fault::Pass);
    eventually("Postgres has them again", Duration::from_secs(30), || async {
        (load.last_seq().await >= lost_from + 50).then_some(())
    })
    .await;
    let healed = start.elapsed().as_millis();
    load.wait_for_acks(100).await;
    let result = load.finish_after_set_back(1).await;
    // 50 events of the log; a few of them are reactions, which have no row of their own.
    assert!(
        (40..=50).contains(&deleted) && result.samples.set_back == 1,
        "{deleted} rows, {:?}",
        result.samples
    );
    struck(1, format!("{deleted} rows lost, there again after {healed} ms; {}", result.summary()))
}

/// No fault of ours, but a lie of Postgres': it says that a row is in and hasn't got it. Those who check must see that,
/// or all that they found right is worth nothing.
pub async fn a_row_that_postgres_swallows_is_seen(environment: Arc<Environment>) -> Struck {
    let t = environment.tenant();
    environment
        .sql(
            "CREATE OR REPLACE FUNCTION chat_test_poison() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
             CREATE OR REPLACE TRIGGER chat_test_poison BEFORE INSERT ON chat_messages
             FOR EACH ROW WHEN (NEW.content = 'swallow me') EXECUTE FUNCTION chat_test_poison()",
        )
        .await;
    let room = t.group(&["alice"]).await;
    let mut alice = t.join(&room, "alice").await;
    let sampler = Sampler::start(&environment, &t, &room);
    for i in 1..=5 {
        let content = if i == 3 { "swallow me" } else { "keep me" };
        alice.say(&format!("c{i}"), content).await;
    }
    t.drained(&room, Duration::from_secs(30)).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let seen = sampler.verdict().await.expect_err("the sampler sees the hole");
    assert!(seen.starts_with("a hole in Postgres at 3"), "{seen}");
    let (log, rows) = (checks::history(&t, &room, "alice").await, checks::postgres(&t, &room).await);
    assert_eq!((log.len(), rows.len()), (5, 4), "and so does who compares in the end");
    environment.sql("DROP TRIGGER chat_test_poison ON chat_messages").await;
    struck(1, seen)
}
