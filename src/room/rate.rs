//! Rate limits of one person in one room, over all their sockets (GCRA: one number per rate).
//! Not here: the numbers (`limits`), and which operation is charged with which rate (`send_checks`, `frames`).

use crate::error::{Code, Refusal};
use crate::ids::{UnixMs, is_zero};
use crate::limits::{FLOOD_FACTOR, FLOOD_WINDOW_MS, Limits, MISUSE_REST_MS, RATES_KEPT_MAX};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rate {
    Messages,
    Reactions,
    Typing,
    Frames,
    Pages,
}

impl Rate {
    fn name(self) -> &'static str {
        match self {
            Self::Messages => "messages",
            Self::Reactions => "reactions",
            Self::Typing => "typing",
            Self::Frames => "frames",
            Self::Pages => "pages",
        }
    }
}

/// The rates of everybody who sent something recently. A copy lives in each socket's state.
#[derive(Debug, Default)]
pub struct RateLimits(HashMap<String, Rates>);

impl RateLimits {
    /// Takes one from this person's bucket.
    ///
    /// # Errors  rate_limited, with `retryAfterMs`.
    pub fn charge(&mut self, limits: &Limits, user: &str, rate: Rate, now: UnixMs) -> Result<(), Refusal> {
        self.rates_of(user, now).charge(rate, limits, now).map_err(|retry_after_ms| {
            let message = format!("too many {}", rate.name());
            Refusal::new(Code::RateLimited, message).retry_after_ms(retry_after_ms)
        })
    }

    /// Takes this many more from the bucket, whether it holds them or not: the next call waits until they are repaid.
    pub fn charge_more(&mut self, limits: &Limits, user: &str, (rate, count): (Rate, u64), now: UnixMs) {
        if count > 0 {
            self.rates_of(user, now).charge_more(rate, count, limits, now);
        }
    }

    /// Counts one frame; true when this person's sockets must be closed for a flood.
    pub fn count_frame(&mut self, limits: &Limits, user: &str, now: UnixMs) -> bool {
        self.rates_of(user, now).count_frame(limits, now)
    }

    /// Refuses this person's connections for a while: one of their sockets was closed for what it sent.
    pub fn refuse_connections(&mut self, user: &str, now: UnixMs) {
        self.rates_of(user, now).connects_from_ms = now + MISUSE_REST_MS;
    }

    /// # Errors  rate_limited → one of the person's sockets was closed for what it sent, a moment ago.
    pub fn ensure_may_connect(&self, user: &str, now: UnixMs) -> Result<(), Refusal> {
        let from_ms = self.get(user).map_or(0, |rates| rates.connects_from_ms);
        match from_ms.saturating_sub(now) {
            0 => Ok(()),
            rest_ms => {
                let message = "a connection was closed for what it sent";
                Err(Refusal::new(Code::RateLimited, message).retry_after_ms(rest_ms))
            }
        }
    }

    /// Takes over what a socket's state remembers.
    pub fn merge(&mut self, user: &str, rates: &Rates) {
        self.0.entry(user.to_owned()).or_default().merge(rates);
    }

    pub fn get(&self, user: &str) -> Option<&Rates> {
        self.0.get(user)
    }

    fn rates_of(&mut self, user: &str, now: UnixMs) -> &mut Rates {
        if self.0.len() > RATES_KEPT_MAX && !self.0.contains_key(user) {
            self.0.retain(|_, rates| !rates.is_rested(now));
        }
        self.0.entry(user.to_owned()).or_default()
    }
}

/// For each rate the time at which its bucket is full again; 0 when it is full. Stored with sockets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Rates {
    full_at_ms: [f64; 4],
    /// Like one of `full_at_ms`, whose number is part of the stored format.
    #[serde(default)]
    pages_full_at_ms: f64,
    frames: Window,
    /// The person's connections are refused until then.
    #[serde(default, skip_serializing_if = "is_zero")]
    connects_from_ms: UnixMs,
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
        if self.is_over(window_ms, now) {
            *self = Self { from_ms: now, count: 0 };
        }
        self.count = self.count.saturating_add(1);
        self.count
    }

    fn is_over(&self, window_ms: u64, now: UnixMs) -> bool {
        now.saturating_sub(self.from_ms) >= window_ms
    }
}

