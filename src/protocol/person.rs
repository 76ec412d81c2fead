//! What a person's profile may contain (PEOPLE-1).
//! Not here: who may change it (`api::people`), and storing it (`db::profiles`).

use super::visible_text::is_visible;
use crate::limits::{AVATAR_URL_BYTES_MAX, PERSON_TEXT_CHARS_MAX, TIMEZONE_CHARS_MAX};

/// A name, trimmed; `None` if it shows nothing, is too long or contains control characters.
pub fn name(text: &str) -> Option<String> {
    Some(text.trim()).filter(|name| is_visible(name)).and_then(line)
}

/// One line of at most `PERSON_TEXT_CHARS_MAX` code points, trimmed.
pub fn line(text: &str) -> Option<String> {
    let text = text.trim();
    let is_line = text.chars().count() <= PERSON_TEXT_CHARS_MAX && !text.contains(char::is_control);
    is_line.then(|| text.to_owned())
}

/// An `https` URL of at most `AVATAR_URL_BYTES_MAX`.
pub fn avatar_url(text: &str) -> Option<String> {
    let host = text.strip_prefix("https://").unwrap_or_default();
    let is_url = text.len() <= AVATAR_URL_BYTES_MAX
        && !host.is_empty()
        && !host.starts_with('/')
        && !text.contains(|c: char| c.is_control() || c.is_whitespace());
    is_url.then(|| text.to_owned())
}

/// A name of the IANA time zone database, as far as its form tells.
pub fn is_timezone(text: &str) -> bool {
    (1..=TIMEZONE_CHARS_MAX).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_+-/".contains(&b))
}

/// A time of day as `HH:MM`.
pub fn is_time_of_day(text: &str) -> bool {
    let number = |part: &str, end: u8| {
        part.len() == 2
            && part.bytes().all(|b| b.is_ascii_digit())
            && part.parse::<u8>().is_ok_and(|n| n < end)
    };
    text.split_once(':').is_some_and(|(hour, minute)| number(hour, 24) && number(minute, 60))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_avatars_zones_and_times_have_their_form() {
        assert_eq!(name(" Zoë Ω "), Some("Zoë Ω".into()));
        for bad in ["", " ", "\u{200b}", "\u{2800}", "a\nb", "a\0b", &"x".repeat(101)] {
            assert_eq!(name(bad), None, "{bad:?}");
        }
        assert_eq!(name(&"𝒳".repeat(100)).map(|name| name.chars().count()), Some(100));
        assert!(avatar_url("https://a.example/b.png").is_some());
        let long = format!("https://a/{}", "x".repeat(AVATAR_URL_BYTES_MAX));
        for bad in ["http://a/b", "https://", "https:///a", "https://a/b c", "javascript:1", "data:,", &long]
        {
            assert_eq!(avatar_url(bad), None, "{bad}");
        }
        assert!(is_timezone("America/Argentina/ComodRivadavia") && is_timezone("Etc/GMT+1"));
        assert!(!is_timezone("") && !is_timezone("Europe/Zürich") && !is_timezone("a b"));
        assert!(is_time_of_day("00:00") && is_time_of_day("23:59"));
        for bad in ["24:00", "1:00", "12:60", "12:0", "12", "+1:00", "12:00:00", "1２:00"] {
            assert!(!is_time_of_day(bad), "{bad}");
        }
    }
}
