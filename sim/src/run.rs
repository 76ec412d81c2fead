//! One run: the plan's actions one after the other, then the faults end and everything must recover.
//! Not here: the actions (`actions`), what must be true at the end (`final_checks`).

use crate::final_checks::check_recovery;
use crate::plan::Plan;
use crate::world::World;
use crate::world::accounts::{DIRECT, FIRST, OTHER, TENANT};
use crate::world::checker::Checker;
use crate::world::executor::INJECTED_PANIC;
use crate::world::recorder::Outcome;
use chinwag::limits::Limits;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs a plan to its end.
///
/// # Gives  the same for the same seed and plan, trace and hash included.
pub fn run(seed: u64, plan: &Plan, keeps_lines: bool) -> Outcome {
    let world = World::new(seed, limits(plan), keeps_lines);
    world.clients.create(plan);
    world.devices.create(plan);
    if plan.has_accounts {
        world.accounts.exists.set(true);
        world.backends.add_direct((TENANT, DIRECT), [FIRST, OTHER]);
    }
    let ran = catch_unwind(AssertUnwindSafe(|| {
        for action in &plan.actions {
            // After the first violation nothing more is learned.
            if world.recorder.has_violation() {
                return;
            }
            world.recorder.trace(|| format!("({action:?})"));
            world.act(action);
            world.check_frames_answered();
        }
        if !world.recorder.has_violation() {
            check_recovery(&world);
        }
    }));
    if let Err(panic) = ran {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
        world.recorder.violation(Checker::Panic, text.to_owned());
    }
    let outcome = world.recorder.take_outcome();
    world.shut_down();
    outcome
}

fn limits(plan: &Plan) -> Limits {
    let mut limits = Limits {
        waiting_bytes: 16 * 1024,
        turn_bytes: 8 * 1024,
        sockets_per_person: 4,
        rebuild_messages: 4,
        rebuild_bytes: 4_000,
        page_bytes: 8 * 1024,
        first_loads_bytes: 16 * 1024,
        ..Limits::default()
    };
    if !plan.strict_limits {
        (limits.messages_per_s, limits.messages_burst) = (1e6, 100_000);
        (limits.reactions_per_s, limits.reactions_burst) = (1e6, 100_000);
        (limits.frames_per_s, limits.frames_burst) = (1e6, 100_000);
        (limits.pages_per_s, limits.pages_burst) = (1e6, 100_000);
    }
    limits
}

/// Silences all panics, unless SIM_LOUD is set: those of defects are reported by the run.
pub fn silence_panics() {
    let default = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let is_injected = info.payload().downcast_ref::<&str>() == Some(&INJECTED_PANIC);
        if !is_injected && std::env::var_os("SIM_LOUD").is_some() {
            default(info);
        }
    }));
}
