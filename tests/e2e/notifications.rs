//! Notifications on the live stack: room, queue, consumer, and an HTTP receiver that fails, hangs and recovers.
//! Not here: who is notified (`tests/native/room/notifications.rs`, `tests/native/reading/notify.rs`).

use crate::rig::receiver::{answer, header, read_request};
use crate::rig::stack::NO_RATES;
use crate::rig::stack::{Setting, Stack, folder};
use crate::rig::{PATIENCE, Tenant, eventually};
use chinwag::notify::Secret;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwAAAA";
/// The queue's own wait, a try or two, and a busy machine.
const SOON: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, PartialEq)]
enum ReceiverState {
    Healthy,
    Failing,
    Hanging,
    /// It answers 410.
    Gone,
}

/// One request that the receiver got.
#[derive(Clone)]
struct Delivery {
    id: String,
    state: ReceiverState,
    body: Value,
}

struct Receiver {
    url: String,
    state: Mutex<ReceiverState>,
    deliveries: Mutex<Vec<Delivery>>,
}

impl Receiver {
    async fn start() -> Arc<Receiver> {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/hook", listener.local_addr().expect("an address"));
        let receiver = Arc::new(Receiver {
            url,
            state: Mutex::new(ReceiverState::Healthy),
            deliveries: Mutex::default(),
        });
        let serving = receiver.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let receiver = serving.clone();
                tokio::spawn(async move { receiver.serve(stream).await });
            }
        });
        receiver
    }

    fn set_state(&self, state: ReceiverState) {
        *self.state.lock().expect("state") = state;
    }

    async fn serve(&self, mut stream: TcpStream) {
        let Some((head, body)) = read_request(&mut stream).await else { return };
        let body = String::from_utf8_lossy(&body).into_owned();
        let (id, timestamp) = (header(&head, "webhook-id"), header(&head, "webhook-timestamp"));
        let signed =
            Secret::parse(SECRET).expect("a key").sign(&id, timestamp.parse().expect("seconds"), &body);
        assert_eq!(header(&head, "webhook-signature"), signed, "signed by the key, over what came");
        let state = *self.state.lock().expect("state");
        let body = serde_json::from_str(&body).expect("JSON");
        self.deliveries.lock().expect("deliveries").push(Delivery { id, state, body });
        let status = match state {
            ReceiverState::Healthy => "204 No Content",
            ReceiverState::Failing => "500 Internal Server Error",
            ReceiverState::Gone => "410 Gone",
            ReceiverState::Hanging => return tokio::time::sleep(Duration::from_secs(600)).await,
        };
        answer(&mut stream, status, "", "").await;
    }

    /// The deliveries about a message with this text, in this state.
    fn deliveries_of(&self, preview: &str, state: ReceiverState) -> Vec<Delivery> {
        let deliveries = self.deliveries.lock().expect("deliveries");
        let about = |one: &&Delivery| one.body["data"]["message"]["preview"] == preview && one.state == state;
        deliveries.iter().filter(about).cloned().collect()
    }

    /// Whether this person is a recipient of a message with this text.
    fn has_reached(&self, user: &str, preview: &str) -> bool {
        let deliveries = self.deliveries_of(preview, ReceiverState::Healthy);
        let mut recipients = deliveries.iter().flat_map(|one| one.body["data"]["recipients"].as_array());
        recipients.any(|recipients| recipients.iter().any(|recipient| recipient["userId"] == user))
    }

    async fn tells(&self, user: &str, preview: &str) {
        eventually(preview, SOON, || async { self.has_reached(user, preview).then_some(()) }).await;
    }

    async fn delivery(&self, preview: &str, state: ReceiverState) -> Delivery {
        eventually("the receiver is deliveries", SOON, || async {
            self.deliveries_of(preview, state).into_iter().next()
        })
        .await
    }
}

