//! The words that the glossary replaces do not appear in names, comments and documents.

use super::Finding;
use super::source::Source;

const FOLDERS: [&str; 8] = ["src", "sim", "tests", "testkit", "xtask", "bench", "web/src", "docs"];

pub fn check(sources: &[Source]) -> Vec<Finding> {
    let glossary = sources.iter().find(|source| source.path == "docs/GLOSSARY.md").expect("docs/GLOSSARY.md");
    let replaced = replaced_words(&glossary.text);
    let is_checked = |source: &&Source| {
        source.path != glossary.path
            && FOLDERS.iter().any(|folder| source.is_in(folder))
            && ["rs", "ts", "tsx", "mjs", "sql", "md"].iter().any(|ending| source.is(ending))
    };
    let mut findings = Vec::new();
    for source in sources.iter().filter(is_checked) {
        for (at, (code, comment)) in source.code.lines().zip(source.comments.lines()).enumerate() {
            for text in [code, comment] {
                find_in(text, &replaced, |word, term| {
                    findings.push(Finding::new(source, at + 1, format!("`{word}` is now: {term}")));
                });
            }
        }
        if source.code.is_empty() {
            for (at, line) in source.comments.lines().enumerate() {
                find_in(line, &replaced, |word, term| {
                    findings.push(Finding::new(source, at + 1, format!("`{word}` is now: {term}")));
                });
            }
        }
    }
    findings
}

/// The back-quoted words in the last column of each table, each with the term of the first column.
fn replaced_words(glossary: &str) -> Vec<(String, String)> {
    let rows = glossary.lines().filter_map(|line| line.strip_prefix('|')?.trim_end().strip_suffix('|'));
    let words = |row: &str| {
        let (term, _) = row.split_once('|').unwrap_or((row, ""));
        let not = row.rsplit('|').next().unwrap_or_default();
        let words: Vec<&str> = not.split('`').skip(1).step_by(2).collect();
        words.into_iter().map(|word| (word.to_lowercase(), term.trim().to_owned())).collect::<Vec<_>>()
    };
    rows.flat_map(words).collect()
}

/// Words in `_`-names count, those in camelCase and in paths do not.
fn find_in(text: &str, replaced: &[(String, String)], mut found: impl FnMut(&str, &str)) {
    let lower = text.to_lowercase();
    for (word, term) in replaced {
        let is_bounded = |(at, _): &(usize, &str)| {
            let before = lower[..*at].chars().next_back();
            let after = lower[at + word.len()..].chars().next();
            // `set_aside` is a column, and no two words.
            let bounds = |c: Option<char>| !c.is_some_and(char::is_alphanumeric);
            bounds(before) && bounds(after)
        };
        if lower.match_indices(word.as_str()).any(|hit| is_bounded(&hit)) {
            found(word, term);
        }
    }
}

#[test]
fn a_word_is_found_whole_and_in_names_alone() {
    let glossary = "| term | meaning | not |\n|--|--|--|\n| quarantine | Rows. | `set aside`, `told` |\n";
    let replaced = replaced_words(glossary);
    let found = |text: &str| {
        let mut words = Vec::new();
        find_in(text, &replaced, |word, term| words.push(format!("{word} {term}")));
        words.join(", ")
    };
    assert_eq!(found("rows that are set aside"), "set aside quarantine");
    assert_eq!(found("let told_at = 1; // Told"), "told quarantine");
    assert_eq!(found("the column set_aside, the field setAside, untold"), "");
}
