//! What somebody reads over all of their rooms: what is unread, who calls them, and what they search for.
//! Not here: the statements (`db`), what is typed into a search (`sought`), one room's pages (`room`).

use super::search_query::SearchQuery;
use super::{Ports, Query, Reply, room_access, unavailable};
use crate::auth::Identity;
use crate::db::{self, Found, Place};
use crate::error::Refusal;
use crate::ids::RoomId;
use crate::limits::{PAGE_DEFAULT, SEARCH_PAGE_DEFAULT};
use crate::protocol::message::Message;
use crate::room::message_of;
use serde_json::{Value, json};

/// `GET /unread`.
pub async fn unread<P: Ports>(ports: &P, caller: &Identity) -> Result<Reply, Refusal> {
    let rooms = db::unread(ports.db(), &caller.tenant, &caller.user).await.map_err(unavailable)?;
    Ok(Reply::ok(json!({"rooms": rooms})))
}

/// `GET /mentions`.
pub async fn mentions<P: Ports>(ports: &P, caller: &Identity, query: &Query) -> Result<Reply, Refusal> {
    let limit = query.limit_or(PAGE_DEFAULT)?;
    let place = query.text("cursor").map(Place::parse).transpose()?.unwrap_or_else(Place::newest);
    let more = limit.saturating_add(1);
    let found = db::mentions(ports.db(), &caller.tenant, &caller.user, &place, more).await;
    let mut found = found.map_err(unavailable)?;
    let next = cut(&mut found, limit);
    let messages: Vec<Message> = found.into_iter().map(|found| message(caller, found)).collect();
    Ok(Reply::ok(json!({"messages": messages, "nextCursor": next})))
}

/// `GET /search`.
pub async fn search<P: Ports>(ports: &P, caller: &Identity, query: &Query) -> Result<Reply, Refusal> {
    let limit = query.limit_or(SEARCH_PAGE_DEFAULT)?;
    let SearchQuery { filter, before_ms } = SearchQuery::parse(query, &caller.user)?;
    let mut place = before_ms.map_or_else(Place::newest, Place::before);
    if let Some(cursor) = query.text("cursor") {
        place = place.older(Place::parse(cursor)?);
    }
    let (db, someone) = (ports.db(), (&caller.tenant, &caller.user));
    let scope = db::search_scope(db, someone.0, someone.1, &filter).await.map_err(unavailable)?;
    if scope.is_empty() && filter.room.is_some() {
        return Err(room_access::no_such_room());
    }
    let hits = match scope.is_empty() {
        true => db::Hits::default(),
        false => db::search(db, someone, (&filter, &scope), &place, limit).await.map_err(unavailable)?,
    };
    let hit = |found: Found| -> Value {
        let room_name = found.room_name.clone();
        json!({"message": message(caller, found), "roomName": room_name})
    };
    let next = hits.next.map(|place| place.text());
    Ok(Reply::ok(json!({"hits": hits.found.into_iter().map(hit).collect::<Vec<_>>(), "nextCursor": next})))
}

/// Cuts what was asked for with one more down to its page; where the next begins, if there is one.
fn cut(found: &mut Vec<Found>, limit: u64) -> Option<String> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = found.len() > limit;
    found.truncate(limit);
    found.last().filter(|_| more).map(|last| last.place.text())
}

fn message(caller: &Identity, Found { room_id, message, .. }: Found) -> Message {
    message_of(&caller.tenant, &room_id, message)
}

/// A room's id in a query.
///
/// # Errors  `room_not_found`: what is no id is no room either.
pub fn room_in(query: &Query, name: &str) -> Result<Option<RoomId>, Refusal> {
    query.text(name).map(|id| RoomId::parse(id).ok_or_else(room_access::no_such_room)).transpose()
}
