//! Drafts of the person's messages: text that waits in a room or thread to be sent, the same on all devices. The inbox has
//! their truth: of two writers the one with the higher `rev` wins.
//! Not here: their rows (`store`), and what a device does with them (`web/`).

use crate::ids::{RoomId, UnixMs};
use crate::limits::{INBOX_DRAFT_BYTES_MAX, INBOX_DRAFTS_MAX};
use crate::protocol::client::digest;
use crate::protocol::inbox::{self, DraftFrame};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// Where a draft waits: in a room, or in the thread with this root.
pub type Place = (RoomId, Option<String>);

/// Stored format: tests/golden/stored/inbox_draft.json
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Draft {
    pub room: RoomId,
    pub thread: Option<String>,
    /// Empty: it was sent or cleared. It is kept for its `rev`, so that an older text does not return.
    pub text: String,
    pub rev: u64,
    pub at: UnixMs,
}

impl Draft {
    pub fn new(frame: DraftFrame, now: UnixMs) -> Self {
        let DraftFrame { room, thread, text, rev } = frame;
        Self { room, thread, text, rev, at: now }
    }

    /// As it is shown.
    pub fn fields(&self) -> Value {
        inbox::draft_fields(&self.room, self.thread.as_deref(), &self.text, self.rev)
    }

    pub fn place(&self) -> Place {
        (self.room.clone(), self.thread.clone())
    }
}

/// The number of a draft's row.
pub fn row_of((room, thread): &Place) -> u64 {
    digest(&[room.as_str(), thread.as_deref().unwrap_or_default()])
}

/// What follows from a draft that a device has sent.
#[derive(Debug, PartialEq, Eq)]
pub enum Written {
    /// It is the draft now; those at these places had to make room for it.
    Newest { dropped: Vec<Draft> },
    /// Another device has written a newer one.
    Older,
    /// It is the draft already.
    Same,
}

#[derive(Debug, Default)]
pub struct Drafts(BTreeMap<Place, Draft>);

impl Drafts {
    pub fn new(drafts: Vec<Draft>) -> Self {
        Self(drafts.into_iter().map(|draft| (draft.place(), draft)).collect())
    }

    pub fn get(&self, place: &Place) -> Option<&Draft> {
        self.0.get(place)
    }

    /// Those with a text.
    pub fn texts(&self) -> impl Iterator<Item = &Draft> {
        self.0.values().filter(|draft| !draft.text.is_empty())
    }

    pub fn write(&mut self, draft: Draft) -> Written {
        let place = draft.place();
        match self.0.get(&place) {
            Some(known) if (known.rev, &known.text) == (draft.rev, &draft.text) => return Written::Same,
            Some(known) if known.rev >= draft.rev => return Written::Older,
            _ => {}
        }
        self.0.insert(place.clone(), draft);
        Written::Newest { dropped: self.drop_oldest(&place) }
    }

    /// The room's drafts are gone; gives their places.
    pub fn remove_room(&mut self, room: &RoomId) -> Vec<Place> {
        let places: Vec<Place> = self.0.keys().filter(|(id, _)| id == room).cloned().collect();
        places.iter().for_each(|place| _ = self.0.remove(place));
        places
    }

    /// Drops drafts until the others fit: cleared ones first, then by age.
    fn drop_oldest(&mut self, except: &Place) -> Vec<Draft> {
        let mut dropped = Vec::new();
        let bytes =
            |drafts: &BTreeMap<Place, Draft>| drafts.values().map(|draft| draft.text.len()).sum::<usize>();
        while self.0.len() > INBOX_DRAFTS_MAX || bytes(&self.0) > INBOX_DRAFT_BYTES_MAX {
            let others = self.0.iter().filter(|(place, _)| *place != except);
            let oldest = others.min_by_key(|(_, draft)| (!draft.text.is_empty(), draft.at));
            let Some(place) = oldest.map(|(place, _)| place.clone()) else { break };
            dropped.extend(self.0.remove(&place));
        }
        dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(room: &str, text: &str, rev: u64, at: UnixMs) -> Draft {
        Draft { room: RoomId::parse(room).expect("an id"), thread: None, text: text.into(), rev, at }
    }

    #[test]
    fn inbox_8_the_higher_rev_wins_and_a_cleared_draft_does_not_return() {
        let mut drafts = Drafts::default();
        assert_eq!(drafts.write(draft("a", "one", 5, 1)), Written::Newest { dropped: vec![] });
        assert_eq!(drafts.write(draft("a", "one", 5, 2)), Written::Same);
        assert_eq!(drafts.write(draft("a", "other", 5, 2)), Written::Older);
        assert_eq!(drafts.write(draft("a", "", 6, 3)), Written::Newest { dropped: vec![] });
        assert_eq!(drafts.write(draft("a", "old", 4, 4)), Written::Older);
        assert_eq!(drafts.texts().count(), 0);
    }

    #[test]
    fn inbox_8_drafts_are_bounded_in_number_and_bytes() {
        let mut drafts = Drafts::default();
        for n in 0..INBOX_DRAFTS_MAX as u64 {
            drafts.write(draft(&format!("r{n}"), if n == 7 { "" } else { "text" }, 1, n));
        }
        let one_more =
            |drafts: &mut Drafts, room: &str, text: &str| match drafts.write(draft(room, text, 1, 1_000)) {
                Written::Newest { dropped } => {
                    dropped.into_iter().map(|draft| draft.room.to_string()).collect::<Vec<_>>()
                }
                other => vec![format!("{other:?}")],
            };
        assert_eq!(one_more(&mut drafts, "x", "text"), ["r7"], "a cleared one first");
        assert_eq!(one_more(&mut drafts, "y", "text"), ["r0"], "then the oldest");
        let long = "ä".repeat(4_000);
        for n in 0..100 {
            one_more(&mut drafts, &format!("long{n}"), &long);
        }
        let bytes: usize = drafts.texts().map(|draft| draft.text.len()).sum();
        assert!(bytes <= INBOX_DRAFT_BYTES_MAX, "{bytes}");
    }
}
