//! Members of a room over REST: list, add, change a role, remove, leave.
//! Not here: who may change whom (`room`), and the statements (`db`).

use super::body::user_ids;
use super::context::RoomContext;
use super::http::{Body, Reply, Request, database_unavailable, no_such_room};
use super::ports::Ports;
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
    let is_sound = |user: &UserId| UserId::parse(user.as_str()).is_some();
    let after = query.cursor().map(|text| db::parse_cursor(text, is_sound)).transpose()?;
    let limit = query.limit()?;
    let page =
        db::list_members(ports.db(), (&caller.tenant, &caller.user, &room), after.as_ref(), limit).await;
    let (kind, role, mut page) = page.map_err(database_unavailable)?.ok_or_else(no_such_room)?;
    let mute = Action::Mute { target: Role::Member };
    let sees_mutes = auth::authorize(kind, Role::from_name(&role), caller.tenant_role, mute).is_ok();
    for member in page.items.iter_mut().filter_map(Value::as_object_mut) {
        if !sees_mutes {
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
    cx.change(AdminChange::Add { users }).await
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
    cx.change(AdminChange::SetRole { user, role }).await
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