#[tokio::test]
async fn the_absent_are_notified_whatever_the_receiver_does_and_nobody_of_what_is_gone_or_read() {
    let receiver = Receiver::start().await;
    let url = format!("NOTIFY_WEBHOOK_URL={}", receiver.url);
    let stack = Stack::start(&[&url, &format!("NOTIFY_WEBHOOK_SECRET={SECRET}")]);
    let t = Tenant::new(&stack);
    let room = t.group(&["alice", "bob", "carol", "mute", "none"]).await;
    let sql = stack.sql().await;
    for set in [
        "mute_until = now() + interval '1 h' WHERE user_id = 'mute'",
        "notify_level = 'none' WHERE user_id = 'none'",
    ] {
        sql.execute(&format!("UPDATE chat_room_members SET {set}"), &[]).await.expect("settings");
    }
    let _bob = t.join(&room, "bob").await;

    let first = t.says("alice", &room, "one for carol").await;
    let deliveries = receiver.delivery("one for carol", ReceiverState::Healthy).await;
    assert_eq!(
        deliveries.body["data"]["recipients"],
        json!([{"userId": "carol", "reason": "message"}]),
        "bob is here"
    );
    assert_eq!(
        (&deliveries.body["data"]["message"]["id"], &deliveries.body["data"]["tenantId"]),
        (&first["id"], &json!(t.id))
    );
    assert_eq!(deliveries.body["data"]["room"]["id"], room);

    // It fails; meanwhile one is deleted, one is read by all, and one stays.
    receiver.set_state(ReceiverState::Failing);
    let gone = t.says("alice", &room, "to be deleted").await;
    let read = t.says("alice", &room, "to be read").await;
    receiver.delivery("to be deleted", ReceiverState::Failing).await;
    receiver.delivery("to be read", ReceiverState::Failing).await;
    let path = format!("/rooms/{room}/messages/{}", gone["id"].as_str().expect("id"));
    t.rest("alice", "DELETE", &path, None).await.ok();
    t.rest("carol", "POST", &format!("/rooms/{room}/read"), Some(json!({"seq": read["seq"]}))).await.ok();
    t.drained(&room, PATIENCE).await;
    let deleted_tries = receiver.deliveries_of("to be deleted", ReceiverState::Failing).len();
    t.says("alice", &room, "it fails").await;
    let failed = receiver.delivery("it fails", ReceiverState::Failing).await;
    receiver.set_state(ReceiverState::Hanging);
    t.says("alice", &room, "it hangs").await;
    let hung = receiver.delivery("it hangs", ReceiverState::Hanging).await;
    receiver.set_state(ReceiverState::Healthy);
    assert_eq!(
        receiver.delivery("it fails", ReceiverState::Healthy).await.id,
        failed.id,
        "the same id in each try"
    );
    assert_eq!(receiver.delivery("it hangs", ReceiverState::Healthy).await.id, hung.id);
    assert_ne!(failed.id, hung.id);
    // The others would have come back by now as well.
    for preview in ["to be deleted", "to be read"] {
        assert!(receiver.deliveries_of(preview, ReceiverState::Healthy).is_empty(), "{preview}");
    }
    assert!(
        receiver.deliveries_of("to be deleted", ReceiverState::Failing).len() <= deleted_tries + 1,
        "one was on the way at most"
    );

    // Killed between the commit and the queue: Postgres is away, so the queue can't have it yet.
    let away = stack.stop_postgres();
    let mut alice = t.join(&room, "alice").await;
    alice.say("c1", "after the crash").await;
    stack.kill_runtime().await;
    away.back().await;
    receiver.delivery("after the crash", ReceiverState::Healthy).await;
    let authors = receiver
        .deliveries
        .lock()
        .expect("deliveries")
        .iter()
        .any(|one| one.body.to_string().contains(r#""userId":"alice","reason""#));
    assert!(!authors, "never the author");
}

/// The queue of wrangler.toml, but that it gives up after the third try and not after the thirtieth.
#[tokio::test]
async fn what_cant_be_delivered_becomes_a_dead_letter_and_a_receiver_that_is_gone_is_left_alone() {
    let receiver = Receiver::start().await;
    let vars = [format!("NOTIFY_WEBHOOK_URL={}", receiver.url), format!("NOTIFY_WEBHOOK_SECRET={SECRET}")];
    let env = vec![("CHINWAG_QUEUE_RETRIES".to_owned(), "2".to_owned())];
    let setting = Setting { vars: vars.to_vec(), env, ..Setting::default() };
    let stack = Stack::start_with(folder(), setting);
    let logged = async |what: &str| {
        eventually(what, SOON, || async { stack.log().contains(what).then_some(()) }).await;
    };
    let t = Tenant::new(&stack);
    let room = t.group(&["alice", "bob"]).await;

    receiver.set_state(ReceiverState::Failing);
    t.says("alice", &room, "never deliveries").await;
    logged(r#"to dead letter queue "chinwag-notifications-dead" after 3 failed attempts"#).await;
    let tries = receiver.deliveries_of("never deliveries", ReceiverState::Failing);
    // Once with the message of the room, and three times by itself.
    assert_eq!(tries.len(), 4);
    assert!(tries.iter().all(|one| one.id == tries[0].id), "under one id");

    receiver.set_state(ReceiverState::Gone);
    t.says("alice", &room, "unwanted").await;
    logged("notification_unwanted").await;
    receiver.set_state(ReceiverState::Healthy);
    t.says("alice", &room, "deliveries").await;
    receiver.delivery("deliveries", ReceiverState::Healthy).await;
    // As long as the next tries would have taken.
    tokio::time::sleep(Duration::from_secs(5)).await;
    for (preview, state, times) in [
        ("never deliveries", ReceiverState::Failing, 4),
        ("unwanted", ReceiverState::Gone, 1),
        ("deliveries", ReceiverState::Healthy, 1),
    ] {
        assert_eq!(receiver.deliveries_of(preview, state).len(), times, "{preview}");
    }
    assert!(
        receiver.deliveries_of("never deliveries", ReceiverState::Healthy).is_empty()
            && receiver.deliveries_of("unwanted", ReceiverState::Healthy).is_empty()
    );
}

#[tokio::test]
async fn notify_8_who_vanished_is_notified_of_what_comes_45_s_later_and_of_what_an_instance_took_with_it() {
    let receiver = Receiver::start().await;
    let vars = [format!("NOTIFY_WEBHOOK_URL={}", receiver.url), format!("NOTIFY_WEBHOOK_SECRET={SECRET}")];
    let stack = Stack::start(&[&vars[0], &vars[1]]);
    let t = Tenant::new(&stack);
    let room = t.group(&["alice", "bob", "carol"]).await;
    let _alice = t.join(&room, "alice").await;
    // Bob's phone pings once. Its socket stays open, as after a loss of the network, and nothing comes any more.
    let mut bob = t.join(&room, "bob").await;
    bob.send_text(r#"{"type":"ping"}"#).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    t.says("alice", &room, "while bob counts as present").await;
    receiver.tells("carol", "while bob counts as present").await;
    assert!(!receiver.has_reached("bob", "while bob counts as present"));
    tokio::time::sleep(Duration::from_secs(42)).await;
    t.says("alice", &room, "45 s later").await;
    receiver.tells("bob", "45 s later").await;
    assert!(!receiver.has_reached("bob", "while bob counts as present"), "his socket is still open");
    // The instance ends, and its sockets with it; somebody else wakes the room.
    stack.kill_runtime().await;
    let _alice = t.join(&room, "alice").await;
    receiver.tells("bob", "while bob counts as present").await;
}

/// How long a room of these people takes to drain as many messages once Postgres is back.
async fn drain_time(t: &Tenant, stack: &Stack, people: usize, messages: usize) -> Duration {
    let absent: Vec<String> =
        (0..people).map(|n| format!("somebody-with-an-id-of-36-bytes-{n:04}")).collect();
    let names: Vec<&str> = std::iter::once("alice").chain(absent.iter().map(String::as_str)).collect();
    let room = t.group(&names).await;
    let mut alice = t.join(&room, "alice").await;
    let away = stack.stop_postgres();
    for n in 1..=messages {
        let frame =
            json!({"type": "message", "content": format!("message {n}"), "clientId": format!("c{n}")});
        assert!(alice.send(frame).await, "open");
        if n % 200 == 0 || n == messages {
            alice.ack(&format!("c{n}")).await;
        }
    }
    away.back().await;
    let sql = stack.sql().await;
    let count = "SELECT count(*) FROM chat_messages WHERE tenant_id = $1 AND room_id = $2";
    let count = async || -> i64 { sql.query_one(count, &[&t.id, &room]).await.expect("a count").get(0) };
    eventually("the drain begins", SOON, async || (count().await > 0).then_some(())).await;
    let (begun, first) = (std::time::Instant::now(), count().await);
    eventually("the drain ends", Duration::from_secs(240), async || {
        (count().await >= messages as i64).then_some(())
    })
    .await;
    let rows = (messages as i64 - first).max(1) as u32;
    begun.elapsed() / rows * messages as u32
}

/// Measured with `CHINWAG_NOTICES_ROWS=12000` in docs/RELIABILITY.md.
#[tokio::test]
async fn notify_4_a_room_with_490_absent_people_drains_as_fast_as_one_without() {
    let rows = std::env::var("CHINWAG_NOTICES_ROWS").ok().and_then(|rows| rows.parse().ok()).unwrap_or(2_000);
    let receiver = Receiver::start().await;
    let vars = [format!("NOTIFY_WEBHOOK_URL={}", receiver.url), format!("NOTIFY_WEBHOOK_SECRET={SECRET}")];
    let stack = Stack::start(&[NO_RATES, &vars[0], &vars[1]]);
    let t = Tenant::new(&stack);
    let without = drain_time(&t, &stack, 1, rows).await;
    let with = drain_time(&t, &stack, 490, rows).await;
    println!("{rows} rows: {without:?} with nobody absent but one, {with:?} with 490 absent");
    assert!(with < without * 3 + Duration::from_secs(2), "{with:?} instead of {without:?}");
}
