//! Blocking people over REST, and whom a person may open a room with.
//! Not here: the statements (`db::blocks`), and what a block stops in the room (`room`).

use super::context::CallerContext;
use super::http::{Reply, database_unavailable};
use super::people::{find_person, no_such_person, person_id};
use super::ports::Ports;
use super::room_access::tell_room;
use super::room_request::RoomOp;
use crate::auth::Identity;
use crate::db;
use crate::error::{Code, Refusal};
use crate::ids::UserId;
use crate::limits::BLOCKS_MAX;
use serde_json::json;

/// `PUT` and `DELETE /people/:id/block`: once it is answered, the other one can write no message to the caller, or can again.
pub async fn set<P: Ports>(cx: CallerContext<'_, P>, is_block: bool) -> Result<Reply, Refusal> {
    let CallerContext { ports, caller, params, .. } = cx;
    let person = person_id(params.get("user"))?;
    if is_block {
        ensure_can_be_blocked(ports, &caller, &person).await?;
    }
    let done = db::set_block(ports.db(), (&caller.tenant, &caller.user), &person, is_block).await;
    let done = done.map_err(database_unavailable)?;
    if done.is_full {
        return Err(Refusal::invalid("user", &format!("at most {BLOCKS_MAX} people can be blocked")));
    }
    if let Some(room) = done.room {
        tell_room(ports, &caller, room, RoomOp::Refresh {}).await?;
    }
    Ok(Reply::ok(json!({"userId": person})))
}

async fn ensure_can_be_blocked<P: Ports>(
    ports: &P,
    caller: &Identity,
    person: &UserId,
) -> Result<(), Refusal> {
    if *person == caller.user {
        return Err(Refusal::invalid("user", "nobody can block themselves"));
    }
    find_person(ports, caller, ports.directory(), person).await.map(drop)
}

/// `GET /people/me/blocks`.
pub async fn list<P: Ports>(cx: CallerContext<'_, P>) -> Result<Reply, Refusal> {
    let CallerContext { ports, caller, .. } = cx;
    let people = db::list_blocks(ports.db(), &caller.tenant, &caller.user).await;
    Ok(Reply::ok(json!({"people": people.map_err(database_unavailable)?})))
}

/// The caller may open a room with these people, or add them to one.
///
/// # Takes   `field`: the field of the body that names them. `dm_key`: that of the direct room that would be opened.
/// # Errors  blocked → one of them has blocked the caller; person_not_found → somebody is unknown, where the variable
/// `UNKNOWN_PEOPLE` is `refuse`.
pub async fn ensure_may_meet<P: Ports>(
    ports: &P,
    caller: &Identity,
    (field, people): (&str, &[UserId]),
    dm_key: Option<String>,
) -> Result<(), Refusal> {
    let known_only = ports.refuses_unknown_people().then(|| ports.directory());
    let who = (&caller.tenant, &caller.user);
    let meeting = db::meeting(ports.db(), who, people, dm_key, known_only).await;
    let meeting = meeting.map_err(database_unavailable)?;
    match meeting.unknown {
        Some(_) => Err(no_such_person().field(field)),
        None if meeting.blocked => {
            Err(Refusal::new(Code::Blocked, "not possible with these people").field(field))
        }
        None => Ok(()),
    }
}

/// Reads the variable `UNKNOWN_PEOPLE`: whether people who are not known can't be added.
///
/// # Errors  what is wrong with it.
pub fn parse_unknown_people(text: &str) -> Result<bool, String> {
    match text.trim() {
        "" | "allow" => Ok(false),
        "refuse" => Ok(true),
        other => Err(format!("UNKNOWN_PEOPLE: {other:?} is none of allow, refuse")),
    }
}
