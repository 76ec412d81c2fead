//! Mutes, bans, slow mode, moderation, reports; and the deletion of a room.

use crate::rig::Rig;
use chinwag::auth::Role;
use chinwag::ids::UserId;
use chinwag::protocol::room::RoomKind;
use chinwag::room::Input;

#[test]
fn mute_1_who_is_muted_says_nothing_until_it_ends() {
    let mut rig = Rig::new();
    rig.prepare("alice join\nbob join\nbob > message \"before\" #c1\n(1 s passes)");
    rig.play(
        r#"
        bob mute alice                                bob < 403 forbidden
        alice mute bob for 60 s                       alice < ok {"until":"2026-11-23T09:01:01.000Z","userId":"bob"}
                                                      bob < mute_updated {"until":"2026-11-23T09:01:01.000Z"}
        bob > message "hi" #c2                        bob < error muted in 60000 ms of message #c2
        bob post message "hi"                         bob < 403 muted in 60000 ms
        bob > message "before" #c1                    bob < ack c1 seq=1 duplicate
        bob > react 👍 1                               bob < error muted in 60000 ms of reaction
        bob > edit 1 "after"                          bob < error muted in 60000 ms of edit
        bob > typing on                               bob < error muted in 60000 ms of typing
        bob > read 1
        (the room is evicted)
        bob > message "hi" #c2                        bob < error muted in 60000 ms of message #c2
        bob > delete 1                                alice < message_deleted 2 of 1 by bob
                                                      bob < message_deleted 2 of 1 by bob
        (60 s pass)
        bob > message "hi" #c2                        alice < new_message 3 "hi"
                                                      bob < ack c2 seq=3, new_message 3 "hi"
        alice mute bob                                alice < ok {"until":null,"userId":"bob"}
                                                      bob < mute_updated {"until":null}
        bob > message "ho"                            bob < error muted of message
        (the room crashes)
        bob join history=0                            bob < hello seq=3 read bob:3, online bob, synced 3
        bob > message "ho"                            bob < error muted of message
        alice unmute bob                              alice < ok {"userId":"bob"}
                                                      bob < mute_updated null
        bob > message "ho"                            bob < new_message 4 "ho"
        "#,
    );
}

/// The person's own sockets alone, at once, and a new one by its hello; one without `chat.v1` gets nothing.
#[test]
fn mute_2_who_is_muted_learns_it_at_once() {
    let mut rig = Rig::new();
    rig.prepare("alice join\nbob join\nbob' join\ncarol join as legacy");
    rig.play(
        r#"
        alice mute bob                                alice < ok {"until":null,"userId":"bob"}
                                                      bob < mute_updated {"until":null}
                                                      bob' < mute_updated {"until":null}
        alice mute bob                                alice < ok {"until":null,"userId":"bob"}
        "#,
    );
}

/// A block stops what a mute stops, and says so no more clearly than it must. What the blocked person wrote they may take
/// back, and the other one is not stopped.
#[test]
fn people_8_who_is_blocked_writes_nothing_into_the_direct_room() {
    let mut rig = Rig::of(&["alice", "bob"]).given(|room| room.kind = RoomKind::Direct);
    rig.prepare("alice join\nbob join\nbob > message \"before\" #c1");
    let block = |rig: &mut Rig, blocked: &[&str]| {
        rig.snapshot.blocked = blocked.iter().map(|user| UserId::parse(user).unwrap()).collect();
        rig.refresh();
    };
    block(&mut rig, &["bob"]);
    rig.play(
        r#"
        bob > message "hi" #c2                        bob < error blocked of message #c2
        bob post message "hi"                         bob < 403 blocked
        bob > message "before" #c1                    bob < ack c1 seq=1 duplicate
        bob > react 👍 1                               bob < error blocked of reaction
        bob > edit 1 "after"                          bob < error blocked of edit
        bob > typing on                               bob < error blocked of typing
        (the room is evicted)
        bob > message "hi" #c2                        bob < error blocked of message #c2
        alice > message "bye"                         alice < new_message 2 "bye"
                                                      bob < new_message 2 "bye"
        bob > delete 1                                alice < message_deleted 3 of 1 by bob
                                                      bob < message_deleted 3 of 1 by bob
        "#,
    );
    block(&mut rig, &[]);
    rig.play(
        r#"
        bob > message "hi" #c2                        alice < new_message 4 "hi"
                                                      bob < ack c2 seq=4, new_message 4 "hi"
        "#,
    );
}

