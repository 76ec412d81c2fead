//! Checkers of a room's history: what one receiver gets (`Position`, `Stream`), what all receivers must agree on
//! (`Agreement`), and what the log must hold in the end (`log`).
//! Not here: where a history comes from, and what one test knows alone (a database, a model, a screen).

mod log;
mod stream;

pub use log::{ThreadEntry, check_acked, check_gapless, check_sent, check_threads, index_operations};
pub use stream::{SEQUENCED, Stream, is_sequenced};

use std::collections::BTreeMap;
use std::fmt;

/// What a history must not break, with the rules of docs/PROTOCOL.md that say so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// HELLO-1: a connection begins with `hello`, `online_users`, a replay or the history, and `synced`.
    Greeting,
    /// SEQ-1: no sequence number is missing.
    Gapless,
    /// SEQ-1: nothing is received or logged twice, and nothing goes back.
    Once,
    /// HIST-1: the history ascends.
    History,
    /// REPLAY-1, REPLAY-2: a replay is whole, or a `resync` replaces it.
    Replay,
    /// ACK-2: an ack comes before its event.
    AckFirst,
    /// SEQ-2: all receivers get the same event at a sequence number.
    Same,
    /// ACK-1: what was acked is in the log, at the acked sequence number.
    Acked,
    /// What is in the log was sent by somebody.
    Sent,
    /// THREAD-2: a root counts the replies that exist.
    Threads,
}

/// A broken rule, with what broke it.
#[derive(Clone, PartialEq, Eq)]
pub struct Violation {
    pub rule: Rule,
    pub what: String,
}

pub type Check<T = ()> = Result<T, Violation>;

impl Violation {
    fn new(rule: Rule, what: String) -> Self {
        Self { rule, what }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.rule, self.what)
    }
}

/// As `Display`, so that `unwrap` shows a readable message.
impl fmt::Debug for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Violation {}

/// The last sequence number of a receiver or of a log. The next one must be greater by one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position(u64);

impl Position {
    pub fn after(seq: u64) -> Self {
        Self(seq)
    }

    pub fn last(self) -> u64 {
        self.0
    }

    /// # Errors  `Once` or `Gapless`; the position stays where it is.
    #[inline]
    pub fn advance(&mut self, seq: u64) -> Check {
        if Some(seq) == self.0.checked_add(1) {
            self.0 = seq;
            return Ok(());
        }
        let rule = if seq <= self.0 { Rule::Once } else { Rule::Gapless };
        Err(Violation::new(rule, format!("{seq} after {}", self.0)))
    }
}

/// What the first receiver got under each key; all others must get the same.
#[derive(Clone, Debug)]
pub struct Agreement<K, T>(BTreeMap<K, T>);

impl<K, T> Default for Agreement<K, T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<K: Ord + fmt::Debug, T: Clone + PartialEq + fmt::Debug> Agreement<K, T> {
    /// # Errors  `Same`: somebody received something else under this key.
    pub fn receive(&mut self, key: K, event: &T) -> Check {
        match self.0.get(&key) {
            None => drop(self.0.insert(key, event.clone())),
            Some(first) if first == event => {}
            Some(first) => {
                return Err(Violation::new(Rule::Same, format!("{key:?} was {first:?} and is {event:?}")));
            }
        }
        Ok(())
    }

    pub fn iter(&self) -> impl Iterator<Item = (&K, &T)> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_advances_by_one_alone() {
        let mut position = Position::after(3);
        assert_eq!(position.advance(4), Ok(()));
        assert_eq!(position.advance(4).unwrap_err().rule, Rule::Once);
        assert_eq!(position.advance(2).unwrap_err().rule, Rule::Once);
        assert_eq!(position.advance(6).unwrap_err().rule, Rule::Gapless);
        assert_eq!((position.last(), position.advance(5)), (4, Ok(())));
    }

    #[test]
    fn receivers_must_agree_on_each_key() {
        let mut agreement = Agreement::default();
        assert_eq!(agreement.receive(1, &"a"), Ok(()));
        assert_eq!(agreement.receive(1, &"a"), Ok(()));
        assert_eq!(agreement.receive(2, &"b"), Ok(()));
        assert_eq!(agreement.receive(1, &"b").unwrap_err().rule, Rule::Same);
    }
}
