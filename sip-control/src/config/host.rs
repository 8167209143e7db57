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
/// records must be writable. Nothing is created.
pub(super) fn check(
    file: &File,
    backend: Backend,
    records: Option<&RecordSink>,
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
        check_writable(path)?;
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

fn check_writable(path: &Path) -> Result<(), Fault> {
    let fault = |problem: String| Fault::new("cdr.path", format!("{} {problem}", path.display()));
    if path.is_dir() {
        return Err(fault("is a directory; expected a file".to_owned()));
    }
    if path.exists() {
        return access(path, Access::WRITE_OK)
            .map_err(|error| fault(format!("cannot be written: {error}")));
    }
    let directory = match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => path,
    };
    access(directory, Access::WRITE_OK | Access::EXEC_OK).map_err(|error| {
        let directory = directory.display();
        fault(format!("cannot be created in {directory}: {error}"))
    })
}
