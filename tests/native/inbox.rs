//! Rules of the inbox as a machine: what it sends, stores and asks. The list is what the test says it is.
//! Not here: differences of one room (`src/inbox/view.rs`), and the statements (`db_inbox`).

use chinwag::auth::Identity;
use chinwag::db::{Account, DbError, InboxRoom};
use chinwag::ids::{RoomId, TenantId, UserId};
use chinwag::inbox::{Answer, Connect, Effect, Inbox, Input, OwnWrite, Owner, Page, Question, Store};
use chinwag::limits::*;
use chinwag::protocol::inbox::{GoneReason, Presence};
use chinwag::room::{ResumePosition, SocketEffect};
use serde_json::{Value, json};
use testkit::Sqlite;
use testkit::cast::NOON;

mod notices;
mod presence;
mod saved;

struct World {
    sql: Sqlite,
    inbox: Inbox,
    now: u64,
    sockets: u64,
    /// Effects that were no events.
    effects: Vec<String>,
    /// Events by connection.
    heard: Vec<(u64, Value)>,
}

fn user(text: &str) -> UserId {
    UserId::parse(text).unwrap()
}

fn id(text: &str) -> RoomId {
    RoomId::parse(text).unwrap()
}

fn room(name: &str, seq: u64) -> Value {
    json!({
        "id": name, "name": name, "topic": null, "archived": false, "memberCount": 2, "lastSeq": seq, "unread": seq,
        "mentions": 0, "createdAt": "2026-11-23T10:00:00.000Z", "lastMessageAt": "2026-11-23T12:00:00.000Z",
        "lastMessage": {"seq": seq, "content": format!("secret {seq}")},
        "me": {"role": "member", "lastReadSeq": 0, "notify": {"level": "all", "muteUntil": null}},
    })
}

fn seen(name: &str, seq: u64) -> InboxRoom {
    InboxRoom { id: id(name), room: Some(room(name, seq)), gone: None }
}

impl World {
    fn new() -> Self {
        let sql = Sqlite::new();
        let owner = Owner {
            tenant: TenantId::parse("acme").unwrap(),
            user: UserId::parse("alice").unwrap(),
            epoch: "e1".into(),
        };
        Store(&sql).create(&owner).unwrap();
        let inbox = Inbox::load(&Store(&sql), [], Limits::default()).unwrap().unwrap();
        Self { sql, inbox, now: NOON, sockets: 0, effects: vec![], heard: vec![] }
    }

    /// The inbox is loaded again, with its open sockets lost.
    fn restart(&mut self) {
        self.inbox = Inbox::load(&Store(&self.sql), [], Limits::default()).unwrap().unwrap();
        self.effects.clear();
    }

    fn feed(&mut self, input: Input) {
        let mut all = self.inbox.handle(&Store(&self.sql), self.now, input).unwrap();
        all.extend(self.inbox.handle(&Store(&self.sql), self.now, Input::Flush).unwrap());
        for effect in all {
            match effect {
                Effect::Socket(SocketEffect::Send { connection, events }) => self
                    .heard
                    .extend(events.iter().map(|event| (connection, serde_json::from_str(event).unwrap()))),
                Effect::Socket(SocketEffect::Attach { .. }) => {}
                Effect::Close { connection, code } => {
                    self.effects.push(format!("close {connection} {}", code.code()))
                }
                Effect::Alarm(at) => self.effects.push(format!("alarm +{}", at - self.now)),
                Effect::EndLease => self.effects.push("end lease".into()),
                Effect::PokePartners { inboxes } => {
                    let names: Vec<_> = inboxes.iter().map(UserId::as_str).collect();
                    self.effects.push(format!("poke {}", names.join(" ")));
                }
                Effect::Verify { .. } => self.effects.push("verify".into()),
                Effect::MarkRead { room, seq, is_known, .. } => {
                    self.effects.push(format!("read {room} {seq} known={is_known}"));
                }
            }
        }
    }

