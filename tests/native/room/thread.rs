//! Threads: counts, deletion, pages, typing; and what members see who joined later.

use crate::rig::Rig;

#[test]
fn thread_1_a_reply_is_two_events_and_its_root_says_how_many_there_are() {
    Rig::new().play(
        r#"
        alice join                                    alice < hello seq=0 as owner, online alice, synced 0
        bob join                                      bob < hello seq=0, online alice bob, synced 0
        alice > message "root"                        alice < new_message 1 "root"
                                                      bob < new_message 1 "root"
        bob > message "one" thread=1 #c1              alice < new_message 2 "one" thread=1, thread_update 3 of 1 has 1
                                                          last 00:00
                                                      bob < ack c1 seq=2, new_message 2 "one" thread=1, thread_update 3
                                                          of 1 has 1 last 00:00
        (61 s pass)                                   alice < user_joined bob
        bob > message "two" thread=1 +room #c2        alice < new_message 4 "two" thread=1 +room, thread_update 5 of 1
                                                          has 2 last 01:01
                                                      bob < ack c2 seq=4, new_message 4 "two" thread=1 +room,
                                                          thread_update 5 of 1 has 2 last 01:01
        bob > message "two" thread=1 +room #c2        bob < ack c2 seq=4 duplicate
        alice > edit 1 "the root"                     alice < message_updated 6 is 1 "the root" replies=2 v2
                                                      bob < message_updated 6 is 1 "the root" replies=2 v2
        alice' join since=1                           alice' < hello seq=6 as owner read alice:1 bob:4, online alice
                                                          bob, new_message 2 "one" thread=1, thread_update 3 of 1 has 2
                                                          last 01:01, new_message 4 "two" thread=1 +room, thread_update
                                                          5 of 1 has 2 last 01:01, message_updated 6 is 1 "the root"
                                                          replies=2 v2, synced 6
        carol join                                    carol < hello seq=6 read alice:1 bob:4, online alice bob carol,
                                                          new_message 1 "the root" replies=2, new_message 2 "one"
                                                          thread=1, new_message 4 "two" thread=1 +room, synced 6
        carol thread 1                                carol < thread of 1 "the root" replies=2: 2 4
        carol thread 1 limit=1                        carol < thread of 1 "the root" replies=2: … 4
        carol thread 1 before=4                       carol < thread of 1 "the root" replies=2: 2
        carol thread 2                                carol < 404 message_not_found
        carol thread 9                                carol < 404 message_not_found
        mallory thread 1                              mallory < 404 room_not_found
        "#,
    );
}

#[test]
fn thread_2_a_reply_that_goes_is_counted_no_more() {
    Rig::new().play(
        r#"
        alice join                                    alice < hello seq=0 as owner, online alice, synced 0
        alice > message "root"                        alice < new_message 1 "root"
        alice > message "one" thread=1                alice < new_message 2 "one" thread=1, thread_update 3 of 1 has 1
                                                          last 00:00
        (61 s pass)
        alice > message "two" thread=1                alice < new_message 4 "two" thread=1, thread_update 5 of 1 has 2
                                                          last 01:01
        alice > delete 4 #d1                          alice < ack d1 seq=6, message_deleted 6 of 4 by alice,
                                                          thread_update 7 of 1 has 1 last 00:00
        alice > delete 2                              alice < message_deleted 8 of 2 by alice, thread_update 9 of 1 has
                                                          0
        alice thread 1                                alice < thread of 1 "root": 2 4
        alice > message "three" thread=1              alice < new_message 10 "three" thread=1, thread_update 11 of 1 has
                                                          1 last 01:01
        (the room is evicted)
        alice thread 1                                alice < thread of 1 "root" replies=1: 2 4 10
        "#,
    );
}

