//! The record of a run: its trace and the trace's hash, its counters, its violations. Not here: what is checked.

use super::checker::{CheckResult, Checker, Violation};
use super::clock::Clock;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

pub struct Recorder {
    clock: Rc<Clock>,
    counters: RefCell<BTreeMap<&'static str, u64>>,
    violations: RefCell<Vec<Violation>>,
    /// FNV-1a over the trace.
    hash: Cell<u64>,
    /// The trace; `None` when nobody will read it.
    lines: RefCell<Option<Vec<String>>>,
}

/// What is left of a run.
pub struct Outcome {
    pub violations: Vec<Violation>,
    pub counters: BTreeMap<&'static str, u64>,
    pub hash: u64,
    pub lines: Vec<String>,
}

impl Recorder {
    pub fn new(clock: Rc<Clock>, keeps_lines: bool) -> Self {
        Self {
            clock,
            counters: RefCell::default(),
            violations: RefCell::default(),
            hash: Cell::new(0xcbf2_9ce4_8422_2325),
            lines: RefCell::new(keeps_lines.then(Vec::new)),
        }
    }

    /// Adds a line to the trace and to its hash.
    pub fn trace(&self, line: impl FnOnce() -> String) {
        let line = format!("{:>8} {}", self.clock.elapsed_ms(), line());
        self.add_to_hash(&line);
        if let Some(lines) = self.lines.borrow_mut().as_mut() {
            lines.push(line);
        }
    }

    /// Adds a frame to the hash, and what `summary` says of it to the trace.
    pub fn trace_frame(&self, text: &str, summary: impl FnOnce() -> String) {
        self.add_to_hash(text);
        if let Some(lines) = self.lines.borrow_mut().as_mut() {
            lines.push(format!("{:>8} {}", self.clock.elapsed_ms(), summary()));
        }
    }

    fn add_to_hash(&self, text: &str) {
        let fold = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        self.hash.set(text.bytes().fold(self.hash.get(), fold));
    }

    pub fn violation(&self, checker: Checker, what: String) {
        self.trace(|| format!("VIOLATION {checker:?}: {what}"));
        self.violations.borrow_mut().push(Violation { checker, what });
    }

    /// Records the violation of a check that failed; `who` names whom it is about.
    pub fn check(&self, who: impl FnOnce() -> String, result: CheckResult) {
        if let Err((checker, what)) = result {
            self.violation(checker, format!("{}: {what}", who()));
        }
    }

    pub fn has_violation(&self) -> bool {
        !self.violations.borrow().is_empty()
    }

    /// Counts one event that a run of many seeds must have seen.
    pub fn count(&self, name: &'static str) {
        *self.counters.borrow_mut().entry(name).or_default() += 1;
    }

    pub fn happened(&self, name: &str) -> bool {
        self.counters.borrow().contains_key(name)
    }

    /// Keeps the highest value seen under this name.
    pub fn count_peak(&self, name: &'static str, value: u64) {
        let mut counters = self.counters.borrow_mut();
        let peak = counters.entry(name).or_default();
        *peak = (*peak).max(value);
    }

    /// Hands the record over and begins an empty one.
    pub fn take_outcome(&self) -> Outcome {
        Outcome {
            violations: self.violations.take(),
            counters: self.counters.take(),
            hash: self.hash.get(),
            lines: self.lines.take().unwrap_or_default(),
        }
    }
}
