//! `cargo xtask sim --mutants`: each patch of `sim/mutants` puts a defect into a copy of the tree; the simulator built
//! there must detect it by the checker that the patch's head names. Not here: the checkers (`sim/`).

use crate::log::say;
use crate::{inputs, process, root};
use anyhow::{Context, Result, ensure};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};

/// Seeds in which a mutant must be detected when its own seed does not bring it out any more.
const SEEDS: &str = "5000";
/// The part of a suite run that mutants may take; one that has begun is finished.
const BUDGET: Duration = Duration::from_secs(180);
/// Mutants of a suite run that come by turns, apart from those of changed files.
const BY_TURNS: usize = 3;
/// Commits whose files count as changed where there is no branch to compare with.
const RECENT_COMMITS: u32 = 10;
/// What the simulator is not built from.
const NOT_COPIED: [&str; 7] = [".git", "build", "docs", "examples", "node_modules", "target", "web"];

/// A defect on purpose: `sim/mutants/NAME.patch`.
///
/// ```text
/// Breaks: what the patched code does wrong.
/// Checker: Lost
/// History: seed 23
///
/// diff --git a/src/… b/src/…
/// ```
/// `History: regression` is the one of the mutant's name in `sim/src/regressions.rs`.
struct Mutant {
    name: String,
    patch: PathBuf,
    checker: String,
    history: History,
    /// The files that it changes.
    files: BTreeSet<String>,
}

enum History {
    Seed(u64),
    Regression,
}

/// How a mutant ended.
struct Row {
    name: String,
    checker: String,
    history: String,
    seconds: f64,
    detected: bool,
}

/// The commands `sim --mutants` and `sim --mutant NAME`.
pub fn run(name: Option<&str>) -> Result<()> {
    let mut all = load()?;
    if let Some(name) = name {
        let known: Vec<String> = all.iter().map(|mutant| mutant.name.clone()).collect();
        all.retain(|mutant| mutant.name == name);
        ensure!(!all.is_empty(), "no mutant `{name}`; there are {}", known.join(", "));
    }
    let lab = Lab::open()?;
    all.iter().try_for_each(|mutant| lab.check_applies(mutant))?;
    let rows = all.iter().map(|mutant| lab.detect(mutant)).collect::<Result<Vec<_>>>()?;
    if name.is_some() {
        let program = simulator();
        say(&format!("its tree: {}; its traces: {} --seed N", lab.tree.display(), program.display()));
    }
    report(&rows)
}

/// The suite's part: all patches apply, and some mutants are detected, those of changed files first.
pub fn run_suite() -> Result<()> {
    let (start, all) = (Instant::now(), load()?);
    let lab = Lab::open()?;
    all.iter().try_for_each(|mutant| lab.check_applies(mutant))?;
    say(&format!("{} mutants apply", all.len()));
    let (changed, today) = (changed_files(), days_since_1970());
    let (mut due, others): (Vec<&Mutant>, Vec<&Mutant>) =
        all.iter().partition(|mutant| mutant.files.iter().any(|file| changed.contains(file)));
    // Where the budget ends early, each day begins with another one.
    let turn = |count: usize| if count == 0 { 0 } else { today * BY_TURNS % count };
    let first = turn(due.len());
    due.rotate_left(first);
    say(&format!("{} change files of recent commits, {BY_TURNS} come by turns", due.len()));
    due.extend(others.iter().cycle().skip(turn(others.len())).take(BY_TURNS.min(others.len())));
    let mut rows = Vec::new();
    for mutant in &due {
        if start.elapsed() > BUDGET {
            say(&format!("{} more in `cargo xtask sim --mutants`: the time is up", due.len() - rows.len()));
            break;
        }
        rows.push(lab.detect(mutant)?);
    }
    report(&rows)
}

fn load() -> Result<Vec<Mutant>> {
    let dir = root().join("sim/mutants");
    let patches: Vec<PathBuf> = inputs::files_below(&dir)
        .into_iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "patch"))
        .collect();
    ensure!(!patches.is_empty(), "no mutant in {}", dir.display());
    patches.iter().map(|patch| parse(patch).with_context(|| format!("{}", patch.display()))).collect()
}

