//! Notifications on a real Postgres: whom they concern at the time of delivery, and what follows from the receiver's
//! answers.
//! Not here: HTTP and the queue (`tests/e2e/notifications.rs`).

use super::{deleted, mentioning, send_rows, sql, to_all};
use crate::db::{DAY_MS, batch, done, group, message_row, read as read_to, room, tenant, user};
use crate::postgres::{Database, NativePostgres};
use chinwag::db::{self, Absent, DbError, MessageRow, Notice, NoticeEvent, Notices, Postgres};
use chinwag::limits::NOTIFY_WEBHOOKS_MAX;
use chinwag::notify::{self, Attempt, Notifier, Outcome, Progress, Secret, Webhook};
use chinwag::push::Notified;
use serde_json::{Value, json};
use std::cell::{Cell, RefCell};

fn notice(seq: u64, event: u64, users: &[&str]) -> Notice {
    Notice {
        tenant: tenant("acme"),
        room: room("r1"),
        seq,
        message: format!("r1-{seq}"),
        event,
        part: 0,
        calls_all: false,
        users: users.iter().map(|user| (*user).to_owned()).collect(),
    }
}

/// The recipients of a notice, with the reason.
async fn recipients(pg: &NativePostgres, notice: &Notice) -> Vec<(String, String)> {
    let recipients = db::notification_payload(pg, notice).await.expect("to tell");
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let each = |r: &Value| (text(&r["userId"]), text(&r["reason"]));
    recipients.map(|recipients| recipients.recipients.iter().map(each).collect()).unwrap_or_default()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(user, why)| ((*user).to_owned(), (*why).to_owned())).collect()
}

const ALL: [&str; 6] = ["bob", "carol", "dave", "erin", "alice", "stranger"];

/// Alice's messages 1 to 4: a long one, a mention of Carol, one to all, and a reply in a thread that Bob follows.
async fn send_four_messages(pg: &NativePostgres) -> Vec<MessageRow> {
    group(pg, "acme", "r1", "alice", &["bob", "carol", "dave", "erin"]).await;
    let mut reply = message_row("r1", 4, "alice", "in a thread");
    (reply.thread_id, reply.thread_seq) = (Some("r1-1".into()), Some(1));
    reply.followers = vec!["bob".into()];
    let messages = vec![
        message_row("r1", 1, "alice", &"long ".repeat(100)),
        mentioning(message_row("r1", 2, "alice", "<@carol>"), &["carol"]),
        to_all(message_row("r1", 3, "alice", "@room")),
        reply,
    ];
    send_rows(pg, "r1", messages.clone()).await;
    messages
}

#[tokio::test]
async fn notify_6_recipients_are_decided_at_delivery() {
    let rig = Database::new().await;
    let pg = &rig.connect().await;
    send_four_messages(pg).await;
    sql(
        pg,
        "UPDATE chat_room_members SET notify_level = 'mentions' WHERE user_id = 'carol';
             UPDATE chat_room_members SET notify_level = 'none' WHERE user_id = 'dave';
             UPDATE chat_room_members SET mute_until = now() + interval '1 h' WHERE user_id = 'erin'",
    )
    .await;
    assert_eq!(
        recipients(pg, &notice(1, 1, &ALL)).await,
        pairs(&[("bob", "message")]),
        "never the author, nor a stranger"
    );
    assert_eq!(recipients(pg, &notice(2, 2, &ALL)).await, pairs(&[("bob", "message"), ("carol", "mention")]));
    assert_eq!(
        recipients(pg, &notice(3, 3, &ALL)).await,
        pairs(&[("bob", "room_mention"), ("carol", "room_mention")])
    );
    assert_eq!(recipients(pg, &notice(4, 4, &ALL)).await, pairs(&[("bob", "thread")]), "those who follow it");
    assert_eq!(
        recipients(pg, &notice(2, 9, &ALL)).await,
        pairs(&[("carol", "mention")]),
        "an edit tells those it mentions"
    );
    assert_eq!(recipients(pg, &notice(3, 9, &ALL)).await, [], "it called all before");
    let calls = Notice { calls_all: true, ..notice(3, 9, &ALL) };
    assert_eq!(recipients(pg, &calls).await, pairs(&[("bob", "room_mention"), ("carol", "room_mention")]));
    let no_more = Notice { calls_all: true, ..notice(2, 9, &["bob"]) };
    assert_eq!(recipients(pg, &no_more).await, [], "it doesn't call all any more");
    let whole = db::notification_payload(pg, &notice(1, 1, &ALL)).await.expect("to tell").expect("bob");
    assert_eq!(whole.message["preview"].as_str().expect("preview").chars().count(), 200);
    assert_eq!(whole.room, json!({"id": "r1", "type": "group", "name": "The r1"}));
}

