//! What an inbox asks of Postgres: its lease, the list, rooms of it; and whom a statement names to be poked.
//! Not here: SQL; the real statements are tested against a real Postgres (`tests/native/db_inbox.rs`).

use crate::world::World;
use crate::world::backends::{ByTenant, RoomRows};
use chinwag::db::{ChangeSet, Marker, MessageRow};
use chinwag::ids::iso;
use serde_json::{Value, json};
use testkit::Statement;

/// The answer to a statement of an inbox; `None`: it is another one.
pub fn answer(
    world: &World,
    rooms: &ByTenant<RoomRows>,
    tenant: &str,
    statement: &Statement,
) -> Option<Value> {
    match statement {
        Statement::LeaseInbox { user, lease_ms } => {
            let (key, now) = ((tenant.to_owned(), user.clone()), world.clock.now());
            let mut leases = world.backends.leases.borrow_mut();
            let before = match lease_ms {
                0 => leases.remove(&key),
                _ => leases.insert(key, now + lease_ms),
            };
            Some(json!({"wasRunning": before.is_some_and(|until| until > now)}))
        }
        Statement::ListRooms { user } => {
            let mine = rooms.iter().filter(|((of, _), _)| of == tenant);
            let listed: Vec<Value> = mine.filter_map(|((_, id), rows)| room(rows, id, user)).collect();
            Some(json!({"rooms": listed, "next": null}))
        }
        Statement::InboxRooms { user, rooms: asked } => {
            let seen = asked.iter().map(|id| {
                let rows = rooms.get(&(tenant.to_owned(), id.clone()));
                let room = rows.and_then(|rows| room(rows, id, user));
                let gone = room.is_none().then(|| gone_reason(world, rows, user));
                json!({"id": id, "room": room, "gone": gone})
            });
            Some(Value::Array(seen.collect()))
        }
        _ => None,
    }
}

fn gone_reason(world: &World, rows: Option<&RoomRows>, user: &str) -> &'static str {
    let Some(rows) = rows.filter(|rows| !rows.postgres.missing) else { return "deleted" };
    let is_banned = rows.bans(world.clock.now()).any(|ban| ban.user_id.as_str() == user);
    if is_banned { "banned" } else { "removed" }
}

/// A room as the list shows it to this person; `None`: they are not in it.
pub fn room(rows: &RoomRows, id: &str, user: &str) -> Option<Value> {
    if rows.postgres.missing {
        return None;
    }
    let role = rows.role(user)?;
    let Marker { seq: read_seq, .. } = rows.marker(user).unwrap_or_default();
    let messages = || rows.postgres.rows.values().filter(|row| row.thread_id.is_none());
    let is_unread =
        |row: &&MessageRow| row.seq > read_seq && row.user_id != user && row.deleted_at_ms.is_none();
    let last = messages().next_back();
    let shown = |row: &MessageRow| match row.deleted_at_ms {
        Some(at) => json!({"id": row.id, "seq": row.seq, "deletedAt": iso(at)}),
        None => json!({"id": row.id, "seq": row.seq, "userId": row.user_id, "content": row.content,
                       "version": row.version}),
    };
    let of = &rows.room;
    let members: Vec<Value> =
        of.members.iter().map(|m| json!({"userId": m.user_id, "role": m.role})).collect();
    Some(json!({
        "id": id, "type": "group", "name": of.name, "topic": of.topic, "archived": of.archived,
        "createdAt": iso(of.created_at_ms), "memberCount": members.len(), "members": members,
        "participantIds": of.members.iter().map(|m| &m.user_id).collect::<Vec<_>>(),
        "slowModeS": of.slow_mode_s, "historyVisibility": of.history_visibility, "roomMention": of.room_mention,
        "lastSeq": rows.postgres.last_seq, "lastMessage": last.map(shown),
        "lastMessageAt": last.map(|row| iso(row.created_at_ms)),
        "unread": messages().filter(is_unread).count().min(100), "mentions": 0,
        "me": {"role": role, "lastReadSeq": read_seq, "notify": {"level": "all", "muteUntil": null}},
    }))
}

/// The members of a room whose lease runs; `None`: nobody's.
pub fn leased_of_room(world: &World, tenant: &str, rows: &RoomRows) -> Option<Value> {
    leased(world, tenant, rows.room.members.iter().map(|member| member.user_id.as_str()))
}

/// Those whose lease runs and whom no event of the room tells of this change.
pub fn leased_of_change(world: &World, tenant: &str, set: &ChangeSet) -> Option<Value> {
    let own = set.notify.iter().map(|own| own.user_id.as_str());
    leased(world, tenant, set.gone.iter().map(|user| user.as_str()).chain(own))
}

fn leased<'a>(world: &World, tenant: &str, people: impl Iterator<Item = &'a str>) -> Option<Value> {
    let (leases, now) = (world.backends.leases.borrow(), world.clock.now());
    let is_open =
        |user: &&str| leases.get(&(tenant.to_owned(), (*user).to_owned())).is_some_and(|until| *until > now);
    let open: Vec<&str> = people.filter(is_open).collect();
    (!open.is_empty()).then(|| json!(open))
}
