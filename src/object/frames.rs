//! Turns events into frames; sockets with the same events share one text.
//! Not here: when a frame is sent (`sockets`).

use crate::protocol::server::EventText;
use std::collections::HashMap;

/// The frames of one delivery.
#[derive(Default)]
pub(super) struct Frames {
    by_events: HashMap<Vec<*const u8>, EventText>,
    /// The events must live as long as their addresses are compared.
    events: Vec<Vec<EventText>>,
}

impl Frames {
    /// The frame for a client that speaks `chat.v1`: an array, in order.
    pub fn frame(&mut self, events: Vec<EventText>) -> EventText {
        let key: Vec<*const u8> = events.iter().map(|event| event.as_ptr()).collect();
        let frame = self.by_events.entry(key).or_insert_with(|| {
            let mut frame = String::with_capacity(frame_bytes(events.iter()));
            for event in &events {
                frame.push(if frame.is_empty() { '[' } else { ',' });
                frame.push_str(event);
            }
            frame.push(']');
            frame.into()
        });
        let frame = frame.clone();
        self.events.push(events);
        frame
    }
}

/// The length of a frame with these events.
fn frame_bytes<'a>(events: impl Iterator<Item = &'a EventText>) -> usize {
    events.map(|event| event.len().saturating_add(1)).fold(1, usize::saturating_add)
}

/// How many of these events one frame takes: those that fit into `bytes_max` with their commas and brackets, and at
/// least one.
pub(super) fn count_for_frame<'a>(events: impl Iterator<Item = &'a EventText>, bytes_max: usize) -> usize {
    let mut bytes = 1usize;
    let fits = |event: &&EventText| {
        bytes = bytes.saturating_add(event.len()).saturating_add(1);
        bytes <= bytes_max
    };
    events.take_while(fits).count().max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::FRAME_OUT_BYTES_MAX;

    #[test]
    fn batch_2_frames_are_arrays_in_order_and_bounded() {
        let events: Vec<EventText> = vec!["1".into(), "2".into()];
        let mut frames = Frames::default();
        let frame = frames.frame(events.clone());
        assert_eq!(&*frame, "[1,2]");
        assert!(std::rc::Rc::ptr_eq(&frame, &frames.frame(events)), "the same events share one text");
        assert_eq!(&*frames.frame(vec!["1".into()]), "[1]");
        let large: Vec<EventText> = (0..3).map(|_| "9".repeat(FRAME_OUT_BYTES_MAX / 2).into()).collect();
        assert_eq!(count_for_frame(large.iter(), FRAME_OUT_BYTES_MAX), 1, "half a frame and two brackets");
        let fitting: Vec<EventText> =
            (0..2).map(|_| "9".repeat(FRAME_OUT_BYTES_MAX / 2 - 2).into()).collect();
        assert_eq!(count_for_frame(fitting.iter(), FRAME_OUT_BYTES_MAX), 2);
        assert_eq!(count_for_frame(large.iter(), 1), 1, "an event is never divided");
    }
}
