//! The inbox on the live stack: one socket that hears of all rooms, equal to the list once quiet.
//! Not here: what a difference of the list becomes (`src/inbox`), and rules of the machine (`tests/native/inbox`).

use crate::rig::client::text;
use crate::rig::{Client, Dial, Tenant};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// For what isn't measured: the machine runs other tests too.
const SOON: Duration = Duration::from_secs(10);

/// A device with an inbox, which applies what it hears.
pub struct Device {
    client: Client,
    pub epoch: String,
    pub seq: u64,
    rooms: BTreeMap<String, Value>,
    /// Text and rev, by room and thread.
    drafts: BTreeMap<(String, String), (String, u64)>,
    /// Of direct partners.
    presence: BTreeMap<String, Value>,
    /// The seqs of its notifications.
    pub notified: Vec<u64>,
}

impl Device {
    pub async fn open(t: &Tenant, user: &str) -> Device {
        let client = Dial::inbox(&t.stack, &t.token(user)).open().await;
        Self::greeted(client, BTreeMap::new()).await
    }

    /// Connects again and resumes.
    pub async fn resume(self, t: &Tenant, user: &str) -> Device {
        let Device { client, epoch, seq, rooms, drafts, presence, notified } = self;
        client.leave().await;
        let position = format!("since={seq}&epoch={epoch}");
        let client = Dial::inbox(&t.stack, &t.token(user)).and(&position).open().await;
        let mut device = Device { client, epoch, seq, rooms, drafts, presence, notified };
        let hello = device.client.event().await;
        assert_eq!((&hello["type"], &hello["epoch"]), (&json!("hello"), &json!(device.epoch)));
        device.until("synced").await;
        assert_eq!(hello["seq"], device.seq, "everything since was replayed");
        device
    }

    async fn greeted(mut client: Client, mut rooms: BTreeMap<String, Value>) -> Device {
        let hello = client.event().await;
        assert_eq!(hello["type"], "hello", "{hello}");
        let list = client.event().await;
        assert_eq!(list["type"], "rooms", "{list}");
        for room in list["rooms"].as_array().expect("rooms") {
            rooms.insert(text(&room["id"]), room.clone());
        }
        let seq = hello["seq"].as_u64().expect("a seq");
        let (drafts, presence) = (BTreeMap::new(), BTreeMap::new());
        let (epoch, notified) = (text(&hello["epoch"]), Vec::new());
        let mut device = Device { client, epoch, seq, rooms, drafts, presence, notified };
        let synced = device.until("synced").await;
        assert_eq!((&synced["seq"], device.seq), (&hello["seq"], seq));
        list["drafts"].as_array().expect("drafts").iter().for_each(|draft| device.put_draft(draft));
        device
    }

    fn put_draft(&mut self, draft: &Value) {
        let place = (text(&draft["roomId"]), draft["threadId"].as_str().unwrap_or_default().to_owned());
        self.drafts.insert(place, (text(&draft["text"]), draft["rev"].as_u64().expect("a rev")));
    }

    /// The next event of this type, after those before it were applied.
    pub async fn until(&mut self, kind: &str) -> Value {
        loop {
            let event = self.client.event().await;
            self.apply(&event);
            if event["type"] == kind {
                return event;
            }
        }
    }

