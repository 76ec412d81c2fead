//! What must be on the machine before anything builds: toolchain parts, Node, npm packages. Each part is looked for
//! first and fetched by its ordinary client only if it is missing. Postgres and the browser are in `postgres.rs`
//! and `suite.rs`.

use crate::log::step;
use crate::{inputs, process, root};
use anyhow::{Context, Result, bail};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The oldest Node that npm and our own scripts run on; wrangler's newer one comes from npm.
const NODE_MAJOR_MIN: u32 = 20;
/// wrangler 4.164 refuses an older one.
const WRANGLER_NODE_MIN: (u32, u32) = (22, 12);
/// Measured after everything had run: target 2.7, node_modules 0.8, crates 0.4 GiB; and room to build.
const DISK_FREE_MIN_BYTES: u64 = 5 << 30;
const RUST_COMPONENTS: [(&str, &str); 3] = [
    ("rust-src", "lib/rustlib/src/rust/library"),
    ("rustfmt", "bin/rustfmt"),
    ("clippy", "bin/cargo-clippy"),
];
pub const WASM_TARGET: &str = "wasm32-unknown-unknown";

/// Everything that `check`, `test` and `bench` need.
pub fn ensure_all() -> Result<()> {
    ensure_toolchain()?;
    ensure_npm_packages()
}

/// What takes no time when it is there, and without which nothing can go on.
pub fn ensure_toolchain() -> Result<()> {
    ensure_rust_components()?;
    match read_node_version(Path::new("node")) {
        None => bail!("no Node: install Node {NODE_MAJOR_MIN} or newer with npm (https://nodejs.org)"),
        Some((major, minor)) if major < NODE_MAJOR_MIN => {
            bail!("Node {major}.{minor} is too old: install Node {NODE_MAJOR_MIN} or newer")
        }
        Some(_) => {}
    }
    let root = root();
    if !root.join("node_modules").exists() || !root.join("target/worker").exists() {
        ensure_free_disk(&root)?;
    }
    Ok(())
}

fn ensure_rust_components() -> Result<()> {
    let sysroot =
        process::run_quietly(Command::new("rustc").current_dir(root()).args(["--print", "sysroot"]))
            .context("no rustc: install Rust by rustup (https://rustup.rs)")?;
    let sysroot = Path::new(sysroot.trim());
    let components = RUST_COMPONENTS.iter().filter(|(_, path)| !sysroot.join(path).exists());
    for (kind, name) in components
        .map(|(name, _)| ("component", *name))
        .chain((!sysroot.join("lib/rustlib").join(WASM_TARGET).exists()).then_some(("target", WASM_TARGET)))
    {
        step(&format!("rustup {kind} add {name}"), "seconds, once", || {
            process::run_quietly(Command::new("rustup").current_dir(root()).args([kind, "add", name]))
                .context("the toolchain lacks a part and rustup cannot add it; is Rust installed by rustup?")
        })?;
    }
    Ok(())
}

fn read_node_version(node: &Path) -> Option<(u32, u32)> {
    let output = Command::new(node).arg("--version").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let mut parts = text.trim().trim_start_matches('v').split('.').map(|part| part.parse().ok());
    Some((parts.next()??, parts.next()??))
}

/// `npm ci` when the lock file is another than the one installed last.
pub fn ensure_npm_packages() -> Result<()> {
    let root = root();
    let _lock = inputs::lock(&root.join("target/npm.lock"))?;
    let files = ["package.json", "package-lock.json", "web/package.json"].map(|name| root.join(name));
    let hash = inputs::hash(&files, &[]);
    let stamp = root.join("node_modules/.chinwag-stamp");
    if inputs::is_current(&stamp, &hash) {
        return Ok(());
    }
    step("npm packages", "half a minute, once", || {
        process::run_quietly(Command::new("npm").current_dir(&root).args([
            "ci",
            "--no-progress",
            "--loglevel=error",
        ]))
    })?;
    inputs::write_atomically(&stamp, &hash)
}

/// The Node that runs wrangler: the npm package's, else the machine's if it is new enough.
fn find_wrangler_node() -> Result<PathBuf> {
    let os = if cfg!(target_os = "macos") { "darwin" } else { "linux" };
    let arch = if cfg!(target_arch = "aarch64") { "arm64" } else { "x64" };
    let packaged = root().join(format!("node_modules/node-{os}-{arch}/bin/node"));
    if packaged.exists() {
        return Ok(packaged);
    }
    let (major, minor) = WRANGLER_NODE_MIN;
    match read_node_version(Path::new("node")) {
        Some(version) if version >= WRANGLER_NODE_MIN => Ok("node".into()),
        _ => {
            bail!("npm has no Node {major} for this machine: install Node {major}.{minor} or newer yourself")
        }
    }
}

/// A PATH in which `node` is one that wrangler, vite and vitest accept, then the npm packages' programs.
pub fn node_path() -> Result<OsString> {
    let node = find_wrangler_node()?;
    let first = [node.parent().unwrap_or(Path::new("")).to_path_buf(), root().join("node_modules/.bin")];
    let path = std::env::var_os("PATH").unwrap_or_default();
    let dirs = first.into_iter().filter(|dir| !dir.as_os_str().is_empty());
    Ok(std::env::join_paths(dirs.chain(std::env::split_paths(&path)))?)
}

/// A program of an npm package, run by the right Node and without npx.
pub fn node_program(package_file: &str) -> Result<Command> {
    let mut command = Command::new(find_wrangler_node()?);
    command.arg(root().join("node_modules").join(package_file)).env("PATH", node_path()?).current_dir(root());
    Ok(command)
}

/// esbuild's own binary: its launcher needs an install script that npm may have left out.
pub fn esbuild() -> PathBuf {
    let os = if cfg!(target_os = "macos") { "darwin" } else { "linux" };
    let arch = if cfg!(target_arch = "aarch64") { "arm64" } else { "x64" };
    root().join(format!("node_modules/@esbuild/{os}-{arch}/bin/esbuild"))
}

/// workerd's own binary, of the version that wrangler came with.
pub fn workerd() -> PathBuf {
    let os = if cfg!(target_os = "macos") { "darwin" } else { "linux" };
    let arch = if cfg!(target_arch = "aarch64") { "arm64" } else { "64" };
    root().join(format!("node_modules/@cloudflare/workerd-{os}-{arch}/bin/workerd"))
}

fn ensure_free_disk(dir: &Path) -> Result<()> {
    let Some(free) = disk_free_bytes(dir) else { return Ok(()) };
    if free < DISK_FREE_MIN_BYTES {
        bail!(
            "{} has {} MiB free: make room for {} MiB and try again",
            dir.display(),
            free >> 20,
            DISK_FREE_MIN_BYTES >> 20
        );
    }
    Ok(())
}

#[allow(clippy::unnecessary_cast)] // The fields' types differ between Linux and macOS.
fn disk_free_bytes(dir: &Path) -> Option<u64> {
    let path = std::ffi::CString::new(dir.as_os_str().as_encoded_bytes()).ok()?;
    let mut stat = std::mem::MaybeUninit::<libc::statvfs>::uninit();
    // SAFETY: `path` ends with a zero and `stat` is written whole when statvfs returns 0.
    let stat = unsafe {
        if libc::statvfs(path.as_ptr(), stat.as_mut_ptr()) != 0 {
            return None;
        }
        stat.assume_init()
    };
    Some(stat.f_bavail as u64 * stat.f_frsize as u64)
}
