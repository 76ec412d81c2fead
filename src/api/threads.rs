//! Threads over REST: one with its replies, those that the caller follows, and markers of their own.
//! Not here: which messages belong to a thread (`room::thread`), and the statements (`db::threads`).

use super::context::{CallerContext, RoomContext};
use super::http::{Body, Reply, Request, database_unavailable};
use super::ports::Ports;
use crate::db::{self, Place};
use crate::error::{Code, Refusal};
use crate::ids::Seq;
use crate::room::{RoomCall, message_for};
use serde::Deserialize;
use serde_json::{Value, json};

/// `GET /rooms/:id/threads/:rootId`.
pub async fn get<P: Ports>(cx: RoomContext<'_, P>) -> Result<Reply, Refusal> {
    let (before, limit) = (cx.query.integer("before")?, Some(cx.query.limit()?));
    cx.call(RoomCall::Thread { root: cx.params.get("root").to_owned(), before, limit }).await
}

/// What the room says of a root.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Root {
    seq: Seq,
    /// Of the room's newest event.
    last_seq: Seq,
    thread_id: Option<String>,
}

/// `POST /rooms/:id/threads/:rootId/read`. The room knows the root before Postgres does.
pub async fn mark_read<P: Ports, B: Body>(
    cx: RoomContext<'_, P>,
    request: Request<B>,
) -> Result<Reply, Refusal> {
    let seq = request.read_fields().await?.integer("seq")?;
    let message = cx.params.get("root").to_owned();
    let root = match cx.call(RoomCall::Find { message, tombstones: true }).await? {
        Reply::Json { status: 200, body, .. } => {
            serde_json::from_str::<Root>(&body).map_err(|_| Refusal::fault())?
        }
        refused => return Ok(refused),
    };
    if root.thread_id.is_some() {
        return Err(Refusal::new(Code::MessageNotFound, "no such thread"));
    }
    let seq = seq.min(root.last_seq);
    let RoomContext { ports, caller, room, .. } = cx;
    let marker =
        db::mark_thread_read(ports.db(), (&caller.tenant, &caller.user), (&room, root.seq), seq).await;
    let marker = marker.map_err(database_unavailable)?;
    Ok(Reply::ok(json!({"lastReadSeq": marker.unwrap_or(seq)})))
}

/// `GET /threads`.
pub async fn list<P: Ports>(cx: CallerContext<'_, P>) -> Result<Reply, Refusal> {
    let CallerContext { ports, caller, query, .. } = cx;
    let limit = query.limit()?;
    let place = query.cursor().map(Place::parse).transpose()?.unwrap_or_else(Place::newest);
    let page = db::list_threads(ports.db(), &caller.tenant, &caller.user, &place, limit).await;
    let page = page.map_err(database_unavailable)?;
    let shown = |thread: db::FollowedThread| {
        let db::FollowedThread { room_id, root, last_read_seq, unread } = thread;
        let root = message_for(&caller.user, &caller.tenant, &room_id, root);
        let root = serde_json::to_value(root).unwrap_or_default();
        let of_root = |name: &str| root.get(name).cloned().unwrap_or_default();
        json!({"roomId": room_id, "replyCount": of_root("replyCount"), "lastReplyAt": of_root("lastReplyAt"),
               "lastReadSeq": last_read_seq, "unread": unread, "root": root})
    };
    let threads: Vec<Value> = page.found.into_iter().map(shown).collect();
    Ok(Reply::ok(json!({"threads": threads, "nextCursor": page.next.map(|place| place.text())})))
}
