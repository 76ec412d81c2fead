//! The plan of a run of load, and what it measured: both are JSON, on stdin and stdout.
//! Not here: doing it (`load.rs`).

use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Plan {
    pub port: u16,
    pub server_pid: u32,
    /// The sockets of each room.
    pub rooms: Vec<Vec<Upgrade>>,
    pub pace: Pace,
    pub content_bytes: usize,
    /// What a sender sends: ours (a `message` frame), or for a server that only broadcasts the event itself, as
    /// long as ours is.
    pub event_bytes: Option<usize>,
    pub warm_up_ms: u64,
    pub measure_ms: u64,
}

/// Path and query of a socket, and its list of subprotocols.
pub type Upgrade = (String, Option<String>);

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Pace {
    /// Closed loop: the first `senders` of each room send their next message when they receive one of their own.
    UnderWay { senders: usize, messages: usize },
    /// Open loop: a message is due at fixed intervals, in the rooms in turn, whatever was received.
    PerS { messages: f64 },
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Measured {
    pub messages_per_s: f64,
    pub deliveries_per_s: f64,
    pub server_cpu_us_per_delivery: f64,
    pub server_cpu_us_per_message: f64,
    /// Of one core, of the load's own: near 1 it was the bottleneck.
    pub load_cpu_share: f64,
    /// The same of the server: far below 1 something else had its core, and deliveries a second say little.
    pub server_cpu_share: f64,
    /// From when a message was due to when a socket received it: over all sockets.
    pub latency_p50_us: u64,
    pub latency_p99_us: u64,
    /// The same for the last socket of each message.
    pub last_p50_us: u64,
    pub last_p99_us: u64,
    pub events_per_frame: f64,
    pub event_bytes: f64,
    /// What the server used for each upgrade, one after the other.
    pub join_cpu_us: f64,
    pub server_memory_kib: u64,
    /// All messages, warm-up included.
    pub messages: u64,
    /// Deliveries of a baseline that went wrong. Ours never has any: the run fails.
    pub lost: u64,
    pub doubled: u64,
    pub out_of_order: u64,
}

/// The value at a share (in percent) of sorted values; 0 if there is none.
pub fn percentile(sorted: &[u32], share: usize) -> u64 {
    let at = sorted.len().saturating_sub(1) * share / 100;
    sorted.get(at).copied().unwrap_or_default().into()
}
