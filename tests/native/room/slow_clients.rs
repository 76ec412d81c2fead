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

#[test]
fn close_4420_a_first_delivery_may_wait_until_it_has_drained() {
    let mut rig = large_room(400);
    rig.connect("bob", rig.person("bob"), |upgrade| upgrade.since = Some((0, "e1".into())));
    let wait = |rig: &mut Rig, bytes: u32| {
        let connection = rig.socket("bob").expect("an open one");
        let socket = rig.sockets.get_mut(&connection).unwrap();
        (socket.is_slow, socket.waiting_bytes) = (true, bytes);
    };
    wait(&mut rig, 3_200_000);
    rig.fail();
    say(&mut rig, 100);
    assert!(
        rig.socket("bob").is_some(),
        "the replay has not drained yet, and a reload changes nothing in that"
    );
    wait(&mut rig, 4_900_000);
    say(&mut rig, 1);
    assert!(rig.socket("bob").is_none(), "the replay and more than 1 MiB wait");
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
