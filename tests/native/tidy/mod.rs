//! Rules of the repository that neither the compiler nor clippy knows. Each rule reports all its findings, as
//! `file:line: message`. Not here: the rules themselves; each has a file.

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

/// Fails with all findings of a rule.
#[track_caller]
fn report(rule: &str, mut findings: Vec<Finding>) {
    findings.sort();
    findings.dedup();
    let text = |f: &Finding| format!("{}:{}: {}", f.file, f.line, f.message);
    let lines: Vec<String> = findings.iter().map(text).collect();
    assert!(lines.is_empty(), "{rule}: {} findings\n{}", lines.len(), lines.join("\n"));
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
