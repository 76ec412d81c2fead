//! Query plans and times with 10,000 rooms and 1,000,000 messages: the rows that a statement touches grow with the rows
//! it returns, not with the tables.

use crate::db::{DAY_MS, batch, message_row, read, room, tenant, up_to, user};
use crate::postgres::{Database, NativePostgres, one_json};
use chinwag::auth::Role;
use chinwag::db::{
    self, DbError, Filter, Place, Postgres, Projected, Projection, ReactionRow, RoomCursor, Term,
};
use chinwag::ids::RoomId;
use chinwag::limits::MENTIONS_ROOMS_MAX;
use serde_json::Value;
use std::io::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio_postgres::types::Json;

/// Room 0 has 100,090 messages, the others 90 each, written in turns as people do. The u's are in nine rooms each,
/// alice in 100, the bot in all of them. Foreign keys aren't checked while loading: it would take half a minute.
const LOAD: &[&str] = &[
    "SET session_replication_role = replica",
    // Filled row by row these indices would take two minutes more.
    "CREATE TEMP TABLE later AS SELECT indexdef FROM pg_indexes WHERE indexname IN ('chat_messages_folded_words', 'chat_messages_folded_parts')",
    "DROP INDEX chat_messages_folded_words, chat_messages_folded_parts",
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
         'Message ' || seq || ' of a room, about as long as what people write.'
             || CASE WHEN seq % 2 = 0 THEN ' half' ELSE '' END
             || CASE WHEN (seq * 31 + r * 17) % 100 = 7 THEN ' often' ELSE '' END
             || CASE WHEN (seq * 13 + r * 7) % 500 = 7 THEN ' seldom 会議' ELSE '' END
             || CASE WHEN (seq * 31 + r * 17) % 50000 = 7 THEN ' needle' ELSE '' END
             || CASE WHEN seq <= 30 AND (seq + r) % 3 = 0 THEN ' bygone' ELSE '' END
             || CASE WHEN r % 100 <> 0 AND seq % 3 = 0 THEN ' foreign' ELSE '' END,
         'text', 'c' || seq,
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
    "INSERT INTO chat_room_members (tenant_id, room_id, user_id, role)
     SELECT 'acme', lpad(r::text, 36, '0'), 'busy', 'member' FROM generate_series(3, 9999, 10) r",
    "INSERT INTO chat_thread_followers (tenant_id, room_id, thread_seq, user_id)
     SELECT 'acme', lpad(r::text, 36, '0'), seq, 'busy' FROM generate_series(3, 9999, 10) r, generate_series(11, 20) seq",
    "INSERT INTO chat_threads (tenant_id, room_id, thread_seq, last_reply_at)
     SELECT 'acme', id, seq, '2026-06-01'::timestamptz + (seq * 7919 + (ltrim(id, '0') || '0')::bigint * 104729) % 1000003 * interval '1 s'
     FROM chat_rooms, unnest(ARRAY[1, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20]) seq",
    "INSERT INTO chat_saved (tenant_id, user_id, room_id, seq, message_id, rev, saved)
     SELECT tenant_id, 'busy', room_id, seq, id, row_number() OVER (), true
     FROM chat_messages WHERE seq BETWEEN 1 AND 10 AND room_id IN (SELECT room_id FROM chat_room_members WHERE user_id = 'busy')",
    "INSERT INTO chat_mentions (tenant_id, user_id, created_at, seq, room_id)
     SELECT tenant_id, 'alice', created_at, seq, room_id FROM chat_messages WHERE mentions <> '[]'",
    "INSERT INTO chat_people (tenant_id, user_id, name) SELECT 'acme', 'u' || n, 'Name ' || n FROM generate_series(0, 9972) n",
    "INSERT INTO chat_bans (tenant_id, room_id, user_id, banned_by, banned_at)
     SELECT 'acme', lpad(r::text, 36, '0'), 'x' || n, 'bot', '2026-06-01'
     FROM generate_series(0, 9999) r, LATERAL generate_series(1, CASE WHEN r = 0 THEN 500 ELSE 1 END) n",
    "INSERT INTO chat_audit (tenant_id, room_id, id, at, actor, action, target, version)
     SELECT 'acme', lpad(r::text, 36, '0'), 'a' || n, '2026-06-01'::timestamptz + n * interval '1 s', 'bot', 'mute',
         'u1', CASE WHEN n % 2 = 0 THEN n END
     FROM generate_series(0, 9999) r, LATERAL generate_series(1, CASE WHEN r = 0 THEN 10000 ELSE 5 END) n",
    "RESET session_replication_role",
    "SET maintenance_work_mem = '512MB'",
    "DO $$ DECLARE d text; BEGIN FOR d IN SELECT indexdef FROM later LOOP EXECUTE d; END LOOP; END $$",
    "ANALYZE",
];