impl Rates {
    /// Takes one from the bucket.
    ///
    /// # Errors  the milliseconds after which the bucket holds one again.
    fn charge(&mut self, rate: Rate, limits: &Limits, now: UnixMs) -> Result<(), u64> {
        let (full_at, per_s, burst) = self.bucket(rate, limits);
        let (now, interval) = (now as f64, 1000.0 / per_s);
        let next = full_at.max(now) + interval;
        let over = next - now - interval * f64::from(burst.max(1));
        if over > 0.001 {
            return Err(over.ceil() as u64);
        }
        *full_at = next;
        Ok(())
    }

    fn charge_more(&mut self, rate: Rate, count: u64, limits: &Limits, now: UnixMs) {
        let (full_at, per_s, _) = self.bucket(rate, limits);
        *full_at = full_at.max(now as f64) + count as f64 * 1000.0 / per_s;
    }

    /// When the bucket of this rate is full again, its rate a second, and its burst.
    fn bucket<'a>(&'a mut self, rate: Rate, limits: &Limits) -> (&'a mut f64, f64, u32) {
        let [messages, reactions, typing, frames] = &mut self.full_at_ms;
        match rate {
            Rate::Messages => (messages, limits.messages_per_s, limits.messages_burst),
            Rate::Reactions => (reactions, limits.reactions_per_s, limits.reactions_burst),
            Rate::Typing => (typing, limits.typing_per_s, limits.typing_burst),
            Rate::Frames => (frames, limits.frames_per_s, limits.frames_burst),
            Rate::Pages => (&mut self.pages_full_at_ms, limits.pages_per_s, limits.pages_burst),
        }
    }

    /// Counts one frame; true when there were more in the window than the flood rule allows.
    fn count_frame(&mut self, limits: &Limits, now: UnixMs) -> bool {
        self.frames.count(FLOOD_WINDOW_MS, now) as f64 > flood_frames(limits)
    }

    /// Whether all buckets are full and no window is open, so that forgetting these rates loses nothing.
    fn is_rested(&self, now: UnixMs) -> bool {
        let mut all = self.full_at_ms.iter().chain([&self.pages_full_at_ms]);
        let is_full = all.all(|at| *at <= now as f64);
        is_full && self.frames.is_over(FLOOD_WINDOW_MS, now) && self.connects_from_ms <= now
    }

    /// Keeps the stricter of two memories of the same person.
    fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.full_at_ms.iter_mut().zip(other.full_at_ms) {
            *mine = mine.max(theirs);
        }
        self.pages_full_at_ms = self.pages_full_at_ms.max(other.pages_full_at_ms);
        self.connects_from_ms = self.connects_from_ms.max(other.connects_from_ms);
        if other.frames.count > self.frames.count {
            self.frames = other.frames;
        }
    }
}

/// The frames in a window that are not yet a flood.
fn flood_frames(limits: &Limits) -> f64 {
    limits.frames_per_s * (FLOOD_FACTOR * FLOOD_WINDOW_MS / 1000) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_the_rate() {
        let (limits, mut rates) = (Limits::default(), Rates::default());
        for _ in 0..10 {
            assert_eq!(rates.charge(Rate::Messages, &limits, 1_000), Ok(()));
        }
        assert_eq!(rates.charge(Rate::Messages, &limits, 1_000), Err(200));
        assert_eq!(rates.charge(Rate::Messages, &limits, 1_100), Err(100));
        assert_eq!(rates.charge(Rate::Messages, &limits, 1_200), Ok(()));
        assert!(!rates.is_rested(1_201) && rates.is_rested(20_000));
    }

    #[test]
    fn a_flood_is_five_times_the_limit_over_ten_seconds() {
        let (limits, mut rates) = (Limits::default(), Rates::default());
        assert_eq!((0..1_500).filter(|i| rates.count_frame(&limits, 20_000 + i)).count(), 0);
        assert!(rates.count_frame(&limits, 21_501));
        assert!(!rates.count_frame(&limits, 31_000), "a new window");
    }
}
