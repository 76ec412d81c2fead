//! Finding messages in a person's rooms, newest first. docs/SEARCH.md has the reasons and the figures.
//! Not here: how what a person typed becomes a `Filter` (`api::search_query`).
//!
//! There are two ways to a page, and neither is enough alone (measured, bench/results/search.md). A word in 20 of a
//! million messages comes from an index at once, and no walk reaches it. A word in every third message returns 300,000
//! index entries for a page of 20, and a walk back from the newest message finds 20 within 60. Which words are common
//! only Postgres' statistics know, so `EXPLAIN` of the index condition chooses; a wrong or missing estimate costs time,
//! never a result. A walk has a bounded length: if that does not fill the page, the page is short, and its cursor
//! continues there.
//!
//! The files of a search repeat the conditions that they share, so that each can be read and run as it stands. A test
//! holds the copies equal.

use super::place::{Found, Place};
use super::port::{DbError, Postgres, decode};
use super::search_words::{Term, Words};
use crate::ids::{RoomId, TenantId, UserId};
use crate::limits::{SEARCH_FOUND_MAX, SEARCH_ROOMS_MAX, SEARCH_WALK};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What a message must match, all of it. `None` and empty match anything.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter {
    pub terms: Vec<Term>,
    pub from: Option<UserId>,
    /// A room's id.
    pub room: Option<RoomId>,
    /// A room's id or its name, in any case.
    pub inside: Option<String>,
    pub has: Vec<Has>,
    /// Not before this, Unix milliseconds.
    pub after_ms: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Has {
    Attachment,
    Image,
    Link,
    Reaction,
    Thread,
}

/// Where a person may search, and whether parts of words can be found.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Scope {
    /// The most messages that each room can have; of at most `SEARCH_ROOMS_MAX + 1` rooms.
    sizes: Vec<u64>,
    /// Whether the extension pg_trgm is installed, with which parts of words are found.
    parts: bool,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Hits {
    pub found: Vec<Found>,
    /// There may be more behind this place.
    pub next: Option<Place>,
}

const ESTIMATE: &str = include_str!("sql/search_estimate.sql");
const BY_INDEX: &str = include_str!("sql/search_by_index.sql");
const WALK_ROOMS: &str = include_str!("sql/search_walk_rooms.sql");
const WALK_TENANT: &str = include_str!("sql/search_walk_tenant.sql");

#[derive(Deserialize)]
struct Walked {
    found: Vec<Found>,
    cut: Option<Place>,
}

/// The rooms of a person that a filter allows.
///
/// # Cost  a lookup for each room, of at most `SEARCH_ROOMS_MAX + 1`.
pub async fn search_scope(
    db: &impl Postgres,
    tenant: &TenantId,
    user: &UserId,
    filter: &Filter,
) -> Result<Scope, DbError> {
    let input = json!({"tenant": tenant, "user": user, "room": filter.room, "inside": filter.inside,
                       "roomsMax": SEARCH_ROOMS_MAX});
    decode(db.query(include_str!("sql/search_scope.sql"), input).await?)
}

impl Scope {
    pub fn is_empty(&self) -> bool {
        self.sizes.is_empty()
    }

    fn is_wide(&self) -> bool {
        self.sizes.len() as u64 > SEARCH_ROOMS_MAX
    }

    fn is_larger_than(&self, messages: u64) -> bool {
        self.is_wide() || self.sizes.iter().fold(0, |sum: u64, size| sum.saturating_add(*size)) > messages
    }

    /// How many messages to walk, in each room or in the tenant, so that it is `budget` messages in all.
    fn each(&self, budget: u64) -> u64 {
        if self.is_wide() {
            return budget;
        }
        let mut sizes = self.sizes.clone();
        sizes.sort_unstable();
        let mut left = budget;
        let mut rooms = sizes.len() as u64;
        for size in sizes {
            // What small rooms do not need goes to the large ones.
            let share = left.checked_div(rooms).unwrap_or(budget);
            if size > share {
                return share.max(1);
            }
            left = left.saturating_sub(size);
            rooms = rooms.saturating_sub(1);
        }
        budget
    }
}

/// At most `limit` messages behind `place`, newest first.
///
/// # Takes  `scope`: as `search_scope` gave it for this person and filter.
/// # Cost   1 to 3 statements, each bounded.
pub async fn search(
    db: &impl Postgres,
    caller: (&TenantId, &UserId),
    (filter, scope): (&Filter, &Scope),
    place: &Place,
    limit: u64,
) -> Result<Hits, DbError> {
    let words = Words::new(&filter.terms, scope.parts);
    let (first, rest) = words.like.split_first().unzip();
    let input = json!({
        "tenant": caller.0, "user": caller.1, "room": filter.room, "inside": filter.inside, "from": filter.from,
        "has": filter.has, "first": first, "rest": rest.unwrap_or_default(), "begins": words.begins,
        "parts": words.parts, "words": words.words, "place": place,
        "afterUs": filter.after_ms.map(|ms| ms.saturating_mul(1000)),
        "each": scope.each(SEARCH_WALK), "limit": limit.saturating_add(1),
    });
    if words.is_indexed() && scope.is_larger_than(SEARCH_WALK) {
        let plan = db.query(ESTIMATE, input.clone()).await?;
        let expected = plan.pointer("/0/Plan/Plan Rows").and_then(Value::as_f64);
        if expected.is_some_and(|rows| rows <= SEARCH_FOUND_MAX as f64) {
            return Ok(page(decode(db.query(BY_INDEX, input).await?)?, limit));
        }
    }
    let walk = if scope.is_wide() { WALK_TENANT } else { WALK_ROOMS };
    Ok(page(decode(db.query(walk, input).await?)?, limit))
}

/// One message more than the page tells that there is more.
fn page(walked: Walked, limit: u64) -> Hits {
    let Walked { mut found, cut } = walked;
    if found.len() as u64 <= limit {
        return Hits { found, next: cut };
    }
    found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    let next = found.last().map(|last| last.place.clone());
    Hits { found, next }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn between<'a>(sql: &'a str, from: &str, to: &str) -> &'a str {
        let (_, rest) = sql.split_once(from).unwrap_or_else(|| panic!("{from} is not in {sql}"));
        rest.split_once(to).unwrap_or_else(|| panic!("{to} does not follow {from} in {sql}")).0
    }

    #[test]
    fn the_statements_agree_in_what_they_share() {
        let scope = include_str!("sql/search_scope.sql");
        let mine = between(scope, "SELECT m.room_id, r.name", "lower($1->>'inside')");
        let wanted = between(WALK_ROOMS, "c.deleted_at IS NULL", "x.seq = c.seq");
        let page = between(WALK_ROOMS, ", page AS", "FROM cut");
        let indexed = ESTIMATE.split_once("WHERE").unwrap().1.trim();
        for sql in [BY_INDEX, WALK_ROOMS, WALK_TENANT] {
            assert_eq!(between(sql, "SELECT m.room_id, r.name", "lower($1->>'inside')"), mine);
            assert_eq!(between(sql, "c.deleted_at IS NULL", "x.seq = c.seq"), wanted);
            assert_eq!(between(sql, ", page AS", "FROM cut"), page);
        }
        assert!(BY_INDEX.contains(indexed));
    }

    #[test]
    fn a_walk_is_shared_out_among_rooms() {
        let scope = |sizes: &[u64]| Scope { sizes: sizes.to_vec(), parts: true };
        assert_eq!(scope(&[5_000]).each(100), 100);
        assert_eq!(scope(&[10, 10, 5_000]).each(100), 80);
        assert_eq!(scope(&[5_000, 5_000]).each(100), 50);
        assert_eq!(scope(&[10, 20]).each(100), 100, "all of both");
        assert_eq!(scope(&[500; 300]).each(100), 1, "never nothing");
    }
}
