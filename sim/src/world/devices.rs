//! Devices with an inbox: what each shows of its person's list, and what chance does to inboxes. It is a chance of its own,
//! so that histories without inboxes are as they were. Not here: what a device does (`inboxes`), what it checks
//! (`inbox_checks`).

use super::network::SimSocket;
use crate::plan::{DEVICES, Plan};
use crate::rng::Rng;
use crate::token::token;
use chinwag::ids::{Seq, TenantId, UnixMs, UserId};
use serde_json::Value;
use std::cell::{Cell, RefCell, RefMut};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum InboxPhase {
    Offline,
    /// Connected, and `hello` has not come.
    Opening,
    /// After `hello`, with the head that it named.
    Greeted(Seq),
    Live,
}

pub struct Device {
    pub tenant: &'static str,
    pub user: &'static str,
    /// The lifetime of its tokens.
    token_ms: u64,
    pub wants_connection: bool,
    pub socket: Option<Rc<SimSocket>>,
    /// The upgrade under way.
    pub request: Option<u64>,
    pub connect_at: UnixMs,
    pub phase: InboxPhase,
    /// The seq up to which it received everything, and the epoch of that log.
    pub position: Option<(Seq, String)>,
    /// The epoch of the present `hello`.
    pub epoch: String,
    /// What it shows, by room.
    pub rooms: BTreeMap<String, Value>,
    /// Text and rev of each draft, by room.
    pub drafts: BTreeMap<String, (String, u64)>,
    /// Room and message of what it shows as saved.
    pub saved: BTreeSet<(String, String)>,
    /// The message of each room's notification that it shows.
    pub pending: BTreeMap<String, String>,
    /// Room and message of all that it was notified of since it began.
    pub notified: BTreeSet<(String, String)>,
    /// When it began with a list.
    pub began_at: UnixMs,
    /// What it shows of direct partners.
    pub presence: BTreeMap<String, String>,
}

impl Device {
    pub fn token(&self, now: UnixMs) -> String {
        token(self.tenant, self.user, now + self.token_ms)
    }

    pub fn person(&self) -> (TenantId, UserId) {
        let ids = (TenantId::parse(self.tenant), UserId::parse(self.user));
        (ids.0.expect("a tenant"), ids.1.expect("a person"))
    }

    pub fn is_live(&self) -> bool {
        self.phase == InboxPhase::Live && self.socket.as_ref().is_some_and(|socket| socket.is_healthy())
    }
}

pub struct Devices {
    list: RefCell<Vec<Device>>,
    rng: RefCell<Rng>,
    next_request: Cell<u64>,
    /// Pokes get lost, come late, or twice.
    pub pokes_are_unreliable: Cell<bool>,
    /// So many of the next pokes get lost.
    pub pokes_to_lose: Cell<u32>,
    /// When each instance of a room last poked each inbox.
    pub poked_at: RefCell<BTreeMap<(String, u64, String), UnixMs>>,
}

impl Devices {
    pub fn new(seed: u64) -> Self {
        Self {
            list: RefCell::default(),
            rng: RefCell::new(Rng::new(seed ^ 0x1b0c)),
            next_request: Cell::new(1),
            pokes_are_unreliable: Cell::new(true),
            pokes_to_lose: Cell::new(0),
            poked_at: RefCell::default(),
        }
    }

    /// Creates all devices of the plan.
    pub fn create(&self, plan: &Plan) {
        let device = |(tenant, user)| Device {
            tenant,
            user,
            token_ms: plan.token_ms,
            wants_connection: false,
            socket: None,
            request: None,
            connect_at: 0,
            phase: InboxPhase::Offline,
            position: None,
            epoch: String::new(),
            rooms: BTreeMap::new(),
            drafts: BTreeMap::new(),
            saved: BTreeSet::new(),
            pending: BTreeMap::new(),
            notified: BTreeSet::new(),
            began_at: 0,
            presence: BTreeMap::new(),
        };
        if plan.has_inboxes {
            *self.list.borrow_mut() = DEVICES.map(device).into();
        }
    }

    pub fn random(&self) -> u64 {
        self.rng.borrow_mut().next()
    }

    pub fn number_request(&self) -> u64 {
        self.next_request.replace(self.next_request.get() + 1)
    }

    pub fn count(&self) -> usize {
        self.list.borrow().len()
    }

    /// The device, if devices take part.
    pub fn get(&self, index: usize) -> Option<RefMut<'_, Device>> {
        RefMut::filter_map(self.list.borrow_mut(), |list| list.get_mut(index)).ok()
    }

    pub fn of_socket(&self, socket: &Rc<SimSocket>) -> Option<usize> {
        let is_own = |own: &Rc<SimSocket>| Rc::ptr_eq(own, socket);
        self.list.borrow().iter().position(|device| device.socket.as_ref().is_some_and(is_own))
    }
}
