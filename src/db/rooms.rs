//! Rooms as people see them: made, listed, looked at. Answers are the contract's JSON (PROTOCOL.md §2), made in SQL.
//! Not here: roles over a whole tenant (`me.role` is the one in the room), changes of members and settings.

use super::access::{Access, access_object};
use super::{DbError, Postgres, cursor, decode, iso};
use crate::error::Refusal;
use crate::ids::{INTEGER_MAX, RoomId, TenantId, UserId};
use crate::limits::{ROOM_MEMBERS_LISTED_MAX, UNREAD_MAX};
use crate::protocol::room::RoomKind;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// A room to be made. The caller has checked the number of people: two for `Direct`.
#[derive(Clone, Debug)]
pub struct NewRoom {
    pub tenant: TenantId,
    /// Drawn afresh for each request, and the same in its retries.
    pub id: RoomId,
    pub kind: RoomKind,
    pub name: Option<String>,
    pub creator: UserId,
    /// The creator may be among them; nobody counts twice.
    pub participants: Vec<UserId>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Created {
    /// The room as its creator sees it.
    pub room: Value,
    /// Whether this request made it, rather than finding the pair's room.
    pub created: bool,
}

/// `DO UPDATE` that changes nothing, and not `DO NOTHING`: only so does the row of the one who was first come back.
macro_rules! create {
    ($key:literal, $role_of_creator:literal) => {
        concat!(
            "
WITH room AS (
    INSERT INTO chat_rooms (tenant_id, id, type, name, dm_key, created_by)
    VALUES ($1->>'tenant', $1->>'id', $1->>'type', $1->>'name', $1->>'dmKey', $1->>'creator')
    ON CONFLICT ",
            $key,
            " DO UPDATE SET id = chat_rooms.id
    RETURNING tenant_id, id
), members AS (
    INSERT INTO chat_room_members (tenant_id, room_id, user_id, role)
    SELECT room.tenant_id, room.id, person, CASE WHEN person = $1->>'creator' THEN '",
            $role_of_creator,
            "' ELSE 'member' END
    FROM room, jsonb_array_elements_text($1->'people') AS person
    ON CONFLICT DO NOTHING
)
SELECT to_json(id) FROM room"
        )
    };
}
const CREATE_DIRECT: &str = create!("(tenant_id, dm_key)", "member");
const CREATE_GROUP: &str = create!("(tenant_id, id)", "owner");

/// The room is there, with its members; a pair of people has one room for ever, however many create it at once.
///
/// # Laws  room and members are one transaction. A retry answers like the first try, `created` included: whoever's
/// id the room bears has made it.
/// # Cost  two statements, the second for the answer.
pub async fn create_room(db: &impl Postgres, new: &NewRoom) -> Result<Created, DbError> {
    let people: BTreeSet<&str> = new.participants.iter().chain([&new.creator]).map(UserId::as_str).collect();
    let (sql, dm_key) = match new.kind {
        // A JSON array of the two in order: injective whatever characters they are made of.
        RoomKind::Direct => (CREATE_DIRECT, Some(json!(people).to_string())),
        RoomKind::Group => (CREATE_GROUP, None),
    };
    let input = json!({"tenant": new.tenant, "id": new.id, "type": new.kind, "name": new.name,
                       "dmKey": dm_key, "creator": new.creator, "people": people});
    let id: RoomId = match db.query(sql, input.clone()).await {
        // The same request ran at the same moment: its id stood in the primary key before its pair could be seen.
        Err(e) if e.is("23505") => decode(db.query(sql, input).await?)?,
        answer => decode(answer?)?,
    };
    match get_room(db, &new.tenant, &new.creator, &id).await? {
        Some(seen) => Ok(Created { room: seen.room, created: id == new.id }),
        // Deleted, or left, in between; another try makes it anew.
        None => Err(DbError { sqlstate: None, message: "the room went while it was made".into() }),
    }
}

/// SQL of how many messages are unread by the member `m` of the room `r`, who sees what is after `seen.since`: at most
/// `unreadMax`, none of their own, none that is deleted. What was said in a thread only is unread for those who follow it,
/// looked up one by one (`EXISTS` would be hashed: all followers of all rooms read).
macro_rules! unread {
    () => {
        "(
        SELECT count(*) FROM (
            SELECT FROM chat_messages c
            WHERE c.tenant_id = r.tenant_id AND c.room_id = r.id AND c.seq > greatest(m.last_read_seq, seen.since)
              AND c.user_id <> m.user_id
              AND c.deleted_at IS NULL
              AND (c.thread_id IS NULL OR c.also_to_room OR (
                SELECT true FROM chat_thread_followers f
                WHERE f.tenant_id = c.tenant_id AND f.room_id = c.room_id AND f.thread_seq = c.thread_seq
                  AND f.user_id = m.user_id LIMIT 1))
            ORDER BY c.seq LIMIT ($1->>'unreadMax')::bigint) counted)"
    };
}
/// SQL of how many unread messages call `m`, threads included: exactly.
macro_rules! mentions {
    () => {
        "(
        SELECT count(*) FROM chat_messages c
        WHERE c.tenant_id = r.tenant_id AND c.room_id = r.id AND c.seq > greatest(m.last_read_seq, seen.since)
          AND c.user_id <> m.user_id AND (c.mentions <> '[]' OR c.mentions_room) AND c.deleted_at IS NULL
          AND (c.mentions_room OR c.mentions ? m.user_id))"
    };
}
/// SQL of the lateral `seen`: up to where the member `m` of the room `r` may see nothing.
macro_rules! seen {
    () => {
        "
CROSS JOIN LATERAL (
    SELECT CASE r.history_visibility WHEN 'since_join' THEN m.joined_seq ELSE 0 END AS since) seen"
    };
}
pub(super) use {mentions, seen, unread};

