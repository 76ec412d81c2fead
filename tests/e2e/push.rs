//! Web Push on the live stack: the room, the queue, WebCrypto, and a push service that decrypts, checks who pushes, and
//! answers as the known ones do when they fail.
//! Not here: who is notified, and the known answers one by one (`tests/native/reading/push.rs`).

use crate::rig::receiver::{answer, header, read_request};
use crate::rig::stack::Stack;
use crate::rig::{Tenant, eventually};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use testkit::push::{Device, vapid_keys, verify};
use tokio::net::{TcpListener, TcpStream};

/// The queue's own wait, a try or two, and a busy machine.
const SOON: Duration = Duration::from_secs(60);

/// One push, as the device of that name reads it.
#[derive(Clone)]
struct Received {
    device: String,
    head: String,
    notification: Value,
    status: &'static str,
}

struct PushService {
    origin: String,
    /// What a device's pushes are answered; 201 without one.
    statuses: Mutex<Vec<(&'static str, &'static str)>>,
    received: Mutex<Vec<Received>>,
}

impl PushService {
    async fn start() -> Arc<PushService> {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let origin = format!("http://{}", listener.local_addr().expect("an address"));
        let service =
            Arc::new(PushService { origin, statuses: Mutex::default(), received: Mutex::default() });
        let serving = service.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let service = serving.clone();
                tokio::spawn(async move { service.serve(stream).await });
            }
        });
        service
    }

    async fn serve(&self, mut stream: TcpStream) {
        let Some((head, body)) = read_request(&mut stream).await else { return };
        let device = head.split(' ').nth(1).expect("a path").trim_start_matches('/').to_owned();
        let (claims, key) = verify(&header(&head, "authorization"));
        assert_eq!(claims["aud"], self.origin);
        assert_eq!(claims["sub"], "mailto:ops@example.com");
        assert_eq!(key, vapid_keys("e2e")[0]);
        assert_eq!(header(&head, "content-encoding"), "aes128gcm");
        let plain = Device::new(&device).open(&body).expect("encrypted for this device");
        let whole: Value = serde_json::from_slice(&plain).expect("JSON");
        assert_eq!(whole["web_push"], 8030);
        let status = {
            let statuses = self.statuses.lock().expect("statuses");
            statuses.iter().find(|(of, _)| *of == device).map_or("201 Created", |(_, status)| *status)
        };
        let notification = whole["notification"].clone();
        self.received.lock().expect("received").push(Received { device, head, notification, status });
        answer(&mut stream, status, "Retry-After: 1\r\n", "").await;
    }

    fn answers(&self, device: &'static str, status: &'static str) {
        let mut statuses = self.statuses.lock().expect("statuses");
        statuses.retain(|(of, _)| *of != device);
        statuses.push((device, status));
    }

    fn received_by(&self, device: &str) -> Vec<Received> {
        self.received.lock().expect("received").iter().filter(|one| one.device == device).cloned().collect()
    }

    /// A push to this device whose text ends so, with this status.
    async fn push(&self, device: &str, text: &str, status: &str) -> Received {
        eventually(text, SOON, || async {
            self.received_by(device).into_iter().find(|one| {
                let body = one.notification["body"].as_str().expect("a text");
                body.ends_with(text) && one.status.starts_with(status)
            })
        })
        .await
    }
}

async fn subscribe(t: &Tenant, who: &str, service: &PushService, device: &str) -> String {
    let mut body = Device::new(device).subscription(&format!("{}/{device}", service.origin));
    body["device"] = json!(device);
    let kept = t.rest(who, "POST", "/push/subscriptions", Some(body)).await.ok();
    kept["id"].as_str().expect("an id").to_owned()
}

