//! Reactions: which there are, how many people they name, what Postgres gets of them.

use crate::rig::Rig;
use chinwag::limits::{REACTORS_BYTES_MAX, REACTORS_NAMED_MAX};
use serde_json::json;
use testkit::cast::group;

#[test]
fn react_1_a_reaction_has_a_known_message_an_emoji_and_an_action() {
    Rig::new().play(
        r#"
        alice join                                    alice < hello seq=0 as owner, online alice, synced 0
        alice > message "hi"                          alice < new_message 1 "hi"
        alice > react 👍 9 #c1                         alice < error message_not_found of reaction #c1
        alice > {"type":"reaction","messageId":"x","emoji":"👍","action":"add"}
                                                      alice < error message_not_found of reaction
        alice > {"type":"reaction","messageId":"$1","emoji":"","action":"add"}
                                                      alice < error invalid emoji of reaction
        alice > {"type":"reaction","messageId":"$1","emoji":"a\tb","action":"add"}
                                                      alice < error invalid emoji of reaction
        alice > {"type":"reaction","messageId":"$1","emoji":"👍","action":"toggle"}
                                                      alice < error invalid action of reaction
        alice > {"type":"reaction","messageId":"$1","emoji":"👍"}
                                                      alice < error bad_request action of reaction
        alice > {"type":"reaction","messageId":"$1","action":"add"}
                                                      alice < error bad_request emoji of reaction
        alice > {"type":"reaction","emoji":"👍","action":"add"}
                                                      alice < error bad_request messageId of reaction
        alice > {"type":"reaction","messageId":1,"emoji":"👍","action":"add"}
                                                      alice < error bad_request messageId of reaction
        alice > {"type":"reaction","messageId":"$1","emoji":"👍","action":"add","clientId":""}
                                                      alice < error invalid clientId of reaction #
        alice > react 01234567890123456789012345678901234567890123456789012345678901234 1
                                                      alice < error invalid emoji of reaction
        "#,
    );
}

#[test]
fn react_1_what_is_no_emoji_is_invalid_and_can_be_removed_if_it_is_there() {
    let mut rig = Rig::new();
    rig.prepare("alice join\nalice > message \"hi\"");
    rig.play(
        r#"
        alice > react idiot 1                         alice < error invalid emoji of reaction
        alice > react 👍👍 1                            alice < error invalid emoji of reaction
        alice > react __proto__ 1                     alice < error invalid emoji of reaction
        alice > react :Idiot: 1                       alice < error invalid emoji of reaction
        alice > react :party_parrot: 1                alice < reaction_update 2 on 1 +:party_parrot: alice =1
        alice > react ❤ 1                             alice < reaction_update 3 on 1 +❤️ alice =1
        alice > react ❤️ 1 #c1                        alice < ack c1 noop
        alice > unreact ❤ 1                           alice < reaction_update 4 on 1 -❤️ alice =0
        alice > unreact idiot 1 #c2                   alice < ack c2 noop
        "#,
    );
    // As older code has stored it: everybody is named, and nobody is counted.
    rig.crash();
    let old = r#"UPDATE events SET body = json_remove(json_set(body, '$.reactions', json('{"idiot":["alice"]}')),
        '$.reactionCounts', '$.editedBy') WHERE seq = 1"#;
    rig.sql.rows(old, []);
    rig.lawful = false;
    rig.play(
        r#"
        alice join                                    alice < hello seq=4 as owner read alice:1, online alice,
                                                          new_message 1 "hi" {idiot alice}, synced 4
        bob join history=0                            bob < hello seq=4 read alice:1, online alice bob, synced 4
        bob > react idiot 1                           bob < error invalid emoji of reaction
        alice > unreact idiot 1                       alice < reaction_update 5 on 1 -idiot alice =0
                                                      bob < reaction_update 5 on 1 -idiot alice =0
        "#,
    );
}