#[test]
fn ban_1_who_is_banned_is_out_until_it_ends() {
    let mut rig = Rig::new();
    rig.prepare("alice join\nbob join\n(1 s passes)");
    rig.play(
        r#"
        bob ban carol                                 bob < 403 forbidden
        alice ban alice                               alice < 403 forbidden
        alice ban bob for 60 s                        bob < closed 4403 removed
                                                      alice < ok
                                                          {"reason":null,"until":"2026-11-23T09:01:01.000Z","userId":"bob"}
                                                          / member_removed 1 bob as member by alice
        bob join                                      bob < 404 room_not_found
        alice add bob                                 alice < 409 banned
        alice add carol bob erin                      alice < 409 banned
        alice ban erin                                alice < ok {"reason":null,"until":null,"userId":"erin"}
        alice add erin                                alice < 409 banned
        alice unban erin                              alice < ok {"userId":"erin"}
        alice unban erin                              alice < ok {"userId":"erin"}
        alice add erin                                alice < ok erin member / member_added 2 erin as member by alice
        (60 s pass)                                   alice < user_left bob
        alice add bob                                 alice < ok bob member / member_added 3 bob as member by alice
        bob join history=0                            bob < hello seq=3 read bob:2 erin:1, online alice bob, synced 3
        "#,
    );
}

#[test]
fn slow_1_members_wait_and_nothing_makes_the_room_forget() {
    let mut rig = Rig::new().given(|room| {
        room.slow_mode_s = 30;
        room.members[2].role = Role::Moderator;
    });
    rig.prepare("alice join\nbob join\n(1 s passes)");
    rig.play(
        r#"
        bob > message "one" #c1                       alice < new_message 1 "one"
                                                      bob < ack c1 seq=1, new_message 1 "one"
        bob > message "two" #c2                       bob < error slow_mode in 30000 ms of message #c2
        bob > message "one" #c1                       bob < ack c1 seq=1 duplicate
        carol post message "a moderator's"            carol < message 2 "a moderator's"
                                                      alice < new_message 2 "a moderator's"
                                                      bob < new_message 2 "a moderator's"
        carol post message "and another"              carol < message 3 "and another"
                                                      alice < new_message 3 "and another"
                                                      bob < new_message 3 "and another"
        (the room is evicted)
        bob > message "two" #c2                       bob < error slow_mode in 30000 ms of message #c2
        (the room crashes)
        bob post message "two"                        bob < 429 slow_mode in 30000 ms
        alice join history=0                          alice < hello seq=3 as owner read bob:1 carol:3, online alice,
                                                          synced 3
        (20 s pass)
        bob post message "two"                        bob < 429 slow_mode in 10000 ms
        (10 s pass)
        bob post message "two"                        bob < message 4 "two"
                                                      alice < new_message 4 "two"
        dave post message "first"                     dave < message 5 "first"
                                                      alice < new_message 5 "first"
        bob post message "three"                      bob < 429 slow_mode in 30000 ms
        alice slow to 0 s                             alice < ok {"seconds":0} / room_updated 6 
        bob post message "three"                      bob < message 7 "three"
                                                      alice < new_message 7 "three"
        "#,
    );
}

