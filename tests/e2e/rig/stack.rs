//! A whole stack (Worker under `wrangler dev`, Postgres) through `cargo xtask dev`, and every way to hurt it.
//! Not here: who talks to it (`tenant`, `client`).

use super::processes::{self, SIGCONT, SIGINT, SIGKILL, SIGSTOP};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// A stack's first start makes a database and compiles the Worker's WASM, on a machine that is busy.
const START_MAX: Duration = Duration::from_secs(120);
const STOP_MAX: Duration = Duration::from_secs(30);
/// The page of an allowed app; the stacks of these tests know it.
pub const APP_ORIGIN: &str = "https://app.example.com";

pub struct Stack {
    /// `127.0.0.1:port`.
    pub host: String,
    pub postgres_url: String,
    pub secret: String,
    pub tenant_claim: String,
    pub persist_dir: PathBuf,
    pub dir: PathBuf,
    setting: Setting,
    child: Mutex<Child>,
}

/// What a stack is started with beyond the ordinary.
#[derive(Clone, Default)]
pub struct Setting {
    /// `NAME=VALUE` for the Worker.
    pub vars: Vec<String>,
    /// `HOST:PORT` of a proxy through which the Worker reaches Postgres.
    pub worker_postgres: Option<String>,
    /// Environment of all its processes.
    pub env: Vec<(String, String)>,
}

/// Those that run, to be stopped when the test binary ends.
static RUNNING: Mutex<Vec<Arc<Stack>>> = Mutex::new(Vec::new());

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

extern "C" fn stop_all() {
    for stack in locked(&RUNNING).drain(..) {
        let left = stack.end();
        if !left.is_empty() {
            eprintln!("left running after the stack in {} was stopped: {left:?}", stack.dir.display());
        }
        stack.forget();
    }
}

/// The stack of all tests that do no harm. They keep apart by their tenants, and run at the same time.
pub fn shared() -> Arc<Stack> {
    static SHARED: OnceLock<Arc<Stack>> = OnceLock::new();
    SHARED.get_or_init(|| Stack::start(&[])).clone()
}

/// A stack on which one person may say thousands of things a second, for tests that do no harm.
pub fn loud() -> Arc<Stack> {
    static LOUD: OnceLock<Arc<Stack>> = OnceLock::new();
    LOUD.get_or_init(|| Stack::start(&[NO_RATES])).clone()
}

/// The stack of those tests that stop, kill and lose things: one at a time.
pub async fn fragile() -> tokio::sync::MutexGuard<'static, Option<Arc<Stack>>> {
    static FRAGILE: tokio::sync::Mutex<Option<Arc<Stack>>> = tokio::sync::Mutex::const_new(None);
    let mut slot = FRAGILE.lock().await;
    let stack = slot.get_or_insert_with(|| Stack::start(&[NO_RATES]));
    // The one before may have failed with Postgres away.
    stack.postgres_answers().await;
    slot
}

/// `application_name` of the tests' own connections.
pub const TEST_CONNECTION: &str = "chinwag-test";
/// What a stack has that sets no limits of its own: the edge counts nobody, as one person here does the work of many.
const NO_EDGE_RATES: &str = r#"LIMITS={"doorRates":false}"#;
/// Lifts the rates of a person; only typing, which nobody does there in earnest, is once in 50 s.
pub const NO_RATES: &str = r#"LIMITS={"messagesPerS":100000,"messagesBurst":100000,"reactionsPerS":100000,"reactionsBurst":100000,"framesPerS":100000,"framesBurst":100000,"pagesPerS":100000,"pagesBurst":100000,"typingPerS":0.02,"typingBurst":1,"doorRates":false}"#;

/// A new folder for a stack.
pub fn folder() -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let dir = std::env::temp_dir().join(format!("chinwag-e2e-{}-{number}", std::process::id()));
    std::fs::create_dir_all(&dir).expect("a folder for the stack");
    dir
}

