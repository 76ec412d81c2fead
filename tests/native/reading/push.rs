//! Web Push on a real Postgres: which devices are notified of what, and what follows from a push service's answers.
//! Not here: keys (`push_keys`), WebCrypto and HTTP (`tests/e2e/push.rs`).

use super::{mentioning, send_rows, sql};
use crate::db::{DAY_MS, done, group, message_row, room, tenant, user};
use crate::postgres::{Database, NativePostgres};
use chinwag::db::{self, Device, Notice, PushRetry, Subscription};
use chinwag::limits::{PUSH_PLAIN_BYTES_MAX, PUSH_SUBSCRIPTIONS_MAX, PUSH_TRIES_MAX};
use chinwag::push::{
    Agreement, Answer, Crypto, Notified, Push, PushService, Pusher, Sent, Tokens, Vapid, payload,
    subscription_id, tell, tell_again, topic,
};
use serde_json::{Value, json};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use testkit::push as other_side;

/// Push services that answer as a test says, on a platform whose cryptography is testkit's.
#[derive(Default)]
pub struct Services {
    answers: RefCell<Vec<(&'static str, Answer)>>,
    pushes: RefCell<Vec<Push>>,
    agreements: Cell<u32>,
    pub signatures: Cell<u32>,
}

impl Crypto for Services {
    async fn agree(&self, device_key: &[u8]) -> Option<Agreement> {
        self.agreements.set(self.agreements.get() + 1);
        let (public_key, shared) =
            other_side::agree(&format!("sender {}", self.agreements.get()), device_key)?;
        Some(Agreement { public_key, shared, salt: [self.agreements.get() as u8; 16] })
    }

    async fn seal(&self, key: &[u8], nonce: &[u8], plain: &[u8]) -> Option<Vec<u8>> {
        Some(other_side::seal(key, nonce, plain))
    }

    async fn sign(&self, jwk: &str, signed: &[u8]) -> Option<Vec<u8>> {
        self.signatures.set(self.signatures.get() + 1);
        Some(other_side::sign(jwk, signed))
    }
}

impl PushService for Services {
    async fn post(&self, push: &Push) -> Option<Answer> {
        self.pushes.borrow_mut().push(push.clone());
        let answers = self.answers.borrow();
        let given =
            answers.iter().find(|(part, _)| push.endpoint.contains(part)).map(|(_, answer)| answer.clone());
        match given {
            Some(answer) if answer.status == 0 => None,
            Some(answer) => Some(answer),
            None => Some(Answer { status: 201, ..Answer::default() }),
        }
    }
}

impl Services {
    fn answer(&self, endpoint: &'static str, status: u16, retry_after_s: Option<u32>, reason: &str) {
        let answer = Answer { status, retry_after_s, reason: reason.to_owned() };
        self.answers.borrow_mut().push((endpoint, answer));
    }

    /// The plaintexts of what came since the last call, by endpoint.
    fn opened(&self) -> Vec<(String, Value)> {
        let open = |push: &Push| {
            let name = push.endpoint.rsplit('/').next().expect("a name");
            let plain = other_side::Device::new(name).open(&push.body).expect("for this device");
            assert!(plain.len() <= PUSH_PLAIN_BYTES_MAX);
            (name.to_owned(), serde_json::from_slice(&plain).expect("JSON"))
        };
        let mut opened: Vec<_> = self.pushes.take().iter().map(open).collect();
        opened.sort_by(|one, other| one.0.cmp(&other.0));
        opened
    }
}

pub fn vapid() -> Vapid {
    let [public, private] = other_side::vapid_keys("chinwag");
    let vars = [("VAPID_PUBLIC_KEY", public), ("VAPID_PRIVATE_KEY", private)];
    let value = |name: &str| vars.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone());
    Vapid::parse(|name| value(name).or(Some("mailto:ops@example.com".to_owned()))).expect("keys").expect("on")
}

/// A deployment that pushes.
struct Rig {
    services: Services,
    vapid: Vapid,
    tokens: Tokens,
    now: u64,
}

impl Rig {
    fn new() -> Self {
        Self { services: Services::default(), vapid: vapid(), tokens: Tokens::default(), now: DAY_MS }
    }

