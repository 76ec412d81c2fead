//! What a busy room and an idle room cost in written rows (docs/PLATFORM.md, What it costs).

use crate::rig::Rig;

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
