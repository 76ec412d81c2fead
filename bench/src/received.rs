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

/// What a baseline did wrong. Of ours it is an error (`Received::receive`).
#[derive(Clone, Copy, Default)]
pub struct Faults {
    pub lost: u64,
    pub doubled: u64,
    pub out_of_order: u64,
}

/// What one socket of a baseline received. It counts what is wrong and goes on.
pub struct Tally {
    /// Of each sender: which numbers have arrived, from 1, and the highest.
    senders: Vec<(Vec<bool>, u64)>,
    faults: Faults,
}

impl Tally {
    pub fn new(senders: usize) -> Self {
        Self { senders: vec![Default::default(); senders], faults: Faults::default() }
    }

    pub fn receive(&mut self, mark: Mark) -> Result<(), String> {
        let at = usize::try_from(mark.number).ok().and_then(|number| number.checked_sub(1));
        let (sender, at) = self.senders.get_mut(mark.sender).zip(at).ok_or_else(|| format!("{mark:?}"))?;
        let (arrived, highest) = sender;
        if arrived.len() <= at {
            arrived.resize(at + 1, false);
        }
        self.faults.doubled += u64::from(std::mem::replace(&mut arrived[at], true));
        self.faults.out_of_order += u64::from(mark.number < *highest);
        *highest = mark.number.max(*highest);
        Ok(())
    }

    fn arrived(&self) -> impl Iterator<Item = u64> {
        self.senders.iter().map(|(arrived, _)| arrived.iter().filter(|arrived| **arrived).count() as u64)
    }

    /// The faults so far, if this many messages of each sender were sent.
    pub fn faults(&self, sent: &[u64]) -> Faults {
        let lost = self.arrived().zip(sent).map(|(arrived, sent)| sent.saturating_sub(arrived)).sum();
        Faults { lost, ..self.faults }
    }
}

/// What one socket of ours received: every message of every sender once and in order.
pub struct Received {
    /// By sender.
    senders: Vec<Position>,
    /// The room's numbers.
    room: Position,
    /// A hash of all marks in the order of arrival: two sockets with the same order have the same hash.
    order: u64,
}

impl Received {
    pub fn new(senders: usize) -> Self {
        let room = Position::default();
        Self { senders: vec![Position::default(); senders], room, order: 0xcbf2_9ce4_8422_2325 }
    }

    /// Takes the next message.
    ///
    /// # Errors  it isn't the next one of its sender or of the room.
    pub fn receive(&mut self, mark: Mark) -> Result<(), String> {
        let sender = self.senders.get_mut(mark.sender).ok_or_else(|| format!("{mark:?}: no such sender"))?;
        sender.advance(mark.number).map_err(|wrong| format!("{mark:?} of its sender: {wrong}"))?;
        self.room.advance(mark.seq).map_err(|wrong| format!("{mark:?} of the room: {wrong}"))?;
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

/// What a socket is held to.
pub enum Receiver {
    Ours(Received),
    Baseline(Tally),
}

impl Receiver {
    pub fn receive(&mut self, mark: Mark) -> Result<(), String> {
        match self {
            Receiver::Ours(received) => received.receive(mark),
            Receiver::Baseline(tally) => tally.receive(mark),
        }
    }

    pub fn is_complete(&self, sent: &[u64]) -> bool {
        match self {
            Receiver::Ours(received) => received.is_complete(sent),
            Receiver::Baseline(tally) => tally.arrived().eq(sent.iter().copied()),
        }
    }

    /// Ours has none: each is an error.
    pub fn faults(&self, sent: &[u64]) -> Faults {
        match self {
            Receiver::Ours(_) => Faults::default(),
            Receiver::Baseline(tally) => tally.faults(sent),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(seq: u64, sender: usize, number: u64) -> Mark {
        Mark { seq, sender, number }
    }

    fn receive(marks: &[Mark]) -> Result<Received, String> {
        let mut received = Received::new(2);
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
    fn a_baselines_faults_are_counted() {
        let mut tally = Tally::new(2);
        for number in [1, 3, 2, 3, 5] {
            tally.receive(mark(0, 0, number)).unwrap();
        }
        let faults = tally.faults(&[5, 1]);
        assert_eq!((faults.lost, faults.doubled, faults.out_of_order), (2, 1, 1));
        assert!(tally.receive(mark(0, 2, 1)).is_err() && tally.receive(mark(0, 0, 0)).is_err());
    }

    #[test]
    fn two_orders_of_the_same_messages_differ() {
        let of = |marks: [Mark; 2]| {
            let mut received = Received::new(2);
            marks.into_iter().for_each(|mark| received.receive(mark).unwrap());
            received
        };
        let (one, two) = (of([mark(1, 0, 1), mark(2, 1, 1)]), of([mark(1, 1, 1), mark(2, 0, 1)]));
        assert!(one.is_complete(&[1, 1]) && two.is_complete(&[1, 1]));
        assert!(!one.has_order_of(&two));
        assert!(one.has_order_of(&of([mark(1, 0, 1), mark(2, 1, 1)])));
    }
}
