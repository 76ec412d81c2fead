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
        alice > ping 1
        alice > message "more" #c1
        alice > edit 1 "more" #c2
        alice > react 🎉 1 #c3
        bob > unreact 👍 1 #c4
        alice reserve u1 3
        bob read 1
        bob page
        alice > delete 1 #c5
        (9 s pass)
        "#,
    );
    assert_eq!(rig.postgres.last_seq, 4, "the outbox goes on");
    rig.sql.size_bytes.set(0);
    rig.prepare("alice > ping 1");
    rig.play("alice > message \"more\" #c1");
}
