//! `cargo xtask bench`: this Worker in turns with a JavaScript object that only broadcasts, each on bare `workerd serve`
//! with the same load, on the same cores. The load and what it checks are in bench/; what a run is, and what the
//! numbers are compared by, is here. Linux only: it reads /proc and pins processes to cores.

use crate::log::{self, say, step};
use crate::{build, config, dev, inputs, migrate, postgres, process, root, setup, token};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt;

const SOCKETS: usize = 200;
const SENDERS: usize = 5;
/// Messages that a sender has sent and not heard yet.
const UNDER_WAY: usize = 4;
const CONTENT_BYTES: usize = 100;
const WARM_UP_MS: u64 = 2_000;
const MEASURE_MS: u64 = 8_000;
/// The load is on few people; nothing else of the limits changes.
const LIMITS: &str = r#"{"messagesPerS":1e6,"messagesBurst":1000000,"framesPerS":1e6,"framesBurst":1000000}"#;
/// Issue 3, section 8: at least so many times the baseline's deliveries, and at most its CPU over this.
const FACTOR_MIN: f64 = 3.0;
const SERVER_READY_MAX: Duration = Duration::from_secs(20);
/// What Postgres may lag behind at a run's end before it counts as lost.
const PROJECTED_MAX: Duration = Duration::from_secs(60);

pub struct Options {
    /// A Worker that is built already; else the one that would be deployed.
    pub worker: Option<PathBuf>,
    pub runs: usize,
}

impl Default for Options {
    fn default() -> Options {
        Options { worker: None, runs: 3 }
    }
}

/// The command `bench`.
pub fn run(options: &Options) -> Result<()> {
    ensure!(
        cfg!(target_os = "linux"),
        "the bench reads /proc and pins processes to cores: it runs on Linux only"
    );
    let tools = setup::all()?;
    let worker = match &options.worker {
        Some(built) => std::path::absolute(built)?,
        None => {
            let out = root().join("build");
            build::worker(&tools, &out, &[], build::Make::Release)?;
            out
        }
    };
    step("the load", || {
        let cargo = ["build", "--quiet", "--release", "--package", "chinwag-bench"];
        process::show(Command::new("cargo").args(cargo).current_dir(root()))
    })?;
    let dir = root().join("target/bench");
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir)?;
    // One thread: Linux ties the children's death signal to the thread that started them.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let results = runtime.block_on(async {
        let server = postgres::Postgres::start(&dir, true).await?;
        let measured = all_runs(&Rig::new(&dir, &worker, &server)?, &server, options.runs).await;
        server.stop().await;
        measured
    })?;
    let report = report(&results)?;
    println!("\n{report}");
    let path = root().join("bench/results/one-room.md");
    std::fs::create_dir_all(path.parent().context("a folder")?)?;
    std::fs::write(&path, &report)?;
    say(&format!("written to {}", path.display()));
    results.judge()
}

/// What the runs of one bench share.
struct Rig<'a> {
    dir: &'a Path,
    worker: &'a Path,
    secret: String,
    tenant_claim: String,
    database_url: String,
    /// The server's core, and that of the load and Postgres. `None`: the machine has only one.
    cores: Option<(usize, usize)>,
}

impl<'a> Rig<'a> {
    fn new(dir: &'a Path, worker: &'a Path, server: &postgres::Postgres) -> Result<Self> {
        let cores = cores();
        if let (Some((_, load)), Some(pid)) = (cores, server.pid()) {
            pin(pid.cast_signed(), load)?;
        }
        Ok(Rig {
            dir,
            worker,
            secret: config::kept_secret(dir)?,
            tenant_claim: config::tenant_claim(&[])?,
            database_url: server.url("chinwag"),
            cores,
        })
    }

    fn token(&self, user: &str) -> Result<String> {
        let options = token::Options { sub: user.into(), tenant: "bench".into(), ..Default::default() };
        token::signed(&options, &self.tenant_claim, &self.secret)
    }
}

struct Results {
    baseline: Vec<Value>,
    ours: Vec<Value>,
    pinned: bool,
}