/// Deleted from the end, each deletion once went past all earlier ones.
#[test]
fn thread_2_a_thread_is_deleted_at_the_same_cost_in_any_order() {
    const REPLIES: u64 = 400;
    let cost_of_each = |seqs: Vec<u64>| {
        let mut rig = Rig::new();
        (rig.limits.messages_burst, rig.limits.frames_burst) = (2_000, 2_000);
        rig.prepare("alice join\nalice > message \"root\"");
        for _ in 0..REPLIES {
            rig.prepare("(1 ms pass)\nalice > message \"reply\" thread=1");
        }
        let mut costs = Vec::new();
        for seq in seqs {
            let before = rig.sql.steps.get();
            rig.prepare(&format!("alice > delete {seq}"));
            costs.push(rig.sql.steps.get() - before);
        }
        let root = rig.messages().remove(&1).unwrap();
        assert_eq!((root.reply_count, root.last_reply_at), (0, None));
        let sum = |costs: &[u64]| costs.iter().sum::<u64>();
        (sum(&costs[..50]), sum(&costs[300..350]))
    };
    let replies = || (1..=REPLIES).map(|at| 2 * at);
    for (order, seqs) in
        [("oldest first", replies().collect()), ("newest first", replies().rev().collect::<Vec<_>>())]
    {
        let (early, late) = cost_of_each(seqs);
        assert!(early > 0 && 2 * late <= 3 * early, "{order}: {late} instead of {early}");
    }
}

#[test]
fn thread_3_a_root_that_goes_leaves_its_replies() {
    Rig::new().play(
        r#"
        alice join                                    alice < hello seq=0 as owner, online alice, synced 0
        alice > message "root"                        alice < new_message 1 "root"
        alice > message "one" thread=1                alice < new_message 2 "one" thread=1, thread_update 3 of 1 has 1
                                                          last 00:00
        alice > message "two" thread=1                alice < new_message 4 "two" thread=1, thread_update 5 of 1 has 2
                                                          last 00:00
        alice > delete 1                              alice < message_deleted 6 of 1 by alice
        alice > message "three" thread=1 #c3          alice < error invalid threadId of message #c3
        alice > delete 2                              alice < message_deleted 7 of 2 by alice, thread_update 8 of 1 has
                                                          1 last 00:00
        alice thread 1                                alice < thread of 1 tombstone replies=1: 2 4
        alice page                                    alice < page 1 2 4 of 8
        "#,
    );
}

#[test]
fn thread_4_typing_in_a_thread_names_the_thread() {
    Rig::new().play(
        r#"
        alice join                                    alice < hello seq=0 as owner, online alice, synced 0
        bob join                                      bob < hello seq=0, online alice bob, synced 0
        carol join as legacy                          carol < hello seq=0 / online alice bob carol / synced 0
        alice > message "root"                        alice < new_message 1 "root"
                                                      bob < new_message 1 "root"
                                                      carol < new_message 1 "root"
        alice > typing on thread=1                    bob < typing alice in 1 [alice]
        bob > typing on                               alice < typing bob [bob]
                                                      carol < typing bob [bob]
        bob > typing on thread=1                      alice < typing bob in 1 [alice bob]
        alice > message "in the room"                 alice < new_message 2 "in the room"
                                                      bob < new_message 2 "in the room"
                                                      carol < new_message 2 "in the room"
        alice > message "in it" thread=1              alice < new_message 3 "in it" thread=1, thread_update 4 of 1 has 1
                                                          last 00:00
                                                      bob < new_message 3 "in it" thread=1, typing off alice in 1 [bob],
                                                          thread_update 4 of 1 has 1 last 00:00
                                                      carol < new_message 3 "in it" thread=1 / thread_update 4 of 1 has
                                                          1 last 00:00
        bob leave                                     alice < typing off bob [], typing off bob in 1 []
                                                      carol < typing off bob []
        alice > typing on thread=9                    alice < error invalid threadId of typing
        (3 s pass)                                    alice < user_joined bob, user_joined carol
        alice > {"type":"typing","isTyping":true,"threadId":7}
                                                      alice < error bad_request threadId of typing
        alice > {"type":"typing","isTyping":true,"threadId":"x"}
                                                      alice < error invalid threadId of typing
        alice > typing on thread=1
        (7 s pass)                                    alice < user_left bob
                                                      carol < user_left bob
        "#,
    );
}

#[test]
fn thread_5_who_wrote_in_it_or_is_named_in_it_follows() {
    let mut rig = Rig::new();
    rig.prepare("alice join\nbob join\nalice > message \"root\"\nalice > message \"no thread <@bob>\"");
    rig.prepare("(9 s pass)\nbob > message \"reply <@carol>\" thread=1 #c1\n(9 s pass)");
    let followers: Vec<&String> = rig.postgres.followers[&1].iter().collect();
    assert_eq!(followers, ["alice", "bob", "carol"]);
    assert!(rig.postgres.followers[&2].is_empty(), "where nobody replied nobody follows");
    rig.prepare("bob > edit 3 \"reply <@dave>\"\n(9 s pass)\nbob > delete 3\n(9 s pass)");
    let followers: Vec<&String> = rig.postgres.followers[&1].iter().collect();
    assert_eq!(followers, ["alice", "bob", "carol", "dave"], "who follows stays");
}