    fn pusher(&self) -> Pusher<'_, Services> {
        let Self { services, vapid, tokens, now } = self;
        Pusher { vapid, tokens, service: services, loopback_http: false, now: *now }
    }

    /// These people are notified of these messages of r1, as the consumer of the queue does.
    async fn tell(&self, pg: &NativePostgres, seqs: &[u64], users: &[&str]) -> Sent {
        let mut notified = Notified::default();
        for seq in seqs {
            let notice = notice(*seq, users);
            if let Some(payload) = db::notification_payload(pg, &notice).await.expect("an answer") {
                notified.note(&notice, &Rc::new(payload));
            }
        }
        tell(pg, &self.pusher(), notified).await.expect("notified")
    }
}

fn notice(seq: u64, users: &[&str]) -> Notice {
    let users = users.iter().map(|user| (*user).to_owned()).collect();
    let message = format!("r1-{seq}");
    Notice {
        tenant: tenant("acme"),
        room: room("r1"),
        seq,
        message,
        event: seq,
        part: 0,
        calls_all: false,
        users,
    }
}

/// Subscribes a device; its name ends its endpoint.
async fn subscribe(pg: &NativePostgres, who: &str, device: &str) -> String {
    let endpoint = format!("https://push.example.com/{device}");
    let posted = other_side::Device::new(device).subscription(&endpoint);
    let text = |of: &Value| of.as_str().expect("text").to_owned();
    let subscription = Subscription {
        id: subscription_id(&endpoint),
        endpoint,
        p256dh: text(&posted["keys"]["p256dh"]),
        auth: text(&posted["keys"]["auth"]),
        device: Some(device.to_owned()),
    };
    db::put_subscription(pg, (&tenant("acme"), &user(who)), &subscription).await.expect("kept");
    subscription.id
}

async fn devices(pg: &NativePostgres, who: &str) -> Vec<String> {
    let listed = db::list_subscriptions(pg, &tenant("acme"), &user(who)).await.expect("a list");
    listed.iter().map(|one| one["device"].as_str().expect("a name").to_owned()).collect()
}

/// Alice writes messages 1 to 3 to a group; the second mentions Bob.
async fn three_messages(pg: &NativePostgres) {
    group(pg, "acme", "r1", "alice", &["bob", "carol"]).await;
    let rows = vec![
        message_row("r1", 1, "alice", "one"),
        mentioning(message_row("r1", 2, "alice", "<@bob>"), &["bob"]),
        message_row("r1", 3, "alice", "three"),
    ];
    send_rows(pg, "r1", rows).await;
}

#[tokio::test]
async fn push_3_several_messages_are_one_push_that_counts_them_and_is_sent_once() {
    let database = Database::new().await;
    let pg = &database.connect().await;
    three_messages(pg).await;
    let rig = Rig::new();
    for (who, device) in [("bob", "laptop"), ("bob", "phone"), ("carol", "tablet")] {
        subscribe(pg, who, device).await;
    }
    assert_eq!(rig.tell(pg, &[1, 2, 3], &["bob", "carol"]).await, Sent::default());
    let pushes = rig.services.pushes.borrow().clone();
    assert!(pushes.iter().all(|push| push.topic == topic(&room("r1"))));
    let urgency =
        |name: &str| pushes.iter().find(|push| push.endpoint.ends_with(name)).expect("a push").urgency;
    assert_eq!([urgency("phone"), urgency("tablet")], ["high", "normal"], "bob is mentioned");
    let opened = rig.services.opened();
    let names: Vec<&str> = opened.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["laptop", "phone", "tablet"]);
    assert_eq!(
        opened[1].1,
        json!({"web_push": 8030, "notification": {
            "title": "3 new: The r1", "body": "alice: three", "navigate": "/#/r/r1/m/3", "tag": topic(&room("r1")),
            "data": {"roomId": "r1", "messageId": "r1-3", "seq": 3, "unread": 3}, "app_badge": 1}})
    );
    rig.tell(pg, &[1, 2, 3], &["bob", "carol"]).await;
    rig.tell(pg, &[2], &["bob"]).await;
    assert_eq!(rig.services.opened(), [], "a message of the queue may come twice, and late");
    done(pg, &crate::db::batch("acme", "r1", 3, 4, vec![message_row("r1", 4, "alice", "four")])).await;
    rig.tell(pg, &[4], &["bob"]).await;
    assert_eq!(rig.services.opened().len(), 2);
}

