//! Random numbers, repeatable by a seed. Not here: what they decide.

use std::sync::atomic::{AtomicU64, Ordering};

/// The run's seed, mixed into all that is asked for later.
pub static SEED: AtomicU64 = AtomicU64::new(0);

/// splitmix64.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    /// Another one each time, in an order that the run's seed gives.
    pub fn of_now() -> Random {
        Random(SEED.fetch_add(1, Ordering::Relaxed))
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub fn shuffle<T>(&mut self, all: &mut [T]) {
        for i in (1..all.len()).rev() {
            let other = usize::try_from(self.next() % (i as u64 + 1)).unwrap_or_default();
            all.swap(i, other);
        }
    }
}
