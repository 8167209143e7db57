//! Which file a connection has open, and whether that is still the one of its name.

use std::fs::{Metadata, OpenOptions};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::store::backend::{Failure, FailureKind};

/// The file and its log, by device and number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileIdentity {
    file: (u64, u64),
    log: Option<(u64, u64)>,
}

impl FileIdentity {
    pub(super) fn of(path: &Path) -> Result<FileIdentity, Failure> {
        let file = number(path)
            .ok_or_else(|| Failure::new(FailureKind::Broken, "the file is gone again"))?;
        Ok(FileIdentity {
            file,
            log: number(&beside(path, "-wal")),
        })
    }

    /// Neither the file nor its log was deleted or replaced.
    pub(super) fn is_in_place(&self, path: &Path) -> bool {
        let log_is = self.log.is_none() || number(&beside(path, "-wal")) == self.log;
        number(path) == Some(self.file) && log_is
    }

    pub(super) fn is_replaced(&self, path: &Path) -> bool {
        number(path).is_some_and(|number| number != self.file)
    }

    /// Removes the log, if it is the one of this file.
    pub(super) fn remove_own_log(&self, path: &Path) {
        if self.log.is_some() && number(&beside(path, "-wal")) == self.log {
            remove_log(path);
        }
    }
}

fn number(path: &Path) -> Option<(u64, u64)> {
    let of = |found: Metadata| (found.dev(), found.ino());
    std::fs::metadata(path).ok().map(of)
}

/// Makes an empty file that only its owner may read, since it will hold secrets; SQLite gives what is
/// beside it the same mode. Whether that went well is seen when it is opened.
pub(super) fn create(path: &Path) {
    let mut options = OpenOptions::new();
    let _ = options.write(true).create_new(true).mode(0o600).open(path);
}

/// What SQLite keeps beside the file.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Removes what belongs to a file that is gone; often there is none.
pub(super) fn remove_log(path: &Path) {
    for suffix in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(beside(path, suffix));
    }
}

/// Removes what is beside a file that was only read, but for a log that has something in it.
pub(super) fn remove_empty_log(path: &Path) {
    let _ = std::fs::remove_file(beside(path, "-shm"));
    let log = beside(path, "-wal");
    if std::fs::metadata(&log).is_ok_and(|log| log.len() == 0) {
        let _ = std::fs::remove_file(log);
    }
}

pub(super) fn bytes(path: &Path) -> u64 {
    let length = |path: &Path| std::fs::metadata(path).map_or(0, |found| found.len());
    length(path) + length(&beside(path, "-wal"))
}
