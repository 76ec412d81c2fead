//! Messages and reactions: sequence, acks, exactly once, and what is refused.

use crate::rig::Rig;
use chinwag::protocol::room::RoomKind;

#[test]
fn ack_1_the_sending_socket_alone_is_acked_and_before_the_broadcast() {
    Rig::new().play(
        r#"
        alice join                                    alice < hello seq=0 as owner, online alice, synced 0
        alice' join                                   alice' < hello seq=0 as owner, online alice, synced 0
        alice > message "hi" #c1                      alice < ack c1 seq=1, new_message 1 "hi"
                                                      alice' < new_message 1 "hi"
        alice' > react 👍 1 #c2                        alice < reaction_update 2 on 1 +👍 alice =1
                                                      alice' < ack c2 seq=2, reaction_update 2 on 1 +👍 alice =1
        alice > message "without a clientId"          alice < new_message 3 "without a clientId"
                                                      alice' < new_message 3 "without a clientId"
        "#,
    );
}

#[test]
fn ack_3_what_changes_nothing_is_a_noop() {
    Rig::new().play(
        r#"
        alice join                                    alice < hello seq=0 as owner, online alice, synced 0
        alice > message "hi"                          alice < new_message 1 "hi"
        alice > unreact 👍 1 #c1                       alice < ack c1 noop
        alice > react 👍 1 #c2                         alice < ack c2 seq=2, reaction_update 2 on 1 +👍 alice =1
        alice > react 👍 1 #c3                         alice < ack c3 noop
        alice > react 👍 1
        alice > unreact 👍 1 #c4                       alice < ack c4 seq=3, reaction_update 3 on 1 -👍 alice =0
        alice > unreact 👍 1 #c4                       alice < ack c4 seq=3 duplicate
        "#,
    );
}

#[test]
fn dedupe_1_a_retried_message_is_acked_again_and_heard_once() {
    Rig::new().play(
        r#"
        alice join                                    alice < hello seq=0 as owner, online alice, synced 0
        bob join                                      bob < hello seq=0, online alice bob, synced 0
        alice > message "hi" #c1                      alice < ack c1 seq=1, new_message 1 "hi"
                                                      bob < new_message 1 "hi"
        (the room is evicted)
        alice > message "hi" #c1                      alice < ack c1 seq=1 duplicate
        (the room crashes)
        alice join since=1                            alice < hello seq=1 as owner read alice:1, online alice, synced 1
        alice > message "hi" #c1                      alice < ack c1 seq=1 duplicate
        alice > react 👍 1 #c2                         alice < ack c2 seq=2, reaction_update 2 on 1 +👍 alice =1
        (the room is evicted)
        alice > react 👍 1 #c2                         alice < ack c2 seq=2 duplicate
        "#,
    );
}

#[test]
fn dedupe_2_another_payload_or_operation_is_a_conflict() {
    Rig::new().play(
        r#"
        alice join                                    alice < hello seq=0 as owner, online alice, synced 0
        bob join                                      bob < hello seq=0, online alice bob, synced 0
        alice > message "hi" #c1                      alice < ack c1 seq=1, new_message 1 "hi"
                                                      bob < new_message 1 "hi"
        alice > message "ho" #c1                      alice < error client_id_conflict clientId of message #c1
        alice > message "hi" #c1 reply=1              alice < error client_id_conflict clientId of message #c1
        alice > react 👍 1 #c1                         alice < error client_id_conflict clientId of reaction #c1
        alice > react 👍 1 #c2                         alice < ack c2 seq=2, reaction_update 2 on 1 +👍 alice =1
                                                      bob < reaction_update 2 on 1 +👍 alice =1
        alice > react 🎉 1 #c2                         alice < error client_id_conflict clientId of reaction #c2
        alice > unreact 👍 1 #c2                       alice < error client_id_conflict clientId of reaction #c2
        alice > message "hi" #c2                      alice < error client_id_conflict clientId of message #c2
        bob > message "mine" #c1                      alice < new_message 3 "mine"
                                                      bob < ack c1 seq=3, new_message 3 "mine"
        "#,
    );
}

#[test]
fn dedupe_3_a_retry_costs_only_the_limit_on_frames() {
    let mut rig = Rig::new();
    rig.limits.messages_burst = 1;
    rig.play(
        r#"
        alice join                                    alice < hello seq=0 as owner, online alice, synced 0
        alice > message "hi" #c1                      alice < ack c1 seq=1, new_message 1 "hi"
        alice > message "ho" #c2                      alice < error rate_limited in 200 ms of message #c2
        alice > message "hi" #c1                      alice < ack c1 seq=1 duplicate
        (200 ms pass)
        alice > message "ho" #c2                      alice < ack c2 seq=2, new_message 2 "ho"
        "#,
    );
}

