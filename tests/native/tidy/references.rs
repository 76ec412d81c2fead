//! What comments and documents name exists: files, headings of documents, rules of docs/PROTOCOL.md.

use super::source::Source;
use super::{Finding, circles, root};
use std::collections::{BTreeMap, BTreeSet};

const ENDINGS: [&str; 14] =
    ["rs", "md", "ts", "tsx", "mjs", "js", "css", "html", "sql", "toml", "json", "jsonl", "yml", "c"];
const FOLDERS: [&str; 10] =
    ["src", "sim", "tests", "testkit", "xtask", "bench", "web", "migrations", "docs", "examples"];
/// Made by a build, or no files of ours.
const ELSEWHERE: [&str; 10] = [
    "target/",
    "build/",
    "dist/",
    "web/dist",
    "node_modules/",
    "worker/",
    "chinwag/",
    "dir/",
    "DIR/",
    "generated/",
];
/// Made by `cargo xtask dev` in a stack's folder, and by wasm-bindgen.
const RUNTIME_FILES: [&str; 4] = ["stack.json", "run.json", "wrangler.json", "index.js"];
/// Names that look like rules and are standards.
const STANDARDS: [&str; 7] = ["SHA", "UTF", "ISO", "RFC", "HMAC", "AES", "PDF"];

pub fn check(sources: &[Source]) -> Vec<Finding> {
    let known = Known::new(sources);
    let mut findings = Vec::new();
    let is_prose = |source: &&Source| !source.comments.is_empty() && !source.path.ends_with("LICENSE.md");
    for source in sources.iter().filter(is_prose) {
        let lines: Vec<&str> = source.comments.lines().collect();
        for (at, line) in lines.iter().enumerate() {
            let next =
                lines.get(at + 1).map_or("", |line| line.trim_start_matches([' ', '/', '!', '-', '#']));
            let mut wrong = known.broken_paths(source, line);
            wrong.extend(known.broken_headings(line, next));
            wrong.extend(numbered_elsewhere(line));
            findings.extend(wrong.into_iter().map(|message| Finding::new(source, at + 1, message)));
        }
        for (at, line) in source.text.lines().enumerate() {
            let wrong = known.broken_rules(line).into_iter();
            findings.extend(wrong.map(|message| Finding::new(source, at + 1, message)));
        }
    }
    findings
}

