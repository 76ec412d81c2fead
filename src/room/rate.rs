//! Limits on what one person does in one room, over all their sockets (GCRA: one number a rate).
//! Not here: the numbers (`limits`), and what is answered to who is over one (`room`).

use crate::ids::UnixMs;
use crate::limits::{FLOOD_FACTOR, FLOOD_WINDOW_MS, Limits};
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug)]
pub enum Rate {
    Messages,
    Reactions,
    Typing,
    Frames,
}

/// For each rate the time at which its bucket is full again; 0 when it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Rates {
    full_at_ms: [f64; 4],
    frames: Window,
}

/// How often something happened since its window began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Window {
    from_ms: UnixMs,
    count: u64,
}

impl Window {
    /// Counts one more, in a new window when the old one is over; gives the count.
    pub fn count(&mut self, window_ms: u64, now: UnixMs) -> u64 {
        if self.over(window_ms, now) {
            *self = Self { from_ms: now, count: 0 };
        }
        self.count = self.count.saturating_add(1);
        self.count
    }

    fn over(&self, window_ms: u64, now: UnixMs) -> bool {
        now.saturating_sub(self.from_ms) >= window_ms
    }
}

impl Rates {
    /// Takes one from the bucket.
    ///
    /// # Errors  the milliseconds after which it holds one again.
    pub fn take(&mut self, rate: Rate, limits: &Limits, now: UnixMs) -> Result<(), u64> {
        let (slot, per_s, burst) = match rate {
            Rate::Messages => (0, limits.messages_per_s, limits.messages_burst),
            Rate::Reactions => (1, limits.reactions_per_s, limits.reactions_burst),
            Rate::Typing => (2, limits.typing_per_s, limits.typing_burst),
            Rate::Frames => (3, limits.frames_per_s, limits.frames_burst),
        };
        let Some(full_at) = self.full_at_ms.get_mut(slot) else { return Ok(()) };
        let (now, interval) = (now as f64, 1000.0 / per_s);
        let next = full_at.max(now) + interval;
        let over = next - now - interval * f64::from(burst.max(1));
        if over > 0.001 {
            return Err(over.ceil() as u64);
        }
        *full_at = next;
        Ok(())
    }

    /// Counts one frame; true when this person has sent more than the flood rule bears.
    pub fn floods(&mut self, limits: &Limits, now: UnixMs) -> bool {
        let bearable = limits.frames_per_s * (FLOOD_FACTOR * FLOOD_WINDOW_MS / 1000) as f64;
        self.frames.count(FLOOD_WINDOW_MS, now) as f64 > bearable
    }

    /// Whether nothing would be lost by forgetting these.
    pub fn rested(&self, now: UnixMs) -> bool {
        self.full_at_ms.iter().all(|at| *at <= now as f64) && self.frames.over(FLOOD_WINDOW_MS, now)
    }

    /// The stricter of two memories of the same person.
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.full_at_ms.iter_mut().zip(other.full_at_ms) {
            *mine = mine.max(theirs);
        }
        if other.frames.count > self.frames.count {
            self.frames = other.frames;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_the_rate() {
        let (limits, mut rates) = (Limits::default(), Rates::default());
        for _ in 0..10 {
            assert_eq!(rates.take(Rate::Messages, &limits, 1_000), Ok(()));
        }
        assert_eq!(rates.take(Rate::Messages, &limits, 1_000), Err(200));
        assert_eq!(rates.take(Rate::Messages, &limits, 1_100), Err(100));
        assert_eq!(rates.take(Rate::Messages, &limits, 1_200), Ok(()));
        assert!(!rates.rested(1_201) && rates.rested(20_000));
    }

    #[test]
    fn a_flood_is_five_times_the_limit_over_ten_seconds() {
        let (limits, mut rates) = (Limits::default(), Rates::default());
        assert_eq!((0..1_500).filter(|i| rates.floods(&limits, 20_000 + i)).count(), 0);
        assert!(rates.floods(&limits, 21_501));
        assert!(!rates.floods(&limits, 31_000), "a new window");
    }
}
