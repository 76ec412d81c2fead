//! The Durable Object of one room: callbacks become inputs, effects are performed. A panic stays in its event.
//! Not here: what follows from an input (`room`).

mod door;
mod sockets;

use super::database::Database;
use super::ports::{ASK_HEADER, authenticate, variable};
use super::sqlite::ObjectSql;
use super::{clock, json};
use crate::api::Reply;
use crate::auth::AuthConfig;
use crate::db::{self, Projection};
use crate::error::{Code, Refusal};
use crate::ids::{Seq, UnixMs};
use crate::limits::*;
use crate::protocol::server::CloseCode;
use crate::room::store::Store;
use crate::room::{Attachment, ConnectionId, Effect, Input, Room};
use sockets::{Socket, close};
use std::cell::{Cell, RefCell, RefMut};
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use worker::{
    DurableObject, Env, Error, Request, Response, Result, State, WebSocket, WebSocketIncomingMessage,
    durable_object,
};

#[durable_object]
pub struct ChatRoom(Rc<Shell>);

// `feed` catches every panic and drops the room; what else stands in a shell is single cells.
impl std::panic::UnwindSafe for ChatRoom {}
impl std::panic::RefUnwindSafe for ChatRoom {}

struct Shell {
    state: State,
    env: Env,
    sql: ObjectSql,
    limits: Limits,
    room: RefCell<Option<Room>>,
    sockets: RefCell<HashMap<ConnectionId, Socket>>,
    /// The head when everything was last told to the sockets; `None` until the room was loaded once.
    told: Cell<Option<Seq>>,
    flush_is_due: Cell<bool>,
    /// Frames that wait for the turn's end. Handled where they arrive, each would be a commit and a wait for the disk.
    inbox: RefCell<Vec<(ConnectionId, String)>>,
    tick_at: Cell<Option<UnixMs>>,
    /// Since when a drain runs, and since when the log is being opened: leases, as a promise can be lost.
    draining_since: Cell<Option<UnixMs>>,
    opening_since: Cell<Option<UnixMs>>,
    swept_at: Cell<UnixMs>,
    database: Database,
    #[cfg(feature = "test-hooks")]
    made: u64,
}

/// What a fed input gives back to who fed it.
#[derive(Default)]
struct Fed {
    reply: Option<std::result::Result<String, Refusal>>,
    project: Option<Rc<Projection>>,
    /// The input was lost to a fault of ours.
    failed: bool,
}

impl DurableObject for ChatRoom {
    fn new(state: State, env: Env) -> Self {
        if let Ok(pair) =
            worker::WebSocketRequestResponsePair::new(r#"{"type":"ping"}"#, r#"{"type":"pong"}"#)
        {
            state.set_websocket_auto_response(&pair);
        }
        let limits = Limits::parse(&variable(&env, "LIMITS").unwrap_or_default()).unwrap_or_else(|why| {
            worker::console_error!("{why}; the contract's limits hold");
            Limits::default()
        });
        let sql = ObjectSql::new(&state);
        Self(Rc::new(Shell {
            sql,
            limits,
            room: RefCell::new(None),
            sockets: RefCell::default(),
            told: Cell::new(None),
            flush_is_due: Cell::new(false),
            inbox: RefCell::default(),
            tick_at: Cell::new(None),
            draining_since: Cell::new(None),
            opening_since: Cell::new(None),
            swept_at: Cell::new(0),
            database: Database::new(&env, STATEMENT_TIMEOUT_MS),
            #[cfg(feature = "test-hooks")]
            made: super::test_hooks::made(),
            state,
            env,
        }))
    }

    async fn fetch(&self, mut request: Request) -> Result<Response> {
        let ask = match request.headers().get(ASK_HEADER)? {
            Some(ask) => ask,
            None => request.text().await?,
        };
        match self.0.clone().asked(serde_json::from_str(&ask)?).await {
            Ok(response) => Ok(response),
            Err(refusal) => json(&Reply::refused(&refusal)),
        }
    }

    async fn websocket_message(&self, ws: WebSocket, message: WebSocketIncomingMessage) -> Result<()> {
        let shell = &self.0;
        let Some(connection) = shell.connection(&ws) else { return Ok(()) };
        match message {
            WebSocketIncomingMessage::String(text) => {
                #[cfg(feature = "test-hooks")]
                if super::test_hooks::answered(
                    &text,
                    |line| drop(ws.send_with_str(line)),
                    shell.made,
                    &shell.sql,
                ) {
                    return Ok(());
                }
                shell.received(connection, text);
            }
            WebSocketIncomingMessage::Binary(_) => drop(shell.feed(Input::Binary { connection })),
        }
        Ok(())
    }

    async fn websocket_close(&self, ws: WebSocket, code: usize, _: String, _: bool) -> Result<()> {
        // Answered, or the client waits 10 s and sees 1006; codes that may not be sent are answered with 1000.
        let code = u16::try_from(code).ok().filter(|code| *code == 1000 || *code >= 3000).unwrap_or(1000);
        let _ = ws.close(Some(code), Some(""));
        self.0.gone(&ws);
        Ok(())
    }

    async fn websocket_error(&self, ws: WebSocket, _: Error) -> Result<()> {
        let _ = ws.close(Some(1011), Some(""));
        self.0.gone(&ws);
        Ok(())
    }

    /// Re-arms first, hands the work over and returns at once: an alarm that waits for something lost blocks all later ones.
    async fn alarm(&self) -> Result<Response> {
        self.0.feed(Input::AlarmFired);
        Response::empty()
    }
}

impl Shell {
    // --- Feeding the machine --------------------------------------------------------------------

