//! Virtual time, tasks and chance: all that decides what happens next. Not here: what the tasks do.

use super::executor::{Executor, Owner};
use crate::rng::Rng;
use chinwag::ids::UnixMs;
use std::cell::RefCell;
use std::rc::Rc;

/// 2026-11-23T09:00:00Z.
const START: UnixMs = 1_795_424_400_000;

pub struct Clock {
    executor: Rc<Executor>,
    rng: RefCell<Rng>,
}

impl Clock {
    pub fn new(seed: u64) -> Self {
        Self { executor: Rc::new(Executor::new(START)), rng: RefCell::new(Rng::new(seed ^ 0x5eed)) }
    }

    pub fn now(&self) -> UnixMs {
        self.executor.now()
    }

    /// Since the run began.
    pub fn elapsed_ms(&self) -> u64 {
        self.now() - START
    }

    pub fn random(&self) -> u64 {
        self.rng.borrow_mut().next()
    }

    pub fn sleep(&self, ms: u64) -> impl Future<Output = ()> + use<> {
        self.executor.sleep(ms)
    }

    /// Starts a task of the world itself.
    pub fn spawn(&self, work: impl Future<Output = ()> + 'static) {
        self.spawn_for(Owner::World, work);
    }

    pub fn spawn_for(&self, owner: Owner, work: impl Future<Output = ()> + 'static) {
        self.executor.spawn(owner, work);
    }

    pub fn has_task(&self, owner: &Owner) -> bool {
        self.executor.has(owner)
    }

    /// Drops all tasks of these owners where they stand.
    pub fn end_tasks(&self, ends: impl Fn(&Owner) -> bool) {
        self.executor.end(ends);
    }

    /// Polls the next task that can go on, within `turn`; false when none can.
    pub fn poll_next(&self, turn: impl FnOnce(&Owner, &mut dyn FnMut())) -> bool {
        self.executor.step(turn)
    }

    pub fn next_timer(&self) -> Option<UnixMs> {
        self.executor.next_timer()
    }

    /// Moves time forward and wakes the timers that are due.
    pub fn advance_to(&self, at: UnixMs) {
        self.executor.advance_to(at);
    }
}
