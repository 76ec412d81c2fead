//! What the runs of a bench say: medians, a table for people, and whether it is good enough.
//! Not here: measuring (bench/) and running (`bench.rs`).

use super::{CONTENT_BYTES, SENDERS, SOCKETS, UNDER_WAY};
use crate::{process, root};
use anyhow::{Result, ensure};
use serde_json::Value;
use std::fmt::Write as _;
use std::process::Command;

/// The target: at least this many times the baseline's deliveries, and at most its CPU divided by this.
const FACTOR_MIN: f64 = 3.0;
/// Nothing but the processor holds the baseline up: with less than this share of its core, others were using it.
const CORE_SHARE_MIN: f64 = 0.8;

pub fn number(run: &Value, name: &str) -> f64 {
    run[name].as_f64().unwrap_or_default()
}

fn median(runs: &[Value], name: &str) -> f64 {
    let mut values: Vec<f64> = runs.iter().map(|run| number(run, name)).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

pub fn line(run: usize, name: &str, measured: &Value) -> String {
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

/// The measured runs of both, in order.
pub struct Results {
    pub baseline: Vec<Value>,
    pub ours: Vec<Value>,
    pub pinned: bool,
}

impl Results {
    /// Ours as a multiple of the baseline's deliveries, and the baseline's CPU as a multiple of ours.
    fn factors(&self) -> (f64, f64) {
        let of = |name| (median(&self.ours, name), median(&self.baseline, name));
        let ((ours, baseline), (cpu, baseline_cpu)) = (of("deliveriesPerS"), of("serverCpuUsPerDelivery"));
        (ours / baseline, baseline_cpu / cpu)
    }

    pub fn judge(&self) -> Result<()> {
        let (speed, cpu) = self.factors();
        ensure!(
            speed >= FACTOR_MIN && cpu >= FACTOR_MIN,
            "the goal is {FACTOR_MIN} × the baseline's deliveries and 1/{FACTOR_MIN} of its CPU; measured are {speed:.1} × and 1/{cpu:.1}"
        );
        Ok(())
    }
}

/// The table for people, then every run and what it ran on.
pub fn report(results: &Results) -> Result<String> {
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
    let share = median(&results.baseline, "serverCpuShare");
    if share < CORE_SHARE_MIN {
        writeln!(
            text,
            "The machine was busy with other things: the baseline got {:.0} % of its core. CPU a delivery is to be \
             compared, deliveries a second are too few for both.\n",
            share * 100.0
        )?;
    }
    for (name, runs) in [("this Worker", &results.ours), ("the baseline", &results.baseline)] {
        for (at, run) in runs.iter().enumerate() {
            writeln!(text, "- {}", line(at + 1, name, run))?;
        }
    }
    let behind: Vec<_> = results.ours.iter().map(|run| number(run, "postgresBehindMs") / 1e3).collect();
    writeln!(text, "- Postgres held everything so many seconds after the load ended: {behind:.1?}")?;
    writeln!(text, "\n{}", machine("cargo xtask bench")?)?;
    Ok(text)
}

/// Date, machine and versions.
pub fn machine(command: &str) -> Result<String> {
    let date = process::run_quietly(Command::new("date").args(["-u", "+%F"]))?;
    let commit = process::run_quietly(
        Command::new("git").current_dir(root()).args(["describe", "--always", "--dirty"]),
    );
    let cpus = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpus.lines().find_map(|l| l.strip_prefix("model name")).unwrap_or("unknown processor");
    let count = cpus.lines().filter(|l| l.starts_with("processor")).count();
    let version = |package: &str| -> Result<String> {
        let text = std::fs::read_to_string(root().join("node_modules").join(package).join("package.json"))?;
        Ok(serde_json::from_str::<Value>(&text)?["version"].as_str().unwrap_or_default().to_owned())
    };
    Ok(format!(
        "{}, commit {}; {} × {}; workerd {}; the npm packages' embedded Postgres; `{command}`.",
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
    use serde_json::json;

    fn run(deliveries: f64, cpu_us: f64) -> Value {
        json!({"deliveriesPerS": deliveries, "serverCpuUsPerDelivery": cpu_us, "latencyP50Us": 1500, "latencyP99Us": 9000, "serverCpuShare": 0.5})
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
        assert!(report.contains("the baseline got 50 % of its core"), "a busy machine is told: {report}");
    }
}
