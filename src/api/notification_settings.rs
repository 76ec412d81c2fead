//! The caller's notification settings of a room over REST.
//! Not here: who is notified (`db::notify`), and the webhook (`notify`).

use super::body::{one_of, time};
use super::context::{RoomContext, ensure_active};
use super::http::{Body, Reply, Request, database_unavailable, no_such_room};
use super::ports::Ports;
use crate::db;
use crate::error::Refusal;
use crate::protocol::room::NotifyLevel;
use crate::room::AdminChange;

/// `GET /rooms/:id/notification-settings`.
pub async fn get<P: Ports>(cx: RoomContext<'_, P>) -> Result<Reply, Refusal> {
    ensure_active(cx.ports, &cx.caller).await?;
    let settings = db::notify_settings(cx.ports.db(), &cx.caller.tenant, &cx.caller.user, &cx.room).await;
    settings.map_err(database_unavailable)?.map(Reply::ok).ok_or_else(no_such_room)
}

/// `PUT /rooms/:id/notification-settings`.
pub async fn set<P: Ports, B: Body>(cx: RoomContext<'_, P>, request: Request<B>) -> Result<Reply, Refusal> {
    let mut fields = request.read_fields().await?;
    let level = one_of(&mut fields, "level", NotifyLevel::ALL, NotifyLevel::name)?;
    let level = level.ok_or_else(|| Refusal::bad_field("level", "text"))?;
    let notifications_snoozed_until_ms = time(&mut fields, "muteUntil")?;
    cx.change(AdminChange::Notify { level, notifications_snoozed_until_ms }).await
}