#[test]
fn mod_1_words_are_refused_masked_or_noted() {
    let mut rig = Rig::new();
    rig.moderation = r#"{"acme":{"words":{"reject":["damn"],"mask":["heck"],"flag":["spam"]},
        "links":{"deny":["evil.example"],"measure":"reject"}}}"#
        .into();
    rig.evict();
    rig.prepare("alice join\nbob join\n(1 s passes)");
    rig.play(
        r#"
        bob > message "oh Damn" #c1                   bob < error moderation_blocked content of message #c1
        bob > message "oh well" #c1                   alice < new_message 1 "oh well"
                                                      bob < ack c1 seq=1, new_message 1 "oh well"
        bob > message "what the HECK" #c2             alice < new_message 2 "what the ****"
                                                      bob < ack c2 seq=2, new_message 2 "what the ****"
        bob > message "what the HECK" #c2             bob < ack c2 seq=2 duplicate
        bob > message "buy spam" #c3                  alice < new_message 3 "buy spam"
                                                      bob < ack c3 seq=3, new_message 3 "buy spam"
        bob post message "see https://evil.example/x"
                                                      bob < 422 moderation_blocked content
        bob > edit 1 "damn"                           bob < error moderation_blocked content of edit
        bob > edit 1 "heck again"                     alice < message_updated 4 is 1 "**** again" v2
                                                      bob < message_updated 4 is 1 "**** again" v2
        alice > message "damn the owner too"          alice < error moderation_blocked content of message
        (9 s pass)
        "#,
    );
    let audit: Vec<_> = rig.postgres.audit.values().cloned().collect();
    let id = rig.messages()[&3].id.clone();
    assert_eq!(audit, [("report".into(), "system".into(), Some(id), Some("word".into()))]);
    assert!(!rig.sql.dump().to_lowercase().contains("the heck"), "what was masked stands nowhere");
}

#[test]
fn mod_2_floods_and_repeats_are_the_members() {
    let mut rig = Rig::new();
    rig.moderation = r#"{"*":{"flood":{"times":3,"seconds":10,"measure":"reject"},
        "repeats":{"times":1,"seconds":60,"measure":"reject"}}}"#
        .into();
    rig.evict();
    rig.play(
        r#"
        bob post message "a"                          bob < message 1 "a"
        bob post message "A "                         bob < 422 moderation_blocked content
        carol post message "a"                        carol < message 2 "a"
        bob post message "b"                          bob < message 3 "b"
        bob post message "c"                          bob < 422 moderation_blocked content
        (10 s pass)
        bob post message "c"                          bob < 422 moderation_blocked content
        alice post message "x"                        alice < message 4 "x"
        alice post message "x"                        alice < message 5 "x"
        "#,
    );
}

#[test]
fn audit_1_reports_and_what_moderators_do_to_messages_are_noted_once() {
    let mut rig = Rig::new().given(|room| room.members[2].role = Role::Moderator);
    rig.prepare("alice join\nbob > message \"x\"");
    rig.prepare("bob post message \"one\"\nbob post message \"two\"\nbob post message \"mine\"");
    rig.play(
        r#"
        (Postgres fails)
        dave report 1                                 dave < ok 1
                                                      operator < postgres_unavailable sqlstate=none why=no answer
        dave report 1                                 dave < ok 1
        dave report 9                                 dave < 404 message_not_found
        eve report 1                                  eve < 404 room_not_found
        carol patch 1 "mended"                        carol < message 1 "mended" edited by carol
                                                      alice < message_updated 4 is 1 "mended" edited by carol v2
        carol delete 2                                carol < deleted 2 at 5
                                                      alice < message_deleted 5 of 2 by carol
        bob delete 3                                  bob < deleted 3 at 6
                                                      alice < message_deleted 6 of 3 by bob
        (the room crashes)                            operator < postgres_unavailable sqlstate=none why=no answer
        (Postgres recovers)
        (9 s pass)                                    operator < outbox_recovered
        "#,
    );
    let audit: Vec<_> =
        rig.postgres.audit.values().map(|(action, actor, ..)| (&**action, &**actor)).collect();
    assert_eq!(audit, [("edit", "carol"), ("delete", "carol"), ("report", "dave")]);
    assert_eq!(rig.sql.rows("SELECT id FROM audit", []).len(), 0, "Postgres has them");
}

#[test]
fn gone_1_a_deleted_room_leaves_nothing() {
    let mut rig = Rig::new();
    rig.prepare("alice join\nbob join\nalice > message \"hi\"\nalice upload f1\n(9 s pass)");
    rig.input(Input::DeletionRequested);
    // The process dies before Postgres' answer; the alarm finds out.
    rig.crash();
    rig.prepare("alice join");
    rig.lawful = false;
    rig.input(Input::Refreshed(None));
    assert!(!rig.is_wiped(), "a file is in the bucket");
    rig.turn();
    assert!(!rig.is_wiped(), "Postgres may have rows of it");
    rig.prepare("(1 s passes)");
    assert!(rig.is_wiped());
    assert_eq!(rig.sql.rows("SELECT name FROM sqlite_master WHERE type = 'table'", []).len(), 0);
}

