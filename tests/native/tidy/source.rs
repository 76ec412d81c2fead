//! The repository's text files, and their code apart from their comments. Not here: what must be true of them.

use super::root;
use std::path::Path;

/// A file. `code` and `comments` have the length and the lines of `text`; what belongs to the other is blank.
pub struct Source {
    /// From the repository's root.
    pub path: String,
    pub text: String,
    /// Without comments, and without the content of literals.
    pub code: String,
    pub comments: String,
}

const FOLDERS: [&str; 12] = [
    "src",
    "sim",
    "tests",
    "testkit",
    "xtask",
    "bench",
    "web",
    "examples",
    "migrations",
    "docs",
    ".github",
    ".cargo",
];
const ENDINGS: [&str; 13] =
    ["rs", "md", "ts", "tsx", "mjs", "js", "css", "html", "sql", "toml", "json", "yml", "c"];
/// Generated, or no text of ours.
const SKIPPED: [&str; 6] = ["target", "node_modules", "dist", "generated", "build", ".wrangler"];

/// All files of the repository that are read by people.
pub fn sources() -> Vec<Source> {
    let mut found = Vec::new();
    FOLDERS.iter().for_each(|folder| walk(&root().join(folder), &mut found));
    for entry in std::fs::read_dir(root()).unwrap().map(Result::unwrap) {
        if entry.path().is_file() && has_ending(&entry.path()) {
            found.push(entry.path());
        }
    }
    found.sort();
    found.iter().filter(|path| !path.ends_with("package-lock.json")).map(|path| Source::read(path)).collect()
}

fn walk(folder: &Path, found: &mut Vec<std::path::PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for path in entries.map(|entry| entry.unwrap().path()) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() && !SKIPPED.contains(&name.as_str()) {
            walk(&path, found);
        } else if path.is_file() && has_ending(&path) {
            found.push(path);
        }
    }
}

fn has_ending(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ENDINGS.iter().any(|known| ending == *known))
}

impl Source {
    fn read(path: &Path) -> Self {
        let text = String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned();
        let path = path.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
        Self::new(path, text)
    }

    pub fn new(path: String, text: String) -> Self {
        let (code, comments) = match path.rsplit('.').next() {
            Some("rs" | "ts" | "tsx" | "mjs" | "js" | "c" | "css") => split(&text, path.ends_with(".rs")),
            Some("sql") => split_by_line(&text, "--"),
            Some("toml" | "yml") => split_by_line(&text, "#"),
            Some("md") => (String::new(), text.clone()),
            _ => (text.clone(), String::new()),
        };
        Self { path, text, code, comments }
    }

    /// The code before the unit tests.
    pub fn production_code(&self) -> &str {
        self.code.split("#[cfg(test)]").next().unwrap_or_default()
    }

    pub fn is(&self, ending: &str) -> bool {
        self.path.rsplit('.').next() == Some(ending)
    }

    pub fn is_in(&self, folder: &str) -> bool {
        self.path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
    }

    pub fn folder(&self) -> &str {
        self.path.rsplit_once('/').map_or("", |(folder, _)| folder)
    }
}

fn split_by_line(text: &str, mark: &str) -> (String, String) {
    let (mut code, mut comments) = (String::new(), String::new());
    for line in text.split_inclusive('\n') {
        let at = line.find(mark).unwrap_or(line.len());
        code += &line[..at];
        code += &blank(&line[at..]);
        comments += &blank(&line[..at]);
        comments += &line[at..];
    }
    (code, comments)
}

fn blank(text: &str) -> String {
    text.chars().map(|c| if c == '\n' { '\n' } else { ' ' }).collect()
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    Code,
    LineComment,
    BlockComment(u32),
    /// The closing quote, and how many `#` follow it in a raw string; `None`: escapes count.
    Text(char, Option<usize>),
}

