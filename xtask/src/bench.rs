//! `cargo xtask bench`: this Worker in turns with a JavaScript object that only broadcasts, each on bare `workerd
//! serve` with the same load, on the same cores. The load and what it checks are in bench/; what a run is, and what the
//! numbers are compared by, is here. Linux only: it reads /proc and pins processes to cores.

pub mod database;
mod report;
mod rest;
mod server;

use crate::log::{self, say, step};
use crate::worker::{self, Profile};
use crate::{config, dev, inputs, migrate, postgres, process, root, setup, token};
use anyhow::{Context, Result, ensure};
use report::{Results, line, number, report};
use serde_json::{Value, json};
use server::{Server, baseline_config, cores, our_config, pin, pin_to};
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
const ANSWER_MAX: Duration = Duration::from_secs(20);
/// What Postgres may lag behind at a run's end before it counts as lost.
const PROJECTED_MAX: Duration = Duration::from_secs(60);

pub struct Options {
    /// A Worker that is built already; else the one that would be deployed.
    pub worker: Option<PathBuf>,
    pub runs: usize,
    /// The routes instead of the sockets.
    pub rest: bool,
    /// What statements cost Postgres instead.
    pub database: Option<database::Measure>,
}

impl Default for Options {
    fn default() -> Options {
        Options { worker: None, runs: 3, rest: false, database: None }
    }
}

/// The command `bench`.
pub fn run(options: &Options) -> Result<()> {
    ensure!(
        cfg!(target_os = "linux"),
        "the bench reads /proc and pins processes to cores: it runs on Linux only"
    );
    if let Some(measure) = options.database {
        return database::run(measure);
    }
    setup::ensure_all()?;
    let worker = match &options.worker {
        Some(built) => std::path::absolute(built)?,
        None => {
            let out = root().join("build");
            worker::build(&out, &[], Profile::Release)?;
            out
        }
    };
    step("the load", "1 minute the first time", || {
        let cargo = ["build", "--quiet", "--release", "--package", "chinwag-bench"];
        process::run(Command::new("cargo").args(cargo).current_dir(root()))
    })?;
    let dir = root().join("target/bench");
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir)?;
    // One thread: Linux ties the children's death signal to the thread that started them.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let results = runtime.block_on(async {
        let server = postgres::Postgres::start(&dir, true).await?;
        let rig = Rig::new(&dir, &worker, &server)?;
        let measured = match prepare(&rig, &server).await {
            Ok(()) if options.rest => rest::run(&rig).await.map(|()| None),
            Ok(()) => measure_all(&rig, options.runs).await.map(Some),
            Err(error) => Err(error),
        };
        server.stop().await;
        measured
    })?;
    let Some(results) = results else { return Ok(()) };
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
    claims: config::Claims,
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
            secret: config::load_or_create_secret(dir)?,
            claims: config::Claims::read(&[])?,
            database_url: server.url("chinwag"),
            cores,
        })
    }

    fn token(&self, user: &str) -> Result<String> {
        let options = token::Options { sub: user.into(), tenant: "bench".into(), ..Default::default() };
        token::sign_token(&options, &self.claims, &self.secret)
    }
}

async fn prepare(rig: &Rig<'_>, server: &postgres::Postgres) -> Result<()> {
    postgres::create_database(&server.url("postgres"), "chinwag").await?;
    migrate::apply(&rig.database_url, &root().join("migrations")).await.map(drop)
}

async fn measure_all(rig: &Rig<'_>, runs: usize) -> Result<Results> {
    ensure!(runs > 0, "--runs 0 measures nothing");
    let mut results = Results { baseline: Vec::new(), ours: Vec::new(), pinned: rig.cores.is_some() };
    for run in 1..=runs {
        let ours = measure_ours(rig, run).await.with_context(|| format!("run {run} of this Worker"))?;
        say(&line(run, "this Worker", &ours));
        // The baseline hands on events of the very size that ours has.
        let event_bytes = number(&ours, "eventBytes").round();
        let baseline = measure_baseline(rig, run, event_bytes).await;
        let baseline = baseline.with_context(|| format!("run {run} of the baseline"))?;
        say(&line(run, "the baseline", &baseline));
        results.ours.push(ours);
        results.baseline.push(baseline);
    }
    Ok(results)
}

async fn measure_ours(rig: &Rig<'_>, run: usize) -> Result<Value> {
    let dir = rig.dir.join(format!("ours-{run}"));
    std::fs::create_dir_all(dir.join("storage"))?;
    dev::copy_worker(rig.worker, &dir)?;
    let port = process::free_port()?;
    inputs::write_atomically(&dir.join("workerd.capnp"), &our_config(rig, port)?)?;
    let server = Server::start(&dir, port, rig.cores.map(|(server, _)| server)).await?;
    let users: Vec<String> = (0..SOCKETS).map(|at| format!("user-{at}")).collect();
    let room = create_room(rig, port, &users)?;
    let sockets = users.iter().map(|user| {
        Ok(json!([format!("/chat?roomId={room}&history=0"), format!("chat.v1, bearer.{}", rig.token(user)?)]))
    });
    let sockets = sockets.collect::<Result<Vec<_>>>()?;
    let mut measured = run_load(rig, &server, sockets, None).await?;
    let start = Instant::now();
    wait_until_projected(&rig.database_url, &room, &measured).await?;
    measured["postgresBehindMs"] = json!(start.elapsed().as_millis() as u64);
    server.stop().await;
    Ok(measured)
}

async fn measure_baseline(rig: &Rig<'_>, run: usize, event_bytes: f64) -> Result<Value> {
    let dir = rig.dir.join(format!("baseline-{run}"));
    std::fs::create_dir_all(dir.join("storage"))?;
    std::fs::copy(root().join("bench/baseline/index.js"), dir.join("index.js"))?;
    let port = process::free_port()?;
    inputs::write_atomically(&dir.join("workerd.capnp"), &baseline_config(port)?)?;
    let server = Server::start(&dir, port, rig.cores.map(|(server, _)| server)).await?;
    let sockets = vec![json!(["/chat?roomId=bench", null]); SOCKETS];
    let measured = run_load(rig, &server, sockets, Some(event_bytes as u64)).await?;
    server.stop().await;
    Ok(measured)
}

/// One run of bench/'s program: what it measured.
async fn run_load(
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
    process::put_in_own_group(&mut command, libc::SIGKILL);
    pin_to(&mut command, rig.cores.map(|(_, load)| load));
    let mut child = command.spawn().context("cannot run the load")?;
    let mut stdin = child.stdin.take().context("its input")?;
    stdin.write_all(plan.to_string().as_bytes()).await?;
    drop(stdin);
    let output = child.wait_with_output().await?;
    ensure!(
        output.status.success(),
        "the load failed, see above; the end of the server's output:\n{}",
        log::read_tail(&server.log, 10)
    );
    serde_json::from_slice(&output.stdout).context("what the load measured")
}

/// Waits until Postgres holds every message that was sent, each once.
async fn wait_until_projected(url: &str, room: &str, measured: &Value) -> Result<()> {
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

/// `POST /rooms/create` by the first of `users`, with all of them in it. Gives the room's id.
fn create_room(rig: &Rig, port: u16, users: &[String]) -> Result<String> {
    let token = rig.token(users.first().context("somebody")?)?;
    let body = json!({"type": "group", "name": "bench", "participantIds": users}).to_string();
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(ANSWER_MAX))?;
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
