//! Every statement of ours names the tenant wherever it reads or writes a table of rows of many tenants: the files of
//! `src/db/sql` and the functions and views of `migrations/`. Not here: what a statement does with the tenant's rows.

use std::collections::BTreeSet;
use std::path::Path;

/// Who uses which table without a tenant.
fn unbound(name: &str, sql: &str, tables: &BTreeSet<String>) -> Vec<String> {
    let sql = strip_comments(sql);
    let words = words(&sql);
    let mut found = Vec::new();
    for (n, pair) in words.windows(2).enumerate() {
        let [(verb, _), (table, at)] = pair else { continue };
        let verb = verb.to_ascii_uppercase();
        if !matches!(verb.as_str(), "FROM" | "JOIN" | "UPDATE" | "INTO") || !tables.contains(*table) {
            continue;
        }
        let rest = &sql[at + table.len()..];
        let alias =
            words[n + 2..].iter().map(|(word, _)| *word).find(|word| !word.eq_ignore_ascii_case("as"));
        let alias = alias.filter(|word| word.chars().all(|c| c.is_ascii_lowercase() || c == '_'));
        let scope = to_end_of_scope(rest);
        let columns = || scope.split_once('(').and_then(|(_, columns)| columns.split_once(')'));
        let is_bound = match (verb.as_str(), alias) {
            ("INTO", _) => columns().is_some_and(|(columns, _)| columns.contains("tenant_id")),
            (_, Some(alias)) => binds(scope, &format!("{alias}.tenant_id")),
            (_, None) => binds(scope, "tenant_id"),
        };
        if !is_bound {
            found.push(format!("{name}: {verb} {table} {}", alias.unwrap_or_default()));
        }
    }
    found
}

/// Whether this column is compared for equality.
fn binds(scope: &str, column: &str) -> bool {
    scope.match_indices(column).any(|(at, _)| {
        let (before, after) = (scope[..at].trim_end(), scope[at + column.len()..].trim_start());
        let begins = !before.ends_with(|c: char| c.is_alphanumeric() || c == '.' || c == '_')
            || scope[..at].ends_with(char::is_whitespace);
        begins && (after.starts_with('=') || before.ends_with('='))
    })
}

/// Up to the parenthesis or the semicolon that ends what the text begins in.
fn to_end_of_scope(text: &str) -> &str {
    let mut depth = 0i32;
    let end = text.find(|c| {
        depth += i32::from(c == '(') - i32::from(c == ')');
        depth < 0 || (depth == 0 && c == ';')
    });
    &text[..end.unwrap_or(text.len())]
}

fn strip_comments(sql: &str) -> String {
    sql.lines().map(|line| line.split("--").next().unwrap_or("")).collect::<Vec<_>>().join("\n")
}

/// The names and keywords, each with its place.
fn words(sql: &str) -> Vec<(&str, usize)> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let starts = sql.char_indices().filter(|(at, c)| is_word(*c) && !sql[..*at].ends_with(is_word));
    starts.map(|(at, _)| (sql[at..].split(|c| !is_word(c)).next().unwrap_or(""), at)).collect()
}

fn texts(folder: &str) -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut files: Vec<_> =
        std::fs::read_dir(folder).expect("a folder").map(|file| file.expect("a file").path()).collect();
    files.sort();
    let text = |path: &std::path::PathBuf| {
        std::fs::read_to_string(path).expect("a text").replace("CREATE OR REPLACE ", "CREATE ")
    };
    let name =
        |path: &std::path::PathBuf| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    files.iter().map(|path| (name(path), text(path))).collect()
}

/// What follows `start` in the migrations, with its file, up to `end`.
fn parts<'a>(files: &'a [(String, String)], start: &str, end: &str) -> Vec<(&'a str, &'a str)> {
    let of = |(name, text): &'a (String, String)| {
        let parts = text.split(start).skip(1).map(|part| part.split(end).next().unwrap_or(part));
        parts.map(|part| (name.as_str(), part)).collect::<Vec<_>>()
    };
    files.iter().flat_map(of).collect()
}

#[test]
fn every_statement_binds_the_tenant() {
    let migrations = texts("migrations");
    let first = |part: &str| words(part).first().map(|(word, _)| (*word).to_owned()).unwrap_or_default();
    let created =
        parts(&migrations, "CREATE TABLE ", ";").into_iter().chain(parts(&migrations, "CREATE VIEW ", ";"));
    let tables: BTreeSet<String> =
        created.map(|(_, part)| first(part)).filter(|name| name.starts_with("chat_")).collect();
    assert!(tables.len() >= 10 && tables.contains("chat_message_json_v1"), "{tables:?}");
    let mut found = Vec::new();
    let mut count = 0;
    for (name, sql) in texts("src/db/sql") {
        count += 1;
        found.extend(unbound(&name, &sql, &tables));
    }
    for (file, body) in parts(&migrations, "CREATE FUNCTION chat_", "$$;") {
        count += 1;
        found.extend(unbound(&format!("{file}: chat_{}", first(body)), body, &tables));
    }
    // Who reads a view binds its tenant.
    for (file, body) in parts(&migrations, "CREATE VIEW ", ";") {
        let inner = body.split_once("FROM chat_messages c").map_or(body, |(inner, _)| inner);
        found.extend(unbound(&format!("{file}: {}", first(body)), inner, &tables));
    }
    assert!(count > 25, "{count}");
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn statements_without_a_tenant_are_found() {
    let tables = ["chat_messages", "chat_rooms"].map(str::to_owned).into();
    let ok = [
        "SELECT FROM chat_messages c WHERE c.tenant_id = $1->>'tenant' AND c.seq = 1",
        "SELECT FROM x CROSS JOIN LATERAL (SELECT FROM chat_rooms AS r WHERE x.tenant_id = r.tenant_id LIMIT 1)",
        "INSERT INTO chat_rooms (tenant_id, id) VALUES (1, 2) ON CONFLICT DO UPDATE SET id = 1",
        "UPDATE chat_rooms r SET x = 1 WHERE r.tenant_id = tenant AND r.id = 2; SELECT 1",
        "DELETE FROM chat_rooms WHERE tenant_id = 1 -- FROM chat_rooms",
    ];
    for sql in ok {
        assert_eq!(unbound("ok", sql, &tables), [] as [&str; 0], "{sql}");
    }
    let bad = [
        "SELECT FROM chat_messages c WHERE c.room_id = $1->>'room'",
        "SELECT FROM chat_rooms r WHERE r.tenant_id = 1 AND EXISTS (SELECT FROM chat_messages c WHERE c.id = 1)",
        "SELECT FROM (SELECT FROM chat_messages c) x WHERE c.tenant_id = 1",
        "INSERT INTO chat_rooms (id) VALUES (2)",
        "UPDATE chat_rooms r SET tenant_id = 1 WHERE r.id = 2",
        "DELETE FROM chat_rooms WHERE id = 1; SELECT FROM x WHERE tenant_id = 1",
        "SELECT FROM chat_messages c JOIN chat_rooms r ON r.id = c.room_id WHERE c.tenant_id = 1",
    ];
    for sql in bad {
        assert_eq!(unbound("bad", sql, &tables).len(), 1, "{sql}");
    }
}
