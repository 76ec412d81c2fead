//! Whether this deployment works.

use super::context::Unauthenticated;
use super::http::Reply;
use super::ports::Ports;
use crate::db;
use crate::error::Refusal;
use serde_json::json;

/// `GET /health`: touches nothing. `?deep=1` asks Postgres, which wakes a suspended database.
pub async fn check<P: Ports>(cx: Unauthenticated<'_, '_, P>) -> Result<Reply, Refusal> {
    if cx.query.text("deep") != Some("1") {
        return Ok(Reply::ok(json!({"status": "ok"})));
    }
    let started_ms = cx.ports.now();
    let is_up = db::ping(cx.ports.db()).await.is_ok();
    let latency_ms = cx.ports.now().saturating_sub(started_ms);
    Ok(Reply::ok(match is_up {
        true => json!({"status": "ok", "postgres": "ok", "latencyMs": latency_ms}),
        false => json!({"status": "degraded", "postgres": "down", "latencyMs": latency_ms}),
    }))
}
