//! Statements on tables without statistics: what each reads is bounded by what it returns, whether its plan was made
//! while the tables were empty or once they were full.
//! Not here: tables with statistics, and times (`db_plans`, bench/src/bin/database.rs).

use crate::db::{DAY_MS, batch, group, message_row, read, room, tenant, up_to, user};
use crate::postgres::{Database, NativePostgres, one_json};
use chinwag::db::{self, DbError, Place, Postgres, Projected, Projection, ReactionRow, VersionRow};
use serde_json::{Value, json};
use std::io::Write as _;
use std::sync::Mutex;
use tokio_postgres::types::Json;

/// In this database no table is vacuumed or analysed. GIN indexes are left out: filling them takes minutes.
const PREPARE: &str = "
    DO $$ DECLARE t text; BEGIN
        FOR t IN SELECT relname FROM pg_class WHERE relkind = 'r' AND relname LIKE 'chat\\_%' LOOP
            EXECUTE format('ALTER TABLE %I SET (autovacuum_enabled = off)', t);
        END LOOP;
    END $$;
    DROP INDEX chat_messages_folded_words, chat_messages_folded_parts";

/// Room `big` has 100,000 messages, 1,000 others have 100 each. The bot is in all of them, alice in ten and in `big`.
const FILL: &[&str] = &[
    "SET session_replication_role = replica",
    "INSERT INTO chat_rooms (tenant_id, id, type, name, created_by, last_message_at, last_seq, epoch)
     SELECT 'acme', 'r' || r, 'group', 'Room ' || r, 'bot', '2026-06-01'::timestamptz + r * interval '1 s', 100, 'e1'
     FROM generate_series(1, 1000) r",
    "INSERT INTO chat_room_members (tenant_id, room_id, user_id, role)
     SELECT 'acme', id, 'bot', 'member' FROM chat_rooms WHERE id <> 'big'
     UNION ALL SELECT 'acme', 'r' || r, 'alice', 'member' FROM generate_series(1, 10) r
     UNION ALL SELECT 'acme', 'big', 'u' || n, 'member' FROM generate_series(1, 9000) n",
    "INSERT INTO chat_messages (tenant_id, room_id, seq, id, user_id, content, content_type, mentions, created_at)
     SELECT 'acme', r, seq, r || '-' || seq, 'u' || seq % 9, 'Message ' || seq, 'text',
         CASE WHEN seq % 50 = 0 THEN '[\"alice\"]' ELSE '[]' END::jsonb, '2026-06-01'::timestamptz + seq * interval '1 s'
     FROM (
         SELECT 'big' AS r, seq FROM generate_series(3, 100000) seq
         UNION ALL SELECT 'r' || r, seq FROM generate_series(1, 1000) r, generate_series(1, 100) seq) m",
    "INSERT INTO chat_mentions (tenant_id, user_id, created_at, seq, room_id)
     SELECT tenant_id, 'alice', created_at, seq, room_id FROM chat_messages WHERE mentions <> '[]'",
    "INSERT INTO chat_message_reactions (tenant_id, room_id, seq, emoji, user_id, position)
     SELECT tenant_id, room_id, seq, '👍', 'bot', 1 FROM chat_messages WHERE seq > 2",
    "INSERT INTO chat_thread_followers (tenant_id, room_id, thread_seq, user_id)
     SELECT 'acme', 'big', seq, 'alice' FROM generate_series(3, 50000) seq",
    "INSERT INTO chat_threads (tenant_id, room_id, thread_seq, last_reply_at)
     SELECT 'acme', 'big', seq, '2026-06-01'::timestamptz + seq * interval '1 s' FROM generate_series(3, 50000) seq",
    "INSERT INTO chat_saved (tenant_id, user_id, room_id, seq, message_id, rev, saved)
     SELECT 'acme', 'alice', 'big', seq, 'big-' || seq, seq, true FROM generate_series(3, 9000) seq",
    "INSERT INTO chat_audit (tenant_id, room_id, id, at, actor, action, version)
     SELECT 'acme', 'big', 'a' || n, '2026-06-01'::timestamptz + n * interval '1 s', 'bot', 'mute', n
     FROM generate_series(1, 20000) n",
    "UPDATE chat_rooms SET last_seq = 100000 WHERE id = 'big'",
    "INSERT INTO chat_people (tenant_id, user_id, name, deactivated_at)
     SELECT 'acme', 'u' || n, 'Name ' || n, CASE WHEN n % 100 = 0 THEN now() END FROM generate_series(1, 9000) n",
    "RESET session_replication_role",
];

