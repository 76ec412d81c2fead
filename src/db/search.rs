//! Finding messages in somebody's rooms, newest first. docs/SEARCH.md says why it goes which way, with figures.
//! Not here: how what somebody typed becomes a `Filter` (`api`).
//!
//! Two ways lead to a page. What is rare comes from an index; what is common would come from there by the hundred thousand,
//! and is met soon by walking back from the newest. Which it is, Postgres estimates from its own statistics. A walk has a
//! bounded length: if that doesn't fill the page, the page is short, and its cursor goes on from there. So no search takes
//! long, and none leaves anything out.

use super::place::{behind, place};
use super::projection::message_row;
use super::rooms::seen;
use super::{DbError, Found, Place, Postgres, decode, encode, unix_ms};
use crate::ids::{RoomId, TenantId, UserId};
use crate::limits::{SEARCH_FOUND_MAX, SEARCH_ROOMS_MAX, SEARCH_WALK};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What a message must be, all of it. `None` and empty: anything.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter {
    pub terms: Vec<Term>,
    pub from: Option<UserId>,
    /// A room's id.
    pub room: Option<RoomId>,
    /// A room's id or its name, in whatever case.
    pub inside: Option<String>,
    pub has: Vec<Has>,
    /// Not before this, Unix milliseconds.
    pub after_ms: Option<u64>,
}

/// A word or phrase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Term {
    pub text: String,
    /// Its last word isn't the beginning of a longer one.
    pub whole: bool,
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

/// Where somebody may search, and with what.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Scope {
    /// How many messages each room has at most; of `SEARCH_ROOMS_MAX + 1` rooms at most.
    sizes: Vec<u64>,
    /// Whether the extension pg_trgm is there: parts of words are found.
    parts: bool,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Hits {
    pub found: Vec<Found>,
    /// There may be more behind it.
    pub next: Option<Place>,
}

/// Slots of `indexed!`.
const SEARCH_PARTS: usize = 3;

/// How the terms are looked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Words {
    /// `ILIKE` patterns, each of which must be met.
    like: Vec<String>,
    /// Regular expressions that are met wherever the words begin, and seldom elsewhere: taking a text apart into words costs
    /// many times as much.
    begins: Vec<String>,
    /// Those of `like` that the index of parts is asked for, `SEARCH_PARTS` at most.
    parts: Vec<String>,
    /// `to_tsquery`'s language, for the index of words.
    words: Option<String>,
}

impl Words {
    /// # Takes  `parts`: whether there is an index of parts of words; where there is none, words are found by how they begin.
    pub fn of(terms: &[Term], parts: bool) -> Self {
        let (mut like, mut begins, mut words) = (Vec::new(), Vec::new(), Vec::new());
        let mut long: Vec<&str> = Vec::new();
        for term in terms {
            let lexemes = lexemes(&term.text);
            if lexemes.is_empty() || (parts && has_trigrams(&term.text)) {
                like.push(contains(&term.text));
                if !lexemes.is_empty() {
                    long.push(&term.text);
                }
                continue;
            }
            let quoted = |lexeme: &String| format!("'{}'", lexeme.replace('\\', "\\\\").replace('\'', "''"));
            let quoted = lexemes.iter().map(quoted).collect::<Vec<_>>();
            if term.text.chars().all(has_no_blanks) {
                // The order is seen in the text; an index that is asked for a phrase takes each text apart again.
                like.push(contains(&term.text));
                words.push(format!("({})", quoted.join(" & ")));
                continue;
            }
            // A look at the text itself costs a fortieth of taking it apart into words.
            like.extend(lexemes.iter().map(|lexeme| contains(lexeme)));
            begins.extend(lexemes.iter().filter_map(|lexeme| begins_a_word(lexeme)));
            let mut phrase = quoted.join(" <-> ");
            if !term.whole {
                phrase.push_str(":*");
            }
            words.push(format!("({phrase})"));
        }
        let words = (!words.is_empty()).then(|| words.join(" & "));
        // The longest ones are the rarest, as a rule.
        long.sort_by_key(|text| std::cmp::Reverse(text.chars().count()));
        Self { like, begins, parts: long.into_iter().take(SEARCH_PARTS).map(contains).collect(), words }
    }

