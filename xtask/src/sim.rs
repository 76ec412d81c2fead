//! `cargo xtask sim`: builds the simulator, fast and strict, and hands its arguments on.
//! Not here: what is simulated (`sim/`).

use crate::{process, root};
use anyhow::{Result, ensure};
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

/// Seeds of an ordinary test run: under 60 s on two cores.
const SEEDS: &str = "2000";

/// The name of a mutant, which stands in every build that has them.
pub const MUTANT: &str = "ack-before-write";

/// The command `sim`.
pub fn run(args: &[OsString]) -> Result<()> {
    process::run(Command::new(build()?).args(args).current_dir(root()))
}

/// The part of the suite: many histories, and every mutant caught.
pub fn run_suite() -> Result<()> {
    let program = std::fs::read(build()?)?;
    let holds = program.windows(MUTANT.len()).any(|bytes| bytes == MUTANT.as_bytes());
    ensure!(holds, "no `{MUTANT}` even in the simulator: looking for it in the Worker would prove nothing");
    run(&["--seeds".into(), SEEDS.into()])?;
    run(&["--mutants".into()])
}

fn build() -> Result<PathBuf> {
    process::run(
        Command::new("cargo")
            .args(["build", "--quiet", "--profile", "sim", "--package", "sim"])
            .current_dir(root()),
    )?;
    Ok(root().join("target/sim/sim"))
}
