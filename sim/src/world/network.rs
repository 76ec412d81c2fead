//! Sockets between clients and the runtime, and what waits in them. Not here: how frames travel (`transport`).

use chinwag::ids::UnixMs;
use chinwag::room::ConnectionId;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

/// Milliseconds one way between a client and the runtime, and between the runtime and its bucket.
pub const LATENCY_MS: u64 = 20;

pub struct Network {
    next_request: Cell<u64>,
}

impl Network {
    pub fn new() -> Self {
        Self { next_request: Cell::new(1) }
    }

    /// The number of a new HTTP request.
    pub fn number_request(&self) -> u64 {
        self.next_request.replace(self.next_request.get() + 1)
    }
}

/// The outcome of an HTTP request.
pub enum HttpOutcome {
    Upgraded(Rc<SimSocket>),
    Json(u16, String),
    File(Vec<u8>),
    /// No answer, or the connection broke.
    Failed,
}

/// What travels to a client.
pub enum Wire {
    Frame(String),
    Close(u16),
}

pub struct SimSocket {
    pub id: ConnectionId,
    pub attachment: RefCell<Option<String>>,
    /// From either side: a send fails from now on.
    pub closing: Cell<bool>,
    /// The client reads.
    pub reading: Cell<bool>,
    /// Since when it reads without a break.
    pub reading_since: Cell<UnixMs>,
    /// It once did not.
    pub was_slow: Cell<bool>,
    /// When the network in between was cut without either side noticing.
    pub cut_at: Cell<Option<UnixMs>>,
    pub queue: RefCell<VecDeque<Wire>>,
    /// Frames of the queue that have reached the client.
    pub arrived: Cell<usize>,
    /// Bytes that the room has sent in the present turn: nothing drains before its end.
    pub turn_bytes: Cell<u32>,
    /// Those of them that wait for the turn's commit, and are not in `queue` yet.
    pub held_bytes: Cell<u32>,
    pub opened_at: UnixMs,
    pub closed_at: Cell<Option<UnixMs>>,
}

impl SimSocket {
    pub fn new(id: ConnectionId, now: UnixMs) -> Self {
        Self {
            id,
            attachment: RefCell::new(None),
            closing: Cell::new(false),
            reading: Cell::new(true),
            reading_since: Cell::new(0),
            was_slow: Cell::new(false),
            cut_at: Cell::new(None),
            queue: RefCell::default(),
            arrived: Cell::new(0),
            turn_bytes: Cell::new(0),
            held_bytes: Cell::new(0),
            opened_at: now,
            closed_at: Cell::new(None),
        }
    }

    /// The kernel's buffers take what a reading client has coming, but only between two turns.
    pub fn waiting_bytes(&self) -> u32 {
        if self.is_received() {
            return self.turn_bytes.get();
        }
        let bytes = |wire: &Wire| match wire {
            Wire::Frame(text) => text.len(),
            Wire::Close(_) => 0,
        };
        self.queue.borrow().iter().map(bytes).sum::<usize>() as u32 + self.held_bytes.get()
    }

    /// The room's turn has ended.
    pub fn end_turn(&self) {
        self.held_bytes.set(0);
        self.turn_bytes.set(0);
    }

    /// Either side closes it.
    ///
    /// # Gives  whether it was closing already.
    pub fn close(&self, now: UnixMs) -> bool {
        self.closed_at.set(self.closed_at.get().or(Some(now)));
        self.closing.replace(true)
    }

    /// When its client could last be heard; `None` while it still can.
    pub fn silent_since(&self) -> Option<UnixMs> {
        self.cut_at.get().into_iter().chain(self.closed_at.get()).min()
    }

    /// Clients ping every 25 s while they can.
    pub fn pinged_at(&self, now: UnixMs) -> UnixMs {
        let until = self.cut_at.get().unwrap_or(now);
        until - (until - self.opened_at) % 25_000
    }

    /// Whether what is sent reaches a client that reads it.
    pub fn is_received(&self) -> bool {
        self.reading.get() && self.cut_at.get().is_none()
    }

    pub fn is_healthy(&self) -> bool {
        self.is_received() && !self.closing.get()
    }
}
