//! The outbox: order, bisecting, the three classes of failure, lost replies, hung batches, restored backups.

use crate::rig::Rig;
use testkit::POISON;

#[test]
fn out_1_what_is_committed_goes_out_in_order_and_as_it_is_now() {
    Rig::new().play(
        r#"
        (Postgres is watched)
        alice join                                    alice < hello seq=0 as owner, online alice, synced 0
        alice > message "a" & alice > message "b"     alarm < in 5000 ms
                                                      alice < new_message 1 "a", new_message 2 "b"
                                                      postgres < (0, 2] 1–2 alice:2: done
        alice > react 👍 1                             alice < reaction_update 3 on 1 +👍 alice =1
                                                      postgres < (2, 3] +👍 alice on 1: done
        (Postgres fails)
        alice > message "c" & alice > react 👍 3 & alice > react 🎉 1 & alice > unreact 👍 1
                                                      alice < new_message 4 "c", error message_not_found of reaction,
                                                          reaction_update 5 on 1 +🎉 alice =1, reaction_update 6 on 1 -👍
                                                          alice =0
                                                      postgres < (3, 6] 4 +🎉 alice on 1 -👍 alice on 1 alice:4: no answer
                                                      alarm < in 500 ms
                                                      operator < postgres_unavailable sqlstate=none why=no answer
        (Postgres recovers)
        (499 ms pass)
        (1 ms pass)                                   alarm < in 5000 ms
                                                      postgres < (3, 6] 4 +🎉 alice on 1 -👍 alice on 1 alice:4: done
                                                      operator < outbox_recovered
        (9 s pass)
        "#,
    );
}

