//! What an operator sees and does on the live stack: outbox alerts, quarantined rows, retry and discard, and a log
//! without content and secrets.

use crate::rig::checks::{self, history, postgres};
use crate::rig::stack::fragile;
use crate::rig::{Answer, PATIENCE, Stack, Tenant, eventually};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// A try of a room whose Postgres fails comes after at most 30 s, and one of a halted room after 60 s.
const TRIED_AGAIN: Duration = Duration::from_secs(75);

async fn listed(t: &Tenant) -> Vec<Value> {
    let answer = t.rest_as(&t.admin_token(), "GET", "/admin/outbox", None).await.ok();
    answer["rooms"].as_array().expect("rooms").clone()
}

async fn listed_as(t: &Tenant, room: &str, patience: Duration, fits: impl Fn(&Value) -> bool) -> Value {
    eventually("the room is on the list as it should be", patience, || async {
        listed(t).await.into_iter().find(|one| one["roomId"] == room && fits(one))
    })
    .await
}

async fn off_the_list(t: &Tenant, patience: Duration) {
    eventually("the list is empty", patience, || async { listed(t).await.is_empty().then_some(()) }).await;
}

async fn tend(t: &Tenant, token: &str, room: &str, what: &str, body: Option<Value>) -> Answer {
    t.rest_as(token, "POST", &format!("/rooms/{room}/outbox/{what}"), body).await
}

/// The constraint that refuses this content, and its going.
async fn refuse(stack: &Stack, content: &str) {
    let sql = format!(
        "ALTER TABLE chat_messages ADD CONSTRAINT refused CHECK (content NOT LIKE '{content}%') NOT VALID"
    );
    stack.sql().await.batch_execute(&sql).await.expect("a constraint");
}

async fn allow(stack: &Stack) {
    let sql = "ALTER TABLE chat_messages DROP CONSTRAINT IF EXISTS refused";
    stack.sql().await.batch_execute(sql).await.expect("no constraint");
}

#[tokio::test]
async fn a_halted_room_is_on_its_tenants_list_until_it_is_well() {
    let stack = fragile().await;
    let stack = stack.as_ref().expect("a stack");
    let t = Tenant::new(stack);
    let other = Tenant::new(stack);
    let room = t.group(&["alice", "bob"]).await;
    let healthy = t.group(&["alice"]).await;
    let mut alice = t.join(&room, "alice").await;
    alice.say("c1", "before").await;
    t.join(&healthy, "alice").await.say("c1", "all is well here").await;
    t.drained(&room, PATIENCE).await;
    t.drained(&healthy, PATIENCE).await;
    assert_eq!(listed(&t).await, [] as [Value; 0]);
    let files = stack.object_files("TenantOutbox").len();

    let sql = stack.sql().await;
    sql.batch_execute("ALTER TABLE chat_messages RENAME TO chat_messages_away").await.expect("renamed");
    let began = Instant::now();
    alice.say("c2", "nobody waits for this").await;
    let one = listed_as(&t, &room, PATIENCE, |one| one["state"] == "halted").await;
    println!("halted and on the list after {} ms", began.elapsed().as_millis());
    assert_eq!((&one["lag"], &one["setAside"]), (&json!(1), &json!(0)), "{one}");
    assert!(one["oldestMs"].as_u64().is_some_and(|ms| ms < 60_000), "{one}");
    assert_eq!(listed(&t).await.len(), 1, "the healthy one isn't there");
    assert_eq!(listed(&other).await, [] as [Value; 0], "each tenant has its own");
    t.rest("alice", "GET", "/admin/outbox", None).await.refusal(403, "forbidden");
    stack.kill_runtime().await;
    listed_as(&t, &room, PATIENCE, |one| one["state"] == "halted").await;

    sql.batch_execute("ALTER TABLE chat_messages_away RENAME TO chat_messages").await.expect("named back");
    tend(&t, &t.token("alice"), &room, "retry", None).await.refusal(403, "forbidden");
    tend(&t, &t.token("mallory"), &room, "retry", None).await.refusal(404, "room_not_found");
    tend(&other, &other.admin_token(), &room, "retry", None).await.refusal(404, "room_not_found");
    let began = Instant::now();
    tend(&t, &t.admin_token(), &room, "retry", None).await.ok();
    off_the_list(&t, PATIENCE).await;
    println!("well and off the list {} ms after the retry", began.elapsed().as_millis());
    t.drained(&room, PATIENCE).await;
    checks::same("history and Postgres", &history(&t, &room, "alice").await, &postgres(&t, &room).await);
    assert_eq!(stack.object_files("TenantOutbox").len(), files + 1, "one tenant had trouble");
}

