//! `cargo xtask dev`: a whole stack in one folder: Postgres, the migrations, the Worker under `wrangler dev`.
//! It starts, watches, and ends what it started; what wrangler says is read in `wrangler.rs`.
//!
//! `DIR/lock` is held while a stack runs, `DIR/run.json` names what must be ended if we are killed, and
//! `DIR/stack.json` is there only while the stack answers. Tests take Postgres away by making the file
//! `DIR/postgres.hold` and stopping it; it comes back once that file is gone.

use crate::worker::Profile;
use crate::wrangler::Wrangler;
use crate::{build, config, inputs, log, migrate, postgres, process, root, setup, vapid};
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tokio::signal::unix::{SignalKind, signal};

const DEFAULT_PORT: u16 = 8787;
/// wrangler ends in about 0.3 s when asked.
const STOP_MAX: Duration = Duration::from_secs(8);

pub struct Options {
    pub headless: bool,
    /// 0: any free one.
    pub port: u16,
    pub data: PathBuf,
    pub postgres_url: Option<String>,
    /// `HOST:PORT` where the Worker finds Postgres instead: a proxy of the fault tests. Migrations go directly.
    pub worker_postgres: Option<String>,
    pub jwt_secret: Option<String>,
    pub vars: Vec<(String, String)>,
    /// A Worker that is built already; nothing is built or watched then.
    pub worker: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            headless: false,
            port: DEFAULT_PORT,
            data: root().join(".dev"),
            postgres_url: None,
            worker_postgres: None,
            jwt_secret: None,
            vars: Vec::new(),
            worker: None,
        }
    }
}

/// The command `dev`. Returns when the stack was asked to stop, and everything of it is gone.
pub fn run(options: Options) -> Result<()> {
    if let Some(url) = &options.postgres_url
        && migrate::wants_tls(url)?
        && !cfg!(feature = "tls")
    {
        return migrate::rerun_with_tls();
    }
    let start = Instant::now();
    std::fs::create_dir_all(&options.data).with_context(|| format!("making {}", options.data.display()))?;
    let data = options.data.canonicalize()?;
    let _lock = lock_folder(&data)?;
    end_leftover_processes(&data);
    // A folder with a secret in it is never committed, wherever it is.
    inputs::write_atomically(&data.join(".gitignore"), "*\n")?;
    let port = pick_port(options.port)?;
    let features = features();
    match &options.worker {
        Some(built) => {
            setup::ensure_all()?;
            copy_worker(built, &data.join("worker"))?;
        }
        None => build::build_all(&data.join("worker"), &features, Profile::Dev)?,
    }
    // One thread: Linux ties the children's death signal to the thread that started them.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut stack = Stack { data, port, postgres: None, wrangler: None };
        let result = stack.run_until_stopped(&options, &features, start).await;
        stack.stop().await;
        result
    })
}

/// The Worker's features: those of CHINWAG_FEATURES, else the dev sign-in alone.
fn features() -> Vec<String> {
    match std::env::var_os("CHINWAG_FEATURES") {
        Some(_) => build::features_from_env(),
        None => vec!["dev".into()],
    }
}

fn lock_folder(data: &Path) -> Result<std::fs::File> {
    let file = std::fs::File::create(data.join("lock"))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(_) => {
            bail!("a stack is running over {} already: stop it, or give another --data", data.display())
        }
    }
}

/// A killed xtask leaves wrangler and workerd behind. Postgres is seen to where it starts.
fn end_leftover_processes(data: &Path) {
    let _ = std::fs::remove_file(data.join("stack.json"));
    let text = std::fs::read_to_string(data.join("run.json")).unwrap_or_default();
    let run: Value = serde_json::from_str(&text).unwrap_or_default();
    let group = run["wranglerGroup"].as_i64().and_then(|pid| i32::try_from(pid).ok());
    for (pid, command) in group.map(process::group_members).unwrap_or_default() {
        // The number may by now be somebody else's group.
        if command.contains("workerd") || command.contains("wrangler") {
            process::signal(pid, libc::SIGKILL);
            process::wait_until_gone(pid, Duration::from_secs(2));
        }
    }
    let _ = std::fs::remove_file(data.join("run.json"));
}

fn pick_port(wanted: u16) -> Result<u16> {
    if wanted == 0 {
        return process::free_port();
    }
    match std::net::TcpListener::bind(("127.0.0.1", wanted)) {
        Ok(_) => Ok(wanted),
        Err(error) => bail!("port {wanted} can't be had ({error}): stop who has it, or give --port N"),
    }
}

pub fn copy_worker(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for name in ["index.js", "index_bg.wasm"] {
        let file = from.join(name);
        std::fs::copy(&file, to.join(name)).with_context(|| {
            format!("{} is missing: build it with `cargo xtask build --out DIR`", file.display())
        })?;
    }
    Ok(())
}

/// The same database at another place.
fn replace_host(url: &str, place: &str) -> Result<String> {
    let (user, rest) = url.rsplit_once('@').context("the Postgres URL names a user")?;
    let (_, database) = rest.split_once('/').context("the Postgres URL names a database")?;
    Ok(format!("{user}@{place}/{database}"))
}

struct Stack {
    data: PathBuf,
    port: u16,
    postgres: Option<postgres::Postgres>,
    wrangler: Option<Wrangler>,
}