/// Runs statements; while `explains`, each is also explained, and what that did undone.
struct Explained<'a> {
    pg: &'a NativePostgres,
    explains: AtomicBool,
    plans: Mutex<Vec<Value>>,
}

impl Postgres for Explained<'_> {
    async fn query(&self, sql: &'static str, input: Value) -> Result<Value, DbError> {
        // A statement that only explains runs nothing.
        if self.explains.load(Ordering::Relaxed) && !sql.starts_with("EXPLAIN") {
            let client = &self.pg.client;
            // The counters begin anew.
            client.batch_execute("SELECT pg_stat_force_next_flush()").await.expect("flush");
            client.batch_execute("BEGIN").await.expect("begin");
            let explain = format!("EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {sql}");
            let mut plan = one_json(client, &explain, &Json(&input)).await?;
            plan[0]["Counted"] = one_json(client, COUNTED, &Json(Value::Null)).await?;
            client.batch_execute("ROLLBACK").await.expect("rollback");
            self.plans.lock().expect("plans").push(plan);
        }
        self.pg.query(sql, input).await
    }
}

/// What the transaction has read, by Postgres' own counters: a plan does not show what functions and foreign keys read.
const COUNTED: &str = "
    SELECT json_build_object(
        'rows', sum(pg_stat_get_xact_tuples_fetched(oid))
            + sum(pg_stat_get_xact_tuples_returned(oid)) FILTER (WHERE relkind = 'r'),
        'scanned', json_agg(relname) FILTER (WHERE relkind = 'r' AND pg_stat_get_xact_numscans(oid) > 0))
    FROM pg_class WHERE $1 IS NOT NULL AND relname LIKE 'chat\\_%'";

const RUNS: u64 = 20;

/// What statements did to the tables: rows read, filtered ones included, and the tables that were read as a whole.
#[derive(Default)]
struct Touched {
    rows: f64,
    seq_scans: Vec<String>,
}

