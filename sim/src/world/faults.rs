//! The faults that are due or in force: crashes, panics, a failing disk, services that are unavailable.
//! Not here: what a crash does to the objects (`outages`), what a statement meets in Postgres (`postgres`).

use super::executor::INJECTED_PANIC;
use super::recorder::Recorder;
use crate::plan::PostgresFault;
use chinwag::ids::UnixMs;
use std::cell::Cell;
use std::rc::Rc;

pub struct Faults {
    recorder: Rc<Recorder>,
    /// Countdowns, 0 when nothing is due: effects until the process dies, statements until a panic or a disk error.
    pub kill_in: Cell<u32>,
    pub panic_in: Cell<u32>,
    pub disk_error_in: Cell<u32>,
    pub disk_full_until: Cell<UnixMs>,
    /// The process has died; from here to `outages::kill` nothing has an effect.
    pub process_dead: Cell<bool>,
    pub postgres: Cell<PostgresFault>,
    pub bucket_unavailable: Cell<bool>,
    pub alerts_unavailable: Cell<bool>,
    /// When all clients leave at the end, the outboxes are halted and all alarms are lost.
    pub final_halt: Cell<bool>,
}

impl Faults {
    pub fn new(recorder: Rc<Recorder>) -> Self {
        Self {
            recorder,
            kill_in: Cell::new(0),
            panic_in: Cell::new(0),
            disk_error_in: Cell::new(0),
            disk_full_until: Cell::new(0),
            process_dead: Cell::new(false),
            postgres: Cell::new(PostgresFault::Fine),
            bucket_unavailable: Cell::new(false),
            alerts_unavailable: Cell::new(false),
            final_halt: Cell::new(false),
        }
    }

    /// Counts one effect; true when the process is dead and the effect must not happen.
    pub fn suppress_effect(&self) -> bool {
        if count_down(&self.kill_in) {
            self.process_dead.set(true);
        }
        self.process_dead.get()
    }

    pub fn panic_if_due(&self) {
        if count_down(&self.panic_in) {
            self.recorder.count("panics survived");
            self.recorder.trace(|| "a panic".into());
            std::panic::panic_any(INJECTED_PANIC);
        }
    }

    /// Counts one statement; true when the disk must fail it.
    pub fn fail_statement(&self) -> bool {
        let fails = count_down(&self.disk_error_in);
        if fails {
            self.recorder.count("failing statements");
            self.recorder.trace(|| "the disk fails".into());
        }
        fails
    }

    /// True when the disk is full and a write must fail.
    pub fn fail_write(&self, now: UnixMs) -> bool {
        let full = now < self.disk_full_until.get();
        if full {
            self.recorder.count("writes to a full disk");
        }
        full
    }

    /// The countdowns, to see whether one struck meanwhile.
    pub fn countdowns(&self) -> [u32; 3] {
        [self.kill_in.get(), self.panic_in.get(), self.disk_error_in.get()]
    }

    /// Ends all faults but the final halt.
    pub fn end_all(&self) {
        [&self.kill_in, &self.panic_in, &self.disk_error_in].iter().for_each(|countdown| countdown.set(0));
        self.disk_full_until.set(0);
        self.postgres.set(PostgresFault::Fine);
        self.bucket_unavailable.set(false);
        self.alerts_unavailable.set(false);
    }
}

/// True when this was the last one.
fn count_down(countdown: &Cell<u32>) -> bool {
    let left = countdown.get();
    countdown.set(left.saturating_sub(1));
    left == 1
}
