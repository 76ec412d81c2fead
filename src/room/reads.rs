//! Read markers: how far each person has read, which receipts are due, and which markers Postgres lacks.
//! A row per marker would cost more than all messages (docs/PLATFORM.md, What it costs), so markers are stored with the
//! sockets and in one row per room. They start no batch: a marker waits for the next one, while a socket's stored state
//! holds it. Not here: who may see a receipt (`ephemeral`).

use super::store::formats::ReadsRow;
use crate::db::Marker;
use crate::ids::{Seq, UnixMs, UserId};
use crate::limits::RECEIPT_GATHER_MS;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Default)]
pub struct Reads {
    markers: BTreeMap<String, Marker>,
    /// People whose marker is not yet in Postgres, and when it must go there.
    unprojected: BTreeMap<String, UnixMs>,
    /// The earliest of these times.
    due_at: Option<UnixMs>,
    /// Whether the room's row is out of date.
    unsaved: bool,
    /// Whether a marker is neither in the row nor in a socket's stored state.
    unheld: bool,
    /// The number of the last writing of the row.
    number: u64,
    /// People whose receipt is due, and whether only their own tabs get it.
    receipts: BTreeMap<String, bool>,
    receipts_due_at: Option<UnixMs>,
}

/// A read receipt to be sent.
pub struct Receipt {
    pub user: String,
    pub seq: Seq,
    /// Whether only the person's own tabs get it.
    pub own_only: bool,
}

impl Reads {
    /// Takes over a marker of the snapshot, unless a later one is known.
    pub fn learn(&mut self, user: &str, marker: Marker) {
        let known = self.markers.entry(user.to_owned()).or_default();
        *known = (*known).max(marker);
    }

    /// The membership ended: somebody who comes back starts with a new marker.
    pub fn forget(&mut self, user: &str) {
        self.unsaved |= self.markers.remove(user).is_some();
        if self.unprojected.remove(user).is_some() {
            self.find_due();
        }
    }

    /// Moves the marker forward; true when it moved.
    ///
    /// # Takes  `due`: when it must go to Postgres, if no batch goes before.
    pub fn advance(&mut self, user: &str, seq: Seq, due: UnixMs) -> bool {
        let Marker { generation, .. } = self.marker(user);
        self.set(user, Marker { generation, seq }, due)
    }

    /// Everything after `seq` is unread again; true when that changed the marker.
    pub fn set_back(&mut self, user: &str, seq: Seq, due: UnixMs) -> bool {
        let known = self.marker(user);
        let generation = known.generation.saturating_add(1);
        seq < known.seq && self.set(user, Marker { generation, seq }, due)
    }

    /// Sets a later marker; false when it is not later.
    fn set(&mut self, user: &str, marker: Marker, due: UnixMs) -> bool {
        let later = marker > self.marker(user);
        if later {
            self.markers.insert(user.to_owned(), marker);
            self.expect(user, due);
            self.unsaved = true;
        }
        later
    }

    /// Postgres must get this person's marker by then.
    fn expect(&mut self, user: &str, due: UnixMs) {
        let known = self.unprojected.entry(user.to_owned()).or_insert(due);
        *known = due.min(*known);
        self.due_at = self.due_at.into_iter().chain([due]).min();
    }

    fn find_due(&mut self) {
        self.due_at = self.unprojected.values().min().copied();
    }

    /// No socket's stored state holds this person's marker. If Postgres lacks it, it must go there now, and into the row
    /// meanwhile.
    pub fn release(&mut self, user: &str, now: UnixMs) {
        if self.unprojected.contains_key(user) {
            self.expect(user, now);
            self.unheld = self.unsaved;
        }
    }

    /// Whether the row must be written now, or a marker would exist in memory alone.
    pub fn has_unheld(&self) -> bool {
        self.unheld
    }

