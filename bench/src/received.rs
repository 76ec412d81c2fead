//! What one socket received, and whether it is every message once, in the same order as on all other sockets.
//! Not here: sockets and frames (`wire`), and time (`main`).
//!
//! A message is identified by the mark that begins its content, `#sender-number `; nothing else of it is parsed.

use memchr::memmem::Finder;
use testkit::history::Position;

const SEQ: &str = r#""type":"new_message","seq":"#;
const CONTENT: &str = r##""content":"#"##;

/// One received message: its place in the room's order (0 where the server gives none), its sender and its number.
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

/// Finds the messages in a frame's text. Creating it prepares the search, so it is created once.
pub struct Marks {
    seq: Finder<'static>,
    content: Finder<'static>,
}

impl Marks {
    pub fn new() -> Self {
        Self { seq: Finder::new(SEQ), content: Finder::new(CONTENT) }
    }

    /// Calls `each` for each message of the frame, in order. Other events are skipped.
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

/// What one socket received: every message of every sender once and in order.
pub struct Received {
    /// By sender.
    senders: Vec<Position>,
    /// The room's numbers; `None`: the server gives none.
    room: Option<Position>,
    /// A hash of all marks in the order of arrival: two sockets with the same order have the same hash.
    order: u64,
}

impl Received {
    pub fn new(senders: usize, has_seqs: bool) -> Self {
        let room = has_seqs.then(Position::default);
        Self { senders: vec![Position::default(); senders], room, order: 0xcbf2_9ce4_8422_2325 }
    }

    /// Takes the next message.
    ///
    /// # Errors  it isn't the next one of its sender or of the room.
    pub fn receive(&mut self, mark: Mark) -> Result<(), String> {
        let sender = self.senders.get_mut(mark.sender).ok_or_else(|| format!("{mark:?}: no such sender"))?;
        sender.advance(mark.number).map_err(|wrong| format!("{mark:?} of its sender: {wrong}"))?;
        if let Some(room) = &mut self.room {
            room.advance(mark.seq).map_err(|wrong| format!("{mark:?} of the room: {wrong}"))?;
        }
        for part in [mark.sender as u64, mark.number] {
            self.order = (self.order ^ part).wrapping_mul(0x0100_0000_01b3);
        }
        Ok(())
    }

    /// Whether this many messages of each sender have arrived.
    pub fn is_complete(&self, sent: &[u64]) -> bool {
        self.senders.iter().map(|sender| sender.last()).eq(sent.iter().copied())
    }

    pub fn has_order_of(&self, other: &Received) -> bool {
        self.order == other.order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(seq: u64, sender: usize, number: u64) -> Mark {
        Mark { seq, sender, number }
    }

    fn receive(marks: &[Mark]) -> Result<Received, String> {
        let mut received = Received::new(2, true);
        marks.iter().try_for_each(|mark| received.receive(*mark)).map(|()| received)
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
        let unmarked = br#"{"type":"new_message","seq":1,"message":{"content":"hello"}}"#;
        assert!(Marks::new().find(unmarked, |_| {}).is_err());
    }

    #[test]
    fn a_lost_repeated_or_reordered_message_is_detected() {
        let whole = receive(&[mark(1, 0, 1), mark(2, 1, 1), mark(3, 0, 2)]).unwrap();
        assert!(whole.is_complete(&[2, 1]) && !whole.is_complete(&[2, 2]));
        assert!(receive(&[mark(1, 0, 1), mark(3, 0, 2)]).is_err(), "a seq is missing");
        assert!(receive(&[mark(1, 0, 1), mark(2, 0, 3)]).is_err(), "a message is missing");
        assert!(receive(&[mark(1, 0, 1), mark(1, 0, 1)]).is_err(), "twice");
        assert!(receive(&[mark(2, 1, 1), mark(1, 0, 1)]).is_err(), "out of order");
        assert!(receive(&[mark(1, 2, 1)]).is_err(), "no such sender");
    }

    #[test]
    fn two_orders_of_the_same_messages_differ() {
        let of = |marks: [Mark; 2]| {
            let mut received = Received::new(2, false);
            marks.into_iter().for_each(|mark| received.receive(mark).unwrap());
            received
        };
        let (one, two) = (of([mark(0, 0, 1), mark(0, 1, 1)]), of([mark(0, 1, 1), mark(0, 0, 1)]));
        assert!(one.is_complete(&[1, 1]) && two.is_complete(&[1, 1]));
        assert!(!one.has_order_of(&two));
        assert!(one.has_order_of(&of([mark(0, 0, 1), mark(0, 1, 1)])));
    }
}
