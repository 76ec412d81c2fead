//! The storage fails at each statement in turn: no effect, no partial write, and a retry succeeds.

use crate::rig::Rig;

/// What is tried, after what was prepared.
const TRIALS: [(&str, &str); 12] = [
    ("", "bob join"),
    ("bob join", "bob join since=1"),
    ("", "alice > message \"x\" #c1"),
    ("", "alice > message \"x\" thread=1 reply=1 #c1"),
    ("", "alice > edit 1 \"b\" #c1"),
    ("alice > edit 1 \"b\"\nalice > edit 1 \"c\"", "alice > delete 1 #c1"),
    ("alice > message \"x\" thread=1", "alice > delete 3 #c1"),
    ("", "alice > react 🎉 1 #c1"),
    ("", "alice > unreact 👍 1 #c1"),
    ("(Postgres fails)\nbob join\nbob > read 1\nbob > read 2", "bob leave"),
    ("", "alice post message \"x\" #c1"),
    ("(Postgres fails)\nalice > message \"poison\"\nalice > read 3\n(Postgres recovers)", "(1 s passes)"),
];

#[test]
fn store_1_a_failing_statement_leaves_nothing_half() {
    for (prepared, trial) in TRIALS {
        let mut struck = 0;
        for n in 1..60 {
            let mut rig = Rig::new();
            rig.prepare("alice join\nalice > message \"a\" & alice > react 👍 1\n(9 s pass)");
            rig.prepare(prepared);
            let (before, head) = (rig.sql.dump(), rig.head());
            rig.sql.fails_at.set(n);
            rig.play_freely(trial);
            let heard = std::mem::take(&mut rig.heard);
            if rig.sql.fails_at.get() > 0 {
                rig.sql.fails_at.set(0);
                break;
            }
            struck += 1;
            let events = |dump: &str| dump.split("quarantine").next().unwrap().to_owned();
            let failed = heard.iter().any(|(who, what)| who == "operator" && what.contains("failed"));
            assert!(failed, "{trial} at {n}: {heard:?}");
            if rig.head() == head {
                assert_eq!(
                    events(&rig.sql.dump()),
                    events(&before),
                    "{trial} at {n}: half of it was written"
                );
            }
            if trial.contains('#') {
                // What happens to a reply happens to its thread too.
                let events = 1 + u64::from(trial.contains("thread=") || trial.contains("delete 3"));
                rig.prepare(trial);
                assert_eq!(rig.head(), head + events, "{trial} at {n}: said again, it is there once");
                rig.prepare(trial);
                assert_eq!(rig.head(), head + events, "{trial} at {n}: and stays once");
            }
        }
        assert!(struck > 0, "{trial}: the fault never struck");
    }
}

#[test]
fn store_2_the_sender_gets_an_error_and_the_others_miss_nothing() {
    Rig::new().play(
        r#"
        alice join                                    alice < hello seq=0 as owner, online alice, synced 0
        bob join                                      bob < hello seq=0, online alice bob, synced 0
        (1 s passes)                                  alice < user_joined bob
        (the disk fails at statement 6)
        alice > message "a" #a & bob > message "b" #b & alice > message "c" #c & alice > message "d" #d
                                                      operator < failed: the disk is gone
                                                      alice < ack a seq=1, new_message 1 "a", new_message 2 "b" / online
                                                          alice bob, error internal of message #c, ack d seq=3,
                                                          new_message 3 "d"
                                                      bob < new_message 1 "a", ack b seq=2, new_message 2 "b" / online
                                                          alice bob, new_message 3 "d"
        alice > message "c" #c                        alice < ack c seq=4, new_message 4 "c"
                                                      bob < new_message 4 "c"
        "#,
    );
}

#[test]
fn store_3_a_panic_loses_no_event_that_was_committed() {
    Rig::new().play(
        r#"
        alice join                                    alice < hello seq=0 as owner, online alice, synced 0
        bob join                                      bob < hello seq=0, online alice bob, synced 0
        (1 s passes)                                  alice < user_joined bob
        alice > message "a" #a & bob > react 👍 1 & alice panic & bob > message "b"
                                                      alice < ack a seq=1, new_message 1 "a", reaction_update 2 on 1 +👍
                                                          bob =1 / online alice bob, new_message 3 "b"
                                                      bob < new_message 1 "a", reaction_update 2 on 1 +👍 bob =1 / online
                                                          alice bob, new_message 3 "b"
        alice > message "a" #a                        alice < ack a seq=1 duplicate
        "#,
    );
}

#[test]
fn store_4_a_disk_that_fails_again_and_again_harms_nobody_for_good() {
    let mut rig = Rig::new();
    rig.prepare("alice join\nbob join");
    for n in 1..40 {
        rig.sql.fails_at.set(1 + n % 7);
        rig.prepare(&format!("alice > message \"{n}\" #c{n}"));
        rig.sql.fails_at.set(0);
        rig.prepare(&format!("(1 s passes)\nalice > message \"{n}\" #c{n}"));
        assert_eq!(rig.head(), n);
    }
}
