//! Search over all of the caller's rooms.
//! Not here: the query's grammar (`search_query`), and the statements (`db::search`).

use super::context::CallerContext;
use super::http::{Reply, database_unavailable, no_such_room};
use super::ports::Ports;
use super::search_query::SearchQuery;
use crate::db::{self, Found, Hits, Place};
use crate::error::Refusal;
use crate::limits::SEARCH_PAGE_DEFAULT;
use crate::room::message_for;
use serde_json::{Value, json};

/// `GET /search`.
pub async fn search<P: Ports>(cx: CallerContext<'_, P>) -> Result<Reply, Refusal> {
    let CallerContext { ports, caller, query, .. } = cx;
    let limit = query.limit_or(SEARCH_PAGE_DEFAULT)?;
    let SearchQuery { filter, before_ms } = SearchQuery::parse(&query, &caller.user)?;
    let mut place = before_ms.map_or_else(Place::newest, Place::before);
    if let Some(cursor) = query.cursor() {
        place = place.older(Place::parse(cursor)?);
    }
    let db = ports.db();
    let scope = db::search_scope(db, &caller.tenant, &caller.user, &filter).await;
    let scope = scope.map_err(database_unavailable)?;
    if scope.is_empty() && filter.room.is_some() {
        return Err(no_such_room());
    }
    let hits = match scope.is_empty() {
        true => Hits::default(),
        false => db::search(db, (&caller.tenant, &caller.user), (&filter, &scope), &place, limit)
            .await
            .map_err(database_unavailable)?,
    };
    let hit = |Found { room_id, room_name, message, .. }: Found| -> Value {
        let sender =
            hits.people.get(&message.user_id).map_or(&message.user_id, |person| &person.name).clone();
        json!({"message": message_for(&caller.user, &caller.tenant, &room_id, message), "roomName": room_name,
               "senderName": sender})
    };
    let next_cursor = hits.next.map(|place| place.text());
    let hits: Vec<Value> = hits.found.into_iter().map(hit).collect();
    Ok(Reply::ok(json!({"hits": hits, "nextCursor": next_cursor})))
}
