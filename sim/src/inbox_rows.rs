//! What an inbox asks of Postgres: its lease, the list, rooms of it; and whom a statement names to be poked.
//! Not here: SQL; the real statements are tested against a real Postgres (`tests/native/db_inbox.rs`).

use crate::plan::DEVICES;
use crate::world::World;
use crate::world::backends::{ByTenant, RoomRows};
use chinwag::db::{ChangeSet, Marker, MessageRow};
use chinwag::ids::{Seq, UnixMs, iso};
use chinwag::limits::{INBOX_NOTICE_FRESH_MS, INBOX_SAVED_MAX};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use testkit::Statement;

/// The answer to a statement of an inbox; `None`: it is another one.
pub fn answer(
    world: &World,
    rooms: &ByTenant<RoomRows>,
    (tenant, place): (&str, &str),
    statement: &Statement,
) -> Option<Value> {
    match statement {
        Statement::LeaseInbox { user, lease_ms, presence, partners } => {
            let was_running = lease(world, (tenant, user), *lease_ms, presence.as_deref());
            let inboxes = leased(world, tenant, partners.iter().map(String::as_str));
            let presence = self::presence(world, tenant, user);
            Some(json!({"wasRunning": was_running, "presence": presence, "inboxes": inboxes}))
        }
        Statement::ListRooms { user } => {
            let mine = rooms.iter().filter(|((of, _), _)| of == tenant);
            let listed = mine.filter_map(|((_, id), rows)| room(rows, id, user));
            let listed: Vec<Value> = listed.chain(direct_room(tenant, user)).collect();
            Some(json!({"rooms": listed, "next": null}))
        }
        Statement::SetSaved { user, message, saved } => {
            Some(set_saved(world, (tenant, user), (place, message), *saved))
        }
        Statement::InboxRooms { user, rooms: asked, people, saved, notices } => {
            let seen = asked.iter().map(|id| {
                if let Some(room) = direct_room(tenant, user).filter(|_| id == DIRECT) {
                    return json!({"id": id, "room": room, "gone": null});
                }
                let rows = rooms.get(&(tenant.to_owned(), id.clone()));
                let room = rows.and_then(|rows| room(rows, id, user));
                let gone = room.is_none().then(|| gone_reason(world, rows, user));
                json!({"id": id, "room": room, "gone": gone})
            });
            let person =
                |id: &String| json!({"userId": id, "name": id, "presence": presence(world, tenant, id)});
            let people: Vec<Value> = people.iter().map(person).collect();
            let saved = saved.as_ref().map(|after| saved_changes(world, (tenant, user), after.as_u64()));
            let notices = notices.iter().filter_map(|asked| {
                let rows = rooms.get(&(tenant.to_owned(), asked["room"].as_str()?.to_owned()))?;
                notices_of(rows, user, asked, world.clock.now())
            });
            let notices: Vec<Value> = notices.collect();
            Some(
                json!({"rooms": seen.collect::<Vec<_>>(), "people": people, "saved": saved, "notices": notices}),
            )
        }
        _ => None,
    }
}

/// The message is saved from now on, or is not. `place`: its room.
fn set_saved(
    world: &World,
    (tenant, user): (&str, &str),
    (place, message): (&str, &str),
    saved: bool,
) -> Value {
    let mut all = world.backends.saved.borrow_mut();
    let mine = all.entry((tenant.to_owned(), user.to_owned())).or_default();
    let key = (place.to_owned(), message.to_owned());
    if mine.rows.get(&key).is_some_and(|(_, saved)| *saved) == saved {
        return json!({"isFull": false});
    }
    mine.rev += 1;
    mine.rows.insert(key, (mine.rev, saved));
    json!({"isFull": false, "inboxes": leased(world, tenant, [user].into_iter())})
}

fn saved_changes(world: &World, (tenant, user): (&str, &str), after: Option<u64>) -> Value {
    let all = world.backends.saved.borrow();
    let Some(mine) = all.get(&(tenant.to_owned(), user.to_owned())) else {
        return json!({"rev": 0, "changes": []});
    };
    let newer = mine.rows.iter().filter(|(_, (rev, _))| after.is_some_and(|after| *rev > after));
    let mut changes: Vec<_> = newer.collect();
    changes.sort_unstable_by_key(|(_, (rev, _))| *rev);
    let change = |((room, message), (rev, saved)): (&(String, String), &(u64, bool))| json!({"rev": rev, "room": room, "message": message, "saved": saved});
    let changes: Vec<Value> = changes.into_iter().take(INBOX_SAVED_MAX).map(change).collect();
    json!({"rev": mine.rev, "changes": changes})
}