#[test]
fn react_2_a_message_bears_20_different_emoji() {
    let mut rig = Rig::new();
    rig.prepare("alice join\nbob join\nalice > message \"hi\"");
    for n in 0..20 {
        rig.prepare(&format!("alice > react :e{n}: 1"));
    }
    rig.play(
        r#"
        (1 s passes)                                  alice < user_joined bob
        bob > react :e20: 1 #c1                       bob < error invalid emoji of reaction #c1
        bob > react :e19: 1 #c1                       alice < reaction_update 22 on 1 +:e19: bob =2
                                                      bob < ack c1 seq=22, reaction_update 22 on 1 +:e19: bob =2
        alice > unreact :e0: 1 #c2                    alice < ack c2 seq=23, reaction_update 23 on 1 -:e0: alice =0
                                                      bob < reaction_update 23 on 1 -:e0: alice =0
        bob > react :e20: 1 #c3                       alice < reaction_update 24 on 1 +:e20: bob =1
                                                      bob < ack c3 seq=24, reaction_update 24 on 1 +:e20: bob =1
        "#,
    );
}

/// A room of these many people, `p00` and on, who have all reacted with 👍 to alice's message.
fn crowd(count: usize) -> Rig {
    let people: Vec<String> = (0..count).map(|n| format!("p{n:02}")).collect();
    let people: Vec<&str> = ["alice"].into_iter().chain(people.iter().map(String::as_str)).collect();
    let mut rig = Rig::of(&people);
    rig.prepare("alice post message \"hi\"");
    for name in &people[1..] {
        rig.prepare(&format!("{name} react 👍 1"));
    }
    rig
}

/// Whom this person is shown for 👍 on the first message, and how many there are.
fn shown_to(rig: &mut Rig, name: &str) -> (Vec<String>, u64) {
    rig.prepare(&format!("{name} page limit=1"));
    let message = &rig.answer["messages"][0];
    let named = message["reactions"]["👍"].as_array().cloned().unwrap_or_default();
    let named = named.iter().map(|user| user.as_str().unwrap().to_owned()).collect();
    (named, message["reactionCounts"]["👍"].as_u64().unwrap_or_default())
}

#[test]
fn react_3_a_message_names_20_people_and_oneself_and_counts_all() {
    let mut rig = crowd(25);
    let first: Vec<String> = (0..REACTORS_NAMED_MAX).map(|n| format!("p{n:02}")).collect();
    assert_eq!(shown_to(&mut rig, "alice"), (first.clone(), 25));
    assert_eq!(shown_to(&mut rig, "p03"), (first.clone(), 25));
    let mut with_me = first.clone();
    with_me[REACTORS_NAMED_MAX - 1] = "p24".into();
    assert_eq!(shown_to(&mut rig, "p24"), (with_me.clone(), 25));
    rig.prepare("p24 join");
    let received = rig.last_events["p24"].iter().find(|event| event["type"] == "new_message").unwrap();
    assert_eq!(received["message"]["reactions"]["👍"], json!(with_me), "in the first load too");
    rig.play(
        r#"
        p24 reactors 👍 1 limit=3                      p24 < reactors p00 p01 p02 …
        p24 reactors 👍 1 after=p22                    p24 < reactors p23 p24
        p24 reactors 🎉 1                              p24 < reactors nobody
        p24 reactors 👍 2                              p24 < 404 message_not_found
        "#,
    );
    // Somebody who is named leaves: the next one is named.
    rig.prepare("p00 unreact 👍 1");
    let (named, count) = shown_to(&mut rig, "alice");
    assert_eq!((named.first().unwrap().as_str(), named.last().unwrap().as_str(), count), ("p01", "p20", 24));
    rig.prepare("p24 unreact 👍 1\n(the room is evicted)");
    assert_eq!(shown_to(&mut rig, "p24").1, 23);
    rig.prepare("p24 unreact 👍 1");
    assert_eq!(shown_to(&mut rig, "p24").1, 23, "twice is once");
}

