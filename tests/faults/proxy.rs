//! A TCP proxy with faults: between the Worker and Postgres, and between clients and the Worker. It knows enough of
//! Postgres' protocol to find the statement that projects a batch, its commit, and error codes.
//! Not here: which fault happens when (the scenarios).

use std::collections::BTreeMap;
use std::io::{Error, Result};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What happens to connections, open and new ones, while it is set.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fault {
    Pass,
    /// Each piece comes this much later.
    Delay(Duration),
    ThrottleBytesPerS(u64),
    /// Connections open, and nothing goes on; what was under way goes on afterwards.
    BlackHole,
    /// New connections are reset.
    Refuse,
    /// A connection is reset once this many bytes have passed, whichever way.
    CutAfter(u64),
    /// What the clients say comes in pieces of one byte.
    OneByte,
    /// The statement that projects a batch doesn't reach Postgres. It does once this is over and its connection still
    /// stands, however late.
    HoldProjection,
    /// A batch is committed, and the connection is reset instead of the reply.
    SwallowReply,
    /// A batch is committed, and the reply never comes.
    LoseReply,
}

/// What was done to connections that are open, once.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Order {
    None,
    Reset,
    Fin,
}

/// How often each kind of fault struck a connection.
#[derive(Default)]
pub struct Struck {
    pub accepted: AtomicU64,
    pub refused: AtomicU64,
    pub reset: AtomicU64,
    pub ended: AtomicU64,
    pub delayed: AtomicU64,
    pub throttled: AtomicU64,
    pub stalled: AtomicU64,
    pub cut: AtomicU64,
    pub single_bytes: AtomicU64,
    pub held: AtomicU64,
    pub swallowed: AtomicU64,
}

struct Inner {
    upstream: OnceLock<String>,
    postgres: bool,
    fault: watch::Sender<Fault>,
    order: watch::Sender<(u64, Order)>,
    struck: Struck,
    open: AtomicU64,
    sqlstates: Mutex<BTreeMap<String, u64>>,
}

#[derive(Clone)]
pub struct Proxy {
    /// `127.0.0.1:port`.
    pub address: String,
    inner: Arc<Inner>,
}

/// Stands in the projecting statement and in no other.
const PROJECTION: &[u8] = b"chat_project_v3(";
/// `ReadyForQuery`, idle: the transaction is over, and what it wrote is committed.
const READY: &[u8] = b"Z\0\0\0\x05I";
const CHUNK_BYTES: usize = 64 * 1024;

