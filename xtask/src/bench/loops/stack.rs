//! The stack that callers and talkers share: `cargo xtask dev` with all its bindings, on a core of its own. Requests go
//! to the runtime itself and not through wrangler's proxy, which no deployment has.
//! Not here: what is asked.

use super::super::server::{cores, pin, pin_to};
use crate::{config, inputs, process, token};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};
use tungstenite::http;
use tungstenite::{Error, HandshakeError, Message, WebSocket};

const READY_MAX: Duration = Duration::from_secs(90);
const STOP_MAX: Duration = Duration::from_secs(20);
pub const ANSWER_MAX: Duration = Duration::from_secs(30);
const TENANT: &str = "loops";

pub struct Stack {
    child: tokio::process::Child,
    pub port: u16,
    secret: String,
    claims: config::Claims,
    agent: ureq::Agent,
}

pub fn agent() -> ureq::Agent {
    ureq::Agent::config_builder().timeout_global(Some(ANSWER_MAX)).http_status_as_error(false).build().into()
}

impl Stack {
    pub async fn start(dir: &Path, worker: &Path, vars: &[(String, String)]) -> Result<Self> {
        let cores = cores();
        let log = std::fs::File::create(dir.join("dev.log"))?;
        let mut command = tokio::process::Command::new(std::env::current_exe()?);
        command.args(["dev", "--headless", "--port", "0"]).arg("--data").arg(dir).arg("--worker").arg(worker);
        for (name, value) in vars {
            command.args(["--var", &format!("{name}={value}")]);
        }
        command.stdin(std::process::Stdio::null()).stdout(log.try_clone()?).stderr(log);
        process::put_in_own_group(&mut command, libc::SIGINT);
        pin_to(&mut command, cores.map(|(server, _)| server));
        let mut child = command.spawn().context("cannot run the stack")?;
        let (start, file) = (Instant::now(), dir.join("stack.json"));
        while !file.exists() {
            ensure!(
                child.try_wait()?.is_none() && start.elapsed() < READY_MAX,
                "the stack does not start:\n{}",
                crate::log::read_tail(&dir.join("dev.log"), 15)
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let stack: Value = serde_json::from_str(&std::fs::read_to_string(&file)?)?;
        let pid = |name: &str| stack["pids"][name].as_i64().and_then(|pid| i32::try_from(pid).ok());
        if let (Some((_, load)), Some(postgres)) = (cores, pid("postgres")) {
            pin(postgres, load)?;
            pin(0, load)?;
        }
        let url = stack["url"].as_str().context("a URL")?;
        let proxy = url.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).context("a port")?;
        let port = runtime_port(pid("wrangler").context("wrangler has a pid")?, proxy)?;
        let secret = stack["jwtSecret"].as_str().context("a secret")?.to_owned();
        Ok(Self { child, port, secret, claims: config::Claims::read(&[])?, agent: agent() })
    }

    pub async fn stop(mut self) {
        if let Some(pid) = self.child.id() {
            process::signal(pid.cast_signed(), libc::SIGINT);
        }
        let _ = tokio::time::timeout(STOP_MAX, self.child.wait()).await;
        let _ = self.child.kill().await;
    }

    pub fn token(&self, user: &str) -> Result<String> {
        let options = token::Options { sub: user.into(), tenant: TENANT.into(), ..Default::default() };
        token::sign_token(&options, &self.claims, &self.secret)
    }

    /// Something that must be granted.
    pub fn ask(&self, user: &str, method: &str, path: &str, body: &Value) -> Result<Value> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.ask_bytes((user, "application/json"), method, path, body.as_bytes())
    }

    /// The same with a body of some kind, and a name for a file.
    pub fn ask_bytes(
        &self,
        (user, kind): (&str, &str),
        method: &str,
        path: &str,
        body: &[u8],
    ) -> Result<Value> {
        let request = ureq::http::Request::builder().method(method);
        let request = request.uri(format!("http://127.0.0.1:{}/api/chat{path}", self.port));
        let request = request.header("Authorization", format!("Bearer {}", self.token(user)?));
        let request = request.header("X-File-Name", "file.bin");
        let answer = match body.is_empty() {
            true => self.agent.run(request.body(())?),
            false => self.agent.run(request.header("Content-Type", kind).body(body)?),
        };
        let mut answer = answer.with_context(|| format!("{method} {path}"))?;
        let (status, text) = (answer.status().as_u16(), answer.body_mut().read_to_string()?);
        ensure!(status == 200, "{method} {path}: {status} {text}");
        Ok(serde_json::from_str(&text)?)
    }

    /// A socket, or `None` if the upgrade was refused.
    pub fn connect(&self, user: &str, path: &str) -> Result<Option<Socket>> {
        connect(self.port, &self.token(user)?, path)
    }
}

