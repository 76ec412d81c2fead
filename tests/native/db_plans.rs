//! Plans and times with 10,000 rooms and 1,000,000 messages: what a statement touches grows with what it gives,
//! not with the tables.

use crate::db::{DAY_MS, batch, read, room, said, tenant, user};
use crate::postgres::{Database, NativePostgres, one_json};
use chinwag::db::{self, DbError, Postgres, Projected, Projection, ReactionRow, RoomCursor};
use chinwag::ids::RoomId;
use serde_json::Value;
use std::io::Write as _;
use std::sync::Mutex;
use std::time::{Duration, Instant};
use tokio_postgres::types::Json;

/// Room 0 has 100,090 messages, the others 90 each, written in turns as people do. The u's are in nine rooms each, alice in
/// 100, the bot in all of them. Foreign keys aren't checked while loading: it would take half a minute.
const LOAD: &[&str] = &[
    "SET session_replication_role = replica",
    "INSERT INTO chat_rooms (tenant_id, id, type, name, created_by, created_at, last_message_at, last_seq, epoch)
     SELECT 'acme', lpad(r::text, 36, '0'), 'group', 'Room ' || r, 'bot', '2026-01-01',
         '2026-06-01'::timestamptz + r * interval '1 s', CASE r WHEN 0 THEN 100090 ELSE 90 END, 'e1'
     FROM generate_series(0, 9999) r",
    "INSERT INTO chat_room_members (tenant_id, room_id, user_id, role, last_read_seq)
     SELECT 'acme', lpad(r::text, 36, '0'), who, 'member', CASE WHEN who = 'alice' THEN 0 ELSE r % 91 END
     FROM generate_series(0, 9999) r, LATERAL (
         SELECT 'u' || (r * 7 + n * 1009) % 9973 FROM generate_series(1, 9) n
         UNION ALL SELECT 'bot' UNION ALL SELECT 'alice' WHERE r % 100 = 0) AS of_room(who)",
    "INSERT INTO chat_messages (tenant_id, room_id, seq, id, user_id, content, content_type, client_id, thread_id,
         thread_seq, mentions, mentions_room, created_at)
     SELECT 'acme', lpad(r::text, 36, '0'), seq, lpad(seq || '-' || lpad(r::text, 4, '0'), 36, '0'), 'u' || seq % 9,
         'Message ' || seq || ' of a room, about as long as what people write.', 'text', 'c' || seq,
         CASE WHEN seq % 10 = 0 THEN 'root' END, CASE WHEN seq % 10 = 0 THEN 1 END,
         CASE WHEN seq % 50 = 0 THEN '[\"alice\"]' ELSE '[]' END::jsonb, seq % 1000 = 0,
         '2026-06-01'::timestamptz + seq * interval '1 s'
     FROM generate_series(1, 100090) seq, LATERAL generate_series(0, CASE WHEN seq <= 90 THEN 9999 ELSE 0 END) r",
    "INSERT INTO chat_message_reactions (tenant_id, room_id, seq, emoji, user_id, position)
     SELECT tenant_id, room_id, seq, '👍', 'bot', 1 FROM chat_messages WHERE seq % 10 = 1",
    "INSERT INTO chat_message_versions (tenant_id, room_id, seq, version, content, written_by, written_at,
         replaced_by, replaced_at)
     SELECT tenant_id, room_id, seq, 1, content, user_id, created_at, user_id, created_at FROM chat_messages WHERE seq % 10 = 3",
    "INSERT INTO chat_thread_followers (tenant_id, room_id, thread_seq, user_id)
     SELECT 'acme', id, 1, 'u' || n FROM chat_rooms, generate_series(0, 8) n",
    "RESET session_replication_role",
    "ANALYZE",
];

/// Runs statements and takes their times; the first is also explained, and what that did undone.
struct Explained<'a> {
    pg: &'a NativePostgres,
    plan: Mutex<Option<Value>>,
    times: Mutex<Vec<Duration>>,
}

