//! A few emoji, where no JavaScript engine knows all of them. The Worker's are tested end to end.

/// One character of the common blocks, U+FE0F behind those that are shown as text without it, or one flag.
pub fn parse_emoji(text: &str) -> Option<String> {
    let bare: Vec<char> = text.chars().filter(|c| *c != '\u{fe0f}').collect();
    let is_regional = |c: char| ('\u{1f1e6}'..='\u{1f1ff}').contains(&c);
    match bare[..] {
        [c @ '\u{1f300}'..='\u{1faff}'] => Some(c.to_string()),
        [c @ '\u{2600}'..='\u{27bf}'] => Some(format!("{c}\u{fe0f}")),
        [a, b] if is_regional(a) && is_regional(b) => Some(format!("{a}{b}")),
        _ => None,
    }
}