/// The lease runs for this long from now on; says whether it was running.
fn lease(world: &World, (tenant, user): (&str, &str), lease_ms: u64, presence: Option<&str>) -> bool {
    let (key, now) = ((tenant.to_owned(), user.to_owned()), world.clock.now());
    let mut leases = world.backends.leases.borrow_mut();
    let mut presences = world.backends.presences.borrow_mut();
    let before = match lease_ms {
        0 => leases.remove(&key),
        _ => leases.insert(key.clone(), now + lease_ms),
    };
    let was_running = before.is_some_and(|until| until > now);
    match presence {
        Some(presence) => _ = presences.insert(key, presence.to_owned()),
        None if was_running && lease_ms > 0 => {}
        None => _ = presences.remove(&key),
    }
    was_running
}

/// What Postgres says of a person.
fn presence(world: &World, tenant: &str, user: &str) -> String {
    let key = (tenant.to_owned(), user.to_owned());
    let is_open = world.backends.leases.borrow().get(&key).is_some_and(|until| *until > world.clock.now());
    let presence = world.backends.presences.borrow().get(&key).cloned();
    presence.filter(|_| is_open).unwrap_or_else(|| "offline".into())
}

/// The id of the direct room of the people with devices. It exists in lists alone.
const DIRECT: &str = "direct";

/// The direct room as the list shows it to this person; `None`: it is not theirs.
pub fn direct_room(tenant: &str, user: &str) -> Option<Value> {
    let is_theirs = DEVICES.contains(&(tenant, user));
    let ids: BTreeSet<&str> = DEVICES.iter().map(|(_, user)| *user).collect();
    is_theirs.then(|| {
        json!({
            "id": DIRECT, "type": "direct", "name": null, "topic": null, "archived": false, "createdAt": iso(0),
            "memberCount": ids.len(), "participantIds": ids, "members": [], "lastSeq": 0, "lastMessage": null,
            "lastMessageAt": null, "unread": 0, "mentions": 0, "slowModeS": 0, "historyVisibility": "all",
            "roomMention": "all", "me": {"role": "member", "lastReadSeq": 0, "notify": {"level": "all", "muteUntil": null}},
        })
    })
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

/// What there is to notify this person of in a room; `None`: its log has not grown.
fn notices_of(rows: &RoomRows, user: &str, asked: &Value, now: UnixMs) -> Option<Value> {
    let (after, last_seq) = (asked["after"].as_u64(), rows.postgres.last_seq);
    let has_grown = after.is_none_or(|after| last_seq > after);
    if rows.postgres.missing || rows.role(user).is_none() || !has_grown && asked["isReplayed"] != true {
        return None;
    }
    let read = rows.marker(user).unwrap_or_default().seq.max(asked["read"].as_u64().unwrap_or(0));
    let is_news = |row: &&MessageRow| match after {
        Some(after) => row.seq > after,
        None => row.created_at_ms + INBOX_NOTICE_FRESH_MS >= now,
    };
    let message = |row: &MessageRow| {
        json!({"message": {"id": row.id, "seq": row.seq, "userId": row.user_id,
        "preview": row.content, "threadId": row.thread_id}, "reason": "message"})
    };
    let found = notifiable(rows, user, read).rfind(is_news);
    let pending = asked["pending"].as_u64().and_then(|seq| rows.postgres.rows.get(&seq));
    let pending = pending.filter(|row| row.seq > read && row.deleted_at_ms.is_none());
    Some(json!({"room": asked["room"], "lastSeq": last_seq, "editedMs": asked["editedMs"],
                "found": found.map(message), "pending": pending.map(message)}))
}

/// The messages of which this person, who has read so far, is notified. Replies are nobody's here.
pub fn notifiable<'a>(
    rows: &'a RoomRows,
    user: &'a str,
    read: Seq,
) -> impl DoubleEndedIterator<Item = &'a MessageRow> {
    let is_theirs = move |row: &&MessageRow| {
        row.seq > read && row.user_id != user && row.deleted_at_ms.is_none() && row.thread_id.is_none()
    };
    rows.postgres.rows.values().filter(is_theirs)
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