impl Postgres for Explained<'_> {
    async fn query(&self, sql: &'static str, input: Value) -> Result<Value, DbError> {
        if self.plan.lock().expect("plan").is_none() {
            let client = &self.pg.client;
            client.batch_execute("BEGIN").await.expect("begin");
            let plan =
                one_json(client, &format!("EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {sql}"), &Json(&input))
                    .await?;
            client.batch_execute("ROLLBACK").await.expect("rollback");
            *self.plan.lock().expect("plan") = Some(plan);
        }
        let start = Instant::now();
        let answer = self.pg.query(sql, input).await;
        self.times.lock().expect("times").push(start.elapsed());
        answer
    }
}

/// What one statement did to the tables: rows read, thrown away ones included, and where it read a table as a whole.
#[derive(Default)]
struct Touched {
    rows: f64,
    seq_scans: Vec<String>,
}

impl Touched {
    fn walk(&mut self, node: &Value) {
        if let (Some(kind), Some(table)) = (node["Node Type"].as_str(), node["Relation Name"].as_str()) {
            let number = |key: &str| node[key].as_f64().unwrap_or(0.0);
            let dropped = number("Rows Removed by Filter") + number("Rows Removed by Index Recheck");
            self.rows += (number("Actual Rows") + dropped) * number("Actual Loops");
            if kind.contains("Seq Scan") && number("Actual Loops") > 0.0 {
                self.seq_scans.push(table.to_owned());
            }
        }
        for child in node["Plans"].as_array().into_iter().flatten() {
            self.walk(child);
        }
    }
}

/// Runs `work` explained, then 15 times on the clock; prints; holds it to `rows_max` rows touched and no table read as
/// a whole. Gives the first answer.
async fn hold<T>(
    pg: &NativePostgres,
    name: &str,
    rows_max: f64,
    work: impl AsyncFn(&Explained, u64) -> Result<T, DbError>,
) -> T {
    let port = Explained { pg, plan: Mutex::default(), times: Mutex::default() };
    let result = work(&port, 0).await.expect(name);
    let plan = port.plan.lock().expect("plan").clone().expect("a statement ran");
    let mut touched = Touched::default();
    touched.walk(&plan[0]["Plan"]);
    for n in 1..=15 {
        work(&port, n).await.expect(name);
    }
    let mut times = port.times.into_inner().expect("times").split_off(1);
    times.sort();
    let ms = |time: Duration| time.as_secs_f64() * 1000.0;
    let (planning, running) = (&plan[0]["Planning Time"], &plan[0]["Execution Time"]);
    // Not `println!`, which the test harness keeps to itself.
    writeln!(
        std::io::stderr(),
        "{name}: median {:.2} ms, worst {:.2} ms of 15; explained: planning {planning} ms, running {running} ms, {} rows touched",
        ms(times[7]), ms(times[14]), touched.rows
    )
    .expect("stderr");
    assert!(touched.seq_scans.is_empty(), "{name} reads {:?} as a whole: {plan:#}", touched.seq_scans);
    assert!(touched.rows > 0.0 && touched.rows <= rows_max, "{name} touches {} rows: {plan:#}", touched.rows);
    result
}