impl Stack {
    /// A stack of one's own, with vars as `NAME=VALUE`.
    pub fn start(vars: &[&str]) -> Arc<Stack> {
        let vars = vars.iter().map(|var| (*var).to_owned()).collect();
        Self::start_with(folder(), Setting { vars, ..Setting::default() })
    }

    pub fn start_with(dir: PathBuf, setting: Setting) -> Arc<Stack> {
        static AT_EXIT: OnceLock<()> = OnceLock::new();
        AT_EXIT.get_or_init(|| processes::at_exit(stop_all));
        let xtask = std::env::var_os("CHINWAG_XTASK")
            .expect("CHINWAG_XTASK names no xtask: run these tests by `cargo xtask test --only e2e`");
        let mut command = Command::new(xtask);
        command.args(["dev", "--headless", "--no-build", "--port", "0", "--data"]).arg(&dir);
        command.args(["--var", &format!("ALLOWED_ORIGINS={APP_ORIGIN}")]);
        let has_limits = setting.vars.iter().any(|var| var.starts_with("LIMITS="));
        let limits = (!has_limits).then_some(NO_EDGE_RATES);
        for var in setting.vars.iter().map(String::as_str).chain(limits) {
            command.args(["--var", var]);
        }
        if let Some(place) = &setting.worker_postgres {
            command.args(["--worker-postgres", place]);
        }
        command.envs(setting.env.iter().cloned());
        let log = std::fs::File::options().create(true).append(true).open(dir.join("xtask.log"));
        let log = log.expect("the stack's log");
        command.stdin(Stdio::null()).stdout(log.try_clone().expect("the log again")).stderr(log);
        let file = dir.join("stack.json");
        let _ = std::fs::remove_file(&file);
        let mut child = processes::spawn(command).expect("xtask starts");
        let start = Instant::now();
        let stack: Value = loop {
            if let Some(stack) = std::fs::read(&file).ok().and_then(|text| serde_json::from_slice(&text).ok())
            {
                break stack;
            }
            let ended = child.try_wait().expect("xtask is our child");
            let late = start.elapsed() > START_MAX;
            assert!(ended.is_none() && !late, "the stack doesn't start: {ended:?}\n{}", tail(&dir));
            std::thread::sleep(Duration::from_millis(50));
        };
        let text = |name: &str| stack[name].as_str().unwrap_or_else(|| panic!("{name}: {stack}")).to_owned();
        let stack = Arc::new(Stack {
            host: text("url").trim_start_matches("http://").trim_end_matches('/').to_owned(),
            postgres_url: text("postgresUrl"),
            secret: text("jwtSecret"),
            tenant_claim: text("tenantClaim"),
            persist_dir: text("persistDir").into(),
            dir,
            setting,
            child: Mutex::new(child),
        });
        locked(&RUNNING).push(stack.clone());
        stack
    }

    pub fn pid(&self, name: &str) -> i32 {
        let text = std::fs::read(self.dir.join("stack.json")).expect("the stack runs");
        let stack: Value = serde_json::from_slice(&text).expect("stack.json");
        let pid = stack["pids"][name].as_i64().unwrap_or_else(|| panic!("no pid of {name}: {stack}"));
        i32::try_from(pid).expect("a pid")
    }

    /// Interrupts xtask, waits for it, and gives what is left of all that it had started.
    fn end(&self) -> Vec<i32> {
        let mut child = locked(&self.child);
        let pid = child.id().cast_signed();
        let below = processes::descendants(pid);
        processes::signal(pid, SIGINT);
        let start = Instant::now();
        while child.try_wait().is_ok_and(|status| status.is_none()) && start.elapsed() < STOP_MAX {
            std::thread::sleep(Duration::from_millis(50));
        }
        let _ = child.kill();
        let _ = child.wait();
        below.into_iter().filter(|pid| processes::runs(*pid)).collect()
    }

    fn forget(&self) {
        if std::env::var_os("CHINWAG_KEEP").is_none() {
            let _ = std::fs::remove_dir_all(&self.dir);
        }
    }

