//! Imports of the Worker crate point down only:
//! `shell → object → api → inbox → room → db → auth, protocol → error, limits, ids`.

use super::Finding;
use super::source::Source;

/// From the highest to the lowest; modules of one layer may not import each other in a circle (`circles`).
const LAYERS: [&[&str]; 8] = [
    &["shell"],
    &["object"],
    &["api"],
    &["inbox"],
    &["room", "outbox_alerts"],
    &["db", "notify", "push"],
    &["auth", "protocol", "schema"],
    &["error", "limits", "ids", "oplog", "metrics"],
];

fn layer_of(module: &str) -> Option<usize> {
    LAYERS.iter().position(|modules| modules.contains(&module))
}

pub fn check(sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in sources.iter().filter(|source| source.is_in("src") && source.is("rs")) {
        let module = source.path["src/".len()..].split(['/', '.']).next().unwrap_or_default();
        if module == "lib" {
            continue;
        }
        let Some(layer) = layer_of(module) else {
            findings.push(Finding::new(
                source,
                1,
                format!("`{module}` has no layer in tests/native/tidy/layers.rs"),
            ));
            continue;
        };
        for (at, line) in source.production_code().lines().enumerate() {
            for imported in imported_modules(line) {
                if layer_of(imported).is_some_and(|other| other < layer) {
                    findings.push(Finding::new(
                        source,
                        at + 1,
                        format!("`{module}` imports `{imported}`, above it"),
                    ));
                }
            }
        }
    }
    findings
}

/// `crate::room::Room` → `room`.
fn imported_modules(line: &str) -> impl Iterator<Item = &str> {
    line.split("crate::").skip(1).map(|rest| {
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        &rest[..end]
    })
}

#[test]
fn imports_are_found_in_use_and_in_paths() {
    let modules: Vec<&str> = imported_modules("use crate::db::{A, B}; fn a(b: crate::room::Room)").collect();
    assert_eq!(modules, ["db", "room"]);
}
