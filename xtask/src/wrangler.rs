//! `wrangler dev` as a child: started, waited for, read line by line, ended with its whole process group.
//! Everything it says is in `DIR/wrangler.log`; here is decided what of it a person wants to see.

use crate::{log, process, setup};
use anyhow::{Context, Result, bail};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, ChildStdout};

/// Bundling and two workerds take 2–4 s; the rest is for a machine that compiles at the same time.
const READY_MAX: Duration = Duration::from_secs(90);
const HEALTH: &str = "/api/chat/health";

pub struct Wrangler {
    child: Child,
    pid: u32,
    port: u16,
    out: Lines<BufReader<ChildStdout>>,
    err: Lines<BufReader<ChildStderr>>,
    log: std::fs::File,
    log_path: PathBuf,
    filter: Filter,
}

impl Wrangler {
    /// Runs `dir/wrangler.json`. Ready is another matter: `ready`.
    pub fn start(dir: &Path, port: u16) -> Result<Wrangler> {
        let mut command = setup::node_program("wrangler/bin/wrangler.js")?;
        command.arg("dev").arg("--config").arg(dir.join("wrangler.json"));
        command.arg("--persist-to").arg(dir.join("wrangler"));
        command.args(["--port", &port.to_string(), "--ip", "127.0.0.1", "--inspector-port", "0"]);
        command.arg("--show-interactive-dev-session=false").current_dir(dir);
        command
            .env("WRANGLER_SEND_METRICS", "false")
            .env("WRANGLER_SEND_ERROR_REPORTS", "false")
            .env("WRANGLER_HIDE_BANNER", "true")
            // Who else runs `wrangler dev` on this machine is none of this stack's business.
            .env("WRANGLER_REGISTRY_PATH", dir.join("registry"))
            .env("WRANGLER_LOG_PATH", dir.join("wrangler-debug.log"))
            .env("CLOUDFLARE_CF_FETCH_ENABLED", "false")
            .env("NO_COLOR", "1")
            .env_remove("FORCE_COLOR");
        command.stdin(std::process::Stdio::null());
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        let mut command = tokio::process::Command::from(command);
        process::put_in_own_group(&mut command, libc::SIGTERM);
        let mut child = command.spawn().context("cannot run wrangler")?;
        let log_path = dir.join("wrangler.log");
        Ok(Wrangler {
            pid: child.id().context("wrangler has a pid")?,
            port,
            out: BufReader::new(child.stdout.take().context("wrangler's output")?).lines(),
            err: BufReader::new(child.stderr.take().context("wrangler's output")?).lines(),
            log: std::fs::File::create(&log_path)?,
            log_path,
            filter: Filter::default(),
            child,
        })
    }