#[tokio::test]
async fn rows_set_aside_are_shown_tried_again_and_given_up() {
    let stack = fragile().await;
    let stack = stack.as_ref().expect("a stack");
    let t = Tenant::new(stack);
    let room = t.group(&["alice", "bob"]).await;
    let mut alice = t.join(&room, "alice").await;
    refuse(stack, "poison").await;
    for (n, content) in ["good", "poison one", "good", "poison two", "good"].iter().enumerate() {
        alice.send(json!({"type": "message", "content": content, "clientId": format!("c{n}")})).await;
    }
    let one = listed_as(&t, &room, PATIENCE, |one| one["setAside"] == 2 && one["lag"] == 0).await;
    assert_eq!((&one["state"], &one["oldestMs"]), (&json!("idle"), &json!(0)), "{one}");
    let outbox = t.outbox(&room).await;
    let aside = outbox["setAside"].as_array().expect("a list");
    assert_eq!(aside.iter().map(checks::seq).collect::<Vec<_>>(), [2, 4], "{outbox}");
    assert!(aside.iter().all(|row| row["reason"].as_str().is_some_and(|why| why.contains("refused"))));
    assert_eq!(outbox["projected"], 5, "they hold up nothing");
    assert_eq!(postgres(&t, &room).await.keys().copied().collect::<Vec<_>>(), [1, 3, 5]);
    assert_eq!(history(&t, &room, "bob").await.len(), 5, "the room has them all");

    stack.kill_runtime().await;
    let admin = t.admin_token();
    let aside = |outbox: &Value| outbox["setAside"].as_array().expect("a list").len();
    tend(&t, &admin, &room, "retry", None).await.ok();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(aside(&t.outbox(&room).await), 2, "refused again");
    let unknown = tend(&t, &admin, &room, "discard", Some(json!({"seq": 3}))).await;
    unknown.refusal(404, "message_not_found");
    tend(&t, &admin, &room, "discard", Some(json!({}))).await.refusal(400, "bad_request");
    tend(&t, &t.token("bob"), &room, "discard", Some(json!({"seq": 2}))).await.refusal(403, "forbidden");
    let given_up = tend(&t, &admin, &room, "discard", Some(json!({"seq": 2}))).await.ok();
    assert_eq!(aside(&given_up), 1);
    listed_as(&t, &room, PATIENCE, |one| one["setAside"] == 1).await;
    allow(stack).await;
    tend(&t, &admin, &room, "retry", None).await.ok();
    off_the_list(&t, PATIENCE).await;
    t.drained(&room, PATIENCE).await;
    let (log, rows) = (history(&t, &room, "bob").await, postgres(&t, &room).await);
    assert_eq!(rows.keys().copied().collect::<Vec<_>>(), [1, 3, 4, 5], "what was given up isn't sent again");
    assert_eq!(rows[&4], log[&4]);
}

#[tokio::test]
async fn a_room_that_lags_by_more_than_30_seconds_is_on_the_list_without_traffic() {
    let stack = fragile().await;
    let stack = stack.as_ref().expect("a stack");
    let t = Tenant::new(stack);
    let room = t.group(&["alice", "bob"]).await;
    let mut alice = t.join(&room, "alice").await;
    let away = stack.stop_postgres();
    alice.say("c1", "waits").await;
    alice.leave().await;
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert_eq!(listed(&t).await, [] as [Value; 0], "not yet");
    let one = listed_as(&t, &room, TRIED_AGAIN, |_| true).await;
    assert_eq!((&one["state"], &one["lag"]), (&json!("retrying"), &json!(1)), "{one}");
    assert!(one["oldestMs"].as_u64().is_some_and(|ms| ms > 30_000), "{one}");
    away.back().await;
    off_the_list(&t, TRIED_AGAIN).await;
    assert_eq!(postgres(&t, &room).await.len(), 1);
}

/// What `cargo xtask verify` says, and whether it is content.
fn verify(t: &Tenant, user: &str, rooms: &[&str]) -> (bool, String) {
    let xtask = std::env::var_os("CHINWAG_XTASK").expect("CHINWAG_XTASK");
    let mut command = std::process::Command::new(xtask);
    command.args([
        "verify",
        "--url",
        &format!("http://{}", t.stack.host),
        "--postgres",
        &t.stack.postgres_url,
    ]);
    command.env("CHINWAG_TOKEN", t.token(user));
    for room in rooms {
        command.args(["--room", room]);
    }
    let output = command.output().expect("xtask runs");
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.success(), text)
}

