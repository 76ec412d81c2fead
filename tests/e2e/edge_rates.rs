//! Rates at the edge and quotas, on a stack that has them as a deployment has: each is shown, and nobody else feels it.
//! Not here: rates in a room (`limits`, `tests/native/room/refusals.rs`), the quotas' counts (`tests/native/db.rs`).

use crate::rig::client::text;
use crate::rig::{Answer, Stack, Tenant};
use futures_util::future::join_all;
use serde_json::{Value, json};
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};
use tokio_tungstenite::tungstenite;

/// Refused with the rest of the window, and the header says the same in seconds.
fn check_refused(answer: &Answer, window_ms: u64) {
    let refusal = answer.refusal(429, "rate_limited");
    let ms = refusal["retryAfterMs"].as_u64().expect("retryAfterMs");
    assert!((1..=window_ms).contains(&ms), "{refusal}");
    let seconds = answer.header("retry-after").and_then(|text| text.parse::<u64>().ok());
    assert_eq!(seconds, Some(ms.div_ceil(1000)));
}

/// Sends these, as many at a time as Postgres has connections for, until one is refused. No fewer are taken than `rate`
/// says, and no more than in all windows that the time has touched.
async fn refused_past(
    t: &Tenant,
    (rate, window_ms): (RangeInclusive<usize>, u64),
    method: &str,
    path: &str,
    body: Option<Value>,
) {
    let (start, mut taken) = (Instant::now(), 0);
    loop {
        let answers = join_all((0..50).map(|_| t.rest("mallory", method, path, body.clone()))).await;
        let refused: Vec<&Answer> = answers.iter().filter(|answer| answer.status == 429).collect();
        refused.iter().for_each(|answer| check_refused(answer, window_ms));
        taken += answers.len() - refused.len();
        if !refused.is_empty() {
            break;
        }
        assert!(start.elapsed() < Duration::from_secs(60), "{taken} were taken: {method} {path}");
    }
    let windows = windows_since(start, window_ms);
    let most = rate.end() * windows;
    assert!((*rate.start()..=most).contains(&taken), "{taken} of {rate:?} in {windows} windows: {path}");
}

/// The windows of the clock that the time since then has touched, at most.
fn windows_since(start: Instant, window_ms: u64) -> usize {
    start.elapsed().as_millis() as usize / window_ms as usize + 2
}

/// RATE-1.
#[tokio::test]
async fn each_rate_of_the_edge_refuses_one_person_and_nobody_else() {
    let stack = Stack::start(&["LIMITS={}"]);
    let t = Tenant::new(&stack);
    let room = t.group(&["alice", "mallory"]).await;
    let start = Instant::now();
    refused_past(&t, (20..=20, 10_000), "GET", "/search?q=x", None).await;
    let group = Some(json!({"type": "group", "participantIds": ["alice"]}));
    refused_past(&t, (30..=30, 60_000), "POST", "/rooms/create", group.clone()).await;
    refused_past(&t, (30..=30, 60_000), "POST", "/ws-ticket", None).await;
    let upgrades = join_all((0..250).map(|_| {
        let dial = t.dial(&room, "mallory");
        async move { dial.dial().await.err() }
    }));
    let statuses = upgrades.await.into_iter().flatten().map(|error| match error {
        tungstenite::Error::Http(answer) => {
            assert!(answer.headers().contains_key("retry-after"), "{answer:?}");
            answer.status().as_u16()
        }
        other => panic!("{other}"),
    });
    let refused = statuses.inspect(|status| assert_eq!(*status, 429)).count();
    let windows = windows_since(start, 60_000);
    assert!(
        (120..=120 * windows).contains(&(250 - refused)),
        "{refused} of 250 refused in {windows} windows"
    );
    // What was asked before counts too, if it was in the same window. This asks nobody else (503: there is no key).
    refused_past(&t, (300 - 50 * 4..=300, 10_000), "GET", "/push/key", None).await;
    // Somebody else, and the same id in another tenant, are others.
    t.get("alice", "/search?q=x").await;
    t.rest("alice", "POST", "/rooms/create", group).await.ok();
    t.rest("alice", "POST", "/ws-ticket", None).await.ok();
    t.join(&room, "alice").await;
    Tenant::new(&stack).get("mallory", "/unread").await;
}

