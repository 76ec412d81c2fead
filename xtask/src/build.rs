//! Builds the Worker and the web client side by side. `cargo xtask build` is also the `[build]` command of
//! wrangler.toml, so it must be quick when nothing changed, and must never let a dev feature into a deploy.
//! How the Worker is built is in `worker.rs`.

use crate::log::{self, step};
use crate::worker::{self, Profile};
use crate::{inputs, process, root, setup};
use anyhow::{Context, Result, anyhow, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

pub struct Size {
    pub raw_bytes: usize,
    pub gzip_bytes: usize,
}

pub fn parse_features(list: &str) -> Vec<String> {
    list.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

pub fn features_from_env() -> Vec<String> {
    parse_features(&std::env::var("CHINWAG_FEATURES").unwrap_or_default())
}

#[derive(Default)]
pub struct Options {
    /// Without it the folder that wrangler.toml names.
    pub out: Option<PathBuf>,
    pub features: Vec<String>,
    /// The rebuild of a running stack: the dev profile, and a failure is printed but leaves the last Worker in place.
    /// After a failing exit code wrangler would hold every request until the next change.
    pub rebuild: bool,
}

/// The command `build`.
pub fn run(Options { out, features, rebuild }: Options) -> Result<()> {
    // wrangler names what it builds for: `dev`, `deploy`, `versions upload`, `types`, …
    let wrangler_command = std::env::var("WRANGLER_COMMAND").unwrap_or_default();
    if !features.is_empty() && !wrangler_command.is_empty() && wrangler_command != "dev" {
        bail!(
            "refusing to `wrangler {wrangler_command}` a Worker with the features {}: unset CHINWAG_FEATURES",
            features.join(",")
        );
    }
    let out = std::path::absolute(out.unwrap_or_else(|| root().join("build")))?;
    let profile = if rebuild { Profile::Dev } else { Profile::Release };
    match build_all(&out, &features, profile) {
        Err(error) if rebuild && out.join("index.js").exists() => {
            log::say(&format!("{error:#}\nthe last build stays live"));
            return Ok(());
        }
        result => result?,
    }
    if rebuild {
        return Ok(());
    }
    let size = measure_size(&out)?;
    log::say(&format!("Worker: {} KiB, {} KiB gzip", size.raw_bytes >> 10, size.gzip_bytes >> 10));
    Ok(())
}

/// Makes the Worker in `out` and the client in web/dist, at the same time.
pub fn build_all(out: &Path, features: &[String], profile: Profile) -> Result<()> {
    setup::ensure_toolchain()?;
    std::thread::scope(|scope| {
        let web = scope.spawn(|| setup::ensure_npm_packages().and_then(|()| build_web()));
        let worker = worker::build(out, features, profile);
        web.join().map_err(|_| anyhow!("the thread of the web client panicked"))?.and(worker)
    })
}

/// Makes the client in web/dist. Does nothing if it is there already.
pub fn build_web() -> Result<()> {
    let root = root();
    let _lock = inputs::lock(&root.join("target/web.lock"))?;
    let mut files = inputs::files_below(&root.join("web"));
    files.push(root.join("package-lock.json"));
    let hash = inputs::hash(&files, &[]);
    let stamp = root.join("target/web.stamp");
    if inputs::is_current(&stamp, &hash) && root.join("web/dist/index.html").exists() {
        return Ok(());
    }
    step("web client", "5 to 10 seconds", || {
        let mut command = Command::new("npm");
        command.args(["run", "--silent", "build", "-w", "web"]).current_dir(&root);
        process::run_quietly(command.env("PATH", setup::node_path()?)).context("building the web client")
    })?;
    inputs::write_atomically(&stamp, &hash)
}

/// The size of the WebAssembly, as it is and as Cloudflare counts it.
pub fn measure_size(out: &Path) -> Result<Size> {
    use std::io::Write;
    let wasm = out.join("index_bg.wasm");
    let bytes = std::fs::read(&wasm).with_context(|| format!("reading {}", wasm.display()))?;
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gzip.write_all(&bytes)?;
    Ok(Size { raw_bytes: bytes.len(), gzip_bytes: gzip.finish()?.len() })
}
