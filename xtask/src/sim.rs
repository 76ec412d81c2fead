//! `cargo xtask sim`: builds the simulator, fast and strict, and hands its arguments on.
//! Not here: what is simulated (`sim/`), its mutants (`mutants`).

use crate::{mutants, process, root};
use anyhow::Result;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

/// Seeds of an ordinary test run: under 60 s on two cores.
const SEEDS: &str = "2000";

/// The command `sim`.
pub fn run(args: &[OsString]) -> Result<()> {
    match args {
        [all] if all == "--mutants" => mutants::run(None),
        [one, name] if one == "--mutant" => mutants::run(name.to_str()),
        _ => simulate(args),
    }
}

fn simulate(args: &[OsString]) -> Result<()> {
    process::run(Command::new(build()?).args(args).current_dir(root()))
}

/// The part of the suite: many histories, and some of the mutants.
pub fn suite() -> Result<()> {
    simulate(&["--seeds".into(), SEEDS.into()])?;
    mutants::run_suite()
}

fn build() -> Result<PathBuf> {
    process::run(
        Command::new("cargo")
            .args(["build", "--quiet", "--profile", "sim", "--package", "sim"])
            .current_dir(root()),
    )?;
    Ok(root().join("target/sim/sim"))
}