#[test]
fn out_2_a_batch_is_250_events_or_a_mebibyte() {
    let mut rig = Rig::new();
    (rig.limits.messages_burst, rig.limits.frames_burst) = (2_000, 2_000);
    rig.prepare("alice join\n(Postgres fails)");
    for _ in 0..600 {
        rig.frame("alice", r#"{"type":"message","content":"x"}"#);
    }
    rig.prepare("(Postgres is watched)\n(Postgres recovers)\n(1 ms pass)");
    rig.play(
        r#"
        (1001 ms pass)                                alarm < in 5000 ms
                                                      postgres < (0, 250] 1–250 alice:600: done / (250, 500] 251–500:
                                                          done / (500, 600] 501–600: done
                                                      operator < outbox_recovered
        "#,
    );
    rig.watched = false;
    rig.prepare("(Postgres fails)");
    let long = format!(r#"{{"type":"message","content":"{}"}}"#, "😀".repeat(4_000));
    for _ in 0..70 {
        rig.frame("alice", &long);
    }
    rig.postgres.tries = 0;
    rig.prepare("(Postgres recovers)\n(9 s pass)");
    assert_eq!(rig.postgres.last_seq, 670);
    assert_eq!(rig.postgres.tries, 2, "70 × 16 KB are two batches");
}

fn poisoned(place: usize) -> Rig {
    let mut rig = Rig::new();
    rig.prepare("alice join\n(Postgres fails)");
    for n in 1..=5 {
        let content = if n == place { POISON } else { "good" };
        rig.prepare(&format!("alice > message \"{content}\""));
    }
    rig.prepare("(Postgres is watched)\n(Postgres recovers)");
    rig
}

#[test]
fn out_3_poison_at_the_first_place_is_set_aside() {
    let mut rig = poisoned(1);
    rig.play(
        r#"
        (500 ms pass)                                 alarm < in 5000 ms
                                                      postgres < (0, 5] 1–5 alice:5: 22021 / (0, 2] 1–2 alice:5: 22021 /
                                                          (0, 1] 1 alice:5: 22021 / (0, 1]  alice:5: done / (1, 3] 2–3:
                                                          done / (3, 5] 4–5: done
                                                      operator < row_quarantined seq=1 sqlstate=22021 / outbox_recovered
        root outbox                                   root < outbox idle 5/5 lag 0 for 0 ms, aside [1]
        "#,
    );
    assert_eq!(rig.quarantined(), [1]);
}

#[test]
fn out_3_poison_in_the_middle_is_set_aside() {
    let mut rig = poisoned(3);
    rig.play(
        r#"
        (501 ms pass)                                 alarm < in 5000 ms
                                                      postgres < (0, 5] 1–5 alice:5: 22021 / (0, 2] 1–2 alice:5: done /
                                                          (2, 5] 3–5: 22021 / (2, 3] 3: 22021 / (2, 3] : done / (3, 5]
                                                          4–5: done
                                                      operator < outbox_recovered / row_quarantined seq=3 sqlstate=22021
        alice > react 👍 3                             alice < reaction_update 6 on 3 +👍 alice =1
                                                      postgres < (5, 6] : done
        (the room is evicted)
        alice > react 👍 3 & alice > react 🎉 3         alarm < in 5000 ms
                                                      alice < reaction_update 7 on 3 +🎉 alice =1
                                                      postgres < (6, 7] : done
        alice > message "goes on"                     alice < new_message 8 "goes on"
                                                      postgres < (7, 8] 8 alice:8: done
        "#,
    );
    assert_eq!(rig.quarantined(), [3]);
}

#[test]
fn out_3_poison_at_the_last_place_is_set_aside() {
    let mut rig = poisoned(5);
    rig.prepare("(502 ms pass)");
    assert_eq!((rig.quarantined(), rig.postgres.last_seq), (vec![5], 5));
}

#[test]
fn out_3_nothing_but_poison_is_set_aside_whole() {
    let mut rig = Rig::new();
    rig.prepare("alice join\n(Postgres fails)");
    rig.prepare("alice > message \"poison\"\nalice > message \"poison\"\nalice > react 👍 1");
    rig.prepare("(Postgres recovers)\n(9 s pass)");
    assert_eq!((rig.quarantined(), rig.postgres.last_seq, rig.postgres.rows.len()), (vec![1, 2], 3, 0));
}

#[test]
fn out_3_poison_beyond_a_gap_of_a_rebuilt_log_is_found() {
    let mut rig = Rig::new();
    rig.prepare("alice join\nalice > message \"a\"\nalice > message \"b\"");
    rig.prepare("alice > react 👍 1\nalice > react 🎉 1\nalice > message \"c\"");
    rig.prepare("(the room is rebuilt from Postgres)\nalice join history=0");
    rig.prepare("(Postgres is set back to 0)\n(Postgres fails)\nalice > message \"poison\"");
    rig.prepare("(Postgres recovers)\n(9 s pass)");
    assert_eq!((rig.quarantined(), rig.postgres.last_seq), (vec![6], 6));
}

#[test]
fn out_4_a_schema_or_credentials_error_halts_and_sets_nothing_aside() {
    let mut rig = Rig::new();
    for state in ["42P01", "28P01", "3D000"] {
        rig.prepare(&format!("alice join\n(Postgres fails with {state})\nalice > message \"a\""));
        rig.postgres.tries = 0;
        rig.prepare("(59 s pass)");
        assert_eq!(rig.postgres.tries, 0, "{state}: an operator has to act first");
        rig.play(
            r#"
            root outbox                                   root < outbox halted 0/1 lag 1 for 59000 ms, aside []
            "#,
        );
        rig.prepare("(Postgres recovers)\n(2 s pass)");
        assert_eq!((rig.postgres.last_seq, rig.quarantined()), (1, vec![]));
        rig.lawful = false;
        rig = Rig::new();
    }
}

#[test]
fn out_5_anything_else_is_tried_for_ever_ever_more_rarely() {
    for state in ["08006", "40001", "53300", "55P03", "57014", "25006", "XX000"] {
        let mut rig = Rig::new();
        rig.prepare(&format!("alice join\n(Postgres fails with {state})\nalice > message \"a\""));
        let mut tries = Vec::new();
        for _ in 0..120 {
            let before = rig.postgres.tries;
            rig.prepare("(1 s passes)");
            tries.push(rig.postgres.tries - before);
        }
        assert_eq!(tries[..10], [1, 1, 0, 1, 0, 0, 0, 1, 0, 0], "{state}: after 0.5, 1, 2, 4 s and so on");
        let last_minute = tries[60..].iter().sum::<u64>();
        assert!((7..=8).contains(&last_minute), "{state}: every 8 s at last, not {last_minute} a minute");
        assert!(rig.quarantined().is_empty());
    }
}

/// The room can't know that the platform lost an alarm; whoever leaves may have been the last to drive the outbox.
#[test]
fn out_4_an_alarm_that_the_platform_lost_is_set_again_when_somebody_leaves() {
    let mut rig = Rig::new();
    rig.prepare("alice join\n(Postgres fails with 42P01)\nalice > message \"a\"\n(12 s pass)");
    assert!(rig.alarm.take().is_some(), "the halted outbox waits for its alarm");
    rig.prepare("(Postgres recovers)\nalice leave\n(59 s pass)");
    assert_eq!(rig.postgres.last_seq, 1);
}

#[test]
fn out_5_without_an_answer_it_is_tried_again_by_alarm_alone() {
    Rig::new().play(
        r#"
        (Postgres is watched)
        alice join                                    alice < hello seq=0 as owner, online alice, synced 0
        (Postgres fails)
        alice > message "a"                           alarm < in 5000 ms / in 500 ms
                                                      alice < new_message 1 "a"
                                                      postgres < (0, 1] 1 alice:1: no answer
                                                      operator < postgres_unavailable sqlstate=none why=no answer
        (the room crashes)                            alarm < in 5000 ms / in 500 ms
                                                      postgres < (0, 1] 1 alice:1: no answer
                                                      operator < postgres_unavailable sqlstate=none why=no answer
        (2 s pass)                                    alarm < in 5000 ms / in 1000 ms / in 5000 ms / in 2000 ms
                                                      postgres < (0, 1] 1 alice:1: no answer / (0, 1] 1 alice:1: no
                                                          answer
        (Postgres recovers)
        (9 s pass)                                    alarm < in 5000 ms
                                                      postgres < (0, 1] 1 alice:1: done
                                                      operator < outbox_recovered
        "#,
    );
}

#[test]
fn out_6_a_lost_reply_changes_nothing() {
    Rig::new().play(
        r#"
        (Postgres is watched)
        alice join                                    alice < hello seq=0 as owner, online alice, synced 0
        (Postgres loses replies)
        alice > message "a"                           alarm < in 5000 ms / in 500 ms
                                                      alice < new_message 1 "a"
                                                      postgres < (0, 1] 1 alice:1: no answer
                                                      operator < postgres_unavailable sqlstate=none why=no answer
        alice > message "b"                           alice < new_message 2 "b"
        (Postgres recovers)
        (1 s passes)                                  alarm < in 5000 ms
                                                      postgres < (0, 2] 1–2 alice:2: done
                                                      operator < outbox_recovered
        "#,
    );
}

#[test]
fn out_7_postgres_set_back_gets_everything_again() {
    let mut rig = Rig::new();
    rig.prepare("alice join\nbob join\nalice > message \"a\"\nalice > message \"b\"\nbob > read 2");
    rig.prepare("alice > message \"c\"\n(9 s pass)\n(Postgres is watched)");
    rig.play(
        r#"
        (Postgres is set back to 1)
        alice > message "d"                           alarm < in 5000 ms
                                                      alice < new_message 4 "d"
                                                      bob < new_message 4 "d"
                                                      postgres < (3, 4] 4 alice:4: behind 1 / (1, 4] 2–4 alice:4 bob:2:
                                                          done
                                                      operator < postgres_set_back from=3 to=1
        (1 s passes)
        "#,
    );
    assert_eq!(rig.postgres.reads.get("bob").map(|m| m.seq), Some(2), "markers too");
}

#[test]
fn out_8_a_hung_batch_holds_its_lease_and_no_longer() {
    Rig::new().play(
        r#"
        (Postgres is watched)
        alice join                                    alice < hello seq=0 as owner, online alice, synced 0
        (Postgres hangs)
        alice > message "a"                           alarm < in 5000 ms
                                                      alice < new_message 1 "a"
                                                      postgres < (0, 1] 1 alice:1: hangs
        (24 s pass)                                   alarm < in 5000 ms / in 5000 ms / in 5000 ms / in 5000 ms
        alice > message "b"                           alice < new_message 2 "b"
        (Postgres recovers)
        (1 s passes)                                  alarm < in 5000 ms
                                                      postgres < (0, 2] 1–2 alice:2: done
        alice > message "c"                           alice < new_message 3 "c"
                                                      postgres < (2, 3] 3 alice:3: done
        (the hung batch commits)                      postgres < (0, 1] 1 alice:1: ahead 3
        (9 s pass)
        "#,
    );
}

#[test]
fn out_8_a_late_answer_is_no_other_batchs() {
    let mut rig = Rig::new();
    rig.play(
        r#"
        (Postgres is watched)
        alice join                                    alice < hello seq=0 as owner, online alice, synced 0
        (Postgres hangs)
        alice > message "a"                           alarm < in 5000 ms
                                                      alice < new_message 1 "a"
                                                      postgres < (0, 1] 1 alice:1: hangs
        (the room is evicted)                         alarm < in 5000 ms
                                                      postgres < (0, 1] 1 alice:1: hangs
        alice > message "b"                           alice < new_message 2 "b"
        (the hung batch is refused)
        (the hung batch commits)                      postgres < (0, 1] 1 alice:1: done / (1, 2] 2 alice:2: hangs
        (Postgres recovers)
        (1 s passes)
        "#,
    );
    assert!(rig.quarantined().is_empty());
}

#[test]
fn out_8_a_late_batch_commits_after_a_later_batch() {
    Rig::new().play(
        r#"
        alice join                                    alice < hello seq=0 as owner, online alice, synced 0
        (Postgres hangs)
        alice > message "a"                           alice < new_message 1 "a"
        (the room is evicted)
        (Postgres recovers)
        alice > message "b"                           alice < new_message 2 "b"
        (Postgres is watched)
        (the hung batch commits)                      postgres < (0, 1] 1 alice:1: done
        alice > message "c"                           alice < new_message 3 "c"
        "#,
    );
}

#[test]
fn out_8_postgres_ahead_of_this_log_by_a_late_batch_of_its_own() {
    Rig::new().play(
        r#"
        (Postgres is watched)
        alice join                                    alice < hello seq=0 as owner, online alice, synced 0
        (Postgres hangs)
        alice > message "a" & alice > message "b"     alarm < in 5000 ms
                                                      alice < new_message 1 "a", new_message 2 "b"
                                                      postgres < (0, 2] 1–2 alice:2: hangs
        (the room is evicted)                         alarm < in 5000 ms
                                                      postgres < (0, 2] 1–2 alice:2: hangs
        alice > message "c"                           alice < new_message 3 "c"
        (the hung batch commits)                      postgres < (0, 2] 1–2 alice:2: done
        (Postgres recovers)
        (the hung batch commits)                      postgres < (0, 2] 1–2 alice:2: done / (2, 3] 3 alice:3: done
        alice > message "d"                           alice < new_message 4 "d"
                                                      postgres < (3, 4] 4 alice:4: done
        (30 s pass)
        "#,
    );
}

#[test]
fn out_10_another_log_in_postgres_halts_and_is_never_overwritten() {
    let mut rig = Rig::new();
    rig.prepare("alice join");
    (rig.postgres.last_seq, rig.postgres.epoch) = (7, Some("other".into()));
    rig.play(
        r#"
        alice > message "a"                           alice < new_message 1 "a"
                                                      operator < log_epoch_conflict lastSeq=7 / outbox_halted
                                                          why=Postgres holds another log of this room
        root outbox                                   root < outbox halted 0/1 lag 1 for 0 ms, aside []
        "#,
    );
    assert!(rig.postgres.rows.is_empty());
    rig.lawful = false;
}

#[test]
fn out_10_another_message_at_a_seq_is_an_alarm_and_never_overwritten() {
    let mut rig = Rig::new();
    rig.prepare("alice join\n(Postgres fails)\nalice > message \"mine\"");
    let mut other = Rig::new();
    other.prepare("(1 s passes)\nbob join\nbob > message \"theirs\"");
    rig.postgres.rows = std::mem::take(&mut other.postgres.rows);
    other.lawful = false;
    rig.prepare("(Postgres recovers)");
    rig.play(
        r#"
        (1 s passes)                                  operator < row_quarantined seq=1 why=another message stands there
                                                          / outbox_recovered
        root outbox                                   root < outbox idle 1/1 lag 0 for 0 ms, aside [1]
        "#,
    );
    assert_eq!(rig.postgres.rows[&1].content, "theirs");
}
