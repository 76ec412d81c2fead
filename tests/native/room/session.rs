//! The beginning of a connection: hello, online_users, the replay or the history, synced; and no gap after it.

use crate::rig::Rig;

#[test]
fn hello_1_a_beginning_has_one_order() {
    Rig::new().play(
        r#"
        alice join                                    alice < hello seq=0 as owner, online alice, synced 0
        alice > message "hi"                          alice < new_message 1 "hi"
        bob join                                      bob < hello seq=1 read alice:1, online alice bob, new_message 1
                                                          "hi", synced 1
        carol join as legacy                          carol < hello seq=1 read alice:1 / online alice bob carol /
                                                          new_message 1 "hi" / synced 1
        (1 s passes)                                  alice < user_joined bob, user_joined carol
                                                      bob < user_joined carol
        mallory join                                  mallory < 404 room_not_found
        alice join tenant=other                       alice < 404 room_not_found
        "#,
    );
}

#[test]
fn hist_1_without_since_the_newest_messages_come() {
    Rig::new().play(
        r#"
        alice join                                    alice < hello seq=0 as owner, online alice, synced 0
        alice > message "a" & alice > message "b" & alice > react 👍 1 & alice > message "c"
                                                      alice < new_message 1 "a", new_message 2 "b", reaction_update 3 on
                                                          1 +👍 alice =1, new_message 4 "c"
        bob join                                      bob < hello seq=4 read alice:4, online alice bob, new_message 1
                                                          "a" {👍 alice}, new_message 2 "b", new_message 4 "c", synced 4
        carol join history=2                          carol < hello seq=4 read alice:4, online alice bob carol,
                                                          new_message 2 "b", new_message 4 "c", synced 4
        dave join history=0                           dave < hello seq=4 read alice:4, online alice bob carol dave,
                                                          synced 4
        bob' join history=1                           bob' < hello seq=4 read alice:4, online alice bob carol dave,
                                                          new_message 4 "c", synced 4
        bob > message "d"                             alice < new_message 5 "d"
                                                      bob < new_message 5 "d"
                                                      carol < new_message 5 "d"
                                                      dave < new_message 5 "d"
                                                      bob' < new_message 5 "d"
        "#,
    );
}

#[test]
fn replay_1_exactly_what_was_missed_comes_once() {
    Rig::new().play(
        r#"
        alice join                                    alice < hello seq=0 as owner, online alice, synced 0
        alice > message "a" & alice > message "b" & alice > react 👍 2 & alice > message "c"
                                                      alice < new_message 1 "a", new_message 2 "b", reaction_update 3 on
                                                          2 +👍 alice =1, new_message 4 "c"
        bob join since=0                              bob < hello seq=4 read alice:4, online alice bob, new_message 1
                                                          "a", new_message 2 "b" {👍 alice}, reaction_update 3 on 2 +👍
                                                          alice =1, new_message 4 "c", synced 4
        carol join since=2                            carol < hello seq=4 read alice:4, online alice bob carol,
                                                          reaction_update 3 on 2 +👍 alice =1, new_message 4 "c", synced
                                                          4
        dave join since=4                             dave < hello seq=4 read alice:4, online alice bob carol dave,
                                                          synced 4
        alice > message "d" & bob' join since=3 & alice > message "e"
                                                      alice < new_message 5 "d" / new_message 6 "e"
                                                      bob < new_message 5 "d" / new_message 6 "e"
                                                      carol < new_message 5 "d" / new_message 6 "e"
                                                      dave < new_message 5 "d" / new_message 6 "e"
                                                      bob' < hello seq=5 read alice:5, online alice bob carol dave,
                                                          new_message 4 "c", new_message 5 "d", synced 5 / new_message 6
                                                          "e"
        "#,
    );
}

