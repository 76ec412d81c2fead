//! A WebSocket client: connects in any way of the contract, keeps every event in order, waits for the next one. It
//! checks that the frames of `chat.v1` and of legacy clients are as the subprotocol says.
//! Not here: clients that reconnect by themselves (`load_client`).

use super::{Answer, PATIENCE, Stack, http};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use testkit::schema;
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::Notify;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::http::{Request, Response};
use tokio_tungstenite::tungstenite::{self, Message};

pub type Socket = WebSocketStream<TcpStream>;

/// An upgrade as it will be asked for.
#[derive(Clone)]
pub struct Dial {
    host: String,
    path: &'static str,
    pub query: String,
    pub headers: Vec<(&'static str, String)>,
}

impl Dial {
    /// Without any proof of who it is.
    pub fn bare(stack: &Arc<Stack>, query: &str) -> Dial {
        Dial { host: stack.host.clone(), path: "/chat", query: query.to_owned(), headers: Vec::new() }
    }

    /// As our own clients do.
    pub fn chat_v1(stack: &Arc<Stack>, room: &str, token: &str) -> Dial {
        let offered = format!("chat.v1, bearer.{token}");
        Self::bare(stack, &format!("roomId={}", encoded(room))).header("Sec-WebSocket-Protocol", offered)
    }

    /// To the person's inbox.
    pub fn inbox(stack: &Arc<Stack>, token: &str) -> Dial {
        let dial = Self::bare(stack, "").header("Sec-WebSocket-Protocol", format!("chat.v1, bearer.{token}"));
        Dial { path: "/chat/inbox", ..dial }
    }

    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Dial {
        self.headers.push((name, value.into()));
        self
    }

    /// To another address than the stack's own: a proxy before it.
    pub fn through(mut self, host: &str) -> Dial {
        self.host = host.to_owned();
        self
    }

    pub fn and(mut self, query: &str) -> Dial {
        self.query = format!("{}&{query}", self.query);
        self
    }

    fn seed(&self) -> bool {
        !self.headers.iter().any(|(name, _)| *name == "Sec-WebSocket-Protocol")
    }

    /// The upgrade, with what the answer says; `Err` holds a refusal or a broken connection.
    pub async fn dial(&self) -> Result<(Socket, Response<Option<Vec<u8>>>), tungstenite::Error> {
        let stream = TcpStream::connect(&self.host).await.map_err(tungstenite::Error::Io)?;
        self.upgrade(stream).await
    }

    async fn upgrade(
        &self,
        stream: TcpStream,
    ) -> Result<(Socket, Response<Option<Vec<u8>>>), tungstenite::Error> {
        let _ = stream.set_nodelay(true);
        let mut request = Request::builder()
            .uri(format!("ws://{}{}?{}", self.host, self.path, self.query))
            .header("Host", &self.host)
            .header("Connection", "Upgrade")
            .header("Upgrade", "websocket")
            .header("Sec-WebSocket-Version", "13")
            .header("Sec-WebSocket-Key", generate_key());
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        tokio_tungstenite::client_async(request.body(()).expect("a request"), stream).await
    }

    fn client(&self, socket: Socket) -> Client {
        let schema = if self.path == "/chat" { "ServerEvent" } else { "InboxServerEvent" };
        Client::over(socket, self.seed(), schema)
    }

    pub async fn try_open(&self) -> Option<Client> {
        let dialed = tokio::time::timeout(PATIENCE, self.dial()).await.ok()?;
        Some(self.client(dialed.ok()?.0))
    }

    pub async fn open(&self) -> Client {
        let dialed = tokio::time::timeout(PATIENCE, self.dial()).await.expect("the upgrade is answered");
        let (socket, answer) = dialed.unwrap_or_else(|error| panic!("upgrade {}: {error:?}", self.query));
        let selected = answer.headers().get("sec-websocket-protocol").map(|name| name.as_bytes());
        assert_eq!(selected, (!self.seed()).then_some(b"chat.v1".as_slice()), "the subprotocol selected");
        self.client(socket)
    }

    /// Connects and never reads a frame: the socket itself, with the smallest kernel buffer.
    pub async fn open_deaf(&self) -> Socket {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_recv_buffer_size(4_096).expect("a small buffer");
        let stream = socket.connect(self.host.parse().expect("an address")).await.expect("connected");
        self.upgrade(stream).await.expect("upgraded").0
    }

