//! Reactions over REST.
//! Not here: what the room does with them (`room`).

use super::context::RoomContext;
use super::http::Reply;
use super::ports::Ports;
use crate::db;
use crate::error::Refusal;
use crate::ids::UserId;
use crate::room::RoomCall;

/// `PUT /rooms/:id/messages/:mid/reactions/:emoji`.
pub async fn add<P: Ports>(cx: RoomContext<'_, P>) -> Result<Reply, Refusal> {
    react(cx, true).await
}

/// `DELETE /rooms/:id/messages/:mid/reactions/:emoji`.
pub async fn remove<P: Ports>(cx: RoomContext<'_, P>) -> Result<Reply, Refusal> {
    react(cx, false).await
}

/// `GET /rooms/:id/messages/:mid/reactions/:emoji`.
pub async fn list<P: Ports>(cx: RoomContext<'_, P>) -> Result<Reply, Refusal> {
    let is_sound = |user: &UserId| UserId::parse(user.as_str()).is_some();
    let after = cx.query.cursor().map(|text| db::parse_cursor(text, is_sound)).transpose()?;
    let limit = Some(cx.query.limit()?);
    let (message, emoji) = (cx.params.message(), cx.params.get("emoji").to_owned());
    cx.call(RoomCall::Reactors { message, emoji, after, limit }).await
}

async fn react<P: Ports>(cx: RoomContext<'_, P>, add: bool) -> Result<Reply, Refusal> {
    let (message, emoji) = (cx.params.message(), cx.params.get("emoji").to_owned());
    cx.call(RoomCall::React { message, emoji, add }).await
}
