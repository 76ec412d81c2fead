//! Subjects of commits: at most 72 characters.

use super::{Finding, root};
use std::process::Command;

/// When the rule was adopted.
const SINCE: &str = "2026-11-27T09:35:00Z";
/// Commits after the adoption whose long subjects were found too late: rewriting them would change every later hash.
const TOLERATED: [&str; 5] = [
    "26c6e343dbde8e21bbeda20f6984f9db45873bc5",
    "2d83997fa256d6024123165862fb3247bad8d026",
    "5e1f5c3cb8181d29fb9f57dc61d980a5d1b7843e",
    "a36a10e4ad53b724e2d8b283dd6526d7da5f76ad",
    "b8efe25a6eb22b553f949f1766ec7c669ffef667",
];
const SUBJECT_CHARS_MAX: usize = 72;

/// Finds nothing where there is no repository (an archive of the sources).
pub fn check() -> Vec<Finding> {
    if !root().join(".git").exists() {
        return Vec::new();
    }
    let since = format!("--since={SINCE}");
    let log = Command::new("git").arg("-C").arg(root()).args(["log", &since, "--format=%H %s"]).output();
    let Ok(log) = log else { return Vec::new() };
    let text = String::from_utf8_lossy(&log.stdout).into_owned();
    let commits = text.lines().filter_map(|line| line.split_once(' '));
    let is_long = |subject: &str| subject.chars().count() > SUBJECT_CHARS_MAX;
    commits
        .filter(|(hash, subject)| is_long(subject) && !TOLERATED.contains(hash))
        .map(|(hash, subject)| Finding {
            file: format!("commit {hash}"),
            line: 1,
            message: format!("a subject of {} characters: {subject}", subject.chars().count()),
        })
        .collect()
}
