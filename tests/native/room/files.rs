//! Uploads: noted, sent once, seen by those who see their message, and gone when nobody has them any more.
//! Not here: what a file is (`protocol::file`), and real buckets (`tests/e2e/files.rs`).

use crate::rig::Rig;

#[test]
fn file_1_who_may_not_talk_here_or_sends_too_much_stores_nothing() {
    let mut rig = Rig::new();
    rig.limits.attachment_bytes = 1_000;
    rig.play(
        r#"
        eve reserves f1                               eve < 404 room_not_found
        alice reserves f1 1000                        alice < noted
        alice reserves f2 1001                        alice < 413 too_large
        bob finishes f1                               bob < 404 attachment_not_found
        alice finishes f9                             alice < 404 attachment_not_found
        alice finishes f1                             alice < upload f1
        alice finishes f1                             alice < 404 attachment_not_found
        (bob is removed)
        bob reserves f3                               bob < 404 room_not_found
        (the room is archived)
        alice reserves f4                             alice < 409 archived
        "#,
    );
    let key = rig.file_key("f1");
    rig.bucket.insert(key);
}

#[test]
fn file_2_an_upload_is_sent_once_and_by_its_uploader() {
    Rig::new().play(
        r#"
        alice joins                                   alice < hello seq=0 as owner, online alice, synced 0
        bob joins                                     bob < hello seq=0, online alice bob, synced 0
        alice uploads f1 f2 f3                        alice < noted / upload f1 / noted / upload f2 / noted / upload f3
        bob > message "mine now" #b1 files=f1         bob < error invalid attachments of message #b1
        alice reserves f4                             alice < noted
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
                                                      alice < ack c3 seq=2, new_message 2 "one" files=f3, error invalid attachments of message #c4
                                                      bob < new_message 2 "one" files=f3
        "#,
    );
}

#[test]
fn file_3_a_retry_with_its_files_is_a_duplicate() {
    Rig::new().play(
        r#"
        alice joins                                   alice < hello seq=0 as owner, online alice, synced 0
        alice uploads f1                              alice < noted / upload f1
        alice > message "look" #c1 files=f1           alice < ack c1 seq=1, new_message 1 "look" files=f1
        alice > message "look" #c1 files=f1           alice < ack c1 seq=1 duplicate
        alice > message "look" #c1 files=f2           alice < error client_id_conflict clientId of message #c1
        (the room is evicted)
        alice posts message "look" #c1 files=f1       alice < message 1 "look" files=f1 duplicate
        (the room is rebuilt)
        alice joins since=1 epoch=e2                  alice < hello seq=1 as owner read alice:1, online alice, synced 1
        alice posts message "look" #c1 files=f1       alice < message 1 "look" files=f1 duplicate
        alice posts message "look" #c1 files=f2       alice < 409 client_id_conflict clientId
        alice gets f1                                 alice < file f1
        "#,
    );
}

#[test]
fn file_4_who_may_download_it() {
    Rig::new().play(
        r#"
        alice uploads f1                              alice < noted / upload f1
        alice gets f1                                 alice < file f1
        bob gets f1                                   bob < 404 attachment_not_found
        alice posts message "look" #c1 files=f1       alice < message 1 "look" files=f1
        bob gets f1                                   bob < file f1
        eve gets f1                                   eve < 404 room_not_found
        bob gets f2                                   bob < 404 attachment_not_found
        (bob is removed)
        bob gets f1                                   bob < 404 room_not_found
        (the room is archived)
        carol gets f1                                 carol < file f1
        "#,
    );
}

#[test]
fn file_5_what_nobody_sends_is_removed_after_a_day() {
    Rig::new().play(
        r#"
        alice uploads f1 f2                           alice < noted / upload f1 / noted / upload f2
        alice posts message "look" #c1 files=f2       alice < message 1 "look" files=f2
        (86399 s pass)
        alice gets f1                                 alice < file f1
        (1 s passes)                                  bucket < remove f1
        alice gets f1                                 alice < 404 attachment_not_found
        alice posts message "too late" #c2 files=f1   alice < 422 invalid attachments
        (5 s pass)
        alice gets f2                                 alice < file f2
        "#,
    );
}

