//! People, settings and moderation over REST: bodies become a `Change` that the room plans; pages come from Postgres.
//! Not here: who may do what (`room::plan`), and the statements (`db`).

use super::routes::{Params, Route};
use super::{Body, Ports, Query, Reply, Request, read_json, room_access, rooms, unavailable};
use crate::auth::{self, Action, Identity, Role};
use crate::db::{self, AuditCursor};
use crate::error::{Code, Refusal};
use crate::ids::{RoomId, UnixMs, UserId, parse_time};
use crate::limits::*;
use crate::protocol::Fields;
use crate::protocol::room::{HistoryVisibility, NotifyLevel, RoomMention};
use crate::room::{AdminChange, Patch, RoomCall};
use serde_json::{Value, json};

/// Answers the routes of this file.
pub async fn answer<P: Ports, B: Body>(
    ports: &P,
    route: Route,
    caller: Identity,
    room: RoomId,
    params: &Params,
    request: Request<B>,
) -> Result<Reply, Refusal> {
    let query = Query::parse(&request.query);
    match route {
        Route::ListMembers => return members(ports, &caller, &room, &query).await,
        Route::ReadAudit => return audit(ports, &caller, &room, &query).await,
        Route::ReadNotify => return notify(ports, &caller, &room).await,
        _ => {}
    }
    let body = match route {
        Route::LeaveRoom | Route::DeleteRoom | Route::RemoveMember | Route::Unmute | Route::Unban => None,
        // The body of a mute or a ban may be left out.
        Route::Mute | Route::Ban => Some(read_json(request).await?).filter(|body| !body.trim().is_empty()),
        _ => Some(read_json(request).await?),
    };
    let mut fields = Fields::parse(body.as_deref().unwrap_or("{}"))?;
    if route == Route::Report {
        let reason = reason(&mut fields)?.ok_or_else(|| Refusal::bad_field("reason", "text"))?;
        let call = RoomCall::Report { message: params.get("message").to_owned(), reason };
        return room_access::call(ports, caller, room, call).await;
    }
    let user = || UserId::parse(params.get("user")).ok_or_else(no_such_member);
    let change = match route {
        Route::AddMembers => AdminChange::Add { users: user_ids(&mut fields, "userIds")? },
        Route::RemoveMember => AdminChange::Remove { user: user()? },
        Route::LeaveRoom => AdminChange::Leave,
        Route::SetRole => AdminChange::SetRole { user: user()?, role: role(&mut fields)? },
        Route::ChangeRoom => AdminChange::Settings(patch(&mut fields)?),
        Route::DeleteRoom => AdminChange::Delete,
        Route::Mute => AdminChange::Mute { user: user()?, until_ms: time(&mut fields, "until")? },
        Route::Unmute => AdminChange::Unmute { user: user()? },
        Route::Ban => {
            let until_ms = time(&mut fields, "until")?;
            AdminChange::Ban { user: user()?, until_ms, reason: reason(&mut fields)? }
        }
        Route::Unban => AdminChange::Unban { user: user()? },
        Route::SlowMode => AdminChange::SlowMode { seconds: seconds(&mut fields)? },
        Route::SetNotify => AdminChange::Notify {
            level: one_of(&mut fields, "level", &["all", "mentions", "none"])?
                .and_then(|level| NotifyLevel::from_name(&level))
                .ok_or_else(|| Refusal::bad_field("level", "text"))?,
            notifications_snoozed_until_ms: time(&mut fields, "muteUntil")?,
        },
        _ => return Err(Refusal::new(Code::NotFound, "no such route")),
    };
    match change {
        AdminChange::Settings(patch) => rooms::change(ports, caller, room, patch).await,
        change => room_access::change(ports, caller, room, change).await,
    }
}

/// `GET /rooms/:id/members`.
async fn members<P: Ports>(
    ports: &P,
    caller: &Identity,
    room: &RoomId,
    query: &Query,
) -> Result<Reply, Refusal> {
    let sound = |user: &UserId| UserId::parse(user.as_str()).is_some();
    let after = query.text("cursor").map(|text| db::parse_cursor(text, sound)).transpose()?;
    let limit = query.limit()?;
    let page =
        db::list_members(ports.db(), (&caller.tenant, &caller.user, room), after.as_ref(), limit).await;
    let (role, mut page) = page.map_err(unavailable)?.ok_or_else(room_access::no_such_room)?;
    let muting = Action::Mute { target: Role::Member };
    if auth::authorize(Role::from_name(&role), caller.tenant_role, muting).is_err() {
        page.items.iter_mut().filter_map(Value::as_object_mut).for_each(|member| {
            member.remove("mutedUntil");
        });
    }
    Ok(Reply::ok(json!({"members": page.items, "nextCursor": page.next_cursor})))
}