    fn indexed(&self) -> bool {
        !self.parts.is_empty() || self.words.is_some()
    }
}

/// `text` anywhere, none of its characters special.
fn contains(text: &str) -> String {
    format!("%{}%", text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_"))
}

/// A word begins behind anything but a letter (behind digits: `1e5x` is two). Other letters than ASCII's may have been
/// punctuation to `chat_words`, so all are let through. What isn't all letters and digits is more than one word to it, or
/// stands anywhere, as characters of scripts without blanks do.
fn begins_a_word(lexeme: &str) -> Option<String> {
    let plain = lexeme.chars().all(|c| c.is_alphanumeric() && !has_no_blanks(c));
    plain.then(|| format!("(^|[^a-z]){lexeme}"))
}

/// As `chat_words` of the migrations tells words apart.
fn lexemes(text: &str) -> Vec<String> {
    let mut spaced = String::new();
    for c in text.chars() {
        match c {
            c if c.is_ascii_punctuation() || c.is_control() => spaced.push(' '),
            c if has_no_blanks(c) => spaced.extend([' ', c, ' ']),
            c => spaced.push(c),
        }
    }
    let words = spaced.split_whitespace().filter(|word| word.chars().any(char::is_alphanumeric));
    words.map(str::to_owned).collect()
}

/// Of a script that is written without blanks between words.
fn has_no_blanks(c: char) -> bool {
    matches!(c, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}'
        | '\u{ac00}'..='\u{d7af}' | '\u{f900}'..='\u{faff}')
}

/// Whether the index of parts can look for it: three letters in a row. Scripts without blanks have an index of each
/// character, which finds parts as short as one.
fn has_trigrams(text: &str) -> bool {
    let letters = text.split(|c: char| !c.is_alphanumeric());
    !text.chars().any(has_no_blanks) && letters.map(|run| run.chars().count()).any(|letters| letters >= 3)
}

/// SQL of the rooms `m` that may be searched: mine, and of those the ones asked for.
macro_rules! mine {
    () => {
        concat!(
            "
    SELECT m.room_id, r.name, r.last_seq, seen.since
    FROM chat_room_members m
    CROSS JOIN LATERAL (
        SELECT a.* FROM chat_rooms a WHERE a.tenant_id = m.tenant_id AND a.id = m.room_id LIMIT 1) r",
            seen!(),
            "
    WHERE m.tenant_id = $1->>'tenant' AND m.user_id = $1->>'user'
      AND ($1->>'room' IS NULL OR m.room_id = $1->>'room')
      AND ($1->>'inside' IS NULL OR r.id = $1->>'inside' OR lower(r.name) = lower($1->>'inside'))"
        )
    };
}

/// SQL that is true of a message `c` that is looked for. Conditions that the input leaves out are folded away when
/// the statement is planned, which is each time.
macro_rules! wanted {
    () => {
        "
      c.deleted_at IS NULL
      AND ($1->>'from' IS NULL OR c.user_id = $1->>'from')
      AND ($1->>'first' IS NULL OR c.content ILIKE ($1->>'first'))
      AND ($1->'rest' = '[]' OR c.content ILIKE ALL (ARRAY(SELECT jsonb_array_elements_text($1->'rest'))))
      AND ($1->'begins' = '[]' OR c.content ~* ALL (ARRAY(SELECT jsonb_array_elements_text($1->'begins'))))
      AND ($1->>'words' IS NULL OR chat_words(c.content) @@ to_tsquery('simple', $1->>'words'))
      AND (NOT $1->'has' ? 'attachment' OR c.attachments <> '[]')
      AND (NOT $1->'has' ? 'image' OR c.attachments @? '$[*] ? (@.mimeType starts with \"image/\")')
      AND (NOT $1->'has' ? 'link' OR c.content ~* 'https?://[^[:space:]]')
      AND (NOT $1->'has' ? 'thread' OR c.reply_count > 0)
      AND (NOT $1->'has' ? 'reaction' OR EXISTS (
        SELECT FROM chat_message_reactions x
        WHERE x.tenant_id = c.tenant_id AND x.room_id = c.room_id AND x.seq = c.seq))"
    };
}

