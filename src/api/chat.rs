//! `GET /chat`, the upgrade to a WebSocket: everything that can be refused before the upgrade is refused here.
//! Not here: where a credential is found (`auth`), and what a connection receives (`room::session`).

use super::context::{RoomContext, Unauthenticated, count_at_edge};
use super::http::{Query, Reply, header, no_such_room};
use super::ports::Ports;
use super::room_request::{RoomOp, UpgradeRequest};
use crate::auth::{self, Credential, Identity};
use crate::error::{Code, Refusal};
use crate::ids::{RoomId, Seq};
use crate::limits::{HISTORY_DEFAULT, HISTORY_MAX};

/// # Takes  `raw_query`: the query still percent-encoded, as `auth` reads it.
pub async fn upgrade<P: Ports>(cx: Unauthenticated<'_, '_, P>, raw_query: &str) -> Result<Reply, Refusal> {
    let (caller, batches) = authenticate_upgrade(&cx, raw_query).await?;
    let Unauthenticated { ports, params, query, .. } = cx;
    let room = query.text("roomId").ok_or_else(|| Refusal::bad_field("roomId", "a room's id"))?;
    let (since, history) = (since(&query)?, history(&query)?);
    let room = RoomId::parse(room).ok_or_else(no_such_room)?;
    let cx = RoomContext { ports, caller, room, params, query };
    let membership = cx.membership().await?;
    let op = RoomOp::Upgrade(UpgradeRequest { batches, since, history });
    Ok(Reply::Upgrade(Box::new(cx.request(membership, op))))
}

/// Who opens a WebSocket, and whether their client speaks `chat.v1`.
///
/// # Errors  whatever can be refused by the credential alone; `rate_limited` past a rate of the edge.
pub async fn authenticate_upgrade<P: Ports>(
    cx: &Unauthenticated<'_, '_, P>,
    raw_query: &str,
) -> Result<(Identity, bool), Refusal> {
    let Unauthenticated { ports, route, headers, .. } = cx;
    if !header(headers, "upgrade").is_some_and(|upgrade| upgrade.eq_ignore_ascii_case("websocket")) {
        return Err(Refusal::new(Code::UpgradeRequired, "this is a WebSocket's address"));
    }
    let found = auth::upgrade_credential(headers, raw_query, ports.config())?;
    let caller = match &found.credential {
        Credential::Bearer(token) => ports.authenticate(token).await?,
        Credential::Ticket(ticket) => ports
            .redeem_ticket(ticket)
            .await?
            .ok_or_else(|| Refusal::new(Code::Unauthenticated, "the ticket is used, expired or unknown"))?,
    };
    auth::refuse_other_user(raw_query, &caller)?;
    count_at_edge(*ports, &caller, *route).await?;
    ports.note_person(&caller);
    Ok((caller, found.chat_v1))
}

/// `since` and the `epoch` that it belongs to.
pub fn since(query: &Query) -> Result<Option<(Seq, String)>, Refusal> {
    match (query.integer("since")?, query.text("epoch")) {
        (Some(since), Some(epoch)) => Ok(Some((since, epoch.to_owned()))),
        (Some(_), None) => Err(Refusal::bad_field("epoch", "the log that since belongs to")),
        (None, _) => Ok(None),
    }
}

/// `history`, clamped to 0–100 (HIST-1), also from below 0 and from above 2^53.
fn history(query: &Query) -> Result<u64, Refusal> {
    let Some(text) = query.text("history") else { return Ok(HISTORY_DEFAULT) };
    match text.parse::<f64>() {
        Ok(n) if n.fract() == 0.0 => Ok(n.clamp(0.0, HISTORY_MAX as f64) as u64),
        _ => Err(Refusal::bad_field("history", "an integer")),
    }
}
