//! `cargo xtask bench --projection` and `--search MESSAGES`: what statements cost Postgres, on a server and a database of
//! their own. Not here: what is measured (bench/src/bin/database.rs).

use crate::{migrate, postgres, process, root, setup};
use anyhow::Result;
use std::process::Command;

#[derive(Clone, Copy)]
pub enum Measure {
    Projection,
    /// Over so many messages.
    Search(u64),
}

pub fn run(measure: Measure) -> Result<()> {
    setup::ensure_all()?;
    let dir = root().join("target/bench-database");
    let _ = std::fs::remove_dir_all(&dir);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let server = runtime.block_on(postgres::Postgres::start(&dir, true))?;
    let url = server.url("chinwag");
    let measured = runtime
        .block_on(async {
            postgres::create_database(&server.url("postgres"), "chinwag").await?;
            migrate::apply(&url, &root().join("migrations")).await
        })
        .and_then(|_| {
            let mut command = Command::new("cargo");
            command.args(["run", "--quiet", "--package", "chinwag-bench", "--features", "database"]);
            command.args(["--bin", "database", "--"]).current_dir(root());
            match measure {
                Measure::Projection => command.args(["projection", &url]),
                Measure::Search(messages) => command.args(["search", &url, &messages.to_string()]),
            };
            process::run(&mut command)
        });
    runtime.block_on(server.stop());
    let _ = std::fs::remove_dir_all(&dir);
    measured
}