/// Issues and paragraphs whose numbers no document of ours has.
fn numbered_elsewhere(line: &str) -> Option<String> {
    let is_issue = line.split("Issue ").skip(1).any(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    (is_issue || line.contains('§') && !line.contains("RFC"))
        .then(|| "a number of an issue or a paragraph (§)".to_owned())
}

/// What there is to be named.
struct Known {
    paths: BTreeSet<String>,
    names: BTreeSet<String>,
    /// By the document's file name.
    headings: BTreeMap<String, Vec<String>>,
    rules: BTreeSet<String>,
}

impl Known {
    fn new(sources: &[Source]) -> Self {
        let file_name = |source: &Source| source.path.rsplit('/').next().unwrap_or_default().to_owned();
        // Documents of one name (README.md) share their headings.
        let mut all_headings: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for source in sources.iter().filter(|source| source.is("md")) {
            all_headings.entry(file_name(source)).or_default().extend(headings(&source.text));
        }
        let protocol = sources.iter().find(|source| source.path == "docs/PROTOCOL.md");
        let rows = protocol.into_iter().flat_map(|source| source.text.lines());
        let ids = rows.filter_map(|row| row.strip_prefix("| ")?.split(" |").next());
        Self {
            paths: sources.iter().map(|source| source.path.clone()).collect(),
            names: sources.iter().map(file_name).collect(),
            headings: all_headings,
            rules: ids.filter(|id| rule_ids(id).any(|found| found == *id)).map(str::to_owned).collect(),
        }
    }

    fn broken_paths(&self, source: &Source, line: &str) -> Vec<String> {
        let is_part = |c: char| c.is_alphanumeric() || "_./-*{}<>@…$:".contains(c);
        let tokens = line.split(|c| !is_part(c)).map(|token| token.trim_end_matches(['.', ':', '-']));
        let is_broken = |token: &&str| is_path(token) && !self.resolves(source, token);
        tokens.filter(is_broken).map(|token| format!("there is no {token}")).collect()
    }

    fn resolves(&self, source: &Source, token: &str) -> bool {
        if !token.contains('/') {
            return self.names.contains(token) || root().join(token).exists();
        }
        if self.paths.iter().any(|path| path.ends_with(&format!("/{token}"))) {
            return true;
        }
        let mut folders: Vec<&str> =
            vec!["", "src", "tests", "tests/native", "docs", "web", "web/src", "web/src/lib"];
        let mut folder = source.folder();
        while !folder.is_empty() {
            folders.push(folder);
            folder = folder.rsplit_once('/').map_or("", |(parent, _)| parent);
        }
        folders.iter().any(|folder| {
            let path = circles::join(folder, token);
            root().join(&path).exists() || root().join(format!("{path}.rs")).exists()
        })
    }

    /// `docs/PLATFORM.md, What it costs` and `PLATFORM.md, "What it costs"` name a heading.
    fn broken_headings(&self, line: &str, next: &str) -> Vec<String> {
        let mut wrong = Vec::new();
        for (at, _) in line.match_indices(".md") {
            let name = line[..at].rsplit(|c: char| !c.is_alphanumeric() && c != '_' && c != '-').next();
            let Some(headings) = self.headings.get(&format!("{}.md", name.unwrap_or_default())) else {
                continue;
            };
            let rest = format!("{} {next}", line[at + 3..].trim_end());
            let Some(rest) = rest.trim_start_matches('`').strip_prefix([',', ' ']) else { continue };
            let text = rest.trim_start_matches([' ', ',', '"', '“']);
            let is_named = rest.trim_start().starts_with(['"', '“'])
                && text.starts_with(char::is_alphanumeric)
                || line[at + 3..].trim_start_matches('`').starts_with(", ")
                    && text.starts_with(char::is_uppercase);
            if is_named && !headings.iter().any(|heading| text.starts_with(heading.as_str())) {
                let words: Vec<&str> = text.split(' ').take(4).collect();
                wrong.push(format!("{} has no heading \"{} …\"", name.unwrap_or_default(), words.join(" ")));
            }
        }
        wrong
    }

    fn broken_rules(&self, line: &str) -> Vec<String> {
        let is_broken = |id: &&str| {
            let word = id.split_once('-').map_or("", |(word, _)| word);
            !self.rules.contains(*id) && !STANDARDS.contains(&word)
        };
        rule_ids(line).filter(is_broken).map(|id| format!("docs/PROTOCOL.md has no rule {id}")).collect()
    }
}

fn is_path(token: &str) -> bool {
    let has_hole =
        token.contains(['*', '{', '}', '<', '…', '$', ':', '@']) || token.starts_with(['/', '.', '-']);
    if has_hole || RUNTIME_FILES.contains(&token) || ELSEWHERE.iter().any(|folder| token.contains(folder)) {
        return false;
    }
    let (folder, name) = token.rsplit_once('/').unwrap_or(("", token));
    let has_ending =
        name.rsplit_once('.').is_some_and(|(stem, ending)| !stem.is_empty() && ENDINGS.contains(&ending));
    let is_upper = |part: &str| part.len() > 1 && part.chars().all(|c| c.is_ascii_uppercase());
    let is_placeholder = !name.ends_with(".md") && name.split('.').any(is_upper);
    let is_in_folder = FOLDERS.contains(&folder.split('/').next().unwrap_or_default());
    !is_placeholder && (has_ending || is_in_folder && !name.is_empty())
}

/// The titles of the headings, with and without their number.
fn headings(text: &str) -> Vec<String> {
    let titles =
        text.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
    titles
        .flat_map(|title| {
            let bare = title.split_once(". ").filter(|(number, _)| number.parse::<u32>().is_ok());
            let short = title.split(':').next().unwrap_or(title);
            [title.to_owned(), bare.map_or(title, |(_, rest)| rest).to_owned(), short.to_owned()]
        })
        .collect()
}

/// Words like `ACK-2`.
fn rule_ids(line: &str) -> impl Iterator<Item = &str> {
    line.split(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_').filter(|word| {
        word.split_once('-').is_some_and(|(name, number)| {
            name.len() > 1
                && name.chars().all(|c| c.is_ascii_uppercase())
                && !number.is_empty()
                && number.chars().all(|c| c.is_ascii_digit())
        })
    })
}

#[test]
fn broken_references_are_found() {
    let file = |path: &str, text: &str| Source::new(path.into(), text.into());
    let sources = [
        file("docs/PROTOCOL.md", "# Protocol\n## 4. The log\n| id | rule |\n| ACK-1 | Acked. |\n"),
        file(
            "src/a.rs",
            "// docs/PROTOCOL.md, The log; `PROTOCOL.md`, \"The log\"; ACK-1, SHA-256; tests/native/tidy/mod.rs",
        ),
        file(
            "src/b.rs",
            "// docs/PROTOCOL.md, The lag\n// ACK-2\n// src/room/none.rs\n// Issue 5\n// NOTHING.md\n",
        ),
    ];
    let found: Vec<String> = check(&sources).into_iter().map(|f| format!("{}:{}", f.file, f.line)).collect();
    assert_eq!(found, ["src/b.rs:1", "src/b.rs:3", "src/b.rs:4", "src/b.rs:5", "src/b.rs:2"]);
}
