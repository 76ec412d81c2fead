//! Rooms as clients see them: created, listed, read. The answers are the contract's JSON (docs/PROTOCOL.md, "14.
//! REST"), which SQL builds (`chat_room_json_v2` of migrations/0009_count_unread_in_bounds.sql).
//! Not here: roles of a whole tenant (`me.role` is the role in the room), changes of members and settings (`people`).

use super::access::Access;
use super::cursor;
use super::port::{DbError, Postgres, decode};
use super::unread::bounds;
use crate::error::Refusal;
use crate::ids::{INTEGER_MAX, RoomId, TenantId, UserId};
use crate::limits::{LISTED_SORTED_MAX, LISTED_WALK_MAX, PAGE_BYTES_MAX};
use crate::protocol::room::RoomKind;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// A room to be created. The caller has checked the number of people: two for `Direct`.
#[derive(Clone, Debug)]
pub struct NewRoom {
    pub tenant: TenantId,
    /// The same in each retry of a request.
    pub id: RoomId,
    /// Whether later requests have this id too, as it is derived from a `clientId`. Otherwise it is random.
    pub is_repeatable: bool,
    pub kind: RoomKind,
    pub name: Option<String>,
    pub creator: UserId,
    /// The creator may be among them; nobody is added twice.
    pub participants: Vec<UserId>,
    /// The creator's quota of new rooms in a day, and everybody's of rooms to be in.
    pub create_per_day: u64,
    pub rooms_per_person: u64,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Created {
    pub id: RoomId,
    /// The room as its creator sees it.
    pub room: Value,
    /// Whether this request created it; otherwise the two people had a room already, or an earlier request with the same
    /// `clientId` created it.
    pub created: bool,
    /// The members whose inbox is open.
    pub inboxes: Vec<UserId>,
}

/// The room exists with its members. Two people have one direct room, however many requests create it at once; so has
/// a repeatable id one group. `None`: a repeatable request's room exists, but its creator is not in it any more,
/// or it was deleted.
///
/// # Laws  room and members are one transaction. A retry answers like the first try, `created` included: the request
/// whose id the room has is the one that created it. Of repeatable requests it is the one that inserted the row.
/// # Errors  one with a `quota`: nothing was created.
/// # Cost  two statements, the second for the answer.
pub async fn create_room(db: &impl Postgres, new: &NewRoom) -> Result<Option<Created>, DbError> {
    let people: BTreeSet<&str> = new.participants.iter().chain([&new.creator]).map(UserId::as_str).collect();
    let sql = "SELECT chat_create_room_v3($1)";
    let dm_key =
        (new.kind == RoomKind::Direct).then(|| direct_key(new.participants.iter().chain([&new.creator])));
    let input = json!({"tenant": new.tenant, "id": new.id, "type": new.kind, "name": new.name,
                       "dmKey": dm_key, "creator": new.creator, "people": people,
                       "createPerDay": new.create_per_day, "roomsPerPerson": new.rooms_per_person});
    #[derive(Deserialize)]
    struct Row {
        id: RoomId,
        inserted: bool,
        inboxes: Option<Vec<UserId>>,
    }
    let Row { id, inserted, inboxes } = match db.query(sql, input.clone()).await {
        // The same request ran at the same moment and its id was inserted first.
        Err(e) if e.has_state("23505") => decode(db.query(sql, input).await?)?,
        answer => decode(answer?)?,
    };
    match get_room(db, &new.tenant, &new.creator, &id).await? {
        Some(seen) => {
            let created = if new.is_repeatable { inserted } else { id == new.id };
            Ok(Some(Created { id, room: seen.room, created, inboxes: inboxes.unwrap_or_default() }))
        }
        None if new.is_repeatable && !inserted => Ok(None),
        // The room was deleted, or its creator left, in between; a retry creates it again.
        None => Err(DbError { sqlstate: None, message: "the room was deleted while it was created".into() }),
    }
}

/// What a direct room of these people is found by: a JSON array of the two in order. Two pairs never have the same key,
/// whatever their ids contain.
pub fn direct_key<'a>(people: impl Iterator<Item = &'a UserId>) -> String {
    json!(people.map(UserId::as_str).collect::<BTreeSet<&str>>()).to_string()
}