#[test]
fn since_1_who_came_later_sees_nothing_from_before_and_nothing_about_it() {
    let mut rig = Rig::new();
    rig.prepare("alice join\nbob join");
    rig.prepare("bob > message \"old\" & bob > message \"old reply\" thread=1 & bob > message \"new\"");
    rig.prepare("(history is visible since join)\n(carol joined at 3)");
    rig.play(
        r#"
        carol join                                    carol < hello seq=5 read bob:4, online alice bob carol,
                                                          new_message 4 "new", synced 5
        carol' join since=3                           carol' < hello seq=5 read bob:4, online alice bob carol,
                                                          new_message 4 "new", room_updated 5
                                                          historyVisibility="since_join", synced 5
        carol' join since=1                           carol' < hello seq=5 read bob:4, online alice bob carol, resync
                                                          too_old seq=5 e1, synced 5
        carol page                                    carol < page 4 of 5
        carol page before=4                           carol < page  … of 5
        carol page after=0                            carol < page 4 of 5
        carol page around=2                           carol < page 4 of 5
        carol page threadId=1                         carol < page  of 5
        carol thread 1                                carol < 404 message_not_found
        carol > react 👍 1 #r1                         carol < error message_not_found of reaction #r1
        carol > edit 1 "x" #e1                        carol < error message_not_found of edit #e1
        carol > delete 1 #d1                          carol < error message_not_found of delete #d1
        carol > message "x" thread=1 #c1              carol < error invalid threadId of message #c1
        carol > message "x" reply=1 #c2               carol < error invalid replyToId of message #c2
        carol > typing on thread=1                    carol < error invalid threadId of typing
        carol versions 1                              carol < 404 message_not_found
        bob > edit 1 "older" & alice > react 👍 1 & bob > typing on thread=1
                                                      alice < message_updated 6 is 1 "older" replies=1 v2,
                                                          reaction_update 7 on 1 +👍 alice =1, typing bob in 1 [bob]
                                                      bob < message_updated 6 is 1 "older" replies=1 v2, reaction_update
                                                          7 on 1 +👍 alice =1
                                                      carol < hidden 6, hidden 7
                                                      carol' < hidden 6, hidden 7 / hidden 6, hidden 7
        bob > message "in an old thread" thread=1     alice < new_message 8 "in an old thread" thread=1, typing off bob
                                                          in 1 [], thread_update 9 of 1 has 2 last 00:00
                                                      bob < new_message 8 "in an old thread" thread=1, thread_update 9
                                                          of 1 has 2 last 00:00
                                                      carol < new_message 8 "in an old thread" thread=1, hidden 9
                                                      carol' < new_message 8 "in an old thread" thread=1, hidden 9 /
                                                          new_message 8 "in an old thread" thread=1, hidden 9
        bob > delete 2                                alice < message_deleted 10 of 2 by bob, thread_update 11 of 1 has
                                                          1 last 00:00
                                                      bob < message_deleted 10 of 2 by bob, thread_update 11 of 1 has 1
                                                          last 00:00
                                                      carol < hidden 10, hidden 11
                                                      carol' < hidden 10, hidden 11 / hidden 10, hidden 11
        carol' join since=4                           carol' < hello seq=11 read bob:8, online alice bob carol,
                                                          room_updated 5 historyVisibility="since_join", hidden 6,
                                                          hidden 7, new_message 8 "in an old thread" thread=1, hidden 9,
                                                          hidden 10, hidden 11, synced 11
        carol > message "mine" reply=4                alice < new_message 12 "mine" reply=4
                                                      bob < new_message 12 "mine" reply=4
                                                      carol < new_message 12 "mine" reply=4
                                                      carol' < new_message 12 "mine" reply=4 / new_message 12 "mine"
                                                          reply=4 / new_message 12 "mine" reply=4
        "#,
    );
}