    /// The process, and its group.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Returns when the Worker answers.
    pub async fn wait_until_ready(&mut self) -> Result<()> {
        let (start, port) = (Instant::now(), self.port);
        let healthy = async {
            while !is_healthy(port).await {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::select! {
            () = healthy => return Ok(()),
            result = self.follow() => result?,
            () = tokio::time::sleep(READY_MAX) => {}
        }
        let tail = log::read_tail(&self.log_path, 15);
        bail!(
            "the Worker doesn't answer {HEALTH} after {}; the end of wrangler's output:\n{tail}",
            log::seconds(start)
        )
    }

    /// Tells what happens, until wrangler ends.
    pub async fn follow(&mut self) -> Result<()> {
        loop {
            let line = tokio::select! {
                line = self.out.next_line() => line,
                line = self.err.next_line() => line,
                status = self.child.wait() => {
                    let tail = log::read_tail(&self.log_path, 15);
                    bail!("wrangler ended by itself ({}); the end of its output:\n{tail}", status?);
                }
            };
            match line {
                Ok(Some(line)) => self.report_line(&line),
                // One of the two is closed, or isn't text: its end will be seen by `wait`.
                Ok(None) | Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }

    fn report_line(&mut self, line: &str) {
        let line = strip_colour(line);
        let _ = writeln!(self.log, "{line}");
        if let Some((from, what)) = self.filter.event(&line) {
            log::report_event(from, &what);
        }
    }

    /// Asks it to end, and ends what is left of its group.
    pub async fn stop(mut self, patience: Duration) {
        let group = self.pid.cast_signed();
        process::signal(-group, libc::SIGINT);
        let _ = tokio::time::timeout(patience, self.child.wait()).await;
        process::end_group(group, libc::SIGTERM, Duration::from_millis(500));
        let _ = self.child.wait().await;
    }
}

/// One HTTP request by hand; a client library would be a third of xtask's compile time.
async fn is_healthy(port: u16) -> bool {
    let ask = async {
        let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await?;
        let request = format!("GET {HEALTH} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await?;
        std::io::Result::Ok(answer.ends_with(b"200"))
    };
    matches!(tokio::time::timeout(Duration::from_secs(5), ask).await, Ok(Ok(true)))
}

fn strip_colour(line: &str) -> String {
    let mut parts = line.split('\x1b');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        plain += part.split_once(|c: char| c.is_ascii_alphabetic()).map_or(part, |(_, rest)| rest);
    }
    plain
}

/// Which of wrangler's lines are shown, and where each comes from.
#[derive(Default)]
struct Filter {
    in_bindings: bool,
}

impl Filter {
    fn event(&mut self, line: &str) -> Option<(&'static str, String)> {
        let line = line.trim_end();
        if line.starts_with("Your Worker has access to the following bindings") {
            self.in_bindings = true;
        }
        if self.in_bindings {
            self.in_bindings = !line.is_empty();
            return None;
        }
        if let Some(request) = line.strip_prefix("[wrangler:info] ") {
            return describe_request(request).map(|what| ("http", what));
        }
        if let Some(rest) = line.strip_prefix("[custom build]") {
            let rest = rest.trim();
            return (!rest.is_empty() && !rest.starts_with("Running:")).then(|| ("build", rest.to_owned()));
        }
        match line {
            "⎔ Local server updated and ready" => Some(("worker", "the new code is live".into())),
            _ if line.trim().is_empty()
                || line.starts_with(['⎔', '🪵'])
                || line.starts_with("Using secrets") =>
            {
                None
            }
            _ if line.contains("[ERROR]") || line.starts_with('✘') => Some(("error", line.to_owned())),
            _ => Some(("worker", line.to_owned())),
        }
    }
}

/// `GET /api/x 200 OK (12ms)`: everything that failed, and of what went well the contract's routes without health.
fn describe_request(request: &str) -> Option<String> {
    let mut words = request.split_whitespace();
    let (method, path, status) = (words.next()?, words.next()?, words.next()?.parse::<u16>().ok()?);
    let time =
        request.split_once('(').and_then(|(_, rest)| rest.split_once(')')).map_or("", |(time, _)| time);
    let ours = path.starts_with("/api/") || path.starts_with("/chat");
    (status >= 400 || (ours && !path.starts_with(HEALTH))).then(|| format!("{method} {path} {status} {time}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_what_matters_and_nothing_else() {
        let output = "\
Your Worker has access to the following bindings:
env.JWT_SECRET (\"(hidden)\")   Environment Variable   local

⎔ Starting local server...
[wrangler:info] Ready on http://127.0.0.1:8791
[wrangler:info] GET /api/chat/health 200 OK (909ms)
[wrangler:info] GET /assets/index.js 200 OK (11ms)
[wrangler:info] POST /api/chat/rooms/create 200 OK (12ms)
[wrangler:info] GET /favicon.ico 404 Not Found (1ms) `Sec-Fetch-Mode: navigate` (of a page)
[custom build] Running: xtask build
[custom build]
[custom build] error[E0308]: mismatched types
room r1: drained 3
\u{1b}[31m✘ \u{1b}[41;31m[\u{1b}[41;97mERROR\u{1b}[41;31m]\u{1b}[0m \u{1b}[1mbad thing\u{1b}[0m
⎔ Local server updated and ready";
        let mut filter = Filter::default();
        let events: Vec<_> = output.lines().filter_map(|line| filter.event(&strip_colour(line))).collect();
        let shown: Vec<_> = events.iter().map(|(from, what)| format!("{from}: {what}")).collect();
        assert_eq!(
            shown,
            [
                "http: POST /api/chat/rooms/create 200 12ms",
                "http: GET /favicon.ico 404 1ms",
                "build: error[E0308]: mismatched types",
                "worker: room r1: drained 3",
                "error: ✘ [ERROR] bad thing",
                "worker: the new code is live",
            ]
        );
    }
}