async fn all_runs(rig: &Rig<'_>, server: &postgres::Postgres, runs: usize) -> Result<Results> {
    ensure!(runs > 0, "--runs 0 measures nothing");
    postgres::create_database(&server.url("postgres"), "chinwag").await?;
    migrate::apply(&rig.database_url, &root().join("migrations")).await?;
    let mut results = Results { baseline: Vec::new(), ours: Vec::new(), pinned: rig.cores.is_some() };
    for run in 1..=runs {
        let ours = our_run(rig, run).await.with_context(|| format!("run {run} of this Worker"))?;
        say(&line(run, "this Worker", &ours));
        // The baseline hands on events of the very size that ours has.
        let event_bytes = number(&ours, "eventBytes").round();
        let baseline = baseline_run(rig, run, event_bytes).await;
        let baseline = baseline.with_context(|| format!("run {run} of the baseline"))?;
        say(&line(run, "the baseline", &baseline));
        results.ours.push(ours);
        results.baseline.push(baseline);
    }
    Ok(results)
}

async fn our_run(rig: &Rig<'_>, run: usize) -> Result<Value> {
    let dir = rig.dir.join(format!("ours-{run}"));
    std::fs::create_dir_all(dir.join("storage"))?;
    dev::copy_worker(rig.worker, &dir)?;
    let port = process::free_port()?;
    inputs::write_whole(&dir.join("workerd.capnp"), &our_config(rig, port)?)?;
    let server = Server::start(&dir, port, rig.cores.map(|(server, _)| server)).await?;
    let users: Vec<String> = (0..SOCKETS).map(|at| format!("user-{at}")).collect();
    let room = create_room(rig, port, &users)?;
    let sockets = users.iter().map(|user| {
        Ok(json!([format!("/chat?roomId={room}&history=0"), format!("chat.v1, bearer.{}", rig.token(user)?)]))
    });
    let sockets = sockets.collect::<Result<Vec<_>>>()?;
    let mut measured = load(rig, &server, sockets, None).await?;
    let start = Instant::now();
    all_in_postgres(&rig.database_url, &room, &measured).await?;
    measured["postgresBehindMs"] = json!(start.elapsed().as_millis() as u64);
    server.stop().await;
    Ok(measured)
}

async fn baseline_run(rig: &Rig<'_>, run: usize, event_bytes: f64) -> Result<Value> {
    let dir = rig.dir.join(format!("baseline-{run}"));
    std::fs::create_dir_all(dir.join("storage"))?;
    std::fs::copy(root().join("bench/baseline/index.js"), dir.join("index.js"))?;
    let port = process::free_port()?;
    inputs::write_whole(&dir.join("workerd.capnp"), &baseline_config(port)?)?;
    let server = Server::start(&dir, port, rig.cores.map(|(server, _)| server)).await?;
    let sockets = vec![json!(["/chat?roomId=bench", null]); SOCKETS];
    let measured = load(rig, &server, sockets, Some(event_bytes as u64)).await?;
    server.stop().await;
    Ok(measured)
}

/// One run of bench/'s program: what it measured.
async fn load(
    rig: &Rig<'_>,
    server: &Server,
    sockets: Vec<Value>,
    event_bytes: Option<u64>,
) -> Result<Value> {
    let plan = json!({
        "port": server.port, "serverPid": server.pid()?, "sockets": sockets, "senders": SENDERS,
        "underWay": UNDER_WAY, "contentBytes": CONTENT_BYTES, "eventBytes": event_bytes,
        "warmUpMs": WARM_UP_MS, "measureMs": MEASURE_MS,
    });
    let mut command = tokio::process::Command::new(root().join("target/release/chinwag-bench"));
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    process::own_group(&mut command, libc::SIGKILL);
    pin_to(&mut command, rig.cores.map(|(_, load)| load));
    let mut child = command.spawn().context("cannot run the load")?;
    let mut stdin = child.stdin.take().context("its input")?;
    stdin.write_all(plan.to_string().as_bytes()).await?;
    drop(stdin);
    let output = child.wait_with_output().await?;
    ensure!(
        output.status.success(),
        "the load failed, see above; the end of the server's output:\n{}",
        log::tail(&server.log, 10)
    );
    serde_json::from_slice(&output.stdout).context("what the load measured")
}

