//! Editing and deleting: versions, permissions, races, and nothing stays of deleted content.

use crate::rig::Rig;
use chinwag::auth::Role;
use chinwag::db::VersionRow;
use chinwag::protocol::room::RoomMention;

#[test]
fn edit_1_gives_a_message_other_words_and_a_version() {
    Rig::new().play(
        r#"
        alice join                                    alice < hello seq=0 as owner, online alice, synced 0
        bob join                                      bob < hello seq=0, online alice bob, synced 0
        bob > message "hi" #c1                        alice < new_message 1 "hi"
                                                      bob < ack c1 seq=1, new_message 1 "hi"
        bob > edit 1 "ho" #c2                         alice < message_updated 2 is 1 "ho" v2
                                                      bob < ack c2 seq=2 v2, message_updated 2 is 1 "ho" v2
        bob > edit 1 "ha"                             alice < message_updated 3 is 1 "ha" v3
                                                      bob < message_updated 3 is 1 "ha" v3
        bob versions 1                                bob < versions [1 "hi" by bob, 2 "ho" by bob, 3 "ha" by bob]
        alice' join since=1                           alice' < hello seq=3 as owner read bob:1, online alice bob,
                                                          message_updated 2 is 1 "ha" v3, message_updated 3 is 1 "ha"
                                                          v3, synced 3
        carol join history=1                          carol < hello seq=3 read bob:1, online alice bob carol,
                                                          new_message 1 "ha", synced 3
        "#,
    );
}

#[test]
fn edit_2_an_old_base_is_a_conflict_so_of_two_who_edit_at_once_one_wins() {
    Rig::new().play(
        r#"
        bob join                                      bob < hello seq=0, online bob, synced 0
        bob' join                                     bob' < hello seq=0, online bob, synced 0
        bob > message "hi" #c1                        bob < ack c1 seq=1, new_message 1 "hi"
                                                      bob' < new_message 1 "hi"
        bob > edit 1 "one" base=1 #e1 & bob' > edit 1 "two" base=1 #e2
                                                      bob < ack e1 seq=2 v2, message_updated 2 is 1 "one" v2
                                                      bob' < message_updated 2 is 1 "one" v2, error version_conflict
                                                          baseVersion of edit #e2
        bob' > edit 1 "two" base=2 #e3                bob < message_updated 3 is 1 "two" v3
                                                      bob' < ack e3 seq=3 v3, message_updated 3 is 1 "two" v3
        bob' > edit 1 "far ahead" base=9 #e4          bob' < error version_conflict baseVersion of edit #e4
        bob' > edit 1 "any" base=0 #e5                bob' < error version_conflict baseVersion of edit #e5
        bob patch 1 "over REST" base=3                bob < message 1 "over REST" / message_updated 4 is 1 "over REST"
                                                          v4
                                                      bob' < message_updated 4 is 1 "over REST" v4
        bob patch 1 "late" base=3                     bob < 409 version_conflict baseVersion
        "#,
    );
}

