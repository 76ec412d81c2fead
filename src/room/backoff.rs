//! The growing delay between retries. Not here: what is retried.

/// How often something has failed in a row.
#[derive(Debug, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// Counts a failure.
    ///
    /// # Gives  the delay before the next try: `min_ms` after the first failure, doubled with each, at most `max_ms`.
    pub fn fail(&mut self, min_ms: u64, max_ms: u64) -> u64 {
        let before = self.failures.min(16);
        self.failures = before.saturating_add(1);
        min_ms.saturating_mul(1 << before).min(max_ms)
    }

    pub fn has_failed(&self) -> bool {
        self.failures > 0
    }

    pub fn succeed(&mut self) {
        self.failures = 0;
    }
}
