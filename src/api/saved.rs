//! Saved messages over REST: what a person keeps for later, alone.
//! Not here: the statements (`db::saved`), and how the person's devices hear of it (`inbox`).

use super::context::{CallerContext, RoomContext, ensure_active};
use super::http::{Reply, database_unavailable};
use super::inbox_request::InboxRequest;
use super::ports::Ports;
use crate::db;
use crate::error::Refusal;
use crate::limits::SAVED_MAX;
use crate::protocol::client::parse_message_id;
use crate::room::{RoomCall, message_for};
use serde_json::json;

/// `PUT` and `DELETE /saved/:room/:message`.
pub async fn change<P: Ports>(cx: RoomContext<'_, P>, saved: bool) -> Result<Reply, Refusal> {
    if saved { save(cx).await } else { unsave(cx).await }
}

/// The room says whether there is such a message: Postgres may not have it yet.
async fn save<P: Ports>(cx: RoomContext<'_, P>) -> Result<Reply, Refusal> {
    match cx.call(RoomCall::Find { message: cx.params.message(), tombstones: false }).await? {
        Reply::Json { status: 200, .. } => set(cx, true).await,
        refused => Ok(refused),
    }
}

/// It is the person's own list, so they may have left the room.
async fn unsave<P: Ports>(cx: RoomContext<'_, P>) -> Result<Reply, Refusal> {
    ensure_active(cx.ports, &cx.caller).await?;
    set(cx, false).await
}

async fn set<P: Ports>(cx: RoomContext<'_, P>, saved: bool) -> Result<Reply, Refusal> {
    let RoomContext { ports, caller, room, params, .. } = cx;
    let message = parse_message_id(&params.message())?;
    let done = db::set_saved(ports.db(), (&caller.tenant, &caller.user), (&room, message), saved).await;
    let done = done.map_err(database_unavailable)?;
    if done.is_full {
        return Err(Refusal::invalid("message", &format!("at most {SAVED_MAX} messages can be saved")));
    }
    let poke = |user| InboxRequest::SavedPoke { tenant: caller.tenant.clone(), user };
    ports.poke(done.inboxes.unwrap_or_default().into_iter().map(poke).collect());
    Ok(Reply::ok(json!({"roomId": room, "messageId": message.to_string(), "saved": saved})))
}

/// `GET /saved`.
pub async fn list<P: Ports>(cx: CallerContext<'_, P>) -> Result<Reply, Refusal> {
    let CallerContext { ports, caller, query, .. } = cx;
    let limit = query.limit()?;
    let below = query.cursor().map(db::parse_saved_cursor).transpose()?;
    let page = db::list_saved(ports.db(), &caller.tenant, &caller.user, below, limit).await;
    let page = page.map_err(database_unavailable)?;
    let shown =
        |found: db::SavedMessage| message_for(&caller.user, &caller.tenant, &found.room_id, found.message);
    let messages: Vec<_> = page.found.into_iter().map(shown).collect();
    Ok(Reply::ok(json!({"messages": messages, "nextCursor": page.next.map(|next| db::format_cursor(&next))})))
}
