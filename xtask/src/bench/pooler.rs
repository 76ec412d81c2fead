//! PgBouncer between a bench's Worker and its Postgres, with transaction pooling as Hyperdrive has it: opening a backend
//! a connection is not what production does. Debian's package; where it is not installed the bench goes without, and the
//! report says so.

use super::server::pin_to;
use crate::{inputs, log, process};
use anyhow::{Context, Result, ensure};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

const START_MAX: Duration = Duration::from_secs(10);
/// As many as Hyperdrive opens on its smaller plan.
const BACKENDS: usize = 20;

pub struct Pooler {
    child: tokio::process::Child,
    pub url: String,
}

impl Pooler {
    /// `None`: PgBouncer is not installed.
    pub async fn start(dir: &Path, database_url: &str, core: Option<usize>) -> Result<Option<Pooler>> {
        let (credentials, place) = database_url
            .strip_prefix("postgres://")
            .and_then(|rest| rest.split_once('@'))
            .context("a Postgres URL with a user")?;
        let (address, database) = place.split_once('/').context("a Postgres URL with a database")?;
        let (host, postgres_port) = address.split_once(':').context("a Postgres URL with a port")?;
        let (user, _) = credentials.split_once(':').unwrap_or((credentials, ""));
        let port = process::free_port()?;
        let config = format!(
            "[databases]\n{database} = host={host} port={postgres_port} user={user}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
             listen_port = {port}\nunix_socket_dir =\nauth_type = any\npool_mode = transaction\n\
             default_pool_size = {BACKENDS}\nmax_client_conn = 2000\nignore_startup_parameters = extra_float_digits,options\n\
             log_connections = 0\nlog_disconnections = 0\n"
        );
        let path = dir.join("pgbouncer.ini");
        inputs::write_atomically(&path, &config)?;
        let log_path = dir.join("pgbouncer.log");
        let out = std::fs::File::create(&log_path)?;
        let mut command = tokio::process::Command::new("pgbouncer");
        // It refuses to run as root.
        // SAFETY: geteuid takes nothing and can't fail.
        if unsafe { libc::geteuid() } == 0 {
            command.args(["-u", "nobody"]);
        }
        command.arg(&path).stdin(Stdio::null()).stdout(out.try_clone()?).stderr(out);
        process::put_in_own_group(&mut command, libc::SIGKILL);
        pin_to(&mut command, core);
        let child = match command.spawn() {
            Ok(child) => child,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).context("cannot run pgbouncer"),
        };
        let mut pooler =
            Pooler { child, url: format!("postgres://{credentials}@127.0.0.1:{port}/{database}") };
        let start = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            let ended = pooler.child.try_wait()?;
            ensure!(
                ended.is_none() && start.elapsed() < START_MAX,
                "pgbouncer won't start; its output:\n{}",
                log::read_tail(&log_path, 10)
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(Some(pooler))
    }

    pub async fn stop(mut self) {
        let _ = self.child.kill().await;
    }
}
