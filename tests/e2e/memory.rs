//! What a busy room holds in memory: newcomers, pages and bursts.
//! Not here: files (`files_large`), and the rule who is too slow (`tests/native/room/slow_clients`).

use crate::files_large::growth;
use crate::rig::client::close_of;
use crate::rig::stack::{NO_RATES, Stack};
use crate::rig::{Client, Tenant};
use futures_util::future::join_all;
use serde_json::json;

/// Of the isolate's 128 MB; WASM memory never shrinks, so what it has is its peak.
const WASM_MAX: u64 = 96_000_000;
const NEWCOMERS: usize = 500;
/// The largest text: 4,000 code points of four bytes.
const CONTENT_CHARS: usize = 4_000;
/// More than a page's 1 MiB.
const SENT_BEFORE: usize = 70;
const BURST: usize = 100;
/// Messages of 16 KB each: 112 MB to each reader.
const SENT: usize = 7_000;
const SLOW_READERS: u64 = 50;
/// What the runtime may grow by for a slow reader: 1.5 MiB.
const SLOW_READER_MAX: u64 = 3 << 19;

fn message(client_id: &str) -> String {
    let content = "😀".repeat(CONTENT_CHARS);
    json!({"type": "message", "content": content, "clientId": client_id}).to_string()
}

async fn wasm_bytes(client: &mut Client) -> u64 {
    client.send_text(r#"{"type":"test_instance"}"#).await;
    client.next("test_instance").await["wasmBytes"].as_u64().expect("bytes")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn newcomers_pages_and_a_burst_stay_below_96_mb() {
    let t = Tenant::new(&Stack::start(&[NO_RATES]));
    let people: Vec<String> = (0..NEWCOMERS).map(|number| format!("person-{number}")).collect();
    let names: Vec<&str> = people.iter().map(String::as_str).collect();
    let room = t.group(&names).await;
    let mut speaker = t.join(&room, names[0]).await;
    for number in 0..SENT_BEFORE {
        speaker.send_text(message(&format!("before-{number}"))).await;
        speaker.ack(&format!("before-{number}")).await;
    }
    let before = wasm_bytes(&mut speaker).await;
    let (mut deaf, mut newcomers, mut pages) = (Vec::new(), 0, 0);
    let grown = growth(&t.stack, async {
        // None of them reads, so what the platform does not take stays in the room.
        let dials: Vec<_> = names.iter().map(|name| t.dial(&room, name).and("history=100")).collect();
        deaf = join_all(dials.iter().map(|dial| dial.open_deaf())).await;
        newcomers = wasm_bytes(&mut speaker).await;
        let path = format!("/rooms/{room}/messages?limit=100");
        let answers = join_all((0..10).map(|_| t.get(names[1], &path))).await;
        assert!(answers.iter().all(|page| page["hasMoreBefore"] == true), "a page ends at its bytes");
        pages = wasm_bytes(&mut speaker).await;
        for number in 0..BURST {
            speaker.send_text(message(&format!("burst-{number}"))).await;
        }
        speaker.ack(&format!("burst-{}", BURST - 1)).await;
    })
    .await;
    let burst = wasm_bytes(&mut speaker).await;
    assert_eq!(deaf.len(), NEWCOMERS);
    println!(
        "{NEWCOMERS} newcomers who do not read: WASM memory {} KiB before, {} KiB with them, {} KiB after 10 pages, {} KiB after a \
         burst of {BURST}; the runtime grew by {} MiB",
        before >> 10,
        newcomers >> 10,
        pages >> 10,
        burst >> 10,
        grown >> 20
    );
    assert!(newcomers.max(pages).max(burst) < WASM_MAX, "{newcomers}, {pages}, {burst} bytes of WASM memory");
}

/// Sends messages, so many at a time that a reader keeps up.
async fn say(speaker: &mut Client, round: &str, count: usize) {
    for first in (0..count).step_by(20) {
        for number in first..first + 20 {
            speaker.send_text(message(&format!("{round}-{number}"))).await;
        }
        speaker.ack(&format!("{round}-{}", first + 19)).await;
    }
}

/// How much the runtime grows while messages are sent to so many people who do not read, and are closed for it.
async fn growth_by(t: &Tenant, (room, slow): (&str, &[&str]), speaker: &mut Client, round: &str) -> u64 {
    growth(&t.stack, async {
        let dials: Vec<_> = slow.iter().map(|name| t.dial(room, name).and("history=0")).collect();
        let deaf = join_all(dials.iter().map(|dial| dial.open_deaf())).await;
        say(speaker, round, SENT).await;
        for socket in deaf {
            assert_eq!(close_of(socket).await, (4420, "slow_consumer".to_owned()));
        }
    })
    .await
}

/// The runtime's heap grows and shrinks by itself while messages are sent, so what it does without slow readers is taken
/// off. It keeps what was given back for the next one, so that shows in a second round.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_readers_cost_1_5_mib_each_and_give_it_back() {
    let t = Tenant::new(&Stack::start(&[NO_RATES]));
    let people: Vec<String> = (0..=SLOW_READERS).map(|number| format!("person-{number}")).collect();
    let names: Vec<&str> = people.iter().map(String::as_str).collect();
    let room = t.group(&names).await;
    let mut speaker = t.join(&room, names[0]).await;
    say(&mut speaker, "first", SENT).await;
    let nobody = growth_by(&t, (&room, &[]), &mut speaker, "nobody").await;
    let once = growth_by(&t, (&room, &names[1..]), &mut speaker, "once").await;
    let again = growth_by(&t, (&room, &names[1..]), &mut speaker, "again").await;
    println!(
        "the runtime grew by {} MiB without slow readers, by {} MiB with {SLOW_READERS}, by {} MiB with as many again",
        nobody >> 20,
        once >> 20,
        again >> 20
    );
    let [each, next] = [once, again].map(|grown| grown.saturating_sub(nobody) / SLOW_READERS);
    assert!(each <= SLOW_READER_MAX, "{} KiB a slow reader", each >> 10);
    assert!(next <= SLOW_READER_MAX / 2, "{} KiB for each of the next ones", next >> 10);
}
