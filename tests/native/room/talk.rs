//! Messages and reactions: sequence, acks, exactly once.

use crate::rig::Rig;

#[test]
fn ack_4_a_retried_message_is_acked_again_and_heard_once() {
    Rig::new().play(
        r#"
        alice joins                                   alice < hello seq=0 as owner, online alice, synced 0
        bob joins                                     bob < hello seq=0, online alice bob, synced 0
        alice > message "hi" #c1                      alice < ack c1 seq=1, new_message 1 "hi"
                                                      bob < new_message 1 "hi"
        (the room is evicted)
        alice > message "hi" #c1                      alice < ack c1 seq=1 duplicate
        (the room crashes)
        alice joins since=1                           alice < hello seq=1 as owner read alice:1, online alice, synced 1
        alice > message "hi" #c1                      alice < ack c1 seq=1 duplicate
        alice > message "ho" #c1                      alice < error client_id_conflict clientId of message #c1
        alice > react 👍 1 #c1                         alice < error client_id_conflict clientId of reaction #c1
        alice > react 👍 1 #c2                         alice < ack c2 seq=2, reaction_update 2 on 1 +👍 alice {👍 alice}
        alice > react 👍 1 #c2                         alice < ack c2 seq=2 duplicate
        alice > react 👍 1 #c3                         alice < ack c3 noop
        alice > message "ho" #c2                      alice < error client_id_conflict clientId of message #c2
        "#,
    );
}
