//! Who is notified: members without a socket, once the message is in Postgres, and never its author.

use crate::rig::Rig;
use chinwag::db::Notices;
use chinwag::limits::{BATCH_ROWS_MAX, NOTICES_ABSENT_BYTES_MAX, NOTICES_EVENTS_BYTES_MAX, NOTIFY_USERS_MAX};
use chinwag::protocol::room::NotifyLevel;
use std::collections::BTreeMap;

#[test]
fn notify_1_who_has_no_socket_is_notified_of_what_others_say() {
    Rig::new().play(
        r#"
        (the queue is watched)
        alice join                                    alice < hello seq=0 as owner, online alice, synced 0
        bob join                                      bob < hello seq=0, online alice bob, synced 0
        alice > message "hi"                          alice < new_message 1 "hi"
                                                      bob < new_message 1 "hi"
                                                      queue < 1 for carol dave
        (9 s pass)                                    alice < user_joined bob
        alice > message "one" & bob > message "two"   alice < new_message 2 "one", new_message 3 "two"
                                                      bob < new_message 2 "one", new_message 3 "two"
                                                      queue < 2 for carol dave, 3 for carol dave
        bob > react 👍 1                               alice < reaction_update 4 on 1 +👍 bob =1
                                                      bob < reaction_update 4 on 1 +👍 bob =1
        bob leave
        (9 s pass)                                    alice < user_left bob
        alice > message "three"                       alice < new_message 5 "three"
                                                      queue < 5 for bob carol dave
        "#,
    );
}

#[test]
fn notify_2_what_is_set_and_what_is_read_counts_as_the_room_knows_it() {
    let mut rig = Rig::new();
    for (name, level, mute) in
        [("bob", "none", None), ("carol", "mentions", None), ("dave", "all", Some(600_000))]
    {
        let now = rig.now;
        let member = rig.snapshot.members.iter_mut().find(|m| m.user_id.as_str() == name).unwrap();
        member.notify.level = NotifyLevel::from_name(level).unwrap();
        member.notify.notifications_snoozed_until_ms = mute.map(|ms| now + ms);
    }
    rig.snapshot.members_version += 1;
    rig.postgres.members_version += 1;
    rig.prepare("alice join\nalice > message \"the first\"\n(9 s pass)");
    rig.play(
        r#"
        (the queue is watched)
        alice > message "for nobody"                  alice < new_message 2 "for nobody"
        alice > message "for <@carol>, <@bob> and <@dave>"
                                                      alice < new_message 3 "for <@carol>, <@bob> and <@dave>" @carol
                                                          @bob @dave
                                                      queue < 3 for carol
        alice > message "@room"                       alice < new_message 4 "@room" @room
                                                      queue < 4 for carol
        (600 s pass)
        alice > message "for dave, whose mute is over"
                                                      alice < new_message 5 "for dave, whose mute is over"
                                                      queue < 5 for dave
        "#,
    );
}

#[test]
fn notify_3_nobody_is_notified_before_postgres_has_it() {
    Rig::new().play(
        r#"
        (the queue is watched)
        (Postgres fails)
        alice join                                    alice < hello seq=0 as owner, online alice, synced 0
        alice > message "one"                         alice < new_message 1 "one"
                                                      operator < postgres_unavailable sqlstate=none why=no answer
        (3 s pass)
        (the room crashes)                            operator < postgres_unavailable sqlstate=none why=no answer
        (Postgres recovers)
        (9 s pass)                                    operator < outbox_recovered
                                                      queue < 1 for bob carol dave
        "#,
    );
}

#[test]
fn notify_4_a_queue_that_takes_nothing_is_offered_it_again_and_holds_up_nothing() {
    Rig::new().play(
        r#"
        (the queue is watched)
        (the queue is away)
        (Postgres is watched)
        alice join                                    alice < hello seq=0 as owner, online alice, synced 0
        alice > message "one"                         alarm < in 5000 ms
                                                      alice < new_message 1 "one"
                                                      postgres < (0, 1] 1 alice:1: done
                                                      queue < 1 for bob carol dave, to nobody
        alice > message "two"                         alice < new_message 2 "two"
                                                      postgres < (1, 2] 2 alice:2: done
        (the room is evicted)                         alarm < in 5000 ms
                                                      queue < 1 for bob carol dave, 2 for bob carol dave, to nobody
        alice > message "three"                       alice < new_message 3 "three"
                                                      postgres < (2, 3] 3 alice:3: done
        (2 s pass)
        (the queue is back)
        (9 s pass)                                    alarm < in 5000 ms / in 5000 ms
                                                      queue < 1 for bob carol dave, 2 for bob carol dave, 3 for bob
                                                          carol dave
        (60 s pass)
        "#,
    );
}

