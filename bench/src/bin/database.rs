//! What the statements cost Postgres: `database projection URL` and `database search URL MESSAGES`, on a migrated
//! database of its own, which it fills. The figures are in bench/results/projection.md and bench/results/search.md.
//! Not here: starting Postgres (`xtask/src/bench/database.rs`), and what statements must not exceed (tests/native).

use anyhow::{Context, Result, bail, ensure};
use chinwag::db::{self, DbError, Filter, Place, Postgres, Projected, Projection, Term};
use chinwag::ids::{RoomId, TenantId, UserId};
use serde_json::{Value, json};
use std::time::Instant;
use tokio_postgres::types::{Json, Type};
use tokio_postgres::{Client, NoTls};

/// Batches of a drain's parts: so many of this size.
const BATCHES: [(u64, u64); 3] = [(1, 300), (10, 100), (250, 20)];
/// A search's runs: 20 show a 95th percentile.
const SEARCHES: usize = 20;
const TENANT: &str = "acme";

struct Port(Client);

impl Postgres for Port {
    async fn query(&self, sql: &'static str, input: Value) -> Result<Value, DbError> {
        let error = |e: tokio_postgres::Error| DbError {
            sqlstate: e.code().map(|state| state.code().to_owned()),
            message: e.as_db_error().map_or_else(|| e.to_string(), |db| db.message().to_owned()),
        };
        let row = self.0.query_typed(sql, &[(&Json(input), Type::JSONB)]).await.map_err(error)?;
        let value = row.first().and_then(|row| row.get::<_, Option<Value>>(0));
        Ok(value.unwrap_or_default())
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["projection", url] => measure_projection(&connect(url).await?).await,
        ["search", url, messages] => measure_search(&connect(url).await?, messages.parse()?).await,
        _ => bail!("database projection URL | database search URL MESSAGES"),
    }
}

async fn connect(url: &str) -> Result<Port> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(connection);
    Ok(Port(client))
}

async fn run(port: &Port, statements: &[&str]) -> Result<()> {
    for sql in statements {
        port.0.batch_execute(sql).await.with_context(|| (*sql).to_owned())?;
    }
    Ok(())
}

/// The CPU time of the connection's backend, in microseconds; it runs on this machine.
async fn cpu_us(port: &Port) -> Result<f64> {
    let pid = port.query("SELECT to_json(pg_backend_pid()) WHERE $1 IS NOT NULL", json!({})).await?;
    let text = std::fs::read_to_string(format!("/proc/{pid}/schedstat"))?;
    let ns: f64 = text.split(' ').next().context("schedstat")?.parse()?;
    Ok(ns / 1e3)
}

const ROOMS: &[&str] = &[
    "INSERT INTO chat_rooms (tenant_id, id, type, name, created_by) VALUES ('acme', 'r1', 'group', 'One', 'alice')",
    "INSERT INTO chat_room_members (tenant_id, room_id, user_id, role)
     VALUES ('acme', 'r1', 'alice', 'owner'), ('acme', 'r1', 'bob', 'member')",
];
/// Autovacuum and autoanalyze would come at other moments in each run.
const BY_HAND: &str = "
    DO $$ DECLARE t text; BEGIN
        FOR t IN SELECT relname FROM pg_class WHERE relkind = 'r' AND relname LIKE 'chat\\_%' LOOP
            EXECUTE format('ALTER TABLE %I SET (autovacuum_enabled = off)', t);
        END LOOP;
    END $$";

async fn measure_projection(port: &Port) -> Result<()> {
    run(port, &[BY_HAND]).await?;
    run(port, ROOMS).await?;
    let mut from = 0;
    for _ in 0..10 {
        from = drain(port, from, 250, 40).await?;
    }
    for statistics in ["never analysed", "analysed"] {
        println!("{statistics}");
        for (size, batches) in BATCHES {
            from = drain(port, from, size, batches).await?;
        }
        run(port, &["ANALYZE"]).await?;
    }
    read(port).await
}

