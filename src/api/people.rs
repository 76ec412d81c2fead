//! People over REST: the directory, profiles, one's own and those that an admin sets.
//! Not here: the statements (`db::profiles`), and what a profile may contain (`protocol::person`).

use super::body::{one_of, time};
use super::context::CallerContext;
use super::http::{Body, Reply, Request, database_unavailable, no_such_room};
use super::inbox_request::{InboxRequest, PersonPoke};
use super::ports::Ports;
use super::room_access::tell_room;
use super::room_request::RoomOp;
use crate::auth::{self, Action, Identity};
use crate::db::{self, Directory, DirectoryPlace, EndSessions, ProfilePut, ProfileWriter};
use crate::error::{Code, Refusal};
use crate::ids::{RoomId, TenantId, UserId};
use crate::limits::{
    DIRECTORY_QUERY_CHARS_MAX, EMOJI_BYTES_MAX, PEOPLE_BULK_MAX, PEOPLE_IDS_MAX, SESSION_ROOMS_AT_ONCE,
    SESSION_ROOMS_MAX, SESSIONS_RETRY_AFTER_MS,
};
use crate::protocol::room::RoomKind;
use crate::protocol::{Fields, person};
use futures_util::future::join_all;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// Whether an own person is shown as asked, or never disturbed.
const PRESENCE_SETTINGS: &[&str] = &["auto", "dnd"];

/// `GET /people`: the directory, people by their ids, or a room's members.
pub async fn list<P: Ports>(cx: CallerContext<'_, P>) -> Result<Reply, Refusal> {
    let CallerContext { ports, caller, query, .. } = cx;
    let who = (&caller.tenant, &caller.user);
    let q = query.text("q").unwrap_or_default();
    if q.chars().count() > DIRECTORY_QUERY_CHARS_MAX || q.contains('\0') {
        return Err(Refusal::invalid("q", &format!("at most {DIRECTORY_QUERY_CHARS_MAX} characters")));
    }
    let place = query.cursor().map(DirectoryPlace::parse).transpose()?;
    let limit = query.limit()?;
    if let Some(ids) = query.text("ids") {
        let people = db::people_by_id(ports.db(), who, ports.directory(), &ids_of(ids)?).await;
        let people = people.map_err(database_unavailable)?;
        return Ok(Reply::ok(json!({"people": people, "nextCursor": null})));
    }
    let page = match query.text("roomId") {
        Some(room) => {
            let room = RoomId::parse(room).ok_or_else(no_such_room)?;
            let page = db::people_of_room(ports.db(), (who.0, who.1, &room), q, place.as_ref(), limit).await;
            page.map_err(database_unavailable)?.ok_or_else(no_such_room)?
        }
        None => db::directory(ports.db(), who, ports.directory(), (q, place.as_ref()), limit)
            .await
            .map_err(database_unavailable)?,
    };
    Ok(Reply::ok(json!({"people": page.items, "nextCursor": page.next_cursor})))
}

/// Ids as the query has them, separated by commas. An id that contains a comma is percent-encoded once more.
fn ids_of(text: &str) -> Result<Vec<UserId>, Refusal> {
    let ids = text.split(',').filter(|id| !id.is_empty()).map(|id| {
        let id = percent_encoding::percent_decode_str(id).decode_utf8_lossy();
        UserId::parse(&id).ok_or_else(|| Refusal::invalid("ids", "ids of 1 to 128 characters, not . or .."))
    });
    let ids = ids.collect::<Result<BTreeSet<_>, _>>()?;
    match ids.len() {
        0..=PEOPLE_IDS_MAX => Ok(ids.into_iter().collect()),
        _ => Err(Refusal::invalid("ids", &format!("more than {PEOPLE_IDS_MAX}"))),
    }
}

/// `GET /people/:id`.
pub async fn get<P: Ports>(cx: CallerContext<'_, P>) -> Result<Reply, Refusal> {
    let CallerContext { ports, caller, params, .. } = cx;
    let id = person_id(params.get("user"))?;
    let person = find_person(ports, &caller, ports.directory(), &id).await?;
    Ok(Reply::ok(json!({"person": person})))
}