/// Where the runtime listens: of wrangler's two processes the one without its port.
fn runtime_port(wrangler: i32, proxy: u16) -> Result<u16> {
    for (pid, command) in process::group_members(wrangler) {
        if !command.contains("workerd") {
            continue;
        }
        let ports = listening_ports(pid)?;
        if ports.contains(&proxy) {
            continue;
        }
        for port in ports {
            let request = ureq::http::Request::get(format!("http://127.0.0.1:{port}/api/chat/health"));
            if agent().run(request.body(())?).is_ok_and(|answer| answer.status() == 200) {
                return Ok(port);
            }
        }
    }
    anyhow::bail!("no runtime beside wrangler's proxy")
}

fn listening_ports(pid: i32) -> Result<Vec<u16>> {
    let files = std::fs::read_dir(format!("/proc/{pid}/fd"))?.flatten();
    let sockets: Vec<String> = files
        .filter_map(|file| Some(std::fs::read_link(file.path()).ok()?.to_string_lossy().into_owned()))
        .collect();
    let table = std::fs::read_to_string(format!("/proc/{pid}/net/tcp"))?;
    let of = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (local, state, inode) = (fields.get(1)?, fields.get(3)?, fields.get(9)?);
        let is_ours = *state == "0A" && sockets.contains(&format!("socket:[{inode}]"));
        is_ours.then(|| u16::from_str_radix(local.rsplit_once(':')?.1, 16).ok()).flatten()
    };
    Ok(table.lines().filter_map(of).collect())
}

pub struct Socket {
    socket: WebSocket<TcpStream>,
}

/// A socket, or `None` if the upgrade was refused.
pub fn connect(port: u16, token: &str, path: &str) -> Result<Option<Socket>> {
    let tcp = TcpStream::connect(("127.0.0.1", port))?;
    tcp.set_nodelay(true)?;
    tcp.set_read_timeout(Some(ANSWER_MAX))?;
    let request = http::Request::builder()
        .uri(format!("ws://127.0.0.1:{port}{path}"))
        .header("Host", format!("127.0.0.1:{port}"))
        .header("Connection", "Upgrade")
        .header("Upgrade", "websocket")
        .header("Sec-WebSocket-Version", "13")
        .header("Sec-WebSocket-Key", tungstenite::handshake::client::generate_key())
        .header("Sec-WebSocket-Protocol", format!("chat.v1, bearer.{token}"))
        .body(())?;
    match tungstenite::client(request, tcp) {
        Ok((socket, _)) => Ok(Some(Socket { socket })),
        Err(HandshakeError::Failure(Error::Http(_))) => Ok(None),
        Err(error) => Err(anyhow::anyhow!("{error}")),
    }
}

fn is_wait(error: &Error) -> bool {
    use std::io::ErrorKind::{TimedOut, WouldBlock};
    matches!(error, Error::Io(error) if [TimedOut, WouldBlock].contains(&error.kind()))
}

impl Socket {
    pub fn send(&mut self, text: &str) -> Result<()> {
        Ok(self.socket.send(Message::text(text))?)
    }

    /// The next frame, unless it comes after `end`.
    pub fn read_until(&mut self, end: Instant) -> Result<Option<String>> {
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            self.socket.get_ref().set_read_timeout(Some(left))?;
            match self.socket.read() {
                Ok(Message::Text(text)) => return Ok(Some(text.to_string())),
                Ok(Message::Close(close)) => anyhow::bail!("closed: {close:?}"),
                Ok(_) => {}
                Err(error) if is_wait(&error) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Sends a frame as soon as there is place for it, and drops what has come.
    ///
    /// # Errors  the code that the room closed with; 1006 without one.
    pub fn push(&mut self, text: &str) -> Result<(), u16> {
        let _ = self.socket.get_ref().set_nonblocking(true);
        let mut sent = self.socket.send(Message::text(text));
        loop {
            loop {
                match self.socket.read() {
                    Ok(Message::Close(close)) => return Err(close.map_or(1006, |frame| frame.code.into())),
                    Ok(_) => {}
                    Err(error) if is_wait(&error) => break,
                    Err(_) => return Err(1006),
                }
            }
            match sent {
                Ok(()) => return Ok(()),
                Err(error) if is_wait(&error) => std::thread::sleep(Duration::from_micros(200)),
                Err(_) => return Err(1006),
            }
            sent = self.socket.flush();
        }
    }
}

/// Written once a run: the machine's random bytes are `inputs`' matter.
pub fn bytes(count: usize) -> Vec<u8> {
    inputs::hash(&[], &["loops"]).bytes().cycle().take(count).collect()
}