#[tokio::test]
async fn verify_says_whether_log_and_postgres_are_equal_and_where_not() {
    let t = Tenant::new(&crate::rig::stack::loud());
    let (room, other) = (t.group(&["alice", "bob"]).await, t.group(&["alice"]).await);
    let mut alice = t.join(&room, "alice").await;
    for n in 1..=250 {
        alice
            .send(json!({"type": "message", "content": format!("word {n}"), "clientId": format!("c{n}")}))
            .await;
    }
    let id = alice.ack("c250").await["messageId"].clone();
    alice
        .send(json!({"type": "reaction", "messageId": id, "emoji": "👍", "action": "add", "clientId": "r"}))
        .await;
    alice.ack("r").await;
    t.join(&other, "alice").await.say("c1", "elsewhere").await;
    t.drained(&room, PATIENCE).await;
    let (equal, text) = verify(&t, "alice", &[]);
    assert!(equal && text.contains("250 messages up to seq 251: equal"), "{text}");
    assert!(text.contains("2 rooms verified"), "{text}");

    let sql = t.stack.sql().await;
    let change = async |what: &str, seq: i64| {
        let sql_of = format!("{what} AND seq = $3");
        let count = sql.execute(&sql_of, &[&t.id, &room, &seq]).await.expect("changed");
        assert_eq!(count, 1, "{what}");
    };
    let of_room = "WHERE tenant_id = $1 AND room_id = $2";
    change(&format!("DELETE FROM chat_messages {of_room}"), 7).await;
    change(&format!("UPDATE chat_messages SET content = 'changed' {of_room}"), 130).await;
    change(&format!("DELETE FROM chat_message_reactions {of_room}"), 250).await;
    let (equal, text) = verify(&t, "bob", &[&room]);
    assert!(!equal, "{text}");
    for line in [
        "3 DIFFERENCES",
        "seq 7: missing in Postgres",
        "seq 130: differs in content",
        "seq 250: differs in reactionCounts, reactions",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    assert!(!text.contains("word") && !text.contains("changed"), "never what was said: {text}");
    let (refused, text) = verify(&t, "mallory", &[&room]);
    assert!(!refused && text.contains("room_not_found"), "{text}");
}

#[tokio::test]
async fn verify_says_that_postgres_is_behind_or_follows_another_log() {
    let t = Tenant::new(&crate::rig::stack::loud());
    let room = t.group(&["alice"]).await;
    let mut alice = t.join(&room, "alice").await;
    for n in 1..=3 {
        alice.say(&format!("c{n}"), "said").await;
    }
    alice.leave().await;
    t.drained(&room, PATIENCE).await;
    let sql = t.stack.sql().await;
    let set_back = "UPDATE chat_rooms SET last_seq = 1 WHERE tenant_id = $1 AND id = $2";
    assert_eq!(sql.execute(set_back, &[&t.id, &room]).await.expect("set back"), 1);
    // Nobody says anything, so the room doesn't notice.
    let (equal, text) = verify(&t, "alice", &[&room]);
    assert!(!equal && text.contains("Postgres is 2 events behind: 1 of 3"), "{text}");
    let other = "UPDATE chat_rooms SET last_seq = 3, epoch = 'another' WHERE tenant_id = $1 AND id = $2";
    assert_eq!(sql.execute(other, &[&t.id, &room]).await.expect("changed"), 1);
    let (equal, text) = verify(&t, "alice", &[&room]);
    assert!(!equal && text.contains("Postgres follows another log of this room: another, not "), "{text}");
}

#[tokio::test]
async fn the_log_holds_no_content_no_token_and_no_secret() {
    let stack = Stack::start(&[]);
    let t = Tenant::new(&stack);
    let room = t.group(&["alice", "bob"]).await;
    let unique = "a-sentence-that-stands-nowhere-else";
    let ticket =
        t.rest("bob", "POST", "/ws-ticket", None).await.ok()["ticket"].as_str().expect("text").to_owned();
    let mut alice = t.join(&room, "alice").await;
    let mut bob = crate::rig::Dial::bare(&stack, &format!("roomId={room}&ticket={ticket}")).open().await;
    refuse(&stack, "poison").await;
    alice.say("c1", unique).await;
    alice.say("c2", &format!("poison {unique}")).await;
    bob.send(json!({"type": "message", "content": unique})).await;
    for broken in [format!("{{{unique}"), format!("{unique}\u{0}"), json!({"type": unique}).to_string()] {
        alice.send_text(broken).await;
    }
    alice.send(json!({"type": "auth", "token": t.token("alice")})).await;
    alice.send(json!({"type": "auth", "token": format!("{unique}.x.y")})).await;
    alice.send_text(r#"{"type":"test_panic"}"#).await;
    alice.next("error").await;
    let body = json!({"content": unique, "clientId": "c9", "threadId": unique});
    t.rest("alice", "POST", &format!("/rooms/{room}/messages"), Some(body)).await;
    t.raw("POST", "/rooms/create", &[("Authorization", unique)], Some(unique.as_bytes())).await;
    listed_as(&t, &room, PATIENCE, |one| one["setAside"] == 1).await;
    let sql = stack.sql().await;
    sql.batch_execute("ALTER TABLE chat_messages RENAME TO chat_messages_away").await.expect("renamed");
    alice.say("c3", unique).await;
    listed_as(&t, &room, PATIENCE, |one| one["state"] == "halted").await;
    sql.batch_execute("ALTER TABLE chat_messages_away RENAME TO chat_messages").await.expect("named back");
    allow(&stack).await;
    tend(&t, &t.admin_token(), &room, "retry", None).await.ok();
    off_the_list(&t, PATIENCE).await;

    let log = stack.log();
    // Wrangler writes `✘ [ERROR]` before the text of `console.error`.
    let entry = |line: &str| serde_json::from_str(line.get(line.find('{')?..)?).ok();
    let entries: Vec<Value> = log.lines().filter_map(entry).collect();
    let events: Vec<&str> = entries.iter().filter_map(|entry| entry["event"].as_str()).collect();
    for event in [
        "starts",
        "room_panicked",
        "panic",
        "row_quarantined",
        "outbox_halted",
        "outbox_retry_asked",
        "row_released",
        "outbox_recovered",
    ] {
        assert!(events.contains(&event), "{event} was not logged: {events:?}");
    }
    let aside = entries.iter().find(|entry| entry["event"] == "row_quarantined").expect("logged");
    let named = (&aside["tenant"], &aside["room"], &aside["seq"], &aside["sqlstate"]);
    assert_eq!(named, (&json!(t.id), &json!(room), &json!(2), &json!("23514")), "{aside}");
    let signature = |token: &str| token.rsplit('.').next().expect("three parts").to_owned();
    let secrets = [
        ("content", unique.to_owned()),
        ("the ticket", ticket),
        ("the secret", stack.secret.clone()),
        ("alice's token", signature(&t.token("alice"))),
        ("bob's token", signature(&t.token("bob"))),
        ("the admin's token", signature(&t.admin_token())),
        ("a token's beginning", "eyJ".to_owned()),
    ];
    for (what, text) in secrets {
        let line = log.lines().find(|line| line.contains(&text));
        assert!(line.is_none(), "{what} stands in the log: {line:?}");
    }
}

/// What an operator sees after a backup from before the room's creation was restored.
#[tokio::test]
async fn a_room_that_a_restored_backup_lacks_is_put_back_with_its_people() {
    let t = Tenant::shared();
    let room = t.group(&["alice", "bob"]).await;
    let path = format!("/rooms/{room}");
    let mut bob = t.join(&room, "bob").await;
    bob.say("c1", "before the backup").await;
    t.rest("alice", "POST", &format!("{path}/members"), Some(json!({"userIds": ["carol"]}))).await.ok();
    t.drained(&room, Duration::from_secs(15)).await;
    let lose = "WITH gone AS (DELETE FROM chat_rooms WHERE id = $1 RETURNING id) SELECT count(*) FROM gone";
    let sql = t.stack.sql().await;
    sql.query_one(lose, &[&room]).await.expect("the room is lost");
    sql.execute("DELETE FROM chat_deleted_rooms WHERE room_id = $1", &[&room]).await.expect("as in a backup");
    t.rest("alice", "GET", &path, None).await.refusal(404, "room_not_found");
    bob.say("c2", "after it").await;
    t.drained(&room, Duration::from_secs(20)).await;
    let seen = t.get("carol", &path).await;
    assert_eq!(seen["room"]["participantIds"], json!(["alice", "bob", "carol"]));
    assert_eq!(seen["room"]["lastMessage"]["content"], "after it");
    let messages = sql.query_one("SELECT count(*) FROM chat_messages WHERE room_id = $1", &[&room]).await;
    assert_eq!(messages.expect("messages").get::<_, i64>(0), 2);
    // And changes go on.
    t.rest("alice", "DELETE", &format!("{path}/members/carol"), None).await.ok();
}
