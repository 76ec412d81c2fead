//! Finds the mentions in a message's text: `<@userId>` and `@room`, outside of code. Code is what the page shows as code:
//! fenced blocks and inline spans. Not here: who is a member (`members`), and who may mention the room (`message`).

/// The mentions that a text contains, whoever they name.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Mentions<'a> {
    /// The ids in `<@id>`, in the text's order, repeated ones included.
    pub users: Vec<&'a str>,
    /// `@room` is in the text as a word.
    pub has_room: bool,
}

impl<'a> Mentions<'a> {
    pub fn parse(content: &'a str) -> Self {
        let lines: Vec<Line> = content.lines().map(Line::parse).collect();
        let mut mentions = Self::default();
        let mut at = 0;
        while let Some(line) = lines.get(at) {
            match end_of_block(&lines, at) {
                Some(end) => at = end,
                None => mentions.add_line(line.text),
            }
            at = at.saturating_add(1);
        }
        mentions
    }

    fn add_line(&mut self, line: &'a str) {
        // The line with a placeholder for each span of code and each `<@id>`, so that they are no part of a word `@room`.
        let mut plain = String::with_capacity(line.len());
        let mut rest = line;
        while let Some(first) = rest.chars().next() {
            let element = code_span(rest).or_else(|| {
                let (user, after) = user_mention(rest)?;
                self.users.push(user);
                Some(after)
            });
            if let Some(after) = element {
                plain.push(char::REPLACEMENT_CHARACTER);
                rest = after;
                continue;
            }
            let is_escape = rest.starts_with("\\`") || rest.starts_with("\\\\");
            let (text, after) = rest.split_at(if is_escape { 2 } else { first.len_utf8() });
            plain.push_str(text);
            rest = after;
        }
        let is_room =
            |word: &str| word.trim_matches(|c: char| c.is_ascii_punctuation() && c != '@') == "@room";
        self.has_room |= plain.split_whitespace().any(is_room);
    }
}

/// A line without its quotation marks, and their number.
struct Line<'a> {
    quotes: usize,
    text: &'a str,
}

impl<'a> Line<'a> {
    fn parse(line: &'a str) -> Self {
        let (mut quotes, mut text) = (0usize, line);
        while let Some(inner) = text.strip_prefix('>') {
            text = inner.strip_prefix(' ').unwrap_or(inner);
            quotes = quotes.saturating_add(1);
        }
        Self { quotes, text }
    }
}

/// The line that closes the fenced block which begins at `start`; `None` if none begins there or it is never closed.
fn end_of_block(lines: &[Line], start: usize) -> Option<usize> {
    let opening = lines.get(start)?;
    let language = opening.text.strip_prefix("```")?.trim();
    if language.contains(|c: char| c == '`' || c.is_whitespace()) {
        return None;
    }
    let inner = lines.iter().enumerate().skip(start.saturating_add(1));
    let mut same_quote = inner.take_while(|(_, line)| line.quotes >= opening.quotes);
    same_quote
        .find(|(_, line)| line.quotes == opening.quotes && line.text.trim_end() == "```")
        .map(|(at, _)| at)
}

/// What follows the span of code that the text begins with.
fn code_span(text: &str) -> Option<&str> {
    let (code, after) = text.strip_prefix('`')?.split_once('`')?;
    (!code.is_empty()).then_some(after)
}

/// The `<@id>` that the text begins with, and what follows it.
fn user_mention(text: &str) -> Option<(&str, &str)> {
    let (user, after) = text.strip_prefix("<@")?.split_once('>')?;
    (!user.is_empty() && !user.contains("<@")).then_some((user, after))
}