impl Stack {
    async fn run_until_stopped(
        &mut self,
        options: &Options,
        features: &[String],
        start: Instant,
    ) -> Result<()> {
        let (mut interrupt, mut terminate) =
            (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        let mut hangup = signal(SignalKind::hangup())?;
        let running = async {
            let stack = self.start(options, features).await?;
            self.announce(&stack, options.headless, start)?;
            self.watch(stack).await
        };
        tokio::select! {
            result = running => result,
            _ = interrupt.recv() => Ok(()),
            _ = terminate.recv() => Ok(()),
            _ = hangup.recv() => Ok(()),
        }
    }

    /// Starts everything and gives what `stack.json` will say.
    async fn start(&mut self, options: &Options, features: &[String]) -> Result<Value> {
        let postgres_url = match &options.postgres_url {
            Some(url) => url.clone(),
            None => {
                let server = self.postgres.insert(postgres::Postgres::start(&self.data, true).await?);
                postgres::create_database(&server.url("postgres"), "chinwag").await?;
                server.url("chinwag")
            }
        };
        for name in migrate::apply(&postgres_url, &root().join("migrations")).await? {
            log::report_event("migrate", &name);
        }
        // Somebody's own database keeps its roles: the Worker connects as its address says.
        let worker_url = match options.postgres_url {
            Some(_) => postgres_url.clone(),
            None => migrate::let_worker_in(&postgres_url).await?,
        };
        let mut more_secrets = if options.headless { Vec::new() } else { config::read_dev_vars() };
        let has_vapid = more_secrets.iter().any(|(name, _)| name.starts_with("VAPID_"));
        // Tests set what they need: with it every message goes through the queue.
        if !options.headless && !has_vapid {
            more_secrets.extend(vapid::load_or_create(&self.data)?.variables());
        }
        let jwt_secret =
            match (&options.jwt_secret, more_secrets.iter().find(|(name, _)| name == "JWT_SECRET")) {
                (Some(secret), _) | (None, Some((_, secret))) => secret.clone(),
                (None, None) => config::load_or_create_secret(&self.data)?,
            };
        let proxied =
            options.worker_postgres.as_deref().map(|place| replace_host(&worker_url, place)).transpose()?;
        config::write(&config::Stack {
            dir: &self.data,
            postgres_url: proxied.as_deref().unwrap_or(&worker_url),
            jwt_secret: &jwt_secret,
            vars: &options.vars,
            rebuild: options.worker.is_none().then_some(features),
            more_secrets: &more_secrets,
        })?;
        let claims = config::Claims::read(&options.vars)?;
        let wrangler = self.wrangler.insert(Wrangler::start(&self.data, self.port)?);
        inputs::write_atomically(
            &self.data.join("run.json"),
            &json!({ "wranglerGroup": wrangler.pid() }).to_string(),
        )?;
        wrangler.wait_until_ready().await?;
        Ok(json!({
            "url": format!("http://127.0.0.1:{}", self.port),
            "postgresUrl": postgres_url,
            "jwtSecret": jwt_secret,
            "tenantClaim": claims.tenant,
            "rolesClaim": claims.roles,
            "persistDir": self.data.join("wrangler"),
        }))
    }

    fn write_stack(&self, stack: &Value) -> Result<()> {
        let mut stack = stack.clone();
        stack["pids"] = json!({ "wrangler": self.wrangler.as_ref().map(Wrangler::pid) });
        if let Some(pid) = self.postgres.as_ref().and_then(postgres::Postgres::pid) {
            stack["pids"]["postgres"] = json!(pid);
        }
        inputs::write_atomically(&self.data.join("stack.json"), &serde_json::to_string_pretty(&stack)?)
    }

    fn announce(&self, stack: &Value, headless: bool, start: Instant) -> Result<()> {
        self.write_stack(stack)?;
        let url = stack["url"].as_str().unwrap_or_default();
        if headless {
            log::report_event("ready", url);
        } else {
            println!("\n  Chinwag is at {url}   (ready in {}, Ctrl-C stops it)", log::seconds(start));
            println!("  a token: cargo xtask token --sub alice\n");
        }
        Ok(())
    }

    /// Until wrangler ends, which it shouldn't. Postgres comes back by itself.
    async fn watch(&mut self, stack: Value) -> Result<()> {
        loop {
            let wrangler = self.wrangler.as_mut().context("wrangler was started")?;
            let postgres_ended = async {
                match &mut self.postgres {
                    Some(server) => server.wait_until_ended().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                result = wrangler.follow() => return result,
                () = postgres_ended => {}
            }
            log::report_event("postgres", "ended");
            self.restart_postgres().await?;
            self.write_stack(&stack)?;
            log::report_event("postgres", "started again");
        }
    }

    async fn restart_postgres(&mut self) -> Result<()> {
        let hold = self.data.join("postgres.hold");
        let (Some(server), Some(wrangler)) = (&mut self.postgres, &mut self.wrangler) else { return Ok(()) };
        let back = async {
            while hold.exists() {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            server.restart().await
        };
        tokio::select! {
            result = back => result,
            result = wrangler.follow() => result,
        }
    }

    async fn stop(&mut self) {
        let _ = std::fs::remove_file(self.data.join("stack.json"));
        if let Some(wrangler) = self.wrangler.take() {
            wrangler.stop(STOP_MAX).await;
        }
        if let Some(server) = self.postgres.take() {
            server.stop().await;
        }
        let _ = std::fs::remove_file(self.data.join("run.json"));
    }
}
