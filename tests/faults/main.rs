//! The real parts under every fault: the Worker under `wrangler dev`, a real Postgres, proxies that hurt between them,
//! people who talk meanwhile and checkers over all they tell. This file runs the scenarios and counts.
//!
//! Run by `cargo xtask test --only faults` (each scenario once) and `cargo xtask faults --minutes N` (again and again
//! in a random order that a seed tells). Scenarios of one lane follow each other, lanes run at the same time.
//! A scenario in which its fault never struck fails.

#[allow(dead_code, unused_imports)] // The end-to-end tests use the rest.
#[path = "../e2e/rig/mod.rs"]
mod rig;

mod commits;
mod ground;
mod proxy;
mod report;
mod sampler;
mod swarm;

use ground::Ground;
use report::Report;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// What a scenario has to show: how often its fault struck, and what was measured.
pub struct Struck {
    pub times: u64,
    pub by: String,
}

pub fn struck(times: u64, by: impl Into<String>) -> Struck {
    Struck { times, by: by.into() }
}

type Run = fn(Arc<Ground>) -> Pin<Box<dyn Future<Output = Struck> + Send>>;

#[derive(Clone, Copy)]
pub struct Scenario {
    pub name: &'static str,
    pub run: Run,
}

macro_rules! scenarios {
    ($($module:ident :: $name:ident),* $(,)?) => {
        &[$(Scenario { name: stringify!($name), run: |ground| Box::pin($module::$name(ground)) }),*]
    };
}

struct Lane {
    name: &'static str,
    /// Lanes with the same number share a stack.
    stack: usize,
    scenarios: &'static [Scenario],
}

const STACKS: usize = 1;
const LANES: &[Lane] = &[
    Lane {
        name: "storm",
        stack: 0,
        scenarios: scenarios![
            commits::a_commit_is_ambiguous,
        ],
    },
];

/// The longest scenario waits for a Postgres that is away for over 3 minutes.
const SCENARIO_MAX: Duration = Duration::from_secs(420);

/// How to run: each once, or for a while by a seed.
#[derive(Clone, Copy)]
struct Plan {
    until: Option<Instant>,
    seed: u64,
}

#[tokio::main]
async fn main() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    let minutes = number("CHINWAG_FAULTS_MINUTES");
    let seed = number("CHINWAG_FAULTS_SEED").unwrap_or_else(|| rig::tenant::now_ms() % 1_000_000);
    let only: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let start = Instant::now();
    let plan = Plan { until: minutes.map(|minutes| start + Duration::from_secs(minutes * 60)), seed };
    let wanted = |s: &&Scenario| only.is_empty() || only.iter().any(|part| s.name.contains(part.as_str()));
    let report = Arc::new(Mutex::new(Report::default()));
    let stacks: Vec<_> = (0..STACKS).map(|_| Arc::new(tokio::sync::OnceCell::new())).collect();
    let lanes: Vec<_> = LANES
        .iter()
        .map(|lane| {
            let scenarios: Vec<Scenario> = lane.scenarios.iter().filter(wanted).copied().collect();
            tokio::spawn(run_lane(lane.name, scenarios, stacks[lane.stack].clone(), plan, report.clone()))
        })
        .collect();
    for lane in lanes {
        lane.await.expect("a lane runs");
    }
    let report = report.lock().expect("the report");
    print!("\n{}", report.markdown(minutes.map(|_| seed)));
    println!("\n{}", report.result(start.elapsed()));
    // Ends the stacks on the way out.
    std::process::exit(i32::from(!report.passed()));
}

async fn run_lane(
    lane: &'static str,
    scenarios: Vec<Scenario>,
    stack: Arc<tokio::sync::OnceCell<Arc<Ground>>>,
    plan: Plan,
    report: Arc<Mutex<Report>>,
) {
    if scenarios.is_empty() {
        return;
    }
    let ground = stack.get_or_init(|| async { Arc::new(Ground::prepare().await) }).await;
    let mut random = Random(plan.seed ^ lane.len() as u64);
    loop {
        let mut round = scenarios.clone();
        if plan.until.is_some() {
            random.shuffle(&mut round);
        }
        for scenario in round {
            let start = Instant::now();
            println!("[{lane}] {} …", scenario.name);
            let task = tokio::spawn((scenario.run)(ground.clone()));
            let abort = task.abort_handle();
            let outcome = match tokio::time::timeout(SCENARIO_MAX, task).await {
                Ok(Ok(struck)) if struck.times > 0 => Ok(struck),
                Ok(Ok(_)) => Err("the fault never struck".to_owned()),
                Ok(Err(panic)) => Err(report::message(panic)),
                Err(_) => {
                    abort.abort();
                    Err(format!("not over after {SCENARIO_MAX:?}"))
                }
            };
            report.lock().expect("the report").add(scenario.name, start.elapsed(), outcome);
            ground.heal().await;
            if plan.until.is_some_and(|until| Instant::now() >= until) {
                return;
            }
        }
        if plan.until.is_none() {
            return;
        }
    }
}

/// splitmix64: the order of a long run is its seed's.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn shuffle<T>(&mut self, all: &mut [T]) {
        for i in (1..all.len()).rev() {
            let other = usize::try_from(self.next() % (i as u64 + 1)).unwrap_or_default();
            all.swap(i, other);
        }
    }
}
