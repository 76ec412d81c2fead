//! Applies migrations/*.sql: forward only, in order, each file once, safe to run by many at once.
//! The files stay runnable by psql alone; nothing but the bookkeeping is added here. Not here: reading what a file says
//! about how it runs (`migrate/statements.rs`), and connections (`migrate/connect.rs`).

mod connect;
mod statements;

use anyhow::{Context, Result, bail};
pub use connect::{connect, rerun_with_tls, wants_tls};
use sha2::{Digest, Sha256};
use std::path::Path;
use std::time::{Duration, Instant};
use tokio_postgres::Client;

/// Made by the migrations for the Worker.
pub const WORKER_ROLE: &str = "chinwag_worker";
/// Neon refuses shorter passwords.
const PASSWORD_BYTES_MIN: usize = 12;
/// Any number that nobody else takes; this one spells "chinwag".
const LOCK_KEY: i64 = 0x0063_6869_6e77_6167;
const LOCK_WAIT_MAX: Duration = Duration::from_secs(120);
const LOCK_POLL: Duration = Duration::from_millis(100);
/// A migration that waits for a table holds up everybody who comes after it, so it gives up. Work on a large table
/// takes longer than what a role's own time limit allows.
const TIMEOUTS: &str = "SET lock_timeout = '10s'; SET statement_timeout = 0";
/// A concurrent build waits for transactions that are older than it, and holds up nobody meanwhile.
const CONCURRENT_TIMEOUTS: &str = "SET lock_timeout = '30min'; SET statement_timeout = 0";
/// Indexes of ours whose concurrent build was interrupted: those that a rebuild left beside the one in use, and others.
const INVALID: &str = "SELECT i.indexrelid::regclass::text, c.relname ~ '_cc(new|old)[0-9]*$'
    FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid
    WHERE NOT i.indisvalid AND t.relnamespace = current_schema()::regnamespace ORDER BY 1";
const BOOKKEEPING: &str = "CREATE TABLE IF NOT EXISTS chinwag_migrations (
    version int PRIMARY KEY,
    name text NOT NULL,
    sha256 text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now())";

struct Migration {
    version: i32,
    name: String,
    sql: String,
    sha256: String,
}

/// The command `migrate`. Afterwards the Worker's role may log in with the password, if one is given.
pub fn run(url: &str, dir: &Path, worker_password: Option<&str>) -> Result<()> {
    if wants_tls(url)? && !cfg!(feature = "tls") {
        return rerun_with_tls();
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let applied = runtime.block_on(async {
        let applied = apply(url, dir).await?;
        if let Some(password) = worker_password {
            let client = connect(url).await?;
            let sql = format!("ALTER ROLE {WORKER_ROLE} LOGIN PASSWORD {}", quote_literal(password)?);
            client
                .batch_execute(&sql)
                .await
                .map_err(readable)
                .context("the password of the Worker's role")?;
        }
        anyhow::Ok(applied)
    })?;
    for name in &applied {
        println!("applied {name}");
    }
    println!("{} migrations applied, the database is up to date", applied.len());
    Ok(())
}

/// The Worker's role may log in without a password, as everybody may who reaches a database that trusts its clients.
/// Gives the database's address for it.
pub async fn let_worker_in(url: &str) -> Result<String> {
    let client = connect(url).await?;
    client.batch_execute(&format!("ALTER ROLE {WORKER_ROLE} LOGIN")).await.map_err(readable)?;
    let (_, rest) = url.rsplit_once('@').context("the Postgres URL names a user")?;
    // Hyperdrive refuses an address without a password.
    Ok(format!("postgres://{WORKER_ROLE}:chat@{rest}"))
}

fn quote_literal(text: &str) -> Result<String> {
    if text.len() < PASSWORD_BYTES_MIN || text.contains(['\\', '\0']) {
        bail!("a password has at least {PASSWORD_BYTES_MIN} characters and no backslash");
    }
    Ok(format!("'{}'", text.replace('\'', "''")))
}

/// Brings the database at `url` up to date and names what was applied.
pub async fn apply(url: &str, dir: &Path) -> Result<Vec<String>> {
    let migrations = read_migrations(dir)?;
    let mut client = connect(url).await?;
    let applied = apply_locked(&mut client, &migrations).await;
    // The lock is the session's: it ends with the connection, whatever happened.
    drop(client);
    applied
}

fn read_migrations(dir: &Path) -> Result<Vec<Migration>> {
    let mut migrations = Vec::new();
    for entry in std::fs::read_dir(dir).with_context(|| format!("reading {}", dir.display()))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !name.ends_with(".sql") {
            continue;
        }
        let version = name.split_once('_').and_then(|(number, _)| number.parse().ok());
        let version =
            version.with_context(|| format!("{name}: a migration is named 0001_what_it_does.sql"))?;
        let sql = std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        let sha256 = crate::inputs::hex(&Sha256::digest(sql.as_bytes()));
        migrations.push(Migration { version, name, sql, sha256 });
    }
    if migrations.is_empty() {
        bail!("{} holds no migrations", dir.display());
    }
    migrations.sort_by_key(|migration| migration.version);
    for (expected, migration) in (1..).zip(&migrations) {
        if migration.version != expected {
            bail!("{}: expected number {expected:04}; numbers have no gaps and no doubles", migration.name);
        }
    }
    Ok(migrations)
}