    /// A device connects while the list has these rooms; gives what it hears first. Postgres has the presence afterwards.
    fn connect(&mut self, rooms: &[Value], since: Option<(u64, &str)>) -> Vec<Value> {
        let page = Some(Page { rooms: rooms.to_vec(), next_cursor: None });
        let answer = Answer { page, lease_was_running: true, was_here: true, ..Answer::default() };
        let first = self.connect_with(answer, since);
        self.write_presence(&[]);
        first
    }

    /// What is to be written of the presence is written, and these partners' inboxes are open.
    fn write_presence(&mut self, inboxes: &[&str]) -> Option<OwnWrite> {
        let question = self.question()?;
        let own = question.own.clone();
        let inboxes = inboxes.iter().map(|id| user(id)).collect();
        self.feed(Input::Answered { question, outcome: Ok(Answer { inboxes, ..Answer::default() }) });
        own
    }

    fn connect_with(&mut self, answer: Answer, since: Option<(u64, &str)>) -> Vec<Value> {
        self.sockets += 1;
        let (tenant, user) = (TenantId::parse("acme").unwrap(), UserId::parse("alice").unwrap());
        let identity =
            Identity { name: Some("Alice".into()), ..Identity::of(tenant, user, NOON + 3_600_000_000) };
        let connect = Connect {
            id: self.sockets,
            identity,
            batches: true,
            since: since.map(|(seq, epoch)| ResumePosition { seq, epoch: epoch.into() }),
            answer,
        };
        self.feed(Input::Connect(Box::new(connect)));
        self.heard_by(self.sockets)
    }

    fn heard_by(&self, connection: u64) -> Vec<Value> {
        self.heard.iter().filter(|(to, _)| *to == connection).map(|(_, event)| event.clone()).collect()
    }

    fn poke(&mut self, room: &str) {
        self.feed(Input::Poked { room: id(room), read: 0 });
    }

    fn question(&mut self) -> Option<Question> {
        self.inbox.take_question(self.now)
    }

    fn answer(&mut self, question: Question, rooms: Vec<InboxRoom>) {
        let outcome = Ok(Answer { rooms, lease_was_running: true, ..Answer::default() });
        self.feed(Input::Answered { question, outcome });
    }

    /// The room is poked, asked for and has this in the list.
    fn changes(&mut self, room: InboxRoom) {
        self.now += INBOX_ROOM_EVERY_MS;
        self.poke(room.id.as_str());
        let question = self.question().expect("a question");
        self.answer(question, vec![room]);
    }
}

fn types(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["type"].as_str().unwrap()).collect()
}

/// INBOX-1.
#[test]
fn a_connection_hears_the_list_and_what_changes() {
    let mut w = World::new();
    let first = w.connect(&[room("a", 3), room("b", 1)], None);
    assert_eq!(types(&first), ["hello", "rooms", "synced"]);
    assert_eq!((&first[0]["seq"], &first[1]["unreadTotal"]), (&json!(2), &json!(4)));
    w.changes(seen("a", 4));
    w.changes(seen("c", 1));
    w.changes(InboxRoom { room: None, gone: Some(GoneReason::Left), ..seen("b", 1) });
    let live = &w.heard_by(1)[3..];
    assert_eq!(types(live), ["room_activity", "room_added", "room_removed"]);
    assert_eq!(live[0]["lastMessage"]["content"], "secret 4");
    assert_eq!((&live[2]["seq"], &live[2]["reason"]), (&json!(5), &json!("left")));
}

/// INBOX-2: somebody without rooms hears of the first one, also by resuming.
/// PEOPLE-6, PEOPLE-7.
#[test]
fn people_6_refused_tokens_close_their_sockets_and_with_the_last_one_the_person_leaves() {
    let mut w = World::new();
    let user_id = UserId::parse("alice").unwrap();
    let account = |deactivated, signed_out_before_ms| {
        let user_id = user_id.clone();
        Input::SessionsEnded { account: Account { user_id, deactivated, signed_out_before_ms } }
    };
    w.connect(&[room("a", 1)], None);
    w.connect(&[room("a", 1)], None);
    w.feed(account(false, None));
    assert!(w.inbox.is_open(), "somebody who is back may stay");
    w.feed(account(true, None));
    assert!(!w.inbox.is_open());
    let closed = w.effects.iter().filter(|effect| effect.ends_with(" 4403")).count();
    assert_eq!((closed, w.effects.last().map(String::as_str)), (2, Some("alarm +5000")), "{:?}", w.effects);
    w.connect(&[room("a", 1)], None);
    w.feed(account(false, Some(NOON)));
    assert!(w.effects.iter().any(|effect| effect.ends_with(" 4401")), "{:?}", w.effects);
}

