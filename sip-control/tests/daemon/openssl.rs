//! The `openssl` program, as a client that is not ours and as a maker of RSA keys. `cargo xtask setup`
//! sees to it that it is there.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use rcgen::KeyPair;

/// Long enough for session tickets to arrive.
const LINGER: Duration = Duration::from_millis(300);

/// Connects to a port of 127.0.0.1 and disconnects a moment later: whether all went well, and what
/// was said.
pub(crate) fn s_client(port: u16, arguments: &[&str]) -> (bool, String) {
    let mut client = Command::new("openssl")
        .args(["s_client", "-connect"])
        .arg(format!("127.0.0.1:{port}"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("openssl is installed");
    let mut stdin = client.stdin.take().unwrap();
    std::thread::sleep(LINGER);
    // Gone already if the handshake failed.
    let _ = stdin.write_all(b"Q\n");
    drop(stdin);
    let output = client.wait_with_output().unwrap();
    let text =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    (output.status.success(), text.concat())
}

/// A key of 2048 bits.
pub(crate) fn rsa_key() -> KeyPair {
    let output = Command::new("openssl")
        .args([
            "genpkey",
            "-algorithm",
            "RSA",
            "-pkeyopt",
            "rsa_keygen_bits:2048",
        ])
        .output()
        .expect("openssl is installed");
    let pem = String::from_utf8(output.stdout).unwrap();
    KeyPair::from_pem(&pem).unwrap_or_else(|error| panic!("{error}: {pem}"))
}
