//! What the tests are made of: a stack to start, kill and cut off; clients; checks.
//! Not here: what must be true of Chinwag (the test modules).

pub mod checks;
pub mod client;
pub mod http;
pub mod load_client;
pub mod processes;
pub mod receiver;
pub mod stack;
pub mod tenant;

use std::future::Future;
use std::time::Duration;

pub use client::{Client, Dial};
pub use http::Answer;
pub use stack::Stack;
pub use tenant::Tenant;

/// How long anything may take that should come at once: a loaded CI machine is slow, a hang is for ever.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Asks again and again until there is an answer: for what sends no event when it has happened.
pub async fn eventually<T, F: Future<Output = Option<T>>>(
    what: &str,
    patience: Duration,
    mut ask: impl FnMut() -> F,
) -> T {
    let start = std::time::Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(start.elapsed() < patience, "not within {patience:?}: {what}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