async fn apply_locked(client: &mut Client, migrations: &[Migration]) -> Result<Vec<String>> {
    let start = Instant::now();
    // Polled: a waiting `pg_advisory_lock` holds a snapshot open, and that blocks concurrent index builds.
    while !client.query_one("SELECT pg_try_advisory_lock($1)", &[&LOCK_KEY]).await?.get::<_, bool>(0) {
        if start.elapsed() > LOCK_WAIT_MAX {
            bail!("another migration has held the lock for {} s", LOCK_WAIT_MAX.as_secs());
        }
        tokio::time::sleep(LOCK_POLL).await;
    }
    client.batch_execute(BOOKKEEPING).await?;
    let rows =
        client.query("SELECT version, name, sha256 FROM chinwag_migrations ORDER BY version", &[]).await?;
    for row in &rows {
        let (version, name, sha256): (i32, String, String) = (row.get(0), row.get(1), row.get(2));
        let Some(file) = migrations.iter().find(|migration| migration.version == version) else {
            bail!(
                "the database has migration {name}, which this checkout lacks: it is older than the database"
            );
        };
        if file.sha256 != sha256 {
            bail!(
                "{} has changed since it was applied: restore it, and put the change into a new file",
                file.name
            );
        }
    }
    rebuild_invalid_indexes(client).await?;
    let mut applied = Vec::new();
    for migration in migrations.iter().skip(rows.len()) {
        match statements::outside_transaction(&migration.sql) {
            None => apply_in_transaction(client, migration)
                .await
                .with_context(|| format!("{}: nothing of it was applied", migration.name))?,
            Some(parts) => {
                let from_the_start = || {
                    format!("{}: a part of it may be applied; the next run repeats the file", migration.name)
                };
                apply_outside_transaction(client, &parts).await.with_context(from_the_start)?;
                record(client, migration).await?;
            }
        }
        applied.push(migration.name.clone());
    }
    Ok(applied)
}

/// The file and its bookkeeping row are one transaction.
async fn apply_in_transaction(client: &mut Client, migration: &Migration) -> Result<()> {
    client.batch_execute(TIMEOUTS).await?;
    let transaction = client.transaction().await?;
    transaction.batch_execute(&migration.sql).await.map_err(readable)?;
    record(&transaction, migration).await?;
    Ok(transaction.commit().await?)
}

