//! How often each fault happened and was survived, as Markdown. Not here: what is checked.

use crate::Struck;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

#[derive(Default)]
struct Row {
    runs: u64,
    survived: u64,
    struck: u64,
    longest: Duration,
    /// Of the last run.
    by: String,
    failures: Vec<String>,
}

#[derive(Default)]
pub struct Report {
    rows: BTreeMap<&'static str, Row>,
}

impl Report {
    pub fn add(&mut self, name: &'static str, took: Duration, outcome: Result<Struck, String>) {
        let row = self.rows.entry(name).or_default();
        row.runs += 1;
        row.longest = row.longest.max(took);
        match outcome {
            Ok(struck) => {
                row.survived += 1;
                row.struck += struck.times;
                row.by = struck.by;
                println!(
                    "test {name} ... ok, struck {} times, {:.1} s: {}",
                    struck.times,
                    took.as_secs_f64(),
                    row.by
                );
            }
            Err(why) => {
                println!("test {name} ... FAILED after {:.1} s: {why}", took.as_secs_f64());
                row.failures.push(why);
            }
        }
    }

    pub fn passed(&self) -> bool {
        !self.rows.is_empty() && self.rows.values().all(|row| row.failures.is_empty())
    }

    pub fn markdown(&self, seed: Option<u64>) -> String {
        let mut text =
            String::from("| fault | runs | survived | struck | s | shown by |\n|--|--|--|--|--|--|\n");
        for (name, row) in &self.rows {
            let (name, Row { runs, survived, struck, by, .. }) = (name.replace('_', " "), row);
            let longest = row.longest.as_secs();
            let _ = writeln!(text, "| {name} | {runs} | {survived} | {struck} | {longest} | {by} |");
        }
        if let Some(seed) = seed {
            let _ = writeln!(text, "\nSeed {seed}.");
        }
        text
    }

    /// The last line, in the words of cargo's own harness: xtask counts by it.
    pub fn result(&self, took: Duration) -> String {
        let failed = self.rows.values().filter(|row| !row.failures.is_empty()).count();
        let verdict = if self.passed() { "ok" } else { "FAILED" };
        let passed = self.rows.len() - failed;
        format!(
            "test result: {verdict}. {passed} passed; {failed} failed; finished in {:.0} s",
            took.as_secs_f64()
        )
    }
}

/// The message of a task's panic.
pub fn message(panic: tokio::task::JoinError) -> String {
    let Ok(payload) = panic.try_into_panic() else { return "cancelled".to_owned() };
    let text = payload.downcast_ref::<String>().cloned();
    let text = text.or_else(|| payload.downcast_ref::<&str>().map(|text| (*text).to_owned()));
    text.unwrap_or_default().lines().next().unwrap_or("panicked").to_owned()
}
