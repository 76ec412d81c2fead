//! Presence, typing and read markers; and an idle room has no timer.

use crate::rig::Rig;

#[test]
fn pres_1_a_person_is_there_once_over_all_tabs() {
    Rig::new().play(
        r#"
        alice join                                    alice < hello seq=0 as owner, online alice, synced 0
        bob join                                      bob < hello seq=0, online alice bob, synced 0
        bob' join                                     bob' < hello seq=0, online alice bob, synced 0
        (1 s passes)                                  alice < user_joined bob
        bob leave
        (9 s pass)
        carol join                                    carol < hello seq=0, online alice bob carol, synced 0
        bob' leave
        (4900 ms pass)                                alice < user_joined carol
        dave join                                     dave < hello seq=0, online alice bob carol dave, synced 0
        (1 s passes)                                  alice < user_joined dave, user_left bob
                                                      carol < user_joined dave, user_left bob
                                                      dave < user_left bob
        "#,
    );
}

#[test]
fn pres_2_coming_back_within_5_s_is_no_news() {
    Rig::new().play(
        r#"
        alice join                                    alice < hello seq=0 as owner, online alice, synced 0
        bob join                                      bob < hello seq=0, online alice bob, synced 0
        (1 s passes)                                  alice < user_joined bob
        bob leave
        (4 s pass)
        bob join                                      bob < hello seq=0, online alice bob, synced 0
        (9 s pass)
        "#,
    );
}

#[test]
fn pres_3_joins_are_gathered_and_never_sent_to_oneself() {
    Rig::new().play(
        r#"
        alice join                                    alice < hello seq=0 as owner, online alice, synced 0
        bob join & carol join & dave join & bob' join
                                                      bob < hello seq=0, online alice bob, synced 0
                                                      carol < hello seq=0, online alice bob carol, synced 0
                                                      dave < hello seq=0, online alice bob carol dave, synced 0
                                                      bob' < hello seq=0, online alice bob carol dave, synced 0
        (99 ms pass)
        (1 ms pass)                                   alice < user_joined bob, user_joined carol, user_joined dave
                                                      bob < user_joined carol, user_joined dave
                                                      carol < user_joined dave
        "#,
    );
}

#[test]
fn pres_4_after_a_kill_there_is_who_has_a_socket() {
    Rig::new().play(
        r#"
        alice join                                    alice < hello seq=0 as owner, online alice, synced 0
        bob join                                      bob < hello seq=0, online alice bob, synced 0
        (1 s passes)                                  alice < user_joined bob
        (the room crashes)
        carol join                                    carol < hello seq=0, online carol, synced 0
        bob join                                      bob < hello seq=0, online bob carol, synced 0
        (9 s pass)                                    carol < user_joined bob
        "#,
    );
}

#[test]
fn pres_5_waking_up_is_no_news() {
    Rig::new().play(
        r#"
        alice join                                    alice < hello seq=0 as owner, online alice, synced 0
        bob join                                      bob < hello seq=0, online alice bob, synced 0
        (1 s passes)                                  alice < user_joined bob
        (the room is evicted)
        alice > message "hi"                          alice < new_message 1 "hi"
                                                      bob < new_message 1 "hi"
        carol join                                    carol < hello seq=1 read alice:1, online alice bob carol,
                                                          new_message 1 "hi", synced 1
        (1 s passes)                                  alice < user_joined carol
                                                      bob < user_joined carol
        bob leave
        (5 s pass)                                    alice < user_left bob
                                                      carol < user_left bob
        "#,
    );
}

#[test]
fn pres_6_after_a_panic_everybody_learns_who_is_there() {
    Rig::new().play(
        r#"
        alice join                                    alice < hello seq=0 as owner, online alice, synced 0
        bob join                                      bob < hello seq=0, online alice bob, synced 0
        (1 s passes)                                  alice < user_joined bob
        bob leave
        (the room panics)                             alice < online alice
        (9 s pass)
        "#,
    );
}

#[test]
fn pres_1_who_leaves_a_sleeping_room_is_announced() {
    Rig::new().play(
        r#"
        alice join                                    alice < hello seq=0 as owner, online alice, synced 0
        bob join                                      bob < hello seq=0, online alice bob, synced 0
        (1 s passes)                                  alice < user_joined bob
        (the room is evicted)
        bob leave
        (4 s pass)
        (1 s passes)                                  alice < user_left bob
        "#,
    );
}

