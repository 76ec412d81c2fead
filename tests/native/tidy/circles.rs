//! No file imports another one that imports it, directly or through others: in `src`, `sim/src` and `web/src`.
//! A part may name its parent, and a parent its parts: `mod` makes that unavoidable.

use super::Finding;
use super::source::Source;
use std::collections::{BTreeMap, BTreeSet};

type Graph<'a> = BTreeMap<&'a str, BTreeSet<&'a str>>;

pub fn check(sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for root in ["src", "sim/src"] {
        let files = files_of(sources, root, &["rs"]);
        findings.extend(circles(&rust_graph(root, &files), sources));
    }
    let files = files_of(sources, "web/src", &["ts", "tsx"]);
    findings.extend(circles(&web_graph(&files), sources));
    findings
}

fn files_of<'a>(sources: &'a [Source], root: &str, endings: &[&str]) -> Vec<&'a Source> {
    let is_one = |source: &&Source| source.is_in(root) && endings.iter().any(|ending| source.is(ending));
    sources.iter().filter(is_one).collect()
}

// --- Rust -------------------------------------------------------------------------------------------

/// `src/room/store/mod.rs` → `["room", "store"]`.
fn module_path<'a>(root: &str, path: &'a str) -> Vec<&'a str> {
    let path = path[root.len() + 1..].trim_end_matches(".rs");
    let path = path.strip_suffix("/mod").unwrap_or(path);
    if matches!(path, "lib" | "main" | "mod") { Vec::new() } else { path.split('/').collect() }
}

fn rust_graph<'a>(root: &str, files: &[&'a Source]) -> Graph<'a> {
    let modules: BTreeMap<Vec<&str>, &'a str> =
        files.iter().map(|source| (module_path(root, &source.path), source.path.as_str())).collect();
    let mut graph = Graph::new();
    for source in files {
        let from = module_path(root, &source.path);
        for name in used_names(source.production_code()) {
            let Some(target) = resolve(&from, &name, &modules) else { continue };
            let is_family = target.starts_with(&from) || from.starts_with(&target);
            if !is_family {
                graph.entry(source.path.as_str()).or_default().insert(modules[&target]);
            }
        }
    }
    graph
}

/// The paths that begin with `crate`, `super` or `self`, with the names of a `use` list apart.
fn used_names(code: &str) -> Vec<Vec<String>> {
    let mut names = Vec::new();
    for start in ["crate::", "super::", "self::"] {
        for (at, _) in code.match_indices(start) {
            let is_inside = code[..at].ends_with("::")
                || code[..at].chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '_');
            if !is_inside {
                expand(&code[at..], &mut Vec::new(), &mut names);
            }
        }
    }
    names
}

/// Reads one path, or the list in braces that ends it; gives how many bytes that were.
fn expand(text: &str, before: &mut Vec<String>, names: &mut Vec<Vec<String>>) -> usize {
    let (mut at, depth) = (0, before.len());
    loop {
        let rest = &text[at..];
        let word = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        if rest.starts_with('{') {
            at += 1;
            while let Some(c) = text[at..].chars().next().filter(|c| *c != '}') {
                let is_name = c.is_alphanumeric() || c == '_';
                at += if is_name { expand(&text[at..], before, names) } else { c.len_utf8() };
            }
            at += 1;
            break;
        }
        if word == 0 {
            break;
        }
        before.push(rest[..word].to_owned());
        at += word;
        if !text[at..].starts_with("::") {
            names.push(before.clone());
            break;
        }
        at += 2;
    }
    before.truncate(depth);
    at.max(1)
}

