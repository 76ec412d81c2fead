//! Refusals and closed connections: malformed frames, limits, tokens, close codes.

use crate::rig::Rig;

#[test]
fn err_1_a_bad_frame_is_reported_with_code_field_and_type() {
    let mut rig = Rig::new();
    rig.prepare("alice join\nbob join\ncarol join\ndave join");
    rig.play(
        r#"
        alice > {                                     alice < error bad_json
        alice > {"type":"message","type":"typing"}    alice < error bad_json
        alice > {"type":"message","content":"\ud800"}
                                                      alice < error bad_json
        alice > {"type":"message","attachments":[{"url":"a","url":"b"}]}
                                                      alice < error bad_json
        alice > {}                                    alice < error bad_request type
        bob > {"type":7}                              bob < error bad_request type
        bob > {"type":"shout","clientId":"c1"}        bob < error bad_request type of shout #c1
        bob > [{"type":"ping"}]                       bob < error bad_request
        bob > {"type":"message","attachments":{}}     bob < error bad_request attachments of message
        bob > {"type":"message","attachments":[1]}    bob < error bad_request attachments of message
        carol > {"type":"auth"}                       carol < error bad_request token of auth
        carol > {"type":"auth","token":7}             carol < error bad_request token of auth
        carol > {"type":"ping"}                       carol < pong null seq=0
        carol > {"type":"ping","t":[1,{"a":null}]}    carol < pong [1,{"a":null}] seq=0
        carol > ping 17                               carol < pong 17 seq=0
        "#,
    );
    let deep = format!(r#"{{"type":"ping","t":{}{}}}"#, "[".repeat(128), "]".repeat(128));
    rig.frame("dave", &deep);
    rig.turn();
    assert_eq!(rig.heard.pop().unwrap().1, "error bad_json");
}

#[test]
fn err_2_what_is_refused_changes_nothing() {
    let mut rig = Rig::new();
    rig.prepare("alice join\nalice > message \"hi\"");
    let before = rig.sql.dump();
    rig.prepare("alice > message \"\" #c1\nalice > message \"a\" thread=9 #c2\nalice > react 👍 9 #c3");
    assert_eq!(rig.sql.dump(), before);
    rig.prepare("alice > message \"now\" #c1");
    assert_eq!(rig.head(), 2, "a refused clientId is free");
}

#[test]
fn limit_1_messages_are_5_a_second_and_10_at_once_over_all_sockets() {
    let mut rig = Rig::new();
    rig.prepare("alice join\nalice' join\nbob join");
    for n in 0..5 {
        rig.prepare(&format!("alice > message \"{n}\"\nalice' > message \"{n}\""));
    }
    rig.play(
        r#"
        alice > message "x" #c1                       alice < error rate_limited in 200 ms of message #c1
        alice' > message "x" #c2                      alice' < error rate_limited in 200 ms of message #c2
        alice post message "x" #c3                    alice < 429 rate_limited in 200 ms
        bob > message "y"                             alice < new_message 11 "y"
                                                      alice' < new_message 11 "y"
                                                      bob < new_message 11 "y"
        (the room is evicted)
        alice > message "x" #c1                       alice < error rate_limited in 200 ms of message #c1
        (199 ms pass)
        alice > message "x" #c1                       alice < error rate_limited in 1 ms of message #c1
        (1 ms pass)
        alice > message "x" #c1                       alice < ack c1 seq=12, new_message 12 "x"
                                                      alice' < new_message 12 "x"
                                                      bob < new_message 12 "x"
        alice > message "x" #c4                       alice < error rate_limited in 200 ms of message #c4
        "#,
    );
}

#[test]
fn limit_2_reactions_are_10_a_second_and_20_at_once() {
    let mut rig = Rig::new();
    rig.prepare("alice join\nalice > message \"hi\"");
    for _ in 0..10 {
        rig.prepare("alice > react 👍 1\nalice > unreact 👍 1");
    }
    rig.play(
        r#"
        alice > react 👍 1 #c1                         alice < error rate_limited in 100 ms of reaction #c1
        (100 ms pass)
        alice > react 👍 1 #c1                         alice < ack c1 seq=22, reaction_update 22 on 1 +👍 alice =1
        "#,
    );
}

#[test]
fn limit_3_typing_is_2_a_second_and_4_at_once() {
    Rig::new().play(
        r#"
        alice join                                    alice < hello seq=0 as owner, online alice, synced 0
        alice > typing on & alice > typing off & alice > typing on & alice > typing off
        alice > typing on                             alice < error rate_limited in 500 ms of typing
        (500 ms pass)
        alice > typing on
        "#,
    );
}

#[test]
fn limit_4_frames_are_30_a_second_and_60_at_once() {
    let mut rig = Rig::new();
    rig.prepare("alice join\nalice' join");
    for _ in 0..30 {
        rig.prepare("alice > ping 1\nalice' > ping 1");
    }
    rig.play(
        r#"
        alice > ping 1                                alice < error rate_limited in 34 ms of ping
        alice' > message "x" #c1                      alice' < error rate_limited in 34 ms of message #c1
        alice > {                                     alice < error rate_limited in 34 ms
        (34 ms pass)
        alice > ping 1                                alice < pong 1 seq=0
        "#,
    );
}

#[test]
fn limit_5_the_var_overrides_them() {
    let mut rig = Rig::new();
    rig.limits =
        chinwag::limits::Limits::parse(r#"{"messagesPerS":1,"messagesBurst":1,"socketsPerPerson":1}"#)
            .unwrap();
    rig.play(
        r#"
        alice join                                    alice < hello seq=0 as owner, online alice, synced 0
        alice > message "a"                           alice < new_message 1 "a"
        alice > message "b"                           alice < error rate_limited in 1000 ms of message
        alice' join                                   alice < closed 4409 too_many_connections
                                                      alice' < hello seq=1 as owner read alice:1, online alice,
                                                          new_message 1 "a", synced 1
        "#,
    );
}

#[test]
fn close_4400_more_than_5_malformed_frames_in_10_s() {
    let mut rig = Rig::new();
    rig.prepare("alice join\nalice' join\nbob join\n(1 s passes)");
    rig.prepare(
        "alice > {\nalice > {\nalice > {}\nalice > []\nalice > {\"type\":\"x\"}\nbob > {\nalice' > {",
    );
    rig.play(
        r#"
        alice > message "" #c1                        alice < error content_empty content of message #c1
        (9 s pass)
        alice > {                                     alice < closed 4400 protocol
        alice' > ping 1                               alice' < pong 1 seq=0
        (4 s pass)
        alice join                                    alice < 429 rate_limited in 6000 ms
        bob > {                                       bob < error bad_json
        "#,
    );
    let five = "carol > {\ncarol > {\ncarol > {\ncarol > {\ncarol > {";
    rig.prepare(&format!("carol join\n{five}\n(10 s pass)\n{five}"));
    assert!(rig.socket("carol").is_some(), "five in 10 s are borne");
}

#[test]
fn close_4401_an_expired_token_before_anything_more_is_delivered_or_taken() {
    let mut rig = Rig::new();
    rig.play(
        r#"
        alice join                                    alice < hello seq=0 as owner, online alice, synced 0
        bob join expires_ms=5000                      bob < hello seq=0, online alice bob, synced 0
        carol join expires_ms=5000                    carol < hello seq=0, online alice bob carol, synced 0
        dave join expires_ms=60000                    dave < hello seq=0, online alice bob carol dave, synced 0
        (4 s pass)                                    alice < user_joined bob, user_joined carol, user_joined dave
                                                      bob < user_joined carol, user_joined dave
                                                      carol < user_joined dave
        alice > message "heard by all"                alice < new_message 1 "heard by all"
                                                      bob < new_message 1 "heard by all"
                                                      carol < new_message 1 "heard by all"
                                                      dave < new_message 1 "heard by all"
        carol > auth carol+60                         carol < auth_ok 1795424464
        (1 s passes)
        alice > message "bob's token is over"         bob < closed 4401 auth_expired
                                                      alice < new_message 2 "bob's token is over"
                                                      carol < new_message 2 "bob's token is over"
                                                      dave < new_message 2 "bob's token is over"
        bob join expires_ms=2000                      bob < hello seq=2 read alice:2, online alice bob carol dave,
                                                          new_message 1 "heard by all", new_message 2 "bob's token is
                                                          over", synced 2
        (2 s pass)
        bob > message "too late"                      bob < closed 4401 auth_expired
        (60 s pass)                                   alice < user_left bob
                                                      carol < user_left bob
                                                      dave < user_left bob
        dave > auth dave+60                           dave < closed 4401 auth_expired
        carol > ping 1                                carol < closed 4401 auth_expired
        "#,
    );
}

#[test]
fn auth_1_a_fresh_token_goes_on_and_nobody_elses_does() {
    Rig::new().play(
        r#"
        alice join                                    alice < hello seq=0 as owner, online alice, synced 0
        alice > auth alice+3600                       alice < auth_ok 1795428000
        alice > auth bob+3600                         alice < error forbidden of auth
        alice > auth nonsense                         alice < error unauthenticated of auth
        alice > auth alice+-31                        alice < error token_expired of auth
        alice > auth alice+-20                        alice < auth_ok 1795424380
        alice > ping 1                                alice < pong 1 seq=0
        (10 s pass)
        alice > ping 2                                alice < closed 4401 auth_expired
        "#,
    );
}

#[test]
fn auth_1_tokens_of_one_connection_are_answered_in_their_order() {
    Rig::new().play(
        r#"
        alice join                                    alice < hello seq=0 as owner, online alice, synced 0
        alice > auth alice+60@500
        alice > auth alice+3600
        alice > ping 1                                alice < pong 1 seq=0
        (1 s pass)                                    alice < auth_ok 1795424460, auth_ok 1795428000
        (100 s pass)
        alice > ping 2                                alice < pong 2 seq=0
        "#,
    );
}

#[test]
fn auth_2_a_token_within_its_leeway_lasts_that_long() {
    Rig::new().play(
        r#"
        alice join expires_ms=-20000                  alice < hello seq=0 as owner, online alice, synced 0
        (9 s pass)
        alice > ping 1                                alice < pong 1 seq=0
        (1 s passes)
        alice > ping 2                                alice < closed 4401 auth_expired
        "#,
    );
}

#[test]
fn close_4403_when_membership_ends() {
    Rig::new().play(
        r#"
        alice join                                    alice < hello seq=0 as owner, online alice, synced 0
        bob join                                      bob < hello seq=0, online alice bob, synced 0
        bob' join                                     bob' < hello seq=0, online alice bob, synced 0
        (1 s passes)                                  alice < user_joined bob
        alice > message "to both" & alice > typing on
                                                      alice < new_message 1 "to both"
                                                      bob < new_message 1 "to both", typing alice [alice]
                                                      bob' < new_message 1 "to both", typing alice [alice]
        (bob is removed)                              bob < closed 4403 removed
                                                      bob' < closed 4403 removed
                                                      alice < member_removed 2 bob as member by bob
        alice > message "not to bob"                  alice < new_message 3 "not to bob"
        (9 s pass)                                    alice < user_left bob
        "#,
    );
}

#[test]
fn close_4403_the_outbox_notices_a_change_of_members() {
    let mut rig = Rig::new();
    rig.prepare("alice join\nbob join\n(1 s passes)");
    rig.snapshot.members.retain(|m| m.user_id.as_str() != "bob");
    rig.snapshot.members_version = 2;
    rig.postgres.members_version = 2;
    rig.play(
        r#"
        alice > message "this one bob still hears"    alice < new_message 1 "this one bob still hears" / member_removed
                                                          2 bob as member by bob
                                                      bob < new_message 1 "this one bob still hears" / closed 4403
                                                          removed
        alice > message "this one not"                alice < new_message 3 "this one not"
        "#,
    );
}

#[test]
fn close_4408_4413_4415_4420_each_has_its_reason() {
    let mut rig = Rig::new();
    rig.prepare("alice join\nbob join\ncarol join\ndave join");
    rig.play(
        r#"
        alice fall silent                             alice < closed 4408 heartbeat_timeout
        bob send binary                               bob < closed 4415 binary_unsupported
        carol lag                                     carol < closed 4420 slow_consumer
        bob join                                      bob < 429 rate_limited in 10000 ms
        "#,
    );
    let frame = |bytes: usize| format!(r#"{{"type":"ping","t":"{}"}}"#, "x".repeat(bytes - 22));
    assert_eq!(frame(65_536).len(), 65_536);
    rig.frame("dave", &frame(65_536));
    rig.frame("dave", &frame(65_537));
    rig.turn();
    assert_eq!(rig.heard.pop().unwrap().1, "closed 4413 frame_too_large");
    rig.play("dave join                                     dave < 429 rate_limited in 10000 ms");
}

#[test]
fn close_4409_the_oldest_of_more_than_10_sockets_goes() {
    let mut rig = Rig::new();
    rig.prepare("bob join");
    for n in 0..10 {
        rig.prepare(&format!("alice{} join history=0", "'".repeat(n)));
    }
    rig.prepare("(1 s passes)");
    rig.play(
        r#"
        alice'''''''''' join history=0                alice < closed 4409 too_many_connections
                                                      alice'''''''''' < hello seq=0 as owner, online alice bob, synced 0
        (9 s pass)
        (the room is evicted)
        alice''''''''''' join history=0               alice' < closed 4409 too_many_connections
                                                      alice''''''''''' < hello seq=0 as owner, online alice bob, synced
                                                          0
        "#,
    );
}

#[test]
fn close_4410_when_the_room_is_deleted() {
    let mut rig = Rig::new();
    rig.play(
        r#"
        alice join                                    alice < hello seq=0 as owner, online alice, synced 0
        bob join                                      bob < hello seq=0, online alice bob, synced 0
        (the room is deleted)                         alice < closed 4410 room_gone
                                                      bob < closed 4410 room_gone
        alice join                                    alice < 404 room_not_found
        "#,
    );
    rig.lawful = false;
}

#[test]
fn close_4429_a_sustained_flood() {
    let mut rig = Rig::new();
    rig.prepare("alice join\nalice' join\nbob join\n(1 s passes)");
    for _ in 0..750 {
        rig.prepare("alice > ping 1\nalice' > ping 1");
        rig.now += 10;
    }
    rig.play(
        r#"
        alice > ping 1                                alice < closed 4429 flood
        alice' > ping 1                               alice' < closed 4429 flood
        alice join history=0                          alice < 429 rate_limited in 10000 ms
        bob > message "undisturbed"                   bob < new_message 1 "undisturbed"
        (10 s pass)                                   bob < user_left alice
        alice join history=0                          alice < hello seq=1 as owner read bob:1, online alice bob, synced
                                                          1
        alice > ping 1                                alice < pong 1 seq=1
        "#,
    );
}

#[test]
fn out_9_the_outbox_is_shown_to_the_tenants_admins_alone() {
    Rig::new().play(
        r#"
        alice join                                    alice < hello seq=0 as owner, online alice, synced 0
        (Postgres fails)
        alice > message "a" & alice > message "b"     alice < new_message 1 "a", new_message 2 "b"
                                                      operator < postgres_unavailable sqlstate=none why=no answer
        (2 s pass)
        root outbox                                   root < outbox retrying 0/2 lag 2 for 2000 ms, aside []
        alice outbox                                  alice < 403 forbidden
        mallory outbox                                mallory < 404 room_not_found
        (Postgres recovers)
        (9 s pass)                                    operator < outbox_recovered
        root outbox                                   root < outbox idle 2/2 lag 0 for 0 ms, aside []
        "#,
    );
}

#[test]
fn limit_6_pages_are_10_a_second_and_40_at_once_and_other_calls_count_as_frames() {
    let mut rig = Rig::new();
    rig.prepare("alice join\nalice > message \"hi\"");
    for _ in 0..40 {
        rig.prepare("bob page");
    }
    rig.play(
        r#"
        bob page                                      bob < 429 rate_limited in 100 ms
        carol page                                    carol < page 1 of 1
        bob > message "x"                             bob < has no socket
        (100 ms pass)
        bob page                                      bob < page 1 of 1
        "#,
    );
    for _ in 0..60 {
        rig.prepare("bob read 1");
    }
    rig.play(
        r#"
        bob read 1                                    bob < 429 rate_limited in 34 ms
        "#,
    );
}

#[test]
fn limit_6_a_page_costs_more_the_larger_it_is() {
    let mut rig = Rig::new();
    (rig.limits.messages_burst, rig.limits.frames_burst) = (1_000, 1_000);
    rig.prepare("alice join history=0");
    for _ in 0..10 {
        rig.prepare(&format!("alice > message \"{}\"", "😀".repeat(4_000)));
    }
    // 164 KB are two more: 13 such pages are 39 calls. One more fits and costs more than there is.
    for _ in 0..14 {
        rig.prepare("bob page");
    }
    rig.play(
        r#"
        bob page                                      bob < 429 rate_limited in 300 ms
        (300 ms pass)
        bob read 1                                    bob < read 1
        "#,
    );
    rig.prepare("bob page");
    rig.play(
        r#"
        bob page                                      bob < 429 rate_limited in 300 ms
        "#,
    );
}
