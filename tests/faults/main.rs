//! The real parts under every fault: the Worker under `wrangler dev`, a real Postgres, fault proxies between them,
//! clients that keep sending, and checks of everything they report. This file runs the scenarios and counts.
//!
//! Run by `cargo xtask test --only faults` (each scenario once) and `cargo xtask faults --minutes N` (again and again
//! in a random order, repeatable by its seed). Scenarios of one lane run one after the other, lanes run at the same
//! time. A scenario whose fault never happened fails.

#[allow(dead_code, unused_imports)] // The end-to-end tests use the rest.
#[path = "../e2e/rig/mod.rs"]
mod rig;

mod clients;
mod commits;
mod environment;
mod everything;
mod inboxes;
mod load;
mod long_outage;
mod many_clients;
mod outages;
mod proxy;
mod random;
mod refusals;
mod report;
mod restores;
mod rooms;
mod sampler;

use environment::Environment;
use random::Random;
use report::Report;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// What a scenario returns: how often its fault happened, and what was measured.
pub struct Struck {
    pub times: u64,
    pub by: String,
}

pub fn struck(times: u64, by: impl Into<String>) -> Struck {
    Struck { times, by: by.into() }
}

type Run = fn(Arc<Environment>) -> Pin<Box<dyn Future<Output = Struck> + Send>>;

#[derive(Clone, Copy)]
pub struct Scenario {
    pub name: &'static str,
    pub run: Run,
}

macro_rules! scenarios {
    ($($module:ident :: $name:ident),* $(,)?) => {
        &[$(Scenario { name: stringify!($name), run: |environment| Box::pin($module::$name(environment)) }),*]
    };
}

struct Lane {
    name: &'static str,
    /// Lanes with the same number share a stack: their scenarios disturb connections, and nothing that others depend
    /// on.
    stack: usize,
    scenarios: &'static [Scenario],
}

const STACKS: usize = 3;
const LANES: &[Lane] = &[
    Lane {
        name: "storm",
        stack: 0,
        scenarios: scenarios![
            commits::the_runtime_is_killed_under_load,
            commits::killed_between_the_rooms_commit_and_postgres,
            commits::a_commit_is_ambiguous,
            commits::a_commit_is_ambiguous_and_the_runtime_killed_on_top,
            outages::postgres_is_frozen,
            inboxes::an_inbox_is_right_after_an_outage,
            outages::postgres_is_black_holed_in_mid_query,
            outages::postgres_has_too_many_connections,
            outages::backends_are_terminated_in_a_loop,
            outages::a_lock_is_held,
            outages::statements_time_out,
            outages::postgres_is_read_only,
            outages::the_way_to_postgres_is_bad,
            refusals::every_kind_of_poison_at_each_place_of_a_batch,
            refusals::postgres_is_set_back_by_50_rows,
            refusals::a_row_that_postgres_swallows_is_seen,
            restores::a_log_is_rebuilt_while_the_runtime_is_killed,
            restores::postgres_is_restored_from_before_people_and_room,
            rooms::the_disk_of_the_objects_is_full,
            rooms::statements_of_the_store_fail_under_a_drain,
            rooms::one_room_panics_while_another_works,
            rooms::the_clock_of_postgres_is_a_day_off,
            rooms::a_redeploy_with_200_sockets,
            everything::everything_at_once_for_60_s,
        ],
    },
    Lane {
        name: "clients",
        stack: 1,
        scenarios: scenarios![
            clients::connections_end_by_rst_and_by_fin,
            clients::readers_do_not_read,
            clients::frames_come_in_crumbs_and_never_end,
            clients::tokens_expire_live,
            many_clients::members_come_and_go_while_they_send,
            many_clients::five_hundred_clients_are_dropped_and_resume_1000_events,
        ],
    },
    Lane {
        name: "patience",
        stack: 1,
        scenarios: scenarios![rooms::a_room_sleeps_between_every_two_steps, clients::clients_are_half_open],
    },
    Lane {
        name: "outage",
        stack: 2,
        scenarios: scenarios![
            long_outage::postgres_is_stopped_for_185_s_and_drained_with_nobody_there,
            refusals::a_table_is_renamed_away_and_back,
        ],
    },
];

/// The longest scenario waits for a Postgres that is away for over 3 minutes.
const SCENARIO_MAX: Duration = Duration::from_secs(420);
/// The same for the rebuild of as many messages as were asked for.
const LONG_REBUILD_MAX: Duration = Duration::from_secs(3_600);

/// How to run: each once, or for a while by a seed.
#[derive(Clone, Copy)]
struct Plan {
    until: Option<Instant>,
    seed: u64,
}

#[tokio::main]
async fn main() {
    let minutes = number("CHINWAG_FAULTS_MINUTES");
    let seed = number("CHINWAG_FAULTS_SEED").unwrap_or_else(|| rig::tenant::now_ms() % 1_000_000);
    let only: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    random::SEED.store(seed, std::sync::atomic::Ordering::Relaxed);
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

/// A number of the environment.
fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

async fn run_lane(
    lane: &'static str,
    scenarios: Vec<Scenario>,
    stack: Arc<tokio::sync::OnceCell<Arc<Environment>>>,
    plan: Plan,
    report: Arc<Mutex<Report>>,
) {
    if scenarios.is_empty() {
        return;
    }
    let environment = stack.get_or_init(|| async { Arc::new(Environment::prepare().await) }).await;
    let mut random = Random::new(plan.seed ^ lane.len() as u64);
    loop {
        let mut round = scenarios.clone();
        if plan.until.is_some() {
            random.shuffle(&mut round);
        }
        for scenario in round {
            let start = Instant::now();
            println!("[{lane}] {} …", scenario.name);
            let task = tokio::spawn((scenario.run)(environment.clone()));
            let abort = task.abort_handle();
            let max = number(restores::MESSAGES_VAR).map_or(SCENARIO_MAX, |_| LONG_REBUILD_MAX);
            let outcome = match tokio::time::timeout(max, task).await {
                Ok(Ok(struck)) if struck.times > 0 => Ok(struck),
                Ok(Ok(_)) => Err("the fault never struck".to_owned()),
                Ok(Err(panic)) => Err(report::message(panic)),
                Err(_) => {
                    abort.abort();
                    Err(format!("not over after {max:?}"))
                }
            };
            report.lock().expect("the report").add(scenario.name, start.elapsed(), outcome);
            environment.heal().await;
            if plan.until.is_some_and(|until| Instant::now() >= until) {
                return;
            }
        }
        if plan.until.is_none() {
            return;
        }
    }
}