#[test]
fn react_3_a_rebuilt_room_and_an_old_message_name_20_and_keep_all() {
    let mut rig = crowd(25);
    rig.prepare("(9 s pass)\n(the room is rebuilt from Postgres)\np24 react 👍 1");
    assert_eq!(shown_to(&mut rig, "p24").1, 25);
    assert_eq!(shown_to(&mut rig, "alice").0.len(), REACTORS_NAMED_MAX);
    // As older code has stored it: everybody is named, and nobody is counted.
    let people: Vec<String> = (0..25).map(|n| format!("p{n:02}")).collect();
    let old = format!(
        "UPDATE events SET reactors = NULL, body = json_remove(json_set(body, '$.reactions', json('{}')),
            '$.reactionCounts') WHERE seq = 1",
        json!({"👍": people})
    );
    rig.sql.rows(&old, []);
    assert_eq!(shown_to(&mut rig, "alice").1, 25);
    rig.prepare("alice react 👍 1\n(9 s pass)");
    let (named, count) = shown_to(&mut rig, "alice");
    assert_eq!(
        (named.len(), named.last().map(String::as_str), count),
        (REACTORS_NAMED_MAX, Some("alice"), 26)
    );
}

#[test]
fn react_4_an_event_has_the_change_and_the_count_and_legacy_clients_get_100_people() {
    let mut rig = crowd(150);
    rig.prepare("alice join history=0\np00 join as legacy history=0");
    rig.prepare("alice > react 👍 1");
    let event = rig.last_events["alice"][0].to_string();
    assert!(event.len() <= 400, "{}: {event}", event.len());
    let legacy = &rig.last_events["p00"][0];
    assert_eq!(legacy["count"], 151);
    assert_eq!(legacy["reactions"]["👍"].as_array().map(Vec::len), Some(100));
}

#[test]
fn react_5_the_people_of_a_message_take_at_most_a_mebibyte() {
    let mut rig = crowd(21);
    let others = json!({"👍": ["p20", "x".repeat(REACTORS_BYTES_MAX)]});
    rig.sql.rows(&format!("UPDATE events SET reactors = '{others}' WHERE seq = 1"), []);
    rig.lawful = false;
    rig.play(
        r#"
        alice react 👍 1                               alice < 422 invalid emoji
        p20 unreact 👍 1                               p20 < reactions on 1 {👍 p00 p01 p02 p03 p04 p05 p06 p07 p08 p09
                                                          p10 p11 p12 p13 p14 p15 p16 p17 p18 p19}
        "#,
    );
}

#[test]
fn react_6_postgres_gets_the_change_and_not_all_reactions() {
    let mut rig = crowd(25);
    rig.prepare("(9 s pass)\n(Postgres is watched)");
    rig.play(
        r#"
        alice react 👍 1                               alice < reactions on 1 {👍 p00 p01 p02 p03 p04 p05 p06 p07 p08 p09
                                                          p10 p11 p12 p13 p14 p15 p16 p17 p18 alice}
                                                      alarm < in 5000 ms
                                                      postgres < (26, 27] +👍 alice on 1: done
        (1 s passes)
        p00 unreact 👍 1                               p00 < reactions on 1 {👍 p01 p02 p03 p04 p05 p06 p07 p08 p09 p10
                                                          p11 p12 p13 p14 p15 p16 p17 p18 p19 p20}
                                                      postgres < (27, 28] -👍 p00 on 1: done
        p00 react 👍 1                                 p00 < reactions on 1 {👍 p01 p02 p03 p04 p05 p06 p07 p08 p09 p10
                                                          p11 p12 p13 p14 p15 p16 p17 p18 p19 p00}
                                                      postgres < (28, 29] +👍 p00 on 1: done
        p01 unreact 👍 1                               p01 < reactions on 1 {👍 p02 p03 p04 p05 p06 p07 p08 p09 p10 p11
                                                          p12 p13 p14 p15 p16 p17 p18 p19 p20 p21}
                                                      postgres < (29, 30] -👍 p01 on 1: done
        (1 s passes)
        (Postgres loses replies)
        p02 react 🎉 1                                 p02 < reactions on 1 {🎉 p02, 👍 p02 p03 p04 p05 p06 p07 p08 p09 p10
                                                          p11 p12 p13 p14 p15 p16 p17 p18 p19 p20 p21}
                                                      postgres < (30, 31] +🎉 p02 on 1: no answer
                                                      alarm < in 500 ms
                                                      operator < postgres_unavailable sqlstate=none why=no answer
        (Postgres recovers)
        (9 s pass)                                    alarm < in 5000 ms
                                                      postgres < (30, 31] +🎉 p02 on 1: done
                                                      operator < outbox_recovered
        (Postgres is set back to 20)
        p03 react 🎉 1                                 p03 < reactions on 1 {🎉 p02 p03, 👍 p02 p03 p04 p05 p06 p07 p08 p09
                                                          p10 p11 p12 p13 p14 p15 p16 p17 p18 p19 p20 p21}
                                                      alarm < in 5000 ms
                                                      postgres < (31, 32] +🎉 p03 on 1: behind 20 / (20, 32] +🎉 p02 on 1
                                                          +🎉 p03 on 1 +👍 alice on 1 +👍 p00 on 1 -👍 p01 on 1 +👍 p19 on 1
                                                          +👍 p20 on 1 +👍 p21 on 1 +👍 p22 on 1 +👍 p23 on 1 +👍 p24 on 1
                                                          alice:1: done
                                                      operator < postgres_set_back from=31 to=20
        (9 s pass)
        alice delete 1                                alice < deleted 1 at 33
                                                      alarm < in 5000 ms
                                                      postgres < (32, 33] 1: done
        (9 s pass)
        "#,
    );
    assert_eq!(rig.postgres.rows[&1].reactions, Some(vec![]));
}