/// PEOPLE-8: whoever is blocked tells the one who blocks nothing, in groups too and by mentions.
#[tokio::test]
async fn people_8_who_has_blocked_the_author_is_not_notified() {
    let rig = Database::new().await;
    let pg = &rig.connect().await;
    send_four_messages(pg).await;
    let block = async |by: &str, other: &str, blocked: bool| {
        db::set_block(pg, (&tenant("acme"), &user(by)), &user(other), blocked).await.expect("set");
    };
    block("carol", "alice", true).await;
    block("alice", "bob", true).await;
    block("dave", "erin", true).await;
    let notified = async || recipients(pg, &notice(2, 2, &ALL)).await;
    assert_eq!(notified().await, pairs(&[("bob", "message"), ("dave", "message"), ("erin", "message")]));
    block("carol", "alice", false).await;
    assert!(notified().await.contains(&("carol".into(), "mention".into())));
}

#[tokio::test]
async fn notify_6_changes_after_the_message_count_at_delivery() {
    let rig = Database::new().await;
    let pg = &rig.connect().await;
    let messages = send_four_messages(pg).await;
    let snooze = |interval: &str| {
        format!(
            "UPDATE chat_room_members SET mute_until = now() + interval '{interval}' WHERE user_id = 'erin'"
        )
    };
    let all_but_erin = pairs(&[("bob", "message"), ("carol", "message"), ("dave", "message")]);
    sql(pg, &snooze("1 h")).await;
    assert_eq!(recipients(pg, &notice(1, 1, &ALL)).await, all_but_erin);
    sql(pg, &snooze("-1 s")).await;
    let everybody = [all_but_erin, pairs(&[("erin", "message")])].concat();
    assert_eq!(recipients(pg, &notice(1, 1, &ALL)).await, everybody, "the snooze is over");
    let mut read = batch("acme", "r1", 4, 4, vec![]);
    read.reads.insert(user("bob"), read_to(3));
    done(pg, &read).await;
    assert_eq!(recipients(pg, &notice(3, 3, &["bob"])).await, [], "read meanwhile");
    assert_eq!(recipients(pg, &notice(4, 4, &["bob"])).await, pairs(&[("bob", "thread")]));
    done(pg, &batch("acme", "r1", 4, 5, vec![deleted(messages[1].clone())])).await;
    assert_eq!(recipients(pg, &notice(2, 2, &ALL)).await, [], "deleted meanwhile");
    sql(
        pg,
        "UPDATE chat_rooms SET history_visibility = 'since_join';
             UPDATE chat_room_members SET joined_seq = 3 WHERE user_id = 'erin'",
    )
    .await;
    assert_eq!(recipients(pg, &notice(3, 3, &["erin"])).await, [], "before she came");
    sql(pg, "DELETE FROM chat_room_members WHERE user_id = 'carol'").await;
    assert_eq!(recipients(pg, &notice(3, 3, &["carol"])).await, [], "left meanwhile");
    let other = Notice { message: "another".into(), ..notice(1, 1, &ALL) };
    assert_eq!(recipients(pg, &other).await, [], "another message stands at that seq");
    let foreign = Notice { tenant: tenant("umbrella"), ..notice(1, 1, &ALL) };
    assert_eq!(recipients(pg, &foreign).await, []);
}

/// A receiver that answers with these statuses, one after another.
struct Receiver {
    answers: RefCell<Vec<Option<u16>>>,
    heard: RefCell<Vec<Webhook>>,
}