/// SQL of where in time a message `c` must be: behind the place, and not too far back.
macro_rules! within {
    () => {
        concat!(
            behind!("c"),
            "
        AND ($1->>'afterUs' IS NULL
          OR c.created_at >= to_timestamp(($1->>'afterUs')::bigint / 1000000.0::double precision))"
        )
    };
}

/// SQL of the answer, out of `hits` and `cut`, the place up to which all was looked at.
macro_rules! answer {
    () => {
        concat!(
            "
, page AS MATERIALIZED (
    SELECT h.* FROM hits h LEFT JOIN cut ON true
    WHERE cut.created_at IS NULL
       OR (h.created_at, h.seq, h.room_id) >= (cut.created_at, cut.seq, cut.room_id)
    ORDER BY h.created_at DESC, h.seq DESC, h.room_id DESC LIMIT ($1->>'limit')::bigint
)
SELECT json_build_object(
    'found', (
        SELECT coalesce(json_agg(json_build_object(
            'place', ",
            place!("p"),
            ", 'roomId', p.room_id, 'roomName', p.name, 'message', ",
            message_row!(),
            ") ORDER BY p.created_at DESC, p.seq DESC, p.room_id DESC), '[]')
        FROM page p
        CROSS JOIN LATERAL (
            SELECT * FROM chat_messages a
            WHERE a.tenant_id = $1->>'tenant' AND a.room_id = p.room_id AND a.seq = p.seq LIMIT 1) c),
    'cut', (SELECT ",
            place!("cut"),
            " FROM cut))"
        )
    };
}

const SCOPE: &str = concat!(
    "
SELECT json_build_object(
    'sizes', (SELECT coalesce(json_agg(greatest(m.last_seq - m.since, 0)), '[]') FROM (",
    mine!(),
    "
      LIMIT ($1->>'roomsMax')::bigint + 1) m),
    'parts', to_regclass('chat_messages_parts') IS NOT NULL)"
);

/// Walks back in each room, `each` messages far. A room that isn't walked to its end is looked at down to a place, and the
/// newest of these places is as far back as all is known: nothing older is read.
const WALK_ROOMS: &str = concat!(
    "
WITH mine AS MATERIALIZED (",
    mine!(),
    "
), cut AS MATERIALIZED (
    SELECT m.room_id, h.seq, h.created_at
    FROM mine m
    CROSS JOIN LATERAL (
        SELECT c.seq, c.created_at FROM chat_messages c
        WHERE c.tenant_id = $1->>'tenant' AND c.room_id = m.room_id AND ",
    within!(),
    "
        ORDER BY c.created_at DESC, c.seq DESC OFFSET ($1->>'each')::bigint - 1 LIMIT 1) h
    WHERE m.last_seq - m.since > ($1->>'each')::bigint
    ORDER BY h.created_at DESC, h.seq DESC, m.room_id DESC LIMIT 1
), hits AS MATERIALIZED (
    SELECT m.room_id, m.name, h.seq, h.created_at
    FROM mine m
    LEFT JOIN cut ON true
    CROSS JOIN LATERAL (
        SELECT c.seq, c.created_at FROM (
            SELECT * FROM chat_messages c
            WHERE c.tenant_id = $1->>'tenant' AND c.room_id = m.room_id
              AND c.created_at >= coalesce(cut.created_at, '-infinity') AND ",
    within!(),
    "
            ORDER BY c.created_at DESC, c.seq DESC LIMIT ($1->>'each')::bigint) c
        WHERE c.seq > m.since AND",
    wanted!(),
    "
        LIMIT ($1->>'limit')::bigint) h
)",
    answer!()
);

/// Walks back in the tenant, over `each` messages, those of my rooms and others; whose room it is, is looked up for hits.
const WALK_TENANT: &str = concat!(
    "
WITH hits AS MATERIALIZED (
    SELECT c.room_id, m.name, c.seq, c.created_at
    FROM (
        SELECT * FROM chat_messages c
        WHERE c.tenant_id = $1->>'tenant' AND ",
    within!(),
    "
        ORDER BY c.created_at DESC, c.seq DESC, c.room_id DESC LIMIT ($1->>'each')::bigint) c
    CROSS JOIN LATERAL (",
    mine!(),
    " AND m.room_id = c.room_id
      LIMIT 1) m
    WHERE c.seq > m.since AND",
    wanted!(),
    "
    ORDER BY c.created_at DESC, c.seq DESC, c.room_id DESC LIMIT ($1->>'limit')::bigint
), cut AS MATERIALIZED (
    SELECT c.room_id, c.seq, c.created_at FROM chat_messages c
    WHERE c.tenant_id = $1->>'tenant' AND ",
    within!(),
    "
    ORDER BY c.created_at DESC, c.seq DESC, c.room_id DESC OFFSET ($1->>'each')::bigint - 1 LIMIT 1
)",
    answer!()
);

/// SQL that is true of what an index brings up.
macro_rules! indexed {
    () => {
        "c.tenant_id = $1->>'tenant' AND ($1->>'room' IS NULL OR c.room_id = $1->>'room')
      AND ($1->'parts'->>0 IS NULL OR c.content ILIKE ($1->'parts'->>0))
      AND ($1->'parts'->>1 IS NULL OR c.content ILIKE ($1->'parts'->>1))
      AND ($1->'parts'->>2 IS NULL OR c.content ILIKE ($1->'parts'->>2))
      AND ($1->>'words' IS NULL OR chat_words(c.content) @@ to_tsquery('simple', $1->>'words'))"
    };
}

/// How much Postgres expects an index to bring up, by its own statistics. Nothing is run.
const EXPECTED: &str = concat!("EXPLAIN (FORMAT JSON) SELECT FROM chat_messages c WHERE ", indexed!());

/// Everything that an index brings up, and of that the page.
const BY_INDEX: &str = concat!(
    "
WITH brought AS MATERIALIZED (
    SELECT c.room_id, c.seq, c.created_at FROM chat_messages c
    WHERE ",
    indexed!(),
    " AND ",
    within!(),
    " AND",
    wanted!(),
    "
), hits AS MATERIALIZED (
    SELECT b.room_id, m.name, b.seq, b.created_at
    FROM (SELECT * FROM brought b ORDER BY b.created_at DESC, b.seq DESC, b.room_id DESC) b
    CROSS JOIN LATERAL (",
    mine!(),
    " AND m.room_id = b.room_id
      LIMIT 1) m
    WHERE b.seq > m.since
    ORDER BY b.created_at DESC, b.seq DESC, b.room_id DESC LIMIT ($1->>'limit')::bigint
), cut AS (
    SELECT NULL::text AS room_id, NULL::bigint AS seq, NULL::timestamptz AS created_at WHERE false
)",
    answer!()
);

#[derive(Deserialize)]
struct Walked {
    found: Vec<Found>,
    cut: Option<Place>,
}

/// Where this person may search for this; no rooms: nowhere.
///
/// # Cost  a look-up for each room, of `SEARCH_ROOMS_MAX` at most.
pub async fn search_scope(
    db: &impl Postgres,
    tenant: &TenantId,
    user: &UserId,
    filter: &Filter,
) -> Result<Scope, DbError> {
    let input = json!({"tenant": tenant, "user": user, "room": filter.room, "inside": filter.inside,
                       "roomsMax": SEARCH_ROOMS_MAX});
    decode(db.query(SCOPE, input).await?)
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

    /// How far to walk, in each room or in the tenant, so that it is `budget` messages in all.
    fn each(&self, budget: u64) -> u64 {
        if self.is_wide() {
            return budget;
        }
        let mut sizes = self.sizes.clone();
        sizes.sort_unstable();
        let mut left = budget;
        let mut rooms = sizes.len() as u64;
        for size in sizes {
            // What small rooms don't need goes to the large ones.
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
    let words = Words::of(&filter.terms, scope.parts);
    let (first, rest) = words.like.split_first().unzip();
    let input = encode(&json!({
        "tenant": caller.0, "user": caller.1, "room": filter.room, "inside": filter.inside, "from": filter.from,
        "has": filter.has, "first": first, "rest": rest.unwrap_or_default(), "begins": words.begins, "parts": words.parts,
        "words": words.words, "afterUs": filter.after_ms.map(|ms| ms.saturating_mul(1000)), "place": place,
        "each": scope.each(SEARCH_WALK), "limit": limit.saturating_add(1),
    }))?;
    if words.indexed() && scope.is_larger_than(SEARCH_WALK) {
        let plan = db.query(EXPECTED, input.clone()).await?;
        let expected = plan.pointer("/0/Plan/Plan Rows").and_then(Value::as_f64);
        if expected.is_some_and(|rows| rows <= SEARCH_FOUND_MAX as f64) {
            return Ok(page(decode(db.query(BY_INDEX, input).await?)?, limit));
        }
    }
    let walk = if scope.is_wide() { WALK_TENANT } else { WALK_ROOMS };
    Ok(page(decode(db.query(walk, input).await?)?, limit))
}

/// One more than the page tells that there is more.
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

    fn term(text: &str) -> Term {
        Term { text: text.into(), whole: false }
    }

    #[test]
    fn parts_where_there_are_trigrams_words_elsewhere() {
        let of = |text: &str, parts| Words::of(&[term(text)], parts);
        let like = |text: &str| vec![text.to_owned()];
        let parts = of("500%_o\\ff", true);
        assert_eq!(parts.like, like("%500\\%\\_o\\\\ff%"));
        assert_eq!((of("lunch", true).parts, of("lunch", true).words), (like("%lunch%"), None));
        let words = of("o'clock", false);
        assert_eq!(words.like, ["%o%", "%clock%"]);
        assert_eq!(words.begins, ["(^|[^a-z])o", "(^|[^a-z])clock"]);
        assert_eq!(words.words.as_deref(), Some("('o' <-> 'clock':*)"));
        assert_eq!(of("ok", true).words.as_deref(), Some("('ok':*)"), "too short for trigrams");
        assert_eq!(of("漢字", true).words.as_deref(), Some("('漢' & '字')"));
        assert_eq!(of("漢字", false).like, ["%漢字%"]);
        assert_eq!(of("漢字A", true).begins, ["(^|[^a-z])A"]);
        assert_eq!(of("漢字A", true).words.as_deref(), Some("('漢' <-> '字' <-> 'A':*)"));
        assert!(!of("🎉!", true).indexed() && !of("🎉!", false).indexed());
        let whole = Words::of(&[Term { text: "go on".into(), whole: true }], false);
        assert_eq!(whole.words.as_deref(), Some("('go' <-> 'on')"));
        let several = Words::of(&[term("a"), term("longest"), term("long")], true);
        assert_eq!(several.parts, ["%longest%", "%long%"], "one letter has no trigram");
        assert_eq!(several.like, ["%a%", "%longest%", "%long%"]);
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
