//! `cargo xtask verify`: whether a room's log, read over REST, and Postgres say the same, and where not. Reads and
//! changes nothing; it may be run against production, while people talk.
//! Not here: reading the two sides (`verify/sides.rs`).

mod sides;
pub use sides::encoded;

use crate::{log, migrate};
use anyhow::{Context, Result, bail};
use serde_json::Value;
use sides::{Log, Rest, Row, Rows};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Postgres follows within seconds; a room that is further behind is behind.
const FOLLOWS_WITHIN: Duration = Duration::from_secs(30);
/// What differs may have changed between the two readings: it is read again this often, this far apart.
const READINGS: u32 = 3;
const READ_AGAIN_AFTER: Duration = Duration::from_secs(2);
/// Differences that are listed of one room: nobody repairs more than these row by row.
const LISTED_MAX: usize = 20;

#[derive(Default)]
pub struct Options {
    pub url: String,
    pub token: String,
    /// A direct address; else that of the running stack, if `url` is that stack.
    pub postgres: Option<String>,
    /// All of the token's person when empty.
    pub rooms: Vec<String>,
    pub data: PathBuf,
}

/// The command `verify`. An error (exit code 1) if anything differs, or couldn't be read.
pub fn run(options: &Options) -> Result<()> {
    let postgres = postgres_url(options)?;
    if (options.url.starts_with("https:") || migrate::wants_tls(&postgres)?) && !cfg!(feature = "tls") {
        return migrate::rerun_with_tls();
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let rest = Rest::new(&options.url, &options.token);
    let rooms = if options.rooms.is_empty() { rest.rooms()? } else { options.rooms.clone() };
    let rows = runtime.block_on(Rows::connect(&postgres))?;
    let (start, mut differ) = (Instant::now(), 0);
    for room in &rooms {
        let found = compare_room(&runtime, &rest, &rows, room).with_context(|| format!("room {room}"))?;
        println!("{room}  {found}");
        differ += usize::from(!found.differences.is_empty());
    }
    println!("{} rooms verified in {}, {differ} differ", rooms.len(), log::seconds(start));
    if differ > 0 {
        bail!("the log and Postgres are not equal");
    }
    Ok(())
}

/// Where the database behind that Worker is: given, or that of the running stack.
pub fn postgres_url(options: &Options) -> Result<String> {
    if let Some(url) = &options.postgres {
        return Ok(url.clone());
    }
    let none = "verify needs --postgres URL, the direct address of the database behind that Worker";
    let text = std::fs::read(options.data.join("stack.json")).unwrap_or_default();
    let stack: Value = serde_json::from_slice(&text).unwrap_or_default();
    let url = options.url.replace("://localhost:", "://127.0.0.1:");
    let of_the_stack = stack["url"].as_str().filter(|stack| url.starts_with(stack));
    of_the_stack.and(stack["postgresUrl"].as_str()).map(str::to_owned).context(none)
}

struct Found {
    messages: u64,
    head: u64,
    differences: Vec<String>,
}

impl std::fmt::Display for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let count = self.differences.len();
        let verdict = if count == 0 { "equal".to_owned() } else { format!("{count} DIFFERENCES") };
        write!(f, "{} messages up to seq {}: {verdict}", self.messages, self.head)?;
        for difference in self.differences.iter().take(LISTED_MAX) {
            write!(f, "\n    {difference}")?;
        }
        if count > LISTED_MAX { write!(f, "\n    and {} more", count - LISTED_MAX) } else { Ok(()) }
    }
}

