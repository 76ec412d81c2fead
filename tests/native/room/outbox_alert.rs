//! Outbox alerts: what the tenant's list receives, and what an operator may do.

use crate::rig::Rig;
use testkit::POISON;

fn watched() -> Rig {
    let mut rig = Rig::new();
    rig.prepare("alice join\n(the list is watched)");
    rig
}

#[test]
fn out_12_a_healthy_room_tells_the_list_nothing() {
    let mut rig = watched();
    rig.play(
        r#"
        alice > message "a" & alice > react 👍 1       alice < new_message 1 "a", reaction_update 2 on 1 +👍 alice =1
        (Postgres fails)
        alice > message "b"                           alice < new_message 3 "b"
                                                      operator < postgres_unavailable sqlstate=none why=no answer
        (29 s pass)
        (Postgres recovers)
        (9 s pass)                                    operator < outbox_recovered
        "#,
    );
}

#[test]
fn out_12_a_lag_of_more_than_30_s_is_reported_and_that_it_is_over() {
    let mut rig = watched();
    rig.play(
        r#"
        (Postgres fails)
        alice > message "a"                           alice < new_message 1 "a"
                                                      operator < postgres_unavailable sqlstate=none why=no answer
        (30 s pass)
        (2 s pass)                                    list < retrying lag 1 for 31500 ms, 0 aside
        alice > message "b"                           alice < new_message 2 "b"
        (60 s pass)
        (300 s pass)                                  list < retrying lag 2 for 335500 ms, 0 aside
        (Postgres recovers)
        (30 s pass)                                   operator < outbox_recovered
                                                      list < well again
        "#,
    );
}

#[test]
fn out_12_a_halted_room_is_reported_at_once() {
    let mut rig = watched();
    rig.play(
        r#"
        (Postgres fails with 42P01)
        alice > message "a"                           alice < new_message 1 "a"
                                                      operator < outbox_halted sqlstate=42P01 why=refused
                                                      list < halted lag 1 for 0 ms, 0 aside
        (100 s pass)                                  operator < outbox_halted sqlstate=42P01 why=refused
        (Postgres recovers)
        (60 s pass)                                   operator < outbox_recovered
                                                      list < well again
        "#,
    );
}

#[test]
fn out_12_quarantined_rows_are_reported_with_their_number() {
    let mut rig = watched();
    rig.play(
        r#"
        alice > message "poison"                      alice < new_message 1 "poison"
                                                      operator < row_quarantined seq=1 sqlstate=22021
                                                      list < draining lag 1 for 0 ms, 1 aside / idle lag 0, 1 aside
        alice > message "good"                        alice < new_message 2 "good"
        alice > message "more poison"                 alice < new_message 3 "more poison"
                                                      operator < row_quarantined seq=3 sqlstate=22021
                                                      list < draining lag 1 for 2 ms, 2 aside / idle lag 0, 2 aside
        (9 s pass)
        "#,
    );
}

#[test]
fn out_12_a_list_that_is_away_is_reported_later_without_traffic() {
    let mut rig = watched();
    rig.play(
        r#"
        (the list is away)
        alice > message "poison"                      alice < new_message 1 "poison"
                                                      operator < row_quarantined seq=1 sqlstate=22021
                                                      list < draining lag 1 for 0 ms, 1 aside, to nobody
        (60 s pass)                                   list < idle lag 0, 1 aside, to nobody / idle lag 0, 1 aside, to
                                                          nobody / idle lag 0, 1 aside, to nobody / idle lag 0, 1 aside,
                                                          to nobody / idle lag 0, 1 aside, to nobody / idle lag 0, 1
                                                          aside, to nobody
        (the list is back)
        (60 s pass)                                   list < idle lag 0, 1 aside
        "#,
    );
}

#[test]
fn out_12_a_crash_between_loses_no_announcement() {
    let mut rig = watched();
    rig.play(
        r#"
        (the list is away)
        alice > message "poison"                      alice < new_message 1 "poison"
                                                      operator < row_quarantined seq=1 sqlstate=22021
                                                      list < draining lag 1 for 0 ms, 1 aside, to nobody
        (the room crashes)
        (the list is back)
        (10 s pass)                                   list < idle lag 0, 1 aside
        (the room is evicted)
        (100 s pass)
        (the list is away)
        root discard 1                                operator < row_given_up by=root seq=1
                                                      root < outbox idle 1/1 lag 0 for 0 ms, aside []
                                                      list < well again, to nobody
        (the room crashes)
        (the list is back)
        (10 s pass)                                   list < well again
        (the room is evicted)
        (60 s pass)
        "#,
    );
    assert_eq!(rig.listed, None);
}

