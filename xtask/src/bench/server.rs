//! Bare `workerd serve` for a bench, its configuration, and the cores that who runs on.
//! Not here: what is asked of it (`bench.rs`).

use super::{Rig, platform};
use crate::{config, log, process, setup, vapid};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

const READY_MAX: Duration = Duration::from_secs(20);

pub struct Server {
    child: tokio::process::Child,
    pub port: u16,
    pub log: PathBuf,
}

impl Server {
    /// Runs `dir/workerd.capnp` and waits until it listens.
    pub async fn start(dir: &Path, port: u16, core: Option<usize>) -> Result<Server> {
        let mut command = tokio::process::Command::new(setup::workerd());
        command.args(["serve", "--experimental", "workerd.capnp"]).current_dir(dir);
        Server::spawn(command, dir, port, core).await
    }

    /// Runs `command` and waits until it listens.
    pub async fn spawn(
        mut command: tokio::process::Command,
        dir: &Path,
        port: u16,
        core: Option<usize>,
    ) -> Result<Server> {
        let log = dir.join("server.log");
        let out = std::fs::File::create(&log)?;
        command.stdin(Stdio::null()).stdout(out.try_clone()?).stderr(out);
        process::put_in_own_group(&mut command, libc::SIGKILL);
        pin_to(&mut command, core);
        let mut server = Server { child: command.spawn().context("cannot run the server")?, port, log };
        let start = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            let ended = server.child.try_wait()?;
            ensure!(
                ended.is_none() && start.elapsed() < READY_MAX,
                "the server won't serve; its output:\n{}",
                log::read_tail(&server.log, 10)
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(server)
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<std::process::ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    pub fn pid(&self) -> Result<u32> {
        self.child.id().context("workerd ended")
    }

    pub async fn stop(mut self) {
        let _ = self.child.kill().await;
    }
}

/// This Worker as wrangler.toml has it, on this Postgres, but for its rates, its bucket and its queue.
pub fn our_config(rig: &Rig, port: u16) -> Result<String> {
    config_of(rig, port, None)
}

/// Where the objects of a Worker with its rates and a bucket are.
#[derive(Clone, Copy)]
pub enum Objects {
    /// In its own process, and others may call them at this port.
    Here(u16),
    /// In the process that serves them at this port.
    There(u16),
}

/// The same with its rates, and with a bucket. `platform::write` writes what these are.
pub fn limited_config(rig: &Rig, port: u16, objects: Objects) -> Result<String> {
    config_of(rig, port, Some(objects))
}

fn config_of(rig: &Rig, port: u16, limited: Option<Objects>) -> Result<String> {
    let is_limited = limited.is_some();
    let toml = config::read_wrangler_toml()?;
    let mut vars = toml["vars"].as_object().context("[vars] in wrangler.toml")?.clone();
    if !is_limited {
        vars.insert("LIMITS".into(), json!(config::NO_RATES));
    }
    vars.insert("JWT_SECRET".into(), json!(rig.secret));
    let (hyperdrive, mut services) = hyperdrive(&rig.worker_url)?;
    let mut bindings = vec![hyperdrive];
    let mut extensions = "";
    if is_limited {
        for (name, value) in vapid::Pair::new()?.variables() {
            vars.insert(name, json!(value));
        }
        bindings.extend(platform::bindings(&toml)?);
        services += platform::SERVICES;
        extensions = platform::EXTENSIONS;
    }
    for (name, value) in &vars {
        let value = value.as_str().with_context(|| format!("the var {name} is no text"))?;
        bindings.push(format!("(name = {}, text = {})", quoted(name), quoted(value)));
    }
    let objects =
        toml["durable_objects"]["bindings"].as_array().context("durable_objects in wrangler.toml")?;
    let text = |object: &Value, name: &str| object[name].as_str().unwrap_or_default().to_owned();
    let mut objects: Vec<_> = objects.iter().map(|o| (text(o, "name"), text(o, "class_name"))).collect();
    let mut sockets = String::new();
    match limited {
        None => {}
        Some(Objects::Here(objects_port)) => {
            services += &platform::object_service(&objects);
            sockets = format!(
                r#", (name = "object_service", address = "127.0.0.1:{objects_port}", http = (), service = "object_service")"#
            );
        }
        Some(Objects::There(objects_port)) => {
            let (theirs, service) = platform::objects_behind(objects_port, &std::mem::take(&mut objects));
            bindings.extend(theirs);
            services += &service;
        }
    }
    let modules = r#"(name = "index.js", esModule = embed "index.js"), (name = "index_bg.wasm", wasm = embed "index_bg.wasm")"#;
    let parts = Parts { modules, bindings, objects, services, sockets, extensions };
    workerd_config(port, &toml, parts)
}

/// A JavaScript object; with a Postgres URL it has a Hyperdrive binding as well.
pub fn baseline_config(port: u16, postgres_url: Option<&str>) -> Result<String> {
    let modules = r#"(name = "index.js", esModule = embed "index.js")"#;
    let objects = vec![("ROOM".into(), "Room".into())];
    let (bindings, services) = match postgres_url {
        None => (Vec::new(), String::new()),
        Some(url) => hyperdrive(url).map(|(binding, service)| (vec![binding], service))?,
    };
    let parts = Parts { modules, bindings, objects, services, sockets: String::new(), extensions: "" };
    workerd_config(port, &config::read_wrangler_toml()?, parts)
}

/// The binding HYPERDRIVE and the service behind it.
fn hyperdrive(postgres_url: &str) -> Result<(String, String)> {
    let url = postgres_url.strip_prefix("postgres://").context("a Postgres URL")?;
    let (credentials, rest) = url.split_once('@').context("a Postgres URL with a user")?;
    let (user, password) = credentials.split_once(':').context("a Postgres URL with a password")?;
    let (address, database) = rest.split_once('/').context("a Postgres URL with a database")?;
    let binding = format!(
        "(name = \"HYPERDRIVE\", hyperdrive = (designator = \"postgres\", database = {}, user = {}, password = {}, \
         scheme = \"postgres\"))",
        quoted(database),
        quoted(user),
        quoted(password)
    );
    Ok((binding, format!(r#"(name = "postgres", external = (address = {}, tcp = ()))"#, quoted(address))))
}

/// In what the two configurations differ, in Cap'n Proto's text form but for `objects`.
struct Parts {
    modules: &'static str,
    bindings: Vec<String>,
    /// Name and class.
    objects: Vec<(String, String)>,
    services: String,
    /// Beside the Worker's own.
    sockets: String,
    extensions: &'static str,
}

/// What both have in common: date, flags, objects that keep SQLite on disk.
fn workerd_config(port: u16, toml: &Value, parts: Parts) -> Result<String> {
    let Parts { modules, mut bindings, objects, services, sockets, extensions } = parts;
    let mut namespaces = Vec::new();
    for (name, class) in &objects {
        let (name, class) = (quoted(name), quoted(class));
        bindings.push(format!("(name = {name}, durableObjectNamespace = {class})"));
        namespaces.push(format!("(className = {class}, uniqueKey = {class}, enableSql = true)"));
    }
    let flags = toml["compatibility_flags"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let flags = flags.map(quoted).collect::<Vec<_>>().join(", ");
    let date = quoted(toml["compatibility_date"].as_str().context("compatibility_date in wrangler.toml")?);
    Ok(format!(
        r#"using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "worker", worker = .worker),
    (name = "storage", disk = (path = "storage", writable = true)),
    {services}
  ],
  sockets = [(name = "http", address = "127.0.0.1:{port}", http = (), service = "worker"){sockets}],
  {extensions}
);
const worker :Workerd.Worker = (
  modules = [{modules}],
  compatibilityDate = {date},
  compatibilityFlags = [{flags}],
  bindings = [
    {bindings}
  ],
  durableObjectNamespaces = [{namespaces}],
  durableObjectStorage = (localDisk = "storage")
);
"#,
        bindings = bindings.join(",\n    "),
        namespaces = namespaces.join(", "),
    ))
}

/// A string as Cap'n Proto's text form writes it; JSON's is the same for what stands in a configuration.
pub fn quoted(text: &str) -> String {
    json!(text).to_string()
}

/// What a process and all below it have used of the processors, those that have ended included. Linux only.
pub fn tree_cpu_us(root: u32) -> Result<u64> {
    // Of each process: its parent, and what it and its ended children used, in ticks.
    let mut processes = std::collections::HashMap::new();
    for entry in std::fs::read_dir("/proc")?.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        // It may have ended meanwhile.
        let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) else { continue };
        let Some((_, fields)) = stat.rsplit_once(')') else { continue };
        let fields: Vec<u64> =
            fields.split_whitespace().map(|field| field.parse().unwrap_or_default()).collect();
        let (Some(parent), Some(ticks)) = (fields.get(1), fields.get(11..15)) else { continue };
        processes.insert(pid, (u32::try_from(*parent)?, ticks.iter().sum::<u64>()));
    }
    let is_below = |mut pid: u32| {
        while let Some((parent, _)) = processes.get(&pid) {
            if pid == root {
                return true;
            }
            pid = *parent;
        }
        false
    };
    let ticks: u64 = processes.iter().filter(|(pid, _)| is_below(**pid)).map(|(_, (_, ticks))| ticks).sum();
    // SAFETY: sysconf takes no pointers.
    let per_s = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
    Ok(ticks * 1_000_000 / u64::try_from(per_s)?.max(1))
}

// --- Cores --------------------------------------------------------------------------------------

/// Two of the cores that we may use: one for the server, one for the rest.
#[cfg(target_os = "linux")]
pub fn cores() -> Option<(usize, usize)> {
    // SAFETY: a cpu_set_t is plain bits, written whole by sched_getaffinity.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: the length that is passed is the size of `set`.
    if unsafe { libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &mut set) } != 0 {
        return None;
    }
    // SAFETY: `core` is below the set's size.
    let mut ours = (0..libc::CPU_SETSIZE as usize).filter(|core| unsafe { libc::CPU_ISSET(*core, &set) });
    ours.next().zip(ours.next())
}

/// Binds a process (0: the one that calls), and what it starts later, to a core.
#[cfg(target_os = "linux")]
pub fn pin(pid: i32, core: usize) -> std::io::Result<()> {
    // SAFETY: as above; `core` came from `cores`.
    let bound = unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(core, &mut set);
        libc::sched_setaffinity(pid, size_of::<libc::cpu_set_t>(), &set)
    };
    if bound == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
}

/// Lets a thread (0: the one that calls) run before everybody else's programs: on a machine that others use, whoever needs
/// a whole core otherwise waits for them, and its latency is theirs. False where that is not allowed.
#[cfg(target_os = "linux")]
pub fn run_first(thread: i32) -> bool {
    let priority = libc::sched_param { sched_priority: 1 };
    // SAFETY: the pointer is to what lives here.
    unsafe { libc::sched_setscheduler(thread, libc::SCHED_RR, &priority) == 0 }
}

#[cfg(not(target_os = "linux"))]
pub fn run_first(_thread: i32) -> bool {
    false
}

#[cfg(not(target_os = "linux"))]
pub fn cores() -> Option<(usize, usize)> {
    None
}

#[cfg(not(target_os = "linux"))]
pub fn pin(_pid: i32, _core: usize) -> std::io::Result<()> {
    Ok(())
}

pub fn pin_to(command: &mut tokio::process::Command, core: Option<usize>) {
    let Some(core) = core else { return };
    // SAFETY: sched_setaffinity is a bare system call and touches only the new process.
    unsafe {
        command.pre_exec(move || pin(0, core));
    }
}
