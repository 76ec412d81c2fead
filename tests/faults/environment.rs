//! What a scenario runs on: a stack with a fault proxy between the Worker and Postgres, another one before its clients,
//! and a page of memory that sets Postgres' clock and fills workerd's disk. Not here: who sends (`load`).

use crate::proxy::{Fault, Proxy};
use crate::rig::stack::{self, NO_RATES, Setting};
use crate::rig::{Stack, Tenant};
use serde_json::Value;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, OnceLock};

/// What `shim.c` maps.
const PAGE_BYTES: usize = 4_096;

pub struct Environment {
    pub stack: Arc<Stack>,
    /// Between the Worker and Postgres.
    pub postgres_proxy: Proxy,
    /// Between clients that want it and the Worker.
    pub client_proxy: Proxy,
    page: std::fs::File,
}

impl Environment {
    pub async fn prepare() -> Environment {
        let (postgres_proxy, client_proxy) = (Proxy::listen(true).await, Proxy::listen(false).await);
        let dir = stack::folder();
        let page = dir.join("faults.page");
        std::fs::write(&page, vec![0; PAGE_BYTES]).expect("the shim's page");
        let path = |path: &PathBuf| path.to_str().expect("a path that is text").to_owned();
        let setting = Setting {
            vars: vec![NO_RATES.to_owned()],
            worker_postgres: Some(postgres_proxy.address.clone()),
            env: vec![("LD_PRELOAD".into(), path(shim())), ("CHINWAG_FAULTS".into(), path(&page))],
        };
        let stack = tokio::task::spawn_blocking(|| Stack::start_with(dir, setting)).await.expect("a stack");
        let url: tokio_postgres::Config = stack.postgres_url.parse().expect("a Postgres URL");
        postgres_proxy.to(&format!("127.0.0.1:{}", url.get_ports()[0]));
        client_proxy.to(&stack.host);
        let page = std::fs::File::options().read(true).write(true).open(page).expect("the shim's page");
        Environment { stack, postgres_proxy, client_proxy, page }
    }

    pub fn tenant(&self) -> Tenant {
        Tenant::new(&self.stack)
    }

    /// Nothing is hurt any more, and Postgres is there and result, also after a scenario that failed in the middle.
    pub async fn heal(&self) {
        self.postgres_proxy.set(Fault::Pass);
        self.client_proxy.set(Fault::Pass);
        self.postgres_clock_ahead_s(0);
        self.disk_is_full(false);
        self.stack.postgres_answers().await;
        self.sql(
            "ALTER ROLE chinwag_worker SET statement_timeout = '8s';
             ALTER ROLE chinwag_worker RESET default_transaction_read_only; ALTER TABLE IF EXISTS chat_messages_away RENAME TO chat_messages;
             DROP TRIGGER IF EXISTS chat_test_poison ON chat_messages",
        )
        .await;
    }

    pub fn postgres_clock_ahead_s(&self, seconds: i64) {
        self.page.write_all_at(&seconds.to_ne_bytes(), 0).expect("the shim's page");
    }

    pub fn disk_is_full(&self, full: bool) {
        self.page.write_all_at(&i64::from(full).to_ne_bytes(), 8).expect("the shim's page");
    }

    /// Writes that the full disk refused so far.
    pub fn disk_refusals(&self) -> i64 {
        let mut count = [0; 8];
        self.page.read_exact_at(&mut count, 16).expect("the shim's page");
        i64::from_ne_bytes(count)
    }

    /// The Worker's file changes: to `wrangler dev` that is a deploy.
    pub fn deploy(&self) {
        let worker = self.stack.dir.join("worker/index.js");
        let code = std::fs::read_to_string(&worker).expect("the Worker's code");
        std::fs::write(&worker, format!("{code}\n// deployed again\n")).expect("deployed");
    }

    pub async fn sql(&self, statements: &str) {
        self.stack
            .sql()
            .await
            .batch_execute(statements)
            .await
            .unwrap_or_else(|e| panic!("{statements}: {e:?}"));
    }

    /// One number of Postgres.
    pub async fn number(&self, sql: &str) -> i64 {
        self.stack.sql().await.query_one(sql, &[]).await.unwrap_or_else(|e| panic!("{sql}: {e:?}")).get(0)
    }

    /// Ends every connection to Postgres that isn't a test's own; how many.
    pub async fn terminate_backends(&self) -> i64 {
        self.number(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
             WHERE backend_type = 'client backend' AND application_name <> 'chinwag-test'",
        )
        .await
    }

    /// The file of a room's object.
    pub fn room_file(&self, room: &str) -> Option<PathBuf> {
        self.stack.room_files().into_iter().find(|path| {
            read_only(path)
                .and_then(|db| db.query_row("SELECT value FROM state WHERE id = 2", [], |r| r.get(0)).ok())
                .and_then(|text: String| serde_json::from_str::<Value>(&text).ok())
                .is_some_and(|facts| facts["id"] == room)
        })
    }
}

/// The database of a room's object while workerd has it open; it can't be opened while a kill is being mended.
pub fn read_only(path: &std::path::Path) -> Option<rusqlite::Connection> {
    rusqlite::Connection::open_with_flags(path, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY).ok()
}

/// `shim.c`, compiled once by the C compiler that Rust links with anyway.
fn shim() -> &'static PathBuf {
    static SHIM: OnceLock<PathBuf> = OnceLock::new();
    SHIM.get_or_init(|| {
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/faults/shim.c");
        let library = std::env::temp_dir().join(format!("chinwag-shim-{}.so", std::process::id()));
        let made =
            Command::new("cc").args(["-shared", "-fPIC", "-O2", source, "-ldl", "-o"]).arg(&library).output();
        let made = made.expect("a C compiler (cc)");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        library
    })
}
