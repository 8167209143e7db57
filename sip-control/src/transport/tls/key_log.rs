//! The secrets of TLS sessions in a file, in the format that Wireshark reads
//! (draft-ietf-tls-keylogfile): only where the operator asks for it by `tls.key_log`. The
//! environment variable `SSLKEYLOGFILE` is not looked at: whoever sets the environment of a process
//! must not thereby get the keys of its calls.

use std::fmt::{self, Write as _};
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use rustls::KeyLog;
use zeroize::Zeroizing;

/// Appends to a file that only its owner may read.
pub struct KeyLogToFile(Mutex<File>);

impl KeyLogToFile {
    pub fn open(path: &Path) -> io::Result<KeyLogToFile> {
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(path)?;
        Ok(KeyLogToFile(Mutex::new(file)))
    }
}

impl KeyLog for KeyLogToFile {
    /// What cannot be written is lost: a call does not wait for a debugging aid.
    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        let capacity = label.len() + 2 * (client_random.len() + secret.len()) + 3;
        let mut line = Zeroizing::new(String::with_capacity(capacity));
        line.push_str(label);
        for bytes in [client_random, secret] {
            line.push(' ');
            for byte in bytes {
                let _ = write!(line, "{byte:02x}");
            }
        }
        line.push('\n');
        let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = file.write_all(line.as_bytes());
    }
}

impl fmt::Debug for KeyLogToFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyLogToFile")
    }
}