/// The person, if they are known and this directory shows them to the caller.
///
/// # Errors  person_not_found.
pub(super) async fn find_person<P: Ports>(
    ports: &P,
    caller: &Identity,
    directory: Directory,
    id: &UserId,
) -> Result<Value, Refusal> {
    let who = (&caller.tenant, &caller.user);
    let people = db::people_by_id(ports.db(), who, directory, std::slice::from_ref(id)).await;
    people.map_err(database_unavailable)?.pop().ok_or_else(no_such_person)
}

/// `GET /people/me`. A person who comes for the first time is known afterwards.
pub async fn get_own<P: Ports>(cx: CallerContext<'_, P>) -> Result<Reply, Refusal> {
    let CallerContext { ports, caller, .. } = cx;
    own(ports, &caller).await
}

/// `PATCH /people/me`.
pub async fn update_own<P: Ports, B: Body>(
    cx: CallerContext<'_, P>,
    request: Request<B>,
) -> Result<Reply, Refusal> {
    let CallerContext { ports, caller, .. } = cx;
    let set = own_fields(&mut request.read_fields().await?)?;
    let put = ProfilePut { user_id: caller.user.clone(), set };
    let written = db::put_people(ports.db(), &caller.tenant, ProfileWriter::Person, &[put]).await;
    written.map_err(database_unavailable)?;
    poke_partners(ports, &caller.tenant, &caller.user).await;
    own(ports, &caller).await
}

/// Those who have a direct room with the person hear that the profile has changed. What this misses, their inboxes find
/// with their next renewal.
async fn poke_partners<P: Ports>(ports: &P, tenant: &TenantId, person: &UserId) {
    let inboxes = db::inboxes_of_partners(ports.db(), tenant, person).await.unwrap_or_default();
    let poke =
        |user| InboxRequest::PersonPoke(PersonPoke { tenant: tenant.clone(), user, person: person.clone() });
    ports.poke(inboxes.into_iter().map(poke).collect());
}

async fn own<P: Ports>(ports: &P, caller: &Identity) -> Result<Reply, Refusal> {
    let ask = || db::own_profile(ports.db(), &caller.tenant, &caller.user);
    let known = ask().await.map_err(database_unavailable)?;
    let known = match known {
        Some(known) => known,
        None => {
            let put = [profile_of(caller)];
            let written = db::put_people(ports.db(), &caller.tenant, ProfileWriter::Token, &put).await;
            written.map_err(database_unavailable)?;
            ask().await.map_err(database_unavailable)?.ok_or_else(no_such_person)?
        }
    };
    Ok(Reply::ok(known))
}

/// `PUT /people/:id`, for a tenant's admin.
pub async fn put<P: Ports, B: Body>(cx: CallerContext<'_, P>, request: Request<B>) -> Result<Reply, Refusal> {
    let CallerContext { ports, caller, params, .. } = cx;
    authorize_admin(&caller)?;
    let user_id = person_id(params.get("user"))?;
    let set = admins_fields(&mut request.read_fields().await?)?;
    let puts = [ProfilePut { user_id, set }];
    let written = db::put_people(ports.db(), &caller.tenant, ProfileWriter::Admin, &puts).await;
    let person = written.map_err(database_unavailable)?.pop().ok_or_else(Refusal::fault)?;
    let [ProfilePut { user_id, .. }] = &puts;
    poke_partners(ports, &caller.tenant, user_id).await;
    end_sessions_of_deactivated(ports, &caller, &puts).await?;
    Ok(Reply::ok(json!({"person": person})))
}

