//! What was lost and is made anew: a room's log from Postgres, while the runtime is killed; and people, settings and whole
//! rooms in a Postgres that was restored from a backup, by the rooms.
//! Not here: messages that a backup lacks (`refusals`).

use crate::environment::{Environment, read_only};
use crate::load::{Load, LoadOptions};
use crate::proxy::Fault;
use crate::rig::processes::{SIGKILL, signal};
use crate::rig::{Tenant, eventually};
use crate::{Struck, number, struck};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Messages of the room that is rebuilt: 13 pages. `cargo xtask faults --rebuild N` gives another number.
const MESSAGES: u64 = 6_001;
/// The variable with that number.
pub const MESSAGES_VAR: &str = "CHINWAG_REBUILD_MESSAGES";
/// Each statement takes this much longer, there and back.
const DELAY: Duration = Duration::from_millis(25);
/// Pages of 310 KB as text, as JSON values and as rows take 3 MiB with the Worker itself; the logs here have 4 MB and more.
const WASM_MIB_MAX: u64 = 6;
/// Messages that are rebuilt in a second at least.
const PACE_PER_S: u64 = 250;

/// A room as it is in Postgres after its object has lost the storage.
const LOST_ROOM: &str = "
    INSERT INTO chat_messages (tenant_id, room_id, seq, id, user_id, content, content_type, client_id, created_at)
    SELECT $1, $2, n, '01a207a2-3668-7c15-8000-' || lpad(to_hex(n), 12, '0'), 'alice',
        'Message ' || n || ' of a room that is rebuilt. ' || repeat('x', (n % 200)::int), 'text', 'c' || n, date_trunc('milliseconds', now())
    FROM generate_series(1, $3::bigint) n";

struct Progress {
    epoch: String,
    imported: u64,
}

/// The rebuild in the file of the room's object; `None`: there is none, or the file can't be read.
fn progress(environment: &Environment, room: &str) -> Option<Progress> {
    let row = state(environment, room, 10)?;
    Some(Progress { epoch: row["epoch"].as_str()?.to_owned(), imported: row["imported"].as_u64()? })
}

fn state(environment: &Environment, room: &str, id: i64) -> Option<Value> {
    let db = environment.room_file(room).and_then(|path| read_only(&path))?;
    let text: String = db.query_row("SELECT value FROM state WHERE id = ?", [id], |row| row.get(0)).ok()?;
    serde_json::from_str(&text).ok()
}

/// Nobody waits, nothing is begun again, and the room has all messages under one epoch in the end.
pub async fn a_log_is_rebuilt_while_the_runtime_is_killed(environment: Arc<Environment>) -> Struck {
    let messages = number(MESSAGES_VAR).unwrap_or(MESSAGES);
    let t = environment.tenant();
    let room = t.group(&["alice", "bob"]).await;
    let last = i64::try_from(messages).expect("a seq");
    let sql = environment.stack.sql().await;
    sql.execute(LOST_ROOM, &[&t.id, &room, &last]).await.expect("messages");
    let update = "UPDATE chat_rooms SET last_seq = $3, epoch = 'lost' WHERE tenant_id = $1 AND id = $2";
    sql.execute(update, &[&t.id, &room, &last]).await.expect("the room");
    environment.postgres_proxy.set(Fault::Delay(DELAY));
    let start = Instant::now();
    let mut slowest = Duration::ZERO;
    refused(&t, &room, &mut slowest).await;
    let begun = progress(&environment, &room).expect("it has begun");
    let (mut kills, mut killed_at) = (0, Vec::new());
    for part in [1, 2] {
        eventually("it goes on", Duration::from_secs(messages / PACE_PER_S + 60), || async {
            progress(&environment, &room).filter(|now| now.imported > messages * part / 4).map(drop)
        })
        .await;
        refused(&t, &room, &mut slowest).await;
        let runtime = environment.stack.runtime().expect("a runtime");
        assert!(signal(runtime, SIGKILL), "killed");
        kills += 1;
        environment.stack.another_runtime(runtime).await;
        let now = progress(&environment, &room).expect("half a log is no log");
        assert_eq!(now.epoch, begun.epoch, "begun once");
        assert!(now.imported > messages * part / 4, "what was stored stays: {}", now.imported);
        killed_at.push(now.imported);
    }
    // The alarm alone goes on: nobody asks meanwhile.
    let log = eventually("the log is complete", Duration::from_secs(messages / PACE_PER_S + 60), || async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        state(&environment, &room, 1)
    })
    .await;
    let took = start.elapsed();
    environment.postgres_proxy.set(Fault::Pass);
    assert_eq!(log["epoch"], *begun.epoch, "one epoch");
    let db = environment.room_file(&room).and_then(|path| read_only(&path)).expect("the room's file");
    let count = "SELECT count(*), min(seq), max(seq) FROM events WHERE kind = 1";
    let ends = |row: &rusqlite::Row| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
    let found: (i64, i64, i64) = db.query_row(count, [], ends).expect("events");
    assert_eq!(found, (last, 1, last), "no hole, nothing twice");
    let mut alice = t.join(&room, "alice").await;
    alice.send_text(r#"{"type":"test_instance"}"#).await;
    // WASM memory never shrinks: this is the most that the pages since the last kill have taken.
    let wasm_mib = alice.next("test_instance").await["wasmBytes"].as_u64().expect("bytes") >> 20;
    assert!(wasm_mib <= WASM_MIB_MAX, "one page is in memory, and not the log: {wasm_mib} MiB");
    assert_eq!(alice.say("c1", "Message 1 of a room that is rebuilt. x").await["duplicate"], true);
    assert_eq!(alice.say("new", "a new message").await["seq"], messages + 1);
    if messages < 10_000 {
        environment.equal(&t, &room, "bob").await;
    }
    let summary = format!(
        "{messages} messages with {} ms more a statement in {:.1} s, killed at {killed_at:?}; refused within {} ms, {wasm_mib} MiB of WASM memory",
        2 * DELAY.as_millis(),
        took.as_secs_f64(),
        slowest.as_millis()
    );
    struck(kills, summary)
}