/// SQL of one room object, out of the room's row `r` and the asking member's row `m`.
/// A message shows in the room unless it is deleted or was said in a thread only.
macro_rules! room_object {
    () => {
        concat!(
            "json_build_object(
    'id', r.id, 'tenantId', r.tenant_id, 'type', r.type, 'name', r.name, 'topic', r.topic,
    'createdBy', r.created_by, 'createdAt', ",
            iso!("r.created_at"),
            ", 'archived', r.archived_at IS NOT NULL,
    'historyVisibility', r.history_visibility, 'roomMention', r.room_mention,
    'slowModeS', r.slow_mode_s, 'participantIds', listed.ids, 'members', listed.members,
    'memberCount', (SELECT count(*) FROM chat_room_members a WHERE a.tenant_id = r.tenant_id AND a.room_id = r.id),
    'lastMessageAt', ",
            iso!("r.last_message_at"),
            ", 'lastMessage', (
        SELECT json_build_object('id', c.id, 'seq', c.seq, 'userId', c.user_id, 'content', left(c.content, 200),
            'contentType', c.content_type, 'createdAt', ",
            iso!("c.created_at"),
            ")
        FROM chat_messages c
        WHERE c.tenant_id = r.tenant_id AND c.room_id = r.id AND c.seq > seen.since
          AND c.deleted_at IS NULL AND (c.thread_id IS NULL OR c.also_to_room)
        ORDER BY c.seq DESC LIMIT 1),
    'lastSeq', r.last_seq,
    'unread', ",
            unread!(),
            ",
    'mentions', ",
            mentions!(),
            ",
    'me', json_build_object('role', m.role, 'lastReadSeq', m.last_read_seq,
        'notify', json_build_object('level', m.notify_level, 'muteUntil', ",
            iso!("m.mute_until"),
            ")))"
        )
    };
}
/// What `room_object` needs beside `r` and `m`: the first members in the order of their ids, which is their page's
/// order too, and the seq up to which this person may see nothing.
macro_rules! room_laterals {
    () => {
        concat!(
            "
CROSS JOIN LATERAL (
    SELECT json_agg(l.user_id ORDER BY l.user_id) AS ids, json_agg(json_build_object(
        'userId', l.user_id, 'role', l.role, 'joinedAt', ",
            iso!("l.joined_at"),
            ") ORDER BY l.user_id) AS members
    FROM (SELECT a.user_id, a.role, a.joined_at FROM chat_room_members a
          WHERE a.tenant_id = r.tenant_id AND a.room_id = r.id
          ORDER BY a.user_id LIMIT ($1->>'listedMax')::bigint) l) listed",
            seen!()
        )
    };
}

const GET: &str = concat!(
    "
SELECT coalesce((
    SELECT json_build_object('access', ",
    access_object!(),
    ", 'room', ",
    room_object!(),
    ")
    FROM chat_room_members m
    JOIN chat_rooms r ON r.tenant_id = m.tenant_id AND r.id = m.room_id",
    room_laterals!(),
    "
    WHERE m.tenant_id = $1->>'tenant' AND m.room_id = $1->>'room' AND m.user_id = $1->>'user'
), 'null')"
);

/// A room as one of its members sees it, and how they stand to it.
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
    let input = json!({"tenant": tenant, "user": user, "room": room,
                       "unreadMax": UNREAD_MAX, "listedMax": ROOM_MEMBERS_LISTED_MAX});
    decode(db.query(GET, input).await?)
}

/// One row more than the page tells whether there is a next one. The page is cut before anything is counted.
/// `LIMIT 1` keeps the rooms looked up one by one: joined, the planner reads all rooms of all tenants from 90 on.
const LIST: &str = concat!(
    "
WITH mine AS MATERIALIZED (
    SELECT m.tenant_id, m.room_id, m.user_id, r.last_message_at IS NOT NULL AS used,
        coalesce(r.last_message_at, r.created_at) AS at
    FROM chat_room_members m
    CROSS JOIN LATERAL (
        SELECT a.id, a.last_message_at, a.created_at FROM chat_rooms a
        WHERE a.tenant_id = m.tenant_id AND a.id = m.room_id LIMIT 1) r
    WHERE m.tenant_id = $1->>'tenant' AND m.user_id = $1->>'user'
      AND ($1->'used' = 'null' OR (r.last_message_at IS NOT NULL, coalesce(r.last_message_at, r.created_at), r.id)
        < (($1->>'used')::boolean, 'epoch'::timestamptz + ($1->>'atUs')::bigint * interval '1 microsecond', $1->>'id'))
    ORDER BY used DESC, at DESC, r.id DESC
    LIMIT ($1->>'limit')::bigint + 1
), page AS MATERIALIZED (
    SELECT * FROM mine ORDER BY used DESC, at DESC, room_id DESC LIMIT ($1->>'limit')::bigint
)
SELECT json_build_object(
    'rooms', (
        SELECT coalesce(json_agg(",
    room_object!(),
    " ORDER BY p.used DESC, p.at DESC, p.room_id DESC), '[]')
        FROM page p
        JOIN chat_rooms r ON r.tenant_id = p.tenant_id AND r.id = p.room_id
        JOIN chat_room_members m ON m.tenant_id = p.tenant_id AND m.room_id = p.room_id AND m.user_id = p.user_id",
    room_laterals!(),
    "),
    'next', CASE WHEN (SELECT count(*) FROM mine) > ($1->>'limit')::bigint THEN (
        SELECT json_build_object('used', p.used, 'atUs', (extract(epoch FROM p.at) * 1000000)::bigint, 'id', p.room_id)
        FROM page p ORDER BY p.used, p.at, p.room_id LIMIT 1) END)"
);

/// A page of somebody's rooms.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RoomPage {
    pub rooms: Vec<Value>,
    pub next_cursor: Option<String>,
}

/// The place after the last room of a page. It names that room's activity, so rooms that rise meanwhile come neither
/// twice nor push others out; they are on the first page.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RoomCursor {
    used: bool,
    /// Unix microseconds: what Postgres compares, exactly.
    at_us: u64,
    id: RoomId,
}

impl RoomCursor {
    /// # Errors  `bad_request`: not one that a page gave.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        cursor::parse(text, |c: &Self| c.at_us <= INTEGER_MAX && RoomId::parse(c.id.as_str()).is_some())
    }

    fn text(&self) -> String {
        cursor::text(self)
    }
}

/// My rooms: newest activity first, then those never used, newest first.
///
/// # Takes  `limit` ≥ 1, clamped by the caller.
/// # Cost  all memberships of the person are looked through for the order; the rest only for the page's rooms.
pub async fn list_rooms(
    db: &impl Postgres,
    tenant: &TenantId,
    user: &UserId,
    cursor: Option<&RoomCursor>,
    limit: u64,
) -> Result<RoomPage, DbError> {
    let input = json!({"tenant": tenant, "user": user, "limit": limit,
                       "used": cursor.map(|c| c.used), "atUs": cursor.map(|c| c.at_us), "id": cursor.map(|c| &c.id),
                       "unreadMax": UNREAD_MAX, "listedMax": ROOM_MEMBERS_LISTED_MAX});
    #[derive(Deserialize)]
    struct Answer {
        rooms: Vec<Value>,
        next: Option<RoomCursor>,
    }
    let answer: Answer = decode(db.query(LIST, input).await?)?;
    Ok(RoomPage { rooms: answer.rooms, next_cursor: answer.next.map(|c| c.text()) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;

    #[test]
    fn a_cursor_comes_back_as_it_went_and_a_broken_one_is_a_bad_request() {
        let id = RoomId::parse("räum \"1\"").unwrap();
        let cursor = RoomCursor { used: true, at_us: 1_795_424_703_120_000, id };
        assert_eq!(RoomCursor::parse(&cursor.text()), Ok(cursor.clone()));
        let hex = |text: &str| text.bytes().map(|b| format!("{b:02x}")).collect::<String>();
        let far = hex(r#"{"used":true,"atUs":9007199254740992,"id":"r"}"#);
        let no_id = hex(r#"{"used":true,"atUs":1,"id":""}"#);
        for bad in ["", "x", "zz", "7b7", "7b7d", "é", &cursor.text()[2..], &far, &no_id] {
            assert_eq!(RoomCursor::parse(bad).unwrap_err().code, Code::BadRequest, "{bad}");
        }
    }
}
