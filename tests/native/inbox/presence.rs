//! Rules of presence in the inbox, and of partners' profiles, by a clock of the test.
//! Not here: the statements (`db_inbox`), and presence in a room (`room::presence`).

use super::*;

fn direct(partner: &str) -> Value {
    let mut room = room(&format!("with-{partner}"), 1);
    room["type"] = json!("direct");
    room["participantIds"] = json!(["alice", partner]);
    room
}

fn person(id: &str, presence: &str, title: &str) -> Value {
    json!({"userId": id, "name": id, "title": title, "presence": presence})
}

impl World {
    /// A device connects; this is what Postgres says of the direct partners.
    fn connect_among(&mut self, people: Vec<Value>, since: Option<(u64, &str)>) -> Vec<Value> {
        let rooms = people.iter().map(|person| direct(person["userId"].as_str().unwrap())).collect();
        let page = Some(Page { rooms, next_cursor: None });
        self.connect_with(Answer { page, people, lease_was_running: true, ..Answer::default() }, since)
    }

    fn after(&mut self, ms: u64) -> &mut Self {
        self.now += ms;
        self.feed(Input::AlarmFired);
        self
    }

    fn says(&mut self, connection: u64, active: bool) {
        let frame = json!({"type": "active", "active": active}).to_string();
        self.feed(Input::Frame { connection, text: &frame });
    }

    /// What is written of the presence, if anything is.
    fn written(&mut self) -> Option<Presence> {
        self.write_presence(&["bob"]).map(|own| own.presence)
    }
}

/// Presence as it is heard, without anything else.
fn heard_presence(events: &[Value]) -> Vec<String> {
    let events = events.iter().filter(|event| event["type"] == "presence");
    events.map(|event| format!("{} {}", event["userId"], event["presence"]).replace('"', "")).collect()
}

/// PRES-7: who comes is written, and the partners with an open inbox are poked; and hears of them.
#[test]
fn pres_7_partners_hear_who_is_here_and_a_new_connection_hears_it_of_them() {
    let mut w = World::new();
    let first = w.connect_among(vec![person("bob", "online", ""), person("carol", "offline", "")], None);
    assert_eq!(types(&first), ["hello", "rooms", "presence", "presence", "synced"]);
    assert_eq!(heard_presence(&first), ["bob online", "carol offline"]);
    let own = w.write_presence(&["bob"]).expect("a write");
    assert_eq!(own, OwnWrite { presence: Presence::Online, partners: vec![user("carol"), user("bob")] });
    assert_eq!(w.effects.last().unwrap(), "poke bob");
    w.effects.clear();
    w.connect_among(vec![person("bob", "online", ""), person("carol", "away", "")], None);
    assert_eq!(heard_presence(&w.heard_by(1))[2..], ["carol away"], "what differs");
    // Bob changes; the poke comes twice, and a stranger's is nobody's.
    for poked in ["bob", "bob", "mallory"] {
        w.feed(Input::PersonPoked { person: user(poked) });
    }
    w.now += INBOX_ASK_EVERY_MS;
    let question = w.question().expect("a question");
    assert_eq!(
        (question.is_whole, &question.rooms[..], &question.people[..]),
        (false, &[][..], &[user("bob")][..])
    );
    let people = vec![person("bob", "away", "")];
    w.feed(Input::Answered { question, outcome: Ok(Answer { people, ..Answer::default() }) });
    for device in [1, 2] {
        assert_eq!(heard_presence(&w.heard_by(device)).last().unwrap(), "bob away");
    }
}

/// PRES-7: a lost poke is found by the next renewal, also by an inbox that was out of memory.
#[test]
fn pres_7_a_lost_poke_is_found_by_the_renewal() {
    let mut w = World::new();
    w.connect_among(vec![person("bob", "online", "")], None);
    w.written();
    w.after(INBOX_RENEW_MS);
    let question = w.question().expect("everything");
    assert_eq!((question.is_whole, &question.people[..]), (true, &[user("bob")][..]));
    let people = vec![person("bob", "offline", "")];
    let answer = Answer { people, lease_was_running: true, ..Answer::default() };
    w.feed(Input::Answered { question, outcome: Ok(answer) });
    assert_eq!(heard_presence(&w.heard_by(1)), ["bob online", "bob offline"]);
}