#[test]
fn edit_3_its_author_or_a_moderator_and_nobody_else() {
    let mut rig = Rig::new().given(|room| room.members[2].role = Role::Moderator);
    rig.prepare("alice join\nbob join\nbob > message \"hi\"");
    rig.play(
        r#"
        dave patch 1 "not mine"                       dave < 403 forbidden
        mallory patch 1 "not in the room"             mallory < 404 room_not_found
        carol patch 1 "a moderator's"                 carol < message 1 "a moderator's" edited by carol
                                                      alice < message_updated 2 is 1 "a moderator's" edited by carol v2
                                                      bob < message_updated 2 is 1 "a moderator's" edited by carol v2
        alice patch 1 "the owner's"                   alice < message 1 "the owner's" edited by alice / message_updated
                                                          3 is 1 "the owner's" edited by alice v3
                                                      bob < message_updated 3 is 1 "the owner's" edited by alice v3
        bob patch 1 "mine"                            bob < message 1 "mine" / message_updated 4 is 1 "mine" v4
                                                      alice < message_updated 4 is 1 "mine" v4
        dave versions 1                               dave < 403 forbidden
        mallory versions 1                            mallory < 404 room_not_found
        carol versions 1                              carol < versions [1 "hi" by bob, 2 "a moderator's" by carol, 3
                                                          "the owner's" by alice, 4 "mine" by bob]
        bob versions 1                                bob < versions [1 "hi" by bob, 2 "a moderator's" by carol, 3 "the
                                                          owner's" by alice, 4 "mine" by bob]
        (bob is removed)                              bob < closed 4403 removed
                                                      alice < member_removed 5 bob as member by bob
        bob patch 1 "no more"                         bob < 404 room_not_found
        bob versions 1                                bob < 404 room_not_found
        (the room is archived)                        alice < room_updated 6 archived=true
        alice patch 1 "nobody's"                      alice < 409 archived
        "#,
    );
}

#[test]
fn edit_4_content_is_held_to_the_same_rules() {
    Rig::new().play(
        r#"
        bob join                                      bob < hello seq=0, online bob, synced 0
        bob > message "hi" #c1                        bob < ack c1 seq=1, new_message 1 "hi"
        bob > edit 1 "ä"*4000 #e1                     bob < ack e1 seq=2 v2, message_updated 2 is 1 (4000 characters) v2
        bob > edit 1 "ä"*4001 #e2                     bob < error content_too_long content of edit #e2
        bob > edit 1 " " #e3                          bob < error content_empty content of edit #e3
        bob > edit 9 "nowhere" #e4                    bob < error message_not_found of edit #e4
        bob > {"type":"edit","content":"x"}           bob < error bad_request messageId of edit
        bob > {"type":"edit","messageId":"$1"}        bob < error bad_request content of edit
        bob > {"type":"edit","messageId":"$1","content":7}
                                                      bob < error bad_request content of edit
        (11 s pass)
        bob > {"type":"edit","messageId":"$1","content":"a\u0000b"}
                                                      bob < error invalid content of edit
        bob > {"type":"edit","messageId":"$1","content":"x","baseVersion":-1}
                                                      bob < error bad_request baseVersion of edit
        bob > {"type":"edit","messageId":"x","content":"x","clientId":"e5"}
                                                      bob < error message_not_found of edit #e5
        bob > {"type":"message","attachments":[{"url":"https://f.example/a","name":"a","mimeType":"image/png","size":1}]}
                                                      bob < new_message 3 "" files=1
        bob > edit 3 "words to it"                    bob < message_updated 4 is 3 "words to it" files=1 v2
        bob > edit 3 ""                               bob < message_updated 5 is 3 "" files=1 v3
        bob patch 1 " "                               bob < 422 content_empty content
        bob patch 2 "an edit is no message"           bob < 404 message_not_found
        "#,
    );
}

#[test]
fn edit_5_the_same_words_change_nothing() {
    Rig::new().play(
        r#"
        alice join                                    alice < hello seq=0 as owner, online alice, synced 0
        bob join                                      bob < hello seq=0, online alice bob, synced 0
        bob > message "hi" #c1                        alice < new_message 1 "hi"
                                                      bob < ack c1 seq=1, new_message 1 "hi"
        bob > edit 1 "hi" #e1                         bob < ack e1 noop v1
        bob patch 1 "hi"                              bob < message 1 "hi"
        bob > edit 1 "ho" #e1                         alice < message_updated 2 is 1 "ho" v2
                                                      bob < ack e1 seq=2 v2, message_updated 2 is 1 "ho" v2
        bob > edit 1 "ho" #e1                         bob < ack e1 seq=2 v2 duplicate
        bob > edit 1 "ha" #e1                         bob < error client_id_conflict clientId of edit #e1
        bob > message "ho" #e1                        bob < error client_id_conflict clientId of message #e1
        (the room is evicted)
        bob > edit 1 "ho" #e1                         bob < ack e1 seq=2 v2 duplicate
        bob versions 1                                bob < versions [1 "hi" by bob, 2 "ho" by bob]
        "#,
    );
}

#[test]
fn edit_6_mentions_are_read_anew_and_only_new_ones_are_news() {
    let mut rig = Rig::new();
    rig.play(
        r#"
        alice join                                    alice < hello seq=0 as owner, online alice, synced 0
        bob join                                      bob < hello seq=0, online alice bob, synced 0
        bob > message "<@alice> hi"                   alice < new_message 1 "<@alice> hi" @alice
                                                      bob < new_message 1 "<@alice> hi" @alice
        bob > edit 1 "<@alice> <@carol> <@mallory> hi"
                                                      alice < message_updated 2 is 1 "<@alice> <@carol> <@mallory> hi"
                                                          @alice @carol v2
                                                      bob < message_updated 2 is 1 "<@alice> <@carol> <@mallory> hi"
                                                          @alice @carol v2
        bob > edit 1 "@room hi"                       alice < message_updated 3 is 1 "@room hi" @room v3
                                                      bob < message_updated 3 is 1 "@room hi" @room v3
        "#,
    );
    let body = rig.sql.rows("SELECT body FROM events WHERE seq = 2", []).remove(0).remove(0);
    let rusqlite::types::Value::Text(body) = body else { panic!("{body:?}") };
    let news: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(news["mentioned"], serde_json::json!(["carol"]), "alice was named before");
    let mut rig = Rig::new().given(|room| room.room_mention = RoomMention::Admins);
    rig.play(
        r#"
        alice join                                    alice < hello seq=0 as owner, online alice, synced 0
        alice > message "@room hi"                    alice < new_message 1 "@room hi" @room
        bob post message "hi"                         bob < message 2 "hi"
                                                      alice < new_message 2 "hi"
        bob patch 2 "@room hi"                        bob < message 2 "@room hi"
                                                      alice < message_updated 3 is 2 "@room hi" v2
        (bob becomes moderator)                       alice < member_updated 4 bob as moderator by bob
        bob patch 1 "@room hello"                     bob < message 1 "@room hello" edited by bob @room
                                                      alice < message_updated 5 is 1 "@room hello" edited by bob @room
                                                          v2
        bob patch 1 "hello"                           bob < message 1 "hello" edited by bob
                                                      alice < message_updated 6 is 1 "hello" edited by bob v3
        bob patch 1 "@room hello again"               bob < message 1 "@room hello again" edited by bob
                                                      alice < message_updated 7 is 1 "@room hello again" edited by bob
                                                          v4
        "#,
    );
}

#[test]
fn edit_7_the_first_and_the_newest_50_versions_are_kept() {
    let mut rig = Rig::new();
    rig.limits.messages_burst = 1_000;
    rig.limits.frames_burst = 1_000;
    rig.prepare("bob join\nbob > message \"v1\"");
    for version in 2..=60 {
        rig.prepare(&format!("bob > edit 1 \"v{version}\""));
    }
    rig.prepare("(9 s pass)");
    let kept = |versions: &[VersionRow]| versions.iter().map(|v| v.version).collect::<Vec<_>>();
    let expected: Vec<u64> = [1].into_iter().chain(10..=59).collect();
    assert_eq!(kept(&rig.postgres.rows[&1].versions), expected);
    rig.play_freely("bob versions 1");
    let line = rig.heard.pop().unwrap().1;
    assert!(line.starts_with("versions [1 \"v1\" by bob, 10 \"v10\" by bob, 11 \"v11\" by bob, "), "{line}");
    assert!(line.ends_with("59 \"v59\" by bob, 60 \"v60\" by bob]"), "{line}");
}

#[test]
fn edit_8_counts_as_a_message_to_the_limits_and_so_does_a_deletion() {
    let mut rig = Rig::new();
    rig.limits.messages_burst = 2;
    rig.play(
        r#"
        bob join                                      bob < hello seq=0, online bob, synced 0
        bob > message "hi" #c1                        bob < ack c1 seq=1, new_message 1 "hi"
        bob > edit 1 "ho" #e1                         bob < ack e1 seq=2 v2, message_updated 2 is 1 "ho" v2
        bob > edit 1 "ha" #e2                         bob < error rate_limited in 200 ms of edit #e2
        bob > delete 1 #d1                            bob < error rate_limited in 200 ms of delete #d1
        bob > edit 1 "ho" #e1                         bob < ack e1 seq=2 v2 duplicate
        (200 ms pass)
        bob > delete 1 #d1                            bob < ack d1 seq=3, message_deleted 3 of 1 by bob
        bob > delete 1 #d1                            bob < ack d1 seq=3 duplicate
        "#,
    );
}

#[test]
fn del_1_of_a_message_with_60_edits_no_digest_and_no_mention_stays() {
    let mut rig = Rig::new();
    (rig.limits.messages_per_s, rig.limits.messages_burst) = (1_000.0, 1_000);
    (rig.limits.frames_per_s, rig.limits.frames_burst) = (1_000.0, 1_000);
    rig.prepare(
        "bob join\nbob > message \"secret\" #c0\nbob > message \"another\" #x1\nbob > edit 2 \"mended\" #x2",
    );
    for n in 1..=60 {
        rig.prepare(&format!(
            "bob > edit 1 \"secret {n} <@carol>\" #c{n}\nbob > edit 1 \"secret {n}\" #d{n}"
        ));
    }
    rig.prepare("bob > delete 1 #gone");
    let left = |what: &str| {
        rig.sql.rows(&format!("SELECT seq FROM events WHERE kind = 3 AND target = 1 AND {what}"), [])
    };
    assert_eq!(left("true").len(), 120);
    assert!(left("digest IS NOT NULL").is_empty(), "content could be guessed by a digest");
    assert!(left("body LIKE '%carol%'").is_empty(), "the mentions of edits");
    let other = rig.sql.rows("SELECT seq FROM events WHERE target = 2 AND digest IS NOT NULL", []);
    assert_eq!(other.len(), 1, "of another message");
}

#[test]
fn del_1_leaves_a_tombstone_and_nothing_of_what_was_sent() {
    let mut rig = Rig::new();
    rig.play(
        r#"
        alice join                                    alice < hello seq=0 as owner, online alice, synced 0
        bob join                                      bob < hello seq=0, online alice bob, synced 0
        bob > message "secret <@alice> @room" #c1     alice < new_message 1 "secret <@alice> @room" @room @alice
                                                      bob < ack c1 seq=1, new_message 1 "secret <@alice> @room" @room
                                                          @alice
        bob > edit 1 "secret, mended <@carol>" #c2    alice < message_updated 2 is 1 "secret, mended <@carol>" @carol v2
                                                      bob < ack c2 seq=2 v2, message_updated 2 is 1 "secret, mended
                                                          <@carol>" @carol v2
        alice > react 👍 1                             alice < reaction_update 3 on 1 +👍 alice =1
                                                      bob < reaction_update 3 on 1 +👍 alice =1
        bob > delete 1 #d1                            alice < message_deleted 4 of 1 by bob
                                                      bob < ack d1 seq=4, message_deleted 4 of 1 by bob
        bob > delete 1 #d1                            bob < ack d1 seq=4 duplicate
        bob > delete 1 #d2                            bob < error message_not_found of delete #d2
        bob > edit 1 "again" #c3                      bob < error message_not_found of edit #c3
        alice > react 👍 1                             alice < error message_not_found of reaction
        alice > message "to nothing" reply=1          alice < error invalid replyToId of message
        bob versions 1                                bob < versions []
        alice' join since=0                           alice' < hello seq=4 as owner read bob:1, online alice bob,
                                                          new_message 1 tombstone, message_updated 2 is 1 tombstone v2,
                                                          reaction_update 3 on 1 + alice =0, message_deleted 4 of 1 by
                                                          bob, synced 4
        dave join                                     dave < hello seq=4 read bob:1, online alice bob dave, new_message
                                                          1 tombstone, synced 4
        dave page                                     dave < page 1 of 4
        bob > message "any words" #c1                 bob < ack c1 seq=1 duplicate
        bob > edit 1 "any words" #c2                  bob < ack c2 seq=2 v2 duplicate
        (9 s pass)                                    alice < user_joined bob, user_joined dave
                                                      bob < user_joined dave
                                                      alice' < user_joined dave
        "#,
    );
    let dump = rig.sql.dump();
    assert!(!dump.contains("secret") && !dump.contains("mentioned"), "{dump}");
    assert_eq!(
        rig.sql.rows("SELECT seq FROM events WHERE digest IS NOT NULL AND kind IN (1, 3)", []).len(),
        0
    );
    let rows = format!("{:?}", rig.postgres.rows);
    assert!(!rows.contains("secret"), "{rows}");
}

#[test]
fn del_2_its_author_or_a_moderator_and_nobody_else() {
    let mut rig = Rig::new().given(|room| room.members[2].role = Role::Moderator);
    rig.prepare("alice join\nbob join");
    rig.prepare("bob > message \"1\" & bob > message \"2\" & bob > message \"3\"\ncarol post message \"4\"");
    rig.play(
        r#"
        dave delete 1                                 dave < 403 forbidden
        mallory delete 1                              mallory < 404 room_not_found
        bob delete 4                                  bob < 403 forbidden
        carol delete 1                                carol < deleted 1 at 5
                                                      alice < message_deleted 5 of 1 by carol
                                                      bob < message_deleted 5 of 1 by carol
        bob delete 2                                  bob < deleted 2 at 6 / message_deleted 6 of 2 by bob
                                                      alice < message_deleted 6 of 2 by bob
        bob delete 9                                  bob < 404 message_not_found
        bob > {"type":"delete"}                       bob < error bad_request messageId of delete
        bob > {"type":"delete","messageId":"x","clientId":"d1"}
                                                      bob < error message_not_found of delete #d1
        bob > {"type":"delete","messageId":7}         bob < error bad_request messageId of delete
        (the room is archived)                        alice < room_updated 7 archived=true
                                                      bob < room_updated 7 archived=true
        bob delete 3                                  bob < 409 archived
        alice delete 3                                alice < deleted 3 at 8 / message_deleted 8 of 3 by alice
                                                      bob < message_deleted 8 of 3 by alice
        carol delete 4                                carol < deleted 4 at 9
                                                      alice < message_deleted 9 of 4 by carol
                                                      bob < message_deleted 9 of 4 by carol
        (bob is removed)                              bob < closed 4403 removed
                                                      alice < member_removed 10 bob as member by bob
        bob delete 3                                  bob < 404 room_not_found
        "#,
    );
}

#[test]
fn del_3_of_an_edit_and_a_deletion_at_once_the_first_counts() {
    Rig::new().play(
        r#"
        alice join                                    alice < hello seq=0 as owner, online alice, synced 0
        bob join                                      bob < hello seq=0, online alice bob, synced 0
        bob > message "hi"                            alice < new_message 1 "hi"
                                                      bob < new_message 1 "hi"
        bob > edit 1 "ho" #e1 & alice > delete 1 #d1  alice < message_updated 2 is 1 "ho" v2, ack d1 seq=3,
                                                          message_deleted 3 of 1 by alice
                                                      bob < ack e1 seq=2 v2, message_updated 2 is 1 "ho" v2,
                                                          message_deleted 3 of 1 by alice
        bob > message "hi"                            alice < new_message 4 "hi"
                                                      bob < new_message 4 "hi"
        alice > delete 4 #d2 & bob > edit 4 "ho" #e2  alice < ack d2 seq=5, message_deleted 5 of 4 by alice
                                                      bob < message_deleted 5 of 4 by alice, error message_not_found of
                                                          edit #e2
        alice > message "hi"                          alice < new_message 6 "hi"
                                                      bob < new_message 6 "hi"
        alice > delete 6 #d3 & alice > delete 6 #d4   alice < ack d3 seq=7, message_deleted 7 of 6 by alice, error
                                                          message_not_found of delete #d4
                                                      bob < message_deleted 7 of 6 by alice
        "#,
    );
}

#[test]
fn del_4_a_message_that_postgres_set_aside_is_edited_and_deleted_all_the_same() {
    Rig::new().play(
        r#"
        bob join                                      bob < hello seq=0, online bob, synced 0
        bob > message "poison"                        bob < new_message 1 "poison"
                                                      operator < row_quarantined seq=1 sqlstate=22021
        bob > edit 1 "poison still" #e1               bob < ack e1 seq=2 v2, message_updated 2 is 1 "poison still" v2
        (9 s pass)
        bob > edit 1 "sweet" #e2                      bob < ack e2 seq=3 v3, message_updated 3 is 1 "sweet" v3
        (9 s pass)
        root outbox                                   root < outbox idle 3/3 lag 0 for 0 ms, aside [1]
        root retry                                    operator < outbox_retry_asked by=root rows=1 / row_quarantined
                                                          seq=1 sqlstate=22021
                                                      root < outbox idle 3/3 lag 0 for 0 ms, aside [1]
        bob > message "poison"                        bob < new_message 4 "poison"
                                                      operator < row_quarantined seq=4 sqlstate=22021
        bob > delete 4                                bob < message_deleted 5 of 4 by bob
                                                      operator < row_released seq=4
        (9 s pass)
        root outbox                                   root < outbox idle 5/5 lag 0 for 0 ms, aside [1]
        bob > message "sweet"                         bob < new_message 6 "sweet"
        bob > edit 6 "poison"                         bob < message_updated 7 is 6 "poison" v2
                                                      operator < row_quarantined seq=6 sqlstate=22021
        (9 s pass)
        root discard 6                                operator < row_given_up by=root seq=6
                                                      root < outbox idle 7/7 lag 0 for 0 ms, aside [1]
        bob > delete 6                                bob < message_deleted 8 of 6 by bob
                                                      operator < row_released seq=6
        (9 s pass)
        root outbox                                   root < outbox idle 8/8 lag 0 for 0 ms, aside [1]
        "#,
    );
}

#[test]
fn del_5_what_waits_for_postgres_goes_there_as_a_tombstone() {
    let mut rig = Rig::new();
    rig.play(
        r#"
        bob join                                      bob < hello seq=0, online bob, synced 0
        (Postgres is watched)
        (Postgres fails)
        bob > message "secret" & bob > edit 1 "secret too"
                                                      alarm < in 5000 ms / in 500 ms
                                                      bob < new_message 1 "secret", message_updated 2 is 1 "secret too"
                                                          v2
                                                      postgres < (0, 2] 1 bob:1: no answer
                                                      operator < postgres_unavailable sqlstate=none why=no answer
        bob > delete 1                                bob < message_deleted 3 of 1 by bob
        (Postgres recovers)
        (9 s pass)                                    alarm < in 5000 ms
                                                      postgres < (0, 3] 1 bob:1: done
                                                      operator < outbox_recovered
        (Postgres is set back to 0)
        bob > message "hi"                            alarm < in 5000 ms
                                                      bob < new_message 4 "hi"
                                                      postgres < (3, 4] 4 bob:4: behind 0 / (0, 4] 1 4 bob:4: done
                                                      operator < postgres_set_back from=3 to=0
        (9 s pass)
        (the room is rebuilt from Postgres)           alarm < in 3600000 ms
        bob versions 1                                bob < versions []
        bob page                                      bob < page 1 4 of 4
        "#,
    );
    assert!(!format!("{:?}", rig.postgres.rows).contains("secret"));
}

#[test]
fn del_1_no_emoji_stays_in_the_events_of_reactions_however_old_the_log_is() {
    let mut rig = Rig::new();
    rig.prepare("alice join\nalice > message \"one\"\nalice > message \"two\"");
    rig.prepare(
        "bob join history=0\nalice > react :secret: 1 #r1\nbob > react :secret: 1 #r2\nbob > react :other: 2",
    );
    rig.prepare("bob > unreact :secret: 1 #r3\n(9 s pass)");
    rig.crash();
    // As older code left it: nothing leads from the message to the events.
    rig.sql.rows("ALTER TABLE events DROP COLUMN last_reaction", []);
    rig.sql.rows("UPDATE state SET value = json_set(value, '$.schema', 6) WHERE id = 1", []);
    rig.prepare("alice join history=0\nalice > react :secretive: 1\nalice > delete 1\n(9 s pass)");
    let dump = rig.sql.dump();
    assert!(!dump.contains("secret"), "{dump}");
    let digests = rig.sql.rows("SELECT seq FROM events WHERE kind = 2 AND digest IS NOT NULL", []);
    assert_eq!(digests.len(), 1, "of the other message");
    assert!(dump.contains(":other:"));
    assert!(!format!("{:?}", rig.postgres.rows).contains("secret"));
    rig.prepare("alice > delete 2");
    assert!(!rig.sql.dump().contains("other"));
}
