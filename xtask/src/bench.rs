//! `cargo xtask bench`: this Worker in turns with what people would use instead, each on bare `workerd serve` with the
//! same load, on the same cores. The load and what it checks are in bench/; the workloads and a run are in
//! `workload.rs`; what the numbers are compared by is in `report.rs`. Linux only: it reads /proc and pins processes to
//! cores.

pub mod baseline;
mod cold;
pub mod database;
mod loops;
mod picture;
mod platform;
mod pooler;
mod report;
mod rest;
mod server;
pub mod workload;

use crate::log::{say, step};
use crate::worker::{self, Profile};
use crate::{config, migrate, postgres, process, root, setup, token};
use anyhow::{Context, Result, ensure};
use baseline::Baseline;
use pooler::Pooler;
use report::{Results, line, number};
use server::{cores, pin};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use workload::{Target, Workload, measure_baseline, measure_ours};

/// What CI watches: one large room, many small ones, one small room.
const LANE: [&str; 3] = ["W1", "W2", "W3"];
const ANSWER_MAX: Duration = Duration::from_secs(20);

pub struct Options {
    /// A Worker that is built already; else the one that would be deployed.
    pub worker: Option<PathBuf>,
    pub runs: usize,
    pub workloads: Vec<&'static Workload>,
    pub against: Vec<&'static Baseline>,
    /// A run each of the workloads that CI watches; nothing is written.
    pub lane: bool,
    /// The routes instead of the sockets.
    pub rest: bool,
    /// The first answer of a fresh isolate instead.
    pub cold: bool,
    /// What callers in a tight loop cost the others instead: the kinds of calls with this in their names.
    pub loops: Option<String>,
    /// What statements cost Postgres instead.
    pub database: Option<database::Measure>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            worker: None,
            runs: 3,
            workloads: Vec::new(),
            against: vec![&baseline::BARE],
            lane: false,
            rest: false,
            cold: false,
            loops: None,
            database: None,
        }
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
    ensure!(options.runs > 0, "--runs 0 measures nothing");
    setup::ensure_all()?;
    let worker = match &options.worker {
        Some(built) => std::path::absolute(built)?,
        None => {
            let out = root().join("build");
            worker::build(&out, &[], Profile::Release)?;
            out
        }
    };
    if options.loops.is_none() {
        step("the load", "1 minute the first time", || {
            let cargo = ["build", "--quiet", "--profile", "load", "--package", "chinwag-bench"];
            process::run(Command::new("cargo").args(cargo).current_dir(root()))
        })?;
    }
    options.against.iter().try_for_each(|baseline| baseline.prepare())?;
    let dir = root().join("target/bench");
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir)?;
    // One thread: Linux ties the children's death signal to the thread that started them.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let server = postgres::Postgres::start(&dir, true).await?;
        let measured = measure(&dir, &worker, &server, options).await;
        server.stop().await;
        measured
    })
}

async fn measure(dir: &Path, worker: &Path, server: &postgres::Postgres, options: &Options) -> Result<()> {
    let mut rig = Rig::new(dir, worker, server)?;
    postgres::create_database(&server.url("postgres"), "chinwag").await?;
    migrate::apply(&rig.database_url, &root().join("migrations")).await?;
    baseline::create_table(&rig.database_url).await?;
    if options.rest {
        return rest::run(&rig).await;
    }
    if options.cold {
        return cold::run(&rig).await;
    }
    let pooler = Pooler::start(dir, &rig.database_url, rig.cores.map(|(_, load)| load)).await?;
    match &pooler {
        Some(pooler) => rig.worker_url = pooler.url.clone(),
        None => say(
            "pgbouncer is not installed (Debian: apt-get install pgbouncer): the Worker asks Postgres directly",
        ),
    }
    if let Some(part) = &options.loops {
        let measured = loops::run(&rig, part).await;
        if let Some(pooler) = pooler {
            pooler.stop().await;
        }
        return measured;
    }
    let workloads = match options.workloads.as_slice() {
        [] if options.lane => LANE.into_iter().map(Workload::find).collect::<Result<_>>()?,
        [] => vec![Workload::find("W1")?],
        named => named.to_vec(),
    };
    let mut measured = Ok(());
    for workload in workloads {
        measured = measured.and(measure_all(&rig, workload, options).await);
    }
    if let Some(pooler) = pooler {
        pooler.stop().await;
    }
    measured
}

/// Each target in turns, then the report.
async fn measure_all(rig: &Rig<'_>, workload: &'static Workload, options: &Options) -> Result<()> {
    let mut results = Results::new(workload, rig.cores.is_some(), rig.worker_url != rig.database_url);
    for run in 1..=options.runs {
        let ours =
            measure_ours(rig, workload, run).await.with_context(|| format!("run {run} of this Worker"))?;
        say(&line(run, Target::Ours, &ours));
        let event_bytes = number(&ours, "eventBytes").round();
        results.add(Target::Ours, ours);
        for baseline in &options.against {
            let measured = measure_baseline(rig, workload, (baseline, run), event_bytes).await;
            let measured = measured.with_context(|| format!("run {run} of {}", baseline.name))?;
            let target = Target::Baseline(baseline);
            say(&line(run, target, &measured));
            results.add(target, measured);
        }
    }
    if !options.lane {
        results.write()?;
    }
    results.judge()
}

/// What the runs of one bench share.
struct Rig<'a> {
    dir: &'a Path,
    worker: &'a Path,
    secret: String,
    claims: config::Claims,
    database_url: String,
    /// Where the Worker finds it: there, or behind a pooler.
    worker_url: String,
    postgres_pid: Option<u32>,
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
            worker_url: server.url("chinwag"),
            postgres_pid: server.pid(),
            cores,
        })
    }

    fn token(&self, user: &str) -> Result<String> {
        let options = token::Options { sub: user.into(), tenant: "bench".into(), ..Default::default() };
        token::sign_token(&options, &self.claims, &self.secret)
    }

    /// What Postgres has used of the processors so far: its processes, and those that have ended.
    fn postgres_cpu_us(&self) -> Result<u64> {
        server::tree_cpu_us(self.postgres_pid.context("Postgres has a pid")?)
    }
}
