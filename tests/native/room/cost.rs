//! What a busy room and an idle room cost in written rows (docs/PLATFORM.md, What it costs).

use crate::rig::Rig;

/// A room's people: so many of them are connected and read what is sent, the others are notified of it.
struct Talk {
    connected: usize,
    absent: usize,
    /// Of one conversation.
    messages: u64,
    pause_ms: u64,
}

/// What a message of such a room is billed (docs/COST.md).
#[derive(Debug)]
#[allow(dead_code)] // All of it is printed.
struct Bill {
    rows: f64,
    awake_ms: f64,
    transactions: f64,
    /// Messages and read markers that sockets sent.
    frames: f64,
    queued: f64,
}

/// Five conversations with ten minutes of silence, and hibernation, after each.
fn bill(talk: &Talk) -> Bill {
    const CONVERSATIONS: u64 = 5;
    let people: Vec<String> = (0..talk.connected + talk.absent).map(|n| format!("p{n}")).collect();
    let mut rig = Rig::of(&people.iter().map(String::as_str).collect::<Vec<_>>());
    rig.gathers = true;
    rig.limits.messages_per_s = 1_000.0;
    let connected = people.get(..talk.connected).expect("not more than all");
    for name in connected {
        rig.prepare(&format!("{name} join history=0"));
    }
    rig.prepare("(60 s pass)");
    let before = (rig.sql.rows_written.get(), rig.awake_ms, rig.postgres.tries, rig.queued.len());
    let (mut frames, mut sent) = (0, 0);
    for _ in 0..CONVERSATIONS {
        for n in 0..talk.messages {
            let sender = n as usize % talk.connected;
            sent += 1;
            rig.prepare(&format!("p{sender} > message \"{n}\" #c{sent}"));
            rig.pass(talk.pause_ms / 2);
            let others = connected.iter().enumerate().filter(|(at, _)| *at != sender);
            let reads: Vec<_> = others.map(|(_, name)| format!("{name} > read {sent}")).collect();
            rig.prepare(&reads.join(" & "));
            rig.pass(talk.pause_ms - talk.pause_ms / 2);
            frames += talk.connected;
        }
        rig.pass(600_000);
        rig.evict();
    }
    assert_eq!(rig.postgres.last_seq, sent, "Postgres has them all");
    let each = |count: u64| count as f64 / sent as f64;
    Bill {
        rows: each(rig.sql.rows_written.get() - before.0),
        awake_ms: each(rig.awake_ms - before.1),
        transactions: each(rig.postgres.tries - before.2),
        frames: each(frames as u64),
        queued: each((rig.queued.len() - before.3) as u64),
    }
}

#[test]
fn cost_4_a_message_is_billed_few_rows_and_little_time_awake() {
    let talks = [
        ("dm", Talk { connected: 2, absent: 0, messages: 6, pause_ms: 20_000 }, (6.0, 700.0)),
        ("dm, one is away", Talk { connected: 1, absent: 1, messages: 2, pause_ms: 20_000 }, (5.5, 400.0)),
        ("group", Talk { connected: 5, absent: 3, messages: 12, pause_ms: 8_000 }, (5.0, 650.0)),
        ("busy", Talk { connected: 40, absent: 10, messages: 40, pause_ms: 500 }, (4.5, 600.0)),
    ];
    for (name, talk, (rows, awake_ms)) in talks {
        let bill = bill(&talk);
        println!("{name}: {bill:?}");
        assert!((3.0..=rows).contains(&bill.rows) && (200.0..=awake_ms).contains(&bill.awake_ms), "{bill:?}");
        assert!(bill.transactions <= 1.2 && bill.queued <= 1.0, "{bill:?}");
    }
}

