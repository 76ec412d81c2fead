//! Builds the Worker (with unwinding, everything pinned) and the web client. It is also the `[build]` command of
//! wrangler.toml, so it must be quick when nothing changed, and must never let a dev feature into a deploy.

use crate::log::{self, done, step};
use crate::{inputs, process, root, setup, shim};
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

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
    /// The rebuild of a running stack: no wasm-opt, and a failure is told but leaves the last Worker in place.
    /// Told by an exit code, wrangler would hold every request until the next change.
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
    let tools = setup::all()?;
    let make = if rebuild { Make::Rebuild } else { Make::Release };
    match worker(&tools, &out, &features, make).and_then(|()| web()) {
        Err(error) if rebuild && out.join("index.js").exists() => {
            log::say(&format!("{error:#}\nthe last build stays live"));
            return Ok(());
        }
        result => result?,
    }
    let size = size(&out)?;
    log::say(&format!("Worker: {} KiB, {} KiB gzip", size.raw_bytes >> 10, size.gzip_bytes >> 10));
    Ok(())
}

/// What the Worker is made from: src, the manifests, and whatever else the last compilation read (`include_str!`).
fn worker_inputs() -> Vec<PathBuf> {
    let root = root();
    let mut files = inputs::files_below(&root.join("src"));
    files.extend(["Cargo.toml", "Cargo.lock", "rust-toolchain.toml"].map(|name| root.join(name)));
    let dep_info = target_dir().join("wasm32-unknown-unknown/release/chinwag.d");
    let dep_info = std::fs::read_to_string(dep_info).unwrap_or_default();
    let read = dep_info.split_once(": ").map(|(_, list)| list).unwrap_or_default();
    files.extend(read.split_whitespace().map(PathBuf::from).filter(|file| file.starts_with(&root)));
    files.sort();
    files.dedup();
    files
}

/// Apart from the host's target folder: RUSTC_BOOTSTRAP changes what build scripts see, and each would undo the
/// other's work.
fn target_dir() -> PathBuf {
    root().join("target/worker")
}

#[derive(Clone, Copy, PartialEq)]
pub enum Make {
    /// As it is deployed.
    Release,
    /// Without wasm-opt, which is two thirds of a small change's build and saves a fifth of the size.
    Dev,
    /// The same, told in few lines.
    Rebuild,
}

/// Makes the Worker in `out`: `index.js` and `index_bg.wasm`. Does nothing if it is there already.
pub fn worker(tools: &setup::Tools, out: &Path, features: &[String], make: Make) -> Result<()> {
    // Held to the end: cargo's own lock ends before worker-build reads what cargo made.
    let _lock = inputs::lock(&target_dir().join("xtask.lock"))?;
    let features = features.join(",");
    let stamp = out.join(".stamp");
    let versions = format!("{} {}", tools.worker_build.display(), tools.wasm_bindgen.display());
    let kind = if make == Make::Release { "release" } else { "dev" };
    let hash = || inputs::hash(&worker_inputs(), &[&features, &versions, kind]);
    if inputs::is_current(&stamp, &hash()) && out.join("index.js").exists() {
        return Ok(());
    }
    let _ = std::fs::remove_file(&stamp);
    let name = if features.is_empty() { "Worker".to_owned() } else { format!("Worker with {features}") };
    let shims = target_dir().join("shims");
    step(&name, || {
        let mut command = Command::new(&tools.worker_build);
        command.args(["--release", "--panic-unwind", "--out-dir"]).arg(out);
        if make != Make::Release {
            command.arg("--no-opt");
        }
        command.arg(".");
        if !features.is_empty() {
            command.args(["--features", &features]);
        }
        command
            .current_dir(root())
            .env("PATH", shim::path_with_shims(&shims, setup::node_path()?)?)
            .env("CHINWAG_SHIMS", &shims)
            .env("RUSTC_BOOTSTRAP", "1")
            .env("RUST_BACKTRACE", "0")
            .env("CARGO_TARGET_DIR", target_dir())
            .env("WASM_BINDGEN_BIN", &tools.wasm_bindgen)
            .env("WASM_OPT_BIN", root().join("node_modules/.bin/wasm-opt"))
            .env("ESBUILD_BIN", setup::esbuild());
        if make == Make::Rebuild {
            process::quiet(&mut command).map(drop)
        } else {
            process::show(&mut command)
        }
    })?;
    inputs::write_whole(&stamp, &hash())
}

/// Makes the client in web/dist. Does nothing if it is there already.
pub fn web() -> Result<()> {
    let root = root();
    let _lock = inputs::lock(&root.join("target/web.lock"))?;
    let mut files = inputs::files_below(&root.join("web"));
    files.push(root.join("package-lock.json"));
    let hash = inputs::hash(&files, &[]);
    let stamp = root.join("target/web.stamp");
    if inputs::is_current(&stamp, &hash) && root.join("web/dist/index.html").exists() {
        return Ok(());
    }
    let start = Instant::now();
    let mut command = Command::new("npm");
    command
        .args(["run", "--silent", "build", "-w", "web"])
        .current_dir(&root)
        .env("PATH", setup::node_path()?);
    process::quiet(&mut command).context("building the web client")?;
    done("web client", start);
    inputs::write_whole(&stamp, &hash)
}

/// The size of the WebAssembly, as it is and as Cloudflare counts it.
pub fn size(out: &Path) -> Result<Size> {
    use std::io::Write;
    let wasm = out.join("index_bg.wasm");
    let bytes = std::fs::read(&wasm).with_context(|| format!("reading {}", wasm.display()))?;
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gzip.write_all(&bytes)?;
    Ok(Size { raw_bytes: bytes.len(), gzip_bytes: gzip.finish()?.len() })
}
