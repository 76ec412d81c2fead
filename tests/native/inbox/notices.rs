//! INBOX-11: what the inbox makes of what Postgres has to notify of. Not here: what that is (`db_notices`).

use super::{World, id, room, types};
use chinwag::db::{FoundNotice, InboxRoom, NoticesAfter, NoticesOfRoom, PendingNotice};
use chinwag::inbox::{Answer, Input, Page, Question};
use chinwag::limits::*;
use chinwag::protocol::inbox::NotifyReason;
use serde_json::{Value, json};

fn message(seq: u64) -> Value {
    json!({"id": format!("m{seq}"), "seq": seq, "senderName": "Bob", "preview": format!("secret {seq}"), "threadId": null})
}

fn notices(last_seq: u64, found: Option<u64>, pending: Option<u64>) -> NoticesOfRoom {
    NoticesOfRoom {
        room: id("a"),
        last_seq,
        edited_ms: 0,
        found: found.map(|seq| FoundNotice { reason: NotifyReason::Mention, message: message(seq) }),
        pending: pending.map(|seq| PendingNotice { message: message(seq) }),
    }
}

/// The room as the list has it, read up to here.
fn listed(seq: u64, read: u64) -> Value {
    let mut listed = room("a", seq);
    listed["me"]["lastReadSeq"] = json!(read);
    listed
}

/// The room is poked, and Postgres has this.
fn poke(w: &mut World, listed: Value, answer: NoticesOfRoom) -> NoticesAfter {
    w.now += INBOX_ROOM_EVERY_MS;
    w.feed(Input::Poked { room: id("a"), read: 1 });
    let question = w.question().expect("a question");
    let [asked] = question.notices.as_slice() else { panic!("{question:?}") };
    let asked = asked.clone();
    let rooms = vec![InboxRoom { id: id("a"), room: Some(listed), gone: None }];
    let outcome = Ok(Answer { rooms, notices: vec![answer], ..Answer::default() });
    w.feed(Input::Answered { question, outcome });
    asked
}

/// A device connects; `was_here`: somebody's lease was running.
fn connect(
    w: &mut World,
    listed: Value,
    answer: NoticesOfRoom,
    was_here: bool,
    since: Option<u64>,
) -> Vec<Value> {
    let page = Some(Page { rooms: vec![listed], next_cursor: None });
    let notices = vec![answer];
    let answer = Answer { page, notices, lease_was_running: was_here, was_here, ..Answer::default() };
    let first = w.connect_with(answer, since.map(|seq| (seq, "e1")));
    w.write_presence(&[]);
    first
}

fn last(w: &World) -> Value {
    w.heard_by(1).last().expect("an event").clone()
}

#[test]
fn inbox_11_a_message_is_notified_of_once_and_withdrawn_when_it_is_read() {
    let mut w = World::new();
    w.connect(&[listed(3, 3)], None);
    let asked = poke(&mut w, listed(4, 3), notices(4, Some(4), None));
    assert_eq!((asked.after, asked.read, asked.pending), (Some(3), 1, None));
    assert_eq!(
        last(&w),
        json!({"type": "notification", "seq": 3, "roomId": "a", "messageId": "m4", "messageSeq": 4, "threadId": null,
               "reason": "mention", "title": "4 new: a", "body": "Bob: secret 4"})
    );
    w.restart();
    w.connect(&[listed(4, 3)], None);
    let asked = poke(&mut w, listed(5, 3), notices(5, None, Some(4)));
    assert_eq!((asked.after, asked.pending), (Some(4), Some(4)), "over a restart");
    poke(&mut w, listed(6, 3), notices(6, Some(6), Some(4)));
    let seq = w.heard_by(2).last().expect("an event")["seq"].clone();
    poke(&mut w, listed(6, 6), notices(6, None, None));
    let heard = w.heard_by(2);
    assert_eq!(types(&heard[heard.len() - 2..]), ["read", "notification_withdrawn"]);
    let withdrawn = heard.last().expect("an event");
    assert_eq!((&withdrawn["messageId"], &withdrawn["messageSeq"]), (&json!("m6"), &json!(6)));
    assert_eq!(withdrawn["seq"].as_u64(), seq.as_u64().map(|seq| seq + 2), "the older one was replaced");
    let asked = poke(&mut w, listed(6, 6), notices(6, None, None));
    assert_eq!(asked.pending, None);
    assert!(!w.sql.dump().contains("secret"), "no text of a message is stored");
}

#[test]
fn inbox_11_a_deleted_message_is_withdrawn_and_never_shown_again() {
    let mut w = World::new();
    w.connect(&[listed(3, 3)], None);
    poke(&mut w, listed(4, 3), notices(4, Some(4), None));
    poke(&mut w, listed(5, 3), notices(5, None, None));
    assert_eq!(
        (last(&w)["type"].clone(), last(&w)["messageId"].clone()),
        (json!("notification_withdrawn"), json!("m4"))
    );
    let again = connect(&mut w, listed(5, 3), notices(5, None, None), true, Some(1));
    assert_eq!(types(&again)[1..5], ["room_activity", "hidden", "room_activity", "notification_withdrawn"]);
    assert!(!again.iter().any(|event| event.to_string().contains("secret 4")), "{again:?}");
}

#[test]
fn inbox_11_who_resumes_gets_what_is_pending_and_not_what_it_has_replaced() {
    let mut w = World::new();
    w.connect(&[listed(3, 3)], None);
    poke(&mut w, listed(4, 3), notices(4, Some(4), None));
    poke(&mut w, listed(5, 3), notices(5, Some(5), Some(4)));
    let again = connect(&mut w, listed(5, 3), notices(5, None, Some(5)), true, Some(1));
    assert_eq!(types(&again)[1..5], ["room_activity", "hidden", "room_activity", "notification"]);
    assert_eq!(again[4]["messageId"], "m5");
    let asked = |w: &World, since| {
        let since = chinwag::room::ResumePosition { seq: since, epoch: "e1".into() };
        let store = chinwag::inbox::Store(&w.sql);
        w.inbox.notices_of_all(&store, Some(&since), w.now).expect("what is asked")[0].is_replayed
    };
    assert_eq!([asked(&w, 1), asked(&w, 4), asked(&w, 5)], [true, true, false]);
}

#[test]
fn inbox_11_what_came_while_nobody_was_here_is_not_notified_of() {
    let mut w = World::new();
    w.connect(&[listed(3, 3)], None);
    w.feed(Input::Closed { connection: 1 });
    let again = connect(&mut w, listed(9, 3), notices(9, Some(9), None), false, Some(1));
    assert_eq!(types(&again), ["hello", "room_activity", "synced"]);
    assert_eq!(poke(&mut w, listed(9, 3), notices(9, None, None)).after, Some(9));
    // Somebody's was here for a moment before: the lease ran on.
    w.feed(Input::Closed { connection: 2 });
    let again = connect(&mut w, listed(10, 3), notices(10, Some(10), None), true, Some(2));
    assert_eq!(types(&again), ["hello", "room_activity", "notification", "synced"]);
}

#[test]
fn inbox_11_postgres_restored_from_a_backup_notifies_of_nothing_twice() {
    let mut w = World::new();
    w.connect(&[listed(9, 3)], None);
    poke(&mut w, listed(4, 3), notices(4, None, None));
    assert_eq!(poke(&mut w, listed(5, 3), notices(5, None, None)).after, Some(9));
    let question: Option<Question> = w.question();
    assert_eq!(question, None);
}
