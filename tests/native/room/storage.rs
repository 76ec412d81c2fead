//! A room whose storage becomes full.

use crate::rig::Rig;

/// A room with a message and a reaction, whose storage takes this share of its limit from now on.
fn room_at(percent: u64) -> Rig {
    let mut rig = Rig::new();
    rig.limits.storage_bytes = 1_000_000;
    rig.prepare("alice join\nbob join history=0\nalice > message \"hi\"\nbob > react 👍 1\n(9 s pass)");
    rig.sql.size_bytes.set(percent * 10_000);
    rig
}

#[test]
fn size_1_a_room_that_is_80_percent_full_is_on_its_tenants_list() {
    let mut rig = room_at(79);
    rig.prepare("alice > message \"more\"\n(9 s pass)");
    assert_eq!(rig.listed, None);
    rig.sql.size_bytes.set(800_000);
    rig.prepare("alice > message \"more\"\n(9 s pass)");
    assert_eq!(rig.listed.as_ref().and_then(|problem| problem.storage_percent), Some(80));
    rig.prepare("(the room crashes)\nalice join\nalice > message \"more\"\n(9 s pass)");
    rig.sql.size_bytes.set(10_000);
    rig.prepare("alice > message \"more\"\n(9 s pass)");
    assert_eq!(rig.listed, None, "it has room again");
}

#[test]
fn size_2_a_room_that_is_95_percent_full_takes_nothing_new_and_lets_go() {
    let mut rig = room_at(95);
    rig.play(
        r#"
        alice > ping 1                                alice < pong 1 seq=2
        alice > message "more" #c1                    alice < error room_full of message #c1
        alice > edit 1 "more" #c2                     alice < error room_full of edit #c2
        alice > react 🎉 1 #c3                         alice < error room_full of reaction #c3
        bob > unreact 👍 1 #c4                         alice < reaction_update 3 on 1 -👍 bob =0
                                                      bob < ack c4 seq=3, reaction_update 3 on 1 -👍 bob =0
        alice reserve u1 3                            alice < 507 room_full
        bob read 1                                    bob < read 1
        bob page                                      bob < page 1 of 3
        alice > delete 1 #c5                          alice < ack c5 seq=4, message_deleted 4 of 1 by alice
                                                      bob < message_deleted 4 of 1 by alice
        (9 s pass)                                    alice < read_receipt bob 1
                                                      bob < read_receipt bob 1
        "#,
    );
    assert_eq!(rig.postgres.last_seq, 4, "the outbox goes on");
    rig.sql.size_bytes.set(0);
    rig.prepare("alice > ping 1");
    rig.play(
        r#"
        alice > message "more" #c1                    alice < ack c1 seq=5, new_message 5 "more"
                                                      bob < new_message 5 "more"
        "#,
    );
}
