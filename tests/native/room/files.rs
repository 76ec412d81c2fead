//! Uploads: reserved, sent once, visible to those who see the message, and removed when no message has them.
//! Not here: what a file is (`protocol::file`), and real buckets (`tests/e2e/files.rs`).

use crate::rig::Rig;

#[test]
fn file_1_who_may_not_talk_here_or_sends_too_much_stores_nothing() {
    let mut rig = Rig::new();
    rig.limits.attachment_bytes = 1_000;
    rig.play(
        r#"
        eve reserve f1                                eve < 404 room_not_found
        alice reserve f1 1000                         alice < noted
        alice reserve f2 1001                         alice < 413 too_large
        bob finish f1                                 bob < 404 attachment_not_found
        alice finish f9                               alice < 404 attachment_not_found
        alice finish f1                               alice < upload f1
        alice finish f1                               alice < 404 attachment_not_found
        (bob is removed)
        bob reserve f3                                bob < 404 room_not_found
        (the room is archived)
        alice reserve f4                              alice < 409 archived
        "#,
    );
    let key = rig.file_key("f1");
    rig.bucket.insert(key);
}

#[test]
fn file_2_an_upload_is_sent_once_and_by_its_uploader() {
    Rig::new().play(
        r#"
        alice join                                    alice < hello seq=0 as owner, online alice, synced 0
        bob join                                      bob < hello seq=0, online alice bob, synced 0
        alice upload f1 f2 f3                         alice < noted / upload f1 / noted / upload f2 / noted / upload f3
        bob > message "mine now" #b1 files=f1         bob < error invalid attachments of message #b1
        alice reserve f4                              alice < noted
        alice > message "not there yet" #c1 files=f4  alice < error invalid attachments of message #c1
        alice > message "unknown" #c1 files=f9        alice < error invalid attachments of message #c1
        alice > {"type":"message","clientId":"c1","attachments":[{"id":"r2.f1"}]}
                                                      alice < error invalid attachments of message #c1
        alice > {"type":"message","clientId":"c1","attachments":[{"id":"f1"}]}
                                                      alice < error invalid attachments of message #c1
        alice > message "twice" #c1 files=f1,f1       alice < error invalid attachments of message #c1
        alice > message "both" #c1 files=f1,f2        alice < ack c1 seq=1, new_message 1 "both" files=f1,f2
                                                      bob < new_message 1 "both" files=f1,f2
        alice > message "again" #c2 files=f2          alice < error invalid attachments of message #c2
        alice > message "one" #c3 files=f3 & alice > message "other" #c4 files=f3
                                                      alice < ack c3 seq=2, new_message 2 "one" files=f3, error invalid
                                                          attachments of message #c4
                                                      bob < new_message 2 "one" files=f3
        "#,
    );
}

#[test]
fn file_3_a_retry_with_its_files_is_a_duplicate() {
    Rig::new().play(
        r#"
        alice join                                    alice < hello seq=0 as owner, online alice, synced 0
        alice upload f1                               alice < noted / upload f1
        alice > message "look" #c1 files=f1           alice < ack c1 seq=1, new_message 1 "look" files=f1
        alice > message "look" #c1 files=f1           alice < ack c1 seq=1 duplicate
        alice > message "look" #c1 files=f2           alice < error client_id_conflict clientId of message #c1
        (the room is evicted)
        alice post message "look" #c1 files=f1        alice < message 1 "look" files=f1 duplicate
        (the room is rebuilt)
        alice join since=1 epoch=e2                   alice < hello seq=1 as owner read alice:1, online alice, synced 1
        alice post message "look" #c1 files=f1        alice < message 1 "look" files=f1 duplicate
        alice post message "look" #c1 files=f2        alice < 409 client_id_conflict clientId
        alice get f1                                  alice < file f1
        "#,
    );
}

#[test]
fn file_4_who_may_download_it() {
    Rig::new().play(
        r#"
        alice upload f1                               alice < noted / upload f1
        alice get f1                                  alice < file f1
        bob get f1                                    bob < 404 attachment_not_found
        alice post message "look" #c1 files=f1        alice < message 1 "look" files=f1
        bob get f1                                    bob < file f1
        eve get f1                                    eve < 404 room_not_found
        bob get f2                                    bob < 404 attachment_not_found
        (bob is removed)
        bob get f1                                    bob < 404 room_not_found
        (the room is archived)
        carol get f1                                  carol < file f1
        "#,
    );
}

