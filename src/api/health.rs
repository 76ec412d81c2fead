//! Whether this deployment works.
//! Not here: how a token is verified (`auth`).

use super::context::Unauthenticated;
use super::http::Reply;
use super::ports::{Ports, ServiceState};
use crate::auth::{self, Role};
use crate::db;
use crate::error::{Code, Refusal};
use crate::ids::UnixMs;
use crate::limits::HEALTH_QUERY_EVERY_MS;
use serde_json::json;
use std::cell::Cell;

/// One query for Postgres.
#[derive(Clone, Copy)]
struct Probe {
    started_ms: UnixMs,
    /// `None` while the query runs, and if its request was cancelled.
    outcome: Option<Outcome>,
}

#[derive(Clone, Copy)]
struct Outcome {
    is_up: bool,
    latency_ms: u64,
}

thread_local! {
    /// The isolate's last query.
    static LAST: Cell<Option<Probe>> = const { Cell::new(None) };
}

/// `GET /health`: touches nothing. `?deep=1` queries Postgres, which wakes a suspended database, at most once in
/// `HEALTH_QUERY_EVERY_MS` an isolate, and tells which services the configuration has.
pub async fn check<P: Ports>(cx: Unauthenticated<'_, '_, P>) -> Result<Reply, Refusal> {
    if cx.query.text("deep") != Some("1") {
        return Ok(Reply::ok(json!({"status": "ok"})));
    }
    refuse_others(&cx).await?;
    let Outcome { is_up, latency_ms } = probe(cx.ports).await?;
    let notifications = cx.ports.notifications();
    let files = if cx.ports.bucket().is_ok() { ServiceState::Ok } else { ServiceState::Off };
    let is_well = is_up && notifications != ServiceState::Misconfigured;
    Ok(Reply::ok(json!({
        "status": if is_well { "ok" } else { "degraded" },
        "postgres": if is_up { "ok" } else { "down" },
        "latencyMs": latency_ms,
        "files": files,
        "notifications": notifications,
    })))
}

/// # Errors  `unauthenticated` for everybody but the holder of `HEALTH_TOKEN` and a tenant's admin.
async fn refuse_others<P: Ports>(cx: &Unauthenticated<'_, '_, P>) -> Result<(), Refusal> {
    let token = auth::bearer(cx.headers)?;
    if cx.ports.config().is_health_token(token) {
        return Ok(());
    }
    match cx.ports.authenticate(token).await?.tenant_role {
        Some(Role::Admin) => Ok(()),
        _ => Err(Refusal::new(Code::Unauthenticated, "for a tenant's admin, or with HEALTH_TOKEN")),
    }
}

/// # Errors  `rate_limited` while another request's query runs: a Worker's request can't wait for another one's.
async fn probe<P: Ports>(ports: &P) -> Result<Outcome, Refusal> {
    let started_ms = ports.now();
    if let Some(last) = LAST.get() {
        let next_ms = last.started_ms.saturating_add(HEALTH_QUERY_EVERY_MS);
        if started_ms < next_ms {
            let is_running = || Refusal::new(Code::RateLimited, "the database is being queried, try again");
            let retry_after_ms = next_ms.saturating_sub(started_ms).min(HEALTH_QUERY_EVERY_MS);
            return last.outcome.ok_or_else(|| is_running().retry_after_ms(retry_after_ms));
        }
    }
    LAST.set(Some(Probe { started_ms, outcome: None }));
    let is_up = db::ping(ports.db()).await.is_ok();
    let outcome = Outcome { is_up, latency_ms: ports.now().saturating_sub(started_ms) };
    LAST.set(Some(Probe { started_ms, outcome: Some(outcome) }));
    Ok(outcome)
}