    fn received(self: &Rc<Self>, connection: ConnectionId, text: String) {
        let too_large = text.len() > self.limits.frame_bytes as usize;
        self.inbox.borrow_mut().push((connection, text));
        // What closes its socket anyway isn't kept in memory.
        if too_large { self.take_in() } else { self.flush_later() }
    }

    /// Handles the frames of this turn, in the order they arrived. A fault in one is that one's alone.
    fn take_in(self: &Rc<Self>) {
        for (connection, text) in self.inbox.take() {
            let random = clock::random_u64();
            if self.feed_one(Input::Frame { connection, text: &text, random }).failed {
                self.feed_one(Input::Failed { connection, text: &text });
            }
        }
    }

    /// Feeds one input, after the frames that arrived before it.
    fn feed(self: &Rc<Self>, input: Input) -> Fed {
        self.take_in();
        self.feed_one(input)
    }

    /// Feeds one input and performs what follows, without an `await` between them.
    fn feed_one(self: &Rc<Self>, input: Input) -> Fed {
        let flushes = matches!(input, Input::Flush);
        let outcome = catch_unwind(AssertUnwindSafe(|| self.handle(input)));
        let effects = match outcome {
            Ok(Ok(Some(effects))) => effects,
            // No log here: nobody was ever let in, or the room is gone.
            Ok(Ok(None)) => return Fed::default(),
            Ok(Err(why)) => return self.lost(&why, flushes),
            Err(_) => return self.lost("panicked", flushes),
        };
        let mut fed = Fed::default();
        for effect in effects {
            self.perform(effect, &mut fed);
        }
        self.schedule();
        fed
    }

    fn handle(self: &Rc<Self>, input: Input) -> std::result::Result<Option<Vec<Effect>>, String> {
        #[cfg(feature = "test-hooks")]
        super::test_hooks::panic_if_asked(&input);
        let mut slot = self.loaded()?;
        let Some(room) = slot.as_mut() else { return Ok(None) };
        let flushes = matches!(input, Input::Flush);
        let effects = room.handle(&Store(&self.sql), clock::now(), input).map_err(|e| e.to_string())?;
        if flushes {
            self.told.set(Some(room.head()));
        }
        Ok(Some(effects))
    }

    /// The room in memory, loaded if it wasn't there; `None` inside when there is no log here.
    fn loaded(&self) -> std::result::Result<RefMut<'_, Option<Room>>, String> {
        let mut slot = self.room.borrow_mut();
        if slot.is_none() {
            *slot = self.load(&Store(&self.sql))?;
        }
        if self.told.get().is_none() {
            self.told.set(slot.as_ref().map(Room::head));
        }
        Ok(slot)
    }

    /// The room from its storage and its open sockets: after hibernation, a deploy, a panic, a failing store.
    fn load(&self, store: &Store) -> std::result::Result<Option<Room>, String> {
        let mut kept = Vec::new();
        let mut sockets = self.sockets.borrow_mut();
        sockets.clear();
        for socket in self.state.get_websockets() {
            let Ok(Some(text)) = socket.deserialize_attachment::<String>() else { continue };
            let Ok(attachment) = serde_json::from_str::<Attachment>(&text) else { continue };
            let id = attachment.id;
            // One that we have closed may still be listed.
            if socket.as_ref().ready_state() != 1 {
                continue;
            }
            sockets.insert(id, Socket::new(socket, self.limits.waiting_bytes));
            kept.push(attachment);
        }
        drop(sockets);
        Room::load(store, kept, self.limits.clone()).map_err(|e| e.to_string())
    }

    /// The input is lost and with it the memory; the next one finds the room as storage and sockets say it is.
    /// A flush that broke off has told nobody, so all since the last whole one is told from the log.
    fn lost(self: &Rc<Self>, why: &str, flushing: bool) -> Fed {
        worker::console_error!("room: {why}; loading it again");
        let dropped = self.room.borrow_mut().take();
        self.flush_is_due.set(false);
        self.tick_at.set(None);
        let rest = dropped
            .filter(|_| !flushing)
            .and_then(|mut room| catch_unwind(AssertUnwindSafe(move || room.give_up(clock::now()))).ok());
        if let Some((effects, told)) = rest {
            effects.into_iter().for_each(|effect| self.perform(effect, &mut Fed::default()));
            self.told.set(Some(told));
        }
        let told = self.told.get().unwrap_or_default();
        let recovered = catch_unwind(AssertUnwindSafe(|| self.handle(Input::Recovered { told })));
        if let Ok(Ok(Some(effects))) = recovered {
            effects.into_iter().for_each(|effect| self.perform(effect, &mut Fed::default()));
            self.schedule();
        } else {
            // It can't even be loaded: the sockets are told to come back.
            for socket in self.state.get_websockets() {
                close(&socket, CloseCode::Internal);
            }
        }
        Fed { failed: true, ..Fed::default() }
    }

