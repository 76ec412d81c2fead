//! What this Worker is compared with, and how each is started.
//! Not here: the baselines themselves (`bench/baseline`, `bench/src/bin/axum.rs`), and a run (`workload.rs`).

use super::Rig;
use super::server::{Server, baseline_config};
use crate::log::step;
use crate::{inputs, process, root, setup};
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

#[derive(PartialEq)]
enum Kind {
    /// An object of workerd without a package.
    Object,
    /// An object of workerd with npm packages, which esbuild puts into one file.
    Bundled,
    Node,
    Axum,
}

/// Its name is that of its file.
#[derive(PartialEq)]
pub struct Baseline {
    pub name: &'static str,
    pub describes: &'static str,
    kind: Kind,
}

/// The one that ours is judged by.
pub const BARE: Baseline = Baseline {
    name: "bare",
    describes: "a JavaScript object that only broadcasts (no parsing, no storage, no identity)",
    kind: Kind::Object,
};

const BASELINES: [Baseline; 7] = [
    BARE,
    Baseline {
        name: "sqlite",
        describes: "the same with a row of its SQLite for each message",
        kind: Kind::Object,
    },
    Baseline {
        name: "usual",
        describes: "the usual object: a row of Postgres before each broadcast, a kept client",
        kind: Kind::Bundled,
    },
    Baseline {
        name: "usual-new",
        describes: "the usual object with a new Postgres client for each message",
        kind: Kind::Bundled,
    },
    Baseline { name: "partyserver", describes: "PartyServer, which only broadcasts", kind: Kind::Bundled },
    Baseline {
        name: "node",
        describes: "Node with `ws`, a frame a turn, Postgres in batches behind it",
        kind: Kind::Node,
    },
    Baseline {
        name: "axum",
        describes: "axum, a frame for each message and socket, Postgres in batches behind it",
        kind: Kind::Axum,
    },
];

impl Baseline {
    pub fn find(name: &str) -> Result<&'static Baseline> {
        let names = || BASELINES.iter().map(|baseline| baseline.name).collect::<Vec<_>>().join(", ");
        let found = BASELINES.iter().find(|baseline| baseline.name == name);
        found.with_context(|| format!("no baseline {name}; there are {}", names()))
    }

    /// Installs and builds what it needs.
    pub fn prepare(&self) -> Result<()> {
        match self.kind {
            Kind::Object => Ok(()),
            Kind::Bundled | Kind::Node => install_packages(),
            Kind::Axum => step("axum", "2 minutes the first time", || {
                let cargo = ["build", "--quiet", "--profile", "load", "--package", "chinwag-bench"];
                let what = ["--features", "axum", "--bin", "axum"];
                process::run(Command::new("cargo").args(cargo).args(what).current_dir(root()))
            }),
        }
    }

    /// Starts it on `port`, with `dir` for its files.
    pub(super) async fn start(&self, rig: &Rig<'_>, dir: &Path, port: u16) -> Result<Server> {
        let core = rig.cores.map(|(server, _)| server);
        let source = source_dir().join(self.name);
        let mut command = match self.kind {
            Kind::Object => {
                std::fs::copy(source.with_extension("js"), dir.join("index.js"))?;
                inputs::write_atomically(&dir.join("workerd.capnp"), &baseline_config(port, None)?)?;
                return Server::start(dir, port, core).await;
            }
            Kind::Bundled => {
                bundle(&source.with_extension("js"), &dir.join("index.js"))?;
                let config = baseline_config(port, Some(&rig.worker_url))?;
                inputs::write_atomically(&dir.join("workerd.capnp"), &config)?;
                return Server::start(dir, port, core).await;
            }
            Kind::Node => {
                let mut node = tokio::process::Command::new("node");
                node.arg(source.with_extension("mjs")).env("PATH", setup::node_path()?);
                node
            }
            Kind::Axum => tokio::process::Command::new(root().join("target/load/axum")),
        };
        command.args([&port.to_string(), &rig.database_url]).current_dir(dir);
        Server::spawn(command, dir, port, core).await
    }
}

/// The table of those that use Postgres, as the usual room has it.
pub async fn create_table(url: &str) -> Result<()> {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await?;
    let connection = tokio::spawn(connection);
    let sql = "CREATE TABLE bench_messages (id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY, room text NOT NULL, \
               content text NOT NULL, created_at timestamptz NOT NULL DEFAULT now()); \
               CREATE INDEX ON bench_messages (room, id)";
    client.batch_execute(sql).await?;
    drop(client);
    connection.await?.context("Postgres")
}

fn source_dir() -> PathBuf {
    root().join("bench/baseline")
}

fn install_packages() -> Result<()> {
    let dir = source_dir();
    let hash = inputs::hash(&["package.json", "package-lock.json"].map(|name| dir.join(name)), &[]);
    let stamp = dir.join("node_modules/.chinwag-stamp");
    if inputs::is_current(&stamp, &hash) {
        return Ok(());
    }
    step("npm packages of the baselines", "seconds, once", || {
        let npm = ["ci", "--ignore-scripts", "--no-progress", "--loglevel=error"];
        process::run_quietly(Command::new("npm").args(npm).current_dir(&dir))
    })?;
    inputs::write_atomically(&stamp, &hash)
}

fn bundle(from: &Path, to: &Path) -> Result<()> {
    let mut esbuild = Command::new(setup::esbuild());
    esbuild.arg(from).arg(format!("--outfile={}", to.display()));
    esbuild.args(["--bundle", "--format=esm", "--conditions=workerd", "--log-level=error"]);
    esbuild.args(["--external:cloudflare:*", "--external:node:*", "--alias:pg-native=node:util"]);
    // `pg` is a CommonJS package.
    esbuild
        .arg("--banner:js=import { createRequire } from 'node:module'; const require = createRequire('/');");
    for module in NODE_MODULES {
        esbuild.arg(format!("--alias:{module}=node:{module}"));
    }
    match process::run_quietly(&mut esbuild) {
        Ok(_) => Ok(()),
        Err(error) => bail!("esbuild {}: {error:#}", from.display()),
    }
}

/// What the packages import by its old name.
const NODE_MODULES: [&str; 13] = [
    "assert",
    "buffer",
    "crypto",
    "dns",
    "events",
    "fs",
    "net",
    "os",
    "path",
    "stream",
    "string_decoder",
    "tls",
    "util",
];