#[test]
fn an_empty_list_has_a_first_room() {
    let mut w = World::new();
    w.connect(&[], None);
    w.changes(seen("a", 1));
    assert_eq!(types(&w.heard_by(1)[3..]), ["room_added"]);
    let again = w.connect(&[room("a", 1)], Some((0, "e1")));
    assert_eq!(types(&again), ["hello", "room_added", "synced"]);
}

/// INBOX-2: a poke that says nothing new makes no event, and one that was lost is found by the next whole question.
#[test]
fn doubled_and_lost_pokes_do_no_harm() {
    let mut w = World::new();
    w.connect(&[room("a", 3)], None);
    w.changes(seen("a", 3));
    assert_eq!(w.heard_by(1).len(), 3, "nothing new");
    w.now = NOON + INBOX_RENEW_MS;
    w.feed(Input::AlarmFired);
    let question = w.question().expect("everything");
    assert_eq!((question.is_whole, &question.rooms), (true, &vec![id("a")]));
    w.answer(question, vec![seen("a", 9)]);
    assert_eq!(w.heard_by(1)[3]["lastSeq"], 9);
    assert_eq!(w.effects.last().unwrap(), &format!("alarm +{INBOX_RENEW_MS}"));
}

/// INBOX-3, also after the object was lost.
#[test]
fn a_position_is_resumed_exactly_or_not_at_all() {
    let mut w = World::new();
    w.connect(&[room("a", 1), room("b", 1)], None);
    w.changes(seen("a", 2));
    w.changes(InboxRoom { room: None, gone: Some(GoneReason::Deleted), ..seen("b", 1) });
    w.changes(seen("a", 3));
    w.restart();
    let again = w.connect(&[room("a", 4)], Some((3, "e1")));
    assert_eq!(types(&again), ["hello", "room_removed", "room_activity", "room_activity", "synced"]);
    assert_eq!(again[1..4].iter().map(|e| e["seq"].as_u64().unwrap()).collect::<Vec<_>>(), [4, 5, 6]);
    assert_eq!(again[2]["lastSeq"], 4, "it shows what the list shows now");
    for (since, reason) in [((3, "e2"), "epoch"), ((7, "e1"), "ahead")] {
        let first = w.connect(&[room("a", 4)], Some(since));
        assert_eq!((types(&first), &first[1]["reason"]), (vec!["hello", "resync", "synced"], &json!(reason)));
    }
    for n in 5..5 + INBOX_TURNS_KEPT {
        w.changes(seen("a", n));
    }
    let newest = room("a", 4 + INBOX_TURNS_KEPT);
    assert_eq!(w.connect(std::slice::from_ref(&newest), Some((5, "e1")))[1]["reason"], "too_old");
    assert_eq!(w.connect(&[newest], Some((6, "e1"))).len() as u64, 2 + INBOX_TURNS_KEPT);
    assert!(!w.sql.dump().contains("secret"), "no text of a message is stored");
}

/// INBOX-4: many pokes of a room within a second are two questions, and other rooms do not wait.
#[test]
fn pokes_are_gathered() {
    let mut w = World::new();
    w.connect(&[room("a", 1), room("b", 1)], None);
    w.poke("a");
    let at_once = w.question().expect("at once");
    w.answer(at_once, vec![seen("a", 2)]);
    w.poke("a");
    w.poke("b");
    assert_eq!(w.question(), None);
    w.now += INBOX_ASK_EVERY_MS;
    assert_eq!(w.question().expect("the other room").rooms, [id("b")]);
    w.now += INBOX_ROOM_EVERY_MS - INBOX_ASK_EVERY_MS;
    assert_eq!(w.question().expect("the first again").rooms, [id("a")]);
    assert_eq!(w.inbox.question_at(), None, "nothing is owed");
}

