//! Mentions of the caller in all of their rooms, over REST.
//! Not here: the statement (`db::mentions`).

use super::context::CallerContext;
use super::http::{Reply, database_unavailable};
use super::ports::Ports;
use crate::db::{self, Found, Place};
use crate::error::Refusal;
use crate::room::message_for;
use serde_json::json;

/// `GET /mentions`.
pub async fn list<P: Ports>(cx: CallerContext<'_, P>) -> Result<Reply, Refusal> {
    let CallerContext { ports, caller, query, .. } = cx;
    let limit = query.limit()?;
    let place = query.cursor().map(Place::parse).transpose()?.unwrap_or_else(Place::newest);
    // One more than the page shows whether there is a next page.
    let found = db::mentions(ports.db(), &caller.tenant, &caller.user, &place, limit.saturating_add(1)).await;
    let mut found = found.map_err(database_unavailable)?;
    let next_cursor = truncate_to_page(&mut found, limit);
    let messages: Vec<_> = found
        .into_iter()
        .map(|found| message_for(&caller.user, &caller.tenant, &found.room_id, found.message))
        .collect();
    Ok(Reply::ok(json!({"messages": messages, "nextCursor": next_cursor})))
}

/// Removes what is past the page.
///
/// # Gives   the cursor of the next page, if there is one.
fn truncate_to_page(found: &mut Vec<Found>, limit: u64) -> Option<String> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let has_more = found.len() > limit;
    found.truncate(limit);
    found.last().filter(|_| has_more).map(|last| last.place.text())
}