/// Without the edge's help the room's own rates hold. What it costs the others is measured by `cargo xtask bench --loops`.
#[tokio::test]
async fn a_caller_in_a_tight_loop_is_refused_and_nobody_else() {
    let t = Tenant::shared();
    let room = t.group(&["alice", "bob", "mallory"]).await;
    let [mut alice, mut bob] = t.together(&room, ["alice", "bob"]).await;
    let path = format!("/rooms/{room}/messages");
    let pages = join_all((0..80).map(|_| t.rest("mallory", "GET", &path, None)));
    let talk = async {
        for nth in 0..8 {
            let ack = alice.say(&format!("n{nth}"), "hi").await;
            assert!(!text(&ack["messageId"]).is_empty());
            t.get("bob", &path).await;
        }
    };
    let (answers, ()) = tokio::join!(pages, talk);
    bob.barrier().await;
    let refused: Vec<&Answer> = answers.iter().filter(|answer| answer.status == 429).collect();
    assert!(!refused.is_empty(), "80 pages at once");
    refused.iter().for_each(|answer| check_refused(answer, 10_000));
}

/// RATE-2.
#[tokio::test]
async fn rooms_of_a_day_have_a_quota_and_a_retry_counts_nothing() {
    const DAY_MS: u64 = 86_400_000;
    let stack = Stack::start(&[r#"LIMITS={"doorRates":false,"createPerDay":2}"#]);
    let t = Tenant::new(&stack);
    let create = async |who: &str, id: &str| {
        let body = json!({"type": "group", "participantIds": ["carol"], "clientId": id});
        t.rest(who, "POST", "/rooms/create", Some(body)).await
    };
    for id in ["one", "two", "one"] {
        create("alice", id).await.ok();
    }
    check_refused(&create("alice", "three").await, DAY_MS);
    create("bob", "three").await.ok();
}

/// RATE-3.
#[tokio::test]
async fn bytes_of_files_have_a_quota_and_a_deleted_message_gives_its_bytes_back() {
    const DAY_MS: u64 = 86_400_000;
    let limits = r#"LIMITS={"doorRates":false,"fileBytesPerPerson":10}"#;
    let stack = Stack::start(&[limits]);
    let t = Tenant::new(&stack);
    let [one, two] = [t.group(&["alice", "bob"]).await, t.group(&["alice", "bob"]).await];
    let upload =
        async |room: &str, who: &str, body: &[u8]| t.uploads(room, who, "a.txt", "text/plain", body).await;
    let file = upload(&one, "alice", b"1234567").await.ok()["attachment"].clone();
    check_refused(&upload(&two, "alice", b"1234").await, DAY_MS);
    upload(&two, "bob", b"1234").await.ok();
    upload(&two, "alice", b"123").await.ok();
    let message = json!({"content": "look", "attachments": [{"id": file["id"]}]});
    let sent = t.rest("alice", "POST", &format!("/rooms/{one}/messages"), Some(message)).await.ok();
    let path = format!("/rooms/{one}/messages/{}", text(&sent["message"]["id"]));
    t.rest("alice", "DELETE", &path, None).await.ok();
    let began = Instant::now();
    while upload(&two, "alice", b"1234567").await.status != 200 {
        assert!(began.elapsed() < Duration::from_secs(20), "the bytes don't come back");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// RATE-4.
#[tokio::test]
async fn reports_of_a_day_have_a_quota() {
    const DAY_MS: u64 = 86_400_000;
    let t = Tenant::new(&Stack::start(&[r#"LIMITS={"doorRates":false,"reportsPerDay":2}"#]));
    let room = t.group(&["alice", "bob", "carol"]).await;
    let sent =
        t.rest("alice", "POST", &format!("/rooms/{room}/messages"), Some(json!({"content": "look"}))).await;
    let path = format!("/rooms/{room}/messages/{}/report", text(&sent.ok()["message"]["id"]));
    let report = async |who: &str| t.rest(who, "POST", &path, Some(json!({"reason": "spam"}))).await;
    report("bob").await.ok();
    report("bob").await.ok();
    check_refused(&report("bob").await, DAY_MS);
    report("carol").await.ok();
}
