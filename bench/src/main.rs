//! One run of load: reads its plan from stdin, connects, sends, receives, and prints its measurements. One thread, on a
//! core of its own.
//! Not here: the servers, the rooms and the comparison (`xtask/src/bench.rs`).

mod load;
mod plan;
mod process;
mod received;
mod timer;
mod wire;

use anyhow::{Context, Result};
use load::Load;

fn main() -> Result<()> {
    let plan: plan::Plan = serde_json::from_reader(std::io::stdin()).context("the plan")?;
    let measured = Load::connect(plan)?.run()?;
    println!("{}", serde_json::to_string(&measured)?);
    Ok(())
}
