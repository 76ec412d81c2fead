//! What is known of the two people of the direct room: whether the one blocks the other, and whether that one is deactivated,
//! as far as answers say it. Not here: what they do and what is checked (`accounts`).

use super::network::SimSocket;
use chinwag::ids::UnixMs;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

pub const TENANT: &str = "acme";
/// The id of the direct room.
pub const DIRECT: &str = "dm";
/// Who blocks.
pub const FIRST: &str = "erin";
/// Who is blocked and deactivated.
pub const OTHER: &str = "frank";

/// A switch that requests turn, of which some are lost or done late.
#[derive(Default)]
pub struct Switch {
    /// `None`: a request is under way, or one had no answer and may still be done.
    known: Cell<Option<bool>>,
    /// How often that has changed.
    pub changes: Cell<u64>,
    /// A request without an answer may be done until then.
    uncertain_until: Cell<UnixMs>,
}

impl Switch {
    pub fn new(is_on: bool) -> Self {
        Self { known: Cell::new(Some(is_on)), ..Self::default() }
    }

    pub fn known(&self) -> Option<bool> {
        self.known.get()
    }

    /// A request is on its way.
    pub fn begin(&self) {
        self.set(None);
    }

    /// It was answered, or had no answer within its time: then it may be done until `late`.
    pub fn end(&self, turned: Option<bool>, (begun, late): (UnixMs, UnixMs)) {
        match turned {
            Some(is_on) if begun >= self.uncertain_until.get() => self.set(Some(is_on)),
            Some(_) => {}
            None => self.uncertain_until.set(late.max(self.uncertain_until.get())),
        }
    }

    fn set(&self, known: Option<bool>) {
        self.known.set(known);
        self.changes.set(self.changes.get() + 1);
    }
}

pub struct Accounts {
    pub exists: Cell<bool>,
    pub blocked: Switch,
    pub deactivated: Switch,
    /// The other one's sockets, of the room and of the inbox.
    pub sockets: RefCell<Vec<Rc<SimSocket>>>,
    pub posts: Cell<u64>,
}

impl Default for Accounts {
    fn default() -> Self {
        Self {
            exists: Cell::new(false),
            blocked: Switch::new(false),
            deactivated: Switch::new(false),
            sockets: RefCell::default(),
            posts: Cell::new(0),
        }
    }
}
