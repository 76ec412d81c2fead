//! `cargo xtask test --only fuzz`: the public fuzzer schemathesis asks a stack for what openapi.json promises, and finds
//! no difference. Not here: what it compares (`tests/fuzz`).

use crate::log::{say, step};
use crate::{config, inputs, process, root, token, vapid};
use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A minute finds in a new route what an hour finds; the seed is fixed, so that a failure can be repeated.
const SECONDS: &str = "60";
const SEED: &str = "1";
/// A database is made, and workerd compiles the Worker.
const START_MAX: Duration = Duration::from_secs(120);

/// Fuzzes this Worker.
pub fn run(worker: &Path, dir: &Path) -> Result<()> {
    let fuzzer = install()?;
    std::fs::create_dir_all(dir)?;
    let mut stack = Stack::start(worker, dir)?;
    let outcome = stack.wait_until_ready().and_then(|stack| fuzz(&fuzzer, dir, &stack));
    stack.stop();
    outcome
}

/// The fuzzer in a folder of its own, made anew when the pinned versions change.
fn install() -> Result<PathBuf> {
    let requirements = root().join("tests/fuzz/requirements.txt");
    let venv = root().join("target/fuzz").join(inputs::hash(std::slice::from_ref(&requirements), &[]));
    let (program, complete) = (venv.join("bin/schemathesis"), venv.join("complete"));
    if complete.exists() {
        return Ok(program);
    }
    let _ = std::fs::remove_dir_all(&venv);
    step("schemathesis", "half a minute, once", || {
        let mut python = Command::new("python3");
        process::run_quietly(python.args(["-m", "venv"]).arg(&venv))
            .context("python3 with venv is needed")?;
        let mut pip = Command::new(venv.join("bin/pip"));
        pip.args(["install", "--quiet", "--disable-pip-version-check", "--require-hashes", "-r"]);
        process::run_quietly(pip.arg(&requirements)).map(drop)
    })?;
    std::fs::write(complete, "")?;
    Ok(program)
}

fn fuzz(fuzzer: &Path, dir: &Path, stack: &Value) -> Result<()> {
    let text = |name: &str| stack[name].as_str().with_context(|| format!("stack.json has no {name}"));
    let (url, secret) = (text("url")?, text("jwtSecret")?);
    let person = token::Options {
        sub: "fuzzer".into(),
        tenant: "fuzz".into(),
        roles: vec!["admin".into()],
        ..Default::default()
    };
    let token = token::sign_token(&person, &config::Claims::read(&[])?, secret)?;
    let tests = root().join("tests/fuzz");
    let mut command = Command::new(fuzzer);
    command.arg("--config-file").arg(tests.join("schemathesis.toml"));
    command.args(["run", &format!("{url}/api/chat/openapi.json"), "--url", url, "--no-color"]);
    command.args(["--checks", "all", "--max-time", SECONDS, "--seed", SEED, "--continue-on-failure"]);
    // Answered 426 without the headers of an upgrade, which no fuzzer of HTTP sends.
    command.args(["--exclude-path", "/chat", "--exclude-path", "/chat/inbox"]);
    command.args(["--header", &format!("Authorization: Bearer {token}")]);
    command.env("SCHEMATHESIS_HOOKS", "hooks").env("PYTHONPATH", &tests).env("PYTHONDONTWRITEBYTECODE", "1");
    let output = command.current_dir(dir).output().context("running schemathesis")?;
    let printed = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        println!("{printed}{}", String::from_utf8_lossy(&output.stderr));
        bail!("openapi.json and the Worker differ");
    }
    let count = printed.lines().find(|line| line.contains("generated")).unwrap_or_default().trim();
    ensure!(!count.is_empty(), "schemathesis made no request:\n{printed}");
    say(&format!("schemathesis: {count}, no difference"));
    Ok(())
}

/// A stack as a process of its own.
struct Stack {
    child: Child,
    dir: PathBuf,
}

impl Stack {
    fn start(worker: &Path, dir: &Path) -> Result<Stack> {
        let mut command = Command::new(std::env::current_exe()?);
        command
            .args(["dev", "--headless", "--no-build", "--port", "0", "--data"])
            .arg(dir)
            // One person asks for everything, so the rates would answer most requests.
            .args(["--var", &format!("LIMITS={}", config::NO_RATES)]);
        for (name, value) in vapid::Pair::new()?.variables() {
            command.args(["--var", &format!("{name}={value}")]);
        }
        command.env("CHINWAG_TEST_WORKER", worker);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Ok(Stack { child: command.spawn()?, dir: dir.to_path_buf() })
    }

    fn wait_until_ready(&mut self) -> Result<Value> {
        let start = Instant::now();
        loop {
            let text = std::fs::read(self.dir.join("stack.json")).unwrap_or_default();
            if let Ok(stack) = serde_json::from_slice(&text) {
                return Ok(stack);
            }
            ensure!(self.child.try_wait()?.is_none(), "the stack ended: {}", self.dir.display());
            ensure!(start.elapsed() < START_MAX, "the stack doesn't start: {}", self.dir.display());
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn stop(&mut self) {
        process::signal(self.child.id().cast_signed(), libc::SIGINT);
        let _ = self.child.wait();
    }
}