/// REST and upgrades are refused at once, with the time after which to come again.
async fn refused(t: &Tenant, room: &str, slowest: &mut Duration) {
    let start = Instant::now();
    let answer = t.rest("bob", "GET", &format!("/rooms/{room}/messages?limit=1"), None).await;
    let error = answer.refusal(503, "upstream_unavailable");
    assert!(error["retryAfterMs"].as_u64().is_some_and(|ms| (1_000..=30_000).contains(&ms)), "{error}");
    *slowest = start.elapsed().max(*slowest);
    let answer = t.dial(room, "bob").refused().await;
    let error = answer.refusal(503, "upstream_unavailable");
    assert!(error["retryAfterMs"].is_u64(), "{error}");
}

/// What a backup has of the room.
const BACK_UP: &str = "
    DROP SCHEMA IF EXISTS chat_test_backup CASCADE; CREATE SCHEMA chat_test_backup;
    CREATE TABLE chat_test_backup.rooms AS SELECT * FROM chat_rooms WHERE tenant_id = '{tenant}' AND id = '{room}';
    CREATE TABLE chat_test_backup.members AS
        SELECT * FROM chat_room_members WHERE tenant_id = '{tenant}' AND room_id = '{room}'";

/// The room is gone as if it had never been; with `replica` no trigger notes a deletion.
const REMOVE: &str = "
    SET LOCAL session_replication_role = replica;
    DELETE FROM chat_message_reactions WHERE tenant_id = '{tenant}' AND room_id = '{room}' AND seq > {seq};
    DELETE FROM chat_message_versions WHERE tenant_id = '{tenant}' AND room_id = '{room}' AND seq > {seq};
    DELETE FROM chat_mentions WHERE tenant_id = '{tenant}' AND room_id = '{room}' AND seq > {seq};
    DELETE FROM chat_messages WHERE tenant_id = '{tenant}' AND room_id = '{room}' AND seq > {seq};
    DELETE FROM chat_thread_followers WHERE tenant_id = '{tenant}' AND room_id = '{room}' AND thread_seq > {seq};
    DELETE FROM chat_pins WHERE tenant_id = '{tenant}' AND room_id = '{room}' AND position > {seq};
    DELETE FROM chat_audit WHERE tenant_id = '{tenant}' AND room_id = '{room}';
    DELETE FROM chat_bans WHERE tenant_id = '{tenant}' AND room_id = '{room}';
    DELETE FROM chat_room_members WHERE tenant_id = '{tenant}' AND room_id = '{room}';
    DELETE FROM chat_rooms WHERE tenant_id = '{tenant}' AND id = '{room}'";