impl Touched {
    /// The plan's count or Postgres' own, whichever is more.
    fn add(&mut self, explained: &Value) {
        let mut by_plan = Touched::default();
        by_plan.walk(&explained["Plan"]);
        self.rows += by_plan.rows.max(explained["Counted"]["rows"].as_f64().unwrap_or(0.0));
        self.seq_scans.extend(by_plan.seq_scans);
        let scanned = explained["Counted"]["scanned"].as_array().into_iter().flatten();
        self.seq_scans.extend(scanned.filter_map(|table| table.as_str().map(str::to_owned)));
    }

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

/// Runs `work` explained, then `RUNS` times on the clock; prints; holds it to `rows_max` rows touched and no table read
/// as a whole. Gives the first answer.
async fn hold<T>(
    pg: &NativePostgres,
    name: &str,
    rows_max: f64,
    work: impl AsyncFn(&Explained, u64) -> Result<T, DbError>,
) -> T {
    let port = Explained { pg, explains: AtomicBool::new(true), plans: Mutex::default() };
    let result = work(&port, 0).await.expect(name);
    port.explains.store(false, Ordering::Relaxed);
    let plans = port.plans.lock().expect("plans").clone();
    assert!(!plans.is_empty(), "a statement ran");
    let mut touched = Touched::default();
    plans.iter().for_each(|plan| touched.add(&plan[0]));
    let mut times = Vec::new();
    for n in 1..=RUNS {
        let start = Instant::now();
        work(&port, n).await.expect(name);
        times.push(start.elapsed());
    }
    times.sort();
    let ms = |time: Duration| time.as_secs_f64() * 1000.0;
    let total = |key: &str| plans.iter().filter_map(|plan| plan[0][key].as_f64()).sum::<f64>();
    // Not `println!`, which the test harness keeps to itself.
    writeln!(
        std::io::stderr(),
        "{name}: median {:.2} ms, p95 {:.2} ms of {RUNS}; explained: {} statements, planning {:.2} ms, running {:.2} ms, {} rows touched",
        ms(times[times.len() / 2]), ms(times[times.len() * 95 / 100]), plans.len(),
        total("Planning Time"), total("Execution Time"), touched.rows
    )
    .expect("stderr");
    let plan = Value::from(plans);
    // Of somebody in all rooms, all memberships are looked through as a whole where that is cheaper.
    let held = touched.seq_scans.is_empty() || rows_max.is_infinite();
    assert!(held, "{name} reads {:?} as a whole: {plan:#}", touched.seq_scans);
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
    assert_eq!(access.map(|a| (a.role, a.last_seq)), Some((Role::Member, 100_090)));
    let seen = hold(pg, "get_room, all of 100,000 unread", 2_500.0, async |db, _| {
        db::get_room(db, acme, alice, big).await
    });
    assert_eq!(seen.await.expect("room").room["mentions"], 100);
    hold(pg, "room_snapshot", 1_200.0, async |db, _| db::room_snapshot(db, acme, big, Some(9_900)).await)
        .await;
    hold(pg, "list_members", 40.0, async |db, _| db::list_members(db, (acme, alice, big), None, 100).await)
        .await;
    let audit = hold(pg, "list_audit, 100 of 10,000", 500.0, async |db, _| {
        db::list_audit(db, acme, big, None, 100).await
    });
    assert_eq!(audit.await.items.len(), 100);
    change(pg, big).await;

    let list = async |name: &str, cursor: Option<&RoomCursor>| {
        hold(pg, name, 9_000.0, async |db, _| db::list_rooms(db, acme, alice, cursor, 50).await).await
    };
    let first = list("list_rooms, 50 of 100", None).await;
    assert_eq!((first.rooms.len(), &first.rooms[0]["unread"]), (50, &Value::from(81)));
    let cursor = RoomCursor::parse(first.next_cursor.as_deref().expect("more")).expect("cursor");
    let last = list("list_rooms, the last 50 of 100", Some(&cursor)).await;
    assert_eq!((last.rooms.len(), last.next_cursor), (50, None));

    let page = hold(pg, "messages_after, 500 in the middle of 100,000", 1_000.0, async |db, _| {
        db::messages_after(db, acme, big, 50_000, up_to(500)).await
    });
    let page = page.await;
    assert_eq!(
        (page.messages.len(), page.messages[0].seq, page.messages[0].reactions.as_ref().map(Vec::len)),
        (500, 50_001, Some(1))
    );
    let page = hold(pg, "messages_after, all 90 of a small room", 200.0, async |db, _| {
        db::messages_after(db, acme, small, 0, up_to(500)).await
    });
    assert_eq!(page.await.messages.len(), 90);
    reading(pg).await;
    let notice = serde_json::json!({"tenant": "acme", "room": big, "seq": 50_000, "event": 50_000, "part": 0,
        "message": format!("{:0>36}", "50000-0000"), "users": (1..=200).map(|n| format!("u{}", n * 1009 % 9973)).collect::<Vec<_>>()});
    let notice: db::Notice = serde_json::from_value(notice).expect("a notice");
    let payload =
        hold(pg, "to_tell, 200 people", 1_000.0, async |db, _| db::notification_payload(db, &notice).await)
            .await;
    assert!(payload.is_some_and(|payload| !payload.recipients.is_empty()), "some of them are in the room");
    project(pg, big, small).await;

    let list = async |db: &Explained<'_>, _: u64| db::list_rooms(db, acme, bot, None, 50).await;
    let bots = hold(pg, "list_rooms, 50 of 10,000", 9_000.0, list).await;
    assert_eq!(bots.rooms.len(), 50);
}

/// What somebody reads over all their rooms: of 9, of 100 with the big one among them, of all 10,000.
async fn reading(pg: &NativePostgres) {
    let acme = &tenant("acme");
    let people = [("9 rooms", user("u1")), ("100 rooms", user("alice")), ("10,000 rooms", user("bot"))];
    for (place, who) in &people {
        let rows_max = |rows: f64| if *place == "10,000 rooms" { f64::INFINITY } else { rows };
        let name = format!("unread, {place}");
        let unread = hold(pg, &name, rows_max(20_000.0), async |db, _| db::unread(db, acme, who, None).await);
        assert!(unread.await.items.len() >= 9);
        let name = format!("mentions, {place}");
        let page = async |db: &Explained, _| db::mentions(db, acme, who, &Place::newest(), 51).await;
        // That somebody is in many rooms is seen by counting memberships up to there, in the table itself until a vacuum
        // has come by.
        let counted = if *place == "10,000 rooms" { MENTIONS_ROOMS_MAX as f64 } else { 0.0 };
        hold(pg, &name, 2_000.0 + counted, page).await;
    }
    let busy = user("busy");
    for (name, who, rows_max) in [
        ("threads, 9 rooms", &people[0].1, 200.0),
        ("threads, 10,000 in 1,000 rooms", &busy, 12_000.0),
        ("threads, 10,000 rooms", &people[2].1, 20_000.0),
    ] {
        let page = async |db: &Explained, _| db::list_threads(db, acme, who, &Place::newest(), 100).await;
        hold(pg, name, rows_max, page).await;
    }
    let page = async |db: &Explained, _| db::list_saved(db, acme, &busy, None, 100).await;
    assert_eq!(hold(pg, "saved, 100 of 10,000", 1_200.0, page).await.found.len(), 100);
    let words: [(&str, &[&str]); 13] = [
        ("everywhere", &["room"]),
        ("everywhere, two letters", &["ro"]),
        ("two letters within words everywhere", &["es"]),
        ("half of all", &["half"]),
        ("1 %", &["often"]),
        ("0.2 %", &["seldom"]),
        ("0.2 %, two characters", &["会議"]),
        ("20 in all", &["needle"]),
        ("part of it", &["eedl"]),
        ("common and rare", &["message", "needle"]),
        ("nowhere", &["nowhere"]),
        ("common, long ago", &["bygone"]),
        ("common where others are", &["foreign"]),
    ];
    for (place, who) in &people {
        let rows_max = if *place == "10,000 rooms" { f64::INFINITY } else { 30_000.0 };
        for (kind, terms) in words {
            let term = |text: &&str| Term { text: (*text).into(), whole: false };
            let filter = &Filter { terms: terms.iter().map(term).collect(), ..Filter::default() };
            let first = async |db: &Explained, _: u64| {
                let scope = db::search_scope(db, acme, who, filter).await?;
                db::search(db, (acme, who), (filter, &scope), &Place::newest(), 20).await
            };
            hold(pg, &format!("search, {place}, {kind}"), rows_max, first).await;
        }
    }
}

/// Somebody comes, somebody goes, in the biggest room.
async fn change(pg: &NativePostgres, big: &RoomId) {
    let change = async |db: &Explained, n: u64| {
        let set = serde_json::json!({
            "tenant": "acme", "room": big, "version": 1 + n, "gone": [format!("new{n}")], "settings": null,
            "put": [{"userId": format!("new{}", n + 1), "role": "member", "joinedSeq": 5, "mutedUntilMs": null}],
            "bans": [{"userId": "x1", "bannedBy": "bot", "untilMs": null, "reason": null}], "unbanned": ["x2"], "delete": false,
            "notify": [{"userId": "bot", "level": "mentions", "muteUntilMs": null}], "roomsPerPerson": 100_000,
            "audit": [{"id": format!("c{n}"), "atMs": DAY_MS, "actor": "bot", "action": "add", "target": "x",
                       "reason": null}]});
        let set = serde_json::from_value(set).expect("a change");
        match db::apply(db, &set).await?.state {
            db::Applied::Done => Ok(()),
            other => panic!("{other:?}"),
        }
    };
    hold(pg, "apply, one comes and one goes", 1_100.0, change).await;
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
            let messages = (1..=250).map(|n| message_row(id, from + n, "bot", &"New. ".repeat(20))).collect();
            let mut all = batch("acme", id, from, from + 250, messages);
            all.reads.insert(user("bot"), read(from + 250));
            done(db, all).await
        };
        // The check of the foreign key reads the room for each row.
        hold(pg, &name, 350.0, new).await;
    }
    let old = db::messages_after(pg, &tenant("acme"), big, 40_000, up_to(250)).await.expect("old").messages;
    let head = 100_090 + 250 * (RUNS + 1);
    let touch = async |db: &Explained, n: u64| {
        let mut messages = old.clone();
        for message in &mut messages {
            message.content = format!("edited {n}");
            message.version += n as u32 + 1;
            message.edited_at_ms = Some(DAY_MS);
            message
                .reactions
                .get_or_insert_default()
                .push(ReactionRow { emoji: n.to_string(), user_id: "alice".into() });
        }
        done(db, batch("acme", big.as_str(), head + 250 * n, head + 250 * (n + 1), messages)).await
    };
    // Each is judged, and its reactions and versions are read; a foreign key reads it for each new reaction.
    hold(pg, "project, 250 old messages edited and reacted to", 1_100.0, touch).await;
}
