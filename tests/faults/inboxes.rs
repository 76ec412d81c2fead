//! An inbox while Postgres is unavailable: nothing wrong is shown, and all that was sent meanwhile shows once it is back.
//! Not here: the same under lost pokes, kills and hibernation (the simulator).

use crate::environment::Environment;
use crate::rig::client::text;
use crate::rig::{Client, Dial};
use crate::{Struck, struck};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Longer than a statement's timeout, so that batches and questions fail.
const AWAY: Duration = Duration::from_secs(12);
/// INBOX-6.
const RIGHT_WITHIN: Duration = Duration::from_secs(30);
const ROOMS: usize = 5;

/// Unread messages and the newest preview, by room.
type Shown = BTreeMap<String, (u64, String)>;

/// Applies what has arrived; the connection must be the first one.
async fn catch_up(client: &mut Client, shown: &mut Shown) -> usize {
    let events = client.barrier().await;
    for event in events.iter().filter(|event| event["type"] == "room_activity") {
        shown.insert(text(&event["roomId"]), entry(event));
    }
    events.iter().filter(|event| event["type"] == "room_activity").count()
}

fn entry(room: &Value) -> (u64, String) {
    let preview = room["lastMessage"]["content"].as_str().unwrap_or_default();
    (room["unread"].as_u64().unwrap_or_default(), preview.to_owned())
}

/// INBOX-6: messages are sent while Postgres is frozen; the list is right within 30 s of its return, without a reload.
pub async fn an_inbox_is_right_after_an_outage(environment: Arc<Environment>) -> Struck {
    let t = environment.tenant();
    let (mut rooms, mut bobs) = (Vec::new(), Vec::new());
    for _ in 0..ROOMS {
        let room = t.group(&["bob", "alice"]).await;
        bobs.push(t.join(&room, "bob").await);
        rooms.push(room);
    }
    let mut alice = Dial::inbox(&t.stack, &t.token("alice")).open().await;
    alice.next("synced").await;
    let mut shown = Shown::new();
    let away = environment.stack.freeze_postgres();
    let begin = Instant::now();
    let deaf = tokio::time::timeout(Duration::from_secs(3), environment.stack.try_sql()).await;
    assert!(!matches!(deaf, Ok(Ok(_))), "it answers nobody");
    for n in 1..=3 {
        for bob in &mut bobs {
            bob.say(&format!("m{n}"), &format!("message {n}")).await;
        }
    }
    tokio::time::sleep_until((begin + AWAY).into()).await;
    assert_eq!(catch_up(&mut alice, &mut shown).await, 0, "nothing can be known meanwhile");
    away.back().await;
    let back = Instant::now();
    let expected: Shown = rooms.iter().map(|room| (room.clone(), (3, "message 3".to_owned()))).collect();
    while shown != expected {
        assert!(back.elapsed() < RIGHT_WITHIN, "{shown:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
        catch_up(&mut alice, &mut shown).await;
    }
    let right_after = back.elapsed();
    let list = t.get("alice", "/rooms/list?limit=100").await;
    let listed = list["rooms"].as_array().expect("rooms").iter();
    let listed: Shown = listed.map(|room| (text(&room["id"]), entry(room))).collect();
    assert_eq!(shown, listed);
    struck(1, format!("{ROOMS} rooms away for {} s, right {right_after:?} after it", AWAY.as_secs()))
}