/// Projects `batches` of `size` messages; gives the last seq.
async fn drain(port: &Port, mut from: u64, size: u64, batches: u64) -> Result<u64> {
    let (start, cpu) = (Instant::now(), cpu_us(port).await?);
    for _ in 0..batches {
        let text = "Message of a room, about as long as what people write, ";
        let message = |seq: u64| {
            json!({"seq": seq, "id": format!("r1-{seq}"), "userId": "alice", "content": format!("{text}{seq}"),
                   "contentType": "text", "attachments": [], "clientId": format!("c{seq}"), "threadId": null,
                   "replyToId": null, "alsoToRoom": false, "mentions": [], "mentionsRoom": false, "version": 1,
                   "replyCount": 0, "createdAtMs": 1_795_392_000_000 + seq * 1000, "editedAtMs": null,
                   "deletedAtMs": null, "deletedBy": null, "reactions": []})
        };
        let batch: Projection = serde_json::from_value(json!({
            "tenant": TENANT, "room": "r1", "epoch": "e1", "from": from, "to": from + size,
            "messages": (from + 1..=from + size).map(message).collect::<Vec<_>>(), "reads": {}, "audit": [],
        }))?;
        let projected = db::project(port, &batch).await?;
        ensure!(matches!(projected, Projected::Done { .. }), "{projected:?}");
        from += size;
    }
    let (wall_s, cpu_s) = (start.elapsed().as_secs_f64(), (cpu_us(port).await? - cpu) / 1e6);
    let (rows, calls) = ((size * batches) as f64, batches as f64);
    println!(
        "to {from}, {size} a batch: {:.2} ms of CPU and {:.2} ms a call; {:.0} rows/s of CPU, {:.0} rows/s",
        cpu_s * 1e3 / calls,
        wall_s * 1e3 / calls,
        rows / cpu_s,
        rows / wall_s
    );
    Ok(from)
}

async fn read(port: &Port) -> Result<()> {
    let (tenant, user, room) = caller("alice", "r1")?;
    time(port, "access", async || db::access(port, &tenant, &user, &room).await.map(drop)).await?;
    time(port, "get_room", async || db::get_room(port, &tenant, &user, &room).await.map(drop)).await?;
    time(port, "room_snapshot", async || db::room_snapshot(port, &tenant, &room, None).await.map(drop))
        .await?;
    let bounds = db::PageBounds { count: 50, bytes: 1 << 20 };
    time(port, "messages_after, 50", async || {
        db::messages_after(port, &tenant, &room, 20, bounds).await.map(drop)
    })
    .await
}

async fn time(port: &Port, name: &str, work: impl AsyncFn() -> Result<(), DbError>) -> Result<()> {
    for _ in 0..20 {
        work().await?;
    }
    let before = cpu_us(port).await?;
    for _ in 0..200 {
        work().await?;
    }
    println!("{name}: {:.0} µs of CPU", (cpu_us(port).await? - before) / 200.0);
    Ok(())
}

fn caller(user: &str, room: &str) -> Result<(TenantId, UserId, RoomId)> {
    let tenant = TenantId::parse(TENANT).context("a tenant")?;
    Ok((tenant, UserId::parse(user).context("a user")?, RoomId::parse(room).context("a room")?))
}

/// 10,000 rooms, with the bot in all, alice in 100 and carol in 3 of them. A message has 12 words of 20,000 made of two or three
/// syllables, as often as Zipf's law has it. Indexes are built afterwards, and foreign keys are not checked.
fn fill_for_search(messages: u64) -> Vec<String> {
    const SYLLABLES: &str = "babebicacocudadedielenerfafifogagegohahehiinisitjajokakekilaleli\
        mamemineniniononorospapepirarerisasesitatetiumunusvavevivowo";
    let syllable = |n: &str| format!("substr('{SYLLABLES}', 1 + 2 * (({n}) % 60), 2)");
    let word = [
        syllable("r * 7"),
        syllable("r / 60"),
        format!("CASE WHEN r >= 60 THEN {} ELSE '' END", syllable("r / 3600 + r")),
    ];
    let insert = format!(
        "INSERT INTO chat_messages (tenant_id, room_id, seq, id, user_id, content, content_type, created_at)
         SELECT 'acme', 'r' || n % 10000, 1 + n / 10000, lpad(n::text, 20, '0'), 'u' || n % 97,
             (SELECT string_agg({}, ' ')
              FROM (SELECT floor(power(20000, random()))::int AS r FROM generate_series(1, 12) k WHERE k + n >= 0) words)
             || CASE WHEN n % 250000 = 7 THEN ' needle' ELSE '' END || CASE WHEN n % 2500 = 9 THEN ' seldom' ELSE '' END
             || CASE WHEN n % 250000 = 11 THEN U&' cre\\0300me bru\\0302le\\0301e' ELSE '' END,
             'text', '2026-01-01'::timestamptz + n * interval '100 ms'
         FROM generate_series(0, {messages} - 1) n",
        word.join(" || ")
    );
    let rooms = format!(
        "INSERT INTO chat_rooms (tenant_id, id, type, name, created_by, last_seq)
         SELECT 'acme', 'r' || r, 'group', 'Room ' || r, 'bot', {messages} / 10000 FROM generate_series(0, 9999) r"
    );
    let members = "INSERT INTO chat_room_members (tenant_id, room_id, user_id, role)
        SELECT 'acme', 'r' || r, 'bot', 'member' FROM generate_series(0, 9999) r
        UNION ALL SELECT 'acme', 'r' || r * 100, 'alice', 'member' FROM generate_series(0, 99) r
        UNION ALL SELECT 'acme', 'r' || r, 'carol', 'member' FROM unnest(ARRAY[7, 9, 11]) r";
    let later = "CREATE TEMP TABLE later AS SELECT indexname, indexdef FROM pg_indexes
        WHERE tablename = 'chat_messages' AND indexdef NOT LIKE '%UNIQUE%'";
    let drop = "DO $$ DECLARE i text; BEGIN
        FOR i IN SELECT indexname FROM later LOOP EXECUTE format('DROP INDEX %I', i); END LOOP; END $$";
    let create =
        "DO $$ DECLARE d text; BEGIN FOR d IN SELECT indexdef FROM later LOOP EXECUTE d; END LOOP; END $$";
    let texts = [
        BY_HAND,
        "SET session_replication_role = replica",
        "SELECT setseed(0.5)",
        later,
        drop,
        &rooms,
        members,
        &insert,
        "SET maintenance_work_mem = '1GB'",
        create,
        "RESET session_replication_role",
        "VACUUM ANALYZE",
    ];
    texts.map(str::to_owned).to_vec()
}

