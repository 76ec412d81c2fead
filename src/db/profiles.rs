//! People's profiles, and the directory that finds people by parts of their names and ids. The answers are the
//! contract's JSON (docs/PROTOCOL.md, "People"), which SQL builds (migrations/0021_profiles.sql).
//! Not here: who may change what (`api::people`), and members of rooms (`members`, `people`).

use super::access::Account;
use super::cursor::{self, Page, PageAnswer};
use super::port::{DbError, Postgres, decode};
use crate::auth::Identity;
use crate::error::Refusal;
use crate::ids::{RoomId, TenantId, UserId};
use crate::limits::{
    DIRECTORY_FOUND_MAX, DIRECTORY_NEAR_MEMBERS_MAX, DIRECTORY_NEAR_ROOMS_MAX, DIRECTORY_SHARED_FOUND_MAX,
    DIRECTORY_SORT_CHARS_MAX, DIRECTORY_WALK_MAX, SESSION_ROOMS_AT_ONCE,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// Who writes a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ProfileWriter {
    /// The claims of a person's token: they change nothing that an admin has set.
    Token,
    Person,
    Admin,
}

/// Fields of one person's profile. Fields that are absent stay as they are; `null` clears.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProfilePut {
    pub user_id: UserId,
    pub set: Map<String, Value>,
}

/// Whom the directory lists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Directory {
    /// Everybody of the tenant.
    #[default]
    Tenant,
    /// Only people with whom the caller shares a room.
    Rooms,
}

impl Directory {
    /// Reads the variable `DIRECTORY`; an empty one is the default.
    ///
    /// # Errors  what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text.trim() {
            "" | "tenant" => Ok(Self::Tenant),
            "rooms" => Ok(Self::Rooms),
            other => Err(format!("DIRECTORY: {other:?} is none of tenant, rooms")),
        }
    }
}

/// The place behind the last person of a page.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DirectoryPlace {
    /// Behind the people of the caller's newest rooms.
    far: bool,
    sort: String,
    id: UserId,
}

impl DirectoryPlace {
    /// # Errors  `bad_request`: no page returned this cursor.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        cursor::parse(text, |place: &Self| {
            place.sort.chars().count() <= DIRECTORY_SORT_CHARS_MAX
                && !place.sort.contains('\0')
                && UserId::parse(place.id.as_str()).is_some()
        })
    }
}

/// The profiles have these fields, and everybody of them is known. Gives them in the order of their ids.
///
/// # Laws  what is the same is not written; sent twice, the second writes nothing new.
/// # Cost  one statement.
pub async fn put_people(
    db: &impl Postgres,
    tenant: &TenantId,
    by: ProfileWriter,
    people: &[ProfilePut],
) -> Result<Vec<Value>, DbError> {
    let input = json!({"tenant": tenant, "by": by, "people": people});
    decode(db.query("SELECT chat_put_people_v2($1)", input).await?)
}

/// These people, in the order of their ids; unknown ones are left out, and those whom `caller` may not see.
pub async fn people_by_id(
    db: &impl Postgres,
    (tenant, caller): (&TenantId, &UserId),
    directory: Directory,
    ids: &[UserId],
) -> Result<Vec<Value>, DbError> {
    let only_shared = directory == Directory::Rooms;
    let input = json!({"tenant": tenant, "user": caller, "ids": ids, "onlyShared": only_shared});
    decode(db.query(include_str!("sql/people_by_id.sql"), input).await?)
}

/// The caller's own profile with what only they see (`quietHours`, `presenceSetting`); `None`: they are not known yet.
pub async fn own_profile(
    db: &impl Postgres,
    tenant: &TenantId,
    caller: &UserId,
) -> Result<Option<Value>, DbError> {
    let input = json!({"tenant": tenant, "user": caller});
    decode(db.query(include_str!("sql/own_profile.sql"), input).await?)
}

