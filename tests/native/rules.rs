//! Each rule of docs/PROTOCOL.md has a test of its name or a checker of it, and each test names a rule.

use std::collections::BTreeSet;

/// `ack_1_the_sending…` → `ACK-1`.
fn rule_of(test: &str) -> String {
    let mut words = test.split('_');
    let (word, number) = (words.next().unwrap(), words.next().unwrap());
    assert!(number.parse::<u32>().is_ok(), "{test} names no rule");
    format!("{}-{number}", word.to_uppercase())
}

#[test]
fn every_rule_is_tested_and_every_test_has_its_rule() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/");
    let read = |path: &str| std::fs::read_to_string(format!("{root}{path}")).unwrap();
    let document = read("docs/PROTOCOL.md");
    let rows = document.lines().filter_map(|line| line.strip_prefix("| "));
    let cells = rows.filter_map(|row| row.split_once(" | "));
    let is_id = |text: &str| {
        let parts = text.split_once('-');
        parts
            .is_some_and(|(word, n)| word.chars().all(|c| c.is_ascii_uppercase()) && n.parse::<u32>().is_ok())
    };
    let rules: BTreeSet<String> = cells.map(|(id, _)| id.to_owned()).filter(|id| is_id(id)).collect();
    let mut tested = BTreeSet::new();
    let folder = |name: &str| std::fs::read_dir(format!("{root}tests/native/{name}")).unwrap();
    for file in folder("room").chain(folder("reading")) {
        let text = std::fs::read_to_string(file.unwrap().path())
            .unwrap()
            .replace("#[tokio::test]\nasync ", "#[test]\n");
        let tests = text.split("#[test]\nfn ").skip(1).filter_map(|part| part.split_once('('));
        tested.extend(tests.map(|(name, _)| rule_of(name)));
    }
    let untold: Vec<_> = tested.difference(&rules).collect();
    assert!(untold.is_empty(), "docs/PROTOCOL.md lacks {untold:?}");
    // These name the rules that they check in comments: some need a real Postgres, or the edge.
    let checkers = [
        "tests/native/invariants.rs",
        "testkit/src/history/mod.rs",
        "tests/native/db.rs",
        "tests/native/db_profiles.rs",
        "tests/native/db_reports.rs",
        "tests/native/db_quotas.rs",
        "tests/e2e/profiles.rs",
        "tests/e2e/edge_rates.rs",
        "tests/e2e/inbox.rs",
        "tests/native/inbox.rs",
        "tests/native/inbox/presence.rs",
    ];
    let checkers = checkers.map(read).concat();
    let untested: Vec<_> = rules.difference(&tested).filter(|id| !checkers.contains(id.as_str())).collect();
    assert!(untested.is_empty(), "no test is named after {untested:?}");
}
