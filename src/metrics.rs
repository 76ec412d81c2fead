//! What is counted of a room, for the operator's graphs: gathered in memory, written once a batch, never a message.
//! Not here: where it is written (`shell`: a data point of Workers Analytics Engine, where the binding is).

/// How often each happened since it was last taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub acks: u64,
    /// Batches that Postgres answered, whatever it said.
    pub batches: u64,
    /// Those of them that are to be tried again.
    pub retries: u64,
    pub rows_quarantined: u64,
    pub panics: u64,
    pub slow_sockets: u64,
}

impl Counts {
    /// In the order of a data point's doubles: `double1` is `acks`, and so on. Old points are read by it: only append.
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
