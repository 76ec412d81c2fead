//! Ways to Postgres over REST, for a tenant's admins: one room's, and which of the tenant's rooms are in trouble.
//! Not here: what a room does about it (`room`), and the list itself (`troubles`).

use super::gate::{self, Ask, Gate, What};
use super::{Ports, Reply};
use crate::auth::{self, Action, Identity};
use crate::db;
use crate::error::Refusal;
use crate::ids::RoomId;
use crate::room::Call;
use crate::troubles::Listed;
use serde_json::{Value, json};

/// Whether this person may look at and tend this room's outbox, in the room or not.
///
/// # Gives   `None` when Postgres can't say whether there is such a room; the room then decides.
/// # Errors  `room_not_found` for strangers and where there is none, `forbidden` for members.
pub async fn may_tend<P: Ports>(ports: &P, who: &Identity, room: &RoomId) -> Result<Option<Gate>, Refusal> {
    match db::room_snapshot(ports.hasty_db(), &who.tenant, room, None).await {
        Ok(None) => Err(gate::no_such_room()),
        Ok(Some(snapshot)) => {
            let member = snapshot.members.iter().find(|m| m.user_id == who.user);
            let role = member.and_then(|m| auth::Role::from_name(&m.role));
            auth::authorize(role, who.tenant_role, Action::TendRoomOutbox)?;
            Ok(Some(Gate { members_version: snapshot.members_version, last_seq: snapshot.last_seq }))
        }
        Err(_) => {
            auth::authorize(None, who.tenant_role, Action::TendRoomOutbox)?;
            Ok(None)
        }
    }
}

/// Asks a room about its outbox, or to do something about it.
pub async fn of_room<P: Ports>(ports: &P, who: Identity, room: RoomId, call: Call) -> Result<Reply, Refusal> {
    let gate = may_tend(ports, &who, &room).await?;
    ports.ask_room(&Ask { who, room, gate, what: What::Call(call) }).await
}

/// `GET /admin/outbox`.
pub async fn of_tenant<P: Ports>(ports: &P, who: &Identity) -> Result<Reply, Refusal> {
    auth::authorize(None, who.tenant_role, Action::ReadTenantOutbox)?;
    let now = ports.now();
    let room = |Listed { room_id, trouble }: &Listed| -> Value {
        let waits = |at: u64| if at == 0 { 0 } else { now.saturating_sub(at) };
        json!({
            "roomId": room_id, "lag": trouble.lag, "oldestMs": waits(trouble.oldest_at_ms),
            "state": trouble.state, "setAside": trouble.set_aside,
        })
    };
    let rooms: Vec<Value> = ports.troubles(&who.tenant).await?.iter().map(room).collect();
    Ok(Reply::ok(json!({"rooms": rooms})))
}
