//! The words of a search as what Postgres is asked for: `LIKE` patterns, regular expressions, a `tsquery`; all of them
//! for folded text (`chat_fold_v1`).
//! Not here: reading what a person typed (`api::search_query`), and the statements (`search`).

use serde::Serialize;

/// A word or phrase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Term {
    pub text: String,
    /// Its last word has to be a whole word; otherwise longer words that begin with it are found too.
    pub whole: bool,
}

/// How many patterns `chat_search_index_v2` takes.
const SEARCH_PARTS: usize = 3;

/// How the terms are looked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Words {
    /// `LIKE` patterns, all of which must match.
    pub(super) like: Vec<String>,
    /// Regular expressions that match wherever the words begin, and seldom elsewhere. They are checked first, because
    /// splitting a text into words costs many times as much.
    pub(super) begins: Vec<String>,
    /// Those of `like` that the index of parts is searched for, at most `SEARCH_PARTS`.
    pub(super) parts: Vec<String>,
    /// A query for `to_tsquery`, for the index of words.
    pub(super) words: Option<String>,
}

impl Words {
    /// # Takes  `terms`: folded. `parts`: whether there is an index of parts of words. Without it words are found by how they begin.
    pub fn new(terms: &[Term], parts: bool) -> Self {
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
                // `like` checks the order. An index that is asked for a phrase would split each text into words again.
                like.push(contains(&term.text));
                words.push(format!("({})", quoted.join(" & ")));
                continue;
            }
            // Matching a pattern costs a fortieth of splitting the text into words.
            like.extend(lexemes.iter().map(|lexeme| contains(lexeme)));
            begins.extend(lexemes.iter().filter_map(|lexeme| begins_a_word(lexeme)));
            let mut phrase = quoted.join(" <-> ");
            if !term.whole {
                phrase.push_str(":*");
            }
            words.push(format!("({phrase})"));
        }
        let words = (!words.is_empty()).then(|| words.join(" & "));
        // The longest are usually the rarest.
        long.sort_by_key(|text| std::cmp::Reverse(text.chars().count()));
        Self { like, begins, parts: long.into_iter().take(SEARCH_PARTS).map(contains).collect(), words }
    }

    /// Whether an index can be asked for any of it.
    pub(super) fn is_indexed(&self) -> bool {
        !self.parts.is_empty() || self.words.is_some()
    }
}

/// The pattern of a text that contains this one, none of whose characters is special.
fn contains(text: &str) -> String {
    format!("%{}%", text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_"))
}

/// A word begins after anything but a letter (after digits too: `1e5x` is two words). `chat_words` may have taken a
/// letter outside ASCII for punctuation, so those are allowed before it. Text that is not all letters and digits is
/// several words to `chat_words`, or may begin anywhere, as in scripts without blanks.
fn begins_a_word(lexeme: &str) -> Option<String> {
    let plain = lexeme.chars().all(|c| c.is_alphanumeric() && !has_no_blanks(c));
    plain.then(|| format!("(^|[^a-z]){lexeme}"))
}

/// Splits a text into words as `chat_words` (migrations/0004_search.sql) does.
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

/// Whether its script is written without blanks between words.
fn has_no_blanks(c: char) -> bool {
    matches!(c, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}'
        | '\u{ac00}'..='\u{d7af}' | '\u{f900}'..='\u{faff}')
}

/// Whether the index of parts can find it: three letters in a row. In scripts without blanks each character is a word,
/// so the index of words finds parts of any length.
fn has_trigrams(text: &str) -> bool {
    let letters = text.split(|c: char| !c.is_alphanumeric());
    !text.chars().any(has_no_blanks) && letters.map(|run| run.chars().count()).any(|letters| letters >= 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn term(text: &str) -> Term {
        Term { text: text.into(), whole: false }
    }

    #[test]
    fn parts_where_there_are_trigrams_words_elsewhere() {
        let of = |text: &str, parts| Words::new(&[term(text)], parts);
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
        assert!(!of("🎉!", true).is_indexed() && !of("🎉!", false).is_indexed());
        let whole = Words::new(&[Term { text: "go on".into(), whole: true }], false);
        assert_eq!(whole.words.as_deref(), Some("('go' <-> 'on')"));
        let several = Words::new(&[term("a"), term("longest"), term("long")], true);
        assert_eq!(several.parts, ["%longest%", "%long%"], "one letter has no trigram");
        assert_eq!(several.like, ["%a%", "%longest%", "%long%"]);
    }
}
