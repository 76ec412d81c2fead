//! A limit of real time for each history: what spins within one turn never comes back to the scheduler, and without a
//! limit shows only as a hang. Not here: turns that never let virtual time pass (`scheduler`).

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A history takes 0.1 s, and about 1 s in an unoptimised mutant on a busy machine.
const HISTORY_MAX: Duration = Duration::from_secs(60);
const LOOKS_EVERY: Duration = Duration::from_millis(500);

static NEXT: AtomicU64 = AtomicU64::new(0);
/// The histories that run: what they are, and since when.
static RUNNING: Mutex<BTreeMap<u64, (String, Instant)>> = Mutex::new(BTreeMap::new());

/// A history that runs until this is dropped.
pub struct Watched(u64);

impl Drop for Watched {
    fn drop(&mut self) {
        RUNNING.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.0);
    }
}

pub fn watch(history: String) -> Watched {
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner).insert(number, (history, Instant::now()));
    Watched(number)
}

/// Ends the process when a history exceeds its time: a thread that spins can't be stopped.
///
/// # Takes  `is_expected`: such a history is what the run looks for, so the process succeeds.
pub fn start(is_expected: bool) {
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(LOOKS_EVERY);
            let running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
            let late = running.values().find(|(_, since)| since.elapsed() > HISTORY_MAX);
            if let Some((history, _)) = late {
                println!(
                    "{history}: failed: it has not ended in {} s, something spins",
                    HISTORY_MAX.as_secs()
                );
                std::process::exit(i32::from(!is_expected));
            }
        }
    });
}