/// INBOX-5: the lease ends with the last socket, and with a poke that finds none.
#[test]
fn a_poke_without_a_device_ends_the_lease() {
    let mut w = World::new();
    w.connect(&[room("a", 1)], None);
    w.connect(&[room("a", 1)], None);
    w.effects.clear();
    w.feed(Input::Closed { connection: 1 });
    assert!(w.effects.is_empty(), "{:?}", w.effects);
    w.feed(Input::Closed { connection: 2 });
    assert_eq!(w.effects, [format!("alarm +{LEAVE_GRACE_MS}")]);
    w.poke("a");
    assert_eq!((w.effects.len(), w.question()), (1, None), "within the grace");
    w.restart();
    w.now += PRESENCE_EVERY_MS;
    w.poke("a");
    let own = w.write_presence(&[]).expect("a write, which ends the lease");
    assert_eq!(own, OwnWrite { presence: Presence::Offline, partners: vec![] });
    w.poke("a");
    assert_eq!(w.effects, ["end lease"], "somebody has taken it again");
    assert_eq!(w.question(), None);
}

/// INBOX-6: after a failure the alarm brings a whole question, and a poke brings it at once.
#[test]
fn a_question_without_an_answer_is_asked_again() {
    let mut w = World::new();
    w.connect(&[room("a", 1)], None);
    w.effects.clear();
    let fail = |w: &mut World| {
        let question = w.question().expect("a question");
        let error = DbError { sqlstate: None, message: "gone".into() };
        w.feed(Input::Answered { question, outcome: Err(error) });
    };
    w.poke("a");
    fail(&mut w);
    assert_eq!(w.effects, ["alarm +500"]);
    assert_eq!(w.inbox.question_at(), None, "it waits for the alarm");
    w.feed(Input::AlarmFired);
    fail(&mut w);
    assert_eq!(w.effects[1], "alarm +1000", "it hibernates meanwhile");
    w.poke("a");
    let question = w.question().expect("who pokes has reached Postgres");
    assert!(question.is_whole);
    w.answer(question, vec![seen("a", 2)]);
    assert_eq!(w.heard_by(1)[3]["type"], "room_activity");
}

fn drafts_in(events: &[Value]) -> Vec<(String, u64)> {
    let drafts = events.iter().filter(|event| event["type"] == "draft");
    drafts.map(|d| (d["text"].as_str().unwrap().to_owned(), d["rev"].as_u64().unwrap())).collect()
}

/// INBOX-8: one truth for all devices, over restarts and resumes; it goes with its room.
#[test]
fn drafts_are_the_same_on_all_devices() {
    let mut w = World::new();
    w.connect(&[room("a", 1)], None);
    w.connect(&[room("a", 1)], None);
    let draft = |w: &mut World, connection, text: &str, rev: u64| {
        let frame = json!({"type": "draft", "roomId": "a", "text": text, "rev": rev}).to_string();
        w.feed(Input::Frame { connection, text: &frame });
    };
    draft(&mut w, 1, "half a", 10);
    assert_eq!(drafts_in(&w.heard_by(1)), [("half a".into(), 10)], "the sender's confirmation");
    assert_eq!(
        w.heard_by(2).last().unwrap(),
        &json!(
        {"type": "draft", "seq": 2, "roomId": "a", "threadId": null, "text": "half a", "rev": 10})
    );
    draft(&mut w, 2, "half a", 10);
    assert_eq!(drafts_in(&w.heard_by(2)).len(), 1, "it is the draft already");
    draft(&mut w, 2, "older", 9);
    assert_eq!(drafts_in(&w.heard_by(2))[1..], [("half a".into(), 10)], "what is true");
    w.restart();
    let first = w.connect(&[room("a", 1)], None);
    assert_eq!(first[1]["drafts"], json!([{"roomId": "a", "threadId": null, "text": "half a", "rev": 10}]));
    let newest = w.sockets;
    draft(&mut w, newest, "", 11);
    let again = w.connect(&[room("a", 1)], Some((1, "e1")));
    assert_eq!(drafts_in(&again), vec![(String::new(), 11); 3], "replayed as it is now");
    assert!(!w.sql.dump().contains("half a"), "what is cleared is stored nowhere");
    draft(&mut w, newest + 1, "another", 12);
    w.changes(InboxRoom { room: None, gone: Some(GoneReason::Left), ..seen("a", 1) });
    assert!(!w.sql.dump().contains("another"), "what is left behind neither");
    let connection = w.sockets;
    for (frame, code) in [
        (json!({"type": "draft", "roomId": "a", "text": "x".repeat(4_001), "rev": 1}), "content_too_long"),
        (json!({"type": "draft", "roomId": "a", "threadId": "x", "text": "", "rev": 1}), "invalid"),
        (json!({"type": "draft", "roomId": "a", "text": ""}), "bad_request"),
    ] {
        w.feed(Input::Frame { connection, text: &frame.to_string() });
        assert_eq!(w.heard_by(connection).last().unwrap()["code"], code);
    }
    let fast = Limits::default().messages_burst;
    for rev in 0..=u64::from(fast) {
        draft(&mut w, connection, "fast", 100 + rev);
    }
    assert_eq!(w.heard_by(connection).last().unwrap()["code"], "rate_limited");
}

