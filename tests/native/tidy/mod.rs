//! Rules of the repository that neither the compiler nor clippy knows. Each rule reports all its findings, as
//! `file:line: message`. Not here: the rules themselves; each has a file.
//!
//! `tests/native/tidy_allow.txt` is temporary: an entry `rule path` tolerates a rule's findings in one file.

mod circles;
mod commits;
mod layers;
mod references;
mod sizes;
mod source;
mod stored;
mod words;

use source::{Source, sources};
use std::path::Path;

/// A broken rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    file: String,
    line: usize,
    message: String,
}

impl Finding {
    fn new(source: &Source, line: usize, message: impl Into<String>) -> Self {
        Self { file: source.path.clone(), line, message: message.into() }
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Fails with all findings of a rule that are not tolerated.
#[track_caller]
fn report(rule: &str, mut findings: Vec<Finding>) {
    findings.sort();
    findings.dedup();
    let allowed = std::fs::read_to_string(root().join("tests/native/tidy_allow.txt")).unwrap_or_default();
    let is_allowed = |file: &str| {
        let mut entries = allowed.lines().filter_map(|line| line.trim().split_once(' '));
        entries.any(|(name, path)| name == rule && path == file)
    };
    // Rewrites this rule's entries, so that the file can be emptied step by step.
    if std::env::var_os("TIDY_ALLOW").is_some() {
        let files: std::collections::BTreeSet<&str> = findings.iter().map(|f| f.file.as_str()).collect();
        for file in files.into_iter().filter(|file| !is_allowed(file)) {
            println!("allow: {rule} {file}");
        }
    }
    let text = |f: &Finding| format!("{}:{}: {}", f.file, f.line, f.message);
    let open: Vec<String> = findings.iter().filter(|f| !is_allowed(&f.file)).map(text).collect();
    assert!(open.is_empty(), "{rule}: {} findings\n{}", open.len(), open.join("\n"));
}

#[test]
fn references_resolve() {
    report("references", references::check(&sources()));
}

#[test]
fn layers_point_down() {
    report("layers", layers::check(&sources()));
}

#[test]
fn imports_have_no_circle() {
    report("circles", circles::check(&sources()));
}

#[test]
fn files_and_functions_are_short() {
    report("sizes", sizes::check(&sources()));
}

#[test]
fn replaced_words_do_not_appear() {
    report("words", words::check(&sources()));
}

#[test]
fn stored_formats_have_golden_files() {
    report("stored", stored::check(&sources()));
}

#[test]
fn commit_subjects_are_short() {
    report("commits", commits::check());
}