#[test]
fn out_12_a_halted_room_that_sleeps_between_its_tries_tells_no_news_twice() {
    let mut rig = watched();
    rig.play(
        r#"
        (Postgres fails with 42P01)
        alice > message "a"                           alice < new_message 1 "a"
                                                      operator < outbox_halted sqlstate=42P01 why=refused
                                                      list < halted lag 1 for 0 ms, 0 aside
        (50 s pass)
        (the room is evicted)                         operator < outbox_halted sqlstate=42P01 why=refused
        (50 s pass)
        (the room is evicted)                         operator < outbox_halted sqlstate=42P01 why=refused
        (50 s pass)
        (Postgres recovers)
        (60 s pass)                                   operator < outbox_recovered
                                                      list < well again
        "#,
    );
}

#[test]
fn out_13_retry_sends_what_was_set_aside_again() {
    let mut rig = watched();
    rig.play(
        r#"
        alice > message "poison"                      alice < new_message 1 "poison"
                                                      operator < row_quarantined seq=1 sqlstate=22021
                                                      list < draining lag 1 for 0 ms, 1 aside / idle lag 0, 1 aside
        alice > message "good"                        alice < new_message 2 "good"
        alice > message "more poison"                 alice < new_message 3 "more poison"
                                                      operator < row_quarantined seq=3 sqlstate=22021
                                                      list < draining lag 1 for 2 ms, 2 aside / idle lag 0, 2 aside
        (Postgres is watched)
        root retry                                    operator < outbox_retry_asked by=root rows=2 / row_quarantined
                                                          seq=1 sqlstate=22021 / row_quarantined seq=3 sqlstate=22021
                                                      root < outbox idle 3/3 lag 0 for 0 ms, aside [1 3]
                                                      postgres < (3, 3] 1 3: 22021 / (3, 3] 1: 22021 / (3, 3] 3: 22021
        (9 s pass)
        (Postgres accepts poison)
        (the room is evicted)
        root retry                                    operator < outbox_retry_asked by=root rows=2 / row_released seq=1
                                                          / row_released seq=3
                                                      root < outbox idle 3/3 lag 0 for 0 ms, aside [1 3]
                                                      alarm < in 5000 ms
                                                      postgres < (3, 3] 1 3: done
                                                      list < well again
        root outbox                                   root < outbox idle 3/3 lag 0 for 0 ms, aside []
        alice > react 👍 1                             alice < reaction_update 4 on 1 +👍 alice =1
                                                      postgres < (3, 4] +👍 alice on 1: done
        (9 s pass)
        "#,
    );
    assert_eq!(rig.postgres.rows.len(), 3, "{POISON} and all");
    assert!(rig.quarantined().is_empty());
}

#[test]
fn out_13_retry_outlives_a_crash_and_an_outage() {
    let mut rig = watched();
    rig.play(
        r#"
        alice > message "poison"                      alice < new_message 1 "poison"
                                                      operator < row_quarantined seq=1 sqlstate=22021
                                                      list < draining lag 1 for 0 ms, 1 aside / idle lag 0, 1 aside
        (Postgres accepts poison)
        (Postgres fails)
        root retry                                    operator < outbox_retry_asked by=root rows=1 /
                                                          postgres_unavailable sqlstate=none why=no answer
                                                      root < outbox idle 1/1 lag 0 for 0 ms, aside [1]
                                                      list < retrying lag 0, 1 aside
        (the room crashes)                            operator < postgres_unavailable sqlstate=none why=no answer
        (20 s pass)
        (Postgres recovers)
        (40 s pass)                                   operator < row_released seq=1 / outbox_recovered
                                                      list < well again
        root outbox                                   root < outbox idle 1/1 lag 0 for 0 ms, aside []
        "#,
    );
    assert!(rig.quarantined().is_empty());
}

