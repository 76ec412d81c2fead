//! Finding messages in a person's rooms, newest first. docs/SEARCH.md has the reasons and the figures.
//! Not here: how what a person typed becomes a `Filter` (`api::search_query`).
//!
//! There are two ways to a page, and neither is enough alone (measured, bench/results/search.md). A word in 20 of a
//! million messages comes from an index at once, and no walk reaches it. A word in every third message returns 300,000
//! index entries for a page of 20, and a walk back from the newest message finds 20 within 60. The function
//! `chat_search_v3` chooses: by the statistics of Postgres, and by how much the index really brings in how much time. A
//! walk has a bounded length: if that does not fill the page, the page is short, and its cursor continues there.

use super::access::ShownPerson;
use super::place::{Found, Place};
use super::port::{DbError, Postgres, decode};
use super::search_words::{Term, Words};
use crate::ids::{RoomId, TenantId, UserId};
use crate::limits::{
    PAGE_BYTES_MAX, SEARCH_ENTRIES_MAX, SEARCH_FOUND_MAX, SEARCH_INDEX_MS, SEARCH_ROOMS_MAX, SEARCH_WALK,
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeMap;

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

/// Where a person may search, whether parts of words can be found, and the terms as Postgres folds them.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Scope {
    /// The most messages that each room can have; of at most `SEARCH_ROOMS_MAX + 1` rooms.
    sizes: Vec<u64>,
    /// Whether the extension pg_trgm is installed, with which parts of words are found.
    parts: bool,
    /// The texts of the filter's terms, folded by the function that folds what is stored.
    terms: Vec<String>,
}

/// A page of messages.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct Hits {
    pub found: Vec<Found>,
    /// How their authors are shown, by id; who has neither name nor avatar is left out.
    #[serde(default)]
    pub people: BTreeMap<String, ShownPerson>,
    /// There may be more behind this place.
    pub next: Option<Place>,
}

#[derive(Deserialize)]
struct Walked {
    found: Vec<Found>,
    #[serde(default)]
    people: BTreeMap<String, ShownPerson>,
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
                       "roomsMax": SEARCH_ROOMS_MAX,
                       "terms": filter.terms.iter().map(|term| &term.text).collect::<Vec<_>>()});
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

/// At most `limit` messages behind `place` and `PAGE_BYTES_MAX` bytes of them, newest first.
///
/// # Takes  `scope`: as `search_scope` gave it for this person and filter.
/// # Cost   one statement, which reads at most `SEARCH_FOUND_MAX` messages by an index and `SEARCH_WALK` in a walk.
pub async fn search(
    db: &impl Postgres,
    caller: (&TenantId, &UserId),
    (filter, scope): (&Filter, &Scope),
    place: &Place,
    limit: u64,
) -> Result<Hits, DbError> {
    let folded = filter.terms.iter().zip(&scope.terms);
    let terms: Vec<Term> = folded.map(|(term, text)| Term { text: text.clone(), ..*term }).collect();
    let words = Words::new(&terms, scope.parts);
    let (first, rest) = words.like.split_first().unzip();
    let input = json!({
        "tenant": caller.0, "user": caller.1, "room": filter.room, "inside": filter.inside, "from": filter.from,
        "has": filter.has, "first": first, "rest": rest.unwrap_or_default(), "begins": words.begins,
        "parts": words.parts, "words": words.words, "place": place,
        "afterUs": filter.after_ms.map(|ms| ms.saturating_mul(1000)),
        "way": if scope.is_wide() { "tenant" } else { "rooms" },
        "indexed": words.is_indexed() && scope.is_larger_than(SEARCH_WALK),
        "foundMax": SEARCH_FOUND_MAX, "entriesMax": SEARCH_ENTRIES_MAX, "indexMs": SEARCH_INDEX_MS,
        "each": scope.each(SEARCH_WALK), "limit": limit.saturating_add(1), "bytesMax": PAGE_BYTES_MAX,
    });
    Ok(page(decode(db.query(include_str!("sql/search.sql"), input).await?)?, limit))
}

/// One message more than the page tells that there is more.
fn page(walked: Walked, limit: u64) -> Hits {
    let Walked { mut found, people, cut } = walked;
    if found.len() as u64 <= limit {
        return Hits { found, people, next: cut };
    }
    found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    let next = found.last().map(|last| last.place.clone());
    Hits { found, people, next }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walk_is_shared_out_among_rooms() {
        let scope = |sizes: &[u64]| Scope { sizes: sizes.to_vec(), parts: true, terms: Vec::new() };
        assert_eq!(scope(&[5_000]).each(100), 100);
        assert_eq!(scope(&[10, 10, 5_000]).each(100), 80);
        assert_eq!(scope(&[5_000, 5_000]).each(100), 50);
        assert_eq!(scope(&[10, 20]).each(100), 100, "all of both");
        assert_eq!(scope(&[500; 300]).each(100), 1, "never nothing");
    }
}
