//! What the room says of a message that somebody wants to save.
//! Not here: the list of saved messages (`reading::saved`).

use crate::rig::Rig;

#[test]
fn saved_1_the_room_has_the_message_before_postgres_and_hides_what_is_deleted_or_older_than_the_caller() {
    let mut rig = Rig::new();
    rig.prepare("(Postgres fails)\nbob post message \"tea\"\nbob post message \"milk\"\nbob delete 2");
    rig.play(
        r#"
        alice find 1                                  alice < found 1 of 3
        alice find 2                                  alice < 404 message_not_found
        alice find 3                                  alice < 404 message_not_found
        alice find root 2                             alice < found 2 of 3
        "#,
    );
}