#[test]
fn out_13_retry_of_many_halves_and_keeps_back_what_is_refused_again() {
    let mut rig = watched();
    rig.limits.messages_burst = 100;
    rig.prepare("(Postgres fails)");
    for n in 0..9 {
        rig.prepare(&format!("alice > message \"poison {n}\""));
    }
    rig.prepare("(Postgres recovers)\n(60 s pass)");
    assert_eq!(rig.quarantined().len(), 9);
    let tries = rig.postgres.tries;
    rig.prepare("root retry\n(9 s pass)");
    assert_eq!(rig.quarantined().len(), 9);
    assert!(
        rig.postgres.tries - tries < 30,
        "each by itself, and the ways there: {}",
        rig.postgres.tries - tries
    );
    rig.prepare("(Postgres accepts poison)\nroot retry\n(9 s pass)");
    assert_eq!((rig.quarantined().len(), rig.postgres.rows.len()), (0, 9));
}

#[test]
fn out_13_retry_lets_a_halted_outbox_try_at_once() {
    let mut rig = watched();
    rig.play(
        r#"
        (Postgres fails with 42P01)
        alice > message "a"                           alice < new_message 1 "a"
                                                      operator < outbox_halted sqlstate=42P01 why=refused
                                                      list < halted lag 1 for 0 ms, 0 aside
        (1 s passes)
        (Postgres recovers)
        root retry                                    operator < outbox_retry_asked by=root rows=0 / outbox_recovered
                                                      root < outbox halted 0/1 lag 1 for 1000 ms, aside []
                                                      list < well again
        root outbox                                   root < outbox idle 1/1 lag 0 for 0 ms, aside []
        "#,
    );
}

#[test]
fn out_14_discard_gives_one_row_up_for_good() {
    let mut rig = watched();
    rig.play(
        r#"
        alice > message "poison"                      alice < new_message 1 "poison"
                                                      operator < row_quarantined seq=1 sqlstate=22021
                                                      list < draining lag 1 for 0 ms, 1 aside / idle lag 0, 1 aside
        alice > message "more poison"                 alice < new_message 2 "more poison"
                                                      operator < row_quarantined seq=2 sqlstate=22021
                                                      list < draining lag 1 for 2 ms, 2 aside / idle lag 0, 2 aside
        root discard 3                                root < 404 message_not_found
        root discard 1                                operator < row_given_up by=root seq=1
                                                      root < outbox idle 2/2 lag 0 for 0 ms, aside [2]
                                                      list < idle lag 0, 1 aside
        root discard 1                                root < 404 message_not_found
        (Postgres is watched)
        alice > react 👍 1                             alice < reaction_update 3 on 1 +👍 alice =1
                                                      postgres < (2, 3] : done
        root retry                                    operator < outbox_retry_asked by=root rows=1 / row_quarantined
                                                          seq=2 sqlstate=22021
                                                      root < outbox idle 3/3 lag 0 for 0 ms, aside [2]
                                                      postgres < (3, 3] 2: 22021
        (the room is evicted)
        root outbox                                   root < outbox idle 3/3 lag 0 for 0 ms, aside [2]
        root discard 2                                operator < row_given_up by=root seq=2
                                                      root < outbox idle 3/3 lag 0 for 0 ms, aside []
                                                      alarm < in 10000 ms
                                                      list < well again
        (9 s pass)
        "#,
    );
    assert_eq!(rig.postgres.rows.len(), 0);
}

#[test]
fn out_15_only_the_tenants_admins_tend_an_outbox() {
    let mut rig = watched();
    rig.play(
        r#"
        alice > message "poison"                      alice < new_message 1 "poison"
                                                      operator < row_quarantined seq=1 sqlstate=22021
                                                      list < draining lag 1 for 0 ms, 1 aside / idle lag 0, 1 aside
        alice retry                                   alice < 403 forbidden
        alice discard 1                               alice < 403 forbidden
        mallory retry                                 mallory < 404 room_not_found
        mallory discard 1                             mallory < 404 room_not_found
        root outbox                                   root < outbox idle 1/1 lag 0 for 0 ms, aside [1]
        "#,
    );
}

#[test]
fn out_12_a_clock_that_goes_back_takes_no_room_off_the_list_nor_leaves_it_there() {
    let mut rig = watched();
    rig.prepare("alice > message \"poison\"\n(9 s pass)");
    let reported_at = rig.listed_at;
    rig.evict();
    rig.now -= 3_600_000;
    rig.prepare("root discard 1\n(9 s pass)");
    assert_eq!(rig.listed, None);
    assert!(rig.listed_at > reported_at, "the list would drop what comes from before");
}