#[test]
fn type_1_typing_is_sent_to_the_others_and_coalesced() {
    Rig::new().play(
        r#"
        alice join                                    alice < hello seq=0 as owner, online alice, synced 0
        bob join                                      bob < hello seq=0, online alice bob, synced 0
        alice > typing on                             bob < typing alice [alice]
        (1 s passes)                                  alice < user_joined bob
        alice > typing on
        (3 s pass)
        alice > typing on                             bob < typing alice [alice]
        bob > typing on                               alice < typing bob [alice bob]
        alice > typing off                            bob < typing off alice [bob]
        alice > typing off
        "#,
    );
}

#[test]
fn type_2_it_ends_by_a_message_and_by_leaving() {
    Rig::new().play(
        r#"
        alice join                                    alice < hello seq=0 as owner, online alice, synced 0
        bob join as legacy                            bob < hello seq=0 / online alice bob / synced 0
        alice > typing on                             bob < typing alice [alice]
        alice > message "hi"                          alice < new_message 1 "hi"
                                                      bob < new_message 1 "hi" / typing off alice []
        alice > typing on                             bob < typing alice [alice]
        alice leave                                   bob < typing off alice []
        (1 s passes)
        "#,
    );
}

#[test]
fn type_3_legacy_clients_receive_its_end_and_others_end_it_themselves() {
    Rig::new().play(
        r#"
        alice join                                    alice < hello seq=0 as owner, online alice, synced 0
        bob join as legacy                            bob < hello seq=0 / online alice bob / synced 0
        carol join                                    carol < hello seq=0, online alice bob carol, synced 0
        (1 s passes)                                  alice < user_joined bob, user_joined carol
                                                      bob < user_joined carol
        alice > typing on                             bob < typing alice [alice]
                                                      carol < typing alice [alice]
        (4 s pass)
        carol > typing on                             alice < typing carol [alice carol]
                                                      bob < typing carol [alice carol]
        (3 s pass)                                    bob < typing off alice [carol]
        (3 s pass)                                    bob < typing off carol []
        "#,
    );
}

#[test]
fn type_4_no_timer_runs_where_all_end_it_themselves() {
    let mut rig = Rig::new();
    rig.prepare("alice join\nbob join\n(9 s pass)");
    rig.prepare("alice > typing on");
    assert_eq!(rig.deadline(), None);
    rig.play(
        r#"
        (60 s pass)
        carol join as legacy                          carol < hello seq=0 / online alice bob carol / synced 0
        (1 s passes)                                  alice < user_joined carol
                                                      bob < user_joined carol
        "#,
    );
}