/// A room as one of its members sees it, and how the member stands to it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct RoomSeen {
    pub access: Access,
    pub room: Value,
}

/// One room as one of its members sees it; `None`: no such room, or not in it.
pub async fn get_room(
    db: &impl Postgres,
    tenant: &TenantId,
    user: &UserId,
    room: &RoomId,
) -> Result<Option<RoomSeen>, DbError> {
    let input = json!({"tenant": tenant, "user": user, "room": room, "bounds": bounds()});
    decode(db.query(include_str!("sql/get_room.sql"), input).await?)
}

/// A page of a person's rooms.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RoomPage {
    pub rooms: Vec<Value>,
    pub next_cursor: Option<String>,
}

/// The place at which a page ends: the last activity of its last room, or where the search for rooms was broken off. Rooms
/// with newer activity are on the first page, so they neither come twice nor push others off a page.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RoomCursor {
    used: bool,
    /// Unix microseconds: what Postgres compares, exactly.
    at_us: u64,
    /// Empty: in front of all rooms of this moment.
    id: String,
}

impl RoomCursor {
    /// # Errors  `bad_request`: no page returned this cursor.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        cursor::parse(text, |c: &Self| {
            c.at_us <= INTEGER_MAX && (c.id.is_empty() || RoomId::parse(&c.id).is_some())
        })
    }

    fn text(&self) -> String {
        cursor::format(self)
    }
}

/// A person's rooms: newest activity first, then rooms without messages, newest first. A page may be short, or empty, and
/// still have a cursor.
///
/// # Takes  `limit` ≥ 1, clamped by the caller.
/// # Cost  up to `LISTED_SORTED_MAX` memberships and their rooms, or about `LISTED_WALK_MAX` rooms of the tenant; and the
/// rooms of the page.
pub async fn list_rooms(
    db: &impl Postgres,
    tenant: &TenantId,
    user: &UserId,
    cursor: Option<&RoomCursor>,
    limit: u64,
) -> Result<RoomPage, DbError> {
    let input = json!({"tenant": tenant, "user": user, "limit": limit, "after": cursor, "bytesMax": PAGE_BYTES_MAX,
                       "fewMax": LISTED_SORTED_MAX, "walkMax": LISTED_WALK_MAX, "bounds": bounds()});
    #[derive(Deserialize)]
    struct Answer {
        rooms: Vec<Value>,
        next: Option<RoomCursor>,
    }
    let answer: Answer = decode(db.query("SELECT chat_list_rooms_v1($1)", input).await?)?;
    Ok(RoomPage { rooms: answer.rooms, next_cursor: answer.next.map(|c| c.text()) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;

    #[test]
    fn a_cursor_comes_back_as_it_went_and_a_broken_one_is_a_bad_request() {
        let id = "räum \"1\"".to_owned();
        let cursor = RoomCursor { used: true, at_us: 1_795_424_703_120_000, id };
        assert_eq!(RoomCursor::parse(&cursor.text()), Ok(cursor.clone()));
        let hex = |text: &str| text.bytes().map(|b| format!("{b:02x}")).collect::<String>();
        let far = hex(r#"{"used":true,"atUs":9007199254740992,"id":"r"}"#);
        let no_id = hex(r#"{"used":true,"atUs":1,"id":"."}"#);
        for bad in ["", "x", "zz", "7b7", "7b7d", "é", &cursor.text()[2..], &far, &no_id] {
            assert_eq!(RoomCursor::parse(bad).unwrap_err().code, Code::BadRequest, "{bad}");
        }
    }
}