#[test]
fn mod_1_names_topics_files_and_custom_emoji_are_judged_like_messages() {
    let mut rig = Rig::new();
    rig.moderation = r#"{"acme":{"words":{"reject":["damn"],"mask":["heck"],"flag":["spam"]}}}"#.into();
    rig.prepare("alice join history=0\nalice > message \"hi\"");
    rig.play(
        r#"
        bob set {"name":"damn"}                       bob < 403 forbidden
        alice set {"name":"Damn"}                     alice < 422 moderation_blocked name
        alice set {"topic":"a-damn-topic"}            alice < 422 moderation_blocked topic
        alice set {"name":"heck!","topic":"spam?"}    alice < ok name="****!" topic="spam?" / room_updated 2
                                                          name="****!" topic="spam?"
        alice > react :damn: 1                        alice < error moderation_blocked emoji of reaction
        alice > react :what_the_heck: 1               alice < error moderation_blocked emoji of reaction
        alice > react :spam: 1                        alice < reaction_update 3 on 1 +:spam: alice =1
        alice > react 👍 1                             alice < reaction_update 4 on 1 +👍 alice =1
        alice > {"type":"message","content":"see","attachments":[{"url":"https://a.example/f","name":"damn.png","mimeType":"image/png","size":3}]}
                                                      alice < error moderation_blocked attachments of message
        alice > {"type":"message","content":"see","attachments":[{"url":"https://a.example/f","name":"heck.png","mimeType":"image/png","size":3}]}
                                                      alice < new_message 5 "see" files=1
        (9 s pass)
        "#,
    );
    let name = rig.messages().values().last().unwrap().attachments[0].name.clone();
    assert_eq!(name, "****.png");
    let noted =
        rig.postgres.audit.values().filter(|(action, actor, ..)| action == "report" && actor == "system");
    assert_eq!(noted.count(), 1, "the reaction; the room's own changes are written with the change");
}

#[test]
fn gone_2_a_deletion_that_failed_is_forgotten_after_a_while() {
    let mut rig = Rig::new();
    rig.prepare("alice join\n(9 s pass)");
    rig.input(Input::DeletionRequested);
    rig.turn();
    assert_eq!(rig.sql.rows("SELECT id FROM state WHERE id = 9", []).len(), 1);
    rig.prepare("(40 s pass)");
    assert_eq!(rig.sql.rows("SELECT id FROM state WHERE id = 9", []).len(), 0, "Postgres still has it");
    rig.play(
        r#"
        alice > message "still here"                  alice < new_message 1 "still here"
        "#,
    );
}

/// Whichever statement fails: nobody is there to ask again, and nothing stays.
#[test]
fn gone_2_a_deletion_that_a_fault_broke_off_is_ended_by_the_alarm() {
    for statement in 1..100 {
        let mut rig = Rig::new();
        rig.prepare("alice join\n(9 s pass)");
        rig.input(Input::DeletionRequested);
        rig.lawful = false;
        rig.sql.fails_at.set(statement);
        let is_done = rig.input(Input::Refreshed(None));
        rig.turn();
        rig.prepare("(1 s passes)");
        if is_done && rig.is_wiped() {
            assert!(statement > 19, "{statement}");
            return;
        }
        rig.sql.fails_at.set(0);
        rig.evict();
        let pending = rig.sql.rows("SELECT value FROM state WHERE id = 9", []);
        if !format!("{pending:?}").contains("true") {
            rig.input(Input::Refreshed(None));
        }
        rig.prepare("(40 s pass)");
        assert!(rig.is_wiped(), "statement {statement}");
    }
    panic!("it never ends");
}

#[test]
fn gone_3_a_deleted_room_is_first_taken_off_its_tenants_list() {
    let mut rig = Rig::new();
    rig.prepare("alice join\nalice > message \"poison\"\n(9 s pass)");
    assert!(rig.listed.is_some());
    rig.list_is_away = true;
    rig.input(Input::DeletionRequested);
    rig.lawful = false;
    rig.input(Input::Refreshed(None));
    rig.turn();
    assert!(!rig.is_wiped() && !rig.sql.dump().contains("poison"), "what was said is gone at once");
    rig.evict();
    rig.list_is_away = false;
    rig.prepare("alice join\n(40 s pass)");
    assert!(rig.is_wiped() && rig.listed.is_none());
}
