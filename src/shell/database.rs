//! Postgres over Hyperdrive: implements the port `db::Postgres`, one statement at a time on a connection.
//! Not here: statements (`db`), and when to retry (the room's outbox, a client).

use super::clock;
use crate::db::{DbError, Postgres};
use crate::limits::STATEMENT_TIMEOUT_MS;
use serde_json::Value;
use std::cell::RefCell;
use tokio_postgres::types::{Json, Type};
use tokio_postgres::{Client, Config};
use wasm_bindgen::JsValue;
use worker::postgres_tls::PassthroughTls;
use worker::worker_sys;
use worker::{Env, Socket};

/// One connection. It is opened when a statement needs it and dropped on any error, timeouts included.
pub struct Database {
    connection_string: String,
    open: RefCell<Option<Connection>>,
}

impl Database {
    /// Without the binding HYPERDRIVE every statement fails, and `/health` reports it.
    pub fn new(env: &Env) -> Self {
        let connection_string =
            env.hyperdrive("HYPERDRIVE").map(|h| h.connection_string()).unwrap_or_default();
        Self { connection_string, open: RefCell::new(None) }
    }

    /// Closes the connection: an open one keeps an object from hibernating.
    pub fn close(&self) {
        self.open.borrow_mut().take();
    }

    /// Runs a statement; after `timeout_ms` it is abandoned and its connection dropped.
    pub async fn within(&self, timeout_ms: u64, sql: &str, input: Value) -> Result<Value, DbError> {
        let answer = clock::within(timeout_ms, self.statement(sql, input)).await;
        answer.unwrap_or_else(|| Err(connection_lost("no answer in time")))
    }

    async fn statement(&self, sql: &str, input: Value) -> Result<Value, DbError> {
        // Taken out while the statement runs, so that no other statement uses it and an error drops it.
        let kept = self.open.borrow_mut().take();
        let connection = match kept {
            Some(connection) => connection,
            None => Connection::open(&self.connection_string).await?,
        };
        let rows =
            connection.client.query_typed(sql, &[(&Json(input), Type::JSONB)]).await.map_err(from_driver)?;
        let row = rows.first().ok_or_else(|| connection_lost("no row"))?;
        let value: Option<Value> = row.try_get(0).map_err(from_driver)?;
        *self.open.borrow_mut() = Some(connection);
        Ok(value.unwrap_or(Value::Null))
    }
}

impl Postgres for Database {
    async fn query(&self, sql: &'static str, input: Value) -> Result<Value, DbError> {
        self.within(STATEMENT_TIMEOUT_MS, sql, input).await
    }
}

struct Connection {
    client: Client,
    _socket: OpenSocket,
}

/// The socket, closed on drop. Dropping only the client leaves its readable half open, which keeps the object awake.
struct OpenSocket(worker_sys::Socket);

impl Drop for OpenSocket {
    fn drop(&mut self) {
        if let Ok(closed) = self.0.close() {
            wasm_bindgen_futures::spawn_local(async move {
                let _ = wasm_bindgen_futures::JsFuture::from(closed).await;
            });
        }
    }
}

impl Connection {
    async fn open(connection_string: &str) -> Result<Self, DbError> {
        let config: Config = connection_string.parse().map_err(from_driver)?;
        let host = match config.get_hosts().first() {
            Some(tokio_postgres::config::Host::Tcp(host)) => host.clone(),
            _ => return Err(connection_lost("the connection string names no host")),
        };
        let port = config.get_ports().first().copied().unwrap_or(5432);
        let address = object(&[("hostname", host.into()), ("port", f64::from(port).into())]);
        let options = object(&[("allowHalfOpen", false.into()), ("secureTransport", "starttls".into())]);
        let raw = worker_sys::connect(address, options).map_err(|_| connection_lost("no socket"))?;
        let open = OpenSocket(raw.clone());
        let (client, driver) =
            config.connect_raw(Socket::from(raw), PassthroughTls).await.map_err(from_driver)?;
        wasm_bindgen_futures::spawn_local(async move {
            let _ = driver.await;
        });
        Ok(Self { client, _socket: open })
    }
}

fn object(members: &[(&str, JsValue)]) -> JsValue {
    let object = js_sys::Object::new();
    for (name, value) in members {
        let _ = js_sys::Reflect::set(&object, &JsValue::from_str(name), value);
    }
    object.into()
}

fn connection_lost(message: &str) -> DbError {
    DbError { sqlstate: None, message: message.to_owned() }
}

fn from_driver(error: tokio_postgres::Error) -> DbError {
    let sqlstate = error.code().map(|code| code.code().to_owned());
    let message = error.as_db_error().map_or_else(|| error.to_string(), |e| e.message().to_owned());
    DbError { sqlstate, message }
}
