//! Making a room's log anew from Postgres as a job: its pages, who waits for it, and what continues it.
//! Not here: what a rebuilt room knows (`session`), and every moment of a kill (the simulator).

use crate::rig::Rig;
use chinwag::api::Membership;
use chinwag::room::{PageQuery, RoomCall};
use serde_json::Value;
use testkit::Fault;

/// A room with seven messages in Postgres, whose storage is lost; a page has two of them.
fn rig() -> Rig {
    let mut rig = Rig::new();
    rig.prepare("alice join\n(1 s passes)");
    for text in ["a", "b", "c", "d", "e", "f", "g"] {
        rig.prepare(&format!("alice > message \"{text}\"\n(1 s passes)"));
    }
    rig.prepare("(60 s pass)\nalice leave\n(60 s pass)");
    rig.limits.rebuild_messages = 2;
    rig.lose_storage();
    rig.crash();
    rig.alarm = None;
    rig
}

/// A row of the table `state`.
fn state(rig: &Rig, id: i64) -> Value {
    let text = rig.sql.rows("SELECT value FROM state WHERE id = ?", [id]).pop().and_then(|mut row| row.pop());
    let Some(rusqlite::types::Value::Text(text)) = text else { return Value::Null };
    serde_json::from_str(&text).unwrap()
}

/// Asks for a page of the room in the middle of a turn; nothing else runs meanwhile.
fn ask(rig: &mut Rig, name: &str) -> String {
    rig.call(name, RoomCall::Page(PageQuery::default()));
    rig.heard.retain(|(name, _)| name != "operator");
    rig.heard.drain(..).map(|(name, what)| format!("{name} < {what}")).collect::<Vec<_>>().join(" / ")
}

const COMPLETE: &str = "bob < page 1 2 3 4 5 6 7 of 7";
const RESTORING: &str = "503 upstream_unavailable in 1000 ms";

#[test]
fn rebuild_4_a_long_rebuild_refuses_at_once_and_goes_on_by_itself_after_a_kill() {
    let mut rig = rig();
    assert_eq!(ask(&mut rig, "alice"), format!("alice < {RESTORING}"));
    // The first page is stored, and the process is killed before the slice has begun.
    rig.crash();
    let begun = state(&rig, 10);
    assert_eq!((&begun["imported"], &begun["lastSeq"]), (&2.into(), &7.into()));
    assert_eq!(state(&rig, 1), Value::Null, "half a log counts as none");
    assert_eq!(rig.pages_after, [0]);
    rig.pass(5_000);
    assert_eq!(rig.pages_after, [0, 2, 4, 6], "from the last page on, and nobody has asked");
    assert_eq!((&state(&rig, 1)["epoch"], state(&rig, 10)), (&begun["epoch"], Value::Null));
    rig.epochs = 0;
    rig.play(
        r#"
        alice page limit=10                           operator < rebuild_finished to=7
                                                      alice < page 1 2 3 4 5 6 7 of 7
        alice join history=0                          alice < hello seq=7 as owner, online alice, synced 7
        alice > message "h"                           alice < new_message 8 "h"
        "#,
    );
}

#[test]
fn rebuild_4_whoever_asks_meanwhile_neither_waits_nor_begins_again() {
    let mut rig = rig();
    assert_eq!(ask(&mut rig, "alice"), format!("alice < {RESTORING}"));
    let begun = state(&rig, 10);
    rig.crash();
    for name in ["bob", "carol", "bob"] {
        assert_eq!(ask(&mut rig, name), format!("{name} < {RESTORING}"));
    }
    assert_eq!((rig.pages_after.as_slice(), state(&rig, 10)), ([0].as_slice(), begun.clone()));
    // The slice that the first of them has begun is the only one.
    rig.turn();
    assert_eq!(rig.pages_after, [0, 2, 4, 6]);
    assert_eq!(state(&rig, 1)["epoch"], begun["epoch"]);
    assert_eq!(ask(&mut rig, "bob"), COMPLETE);
}

#[test]
fn rebuild_4_a_room_of_one_page_answers_the_first_request() {
    let mut rig = rig();
    rig.limits.rebuild_messages = 7;
    assert_eq!(ask(&mut rig, "bob"), COMPLETE);
    assert_eq!(rig.pages_after, [0]);
}

#[test]
fn rebuild_4_a_failure_keeps_what_is_stored_and_is_tried_again_ever_later() {
    let mut rig = rig();
    // Without its first page the job is begun by the request that finds it.
    rig.postgres.fault = Fault::Fails(String::new());
    assert_eq!(ask(&mut rig, "alice"), "alice < 503 upstream_unavailable");
    assert_eq!(ask(&mut rig, "alice"), "alice < 503 upstream_unavailable");
    let begun = state(&rig, 10);
    rig.postgres.fault = Fault::None;
    assert_eq!(ask(&mut rig, "alice"), format!("alice < {RESTORING}"));
    rig.postgres.fault = Fault::Fails(String::new());
    rig.pass(30_000);
    let asked = rig.pages_after.len();
    assert!((6..12).contains(&asked), "{asked} times in 30 s");
    // A statement fails in the middle of a page: nothing of the page is stored.
    rig.postgres.fault = Fault::None;
    let before = rig.sql.dump();
    rig.sql.fails_at.set(12);
    let wait_ms = rig.alarm.unwrap() - rig.now;
    rig.pass(wait_ms);
    assert_eq!(rig.sql.fails_at.get(), 0, "the page failed");
    assert!(rig.sql.dump() == before, "nothing of the page is stored");
    assert_eq!(rig.heard.pop(), Some(("operator".to_owned(), "failed: the disk is gone".to_owned())));
    rig.pass(20_000);
    assert_eq!(state(&rig, 1)["epoch"], begun["epoch"]);
    assert_eq!(ask(&mut rig, "bob"), COMPLETE);
}

#[test]
fn rebuild_4_a_log_that_was_set_back_takes_nothing_while_it_is_rebuilt() {
    let mut rig = Rig::new();
    rig.prepare("alice join\nalice > message \"a\"\n(60 s pass)");
    // Postgres has more than the storage, which the platform has set back to an earlier moment.
    rig.sql.rows("UPDATE state SET value = json_set(value, '$.projected', 0) WHERE id = 1", []);
    rig.sql.rows("DELETE FROM events", []);
    rig.limits.rebuild_messages = 1;
    rig.evict();
    rig.prepare("(60 s pass)");
    rig.lawful = false;
    let ahead = Membership { members_version: 1, last_seq: 1, notify: None, person: None };
    rig.callers_membership = Some(ahead);
    rig.play(
        r#"
        bob page limit=10                             alice < closed 1012 restart
                                                      operator < rebuild_began to=1 / rebuild_finished to=1
                                                      bob < page 1 of 1
        "#,
    );
}

#[test]
fn rebuild_5_a_page_has_so_many_bytes_and_messages_at_most() {
    let mut rig = rig();
    (rig.limits.rebuild_messages, rig.limits.rebuild_bytes) = (500, 1);
    assert_eq!(ask(&mut rig, "alice"), format!("alice < {RESTORING}"));
    rig.turn();
    assert_eq!(rig.pages_after, [0, 1, 2, 3, 4, 5, 6], "at least one message each");
}