/// Runs statements, each explained first; adds up the pages they read, and names the tables they read whole.
struct Watched<'a> {
    pg: &'a NativePostgres,
    pages: Mutex<f64>,
}

const SCANNED: &str = "
    SELECT json_agg(relname) FROM pg_class
    WHERE $1 IS NOT NULL AND relkind = 'r' AND relname LIKE 'chat\\_%' AND pg_stat_get_xact_numscans(oid) > 0";

impl Postgres for Watched<'_> {
    async fn query(&self, sql: &'static str, input: Value) -> Result<Value, DbError> {
        if !sql.starts_with("EXPLAIN") {
            // When other tests create many databases, Postgres tells all backends to read the catalog again.
            let twice = [self.explain(sql, &input).await?, self.explain(sql, &input).await?];
            *self.pages.lock().expect("pages") += twice[0].min(twice[1]);
        }
        self.pg.query(sql, input).await
    }
}

impl Watched<'_> {
    /// Runs a statement and takes it back; returns how many pages it read.
    async fn explain(&self, sql: &str, input: &Value) -> Result<f64, DbError> {
        let client = &self.pg.client;
        // The counters begin anew.
        client.batch_execute("SELECT pg_stat_force_next_flush()").await.expect("flush");
        client.batch_execute("BEGIN").await.expect("begin");
        let explain = format!("EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) {sql}");
        let plan = one_json(client, &explain, &Json(input)).await?;
        let scanned = one_json(client, SCANNED, &Json(json!({}))).await?;
        client.batch_execute("ROLLBACK").await.expect("rollback");
        assert_eq!(scanned, Value::Null, "read as a whole by {sql}\n{plan:#}");
        let pages = |key: &str| plan[0]["Plan"][key].as_f64().unwrap_or(0.0);
        Ok(pages("Shared Hit Blocks") + pages("Shared Read Blocks"))
    }
}

async fn hold<T>(
    pg: &NativePostgres,
    name: &str,
    pages_max: f64,
    work: impl AsyncFn(&Watched) -> Result<T, DbError>,
) -> T {
    let (answer, pages) = count_pages(pg, name, work).await;
    assert!(pages <= pages_max, "{name}: {pages} pages read, at most {pages_max} expected");
    answer
}

async fn count_pages<T>(
    pg: &NativePostgres,
    name: &str,
    work: impl AsyncFn(&Watched) -> Result<T, DbError>,
) -> (T, f64) {
    let port = Watched { pg, pages: Mutex::default() };
    let answer = work(&port).await.expect(name);
    let pages = *port.pages.lock().expect("pages");
    writeln!(std::io::stderr(), "{name}: {pages} pages").expect("stderr");
    (answer, pages)
}

/// A batch for the room `big` in which each message has everything that a message can have.
fn rich(from: u64, to: u64, seqs: impl Iterator<Item = u64>, round: u32) -> Projection {
    let messages = seqs.map(|seq| {
        let mut message = message_row("big", seq, "alice", &format!("message {seq}, {round}"));
        message.mentions = vec![format!("u{round}"), "bot".into()];
        message.version = 1 + round;
        message.versions = vec![VersionRow {
            version: round.into(),
            content: "before".into(),
            written_by: "alice".into(),
            written_at_ms: DAY_MS,
            replaced_by: "alice".into(),
            replaced_at_ms: DAY_MS,
        }];
        if round == 0 {
            message.versions.clear();
        }
        message.followers = vec!["alice".into()];
        message.reactions = Some(vec![ReactionRow { emoji: round.to_string(), user_id: "bot".into() }]);
        message
    });
    let mut all = batch("acme", "big", from, to, messages.collect());
    all.reads.insert(user("alice"), read(to));
    all.reads.insert(user("bot"), read(to));
    let note = json!({"id": format!("note{to}-{round}"), "atMs": DAY_MS, "actor": "alice", "action": "edit",
                      "target": null, "reason": null});
    all.audit.push(serde_json::from_value(note).expect("audit"));
    all
}

async fn write(pg: &NativePostgres, name: &str, pages_max: f64, all: &Projection) {
    let answer = hold(pg, name, pages_max, async |db| db::project(db, all).await).await;
    assert!(matches!(&answer, Projected::Done { conflicts, .. } if conflicts.is_empty()), "{answer:?}");
}

