//! Networks between clients and the runtime: sockets, what waits in them, requests. Here they are slow, cut, half-open.
//! Not here: what either end does with what it gets (`client`, `hosts`).

use crate::client::HttpOutcome;
use crate::executor::Owner;
use crate::hosts::{Host, Room};
use crate::oracle::Checker;
use crate::worker::{Text, Worker};
use crate::world::World;
use chinwag::api::{self, Reply};
use chinwag::ids::UnixMs;
use chinwag::object::Answer;
use chinwag::room::ConnectionId;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

/// A client gives a request up after this.
const REQUEST_MS: u64 = 30_000;

pub struct SimSocket {
    pub id: ConnectionId,
    pub attachment: RefCell<Option<String>>,
    /// From either side: a send fails from now on.
    pub closing: Cell<bool>,
    /// The client takes what comes.
    pub reading: Cell<bool>,
    /// It once didn't.
    pub slow: Cell<bool>,
    /// The network between is gone, and nobody has noticed.
    pub cut_at: Cell<Option<UnixMs>>,
    pub queue: RefCell<VecDeque<Wire>>,
    /// Frames that have come as far as the client.
    pub due: Cell<usize>,
    /// What waited was once little: the budget holds from now on.
    pub drained: Cell<bool>,
    pub opened_at: UnixMs,
}
pub enum Wire {
    Frame(String),
    Close(u16),
}

impl SimSocket {
    pub fn new(id: ConnectionId, now: UnixMs) -> Self {
        Self {
            id,
            attachment: RefCell::new(None),
            closing: Cell::new(false),
            reading: Cell::new(true),
            slow: Cell::new(false),
            cut_at: Cell::new(None),
            queue: RefCell::default(),
            due: Cell::new(0),
            drained: Cell::new(false),
            opened_at: now,
        }
    }

    /// The kernel's buffers take what a client that reads has coming.
    pub fn waiting_bytes(&self) -> u32 {
        if self.reading.get() && self.cut_at.get().is_none() {
            return 0;
        }
        let bytes = |wire: &Wire| match wire {
            Wire::Frame(text) => text.len(),
            Wire::Close(_) => 0,
        };
        self.queue.borrow().iter().map(bytes).sum::<usize>() as u32
    }

    /// Clients ping every 25 s while they can.
    pub fn pinged_at(&self, now: UnixMs) -> UnixMs {
        let until = self.cut_at.get().unwrap_or(now);
        until - (until - self.opened_at) % 25_000
    }

    pub fn was_slow(&self) -> bool {
        self.slow.get()
    }

    pub fn opened_at(&self) -> UnixMs {
        self.opened_at
    }

    pub fn hears(&self) -> bool {
        self.reading.get() && self.cut_at.get().is_none() && !self.closing.get()
    }
}
impl World {
    // --- Networks ---------------------------------------------------------------------------------

    /// One way between a client and the runtime.
    pub const WAY_MS: u64 = 20;

    pub fn deliver(self: &Rc<Self>, sock: &Rc<SimSocket>, wire: Wire) {
        sock.queue.borrow_mut().push_back(wire);
        let (world, sock) = (self.clone(), sock.clone());
        self.spawn(async move {
            world.sleep(Self::WAY_MS).await;
            sock.due.set(sock.due.get() + 1);
            world.pump(&sock);
        });
    }

    /// Hands over what has come as far as the client, if it takes it.
    pub fn pump(self: &Rc<Self>, sock: &Rc<SimSocket>) {
        loop {
            let tab = self.tabs.borrow().iter().position(|tab| tab.has(sock));
            let Some(tab) = tab.filter(|_| sock.reading.get() && sock.cut_at.get().is_none()) else { return };
            if sock.due.get() == 0 {
                return;
            }
            sock.due.set(sock.due.get() - 1);
            let wire = sock.queue.borrow_mut().pop_front();
            match wire {
                Some(Wire::Frame(text)) => self.hears(tab, &text),
                Some(Wire::Close(code)) => {
                    self.server_forgets(sock);
                    self.closed(tab, code);
                }
                None => return,
            }
        }
    }

    /// What a send to this socket means for its budget.
    pub fn sent(&self, sock: &SimSocket, bytes: usize) {
        let waiting = sock.waiting_bytes();
        if waiting <= self.limits.waiting_bytes {
            sock.drained.set(true);
        } else if sock.drained.get() {
            let what = format!("{bytes} bytes more to a socket with {waiting} waiting");
            self.violation(Checker::Bounds, what);
        }
    }

    /// A frame of a client.
    pub fn send_frame(self: &Rc<Self>, sock: &Rc<SimSocket>, text: String) {
        let (world, sock) = (self.clone(), sock.clone());
        self.spawn(async move {
            world.sleep(Self::WAY_MS).await;
            if sock.closing.get() || sock.cut_at.get().is_some() {
                return;
            }
            let Some(host) = world.host_of(&sock) else { return };
            let id = sock.id;
            world.call(&host, async move |object: Room| object.received(id, text));
        });
    }

    pub fn host_of(&self, sock: &Rc<SimSocket>) -> Option<Rc<Host>> {
        let holds = |host: &&Rc<Host>| host.sockets.borrow().iter().any(|known| Rc::ptr_eq(known, sock));
        self.hosts.borrow().values().find(holds).cloned()
    }

    /// The client closes; the room hears of it a little later, and until then its sends fail.
    pub fn leave(self: &Rc<Self>, sock: &Rc<SimSocket>) {
        sock.closing.set(true);
        self.server_forgets(sock);
    }

