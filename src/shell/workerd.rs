//! workerd as the platform of an object, of rooms and of inboxes alike.
//! Not here: what is done with a callback (`object`), and the objects themselves (`chat_room`, `inbox`).

use super::bucket::R2;
use super::database::Database;
use super::issuer::authenticate;
use super::notifications::hand_over;
use super::ports;
use super::sqlite::ObjectSql;
use super::{clock, json, variable, write_log};
use crate::api::{InboxRequest, Reply, RoomRequest};
use crate::auth::{AuthConfig, CHAT_V1, Identity};
use crate::db::Notices;
use crate::error::{Code, Refusal};
use crate::ids::{RoomId, TenantId, UnixMs};
use crate::limits::{Limits, OBJECT_TIMEOUT_MS};
use crate::metrics::Counts;
use crate::object::{Answer, Gone, Platform};
use crate::oplog::{Complaint, Entry};
use crate::protocol::server::CloseCode;
use crate::room::store::Sql;
use crate::room::{ConnectionId, OutboxReport};
use wasm_bindgen::JsCast;
use worker::{AnalyticsEngineDataPointBuilder, Env, Response, Result, State, WebSocket, WebSocketPair};

/// The limits of the variable `LIMITS`. The Worker refuses to serve with invalid ones, so only requests that were under
/// way get here with them.
pub fn limits(env: &Env) -> Limits {
    Limits::parse(&variable(env, "LIMITS").unwrap_or_default()).unwrap_or_else(|why| {
        write_log(&Entry::error("limits_invalid").with("why", &Complaint(&why)));
        Limits::default()
    })
}

/// What an object answers as an HTTP response.
pub fn respond(answer: std::result::Result<Answer<WebSocket>, Refusal>) -> Result<Response> {
    match answer {
        Ok(Answer::Reply(reply)) => json(&reply),
        Ok(Answer::Upgraded { peer, batches }) => {
            let mut response = Response::from_websocket(peer)?;
            if batches {
                response.headers_mut().set("sec-websocket-protocol", CHAT_V1)?;
            }
            Ok(response)
        }
        Err(refusal) => json(&Reply::refused(&refusal)),
    }
}

/// The code that answers a client's close: those that may not be sent are answered with 1000.
pub fn answer_to_close(code: usize) -> u16 {
    u16::try_from(code).ok().filter(|code| *code == 1000 || *code >= 3000).unwrap_or(1000)
}

/// Answers a close: without an answer the client waits 10 s and sees 1006.
pub fn end(ws: &WebSocket, code: u16) {
    let _ = ws.close(Some(code), Some(""));
}

/// The platform of one object.
pub struct Workerd {
    state: State,
    env: Env,
    sql: ObjectSql,
    database: Database,
    #[cfg(feature = "test-hooks")]
    made: u64,
}

impl Workerd {
    /// The object's platform; clients' pings are answered without waking the object.
    pub fn new(state: State, env: Env) -> Self {
        if let Ok(pair) =
            worker::WebSocketRequestResponsePair::new(r#"{"type":"ping"}"#, r#"{"type":"pong"}"#)
        {
            state.set_websocket_auto_response(&pair);
        }
        Self {
            sql: ObjectSql::new(&state),
            database: Database::new(&env),
            #[cfg(feature = "test-hooks")]
            made: super::test_hooks::made(),
            state,
            env,
        }
    }

    pub fn connection(&self, ws: &WebSocket) -> Option<ConnectionId> {
        self.state.get_tags(ws).first()?.parse().ok()
    }

    #[cfg(feature = "test-hooks")]
    pub fn hooked(&self, ws: &WebSocket, text: &str) -> bool {
        super::test_hooks::answered(text, |line| drop(ws.send_with_str(line)), self.made, &self.sql)
    }
}

impl Platform for Workerd {
    type Socket = WebSocket;
    type Peer = WebSocket;
    type Db = Database;

    fn now(&self) -> UnixMs {
        clock::now()
    }

    fn random(&self) -> u64 {
        clock::random_u64()
    }

    async fn sleep(&self, ms: u64) {
        clock::sleep(ms).await;
    }

    fn later(&self, work: impl Future<Output = ()> + 'static) {
        self.state.wait_until(work);
    }

    fn sql(&self) -> &dyn Sql {
        &self.sql
    }

    fn db(&self) -> &Database {
        &self.database
    }

    fn close_db(&self) {
        self.database.close();
    }

    fn delete_all(&self) {
        let storage = self.state.storage();
        let storage: &wasm_bindgen::JsValue = storage.as_raw().as_ref();
        // Both take effect at the call; the promises say when that is durable. `deleteAll` keeps the alarm.
        for name in ["deleteAll", "deleteAlarm"] {
            let method = js_sys::Reflect::get(storage, &name.into()).and_then(|method| method.dyn_into());
            let called = method.and_then(|method: js_sys::Function| method.call0(storage));
            let Ok(promise) = called.and_then(|promise| promise.dyn_into::<js_sys::Promise>()) else {
                continue;
            };
            wasm_bindgen_futures::spawn_local(async move {
                let _ = wasm_bindgen_futures::JsFuture::from(promise).await;
            });
        }
    }