async fn change(pg: &NativePostgres, name: &str, version: u64) {
    let set = json!({
        "tenant": "acme", "room": "big", "version": version, "gone": [format!("v{}", version - 1)], "settings": null,
        "put": [{"userId": format!("v{version}"), "role": "member", "joinedSeq": 5, "mutedUntilMs": null}],
        "bans": [{"userId": "x1", "bannedBy": "bot", "untilMs": null, "reason": null}], "unbanned": ["x2"], "delete": false,
        "notify": [{"userId": "bot", "level": "mentions", "muteUntilMs": null}], "roomsPerPerson": 100_000,
        "audit": [{"id": format!("c{version}"), "atMs": DAY_MS, "actor": "bot", "action": "add", "target": "x",
                   "reason": null}]});
    let set = serde_json::from_value(set).expect("a change");
    assert_eq!(hold(pg, name, 200.0, async |db| db::apply(db, &set).await).await.state, db::Applied::Done);
}

#[tokio::test]
async fn no_statement_needs_statistics_to_find_rows_by_their_key() {
    let rig = Database::new().await;
    let kept = &rig.connect().await;
    kept.client.batch_execute(PREPARE).await.expect(PREPARE);
    group(kept, "acme", "big", "alice", &["bot"]).await;
    // This connection makes its plans now, while the tables are empty, and keeps them.
    crate::db::done(kept, &rich(0, 2, 1..=2, 0)).await;
    for round in 0..7 {
        write(kept, "on empty tables", 600.0, &rich(0, 2, 1..=2, round)).await;
    }
    change(kept, "change on empty tables", 1).await;
    let loader = rig.connect().await;
    for sql in FILL {
        loader.client.batch_execute(sql).await.unwrap_or_else(|e| panic!("{sql}: {e:?}"));
    }
    let fresh = &rig.connect().await;
    // The first call of a connection reads the catalog, to make plans.
    crate::db::done(fresh, &rich(100_000, 100_000, 1..=2, 7)).await;
    crate::db::done(fresh, &rich(100_000, 100_001, 100_001..=100_001, 0)).await;
    for (n, (which, pg)) in [("kept", kept), ("fresh", fresh)].into_iter().enumerate() {
        let n = n as u64;
        let head = 100_001 + 10 * n;
        write(
            pg,
            &format!("{which}: project 10 new rows"),
            1_500.0,
            &rich(head, head + 10, head + 1..=head + 10, 0),
        )
        .await;
        let old = 50_000 + n * 100;
        let head = head + 10;
        write(pg, &format!("{which}: touch 10 old rows"), 2_500.0, &rich(head, head, old..old + 10, 7)).await;
        let again = rich(head, head, old..old + 10, 7);
        write(pg, &format!("{which}: the same batch again"), 1_500.0, &again).await;
        let late = rich(0, 20, 11..=20, 0);
        let late =
            hold(pg, &format!("{which}: a late batch"), 200.0, async |db| db::project(db, &late).await).await;
        assert!(matches!(late, Projected::Ahead { .. }), "{late:?}");
        change(pg, &format!("{which}: apply"), 2 + n).await;
        look(pg, which).await;
    }
}

/// What people read.
async fn look(pg: &NativePostgres, which: &str) {
    let (acme, alice, big) = (&tenant("acme"), &user("alice"), &room("big"));
    let name = |name: &str| format!("{which}: {name}");
    hold(pg, &name("access"), 20.0, async |db| db::access(db, acme, alice, big).await)
        .await
        .expect("a member");
    let small = room("r5");
    hold(pg, &name("get_room"), 500.0, async |db| db::get_room(db, acme, alice, &small).await)
        .await
        .expect("room");
    hold(pg, &name("room_snapshot"), 300.0, async |db| db::room_snapshot(db, acme, &small, Some(9)).await)
        .await;
    // A name is found by its key, in three pages.
    hold(pg, &name("list_members"), 150.0 + 3.0 * 100.0, async |db| {
        db::list_members(db, (acme, alice, big), None, 100).await
    })
    .await;
    hold(pg, &name("list_audit"), 200.0, async |db| db::list_audit(db, acme, big, None, 100).await).await;
    hold(pg, &name("notify_settings"), 20.0, async |db| db::notify_settings(db, acme, alice, big).await)
        .await;
    hold(pg, &name("list_rooms, of 11"), 4_000.0, async |db| db::list_rooms(db, acme, alice, None, 10).await)
        .await;
    hold(pg, &name("unread, of 11 rooms"), 2_000.0, async |db| db::unread(db, acme, alice, None).await).await;
    let page = async |db: &Watched<'_>| db::mentions(db, acme, alice, &Place::newest(), 20).await;
    hold(pg, &name("mentions"), 1_500.0, page).await;
    let page = async |db: &Watched<'_>| db::list_threads(db, acme, alice, &Place::newest(), 20).await;
    hold(pg, &name("threads, of 50,000"), 5_000.0, page).await;
    let page = async |db: &Watched<'_>| db::list_saved(db, acme, alice, None, 20).await;
    hold(pg, &name("saved, of 9,000"), 1_000.0, page).await;
    hold(pg, &name("messages_after"), 1_000.0, async |db| {
        db::messages_after(db, acme, big, 50_000, up_to(100)).await
    })
    .await;
}

