//! Threads over REST.
//! Not here: which messages belong to a thread (`room::thread`).

use super::context::RoomContext;
use super::http::Reply;
use super::ports::Ports;
use crate::error::Refusal;
use crate::room::RoomCall;

/// `GET /rooms/:id/threads/:rootId`.
pub async fn get<P: Ports>(cx: RoomContext<'_, P>) -> Result<Reply, Refusal> {
    let (before, limit) = (cx.query.integer("before")?, Some(cx.query.limit()?));
    cx.call(RoomCall::Thread { root: cx.params.get("root").to_owned(), before, limit }).await
}