/// COST-5: in written rows and in questions, whatever the number of devices.
#[test]
fn an_activity_and_a_draft_are_two_rows_each() {
    const COUNT: u64 = 200;
    let mut w = World::new();
    let rooms: Vec<Value> = (0..23).map(|n| room(&format!("r{n}"), 1)).collect();
    w.connect(&rooms, None);
    w.connect(&rooms, None);
    let rows = |w: &World, before: u64| (w.sql.rows_written.get() - before) as f64 / COUNT as f64;
    let before = w.sql.rows_written.get();
    w.effects.clear();
    (0..COUNT).for_each(|n| w.changes(seen(&format!("r{}", n % 23), n + 2)));
    let activity = rows(&w, before);
    let before = w.sql.rows_written.get();
    for n in 0..COUNT {
        w.now += INBOX_ROOM_EVERY_MS;
        let text =
            json!({"type": "draft", "roomId": "r1", "text": format!("half {n}"), "rev": n}).to_string();
        w.feed(Input::Frame { connection: 1, text: &text });
    }
    let draft = rows(&w, before);
    println!("rows written: an activity {activity}, a draft {draft}");
    assert!((1.0..=2.0).contains(&activity) && (1.0..=2.0).contains(&draft), "{activity} {draft}");
    assert!(w.effects.is_empty(), "no alarm is set for either: {:?}", w.effects);
    // A hundred messages in a room within a second.
    let mut questions = 0;
    for n in 0..100 {
        w.poke("r2");
        if let Some(question) = w.question() {
            questions += 1;
            w.answer(question, vec![seen("r2", 1_000 + n)]);
        }
        w.now += INBOX_ROOM_EVERY_MS / 100;
    }
    assert!(questions <= 2, "{questions} questions in a second");
}

/// INBOX-7.
#[test]
fn the_eleventh_socket_closes_the_oldest_and_bad_frames_close_theirs() {
    let mut w = World::new();
    for _ in 0..11 {
        w.connect(&[room("a", 1)], None);
    }
    assert!(w.effects.contains(&"close 1 4409".to_owned()), "{:?}", w.effects);
    w.feed(Input::Frame { connection: 2, text: r#"{"type":"ping","t":5}"# });
    assert_eq!(w.heard_by(2).last().unwrap(), &json!({"type": "pong", "t": 5, "seq": 1, "epoch": "e1"}));
    for (frame, effect) in [
        (r#"{"type":"read","roomId":"a","seq":4}"#, "read a 4 known=true"),
        (r#"{"type":"read","roomId":"x","seq":4}"#, "read x 4 known=false"),
    ] {
        w.feed(Input::Frame { connection: 2, text: frame });
        assert_eq!(w.effects.last().unwrap(), effect);
    }
    for _ in 0..6 {
        w.feed(Input::Frame { connection: 2, text: "[]" });
    }
    assert_eq!(w.effects.last().unwrap(), "close 2 4400");
}
