//! The sockets of a room's object: sending, the budget of a slow one, closing, who went silent.
//! Not here: when any of this is due (`room`).

use super::Shell;
use crate::ids::UnixMs;
use crate::limits::{HEARTBEAT_SWEEP_MS, HEARTBEAT_TIMEOUT_MS};
use crate::protocol::server::{CloseCode, EventText};
use crate::room::{ConnectionId, Input};
use crate::shell::clock;
use std::cell::Cell;
use std::rc::Rc;
use worker::WebSocket;

pub struct Socket {
    pub socket: WebSocket,
    /// Bytes that may wait: more than usual until what it got at its beginning has gone.
    waiting_max: Cell<u32>,
}

impl Shell {
    /// A send never fails loudly here: one dead or slow socket must not stop the rest.
    pub(super) fn send(self: &Rc<Self>, connection: ConnectionId, frame: &EventText) {
        let sockets = self.sockets.borrow();
        let Some(socket) = sockets.get(&connection) else { return };
        let waiting = socket.socket.as_ref().buffered_amount();
        if waiting <= self.limits.waiting_bytes {
            socket.waiting_max.set(self.limits.waiting_bytes);
        }
        if waiting > socket.waiting_max.get() {
            drop(sockets);
            self.later(async move |shell| drop(shell.feed(Input::Slow { connection })));
            return;
        }
        let _ = socket.socket.send_with_str(frame);
    }

    pub(super) fn connection(&self, ws: &WebSocket) -> Option<ConnectionId> {
        self.state.get_tags(ws).first()?.parse().ok()
    }

    pub(super) fn gone(self: &Rc<Self>, ws: &WebSocket) {
        let Some(connection) = self.connection(ws) else { return };
        self.sockets.borrow_mut().remove(&connection);
        self.feed(Input::Closed { connection });
    }

    /// Looks, at most every `HEARTBEAT_SWEEP_MS`, for clients that had pinged and went silent.
    pub(super) fn sweep(self: &Rc<Self>) {
        let now = clock::now();
        if now.saturating_sub(self.swept_at.get()) < HEARTBEAT_SWEEP_MS {
            return;
        }
        self.swept_at.set(now);
        let silent = |(id, socket): (&ConnectionId, &Socket)| {
            let heard_ms = self.room.borrow().as_ref()?.heard_ms(*id)?;
            let last_ms = self.pinged_at(&socket.socket)?.max(heard_ms);
            (now.saturating_sub(last_ms) > HEARTBEAT_TIMEOUT_MS).then_some(*id)
        };
        let connections: Vec<_> = self.sockets.borrow().iter().filter_map(silent).collect();
        if !connections.is_empty() {
            self.feed(Input::Silent { connections });
        }
    }

    /// When the platform last answered this client's ping for us; `None` if it never pinged.
    fn pinged_at(&self, socket: &WebSocket) -> Option<UnixMs> {
        let state: &wasm_bindgen::JsValue = self.state.as_raw().as_ref();
        let name = wasm_bindgen::JsValue::from_str("getWebSocketAutoResponseTimestamp");
        let method: js_sys::Function =
            wasm_bindgen::JsCast::dyn_into(js_sys::Reflect::get(state, &name).ok()?).ok()?;
        let date = method.call1(state, socket.as_ref().as_ref()).ok()?;
        let date: js_sys::Date = wasm_bindgen::JsCast::dyn_into(date).ok()?;
        Some(date.get_time() as UnixMs)
    }
}

impl Socket {
    pub fn new(socket: WebSocket, waiting_max: u32) -> Self {
        Self { socket, waiting_max: Cell::new(waiting_max) }
    }
}

/// Never fails: a socket that is closing already needs no more.
pub fn close(socket: &WebSocket, code: CloseCode) {
    let _ = socket.close(Some(code.code()), Some(code.name()));
}
