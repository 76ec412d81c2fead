//! Subjects of commits: at most 72 characters.

use super::{Finding, root};
use std::process::Command;

/// When the rule was adopted.
const SINCE: &str = "2026-11-27T09:35:00Z";
const SUBJECT_CHARS_MAX: usize = 72;

/// Finds nothing where there is no repository (an archive of the sources).
pub fn check() -> Vec<Finding> {
    if !root().join(".git").exists() {
        return Vec::new();
    }
    let since = format!("--since={SINCE}");
    let log = Command::new("git").arg("-C").arg(root()).args(["log", &since, "--format=%h %s"]).output();
    let Ok(log) = log else { return Vec::new() };
    let text = String::from_utf8_lossy(&log.stdout).into_owned();
    let commits = text.lines().filter_map(|line| line.split_once(' '));
    let is_long = |subject: &str| subject.chars().count() > SUBJECT_CHARS_MAX;
    commits
        .filter(|(_, subject)| is_long(subject))
        .map(|(hash, subject)| Finding {
            file: format!("commit {hash}"),
            line: 1,
            message: format!("a subject of {} characters: {subject}", subject.chars().count()),
        })
        .collect()
}
