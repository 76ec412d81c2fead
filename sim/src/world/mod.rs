//! The simulated world: its parts, each of which owns its state. Everything else in the simulator is written over them.
//! Not here: what happens when (`plan`, `run`), how the parts act on each other (`scheduler`, `objects`, `transport`).

pub mod accounts;
pub mod backends;
pub mod checker;
pub mod clients;
pub mod clock;
pub mod content_model;
pub mod devices;
pub mod executor;
pub mod faults;
pub mod hosts;
pub mod model;
pub mod network;
pub mod operation;
pub mod recorder;

use accounts::Accounts;
use backends::Backends;
use chinwag::limits::Limits;
use chinwag::room::moderation::Moderation;
use clients::Clients;
use clock::Clock;
use content_model::MODERATION;
use devices::Devices;
use faults::Faults;
use hosts::Hosts;
use model::Model;
use network::Network;
use recorder::Recorder;
use std::rc::Rc;

pub struct World {
    pub limits: Limits,
    pub moderation: Rc<Moderation>,
    pub clock: Rc<Clock>,
    pub recorder: Rc<Recorder>,
    pub faults: Faults,
    pub network: Network,
    pub hosts: Hosts,
    pub backends: Backends,
    pub clients: Clients,
    pub devices: Devices,
    pub accounts: Accounts,
    pub model: Model,
}

impl World {
    pub fn new(seed: u64, limits: Limits, keeps_lines: bool) -> Rc<Self> {
        let clock = Rc::new(Clock::new(seed));
        let recorder = Rc::new(Recorder::new(clock.clone(), keeps_lines));
        Rc::new(Self {
            limits,
            moderation: Rc::new(Moderation::parse(MODERATION).expect("rules")),
            clock,
            faults: Faults::new(recorder.clone()),
            recorder,
            network: Network::new(),
            hosts: Hosts::default(),
            backends: Backends::new(),
            clients: Clients::default(),
            devices: Devices::new(seed),
            accounts: Accounts::default(),
            model: Model::default(),
        })
    }
}