/// Compares one room up to the head it had at the beginning; later messages are left to another run.
fn compare_room(runtime: &tokio::runtime::Runtime, rest: &Rest, rows: &Rows, room: &str) -> Result<Found> {
    let tenant = rest.tenant(room)?;
    let Log { last_seq: head, epoch, .. } = rest.page(room, 0)?;
    let mut found = Found { messages: 0, head, differences: Vec::new() };
    let start = Instant::now();
    let projected = loop {
        let there = runtime.block_on(rows.room(&tenant, room))?;
        let Some((last_seq, of_epoch)) = there else {
            found.differences.push("Postgres has no such room".into());
            return Ok(found);
        };
        if let Some(other) = of_epoch.filter(|other| *other != epoch) {
            found
                .differences
                .push(format!("Postgres follows another log of this room: {other}, not {epoch}"));
        }
        if last_seq >= head || !found.differences.is_empty() || start.elapsed() > FOLLOWS_WITHIN {
            break last_seq;
        }
        std::thread::sleep(Duration::from_secs(1));
    };
    if projected < head {
        found
            .differences
            .push(format!("Postgres is {} events behind: {projected} of {head}", head - projected));
    }
    let now = rest.page(room, head)?.last_seq;
    if projected > now {
        found.differences.push(format!("Postgres is ahead of the log: {projected}, the log ends at {now}"));
    }
    let quarantined = rest.quarantined(room);
    let (mut after, end) = (0, head.min(projected));
    while after < end {
        let (to, messages, differences) = compare_part(runtime, rest, rows, (&tenant, room), (after, end))?;
        found.messages += messages;
        let reason = |(seq, what): (u64, String)| match quarantined.get(&seq) {
            Some(reason) => format!("seq {seq}: {what} (quarantined: {reason})"),
            None => format!("seq {seq}: {what}"),
        };
        found.differences.extend(differences.into_iter().map(reason));
        after = to;
    }
    Ok(found)
}

type Differences = Vec<(u64, String)>;

/// Compares one page of the log: up to where, how many messages, what differs after several readings.
fn compare_part(
    runtime: &tokio::runtime::Runtime,
    rest: &Rest,
    rows: &Rows,
    (tenant, room): (&str, &str),
    (after, end): (u64, u64),
) -> Result<(u64, u64, Differences)> {
    let mut reading = 1;
    loop {
        let page = rest.page(room, after)?;
        let last = page.messages.keys().next_back().copied();
        let to = if page.more { last.unwrap_or(end).min(end) } else { end };
        let logged: Row = page.messages.range(..=to).map(|(seq, message)| (*seq, message.clone())).collect();
        let kept = runtime.block_on(rows.between(tenant, room, after, to))?;
        let differences = differences(&logged, &kept);
        if differences.is_empty() || reading == READINGS {
            return Ok((to, logged.len() as u64, differences));
        }
        reading += 1;
        std::thread::sleep(READ_AGAIN_AFTER);
    }
}

/// Where the two sides differ, by seq. Never any content: the output may be passed on.
fn differences(logged: &Row, kept: &Row) -> Differences {
    let mut all: BTreeMap<u64, String> = BTreeMap::new();
    for (seq, message) in logged {
        match kept.get(seq) {
            None => drop(all.insert(*seq, "missing in Postgres".into())),
            Some(row) if row == message => {}
            Some(row) => drop(all.insert(*seq, format!("differs in {}", fields(message, row).join(", ")))),
        }
    }
    for seq in kept.keys().filter(|seq| !logged.contains_key(seq)) {
        all.insert(*seq, "in Postgres alone".into());
    }
    all.into_iter().collect()
}

fn fields(a: &Value, b: &Value) -> Vec<String> {
    let names =
        |value: &Value| value.as_object().map(|o| o.keys().cloned().collect::<Vec<_>>()).unwrap_or_default();
    let mut all = names(a);
    all.extend(names(b));
    all.sort();
    all.dedup();
    all.retain(|name| a.get(name) != b.get(name));
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn differences_are_named_without_content() {
        let row = |rows: &[(u64, Value)]| rows.iter().cloned().collect::<Row>();
        let message = |content: &str| json!({"content": content, "version": 1});
        let logged = row(&[(1, message("a")), (3, message("b")), (4, message("c"))]);
        assert!(differences(&logged, &logged).is_empty());
        let kept = row(&[(1, message("a")), (4, message("secret")), (6, message("d"))]);
        let found = differences(&logged, &kept);
        let expected = [(3, "missing in Postgres"), (4, "differs in content"), (6, "in Postgres alone")];
        assert_eq!(found, expected.map(|(seq, what)| (seq, what.to_owned())));
    }
}
