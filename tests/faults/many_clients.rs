//! Many clients at once: hundreds that reconnect together, and members who are added and removed while they send.
//! Not here: faults of a single client (`clients`).

use crate::environment::Environment;
use crate::load::{Load, LoadOptions};
use crate::rig::client::{Socket, text};
use crate::rig::{Dial, Tenant, checks, eventually};
use crate::{Struck, struck};
use futures_util::StreamExt;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

const CLIENTS: usize = 500;
const MISSED: u64 = 1_000;
/// 500,000 events through wrangler's proxy on two cores.
const BACK_MAX: Duration = Duration::from_secs(120);

/// 500 lose their connections in one moment, miss 1,000 events and come back in one moment.
pub async fn five_hundred_clients_are_dropped_and_resume_1000_events(
    environment: Arc<Environment>,
) -> Struck {
    let t = environment.tenant();
    let users: Vec<String> = (0..CLIENTS).map(|i| format!("u{i}")).collect();
    let members: Vec<&str> = users.iter().map(String::as_str).collect();
    let room = t.group(&members).await;
    let mut alice = t.dial(&room, "u0").and("history=0").open().await;
    let epoch = text(&alice.greeting().await.hello["epoch"]);
    let since = checks::seq(&alice.say("c0", "before").await);
    let dial =
        |user: &String, more: &str| t.dial(&room, user).and(more).through(&environment.client_proxy.address);
    let mut there = Vec::new();
    for some in users.chunks(50) {
        let joining = some.iter().map(|user| {
            let dial = dial(user, "history=0");
            tokio::spawn(async move { read_to_synced(&dial).await })
        });
        for joined in joining.collect::<Vec<_>>() {
            let joined = tokio::time::timeout(BACK_MAX, joined).await;
            there.push(joined.expect("joined in time").expect("joined").0);
        }
    }
    let before = environment.client_proxy.count(|s| &s.reset);
    environment.client_proxy.reset_all();
    environment.client_proxy.strikes(|s| &s.reset, before, CLIENTS as u64).await;
    drop(there);
    for i in 1..=MISSED {
        let frame = json!({"type": "message", "content": format!("message {i} that they miss"), "clientId": format!("c{i}")});
        assert!(alice.send(frame).await, "open");
        if i % 100 == 0 {
            alice.ack(&format!("c{i}")).await;
        }
    }
    let start = Instant::now();
    let expected: Arc<Vec<u64>> = Arc::new((since + 1..=since + MISSED).collect());
    let coming = users.iter().map(|user| {
        let (dial, expected) = (dial(user, &format!("since={since}&epoch={epoch}")), expected.clone());
        tokio::spawn(async move {
            let (socket, seqs) = read_to_synced(&dial).await;
            assert_eq!(seqs, *expected, "each once, ascending");
            (socket, start.elapsed())
        })
    });
    let mut took = Vec::new();
    let mut sockets = Vec::new();
    for back in coming.collect::<Vec<_>>() {
        let (socket, time) = tokio::time::timeout(BACK_MAX, back).await.expect("back in time").expect("back");
        took.push(time);
        sockets.push(socket);
    }
    took.sort_unstable();
    let seq = alice.say("last", "all are there").await["seq"].clone();
    for socket in &mut sockets {
        assert!(hears(socket, &format!("\"seq\":{seq}")).await, "and live again");
    }
    let (middle, last) = (took[CLIENTS / 2].as_secs_f64(), took[CLIENTS - 1].as_secs_f64());
    environment.equal(&t, &room, "u0").await;
    let rate = CLIENTS as f64 * MISSED as f64 / last;
    struck(
        CLIENTS as u64,
        format!("{CLIENTS} reset; half back after {middle:.1} s, all after {last:.1} s, {rate:.0} events/s"),
    )
}

