//! Pins: who may pin, what is sent, and what becomes of them when a message or a storage is lost.

use crate::rig::Rig;
use chinwag::limits::PINS_MAX;

#[test]
fn pin_1_an_admin_pins_and_everybody_hears_all_pins() {
    let mut rig = Rig::new();
    rig.prepare("alice join\nbob join\nalice > message \"a\"\nbob > message \"b\"\n(1 s passes)");
    rig.play(
        r#"
        bob pin 1                                     bob < 403 forbidden
        alice pin 1                                   alice < pins [1 "a"] / pins_updated 3 [1] by alice
                                                      bob < pins_updated 3 [1] by alice
        alice pin 2                                   alice < pins [2 "b", 1 "a"] / pins_updated 4 [2 1] by alice
                                                      bob < pins_updated 4 [2 1] by alice
        alice pin 2                                   alice < pins [2 "b", 1 "a"]
        bob pins                                      bob < pins [2 "b", 1 "a"]
        alice unpin 1                                 alice < pins [2 "b"] / pins_updated 5 [2] by alice
                                                      bob < pins_updated 5 [2] by alice
        alice unpin 1                                 alice < pins [2 "b"]
        eve pins                                      eve < 404 room_not_found
        alice pin 9                                   alice < 404 message_not_found
        "#,
    );
    rig.prepare("bob leave\n(the room crashes)");
    // A replay has the pins of now.
    rig.play(
        r#"
        bob join since=2                              bob < hello seq=5 read alice:1 bob:2, online bob, pins_updated 3
                                                          [2] by alice, pins_updated 4 [2] by alice, pins_updated 5 [2]
                                                          by alice, synced 5
        "#,
    );
}

#[test]
fn pin_2_a_deleted_message_is_pinned_no_more() {
    let mut rig = Rig::new();
    rig.prepare("alice join\nalice > message \"a\"\nalice > message \"b\"\nalice pin 1\nalice pin 2");
    rig.play(
        r#"
        alice > delete 1                              alice < message_deleted 5 of 1 by alice
        alice pins                                    alice < pins [2 "b"]
        alice pin 1                                   alice < 404 message_not_found
        alice unpin 1                                 alice < 404 message_not_found
        "#,
    );
    rig.prepare("(9 s pass)");
    assert_eq!(rig.postgres.pins.iter().map(|pin| pin.seq).collect::<Vec<_>>(), [2], "PIN-5");
}

#[test]
fn pin_3_a_room_has_at_most_50_pins_and_none_changes_in_an_archived_room() {
    let mut rig = Rig::new();
    rig.prepare("alice join");
    for n in 1..=PINS_MAX + 1 {
        rig.prepare(&format!("alice > message \"m{n}\"\n(1 s passes)"));
    }
    for n in 1..=PINS_MAX {
        rig.prepare(&format!("alice pin {n}\n(1 s passes)"));
    }
    rig.play("alice pin 51                                  alice < 422 invalid messageId");
    rig.prepare("alice unpin 1\nalice pin 51\n(the room is archived)");
    rig.play(
        r#"
        alice pin 1                                   alice < 409 archived
        alice unpin 2                                 alice < 409 archived
        "#,
    );
}

#[test]
fn pin_4_pins_from_before_ones_membership_are_left_out() {
    let mut rig = Rig::new();
    rig.prepare(
        "alice join\nalice > message \"a\"\nalice > message \"b\"\n(carol joined at 1)\n(1 s passes)",
    );
    rig.prepare("(history is visible since join)\nalice pin 1\nalice pin 2");
    rig.play("carol pins                                    carol < pins [2 \"b\"]");
    rig.play("alice pins                                    alice < pins [2 \"b\", 1 \"a\"]");
}

#[test]
fn pin_5_pins_outlive_a_rebuild_and_a_restore_of_postgres() {
    let mut rig = Rig::new();
    rig.prepare(
        "alice join\nalice > message \"a\"\nalice > message \"b\"\nalice pin 1\nalice pin 2\n(9 s pass)",
    );
    rig.prepare("alice unpin 1\n(9 s pass)");
    let seqs = |rig: &Rig| rig.postgres.pins.iter().map(|pin| pin.seq).collect::<Vec<_>>();
    assert_eq!(seqs(&rig), [2]);
    rig.prepare("(Postgres is set back to 3)");
    assert_eq!(seqs(&rig), [1]);
    rig.prepare("alice > message \"c\"\n(9 s pass)");
    assert_eq!(seqs(&rig), [2]);
    rig.prepare("(the room is rebuilt)\nalice join");
    rig.play("alice pins                                    alice < pins [2 \"b\"]");
}
