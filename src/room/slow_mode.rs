//! Slow mode: the minimum time between two messages of a member (SLOW-1).
//! Not here: who is exempt (`send_checks`), and setting it (`admin_plan`).

use super::effect::RoomError;
use super::turn::Turn;
use crate::error::{Code, Refusal};
use crate::ids::{Seq, UnixMs};
use std::collections::HashMap;

/// When people last sent a message; empty while slow mode is off. The log knows what memory has lost.
#[derive(Debug, Default)]
pub struct SlowMode {
    /// `None`: the log was searched, and the person sent nothing recently enough to matter.
    last_sent_at: HashMap<String, Option<UnixMs>>,
}

impl SlowMode {
    /// # Takes   `head`: the end of the log, from which a message is searched if memory knows none.
    /// # Errors  slow_mode, with `retryAfterMs`.
    pub fn enforce(&mut self, turn: Turn, user: &str, head: Seq, interval_ms: u64) -> Result<(), RoomError> {
        let last = match self.last_sent_at.get(user) {
            Some(last) => *last,
            None => turn.store.last_message_at(user, head, turn.now.saturating_sub(interval_ms))?,
        };
        self.last_sent_at.insert(user.to_owned(), last);
        let Some(free_at) = last.map(|at| at.saturating_add(interval_ms)).filter(|at| turn.now < *at) else {
            return Ok(());
        };
        let refusal = Refusal::new(Code::SlowMode, "slow mode: wait before the next message");
        Err(refusal.retry_after_ms(free_at.saturating_sub(turn.now)).into())
    }

    /// A person sent a message. Costs nothing while slow mode is off.
    pub fn record(&mut self, user: &str, is_on: bool, now: UnixMs) {
        if is_on {
            self.last_sent_at.insert(user.to_owned(), Some(now));
        } else {
            self.last_sent_at.clear();
        }
    }

    /// The interval has changed: what was searched for another one does not hold.
    pub fn reset(&mut self) {
        self.last_sent_at.clear();
    }
}
