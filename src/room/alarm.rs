//! The one alarm that the platform keeps for the room. Not here: what is due (`outbox`, `files`, `deletion`).

use super::effect::Effect;
use crate::ids::UnixMs;
use crate::limits::{ALARM_DELAY_MS, ALARM_LATE_MS, ALARM_MIN_MS};

/// What the room believes of the alarm; the platform may have lost it.
#[derive(Debug, Default)]
pub struct Alarm {
    at: Option<UnixMs>,
    set_at: UnixMs,
}

impl Alarm {
    pub fn fired(&mut self) {
        self.at = None;
    }

    /// An alarm that was not set a moment ago counts as lost and is set again, which costs a row only if something is
    /// due. Called when a socket closes: it may have been the last one whose frames drive the outbox.
    pub fn expire(&mut self, now: UnixMs) {
        self.at = self.at.filter(|_| now < self.set_at.saturating_add(ALARM_DELAY_MS));
    }

    /// Ensures that an alarm finishes what a crash would leave undone.
    pub fn arm(&mut self, now: UnixMs, due: UnixMs) -> Option<Effect> {
        // What is due now has begun without the alarm, which is for a crash.
        let (delay_ms, late_ms) = match due.checked_sub(now) {
            Some(0) | None => (ALARM_DELAY_MS, ALARM_LATE_MS),
            Some(wait_ms) => (ALARM_MIN_MS.max(wait_ms), ALARM_DELAY_MS),
        };
        let at = now.saturating_add(delay_ms);
        // The alarm for a file may be a day away when a message is sent.
        let late = |set: UnixMs| set <= now || set > at.saturating_add(late_ms);
        self.at.is_none_or(late).then(|| self.set(now, at))
    }

    /// Ensures that an alarm comes at `at` or earlier. An alarm and not a timer: the room may hibernate meanwhile.
    pub fn wake_by(&mut self, now: UnixMs, at: UnixMs) -> Option<Effect> {
        self.at.is_none_or(|set| set <= now || set > at).then(|| self.set(now, at))
    }

    fn set(&mut self, now: UnixMs, at: UnixMs) -> Effect {
        (self.at, self.set_at) = (Some(at), now);
        Effect::Alarm(at)
    }
}