/// Code and comments of a language with `//` and `/* */`.
fn split(text: &str, is_rust: bool) -> (String, String) {
    let chars: Vec<char> = text.chars().collect();
    let (mut code, mut comments) = (String::with_capacity(text.len()), String::with_capacity(text.len()));
    let (mut state, mut at) = (State::Code, 0);
    while let Some(&c) = chars.get(at) {
        let (next, length, is_comment) = step(&chars, at, state, is_rust);
        for &c in &chars[at..(at + length).min(chars.len())] {
            // A character literal is as empty as a string: it may be a brace.
            let is_literal = is_rust && state == State::Code && next == State::Code && length > 1;
            let is_code = !is_comment && !is_literal && (state == State::Code || next == State::Code);
            let empty = if c == '\n' { '\n' } else { ' ' };
            code.push(if is_code { c } else { empty });
            comments.push(if is_comment { c } else { empty });
        }
        debug_assert!(length > 0, "{c}");
        (state, at) = (next, at + length);
    }
    (code, comments)
}

/// The state after the next characters, how many they are, and whether they are a comment.
fn step(chars: &[char], at: usize, state: State, is_rust: bool) -> (State, usize, bool) {
    let is = |text: &str| text.chars().enumerate().all(|(i, c)| chars.get(at + i) == Some(&c));
    match state {
        State::LineComment => (if is("\n") { State::Code } else { state }, 1, true),
        State::BlockComment(depth) if is("*/") && depth <= 1 => (State::Code, 2, true),
        State::BlockComment(depth) if is("*/") => (State::BlockComment(depth - 1), 2, true),
        State::BlockComment(depth) if is_rust && is("/*") => (State::BlockComment(depth + 1), 2, true),
        State::BlockComment(_) => (state, 1, true),
        State::Text(_, None) if is("\\") => (state, 2, false),
        // Outside Rust only a template goes on in the next line: this was an apostrophe of a text.
        State::Text('"' | '\'', None) if !is_rust && is("\n") => (State::Code, 1, false),
        State::Text(quote, hashes) => {
            let hashes = hashes.unwrap_or(0);
            let closes = chars[at] == quote && (1..=hashes).all(|i| chars.get(at + i) == Some(&'#'));
            (if closes { State::Code } else { state }, if closes { 1 + hashes } else { 1 }, false)
        }
        State::Code if is("//") => (State::LineComment, 2, true),
        State::Code if is("/*") => (State::BlockComment(1), 2, true),
        State::Code if is("\"") => (State::Text('"', None), 1, false),
        State::Code if !is_rust && is("'") => (State::Text('\'', None), 1, false),
        State::Code if !is_rust && is("`") => (State::Text('`', None), 1, false),
        State::Code if is_rust && is("r") && !is_in_word(chars, at) => match raw_string(chars, at) {
            Some(hashes) => (State::Text('"', Some(hashes)), hashes + 2, false),
            None => (state, 1, false),
        },
        State::Code if is_rust && is("'") => (state, character_literal(chars, at), false),
        State::Code => (state, 1, false),
    }
}

fn is_in_word(chars: &[char], at: usize) -> bool {
    at > 0 && (chars[at - 1].is_alphanumeric() && chars[at - 1] != 'b' || chars[at - 1] == '_')
}

/// How many `#` a raw string has that begins here.
fn raw_string(chars: &[char], at: usize) -> Option<usize> {
    let hashes = chars[at + 1..].iter().take_while(|c| **c == '#').count();
    (chars.get(at + 1 + hashes) == Some(&'"')).then_some(hashes)
}

/// The length of a character literal; 1 for the quote of a lifetime.
fn character_literal(chars: &[char], at: usize) -> usize {
    match (chars.get(at + 1), chars.get(at + 2)) {
        (Some('\\'), _) => {
            let end = chars[at + 3..].iter().position(|c| *c == '\'');
            end.map_or(1, |end| end + 4)
        }
        (Some(_), Some('\'')) => 3,
        _ => 1,
    }
}

#[test]
fn comments_and_strings_are_separated_from_code() {
    let text = "let a = \"// no\"; // yes 'x\nlet b = '\"'; /* a /* b */ c */ r#\"no\"# 'x: \"\\\"no\"";
    let source = Source::new("a.rs".into(), text.into());
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(words(&source.comments), "// yes 'x /* a /* b */ c */");
    assert!(!source.code.contains("no") && source.code.contains("let b =    ;"), "{}", source.code);
    assert_eq!(source.code.lines().count(), 2);
}