/// `GET /rooms/:id/audit`.
async fn audit<P: Ports>(
    ports: &P,
    caller: &Identity,
    room: &RoomId,
    query: &Query,
) -> Result<Reply, Refusal> {
    let cursor = query.text("cursor").map(AuditCursor::parse).transpose()?;
    let limit = query.limit()?;
    let access = db::access(ports.db(), &caller.tenant, &caller.user, room).await.map_err(unavailable)?;
    let role = access.and_then(|access| Role::from_name(&access.role));
    auth::authorize(role, caller.tenant_role, Action::ReadAudit)?;
    let page = db::list_audit(ports.db(), &caller.tenant, room, cursor.as_ref(), limit).await;
    let page = page.map_err(unavailable)?;
    Ok(Reply::ok(json!({"entries": page.items, "nextCursor": page.next_cursor})))
}

/// `GET /rooms/:id/notification-settings`.
async fn notify<P: Ports>(ports: &P, caller: &Identity, room: &RoomId) -> Result<Reply, Refusal> {
    let settings = db::notify_settings(ports.db(), &caller.tenant, &caller.user, room).await;
    settings.map_err(unavailable)?.map(Reply::ok).ok_or_else(room_access::no_such_room)
}

// --- Bodies -----------------------------------------------------------------------------------------

fn no_such_member() -> Refusal {
    Refusal::new(Code::MemberNotFound, "there is no such member")
}

/// A list of user ids, at least one of them, each once.
fn user_ids(fields: &mut Fields, name: &str) -> Result<Vec<UserId>, Refusal> {
    let list = fields.list_opt(name)?.ok_or_else(|| Refusal::bad_field(name, "a list of user ids"))?;
    if list.is_empty() || list.len() > GROUP_MEMBERS_MAX {
        return Err(Refusal::invalid(name, &format!("expected 1 to {GROUP_MEMBERS_MAX} of them")));
    }
    let mut users: Vec<UserId> = Vec::new();
    for item in &list {
        let user = user_id(item, name)?;
        if !users.contains(&user) {
            users.push(user);
        }
    }
    Ok(users)
}

pub(super) fn user_id(item: &Value, name: &str) -> Result<UserId, Refusal> {
    match item {
        Value::String(id) => {
            UserId::parse(id).ok_or_else(|| Refusal::invalid(name, "an id of 1 to 128 characters"))
        }
        _ => Err(Refusal::bad_field(name, "a list of user ids")),
    }
}

fn role(fields: &mut Fields) -> Result<Role, Refusal> {
    let name = fields.text("role")?;
    Role::from_name(&name).ok_or_else(|| Refusal::invalid("role", "member, moderator, admin or owner"))
}

fn one_of(fields: &mut Fields, name: &str, allowed: &[&str]) -> Result<Option<String>, Refusal> {
    let given = fields.text_opt(name)?;
    match given.as_deref().is_none_or(|value| allowed.contains(&value)) {
        true => Ok(given),
        false => Err(Refusal::invalid(name, &allowed.join(" or "))),
    }
}

fn patch(fields: &mut Fields) -> Result<Patch, Refusal> {
    let patch = Patch {
        name: line(fields, "name", ROOM_NAME_CHARS_MAX)?,
        topic: line(fields, "topic", ROOM_TOPIC_CHARS_MAX)?,
        archived: fields.flag_opt("archived")?,
        history_visibility: one_of(fields, "historyVisibility", &["all", "since_join"])?
            .and_then(|name| HistoryVisibility::from_name(&name)),
        room_mention: one_of(fields, "roomMention", &["all", "admins"])?
            .and_then(|name| RoomMention::from_name(&name)),
    };
    if patch == Patch::default() {
        return Err(Refusal::new(Code::BadRequest, "nothing to change"));
    }
    Ok(patch)
}

/// One line of text without blanks around it; an empty one takes away what is there.
pub(super) fn line(fields: &mut Fields, name: &str, chars_max: usize) -> Result<Option<String>, Refusal> {
    let Some(text) = fields.text_opt(name)?.map(|text| text.trim().to_owned()) else { return Ok(None) };
    if text.chars().count() > chars_max {
        return Err(Refusal::invalid(name, &format!("more than {chars_max} characters")));
    }
    if text.chars().any(char::is_control) {
        return Err(Refusal::invalid(name, "holds control characters"));
    }
    Ok(Some(text))
}

fn time(fields: &mut Fields, name: &str) -> Result<Option<UnixMs>, Refusal> {
    let Some(text) = fields.text_opt(name)? else { return Ok(None) };
    let time = parse_time(&text).filter(|ms| *ms <= FOREVER_MS);
    time.map(Some).ok_or_else(|| Refusal::invalid(name, "expected a time like 2026-11-24T09:00:00.000Z"))
}

pub(super) fn reason(fields: &mut Fields) -> Result<Option<String>, Refusal> {
    let reason =
        fields.text_opt("reason")?.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    if reason.as_ref().is_some_and(|text| text.chars().count() > REASON_CHARS_MAX) {
        return Err(Refusal::invalid("reason", &format!("more than {REASON_CHARS_MAX} characters")));
    }
    Ok(reason)
}

fn seconds(fields: &mut Fields) -> Result<u32, Refusal> {
    let seconds = fields.integer("seconds")?;
    let fits = u32::try_from(seconds).ok().filter(|_| seconds <= SLOW_MODE_S_MAX);
    fits.ok_or_else(|| Refusal::invalid("seconds", &format!("0 to {SLOW_MODE_S_MAX}")))
}
