//! What needs no run: formatting, clippy on the host and on wasm32, the web client's types and lints.

use crate::{process, root, setup};
use anyhow::{Context, Result, ensure};
use std::process::Command;

/// The command `check`.
pub fn run() -> Result<()> {
    setup::ensure_all()?;
    run_cargo(&["fmt", "--all", "--check"])?;
    run_cargo(&["clippy", "--quiet", "--workspace", "--all-targets", "--", "-D", "warnings"])?;
    // The shell exists on wasm32 alone, and what is behind the features in a build with them alone.
    let wasm = ["clippy", "--quiet", "--lib", "--target", "wasm32-unknown-unknown"];
    for features in ["", "dev,test-hooks"] {
        run_cargo(&[&wasm[..], &["--features", features, "--", "-D", "warnings"]].concat())?;
    }
    let mut web = Command::new("npm");
    web.args(["run", "--silent", "check", "-w", "web"]).current_dir(root()).env("PATH", setup::node_path()?);
    process::run(&mut web)?;
    check_generated_types()
}

/// The committed types of the wire are those that its schemas give today.
fn check_generated_types() -> Result<()> {
    let fresh = root().join("target/suite/generated");
    process::run_quietly(setup::node_program("../web/generate.mjs")?.arg(&fresh))?;
    for name in ["protocol.ts", "openapi.ts"] {
        let read = |path: &std::path::Path| {
            std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))
        };
        let committed = root().join("web/src/lib/generated").join(name);
        let same = read(&committed)? == read(&fresh.join(name))?;
        ensure!(same, "{} is stale: npm run generate -w web", committed.display());
    }
    Ok(())
}

fn run_cargo(args: &[&str]) -> Result<()> {
    process::run(Command::new("cargo").args(args).current_dir(root()))
}
