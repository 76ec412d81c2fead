//! The simulator: the real routes, objects, rooms, SQL and outbox under a virtual clock, with everything that can break
//! breaking (`cargo xtask sim`). One seed is one history, always the same.
//!
//! `plan` writes down what will happen, `run` does it. A `world` is `hosts` (objects over `platform`), `worker`, `network`,
//! `postgres` and an `executor` that has the clock; `breaking` breaks it. `client`s talk, check what they are `hearing`
//! against the `oracle`; `ending` looks at all that is `stored`; `shorten` finds the shortest failing history, and what
//! once failed is `pinned`. Not here: sockets, processes and disks of the real kind; those are in `tests/faults`.

mod client;
mod client_checks;
mod content_model;
mod deletion_checks;
mod executor;
mod fake_postgres {
    pub use testkit::{FakePostgres as Ledger, POISON, is_poison as poisoned};
}
mod faults;
mod files;
mod final_checks;
mod fixtures {
    pub use testkit::cast::group;
}
mod hosts;
mod membership {
    pub use testkit::Membership;
}
mod network;
mod oracle;
mod people;
mod plan;
mod platform;
mod postgres;
mod regressions;
mod rng;
mod rules;
mod run;
mod shrink;
mod sqlite {
    pub use testkit::Sqlite;
}
mod stored;
mod worker;
mod world;

use chinwag::mutants::{Mutant, activate};
use lexopt::prelude::*;
use oracle::Checker;
use plan::Plan;
use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// What must have happened over a whole run of many seeds: else the run tested nothing.
const SOMETIMES: [&str; 38] = [
    "crashes",
    "dedupe hits",
    "conflicts seen as the same",
    "replays",
    "resyncs",
    "rows set aside",
    "wakes",
    "panics survived",
    "slow sockets closed",
    "failing statements",
    "instances aborted",
    "deploys",
    "storages lost",
    "set-backs noticed",
    "stragglers",
    "removals",
    "writes to a full disk",
    "announcements",
    "announcements lost",
    "notices",
    "notices not taken",
    "rows tried again",
    "changes",
    "changes planned anew",
    "people removed over REST",
    "people muted",
    "slow modes",
    "messages slowed down",
    "words refused",
    "messages reported",
    "rooms deleted",
    "objects stored",
    "objects removed",
    "removals that failed",
    "uploads that failed",
    "uploads nobody sent",
    "strays looked for",
    "alarms lost at night",
];
/// Events that wait for Postgres at once, in some seed.
const OUTBOX_PEAK_MIN: u64 = 500;
/// A run of fewer seeds may not have seen everything.
const SEEDS_FOR_ALL: u64 = 1_000;
/// Seeds tried on a mutant before it counts as not caught.
const MUTANT_SEEDS: u64 = 5_000;