/// Comes in, and gives the seqs of the messages it hears until `synced`. It reads no more JSON than it must: 500,000
/// events of it would be this program's work and not the room's.
async fn read_to_synced(dial: &Dial) -> (Socket, Vec<u64>) {
    let upgraded = eventually("upgraded", BACK_MAX, || async { dial.dial().await.ok() });
    let mut socket = upgraded.await.0;
    let mut seqs = Vec::new();
    while let Some(message) = socket.next().await {
        let message = message.expect("a frame");
        let Ok(frame) = message.to_text() else { continue };
        for event in frame.split(r#"{"type":"new_message""#).skip(1) {
            let at = event.find(r#""seq":"#).expect("a seq") + 6;
            let digits = event[at..].split(|c: char| !c.is_ascii_digit()).next().expect("digits");
            seqs.push(digits.parse().expect("a seq"));
        }
        if frame.contains(r#""type":"synced""#) {
            return (socket, seqs);
        }
        assert!(!frame.contains(r#""type":"resync""#), "the replay is whole");
    }
    panic!("closed before synced");
}

async fn hears(socket: &mut Socket, what: &str) -> bool {
    let read = async {
        while let Some(Ok(message)) = socket.next().await {
            if message.to_text().is_ok_and(|text| text.contains(what)) {
                return true;
            }
        }
        false
    };
    tokio::time::timeout(Duration::from_secs(30), read).await.unwrap_or(false)
}

/// Four people are made members and removed again, 20 times a second, and say what they can while they may.
pub async fn members_come_and_go_while_they_send(environment: Arc<Environment>) -> Struck {
    let mut load = Load::start(&environment, LoadOptions::default()).await;
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let guests: Vec<_> = (0..4)
        .map(|i| tokio::spawn(guest(load.t.clone(), load.room.clone(), format!("guest{i}"), stopped.clone())))
        .collect();
    let members = format!("/rooms/{}/members", load.room);
    let mut changes = 0;
    // Each comes and goes in turn: in the end they are out.
    while changes < 240 {
        let user = format!("guest{}", changes % 4);
        let answer = match changes / 4 % 2 {
            0 => load.t.rest("u0", "POST", &members, Some(json!({"userIds": [user]}))).await,
            _ => load.t.rest("u0", "DELETE", &format!("{members}/{user}"), None).await,
        };
        answer.ok();
        changes += 1;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    stop.send_replace(true);
    let (mut acks, mut invoked, mut removed, mut refused) = (BTreeMap::new(), BTreeSet::new(), 0, 0);
    for guest in guests {
        let report = guest.await.expect("a guest");
        acks.extend(report.acks);
        invoked.extend(report.invoked);
        removed += report.removed;
        refused += report.refused;
    }
    for i in 0..4 {
        let dial = load.t.dial(&load.room, &format!("guest{i}"));
        dial.refused().await.refusal(404, "room_not_found");
    }
    assert!(
        !acks.is_empty() && removed > 5 && refused > 5,
        "{} acks, {removed} removed, {refused} refused",
        acks.len()
    );
    load.wait_for_acks(40).await;
    load.others = invoked;
    let result = load.finish().await;
    checks::acked(&acks, &result.log);
    let sent = format!(
        "{changes} changes, {} acks of guests, {removed} closed 4403, {refused} refused 404; {}",
        acks.len(),
        result.summary()
    );
    struck(changes, sent)
}

#[derive(Default)]
struct Guest {
    acks: BTreeMap<String, u64>,
    invoked: BTreeSet<String>,
    removed: u32,
    refused: u32,
}

async fn guest(t: Tenant, room: String, user: String, stop: tokio::sync::watch::Receiver<bool>) -> Guest {
    let (mut report, mut sent) = (Guest::default(), 0);
    while !*stop.borrow() {
        let Some(mut client) = t.dial(&room, &user).and("history=0").try_open().await else {
            report.refused += 1;
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        };
        while client.closed().is_none() && !*stop.borrow() {
            sent += 1;
            report.invoked.insert(format!("{user}/c{sent}"));
            let frame = json!({"type": "message", "content": "while I may", "clientId": format!("c{sent}")});
            client.send(frame).await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        for event in client.all().iter().filter(|event| event["type"] == "ack") {
            report.acks.insert(format!("{user}/{}", text(&event["clientId"])), checks::seq(event));
        }
        match client.closed() {
            Some((4403, _)) => report.removed += 1,
            Some((1006, _)) | None => {}
            other => panic!("closed {other:?}"),
        }
    }
    report
}
