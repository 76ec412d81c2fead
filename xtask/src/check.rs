//! What needs no run: formatting, clippy on the host and on wasm32, the web client's types and lints.

use crate::{process, root, setup};
use anyhow::Result;
use std::process::Command;

/// The command `check`.
pub fn run() -> Result<()> {
    setup::all()?;
    cargo(&["fmt", "--all", "--check"])?;
    cargo(&["clippy", "--quiet", "--workspace", "--all-targets", "--", "-D", "warnings"])?;
    // The shell exists on wasm32 alone, and what is behind the features in a build with them alone.
    let wasm = ["clippy", "--quiet", "--lib", "--target", "wasm32-unknown-unknown"];
    for features in ["", "dev,test-hooks"] {
        cargo(&[&wasm[..], &["--features", features, "--", "-D", "warnings"]].concat())?;
    }
    let mut web = Command::new("npm");
    web.args(["run", "--silent", "check", "-w", "web"]).current_dir(root()).env("PATH", setup::node_path()?);
    process::show(&mut web)
}

fn cargo(args: &[&str]) -> Result<()> {
    process::show(Command::new("cargo").args(args).current_dir(root()))
}