    /// The answer of an upgrade that is to be refused, over plain HTTP, so that its body can be read.
    pub async fn refused(&self) -> Answer {
        let key = generate_key();
        let mut headers: Vec<(&str, &str)> = vec![
            ("Connection", "Upgrade"),
            ("Upgrade", "websocket"),
            ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", &key),
        ];
        headers.extend(self.headers.iter().map(|(name, value)| (*name, value.as_str())));
        let path = format!("{}?{}", self.path, self.query);
        let answer = http::request(&self.host, "GET", &path, &headers, None);
        tokio::time::timeout(PATIENCE, answer).await.expect("an answer in time").expect("an answer")
    }
}

/// Percent-encodes what may not stand in a query or a path.
pub fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

#[derive(Default)]
struct Received {
    events: Vec<Value>,
    frames: usize,
    closed: Option<(u16, String)>,
    /// The first event that isn't by protocol.json.
    wrong: Option<String>,
}

/// An open socket. Everything it hears is kept; `cursor` is how far the test has looked.
pub struct Client {
    sink: SplitSink<Socket, Message>,
    received: Arc<(Mutex<Received>, Notify)>,
    cursor: usize,
    pings: u32,
}

/// What a connection hears first.
#[derive(Debug)]
pub struct Greeting {
    pub hello: Value,
    pub online: Vec<String>,
    /// The replay or the history; or the `resync` alone.
    pub between: Vec<Value>,
    pub synced: u64,
}

impl Client {
    fn over(socket: Socket, seed: bool, schema: &'static str) -> Client {
        let (sink, stream) = socket.split();
        let received: Arc<(Mutex<Received>, Notify)> = Arc::default();
        tokio::spawn(listen(stream, received.clone(), seed, schema));
        Client { sink, received, cursor: 0, pings: 0 }
    }

    /// False when the socket is gone.
    pub async fn send_text(&mut self, text: impl Into<String>) -> bool {
        self.sink.send(Message::text(text.into())).await.is_ok()
    }

    pub async fn send(&mut self, frame: Value) -> bool {
        self.send_text(frame.to_string()).await
    }

    pub async fn send_binary(&mut self, bytes: Vec<u8>) -> bool {
        self.sink.send(Message::Binary(bytes.into())).await.is_ok()
    }

    /// Sends a message and waits for its ack.
    pub async fn say(&mut self, client_id: &str, content: &str) -> Value {
        self.send(json!({"type": "message", "content": content, "clientId": client_id})).await;
        self.ack(client_id).await
    }

    /// The ack of this operation, and everything before it is looked at.
    #[track_caller]
    pub fn ack<'a>(&'a mut self, client_id: &str) -> impl Future<Output = Value> + use<'a> {
        let client_id = client_id.to_owned();
        let what = format!("ack of {client_id}");
        self.until(&what, move |e| e["type"] == "ack" && e["clientId"] == *client_id)
    }

    /// The next event of this type; those passed over count as looked at.
    #[track_caller]
    pub fn next<'a>(&'a mut self, kind: &str) -> impl Future<Output = Value> + use<'a> {
        let (what, kind) = (kind.to_owned(), kind.to_owned());
        self.until(&what, move |event| event["type"] == *kind)
    }

    /// The next event that fits; those passed over count as looked at.
    #[track_caller]
    pub fn until<'a, F: Fn(&Value) -> bool + 'a>(
        &'a mut self,
        what: &str,
        fits: F,
    ) -> impl Future<Output = Value> + use<'a, F> {
        let caller = std::panic::Location::caller();
        let what = format!("{what}, at {caller}");
        async move {
            loop {
                let event = self.any(&what, PATIENCE).await;
                if fits(&event) {
                    return event;
                }
            }
        }
    }

    /// The very next event.
    #[track_caller]
    pub fn event(&mut self) -> impl Future<Output = Value> + '_ {
        let what = format!("an event, at {}", std::panic::Location::caller());
        async move { self.any(&what, PATIENCE).await }
    }

    /// The next event, however long it takes; `None` when the socket is closed and all is looked at.
    pub async fn event_or_closed(&mut self) -> Option<Value> {
        let shared = self.received.clone();
        loop {
            // Registered before looking, so that what comes in between isn't missed.
            let mut changed = std::pin::pin!(shared.1.notified());
            changed.as_mut().enable();
            {
                let received = shared.0.lock().expect("heard");
                if let Some(event) = received.events.get(self.cursor) {
                    self.cursor += 1;
                    return Some(event.clone());
                }
                if received.closed.is_some() {
                    return None;
                }
            }
            changed.await;
        }
    }

    async fn any(&mut self, what: &str, patience: Duration) -> Value {
        match tokio::time::timeout(patience, self.event_or_closed()).await {
            Ok(Some(event)) => event,
            Ok(None) => panic!("closed {:?} before: {what}\n{}", self.closed(), self.transcript()),
            Err(_) => panic!("not within {patience:?}: {what}\n{}", self.transcript()),
        }
    }

    /// Asks the room for a pong, and gives everything that came before it and wasn't looked at yet: what isn't
    /// among it was not sent.
    pub async fn barrier(&mut self) -> Vec<Value> {
        self.pings += 1;
        let (from, t) = (self.cursor, self.pings);
        assert!(self.send(json!({"type": "ping", "t": t})).await, "open: {:?}", self.closed());
        self.until("the pong", |event| event["type"] == "pong" && event["t"] == t).await;
        self.all()[from..self.cursor - 1].to_vec()
    }

    /// Whether an event that fits comes within this time. For what is to come only after a while, or never.
    pub async fn hears_within(&mut self, patience: Duration, fits: impl Fn(&Value) -> bool) -> bool {
        let wait = async { while !fits(&self.any("anything", Duration::from_secs(3_600)).await) {} };
        tokio::time::timeout(patience, wait).await.is_ok()
    }

    /// hello, online_users, replay or history, synced: in this order and nothing else.
    pub async fn greeting(&mut self) -> Greeting {
        let hello = self.event().await;
        assert_eq!(hello["type"], "hello", "{hello}");
        let online = self.event().await;
        assert_eq!(online["type"], "online_users", "{online}");
        let online = online["users"].as_array().expect("users").iter().map(text).collect();
        let mut between = Vec::new();
        let synced = loop {
            let event = self.event().await;
            match event["type"].as_str() {
                Some("synced") => break event["seq"].as_u64().expect("synced.seq"),
                _ => between.push(event),
            }
        };
        assert_eq!(hello["seq"], synced, "hello and synced tell the same head");
        Greeting { hello, online, between, synced }
    }

    /// Waits until the other side has closed: its code and reason.
    #[track_caller]
    pub fn close_code(&mut self) -> impl Future<Output = (u16, String)> + '_ {
        let caller = std::panic::Location::caller();
        async move {
            let shared = self.received.clone();
            let closed = async {
                loop {
                    let mut changed = std::pin::pin!(shared.1.notified());
                    changed.as_mut().enable();
                    if let Some(closed) = self.closed() {
                        return closed;
                    }
                    changed.await;
                }
            };
            let closed = tokio::time::timeout(PATIENCE, closed).await;
            closed.unwrap_or_else(|_| panic!("not closed, at {caller}\n{}", self.transcript()))
        }
    }

    pub fn closed(&self) -> Option<(u16, String)> {
        self.received.0.lock().expect("heard").closed.clone()
    }

    /// Closes the connection properly.
    pub async fn leave(mut self) {
        let _ = self.sink.close().await;
        self.close_code().await;
    }

    /// Every event so far.
    pub fn all(&self) -> Vec<Value> {
        self.received.0.lock().expect("heard").events.clone()
    }

    pub fn frames(&self) -> usize {
        self.received.0.lock().expect("heard").frames
    }

    fn transcript(&self) -> String {
        let all = self.all();
        let line = |event: &Value| event.to_string().chars().take(300).collect::<String>();
        let last = &all[all.len().saturating_sub(20)..];
        let lines: Vec<String> = last.iter().map(line).collect();
        format!("heard {}, looked at {}; the last:\n{}", all.len(), self.cursor, lines.join("\n"))
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let wrong = self.received.0.lock().ok().and_then(|mut received| received.wrong.take());
        if let Some(wrong) = wrong
            && !std::thread::panicking()
        {
            panic!("{wrong}");
        }
    }
}