/// Waits until Postgres holds every message that was sent, each once.
async fn all_in_postgres(url: &str, room: &str, measured: &Value) -> Result<()> {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await?;
    let connection = tokio::spawn(connection);
    let (start, sent) = (Instant::now(), measured["messages"].as_i64().context("messages")?);
    let sql = "SELECT count(*), count(DISTINCT client_id), max(seq) FROM chat_messages WHERE room_id = $1";
    loop {
        let row = client.query_one(sql, &[&room]).await?;
        let (rows, distinct, newest): (i64, i64, Option<i64>) = (row.get(0), row.get(1), row.get(2));
        if (rows, distinct, newest) == (sent, sent, Some(sent)) {
            break;
        }
        ensure!(
            start.elapsed() < PROJECTED_MAX,
            "Postgres holds {rows} messages of the {sent} that were sent"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    drop(client);
    connection.await?.context("Postgres")
}

// --- The servers --------------------------------------------------------------------------------

struct Server {
    child: tokio::process::Child,
    port: u16,
    log: PathBuf,
}

impl Server {
    /// Runs `dir/workerd.capnp` and waits until it listens.
    async fn start(dir: &Path, port: u16, core: Option<usize>) -> Result<Server> {
        let log = dir.join("workerd.log");
        let out = std::fs::File::create(&log)?;
        let mut command = tokio::process::Command::new(setup::workerd());
        command.args(["serve", "--experimental", "workerd.capnp"]).current_dir(dir);
        command.stdin(Stdio::null()).stdout(out.try_clone()?).stderr(out);
        process::own_group(&mut command, libc::SIGKILL);
        pin_to(&mut command, core);
        let mut server = Server { child: command.spawn().context("cannot run workerd")?, port, log };
        let start = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            let ended = server.child.try_wait()?;
            ensure!(
                ended.is_none() && start.elapsed() < SERVER_READY_MAX,
                "workerd won't serve; its output:\n{}",
                log::tail(&server.log, 10)
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(server)
    }

    fn pid(&self) -> Result<u32> {
        self.child.id().context("workerd ended")
    }

    async fn stop(mut self) {
        let _ = self.child.kill().await;
    }
}

/// This Worker as wrangler.toml has it, on this Postgres.
fn our_config(rig: &Rig, port: u16) -> Result<String> {
    let toml = config::wrangler_toml()?;
    let url = rig.database_url.strip_prefix("postgres://").context("a Postgres URL")?;
    let (credentials, rest) = url.split_once('@').context("a Postgres URL with a user")?;
    let (user, password) = credentials.split_once(':').context("a Postgres URL with a password")?;
    let (address, database) = rest.split_once('/').context("a Postgres URL with a database")?;
    let mut vars = toml["vars"].as_object().context("[vars] in wrangler.toml")?.clone();
    vars.insert("LIMITS".into(), json!(LIMITS));
    vars.insert("JWT_SECRET".into(), json!(rig.secret));
    let mut bindings = vec![format!(
        "(name = \"HYPERDRIVE\", hyperdrive = (designator = \"postgres\", database = {}, user = {}, password = {}, \
         scheme = \"postgres\"))",
        quoted(database),
        quoted(user),
        quoted(password)
    )];
    for (name, value) in &vars {
        let value = value.as_str().with_context(|| format!("the var {name} is no text"))?;
        bindings.push(format!("(name = {}, text = {})", quoted(name), quoted(value)));
    }
    let objects =
        toml["durable_objects"]["bindings"].as_array().context("durable_objects in wrangler.toml")?;
    let text = |object: &Value, name: &str| object[name].as_str().unwrap_or_default().to_owned();
    let objects: Vec<_> = objects.iter().map(|o| (text(o, "name"), text(o, "class_name"))).collect();
    let modules = r#"(name = "index.js", esModule = embed "index.js"), (name = "index_bg.wasm", wasm = embed "index_bg.wasm")"#;
    let postgres = format!(r#"(name = "postgres", external = (address = {}, tcp = ()))"#, quoted(address));
    workerd_config(port, &toml, modules, &bindings, &objects, &postgres)
}

fn baseline_config(port: u16) -> Result<String> {
    let modules = r#"(name = "index.js", esModule = embed "index.js")"#;
    workerd_config(port, &config::wrangler_toml()?, modules, &[], &[("ROOM".into(), "Room".into())], "")
}

/// What both have in common: date, flags, objects that keep SQLite on disk.
fn workerd_config(
    port: u16,
    toml: &Value,
    modules: &str,
    bindings: &[String],
    objects: &[(String, String)],
    services: &str,
) -> Result<String> {
    let mut bindings = bindings.to_vec();
    let mut namespaces = Vec::new();
    for (name, class) in objects {
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
  sockets = [(name = "http", address = "127.0.0.1:{port}", http = (), service = "worker")]
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
fn quoted(text: &str) -> String {
    json!(text).to_string()
}

/// `POST /rooms/create` by the first of `users`, with all of them in it. Gives the room's id.
fn create_room(rig: &Rig, port: u16, users: &[String]) -> Result<String> {
    let token = rig.token(users.first().context("somebody")?)?;
    let body = json!({"type": "group", "name": "bench", "participantIds": users}).to_string();
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(SERVER_READY_MAX))?;
    write!(
        stream,
        "POST /api/chat/rooms/create HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).context("the answer to rooms/create")?;
    let (_, body) = answer.split_once("\r\n\r\n").context("an HTTP answer")?;
    let answered: Value = serde_json::from_str(body).with_context(|| format!("rooms/create: {answer}"))?;
    let id = answered["room"]["id"].as_str().with_context(|| format!("rooms/create: {answer}"))?;
    Ok(id.to_owned())
}

// --- Cores --------------------------------------------------------------------------------------

/// Two of the cores that we may use: one for the server, one for the rest.
#[cfg(target_os = "linux")]
fn cores() -> Option<(usize, usize)> {
    // SAFETY: a cpu_set_t is plain bits, written whole by sched_getaffinity.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: `set` is as long as it is said to be.
    if unsafe { libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &mut set) } != 0 {
        return None;
    }
    // SAFETY: `core` is below the set's size.
    let mut ours = (0..libc::CPU_SETSIZE as usize).filter(|core| unsafe { libc::CPU_ISSET(*core, &set) });
    ours.next().zip(ours.next())
}

/// Binds a process (0: the one that calls), and what it starts later, to a core.
#[cfg(target_os = "linux")]
fn pin(pid: i32, core: usize) -> std::io::Result<()> {
    // SAFETY: as above; `core` came from `cores`.
    let bound = unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(core, &mut set);
        libc::sched_setaffinity(pid, size_of::<libc::cpu_set_t>(), &set)
    };
    if bound == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
}

#[cfg(not(target_os = "linux"))]
fn cores() -> Option<(usize, usize)> {
    None
}

#[cfg(not(target_os = "linux"))]
fn pin(_pid: i32, _core: usize) -> std::io::Result<()> {
    Ok(())
}

fn pin_to(command: &mut tokio::process::Command, core: Option<usize>) {
    let Some(core) = core else { return };
    // SAFETY: sched_setaffinity is a bare system call and touches only the new process.
    unsafe {
        command.pre_exec(move || pin(0, core));
    }
}

// --- The report ---------------------------------------------------------------------------------

fn number(run: &Value, name: &str) -> f64 {
    run[name].as_f64().unwrap_or_default()
}

fn median(runs: &[Value], name: &str) -> f64 {
    let mut values: Vec<f64> = runs.iter().map(|run| number(run, name)).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

fn line(run: usize, name: &str, measured: &Value) -> String {
    let n = |field| number(measured, field);
    format!(
        "run {run}, {name}: {:.0} deliveries/s, {:.2} µs of CPU each, p50 {:.1} ms, p99 {:.1} ms, {:.1} events a frame of {:.0} \
         bytes each; of a core the server had {:.0} %, the load {:.0} %",
        n("deliveriesPerS"),
        n("serverCpuUsPerDelivery"),
        n("latencyP50Us") / 1e3,
        n("latencyP99Us") / 1e3,
        n("eventsPerFrame"),
        n("eventBytes"),
        n("serverCpuShare") * 100.0,
        n("loadCpuShare") * 100.0
    )
}

impl Results {
    /// Ours as a multiple of the baseline's deliveries, and the baseline's CPU as a multiple of ours.
    fn factors(&self) -> (f64, f64) {
        let of = |name| (median(&self.ours, name), median(&self.baseline, name));
        let ((ours, baseline), (cpu, baseline_cpu)) = (of("deliveriesPerS"), of("serverCpuUsPerDelivery"));
        (ours / baseline, baseline_cpu / cpu)
    }

    fn judge(&self) -> Result<()> {
        let (speed, cpu) = self.factors();
        ensure!(
            speed >= FACTOR_MIN && cpu >= FACTOR_MIN,
            "the goal is {FACTOR_MIN} × the baseline's deliveries and 1/{FACTOR_MIN} of its CPU; measured are {speed:.1} × and 1/{cpu:.1}"
        );
        Ok(())
    }
}

/// The table for people, then every run and what it ran on.
fn report(results: &Results) -> Result<String> {
    let row = |name: &str, runs: &[Value]| {
        let of = |field| median(runs, field);
        format!(
            "| {name} | {:.0} | {:.1} µs | {:.1} ms | {:.1} ms |",
            of("deliveriesPerS"),
            of("serverCpuUsPerDelivery"),
            of("latencyP50Us") / 1e3,
            of("latencyP99Us") / 1e3
        )
    };
    let (speed, cpu) = results.factors();
    let runs = results.ours.len();
    let mut text = format!(
        "{SOCKETS} sockets in one room, {SENDERS} of them send with {UNDER_WAY} messages of {CONTENT_BYTES} characters under way each; \
         medians of {runs} interleaved runs:\n\n\
         | bare `workerd serve`, {} | deliveries/s | server CPU a delivery | send → heard, p50 | p99 |\n|--|--:|--:|--:|--:|\n{}\n{}\n\
         | | **× {speed:.1}** | **÷ {cpu:.1}** | | |\n\n",
        if results.pinned { "one core" } else { "not pinned" },
        row(
            "a JavaScript object that only broadcasts (no parsing, no storage, no identity)",
            &results.baseline
        ),
        row("Chinwag: verified, deduplicated, in the room's log, projected to Postgres", &results.ours),
    );
    text += "In each run every socket heard every message once and all in the same order (Chinwag's by `seq`), and \
             Postgres then held each once. An event heard by one socket is a delivery; the baseline's events are as \
             long as ours. CPU is that of the workerd process alone: Postgres and the load share the other core.\n\n";
    for (name, runs) in [("this Worker", &results.ours), ("the baseline", &results.baseline)] {
        for (at, run) in runs.iter().enumerate() {
            writeln!(text, "- {}", line(at + 1, name, run))?;
        }
    }
    let behind: Vec<_> = results.ours.iter().map(|run| number(run, "postgresBehindMs") / 1e3).collect();
    writeln!(text, "- Postgres held everything so many seconds after the load ended: {behind:.1?}")?;
    writeln!(text, "\n{}", machine()?)?;
    Ok(text)
}

/// Date, machine and versions.
fn machine() -> Result<String> {
    let date = process::quiet(Command::new("date").args(["-u", "+%F"]))?;
    let commit =
        process::quiet(Command::new("git").current_dir(root()).args(["describe", "--always", "--dirty"]));
    let cpus = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpus.lines().find_map(|l| l.strip_prefix("model name")).unwrap_or("unknown processor");
    let count = cpus.lines().filter(|l| l.starts_with("processor")).count();
    let version = |package: &str| -> Result<String> {
        let text = std::fs::read_to_string(root().join("node_modules").join(package).join("package.json"))?;
        Ok(serde_json::from_str::<Value>(&text)?["version"].as_str().unwrap_or_default().to_owned())
    };
    Ok(format!(
        "{}, commit {}; {} × {}; workerd {}; the npm packages' embedded Postgres; `cargo xtask bench`.",
        date.trim(),
        commit.unwrap_or_default().trim(),
        count,
        model.trim_start_matches([' ', '\t', ':']),
        version("workerd")?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(deliveries: f64, cpu_us: f64) -> Value {
        json!({"deliveriesPerS": deliveries, "serverCpuUsPerDelivery": cpu_us, "latencyP50Us": 1500, "latencyP99Us": 9000})
    }

    #[test]
    fn judges_by_medians_and_both_factors() {
        let ours = vec![run(900.0, 1.0), run(300.0, 9.0), run(10.0, 2.0)];
        let results = |baseline| Results { baseline: vec![baseline], ours: ours.clone(), pinned: true };
        assert_eq!(results(run(100.0, 6.0)).factors(), (3.0, 3.0));
        assert!(results(run(100.0, 6.0)).judge().is_ok());
        assert!(results(run(101.0, 6.0)).judge().is_err(), "too slow");
        assert!(results(run(100.0, 5.9)).judge().is_err(), "too dear");
        let report = report(&results(run(100.0, 6.0))).unwrap();
        assert!(
            report.contains("| 300 | 2.0 µs | 1.5 ms | 9.0 ms |\n| | **× 3.0** | **÷ 3.0** |"),
            "{report}"
        );
    }
}
