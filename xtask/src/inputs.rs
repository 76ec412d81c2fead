//! Stamps: has anything changed that a step is made from? One hash over the files' contents, kept beside the
//! result. No modification times: a branch switched there and back must not rebuild.

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Every file below `dir`, sorted; what tools make or fetch is left out.
pub fn files_below(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut dirs = vec![dir.to_path_buf()];
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(&dir).into_iter().flatten().flatten() {
            let (path, name) = (entry.path(), entry.file_name());
            if path.is_dir() {
                if name != "node_modules" && name != "dist" && name != "target" {
                    dirs.push(path);
                }
            } else {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// A hash of the names and contents of `files` (a missing file counts as such) and of `extra`.
pub fn hash(files: &[PathBuf], extra: &[&str]) -> String {
    let mut hasher = Sha256::new();
    for text in extra {
        hasher.update(text.as_bytes());
        hasher.update([0]);
    }
    for file in files {
        hasher.update(file.as_os_str().as_encoded_bytes());
        hasher.update([0]);
        hasher.update(Sha256::digest(std::fs::read(file).unwrap_or_else(|_| b"absent".to_vec())));
    }
    hex(&hasher.finalize())
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub fn is_current(stamp: &Path, hash: &str) -> bool {
    std::fs::read_to_string(stamp).is_ok_and(|text| text == hash)
}

/// Writes a file so that a reader sees the old text or the new one, never a half.
pub fn write_atomically(path: &Path, text: &str) -> Result<()> {
    let mut name = path.file_name().context("a file has a name")?.to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary = path.with_file_name(name);
    // For its owner alone: stack.json holds a secret.
    let mut options = std::fs::OpenOptions::new();
    let file = options.write(true).create(true).truncate(true).mode(0o600).open(&temporary);
    file.and_then(|mut file| file.write_all(text.as_bytes()))
        .with_context(|| format!("writing {}", temporary.display()))?;
    std::fs::rename(&temporary, path).with_context(|| format!("writing {}", path.display()))
}

/// Waits until no other xtask holds `path`; the lock ends with the file handle, so also with a killed process.
pub fn lock(path: &Path) -> Result<std::fs::File> {
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir).with_context(|| format!("making {}", dir.display()))?;
    }
    let file = std::fs::File::create(path).with_context(|| format!("opening {}", path.display()))?;
    file.lock().with_context(|| format!("locking {}", path.display()))?;
    Ok(file)
}