    fn perform(self: &Rc<Self>, effect: Effect, fed: &mut Fed) {
        match effect {
            Effect::Send { connection, frame } => self.send(connection, &frame),
            Effect::Close { connection, code } => {
                if let Some(socket) = self.sockets.borrow_mut().remove(&connection) {
                    close(&socket.socket, code);
                }
            }
            Effect::Attach { connection, attachment } => {
                if let Some(socket) = self.sockets.borrow().get(&connection) {
                    let text = serde_json::to_string(&attachment).unwrap_or_default();
                    let _ = socket.socket.serialize_attachment(text);
                }
            }
            Effect::Verify { connection, token } => {
                self.later(async move |shell| shell.verify(connection, &token).await);
            }
            Effect::Reply(answer) => fed.reply = Some(answer),
            Effect::Project(batch) => fed.project = Some(batch),
            Effect::Refresh => {
                self.later(async move |shell| drop(shell.refresh().await));
            }
            Effect::Alarm(at) => self.arm(at),
            Effect::Report(line) => worker::console_warn!("room: {line}"),
        }
    }

    /// Set at once, within the turn of the events it stands for, so that both become durable together.
    fn arm(&self, at: UnixMs) {
        let date = js_sys::Date::new(&(at as f64).into());
        let options = js_sys::Object::new();
        if let Ok(set) = self.state.storage().as_raw().set_alarm(date, options) {
            wasm_bindgen_futures::spawn_local(async move {
                let _ = wasm_bindgen_futures::JsFuture::from(set).await;
            });
        }
    }

    // --- What is due later ----------------------------------------------------------------------

    /// The turn's end: what arrives together is committed together and leaves as one frame a socket.
    fn flush_later(self: &Rc<Self>) {
        if self.flush_is_due.replace(true) {
            return;
        }
        self.later(async move |shell| {
            clock::sleep(0).await;
            if shell.flush_is_due.get() {
                // While the flush is still due: what these frames schedule is this one.
                shell.take_in();
                shell.flush_is_due.set(false);
                shell.feed_one(Input::Flush);
                shell.sweep();
            }
        });
    }

    /// Does something after this event; the object stays awake for it.
    fn later<F: Future<Output = ()> + 'static>(self: &Rc<Self>, work: impl FnOnce(Rc<Self>) -> F) {
        self.state.wait_until(work(self.clone()));
    }

    fn schedule(self: &Rc<Self>) {
        let room = self.room.borrow();
        let Some(room) = room.as_ref() else { return };
        let now = clock::now();
        if room.wants_flush() {
            self.flush_later();
        }
        if let Some(at) = room.deadline()
            && self.tick_at.get().is_none_or(|due| at < due)
        {
            self.tick_at.set(Some(at));
            self.later(async move |shell| {
                clock::sleep(at.saturating_sub(clock::now())).await;
                if shell.tick_at.get() == Some(at) {
                    shell.tick_at.set(None);
                    shell.feed(Input::Tick);
                }
            });
        }
        let stuck = |since: UnixMs| now.saturating_sub(since) > 3 * STATEMENT_TIMEOUT_MS;
        if room.wants_drain(now) && self.draining_since.get().is_none_or(stuck) {
            self.draining_since.set(Some(now));
            self.later(async move |shell| shell.drain().await);
        }
    }

    /// Takes batch after batch to Postgres, then keeps the connection a moment for what may follow.
    async fn drain(self: Rc<Self>) {
        while let Some(batch) = self.feed(Input::Drain).project {
            self.draining_since.set(Some(clock::now()));
            let outcome = db::project(&self.database, &batch).await;
            self.feed(Input::Projected { batch, outcome });
            clock::sleep(DRAIN_GATHER_MS).await;
        }
        self.draining_since.set(None);
        // What came while the last batch was under way.
        self.schedule();
        clock::sleep(CONNECTION_LINGER_MS).await;
        if self.draining_since.get().is_none() {
            self.database.close();
        }
    }

    async fn verify(self: &Rc<Self>, connection: ConnectionId, token: &str) {
        let config = AuthConfig::parse(|name| variable(&self.env, name));
        let outcome = match config {
            Ok(config) => authenticate(token, &config).await,
            Err(_) => Err(Refusal::new(Code::UpstreamUnavailable, "this deployment is not configured")),
        };
        self.feed(Input::Verified { connection, outcome });
    }
}
