//! Counters of a room for the operator's graphs. They are kept in memory and written once per batch, never per message.
//! Not here: where they are written (`shell`: a data point of Workers Analytics Engine, if the binding exists).

/// How often each event happened since the counters were last written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub acks: u64,
    /// Batches that Postgres answered, with success or an error.
    pub batches: u64,
    /// Those of them that have to be sent again.
    pub retries: u64,
    pub rows_quarantined: u64,
    pub panics: u64,
    pub slow_sockets: u64,
}

impl Counts {
    /// The values in the order of a data point's doubles: `double1` is `acks`, and so on. Stored points are read by
    /// this order, so new counters are appended.
    pub fn in_order(&self) -> [u64; 6] {
        [self.acks, self.batches, self.retries, self.rows_quarantined, self.panics, self.slow_sockets]
    }

    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    pub fn plus(&self, other: &Self) -> Self {
        Self {
            acks: self.acks.saturating_add(other.acks),
            batches: self.batches.saturating_add(other.batches),
            retries: self.retries.saturating_add(other.retries),
            rows_quarantined: self.rows_quarantined.saturating_add(other.rows_quarantined),
            panics: self.panics.saturating_add(other.panics),
            slow_sockets: self.slow_sockets.saturating_add(other.slow_sockets),
        }
    }
}
