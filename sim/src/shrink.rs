//! Finds the shortest history that still fails in the same way. Not here: running one (`run`).

use crate::plan::Plan;
use crate::run::run;
use crate::world::checker::Checker;

/// Removes every action without which the same checker still fails.
pub fn shorten(seed: u64, mut plan: Plan, checker: Checker) -> Plan {
    let mut size = plan.actions.len() / 2;
    while size > 0 {
        let mut at = 0;
        while at < plan.actions.len() {
            let end = (at + size).min(plan.actions.len());
            let cut: Vec<_> = plan.actions.drain(at..end).collect();
            let fails = run(seed, &plan, false).violations.iter().any(|v| v.checker == checker);
            if !fails {
                plan.actions.splice(at..at, cut);
                at = end;
            }
        }
        size /= 2;
    }
    plan
}