#[tokio::test]
async fn statements_touch_what_they_give_among_10_000_rooms_and_a_million_messages() {
    let rig = Database::new().await;
    let pg = &rig.connect().await;
    for sql in LOAD {
        let start = Instant::now();
        pg.client.batch_execute(sql).await.expect(sql);
        writeln!(std::io::stderr(), "{:?} {}", start.elapsed(), sql.split(" (").next().unwrap_or(sql))
            .expect("stderr");
    }
    let (big, small) = (&room(&format!("{:036}", 0)), &room(&format!("{:036}", 5000)));
    let (acme, alice, bot) = (&tenant("acme"), &user("alice"), &user("bot"));

    let access = hold(pg, "access", 2.0, async |db, _| db::access(db, acme, alice, big).await).await;
    assert_eq!(access.map(|a| (a.role, a.last_seq)), Some(("member".into(), 100_090)));
    let seen = hold(pg, "get_room, all of 100,000 unread", 2_500.0, async |db, _| {
        db::get_room(db, acme, alice, big).await
    });
    assert_eq!(seen.await.expect("room")["mentions"], 2_001);
    hold(pg, "room_snapshot", 20.0, async |db, _| db::room_snapshot(db, acme, big).await).await;

    let list = async |name: &str, cursor: Option<&RoomCursor>| {
        hold(pg, name, 9_000.0, async |db, _| db::list_rooms(db, acme, alice, cursor, 50).await).await
    };
    let first = list("list_rooms, 50 of 100", None).await;
    assert_eq!((first.rooms.len(), &first.rooms[0]["unread"]), (50, &Value::from(81)));
    let cursor = RoomCursor::parse(first.next_cursor.as_deref().expect("more")).expect("cursor");
    let last = list("list_rooms, the last 50 of 100", Some(&cursor)).await;
    assert_eq!((last.rooms.len(), last.next_cursor), (50, None));

    let page = hold(pg, "messages_after, 500 in the middle of 100,000", 1_000.0, async |db, _| {
        db::messages_after(db, acme, big, 50_000, 500).await
    });
    let page = page.await;
    assert_eq!((page.len(), page[0].seq, page[0].reactions.len()), (500, 50_001, 1));
    let page = hold(pg, "messages_after, all 90 of a small room", 200.0, async |db, _| {
        db::messages_after(db, acme, small, 0, 500).await
    });
    assert_eq!(page.await.len(), 90);
    project(pg, big, small).await;

    // Whoever is in every room: all their memberships are looked through, by hash and as a whole where that is cheaper.
    let start = Instant::now();
    let bots = db::list_rooms(pg, acme, bot, None, 50).await.expect("list");
    assert_eq!(bots.rooms.len(), 50);
    writeln!(std::io::stderr(), "list_rooms, 50 of 10,000: {:?}", start.elapsed()).expect("stderr");
}

/// 250 new messages, at the end of the biggest room and of a small one; and 250 old ones touched.
async fn project(pg: &NativePostgres, big: &RoomId, small: &RoomId) {
    let done = async |db: &Explained, all: Projection| match db::project(db, &all).await? {
        Projected::Done { conflicts, .. } if conflicts.is_empty() => Ok(()),
        other => panic!("{other:?}"),
    };
    for (place, id, head) in
        [("the biggest room", big.as_str(), 100_090), ("a small room", small.as_str(), 90)]
    {
        let name = format!("project, 250 new rows in {place}");
        let new = async |db: &Explained, n: u64| {
            let from = head + 250 * n;
            let messages = (1..=250).map(|n| said(id, from + n, "bot", &"New. ".repeat(20))).collect();
            let mut all = batch("acme", id, from, from + 250, messages);
            all.reads.insert(user("bot"), read(from + 250));
            done(db, all).await
        };
        hold(pg, &name, 100.0, new).await;
    }
    let old = db::messages_after(pg, &tenant("acme"), big, 40_000, 250).await.expect("old");
    let head = 100_090 + 250 * 16;
    let touch = async |db: &Explained, n: u64| {
        let mut messages = old.clone();
        for message in &mut messages {
            message.content = format!("edited {n}");
            message.version += n as u32 + 1;
            message.edited_at_ms = Some(DAY_MS);
            message.reactions.push(ReactionRow { emoji: n.to_string(), user_id: "alice".into() });
        }
        done(db, batch("acme", big.as_str(), head + 250 * n, head + 250 * (n + 1), messages)).await
    };
    hold(pg, "project, 250 old messages edited and reacted to", 600.0, touch).await;
}
