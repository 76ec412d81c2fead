//! `cargo xtask test`: all parts, each with its own set-up, and a summary. A part whose subject is missing fails:
//! no test file, no browser, nothing counted is never a pass. What is tested is in tests/, not here.

use crate::log::{say, seconds};
use crate::worker::{self, Profile};
use crate::{build, check, fuzz, inputs, postgres, process, root, setup, sim};
use anyhow::{Context, Result, bail, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

/// An isolate compiles the Worker before its first answer. A thirtieth more than what was there when the numbers were set
/// (bench/results/size.md) is reason to ask what came in. Cloudflare itself allows 64 MiB.
const WASM_RAW_MAX_BYTES: usize = 3_760 << 10;
const WASM_GZIP_MAX_BYTES: usize = 1_190 << 10;
const TEST_FEATURES: &str = "dev,test-hooks";
/// Code that must never be deployed holds one of these strings.
const MARKERS: [&str; 2] = ["chinwag-dev-sign-in", "chinwag-test-hook"];
const ENVIRONMENTS: [&str; 3] = ["", "staging", "production"];

#[derive(Clone, Copy, PartialEq)]
pub enum Part {
    Check,
    Native,
    Sim,
    Wasm,
    E2e,
    Fuzz,
    Faults,
    Browser,
}

impl std::str::FromStr for Part {
    type Err = anyhow::Error;

    fn from_str(name: &str) -> Result<Part> {
        match name {
            "native" => Ok(Part::Native),
            "sim" => Ok(Part::Sim),
            "wasm" => Ok(Part::Wasm),
            "e2e" => Ok(Part::E2e),
            "fuzz" => Ok(Part::Fuzz),
            "faults" => Ok(Part::Faults),
            "browser" => Ok(Part::Browser),
            _ => bail!("--only {name}: give native, sim, wasm, e2e, fuzz, faults or browser"),
        }
    }
}

#[derive(Default)]
pub struct Options {
    pub only: Option<Part>,
    /// Leave the folders of stacks and databases for a look.
    pub keep: bool,
}

/// The command `test`.
pub fn run(options: &Options) -> Result<()> {
    setup::ensure_all()?;
    let all = [
        ("check", Part::Check),
        ("native", Part::Native),
        ("sim", Part::Sim),
        ("wasm", Part::Wasm),
        ("e2e", Part::E2e),
        ("fuzz", Part::Fuzz),
        ("faults", Part::Faults),
        ("browser", Part::Browser),
    ];
    let mut summary = Vec::new();
    for (name, part) in all.into_iter().filter(|(_, part)| options.only.is_none_or(|only| only == *part)) {
        say(&format!("===== {name}"));
        let start = Instant::now();
        let result = match part {
            Part::Check => check::run(),
            Part::Native => test_native(options),
            Part::Sim => sim::suite(),
            Part::Wasm => test_wasm(),
            Part::E2e => test_e2e(options),
            Part::Fuzz => test_fuzz(options),
            Part::Faults => test_faults(options, None),
            Part::Browser => test_browser(options),
        };
        if let Err(error) = &result {
            say(&format!("{name} FAILED: {error:#}"));
        }
        summary.push((name, result.is_ok(), seconds(start)));
    }
    println!();
    for (name, passed, time) in &summary {
        println!("{name:<8} {} {time:>9}", if *passed { "passed" } else { "FAILED" });
    }
    let failed = summary.iter().filter(|(_, passed, _)| !passed).count();
    println!("{} passed, {failed} failed", summary.len() - failed);
    ensure!(failed == 0, "the tests failed");
    Ok(())
}

/// Where the parts keep what they make.
fn folder() -> PathBuf {
    root().join("target/suite")
}

fn test_native(options: &Options) -> Result<()> {
    let dir = folder().join(format!("native-{}", std::process::id()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let server = runtime.block_on(postgres::Postgres::start(&dir, false))?;
    let tested = run_cargo_test(
        Command::new("cargo")
            .args(["test", "--workspace", "--no-fail-fast", "--lib", "--bins", "--test", "native"])
            .env("CHINWAG_TEST_POSTGRES", server.url("postgres")),
    );
    runtime.block_on(server.stop());
    if !options.keep {
        let _ = std::fs::remove_dir_all(&dir);
    }
    let mut web = Command::new("npm");
    web.args(["run", "--silent", "test", "-w", "web"]).current_dir(root()).env("PATH", setup::node_path()?);
    tested.and(process::run(&mut web).context("the web client's tests"))
}

/// Runs a `cargo test` and wants at least one test to have passed: an empty file passes too, for cargo.
fn run_cargo_test(command: &mut Command) -> Result<()> {
    let output = process::run_and_capture(command.current_dir(root()))?;
    let results = output.lines().filter_map(|line| line.strip_prefix("test result: ok. "));
    let passed: u32 = results.filter_map(|rest| rest.split_once(' ')?.0.parse::<u32>().ok()).sum();
    ensure!(passed > 0, "no test ran");
    say(&format!("{passed} tests passed"));
    Ok(())
}

/// What would be deployed: small enough, accepted by wrangler for each environment, free of what only dev may do.
fn test_wasm() -> Result<()> {
    let out = root().join("build");
    build::build_all(&out, &[], Profile::Release)?;
    let size = build::measure_size(&out)?;
    say(&format!("Worker: {} KiB raw, {} KiB gzip", size.raw_bytes >> 10, size.gzip_bytes >> 10));
    ensure!(size.raw_bytes <= WASM_RAW_MAX_BYTES, "over the budget of {WASM_RAW_MAX_BYTES} bytes raw");
    ensure!(size.gzip_bytes <= WASM_GZIP_MAX_BYTES, "over the budget of {WASM_GZIP_MAX_BYTES} bytes gzip");
    for marker in MARKERS {
        ensure!(
            !contains(&out, marker)?,
            "the release build holds `{marker}`: a feature of dev would be deployed"
        );
        ensure!(
            contains(&build_test_worker()?, marker)?,
            "no `{marker}` even in a build with {TEST_FEATURES}: the scan above proves nothing"
        );
    }
    for environment in ENVIRONMENTS {
        run_dry_deploy(environment, "")
            .with_context(|| format!("wrangler deploy --dry-run --env \"{environment}\""))?;
    }
    match run_dry_deploy("production", "dev") {
        Ok(_) => bail!("wrangler would deploy with CHINWAG_FEATURES=dev"),
        Err(error) => ensure!(format!("{error:#}").contains("refusing to"), "{error:#}"),
    }
    Ok(())
}

fn run_dry_deploy(environment: &str, features: &str) -> Result<String> {
    let mut command = setup::node_program("wrangler/bin/wrangler.js")?;
    command.args(["deploy", "--dry-run", "--env", environment]);
    command.arg("--outdir").arg(folder().join("dry-run"));
    command.env("CHINWAG_FEATURES", features).env("WRANGLER_SEND_METRICS", "false").env("NO_COLOR", "1");
    process::run_quietly(&mut command)
}

fn contains(worker: &Path, marker: &str) -> Result<bool> {
    for name in ["index.js", "index_bg.wasm"] {
        let file = worker.join(name);
        let bytes = std::fs::read(&file).with_context(|| format!("reading {}", file.display()))?;
        if bytes.windows(marker.len()).any(|window| window == marker.as_bytes()) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The Worker of the end-to-end tests, in a place of its own.
fn build_test_worker() -> Result<PathBuf> {
    let out = folder().join("worker");
    worker::build(&out, &build::parse_features(TEST_FEATURES), Profile::Release)?;
    Ok(out)
}

/// Tells a test program how to start stacks: `$CHINWAG_XTASK dev --headless --port 0 --data DIR --no-build`.
fn configure_stacks<'a>(command: &'a mut Command, options: &Options) -> Result<&'a mut Command> {
    let worker = build_test_worker()?;
    build::build_web()?;
    command.env("CHINWAG_TEST_WORKER", worker).env("CHINWAG_XTASK", std::env::current_exe()?);
    if options.keep {
        command.env("CHINWAG_KEEP", "1");
    }
    Ok(command.current_dir(root()))
}

fn test_e2e(options: &Options) -> Result<()> {
    let mut command = Command::new("cargo");
    command.args(["test", "--no-fail-fast", "--test", "e2e"]);
    run_cargo_test(configure_stacks(&mut command, options)?)
}

fn test_fuzz(options: &Options) -> Result<()> {
    let dir = folder().join(format!("fuzz-{}", std::process::id()));
    let tested = fuzz::run(&build_test_worker()?, &dir);
    if !options.keep {
        let _ = std::fs::remove_dir_all(&dir);
    }
    tested
}

/// What the command `faults` runs.
pub enum Faults {
    /// The scenarios again and again, for how long and in which order.
    Long { minutes: u64, seed: Option<u64> },
    /// Only the rebuild of a log, with this many messages.
    Rebuild { messages: u64 },
}

/// The command `faults`.
pub fn run_faults(faults: &Faults) -> Result<()> {
    setup::ensure_all()?;
    test_faults(&Options::default(), Some(faults))
}

fn test_faults(options: &Options, faults: Option<&Faults>) -> Result<()> {
    let mut command = Command::new("cargo");
    // A scenario that fails says why in one line; what it had started then falls over by the dozen.
    command.args(["test", "--test", "faults"]).env("RUST_BACKTRACE", "0");
    match faults {
        Some(Faults::Long { minutes, seed }) => {
            command.env("CHINWAG_FAULTS_MINUTES", minutes.to_string());
            command.envs(seed.map(|seed| ("CHINWAG_FAULTS_SEED", seed.to_string())));
        }
        Some(Faults::Rebuild { messages }) => {
            command.env("CHINWAG_REBUILD_MESSAGES", messages.to_string()).args(["--", "a_log_is_rebuilt"]);
        }
        None => {}
    }
    run_cargo_test(configure_stacks(&mut command, options)?)
}

fn test_browser(options: &Options) -> Result<()> {
    process::run(configure_stacks(&mut browser_tests()?, options)?)
}

/// The command `pictures`: every view in every look, to be looked at.
pub fn take_pictures() -> Result<()> {
    setup::ensure_all()?;
    let mut command = browser_tests()?;
    command.arg("pictures").env("CHINWAG_ARTIFACTS", root().join("target/pictures"));
    process::run(configure_stacks(&mut command, &Options::default())?)
}

fn browser_tests() -> Result<Command> {
    ensure!(root().join("tests/browser/run.mjs").exists(), "tests/browser/run.mjs is missing");
    let chromium = ensure_chromium()?;
    let mut command = setup::node_program("../tests/browser/run.mjs")?;
    command.env("CHROMIUM", chromium);
    Ok(command)
}

/// A Chromium: the one named, the machine's, or on a Debian where we are root the distribution's.
fn ensure_chromium() -> Result<PathBuf> {
    if let Some(path) = installed_chromium() {
        return Ok(path);
    }
    // SAFETY: geteuid has no preconditions.
    let root = unsafe { libc::geteuid() } == 0;
    if root && find_on_path("apt-get").is_some() {
        let _lock = inputs::lock(&folder().join("apt.lock"))?;
        crate::log::step("chromium by apt-get", "1 minute, once", || {
            process::run_quietly(Command::new("apt-get").arg("update"))?;
            let mut install = Command::new("apt-get");
            install.args(["install", "-y", "--no-install-recommends", "chromium"]);
            process::run_quietly(install.env("DEBIAN_FRONTEND", "noninteractive"))
        })?;
    }
    installed_chromium().context("no Chromium: install one, or name it in the environment variable CHROMIUM")
}

fn installed_chromium() -> Option<PathBuf> {
    let named = std::env::var_os("CHROMIUM").map(PathBuf::from).filter(|path| path.exists());
    let names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
    let mac = Path::new("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome");
    named
        .or_else(|| names.iter().find_map(|name| find_on_path(name)))
        .or_else(|| mac.exists().then(|| mac.to_path_buf()))
}

fn find_on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(program)).find(|path| path.is_file())
}