/// PUSH-1 to PUSH-5.
#[tokio::test]
async fn devices_of_the_absent_are_notified_and_failing_push_services_are_handled() {
    let service = PushService::start().await;
    let [public, private] = vapid_keys("e2e");
    let vars = [format!("VAPID_PUBLIC_KEY={public}"), format!("VAPID_PRIVATE_KEY={private}")];
    let stack = Stack::start(&[&vars[0], &vars[1], "VAPID_SUBJECT=mailto:ops@example.com"]);
    let t = Tenant::new(&stack);
    assert_eq!(t.get("bob", "/push/key").await, json!({"publicKey": public}));
    let health = t.rest_as(&t.admin_token(), "GET", "/health?deep=1", None).await.ok();
    assert_eq!(health["notifications"], "ok");
    let room = t.group(&["alice", "bob", "carol"]).await;
    let phone = subscribe(&t, "bob", &service, "phone").await;
    assert_eq!(subscribe(&t, "bob", &service, "phone").await, phone, "the same device");
    subscribe(&t, "bob", &service, "laptop").await;
    subscribe(&t, "carol", &service, "tablet").await;
    let _carol = t.join(&room, "carol").await;

    let first = t.says("alice", &room, "<@bob> lunch?").await;
    let push = service.push("phone", "lunch?", "201").await;
    service.push("laptop", "lunch?", "201").await;
    assert_eq!(header(&push.head, "ttl"), "86400");
    assert_eq!(header(&push.head, "urgency"), "high", "a mention");
    assert_eq!(header(&push.head, "topic"), push.notification["tag"].as_str().expect("a tag"));
    assert_eq!(push.notification["data"]["messageId"], first["id"]);
    assert!(service.received_by("tablet").is_empty(), "carol is here");

    // What is over ends; what is busy is notified later, once; what was deleted meanwhile is not notified.
    service.answers("laptop", "410 Gone");
    service.answers("phone", "429 Too Many Requests");
    let second = t.says("alice", &room, "to be deleted").await;
    service.push("laptop", "to be deleted", "410").await;
    service.push("phone", "to be deleted", "429").await;
    eventually("the laptop's subscription ends", SOON, || async {
        let devices = t.get("bob", "/push/subscriptions").await["subscriptions"].clone();
        (devices.as_array().expect("a list").len() == 1).then_some(())
    })
    .await;
    let listed = t.get("bob", "/push/subscriptions").await["subscriptions"][0].clone();
    assert_eq!((&listed["id"], &listed["device"]), (&json!(phone), &json!("phone")));
    assert!(!listed.to_string().contains("/phone"), "the endpoint is a secret: {listed}");
    let path = format!("/rooms/{room}/messages/{}", second["id"].as_str().expect("id"));
    t.rest("alice", "DELETE", &path, None).await.ok();
    t.says("alice", &room, "busy once").await;
    service.push("phone", "busy once", "429").await;
    service.answers("phone", "201 Created");
    let again = service.push("phone", "busy once", "201").await;
    assert!(
        again.notification["title"].as_str().expect("a title").starts_with("2 new: "),
        "{}",
        again.notification
    );
    let deleted = service.received_by("phone").into_iter().filter(|one| {
        one.status.starts_with("201")
            && one.notification["body"].as_str().expect("a text").ends_with("to be deleted")
    });
    assert_eq!(deleted.count(), 0);
    tokio::time::sleep(Duration::from_secs(3)).await;
    let notified = service.received_by("phone").iter().filter(|one| one.status.starts_with("201")).count();
    assert_eq!(notified, 2, "once each");

    t.rest("alice", "DELETE", &format!("/push/subscriptions/{phone}"), None).await.refusal(404, "not_found");
    t.rest("bob", "DELETE", &format!("/push/subscriptions/{phone}"), None).await.ok();
    t.rest("bob", "DELETE", &format!("/push/subscriptions/{phone}"), None).await.refusal(404, "not_found");
}

/// PUSH-5, PUSH-6.
#[tokio::test]
async fn subscriptions_are_checked_and_need_keys_of_the_deployment() {
    let t = Tenant::shared();
    t.rest("bob", "GET", "/push/key", None).await.refusal(503, "upstream_unavailable");
    let good = Device::new("d").subscription("https://push.example.com/d");
    for (field, value) in [
        ("endpoint", json!("http://push.example.com/d")),
        ("endpoint", json!("https://169.254.169.254/latest")),
        ("endpoint", json!("https://0x7f.1/")),
        ("endpoint", json!(format!("https://push.example.com/{}", "x".repeat(2_048)))),
        ("keys", json!({"p256dh": "BA", "auth": "BTBZMqHH6r4Tts7J_aSIgg"})),
        ("device", json!("x".repeat(101))),
    ] {
        let mut body = good.clone();
        body[field] = value;
        t.rest("bob", "POST", "/push/subscriptions", Some(body)).await.refusal(422, "invalid");
    }
    for field in ["endpoint", "keys"] {
        let mut body = good.clone();
        body.as_object_mut().expect("an object").remove(field);
        t.rest("bob", "POST", "/push/subscriptions", Some(body)).await.refusal(400, "bad_request");
    }
    t.rest("bob", "POST", "/push/subscriptions", Some(good)).await.ok();
    assert_eq!(t.get("bob", "/push/subscriptions").await["subscriptions"][0]["service"], "push.example.com");
    assert_eq!(t.get("alice", "/push/subscriptions").await["subscriptions"], json!([]));
}