/// Runs each statement by itself. Afterwards every index is complete.
async fn apply_outside_transaction(client: &Client, parts: &[statements::Statement<'_>]) -> Result<()> {
    for part in parts {
        let first = part.sql.lines().find(|line| !line.starts_with("--")).unwrap_or_default();
        if !has_extensions(client, &part.extensions).await? {
            continue;
        }
        let timeouts = if part.sql.contains(" CONCURRENTLY ") { CONCURRENT_TIMEOUTS } else { TIMEOUTS };
        client.batch_execute(timeouts).await?;
        client.batch_execute(part.sql).await.map_err(readable).with_context(|| first.to_owned())?;
    }
    let invalid = client.query(INVALID, &[]).await?;
    if let Some(row) = invalid.first() {
        bail!("the index {} is not complete", row.get::<_, String>(0));
    }
    Ok(())
}

/// Whether all of these are installed. What belongs to them is then found by its name alone.
async fn has_extensions(client: &Client, names: &[&str]) -> Result<bool> {
    for name in names {
        let sql = "SELECT set_config('search_path', current_setting('search_path') || ', ' || quote_ident(n.nspname), false)
            FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = $1";
        if client.query_opt(sql, &[name]).await?.is_none() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Completes what an interrupted run left: `IF NOT EXISTS` takes an incomplete index for the one that it names.
async fn rebuild_invalid_indexes(client: &Client) -> Result<()> {
    for row in client.query(INVALID, &[]).await? {
        let (index, is_left_over): (String, bool) = (row.get(0), row.get(1));
        let verb = if is_left_over { "DROP INDEX" } else { "REINDEX INDEX" };
        client.batch_execute(CONCURRENT_TIMEOUTS).await?;
        let sql = format!("{verb} CONCURRENTLY {index}");
        client.batch_execute(&sql).await.map_err(readable).with_context(|| sql.clone())?;
    }
    Ok(())
}

async fn record(client: &impl tokio_postgres::GenericClient, migration: &Migration) -> Result<()> {
    let sql = "INSERT INTO chinwag_migrations (version, name, sha256) VALUES ($1, $2, $3)";
    client.execute(sql, &[&migration.version, &migration.name, &migration.sha256]).await?;
    Ok(())
}

fn readable(error: tokio_postgres::Error) -> anyhow::Error {
    match error.as_db_error() {
        Some(db) => anyhow::anyhow!("{} ({})", db.message(), db.code().code()),
        None => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &str)]) -> std::path::PathBuf {
        static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let number = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("chinwag-migrate-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        for (name, sql) in files {
            std::fs::write(dir.join(name), sql).unwrap();
        }
        dir
    }

    #[test]
    fn a_gap_a_double_a_bad_name_and_an_empty_folder_are_refused() {
        let read_error = |files: &[(&str, &str)]| read_migrations(&folder(files)).err().unwrap().to_string();
        assert!(read_error(&[("0001_a.sql", ""), ("0003_c.sql", "")]).contains("expected number 0002"));
        assert!(read_error(&[("0001_a.sql", ""), ("0001_b.sql", "")]).contains("expected number 0002"));
        assert!(read_error(&[("first.sql", "")]).contains("is named"));
        assert!(read_error(&[("README.md", "")]).contains("no migrations"));
    }

    /// Against the server that `cargo xtask test` starts; a database of its own.
    async fn database(name: &str) -> String {
        let admin =
            std::env::var("CHINWAG_TEST_POSTGRES").expect("run it by `cargo xtask test --only native`");
        let name = format!("{name}_{}", std::process::id());
        crate::postgres::create_database(&admin, &name).await.unwrap();
        let (server, _) = admin.rsplit_once('/').unwrap();
        format!("{server}/{name}")
    }

    #[tokio::test]
    async fn eight_at_once_apply_each_file_once() {
        let url = database("eight").await;
        let dir = folder(&[
            ("0001_a.sql", "CREATE TABLE a (x int); SELECT pg_sleep(0.3);"),
            ("0002_b.sql", "CREATE TABLE b (x int)"),
        ]);
        let (url, dir) = (&url, &dir);
        let runs = (0..8).map(|_| {
            let (url, dir) = (url.clone(), dir.clone());
            tokio::spawn(async move { apply(&url, &dir).await.unwrap().len() })
        });
        let mut counts = Vec::new();
        for run in runs.collect::<Vec<_>>() {
            counts.push(run.await.unwrap());
        }
        counts.sort_unstable();
        assert_eq!(counts, [0, 0, 0, 0, 0, 0, 0, 2]);
        assert!(apply(url, dir).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_file_that_fails_leaves_nothing_and_a_changed_one_is_refused() {
        let url = database("changed").await;
        let dir = folder(&[
            ("0001_a.sql", "CREATE TABLE a (x int)"),
            ("0002_b.sql", "CREATE TABLE b (x int); SELECT 1/0"),
        ]);
        let error = format!("{:#}", apply(&url, &dir).await.unwrap_err());
        assert!(error.contains("0002_b.sql") && error.contains("22012"), "{error}");
        std::fs::write(dir.join("0002_b.sql"), "CREATE TABLE b (x int)").unwrap();
        assert_eq!(apply(&url, &dir).await.unwrap(), ["0002_b.sql"]);
        std::fs::write(dir.join("0001_a.sql"), "CREATE TABLE a (y int)").unwrap();
        let error = apply(&url, &dir).await.unwrap_err().to_string();
        assert!(error.contains("0001_a.sql has changed"), "{error}");
        std::fs::remove_file(dir.join("0002_b.sql")).unwrap();
        std::fs::write(dir.join("0001_a.sql"), "CREATE TABLE a (x int)").unwrap();
        let error = apply(&url, &dir).await.unwrap_err().to_string();
        assert!(error.contains("older than the database"), "{error}");
    }

    const LARGE: &str = "CREATE TABLE large (id bigint GENERATED ALWAYS AS IDENTITY, x int, y int);
        INSERT INTO large (x) SELECT n FROM generate_series(1, 100000) n";
    const OUTSIDE: &str = "-- no-transaction\n-- An index and a backfill.\n\n\
        CREATE INDEX CONCURRENTLY IF NOT EXISTS large_by_x ON large (x);\n\n\
        -- only with no_such_extension\nCREATE INDEX CONCURRENTLY never ON large (x gin_trgm_ops);\n\n\
        DO $$ BEGIN\n LOOP\n\
            UPDATE large SET y = x WHERE id IN (SELECT id FROM large WHERE y IS NULL LIMIT 10000);\n\
            EXIT WHEN NOT FOUND;\n COMMIT;\n END LOOP;\nEND $$;\n";

    async fn index_is_valid(client: &Client) -> Option<bool> {
        let sql = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('large_by_x')";
        client.query_opt(sql, &[]).await.unwrap().map(|row| row.get(0))
    }

    /// Until the build waits for the transaction of `holder`.
    async fn wait_for_build(client: &Client) -> i32 {
        let sql = "SELECT pid FROM pg_stat_activity WHERE datname = current_database()
            AND query LIKE '%CONCURRENTLY%' AND wait_event_type = 'Lock' AND pid <> pg_backend_pid()";
        loop {
            if let Some(row) = client.query_opt(sql, &[]).await.unwrap() {
                return row.get(0);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    #[tokio::test]
    async fn a_large_table_is_written_while_an_index_of_it_is_built_outside_a_transaction() {
        let url = database("outside").await;
        let dir = folder(&[("0001_a.sql", LARGE), ("0002_b.sql", OUTSIDE)]);
        let (holder, writer) = (connect(&url).await.unwrap(), connect(&url).await.unwrap());
        // The index waits for a transaction that has written the table: the first run makes the table.
        let first = folder(&[("0001_a.sql", LARGE)]);
        apply(&url, &first).await.unwrap();
        holder.batch_execute("BEGIN; INSERT INTO large (x, y) VALUES (0, 0)").await.unwrap();
        let run = tokio::spawn({
            let (url, dir) = (url.clone(), dir.clone());
            async move { apply(&url, &dir).await }
        });
        wait_for_build(&writer).await;
        writer.batch_execute("SET statement_timeout = '2s'").await.unwrap();
        for _ in 0..200 {
            writer.batch_execute("INSERT INTO large (x, y) VALUES (1, 1)").await.expect("nobody is held up");
        }
        assert_eq!(index_is_valid(&writer).await, Some(false), "it is still being built");
        holder.batch_execute("COMMIT").await.unwrap();
        let mut written = 0;
        while !run.is_finished() {
            writer.batch_execute("INSERT INTO large (x, y) VALUES (1, 1)").await.expect("nobody is held up");
            written += 1;
        }
        assert_eq!(run.await.unwrap().unwrap(), ["0002_b.sql"]);
        assert!(written > 0);
        assert_eq!(index_is_valid(&writer).await, Some(true));
        let left = writer.query_one("SELECT count(*) FROM large WHERE y IS NULL", &[]).await.unwrap();
        assert_eq!(left.get::<_, i64>(0), 0, "the backfill is complete");
    }

    #[tokio::test]
    async fn an_index_whose_build_was_interrupted_is_found_and_rebuilt() {
        let url = database("interrupted").await;
        let dir = folder(&[("0001_a.sql", LARGE), ("0002_b.sql", OUTSIDE)]);
        apply(&url, &folder(&[("0001_a.sql", LARGE)])).await.unwrap();
        let (holder, other) = (connect(&url).await.unwrap(), connect(&url).await.unwrap());
        holder.batch_execute("BEGIN; INSERT INTO large (x, y) VALUES (0, 0)").await.unwrap();
        let run = tokio::spawn({
            let (url, dir) = (url.clone(), dir.clone());
            async move { apply(&url, &dir).await }
        });
        let pid = wait_for_build(&other).await;
        other.execute("SELECT pg_terminate_backend($1)", &[&pid]).await.unwrap();
        let error = format!("{:#}", run.await.unwrap().unwrap_err());
        assert!(error.contains("0002_b.sql") && error.contains("repeats the file"), "{error}");
        assert_eq!(index_is_valid(&other).await, Some(false));
        holder.batch_execute("COMMIT").await.unwrap();
        assert_eq!(apply(&url, &dir).await.unwrap(), ["0002_b.sql"]);
        assert_eq!(index_is_valid(&other).await, Some(true));
    }
}
