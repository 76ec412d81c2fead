//! Rooms over REST: create, list, get, change settings, delete.
//! Not here: the statements (`db`), and who may change what (`room`).

use super::blocks::ensure_may_meet;
use super::body::{line, one_of, user_ids};
use super::context::{CallerContext, RoomContext};
use super::http::{Body, Reply, Request, database_unavailable, no_such_room, refuse_quota};
use super::inbox_request::{InboxRequest, Poke};
use super::ports::Ports;
use super::room_access::refuse_strangers;
use super::room_request::RoomOp;
use crate::auth::{self, Identity, Role};
use crate::db::{self, NewRoom, RoomCursor};
use crate::error::{Code, Refusal};
use crate::ids::{MessageId, RoomId, UserId};
use crate::limits::{GROUP_MEMBERS_MAX, Limits, ROOM_NAME_CHARS_MAX, ROOM_TOPIC_CHARS_MAX};
use crate::protocol::Fields;
use crate::protocol::client::client_id;
use crate::protocol::room::{HistoryVisibility, RoomKind, RoomMention};
use crate::room::{AdminChange, Patch};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;

/// `POST /rooms/create`.
pub async fn create<P: Ports, B: Body>(
    cx: CallerContext<'_, P>,
    request: Request<B>,
) -> Result<Reply, Refusal> {
    let CallerContext { ports, caller, .. } = cx;
    let mut fields = request.read_fields().await?;
    let kind = RoomKind::from_name(&fields.text("type")?);
    let kind = kind.ok_or_else(|| Refusal::invalid("type", "\"direct\" or \"group\""))?;
    let name = line(&mut fields, "name", ROOM_NAME_CHARS_MAX)?.filter(|name| !name.is_empty());
    let participants = user_ids(&mut fields, "participantIds", 0..=usize::MAX)?;
    let people: BTreeSet<&UserId> = participants.iter().chain([&caller.user]).collect();
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
    let dm_key = (kind == RoomKind::Direct).then(|| db::direct_key(people.iter().copied()));
    let client_id = client_id(&mut fields)?.filter(|_| kind == RoomKind::Group);
    let id = match &client_id {
        Some(client_id) => derived_room_id(&caller, client_id),
        None => new_room_id(ports),
    };
    let id = id.ok_or_else(Refusal::fault)?;
    let mut name = if kind == RoomKind::Direct { None } else { name };
    if let (Some(name), Some(rules)) = (&mut name, ports.moderation(&caller.tenant)) {
        rules.check_name("name", name)?;
    }
    ensure_may_meet(ports, &caller, ("participantIds", &participants), dm_key).await?;
    let (tenant, creator) = (caller.tenant.clone(), caller.user.clone());
    let Limits { create_per_day, rooms_per_person, .. } = ports.limits();
    let is_repeatable = client_id.is_some();
    let new = NewRoom {
        tenant,
        id,
        is_repeatable,
        kind,
        name,
        creator,
        participants,
        create_per_day,
        rooms_per_person,
    };
    let created =
        db::create_room(ports.db(), &new).await.map_err(|error| refuse_quota(error, ports.now()))?;
    let created = created.ok_or_else(no_such_room)?;
    let poke = |user| {
        InboxRequest::Poke(Poke { tenant: caller.tenant.clone(), user, room: created.id.clone(), read: 0 })
    };
    ports.poke(created.inboxes.into_iter().map(poke).collect());
    Ok(Reply::ok(json!({"room": for_caller(&caller, created.room), "created": created.created})))
}

/// A UUIDv7. Its last bits, a message's `seq`, mean nothing in a room's id.
fn new_room_id<P: Ports>(ports: &P) -> Option<RoomId> {
    let random = ports.random();
    RoomId::parse(&MessageId::new(ports.now(), (random >> 64) as u64, random as u64).to_string())
}

/// The id of the group that this person creates with this `clientId`: a UUIDv8 of their hash, so that no column and no
/// look-up is needed to find the room again. JSON keeps different triples different, whatever their ids contain.
fn derived_room_id(caller: &Identity, client_id: &str) -> Option<RoomId> {
    let hash = Sha256::digest(json!([caller.tenant, caller.user, client_id]).to_string());
    let bytes = hash.first_chunk::<16>()?;
    RoomId::parse(&uuid::Builder::from_custom_bytes(*bytes).into_uuid().to_string())
}