/// `POST /people/bulk`, for a tenant's admin: all of them or none.
pub async fn put_many<P: Ports, B: Body>(
    cx: CallerContext<'_, P>,
    request: Request<B>,
) -> Result<Reply, Refusal> {
    let CallerContext { ports, caller, .. } = cx;
    authorize_admin(&caller)?;
    let mut fields = request.read_fields().await?;
    if !fields.has_field("people") {
        return Err(Refusal::bad_field("people", "a list of people"));
    }
    let given = fields.objects("people")?;
    if !(1..=PEOPLE_BULK_MAX).contains(&given.len()) {
        return Err(Refusal::invalid("people", &format!("expected 1 to {PEOPLE_BULK_MAX} of them")));
    }
    let (mut puts, mut ids) = (Vec::new(), BTreeSet::new());
    for mut one in given {
        let user_id = UserId::parse(&one.text("userId")?)
            .ok_or_else(|| Refusal::invalid("userId", "an id of 1 to 128 characters, not . or .."))?;
        if !ids.insert(user_id.clone()) {
            return Err(Refusal::invalid("people", "somebody is named twice"));
        }
        puts.push(ProfilePut { user_id, set: admins_fields(&mut one)? });
    }
    let people = db::put_people(ports.db(), &caller.tenant, ProfileWriter::Admin, &puts).await;
    let people = people.map_err(database_unavailable)?;
    end_sessions_of_deactivated(ports, &caller, &puts).await?;
    Ok(Reply::ok(json!({"people": people})))
}

/// `POST /people/:id/sign-out`, for a tenant's admin.
pub async fn sign_out<P: Ports>(cx: CallerContext<'_, P>) -> Result<Reply, Refusal> {
    let CallerContext { ports, caller, params, .. } = cx;
    authorize_admin(&caller)?;
    let person = person_id(params.get("user"))?;
    find_person(ports, &caller, Directory::Tenant, &person).await?;
    end_sessions(ports, &caller, &person, (true, &mut { SESSION_ROOMS_MAX })).await?;
    Ok(Reply::ok(json!({"userId": person})))
}

async fn end_sessions_of_deactivated<P: Ports>(
    ports: &P,
    caller: &Identity,
    puts: &[ProfilePut],
) -> Result<(), Refusal> {
    let mut rooms_left = SESSION_ROOMS_MAX;
    for put in puts {
        if put.set.get("deactivated").and_then(Value::as_bool) == Some(true) {
            end_sessions(ports, caller, &put.user_id, (false, &mut rooms_left)).await?;
        }
    }
    Ok(())
}

/// All rooms of the person and their inbox know that tokens of theirs are refused, and have closed the sockets of these.
///
/// # Takes   `rooms_left`: how many rooms this request may still call.
/// # Errors  upstream_unavailable → some rooms don't know it yet; the same request goes on with these.
async fn end_sessions<P: Ports>(
    ports: &P,
    caller: &Identity,
    person: &UserId,
    (sign_out, rooms_left): (bool, &mut u64),
) -> Result<(), Refusal> {
    let who = (&caller.tenant, person);
    let begun = db::end_sessions(ports.db(), who, EndSessions::Begin { sign_out }).await;
    let mut rooms = begun.map_err(database_unavailable)?;
    ports.end_inbox_sessions(&caller.tenant, person).await?;
    while let Some(last) = rooms.last() {
        if *rooms_left == 0 {
            let message = "sockets of this person are still being closed: send the same request again";
            let refusal = Refusal::new(Code::UpstreamUnavailable, message);
            return Err(refusal.retry_after_ms(SESSIONS_RETRY_AFTER_MS));
        }
        *rooms_left = rooms_left.saturating_sub(SESSION_ROOMS_AT_ONCE);
        let closing = rooms.iter().map(|room| tell_room(ports, caller, room.clone(), RoomOp::EndSessions {}));
        join_all(closing).await.into_iter().collect::<Result<(), Refusal>>()?;
        let next = db::end_sessions(ports.db(), who, EndSessions::Done { room: last }).await;
        rooms = next.map_err(database_unavailable)?;
    }
    Ok(())
}

/// What a person's token says of them.
pub fn profile_of(caller: &Identity) -> ProfilePut {
    let claims = [("name", &caller.name), ("avatarUrl", &caller.picture)];
    let set = claims.into_iter().filter_map(|(name, value)| Some((name.to_owned(), json!(value.as_ref()?))));
    ProfilePut { user_id: caller.user.clone(), set: set.collect() }
}

pub fn no_such_person() -> Refusal {
    Refusal::new(Code::PersonNotFound, "there is no such person")
}

pub(super) fn person_id(text: &str) -> Result<UserId, Refusal> {
    UserId::parse(text).ok_or_else(no_such_person)
}