    /// Ctrl-C. Everything it had started is gone afterwards, and its data is still there.
    pub fn stop(self: Arc<Self>) -> Stopped {
        locked(&RUNNING).retain(|other| !Arc::ptr_eq(other, &self));
        let left = self.end();
        assert!(
            left.is_empty(),
            "left running: {:?}",
            left.iter().map(|pid| processes::name(*pid)).collect::<Vec<_>>()
        );
        assert!(!self.dir.join("stack.json").exists(), "stack.json outlives its stack");
        Stopped {
            dir: self.dir.clone(),
            persist_dir: self.persist_dir.clone(),
            setting: self.setting.clone(),
        }
    }

    /// SIGKILL for the process that runs the Worker. Returns when wrangler has started another one: that one killed
    /// while it starts, wrangler gives up.
    pub async fn kill_runtime(&self) {
        let killed = self.runtime().expect("one workerd that isn't the proxy");
        assert!(processes::signal(killed, SIGKILL), "killed");
        self.another_runtime(killed).await;
    }

    /// Waits until a runtime that isn't `killed` answers.
    pub async fn another_runtime(&self, killed: i32) {
        super::eventually("another runtime answers", STOP_MAX, || async {
            self.runtime().filter(|pid| *pid != killed)?;
            let health = super::http::request(&self.host, "GET", "/api/chat/health", &[], None).await.ok()?;
            (health.status == 200).then_some(())
        })
        .await;
    }

    /// The process that runs the Worker.
    pub fn runtime(&self) -> Option<i32> {
        let port = self.host.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).expect("a port");
        let below = processes::descendants(self.pid("wrangler"));
        let mut runtimes =
            below.into_iter().filter(|pid| processes::name(*pid) == "workerd" && processes::runs(*pid));
        // The other one is wrangler's proxy, which has the port.
        runtimes.find(|pid| !processes::listens(*pid, port))
    }

    /// Stops Postgres and keeps it stopped.
    pub fn stop_postgres(&self) -> Away<'_> {
        let pid = self.pid("postgres");
        std::fs::write(self.dir.join("postgres.hold"), "").expect("the hold");
        let away = Away { stack: self, frozen: Vec::new() };
        processes::signal(pid, SIGINT);
        let start = Instant::now();
        while processes::runs(pid) {
            assert!(start.elapsed() < STOP_MAX, "Postgres stops");
            std::thread::sleep(Duration::from_millis(20));
        }
        away
    }

    /// A black hole: connections to Postgres are accepted, and nobody ever says a word.
    pub fn freeze_postgres(&self) -> Away<'_> {
        let pid = self.pid("postgres");
        assert!(processes::signal(pid, SIGSTOP), "frozen");
        // Each backend is a process group of its own. The postmaster, frozen first, makes no more of them.
        let mut frozen = processes::descendants(pid);
        frozen.retain(|backend| processes::signal(*backend, SIGSTOP));
        frozen.push(pid);
        Away { stack: self, frozen }
    }

    pub async fn postgres_answers(&self) {
        super::eventually("Postgres answers", STOP_MAX, || async {
            tokio_postgres::connect(&self.postgres_url, tokio_postgres::NoTls).await.ok().map(drop)
        })
        .await;
    }

    /// A connection of one's own, for looking at the tables.
    pub async fn sql(&self) -> tokio_postgres::Client {
        self.try_sql().await.expect("Postgres")
    }

    /// What the tests ask isn't what they hurt: it has a name, and time limits don't hold for it.
    pub async fn try_sql(&self) -> Result<tokio_postgres::Client, tokio_postgres::Error> {
        let mut config: tokio_postgres::Config = self.postgres_url.parse().expect("a Postgres URL");
        config.application_name(TEST_CONNECTION).connect_timeout(Duration::from_secs(2));
        config.options("-c statement_timeout=0 -c default_transaction_read_only=off");
        let (client, connection) = config.connect(tokio_postgres::NoTls).await?;
        tokio::spawn(connection);
        Ok(client)
    }

    /// When the room's next alarm is due, in nanoseconds since 1970; `None` when there is none.
    pub fn alarm(&self, room: &str) -> Option<i64> {
        let path = self.persist_dir.join("v3/do/chinwag-ChatRoom/metadata.sqlite");
        let db = rusqlite::Connection::open_with_flags(path, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY);
        let db = db.expect("the alarms' database");
        let sql = "SELECT scheduled_time FROM _cf_ALARM WHERE actor_name LIKE '%' || ?1 || '%'";
        let mut statement = db.prepare(sql).expect("the alarms' table");
        let mut rows = statement.query([room]).expect("alarms");
        rows.next().expect("alarms").map(|row| row.get(0).expect("a time"))
    }

    /// The databases of all rooms that have one.
    pub fn room_files(&self) -> Vec<PathBuf> {
        object_files(&self.persist_dir, "ChatRoom")
    }

    /// The databases of all objects of a class.
    pub fn object_files(&self, class: &str) -> Vec<PathBuf> {
        object_files(&self.persist_dir, class)
    }

    /// The whole log of this stack: what the Worker logs, as xtask prints it.
    pub fn log(&self) -> String {
        let read = |name: &str| std::fs::read_to_string(self.dir.join(name)).unwrap_or_default();
        read("wrangler.log") + &read("xtask.log")
    }
}

