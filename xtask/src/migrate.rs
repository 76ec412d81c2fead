//! Applies migrations/*.sql: forward only, in order, each file once, safe to run by many at once.
//! The files stay runnable by psql alone; nothing but the bookkeeping is added here.

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};
use std::path::Path;
use std::time::{Duration, Instant};
use tokio_postgres::Client;

/// Any number that nobody else takes; this one spells "chinwag".
const LOCK_KEY: i64 = 0x0063_6869_6e77_6167;
const LOCK_WAIT_MAX: Duration = Duration::from_secs(120);
const LOCK_POLL: Duration = Duration::from_millis(100);
/// A migration that waits for a table holds up everybody who comes after it, so it gives up.
const TABLE_LOCK_WAIT: &str = "SET LOCAL lock_timeout = '10s'";
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

/// The command `migrate`.
pub fn run(url: &str, dir: &Path) -> Result<()> {
    if wants_tls(url) && !cfg!(feature = "tls") {
        return rerun_with_tls();
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let applied = runtime.block_on(apply(url, dir))?;
    for name in &applied {
        println!("applied {name}");
    }
    println!("{} migrations applied, the database is up to date", applied.len());
    Ok(())
}

pub fn wants_tls(url: &str) -> bool {
    ["require", "verify-ca", "verify-full"].iter().any(|mode| url.contains(&format!("sslmode={mode}")))
}

/// Runs this very command in an xtask that has TLS. It is a minute more of compiling, so only who needs it has it.
pub fn rerun_with_tls() -> Result<()> {
    crate::log::say("this takes TLS: building xtask with it");
    let status = std::process::Command::new("cargo")
        .args([
            "run",
            "--quiet",
            "--manifest-path",
            &crate::root().join("Cargo.toml").to_string_lossy(),
            "--package",
            "xtask",
            "--features",
            "tls",
            "--target-dir",
            &crate::root().join("target/tls").to_string_lossy(),
            "--",
        ])
        .args(std::env::args_os().skip(1))
        .status()?;
    std::process::exit(status.code().unwrap_or(1));
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
    let mut applied = Vec::new();
    for migration in migrations.iter().skip(rows.len()) {
        apply_one(client, migration)
            .await
            .with_context(|| format!("{}: nothing of it was applied", migration.name))?;
        applied.push(migration.name.clone());
    }
    Ok(applied)
}

/// The file and its bookkeeping row are one transaction.
async fn apply_one(client: &mut Client, migration: &Migration) -> Result<()> {
    let transaction = client.transaction().await?;
    transaction.batch_execute(TABLE_LOCK_WAIT).await?;
    transaction.batch_execute(&migration.sql).await.map_err(|error| match error.as_db_error() {
        Some(db) => anyhow::anyhow!("{} ({})", db.message(), db.code().code()),
        None => error.into(),
    })?;
    transaction
        .execute(
            "INSERT INTO chinwag_migrations (version, name, sha256) VALUES ($1, $2, $3)",
            &[&migration.version, &migration.name, &migration.sha256],
        )
        .await?;
    Ok(transaction.commit().await?)
}

#[cfg(not(feature = "tls"))]
pub async fn connect(url: &str) -> Result<Client> {
    let (client, connection) =
        tokio_postgres::connect(url, tokio_postgres::NoTls).await.context("cannot reach Postgres")?;
    tokio::spawn(connection);
    Ok(client)
}

#[cfg(feature = "tls")]
pub async fn connect(url: &str) -> Result<Client> {
    // The certificate is checked in any case, which is what libpq's stricter words ask for.
    let url =
        url.replace("sslmode=verify-full", "sslmode=require").replace("sslmode=verify-ca", "sslmode=require");
    let mut roots = rustls::RootCertStore::empty();
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    let config = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let tls = tokio_postgres_rustls::MakeRustlsConnect::new(config);
    let (client, connection) =
        tokio_postgres::connect(&url, tls).await.context("cannot reach Postgres by TLS")?;
    tokio::spawn(connection);
    Ok(client)
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
}