impl Proxy {
    /// Listens at once; `to` says where everything goes.
    pub async fn listen(postgres: bool) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let inner = Arc::new(Inner {
            upstream: OnceLock::new(),
            postgres,
            fault: watch::Sender::new(Fault::Pass),
            order: watch::Sender::new((0, Order::None)),
            struck: Struck::default(),
            open: AtomicU64::new(0),
            sqlstates: Mutex::default(),
        });
        let shared = inner.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let inner = shared.clone();
                tokio::spawn(async move {
                    inner.open.fetch_add(1, Ordering::Relaxed);
                    inner.carry(stream).await;
                    inner.open.fetch_sub(1, Ordering::Relaxed);
                });
            }
        });
        Proxy { address, inner }
    }

    pub fn to(&self, upstream: &str) {
        self.inner.upstream.set(upstream.to_owned()).expect("told once");
    }

    pub fn set(&self, fault: Fault) {
        self.inner.fault.send_replace(fault);
    }

    /// RST to both sides of all that is open.
    pub fn reset_all(&self) {
        self.inner.order.send_modify(|(number, order)| (*number, *order) = (*number + 1, Order::Reset));
    }

    /// Both sides see the connection end without another word.
    pub fn end_all(&self) {
        self.inner.order.send_modify(|(number, order)| (*number, *order) = (*number + 1, Order::Fin));
    }

    pub fn open(&self) -> u64 {
        self.inner.open.load(Ordering::Relaxed)
    }

    /// How often a kind of fault struck so far.
    pub fn count(&self, kind: fn(&Struck) -> &AtomicU64) -> u64 {
        kind(&self.inner.struck).load(Ordering::Relaxed)
    }

    /// How often Postgres answered with this SQLSTATE.
    pub fn sqlstate(&self, state: &str) -> u64 {
        self.inner.sqlstates.lock().expect("states").get(state).copied().unwrap_or(0)
    }

    /// Waits until it has struck this many times more than `before`.
    pub async fn strikes(&self, kind: fn(&Struck) -> &AtomicU64, before: u64, more: u64) {
        let start = Instant::now();
        while self.count(kind) < before + more {
            assert!(start.elapsed() < Duration::from_secs(40), "the fault doesn't strike");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

/// One connection's own knowledge, shared by its two directions.
#[derive(Default)]
struct Link {
    passed_bytes: AtomicU64,
    projecting: AtomicBool,
}

fn add(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// Ends a connection with RST instead of FIN.
fn reset(stream: &TcpStream) {
    let _ = stream.set_zero_linger();
}

fn broken() -> Error {
    Error::from(std::io::ErrorKind::ConnectionReset)
}

impl Inner {
    async fn carry(&self, mut client: TcpStream) {
        add(&self.struck.accepted);
        if *self.fault.borrow() == Fault::Refuse {
            add(&self.struck.refused);
            return reset(&client);
        }
        let upstream = self.upstream.get().expect("the proxy knows where to");
        let Ok(mut server) = TcpStream::connect(upstream).await else { return reset(&client) };
        let _ = (client.set_nodelay(true), server.set_nodelay(true));
        let mut orders = self.order.subscribe();
        let link = Link::default();
        let order = {
            let (from_client, to_client) = client.split();
            let (from_server, to_server) = server.split();
            let both = async {
                tokio::try_join!(
                    self.up(from_client, to_server, &link),
                    self.down(from_server, to_client, &link)
                )
            };
            tokio::select! {
                done = both => if done.is_err() { Order::Reset } else { Order::None },
                changed = orders.changed() => changed.map_or(Order::Reset, |()| orders.borrow().1),
            }
        };
        match order {
            Order::None => {}
            Order::Reset => {
                add(&self.struck.reset);
                reset(&client);
                reset(&server);
            }
            Order::Fin => {
                add(&self.struck.ended);
                let _ = (client.shutdown().await, server.shutdown().await);
            }
        }
    }

    async fn up(&self, mut from: ReadHalf<'_>, mut to: WriteHalf<'_>, link: &Link) -> Result<()> {
        let mut buffer = vec![0; CHUNK_BYTES];
        let mut before: Vec<u8> = Vec::new();
        loop {
            let count = from.read(&mut buffer).await?;
            if count == 0 {
                return to.shutdown().await;
            }
            let piece = &buffer[..count];
            if self.postgres {
                before.extend(piece);
                if holds(&before, PROJECTION) {
                    self.hold_projection().await;
                    link.projecting.store(true, Ordering::Relaxed);
                    before.clear();
                }
                before.drain(..before.len().saturating_sub(PROJECTION.len()));
            }
            if *self.fault.borrow() == Fault::OneByte {
                for byte in piece.chunks(1) {
                    to.write_all(byte).await?;
                    add(&self.struck.single_bytes);
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                continue;
            }
            self.pass(piece, &mut to, link).await?;
        }
    }

    async fn hold_projection(&self) {
        if *self.fault.borrow() == Fault::HoldProjection {
            add(&self.struck.held);
            self.until(|fault| fault != Fault::HoldProjection).await;
        }
    }

    async fn down(&self, mut from: ReadHalf<'_>, mut to: WriteHalf<'_>, link: &Link) -> Result<()> {
        let mut buffer = vec![0; CHUNK_BYTES];
        let mut reply: Vec<u8> = Vec::new();
        loop {
            let count = from.read(&mut buffer).await?;
            if count == 0 {
                return to.shutdown().await;
            }
            let piece = &buffer[..count];
            if self.postgres {
                self.note_errors(piece);
                let fault = *self.fault.borrow();
                if link.projecting.load(Ordering::Relaxed)
                    && matches!(fault, Fault::SwallowReply | Fault::LoseReply)
                {
                    reply.extend(piece);
                    if reply.ends_with(READY) {
                        // Only a statement that was executed and went well has a row to tell.
                        if !holds(&reply, b"SELECT 1\0") {
                            self.pass(&reply, &mut to, link).await?;
                            reply.clear();
                            continue;
                        }
                        add(&self.struck.swallowed);
                        if fault == Fault::SwallowReply {
                            return Err(broken());
                        }
                        return std::future::pending().await;
                    }
                    continue;
                }
                if piece.ends_with(READY) {
                    link.projecting.store(false, Ordering::Relaxed);
                }
            }
            self.pass(piece, &mut to, link).await?;
        }
    }

    /// Hands a piece on as the fault of the moment has it.
    async fn pass(&self, piece: &[u8], to: &mut WriteHalf<'_>, link: &Link) -> Result<()> {
        let fault = *self.fault.borrow();
        let passed = link.passed_bytes.fetch_add(piece.len() as u64, Ordering::Relaxed);
        match fault {
            Fault::Delay(time) => {
                add(&self.struck.delayed);
                tokio::time::sleep(time).await;
            }
            Fault::ThrottleBytesPerS(rate) => {
                add(&self.struck.throttled);
                let time = Duration::from_micros(piece.len() as u64 * 1_000_000 / rate);
                // Over in time when the fault is: a big piece would outlive it by far.
                tokio::select! {
                    () = tokio::time::sleep(time) => {}
                    () = self.until(|now| now != fault) => {}
                }
            }
            Fault::BlackHole => {
                add(&self.struck.stalled);
                self.until(|fault| fault != Fault::BlackHole).await;
            }
            Fault::CutAfter(bytes) if passed + piece.len() as u64 > bytes => {
                add(&self.struck.cut);
                let rest = usize::try_from(bytes.saturating_sub(passed)).unwrap_or_default();
                to.write_all(&piece[..rest.min(piece.len())]).await?;
                return Err(broken());
            }
            _ => {}
        }
        to.write_all(piece).await
    }

    async fn until(&self, over: impl Fn(Fault) -> bool) {
        let mut faults = self.fault.subscribe();
        let _ = faults.wait_for(|fault| over(*fault)).await;
    }

    /// Counts the codes of error messages: field `C`, five letters or digits, a zero.
    fn note_errors(&self, piece: &[u8]) {
        for window in piece.windows(8).filter(|window| window.starts_with(b"\0C") && window[7] == 0) {
            if let Ok(state) = std::str::from_utf8(&window[2..7])
                && state.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase())
            {
                *self.sqlstates.lock().expect("states").entry(state.to_owned()).or_default() += 1;
            }
        }
    }
}

fn holds(text: &[u8], what: &[u8]) -> bool {
    text.windows(what.len()).any(|window| window == what)
}
