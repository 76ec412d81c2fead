//! A room's audit log over REST.
//! Not here: what is written into it (`room`), and the statement (`db`).

use super::context::RoomContext;
use super::http::{Reply, database_unavailable};
use super::ports::Ports;
use crate::auth::{self, Action, Role};
use crate::db::{self, AuditCursor};
use crate::error::Refusal;
use serde_json::json;

/// `GET /rooms/:id/audit`.
pub async fn list<P: Ports>(cx: RoomContext<'_, P>) -> Result<Reply, Refusal> {
    let cursor = cx.query.cursor().map(AuditCursor::parse).transpose()?;
    let limit = cx.query.limit()?;
    let (db, caller) = (cx.ports.db(), &cx.caller);
    let access =
        db::access(db, &caller.tenant, &caller.user, &cx.room).await.map_err(database_unavailable)?;
    let role = access.and_then(|access| Role::from_name(&access.role));
    auth::authorize(role, caller.tenant_role, Action::ReadAudit)?;
    let page = db::list_audit(db, &caller.tenant, &cx.room, cursor.as_ref(), limit).await;
    let page = page.map_err(database_unavailable)?;
    Ok(Reply::ok(json!({"entries": page.items, "nextCursor": page.next_cursor})))
}
