//! Ways to Postgres over REST, for a tenant's admins: one room's, and which of the tenant's rooms are in problem.
//! Not here: what a room does about it (`room`), and the list itself (`troubles`).

use super::room_access::{self, Membership, RoomOp, RoomRequest};
use super::{Ports, Reply};
use crate::auth::{self, Action, Identity};
use crate::db;
use crate::error::Refusal;
use crate::ids::RoomId;
use crate::outbox_alerts::Listed;
use crate::room::RoomCall;
use serde_json::{Value, json};

/// Whether this person may look at and tend this room's outbox, in the room or not.
///
/// # Gives   `None` when Postgres can't say whether there is such a room; the room then decides.
/// # Errors  `room_not_found` for strangers and where there is none, `forbidden` for members.
pub async fn may_tend<P: Ports>(
    ports: &P,
    caller: &Identity,
    room: &RoomId,
) -> Result<Option<Membership>, Refusal> {
    match db::room_snapshot(ports.fail_fast_db(), &caller.tenant, room, None).await {
        Ok(None) => Err(room_access::no_such_room()),
        Ok(Some(snapshot)) => {
            let member = snapshot.members.iter().find(|m| m.user_id == caller.user);
            let role = member.and_then(|m| auth::Role::from_name(&m.role));
            auth::authorize(role, caller.tenant_role, Action::TendRoomOutbox)?;
            Ok(Some(Membership { members_version: snapshot.members_version, last_seq: snapshot.last_seq }))
        }
        Err(_) => {
            auth::authorize(None, caller.tenant_role, Action::TendRoomOutbox)?;
            Ok(None)
        }
    }
}

/// Asks a room about its outbox, or to do something about it.
pub async fn of_room<P: Ports>(
    ports: &P,
    caller: Identity,
    room: RoomId,
    call: RoomCall,
) -> Result<Reply, Refusal> {
    let membership = may_tend(ports, &caller, &room).await?;
    ports.call_room(&RoomRequest { caller, room, membership, op: RoomOp::Call(call) }).await
}

/// `GET /admin/outbox`.
pub async fn of_tenant<P: Ports>(ports: &P, caller: &Identity) -> Result<Reply, Refusal> {
    auth::authorize(None, caller.tenant_role, Action::ReadTenantOutbox)?;
    let now = ports.now();
    let room = |Listed { room_id, problem }: &Listed| -> Value {
        let waits = |at: u64| if at == 0 { 0 } else { now.saturating_sub(at) };
        json!({
            "roomId": room_id, "lag": problem.lag, "oldestMs": waits(problem.oldest_at_ms),
            "state": problem.state, "setAside": problem.quarantined,
        })
    };
    let rooms: Vec<Value> = ports.troubles(&caller.tenant).await?.iter().map(room).collect();
    Ok(Reply::ok(json!({"rooms": rooms})))
}