impl Notifier for Receiver {
    async fn post(&self, webhook: &Webhook) -> Option<u16> {
        self.heard.borrow_mut().push(webhook.clone());
        self.answers.borrow_mut().remove(0)
    }
}

struct Gone(Cell<u32>);

impl Postgres for Gone {
    async fn query(&self, _: &'static str, _: Value) -> Result<Value, DbError> {
        self.0.set(self.0.get() + 1);
        Err(DbError { sqlstate: None, message: "connection refused".into() })
    }
}

#[tokio::test]
async fn notify_7_delivery_repeats_under_one_id_until_the_receiver_has_taken_it() {
    let rig = Database::new().await;
    let pg = &rig.connect().await;
    group(pg, "acme", "r1", "alice", &["bob"]).await;
    send_rows(pg, "r1", vec![message_row("r1", 1, "alice", "hi bob")]).await;
    let secret = &Secret::parse("a key of twenty-four bytes").expect("a key");
    let answers = vec![Some(500), None, Some(404), Some(302), Some(204), Some(410)];
    let receiver = &Receiver { answers: RefCell::new(answers), heard: RefCell::default() };
    let notice = &notice(1, 1, &["bob"]);
    let attempt = |now| Attempt { now, queued_at: DAY_MS, random: 7 };
    for n in 0..5 {
        let now = DAY_MS + n * 60_000;
        let outcome = notify::deliver(pg, receiver, secret, notice, attempt(now)).await;
        assert_eq!(outcome == Outcome::Done, n == 4, "{n}: {outcome:?}");
    }
    let heard = receiver.heard.borrow().clone();
    assert!(heard.iter().all(|webhook| webhook.id == "r1-1.1.0"), "the same in each try");
    for webhook in heard.iter() {
        assert_eq!(webhook.signature, secret.sign(&webhook.id, webhook.timestamp_s, &webhook.body));
    }
    let body: Value = serde_json::from_str(&heard[0].body).expect("JSON");
    assert_eq!((&body["type"], &body["data"]["tenantId"]), (&json!("message.created"), &json!("acme")));
    assert_eq!(body["data"]["recipients"], json!([{"userId": "bob", "reason": "message"}]));
    assert_eq!(body["data"]["message"]["preview"], "hi bob");

    let outcome = notify::deliver(pg, receiver, secret, notice, attempt(DAY_MS)).await;
    assert_eq!(outcome, Outcome::Unwanted, "410: the receiver wants nothing any more");

    let away = Gone(Cell::new(0));
    let outcome = notify::deliver(&away, receiver, secret, notice, attempt(DAY_MS)).await;
    assert!(matches!(outcome, Outcome::Retry(_)) && away.0.get() == 1, "Postgres away: later");
    assert_eq!(receiver.heard.borrow().len(), 6);
}

/// Alice's messages in a room with as many others, who were all absent.
async fn absent_for(pg: &NativePostgres, messages: u64, people: usize) -> Notices {
    let names: Vec<String> = (0..people).map(|n| format!("p{n:03}")).collect();
    group(pg, "acme", "r1", "alice", &names.iter().map(String::as_str).collect::<Vec<_>>()).await;
    send_rows(pg, "r1", (1..=messages).map(|seq| message_row("r1", seq, "alice", "hi")).collect()).await;
    let event = |seq| NoticeEvent {
        seq,
        message: format!("r1-{seq}"),
        event: seq,
        calls_all: false,
        only: None,
        except: Vec::new(),
    };
    Notices {
        tenant: tenant("acme"),
        room: room("r1"),
        events: (1..=messages).map(event).collect(),
        absent: names.into_iter().map(|id| Absent { id, from: None, to: None }).collect(),
        part: 0,
        missed: false,
        done: 0,
        pauses: 0,
    }
}

fn receiver(answers: Vec<Option<u16>>) -> Receiver {
    Receiver { answers: RefCell::new(answers), heard: RefCell::default() }
}

impl Receiver {
    fn ids(&self) -> Vec<String> {
        self.heard.borrow().iter().map(|webhook| webhook.id.clone()).collect()
    }
}