    fn apply(&mut self, event: &Value) {
        if event["type"] == "synced" {
            return;
        }
        if let Some(seq) = event["seq"].as_u64().filter(|_| event["type"] != "pong") {
            assert_eq!(seq, self.seq + 1, "gapless: {event}");
            self.seq = seq;
        }
        let id = event["roomId"].as_str().unwrap_or_default().to_owned();
        let fields = |names: &'static [&str]| {
            names.iter().filter(|name| event.get(**name).is_some()).map(|name| (*name, event[*name].clone()))
        };
        match event["type"].as_str().unwrap_or_default() {
            "room_added" => drop(self.rooms.insert(text(&event["room"]["id"]), event["room"].clone())),
            "room_removed" => {
                self.rooms.remove(&id);
                self.drafts.retain(|(room, _), _| *room != id);
            }
            "draft" => self.put_draft(event),
            "notification" => self.notified.push(self.seq),
            "presence" => _ = self.presence.insert(text(&event["userId"]), event["presence"].clone()),
            "room_activity" | "room_changed" => {
                let room = self.rooms.get_mut(&id).expect("a known room");
                let names = &[
                    "lastSeq",
                    "lastMessage",
                    "lastMessageAt",
                    "unread",
                    "mentions",
                    "name",
                    "topic",
                    "archived",
                    "memberCount",
                    "participantIds",
                    "members",
                    "historyVisibility",
                    "roomMention",
                    "slowModeS",
                ];
                fields(names).for_each(|(name, value)| room[name] = value);
                if event.get("role").is_some() {
                    room["me"]["role"] = event["role"].clone();
                }
            }
            "read" => {
                let room = self.rooms.get_mut(&id).expect("a known room");
                fields(&["unread", "mentions"]).for_each(|(name, value)| room[name] = value);
                room["me"]["lastReadSeq"] = event["lastReadSeq"].clone();
            }
            "settings_changed" => {
                let room = self.rooms.get_mut(&id).expect("a known room");
                fields(&["notify", "hidden"]).for_each(|(name, value)| room["me"][name] = value);
            }
            _ => {}
        }
    }

    /// What has arrived is applied.
    async fn catch_up(&mut self) {
        for event in self.client.barrier().await {
            self.apply(&event);
        }
    }

    /// Waits until this device shows what the list says.
    pub async fn equals_the_list(&mut self, t: &Tenant, user: &str) {
        let begin = Instant::now();
        loop {
            self.catch_up().await;
            let list = t.get(user, "/rooms/list?limit=100").await;
            let rooms = list["rooms"].as_array().expect("rooms").iter();
            let rooms: BTreeMap<_, _> = rooms.map(|room| (text(&room["id"]), room.clone())).collect();
            if rooms == self.rooms {
                return;
            }
            assert!(begin.elapsed() < SOON, "{:#?}\nis not the list\n{rooms:#?}", self.rooms);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

async fn send(t: &Tenant, room: &str, who: &str, content: &str) {
    let body = json!({"content": content});
    t.rest(who, "POST", &format!("/rooms/{room}/messages"), Some(body)).await.ok();
}

#[tokio::test]
async fn inbox_1_a_connection_gets_hello_the_list_and_synced() {
    let t = Tenant::shared();
    let room = t.group(&["bob", "alice"]).await;
    send(&t, &room, "bob", "before").await;
    t.drained(&room, SOON).await;
    let mut alice = Device::open(&t, "alice").await;
    assert_eq!(alice.rooms[&room]["unread"], 1);
    alice.equals_the_list(&t, "alice").await;
    let refused = Dial::inbox(&t.stack, "not a token").refused().await;
    refused.refusal(401, "unauthenticated");
    let half = Dial::inbox(&t.stack, &t.token("alice")).and("since=3").refused().await;
    half.refusal(400, "bad_request");
}

/// [INBOX-4] and [INBOX-6].
#[tokio::test]
async fn inbox_4_a_message_in_any_of_23_rooms_shows_within_a_second_over_one_socket() {
    let t = Tenant::shared();
    let mut rooms = Vec::new();
    for _ in 0..23 {
        rooms.push(t.group(&["bob", "alice"]).await);
    }
    let mut alice = Device::open(&t, "alice").await;
    assert_eq!(alice.rooms.len(), 23);
    let mut took = Vec::new();
    for (n, room) in rooms.iter().chain(&rooms).enumerate() {
        send(&t, room, "bob", &format!("message {n}, <@alice>")).await;
        let acked = Instant::now();
        let event = alice.until("room_activity").await;
        took.push(acked.elapsed());
        assert_eq!(event["roomId"], **room);
        assert_eq!(event["lastMessage"]["content"], format!("message {n}, <@alice>"));
        let expected = n as u64 / 23 + 1;
        assert_eq!((&event["unread"], &event["mentions"]), (&json!(expected), &json!(expected)));
    }
    took.sort_unstable();
    let p95 = took[took.len() * 95 / 100];
    println!("inbox: p50 {:?}, p95 {p95:?}, max {:?}", took[took.len() / 2], took[took.len() - 1]);
    assert!(p95 < Duration::from_secs(1), "{took:?}");
    alice.equals_the_list(&t, "alice").await;
}

#[tokio::test]
async fn inbox_3_a_device_resumes_exactly_and_another_one_begins() {
    let t = Tenant::shared();
    let room = t.group(&["bob", "alice"]).await;
    let mut phone = Device::open(&t, "alice").await;
    let mut laptop = Device::open(&t, "alice").await;
    send(&t, &room, "bob", "one").await;
    phone.until("room_activity").await;
    laptop.until("room_activity").await;
    assert_eq!(phone.seq, laptop.seq);
    let resumed = {
        let seq = phone.seq;
        send(&t, &room, "bob", "two").await;
        laptop.until("room_activity").await;
        let mut phone = phone.resume(&t, "alice").await;
        assert!(phone.seq > seq);
        phone.equals_the_list(&t, "alice").await;
        phone
    };
    assert_eq!(resumed.rooms, laptop.rooms);
    let stale = Dial::inbox(&t.stack, &t.token("alice")).and("since=1&epoch=another");
    let mut client = stale.open().await;
    assert_eq!(client.next("resync").await["reason"], "epoch");
    client.next("synced").await;
}

/// [INBOX-2], [INBOX-4] and [INBOX-5]: whatever changes the list, on all of the person's devices.
#[tokio::test]
async fn inbox_2_rooms_members_settings_and_markers_reach_all_devices() {
    let t = Tenant::shared();
    let mut phone = Device::open(&t, "alice").await;
    let mut laptop = Device::open(&t, "alice").await;
    let first = t.group(&["bob", "alice"]).await;
    for device in [&mut phone, &mut laptop] {
        let event = device.until("room_added").await;
        assert_eq!(event["room"]["id"], *first);
    }
    let second = t.group(&["bob", "carol"]).await;
    let add = json!({"userIds": ["alice"]});
    t.rest("bob", "POST", &format!("/rooms/{second}/members"), Some(add)).await.ok();
    assert_eq!(phone.until("room_added").await["room"]["id"], *second);
    t.rest("bob", "PATCH", &format!("/rooms/{first}"), Some(json!({"name": "Lunch", "topic": "soup"})))
        .await
        .ok();
    let event = phone.until("room_changed").await;
    assert_eq!((&event["name"], &event["topic"]), (&json!("Lunch"), &json!("soup")));
    let mute = json!({"level": "none"});
    t.rest("alice", "PUT", &format!("/rooms/{first}/notification-settings"), Some(mute)).await.ok();
    assert_eq!(phone.until("settings_changed").await["notify"]["level"], "none");
    send(&t, &first, "bob", "hi <@alice>").await;
    // The change of the settings was activity too.
    let seen = loop {
        let event = laptop.until("room_activity").await;
        if event["unread"] == 1 {
            break event["lastSeq"].clone();
        }
    };
    // What one device reads the others show.
    laptop.client.send(json!({"type": "read", "roomId": first, "seq": seen})).await;
    let event = phone.until("read").await;
    assert_eq!((&event["lastReadSeq"], &event["unread"], &event["mentions"]), (&seen, &json!(0), &json!(0)));
    phone.equals_the_list(&t, "alice").await;
    t.rest("bob", "DELETE", &format!("/rooms/{second}/members/alice"), None).await.ok();
    let event = phone.until("room_removed").await;
    assert_eq!((&event["roomId"], &event["reason"]), (&json!(second), &json!("removed")));
    let third = t.group(&["bob", "alice"]).await;
    phone.until("room_added").await;
    t.rest("alice", "POST", &format!("/rooms/{third}/leave"), None).await.ok();
    assert_eq!(phone.until("room_removed").await["reason"], "left");
    t.rest("bob", "DELETE", &format!("/rooms/{first}"), None).await.ok();
    assert_eq!(phone.until("room_removed").await["reason"], "deleted");
    assert!(phone.rooms.is_empty());
    laptop.equals_the_list(&t, "alice").await;
    laptop.client.send(json!({"type": "read", "roomId": first, "seq": 1})).await;
    assert_eq!(laptop.client.next("error").await["code"], "room_not_found");
}

/// [SAVED-1], [SAVED-2] and [INBOX-10]: on all devices within a second, also before Postgres has the message.
#[tokio::test]
async fn inbox_10_a_message_that_is_saved_on_one_device_shows_on_the_other() {
    let t = Tenant::shared();
    let room = t.group(&["bob", "alice"]).await;
    let mut laptop = Device::open(&t, "alice").await;
    let mut took = Vec::new();
    let mut messages = Vec::new();
    for n in 1..=5 {
        let body = json!({"content": format!("worth keeping {n}")});
        let sent = t.rest("bob", "POST", &format!("/rooms/{room}/messages"), Some(body)).await.ok();
        let message = text(&sent["message"]["id"]);
        let asked = Instant::now();
        let saved = t.rest("alice", "PUT", &format!("/saved/{room}/{message}"), None).await.ok();
        assert_eq!(saved, json!({"roomId": room, "messageId": message, "saved": true}));
        let event = laptop.until("saved").await;
        took.push(asked.elapsed());
        assert_eq!(
            (&event["roomId"], &event["messageId"], &event["saved"]),
            (&json!(room), &json!(message), &json!(true))
        );
        messages.push(message);
    }
    println!("saved: {took:?}");
    assert!(took.iter().all(|took| *took < Duration::from_secs(1)), "{took:?}");
    let ids = |page: &Value| -> Vec<String> {
        page["messages"].as_array().expect("messages").iter().map(|message| text(&message["id"])).collect()
    };
    let newest_first: Vec<String> = messages.iter().rev().cloned().collect();
    let begin = Instant::now();
    while ids(&t.get("alice", "/saved").await) != newest_first {
        assert!(begin.elapsed() < SOON, "Postgres has all of them");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let first = t.get("alice", "/saved?limit=3").await;
    let cursor = text(&first["nextCursor"]);
    let second = t.get("alice", &format!("/saved?limit=3&cursor={cursor}")).await;
    assert_eq!([ids(&first), ids(&second)].concat(), newest_first);
    assert_eq!(t.get("bob", "/saved").await["messages"], json!([]));
    let path = |n: usize| format!("/saved/{room}/{}", messages[n]);
    t.rest("alice", "DELETE", &path(0), None).await.ok();
    t.rest("alice", "DELETE", &path(0), None).await.ok();
    assert_eq!(laptop.until("saved").await["saved"], false);
    t.rest("bob", "DELETE", &format!("/rooms/{room}/messages/{}", messages[1]), None).await.ok();
    t.rest("alice", "PUT", &path(1), None).await.refusal(404, "message_not_found");
    t.rest("alice", "PUT", &format!("/saved/{room}/nothing"), None).await.refusal(404, "message_not_found");
    t.rest("eve", "PUT", &path(2), None).await.refusal(404, "room_not_found");
    // While no device is connected.
    let position = format!("since={}&epoch={}", laptop.seq, laptop.epoch);
    laptop.client.leave().await;
    tokio::time::sleep(Duration::from_secs(7)).await;
    t.rest("alice", "DELETE", &path(3), None).await.ok();
    let mut client = Dial::inbox(&t.stack, &t.token("alice")).and(&position).open().await;
    let missed = loop {
        let event = client.event().await;
        assert_ne!(event["type"], "synced", "nothing was found");
        if event["type"] == "saved" {
            break event;
        }
    };
    assert_eq!((&missed["messageId"], &missed["saved"]), (&json!(messages[3]), &json!(false)));
}

#[tokio::test]
async fn inbox_8_a_draft_of_one_device_is_on_the_other_within_a_second() {
    let t = Tenant::shared();
    let room = t.group(&["bob", "alice"]).await;
    let body = json!({"content": "a root"});
    let sent = t.rest("bob", "POST", &format!("/rooms/{room}/messages"), Some(body)).await.ok();
    let root = text(&sent["message"]["id"]);
    let mut phone = Device::open(&t, "alice").await;
    let mut laptop = Device::open(&t, "alice").await;
    let mut took = Vec::new();
    for rev in 1..=5 {
        let draft = json!({"type": "draft", "roomId": room, "text": format!("half {rev}"), "rev": rev});
        let sent = Instant::now();
        phone.client.send(draft).await;
        let event = laptop.until("draft").await;
        took.push(sent.elapsed());
        assert_eq!((&event["text"], &event["rev"]), (&json!(format!("half {rev}")), &json!(rev)));
    }
    println!("drafts: {took:?}");
    assert!(took.iter().all(|took| *took < Duration::from_secs(1)), "{took:?}");
    let reply = json!({"type": "draft", "roomId": room, "threadId": root, "text": "a reply", "rev": 1});
    laptop.client.send(reply).await;
    laptop.until("draft").await;
    let stale = json!({"type": "draft", "roomId": room, "text": "stale", "rev": 4});
    laptop.client.send(stale).await;
    laptop.until("draft").await;
    phone.catch_up().await;
    assert_eq!(phone.drafts, laptop.drafts);
    assert_eq!(phone.drafts[&(room.clone(), String::new())], ("half 5".to_owned(), 5), "the higher rev wins");
    let later = Device::open(&t, "alice").await;
    assert_eq!(later.drafts, phone.drafts, "a device that comes later has them too");
    // Sent, and then the room is left.
    phone.client.send(json!({"type": "draft", "roomId": room, "text": "", "rev": 6})).await;
    assert_eq!(laptop.until("draft").await["text"], "");
    t.rest("alice", "POST", &format!("/rooms/{room}/leave"), None).await.ok();
    laptop.until("room_removed").await;
    assert!(laptop.drafts.is_empty());
    assert!(Device::open(&t, "alice").await.drafts.is_empty());
}

/// [PRES-7] to [PRES-9], and [INBOX-9].
#[tokio::test]
async fn pres_7_a_partner_sees_who_comes_rests_and_goes_and_their_profile() {
    let t = Tenant::shared();
    let direct = json!({"type": "direct", "participantIds": ["alice", "bob"]});
    t.rest("alice", "POST", "/rooms/create", Some(direct)).await.ok();
    let own = async |change: Value| t.rest("bob", "PATCH", "/people/me", Some(change)).await.ok();
    let presence = async || t.get("alice", "/people/bob").await["person"]["presence"].clone();
    own(json!({"timezone": "Europe/Berlin"})).await;
    let mut alice = Device::open(&t, "alice").await;
    assert_eq!(alice.presence, BTreeMap::from([("bob".into(), json!("offline"))]));
    let begin = Instant::now();
    let mut bob = Device::open(&t, "bob").await;
    assert_eq!(bob.presence["alice"], "online");
    assert_eq!(alice.until("presence").await["presence"], "online");
    println!("presence: online after {:?}", begin.elapsed());
    assert_eq!(presence().await, "online");
    let begin = Instant::now();
    bob.client.send(json!({"type": "active", "active": false})).await;
    assert_eq!(alice.until("presence").await["presence"], "away");
    println!("presence: away after {:?}", begin.elapsed());
    own(json!({"presence": "dnd"})).await;
    assert_eq!(alice.until("presence").await["presence"], "dnd");
    own(json!({"presence": "auto", "status": {"text": "at lunch"}})).await;
    assert_eq!(alice.until("presence").await["presence"], "away");
    let event = alice.until("person").await;
    assert_eq!(event["person"]["status"]["text"], "at lunch");
    assert_eq!(event["person"]["hasCome"], true);
    let begin = Instant::now();
    bob.client.leave().await;
    assert_eq!(alice.until("presence").await["presence"], "offline");
    println!("presence: offline after {:?}", begin.elapsed());
    assert!(begin.elapsed() < Duration::from_secs(30));
    assert_eq!(presence().await, "offline");
    let alice = alice.resume(&t, "alice").await;
    assert_eq!(alice.presence["bob"], "offline");
}