#[test]
fn dedupe_4_over_rest_too() {
    Rig::new().play(
        r#"
        alice join                                    alice < hello seq=0 as owner, online alice, synced 0
        bob post message "hi" #c1                     bob < message 1 "hi"
                                                      alice < new_message 1 "hi"
        bob post message "hi" #c1                     bob < message 1 "hi" duplicate
        bob post message "ho" #c1                     bob < 409 client_id_conflict clientId
        bob join                                      bob < hello seq=1 read bob:1, online alice bob, new_message 1
                                                          "hi", synced 1
        bob > message "hi" #c1                        bob < ack c1 seq=1 duplicate
        bob post message "no id"                      bob < message 2 "no id" / new_message 2 "no id"
                                                      alice < new_message 2 "no id"
        mallory post message "hi"                     mallory < 404 room_not_found
        "#,
    );
}

#[test]
fn dedupe_5_a_retry_is_known_in_an_archived_room() {
    Rig::new().play(
        r#"
        alice join                                    alice < hello seq=0 as owner, online alice, synced 0
        alice > message "hi" #c1                      alice < ack c1 seq=1, new_message 1 "hi"
        (the room is archived)                        alice < room_updated 2 archived=true
        alice > message "hi" #c1                      alice < ack c1 seq=1 duplicate
        alice > message "ho" #c2                      alice < error archived of message #c2
        alice > react 👍 1 #c3                         alice < error archived of reaction #c3
        alice > typing on                             alice < error archived of typing
        alice > read 1
        alice report 1 "rude"                         alice < ok 1
        alice page                                    alice < page 1 of 2
        "#,
    );
}

#[test]
fn msg_1_content_is_4000_characters_and_no_blanks_alone() {
    Rig::new().play(
        r#"
        alice join                                    alice < hello seq=0 as owner, online alice, synced 0
        alice > message "ä"*4000 #c1                  alice < ack c1 seq=1, new_message 1 (4000 characters)
        alice > message "ä"*4001 #c2                  alice < error content_too_long content of message #c2
        alice > message "" #c3                        alice < error content_empty content of message #c3
        alice > message " \n\t　" #c4                  alice < error content_empty content of message #c4
        alice > {"type":"message","content":"\u200b\u2060\u00ad\ufe0f\u3164\u2800\u200e\u202e","clientId":"c4"}
                                                      alice < error content_empty content of message #c4
        alice > {"type":"message","content":"\udb40\udd00 \ufeff","clientId":"c4"}
                                                      alice < error content_empty content of message #c4
        alice > {"type":"message","clientId":"c5"}    alice < error bad_request content of message #c5
        alice > {"type":"message","content":null,"clientId":"c6"}
                                                      alice < error bad_request content of message #c6
        alice > {"type":"message","content":7,"clientId":"c7"}
                                                      alice < error bad_request content of message #c7
        alice > {"type":"message","content":"a\u0000b","clientId":"c8"}
                                                      alice < error invalid content of message #c8
        alice > {"type":"message","content":"a","contentType":"html"}
                                                      alice < error invalid contentType of message
        alice > {"type":"message","content":"a","contentType":1}
                                                      alice < error bad_request contentType of message
        alice > {"type":"message","content":"a","contentType":"text","tenantId":"current-tenant-id"}
                                                      alice < new_message 2 "a"
        alice > message "a\u200bb"                    alice < new_message 3 "a\u{200b}b"
        alice > edit 3 "\u200b "                      alice < error content_empty content of edit
        "#,
    );
}

#[test]
fn msg_2_client_ids_are_1_to_64_characters() {
    Rig::new().play(
        r#"
        alice join                                    alice < hello seq=0 as owner, online alice, synced 0
        alice > {"type":"message","content":"a","clientId":""}
                                                      alice < error invalid clientId of message #
        alice > {"type":"message","content":"a","clientId":5}
                                                      alice < error bad_request clientId of message
        alice > {"type":"message","content":"a","clientId":"a\nb"}
                                                      alice < error invalid clientId of message #a\nb
        alice > {"type":"message","content":"a","clientId":"ääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääää"}
                                                      alice < ack
                                                          ääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääää
                                                          seq=1, new_message 1 "a"
        alice > {"type":"message","content":"a","clientId":"äääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääää"}
                                                      alice < error invalid clientId of message #(65 characters)
        "#,
    );
}