#[test]
fn replay_2_what_cannot_be_whole_is_a_resync() {
    let mut rig = Rig::new();
    rig.play(
        r#"
        alice join                                    alice < hello seq=0 as owner, online alice, synced 0
        alice > message "a"                           alice < new_message 1 "a"
        bob join since=1 epoch=another                bob < hello seq=1 read alice:1, online alice bob, resync epoch
                                                          seq=1 e1, synced 1
        bob' join since=2                             bob' < hello seq=1 read alice:1, online alice bob, resync ahead
                                                          seq=1 e1, synced 1
        (Postgres fails)
        alice > message "b"                           alice < new_message 2 "b"
                                                      bob < new_message 2 "b"
                                                      bob' < new_message 2 "b"
                                                      operator < postgres_unavailable sqlstate=none why=no answer
        (Postgres recovers)
        (5 s pass)                                    alice < user_joined bob
                                                      operator < outbox_recovered
        (the room is rebuilt from Postgres)
        bob join since=1 epoch=e1                     bob < hello seq=2 read alice:2, online bob, resync epoch seq=2 e2,
                                                          synced 2
        bob' join since=1 epoch=e2                    bob' < hello seq=2 read alice:2, online bob, resync too_old seq=2
                                                          e2, synced 2
        carol join since=2 epoch=e2                   carol < hello seq=2 read alice:2, online bob carol, synced 2
        carol > message "c"                           bob < new_message 3 "c"
                                                      bob' < new_message 3 "c"
                                                      carol < new_message 3 "c"
        "#,
    );
}

