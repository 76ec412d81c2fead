//! How time passes: turns until nothing can run, then the next timer or alarm. Not here: the tasks (`world::executor`).

use crate::world::World;
use crate::world::checker::Checker;
use crate::world::executor::Owner;
use std::rc::Rc;

/// Turns within one millisecond: a burst of hundreds of messages to everybody takes a few thousand.
const TURNS_MAX: u32 = 50_000;
/// The platform evicts an object after this long without events (docs/PLATFORM.md, Hibernation and alarms).
pub const EVICTED_AFTER_MS: u64 = 10_000;

impl World {
    /// Lets the world go on for this long.
    pub fn advance(self: &Rc<Self>, ms: u64) {
        let end = self.clock.now() + ms;
        loop {
            let mut turns = 0;
            while self.run_turn() {
                turns += 1;
                if turns > TURNS_MAX {
                    let what = "an endless loop: time never passes";
                    return self.recorder.violation(Checker::Bounds, what.into());
                }
            }
            self.evict_idle();
            let alarm = self.hosts.next_alarm();
            let next = self.clock.next_timer().into_iter().chain(alarm.as_ref().map(|(at, _)| *at)).min();
            let Some(next) = next.filter(|at| *at <= end) else { break };
            self.clock.advance_to(next);
            if let Some((at, host)) = alarm
                && at <= self.clock.now()
            {
                self.fire_alarm(&host);
            }
        }
        self.clock.advance_to(end);
        self.evict_idle();
    }

    /// Runs the next turn; false when no task can run.
    fn run_turn(self: &Rc<Self>) -> bool {
        let ran = self.clock.poll_next(|owner, poll| {
            poll();
            if let Owner::Object { host, .. } = owner {
                let host = self.hosts.get_or_create(host, self.clock.now());
                self.end_turn(&host);
            }
        });
        if self.faults.process_dead.get() {
            self.kill_process();
        }
        ran
    }

    fn evict_idle(&self) {
        let now = self.clock.now();
        for host in self.hosts.all() {
            if host.is_awake() && now - host.touched_at.get() >= EVICTED_AFTER_MS {
                self.hibernate(&host);
            }
        }
    }

    /// Ends all tasks and objects, so that nothing keeps anything alive.
    pub fn shut_down(&self) {
        self.clock.end_tasks(|_| true);
        self.hosts.clear();
    }
}
