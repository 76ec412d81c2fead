//! Whether a text shows anything to its readers. Not here: how long a text may be (`client`).

/// Whether at least one character of the text is visible.
pub fn is_visible(text: &str) -> bool {
    !text.chars().all(shows_nothing)
}

/// White space, control characters, Unicode's `Default_Ignorable_Code_Point` (which contains the bidirectional marks, the
/// variation selectors and U+3164), and the empty Braille pattern.
fn shows_nothing(c: char) -> bool {
    c.is_whitespace()
        || c.is_control()
        || matches!(c,
            '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{115F}'..='\u{1160}' | '\u{17B4}'..='\u{17B5}'
            | '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}'
            | '\u{2800}' | '\u{3164}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF0}'..='\u{FFF8}'
            | '\u{1BCA0}'..='\u{1BCA3}' | '\u{1D173}'..='\u{1D17A}' | '\u{E0000}'..='\u{E0FFF}')
}
