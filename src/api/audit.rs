//! A room's audit log over REST.
//! Not here: what is written into it (`room`), and the statement (`db`).

use super::context::{RoomContext, ensure_active};
use super::http::{Reply, database_unavailable, no_such_room};
use super::ports::Ports;
use crate::auth::{self, Action, Role};
use crate::db::{self, AuditCursor};
use crate::error::Refusal;
use serde_json::json;

/// `GET /rooms/:id/audit`.
pub async fn list<P: Ports>(cx: RoomContext<'_, P>) -> Result<Reply, Refusal> {
    ensure_active(cx.ports, &cx.caller).await?;
    let cursor = cx.query.cursor().map(AuditCursor::parse).transpose()?;
    let limit = cx.query.limit()?;
    let (db, caller) = (cx.ports.db(), &cx.caller);
    let members = db::list_members(db, (&caller.tenant, &caller.user, &cx.room), None, 1).await;
    let (kind, role, _) = members.map_err(database_unavailable)?.ok_or_else(no_such_room)?;
    auth::authorize(kind, Role::from_name(&role), caller.tenant_role, Action::ReadAudit)?;
    let page = db::list_audit(db, &caller.tenant, &cx.room, cursor.as_ref(), limit).await;
    let page = page.map_err(database_unavailable)?;
    Ok(Reply::ok(json!({"entries": page.items, "nextCursor": page.next_cursor})))
}
