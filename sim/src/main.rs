//! The simulator: the real routes, objects, rooms, SQL and outbox under a virtual clock, with faults injected
//! everywhere (`cargo xtask sim`). One seed is one history, always the same.
//!
//! `generator` turns a seed into a `plan`, `run` runs it with `actions`. A `world` is its parts, each with its state;
//! over them are the runtime (`objects`, `platform`, `outages`, `scheduler`), `postgres`, the `worker` with `requests`,
//! the `transport`, and the clients (`client`, `people`, `rules`, `files`). They check all that they receive against
//! the model; `final_checks` looks at all that is `stored`. `shrink` finds the shortest failing history, and what once
//! failed is kept in `regressions`. Not here: real sockets, processes and disks; those are in `tests/faults`.

mod account_rows;
mod accounts;
mod actions;
mod client;
mod client_checks;
mod deletion_checks;
mod files;
mod final_checks;
mod generator;
mod history_checks;
mod inbox_checks;
mod inbox_rows;
mod inboxes;
mod log_checks;
mod notice_checks;
mod notifications;
mod objects;
mod outages;
mod people;
mod pins;
mod plan;
mod platform;
mod postgres;
mod rate_checks;
mod rebuild_checks;
mod regressions;
mod requests;
mod rng;
mod rules;
mod run;
mod saved_checks;
mod scheduler;
mod shrink;
mod stored;
mod token;
mod transport;
mod watchdog;
mod worker;
mod world;

use generator::generate;
use lexopt::prelude::*;
use regressions::Regression;
use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use world::checker::Checker;

/// What must have happened over a whole run of many seeds: else the run tested nothing.
const SOMETIMES: [&str; 66] = [
    "crashes",
    "dedupe hits",
    "conflicts compared as equal",
    "replays",
    "resyncs",
    "rows quarantined",
    "wakes",
    "panics survived",
    "slow sockets closed",
    "failing statements",
    "instances aborted",
    "deploys",
    "storages lost",
    "later pages of rebuilds",
    "rebuilds continued after a loss",
    "rebuilds completed",
    "restored backups noticed",
    "changes of people lost",
    "rooms lost in Postgres",
    "rooms put back",
    "pieces erased",
    "late statements",
    "members removed in Postgres",
    "writes to a full disk",
    "alert reports",
    "alert reports lost",
    "notifications",
    "notifications refused",
    "webhooks failed",
    "quarantined rows retried",
    "changes",
    "changes replanned",
    "people removed over REST",
    "people muted",
    "slow modes",
    "messages refused by slow mode",
    "messages refused by moderation",
    "messages reported",
    "rooms deleted",
    "files stored",
    "files removed",
    "file removals failed",
    "uploads failed",
    "uploads never sent",
    "searches for strays",
    "final alarms lost",
    "silent people notified",
    "messages refused for their rate",
    "pages refused for their rate",
    "pages cut at their bytes",
    "histories cut at their bytes",
    "changes at once",
    "inbox events",
    "inbox events replayed",
    "inboxes resynced",
    "rooms added to a list",
    "rooms removed from a list",
    "pokes lost",
    "pokes doubled",
    "leases lost",
    "notifications in an inbox",
    "notifications withdrawn",
    "blocks",
    "messages refused for a block",
    "people deactivated",
    "requests of deactivated people refused",
];
const OUTBOX_PEAK: &str = "outbox peak";
/// Events that wait for Postgres at once, in some seed.
const OUTBOX_PEAK_MIN: u64 = 500;
/// A run of fewer seeds may not have seen everything.
const SEEDS_FOR_ALL: u64 = 1_000;
/// A search ends after this many failing seeds.
const FAILURES_MAX: usize = 20;

struct Options {
    seeds: u64,
    from: u64,
    seed: Option<u64>,
    threads: usize,
    /// Look for a violation of this checker, as a mutant must bring one.
    detect: Option<Checker>,
    /// With `detect`: in the regression of this mutant, and in no seed.
    regression: Option<String>,
}