/// The deepest module that a path names.
fn resolve<'a>(
    from: &[&'a str],
    name: &[String],
    modules: &BTreeMap<Vec<&'a str>, &str>,
) -> Option<Vec<&'a str>> {
    let mut base: Vec<&str> = if name[0] == "crate" { Vec::new() } else { from.to_vec() };
    let mut rest = &name[usize::from(name[0] != "super")..];
    while rest.first().is_some_and(|word| word == "super") {
        base.pop()?;
        rest = &rest[1..];
    }
    let mut found = base.clone();
    let mut path: Vec<&str> = base;
    for word in rest {
        path.push(word);
        if modules.contains_key(path.as_slice()) {
            found.clone_from(&path);
        } else {
            break;
        }
    }
    modules.keys().find(|known| **known == found).cloned().filter(|module| !module.is_empty())
}

// --- TypeScript -------------------------------------------------------------------------------------

fn web_graph<'a>(files: &[&'a Source]) -> Graph<'a> {
    let mut graph = Graph::new();
    for source in files {
        for line in source.text.lines() {
            let target = line.split_once("from \"").or_else(|| line.split_once("import \""));
            let Some((target, _)) = target.and_then(|(_, rest)| rest.split_once('"')) else { continue };
            let path = match target.strip_prefix("@/") {
                Some(rest) => format!("web/src/{rest}"),
                None if target.starts_with('.') => join(source.folder(), target),
                None => continue,
            };
            let names = ["", ".ts", ".tsx", "/index.ts", "/index.tsx"].map(|end| format!("{path}{end}"));
            if let Some(file) = files.iter().find(|file| names.contains(&file.path)) {
                graph.entry(source.path.as_str()).or_default().insert(file.path.as_str());
            }
        }
    }
    graph
}

/// A path with `.` and `..` resolved.
pub fn join(folder: &str, relative: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in relative.split('/') {
        match part {
            "." | "" => {}
            ".." => drop(parts.pop()),
            other => parts.push(other),
        }
    }
    parts.join("/")
}

// --- Circles ----------------------------------------------------------------------------------------

/// One finding for each set of files that reach each other, with a shortest circle.
fn circles(graph: &Graph, sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut reported = BTreeSet::new();
    for start in graph.keys() {
        let Some(circle) = shortest_circle(graph, start) else { continue };
        let members: BTreeSet<&str> = circle.iter().copied().collect();
        if members.iter().any(|file| reported.contains(file)) {
            continue;
        }
        reported.extend(members);
        let source = sources.iter().find(|source| source.path == *start).expect("a source");
        findings.push(Finding::new(source, 1, format!("an import circle: {} → {start}", circle.join(" → "))));
    }
    findings
}

fn shortest_circle<'a>(graph: &Graph<'a>, start: &'a str) -> Option<Vec<&'a str>> {
    let mut paths = std::collections::VecDeque::from([vec![start]]);
    let mut seen = BTreeSet::new();
    while let Some(path) = paths.pop_front() {
        for next in graph.get(path.last()?).into_iter().flatten() {
            if *next == start {
                return Some(path);
            }
            if seen.insert(*next) {
                paths.push_back([path.as_slice(), &[*next]].concat());
            }
        }
    }
    None
}

#[test]
fn a_circle_is_found_and_a_child_may_name_its_parent() {
    let file = |path: &str, text: &str| Source::new(path.into(), text.into());
    let sources = [
        file("src/lib.rs", "mod a; mod b;"),
        file("src/a/mod.rs", "mod c; use crate::b::{B, other::C}; use c::D;"),
        file("src/a/c.rs", "use super::A;"),
        file("src/b.rs", "fn b(a: crate::a::c::D) {}"),
    ];
    let found: Vec<String> = check(&sources).into_iter().map(|finding| finding.message).collect();
    assert_eq!(found, Vec::<String>::new(), "a → b → a/c, and a/c imports only its parent");
    let circle = [file("src/a.rs", "use crate::b::B;"), file("src/b.rs", "use super::a::{A};")];
    assert_eq!(check(&circle)[0].message, "an import circle: src/a.rs → src/b.rs → src/a.rs");
    let web = [file("web/src/a.ts", "import { b } from \"./b\";"), file("web/src/b.ts", "import \"@/a\";")];
    assert_eq!(check(&web).len(), 1);
}
