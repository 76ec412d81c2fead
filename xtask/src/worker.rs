//! Builds the Worker: cargo with a standard library of its own, wasm-bindgen, wasm-opt, esbuild. These are the steps of
//! workers-rs's worker-build, which needs a nightly toolchain and compiles for minutes before it can start.
//! Not here: what else a command needs (`build.rs`, `setup.rs`).

use crate::log::step;
use crate::{inputs, process, root, setup};
use anyhow::{Context, Result, anyhow, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;

const WASM_TARGET: &str = setup::WASM_TARGET;
/// What rustc uses on this target, and the exceptions of panic=unwind. Without the list wasm-opt may write newer
/// encodings than workerd reads.
const WASM_FEATURES: [&str; 7] = [
    "mutable-globals",
    "sign-ext",
    "nontrapping-float-to-int",
    "bulk-memory",
    "multivalue",
    "reference-types",
    "exception-handling",
];

#[derive(Clone, Copy, PartialEq)]
pub enum Profile {
    /// As it is deployed.
    Release,
    /// Compiled in a tenth of the time: little optimisation, no LTO, no wasm-opt.
    Dev,
}

impl Profile {
    /// The profile of Cargo.toml, which is also the name of its folder.
    fn name(self) -> &'static str {
        match self {
            Profile::Release => "release",
            Profile::Dev => "worker-dev",
        }
    }
}

/// Makes the Worker in `out`: `index.js`, `index_bg.wasm`, and of a release the `names.txt` of its functions. Does nothing if it is there already.
pub fn build(out: &Path, features: &[String], profile: Profile) -> Result<()> {
    // Held to the end: cargo's own lock ends before the later steps read what cargo made.
    let _lock = inputs::lock(&target_dir().join("xtask.lock"))?;
    let features = features.join(",");
    let stamp = out.join(".stamp");
    let hash = || inputs::hash(&input_files(profile), &[&features, profile.name()]);
    if inputs::is_current(&stamp, &hash()) && out.join("index.js").exists() {
        return Ok(());
    }
    let _ = std::fs::remove_file(&stamp);
    let name = if features.is_empty() { "Worker".to_owned() } else { format!("Worker with {features}") };
    let usually = match (profile, cargo_out_dir(profile).exists()) {
        (Profile::Release, false) => "3 minutes, once",
        (Profile::Release, true) => "2 minutes",
        (Profile::Dev, false) => "2 minutes, once",
        (Profile::Dev, true) => "seconds",
    };
    let (wasm, bindgen) = std::thread::scope(|scope| {
        let bindgen = scope.spawn(build_bindgen);
        let wasm = step(&format!("{name}, {}", profile.name()), usually, || compile(&features, profile));
        (wasm, bindgen.join().map_err(|_| anyhow!("the thread of wasm-bindgen panicked")))
    });
    bundle(&wasm?, &bindgen??, out, profile)?;
    inputs::write_atomically(&stamp, &hash())
}

