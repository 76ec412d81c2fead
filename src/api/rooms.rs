//! Rooms over REST: creating, listing, looking at one, changing its settings.
//! Not here: the statements (`db`), and messages (`room`).

use super::members::{line, user_id};
use super::{Ports, Query, Reply, RoomOp, RoomRequest, room_access, unavailable};
use crate::auth::{self, Identity, Role};
use crate::db::{self, NewRoom, RoomCursor};
use crate::error::{Code, Refusal};
use crate::ids::{MessageId, RoomId, UserId};
use crate::limits::{GROUP_MEMBERS_MAX, ROOM_NAME_CHARS_MAX};
use crate::protocol::Fields;
use crate::protocol::room::RoomKind;
use crate::room::{AdminChange, Patch};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// `POST /rooms/create`.
pub async fn create<P: Ports>(ports: &P, caller: &Identity, body: String) -> Result<Reply, Refusal> {
    let mut fields = Fields::parse(&body)?;
    let kind = match fields.text("type")?.as_str() {
        "direct" => RoomKind::Direct,
        "group" => RoomKind::Group,
        _ => return Err(Refusal::invalid("type", "\"direct\" or \"group\"")),
    };
    let name = line(&mut fields, "name", ROOM_NAME_CHARS_MAX)?.filter(|name| !name.is_empty());
    let participants = participants(&mut fields)?;
    let people: BTreeSet<&str> = participants.iter().chain([&caller.user]).map(UserId::as_str).collect();
    match kind {
        RoomKind::Direct if people.len() != 2 => {
            return Err(Refusal::invalid("participantIds", "a direct room has exactly two people"));
        }
        RoomKind::Group if people.len() > GROUP_MEMBERS_MAX => {
            let why = format!("more than {GROUP_MEMBERS_MAX} people");
            return Err(Refusal::invalid("participantIds", &why));
        }
        _ => {}
    }
    // The id's tail means nothing for a room; MessageId is the one maker of UUIDv7 here.
    let random = ports.random();
    let id = MessageId::new(ports.now(), (random >> 64) as u64, random as u64).to_string();
    let id = RoomId::parse(&id).ok_or_else(|| Refusal::new(Code::Internal, "no id"))?;
    let name = if kind == RoomKind::Direct { None } else { name };
    let (tenant, creator) = (caller.tenant.clone(), caller.user.clone());
    let new = NewRoom { tenant, id, kind, name, creator, participants };
    let created = db::create_room(ports.db(), &new).await.map_err(unavailable)?;
    Ok(Reply::ok(json!({"room": as_seen_by(caller, created.room), "created": created.created})))
}

fn participants(fields: &mut Fields) -> Result<Vec<UserId>, Refusal> {
    const FIELD: &str = "participantIds";
    let list = fields.list_opt(FIELD)?.ok_or_else(|| Refusal::bad_field(FIELD, "a list of user ids"))?;
    list.iter().map(|item| user_id(item, FIELD)).collect()
}

/// `GET /rooms/list`.
pub async fn list<P: Ports>(ports: &P, caller: &Identity, query: &Query) -> Result<Reply, Refusal> {
    let cursor = query.text("cursor").map(RoomCursor::parse).transpose()?;
    let limit = query.limit()?;
    let page = db::list_rooms(ports.db(), &caller.tenant, &caller.user, cursor.as_ref(), limit).await;
    let page = page.map_err(unavailable)?;
    let rooms: Vec<Value> = page.rooms.into_iter().map(|room| as_seen_by(caller, room)).collect();
    Ok(Reply::ok(json!({"rooms": rooms, "nextCursor": page.next_cursor})))
}

/// `GET /rooms/:id`.
pub async fn get<P: Ports>(ports: &P, caller: &Identity, room: &RoomId) -> Result<Reply, Refusal> {
    let room = db::get_room(ports.db(), &caller.tenant, &caller.user, room).await.map_err(unavailable)?;
    room.map(|seen| Reply::ok(json!({"room": as_seen_by(caller, seen.room)})))
        .ok_or_else(room_access::no_such_room)
}

/// `PATCH /rooms/:id`: answered with the room as the one who asks sees it. What the change doesn't touch was read on the way
/// in, which saves asking Postgres once more.
pub async fn change<P: Ports>(
    ports: &P,
    caller: Identity,
    room: RoomId,
    patch: Patch,
) -> Result<Reply, Refusal> {
    let seen = match db::get_room(ports.fail_fast_db(), &caller.tenant, &caller.user, &room).await {
        Ok(Some(seen)) => Some(seen),
        Ok(None) => return Err(room_access::no_such_room()),
        // The room decides by what it knows.
        Err(_) => None,
    };
    let membership = seen.as_ref().map(|seen| seen.access.clone().into());
    let ask = RoomRequest {
        caller: caller.clone(),
        room: room.clone(),
        membership,
        op: RoomOp::Change(AdminChange::Settings(patch)),
    };
    let reply = ports.call_room(&ask).await?;
    let Reply::Json { status: 200, body, .. } = &reply else { return Ok(reply) };
    let mut answer: Value = serde_json::from_str(body).unwrap_or_default();
    let changed = answer.pointer_mut("/room").and_then(Value::as_object_mut);
    match (seen, changed) {
        // Who sees more or less of it has other things unread.
        (Some(mut seen), Some(changed))
            if seen.room.get("historyVisibility") == changed.get("historyVisibility") =>
        {
            seen.room.as_object_mut().into_iter().for_each(|room| room.append(changed));
            Ok(Reply::ok(json!({"room": as_seen_by(&caller, seen.room)})))
        }
        _ => get(ports, &caller, &room).await,
    }
}

/// `me.role` is the effective one: Postgres knows nothing of roles over the tenant.
fn as_seen_by(caller: &Identity, mut room: Value) -> Value {
    if let Some(slot) = room.pointer_mut("/me/role")
        && let Some(role) = slot.as_str().and_then(Role::from_name)
    {
        *slot = json!(auth::effective_role(role, caller.tenant_role).name());
    }
    room
}