/// Rooms with 70 messages of bob. In `busy` there are as well 200,000 replies in 50 threads that alice does not follow,
/// 50,000 deleted messages; half of the replies mention carol.
const FILL_UNREAD: &[&str] = &[
    "SET session_replication_role = replica",
    "INSERT INTO chat_messages (tenant_id, room_id, seq, id, user_id, content, content_type, thread_id, thread_seq,
         mentions, created_at, deleted_at)
     SELECT 'acme', r, seq, r || '-' || seq, 'bob', '', 'text',
         CASE WHEN between AND seq <= 200040 THEN 'root' END, CASE WHEN between AND seq <= 200040 THEN 1 + seq % 50 END,
         CASE WHEN between AND seq % 2 = 0 AND seq <= 200040 THEN '[\"carol\"]' ELSE '[]' END::jsonb,
         '2026-06-01'::timestamptz + seq * interval '1 s', CASE WHEN between AND seq > 200040 THEN now() END
     FROM (
         SELECT 'calm' AS r, seq, false AS between FROM generate_series(1, 70) seq
         UNION ALL SELECT 'busy', seq, seq BETWEEN 41 AND 250040 FROM generate_series(1, 250070) seq) m",
    "INSERT INTO chat_mentions (tenant_id, user_id, created_at, seq, room_id)
     SELECT tenant_id, 'carol', created_at, seq, room_id FROM chat_messages WHERE mentions <> '[]'",
    "INSERT INTO chat_thread_followers (tenant_id, room_id, thread_seq, user_id)
     SELECT 'acme', 'busy', seq, who FROM generate_series(1, 50) seq, unnest(ARRAY['bob', 'carol']) who",
    "UPDATE chat_rooms SET last_seq = 250070",
    "RESET session_replication_role",
];

#[tokio::test]
async fn unread_1_a_count_reads_the_same_among_200_000_replies_of_others_threads() {
    let rig = Database::new().await;
    let pg = &rig.connect().await;
    pg.client.batch_execute(PREPARE).await.expect(PREPARE);
    for r in ["calm", "busy"] {
        group(pg, "acme", r, "alice", &["bob", "carol"]).await;
    }
    // Plans are made and kept while the tables are empty, as well.
    let acme = &tenant("acme");
    let see = async |who: &str, r: &str| {
        let (who, r) = (user(who), room(r));
        let name = format!("{who} in {r}");
        let (seen, pages) = count_pages(pg, &name, async |db| db::get_room(db, acme, &who, &r).await).await;
        let seen = seen.expect("in it").room;
        let counts = [&seen["unread"], &seen["mentions"], &seen["lastMessage"]["seq"]];
        (counts.map(|count| count.as_u64().unwrap_or(0)), pages)
    };
    see("alice", "busy").await;
    for sql in FILL_UNREAD {
        pg.client.batch_execute(sql).await.unwrap_or_else(|e| panic!("{sql}: {e:?}"));
    }
    for statistics in ["never analysed", "analysed"] {
        let (counts, calm) = see("alice", "calm").await;
        assert_eq!(counts, [70, 0, 70], "{statistics}");
        let (counts, busy) = see("alice", "busy").await;
        assert_eq!(counts, [70, 0, 250_070], "{statistics}");
        assert!(busy <= 1.5 * calm, "{statistics}: {busy} pages instead of {calm}");
        let (counts, _) = see("carol", "busy").await;
        assert_eq!(counts, [100, 100, 250_070], "{statistics}");
        // Bob follows all threads, and has nothing unread: his own messages are looked at up to a limit.
        let (counts, own) = see("bob", "busy").await;
        assert_eq!(counts, [0, 0, 250_070], "{statistics}");
        assert!(own <= 3_000.0, "{statistics}: {own} pages");
        pg.client.batch_execute("ANALYZE").await.expect("analyze");
    }
}
