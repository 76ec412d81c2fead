//! What a busy or badly treated room holds in memory: newcomers, pages, bursts, and clients that do not read.
//! Not here: files (`files_large`), and the rule who is too slow (`tests/native/room/slow_clients`).

use crate::files_large::growth;
use crate::rig::client::{Socket, close_of};
use crate::rig::stack::{NO_RATES, Stack};
use crate::rig::{Client, Tenant};
use futures_util::future::join_all;
use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio_tungstenite::tungstenite::Message;

/// Of the isolate's 128 MB; WASM memory never shrinks, so what it has is its peak.
const WASM_MAX: u64 = 96_000_000;
const NEWCOMERS: usize = 500;
/// The largest text: 4,000 code points of four bytes.
const CONTENT_CHARS: usize = 4_000;
const CONTENT_BYTES: u64 = 4 * CONTENT_CHARS as u64;
/// More than a page's 1 MiB.
const SAID_BEFORE: usize = 70;
const BURST: usize = 100;

const SLOW_READERS: usize = 50;
const SLOW_READER_BYTES_MAX: u64 = 1_536 << 10;
const TALK_BYTES: u64 = 100 << 20;
const SHORT_TALK_BYTES: u64 = 24 << 20;
/// Bytes that a talker has sent and not heard yet.
const UNHEARD_BYTES_MAX: u64 = 1 << 20;
/// What garbage and allocators vary by between two equal rounds.
const NOISE_BYTES: u64 = 16 << 20;

fn said(client_id: &str) -> String {
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
    for number in 0..SAID_BEFORE {
        speaker.send_text(said(&format!("before-{number}"))).await;
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
            speaker.send_text(said(&format!("burst-{number}"))).await;
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

/// Says so many bytes, each after enough of the earlier ones was heard.
async fn talk(socket: Socket, name: &str, bytes: u64) {
    let (mut sink, mut stream) = socket.split();
    let heard = Arc::new(AtomicU64::new(0));
    let counted = heard.clone();
    let reading = tokio::spawn(async move {
        while let Some(Ok(frame)) = stream.next().await {
            counted.fetch_add(frame.len() as u64, Ordering::Relaxed);
        }
    });
    for number in 0..bytes / CONTENT_BYTES {
        let frame = Message::text(said(&format!("{name}-{number}")));
        sink.send(frame).await.expect("the talker stays connected");
        let sent = (number + 1) * CONTENT_BYTES;
        while sent.saturating_sub(heard.load(Ordering::Relaxed)) > UNHEARD_BYTES_MAX {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    reading.abort();
}

/// The runtime's growth while so much is said to so many clients that do not read, all of which are closed.
async fn round(t: &Tenant, room: &str, name: &str, readers: usize, bytes: u64) -> u64 {
    let talker = t.dial(room, "alice").and("history=0").dial().await.expect("connected").0;
    let mut slow = Vec::new();
    let grown = growth(&t.stack, async {
        let dial = t.dial(room, "bob").and("history=0");
        slow = join_all((0..readers).map(|_| dial.open_deaf())).await;
        talk(talker, name, bytes).await;
    })
    .await;
    for (code, reason) in join_all(slow.into_iter().map(close_of)).await {
        assert_eq!(code, 4420, "{reason}");
    }
    grown
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_who_do_not_read_cost_little_and_give_it_back() {
    let limits = NO_RATES.replace("\"typingPerS\"", "\"socketsPerPerson\":1000,\"typingPerS\"");
    let t = Tenant::new(&Stack::start(&[&limits]));
    let room = t.group(&["alice", "bob"]).await;
    // Code is compiled and buffers are made by the first talk.
    round(&t, &room, "warm", 0, SHORT_TALK_BYTES).await;
    let alone = round(&t, &room, "alone", 0, TALK_BYTES).await;
    let first = round(&t, &room, "first", SLOW_READERS, TALK_BYTES).await;
    let second = round(&t, &room, "second", SLOW_READERS, SHORT_TALK_BYTES).await;
    let wasm = wasm_bytes(&mut t.join(&room, "alice").await).await;
    println!(
        "{SLOW_READERS} readers who do not read {} MiB: the runtime grew by {} MiB, in a second round by {} MiB more, without \
         readers by {} MiB; WASM memory {} KiB",
        TALK_BYTES >> 20,
        first >> 20,
        second >> 20,
        alone >> 20,
        wasm >> 10
    );
    let max = SLOW_READERS as u64 * SLOW_READER_BYTES_MAX;
    assert!(first <= max, "{first} bytes for {SLOW_READERS} slow readers");
    assert!(second <= NOISE_BYTES, "the second round took {second} bytes more");
    assert!(wasm < WASM_MAX, "{wasm} bytes of WASM memory");
}