fn parse(patch: &Path) -> Result<Mutant> {
    let text = std::fs::read_to_string(patch)?;
    let (head, diff) = text.split_once("\ndiff --git ").context("no `diff --git` line")?;
    let field = |name: &str| {
        let line = head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        line.with_context(|| format!("no line `{name}: …` before the diff"))
    };
    field("Breaks")?;
    let history = match field("History")? {
        "regression" => History::Regression,
        other => {
            let seed = other.strip_prefix("seed ").and_then(|seed| seed.parse().ok());
            History::Seed(
                seed.with_context(|| format!("`History: {other}` is neither `seed N` nor `regression`"))?,
            )
        }
    };
    let files: BTreeSet<String> =
        diff.lines().filter_map(|line| line.strip_prefix("+++ b/")).map(str::to_owned).collect();
    ensure!(!files.is_empty(), "the diff changes no file");
    let name = patch.file_stem().context("a name")?.to_string_lossy().into_owned();
    Ok(Mutant { name, patch: patch.to_owned(), checker: field("Checker")?.to_owned(), history, files })
}

/// The copy of the tree in which mutants are built, one after the other.
struct Lab {
    tree: PathBuf,
    _lock: std::fs::File,
}

impl Lab {
    /// Copies the tree, so that its present state is what the mutants are patches of.
    fn open() -> Result<Lab> {
        let dir = root().join("target/mutants");
        let lock = inputs::lock(&dir.join("lock"))?;
        let lab = Lab { tree: dir.join("tree"), _lock: lock };
        lab.restore()?;
        Ok(lab)
    }

    /// Makes the copy equal to the tree. A file that is equal keeps its time, so that cargo builds what changed.
    fn restore(&self) -> Result<()> {
        let mut expected = BTreeSet::new();
        for entry in std::fs::read_dir(root())? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if NOT_COPIED.contains(&name.as_str()) || (name.starts_with('.') && name != ".cargo") {
                continue;
            }
            let files = if path.is_dir() { inputs::files_below(&path) } else { vec![path] };
            for file in files {
                let copy = self.tree.join(file.strip_prefix(root())?);
                copy_if_changed(&file, &copy).with_context(|| format!("copying {}", file.display()))?;
                expected.insert(copy);
            }
        }
        for file in inputs::files_below(&self.tree).iter().filter(|file| !expected.contains(*file)) {
            std::fs::remove_file(file).with_context(|| format!("removing {}", file.display()))?;
        }
        Ok(())
    }

    /// # Errors  the patch does not fit the tree any more: it must be made anew.
    fn check_applies(&self, mutant: &Mutant) -> Result<()> {
        let checked = process::run_quietly(self.git_apply(mutant).arg("--check"));
        checked.map(drop).with_context(|| format!("the mutant `{}` does not apply any more", mutant.name))
    }

    /// `git apply`, which needs no repository, and must not find the one around the copy.
    fn git_apply(&self, mutant: &Mutant) -> Command {
        let mut command = Command::new("git");
        command.args(["apply", "--whitespace=nowarn"]).arg(&mutant.patch).current_dir(&self.tree);
        command.env("GIT_CEILING_DIRECTORIES", self.tree.parent().unwrap_or(&self.tree));
        ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"].iter().for_each(|name| _ = command.env_remove(name));
        command
    }

    /// Builds the mutant and runs it until its checker has failed.
    fn detect(&self, mutant: &Mutant) -> Result<Row> {
        let start = Instant::now();
        self.restore()?;
        process::run_quietly(&mut self.git_apply(mutant))?;
        build(&self.tree).with_context(|| format!("the mutant `{}` does not build", mutant.name))?;
        let built = Instant::now();
        let found = match mutant.history {
            History::Regression => simulate(mutant, &["--regression", &mutant.name]),
            History::Seed(seed) => simulate(mutant, &["--from", &seed.to_string(), "--seeds", "1"])
                .or_else(|| simulate(mutant, &["--seeds", SEEDS])),
        };
        let seconds = start.elapsed().as_secs_f64();
        let row = Row {
            name: mutant.name.clone(),
            checker: mutant.checker.clone(),
            detected: found.is_some(),
            history: found.unwrap_or_else(|| "NOT DETECTED".into()),
            seconds,
        };
        let built = seconds - built.elapsed().as_secs_f64();
        say(&format!("{}: {} in {seconds:.1} s ({built:.1} s of it to build)", row.name, row.history));
        Ok(row)
    }
}