#[test]
fn notify_5_an_edit_tells_those_whom_it_newly_mentions() {
    Rig::new().play(
        r#"
        (the queue is watched)
        alice join                                    alice < hello seq=0 as owner, online alice, synced 0
        alice > message "for <@bob>"                  alice < new_message 1 "for <@bob>" @bob
                                                      queue < 1 for bob carol dave
        alice > edit 1 "for <@bob> and <@carol>"      alice < message_updated 2 is 1 "for <@bob> and <@carol>" @bob
                                                          @carol v2
                                                      queue < 1 by 2 for carol
        alice > edit 1 "for <@bob> and <@carol>!"     alice < message_updated 3 is 1 "for <@bob> and <@carol>!" @bob
                                                          @carol v3
        alice > edit 1 "<@bob>, @room"                alice < message_updated 4 is 1 "<@bob>, @room" @room @bob v4
                                                      queue < 1 by 4 for carol dave
        alice > edit 1 "<@bob>, @room!"               alice < message_updated 5 is 1 "<@bob>, @room!" @room @bob v5
        alice > edit 1 "<@bob>"                       alice < message_updated 6 is 1 "<@bob>" @bob v6
        alice > edit 1 "@room"                        alice < message_updated 7 is 1 "@room" @room v7
                                                      queue < 1 by 7 for bob carol dave
        "#,
    );
}

#[test]
fn notify_8_a_client_that_vanished_counts_for_35_s_and_is_owed_what_it_missed() {
    Rig::of(&["alice", "bob"]).play(
        r#"
        (the queue is watched)
        alice join                                    alice < hello seq=0 as owner, online alice, synced 0
        bob join                                      bob < hello seq=0, online alice bob, synced 0
        (9 s pass)                                    alice < user_joined bob
        bob vanishes
        alice > message "received or not"             alice < new_message 1 "received or not"
                                                      bob < new_message 1 "received or not"
        (20 s pass)
        alice > message "missed"                      alice < new_message 2 "missed"
                                                      bob < new_message 2 "missed"
        (20 s pass)
        alice > message "after 35 s"                  alice < new_message 3 "after 35 s"
                                                      bob < new_message 3 "after 35 s"
                                                      queue < 3 for bob
        bob breaks                                    queue < 2 for bob
        (9 s pass)                                    alice < user_left bob
        alice > message "as ever"                     alice < new_message 4 "as ever"
                                                      queue < 4 for bob
        "#,
    );
}

#[test]
fn notify_8_who_leaves_with_a_word_or_reads_elsewhere_is_owed_nothing() {
    Rig::of(&["alice", "bob", "carol"]).play(
        r#"
        (the queue is watched)
        alice join                                    alice < hello seq=0 as owner, online alice, synced 0
        bob join                                      bob < hello seq=0, online alice bob, synced 0
        bob' join                                     bob' < hello seq=0, online alice bob, synced 0
        carol join                                    carol < hello seq=0, online alice bob carol, synced 0
        (9 s pass)                                    alice < user_joined bob, user_joined carol
                                                      bob < user_joined carol
                                                      bob' < user_joined carol
        bob vanishes
        carol vanishes
        (5 s pass)
        alice > message "hi"                          alice < new_message 1 "hi"
                                                      bob < new_message 1 "hi"
                                                      bob' < new_message 1 "hi"
                                                      carol < new_message 1 "hi"
        bob breaks
        carol leave
        (9 s pass)                                    alice < user_left carol
                                                      bob' < user_left carol
        "#,
    );
}

#[test]
fn notify_8_what_a_lost_client_missed_is_owed_when_the_instance_ends_as_well() {
    Rig::of(&["alice", "bob", "carol", "dave"]).play(
        r#"
        (the queue is watched)
        alice join history=0                          alice < hello seq=0 as owner, online alice, synced 0
        bob join history=0                            bob < hello seq=0, online alice bob, synced 0
        carol join history=0                          carol < hello seq=0, online alice bob carol, synced 0
        dave join history=0                           dave < hello seq=0, online alice bob carol dave, synced 0
        (9 s pass)                                    alice < user_joined bob, user_joined carol, user_joined dave
                                                      bob < user_joined carol, user_joined dave
                                                      carol < user_joined dave
        bob vanishes
        carol vanishes
        dave vanishes
        (1 s passes)
        alice > message "missed"                      alice < new_message 1 "missed"
                                                      bob < new_message 1 "missed"
                                                      carol < new_message 1 "missed"
                                                      dave < new_message 1 "missed"
        (1 s passes)
        dave leave
        (9 s pass)                                    alice < user_left dave
                                                      bob < user_left dave
                                                      carol < user_left dave
        (the room crashes)
        carol join history=0                          carol < hello seq=1 read alice:1, online carol, synced 1
        (2 s pass)
        (20 s pass)                                   queue < 1 for bob
        (the room is evicted)
        (the room crashes)
        (60 s pass)
        "#,
    );
}