#[test]
fn replay_3_more_than_a_thousand_events_are_too_many() {
    let mut rig = Rig::new();
    rig.limits.messages_burst = 2_000;
    rig.limits.frames_burst = 2_000;
    rig.prepare("alice join history=0");
    for _ in 0..1_001 {
        rig.frame("alice", r#"{"type":"message","content":"x"}"#);
    }
    rig.turn();
    rig.heard.clear();
    rig.play(
        r#"
        bob join since=0 history=7                    bob < hello seq=1001 read alice:1001, online alice bob, resync
                                                          too_many seq=1001 e1, synced 1001
        "#,
    );
    rig.connect("carol", rig.person("carol"), |connect| connect.since = Some((1, "e1".into())));
    rig.turn();
    let heard = std::mem::take(&mut rig.heard).pop().unwrap().1;
    assert_eq!(heard.matches("new_message").count(), 1_000);
}

#[test]
fn replay_4_four_megabytes_are_too_many_too() {
    let mut rig = Rig::new();
    rig.limits.messages_burst = 2_000;
    rig.limits.frames_burst = 2_000;
    rig.prepare("alice join history=0");
    let long = format!(r#"{{"type":"message","content":"{}"}}"#, "ä".repeat(4_000));
    for _ in 0..600 {
        rig.frame("alice", &long);
    }
    rig.turn();
    rig.heard.clear();
    rig.play(
        r#"
        bob join since=0                              bob < hello seq=600 read alice:600, online alice bob, resync
                                                          too_many seq=600 e1, synced 600
        bob' join since=599                           bob' < hello seq=600 read alice:600, online alice bob, new_message
                                                          600 (4000 characters), synced 600
        "#,
    );
}

#[test]
fn replay_5_it_shows_what_a_message_is_now() {
    Rig::new().play(
        r#"
        alice join                                    alice < hello seq=0 as owner, online alice, synced 0
        alice > message "a" & alice > react 👍 1 & alice > react 🎉 1 & alice > unreact 👍 1
                                                      alice < new_message 1 "a", reaction_update 2 on 1 +👍 alice =1,
                                                          reaction_update 3 on 1 +🎉 alice =1, reaction_update 4 on 1 -👍
                                                          alice =0
        bob join since=0                              bob < hello seq=4 read alice:1, online alice bob, new_message 1
                                                          "a" {🎉 alice}, reaction_update 2 on 1 +👍 alice =0,
                                                          reaction_update 3 on 1 +🎉 alice =1, reaction_update 4 on 1 -👍
                                                          alice =0, synced 4
        bob > react 🎉 1                               alice < reaction_update 5 on 1 +🎉 bob =2
                                                      bob < reaction_update 5 on 1 +🎉 bob =2
        carol join since=1                            carol < hello seq=5 read alice:1, online alice bob carol,
                                                          reaction_update 2 on 1 +👍 alice =0, reaction_update 3 on 1 +🎉
                                                          alice =2, reaction_update 4 on 1 -👍 alice =0, reaction_update
                                                          5 on 1 +🎉 bob =2, synced 5
        "#,
    );
}

#[test]
fn hello_2_it_says_role_and_marker_and_markers_of_small_rooms() {
    let mut rig = Rig::new();
    rig.play(
        r#"
        alice join                                    alice < hello seq=0 as owner, online alice, synced 0
        alice > message "a" & alice > message "b"     alice < new_message 1 "a", new_message 2 "b"
        bob join                                      bob < hello seq=2 read alice:2, online alice bob, new_message 1
                                                          "a", new_message 2 "b", synced 2
        bob > read 1
        (bob becomes admin)                           alice < member_updated 3 bob as admin by bob
                                                      bob < member_updated 3 bob as admin by bob
        bob' join history=0                           bob' < hello seq=3 as admin read alice:2 bob:1, online alice bob,
                                                          synced 3
        bob leave
        (the room crashes)
        bob join history=0                            bob < hello seq=3 as admin read alice:2 bob:1, online bob, synced
                                                          3
        "#,
    );
}

#[test]
fn hello_3_a_large_room_shows_only_my_own_marker() {
    let names: Vec<String> = (1..=51).map(|n| format!("p{n:02}")).collect();
    let mut rig = Rig::of(&names.iter().map(String::as_str).collect::<Vec<_>>());
    rig.play(
        r#"
        p01 join                                      p01 < hello seq=0 as owner, online p01, synced 0
        p02 join                                      p02 < hello seq=0, online p01 p02, synced 0
        p01 > message "a"                             p01 < new_message 1 "a"
                                                      p02 < new_message 1 "a"
        p02 > read 1
        (1 s passes)                                  p01 < user_joined p02
        p02' join history=0                           p02' < hello seq=1 read p02:1, online p01 p02, synced 1
        p01 > message "b"                             p01 < new_message 2 "b"
                                                      p02 < new_message 2 "b"
                                                      p02' < new_message 2 "b"
        p02 > read 2
        (1 s passes)                                  p02 < read_receipt p02 2
                                                      p02' < read_receipt p02 2
        "#,
    );
}

#[test]
fn seed_1_a_client_without_a_subprotocol_hears_an_event_a_frame() {
    Rig::new().play(
        r#"
        alice join as legacy                          alice < hello seq=0 as owner / online alice / synced 0
        bob join                                      bob < hello seq=0, online alice bob, synced 0
        alice > message "a" & bob > message "b" #b1 & alice > react 👍 1
                                                      alice < new_message 1 "a" / new_message 2 "b" / reaction_update 3
                                                          on 1 +👍 alice =1 {👍 alice}
                                                      bob < new_message 1 "a", ack b1 seq=2, new_message 2 "b",
                                                          reaction_update 3 on 1 +👍 alice =1
        "#,
    );
}

#[test]
fn batch_1_what_a_turn_releases_leaves_as_one_frame() {
    Rig::new().play(
        r#"
        alice join                                    alice < hello seq=0 as owner, online alice, synced 0
        bob join                                      bob < hello seq=0, online alice bob, synced 0
        alice > message "a" #a1 & alice > message "b" #a2 & bob > message "c" & bob > react 👍 1 #b1
                                                      alice < ack a1 seq=1, new_message 1 "a", ack a2 seq=2, new_message
                                                          2 "b", new_message 3 "c", reaction_update 4 on 1 +👍 bob =1
                                                      bob < new_message 1 "a", new_message 2 "b", new_message 3 "c", ack
                                                          b1 seq=4, reaction_update 4 on 1 +👍 bob =1
        "#,
    );
}

#[test]
fn batch_2_a_frame_of_gathered_events_is_bounded() {
    let mut rig = Rig::new();
    rig.limits.messages_burst = 100;
    rig.prepare("alice join");
    let long = format!(r#"{{"type":"message","content":"{}"}}"#, "😀".repeat(4_000));
    for _ in 0..40 {
        rig.frame("alice", &long);
    }
    rig.turn();
    let heard = std::mem::take(&mut rig.heard).pop().unwrap().1;
    assert_eq!(heard.matches(" / ").count() + 1, 3, "40 × 16 KB in frames of at most 256 KiB");
    assert!(rig.longest_frame_bytes <= chinwag::limits::FRAME_OUT_BYTES_MAX);
}

#[test]
fn seam_1_nothing_falls_between_replay_and_present() {
    Rig::new().play(
        r#"
        alice join                                    alice < hello seq=0 as owner, online alice, synced 0
        alice > message "a" & bob join since=0 & alice > message "b" & carol join & alice > react 👍 2
                                                      alice < new_message 1 "a" / new_message 2 "b" / reaction_update 3
                                                          on 2 +👍 alice =1
                                                      bob < hello seq=1 read alice:1, online alice bob, new_message 1
                                                          "a", synced 1 / new_message 2 "b" / reaction_update 3 on 2 +👍
                                                          alice =1
                                                      carol < hello seq=2 read alice:2, online alice bob carol,
                                                          new_message 1 "a", new_message 2 "b", synced 2 /
                                                          reaction_update 3 on 2 +👍 alice =1
        "#,
    );
}

#[test]
fn rebuild_1_a_lost_log_is_made_anew_from_postgres_and_goes_on() {
    Rig::new().play(
        r#"
        alice join                                    alice < hello seq=0 as owner, online alice, synced 0
        alice > message "a" #a1 & alice > message "b" thread=1 & alice > react 👍 1 & alice > react 🎉 1
                                                      alice < ack a1 seq=1, new_message 1 "a", new_message 2 "b"
                                                          thread=1, thread_update 3 of 1 has 1 last 00:00,
                                                          reaction_update 4 on 1 +👍 alice =1, reaction_update 5 on 1 +🎉
                                                          alice =1
        (the room is rebuilt from Postgres)
        alice join since=4                            alice < hello seq=5 as owner read alice:2, online alice, resync
                                                          epoch seq=5 e2, synced 5
        bob join                                      bob < hello seq=5 read alice:2, online alice bob, new_message 1
                                                          "a" replies=1 {🎉 alice, 👍 alice}, new_message 2 "b" thread=1,
                                                          synced 5
        alice > message "a" #a1                       alice < ack a1 seq=1 duplicate
        alice > message "x" #a1                       alice < error client_id_conflict clientId of message #a1
        alice > message "c" #a2                       alice < ack a2 seq=6, new_message 6 "c"
                                                      bob < new_message 6 "c"
        carol join since=5 epoch=e2                   carol < hello seq=6 read alice:6, online alice bob carol,
                                                          new_message 6 "c", synced 6
        carol page limit=2                            carol < page … 2 6 of 6
        "#,
    );
}

#[test]
fn rebuild_2_an_unfinished_rebuild_leaves_no_log_behind() {
    let mut rig = Rig::new();
    rig.play(
        r#"
        alice join                                    alice < hello seq=0 as owner, online alice, synced 0
        alice > message "a" & alice > message "b"     alice < new_message 1 "a", new_message 2 "b"
        "#,
    );
    rig.lose_storage();
    rig.crash();
    rig.rebuild(0);
    let store = chinwag::room::store::Store(&*rig.sql);
    assert!(!store.exists().unwrap(), "half a log counts as none");
    rig.rebuild(u64::MAX);
    rig.play(
        r#"
        alice join                                    alice < hello seq=2 as owner read alice:2, online alice,
                                                          new_message 1 "a", new_message 2 "b", synced 2
        alice > message "c"                           alice < new_message 3 "c"
        "#,
    );
}

#[test]
fn rebuild_3_a_seq_is_never_given_twice_even_if_postgres_is_set_back_after_it() {
    Rig::new().play(
        r#"
        alice join                                    alice < hello seq=0 as owner, online alice, synced 0
        alice > message "a" & alice > message "b" & alice > react 👍 1 & alice > react 👍 2
                                                      alice < new_message 1 "a", new_message 2 "b", reaction_update 3 on
                                                          1 +👍 alice =1, reaction_update 4 on 2 +👍 alice =1
        (the room is rebuilt from Postgres)
        alice join history=0                          alice < hello seq=4 as owner read alice:2, online alice, synced 4
        (Postgres hangs)
        alice > read 3
        (30 s pass)                                   alice < read_receipt alice 3
        (Postgres is set back to 1)
        (the hung batch commits)                      postgres < (4, 4]  alice:3: behind 1
                                                      operator < postgres_set_back from=4 to=1
        (the room is evicted)
        alice > message "c"                           alice < new_message 5 "c"
        (Postgres recovers)
        (30 s pass)
        "#,
    );
}

#[test]
fn hist_8_a_page_at_a_time_is_around_the_first_message_since() {
    let mut rig = Rig::new();
    rig.prepare("alice join");
    rig.prepare(r#"alice > message "1" & alice > react 👍 1"#);
    rig.prepare("(60 s pass)");
    rig.prepare(r#"alice > message "3" & alice > react 🎉 1 & alice > message "5" thread=1"#);
    rig.prepare("(60 s pass)");
    rig.prepare(r#"alice > message "7""#);
    rig.prepare("(60 s pass)");
    rig.play(
        r#"
        bob page at=1000 limit=2                      bob < page 1 … of 7
        bob page at=180 limit=2                       bob < page 1 … of 7
        bob page at=179 limit=2                       bob < page 1 3 … of 7
        bob page at=120 limit=1                       bob < page … 3 … of 7
        bob page at=119 limit=1                       bob < page … 7 of 7
        bob page at=60                                bob < page 1 3 5 7 of 7
        bob page at=59 limit=2                        bob < page … 7 of 7
        bob page at=0 limit=1                         bob < page …  of 7
        bob page at=120 threadId=1 limit=1            bob < page 5 of 7
        "#,
    );
}

#[test]
fn hist_2_pages_ascend_and_say_whether_there_is_more() {
    let mut rig = Rig::new();
    rig.prepare("alice join");
    rig.prepare(
        r#"alice > message "1" & alice > message "2" & alice > react 👍 1 & alice > message "4" thread=1"#,
    );
    rig.prepare(r#"alice > message "5" & alice > message "6" thread=1"#);
    rig.play(
        r#"
        bob page                                      bob < page 1 2 4 6 7 of 8
        bob page limit=2                              bob < page … 6 7 of 8
        bob page before=5 limit=2                     bob < page … 2 4 … of 8
        bob page before=1                             bob < page  … of 8
        bob page before=0                             bob < page  … of 8
        bob page before=99 limit=1                    bob < page … 7 of 8
        bob page after=0 limit=2                      bob < page 1 2 … of 8
        bob page after=2 limit=2                      bob < page … 4 6 … of 8
        bob page after=8                              bob < page …  of 8
        bob page after=99                             bob < page …  of 8
        bob page around=4 limit=3                     bob < page … 2 4 6 … of 8
        bob page around=3 limit=2                     bob < page … 2 4 … of 8
        bob page around=1 limit=2                     bob < page 1 … of 8
        bob page around=6 limit=2                     bob < page … 4 6 … of 8
        bob page limit=0                              bob < page … 7 of 8
        bob page limit=1000                           bob < page 1 2 4 6 7 of 8
        bob page threadId=1                           bob < page 4 7 of 8
        bob page threadId=1 limit=1                   bob < page … 7 of 8
        bob page threadId=1 before=6                  bob < page 4 … of 8
        bob page threadId=9                           bob < page  of 8
        mallory page                                  mallory < 404 room_not_found
        "#,
    );
}