fn copy_if_changed(from: &Path, to: &Path) -> Result<()> {
    let bytes = std::fs::read(from)?;
    if std::fs::read(to).is_ok_and(|known| known == bytes) {
        return Ok(());
    }
    std::fs::create_dir_all(to.parent().context("a file has a folder")?)?;
    Ok(std::fs::write(to, bytes)?)
}

/// Builds the simulator of the copy: the profile `sim` with its libraries, its own crates quicker to build.
fn build(tree: &Path) -> Result<()> {
    let mut command = Command::new("cargo");
    command.args(["build", "--quiet", "--profile", "sim", "--package", "sim", "--target-dir"]);
    command.arg(root().join("target")).current_dir(tree);
    command.arg("--config").arg("profile.sim.incremental=true");
    // After a patch 2 s instead of 37: small units are compiled again, without optimisation.
    for setting in ["opt-level=0", "codegen-units=256"] {
        for package in ["chinwag", "sim"] {
            command.arg("--config").arg(format!("profile.sim.package.{package}.{setting}"));
        }
    }
    process::run_quietly(&mut command)?;
    // Both trees' simulators have one name in the target folder.
    std::fs::copy(root().join("target/sim/sim"), simulator()).context("copying the simulator")?;
    Ok(())
}

fn simulator() -> PathBuf {
    root().join("target/mutants/sim")
}

/// Runs the mutated simulator; where the checker failed, or `None`.
fn simulate(mutant: &Mutant, args: &[&str]) -> Option<String> {
    let mut command = Command::new(simulator());
    let text = process::run_quietly(command.args(["--detect", &mutant.checker]).args(args)).ok()?;
    let last = text.lines().last().unwrap_or_default();
    Some(last.split_once(": ").map_or(last, |(place, _)| place).to_owned())
}

fn report(rows: &[Row]) -> Result<()> {
    let width = rows.iter().map(|row| row.name.len()).max().unwrap_or(0);
    println!("{:width$}  {:10} {:20} seconds", "mutant", "checker", "detected in");
    for Row { name, checker, history, seconds, .. } in rows {
        println!("{name:width$}  {checker:10} {history:20} {seconds:7.1}");
    }
    let survivors: Vec<&str> = rows.iter().filter(|row| !row.detected).map(|row| row.name.as_str()).collect();
    println!("{} detected, {} not", rows.len() - survivors.len(), survivors.len());
    ensure!(survivors.is_empty(), "not detected: {}", survivors.join(", "));
    Ok(())
}

/// The files that differ from the branch's base; on the main branch itself, from a few commits ago.
fn changed_files() -> BTreeSet<String> {
    let git = |args: &[&str]| {
        let output = Command::new("git").args(args).current_dir(root()).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
        (output.status.success() && !text.is_empty()).then_some(text)
    };
    let head = git(&["rev-parse", "HEAD"]);
    let branch = ["origin/main", "main"].iter().find_map(|main| git(&["merge-base", "HEAD", main]));
    let base = branch.filter(|base| Some(base) != head.as_ref()).or_else(|| {
        // A shallow clone has fewer.
        let back = |n| git(&["rev-parse", "--verify", "--quiet", &format!("HEAD~{n}")]);
        (1..=RECENT_COMMITS).rev().find_map(back)
    });
    let changed = base.and_then(|base| git(&["diff", "--name-only", &base]));
    changed.unwrap_or_default().lines().map(str::to_owned).collect()
}

fn days_since_1970() -> usize {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    (now.as_secs() / 86_400) as usize
}
