//! Read markers: how far each person has read, and which of that others and Postgres don't know yet.
//! A row a marker would cost more than all messages, so markers live with the sockets and in one row.

use crate::db::Marker;
use crate::ids::{Seq, UnixMs, UserId};
use crate::limits::RECEIPT_GATHER_MS;
use crate::mutants::{Mutant, is};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The room's row of markers.
#[derive(Default, Serialize, Deserialize)]
pub struct ReadsRow {
    /// Which writing of the row this is.
    number: u64,
    markers: BTreeMap<String, Seq>,
    /// Not in Postgres when this was written.
    unprojected: BTreeSet<String>,
    /// Of those who have ever set theirs back.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    generations: BTreeMap<String, u64>,
}

#[derive(Debug, Default)]
pub struct Reads {
    markers: BTreeMap<String, Marker>,
    /// Not yet in Postgres.
    unprojected: BTreeSet<String>,
    /// Not yet in the room's row.
    unsaved: bool,
    /// The last writing of the row.
    number: u64,
    /// Who is to be told of, and whether to their own tabs alone.
    receipts: BTreeMap<String, bool>,
    receipts_told_at: Option<UnixMs>,
}

impl Reads {
    /// What the store and Postgres know, the later one of each.
    pub fn learn(&mut self, user: &str, marker: Marker) {
        let known = self.markers.entry(user.to_owned()).or_default();
        if is(Mutant::StaleMarkerWins) {
            known.seq = known.seq.max(marker.seq);
            return;
        }
        *known = (*known).max(marker);
    }

    /// No member any more: who comes back begins anew.
    pub fn forget(&mut self, user: &str) {
        self.unsaved |= self.markers.remove(user).is_some();
        self.unprojected.remove(user);
    }

    /// Moves the marker forward; true when it moved.
    pub fn advance(&mut self, user: &str, seq: Seq) -> bool {
        let Marker { generation, .. } = self.marker(user);
        self.take(user, Marker { generation, seq })
    }

    /// Everything after `seq` is unread again; true when anything is that wasn't.
    pub fn set_back(&mut self, user: &str, seq: Seq) -> bool {
        let known = self.marker(user);
        let generation = known.generation.saturating_add(1);
        seq < known.seq && self.take(user, Marker { generation, seq })
    }

    fn take(&mut self, user: &str, marker: Marker) -> bool {
        let later = match is(Mutant::StaleMarkerWins) {
            true => marker.seq > self.of(user),
            false => marker > self.marker(user),
        };
        if later {
            self.markers.insert(user.to_owned(), marker);
            self.unprojected.insert(user.to_owned());
            self.unsaved = true;
        }
        later
    }

    /// Lets the others know soon, or the person's own tabs alone.
    pub fn queue_receipt(&mut self, user: &str, own_alone: bool, now: UnixMs) {
        let own = self.receipts.entry(user.to_owned()).or_insert(own_alone);
        *own &= own_alone;
        self.receipts_told_at.get_or_insert(now.saturating_add(RECEIPT_GATHER_MS));
    }

    /// Who has read how far, and whether their own tabs alone hear it.
    pub fn take_receipts(&mut self, now: UnixMs) -> Vec<(String, Seq, bool)> {
        if self.receipts_told_at.is_none_or(|at| at > now) {
            return Vec::new();
        }
        self.receipts_told_at = None;
        let users = std::mem::take(&mut self.receipts);
        users.into_iter().map(|(user, own)| (self.of(&user), user, own)).map(|(s, u, o)| (u, s, o)).collect()
    }

    pub fn of(&self, user: &str) -> Seq {
        self.marker(user).seq
    }

    pub fn marker(&self, user: &str) -> Marker {
        self.markers.get(user).copied().unwrap_or_default()
    }

    pub fn deadline(&self) -> Option<UnixMs> {
        self.receipts_told_at
    }

    pub fn unprojected(&self) -> bool {
        !self.unprojected.is_empty()
    }

    /// What Postgres is to be told now.
    pub fn batch(&self) -> BTreeMap<UserId, Marker> {
        let marker = |user: &String| Some((UserId::parse(user)?, self.marker(user)));
        self.unprojected.iter().filter_map(marker).collect()
    }

    /// Postgres has these.
    pub fn projected(&mut self, batch: &BTreeMap<UserId, Marker>) {
        for (user, marker) in batch {
            if self.marker(user.as_str()) <= *marker {
                self.unprojected.remove(user.as_str());
            }
        }
    }

    /// Postgres may have lost any of them.
    pub fn unproject_all(&mut self) {
        let read = self.markers.iter().filter(|(_, marker)| **marker > Marker::default());
        self.unprojected = read.map(|(user, _)| user.clone()).collect();
        self.unsaved = true;
    }

    /// The row to write, if it would differ.
    pub fn take_unsaved(&mut self) -> Option<String> {
        if !std::mem::take(&mut self.unsaved) {
            return None;
        }
        self.number = self.number.saturating_add(1);
        let seq = |(user, marker): (&String, &Marker)| (user.clone(), marker.seq);
        let generation = |(user, marker): (&String, &Marker)| (user.clone(), marker.generation);
        let generations = self.markers.iter().filter(|(_, marker)| marker.generation > 0).map(generation);
        let saved = ReadsRow {
            number: self.number,
            markers: self.markers.iter().map(seq).collect(),
            unprojected: self.unprojected.clone(),
            generations: generations.collect(),
        };
        serde_json::to_string(&saved).ok()
    }

    /// The last writing of the row.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// From the row; Postgres has what the writing `projected` held.
    pub fn load(row: Option<&str>, projected: u64) -> Self {
        let saved: ReadsRow = row.and_then(|row| serde_json::from_str(row).ok()).unwrap_or_default();
        let unprojected = if saved.number > projected { saved.unprojected } else { BTreeSet::new() };
        let marker = |(user, seq): (String, Seq)| {
            let generation = saved.generations.get(&user).copied().unwrap_or(0);
            (user, Marker { generation, seq })
        };
        let markers = saved.markers.into_iter().map(marker).collect();
        Self { markers, unprojected, number: saved.number, ..Self::default() }
    }

    /// Markers that the sockets remember but the row doesn't: Postgres may lack them too.
    pub fn remember(&mut self, user: &str, marker: Marker) {
        self.take(user, marker);
    }
}
