//! The Durable Object of one room: passes workerd's callbacks to `object`, and implements its platform.
//! Not here: what is done with a callback (`object`), what follows from it (`room`).

use super::bucket::R2;
use super::database::Database;
use super::issuer::authenticate;
use super::notifications::hand_over;
use super::ports::{ROOM_REQUEST_HEADER, moderation, report_alert};
use super::sqlite::ObjectSql;
use super::{clock, json, variable, write_log};
use crate::api::Reply;
use crate::auth::{AuthConfig, CHAT_V1, Identity};
use crate::db::Notices;
use crate::error::{Code, Refusal};
use crate::ids::{RoomId, TenantId, UnixMs};
use crate::limits::Limits;
use crate::metrics::Counts;
use crate::object::{Answer, Gone, Object, Platform};
use crate::oplog::{Complaint, Entry};
use crate::protocol::server::CloseCode;
use crate::room::store::Sql;
use crate::room::{ConnectionId, OutboxReport};
use std::rc::Rc;
use wasm_bindgen::JsCast;
use worker::{
    AnalyticsEngineDataPointBuilder, DurableObject, Env, Error, Request, Response, Result, State, WebSocket,
    WebSocketIncomingMessage, WebSocketPair, durable_object,
};

#[durable_object]
pub struct ChatRoom(Rc<Object<Workerd>>);

// The object catches every panic and drops the room; its other state is single cells.
impl std::panic::UnwindSafe for ChatRoom {}
impl std::panic::RefUnwindSafe for ChatRoom {}

impl DurableObject for ChatRoom {
    fn new(state: State, env: Env) -> Self {
        if let Ok(pair) =
            worker::WebSocketRequestResponsePair::new(r#"{"type":"ping"}"#, r#"{"type":"pong"}"#)
        {
            state.set_websocket_auto_response(&pair);
        }
        let limits = Limits::parse(&variable(&env, "LIMITS").unwrap_or_default()).unwrap_or_else(|why| {
            write_log(&Entry::error("limits_invalid").with("why", &Complaint(&why)));
            Limits::default()
        });
        // The Worker refuses to serve then, so only requests that were under way get here.
        let moderation = moderation(&env).unwrap_or_else(|why| {
            write_log(&Entry::error("moderation_config_invalid").with("why", &Complaint(&why)));
            Rc::default()
        });
        let platform = Workerd {
            sql: ObjectSql::new(&state),
            database: Database::new(&env),
            #[cfg(feature = "test-hooks")]
            made: super::test_hooks::made(),
            state,
            env,
        };
        Self(Object::new(platform, limits, moderation))
    }

    async fn fetch(&self, mut request: Request) -> Result<Response> {
        let room_request = match request.headers().get(ROOM_REQUEST_HEADER)? {
            Some(room_request) => room_request,
            None => request.text().await?,
        };
        match self.0.clone().handle_request(serde_json::from_str(&room_request)?).await {
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

    async fn websocket_message(&self, ws: WebSocket, message: WebSocketIncomingMessage) -> Result<()> {
        let Some(connection) = self.0.platform().connection(&ws) else { return Ok(()) };
        match message {
            WebSocketIncomingMessage::String(text) => {
                #[cfg(feature = "test-hooks")]
                if self.0.platform().hooked(&ws, &text) {
                    return Ok(());
                }
                self.0.received(connection, text);
            }
            WebSocketIncomingMessage::Binary(_) => self.0.received_binary(connection),
        }
        Ok(())
    }

    async fn websocket_close(&self, ws: WebSocket, code: usize, _: String, is_clean: bool) -> Result<()> {
        // Without an answer the client waits 10 s and sees 1006. Codes that may not be sent are answered with 1000.
        let code = u16::try_from(code).ok().filter(|code| *code == 1000 || *code >= 3000).unwrap_or(1000);
        self.gone(&ws, code, is_clean);
        Ok(())
    }

    async fn websocket_error(&self, ws: WebSocket, _: Error) -> Result<()> {
        self.gone(&ws, 1011, false);
        Ok(())
    }

    async fn alarm(&self) -> Result<Response> {
        self.0.clone().alarm().await;
        Response::empty()
    }
}

impl ChatRoom {
    fn gone(&self, ws: &WebSocket, code: u16, is_clean: bool) {
        if let Some(connection) = self.0.platform().connection(ws) {
            self.0.gone(connection, ws, is_clean);
        }
        let _ = ws.close(Some(code), Some(""));
    }
}

/// The platform of one object.
struct Workerd {
    state: State,
    env: Env,
    sql: ObjectSql,
    database: Database,
    #[cfg(feature = "test-hooks")]
    made: u64,
}

impl Workerd {
    fn connection(&self, ws: &WebSocket) -> Option<ConnectionId> {
        self.state.get_tags(ws).first()?.parse().ok()
    }

    #[cfg(feature = "test-hooks")]
    fn hooked(&self, ws: &WebSocket, text: &str) -> bool {
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

    async fn report_alert(&self, report: &OutboxReport) -> bool {
        report_alert(&self.env, report).await.is_ok()
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