/// A page of the directory: people whose names or ids contain each word of `q`, those of the caller's newest rooms
/// first, each in the order of their names. A page may be short and have a next one.
///
/// # Cost  bounded by `DIRECTORY_…`, however large the tenant is and however many rooms the caller is in.
pub async fn directory(
    db: &impl Postgres,
    (tenant, caller): (&TenantId, &UserId),
    directory: Directory,
    (q, place): (&str, Option<&DirectoryPlace>),
    limit: u64,
) -> Result<Page, DbError> {
    let only_shared = directory == Directory::Rooms;
    let found_max = if only_shared { DIRECTORY_SHARED_FOUND_MAX } else { DIRECTORY_FOUND_MAX };
    let bounds = json!({"roomsMax": DIRECTORY_NEAR_ROOMS_MAX, "membersMax": DIRECTORY_NEAR_MEMBERS_MAX,
                        "walkMax": DIRECTORY_WALK_MAX, "foundMax": found_max});
    let input = json!({"tenant": tenant, "user": caller, "q": q, "place": place, "limit": limit,
                       "onlyShared": only_shared, "bounds": bounds});
    let answer: PageAnswer<DirectoryPlace> = decode(db.query("SELECT chat_directory_v2($1)", input).await?)?;
    Ok(answer.page())
}

/// Which of a person's tokens are refused; `None`: none.
///
/// # Cost  a lookup by primary key.
pub async fn account(
    db: &impl Postgres,
    tenant: &TenantId,
    person: &UserId,
) -> Result<Option<Account>, DbError> {
    decode(db.query(include_str!("sql/account.sql"), json!({"tenant": tenant, "person": person})).await?)
}

/// Tokens of this person, as old as this one, are not refused. Without an answer of Postgres nobody is: what needs
/// Postgres fails by itself, and a room knows its members' accounts.
///
/// # Errors  those of `Account::admit`.
pub async fn ensure_active(db: &impl Postgres, caller: &Identity) -> Result<(), Refusal> {
    match account(db, &caller.tenant, &caller.user).await {
        Ok(Some(account)) => account.admit(caller),
        _ => Ok(()),
    }
}

/// A step of ending a person's sessions in all of their rooms.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum EndSessions<'a> {
    /// Goes on where an earlier request has stopped, if one has.
    Begin {
        /// Tokens issued until now are refused.
        sign_out: bool,
    },
    /// The rooms down to this one have closed their sockets.
    Done { room: &'a RoomId },
}

/// The next rooms that must close the person's sockets, newest first; none: all have.
pub async fn end_sessions(
    db: &impl Postgres,
    (tenant, person): (&TenantId, &UserId),
    step: EndSessions<'_>,
) -> Result<Vec<RoomId>, DbError> {
    let (begin, sign_out, done) = match step {
        EndSessions::Begin { sign_out } => (true, sign_out, None),
        EndSessions::Done { room } => (false, false, Some(room)),
    };
    let input = json!({"tenant": tenant, "person": person, "begin": begin, "signOut": sign_out, "done": done,
                       "limit": SESSION_ROOMS_AT_ONCE});
    decode(db.query("SELECT chat_end_sessions_v1($1)", input).await?)
}

/// A page of a room's members as people, in the order of their ids; `None`: no such room, or the caller is not in it.
pub async fn people_of_room(
    db: &impl Postgres,
    (tenant, caller, room): (&TenantId, &UserId, &RoomId),
    q: &str,
    after: Option<&DirectoryPlace>,
    limit: u64,
) -> Result<Option<Page>, DbError> {
    let input = json!({"tenant": tenant, "user": caller, "room": room, "q": q, "after": after.map(|place| &place.id),
                       "limit": limit});
    let answer: Option<PageAnswer<DirectoryPlace>> =
        decode(db.query(include_str!("sql/people_of_room.sql"), input).await?)?;
    Ok(answer.map(PageAnswer::page))
}