struct Options {
    seeds: u64,
    from: u64,
    seed: Option<u64>,
    mutants: Vec<(Mutant, &'static str)>,
    threads: usize,
}

fn main() -> ExitCode {
    run::quiet_panics();
    match options() {
        Ok(options) => act(&options),
        Err(error) => {
            eprintln!("sim: {error}");
            ExitCode::FAILURE
        }
    }
}

fn options() -> Result<Options, lexopt::Error> {
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    let mut options = Options { seeds: 2_000, from: 1, seed: None, mutants: Vec::new(), threads };
    let mut args = lexopt::Parser::from_env();
    while let Some(arg) = args.next()? {
        match arg {
            Long("seeds") => options.seeds = args.value()?.parse()?,
            Long("from") => options.from = args.value()?.parse()?,
            Long("seed") => options.seed = Some(args.value()?.parse()?),
            Long("threads") => options.threads = args.value()?.parse()?,
            Long("mutants") => options.mutants = Mutant::ALL.to_vec(),
            Long("mutant") => {
                let name = args.value()?.string()?;
                let known = Mutant::ALL.into_iter().find(|(_, known)| *known == name);
                let names: Vec<&str> = Mutant::ALL.iter().map(|(_, name)| *name).collect();
                options
                    .mutants
                    .push(known.ok_or(format!("no mutant {name}; there are {}", names.join(" ")))?);
            }
            other => return Err(other.unexpected()),
        }
    }
    Ok(options)
}

fn act(options: &Options) -> ExitCode {
    if !options.mutants.is_empty() {
        return mutants(options);
    }
    match options.seed {
        Some(seed) => replay(seed),
        None => many(options),
    }
}

/// One seed, told line by line; a failing one also as the shortest history that still fails.
fn replay(seed: u64) -> ExitCode {
    let outcome = run::run(seed, &Plan::of(seed), true);
    outcome.lines.iter().for_each(|line| println!("{line}"));
    println!("seed {seed}: hash {:016x}, {} violations", outcome.hash, outcome.violations.len());
    match outcome.violations.first() {
        None => ExitCode::SUCCESS,
        Some(first) => {
            tell_shortest(seed, first.checker, None);
            ExitCode::FAILURE
        }
    }
}

fn tell_shortest(seed: u64, checker: Checker, mutant: Option<Mutant>) {
    let of_world = of_world(seed, mutant);
    let plan = shrink::shorten(of_world, Plan::of(seed), checker);
    println!("\nthe shortest history of seed {seed} that still fails ({} actions):", plan.actions.len());
    run::run(of_world, &plan, true).lines.iter().for_each(|line| println!("  {line}"));
}

/// What a worker thread found.
#[derive(Default)]
struct Found {
    counters: BTreeMap<&'static str, u64>,
    failed: BTreeMap<u64, (Checker, String)>,
    hash: u64,
    runs: u64,
}

/// A mutant's history is to be pinned, and such a one says nothing of the world's own chance.
fn of_world(seed: u64, mutant: Option<Mutant>) -> u64 {
    if mutant.is_some() { 0 } else { seed }
}

fn search(
    options: &Options,
    seeds: impl Fn(u64) -> Option<u64> + Sync,
    stop_at: usize,
    mutant: Option<Mutant>,
) -> Found {
    let (next, found) = (AtomicU64::new(0), Mutex::new(Found::default()));
    let work = || {
        activate(mutant);
        while let Some(seed) = seeds(next.fetch_add(1, Ordering::Relaxed)) {
            activate(mutant);
            let outcome = run::run(of_world(seed, mutant), &Plan::of(seed), false);
            let Ok(mut found) = found.lock() else { return };
            for (name, count) in outcome.counters {
                let known = found.counters.entry(name).or_default();
                *known = if name == "outbox peak" { (*known).max(count) } else { *known + count };
            }
            found.runs += 1;
            found.hash ^= outcome.hash.rotate_left((seed % 64) as u32);
            if let Some(first) = outcome.violations.into_iter().next() {
                found.failed.insert(seed, (first.checker, first.what));
            }
            if found.failed.len() >= stop_at {
                return;
            }
        }
    };
    std::thread::scope(|scope| (0..options.threads).for_each(|_| drop(scope.spawn(work))));
    found.into_inner().unwrap_or_default()
}

fn many(options: &Options) -> ExitCode {
    let start = Instant::now();
    let pinned = regressions::all();
    let wrong = pinned.iter().filter(|(name, _, plan)| told_wrong(name, plan)).count();
    let seeds = |n| (n < options.seeds).then_some(options.from + n);
    let found = search(options, seeds, 20, None);
    let seconds = start.elapsed().as_secs_f64();
    for (name, count) in &found.counters {
        println!("  {name:28} {count}");
    }
    println!(
        "{} pinned histories, {} seeds from {} in {seconds:.1} s: {:.0} a second; hash {:016x}",
        pinned.len(),
        found.runs,
        options.from,
        found.runs as f64 / seconds,
        found.hash
    );
    let mut missing: Vec<String> = Vec::new();
    if options.seeds >= SEEDS_FOR_ALL {
        let never = SOMETIMES.iter().filter(|name| found.counters.get(*name).copied().unwrap_or(0) == 0);
        missing.extend(never.map(|name| (*name).to_owned()));
        if found.counters.get("outbox peak").copied().unwrap_or(0) < OUTBOX_PEAK_MIN {
            missing.push(format!("an outbox of {OUTBOX_PEAK_MIN}"));
        }
    }
    for (seed, (checker, what)) in &found.failed {
        println!("seed {seed} failed: {checker:?}: {what}");
    }
    if let Some((seed, (checker, _))) = found.failed.first_key_value() {
        tell_shortest(*seed, *checker, None);
    }
    if !missing.is_empty() {
        println!("never happened, so not tested: {}", missing.join(", "));
    }
    let failed = found.failed.len() + missing.len() + wrong;
    println!("{} passed, {failed} failed", found.runs as usize + pinned.len() - found.failed.len() - wrong);
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs a pinned history; true when it fails again.
fn told_wrong(name: &str, plan: &Plan) -> bool {
    let outcome = run::run(0, plan, true);
    if let Some(first) = outcome.violations.first() {
        outcome.lines.iter().for_each(|line| println!("  {line}"));
        println!("again: {name}: {:?}: {}", first.checker, first.what);
    }
    !outcome.violations.is_empty()
}

/// Each mutant must be caught by some checker, in its pinned history or in some seed.
fn mutants(options: &Options) -> ExitCode {
    let mut survivors = 0;
    for (mutant, name) in &options.mutants {
        let start = Instant::now();
        activate(Some(*mutant));
        let own = regressions::all().into_iter().find(|(_, behind, _)| behind == mutant);
        if let Some((_, _, plan)) = own {
            let caught = run::run(0, &plan, false).violations.into_iter().next();
            println!("mutant {name:28} by its pinned history: {:?}", caught.as_ref().map(|v| v.checker));
            // One that doesn't bring it out any more needs another: looked for if it is the only one asked for.
            survivors += usize::from(caught.is_none());
            if caught.is_some() || options.mutants.len() > 1 {
                continue;
            }
        }
        let last = MUTANT_SEEDS.min(options.seeds.max(2_000) * 10);
        let enough = if options.mutants.len() == 1 { 1 } else { 3 };
        let found = search(options, |n| (n < last).then_some(n + 1), enough, Some(*mutant));
        let by: BTreeSet<Checker> = found.failed.values().map(|(checker, _)| *checker).collect();
        let seconds = start.elapsed().as_secs_f64();
        if by.is_empty() {
            survivors += 1;
            println!("mutant {name:28} SURVIVED {} seeds ({seconds:.1} s)", found.runs);
        } else {
            println!("mutant {name:28} caught by {by:?} after {} seeds ({seconds:.1} s)", found.runs);
            if options.mutants.len() == 1 {
                activate(Some(*mutant));
                for (seed, (checker, what)) in &found.failed {
                    println!("\nseed {seed}: {what}");
                    tell_shortest(*seed, *checker, Some(*mutant));
                }
            }
        }
    }
    let passed = options.mutants.len() - survivors;
    println!("{passed} passed, {survivors} failed");
    if survivors == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
