//! A room's row against its object: putting back what a restored backup of Postgres has lost, and deleting a room.
//! Not here: when a room does either (`room::restore`, `room::deletion`).

use super::access::RoomSnapshot;
use super::port::{DbError, Postgres, decode, encode};
use super::rooms::direct_key;
use crate::ids::{RoomId, TenantId};
use crate::limits::ERASE_ROWS_MAX;
use crate::protocol::room::RoomKind;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// A room as its object knows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RoomCopy {
    pub tenant: TenantId,
    pub room: RoomId,
    /// The two people of a direct room as `create_room` stores them.
    pub dm_key: Option<String>,
    #[serde(flatten)]
    pub snapshot: RoomSnapshot,
}

impl RoomCopy {
    pub fn new(tenant: TenantId, room: RoomId, snapshot: RoomSnapshot) -> Self {
        let people = snapshot.members.iter().map(|member| &member.user_id);
        let dm_key = (snapshot.kind == RoomKind::Direct).then(|| direct_key(people));
        Self { tenant, room, dm_key, snapshot }
    }
}

/// What Postgres has after `restore_room`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "lowercase", rename_all_fields = "camelCase")]
pub enum Restored {
    /// It had lost the room or a change of it, and is now what the copy says.
    Done,
    /// It has this version, which is not older than the copy's. Nothing was changed.
    Current { members_version: u64 },
    /// The room was deleted, and is not put back.
    Deleted,
    /// The two people have another direct room by now. Nothing was changed.
    Replaced,
}

/// The room's row, members, settings and bans are at least as new as the copy, unless the room was deleted.
///
/// Postgres alone raises a room's version, and it is read here under the room's lock. So a version below the copy's, or
/// no row, proves that Postgres was restored from a backup. A deletion is proven by the row's mark or by
/// `chat_deleted_rooms`.
///
/// # Laws  a copy never replaces a version that is equal or newer, however late the statement arrives.
/// # Cost  one statement; up to 500 members and as many bans are written, and that only after a restore.
pub async fn restore_room(db: &impl Postgres, copy: &RoomCopy) -> Result<Restored, DbError> {
    decode(db.query("SELECT chat_restore_room_v1($1)", encode(copy)?).await?)
}

/// Deletes a piece of a deleted room; true while there are more. The room's row is the last one. A room that a restored
/// backup has brought back is deleted again.
///
/// # Cost  at most `ERASE_ROWS_MAX` rows.
pub async fn erase_room(db: &impl Postgres, tenant: &TenantId, room: &RoomId) -> Result<bool, DbError> {
    let input = json!({"tenant": tenant, "room": room, "rowsMax": ERASE_ROWS_MAX});
    decode(db.query("SELECT chat_erase_room_v1($1)", input).await?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::UserId;

    #[test]
    fn the_key_of_a_direct_room_does_not_depend_on_the_order_of_its_people() {
        let user = |name: &str| UserId::parse(name).unwrap();
        let (a, b) = (user("a\",\"b"), user("c"));
        assert_eq!(direct_key([&a, &b].into_iter()), direct_key([&b, &a].into_iter()));
        assert_ne!(direct_key([&a, &b].into_iter()), direct_key([&user("a"), &user("b\",\"c")].into_iter()));
    }
}
