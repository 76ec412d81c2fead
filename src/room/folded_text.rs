//! Texts as the moderation rules compare them: in lower case, by whole words, and the hosts of links.
//! Not here: the rules (`moderation`).

/// A text in lower case, and where each of its bytes comes from: lower case may be longer or shorter.
pub struct Folded {
    text: String,
    /// For each byte of `text` the number of the character it comes from.
    origin: Vec<u32>,
    /// Characters of the original.
    count: usize,
}

impl Folded {
    pub fn new(original: &str) -> Self {
        let mut folded = Self {
            text: String::with_capacity(original.len()),
            origin: Vec::with_capacity(original.len()),
            count: 0,
        };
        for c in original.chars() {
            folded.text.extend(c.to_lowercase());
            let number = u32::try_from(folded.count).unwrap_or(u32::MAX);
            folded.origin.resize(folded.text.len(), number);
            folded.count = folded.count.saturating_add(1);
        }
        folded
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    /// The number of characters of the original.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Whether the bytes are whole words: no letter continues them before or behind. In scripts that are written
    /// without blanks, everything counts as whole.
    pub fn is_whole(&self, start: usize, end: usize) -> bool {
        let split = |at: usize| self.text.split_at_checked(at).unwrap_or_default();
        let ((before, from), (to, behind)) = (split(start), split(end));
        let goes_on = |a: Option<char>, b: Option<char>| a.is_some_and(joins) && b.is_some_and(joins);
        !goes_on(before.chars().next_back(), from.chars().next())
            && !goes_on(to.chars().next_back(), behind.chars().next())
    }

    /// Marks the characters of the original from which these bytes come.
    pub fn mark(&self, bytes: std::ops::Range<usize>, masks: &mut [bool]) {
        for number in self.origin.get(bytes).unwrap_or_default() {
            if let Some(mask) = masks.get_mut(*number as usize) {
                *mask = true;
            }
        }
    }
}

/// Whether this is a letter or digit of a script that has blanks between its words.
fn joins(c: char) -> bool {
    // Thai and Lao, Burmese, Khmer, kana and all of the Han characters.
    let unspaced = matches!(c, '\u{e00}'..='\u{eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}'
        | '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}');
    c.is_alphanumeric() && !unspaced
}

/// The hosts of the links in a text in lower case, each with its position: what follows `http://`, `https://` or
/// `www.`.
pub fn hosts(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let schemes = text.match_indices("://").map(|(at, scheme)| at.saturating_add(scheme.len()));
    let bare = text.match_indices("www.").map(|(at, _)| at).filter(|at| {
        let before = text.get(..*at).and_then(|before| before.chars().next_back());
        before.is_none_or(|c| !c.is_alphanumeric() && c != '/' && c != '.')
    });
    schemes.chain(bare).filter_map(|at| {
        let rest = text.get(at..)?;
        let end = rest.find(|c: char| c.is_whitespace() || "/?#\\<>\"'()[]{}|".contains(c));
        let authority = rest.get(..end.unwrap_or(rest.len()))?;
        // A name and a password before the host, a port behind it.
        let begin = authority.rfind('@').map_or(0, |at| at.saturating_add(1));
        let host = authority.get(begin..)?.split(':').next()?.trim_end_matches(['.', ',', '!']);
        (!host.is_empty()).then_some((at.saturating_add(begin), host))
    })
}
