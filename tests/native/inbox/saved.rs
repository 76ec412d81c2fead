//! INBOX-10: the list of saved messages on all devices. Not here: which changes Postgres names (`reading::saved`).

use super::{World, id, room, types};
use chinwag::db::{SavedAfter, SavedChange, SavedChanges};
use chinwag::inbox::{Answer, Input, Page};
use chinwag::limits::INBOX_SAVED_MAX;
use serde_json::{Value, json};

fn change(rev: u64, saved: bool) -> SavedChange {
    SavedChange { rev, room: id("a"), message: format!("m{rev}"), saved }
}

fn with(rev: u64, changes: Vec<SavedChange>) -> Answer {
    Answer { saved: Some(SavedChanges { rev, changes }), ..Answer::default() }
}

/// A device connects, and Postgres has this of the list.
fn connect(w: &mut World, saved: SavedChanges, since: Option<(u64, &str)>) -> Vec<Value> {
    let page = Some(Page { rooms: vec![room("a", 1)], next_cursor: None });
    let answer = Answer { page, saved: Some(saved), lease_was_running: true, ..Answer::default() };
    let first = w.connect_with(answer, since);
    w.write_presence(&[]);
    first
}

fn poke(w: &mut World) -> Option<SavedAfter> {
    w.now += 1_000;
    w.feed(Input::SavedPoked);
    let question = w.question()?;
    let asked = question.saved;
    w.feed(Input::Answered { question, outcome: Ok(with(9, vec![change(8, true), change(9, false)])) });
    asked
}

#[test]
fn inbox_10_changes_are_events_on_all_devices_and_are_resumed() {
    let mut w = World::new();
    let first = connect(&mut w, SavedChanges { rev: 7, changes: vec![] }, None);
    assert_eq!(types(&first), ["hello", "rooms", "synced"], "what was saved before a client loads");
    w.connect(&[room("a", 1)], None);
    assert_eq!(poke(&mut w), Some(SavedAfter(Some(7))));
    for device in [1, 2] {
        let last = w.heard_by(device);
        let [.., one, two] = last.as_slice() else { panic!("{last:?}") };
        assert_eq!(*one, json!({"type": "saved", "seq": 2, "roomId": "a", "messageId": "m8", "saved": true}));
        assert_eq!((&two["seq"], &two["messageId"], &two["saved"]), (&json!(3), &json!("m9"), &json!(false)));
    }
    w.restart();
    let again = connect(&mut w, SavedChanges { rev: 9, changes: vec![] }, Some((1, "e1")));
    assert_eq!(types(&again), ["hello", "saved", "saved", "synced"]);
    assert_eq!(w.inbox.saved_after(), SavedAfter(Some(9)), "over a restart");
}

#[test]
fn inbox_10_what_was_missed_is_found_by_the_next_comparison() {
    let mut w = World::new();
    connect(&mut w, SavedChanges { rev: 7, changes: vec![] }, None);
    w.feed(Input::Closed { connection: 1 });
    let again = connect(&mut w, SavedChanges { rev: 8, changes: vec![change(8, true)] }, Some((1, "e1")));
    assert_eq!(types(&again), ["hello", "saved", "synced"]);
    // Of many changes the next question brings the rest.
    w.now += 1_000;
    w.feed(Input::SavedPoked);
    let question = w.question().expect("a question");
    let many = (9..9 + INBOX_SAVED_MAX as u64).map(|rev| change(rev, true)).collect();
    w.feed(Input::Answered { question, outcome: Ok(with(500, many)) });
    w.now += 1_000;
    let question = w.question().expect("another one");
    assert_eq!(question.saved, Some(SavedAfter(Some(8 + INBOX_SAVED_MAX as u64))));
    // Postgres was restored from a backup.
    w.feed(Input::Answered { question, outcome: Ok(with(3, vec![])) });
    assert_eq!(w.inbox.saved_after(), SavedAfter(Some(3)));
    assert!(w.question().is_none());
}

#[test]
fn inbox_10_a_question_that_failed_is_asked_again() {
    let mut w = World::new();
    connect(&mut w, SavedChanges { rev: 7, changes: vec![] }, None);
    w.now += 1_000;
    w.feed(Input::SavedPoked);
    let question = w.question().expect("a question");
    assert!(!question.is_whole);
    let error = chinwag::db::DbError { sqlstate: None, message: "no answer".into() };
    w.feed(Input::Answered { question, outcome: Err(error) });
    w.now += 60_000;
    w.feed(Input::AlarmFired);
    let question = w.question().expect("a question");
    assert_eq!((question.is_whole, question.saved), (true, Some(SavedAfter(Some(7)))));
}