    pub fn server_forgets(self: &Rc<Self>, sock: &Rc<SimSocket>) {
        let (world, sock) = (self.clone(), sock.clone());
        // Sometimes late: meanwhile the object knows a socket that takes nothing.
        let late_ms = self.random() % 4 / 3 * 2_000;
        self.spawn(async move {
            world.sleep(Self::WAY_MS + late_ms).await;
            let Some(host) = world.host_of(&sock) else { return };
            host.sockets.borrow_mut().retain(|known| !Rc::ptr_eq(known, &sock));
            let id = sock.id;
            world.call(&host, async move |object: Room| object.gone(id));
        });
    }

    /// The client is gone and nobody is told.
    pub fn vanish(&self, sock: &SimSocket) {
        sock.cut_at.set(Some(self.now()));
    }

    pub fn set_reading(self: &Rc<Self>, sock: &Rc<SimSocket>, reads: bool) {
        sock.reading.set(reads);
        sock.slow.set(sock.slow.get() || !reads);
        self.pump(sock);
    }

    /// A client's HTTP request; its answer comes to `answered`.
    pub fn request(
        self: &Rc<Self>,
        tab: usize,
        method: http::Method,
        path: &str,
        token: &str,
        body: Option<String>,
    ) -> u64 {
        let number = self.request.replace(self.request.get() + 1);
        let batches = self.tabs.borrow()[tab].batches;
        let request = request(method, path, token, body, batches);
        self.handle(request, move |world, got| world.answered(tab, number, got));
        let world = self.clone();
        self.spawn(async move {
            world.sleep(REQUEST_MS).await;
            world.answered(tab, number, HttpOutcome::Failed);
        });
        number
    }

    /// A request of somebody who does nothing else; lets time pass until it is answered.
    pub fn ask_once(self: &Rc<Self>, method: http::Method, path: &str, token: &str) -> Option<HttpOutcome> {
        self.ask_with(method, path, token, None)
    }

    pub fn ask_with(
        self: &Rc<Self>,
        method: http::Method,
        path: &str,
        token: &str,
        body: Option<String>,
    ) -> Option<HttpOutcome> {
        let answer: Rc<RefCell<Option<HttpOutcome>>> = Rc::default();
        let put = answer.clone();
        self.handle(request(method, path, token, body, true), move |_, got| *put.borrow_mut() = Some(got));
        for _ in 0..REQUEST_MS / 50 {
            self.pass(50);
            if let Some(got) = answer.borrow_mut().take() {
                return Some(got);
            }
        }
        None
    }

    /// A request of somebody who does nothing else; `then` looks at the answer, if one comes.
    pub fn ask_and(
        self: &Rc<Self>,
        method: http::Method,
        path: &str,
        token: &str,
        body: Option<String>,
        then: impl FnOnce(&Rc<Self>, HttpOutcome) + 'static,
    ) {
        self.handle(request(method, path, token, body, true), then);
    }

    /// The Worker's part: there, through the real routes, and back.
    pub fn handle(
        self: &Rc<Self>,
        request: api::Request<Text>,
        then: impl FnOnce(&Rc<Self>, HttpOutcome) + 'static,
    ) {
        let world = self.clone();
        self.spawn(async move {
            world.sleep(Self::WAY_MS).await;
            let inner = world.clone();
            world.executor.spawn(Owner::Worker, async move {
                let worker = Worker::new(&inner);
                let got = match api::handle(&worker, request).await {
                    Reply::Json { status, body, .. } => HttpOutcome::Json(status, body),
                    Reply::File(file) => {
                        let bucket = inner.bucket.borrow();
                        let object = file.from.as_ref().and_then(|(key, ..)| bucket.get(key));
                        object.map_or(HttpOutcome::Failed, |bytes| HttpOutcome::File(bytes.clone()))
                    }
                    Reply::Upgrade(ask) => match inner.ask(*ask).await {
                        Ok(Answer::Upgraded { peer, .. }) => HttpOutcome::Upgraded(peer),
                        Ok(Answer::Reply(_)) => HttpOutcome::Failed,
                        Err(refusal) => HttpOutcome::Json(refusal.code.status(), refusal.code.name().into()),
                    },
                };
                let outer = inner.clone();
                inner.spawn(async move {
                    outer.sleep(Self::WAY_MS).await;
                    then(&outer, got);
                });
            });
        });
    }

    pub fn fail_requests(self: &Rc<Self>) {
        let pending: Vec<(usize, u64)> = self
            .tabs
            .borrow()
            .iter()
            .flat_map(|tab| tab.requests().map(|number| (tab.index, number)))
            .collect();
        for (tab, number) in pending {
            let world = self.clone();
            self.spawn(async move {
                world.sleep(Self::WAY_MS).await;
                world.answered(tab, number, HttpOutcome::Failed);
            });
        }
    }
}

fn request(
    method: http::Method,
    path: &str,
    token: &str,
    body: Option<String>,
    batches: bool,
) -> api::Request<Text> {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let mut headers = http::HeaderMap::new();
    let mut put =
        |name: &'static str, value: &str| drop(headers.insert(name, value.parse().expect("a header")));
    put("authorization", &format!("Bearer {token}"));
    if let Some(body) = &body {
        put("content-length", &body.len().to_string());
    }
    if path == "/chat" {
        put("upgrade", "websocket");
        if batches {
            put("sec-websocket-protocol", "chat.v1");
        }
    }
    let (path, query, body) = (path.to_owned(), query.to_owned(), Text(body.unwrap_or_default()));
    api::Request { method, path, query, headers, body }
}