/// Bob's socket broke, its close event comes when two instances have gone: the first one knew him, the second one had him
/// notified as absent.
#[test]
fn notify_9_a_late_close_notifies_nobody_again() {
    let mut rig = Rig::of(&["alice", "bob"]);
    rig.prepare("alice join\nbob join\n(9 s pass)\nbob vanishes\n(1 s passes)\n(Postgres fails)\nalice > message \"for bob\"");
    let bobs = rig.socket("bob").expect("bob's socket");
    rig.sockets.get_mut(&bobs).expect("bob's socket").is_closing = true;
    rig.prepare("(the room is evicted)\n(Postgres recovers)\n(2 s pass)");
    rig.play(
        r#"
        (the queue is watched)
        (the room is evicted)
        bob breaks
        (60 s pass)                                   alice < user_left bob
        "#,
    );
    assert_eq!(counts(&rig.queued), BTreeMap::from([((1, "bob".to_owned()), 1)]));
}

/// A room of `people`, of whom Alice alone is here, in which she sends as many messages while Postgres is away.
fn backlog(people: usize, messages: u64) -> Rig {
    let names: Vec<String> = (0..people).map(|n| format!("somebody-with-an-id-of-36-bytes-{n:04}")).collect();
    let names: Vec<&str> = std::iter::once("alice").chain(names.iter().map(String::as_str)).collect();
    let mut rig = Rig::of(&names);
    (rig.limits.messages_per_s, rig.limits.frames_per_s) = (10_000.0, 10_000.0);
    (rig.limits.messages_burst, rig.limits.frames_burst) = (10_000, 10_000);
    rig.prepare("alice join history=0\n(9 s pass)\n(Postgres fails)");
    for begin in (1..=messages).step_by(100) {
        let turn = (begin..(begin + 100).min(messages + 1)).map(|n| format!("alice > message \"{n}\""));
        rig.prepare(&turn.collect::<Vec<_>>().join(" & "));
    }
    rig
}

/// How often each event was queued for each person.
fn counts(queued: &[Vec<Notices>]) -> BTreeMap<(u64, String), u32> {
    let mut counts = BTreeMap::new();
    for notices in queued.iter().flatten() {
        for notice in notices.events.iter().flat_map(|event| notices.of(event)) {
            for user in notice.users {
                *counts.entry((notice.event, user)).or_default() += 1;
            }
        }
    }
    counts
}

#[test]
fn notify_4_progress_is_kept_a_piece_and_postgres_does_not_wait_for_it() {
    let (people, messages) = (9, 3 * BATCH_ROWS_MAX);
    let mut rig = backlog(people, messages);
    rig.queue_takes = Some(1);
    rig.prepare("(Postgres recovers)\n(60 s pass)");
    assert_eq!(rig.postgres.last_seq, messages, "all of it is in Postgres");
    assert_eq!(counts(&rig.queued).len() as u64, BATCH_ROWS_MAX * people as u64, "one piece is in the queue");
    // The room forgets nothing of it when its memory is lost.
    rig.prepare("(the room is evicted)");
    (rig.queue_takes, rig.queue_is_away) = (None, false);
    rig.prepare("(60 s pass)");
    let counts = counts(&rig.queued);
    assert_eq!(counts.len() as u64, messages * people as u64);
    assert!(counts.values().all(|count| *count == 1), "nothing was sent to the queue twice");
}

#[test]
fn notify_4_a_message_of_the_queue_is_below_its_limit() {
    let mut rig = backlog(490, BATCH_ROWS_MAX);
    rig.prepare("(Postgres recovers)\n(60 s pass)");
    let sizes = |rig: &Rig| -> Vec<usize> {
        let texts = rig.queued.iter().flatten().map(|notices| serde_json::to_string(notices).unwrap());
        texts.map(|text| text.len()).collect()
    };
    assert_eq!((rig.queued.len(), sizes(&rig).len()), (1, 1), "one message for 250 events and 490 people");
    assert!(sizes(&rig)[0] < 64 * 1024, "{:?}", sizes(&rig));
    assert_eq!(counts(&rig.queued).len(), 490 * BATCH_ROWS_MAX as usize);

    // Ids of 128 characters of 4 bytes each.
    let long: Vec<String> = (0..450).map(|n| format!("{n:04}{}", "😀".repeat(124))).collect();
    let names: Vec<&str> = std::iter::once("alice").chain(long.iter().map(String::as_str)).collect();
    let mut rig = Rig::of(&names);
    rig.prepare("alice join history=0\nalice > message \"hi\"\n(9 s pass)");
    assert!(sizes(&rig).len() > 1 && sizes(&rig).iter().all(|size| *size < 100 * 1024), "{:?}", sizes(&rig));
    let notices: Vec<_> = rig.queued.iter().flatten().collect();
    let each = notices.iter().flat_map(|notices| notices.of(&notices.events[0]));
    let mut parts: Vec<_> = each.map(|notice| (notice.part, notice.users.len())).collect();
    assert!(parts.iter().all(|(_, users)| *users <= NOTIFY_USERS_MAX));
    assert_eq!(parts.iter().map(|(_, users)| users).sum::<usize>(), 450);
    let before = parts.len();
    parts.dedup_by_key(|(part, _)| *part);
    assert_eq!(parts.len(), before, "each part once");
    const { assert!(NOTICES_EVENTS_BYTES_MAX + NOTICES_ABSENT_BYTES_MAX < 100 * 1024) };
}
