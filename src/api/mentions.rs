//! Mentions of the caller in all of their rooms, over REST.
//! Not here: the statement (`db::mentions`).

use super::context::CallerContext;
use super::http::{Reply, database_unavailable};
use super::ports::Ports;
use crate::db::{self, Place};
use crate::error::Refusal;
use crate::room::message_for;
use serde_json::json;

/// `GET /mentions`.
pub async fn list<P: Ports>(cx: CallerContext<'_, P>) -> Result<Reply, Refusal> {
    let CallerContext { ports, caller, query, .. } = cx;
    let limit = query.limit()?;
    let place = query.cursor().map(Place::parse).transpose()?.unwrap_or_else(Place::newest);
    let page = db::mentions(ports.db(), &caller.tenant, &caller.user, &place, limit).await;
    let page = page.map_err(database_unavailable)?;
    let messages: Vec<_> = page
        .found
        .into_iter()
        .map(|found| message_for(&caller.user, &caller.tenant, &found.room_id, found.message))
        .collect();
    Ok(Reply::ok(json!({"messages": messages, "nextCursor": page.next.map(|place| place.text())})))
}