const PUT: &str = "
    DO $$ BEGIN
        -- Without what Postgres generates.
        EXECUTE (SELECT format('INSERT INTO chat_rooms (%1$s) SELECT %1$s FROM chat_test_backup.rooms', string_agg(column_name, ', '))
            FROM information_schema.columns WHERE table_name = 'chat_rooms' AND is_generated = 'NEVER');
    END $$;
    INSERT INTO chat_room_members SELECT * FROM chat_test_backup.members";

/// Restores Postgres in one transaction while no batch is on its way, so that the room can't mend it before it is seen.
async fn restore(environment: &Environment, load: &Load, seq: i64, put: &str) {
    let held = environment.postgres_proxy.count(|s| &s.held);
    environment.postgres_proxy.set(Fault::HoldProjection);
    environment.postgres_proxy.strikes(|s| &s.held, held, 1).await;
    let remove = REMOVE.replace("{seq}", &seq.to_string());
    environment.sql(&of_room(load, &format!("BEGIN; {remove}; {put}; COMMIT"))).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
}

fn of_room(load: &Load, sql: &str) -> String {
    sql.replace("{tenant}", &load.t.id).replace("{room}", &load.room)
}

/// The members, their roles and the version that Postgres has.
async fn people(environment: &Environment, load: &Load) -> (i64, String) {
    let sql = "SELECT r.members_version, coalesce(string_agg(m.user_id || ' ' || m.role, ', ' ORDER BY m.user_id), '')
        FROM chat_rooms r LEFT JOIN chat_room_members m ON m.tenant_id = r.tenant_id AND m.room_id = r.id
        WHERE r.tenant_id = $1 AND r.id = $2 GROUP BY r.members_version";
    let row = environment.stack.sql().await.query_opt(sql, &[&load.t.id, &load.room]).await.expect("people");
    row.map_or((0, String::new()), |row| (row.get(0), row.get(1)))
}

async fn change(load: &Load, method: &str, path: &str, body: Option<Value>) {
    load.t.rest("u0", method, &format!("/rooms/{}{path}", load.room), body).await.ok();
}

/// The backup is from before people came, went and changed their roles, and then from before the room was made: the room
/// puts everything back, and later changes work.
pub async fn postgres_is_restored_from_before_people_and_room(environment: Arc<Environment>) -> Struck {
    let mut load = Load::start(&environment, LoadOptions::default()).await;
    let put_back = || environment.stack.log().matches("room_put_back").count() as u64;
    let before = put_back();
    load.wait_for_acks(60).await;
    environment.sql(&of_room(&load, BACK_UP)).await;
    let backed_up = environment.number("SELECT last_seq FROM chat_test_backup.rooms").await;
    change(&load, "POST", "/members", Some(json!({"userIds": ["erin", "frank"]}))).await;
    change(&load, "PATCH", "/members/erin", Some(json!({"role": "moderator"}))).await;
    change(&load, "PATCH", "", Some(json!({"topic": "after the backup"}))).await;
    change(&load, "DELETE", "/members/frank", None).await;
    load.wait_for_acks(60).await;
    let known = people(&environment, &load).await;
    let mut healed_ms = Vec::new();
    for (seq, put) in [(backed_up, PUT), (0, "")] {
        restore(&environment, &load, seq, put).await;
        let lost = people(&environment, &load).await;
        assert!(lost.0 < known.0 && !lost.1.contains("erin"), "the backup is older: {lost:?} {known:?}");
        let start = Instant::now();
        environment.postgres_proxy.set(Fault::Pass);
        eventually("the room puts its people back", Duration::from_secs(90), || async {
            let now = people(&environment, &load).await;
            (now.0 >= known.0 && now.1 == known.1).then_some(())
        })
        .await;
        healed_ms.push(start.elapsed().as_millis());
        load.wait_for_acks(60).await;
    }
    // The change that was refused for ever before: it is made on top of what was put back.
    change(&load, "POST", "/members", Some(json!({"userIds": ["gina"]}))).await;
    let now = people(&environment, &load).await;
    assert!(now.0 > known.0 && now.1.contains("gina member") && now.1.contains("erin moderator"), "{now:?}");
    let shown = load.t.get("u0", &format!("/rooms/{}", load.room)).await;
    assert_eq!(shown["room"]["topic"], "after the backup", "{shown}");
    assert!(put_back() > before, "the operator's log tells of it");
    // The samples may miss what the room puts back between two looks; `lost` has shown both restores.
    let result = load.finish_after_set_back(2).await;
    environment.sql("DROP SCHEMA chat_test_backup CASCADE").await;
    struck(healed_ms.len() as u64, format!("put back after {healed_ms:?} ms; {}", result.summary()))
}
