//! Rooms whose storage an older version created.

use crate::rig::Rig;

#[test]
fn store_5_a_room_of_before_gets_what_its_schema_lacks_and_goes_on() {
    let mut rig = Rig::new();
    rig.prepare("alice join\nalice > message \"root\" #c1\nalice > message \"reply\" thread=1\n(9 s pass)");
    rig.crash();
    // As the first release left it: no versions, no index, no blocks, and neither the step nor generations in its rows.
    for old in [
        "DROP TABLE versions",
        "DROP INDEX events_by_thread",
        "DROP TRIGGER events_message_block",
        "DROP TABLE message_blocks",
        "UPDATE state SET value = json_remove(value, '$.schema') WHERE id = 1",
        "UPDATE events SET body = json_remove(body, '$.lastReplyAt')",
    ] {
        rig.sql.rows(old, []);
    }
    rig.play(
        r#"
        alice join history=0                          alice < hello seq=3 as owner read alice:2, online alice, synced 3
        alice > edit 1 "the root" #e1                 alice < ack e1 seq=4 v2, message_updated 4 is 1 "the root"
                                                          replies=1 v2
        alice versions 1                              alice < versions [1 "root" by alice, 2 "the root" by alice]
        alice > delete 1 #d1                          alice < ack d1 seq=5, message_deleted 5 of 1 by alice
        alice > delete 2 #d2                          alice < ack d2 seq=6, message_deleted 6 of 2 by alice,
                                                          thread_update 7 of 1 has 0
        alice thread 1                                alice < thread of 1 tombstone: 2
        alice page                                    alice < page 1 2 of 7
        (9 s pass)
        "#,
    );
    let indexes = rig.sql.rows("SELECT 1 FROM sqlite_master WHERE name = 'events_by_thread'", []);
    assert_eq!(indexes.len(), 1);
    let tries = rig.sql.rows_written.get();
    rig.prepare("(the room is evicted)\nbob join history=0");
    assert_eq!(rig.sql.rows_written.get(), tries, "and once it has it, a load writes nothing");
}
