//! Reactions over REST.
//! Not here: what the room does with them (`room`).

use super::context::RoomContext;
use super::http::Reply;
use super::ports::Ports;
use crate::db;
use crate::error::Refusal;
use crate::ids::UserId;
use crate::room::RoomCall;

/// `PUT` and `DELETE /rooms/:id/messages/:mid/reactions/:emoji`.
pub async fn set<P: Ports>(cx: RoomContext<'_, P>, add: bool) -> Result<Reply, Refusal> {
    let (message, emoji) = (cx.params.message(), cx.params.get("emoji").to_owned());
    cx.call(RoomCall::React { message, emoji, add }).await
}

/// `GET /rooms/:id/messages/:mid/reactions/:emoji`.
pub async fn list<P: Ports>(cx: RoomContext<'_, P>) -> Result<Reply, Refusal> {
    let is_sound = |user: &UserId| UserId::parse(user.as_str()).is_some();
    let after = cx.query.cursor().map(|text| db::parse_cursor(text, is_sound)).transpose()?;
    let limit = Some(cx.query.limit()?);
    let (message, emoji) = (cx.params.message(), cx.params.get("emoji").to_owned());
    cx.call(RoomCall::Reactors { message, emoji, after, limit }).await
}
