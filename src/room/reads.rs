//! Read markers: how far each person has read, and which of that others and Postgres don't know yet.
//! A row a marker would cost more than all messages, so markers live with the sockets and in one row.

use crate::ids::{Seq, UnixMs, UserId};
use crate::limits::RECEIPT_GATHER_MS;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The room's row of markers.
#[derive(Default, Serialize, Deserialize)]
struct Saved {
    /// Which writing of the row this is.
    number: u64,
    markers: BTreeMap<String, Seq>,
    /// Not in Postgres when this was written.
    unprojected: BTreeSet<String>,
}

#[derive(Debug, Default)]
pub struct Reads {
    markers: BTreeMap<String, Seq>,
    /// Not yet in Postgres.
    unprojected: BTreeSet<String>,
    /// Not yet in the room's row.
    unsaved: bool,
    /// The last writing of the row.
    number: u64,
    receipts: BTreeSet<String>,
    receipts_told_at: Option<UnixMs>,
}

impl Reads {
    /// What the store and Postgres know, the further one of each.
    pub fn learn(&mut self, user: &str, seq: Seq) {
        let marker = self.markers.entry(user.to_owned()).or_default();
        *marker = (*marker).max(seq);
    }

    /// Moves the marker forward; true when it moved.
    pub fn advance(&mut self, user: &str, seq: Seq) -> bool {
        let marker = self.markers.entry(user.to_owned()).or_default();
        if seq <= *marker {
            return false;
        }
        *marker = seq;
        self.unprojected.insert(user.to_owned());
        self.unsaved = true;
        true
    }

    /// Lets the others know soon.
    pub fn tell(&mut self, user: &str, now: UnixMs) {
        self.receipts.insert(user.to_owned());
        self.receipts_told_at.get_or_insert(now.saturating_add(RECEIPT_GATHER_MS));
    }

    pub fn take_receipts(&mut self, now: UnixMs) -> Vec<(String, Seq)> {
        if self.receipts_told_at.is_none_or(|at| at > now) {
            return Vec::new();
        }
        self.receipts_told_at = None;
        let users = std::mem::take(&mut self.receipts);
        users.into_iter().map(|user| (self.of(&user), user)).map(|(seq, user)| (user, seq)).collect()
    }

    pub fn of(&self, user: &str) -> Seq {
        self.markers.get(user).copied().unwrap_or(0)
    }

    pub fn deadline(&self) -> Option<UnixMs> {
        self.receipts_told_at
    }

    pub fn unprojected(&self) -> bool {
        !self.unprojected.is_empty()
    }

    /// What Postgres is to be told now.
    pub fn batch(&self) -> BTreeMap<UserId, Seq> {
        let marker = |user: &String| Some((UserId::parse(user)?, self.of(user)));
        self.unprojected.iter().filter_map(marker).collect()
    }

    /// Postgres has these.
    pub fn projected(&mut self, batch: &BTreeMap<UserId, Seq>) {
        for (user, seq) in batch {
            if self.of(user.as_str()) <= *seq {
                self.unprojected.remove(user.as_str());
            }
        }
    }

    /// Postgres may have lost any of them.
    pub fn unproject_all(&mut self) {
        let read = self.markers.iter().filter(|(_, seq)| **seq > 0);
        self.unprojected = read.map(|(user, _)| user.clone()).collect();
        self.unsaved = true;
    }

    /// The row to write, if it would differ.
    pub fn take_unsaved(&mut self) -> Option<String> {
        if !std::mem::take(&mut self.unsaved) {
            return None;
        }
        self.number = self.number.saturating_add(1);
        let (markers, unprojected) = (self.markers.clone(), self.unprojected.clone());
        serde_json::to_string(&Saved { number: self.number, markers, unprojected }).ok()
    }

    /// The last writing of the row.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// From the row; Postgres has what the writing `projected` held.
    pub fn load(row: Option<&str>, projected: u64) -> Self {
        let saved: Saved = row.and_then(|row| serde_json::from_str(row).ok()).unwrap_or_default();
        let unprojected = if saved.number > projected { saved.unprojected } else { BTreeSet::new() };
        Self { markers: saved.markers, unprojected, number: saved.number, ..Self::default() }
    }

    /// Markers that the sockets remember but the row doesn't: Postgres may lack them too.
    pub fn remember(&mut self, user: &str, seq: Seq) {
        if seq > self.of(user) {
            self.advance(user, seq);
        }
    }
}
