//! The file of a Unix socket, removed with its server.

use crate::green::current;
use crate::green::kill::uncancellable;
use crate::offload::everyone::offload;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Removes the file when dropped, unless another has taken its place.
pub(super) struct SocketFile {
    path: PathBuf,
    /// Device and inode.
    file: (u64, u64),
    /// Who has bound it: a fork's child has a copy of this, but not the name.
    process: u32,
}

impl SocketFile {
    /// Of a socket that the caller has just bound to `path`.
    ///
    /// # Errors
    /// It is gone already, or the working directory is.
    pub(super) fn new(path: &Path) -> io::Result<SocketFile> {
        // The working directory may be another one when it stops.
        let path = std::path::absolute(path)?;
        let file = identity(&path)?;
        Ok(SocketFile { path, file, process: std::process::id() })
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let data = path.symlink_metadata()?;
    Ok((data.dev(), data.ino()))
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if self.process != std::process::id() {
            return;
        }
        let path = std::mem::take(&mut self.path);
        let file = self.file;
        let remove = move || {
            if identity(&path).is_ok_and(|now| now == file) {
                let _ = std::fs::remove_file(&path);
            }
        };
        // A file system may block.
        if current::get().is_some() { uncancellable(|| offload(remove)) } else { remove() }
    }
}