#[test]
fn type_6_five_people_are_named_and_all_are_counted() {
    let names: Vec<String> = (1..=60).map(|n| format!("p{n:02}")).collect();
    let people: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut rig = Rig::of(&people);
    people.iter().for_each(|name| rig.connect(name, rig.person(name), |_| {}));
    rig.pass(1_000);
    rig.heard.clear();
    people.iter().for_each(|name| rig.frame(name, r#"{"type":"typing","isTyping":true}"#));
    rig.turn();
    for name in ["p01", "p10", "p59"] {
        let heard = rig.heard.iter().find(|(known, _)| known == name).unwrap();
        assert!(heard.1.contains("typing p60 [p01 p02 p03 p04 p05] of 60"), "{heard:?}");
    }
}

#[test]
fn type_5_what_is_no_typing() {
    Rig::new().play(
        r#"
        alice join                                    alice < hello seq=0 as owner, online alice, synced 0
        alice > {"type":"typing"}                     alice < error bad_request isTyping of typing
        alice > {"type":"typing","isTyping":"yes"}    alice < error bad_request isTyping of typing
        alice > {"type":"typing","isTyping":null}     alice < error bad_request isTyping of typing
        "#,
    );
}

#[test]
fn read_1_a_marker_goes_forward_only_and_no_further_than_the_head() {
    Rig::new().play(
        r#"
        alice join                                    alice < hello seq=0 as owner, online alice, synced 0
        bob join                                      bob < hello seq=0, online alice bob, synced 0
        (1 s passes)                                  alice < user_joined bob
        alice > message "a" & alice > message "b" & alice > message "c"
                                                      alice < new_message 1 "a", new_message 2 "b", new_message 3 "c"
                                                      bob < new_message 1 "a", new_message 2 "b", new_message 3 "c"
        bob > read 2 & bob > read 1
        (1 s passes)                                  alice < read_receipt bob 2
                                                      bob < read_receipt bob 2
        bob > read 99
        bob > read 3
        (1 s passes)                                  alice < read_receipt bob 3
                                                      bob < read_receipt bob 3
        bob > read 2
        (1 s passes)
        bob > {"type":"read"}                         bob < error bad_request seq of read
        bob > {"type":"read","seq":-1}                bob < error bad_request seq of read
        bob > {"type":"read","seq":1.5}               bob < error bad_request seq of read
        bob > {"type":"read","seq":"1"}               bob < error bad_request seq of read
        bob > {"type":"read","seq":9007199254740992}  bob < error bad_request seq of read
        "#,
    );
}

#[test]
fn read_2_receipts_are_gathered_and_none_is_sent_for_an_own_message() {
    Rig::new().play(
        r#"
        alice join                                    alice < hello seq=0 as owner, online alice, synced 0
        bob join                                      bob < hello seq=0, online alice bob, synced 0
        carol join                                    carol < hello seq=0, online alice bob carol, synced 0
        (1 s passes)                                  alice < user_joined bob, user_joined carol
                                                      bob < user_joined carol
        alice > message "a" & alice > message "b"     alice < new_message 1 "a", new_message 2 "b"
                                                      bob < new_message 1 "a", new_message 2 "b"
                                                      carol < new_message 1 "a", new_message 2 "b"
        bob > read 1 & carol > read 2 & bob > read 2
        (249 ms pass)
        (1 ms pass)                                   alice < read_receipt bob 2, read_receipt carol 2
                                                      bob < read_receipt bob 2, read_receipt carol 2
                                                      carol < read_receipt bob 2, read_receipt carol 2
        bob > message "c"                             alice < new_message 3 "c"
                                                      bob < new_message 3 "c"
                                                      carol < new_message 3 "c"
        (1 s passes)
        "#,
    );
}

#[test]
fn read_3_markers_outlive_eviction_and_crash_and_reach_postgres() {
    let mut rig = Rig::new();
    rig.play(
        r#"
        alice join                                    alice < hello seq=0 as owner, online alice, synced 0
        bob join                                      bob < hello seq=0, online alice bob, synced 0
        (1 s passes)                                  alice < user_joined bob
        alice > message "a" & alice > message "b"     alice < new_message 1 "a", new_message 2 "b"
                                                      bob < new_message 1 "a", new_message 2 "b"
        (Postgres fails)
        bob > read 1
        bob > read 2
        (the room is evicted)
        (31 s pass)                                   operator < postgres_unavailable sqlstate=none why=no answer
        (the room crashes)                            operator < postgres_unavailable sqlstate=none why=no answer
        alice join history=0                          alice < hello seq=2 as owner read alice:2 bob:2, online alice,
                                                          synced 2
        (Postgres recovers)
        (30 s pass)                                   operator < outbox_recovered
        "#,
    );
    assert_eq!(rig.postgres.reads.get("bob").map(|m| m.seq), Some(2));
}

#[test]
fn read_4_a_marker_saved_but_not_projected_goes_out_after_a_crash_and_only_then() {
    let mut rig = Rig::new();
    rig.prepare("alice join\nbob join\nalice > message \"a\"\n(9 s pass)");
    rig.prepare(
        "(Postgres hangs)\nbob > read 1\n(31 s pass)\n(the room crashes)\n(Postgres recovers)\n(30 s pass)",
    );
    assert_eq!(rig.postgres.reads.get("bob").map(|m| m.seq), Some(1));
    let tries = rig.postgres.tries;
    rig.prepare("(the room is evicted)\nalice join\n(9 s pass)");
    assert_eq!(rig.postgres.tries, tries, "waking up alone asks Postgres nothing");
}

#[test]
fn read_5_set_back_on_purpose_it_is_unread_again_and_own_tabs_hear_it() {
    let mut rig = Rig::new();
    rig.play(
        r#"
        alice join                                    alice < hello seq=0 as owner, online alice, synced 0
        bob join                                      bob < hello seq=0, online alice bob, synced 0
        bob' join                                     bob' < hello seq=0, online alice bob, synced 0
        (1 s passes)                                  alice < user_joined bob
        alice > message "a" & alice > message "b" & alice > message "c"
                                                      alice < new_message 1 "a", new_message 2 "b", new_message 3 "c"
                                                      bob < new_message 1 "a", new_message 2 "b", new_message 3 "c"
                                                      bob' < new_message 1 "a", new_message 2 "b", new_message 3 "c"
        bob > read 3
        (1 s passes)                                  alice < read_receipt bob 3
                                                      bob < read_receipt bob 3
                                                      bob' < read_receipt bob 3
        bob unread 2                                  bob < read 1
        (1 s passes)                                  bob < read_receipt bob 1
                                                      bob' < read_receipt bob 1
        bob unread 3                                  bob < read 1
        bob unread 0                                  bob < read 0
        (1 s passes)                                  bob < read_receipt bob 0
                                                      bob' < read_receipt bob 0
        bob read 2                                    bob < read 2
        (1 s passes)                                  alice < read_receipt bob 2
                                                      bob < read_receipt bob 2
                                                      bob' < read_receipt bob 2
        bob read 99                                   bob < read 3
        bob unread 3 & bob > read 1                   bob < read 2
        (1 s passes)                                  alice < read_receipt bob 2
                                                      bob < read_receipt bob 2
                                                      bob' < read_receipt bob 2
        mallory read 1                                mallory < 404 room_not_found
        mallory unread 1                              mallory < 404 room_not_found
        (30 s pass)
        (the room crashes)
        bob join history=0                            bob < hello seq=3 read alice:3 bob:2, online bob, synced 3
        "#,
    );
    let marker = rig.postgres.reads["bob"];
    assert_eq!((marker.generation, marker.seq), (3, 2));
}

#[test]
fn read_6_a_marker_set_back_is_not_overtaken_by_an_older_one() {
    let mut rig = Rig::new();
    rig.play(
        r#"
        alice join                                    alice < hello seq=0 as owner, online alice, synced 0
        bob join                                      bob < hello seq=0, online alice bob, synced 0
        alice > message "a" & alice > message "b"     alice < new_message 1 "a", new_message 2 "b"
                                                      bob < new_message 1 "a", new_message 2 "b"
        bob > read 2
        (Postgres is watched)
        (31 s pass)                                   alice < user_joined bob / read_receipt bob 2
                                                      bob < read_receipt bob 2
                                                      alarm < in 25000 ms / in 5000 ms
                                                      postgres < (2, 2]  bob:2: done
        (Postgres hangs)
        bob unread 1                                  bob < read 0
        (30 s pass)                                   bob < read_receipt bob 0
                                                      alarm < in 26000 ms / in 5000 ms
                                                      postgres < (2, 2]  bob:0(1): hangs
        (the room is evicted)                         alarm < in 5000 ms
                                                      postgres < (2, 2]  bob:0(1): hangs
        bob join history=0                            bob < hello seq=2 read alice:2, online alice bob, synced 2
        (the room crashes)                            alarm < in 5000 ms
                                                      postgres < (2, 2]  bob:0(1): hangs
        (Postgres recovers)
        (30 s pass)                                   alarm < in 5000 ms / in 5000 ms / in 5000 ms / in 5000 ms / in
                                                          5000 ms
                                                      postgres < (2, 2]  bob:0(1): done
        bob join history=0                            bob < hello seq=2 read alice:2, online bob, synced 2
        (the room is rebuilt from Postgres)           alarm < in 3600000 ms
        bob join history=0                            bob < hello seq=2 read alice:2, online bob, synced 2
        "#,
    );
    assert_eq!(rig.postgres.reads["bob"].generation, 1);
}

#[test]
fn read_7_a_marker_starts_no_batch_and_goes_30_s_after_it_moved_also_after_sleep() {
    let mut rig = Rig::new();
    rig.prepare(
        "alice join\nbob join\ncarol join\nalice > message \"a\" & alice > message \"b\"\n(9 s pass)",
    );
    let tries = rig.postgres.tries;
    rig.prepare(
        "bob > read 1\n(15 s pass)\n(the room is evicted)\ncarol > read 2 & bob > read 2\n(14999 ms pass)",
    );
    assert_eq!((rig.postgres.tries, rig.deadline()), (tries, None), "they wait, and without a timer");
    rig.prepare("(2 ms pass)");
    assert_eq!(rig.postgres.tries, tries + 1, "all go together");
    let seq = |rig: &Rig, user: &str| rig.postgres.reads.get(user).map(|marker| marker.seq);
    assert_eq!((seq(&rig, "bob"), seq(&rig, "carol")), (Some(2), Some(2)));
}

#[test]
fn read_7_a_marker_goes_with_the_next_batch() {
    let mut rig = Rig::new();
    rig.prepare("alice join\nbob join\nalice > message \"a\"\n(9 s pass)\nbob > read 1\n(1 s passes)");
    let tries = rig.postgres.tries;
    rig.prepare("alice > message \"b\"\n(1 s passes)");
    assert_eq!(rig.postgres.reads.get("bob").map(|marker| marker.seq), Some(1));
    rig.prepare("(60 s pass)");
    assert_eq!(rig.postgres.tries, tries + 1, "nothing is left to go by itself");
}

#[test]
fn read_7_a_marker_goes_at_once_when_its_person_has_no_socket() {
    let mut rig = Rig::new();
    rig.prepare("alice join\nbob join\nbob' join\nalice > message \"a\" & alice > message \"b\"\n(9 s pass)");
    let seq = |rig: &Rig, user: &str| rig.postgres.reads.get(user).map(|marker| marker.seq);
    rig.prepare("bob > read 1\nbob leave\n(1 s passes)");
    assert_eq!(seq(&rig, "bob"), None, "the other socket holds it");
    rig.prepare("bob' leave\n(1 s passes)");
    assert_eq!(seq(&rig, "bob"), Some(1));
    rig.prepare("carol read 2\n(1 s passes)");
    assert_eq!(seq(&rig, "carol"), Some(2), "over REST");
}

/// The close wakes the room: its new instance has never known the socket.
#[test]
fn read_3_a_marker_outlives_its_socket_in_a_sleeping_room() {
    let mut rig = Rig::new();
    rig.prepare("alice join\nbob join\nalice > message \"a\" & alice > message \"b\"\n(9 s pass)\nbob > read 2\n(15 s pass)");
    rig.prepare("(the room is evicted)\nbob leave\n(1 s passes)");
    assert_eq!(rig.postgres.reads.get("bob").map(|marker| marker.seq), Some(2));
}

#[test]
fn read_3_what_no_socket_holds_is_stored_at_once() {
    let mut rig = Rig::new();
    rig.prepare(
        "alice join\nbob join\nalice > message \"a\" & alice > message \"b\"\n(9 s pass)\n(Postgres fails)",
    );
    rig.prepare("bob > read 2\nbob leave\ncarol read 1\ncarol unread 1\ncarol read 2\n(the room crashes)");
    rig.prepare("(Postgres recovers)\n(30 s pass)");
    let marker = |user: &str| rig.postgres.reads.get(user).map(|marker| (marker.generation, marker.seq));
    assert_eq!((marker("bob"), marker("carol")), (Some((0, 2)), Some((1, 2))));
}

#[test]
fn read_8_the_readers_of_a_message_are_the_members_who_have_read_up_to_it() {
    let mut rig = Rig::new();
    rig.prepare("alice join\nbob join\nalice > message \"a\"\nalice > message \"b\"\n(1 s passes)");
    rig.play(
        r#"
        carol readers 1                               carol < readers , 0 in all
        bob read 1                                    bob < read 1
        carol readers 1                               carol < readers bob, 1 in all
        carol readers 2                               carol < readers , 0 in all
        bob unread 1                                  bob < read 0
        carol readers 1                               carol < readers , 0 in all
        eve readers 1                                 eve < 404 room_not_found
        carol readers 9                               carol < 404 message_not_found
        "#,
    );
    rig.prepare("carol read 2\nbob read 2\n(carol is removed)");
    rig.prepare("alice delete 2");
    rig.play(
        r#"
        bob readers 1                                 bob < readers bob, 1 in all
        bob readers 2                                 bob < 404 message_not_found
        "#,
    );
}

#[test]
fn read_8_who_joined_after_a_message_is_no_reader_of_it_and_may_not_see_it() {
    let mut rig = Rig::new();
    rig.prepare("alice join\nalice > message \"a\"\nbob read 1\n(carol joined at 1)\n(1 s passes)");
    rig.play("bob readers 1                                 bob < readers bob, 1 in all");
    rig.prepare("(history is visible since join)");
    rig.play("carol readers 1                               carol < 404 message_not_found");
}

#[test]
fn read_8_a_hundred_readers_are_named_and_all_are_counted() {
    let names: Vec<String> = (0..130).map(|n| format!("p{n:03}")).collect();
    let mut rig = Rig::of(&names.iter().map(String::as_str).collect::<Vec<_>>());
    rig.prepare("p000 join\np000 > message \"a\"");
    for name in &names {
        rig.prepare(&format!("{name} read 1"));
    }
    rig.play_freely("p000 readers 1");
    let (_, readers) = rig.heard.pop().expect("an answer");
    assert!(
        readers.contains("p001 p002") && readers.contains("p100") && !readers.contains("p101"),
        "{readers}"
    );
    assert!(readers.ends_with(", 129 in all"), "{readers}");
}

#[test]
fn time_1_an_idle_room_has_no_timer_and_no_alarm() {
    let mut rig = Rig::new();
    rig.prepare(
        "alice join\nbob join\nalice > message \"hi\"\nbob > read 1\nbob > typing on\nbob > react 👍 1",
    );
    rig.prepare("(9 s pass)");
    assert_eq!((rig.deadline(), rig.alarm), (None, None));
    let (tries, rows) = (rig.postgres.tries, rig.sql.rows_written.get());
    rig.prepare("(3600 s pass)");
    assert_eq!((rig.postgres.tries, rig.sql.rows_written.get()), (tries, rows));
}
