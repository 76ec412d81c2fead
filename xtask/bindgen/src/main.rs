//! Turns the compiled Worker into a module that JavaScript can import: `worker-bindgen WASM OUT_DIR SDK_VERSION` writes
//! `index.js`, `index_bg.wasm` and `snippets/`.
//!
//! It is wasm-bindgen's library with the options that the `worker` crate needs. The library's version is that of
//! `wasm-bindgen` in Cargo.lock, and it compiles in a tenth of the time of wasm-bindgen-cli.
//! Not here: optimising and bundling (`xtask/src/worker.rs`).

use anyhow::{Context, Result, bail};
use std::path::PathBuf;

/// Cloudflare counts Workers in Rust by this entry of the WebAssembly's `producers`; worker-build writes the same one.
const SDK: &str = "workers-rs";

fn main() -> Result<()> {
    let args: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [wasm, out_dir, sdk_version] = args.as_slice() else {
        bail!("usage: worker-bindgen WASM OUT_DIR SDK_VERSION");
    };
    let mut output = wasm_bindgen_cli_support::Bindgen::new()
        .module(true)?
        .input_path(wasm)
        .out_name("index")
        .typescript(false)
        // After an abort the instance is replaced, as `src/shell/entry.js` expects.
        .reset_state_function(true)
        .force_enable_abort_handler(true)
        .generate_output()?;
    let sdk_version = sdk_version.to_str().context("a version is text")?;
    output.wasm_mut().producers.add_sdk(SDK, sdk_version);
    output.emit(out_dir)
}
