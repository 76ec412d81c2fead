//! What a person reads: one line a step with its time, one line an event. No levels, no files.

use anyhow::Result;
use std::io::{IsTerminal, Write};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Runs a step that may take long: says that it begins and how long that usually takes, then how long it took.
/// It reports a failure at once, for other steps may be running beside it.
pub fn step<T>(name: &str, usually: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let start = Instant::now();
    say(&format!("{name} … ({usually})"));
    let result = work();
    match &result {
        Ok(_) => say(&format!("{name}: done in {}", seconds(start))),
        Err(_) => say(&format!("{name}: failed after {}", seconds(start))),
    }
    result
}

/// One line in one write: below wrangler each write becomes a line of its own.
pub fn say(line: &str) {
    let _ = std::io::stderr().write_all(format!("  {line}\n").as_bytes());
}

pub fn seconds(start: Instant) -> String {
    format!("{:.1} s", start.elapsed().as_secs_f64())
}

/// One event of the running stack: UTC time, where it comes from, what happened.
pub fn report_event(from: &str, what: &str) {
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).map(|d| d.as_millis()).unwrap_or_default();
    let (s, ms) = (now_ms / 1000 % 86_400, now_ms % 1000);
    let (h, m, s) = (s / 3600, s / 60 % 60, s % 60);
    // `println!` would panic when whoever read us has gone; losing a line is all that should happen.
    let dim = if std::io::stdout().is_terminal() { ("\x1b[2m", "\x1b[0m") } else { ("", "") };
    let _ = writeln!(std::io::stdout(), "{}{h:02}:{m:02}:{s:02}.{ms:03}{} {from:<8} {what}", dim.0, dim.1);
}

/// The last lines of a file, for an error that must explain itself.
pub fn read_tail(path: &std::path::Path, lines: usize) -> String {
    let text = String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned();
    last_lines(&text, lines)
}

pub fn last_lines(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text.trim_end().lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}