#[test]
fn msg_3_threads_and_replies_name_messages_that_exist() {
    Rig::new().play(
        r#"
        alice join                                    alice < hello seq=0 as owner, online alice, synced 0
        alice > message "root"                        alice < new_message 1 "root"
        alice > message "in it" thread=1 reply=1      alice < new_message 2 "in it" thread=1 reply=1, thread_update 3 of
                                                          1 has 1 last 00:00
        alice > message "shows in the room too" thread=1 +room
                                                      alice < new_message 4 "shows in the room too" thread=1 +room,
                                                          thread_update 5 of 1 has 2 last 00:00
        alice > message "a thread in a thread" thread=2
                                                      alice < error invalid threadId of message
        alice > message "nowhere" thread=9            alice < error invalid threadId of message
        alice > message "nowhere" reply=9             alice < error invalid replyToId of message
        alice > {"type":"message","content":"a","threadId":"x"}
                                                      alice < error invalid threadId of message
        alice > {"type":"message","content":"a","threadId":1}
                                                      alice < error bad_request threadId of message
        alice > {"type":"message","content":"a","replyToId":"6c0bd2cc-6a9a-4f39-8c5b-0a7a3d7f3b11"}
                                                      alice < error invalid replyToId of message
        alice > {"type":"message","content":"a","alsoToRoom":true}
                                                      alice < error invalid alsoToRoom of message
        alice > {"type":"message","content":"a","alsoToRoom":"yes"}
                                                      alice < error bad_request alsoToRoom of message
        alice > react 👍 5                             alice < error message_not_found of reaction
        alice > message "no message" reply=5          alice < error invalid replyToId of message
        alice page threadId=1                         alice < page 2 4 of 5
        "#,
    );
}

