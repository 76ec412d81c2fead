//! Members of a room over REST: list, add, change a role, remove, leave.
//! Not here: who may change whom (`room`), and the statements (`db`).

use super::blocks::ensure_may_meet;
use super::body::user_ids;
use super::context::{RoomContext, ensure_active};
use super::http::{Body, Reply, Request, database_unavailable, no_such_room};
use super::ports::Ports;
use super::room_request::RoomOp;
use crate::auth::{self, Action, Role};
use crate::db;
use crate::error::Refusal;
use crate::ids::UserId;
use crate::limits::GROUP_MEMBERS_MAX;
use crate::protocol::room::RoomKind;
use crate::room::AdminChange;
use serde_json::{Value, json};

/// `GET /rooms/:id/members`. Only moderators see who is muted.
pub async fn list<P: Ports>(cx: RoomContext<'_, P>) -> Result<Reply, Refusal> {
    let RoomContext { ports, caller, room, query, .. } = cx;
    ensure_active(ports, &caller).await?;
    let is_sound = |user: &UserId| UserId::parse(user.as_str()).is_some();
    let after = query.cursor().map(|text| db::parse_cursor(text, is_sound)).transpose()?;
    let limit = query.limit()?;
    let page =
        db::list_members(ports.db(), (&caller.tenant, &caller.user, &room), after.as_ref(), limit).await;
    let (kind, role, mut page) = page.map_err(database_unavailable)?.ok_or_else(no_such_room)?;
    let mute = Action::Mute { target: Role::Member };
    let sees_mutes = auth::authorize(kind, Role::from_name(&role), caller.tenant_role, mute).is_ok();
    for member in page.items.iter_mut().filter_map(Value::as_object_mut) {
        if !sees_mutes || member.get("mutedUntil").is_some_and(Value::is_null) {
            member.remove("mutedUntil");
        }
        if kind == RoomKind::Direct {
            member.insert("role".to_owned(), json!(Role::Member));
        }
    }
    Ok(Reply::ok(json!({"members": page.items, "nextCursor": page.next_cursor})))
}

/// `POST /rooms/:id/members`.
pub async fn add<P: Ports, B: Body>(cx: RoomContext<'_, P>, request: Request<B>) -> Result<Reply, Refusal> {
    let mut fields = request.read_fields().await?;
    let users = user_ids(&mut fields, "userIds", 1..=GROUP_MEMBERS_MAX)?;
    // Strangers learn nothing of people.
    let membership = cx.membership().await?;
    ensure_may_meet(cx.ports, &cx.caller, ("userIds", &users), None).await?;
    let answer = cx.send(membership, RoomOp::Change(AdminChange::Add { users })).await?;
    Ok(name_members(&cx, answer).await)
}

/// `PATCH /rooms/:id/members/:user`.
pub async fn set_role<P: Ports, B: Body>(
    cx: RoomContext<'_, P>,
    request: Request<B>,
) -> Result<Reply, Refusal> {
    let mut fields = request.read_fields().await?;
    let user = cx.params.user()?;
    let name = fields.text("role")?;
    let role = Role::from_name(&name)
        .ok_or_else(|| Refusal::invalid("role", "member, moderator, admin or owner"))?;
    let answer = cx.change(AdminChange::SetRole { user, role }).await?;
    Ok(name_members(&cx, answer).await)
}

/// The room's answer with the names and avatars of the members in it: a large room does not know them. Without an answer
/// of Postgres they are named by their ids.
async fn name_members<P: Ports>(cx: &RoomContext<'_, P>, answer: Reply) -> Reply {
    let Reply::Json { status: 200, body, .. } = &answer else { return answer };
    let mut body: Value = serde_json::from_str(body).unwrap_or_default();
    let members = body.as_object_mut().into_iter().flatten().flat_map(|(_, value)| match value {
        Value::Array(members) => members.iter_mut().collect(),
        member => vec![member],
    });
    let members: Vec<&mut Value> = members.collect();
    let id_of = |member: &Value| member.get("userId").and_then(Value::as_str).and_then(UserId::parse);
    let ids: Vec<UserId> = members.iter().filter_map(|member| id_of(member)).collect();
    let who = (&cx.caller.tenant, &cx.caller.user);
    let people = db::people_by_id(cx.ports.fail_fast_db(), who, db::Directory::Tenant, &ids).await;
    let people = people.unwrap_or_default();
    for member in members.into_iter().filter_map(Value::as_object_mut) {
        let id = member.get("userId").cloned().unwrap_or_default();
        let person = people.iter().find(|person| person.get("userId") == Some(&id));
        let shown = |field: &str| person.and_then(|person| person.get(field)).cloned();
        member.insert("name".to_owned(), shown("name").unwrap_or(id));
        member.insert("avatarUrl".to_owned(), shown("avatarUrl").unwrap_or_default());
    }
    Reply::ok(body)
}

/// `DELETE /rooms/:id/members/:user`.
pub async fn remove<P: Ports>(cx: RoomContext<'_, P>) -> Result<Reply, Refusal> {
    let user = cx.params.user()?;
    cx.change(AdminChange::Remove { user }).await
}

/// `POST /rooms/:id/leave`.
pub async fn leave<P: Ports>(cx: RoomContext<'_, P>) -> Result<Reply, Refusal> {
    cx.change(AdminChange::Leave).await
}