#[tokio::test]
async fn notify_10_nobody_is_notified_who_does_not_want_to_be() {
    let database = Database::new().await;
    let pg = &database.connect().await;
    three_messages(pg).await;
    let rig = Rig::new();
    subscribe(pg, "bob", "phone").await;
    let dnd = json!({"presence": "dnd"}).as_object().cloned().expect("fields");
    let put = db::ProfilePut { user_id: user("bob"), set: dnd };
    db::put_people(pg, &tenant("acme"), db::ProfileWriter::Person, &[put]).await.expect("set");
    rig.tell(pg, &[1], &["bob"]).await;
    assert_eq!(rig.services.opened(), []);
    // Quiet hours that are now, over midnight, in a zone that is not UTC; and ones that are not.
    let hours = "jsonb_build_object(
        'from', to_char(now() AT TIME ZONE 'Asia/Tokyo' + interval '{from}', 'HH24:MI'),
        'to', to_char(now() AT TIME ZONE 'Asia/Tokyo' + interval '{to}', 'HH24:MI'))";
    for (from, to, is_quiet) in [("-1 h", "1 h", true), ("-1 h", "-23 h", true), ("1 h", "2 h", false)] {
        let hours = hours.replace("{from}", from).replace("{to}", to);
        sql(
            pg,
            &format!(
                "UPDATE chat_people SET presence = 'auto', timezone = 'Asia/Tokyo', quiet_hours = {hours}"
            ),
        )
        .await;
        let payload = db::notification_payload(pg, &notice(1, &["bob"])).await.expect("an answer");
        assert_eq!(payload.is_none(), is_quiet, "{from} to {to}");
    }
    sql(pg, "UPDATE chat_people SET timezone = 'Europe/Nowhere', quiet_hours = '{\"from\":\"00:00\",\"to\":\"23:59\"}'").await;
    let payload =
        db::notification_payload(pg, &notice(1, &["bob"])).await.expect("a zone that is none counts as UTC");
    assert!(payload.is_none());
    sql(pg, "UPDATE chat_people SET quiet_hours = NULL").await;
    rig.tell(pg, &[1], &["bob"]).await;
    assert_eq!(rig.services.opened().len(), 1);
}

