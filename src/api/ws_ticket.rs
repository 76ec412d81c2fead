//! Tickets for clients that can't set headers on an upgrade.
//! Not here: the ticket's storage (`shell::ws_ticket`), and its use (`chat`).

use super::context::CallerContext;
use super::http::Reply;
use super::ports::Ports;
use crate::error::Refusal;
use crate::limits::TICKET_MS;
use serde_json::json;

/// `POST /ws-ticket`.
pub async fn create<P: Ports>(cx: CallerContext<'_, P>) -> Result<Reply, Refusal> {
    let ticket = cx.ports.create_ticket(&cx.caller).await?;
    Ok(Reply::ok(json!({"ticket": ticket, "expiresInMs": TICKET_MS})))
}
