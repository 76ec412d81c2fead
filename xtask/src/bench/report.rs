//! What the runs of a workload say: medians, a table for people, the figures as JSON, and whether it is good enough.
//! Not here: measuring (bench/) and running (`workload.rs`).

use super::baseline::BARE;
use super::picture::{self, Bar, Panel};
use super::workload::{Goal, Pace, Target, Workload};
use crate::log::say;
use crate::{process, root};
use anyhow::{Context, Result, ensure};
use serde_json::{Map, Value, json};
use std::fmt::Write as _;
use std::process::Command;

/// A closed loop's target: at least this many times the bare object's deliveries, and at most its CPU divided by this.
const FACTOR_MIN: f64 = 3.0;
/// A message may cost this many times its goal: the machines of CI are slow, and others use them.
const GOALS_MAX: f64 = 3.0;
/// Nothing but the processor holds a closed loop up: with less than this share of its core, others were using it.
const CORE_SHARE_MIN: f64 = 0.8;

pub fn number(run: &Value, name: &str) -> f64 {
    run[name].as_f64().unwrap_or_default()
}

pub fn line(run: usize, target: Target, measured: &Value) -> String {
    let n = |field| number(measured, field);
    let mut text = format!(
        "run {run}, {}: {:.0} messages/s, {:.0} deliveries/s, {:.2} µs of CPU a delivery, {:.0} a message; each p50 \
         {:.1} ms, p99 {:.1} ms; last p50 {:.1} ms, p99 {:.1} ms; a join {:.1} ms of CPU; {:.0} MiB; {:.1} events a \
         frame of {:.0} bytes; of a core the server had {:.0} %, the load {:.0} %",
        target.name(),
        n("messagesPerS"),
        n("deliveriesPerS"),
        n("serverCpuUsPerDelivery"),
        n("serverCpuUsPerMessage"),
        n("latencyP50Us") / 1e3,
        n("latencyP99Us") / 1e3,
        n("lastP50Us") / 1e3,
        n("lastP99Us") / 1e3,
        n("joinCpuUs") / 1e3,
        n("serverMemoryKib") / 1024.0,
        n("eventsPerFrame"),
        n("eventBytes"),
        n("serverCpuShare") * 100.0,
        n("loadCpuShare") * 100.0,
    );
    let [lost, doubled, disordered] = ["lost", "doubled", "outOfOrder"].map(n);
    if lost + doubled + disordered > 0.0 {
        let _ = write!(text, "; deliveries LOST {lost}, DOUBLED {doubled}, OUT OF ORDER {disordered}");
    }
    if let (Some(behind_ms), Some(cpu_us)) =
        (measured["postgresBehindMs"].as_u64(), measured["postgresCpuUsPerMessage"].as_f64())
    {
        let _ = write!(text, "; Postgres used {cpu_us:.0} µs a message and had all after {behind_ms} ms");
    }
    text
}

/// The runs of one target, in order.
struct Measured {
    target: Target,
    runs: Vec<Value>,
}

impl Measured {
    fn sorted(&self, name: &str) -> Vec<f64> {
        let mut values: Vec<f64> = self.runs.iter().map(|run| number(run, name)).collect();
        values.sort_by(f64::total_cmp);
        values
    }

    fn median(&self, name: &str) -> f64 {
        let values = self.sorted(name);
        values.get(values.len() / 2).copied().unwrap_or_default()
    }

    /// `median (least–greatest)`, divided by `unit`.
    fn spread(&self, name: &str, unit: f64) -> String {
        let values = self.sorted(name);
        let at = |index: usize| values.get(index).copied().unwrap_or_default() / unit;
        format!("{:.1} ({:.1}–{:.1})", at(values.len() / 2), at(0), at(values.len().saturating_sub(1)))
    }
}

/// All runs of one workload. The first target is ours.
pub struct Results {
    workload: &'static Workload,
    measured: Vec<Measured>,
    is_pinned: bool,
    is_pooled: bool,
}

impl Results {
    pub fn new(workload: &'static Workload, is_pinned: bool, is_pooled: bool) -> Results {
        Results { workload, measured: Vec::new(), is_pinned, is_pooled }
    }

    pub fn add(&mut self, target: Target, run: Value) {
        match self.measured.iter_mut().find(|known| known.target == target) {
            Some(known) => known.runs.push(run),
            None => self.measured.push(Measured { target, runs: vec![run] }),
        }
    }

    fn of(&self, target: Target) -> Option<&Measured> {
        self.measured.iter().find(|known| known.target == target)
    }

