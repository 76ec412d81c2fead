//! Large deliveries to clients that read, and the end of those that do not.

use crate::rig::Rig;

/// A room in which alice has sent this many messages of 8 KB.
fn large_room(messages: usize) -> Rig {
    let mut rig = Rig::new();
    rig.limits.messages_burst = 10_000;
    rig.limits.frames_burst = 10_000;
    rig.prepare("alice join history=0");
    say(&mut rig, messages);
    rig
}

/// Alice sends large messages in one turn. Nobody's text of them is kept.
fn say(rig: &mut Rig, messages: usize) {
    let long = format!(r#"{{"type":"message","content":"{}"}}"#, "ä".repeat(4_000));
    for _ in 0..messages {
        rig.frame("alice", &long);
    }
    rig.turn();
}

/// How many messages somebody has received since this was last asked, and what else about the end.
fn received(rig: &mut Rig, name: &str) -> (usize, String) {
    let heard = std::mem::take(&mut rig.heard).into_iter().find(|(known, _)| known == name);
    let heard = heard.map(|(_, line)| line).unwrap_or_default();
    (heard.matches("new_message").count(), heard.rsplit([',', '/']).next().unwrap().trim().to_owned())
}

#[test]
fn close_4420_a_client_that_reads_receives_any_replay_and_any_burst() {
    let mut rig = large_room(400);
    for batches in [true, false] {
        rig.heard.clear();
        rig.connect("bob", rig.person("bob"), |upgrade| {
            upgrade.batches = batches;
            upgrade.since = Some((0, "e1".into()));
        });
        rig.turn();
        assert_eq!(received(&mut rig, "bob"), (400, "synced 400".into()), "3.2 MB, chat.v1: {batches}");
        rig.hang_up("bob", true);
    }
    rig.connect("bob", rig.person("bob"), |upgrade| (upgrade.batches, upgrade.history) = (false, 0));
    rig.turn();
    rig.heard.clear();
    say(&mut rig, 300);
    assert_eq!(received(&mut rig, "bob").0, 300, "2.4 MB within one turn");
    assert!(rig.socket("bob").is_some());
}

/// Bob's socket, which takes nothing any more.
fn lag(rig: &mut Rig) {
    let connection = rig.socket("bob").expect("an open one");
    let socket = rig.sockets.get_mut(&connection).unwrap();
    (socket.is_slow, socket.waiting_bytes) = (true, 250_000);
}

#[test]
fn close_4420_a_large_first_delivery_waits_and_only_a_client_that_takes_nothing_is_closed() {
    let mut rig = large_room(400);
    rig.heard.clear();
    rig.connect("bob", rig.person("bob"), |upgrade| upgrade.since = Some((0, "e1".into())));
    lag(&mut rig);
    rig.turn();
    let first = received(&mut rig, "bob").0;
    assert!((1..=33).contains(&first), "the platform holds {first} messages of 400");
    rig.prepare("(1 s passes)");
    rig.fail();
    assert!(rig.socket("bob").is_some(), "a reload changes nothing in what is held");
    // It reads on: everything arrives, in order, with what was sent meanwhile.
    say(&mut rig, 1);
    let connection = rig.socket("bob").expect("an open one");
    let socket = rig.sockets.get_mut(&connection).unwrap();
    (socket.is_slow, socket.waiting_bytes) = (false, 0);
    rig.heard.clear();
    rig.pass(100);
    let (rest, last) = received(&mut rig, "bob");
    assert_eq!(first + rest, 401, "{last}");
    // It stops again, and more than a mebibyte waits for two seconds.
    lag(&mut rig);
    say(&mut rig, 300);
    rig.prepare("(1 s passes)");
    assert!(rig.socket("bob").is_some());
    rig.prepare("(2 s pass)");
    assert!(rig.socket("bob").is_none(), "nothing has left for 2 s");
}

#[test]
fn batch_3_a_turn_queues_at_most_its_budget_and_sockets_take_turns() {
    let mut rig = Rig::new();
    (rig.limits.messages_burst, rig.limits.frames_burst) = (10_000, 10_000);
    rig.limits.turn_bytes = 100_000;
    rig.prepare("alice join history=0\nbob join history=0\ncarol join history=0");
    rig.longest_turn_bytes = 0;
    rig.heard.clear();
    say(&mut rig, 50);
    assert!((50_000..=100_000).contains(&rig.longest_turn_bytes), "{} in one turn", rig.longest_turn_bytes);
    for name in ["alice", "bob", "carol"] {
        let heard = rig.heard.iter().find(|(known, _)| known == name).map(|(_, line)| line.as_str());
        assert_eq!(heard.unwrap_or_default().matches("new_message").count(), 50, "{name} has all of 400 KB");
    }
}

#[test]
fn close_4420_after_the_first_delivery_a_mebibyte_may_wait() {
    let mut rig = large_room(1);
    rig.prepare("bob join");
    for (waiting, stays_open) in [(1 << 20, true), ((1 << 20) + 1, false)] {
        let connection = rig.socket("bob").expect("an open one");
        let socket = rig.sockets.get_mut(&connection).unwrap();
        (socket.is_slow, socket.waiting_bytes) = (true, waiting);
        say(&mut rig, 1);
        assert_eq!(rig.socket("bob").is_some(), stays_open, "{waiting} bytes");
    }
}
