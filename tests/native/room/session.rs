//! How a connection begins: hello, who is there, the replay or the history, synced; and no gap after it.

use crate::rig::Rig;

#[test]
fn hello_1_a_beginning_has_one_order() {
    Rig::new().play(
        r#"
        alice joins                                   alice < hello seq=0 as owner, online alice, synced 0
        alice > message "hi"                          alice < new_message 1 "hi"
        bob joins                                     bob < hello seq=1 read alice:1, online alice bob, new_message 1 "hi", synced 1
        carol joins as seed                           carol < hello seq=1 read alice:1 / online alice bob carol / new_message 1 "hi" / synced 1
        (1 s passes)                                  alice < user_joined bob, user_joined carol
                                                      bob < user_joined carol
        mallory joins                                 mallory < 404 room_not_found
        alice joins tenant=other                      alice < 404 room_not_found
        "#,
    );
}

#[test]
fn hist_1_without_since_the_newest_messages_come() {
    Rig::new().play(
        r#"
        alice joins                                   alice < hello seq=0 as owner, online alice, synced 0
        alice > message "a" & alice > message "b" & alice > react 👍 1 & alice > message "c"
                                                      alice < new_message 1 "a", new_message 2 "b", reaction_update 3 on 1 +👍 alice {👍 alice}, new_message 4 "c"
        bob joins                                     bob < hello seq=4 read alice:4, online alice bob, new_message 1 "a" {👍 alice}, new_message 2 "b", new_message 4 "c", synced 4
        carol joins history=2                         carol < hello seq=4 read alice:4, online alice bob carol, new_message 2 "b", new_message 4 "c", synced 4
        dave joins history=0                          dave < hello seq=4 read alice:4, online alice bob carol dave, synced 4
        bob' joins history=1                          bob' < hello seq=4 read alice:4, online alice bob carol dave, new_message 4 "c", synced 4
        bob > message "d"                             alice < new_message 5 "d"
                                                      bob < new_message 5 "d"
                                                      carol < new_message 5 "d"
                                                      dave < new_message 5 "d"
                                                      bob' < new_message 5 "d"
        "#,
    );
}

#[test]
fn replay_1_exactly_what_was_missed_comes_once() {
    Rig::new().play(
        r#"
        alice joins                                   alice < hello seq=0 as owner, online alice, synced 0
        alice > message "a" & alice > message "b" & alice > react 👍 2 & alice > message "c"
                                                      alice < new_message 1 "a", new_message 2 "b", reaction_update 3 on 2 +👍 alice {👍 alice}, new_message 4 "c"
        bob joins since=0                             bob < hello seq=4 read alice:4, online alice bob, new_message 1 "a", new_message 2 "b" {👍 alice}, reaction_update 3 on 2 +👍 alice {👍 alice}, new_message 4 "c", synced 4
        carol joins since=2                           carol < hello seq=4 read alice:4, online alice bob carol, reaction_update 3 on 2 +👍 alice {👍 alice}, new_message 4 "c", synced 4
        dave joins since=4                            dave < hello seq=4 read alice:4, online alice bob carol dave, synced 4
        alice > message "d" & bob' joins since=3 & alice > message "e"
                                                      alice < new_message 5 "d", new_message 6 "e"
                                                      bob < new_message 5 "d", new_message 6 "e"
                                                      carol < new_message 5 "d", new_message 6 "e"
                                                      dave < new_message 5 "d", new_message 6 "e"
                                                      bob' < hello seq=5 read alice:5, online alice bob carol dave, new_message 4 "c", new_message 5 "d", synced 5, new_message 6 "e"
        "#,
    );
}