/// PRES-8.
#[test]
fn pres_8_ten_minutes_without_activity_on_any_device_are_away() {
    let mut w = World::new();
    w.connect_among(vec![person("bob", "online", "")], None);
    w.connect_among(vec![person("bob", "online", "")], None);
    assert_eq!(w.written(), Some(Presence::Online));
    w.after(AWAY_AFTER_MS / 2).says(2, true);
    assert_eq!(w.after(AWAY_AFTER_MS / 2).written(), None, "active on the other device");
    assert_eq!(w.effects.last().unwrap(), &format!("alarm +{}", AWAY_AFTER_MS / 2));
    assert_eq!(w.after(AWAY_AFTER_MS / 2 - 1).written(), None);
    assert_eq!(w.after(1).written(), Some(Presence::Away));
    w.after(PRESENCE_EVERY_MS).says(1, true);
    assert_eq!(w.written(), Some(Presence::Online));
    w.after(PRESENCE_EVERY_MS).says(1, false);
    w.says(2, false);
    assert_eq!(w.written(), Some(Presence::Away), "both say that nobody is there");
    w.after(PRESENCE_EVERY_MS);
    w.feed(Input::Frame { connection: 1, text: r#"{"type":"read","roomId":"a","seq":1}"# });
    assert_eq!(w.written(), Some(Presence::Online), "reading is activity");
}

/// PRES-9.
#[test]
fn pres_9_offline_comes_after_the_grace_and_changes_are_sent_at_intervals() {
    let mut w = World::new();
    w.connect_among(vec![person("bob", "online", "")], None);
    w.written();
    w.after(PRESENCE_EVERY_MS);
    w.feed(Input::Closed { connection: 1 });
    assert_eq!(w.effects.last().unwrap(), &format!("alarm +{LEAVE_GRACE_MS}"));
    assert_eq!(w.after(LEAVE_GRACE_MS - 1).written(), None);
    w.connect(&[direct("bob")], None);
    w.feed(Input::Closed { connection: 2 });
    assert_eq!(w.after(LEAVE_GRACE_MS - 1).written(), None, "the grace began anew");
    assert_eq!(w.after(1).written(), Some(Presence::Offline));
    assert_eq!(w.effects.last().unwrap(), "poke bob");
    // A client that flips with each frame.
    w.connect_among(vec![person("bob", "online", "")], None);
    w.now += PRESENCE_EVERY_MS;
    let mut writes = 0;
    for n in 0..100 {
        w.says(3, n % 2 == 1);
        writes += u32::from(w.written().is_some());
        w.now += PRESENCE_EVERY_MS / 10;
    }
    assert!(writes <= 11, "{writes} in 10 intervals");
}

/// PRES-9: Postgres is away when somebody leaves.
#[test]
fn pres_9_offline_is_written_once_postgres_is_back_and_tried_no_longer_than_the_lease() {
    let mut w = World::new();
    w.connect_among(vec![person("bob", "online", "")], None);
    w.written();
    w.after(PRESENCE_EVERY_MS);
    w.feed(Input::Closed { connection: 1 });
    w.after(LEAVE_GRACE_MS);
    let fail = |w: &mut World| {
        let question = w.question().expect("a write");
        let error = DbError { sqlstate: None, message: "gone".into() };
        w.feed(Input::Answered { question, outcome: Err(error) });
    };
    fail(&mut w);
    assert_eq!(w.effects.last().unwrap(), &format!("alarm +{PRESENCE_RETRY_MS}"));
    assert_eq!(w.question(), None, "it hibernates meanwhile");
    w.restart();
    w.after(PRESENCE_RETRY_MS);
    fail(&mut w);
    w.now += INBOX_RENEW_MS + INBOX_LEASE_MS;
    w.after(PRESENCE_RETRY_MS);
    w.effects.clear();
    fail(&mut w);
    assert_eq!((w.effects.len(), w.question()), (0, None), "the lease is over");
}

/// PRES-9: whoever was gone longer than the lease has been seen offline, and comes online.
#[test]
fn pres_9_the_partners_hear_of_whoever_comes_back_after_a_crash() {
    let mut w = World::new();
    w.connect_among(vec![person("bob", "online", "")], None);
    w.written();
    w.restart();
    w.now += INBOX_LEASE_MS;
    let presence = Some(Presence::Offline);
    w.connect_with(Answer { page: Some(Page::default()), presence, ..Answer::default() }, None);
    assert_eq!(w.written(), Some(Presence::Online));
    assert!(w.effects.contains(&format!("alarm +{INBOX_SETTLE_MS}")), "{:?}", w.effects);
}

/// PRES-9: a statement whose answer was lost has ended what was confirmed.
#[test]
fn pres_9_what_others_see_is_written_again_if_it_is_not_what_was_confirmed() {
    let mut w = World::new();
    w.connect_among(vec![person("bob", "online", "")], None);
    w.written();
    w.after(INBOX_RENEW_MS - 1).says(1, true);
    w.after(PRESENCE_EVERY_MS);
    let question = w.question().expect("everything");
    let presence = Some(Presence::Offline);
    let answer = Answer { presence, lease_was_running: true, ..Answer::default() };
    w.feed(Input::Answered { question, outcome: Ok(answer) });
    w.now += PRESENCE_EVERY_MS;
    assert_eq!(w.written(), Some(Presence::Online));
}

/// INBOX-9.
#[test]
fn inbox_9_another_profile_of_a_partner_is_an_event_of_the_log() {
    let mut w = World::new();
    w.connect_among(vec![person("bob", "online", "Baker")], None);
    w.written();
    w.now += INBOX_ASK_EVERY_MS;
    w.feed(Input::PersonPoked { person: user("bob") });
    let question = w.question().expect("a question");
    let people = vec![person("bob", "online", "Cook")];
    w.feed(Input::Answered { question, outcome: Ok(Answer { people, ..Answer::default() }) });
    let event = w.heard_by(1).last().cloned().unwrap();
    assert_eq!(
        (&event["type"], &event["seq"], &event["person"]["title"]),
        (&json!("person"), &json!(2), &json!("Cook"))
    );
    assert!(!w.sql.dump().contains("Cook"), "the log holds no profile");
    let again = w.connect_among(vec![person("bob", "away", "Cook")], Some((1, "e1")));
    assert_eq!(types(&again), ["hello", "person", "presence", "synced"]);
    assert_eq!(again[1]["person"]["title"], "Cook");
}

/// COST-5: what an hour at the desk and a change of presence cost.
#[test]
fn presence_costs_alarms_and_no_rows_while_nothing_changes() {
    let mut w = World::new();
    w.connect_among(vec![person("bob", "online", "")], None);
    w.written();
    let before = w.sql.rows_written.get();
    w.effects.clear();
    let (mut alarm_at, mut questions, mut alarms_fired) = (w.now + AWAY_AFTER_MS, 0, 0);
    for _ in 0..12 {
        w.now += 5 * 60_000;
        w.says(1, true);
        while w.now >= alarm_at {
            w.effects.clear();
            alarms_fired += 1;
            w.feed(Input::AlarmFired);
            if let Some(question) = w.question() {
                questions += 1;
                let answer = Answer { lease_was_running: true, ..Answer::default() };
                w.feed(Input::Answered { question, outcome: Ok(answer) });
            }
            let alarms =
                w.effects.iter().filter_map(|effect| effect.strip_prefix("alarm +")?.parse::<u64>().ok());
            alarm_at = w.now + alarms.max().expect("an alarm");
        }
    }
    let rows = w.sql.rows_written.get() - before;
    println!("an hour at the desk: 12 frames, {alarms_fired} alarms, {questions} questions, {rows} rows");
    assert!((1..=2).contains(&questions) && rows <= 2, "{questions} questions, {rows} rows");
    assert!((6..=8).contains(&alarms_fired), "{alarms_fired} alarms");
}
