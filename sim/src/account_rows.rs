//! Blocks and accounts in Postgres, as the system's statements see them.
//! Not here: SQL; the real statements are tested against a real Postgres (`tests/native/db_profiles.rs`).

use crate::world::World;
use crate::world::accounts::{DIRECT, FIRST, OTHER, TENANT};
use crate::world::backends::{ByTenant, RoomRows};
use chinwag::db::{Account, RoomSnapshot};
use chinwag::ids::UserId;
use serde_json::{Value, json};
use testkit::Statement;

/// The answer to a statement about people; `None`: it is another one.
pub fn answer(
    world: &World,
    rooms: &ByTenant<RoomRows>,
    tenant: &str,
    statement: &Statement,
) -> Option<Value> {
    let key = |user: &str| (tenant.to_owned(), user.to_owned());
    match statement {
        Statement::SetBlock { user, other, blocked } => {
            let block = (tenant.to_owned(), user.clone(), other.clone());
            let mut blocks = world.backends.blocks.borrow_mut();
            _ = if *blocked { blocks.insert(block) } else { blocks.remove(&block) };
            Some(json!({"isFull": false, "room": DIRECT}))
        }
        Statement::PeopleById { ids } | Statement::PutPeople { ids, deactivated: None } => {
            Some(ids.iter().map(|id| json!({"userId": id})).collect())
        }
        Statement::PutPeople { ids, deactivated: Some(deactivated) } => {
            let mut all = world.backends.deactivated.borrow_mut();
            for id in ids {
                _ = if *deactivated { all.insert(key(id)) } else { all.remove(&key(id)) };
            }
            Some(ids.iter().map(|id| json!({"userId": id})).collect())
        }
        Statement::EndSessions { person, begin } => {
            let mine = rooms.iter().filter(|((of, _), rows)| of == tenant && rows.role(person).is_some());
            Some(mine.filter(|_| *begin).map(|((_, id), _)| json!(id)).collect())
        }
        Statement::Account { person } => Some(json!(account(world, tenant, person))),
        _ => None,
    }
}

/// Which of a person's tokens are refused.
pub fn account(world: &World, tenant: &str, person: &str) -> Option<Account> {
    let is_deactivated =
        world.backends.deactivated.borrow().contains(&(tenant.to_owned(), person.to_owned()));
    let user_id = UserId::parse(person).filter(|_| is_deactivated)?;
    Some(Account { user_id, deactivated: true, signed_out_before_ms: None })
}

/// The snapshot with whom it concerns: whose tokens are refused, and in the direct room who is blocked.
pub fn with_people(world: &World, (tenant, room): (&str, &str), mut snapshot: RoomSnapshot) -> RoomSnapshot {
    let members = snapshot.members.iter();
    snapshot.refused = members.filter_map(|member| account(world, tenant, member.user_id.as_str())).collect();
    if (tenant, room) == (TENANT, DIRECT) {
        let block = (tenant.to_owned(), FIRST.to_owned(), OTHER.to_owned());
        let is_blocked = world.backends.blocks.borrow().contains(&block);
        snapshot.blocked = UserId::parse(OTHER).filter(|_| is_blocked).into_iter().collect();
    }
    snapshot
}
