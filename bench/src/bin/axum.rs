//! A baseline of the bench: rooms on axum as they are usually written. Each socket has a task that sends it every event
//! as a frame of its own, and Postgres gets the messages in batches behind it. Started as `axum PORT DATABASE_URL`.

use anyhow::{Context, Result};
use axum::Router;
use axum::extract::ws::{Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use axum::extract::{Query, State};
use axum::response::Response;
use axum::routing::get;
use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{broadcast, mpsc};

/// Events that a socket may be behind before it loses some.
const BEHIND_MAX: usize = 65_536;

struct Rooms {
    rooms: Mutex<HashMap<String, broadcast::Sender<Utf8Bytes>>>,
    rows: mpsc::UnboundedSender<(String, String)>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let (port, url) = args.next().zip(args.next()).context("PORT DATABASE_URL")?;
    let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await?;
    tokio::spawn(connection);
    let (rows, queue) = mpsc::unbounded_channel();
    tokio::spawn(insert(client, queue));
    let rooms = Arc::new(Rooms { rooms: Mutex::default(), rows });
    let app = Router::new().route("/chat", get(upgrade)).with_state(rooms);
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port.parse()?)).await?;
    Ok(axum::serve(listener, app).await?)
}

async fn upgrade(
    State(rooms): State<Arc<Rooms>>,
    Query(query): Query<HashMap<String, String>>,
    upgrade: WebSocketUpgrade,
) -> Response {
    let room = query.get("roomId").cloned().unwrap_or_default();
    upgrade.on_upgrade(|socket| serve(socket, room, rooms))
}

async fn serve(socket: WebSocket, room: String, rooms: Arc<Rooms>) {
    let events = {
        let mut known = rooms.rooms.lock().unwrap_or_else(PoisonError::into_inner);
        known.entry(room.clone()).or_insert_with(|| broadcast::channel(BEHIND_MAX).0).clone()
    };
    let (mut sink, mut stream) = socket.split();
    let mut receiver = events.subscribe();
    tokio::spawn(async move {
        while let Ok(event) = receiver.recv().await {
            if sink.send(Message::Text(event)).await.is_err() {
                break;
            }
        }
    });
    while let Some(Ok(Message::Text(text))) = stream.next().await {
        let content = serde_json::from_str::<Value>(&text)
            .ok()
            .and_then(|event| Some(event["message"]["content"].as_str()?.to_owned()));
        let _ = rooms.rows.send((room.clone(), content.unwrap_or_default()));
        let _ = events.send(text);
    }
}

async fn insert(client: tokio_postgres::Client, mut queue: mpsc::UnboundedReceiver<(String, String)>) {
    let sql = "INSERT INTO bench_messages (room, content) SELECT * FROM unnest($1::text[], $2::text[])";
    let mut batch = Vec::new();
    while queue.recv_many(&mut batch, 250).await > 0 {
        let (rooms, contents): (Vec<_>, Vec<_>) = batch.drain(..).unzip();
        if let Err(error) = client.execute(sql, &[&rooms, &contents]).await {
            eprintln!("{error}");
        }
    }
}