async fn listen(
    mut stream: SplitStream<Socket>,
    received: Arc<(Mutex<Received>, Notify)>,
    seed: bool,
    definition: &'static str,
) {
    let place = format!("protocol.json#/$defs/{definition}");
    // 1006 is what a browser says of a connection that broke off.
    let mut closed = (1006, String::new());
    while let Some(message) = stream.next().await {
        match message {
            Ok(Message::Text(text)) => {
                let events = events(text.as_str(), seed);
                // The hooks of test builds are outside the contract.
                let hook =
                    |event: &Value| event["type"].as_str().is_some_and(|kind| kind.starts_with("test_"));
                let checked = events.iter().filter(|event| !hook(event));
                let wrong = checked.map(|event| schema().check(&place, event)).find_map(Result::err);
                let mut received = received.0.lock().expect("heard");
                received.frames += 1;
                received.wrong = received.wrong.take().or(wrong);
                received.events.extend(events);
            }
            Ok(Message::Close(frame)) => {
                // The runtime may leave the connection itself open for 15 s more, to somebody who has never sent
                // anything.
                closed = frame.map_or((1005, String::new()), |f| (f.code.into(), f.reason.to_string()));
                received.0.lock().expect("heard").closed = Some(closed.clone());
            }
            Ok(Message::Binary(_)) => panic!("a binary frame from the server"),
            Ok(_) => {}
            Err(_) => break,
        }
        received.1.notify_waiters();
    }
    received.0.lock().expect("heard").closed = Some(closed);
    received.1.notify_waiters();
}

/// The events of a frame: an array of them, or one alone for legacy clients and the automatic pong.
pub fn events(text: &str, seed: bool) -> Vec<Value> {
    let events = match serde_json::from_str(text).expect("a frame is JSON") {
        Value::Array(events) if !seed && !events.is_empty() => events,
        one if seed || one == json!({"type": "pong"}) => vec![one],
        odd => panic!("with chat.v1 a frame is an array of events: {odd}"),
    };
    assert!(events.iter().all(|event| event["type"].is_string()), "events have types: {text}");
    events
}

pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("not text: {value}")).to_owned()
}

/// Reads a socket to its end: how it was closed.
pub async fn close_of(mut socket: Socket) -> (u16, String) {
    let read = async {
        while let Some(message) = socket.next().await {
            match message {
                Ok(Message::Close(Some(frame))) => return (frame.code.into(), frame.reason.to_string()),
                Ok(_) => {}
                Err(error) => return (1006, error.to_string()),
            }
        }
        (1006, String::new())
    };
    tokio::time::timeout(PATIENCE * 3, read).await.expect("closed in time")
}
