//! Fields that several request bodies share, each with its check.
//! Not here: JSON and types of fields (`protocol::Fields`).

use super::http::parse_time_of;
use crate::error::Refusal;
use crate::ids::{UnixMs, UserId};
use crate::limits::REASON_CHARS_MAX;
use crate::protocol::Fields;
use std::collections::BTreeSet;
use std::ops::RangeInclusive;

/// A list of user ids, each once, in the order in which they were sent.
///
/// # Takes  `count`: how many items the list may have.
pub fn user_ids(
    fields: &mut Fields,
    name: &str,
    count: RangeInclusive<usize>,
) -> Result<Vec<UserId>, Refusal> {
    let expected = || Refusal::bad_field(name, "a list of user ids");
    let list = fields.list_opt(name)?.ok_or_else(expected)?;
    if !count.contains(&list.len()) {
        let why = format!("expected {} to {} of them", count.start(), count.end());
        return Err(Refusal::invalid(name, &why));
    }
    let (mut users, mut seen) = (Vec::new(), BTreeSet::new());
    for item in &list {
        let text = item.as_str().ok_or_else(expected)?;
        let user = UserId::parse(text)
            .ok_or_else(|| Refusal::invalid(name, "ids of 1 to 128 characters, not . or .."))?;
        if seen.insert(user.clone()) {
            users.push(user);
        }
    }
    Ok(users)
}

/// One of the values of an enum, by its name.
pub fn one_of<T: Copy>(
    fields: &mut Fields,
    name: &str,
    values: &[T],
    name_of: impl Fn(T) -> &'static str,
) -> Result<Option<T>, Refusal> {
    let Some(text) = fields.text_opt(name)? else { return Ok(None) };
    let value = values.iter().copied().find(|value| name_of(*value) == text);
    let names = || values.iter().copied().map(&name_of).collect::<Vec<_>>().join(" or ");
    value.map(Some).ok_or_else(|| Refusal::invalid(name, &names()))
}

/// One line of text, trimmed. Empty text and `null` clear what is stored.
pub fn line(fields: &mut Fields, name: &str, chars_max: usize) -> Result<Option<String>, Refusal> {
    let Some(text) = fields.text_to_store(name)?.map(|text| text.trim().to_owned()) else { return Ok(None) };
    if text.chars().count() > chars_max {
        return Err(Refusal::invalid(name, &format!("more than {chars_max} characters")));
    }
    if text.chars().any(char::is_control) {
        return Err(Refusal::invalid(name, "holds control characters"));
    }
    Ok(Some(text))
}

pub fn time(fields: &mut Fields, name: &str) -> Result<Option<UnixMs>, Refusal> {
    fields.text_opt(name)?.map(|text| parse_time_of(name, &text)).transpose()
}

/// `reason`, trimmed; `None` if nothing is left of it.
pub fn reason(fields: &mut Fields) -> Result<Option<String>, Refusal> {
    let reason = fields.text_opt("reason")?.map(|text| text.trim().to_owned());
    let reason = reason.filter(|text| !text.is_empty());
    if reason.as_ref().is_some_and(|text| text.chars().count() > REASON_CHARS_MAX) {
        return Err(Refusal::invalid("reason", &format!("more than {REASON_CHARS_MAX} characters")));
    }
    Ok(reason)
}

/// A `reason` that is needed.
///
/// # Errors  `bad_request` without one, `invalid` for one that says nothing.
pub fn needed_reason(fields: &mut Fields) -> Result<String, Refusal> {
    let is_absent = !fields.has_field("reason");
    reason(fields)?.ok_or_else(|| match is_absent {
        true => Refusal::bad_field("reason", "text"),
        false => Refusal::invalid("reason", "says nothing"),
    })
}
