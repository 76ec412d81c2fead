//! The texts of histories and replays: newcomers who are sent the same event share one text of it, and all of these
//! texts together have a bound.
//! Not here: which events a newcomer is sent (`replay`), and live events, which all sockets share anyway.

use crate::ids::Seq;
use crate::protocol::server::EventText;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

/// The texts that wait for newcomers. An event has several when people see it differently.
#[derive(Default)]
struct Texts {
    by_seq: HashMap<Seq, Vec<EventText>>,
    bytes: usize,
}

#[derive(Default)]
pub struct FirstLoads(RefCell<Texts>);

impl FirstLoads {
    /// The text to send for this event: the one that others wait for already, if it is equal. `None`: a new text would
    /// exceed `bytes_max` in all.
    pub fn share(&self, seq: Seq, text: EventText, bytes_max: usize) -> Option<EventText> {
        let Texts { by_seq, bytes } = &mut *self.0.borrow_mut();
        let texts = by_seq.entry(seq).or_default();
        if let Some(same) = texts.iter().find(|known| **known == text) {
            return Some(same.clone());
        }
        let sum = bytes.saturating_add(text.len());
        if sum > bytes_max {
            return None;
        }
        *bytes = sum;
        texts.push(text.clone());
        Some(text)
    }

    /// The bytes of all texts.
    pub fn bytes(&self) -> usize {
        self.0.borrow().by_seq.values().flatten().map(|text| text.len()).sum()
    }

    /// Forgets the texts that nobody waits for any more.
    pub fn release(&self) {
        let Texts { by_seq, bytes } = &mut *self.0.borrow_mut();
        if by_seq.is_empty() {
            return;
        }
        by_seq.retain(|_, texts| {
            texts.retain(|text| Rc::strong_count(text) > 1);
            !texts.is_empty()
        });
        *bytes = by_seq.values().flatten().map(|text| text.len()).sum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hist_7_newcomers_share_texts_which_are_bounded_and_given_back() {
        let loads = FirstLoads::default();
        let share = |seq, text: &str| loads.share(seq, text.into(), 100);
        let first = share(1, "a").expect("there is room");
        let again = share(1, "a").expect("there is room");
        assert!(Rc::ptr_eq(&first, &again), "one text");
        assert!(!Rc::ptr_eq(&first, &share(2, "a").expect("there is room")));
        let large = share(1, &"x".repeat(98)).expect("it just fits");
        assert_eq!(share(1, "b"), None, "no room for another text");
        assert!(share(1, "a").is_some(), "a shared one takes none");
        assert_eq!(loads.bytes(), 100);
        loads.release();
        assert_eq!(share(1, "bc"), None, "the large one still waits, and event 2 is forgotten");
        drop(large);
        loads.release();
        assert!(share(1, "bc").is_some());
        drop((first, again));
        loads.release();
        assert!(loads.0.borrow().by_seq.is_empty(), "nothing is kept for nobody");
    }
}
