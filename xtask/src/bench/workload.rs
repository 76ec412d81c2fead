//! The workloads, the targets, and one run of a target under a workload.
//! Not here: the load itself (bench/), servers (`server.rs`), and what the figures say (`report.rs`).

use super::baseline::Baseline;
use super::server::{Server, our_config, pin_to};
use super::{ANSWER_MAX, Rig};
use crate::{dev, inputs, log, process, root};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt;

pub const CONTENT_BYTES: usize = 100;
/// Plans, caches and compiled code are as they stay after this.
const WARM_UP_MS: u64 = 2_000;
/// What Postgres may lag behind at a run's end before it counts as lost.
const PROJECTED_MAX: Duration = Duration::from_secs(60);

#[derive(Clone, Copy)]
pub enum Pace {
    /// Closed loop: senders a room, and messages that each has sent and not received yet.
    UnderWay(usize, usize),
    /// Open loop: messages a second over all rooms.
    PerS(u32),
}

/// What a message of an open loop may cost.
#[derive(Clone, Copy)]
pub enum Goal {
    /// CPU of the server and of Postgres, in µs.
    CpuUs(f64, f64),
    /// The server's CPU as a multiple of the bare object's.
    TimesBare(f64),
}

/// What is done to each target.
pub struct Workload {
    pub name: &'static str,
    pub rooms: usize,
    pub people: usize,
    pub pace: Pace,
    measure_ms: u64,
    pub goal: Option<Goal>,
}

pub const WORKLOADS: [Workload; 9] = [
    Workload { name: "W1", rooms: 1, people: 200, pace: Pace::UnderWay(5, 4), measure_ms: 8_000, goal: None },
    Workload { name: "W1o", rooms: 1, people: 200, pace: Pace::PerS(500), measure_ms: 8_000, goal: None },
    Workload {
        name: "W2",
        rooms: 200,
        people: 4,
        pace: Pace::PerS(200),
        measure_ms: 12_000,
        goal: Some(Goal::CpuUs(1_000.0, 600.0)),
    },
    Workload { name: "W2-500", rooms: 200, people: 4, pace: Pace::PerS(500), measure_ms: 12_000, goal: None },
    Workload {
        name: "W2-1000",
        rooms: 200,
        people: 4,
        pace: Pace::PerS(1_000),
        measure_ms: 12_000,
        goal: None,
    },
    Workload {
        name: "W3",
        rooms: 1,
        people: 10,
        pace: Pace::PerS(20),
        measure_ms: 15_000,
        goal: Some(Goal::TimesBare(2.0)),
    },
    Workload { name: "W4", rooms: 1, people: 500, pace: Pace::PerS(1), measure_ms: 20_000, goal: None },
    // What counts is a join of the largest group, and the memory of 1,000 sockets of which hardly one is in use.
    Workload { name: "J", rooms: 1, people: 500, pace: Pace::PerS(1), measure_ms: 2_000, goal: None },
    Workload { name: "I", rooms: 250, people: 4, pace: Pace::PerS(1), measure_ms: 5_000, goal: None },
];

impl Workload {
    pub fn find(name: &str) -> Result<&'static Workload> {
        let names = || WORKLOADS.iter().map(|workload| workload.name).collect::<Vec<_>>().join(", ");
        let found = WORKLOADS.iter().find(|workload| workload.name.eq_ignore_ascii_case(name));
        found.with_context(|| format!("no workload {name}; there are {}", names()))
    }

    /// For people, as the report's first sentence.
    pub fn describe(&self) -> String {
        let rooms = match self.rooms {
            1 => format!("{} sockets in one room", self.people),
            rooms => format!("{rooms} rooms of {} sockets each", self.people),
        };
        match self.pace {
            Pace::UnderWay(senders, messages) => format!(
                "{rooms}, {senders} of them send with {messages} messages of {CONTENT_BYTES} characters under way each"
            ),
            Pace::PerS(messages) => format!(
                "{rooms}, {messages} messages of {CONTENT_BYTES} characters a second over all (open loop: times count \
                 from when a message was due)"
            ),
        }
    }
}

/// What is measured beside each other.
#[derive(Clone, Copy, PartialEq)]
pub enum Target {
    Ours,
    Baseline(&'static Baseline),
}

impl Target {
    pub fn name(self) -> &'static str {
        match self {
            Target::Ours => "chinwag",
            Target::Baseline(baseline) => baseline.name,
        }
    }

