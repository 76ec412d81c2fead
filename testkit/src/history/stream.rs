//! The events of one connection, from `hello` on. Not here: frames, and what the events say.

use super::{Check, Position, Rule, Violation};
use serde_json::Value;

/// Types of events that have a place in the log.
pub const SEQUENCED: [&str; 11] = [
    "new_message",
    "reaction_update",
    "message_updated",
    "message_deleted",
    "thread_update",
    "pins_updated",
    "member_added",
    "member_removed",
    "member_updated",
    "room_updated",
    "hidden",
];

pub fn is_sequenced(kind: &str) -> bool {
    SEQUENCED.contains(&kind)
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Phase {
    Hello,
    Online,
    /// The replay or the history.
    Past,
    Live,
}

/// One connection as its client sees it.
#[derive(Debug)]
pub struct Stream {
    phase: Phase,
    /// Where the replay begins; `None`: the client asked for the history.
    since: Option<u64>,
    last: Option<Position>,
    is_resynced: bool,
}

impl Stream {
    pub fn new(since: Option<u64>) -> Self {
        Self { phase: Phase::Hello, since, last: since.map(Position::after), is_resynced: false }
    }

    /// Whether `synced` was received.
    pub fn is_live(&self) -> bool {
        self.phase == Phase::Live
    }

    /// Takes the next event.
    ///
    /// # Errors  the first rule that it breaks: `Greeting`, `Gapless`, `Once`, `History`, `Replay` or `AckFirst`.
    pub fn receive(&mut self, event: &Value) -> Check {
        let kind = event["type"].as_str().unwrap_or_default();
        let seq = event["seq"].as_u64();
        match (self.phase, kind) {
            (Phase::Hello, "hello") => self.phase = Phase::Online,
            (Phase::Online, "online_users") => self.phase = Phase::Past,
            (Phase::Past, "resync") => {
                if self.last.map(Position::last) != self.since {
                    return Err(broken(Rule::Replay, "a part of the replay, then resync", event));
                }
                self.is_resynced = true;
            }
            (Phase::Past, "synced") => self.synced(seq, event)?,
            (Phase::Past | Phase::Live, kind) if is_sequenced(kind) => self.sequenced(seq, event)?,
            (Phase::Live, "ack") => {
                let is_late = self.last.map(Position::last) >= seq && seq.is_some();
                if is_late && event["duplicate"] != true {
                    return Err(broken(Rule::AckFirst, "the ack follows its event", event));
                }
            }
            (Phase::Live, kind) if !matches!(kind, "hello" | "synced" | "resync") => {}
            (phase, _) => return Err(broken(Rule::Greeting, &format!("in phase {phase:?}"), event)),
        }
        Ok(())
    }

    fn synced(&mut self, seq: Option<u64>, event: &Value) -> Check {
        let is_replay = self.since.is_some() && !self.is_resynced;
        if is_replay && self.last.map(Position::last) != seq {
            return Err(broken(Rule::Replay, &format!("replayed to {:?}", self.last), event));
        }
        (self.phase, self.last) = (Phase::Live, seq.map(Position::after));
        Ok(())
    }

    fn sequenced(&mut self, seq: Option<u64>, event: &Value) -> Check {
        let Some(seq) = seq else { return Err(broken(Rule::Gapless, "no seq", event)) };
        if self.is_resynced && self.phase == Phase::Past {
            return Err(broken(Rule::Replay, "an event between resync and synced", event));
        }
        let is_history = self.phase == Phase::Past && self.since.is_none();
        match &mut self.last {
            // A history has messages alone, so it ascends with gaps.
            last if is_history => {
                if last.is_some_and(|last| last.last() >= seq) {
                    return Err(broken(Rule::History, "the history doesn't ascend", event));
                }
                *last = Some(Position::after(seq));
            }
            Some(last) => last.advance(seq).map_err(|wrong| broken(wrong.rule, &wrong.what, event))?,
            None => return Err(broken(Rule::Gapless, "no position", event)),
        }
        Ok(())
    }
}

fn broken(rule: Rule, why: &str, event: &Value) -> Violation {
    Violation::new(rule, format!("{why}: {event}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// `hello`, `new_message 3`, `ack 4`: the rule that these events break.
    fn broken_by(since: Option<u64>, events: &str) -> Option<Rule> {
        let mut stream = Stream::new(since);
        events.split(", ").find_map(|words| {
            let (kind, seq) = words.split_once(' ').unwrap_or((words, ""));
            let event = json!({"type": kind, "seq": seq.parse::<u64>().ok()});
            stream.receive(&event).err().map(|violation| violation.rule)
        })
    }

    #[test]
    fn a_connection_begins_in_one_order() {
        assert_eq!(broken_by(None, "hello, online_users, synced 0, typing, online_users"), None);
        for wrong in [
            "online_users",
            "hello, synced 0",
            "hello, online_users, typing",
            "hello, online_users, synced 0, hello",
            "hello, online_users, synced 0, synced 0",
        ] {
            assert_eq!(broken_by(None, wrong), Some(Rule::Greeting), "{wrong}");
        }
    }

    #[test]
    fn a_history_ascends_and_a_replay_is_gapless_and_whole() {
        let past = |since, events: &str| broken_by(since, &format!("hello, online_users, {events}"));
        assert_eq!(past(None, "new_message 2, new_message 5, synced 7, new_message 8"), None);
        assert_eq!(past(None, "new_message 5, new_message 5"), Some(Rule::History));
        assert_eq!(past(Some(2), "new_message 3, reaction_update 4, synced 4"), None);
        assert_eq!(past(Some(2), "new_message 4"), Some(Rule::Gapless));
        assert_eq!(past(Some(2), "new_message 2"), Some(Rule::Once));
        assert_eq!(past(Some(2), "new_message 3, synced 4"), Some(Rule::Replay));
        assert_eq!(past(Some(2), "new_message 3, resync 9"), Some(Rule::Replay));
        assert_eq!(past(Some(2), "resync 9, synced 9, new_message 10"), None);
        assert_eq!(past(Some(2), "resync 9, new_message 9"), Some(Rule::Replay));
    }

    #[test]
    fn live_events_are_gapless_and_an_ack_precedes_its_event() {
        let live = |events: &str| broken_by(None, &format!("hello, online_users, synced 4, {events}"));
        assert_eq!(live("ack 5, new_message 5, ack 6, hidden 6"), None);
        assert_eq!(live("new_message 6"), Some(Rule::Gapless));
        assert_eq!(live("new_message 5, new_message 5"), Some(Rule::Once));
        assert_eq!(live("new_message 5, ack 5"), Some(Rule::AckFirst));
    }
}