#[test]
fn file_5_an_upload_that_broke_off_leaves_nothing() {
    Rig::new().play(
        r#"
        alice reserves f1                             alice < noted
        (the room is evicted)
        (3599 s pass)
        alice finishes f1                             alice < upload f1
        alice reserves f2                             alice < noted
        alice stores f2
        (3601 s pass)                                 bucket < remove f2
        alice finishes f2                             alice < 404 attachment_not_found
        alice reserves f3                             alice < noted
        alice fails f3                                alice < noted
        alice stores f3
        (29 s pass)
        (1 s passes)                                  bucket < remove f3
        alice fails f1                                alice < noted
        bob fails f1                                  bob < noted
        (30 s pass)                                   bucket < remove f1
        "#,
    );
}

#[test]
fn file_6_a_deleted_messages_files_go_until_the_bucket_says_so() {
    Rig::new().play(
        r#"
        alice uploads f1 f2 f3                        alice < noted / upload f1 / noted / upload f2 / noted / upload f3
        alice posts message "look" #c1 files=f1,f2    alice < message 1 "look" files=f1,f2
        alice posts message "keep" #c2 files=f3       alice < message 2 "keep" files=f3
        bob posts message "reply" #b1 thread=1        bob < message 3 "reply" thread=1
        (the bucket is away)
        alice deletes 1                               alice < deleted 1 at 5
                                                      bucket < remove f1 f2: away
        alice gets f1                                 alice < 404 attachment_not_found
        (the room crashes)
        (4 s pass)
        (1 s passes)                                  bucket < remove f1 f2: away
        (1 s passes)                                  bucket < remove f1 f2: away
        (the room crashes)
        (the bucket is back)
        (5 s pass)                                    bucket < remove f1 f2
        bob gets f3                                   bob < file f3
        alice posts message "once more" #c3 files=f1  alice < 422 invalid attachments
        "#,
    );
}

#[test]
fn file_7_nobody_hoards_uploads() {
    let mut rig = Rig::new();
    rig.limits.unsent_uploads = 2;
    rig.play(
        r#"
        alice uploads f1                              alice < noted / upload f1
        (60 s pass)
        alice reserves f2                             alice < noted
        alice reserves f3                             alice < 429 rate_limited in 3600000 ms
        bob reserves f4                               bob < noted
        alice posts message "one" #c1 files=f1        alice < message 1 "one" files=f1
        alice reserves f3                             alice < noted
        "#,
    );
    rig.limits.attachments_per_message = 1;
    rig.evict();
    rig.play(
        r#"
        bob stores f4
        bob finishes f4                               bob < upload f4
        bob reserves f5                               bob < noted
        bob stores f5
        bob finishes f5                               bob < upload f5
        bob posts message "two at once" #b1 files=f4,f5
                                                      bob < 422 invalid attachments
        bob posts message "one" #b2 files=f4          bob < message 2 "one" files=f4
        "#,
    );
}

#[test]
fn file_5_uploads_of_a_lost_log_are_found_and_removed() {
    Rig::new().play(
        r#"
        alice uploads f1 f2                           alice < noted / upload f1 / noted / upload f2
        alice posts message "look" #c1 files=f1       alice < message 1 "look" files=f1
        (the room is rebuilt)
        alice posts message "unknown now" #c2 files=f2
                                                      alice < 422 invalid attachments
        alice reserves f3                             alice < noted
        alice stores f3
        alice finishes f3                             alice < upload f3
        (the bucket is away)
        (3600 s pass)
        (the room crashes)
        (the bucket is back)
        (10 s pass)                                   bucket < remove f2
        alice posts message "more" #c3 files=f3       alice < message 2 "more" files=f3
        bob gets f1                                   bob < file f1
        bob gets f3                                   bob < file f3
        "#,
    );
}