#[test]
fn file_8_a_signed_download_ends_with_the_message_and_with_the_membership() {
    // The Worker verifies the grant, and then asks the room as for any download, without asking Postgres.
    Rig::new().play(
        r#"
        alice upload f1 f2                            alice < noted / upload f1 / noted / upload f2
        alice post message "look" #c1 files=f1        alice < message 1 "look" files=f1
        alice post message "see" #c2 files=f2         alice < message 2 "see" files=f2
        bob get f1                                    bob < file f1
        alice delete 1                                alice < deleted 1 at 3
                                                      bucket < remove f1
        bob get f1                                    bob < 404 attachment_not_found
        bob get f2                                    bob < file f2
        alice remove bob                              alice < ok {"userId":"bob"}
        bob get f2                                    bob < 404 room_not_found
        "#,
    );
}

#[test]
fn file_5_what_nobody_sends_is_removed_after_a_day() {
    Rig::new().play(
        r#"
        alice upload f1 f2                            alice < noted / upload f1 / noted / upload f2
        alice post message "look" #c1 files=f2        alice < message 1 "look" files=f2
        (86399 s pass)
        alice get f1                                  alice < file f1
        (1 s passes)                                  bucket < remove f1
        alice get f1                                  alice < 404 attachment_not_found
        alice post message "too late" #c2 files=f1    alice < 422 invalid attachments
        (5 s pass)
        alice get f2                                  alice < file f2
        "#,
    );
}

#[test]
fn file_5_an_upload_that_broke_off_leaves_nothing() {
    Rig::new().play(
        r#"
        alice reserve f1                              alice < noted
        (the room is evicted)
        (3599 s pass)
        alice finish f1                               alice < upload f1
        alice reserve f2                              alice < noted
        alice store f2
        (3601 s pass)                                 bucket < remove f2
        alice finish f2                               alice < 404 attachment_not_found
        alice reserve f3                              alice < noted
        alice fail f3                                 alice < noted
        alice store f3
        (29 s pass)
        (1 s passes)                                  bucket < remove f3
        alice fail f1                                 alice < noted
        bob fail f1                                   bob < noted
        (30 s pass)                                   bucket < remove f1
        "#,
    );
}

#[test]
fn file_6_a_deleted_messages_files_go_until_the_bucket_says_so() {
    Rig::new().play(
        r#"
        alice upload f1 f2 f3                         alice < noted / upload f1 / noted / upload f2 / noted / upload f3
        alice post message "look" #c1 files=f1,f2     alice < message 1 "look" files=f1,f2
        alice post message "keep" #c2 files=f3        alice < message 2 "keep" files=f3
        bob post message "reply" #b1 thread=1         bob < message 3 "reply" thread=1
        (the bucket is away)
        alice delete 1                                alice < deleted 1 at 5
                                                      bucket < remove f1 f2: away
        alice get f1                                  alice < 404 attachment_not_found
        (the room crashes)
        (4 s pass)
        (1 s passes)                                  bucket < remove f1 f2: away
        (1 s passes)                                  bucket < remove f1 f2: away
        (the room crashes)
        (the bucket is back)
        (5 s pass)                                    bucket < remove f1 f2
        bob get f3                                    bob < file f3
        alice post message "once more" #c3 files=f1   alice < 422 invalid attachments
        "#,
    );
}

#[test]
fn file_7_nobody_hoards_uploads() {
    let mut rig = Rig::new();
    rig.limits.unsent_uploads = 2;
    rig.play(
        r#"
        alice upload f1                               alice < noted / upload f1
        (60 s pass)
        alice reserve f2                              alice < noted
        alice reserve f3                              alice < 429 rate_limited in 3600000 ms
        bob reserve f4                                bob < noted
        alice post message "one" #c1 files=f1         alice < message 1 "one" files=f1
        alice reserve f3                              alice < noted
        "#,
    );
    rig.limits.attachments_per_message = 1;
    rig.evict();
    rig.play(
        r#"
        bob store f4
        bob finish f4                                 bob < upload f4
        bob reserve f5                                bob < noted
        bob store f5
        bob finish f5                                 bob < upload f5
        bob post message "two at once" #b1 files=f4,f5
                                                      bob < 422 invalid attachments
        bob post message "one" #b2 files=f4           bob < message 2 "one" files=f4
        "#,
    );
}

#[test]
fn file_5_uploads_of_a_lost_log_are_found_and_removed() {
    Rig::new().play(
        r#"
        alice upload f1 f2                            alice < noted / upload f1 / noted / upload f2
        alice post message "look" #c1 files=f1        alice < message 1 "look" files=f1
        (the room is rebuilt)
        alice post message "unknown now" #c2 files=f2
                                                      alice < 422 invalid attachments
        alice reserve f3                              alice < noted
        alice store f3
        alice finish f3                               alice < upload f3
        (the bucket is away)
        (3600 s pass)
        (the room crashes)
        (the bucket is back)
        (10 s pass)                                   bucket < remove f2
        alice post message "more" #c3 files=f3        alice < message 2 "more" files=f3
        bob get f1                                    bob < file f1
        bob get f3                                    bob < file f3
        "#,
    );
}
