//! The grammar of a search: words, "phrases", and `from: in: has: before: after:` become a filter.
//! Not here: how messages are found (`db::search`).

use super::http::{Query, no_such_room};
use crate::db::{Filter, Has, Term};
use crate::error::Refusal;
use crate::ids::{RoomId, UnixMs, UserId, parse_time};
use crate::limits::{SEARCH_CHARS_MAX, SEARCH_TERMS_MAX};

const DAY_START: &str = "T00:00:00Z";

#[derive(Debug, Default, PartialEq)]
pub struct SearchQuery {
    pub filter: Filter,
    /// Only messages from before this time.
    pub before_ms: Option<UnixMs>,
}

impl SearchQuery {
    /// # Takes   `me`: the caller, for `from:me`.
    /// # Errors  `bad_request` without `q`; `invalid` with its field for an invalid query; `room_not_found` for an
    ///           invalid `roomId`.
    pub fn parse(query: &Query, me: &UserId) -> Result<Self, Refusal> {
        let q = query.text("q").ok_or_else(|| Refusal::bad_field("q", "what to search for"))?;
        let mut parsed = Self::default();
        parsed.filter.room =
            query.text("roomId").map(|id| RoomId::parse(id).ok_or_else(no_such_room)).transpose()?;
        for (name, value) in ["from", "before", "after"].map(|name| (name, query.text(name))) {
            if let Some(value) = value {
                parsed.add_operator(name, value, me).map_err(|why| Refusal::invalid(name, why))?;
            }
        }
        let invalid = |why: &str| Refusal::invalid("q", why);
        if q.chars().count() > SEARCH_CHARS_MAX {
            return Err(invalid(&format!("more than {SEARCH_CHARS_MAX} characters")));
        }
        if q.contains('\0') {
            return Err(invalid("holds a NUL"));
        }
        for part in parts(q) {
            match part {
                Part::Operator(name, value) => parsed.add_operator(&name, &value, me).map_err(invalid)?,
                Part::Term(term) => parsed.filter.terms.push(term),
            }
        }
        if parsed.filter.terms.len() > SEARCH_TERMS_MAX {
            return Err(invalid(&format!("more than {SEARCH_TERMS_MAX} words and phrases")));
        }
        let Filter { terms, from, inside, has, after_ms, .. } = &parsed.filter;
        let narrowed = from.is_some() || inside.is_some() || after_ms.is_some() || parsed.before_ms.is_some();
        if terms.is_empty() && has.is_empty() && !narrowed {
            return Err(invalid("nothing to search for"));
        }
        Ok(parsed)
    }

    fn add_operator(&mut self, name: &str, value: &str, me: &UserId) -> Result<(), &'static str> {
        let filter = &mut self.filter;
        match name {
            "from" => {
                let id = value.strip_prefix("<@").and_then(|id| id.strip_suffix('>')).unwrap_or(value);
                let id = if id == "me" { Some(me.clone()) } else { UserId::parse(id) };
                set_once(&mut filter.from, id.ok_or("from: expects a user's id")?)
            }
            "in" if value.is_empty() => Err("in: expects a room's id or name"),
            "in" => set_once(&mut filter.inside, value.to_owned()),
            "has" => {
                filter.has.push(match value.to_ascii_lowercase().as_str() {
                    "attachment" | "file" => Has::Attachment,
                    "image" => Has::Image,
                    "link" => Has::Link,
                    "reaction" => Has::Reaction,
                    "thread" => Has::Thread,
                    _ => return Err("has: expects attachment, image, link, reaction or thread"),
                });
                Ok(())
            }
            "before" => set_once(&mut self.before_ms, time(value).ok_or("before: expects 2026-11-24")?),
            _ => set_once(&mut filter.after_ms, time(value).ok_or("after: expects 2026-11-24")?),
        }
    }
}

fn set_once<T>(slot: &mut Option<T>, value: T) -> Result<(), &'static str> {
    match slot.replace(value) {
        Some(_) => Err("from:, in:, before: and after: can stand once each"),
        None => Ok(()),
    }
}

/// A day, which begins at midnight UTC, or a time.
fn time(text: &str) -> Option<UnixMs> {
    parse_time(text).or_else(|| parse_time(&format!("{text}{DAY_START}")))
}

