//! The servers: this Worker on bare workerd, with the rates and the bucket of wrangler.toml. Rooms are in one process, where
//! those who talk connect; callers call the Worker of another one, as on the platform, where what is refused at the edge
//! never meets a room.
//! Not here: what is asked.

use super::super::Rig;
use super::super::platform;
use super::super::server::{Objects, Server, limited_config, pin, run_first};
use crate::log::say;
use crate::{dev, inputs, process};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tungstenite::http;
use tungstenite::{Error, HandshakeError, Message, WebSocket};

pub const ANSWER_MAX: Duration = Duration::from_secs(30);

pub struct Stack<'a> {
    rig: &'a Rig<'a>,
    /// With the rooms.
    server: Server,
    /// Of callers.
    edge: Server,
    agent: ureq::Agent,
    /// Where the objects' storage is.
    memory: PathBuf,
}

pub fn agent() -> ureq::Agent {
    ureq::Agent::config_builder().timeout_global(Some(ANSWER_MAX)).http_status_as_error(false).build().into()
}

impl<'a> Stack<'a> {
    pub async fn start(rig: &'a Rig<'a>) -> Result<Self> {
        // Acks wait for the objects' storage, and other programs for the disk.
        let memory = Path::new("/dev/shm").join(format!("chinwag-loops-{}", std::process::id()));
        std::fs::create_dir_all(&memory)?;
        let objects_port = process::free_port()?;
        let server = serve(rig, "rooms", Objects::Here(objects_port), Some(&memory)).await?;
        let edge = serve(rig, "edge", Objects::There(objects_port), None).await?;
        if let Some((core, load)) = rig.cores {
            // The first thread alone: those that collect garbage would take its core while it is needed.
            pin(server.pid()?.cast_signed(), core)?;
            pin(edge.pid()?.cast_signed(), load)?;
        }
        let threads = std::fs::read_dir(format!("/proc/{}/task", server.pid()?))?.flatten();
        for thread in threads.filter_map(|thread| thread.file_name().to_str()?.parse().ok()) {
            run_first(thread);
        }
        Ok(Self { rig, server, edge, agent: agent(), memory })
    }

    pub async fn stop(mut self) {
        for (name, server) in [("edge", &mut self.edge), ("rooms", &mut self.server)] {
            if let Some(status) = server.ended() {
                say(&format!("the server of the {name} ended by itself: {status}"));
            }
        }
        self.edge.stop().await;
        self.server.stop().await;
        let _ = std::fs::remove_dir_all(&self.memory);
    }

    pub fn port(&self) -> u16 {
        self.server.port
    }

    pub fn callers_port(&self) -> u16 {
        self.edge.port
    }

    pub fn token(&self, user: &str) -> Result<String> {
        self.rig.token(user)
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
        let request = request.uri(format!("http://127.0.0.1:{}/api/chat{path}", self.callers_port()));
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
        connect(self.port(), &self.token(user)?, path)
    }
}

async fn serve(rig: &Rig<'_>, name: &str, objects: Objects, storage: Option<&Path>) -> Result<Server> {
    let dir = rig.dir.join(name);
    std::fs::create_dir_all(&dir)?;
    match storage {
        Some(storage) => std::os::unix::fs::symlink(storage, dir.join("storage"))?,
        None => std::fs::create_dir_all(dir.join("storage"))?,
    }
    dev::copy_worker(rig.worker, &dir)?;
    platform::write(&dir)?;
    let port = process::free_port()?;
    inputs::write_atomically(&dir.join("workerd.capnp"), &limited_config(rig, port, objects)?)?;
    Server::start(&dir, port, None).await
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