#[test]
fn react_6_a_row_that_leaves_quarantine_brings_all_its_reactions() {
    let mut rig = Rig::new();
    rig.prepare("alice post message \"poison\"\nbob react 👍 1\n(9 s pass)\n(Postgres is watched)");
    rig.play(
        r#"
        carol react 👍 1                               carol < reactions on 1 {👍 bob carol}
                                                      alarm < in 5000 ms
                                                      postgres < (2, 3] : done
        (9 s pass)
        (Postgres accepts poison)
        root retry                                    operator < outbox_retry_asked by=root rows=1 / row_released seq=1
                                                      root < outbox idle 3/3 lag 0 for 0 ms, aside [1]
                                                      alarm < in 5000 ms
                                                      postgres < (3, 3] 1: done
        (9 s pass)
        carol unreact 👍 1                             carol < reactions on 1 {👍 bob}
                                                      alarm < in 5000 ms
                                                      postgres < (3, 4] -👍 carol on 1: done
        (9 s pass)
        "#,
    );
    let reacted = rig.postgres.rows[&1].reactions.iter().flatten().map(|row| row.user_id.as_str());
    assert_eq!(reacted.collect::<Vec<_>>(), ["bob"]);
}

#[test]
fn edit_1_a_message_says_who_else_has_edited_it() {
    let mut rig = Rig::new().given(|room| *room = group(&["alice", "bob"]));
    rig.play(
        r#"
        bob join                                      bob < hello seq=0, online bob, synced 0
        bob > message "a"                             bob < new_message 1 "a"
        bob > edit 1 "b"                              bob < message_updated 2 is 1 "b" v2
        alice patch 1 "c"                             alice < message 1 "c" edited by alice
                                                      bob < message_updated 3 is 1 "c" edited by alice v3
        bob join since=1                              bob < hello seq=3 read bob:1, online bob, message_updated 2 is 1
                                                          "c" edited by alice v3, message_updated 3 is 1 "c" edited by
                                                          alice v3, synced 3
        bob page                                      bob < page 1 of 3
        (9 s pass)
        (the room is rebuilt from Postgres)
        bob page                                      bob < page 1 of 3
        bob patch 1 "d"                               bob < message 1 "d"
        alice patch 1 "e"                             alice < message 1 "e" edited by alice
        alice delete 1                                alice < deleted 1 at 6
        bob page                                      bob < page 1 of 6
        "#,
    );
}
