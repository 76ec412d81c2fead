//! What a migration's text says about how it is run. The native tests read it too. Not here: running it (`migrate`).

/// The first line of a file that runs outside a transaction. Each of its paragraphs, which blank lines separate, is one
/// command to Postgres. A file whose run fails is repeated from its beginning, so every paragraph may run twice.
const NO_TRANSACTION: &str = "-- no-transaction";
/// The first line of a paragraph that is left out where one of these extensions is missing.
const ONLY_WITH: &str = "-- only with ";

pub struct Statement<'a> {
    pub extensions: Vec<&'a str>,
    pub sql: &'a str,
}

/// The paragraphs of a file that runs outside a transaction; `None` for a file that is one transaction.
pub fn outside_transaction(text: &str) -> Option<Vec<Statement<'_>>> {
    let rest = text.strip_prefix(NO_TRANSACTION).filter(|rest| rest.starts_with('\n'))?;
    let is_statement = |sql: &&str| sql.lines().any(|line| !line.is_empty() && !line.starts_with("--"));
    let statement = |sql| {
        let first = str::lines(sql).next().and_then(|line| line.strip_prefix(ONLY_WITH));
        Statement { extensions: first.unwrap_or_default().split_whitespace().collect(), sql }
    };
    Some(rest.split("\n\n").map(|sql| sql.trim_matches('\n')).filter(is_statement).map(statement).collect())
}