    /// A receipt becomes due soon, for everybody or for the person's own tabs.
    pub fn queue_receipt(&mut self, user: &str, own_only: bool, now: UnixMs) {
        let own = self.receipts.entry(user.to_owned()).or_insert(own_only);
        *own &= own_only;
        self.receipts_due_at.get_or_insert(now.saturating_add(RECEIPT_GATHER_MS));
    }

    /// The receipts that are due.
    pub fn take_receipts(&mut self, now: UnixMs) -> Vec<Receipt> {
        if self.receipts_due_at.is_none_or(|at| at > now) {
            return Vec::new();
        }
        self.receipts_due_at = None;
        let due = std::mem::take(&mut self.receipts);
        due.into_iter().map(|(user, own_only)| Receipt { seq: self.seq_of(&user), user, own_only }).collect()
    }

    pub fn seq_of(&self, user: &str) -> Seq {
        self.marker(user).seq
    }

    pub fn marker(&self, user: &str) -> Marker {
        self.markers.get(user).copied().unwrap_or_default()
    }

    /// When receipts are due.
    pub fn deadline(&self) -> Option<UnixMs> {
        self.receipts_due_at
    }

    /// When a marker must go to Postgres, if no batch goes before; `None`: Postgres has them all.
    pub fn batch_due(&self) -> Option<UnixMs> {
        self.due_at
    }

    /// When this person's marker must go to Postgres; 0: Postgres has it.
    pub fn due_of(&self, user: &str) -> UnixMs {
        self.unprojected.get(user).copied().unwrap_or_default()
    }

    /// The markers that Postgres lacks.
    pub fn batch(&self) -> BTreeMap<UserId, Marker> {
        let marker = |user: &String| Some((UserId::parse(user)?, self.marker(user)));
        self.unprojected.keys().filter_map(marker).collect()
    }

    /// Postgres has these markers. One that moved meanwhile stays unprojected.
    pub fn mark_projected(&mut self, batch: &BTreeMap<UserId, Marker>) {
        for (user, marker) in batch {
            if self.marker(user.as_str()) <= *marker {
                self.unprojected.remove(user.as_str());
            }
        }
        self.find_due();
    }

    /// Postgres may have lost any marker: all go again, at once.
    pub fn unproject_all(&mut self) {
        let read = self.markers.iter().filter(|(_, marker)| **marker > Marker::default());
        self.unprojected = read.map(|(user, _)| (user.clone(), 0)).collect();
        self.find_due();
        self.unsaved = true;
    }

    /// The row's new text, if it is out of date. The caller must write it.
    pub fn take_unsaved(&mut self) -> Option<String> {
        self.unheld = false;
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
            unprojected: self.unprojected.keys().cloned().collect(),
            generations: generations.collect(),
        };
        serde_json::to_string(&saved).ok()
    }

    /// The number of the last writing of the row.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Loads the row. Postgres has the markers of all writings up to `projected`.
    pub fn load(row: Option<&str>, projected: u64) -> Self {
        let saved: ReadsRow = row.and_then(|row| serde_json::from_str(row).ok()).unwrap_or_default();
        let unprojected = if saved.number > projected { saved.unprojected } else { BTreeSet::new() };
        let marker = |(user, seq): (String, Seq)| {
            let generation = saved.generations.get(&user).copied().unwrap_or(0);
            (user, Marker { generation, seq })
        };
        let markers = saved.markers.into_iter().map(marker).collect();
        // A batch was interrupted, or nothing but the row held one of them: they have waited long enough.
        let unprojected = unprojected.into_iter().map(|user| (user, 0)).collect();
        let mut reads = Self { markers, unprojected, number: saved.number, ..Self::default() };
        reads.find_due();
        reads
    }

    /// Takes over the marker of a socket's state. If the row does not have it, Postgres may lack it too.
    ///
    /// # Takes  `due`: when it must go to Postgres then.
    pub fn restore(&mut self, user: &str, marker: Marker, due: UnixMs) {
        self.set(user, marker, due);
    }
}
