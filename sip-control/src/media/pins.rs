//! Pins: maps and links as files in a bpffs, so that `bpftool` and a successor find them.
//!
//! They lie in a directory named by the version of their layout, whose lock tells a live
//! daemon's from those that a dead one left.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use media_common::ABI_VERSION;

use super::error::MediaError;

/// `BPF_FS_MAGIC` (linux/magic.h).
const BPF_FS_MAGIC: i64 = 0xcafe_4a11;
/// Links begin with it; they are removed first, which detaches the program.
const LINK_PREFIX: &str = "link-";

/// The directory of our pins, locked. Dropped, it is emptied and removed.
pub(super) struct Pins {
    directory: PathBuf,
    _lock: File,
}

impl Pins {
    /// Makes and locks the directory, and removes what a dead daemon left in it.
    /// `None`, with a warning, if `pin_dir` is not in a bpffs.
    pub(super) fn open(pin_dir: &Path) -> Result<Option<Pins>, MediaError> {
        if !is_in_bpffs(pin_dir) {
            tracing::warn!(
                pin_dir = %pin_dir.display(),
                "media: no bpffs there, so nothing is pinned; `mount -t bpf bpf /sys/fs/bpf` makes one"
            );
            return Ok(None);
        }
        let directory = pin_dir.join(format!("v{ABI_VERSION}"));
        let failed = |source| MediaError::Pin {
            path: directory.clone(),
            source,
        };
        fs::create_dir_all(&directory).map_err(failed)?;
        let lock = File::open(&directory).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(MediaError::AlreadyRunning(directory)),
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        let pins = Pins {
            directory: directory.clone(),
            _lock: lock,
        };
        let stale = pins.remove_all().map_err(failed)?;
        if stale > 0 {
            tracing::warn!(directory = %directory.display(), stale, "media: removed the pins of a daemon that is gone");
        }
        Ok(Some(pins))
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    pub(super) fn map(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    pub(super) fn link(&self, interface: &str) -> PathBuf {
        self.directory.join(format!("{LINK_PREFIX}{interface}"))
    }

    fn remove_all(&self) -> io::Result<usize> {
        let mut paths = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            let entry = entry?;
            let is_link = entry.file_name().to_string_lossy().starts_with(LINK_PREFIX);
            paths.push((!is_link, entry.path()));
        }
        paths.sort();
        for (_, path) in &paths {
            fs::remove_file(path)?;
        }
        Ok(paths.len())
    }
}

impl Drop for Pins {
    fn drop(&mut self) {
        let removed = self
            .remove_all()
            .and_then(|_| fs::remove_dir(&self.directory));
        if let Err(error) = removed {
            tracing::error!(directory = %self.directory.display(), %error, "media: pins are left behind");
        }
        if let Some(pin_dir) = self.directory.parent() {
            // Fails, as it should, while another version's pins are in it.
            let _ = fs::remove_dir(pin_dir);
        }
    }
}

/// Whether the path, or the nearest ancestor that exists, lies in a bpffs.
fn is_in_bpffs(path: &Path) -> bool {
    path.ancestors()
        .find(|ancestor| ancestor.exists())
        .and_then(|ancestor| rustix::fs::statfs(ancestor).ok())
        .is_some_and(|file_system| file_system.f_type == BPF_FS_MAGIC)
}