/// Ten people, each doing `does` once in its turn, and one who isn't there and is notified of it all; a batch to
/// Postgres every 20 things, as a busy room takes them.
fn rows_each(count: u64, does: impl Fn(u64) -> String) -> f64 {
    let people: Vec<String> = (0..10).map(|n| format!("p{n}")).collect();
    let absent = ["absent"];
    let mut rig = Rig::of(&people.iter().map(String::as_str).chain(absent).collect::<Vec<_>>());
    rig.limits.messages_per_s = 1_000.0;
    rig.limits.reactions_per_s = 1_000.0;
    rig.limits.frames_per_s = 1_000.0;
    for name in &people {
        rig.prepare(&format!("{name} join history=0"));
    }
    rig.prepare("p0 > message \"the first\"\n(9 s pass)");
    let before = rig.sql.rows_written.get();
    let mut n = 0;
    while n < count {
        let turn: Vec<_> = (n..(n + 20).min(count)).map(|n| format!("p{} > {}", n % 10, does(n))).collect();
        rig.prepare(&turn.join(" & "));
        rig.prepare("(200 ms pass)");
        n += 20;
    }
    rig.prepare("(9 s pass)");
    let rows = (rig.sql.rows_written.get() - before) as f64 / count as f64;
    println!("rows written, each: {rows}");
    rows
}

#[test]
fn cost_1_a_message_is_at_most_3_rows_in_total() {
    let rows = rows_each(1_000, |n| format!("message \"{n}\" #c{n}"));
    assert!((2.0..=3.0).contains(&rows), "{rows}");
    let without = rows_each(1_000, |n| format!("message \"{n}\""));
    assert!((1.0..=2.0).contains(&without), "{without}");
}

#[test]
fn cost_2_a_reaction_is_at_most_3_rows_and_a_read_almost_none() {
    let rows = rows_each(1_000, |n| {
        let sign = if n / 10 % 2 == 0 { "react" } else { "unreact" };
        format!("{sign} 👍 1")
    });
    assert!((2.0..=3.0).contains(&rows), "{rows}");
}

/// Everybody is connected and reads on, one message each time, a marker a second; nothing else happens. The sender's own
/// markers stand where they are.
#[test]
fn cost_2_a_marker_of_80_readers_is_at_most_a_fifth_of_a_row() {
    const MARKERS: u64 = 600;
    let people: Vec<String> = (0..80).map(|n| format!("p{n}")).collect();
    let mut rig = Rig::of(&people.iter().map(String::as_str).collect::<Vec<_>>());
    rig.limits.messages_per_s = 1_000.0;
    for name in &people {
        rig.prepare(&format!("{name} join history=0"));
    }
    (0..8).for_each(|n| rig.prepare(&format!("p0 > message \"{n}\"")));
    rig.prepare("(60 s pass)");
    let (rows, tries) = (rig.sql.rows_written.get(), rig.postgres.tries);
    for n in 0..MARKERS {
        rig.prepare(&format!("p{} > read {}\n(1 s passes)", n % 80, n / 80 + 1));
        assert!(n >= 29 || rig.postgres.tries == tries, "READ-7: no transaction before the period ends");
    }
    rig.prepare("(31 s pass)");
    let moved = rig.postgres.reads.iter().filter(|(user, _)| *user != "p0").map(|(_, marker)| marker.seq);
    assert_eq!(moved.sum::<u64>(), MARKERS - MARKERS.div_ceil(80), "all markers moved, and all arrived");
    let tries = rig.postgres.tries - tries;
    let rows = (rig.sql.rows_written.get() - rows) as f64 / MARKERS as f64;
    println!("rows written, each: {rows}; {tries} transactions");
    assert!((0.05..=0.2).contains(&rows), "{rows}");
    assert!(tries <= MARKERS / 30 + 1, "{tries} transactions");
}

#[test]
fn cost_3_messages_reactions_and_reads_together_are_at_most_3_rows_each() {
    let rows = rows_each(1_000, |n| match n % 3 {
        0 => format!("message \"{n}\" #m{n}"),
        1 if n / 30 % 2 == 0 => format!("react 👍 1 #r{n}"),
        1 => format!("unreact 👍 1 #r{n}"),
        _ => format!("read {}", n / 3),
    });
    assert!(rows <= 3.0, "{rows}");
}
