//! What one socket heard, and whether it is what it should have: every message once, in one order for all.
//! Not here: sockets and frames (`wire`), and time (`main`).
//!
//! A message is known by the mark at its content's beginning, `#sender-number `; nothing else of it is parsed.

use memchr::memmem::Finder;

const SEQ: &str = r#""type":"new_message","seq":"#;
const CONTENT: &str = r##""content":"#"##;

/// One message as it is heard: its place in the room's order (0 where the server gives none), and whose it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mark {
    pub seq: u64,
    pub sender: usize,
    pub number: u64,
}

/// A content of `bytes` that begins with a mark.
pub fn content(sender: usize, number: u64, bytes: usize) -> String {
    let mut text = format!("#{sender}-{number} ");
    let padding = bytes.saturating_sub(text.len());
    text.extend("the quick brown fox jumps over the lazy dog ".chars().cycle().take(padding));
    text
}

/// Finds the messages in a frame's text; made once, for the search is prepared by it.
pub struct Marks {
    seq: Finder<'static>,
    content: Finder<'static>,
}

impl Marks {
    pub fn new() -> Self {
        Self { seq: Finder::new(SEQ), content: Finder::new(CONTENT) }
    }

    /// Calls `each` for each message of the frame, in order. Other events are passed over.
    pub fn find(&self, frame: &[u8], mut each: impl FnMut(Mark)) -> Result<(), String> {
        let mut rest = frame;
        while let Some(at) = self.seq.find(rest) {
            let unknown = || format!("a message without a mark: {}", String::from_utf8_lossy(frame));
            let (seq, after) = number(&rest[at + SEQ.len()..]).ok_or_else(unknown)?;
            let at = self.content.find(after).ok_or_else(unknown)?;
            let (sender, after) = number(&after[at + CONTENT.len()..]).ok_or_else(unknown)?;
            let (number, after) = after.strip_prefix(b"-").and_then(number).ok_or_else(unknown)?;
            each(Mark { seq, sender: usize::try_from(sender).map_err(|_| unknown())?, number });
            rest = after;
        }
        Ok(())
    }
}

/// The decimal number that a text begins with, and what follows it.
fn number(text: &[u8]) -> Option<(u64, &[u8])> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = text.split_at(digits);
    Some((std::str::from_utf8(digits).ok()?.parse().ok()?, rest))
}

/// One socket's hearing.
pub struct Heard {
    /// The last number heard of each sender.
    last: Vec<u64>,
    seq: u64,
    /// Whether the server numbers its messages 1, 2, 3, …
    sequenced: bool,
    /// A hash of all marks in the order heard: equal on two sockets if the order was.
    order: u64,
}

impl Heard {
    pub fn new(senders: usize, sequenced: bool) -> Self {
        Self { last: vec![0; senders], seq: 0, sequenced, order: 0xcbf2_9ce4_8422_2325 }
    }

    /// Takes the next message. # Errors  it isn't the next one of its sender, or of the room.
    pub fn take(&mut self, mark: Mark) -> Result<(), String> {
        let last = self.last.get_mut(mark.sender).ok_or_else(|| format!("{mark:?}: no such sender"))?;
        if mark.number != *last + 1 {
            return Err(format!("{mark:?} after number {last}: lost, doubled or out of order"));
        }
        if self.sequenced && mark.seq != self.seq + 1 {
            return Err(format!("{mark:?} after seq {}: lost, doubled or out of order", self.seq));
        }
        (*last, self.seq) = (mark.number, mark.seq);
        for part in [mark.sender as u64, mark.number] {
            self.order = (self.order ^ part).wrapping_mul(0x0100_0000_01b3);
        }
        Ok(())
    }

    pub fn has_all(&self, sent: &[u64]) -> bool {
        self.last == sent
    }

    pub fn same_order(&self, other: &Heard) -> bool {
        self.order == other.order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(seq: u64, sender: usize, number: u64) -> Mark {
        Mark { seq, sender, number }
    }

    fn heard(marks: &[Mark]) -> Result<Heard, String> {
        let mut heard = Heard::new(2, true);
        marks.iter().try_for_each(|mark| heard.take(*mark)).map(|()| heard)
    }

    #[test]
    fn finds_the_messages_among_other_events() {
        let message = |seq, sender, n| {
            let content = content(sender, n, 40);
            assert_eq!(content.len(), 40);
            format!(r#"{{"type":"new_message","seq":{seq},"message":{{"seq":{seq},"content":"{content}"}}}}"#)
        };
        let frame = format!(
            r#"[{{"type":"ack","seq":7}},{},{{"type":"typing"}},{}]"#,
            message(7, 0, 3),
            message(8, 1, 12)
        );
        let mut found = Vec::new();
        Marks::new().find(frame.as_bytes(), |mark| found.push(mark)).unwrap();
        assert_eq!(found, [mark(7, 0, 3), mark(8, 1, 12)]);
        let strange = br#"{"type":"new_message","seq":1,"message":{"content":"hello"}}"#;
        assert!(Marks::new().find(strange, |_| {}).is_err());
    }

    #[test]
    fn what_is_lost_doubled_or_out_of_order_is_seen() {
        let whole = heard(&[mark(1, 0, 1), mark(2, 1, 1), mark(3, 0, 2)]).unwrap();
        assert!(whole.has_all(&[2, 1]) && !whole.has_all(&[2, 2]));
        assert!(heard(&[mark(1, 0, 1), mark(3, 0, 2)]).is_err(), "a seq is missing");
        assert!(heard(&[mark(1, 0, 1), mark(2, 0, 3)]).is_err(), "a message is missing");
        assert!(heard(&[mark(1, 0, 1), mark(1, 0, 1)]).is_err(), "twice");
        assert!(heard(&[mark(2, 1, 1), mark(1, 0, 1)]).is_err(), "out of order");
        assert!(heard(&[mark(1, 2, 1)]).is_err(), "nobody's");
    }

    #[test]
    fn two_orders_of_the_same_messages_differ() {
        let of = |marks: [Mark; 2]| {
            let mut heard = Heard::new(2, false);
            marks.into_iter().for_each(|mark| heard.take(mark).unwrap());
            heard
        };
        let (one, two) = (of([mark(0, 0, 1), mark(0, 1, 1)]), of([mark(0, 1, 1), mark(0, 0, 1)]));
        assert!(one.has_all(&[1, 1]) && two.has_all(&[1, 1]));
        assert!(!one.same_order(&two));
        assert!(one.same_order(&of([mark(0, 0, 1), mark(0, 1, 1)])));
    }
}