/// The Worker's source, the manifests, and whatever else the last compilation read (`include_str!`).
fn input_files(profile: Profile) -> Vec<PathBuf> {
    let root = root();
    let mut files = inputs::files_below(&root.join("src"));
    files.extend(["Cargo.toml", "Cargo.lock", "rust-toolchain.toml"].map(|name| root.join(name)));
    files.extend(["xtask/src/worker.rs", "xtask/bindgen/src/main.rs"].map(|name| root.join(name)));
    let dep_info = std::fs::read_to_string(cargo_out_dir(profile).join("chinwag.d")).unwrap_or_default();
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

fn cargo_out_dir(profile: Profile) -> PathBuf {
    target_dir().join(WASM_TARGET).join(profile.name())
}

/// Compiles the crate and std with unwinding. The stable toolchain accepts `-Z` with RUSTC_BOOTSTRAP.
fn compile(features: &str, profile: Profile) -> Result<PathBuf> {
    let mut command = Command::new("cargo");
    command.args(["build", "--lib", "--profile", profile.name(), "--target", WASM_TARGET]);
    command.args(["-Z", "build-std=std,panic_unwind"]);
    if !features.is_empty() {
        command.args(["--features", features]);
    }
    let flags = std::env::var("RUSTFLAGS").unwrap_or_default();
    command
        .current_dir(root())
        .env("CARGO_TARGET_DIR", target_dir())
        .env("RUSTC_BOOTSTRAP", "1")
        .env("RUSTFLAGS", format!("{flags} -Cpanic=unwind").trim())
        // The macros of wasm-bindgen read it: js-sys's futures instead of wasm-bindgen-futures'.
        .env("WASM_BINDGEN_USE_JS_SYS", "1");
    process::run_cargo(&mut command)?;
    Ok(cargo_out_dir(profile).join("chinwag.wasm"))
}

/// The program `xtask/bindgen`, compiled if it is not the one of today's Cargo.lock.
fn build_bindgen() -> Result<PathBuf> {
    let program = root().join("target/debug/worker-bindgen");
    let mut command = Command::new("cargo");
    command.args(["build", "--package", "worker-bindgen"]).current_dir(root());
    command.env("CARGO_TARGET_DIR", root().join("target"));
    if program.exists() {
        process::run_cargo(&mut command)?;
    } else {
        step("wasm-bindgen", "half a minute, once", || process::run_cargo(&mut command))?;
    }
    Ok(program)
}

/// Makes one JavaScript module and one WebAssembly file of what cargo compiled, and moves them to `out`.
fn bundle(wasm: &Path, bindgen: &Path, out: &Path, profile: Profile) -> Result<()> {
    let stage = target_dir().join("stage");
    let _ = std::fs::remove_dir_all(&stage);
    std::fs::create_dir_all(&stage)?;
    let (sdk, entry) = (locked_version("worker")?, root().join("src/shell/entry.js"));
    process::run_quietly(Command::new(bindgen).args([wasm, &stage]).arg(sdk).env("RUST_BACKTRACE", "0"))?;
    ensure_entry_has_all(&stage.join("index.js"), &entry)?;
    setup::ensure_npm_packages()?;
    if profile == Profile::Release {
        step("wasm-opt", "20 to 40 seconds", || optimise(&stage.join("index_bg.wasm")))?;
    }
    std::fs::copy(&entry, stage.join("entry.js"))?;
    let esbuild = ["--bundle", "--minify", "--format=esm", "--log-level=warning", "--outfile=bundle.js"];
    let mut command = Command::new(setup::esbuild());
    command.arg("./entry.js").args(esbuild).current_dir(&stage);
    process::run_quietly(command.args(["--external:./index_bg.wasm", "--external:cloudflare:*"]))?;
    // workerd gives a compiled module for a plain import.
    let js = std::fs::read_to_string(stage.join("bundle.js"))?.replace("import source ", "import ");
    std::fs::write(stage.join("bundle.js"), js)?;
    std::fs::create_dir_all(out)?;
    let mut files = vec![("index_bg.wasm", "index_bg.wasm"), ("bundle.js", "index.js")];
    if profile == Profile::Release {
        files.push(("names.txt", "names.txt"));
    }
    for (from, to) in files {
        // `out` may be on another file system, and a reader must never see half of a file.
        let temporary = out.join(format!(".{to}.tmp"));
        std::fs::copy(stage.join(from), &temporary)
            .with_context(|| format!("writing to {}", out.display()))?;
        std::fs::rename(&temporary, out.join(to))?;
    }
    Ok(())
}

/// Shrinks the WebAssembly, and takes out the names of functions: a panic's log line has file and line. `names.txt` has
/// them by number, for profiles and the platform's stack traces.
fn optimise(wasm: &Path) -> Result<()> {
    let optimised = wasm.with_extension("opt.wasm");
    let mut command = setup::node_program("binaryen/bin/wasm-opt")?;
    command.arg(wasm).arg("-o").arg(&optimised).arg("-Os");
    let names = wasm.with_file_name("names.txt");
    command.arg(format!("--symbolmap={}", names.display()));
    // rustc has inlined already; more of it adds 60 KiB gzip.
    for size in ["--always-inline-max-function-size", "--flexible-inline-max-function-size"] {
        command.args([size, "0"]);
    }
    command.args(["--one-caller-inline-max-function-size", "20"]);
    command.args(WASM_FEATURES.map(|feature| format!("--enable-{feature}")));
    process::run_quietly(&mut command)?;
    Ok(std::fs::rename(&optimised, wasm)?)
}

/// An event that the crate handles and `entry.js` doesn't pass on would be lost without a word.
fn ensure_entry_has_all(bindings: &Path, entry: &Path) -> Result<()> {
    let (bindings, entry_text) = (std::fs::read_to_string(bindings)?, std::fs::read_to_string(entry)?);
    let handlers = bindings.lines().filter_map(|line| {
        let line = line.strip_prefix("export ")?;
        let (name, _) = line.trim_start_matches("async ").strip_prefix("function ")?.split_once('(')?;
        Some(name)
    });
    // wasm-bindgen itself calls `start`.
    for name in handlers.filter(|name| !name.starts_with("__") && *name != "start") {
        ensure!(
            entry_text.contains(&format!("{name}.call(")),
            "{} doesn't pass on `{name}`",
            entry.display()
        );
    }
    Ok(())
}

/// The version of a crate in Cargo.lock.
fn locked_version(name: &str) -> Result<String> {
    let lock = std::fs::read_to_string(root().join("Cargo.lock"))?;
    let (_, rest) = lock
        .split_once(&format!("name = \"{name}\"\nversion = \""))
        .with_context(|| format!("no {name} in Cargo.lock"))?;
    Ok(rest.split('"').next().unwrap_or_default().to_owned())
}
