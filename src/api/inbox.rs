//! `GET /chat/inbox`, the upgrade to a person's inbox.
//! Not here: what a connection receives (`crate::inbox`).

use super::chat::{authenticate_upgrade, since};
use super::context::Unauthenticated;
use super::http::Reply;
use super::inbox_request::InboxUpgrade;
use super::ports::Ports;
use crate::error::Refusal;

/// # Takes  `raw_query`: the query still percent-encoded, as `auth` reads it.
pub async fn upgrade<P: Ports>(cx: Unauthenticated<'_, '_, P>, raw_query: &str) -> Result<Reply, Refusal> {
    let (caller, batches) = authenticate_upgrade(&cx, raw_query).await?;
    let since = since(&cx.query)?;
    Ok(Reply::OpenInbox(Box::new(InboxUpgrade { caller, batches, since })))
}