    /// Set in the same turn as the events that need it, so that both become durable together.
    fn set_alarm(&self, at: UnixMs) {
        let date = js_sys::Date::new(&(at as f64).into());
        let options = js_sys::Object::new();
        if let Ok(set) = self.state.storage().as_raw().set_alarm(date, options) {
            wasm_bindgen_futures::spawn_local(async move {
                let _ = wasm_bindgen_futures::JsFuture::from(set).await;
            });
        }
    }

    fn accept(&self, id: ConnectionId) -> Option<(WebSocket, WebSocket)> {
        let pair = WebSocketPair::new().ok()?;
        self.state.accept_websocket_with_tags(&pair.server, &[&id.to_string()]);
        Some((pair.server, pair.client))
    }

    fn sockets(&self) -> Vec<WebSocket> {
        let mut sockets = self.state.get_websockets();
        // A socket that we have closed may still be listed.
        sockets.retain(|socket| socket.as_ref().ready_state() == 1);
        sockets
    }

    fn send(&self, socket: &WebSocket, frame: &str) -> std::result::Result<(), Gone> {
        socket.send_with_str(frame).map_err(|_| Gone)
    }

    fn close(&self, socket: &WebSocket, code: CloseCode) -> std::result::Result<(), Gone> {
        socket.close(Some(code.code()), Some(code.name())).map_err(|_| Gone)
    }

    fn waiting_bytes(&self, socket: &WebSocket) -> u32 {
        socket.as_ref().buffered_amount()
    }

    fn attach(&self, socket: &WebSocket, text: &str) {
        let _ = socket.serialize_attachment(text.to_owned());
    }

    fn attachment(&self, socket: &WebSocket) -> Option<String> {
        socket.deserialize_attachment().ok().flatten()
    }

    fn pinged_at(&self, socket: &WebSocket) -> Option<UnixMs> {
        let state: &wasm_bindgen::JsValue = self.state.as_raw().as_ref();
        let name = wasm_bindgen::JsValue::from_str("getWebSocketAutoResponseTimestamp");
        let method: js_sys::Function =
            wasm_bindgen::JsCast::dyn_into(js_sys::Reflect::get(state, &name).ok()?).ok()?;
        let date = method.call1(state, socket.as_ref().as_ref()).ok()?;
        let date: js_sys::Date = wasm_bindgen::JsCast::dyn_into(date).ok()?;
        Some(date.get_time() as UnixMs)
    }

    fn parse_emoji(text: &str) -> Option<String> {
        super::emoji::parse(text)
    }

    async fn authenticate(&self, token: &str) -> std::result::Result<Identity, Refusal> {
        match AuthConfig::parse(|name| variable(&self.env, name)) {
            Ok(config) => authenticate(token, &config).await,
            Err(_) => Err(Refusal::new(Code::UpstreamUnavailable, "this deployment is not configured")),
        }
    }

    async fn notify(&self, notices: &[Notices]) -> bool {
        hand_over(&self.env, notices).await
    }

    async fn poke(&self, poke: &InboxRequest) -> bool {
        let poked = ports::ask_inbox(&self.env, poke);
        matches!(clock::within(OBJECT_TIMEOUT_MS, poked).await, Some(Ok(())))
    }

    async fn call_room(&self, request: &RoomRequest) -> std::result::Result<Reply, Refusal> {
        let called = ports::call_room(&self.env, request);
        let unreachable = || Refusal::new(Code::UpstreamUnavailable, "the room can't be reached, try again");
        clock::within(OBJECT_TIMEOUT_MS, called).await.ok_or_else(unreachable)?
    }

    async fn report_alert(&self, report: &OutboxReport) -> bool {
        ports::report_alert(&self.env, report).await.is_ok()
    }

    async fn remove_files(&self, keys: &[String]) -> bool {
        match R2::of(&self.env) {
            Some(bucket) => bucket.remove(keys).await,
            None => false,
        }
    }

    async fn list_files(&self, prefix: &str) -> Option<Vec<String>> {
        match R2::of(&self.env) {
            Some(bucket) => bucket.list(prefix).await,
            // A deployment without a bucket never stored files.
            None => Some(Vec::new()),
        }
    }

    /// Writes to Workers Analytics Engine if the binding is there, sampled by tenant.
    fn count(&self, tenant: &TenantId, room: &RoomId, counts: &Counts) {
        let Ok(metrics) = self.env.analytics_engine("METRICS") else { return };
        let doubles = counts.in_order().map(|count| count as f64);
        let point = AnalyticsEngineDataPointBuilder::new();
        let point = point.indexes([tenant.as_str()]).add_blob(room.as_str()).doubles(doubles);
        let _ = point.write_to(&metrics);
    }

    fn report(&self, entry: &Entry) {
        write_log(entry);
    }

    #[cfg(feature = "test-hooks")]
    fn strike(&self, input: &crate::room::Input) {
        super::test_hooks::panic_if_asked(input);
    }
}