    /// A closed loop against the bare object: ours as a multiple of its deliveries, and its CPU as a multiple of ours.
    fn factors(&self) -> Option<(f64, f64)> {
        let (ours, bare) = (self.of(Target::Ours)?, self.of(Target::Baseline(&BARE))?);
        let speed = ours.median("deliveriesPerS") / bare.median("deliveriesPerS");
        let cpu = bare.median("serverCpuUsPerDelivery") / ours.median("serverCpuUsPerDelivery");
        Some((speed, cpu))
    }

    /// What a message may cost of each figure.
    fn cpu_goals_us(&self) -> Vec<(&'static str, f64)> {
        let bare_us = || Some(self.of(Target::Baseline(&BARE))?.median("serverCpuUsPerMessage"));
        match self.workload.goal {
            Some(Goal::CpuUs(server_us, postgres_us)) => {
                vec![("serverCpuUsPerMessage", server_us), ("postgresCpuUsPerMessage", postgres_us)]
            }
            Some(Goal::TimesBare(times)) => {
                bare_us().into_iter().map(|us| ("serverCpuUsPerMessage", us * times)).collect()
            }
            None => Vec::new(),
        }
    }

    /// # Errors  a closed loop is slower or dearer than `FACTOR_MIN` allows, or a message costs more than `GOALS_MAX` times
    ///           its goal.
    pub fn judge(&self) -> Result<()> {
        for (name, goal_us) in self.cpu_goals_us() {
            let measured_us = self.of(Target::Ours).map_or(0.0, |ours| ours.median(name));
            ensure!(
                measured_us <= GOALS_MAX * goal_us,
                "{name} is {measured_us:.0}, more than {GOALS_MAX} times its goal of {goal_us:.0}"
            );
        }
        let (Pace::UnderWay(..), Some((speed, cpu))) = (self.workload.pace, self.factors()) else {
            return Ok(());
        };
        ensure!(
            speed >= FACTOR_MIN && cpu >= FACTOR_MIN,
            "the goal is {FACTOR_MIN} × the baseline's deliveries and 1/{FACTOR_MIN} of its CPU; measured are {speed:.1} × and 1/{cpu:.1}"
        );
        Ok(())
    }

    /// Writes the report and the figures to `bench/results`, by the workload's name.
    pub fn write(&self) -> Result<()> {
        let machine = machine(&format!("cargo xtask bench {}", self.workload.name))?;
        let text = format!("{}\n{machine}\n", self.report()?);
        println!("\n{text}");
        let path = root().join("bench/results").join(self.workload.name.to_lowercase());
        std::fs::create_dir_all(path.parent().context("a folder")?)?;
        let runs: Map<String, Value> =
            self.measured.iter().map(|of| (of.target.name().to_owned(), json!(of.runs))).collect();
        let json = json!({"workload": self.workload.describe(), "machine": machine, "runs": runs});
        std::fs::write(path.with_extension("json"), serde_json::to_string_pretty(&json)? + "\n")?;
        std::fs::write(path.with_extension("md"), text)?;
        std::fs::write(path.with_extension("svg"), picture::draw(&self.panels()))?;
        say(&format!("written to {}.md, .json and .svg", path.display()));
        Ok(())
    }

    /// What the picture shows: how many, how soon, at what price.
    fn panels(&self) -> Vec<Panel> {
        let deliveries = ("deliveriesPerS", 1.0, "Deliveries a second");
        let latencies =
            [("lastP50Us", 1e3, "Last receiver, p50, ms"), ("lastP99Us", 1e3, "Last receiver, p99, ms")];
        let cpu = ("serverCpuUsPerMessage", 1.0, "Server CPU a message, µs");
        let figures = match self.workload.pace {
            Pace::UnderWay(..) => vec![deliveries, cpu],
            Pace::PerS(_) => latencies.into_iter().chain([cpu]).collect(),
        };
        let panel = |(name, unit, title): (&str, f64, &str)| {
            let bars = self.measured.iter().map(|of| {
                let values = of.sorted(name);
                let at = |index: usize| values.get(index).copied().unwrap_or_default() / unit;
                let (least, median, greatest) =
                    (at(0), at(values.len() / 2), at(values.len().saturating_sub(1)));
                Bar { name: of.target.name(), least, median, greatest }
            });
            Panel { title: title.to_owned(), bars: bars.collect() }
        };
        figures.into_iter().map(panel).collect()
    }