async fn measure_search(port: &Port, messages: u64) -> Result<()> {
    let filled: i64 = port.0.query_one("SELECT count(*) FROM chat_rooms", &[]).await?.get(0);
    if filled == 0 {
        let start = Instant::now();
        for sql in fill_for_search(messages) {
            run(port, &[&sql]).await?;
        }
        println!("{messages} messages in {:.0} s", start.elapsed().as_secs_f64());
    }
    search_all(port, "as it is").await?;
    // The planner multiplies what its statistics say by this.
    run(port, &["UPDATE pg_class SET reltuples = 1e8 WHERE relname = 'chat_messages'"]).await?;
    search_all(port, "as if there were 10^8").await
}

/// Each kind of search, by somebody in 3 rooms, in 100 and in all 10,000: the newest page, the page that follows it, and
/// one that begins in the middle of all messages.
async fn search_all(port: &Port, size: &str) -> Result<()> {
    const KINDS: [(&str, &str); 12] = [
        ("everywhere, two letters", "ba"),
        ("3 in 10", "inba"),
        ("1 in 500", "enenen"),
        ("1 in 1,200", "famine"),
        ("1 in 2,500", "seldom"),
        ("1 in 2,500, a part of it", "eldo"),
        ("1 in 250,000", "needle"),
        ("1 in 250,000, a part of it", "eedl"),
        ("1 in 250,000, stored as NFD, searched as NFC", "br\u{fb}l\u{e9}e"),
        ("nowhere, of very common parts", "bebabe"),
        ("nowhere, of common parts", "bebacoba"),
        ("nowhere", "xylophone"),
    ];
    let middle: i64 = port.0.query_one(MIDDLE_MS, &[]).await?.get(0);
    let middle = Place::before(middle.unsigned_abs());
    for who in ["carol", "alice", "bot"] {
        for (kind, text) in KINDS {
            let what = format!("{size}, {who}, {kind}");
            let next = search_often(port, (who, text), &Place::newest(), &what).await?;
            if let Some(next) = next {
                search_often(port, (who, text), &next, &format!("{what}, the next page")).await?;
            }
            search_often(port, (who, text), &middle, &format!("{what}, from the middle")).await?;
        }
    }
    Ok(())
}

const MIDDLE_MS: &str =
    "SELECT ((extract(epoch FROM min(created_at)) + extract(epoch FROM max(created_at))) * 500)::bigint
    FROM chat_messages WHERE tenant_id = 'acme'";

/// Prints what a page behind `place` takes, scope and search together. Gives where the next one begins.
async fn search_often(
    port: &Port,
    (who, text): (&str, &str),
    place: &Place,
    what: &str,
) -> Result<Option<Place>> {
    let (tenant, user, _) = caller(who, "r1")?;
    let terms = vec![Term { text: text.to_owned(), whole: false }];
    let filter = Filter { terms, ..Filter::default() };
    let (mut times, mut cpu, mut found, mut next) = (Vec::new(), Vec::new(), 0, None);
    for _ in 0..SEARCHES {
        let before = cpu_us(port).await?;
        let start = Instant::now();
        let scope = db::search_scope(port, &tenant, &user, &filter).await?;
        let hits = db::search(port, (&tenant, &user), (&filter, &scope), place, 20).await?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
        cpu.push((cpu_us(port).await? - before) / 1e3);
        (found, next) = (hits.found.len(), hits.next);
    }
    println!(
        "{what}: {found} found, median {:.0} ms, p95 {:.0} ms; of CPU {:.0} ms and {:.0} ms",
        share(&mut times, 50),
        share(&mut times, 95),
        share(&mut cpu, 50),
        share(&mut cpu, 95)
    );
    Ok(next)
}

/// The value that so many percent of these do not exceed.
fn share(values: &mut [f64], percent: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len().saturating_sub(1) * percent / 100).copied().unwrap_or_default()
}
