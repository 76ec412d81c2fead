//! What is one emoji, by the runtime's own tables: workerd's V8 knows `\p{RGI_Emoji}`, and a table in the WebAssembly
//! would take 136 KB of gzip.
//! Not here: custom emoji, and which reactions a message takes (`room`).

use js_sys::{JsString, RegExp};

/// One emoji that is recommended for general interchange (RGI): sequences, keycaps and flags included.
const ONE_EMOJI: &str = r"^\p{RGI_Emoji}$";
/// A character that is shown as an emoji only with U+FE0F behind it.
const SHOWN_AS_TEXT: &str = r"(?!\p{Emoji_Presentation})\p{Emoji}(?!\p{Emoji_Modifier})";

thread_local! {
    static PATTERNS: [RegExp; 2] = [RegExp::new(ONE_EMOJI, "v"), RegExp::new(SHOWN_AS_TEXT, "gu")];
}

/// See `room::EmojiParser`. Clients differ in where they send U+FE0F; RGI says where it belongs.
pub fn parse(text: &str) -> Option<String> {
    PATTERNS.with(|[one_emoji, shown_as_text]| {
        let bare = JsString::from(text.replace('\u{fe0f}', ""));
        let emoji = String::from(bare.replace_by_pattern(shown_as_text, "$&\u{fe0f}"));
        one_emoji.test(&emoji).then_some(emoji)
    })
}