    pub fn describe(self) -> &'static str {
        match self {
            Target::Ours => "Chinwag: verified, deduplicated, in the room's log, projected to Postgres",
            Target::Baseline(baseline) => baseline.describes,
        }
    }
}

/// One run of this Worker. The baseline's events are made as long as it says.
pub(super) async fn measure_ours(rig: &Rig<'_>, workload: &Workload, run: usize) -> Result<Value> {
    let dir = rig.dir.join(format!("{}-ours-{run}", workload.name));
    std::fs::create_dir_all(dir.join("storage"))?;
    dev::copy_worker(rig.worker, &dir)?;
    let port = process::free_port()?;
    inputs::write_atomically(&dir.join("workerd.capnp"), &our_config(rig, port)?)?;
    let server = Server::start(&dir, port, rig.cores.map(|(server, _)| server)).await?;
    let (mut rooms, mut ids) = (Vec::new(), Vec::new());
    for at in 0..workload.rooms {
        let users: Vec<String> = (0..workload.people).map(|who| format!("user-{run}-{at}-{who}")).collect();
        let room = create_room(rig, port, &users)?;
        let upgrade = |user: &String| {
            Ok(json!([
                format!("/chat?roomId={room}&history=0"),
                format!("chat.v1, bearer.{}", rig.token(user)?)
            ]))
        };
        rooms.push(users.iter().map(upgrade).collect::<Result<Vec<_>>>()?);
        ids.push(room);
    }
    let postgres_before_us = rig.postgres_cpu_us()?;
    let mut measured = run_load(rig, &server, workload, rooms, None).await?;
    let start = Instant::now();
    wait_until_projected(&rig.database_url, &ids, &measured).await?;
    measured["postgresBehindMs"] = json!(start.elapsed().as_millis() as u64);
    let postgres_us = rig.postgres_cpu_us()?.saturating_sub(postgres_before_us);
    measured["postgresCpuUsPerMessage"] =
        json!(postgres_us as f64 / measured["messages"].as_f64().unwrap_or(1.0));
    server.stop().await;
    Ok(measured)
}

/// One run of a baseline, which hands on events of the very size that ours has.
pub(super) async fn measure_baseline(
    rig: &Rig<'_>,
    workload: &Workload,
    (baseline, run): (&Baseline, usize),
    event_bytes: f64,
) -> Result<Value> {
    let dir = rig.dir.join(format!("{}-{}-{run}", workload.name, baseline.name));
    std::fs::create_dir_all(dir.join("storage"))?;
    let port = process::free_port()?;
    let server = baseline.start(rig, &dir, port).await?;
    let upgrades = |room| vec![json!([format!("/chat?roomId=bench-{room}"), null]); workload.people];
    let rooms = (0..workload.rooms).map(upgrades).collect();
    let measured = run_load(rig, &server, workload, rooms, Some(event_bytes as u64)).await?;
    server.stop().await;
    Ok(measured)
}

/// One run of bench/'s program: what it measured.
async fn run_load(
    rig: &Rig<'_>,
    server: &Server,
    workload: &Workload,
    rooms: Vec<Vec<Value>>,
    event_bytes: Option<u64>,
) -> Result<Value> {
    let pace = match workload.pace {
        Pace::UnderWay(senders, messages) => json!({"underWay": {"senders": senders, "messages": messages}}),
        Pace::PerS(messages) => json!({"perS": {"messages": messages}}),
    };
    let plan = json!({
        "port": server.port, "serverPid": server.pid()?, "rooms": rooms, "pace": pace, "contentBytes": CONTENT_BYTES,
        "eventBytes": event_bytes, "warmUpMs": WARM_UP_MS, "measureMs": workload.measure_ms,
    });
    let mut command = tokio::process::Command::new(root().join("target/load/chinwag-bench"));
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
async fn wait_until_projected(url: &str, rooms: &[String], measured: &Value) -> Result<()> {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await?;
    let connection = tokio::spawn(connection);
    let (start, sent) = (Instant::now(), measured["messages"].as_i64().context("messages")?);
    let sql = "SELECT count(*), count(DISTINCT (room_id, client_id)), count(DISTINCT (room_id, seq)) \
               FROM chat_messages WHERE room_id = ANY ($1)";
    loop {
        let row = client.query_one(sql, &[&rooms]).await?;
        let (rows, distinct, seqs): (i64, i64, i64) = (row.get(0), row.get(1), row.get(2));
        if (rows, distinct, seqs) == (sent, sent, sent) {
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
