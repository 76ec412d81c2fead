//! A real Postgres for tests: one database per test, copied from a migrated template and dropped at the end; and the
//! port `db::Postgres` over native tokio-postgres.
//! Not here: starting a server (xtask), and the bookkeeping of applied migrations (`xtask/src/migrate.rs`).

use chinwag::db::{DbError, Postgres};
use serde_json::Value;
use std::fmt::Write as _;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio_postgres::types::{Json, Type};
use tokio_postgres::{Client, Config, NoTls};

/// An admin connection's URL; databases are made beside the one it names.
const URL: &str = "CHINWAG_TEST_POSTGRES";

fn config(database: Option<&str>) -> Config {
    let url = std::env::var(URL)
        .unwrap_or_else(|_| panic!("{URL} isn't set: run `cargo xtask test`, or give an admin URL"));
    let mut config: Config = url.parse().unwrap_or_else(|e| panic!("{URL}: {e}"));
    if let Some(name) = database {
        config.dbname(name);
    }
    config
}

/// The process that serves a connection.
pub struct Backend(i32);

impl Backend {
    pub async fn of(pg: &NativePostgres) -> Self {
        let pid = pg.client.query_one("SELECT pg_backend_pid()", &[]).await;
        Self(pid.expect("the backend's process").get(0))
    }

    /// Milliseconds that it has been on a processor: the machine is shared, so the clock tells what others do.
    pub fn processor_ms(&self) -> f64 {
        let text = std::fs::read_to_string(format!("/proc/{}/schedstat", self.0)).expect("Linux tells it");
        let ns: f64 = text.split(' ').next().expect("a number").parse().expect("a number");
        ns / 1e6
    }
}

/// A connection of its own; its task ends with the client.
async fn open(database: Option<&str>) -> Client {
    let (client, connection) = config(database)
        .connect(NoTls)
        .await
        .unwrap_or_else(|e| panic!("{URL}: cannot connect to {}: {e}", database.unwrap_or("it")));
    tokio::spawn(connection);
    client
}

/// Runs outside of any test's runtime, so that `Drop` and a `OnceLock` may wait for it.
fn apart<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> T {
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
        runtime.block_on(work)
    });
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// The migrated database that all others are copies of. It is named by the migrations' text and stays for the next run.
fn template() -> &'static str {
    static NAME: OnceLock<String> = OnceLock::new();
    NAME.get_or_init(|| apart(make_template()))
}

#[path = "../../xtask/src/migrate/statements.rs"]
mod statements;

/// Applies all migrations, as `cargo xtask migrate` does.
pub async fn migrate(client: &Client) {
    let has = async |extension: &str| {
        let sql = "SELECT FROM pg_extension WHERE extname = $1";
        client.query_opt(sql, &[&extension]).await.expect("extensions").is_some()
    };
    let run = async |sql: &str| client.batch_execute(sql).await.unwrap_or_else(|e| panic!("{e:?} in {sql}"));
    for text in migrations() {
        let Some(parts) = statements::outside_transaction(&text) else {
            run(&text).await;
            continue;
        };
        'parts: for part in parts {
            for extension in part.extensions {
                if !has(extension).await {
                    continue 'parts;
                }
            }
            run(part.sql).await;
        }
    }
}

/// The text of the migration of this name.
pub fn migration(name: &str) -> String {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations");
    let mut files = std::fs::read_dir(folder).expect("migrations/").map(|entry| entry.expect("entry").path());
    let file = files.find(|path| path.to_string_lossy().contains(name)).expect(name);
    std::fs::read_to_string(file).expect(name)
}

/// The migrations' texts, in their order.
fn migrations() -> Vec<String> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations");
    let mut files: Vec<_> =
        std::fs::read_dir(folder).expect("migrations/").map(|entry| entry.expect("entry").path()).collect();
    files.sort();
    files.iter().map(|file| std::fs::read_to_string(file).expect("migration")).collect()
}

async fn make_template() -> String {
    use sha2::{Digest, Sha256};
    let texts = migrations();
    let digest = Sha256::digest(texts.concat());
    let name = digest[..6].iter().fold("chinwag_template_".to_owned(), |mut name, byte| {
        write!(name, "{byte:02x}").expect("hex");
        name
    });
    let admin = open(None).await;
    // Another run may be at it at this moment. The lock goes with the connection.
    admin.execute("SELECT pg_advisory_lock(7022117)", &[]).await.expect("lock");
    let made =
        admin.query_opt("SELECT FROM pg_database WHERE datname = $1", &[&name]).await.expect("look up");
    if made.is_none() {
        let draft = format!("{name}_draft");
        admin.batch_execute(&format!("DROP DATABASE IF EXISTS {draft}")).await.expect("drop draft");
        admin.batch_execute(&format!("CREATE DATABASE {draft}")).await.expect("create draft");
        let client = open(Some(&draft)).await;
        migrate(&client).await;
        drop(client);
        admin
            .batch_execute(&format!(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{draft}'"
            ))
            .await
            .expect("end the draft's connections");
        let rename = format!("ALTER DATABASE {draft} RENAME TO {name}");
        admin.batch_execute(&rename).await.expect("rename draft");
    }
    name
}

/// A database of a test's own, migrated and empty.
pub struct Database {
    name: String,
}

impl Database {
    pub async fn new() -> Self {
        Self::copy_of(template()).await
    }

    /// One without our tables.
    pub async fn bare() -> Self {
        Self::copy_of("template0").await
    }

    async fn copy_of(template: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("chinwag_test_{}_{count}", std::process::id());
        let admin = open(None).await;
        // A process of the same number may have died here before.
        admin.batch_execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await.expect("drop old");
        let create = format!("CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy");
        admin.batch_execute(&create).await.expect("create database");
        Self { name }
    }

    /// The port, over a connection of its own.
    pub async fn connect(&self) -> NativePostgres {
        NativePostgres { client: open(Some(&self.name)).await }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let drop = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        apart(async move { open(None).await.batch_execute(&drop).await.expect("drop database") });
    }
}

pub struct NativePostgres {
    /// For what only tests do: transactions, looking behind the port.
    pub client: Client,
}

impl Postgres for NativePostgres {
    async fn query(&self, sql: &'static str, input: Value) -> Result<Value, DbError> {
        // What the Worker's role may not do fails in every test.
        self.client.batch_execute("SET ROLE chinwag_worker").await.map_err(db_error)?;
        let answer = one_json(&self.client, sql, &Json(input)).await;
        let _ = self.client.batch_execute("RESET ROLE").await;
        answer
    }
}

/// Runs a statement as the port has to: typed, and its answer is one row of one column.
pub async fn one_json(
    client: &Client,
    sql: &str,
    input: &(dyn tokio_postgres::types::ToSql + Sync),
) -> Result<Value, DbError> {
    let rows = client.query_typed(sql, &[(input, Type::JSONB)]).await.map_err(db_error)?;
    assert_eq!(rows.len(), 1, "a statement gives one row: {sql}");
    assert_eq!(rows[0].len(), 1, "of one column: {sql}");
    assert_eq!(*rows[0].columns()[0].type_(), Type::JSON, "of type json: {sql}");
    Ok(rows[0].get::<_, Option<Value>>(0).unwrap_or_default())
}

fn db_error(e: tokio_postgres::Error) -> DbError {
    DbError {
        sqlstate: e.code().map(|state| state.code().to_owned()),
        message: e.as_db_error().map_or_else(|| e.to_string(), |db| db.message().to_owned()),
    }
}