    /// The table for people, then every run.
    fn report(&self) -> Result<String> {
        let runs = self.measured.first().map_or(0, |of| of.runs.len());
        let mut text = format!(
            "# {}\n\n{}; medians (least–greatest) of {runs} interleaved runs; bare `workerd serve`, {}, {}.\n\n\
             | | deliveries/s | CPU a delivery, µs | CPU a message, µs | each p50, ms | p99 | last p50, ms | p99 | a join, ms of CPU | memory, MiB |\n\
             |--|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n",
            self.workload.name,
            self.workload.describe(),
            if self.is_pinned { "one core" } else { "not pinned" },
            if self.is_pooled { "PgBouncer before Postgres" } else { "without PgBouncer" },
        );
        let columns = [
            ("deliveriesPerS", 1.0),
            ("serverCpuUsPerDelivery", 1.0),
            ("serverCpuUsPerMessage", 1.0),
            ("latencyP50Us", 1e3),
            ("latencyP99Us", 1e3),
            ("lastP50Us", 1e3),
            ("lastP99Us", 1e3),
            ("joinCpuUs", 1e3),
            ("serverMemoryKib", 1024.0),
        ];
        for of in &self.measured {
            let cells = columns.map(|(name, unit)| of.spread(name, unit)).join(" | ");
            writeln!(text, "| {} | {cells} |", of.target.describe())?;
        }
        let ours = self.of(Target::Ours).context("runs of ours")?;
        for of in self.measured.iter().filter(|of| of.target != Target::Ours) {
            let ratios = columns.map(|(name, _)| match of.median(name) {
                // Its joins cost less than a tick of the clock.
                0.0 => "–".to_owned(),
                theirs => format!("× {:.2}", ours.median(name) / theirs),
            });
            writeln!(text, "| **ours : {}** | {} |", of.target.name(), ratios.join(" | "))?;
        }
        writeln!(text, "\n![The same as a picture]({}.svg)", self.workload.name.to_lowercase())?;
        text += "\nIn each run of Chinwag every socket received every message of its room once and all in the same \
                 order (by `seq`), and Postgres then held each once; what a baseline lost, doubled or disordered stands \
                 with its run. A message received by one socket is a \
                 delivery; \"last\" is the last socket of each message. The baselines' events are as long as ours. CPU \
                 is that of the server's process alone: Postgres and the load share the other core.\n\n";
        let slow = self.measured.iter().find(|of| of.median("serverCpuShare") < CORE_SHARE_MIN);
        if let (Pace::UnderWay(..), Some(slow)) = (self.workload.pace, slow) {
            writeln!(
                text,
                "The machine was busy with other things: {} got {:.0} % of its core. CPU a delivery is to be compared, \
                 deliveries a second are too few for all.\n",
                slow.target.name(),
                slow.median("serverCpuShare") * 100.0
            )?;
        }
        for of in &self.measured {
            for (at, run) in of.runs.iter().enumerate() {
                writeln!(text, "- {}", line(at + 1, of.target, run))?;
            }
        }
        Ok(text)
    }
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

    fn run(deliveries: f64, cpu_us: f64) -> Value {
        json!({"deliveriesPerS": deliveries, "serverCpuUsPerDelivery": cpu_us, "latencyP50Us": 1500, "serverCpuShare": 0.5})
    }

    #[test]
    fn judges_by_medians_and_both_factors() {
        let results = |workload, bare| {
            let mut results = Results::new(Workload::find(workload).unwrap(), true, false);
            for ours in [run(900.0, 1.0), run(300.0, 9.0), run(10.0, 2.0)] {
                results.add(Target::Ours, ours);
            }
            results.add(Target::Baseline(&BARE), bare);
            results
        };
        assert_eq!(results("W1", run(100.0, 6.0)).factors(), Some((3.0, 3.0)));
        assert!(results("W1", run(100.0, 6.0)).judge().is_ok());
        assert!(results("W1", run(101.0, 6.0)).judge().is_err(), "too slow");
        assert!(results("W1", run(100.0, 5.9)).judge().is_err(), "too dear");
        assert!(results("W2", run(101.0, 5.9)).judge().is_ok(), "an open loop has no factor");
        let mut dear = results("W2", run(100.0, 6.0));
        let of_cost = |us| json!({"serverCpuUsPerMessage": us, "postgresCpuUsPerMessage": 600});
        dear.measured[0].runs = vec![of_cost(3_000)];
        assert!(dear.judge().is_ok());
        dear.measured[0].runs = vec![of_cost(3_001)];
        assert!(dear.judge().is_err(), "a message is too dear");
        let report = results("W1", run(100.0, 6.0)).report().unwrap();
        assert!(report.contains("| 300.0 (10.0–900.0) | 2.0 (1.0–9.0) |"), "{report}");
        assert!(report.contains("| **ours : bare** | × 3.00 | × 0.33 |"), "{report}");
        assert!(report.contains("chinwag got 50 % of its core"), "a busy machine is told: {report}");
    }
}
