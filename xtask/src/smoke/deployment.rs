//! One person's requests to a deployment, over HTTP and one WebSocket.
//! Not here: what is asked for, and what an answer means.

use crate::verify::encoded;
use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use std::collections::VecDeque;
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};
use tungstenite::http::{self, Method};
use tungstenite::stream::MaybeTlsStream;
use tungstenite::{HandshakeError, Message, WebSocket};

/// Longer than the Worker waits for anything itself.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// Why there is no answer: the address, the network or TLS.
#[derive(Debug)]
pub struct Unanswered(pub String);

pub struct Answer {
    pub status: u16,
    /// `Null` if it isn't JSON.
    pub body: Value,
    pub bytes: Vec<u8>,
}

/// Somebody with a token.
pub struct Person {
    /// `https://host`, without a path.
    origin: String,
    token: String,
    /// The token's `sub`.
    pub user: String,
    agent: ureq::Agent,
}

impl Person {
    /// # Errors  the token holds no `sub`.
    pub fn new(url: &str, token: &str) -> Result<Person> {
        let origin = url.trim_end_matches('/').trim_end_matches("/api/chat").to_owned();
        let config =
            ureq::Agent::config_builder().timeout_global(Some(ANSWER_WITHIN)).http_status_as_error(false);
        let user = subject(token).context("a token without a sub: is it a JWT?")?;
        Ok(Person { origin, token: token.to_owned(), user, agent: config.build().into() })
    }

    pub fn get(&self, path: &str) -> Result<Answer, Unanswered> {
        self.ask(Method::GET, path, &[], &[])
    }

    /// # Takes  `path`: after `/api/chat`, or with it.
    pub fn ask(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Answer, Unanswered> {
        let path = path.strip_prefix("/api/chat").unwrap_or(path);
        let url = format!("{}/api/chat{path}", self.origin);
        let failed = |why: String| Unanswered(format!("{method} {url}: {why}"));
        let mut request = http::Request::builder().method(method.clone()).uri(&url);
        request = request.header("Authorization", format!("Bearer {}", self.token));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = match method == Method::GET || method == Method::DELETE {
            true => request.body(()).map(|request| self.agent.run(request)),
            false => request.body(body).map(|request| self.agent.run(request)),
        };
        let mut answer = answer.map_err(|e| failed(e.to_string()))?.map_err(|e| failed(e.to_string()))?;
        let bytes = answer.body_mut().read_to_vec().map_err(|e| failed(e.to_string()))?;
        let body = serde_json::from_slice(&bytes).unwrap_or_default();
        Ok(Answer { status: answer.status().as_u16(), body, bytes })
    }

    pub fn send_json(&self, method: Method, path: &str, body: &Value) -> Result<Answer, Unanswered> {
        self.ask(method, path, &[("Content-Type", "application/json")], body.to_string().as_bytes())
    }

    /// Opens a socket in the room, with `query` after its id.
    ///
    /// # Errors  the refusal, or that there was no answer.
    pub fn connect(&self, room: &str, query: &str) -> Result<Socket, NotConnected> {
        let failed = |why: String| NotConnected::Unanswered(Unanswered(format!("the upgrade: {why}")));
        let url = format!("{}/chat?roomId={}{query}", self.origin.replacen("http", "ws", 1), encoded(room));
        let host = self.origin.split_once("://").map_or("", |(_, host)| host);
        let request = http::Request::builder()
            .uri(&url)
            .header("Host", host)
            .header("Connection", "Upgrade")
            .header("Upgrade", "websocket")
            .header("Sec-WebSocket-Version", "13")
            .header("Sec-WebSocket-Key", tungstenite::handshake::client::generate_key())
            .header("Sec-WebSocket-Protocol", format!("chat.v1, bearer.{}", self.token))
            .body(())
            .map_err(|e| failed(e.to_string()))?;
        let is_secure = url.starts_with("wss:");
        let with_port = if host.contains(':') {
            host.to_owned()
        } else {
            format!("{host}:{}", if is_secure { 443 } else { 80 })
        };
        let tcp = open(&with_port).map_err(|e| failed(e.to_string()))?;
        let error = match shake_hands(request, tcp, is_secure) {
            Ok(socket) => return Ok(Socket { socket, events: VecDeque::new() }),
            Err(error) => *error,
        };
        match error {
            HandshakeError::Failure(tungstenite::Error::Http(refusal)) => {
                let bytes = refusal.body().clone().unwrap_or_default();
                let body = serde_json::from_slice(&bytes).unwrap_or_default();
                Err(NotConnected::Refused(Answer { status: refusal.status().as_u16(), body, bytes }))
            }
            error => Err(failed(error.to_string())),
        }
    }
}

pub enum NotConnected {
    Refused(Answer),
    Unanswered(Unanswered),
}

type Handshake = tungstenite::ClientHandshake<MaybeTlsStream<TcpStream>>;

fn shake_hands(
    request: http::Request<()>,
    tcp: TcpStream,
    is_secure: bool,
) -> Result<WebSocket<MaybeTlsStream<TcpStream>>, Box<HandshakeError<Handshake>>> {
    #[cfg(feature = "tls")]
    if is_secure {
        return tungstenite::client_tls(request, tcp).map(|(socket, _)| socket).map_err(Box::new);
    }
    // Without TLS an https URL has led to another xtask (`run`).
    let _ = is_secure;
    tungstenite::client(request, MaybeTlsStream::Plain(tcp)).map(|(socket, _)| socket).map_err(Box::new)
}

fn open(address: &str) -> std::io::Result<TcpStream> {
    let mut failed = std::io::Error::other("no such host");
    for address in address.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, ANSWER_WITHIN) {
            Ok(tcp) => {
                tcp.set_nodelay(true)?;
                tcp.set_read_timeout(Some(ANSWER_WITHIN))?;
                tcp.set_write_timeout(Some(ANSWER_WITHIN))?;
                return Ok(tcp);
            }
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

/// An open socket of `chat.v1`.
pub struct Socket {
    socket: WebSocket<MaybeTlsStream<TcpStream>>,
    events: VecDeque<Value>,
}

impl Socket {
    pub fn send(&mut self, frame: &Value) -> Result<(), String> {
        self.socket.send(Message::text(frame.to_string())).map_err(|e| format!("sending: {e}"))
    }

    /// The next event.
    pub fn event(&mut self) -> Result<Value, String> {
        let start = Instant::now();
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ok(event);
            }
            if start.elapsed() > ANSWER_WITHIN {
                return Err(format!("no event within {} s", ANSWER_WITHIN.as_secs()));
            }
            match self.socket.read().map_err(|e| format!("the socket: {e}"))? {
                Message::Text(text) => match serde_json::from_str(&text).map_err(|e| e.to_string())? {
                    Value::Array(events) => self.events.extend(events),
                    one => self.events.push_back(one),
                },
                Message::Close(frame) => {
                    let close =
                        frame.map_or_else(String::new, |f| format!("{} {}", u16::from(f.code), f.reason));
                    return Err(format!("the room closed the socket: {close}"));
                }
                _ => {}
            }
        }
    }

    pub fn close(mut self) {
        let _ = self.socket.close(None);
        // Until the other side has closed as well.
        while self.socket.read().is_ok() {}
    }
}

/// The `sub` of a token, unverified.
fn subject(token: &str) -> Option<String> {
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    let claims: Value = serde_json::from_slice(&claims).ok()?;
    claims["sub"].as_str().map(str::to_owned)
}
