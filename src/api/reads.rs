//! Read markers over REST, and the unread counts of the caller's rooms.
//! Not here: how markers are kept (`room::reads`), and how unread messages are counted (`db::unread`).

use super::context::{CallerContext, RoomContext};
use super::http::{Body, Reply, Request, database_unavailable};
use super::ports::Ports;
use crate::db;
use crate::error::Refusal;
use crate::room::RoomCall;
use serde_json::json;

/// `POST /rooms/:id/read`.
pub async fn mark_read<P: Ports, B: Body>(
    cx: RoomContext<'_, P>,
    request: Request<B>,
) -> Result<Reply, Refusal> {
    let seq = request.read_fields().await?.integer("seq")?;
    cx.call(RoomCall::Read { seq }).await
}

/// `POST /rooms/:id/unread`.
pub async fn mark_unread<P: Ports, B: Body>(
    cx: RoomContext<'_, P>,
    request: Request<B>,
) -> Result<Reply, Refusal> {
    let seq = request.read_fields().await?.integer("seq")?;
    cx.call(RoomCall::Unread { seq }).await
}

/// `GET /rooms/:id/messages/:mid/readers`.
pub async fn list_readers<P: Ports>(cx: RoomContext<'_, P>) -> Result<Reply, Refusal> {
    let message = cx.params.message();
    cx.call(RoomCall::Readers { message }).await
}

/// `GET /unread`.
pub async fn list_unread<P: Ports>(cx: CallerContext<'_, P>) -> Result<Reply, Refusal> {
    let CallerContext { ports, caller, query, .. } = cx;
    let after = query.cursor().map(db::parse_unread_cursor).transpose()?;
    let page = db::unread(ports.db(), &caller.tenant, &caller.user, after.as_ref()).await;
    let page = page.map_err(database_unavailable)?;
    Ok(Reply::ok(json!({"rooms": page.items, "nextCursor": page.next_cursor})))
}