fn main() -> ExitCode {
    run::silence_panics();
    let options = options();
    let expected = options.as_ref().ok().and_then(|options| options.detect);
    watchdog::start(expected == Some(Checker::Bounds));
    let passed = match options {
        Ok(Options { detect: Some(checker), regression: Some(name), .. }) => {
            detect_in_regression(checker, &name)
        }
        Ok(options @ Options { detect: Some(checker), .. }) => detect(&options, checker),
        Ok(Options { seed: Some(seed), .. }) => replay(seed),
        Ok(options) => run_seeds(&options),
        Err(error) => {
            eprintln!("sim: {error}");
            false
        }
    };
    if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn options() -> Result<Options, lexopt::Error> {
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    let mut options = Options { seeds: 2_000, from: 1, seed: None, threads, detect: None, regression: None };
    let mut args = lexopt::Parser::from_env();
    while let Some(arg) = args.next()? {
        match arg {
            Long("seeds") => options.seeds = args.value()?.parse()?,
            Long("from") => options.from = args.value()?.parse()?,
            Long("seed") => options.seed = Some(args.value()?.parse()?),
            Long("threads") => options.threads = args.value()?.parse()?,
            Long("detect") => options.detect = Some(args.value()?.parse()?),
            Long("regression") => options.regression = Some(args.value()?.string()?),
            other => return Err(other.unexpected()),
        }
    }
    Ok(options)
}

/// One seed, line by line; a failing one also as the shortest history that still fails.
fn replay(seed: u64) -> bool {
    let watched = watchdog::watch(format!("seed {seed}"));
    let outcome = run::run(seed, &generate(seed), true);
    drop(watched);
    outcome.lines.iter().for_each(|line| println!("{line}"));
    println!("seed {seed}: hash {:016x}, {} violations", outcome.hash, outcome.violations.len());
    if let Some(first) = outcome.violations.first() {
        print_shortest(seed, first.checker);
    }
    outcome.violations.is_empty()
}

fn print_shortest(seed: u64, checker: Checker) {
    let plan = shrink::shorten(seed, generate(seed), checker);
    println!("\nthe shortest history of seed {seed} that still fails ({} actions):", plan.actions.len());
    run::run(seed, &plan, true).lines.iter().for_each(|line| println!("  {line}"));
}

/// What the worker threads found.
#[derive(Default)]
struct Findings {
    counters: BTreeMap<&'static str, u64>,
    failed: BTreeMap<u64, (Checker, String)>,
    hash: u64,
    runs: u64,
}

/// Runs the seeds on all threads until `is_enough`.
fn search(options: &Options, is_enough: impl Fn(&Findings) -> bool + Sync) -> Findings {
    let (next, findings) = (AtomicU64::new(0), Mutex::new(Findings::default()));
    let work = || loop {
        let n = next.fetch_add(1, Ordering::Relaxed);
        if n >= options.seeds {
            return;
        }
        let seed = options.from + n;
        let watched = watchdog::watch(format!("seed {seed}"));
        let outcome = run::run(seed, &generate(seed), false);
        drop(watched);
        let Ok(mut findings) = findings.lock() else { return };
        for (name, count) in outcome.counters {
            let known = findings.counters.entry(name).or_default();
            *known = if name == OUTBOX_PEAK { (*known).max(count) } else { *known + count };
        }
        findings.runs += 1;
        findings.hash ^= outcome.hash.rotate_left((seed % 64) as u32);
        if let Some(first) = outcome.violations.into_iter().next() {
            // At once: a run of hours may be cut off.
            eprintln!("seed {seed} failed: {:?}: {}", first.checker, first.what);
            findings.failed.insert(seed, (first.checker, first.what));
        }
        if is_enough(&findings) {
            return;
        }
    };
    std::thread::scope(|scope| (0..options.threads).for_each(|_| drop(scope.spawn(work))));
    findings.into_inner().unwrap_or_default()
}

fn run_seeds(options: &Options) -> bool {
    let start = Instant::now();
    let regressions = regressions::ALL;
    let failed_again = regressions.iter().filter(|regression| fails_again(regression)).count();
    let findings = search(options, |findings| findings.failed.len() >= FAILURES_MAX);
    let seconds = start.elapsed().as_secs_f64();
    for (name, count) in &findings.counters {
        println!("  {name:28} {count}");
    }
    println!(
        "{} regressions, {} seeds from {} in {seconds:.1} s: {:.0} a second; hash {:016x}",
        regressions.len(),
        findings.runs,
        options.from,
        findings.runs as f64 / seconds,
        findings.hash
    );
    for (seed, (checker, what)) in &findings.failed {
        println!("seed {seed} failed: {checker:?}: {what}");
    }
    if let Some((seed, (checker, _))) = findings.failed.first_key_value() {
        print_shortest(*seed, *checker);
    }
    let missing = if options.seeds >= SEEDS_FOR_ALL { never_happened(&findings) } else { Vec::new() };
    if !missing.is_empty() {
        println!("never happened, so not tested: {}", missing.join(", "));
    }
    let failed = findings.failed.len() + missing.len() + failed_again;
    let passed = findings.runs as usize + regressions.len() - findings.failed.len() - failed_again;
    println!("{passed} passed, {failed} failed");
    failed == 0
}

fn never_happened(findings: &Findings) -> Vec<String> {
    let count = |name: &str| findings.counters.get(name).copied().unwrap_or(0);
    let mut missing: Vec<String> =
        SOMETIMES.iter().filter(|name| count(name) == 0).map(|name| (*name).to_owned()).collect();
    if count(OUTBOX_PEAK) < OUTBOX_PEAK_MIN {
        missing.push(format!("an outbox of {OUTBOX_PEAK_MIN}"));
    }
    missing
}

/// Runs a regression; true when it fails.
fn fails_again(regression: &Regression) -> bool {
    let _watched = watchdog::watch(format!("the regression of `{}`", regression.mutant));
    let outcome = run::run(0, &regression.plan(), true);
    if let Some(first) = outcome.violations.first() {
        outcome.lines.iter().for_each(|line| println!("  {line}"));
        println!("fails again: {}: {:?}: {}", regression.defect, first.checker, first.what);
    }
    !outcome.violations.is_empty()
}

/// Runs the regression in which a mutant must fail.
fn detect_in_regression(checker: Checker, mutant: &str) -> bool {
    let Some(regression) = regressions::ALL.into_iter().find(|known| known.mutant == mutant) else {
        eprintln!("sim: no regression of `{mutant}`");
        return false;
    };
    let _watched = watchdog::watch("its regression".into());
    let violations = run::run(0, &regression.plan(), false).violations;
    let found: Vec<Checker> = violations.iter().map(|violation| violation.checker).collect();
    println!("its regression: {found:?}");
    found.contains(&checker)
}

/// Runs seeds until one violates the checker.
fn detect(options: &Options, checker: Checker) -> bool {
    let is_detected = |findings: &Findings| findings.failed.values().any(|(found, _)| *found == checker);
    let findings = search(options, is_detected);
    let detected = findings.failed.iter().find(|(_, (found, _))| *found == checker);
    match detected {
        Some((seed, (_, what))) => println!("seed {seed}: {what}"),
        None => {
            let others: Vec<Checker> = findings.failed.values().map(|(found, _)| *found).collect();
            println!("not by {checker:?} in {} seeds; others: {others:?}", findings.runs);
        }
    }
    detected.is_some()
}