enum Part {
    Operator(String, String),
    Term(Term),
}

const OPERATORS: [&str; 5] = ["from", "in", "has", "before", "after"];

/// Splits at blanks outside quotes; a quote that isn't closed ends with the text. An unknown `word:` is a plain word.
fn parts(q: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut rest = q.trim_start();
    while !rest.is_empty() {
        let operator = rest.split_once(':').and_then(|(name, value)| {
            let name = name.to_ascii_lowercase();
            OPERATORS.contains(&name.as_str()).then_some((name, value))
        });
        let value = operator.as_ref().map_or(rest, |(_, value)| value);
        let (text, quoted, after) = match value.strip_prefix('"') {
            Some(inner) => {
                let (text, after) = inner.split_once('"').unwrap_or((inner, ""));
                (text, true, after)
            }
            None => {
                let end = value.find(char::is_whitespace).unwrap_or(value.len());
                let (text, after) = value.split_at_checked(end).unwrap_or((value, ""));
                (text, false, after)
            }
        };
        let text = text.trim();
        match operator {
            Some((name, _)) => parts.push(Part::Operator(name, text.to_owned())),
            None if text.is_empty() => {}
            None => parts.push(Part::Term(Term { text: text.to_owned(), whole: quoted })),
        }
        rest = after.trim_start();
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;

    fn parse(query: &str) -> Result<SearchQuery, Refusal> {
        SearchQuery::parse(&Query::parse(query), &UserId::parse("alice").unwrap())
    }

    fn q(text: &str) -> Result<SearchQuery, Refusal> {
        parse(&format!(
            "q={}",
            percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC)
        ))
    }

    fn term(text: &str, whole: bool) -> Term {
        Term { text: text.into(), whole }
    }

    #[test]
    fn words_phrases_and_operators() {
        let parsed = q(
            "lunch  \"at noon\" from:<@bob> IN:\"The kitchen\" has:link has:image note:well after:2026-11-24",
        )
        .unwrap();
        assert_eq!(
            parsed.filter,
            Filter {
                terms: vec![term("lunch", false), term("at noon", true), term("note:well", false)],
                from: UserId::parse("bob"),
                room: None,
                inside: Some("The kitchen".into()),
                has: vec![Has::Link, Has::Image],
                after_ms: Some(1_795_478_400_000),
            }
        );
        assert_eq!(q("from:me").unwrap().filter.from, UserId::parse("alice"));
        assert_eq!(q("\"open end").unwrap().filter.terms, [term("open end", true)]);
        let by_query = parse("q=x&from=bob&roomId=r1&before=2026-11-24T10:00:00Z").unwrap();
        assert_eq!(by_query.before_ms, Some(1_795_514_400_000));
        assert_eq!(
            (by_query.filter.from, by_query.filter.room.map(|r| r.to_string())),
            (UserId::parse("bob"), Some("r1".into()))
        );
    }

    #[test]
    fn invalid_queries_are_refused() {
        let long = "x".repeat(501);
        let many = "a ".repeat(11);
        for bad in [
            "",
            "  ",
            "\"\"",
            "has:nothing",
            "has:",
            "in:",
            "from:",
            "before:tomorrow",
            "after:2026-13-01",
            "from:a from:b",
            "x\0",
            &long,
            &many,
        ] {
            let refusal = q(bad).unwrap_err();
            assert_eq!((refusal.code, refusal.field.as_deref()), (Code::Invalid, Some("q")), "{bad}");
        }
        assert_eq!(parse("").unwrap_err().code, Code::BadRequest);
        for (query, field) in [("q=x&from=", "from"), ("q=x&before=1", "before"), ("q=x&after=", "after")] {
            let refusal = parse(query).unwrap_err();
            assert_eq!((refusal.code, refusal.field.as_deref()), (Code::Invalid, Some(field)), "{query}");
        }
        assert_eq!(parse("q=x&roomId=").unwrap_err().code, Code::RoomNotFound);
        assert_eq!(parse("q=x&from=a&cursor=zz").map(|_| ()), Ok(()), "the cursor belongs to the page");
    }
}