fn authorize_admin(caller: &Identity) -> Result<(), Refusal> {
    auth::authorize(RoomKind::Group, None, caller.tenant_role, Action::ManagePeople)
}

/// What an admin sets; `null` and an empty text clear a field.
fn admins_fields(fields: &mut Fields) -> Result<Map<String, Value>, Refusal> {
    let mut set = Map::new();
    let name = "at most 100 characters on one line, which show something";
    put_text(&mut set, fields, "name", (person::name, name))?;
    put_text(&mut set, fields, "avatarUrl", (person::avatar_url, "an https URL of at most 2,048 bytes"))?;
    if let Some(deactivated) = fields.flag_opt("deactivated")? {
        set.insert("deactivated".to_owned(), json!(deactivated));
    }
    put_text(&mut set, fields, "title", (person::line, "at most 100 characters on one line"))?;
    Ok(set)
}

fn put_text(
    set: &mut Map<String, Value>,
    fields: &mut Fields,
    name: &str,
    (parse, expected): (impl Fn(&str) -> Option<String>, &str),
) -> Result<(), Refusal> {
    let Some(text) = fields.text_to_store(name)? else { return Ok(()) };
    let value = match text.trim() {
        "" => Value::Null,
        text => json!(parse(text).ok_or_else(|| Refusal::invalid(name, expected))?),
    };
    set.insert(name.to_owned(), value);
    Ok(())
}

/// What a person sets of their own; `null` clears a field.
fn own_fields(fields: &mut Fields) -> Result<Map<String, Value>, Refusal> {
    let mut set = Map::new();
    if let Some(status) = fields.object_to_store("status")? {
        set.insert("status".to_owned(), status.map_or(Ok(Value::Null), status_fields)?);
    }
    let is_timezone = |text: &str| person::is_timezone(text).then(|| text.to_owned());
    put_text(&mut set, fields, "timezone", (is_timezone, "a name like Europe/Berlin"))?;
    if let Some(hours) = fields.object_to_store("quietHours")? {
        set.insert("quietHours".to_owned(), hours.map_or(Ok(Value::Null), quiet_hours)?);
    }
    let names = |name: &'static str| name;
    if let Some(presence) = one_of(fields, "presence", PRESENCE_SETTINGS, names)? {
        set.insert("presence".to_owned(), json!(presence));
    }
    match set.is_empty() {
        true => Err(Refusal::new(Code::BadRequest, "nothing to change")),
        false => Ok(set),
    }
}

/// `{text?, emoji?, until?}`. A status that says nothing is none.
fn status_fields(mut fields: Fields) -> Result<Value, Refusal> {
    let in_status = |refusal: Refusal| refusal.field("status");
    if !fields.has_field("text") && !fields.has_field("emoji") {
        return Err(Refusal::bad_field("status", "a text or an emoji"));
    }
    let text = fields.text_opt("text").map_err(in_status)?.unwrap_or_default();
    let text = person::line(&text)
        .ok_or_else(|| Refusal::invalid("status", "a text of at most 100 characters on one line"))?;
    let emoji = fields.text_opt("emoji").map_err(in_status)?.filter(|emoji| !emoji.is_empty());
    if emoji.as_ref().is_some_and(|emoji| emoji.len() > EMOJI_BYTES_MAX || emoji.contains(char::is_control)) {
        return Err(Refusal::invalid("status", "an emoji of at most 64 bytes"));
    }
    let until_ms = time(&mut fields, "until").map_err(in_status)?;
    if text.is_empty() && emoji.is_none() {
        return Ok(Value::Null);
    }
    Ok(json!({"text": text, "emoji": emoji, "untilMs": until_ms}))
}

/// `{from, to}`, times of day in the person's time zone.
fn quiet_hours(mut fields: Fields) -> Result<Value, Refusal> {
    let mut of_day = |name: &str| {
        let text = fields.text(name).map_err(|refusal| refusal.field("quietHours"))?;
        match person::is_time_of_day(&text) {
            true => Ok(text),
            false => Err(Refusal::invalid("quietHours", "times of day as HH:MM")),
        }
    };
    Ok(json!({"from": of_day("from")?, "to": of_day("to")?}))
}