/// `GET /rooms/list`.
pub async fn list<P: Ports>(cx: CallerContext<'_, P>) -> Result<Reply, Refusal> {
    let CallerContext { ports, caller, query, .. } = cx;
    let cursor = query.cursor().map(RoomCursor::parse).transpose()?;
    let limit = query.limit()?;
    let page = db::list_rooms(ports.db(), &caller.tenant, &caller.user, cursor.as_ref(), limit).await;
    let page = page.map_err(database_unavailable)?;
    let rooms: Vec<Value> = page.rooms.into_iter().map(|room| for_caller(&caller, room)).collect();
    Ok(Reply::ok(json!({"rooms": rooms, "nextCursor": page.next_cursor})))
}

/// `GET /rooms/:id`.
pub async fn get<P: Ports>(cx: RoomContext<'_, P>) -> Result<Reply, Refusal> {
    let RoomContext { ports, caller, room, .. } = cx;
    let found = db::get_room(ports.db(), &caller.tenant, &caller.user, &room).await;
    let found = found.map_err(database_unavailable)?.ok_or_else(no_such_room)?;
    found.access.admit(&caller)?;
    Ok(Reply::ok(json!({"room": for_caller(&caller, found.room)})))
}

/// `PATCH /rooms/:id`. The reply is the room as the caller sees it. What the change doesn't touch was read together
/// with the membership, which saves a second statement.
pub async fn update<P: Ports, B: Body>(
    cx: RoomContext<'_, P>,
    request: Request<B>,
) -> Result<Reply, Refusal> {
    let patch = patch(&mut request.read_fields().await?)?;
    let before = db::get_room(cx.ports.fail_fast_db(), &cx.caller.tenant, &cx.caller.user, &cx.room).await;
    let before = refuse_strangers(before)?;
    if let Some(before) = &before {
        before.access.admit(&cx.caller)?;
    }
    let membership = before.as_ref().map(|before| before.access.clone().into());
    let reply = cx.send(membership, RoomOp::Change(AdminChange::Settings(patch))).await?;
    let Reply::Json { status: 200, body, .. } = &reply else { return Ok(reply) };
    let mut answer: Value = serde_json::from_str(body).unwrap_or_default();
    let changed = answer.pointer_mut("/room").and_then(Value::as_object_mut);
    match (before, changed) {
        // Another visibility of the history changes the caller's unread count, which only Postgres knows.
        (Some(mut before), Some(changed))
            if before.room.get("historyVisibility") == changed.get("historyVisibility") =>
        {
            before.room.as_object_mut().into_iter().for_each(|room| room.append(changed));
            Ok(Reply::ok(json!({"room": for_caller(&cx.caller, before.room)})))
        }
        _ => get(cx).await,
    }
}

/// `DELETE /rooms/:id`.
pub async fn delete<P: Ports>(cx: RoomContext<'_, P>) -> Result<Reply, Refusal> {
    cx.change(AdminChange::Delete).await
}

fn patch(fields: &mut Fields) -> Result<Patch, Refusal> {
    let patch = Patch {
        name: line(fields, "name", ROOM_NAME_CHARS_MAX)?,
        topic: line(fields, "topic", ROOM_TOPIC_CHARS_MAX)?,
        archived: fields.flag_opt("archived")?,
        history_visibility: one_of(
            fields,
            "historyVisibility",
            HistoryVisibility::ALL,
            HistoryVisibility::name,
        )?,
        room_mention: one_of(fields, "roomMention", RoomMention::ALL, RoomMention::name)?,
    };
    if patch == Patch::default() {
        return Err(Refusal::new(Code::BadRequest, "nothing to change"));
    }
    Ok(patch)
}

/// The room with the caller's effective role in `me.role`: Postgres doesn't know roles over the tenant. In a direct room
/// everybody is shown as a member.
pub fn for_caller(caller: &Identity, mut room: Value) -> Value {
    let kind = room.get("type").and_then(Value::as_str).and_then(RoomKind::from_name);
    let kind = kind.unwrap_or(RoomKind::Group);
    if kind == RoomKind::Direct {
        let members = room.get_mut("members").and_then(Value::as_array_mut);
        for member in members.into_iter().flatten().filter_map(Value::as_object_mut) {
            member.insert("role".to_owned(), json!(Role::Member));
        }
    }
    if let Some(slot) = room.pointer_mut("/me/role")
        && let Some(role) = slot.as_str().and_then(Role::from_name)
    {
        *slot = json!(auth::effective_role(kind, role, caller.tenant_role).name());
    }
    room
}