/// While this lives Postgres is away; also after a test that fails it comes back, for the next one.
pub struct Away<'a> {
    stack: &'a Stack,
    frozen: Vec<i32>,
}

impl Away<'_> {
    /// It answers when this returns.
    pub async fn back(self) {
        let stack = self.stack;
        drop(self);
        stack.postgres_answers().await;
    }
}

impl Drop for Away<'_> {
    fn drop(&mut self) {
        for pid in &self.frozen {
            processes::signal(*pid, SIGCONT);
        }
        let _ = std::fs::remove_file(self.stack.dir.join("postgres.hold"));
    }
}

/// A stack's data while it doesn't run.
pub struct Stopped {
    dir: PathBuf,
    pub persist_dir: PathBuf,
    setting: Setting,
}

impl Stopped {
    pub fn start(self) -> Arc<Stack> {
        Stack::start_with(self.dir, self.setting)
    }

    /// Removes the storage of one room's object, as if it had never been.
    pub fn lose_room(&self, room: &str) {
        let lost = self.file_of(room);
        for suffix in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(format!("{}{suffix}", lost.display()));
        }
    }

    /// Changes one row of a room's storage.
    pub fn in_room(&self, room: &str, sql: &str) {
        let db = rusqlite::Connection::open(self.file_of(room)).expect("the room's storage");
        assert_eq!(db.execute(sql, []).expect("changed"), 1, "{sql}");
    }

    fn file_of(&self, room: &str) -> PathBuf {
        let holds = |path: &PathBuf| facts(path).is_some_and(|facts| facts["id"] == room);
        let mut files: Vec<PathBuf> =
            object_files(&self.persist_dir, "ChatRoom").into_iter().filter(holds).collect();
        assert_eq!(files.len(), 1, "one object is the room {room}: {files:?}");
        files.remove(0)
    }
}

/// What a room's object says of itself.
pub fn facts(path: &Path) -> Option<Value> {
    let db = rusqlite::Connection::open(path).ok()?;
    let text: String = db.query_row("SELECT value FROM state WHERE id = 2", [], |row| row.get(0)).ok()?;
    serde_json::from_str(&text).ok()
}

fn object_files(dir: &Path, class: &str) -> Vec<PathBuf> {
    let (mut folders, mut files) = (vec![dir.to_path_buf()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|kind| kind == "sqlite")
                && path.file_stem().is_some_and(|name| name != "metadata")
                && folder.to_string_lossy().ends_with(&format!("chinwag-{class}"))
            {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

fn tail(dir: &Path) -> String {
    let text = std::fs::read_to_string(dir.join("xtask.log")).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(30)..].join("\n")
}
