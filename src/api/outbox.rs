//! The outbox over REST, for a tenant's admins: of one room, and the list of rooms with outbox alerts.
//! Not here: what a room does with its outbox (`room::operator`), and the list (`outbox_alerts`).

use super::context::{CallerContext, RoomContext, ensure_active};
use super::http::{Body, Reply, Request};
use super::ports::Ports;
use super::room_access::refuse_strangers;
use super::room_request::{Membership, RoomOp};
use crate::auth::{self, Action, Role};
use crate::db;
use crate::error::Refusal;
use crate::outbox_alerts::Listed;
use crate::protocol::room::RoomKind;
use crate::room::RoomCall;
use serde_json::{Value, json};

/// `GET /rooms/:id/outbox`.
pub async fn get<P: Ports>(cx: RoomContext<'_, P>) -> Result<Reply, Refusal> {
    let membership = authorize_operator(&cx).await?;
    cx.send(membership, RoomOp::Call(RoomCall::Outbox)).await
}

/// `POST /rooms/:id/outbox/retry`.
pub async fn retry<P: Ports>(cx: RoomContext<'_, P>) -> Result<Reply, Refusal> {
    let membership = authorize_operator(&cx).await?;
    cx.send(membership, RoomOp::Call(RoomCall::RetryOutbox)).await
}

/// `POST /rooms/:id/outbox/discard`. Strangers are refused before the body is read.
pub async fn discard<P: Ports, B: Body>(
    cx: RoomContext<'_, P>,
    request: Request<B>,
) -> Result<Reply, Refusal> {
    let membership = authorize_operator(&cx).await?;
    let seq = request.read_fields().await?.integer("seq")?;
    cx.send(membership, RoomOp::Call(RoomCall::Discard { seq })).await
}

/// Refuses everybody who may not operate this room's outbox. A tenant's admin need not be a member of the room.
///
/// # Gives   what Postgres knows of the room; `None` if it gave no answer, and then the room decides.
/// # Errors  `room_not_found` for strangers and where there is no room, `forbidden` for members.
async fn authorize_operator<P: Ports>(cx: &RoomContext<'_, P>) -> Result<Option<Membership>, Refusal> {
    let RoomContext { ports, caller, room, .. } = cx;
    ensure_active(*ports, caller).await?;
    let snapshot = db::room_snapshot(ports.fail_fast_db(), &caller.tenant, room, None).await;
    let snapshot = match snapshot {
        // A restored backup may lack the room, and its object puts it back (OUT-11).
        Ok(None) if caller.tenant_role == Some(Role::Admin) => None,
        other => refuse_strangers(other)?,
    };
    let member = snapshot.as_ref().and_then(|s| s.members.iter().find(|m| m.user_id == caller.user));
    let role = member.map(|member| member.role);
    let kind = snapshot.as_ref().map_or(RoomKind::Group, |snapshot| snapshot.kind);
    auth::authorize(kind, role, caller.tenant_role, Action::OperateOutbox)?;
    let membership = |s: db::RoomSnapshot| Membership {
        members_version: s.members_version,
        last_seq: s.last_seq,
        notify: None,
        person: None,
    };
    Ok(snapshot.map(membership))
}

/// `GET /admin/outbox`.
pub async fn list_alerts<P: Ports>(cx: CallerContext<'_, P>) -> Result<Reply, Refusal> {
    let CallerContext { ports, caller, .. } = cx;
    auth::authorize(RoomKind::Group, None, caller.tenant_role, Action::ListOutboxAlerts)?;
    let now = ports.now();
    let room = |Listed { room_id, problem }: &Listed| -> Value {
        let age_ms = |at: u64| if at == 0 { 0 } else { now.saturating_sub(at) };
        json!({
            "roomId": room_id, "lag": problem.lag, "oldestMs": age_ms(problem.oldest_at_ms),
            "state": problem.state, "setAside": problem.quarantined, "storagePercent": problem.storage_percent,
        })
    };
    let rooms: Vec<Value> = ports.outbox_alerts(&caller.tenant).await?.iter().map(room).collect();
    Ok(Reply::ok(json!({"rooms": rooms})))
}