#[tokio::test]
async fn push_4_what_is_over_ends_and_what_is_our_fault_does_not() {
    let database = Database::new().await;
    let pg = &database.connect().await;
    three_messages(pg).await;
    let rig = Rig::new();
    for device in ["gone", "lost", "otherkey", "apple", "badtoken", "forbidden", "large", "fine"] {
        subscribe(pg, "bob", device).await;
    }
    let services = &rig.services;
    services.answer("gone", 410, None, "");
    services.answer("lost", 404, None, "");
    services.answer(
        "otherkey",
        403,
        None,
        "the VAPID credentials in the authorization header do not correspond to …",
    );
    services.answer("apple", 403, None, r#"{"reason":"VapidPkHashMismatch"}"#);
    services.answer("badtoken", 401, None, "");
    services.answer("forbidden", 403, None, r#"{"reason":"BadJwtToken"}"#);
    services.answer("large", 413, None, "");
    let mut sent = rig.tell(pg, &[1], &["bob"]).await;
    sent.refused.sort_unstable();
    assert_eq!(sent, Sent { again: vec![], refused: vec![401, 403, 413] });
    let mut left = devices(pg, "bob").await;
    left.sort_unstable();
    assert_eq!(left, ["badtoken", "fine", "forbidden", "large"]);
}

#[tokio::test]
async fn push_4_what_a_service_cannot_take_now_is_sent_later_to_that_device_alone() {
    let database = Database::new().await;
    let pg = &database.connect().await;
    three_messages(pg).await;
    let rig = Rig::new();
    let mut ids = vec![];
    for device in ["busy", "down", "silent", "fine"] {
        ids.push(subscribe(pg, "bob", device).await);
    }
    let services = &rig.services;
    services.answer("busy", 429, Some(120), "");
    services.answer("down", 503, None, "");
    services.answer("silent", 0, None, "");
    let sent = rig.tell(pg, &[1], &["bob"]).await;
    assert_eq!(services.opened().len(), 4);
    let [(again, delay_s)] = sent.again.as_slice() else { panic!("{sent:?}") };
    assert_eq!(*delay_s, 120);
    let mut waiting = again.devices.clone();
    ids.pop();
    ids.sort_unstable();
    waiting.sort_unstable();
    assert_eq!((waiting, again.tries), (ids, 1));
    let stored = serde_json::to_string(&db::QueueMessage::Push(again.clone())).expect("JSON");
    assert_eq!(
        serde_json::from_str::<db::QueueMessage>(&stored).expect("read"),
        db::QueueMessage::Push(again.clone())
    );

    let sent = tell_again(pg, &rig.pusher(), again).await.expect("notified");
    assert_eq!(services.opened().len(), 3, "not the one that has it");
    assert_eq!((sent.again[0].1, sent.again[0].0.tries), (120, 2));
    services.answers.borrow_mut().clear();
    let last = PushRetry { tries: PUSH_TRIES_MAX, ..again.clone() };
    services.answer("down", 503, None, "");
    assert_eq!(tell_again(pg, &rig.pusher(), &last).await.expect("notified"), Sent::default(), "given up");
    services.opened();
    sql(pg, "UPDATE chat_room_members SET last_read_seq = 3 WHERE user_id = 'bob'").await;
    assert_eq!(tell_again(pg, &rig.pusher(), again).await.expect("notified"), Sent::default());
    assert_eq!(services.opened(), [], "read meanwhile");
}

#[tokio::test]
async fn push_5_a_person_has_20_devices_and_a_device_one_person() {
    let database = Database::new().await;
    let pg = &database.connect().await;
    three_messages(pg).await;
    for number in 0..=PUSH_SUBSCRIPTIONS_MAX {
        subscribe(pg, "bob", &format!("d{number:02}")).await;
        sql(
            pg,
            "UPDATE chat_push_subscriptions SET seen_at = seen_at - interval '1 min' WHERE user_id = 'bob'",
        )
        .await;
    }
    let kept = devices(pg, "bob").await;
    assert_eq!(kept.len(), PUSH_SUBSCRIPTIONS_MAX);
    assert!(!kept.contains(&"d00".to_owned()), "the one unseen for longest");
    subscribe(pg, "carol", "d20").await;
    assert!(!devices(pg, "bob").await.contains(&"d20".to_owned()), "carol uses that browser now");
    assert_eq!(devices(pg, "carol").await, ["d20"]);
    let (acme, bob, id) = (tenant("acme"), user("bob"), subscription_id("https://push.example.com/d20"));
    let dropped = db::drop_subscriptions(pg, &acme, &[&id], Some(&bob)).await.expect("an answer");
    assert_eq!(dropped, 0, "it is carol's");
    sql(pg, "UPDATE chat_push_subscriptions SET seen_at = now() - interval '91 days' WHERE device <> 'd19'")
        .await;
    let rig = Rig::new();
    rig.tell(pg, &[1], &["bob", "carol"]).await;
    let notified: Vec<String> = rig.services.opened().into_iter().map(|(name, _)| name).collect();
    assert_eq!(notified, ["d19"], "who does not open the page any more is not notified");
    subscribe(pg, "bob", "new").await;
    let mut kept = devices(pg, "bob").await;
    kept.sort_unstable();
    assert_eq!(kept, ["d19", "new"]);
}

#[test]
fn push_6_a_payload_fits_whatever_is_written() {
    let quotes = "\"\u{1}😀".repeat(70);
    let message = json!({"id": "m".repeat(36), "seq": 1, "userId": "😀".repeat(128), "senderName": "\"".repeat(100),
                         "preview": quotes, "threadId": null});
    let of = db::NotificationPayload {
        message,
        room: json!({"id": "😀".repeat(128), "type": "group", "name": "\\".repeat(100)}),
        recipients: vec![],
    };
    let device = Device {
        user_id: "bob".into(),
        id: "i".into(),
        endpoint: "https://push.example.com/".into(),
        p256dh: String::new(),
        auth: String::new(),
        unread: 100,
        rooms: 3,
    };
    let text = payload(&of, &device);
    assert!(text.len() <= PUSH_PLAIN_BYTES_MAX, "{}", text.len());
    let parsed: Value = serde_json::from_str(&text).expect("JSON");
    assert!(parsed["notification"]["title"].as_str().expect("a title").starts_with("100+ new: "));
    assert_eq!(
        topic(&room("0197b3c2-1111-7000-8000-000000000000")),
        "0197b3c211117000800000000000000".to_owned() + "0"
    );
    assert_eq!(topic(&room("lunch")).len(), 32);
}
