//! `cargo xtask smoke`: a minute of the contract against any deployment, as two people. Each step says what it saw and
//! how long that took; a step that fails names the part of the deployment that is broken and the line of README.md that
//! mends it. Whatever fails, the room and its files are deleted at the end.
//! Not here: the steps (`steps`), the parts and their remedies (`parts`), HTTP and WebSocket (`deployment`).

mod deployment;
mod parts;
mod steps;

use crate::migrate;
use anyhow::{Result, ensure};
use deployment::Person;
use parts::{Failure, Part};
use std::path::PathBuf;
use std::time::Instant;
use steps::Smoke;

#[derive(Default)]
pub struct Options {
    pub url: String,
    /// Of two people in one tenant. With the first as a tenant's admin, the deployment's services are asked for too.
    pub tokens: [String; 2],
    /// The direct address of the database, for `verify`; else that of the running stack, if `url` is that stack.
    pub postgres: Option<String>,
    pub data: PathBuf,
}

/// What a step saw, or that it could not be made and why that is no defect.
pub enum Seen {
    Text(String),
    Skipped(String),
}

type Outcome = std::result::Result<Seen, Failure>;

/// The command `smoke`. An error (exit code 1) if any step failed.
pub fn run(options: &Options) -> Result<()> {
    let wants_tls = options.postgres.as_deref().map_or(Ok(false), migrate::wants_tls)?;
    if (options.url.starts_with("https:") || wants_tls) && !cfg!(feature = "tls") {
        return migrate::rerun_with_tls();
    }
    let [a, b] = &options.tokens;
    let mut smoke = Smoke::new(options, Person::new(&options.url, a)?, Person::new(&options.url, b)?)?;
    let mut report = Report::default();
    run_steps(&mut smoke, &mut report);
    if smoke.has_begun() {
        report.step("clean up", || smoke.clean_up());
    }
    report.conclude()
}

/// Runs the steps in order. Without an answer, a token or a room there is nothing for the later ones to see.
fn run_steps(smoke: &mut Smoke, report: &mut Report) {
    let goes_on = report.step("answer", || smoke.answer())
        && report.step("tokens", || smoke.check_tokens())
        && {
            report.step("services", || smoke.check_services());
            true
        }
        && report.step("create", || smoke.create())
        && report.step("join", || smoke.join());
    if !goes_on {
        return;
    }
    report.step("say", || smoke.say());
    report.step("edit", || smoke.edit());
    report.step("react", || smoke.react());
    report.step("upload", || smoke.upload());
    report.step("delete", || smoke.delete());
    report.step("resume", || smoke.resume());
    // What only Postgres knows. Without the first, the others would wait for the same and in vain.
    if report.step("list", || smoke.list()) {
        report.step("unread", || smoke.unread());
        report.step("search", || smoke.search());
        report.step("verify", || smoke.verify());
    }
}

#[derive(Default)]
struct Report {
    steps: usize,
    broken: Vec<Part>,
    skipped: Vec<&'static str>,
}

impl Report {
    /// Makes one step and prints its line; false if it failed.
    fn step(&mut self, name: &'static str, make: impl FnOnce() -> Outcome) -> bool {
        let start = Instant::now();
        let outcome = make();
        let ms = start.elapsed().as_millis();
        self.steps += 1;
        match outcome {
            Ok(Seen::Text(saw)) => {
                println!("ok    {name:<9} {ms:>6} ms  {saw}");
                true
            }
            Ok(Seen::Skipped(why)) => {
                println!("skip  {name:<9} {ms:>6} ms  {why}");
                self.skipped.push(name);
                true
            }
            Err(Failure { part, saw }) => {
                println!("FAIL  {name:<9} {ms:>6} ms  {saw}");
                println!("      broken: {}. {}", part.name(), part.remedy());
                if !self.broken.contains(&part) {
                    self.broken.push(part);
                }
                false
            }
        }
    }

    fn conclude(self) -> Result<()> {
        let broken: Vec<&str> = self.broken.iter().map(|part| part.name()).collect();
        let skipped = match self.skipped.as_slice() {
            [] => String::new(),
            skipped => format!(", not made: {}", skipped.join(", ")),
        };
        ensure!(broken.is_empty(), "broken: {}{skipped}", broken.join(", "));
        println!("all {} steps passed{skipped}", self.steps);
        Ok(())
    }
}