#[tokio::test]
async fn notify_9_a_webhook_that_fails_is_tried_again_alone_and_nobody_is_notified_twice() {
    let rig = Database::new().await;
    let pg = &rig.connect().await;
    let notices = &absent_for(pg, 3, 450).await;
    let secret = &Secret::parse("a key of twenty-four bytes").expect("a key");
    let attempt = Attempt { now: DAY_MS, queued_at: DAY_MS, random: 7 };
    let deliver = async |receiver: &Receiver, notices: &Notices| {
        notify::deliver_all(pg, Some((receiver, secret)), notices, attempt, &mut Notified::default()).await
    };

    // 450 people are 3 webhooks a message.
    let once = receiver(vec![
        Some(204),
        Some(500),
        Some(204),
        Some(204),
        Some(410),
        Some(204),
        None,
        Some(500),
        Some(500),
    ]);
    let progress = deliver(&once, notices).await.expect("progress");
    let parts = ["1.1.0", "1.1.1", "1.1.2", "2.2.0", "2.2.1", "2.2.2", "3.3.0", "3.3.1", "3.3.2"];
    assert_eq!(once.ids(), parts.map(|part| format!("r1-{part}")));
    let failed: Vec<_> = progress.failed.iter().map(|(notice, _)| (notice.event, notice.part)).collect();
    assert_eq!(failed, [(1, 1), (3, 0), (3, 1), (3, 2)]);
    assert!(
        progress
            .failed
            .iter()
            .all(|(notice, _)| notice.users.len() == if notice.part == 2 { 50 } else { 200 })
    );
    assert_eq!(progress.unwanted.len(), 1);
    assert_eq!(progress.rest.map(|(rest, _)| rest.events.len()), Some(1), "all of it is done");

    // The receiver is down: what is behind waits, and longer each time.
    let down = receiver(vec![None; 3]);
    let progress = deliver(&down, notices).await.expect("progress");
    let (rest, first_s) = progress.rest.expect("a rest");
    assert_eq!((progress.failed.len(), rest.events.len(), rest.done, rest.pauses), (3, 3, 3, 1));
    let later = receiver(vec![Some(500); 3]);
    let progress = deliver(&later, &Notices { pauses: 10, ..rest.clone() }).await.expect("progress");
    assert!(progress.rest.is_some_and(|(_, delay_s)| delay_s > 60 * first_s));
    let up = receiver(vec![Some(204); 6]);
    assert_eq!(deliver(&up, &rest).await, Ok(Progress::default()));
    let mut all = [down.ids(), up.ids()].concat();
    all.dedup();
    assert_eq!(all.len(), 9, "each once");

    // Postgres is away: all of it again if nothing was sent, else what is left.
    let away = Gone(Cell::new(0));
    let none = receiver(Vec::new());
    assert!(
        notify::deliver_all(&away, Some((&none, secret)), notices, attempt, &mut Notified::default())
            .await
            .is_err()
    );
}

#[tokio::test]
async fn notify_9_a_message_of_the_queue_sends_so_many_webhooks_and_puts_the_rest_back() {
    let rig = Database::new().await;
    let pg = &rig.connect().await;
    let mut notices = absent_for(pg, 40, 450).await;
    let secret = &Secret::parse("a key of twenty-four bytes").expect("a key");
    let attempt = Attempt { now: DAY_MS, queued_at: DAY_MS, random: 7 };
    let receiver = receiver(vec![Some(204); 120]);
    let mut rounds = 0;
    loop {
        let before = receiver.ids().len();
        let progress =
            notify::deliver_all(pg, Some((&receiver, secret)), &notices, attempt, &mut Notified::default())
                .await
                .expect("progress");
        rounds += 1;
        assert!(receiver.ids().len() - before <= NOTIFY_WEBHOOKS_MAX && progress.failed.is_empty());
        let Some((rest, delay_s)) = progress.rest else { break };
        assert_eq!(delay_s, 0);
        notices = rest;
    }
    let ids: std::collections::BTreeSet<_> = receiver.ids().into_iter().collect();
    assert_eq!((rounds, receiver.ids().len(), ids.len()), (3, 120, 120));
}