#[test]
fn msg_4_attachments_are_ten_links_of_https() {
    let file = r#"{"url":"https://a.example/f","name":"f.png","mimeType":"image/png","size":3}"#;
    let mut rig = Rig::new();
    rig.prepare("alice join");
    let mut say = |files: &[&str]| {
        let content = if files.len() > 2 { r#""content":"a","# } else { "" };
        rig.frame("alice", &format!(r#"{{"type":"message",{content}"attachments":[{}]}}"#, files.join(",")));
        rig.turn();
        rig.now += 1_000;
        std::mem::take(&mut rig.heard).pop().unwrap().1
    };
    assert_eq!(say(&[file]), r#"new_message 1 "" files=1"#);
    assert_eq!(say(&[file; 10]), r#"new_message 2 "a" files=10"#);
    assert_eq!(say(&[file; 11]), "error invalid attachments of message");
    assert_eq!(say(&[]), "error bad_request content of message");
    for (bad, code) in [
        (file.replace("https", "http"), "invalid"),
        (file.replace("https://a.example/f", "https://"), "invalid"),
        (file.replace("https://a.example/f", "https://a.example/ f"), "invalid"),
        (file.replace("https://a.example/f", "javascript:alert(1)"), "invalid"),
        (file.replace("f.png", ""), "invalid"),
        (file.replace("f.png", &"x".repeat(256)), "invalid"),
        (file.replace("f.png", "\\u0000"), "invalid"),
        (file.replace(r#""size":3"#, r#""size":-3"#), "bad_request"),
        (file.replace(r#""size":3"#, r#""size":"3""#), "bad_request"),
        (file.replace(r#","size":3"#, ""), "bad_request"),
        (file.replace("\"url\"", "\"uri\""), "bad_request"),
        (r#"{"id":"f1"}"#.into(), "invalid"),
        (r#"{"id":1}"#.into(), "bad_request"),
        ("7".into(), "bad_request"),
    ] {
        assert_eq!(say(&[&bad]), format!("error {code} attachments of message"), "{bad}");
    }
}

#[test]
fn msg_5_mentions_are_members_named_in_the_text() {
    Rig::new().play(
        r#"
        alice join                                    alice < hello seq=0 as owner, online alice, synced 0
        alice > message "<@bob> and <@carol>, <@bob> again, <@mallory>, <@"
                                                      alice < new_message 1 (49 characters) @bob @carol
        alice > message "@room, come"                 alice < new_message 2 "@room, come" @room
        alice > message "mail@room.example is no @roommate"
                                                      alice < new_message 3 "mail@room.example is no @roommate"
        "#,
    );
}

#[test]
fn msg_5_code_mentions_nobody() {
    Rig::new().play(
        r#"
        alice join                                    alice < hello seq=0 as owner, online alice, synced 0
        alice > message "`<@bob>` `@room` <@carol>"   alice < new_message 1 "`<@bob>` `@room` <@carol>" @carol
        alice > message "```\n<@bob> @room\n```"      alice < new_message 2 "```\n<@bob> @room\n```"
        alice > message "> ```js\n> <@bob>\n> ```\n@room"
                                                      alice < new_message 3 "> ```js\n> <@bob>\n> ```\n@room" @room
        alice > message "```\n<@bob> is never closed"
                                                      alice < new_message 4 "```\n<@bob> is never closed" @bob
        alice > message "a ` and <@bob>"              alice < new_message 5 "a ` and <@bob>" @bob
        alice > message "\\`<@bob>`"                  alice < new_message 6 "\\`<@bob>`" @bob
        alice > edit 6 "`<@bob>`"                     alice < message_updated 7 is 6 "`<@bob>`" v2
        "#,
    );
}

#[test]
fn msg_5_a_person_may_be_called_room() {
    Rig::of(&["alice", "room"]).play(
        r#"
        alice join                                    alice < hello seq=0 as owner, online alice, synced 0
        alice > message "ask <@room>"                 alice < new_message 1 "ask <@room>" @room
        "#,
    );
    Rig::new().play(
        r#"
        alice join                                    alice < hello seq=0 as owner, online alice, synced 0
        alice > message "ask <@room>"                 alice < new_message 1 "ask <@room>"
        "#,
    );
}

#[test]
fn seq_1_every_event_has_the_next_seq_whatever_crashes_between() {
    Rig::new().play(
        r#"
        alice join                                    alice < hello seq=0 as owner, online alice, synced 0
        bob join                                      bob < hello seq=0, online alice bob, synced 0
        alice > message "a" & bob > message "b" & bob > react 👍 1
                                                      alice < new_message 1 "a", new_message 2 "b", reaction_update 3 on
                                                          1 +👍 bob =1
                                                      bob < new_message 1 "a", new_message 2 "b", reaction_update 3 on 1
                                                          +👍 bob =1
        (the room is evicted)
        bob > message "c"                             alice < new_message 4 "c"
                                                      bob < new_message 4 "c"
        (the room crashes)
        bob join since=2                              bob < hello seq=4 read alice:1 bob:4, online bob, reaction_update
                                                          3 on 1 +👍 bob =1, new_message 4 "c", synced 4
        bob > message "d" #d                          bob < ack d seq=5, new_message 5 "d"
        bob > message "d" #d                          bob < ack d seq=5 duplicate
        bob > message "e" thread=9                    bob < error invalid threadId of message
        bob > message "f"                             bob < new_message 6 "f"
        "#,
    );
}

#[test]
fn auth_3_who_is_no_member_any_more_says_nothing() {
    Rig::new().play(
        r#"
        alice join                                    alice < hello seq=0 as owner, online alice, synced 0
        bob join                                      bob < hello seq=0, online alice bob, synced 0
        (bob is removed)                              bob < closed 4403 removed
                                                      alice < member_removed 1 bob as member by bob
        bob > message "hi"                            bob < has no socket
        bob join                                      bob < 404 room_not_found
        bob post message "hi"                         bob < 404 room_not_found
        bob page                                      bob < 404 room_not_found
        "#,
    );
}

#[test]
fn dm_1_two_people_talk_like_any_others() {
    let mut rig = Rig::of(&["alice", "bob"]);
    rig.snapshot.kind = RoomKind::Direct;
    rig.snapshot.name = None;
    rig.rebuild(u64::MAX);
    rig.play(
        r#"
        alice join history=0                          alice < hello seq=0, online alice, synced 0
        bob join history=0                            bob < hello seq=0, online alice bob, synced 0
        alice > message "hi" #c1                      alice < ack c1 seq=1, new_message 1 "hi"
                                                      bob < new_message 1 "hi"
        bob > react 👍 1                               alice < reaction_update 2 on 1 +👍 bob =1
                                                      bob < reaction_update 2 on 1 +👍 bob =1
        bob > read 1
        (1 s passes)                                  alice < user_joined bob / read_receipt bob 1
                                                      bob < read_receipt bob 1
        carol join                                    carol < 404 room_not_found
        "#,
    );
}
