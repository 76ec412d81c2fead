//! The threads that a person follows, over all of their rooms (migrations/0031_threads.sql).
//! Not here: who follows a thread (`room::message_row`), and a thread's replies (`room::thread`).

use super::place::Place;
use super::port::{DbError, Postgres, decode};
use super::projection::MessageRow;
use crate::ids::{RoomId, Seq, TenantId, UserId};
use crate::limits::*;
use serde::Deserialize;
use serde_json::json;

/// A page of threads.
#[derive(Debug, Deserialize)]
pub struct ThreadsPage {
    pub found: Vec<FollowedThread>,
    /// There may be more behind this place.
    pub next: Option<Place>,
}

/// A thread as one of its followers sees it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FollowedThread {
    pub room_id: RoomId,
    pub root: MessageRow,
    /// The person's marker of the thread, or else of the room.
    pub last_read_seq: Seq,
    pub unread: u64,
}

/// At most `limit` of the threads that the person follows behind `place`, newest reply first. A page may be short, or
/// empty, and still have a next place.
///
/// # Cost  at most `THREADS_FEW_MAX` threads of the person, or `THREADS_WALK_MAX` of the tenant; and of each thread of the
/// page up to `THREAD_REPLIES_WALK_MAX` replies.
pub async fn list_threads(
    db: &impl Postgres,
    tenant: &TenantId,
    user: &UserId,
    place: &Place,
    limit: u64,
) -> Result<ThreadsPage, DbError> {
    let input = json!({"tenant": tenant, "user": user, "place": place, "limit": limit, "bytesMax": PAGE_BYTES_MAX,
                       "roomsMax": THREADS_ROOMS_MAX, "fewMax": THREADS_FEW_MAX, "walkMax": THREADS_WALK_MAX,
                       "bounds": {"countMax": UNREAD_MAX, "walkMax": THREAD_REPLIES_WALK_MAX}});
    decode(db.query("SELECT chat_list_threads_v1($1)", input).await?)
}

/// The person has read the thread with this root up to here. Gives their marker; `None`: they do not follow the thread,
/// and nothing is kept.
///
/// # Laws  a marker never goes back.
/// # Cost  a row, without an entry of an index.
pub async fn mark_thread_read(
    db: &impl Postgres,
    (tenant, user): (&TenantId, &UserId),
    (room, root): (&RoomId, Seq),
    seq: Seq,
) -> Result<Option<Seq>, DbError> {
    let input = json!({"tenant": tenant, "user": user, "room": room, "root": root, "seq": seq});
    decode(db.query("SELECT chat_mark_thread_read_v1($1)", input).await?)
}
