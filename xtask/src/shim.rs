//! Stand-ins for `cargo`, `rustc` and `rustup` that worker-build meets in its PATH.
//!
//! worker-build rebuilds std with `cargo +nightly` and installs a nightly when it sees none. The same build runs
//! on our pinned stable with RUSTC_BOOTSTRAP=1, once `+nightly` is dropped and rust-src is said to be there.

use anyhow::{Context, Result};
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

const NAMES: [&str; 3] = ["cargo", "rustc", "rustup"];

/// Makes the folder of stand-ins in `dir` and gives the PATH that has it first.
pub fn path_with_shims(dir: &Path, path: OsString) -> Result<OsString> {
    std::fs::create_dir_all(dir)?;
    let exe = std::env::current_exe()?;
    for name in NAMES {
        let link = dir.join(name);
        if std::fs::read_link(&link).ok().as_deref() != Some(&exe) {
            let _ = std::fs::remove_file(&link);
            std::os::unix::fs::symlink(&exe, &link).with_context(|| format!("linking {}", link.display()))?;
        }
    }
    let dirs = std::iter::once(dir.to_path_buf()).chain(std::env::split_paths(&path));
    Ok(std::env::join_paths(dirs)?)
}

/// Called as `cargo`, `rustc` or `rustup`: becomes that program (or answers for it) and gives the exit code.
pub fn run_if_called_as_one() -> Option<i32> {
    let mut args = std::env::args_os();
    let called_as = PathBuf::from(args.next()?);
    let name = called_as.file_name()?.to_str()?.to_owned();
    if !NAMES.contains(&name.as_str()) {
        return None;
    }
    let args: Vec<OsString> = args.filter(|arg| arg != "+nightly").collect();
    if name == "rustup" {
        // Its one question here: does the toolchain have rust-src? `setup.rs` made sure.
        println!("rust-src (installed)");
        return Some(0);
    }
    let own_dir = std::env::var_os("CHINWAG_SHIMS").map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let dirs = std::env::split_paths(&path).filter(|dir| Some(dir) != own_dir.as_ref());
    let path = std::env::join_paths(dirs).unwrap_or_default();
    let error = Command::new(&name).args(args).env("PATH", path).exec();
    eprintln!("xtask: cannot run {name}: {error}");
    Some(127)
}
