//! What a configuration asks of this host: looked at before anything is started, so that a
//! mistake is told with file and key.

use std::path::Path;

use rustix::fs::{Access, access};
use rustix::net::{AddressFamily, SocketType, netdevice, socket};

use super::error::Fault;
use super::file::File;
use super::settings::RecordSink;
use crate::media::Backend;

/// Interfaces must exist where there is no other backend to fall back to, and the file of call
/// records and the store must be writable. Nothing is created.
pub(super) fn check(
    file: &File,
    backend: Backend,
    (records, store): (Option<&RecordSink>, Option<&Path>),
    warnings: &mut Vec<String>,
) -> Result<(), Fault> {
    for (key, name) in interfaces(file) {
        if interface_exists(name) {
            continue;
        }
        match backend {
            Backend::Xdp => {
                return Err(Fault::new(
                    key,
                    format!("there is no interface {name:?} here"),
                ));
            }
            Backend::Auto => warnings.push(format!("{key}: there is no interface {name:?} here")),
            Backend::Socket => {}
        }
    }
    if let Some(RecordSink::File(path)) = records {
        check_writable("cdr.path", path)?;
    }
    if let Some(path) = store {
        check_writable("store.path", path)?;
        // SQLite keeps its journal beside the file (https://sqlite.org/tempfiles.html).
        check_directory("store.path", path)?;
    }
    Ok(())
}

/// Every interface with its key.
fn interfaces(file: &File) -> impl Iterator<Item = (String, &str)> {
    let keyed = |section: String, names: &[String]| {
        (0..names.len())
            .map(|place| format!("{section}.interfaces[{place}]"))
            .collect::<Vec<_>>()
    };
    let own = keyed("media".to_owned(), &file.media.interfaces)
        .into_iter()
        .zip(&file.media.interfaces);
    let of_realms = file
        .realms
        .iter()
        .enumerate()
        .flat_map(move |(place, realm)| {
            keyed(format!("realms[{place}]"), &realm.interfaces)
                .into_iter()
                .zip(&realm.interfaces)
        });
    own.chain(of_realms).map(|(key, name)| (key, name.as_str()))
}

/// In this network namespace; `true` if that cannot be told.
fn interface_exists(name: &str) -> bool {
    match socket(AddressFamily::INET, SocketType::DGRAM, None) {
        Ok(socket) => netdevice::name_to_index(socket, name).is_ok(),
        Err(_) => true,
    }
}

fn check_writable(key: &str, path: &Path) -> Result<(), Fault> {
    if path.is_dir() {
        return Err(fault(key, path, "is a directory; expected a file"));
    }
    if path.exists() {
        return access(path, Access::WRITE_OK)
            .map_err(|error| fault(key, path, &format!("cannot be written: {error}")));
    }
    check_directory(key, path)
}

/// Whether files can be made where this one is to be.
fn check_directory(key: &str, path: &Path) -> Result<(), Fault> {
    let directory = match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => path,
    };
    access(directory, Access::WRITE_OK | Access::EXEC_OK).map_err(|error| {
        let directory = directory.display();
        fault(
            key,
            path,
            &format!("cannot be created in {directory}: {error}"),
        )
    })
}

fn fault(key: &str, path: &Path, problem: &str) -> Fault {
    Fault::new(key, format!("{} {problem}", path.display()))
}
