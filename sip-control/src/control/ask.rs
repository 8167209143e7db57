//! The other end of the socket: what the command line asks a running daemon.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use anyhow::{Context, bail};
use serde_json::Value;

use super::{FLOW, FLOWS, PATIENCE, STATUS};

/// How a running daemon is.
pub fn ask_status(socket: &Path) -> anyhow::Result<Value> {
    ask(socket, STATUS)
}

/// Every flow of a running daemon.
pub fn ask_flows(socket: &Path) -> anyhow::Result<Value> {
    ask(socket, FLOWS)
}

/// The flow at that index of the flow table.
pub fn ask_flow(socket: &Path, index: u32) -> anyhow::Result<Value> {
    ask(socket, &format!("{FLOW} {index}"))
}

fn ask(socket: &Path, question: &str) -> anyhow::Result<Value> {
    let line = exchange(socket, question).map_err(|error| {
        let advice = advice(&error);
        anyhow::Error::new(error)
            .context(format!("no daemon answers at {}{advice}", socket.display()))
    })?;
    let answer: Value = serde_json::from_str(&line)
        .with_context(|| format!("the daemon at {} does not answer in JSON", socket.display()))?;
    match answer["error"].as_str() {
        Some(problem) => bail!("{problem}"),
        None => Ok(answer),
    }
}

fn exchange(socket: &Path, question: &str) -> io::Result<String> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(format!("{question}\n").as_bytes())?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line)?;
    Ok(line)
}

/// What to do about it.
fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound => {
            " (is it running, and is this the control.socket of its configuration?)"
        }
        io::ErrorKind::ConnectionRefused => " (it is not running)",
        io::ErrorKind::PermissionDenied => " (ask as root, or as the user that it runs as)",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_what_to_do() {
        let directory = std::env::temp_dir().join(format!("trunkline-ask-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let (absent, dead) = (directory.join("absent"), directory.join("dead"));
        drop(std::os::unix::net::UnixListener::bind(&dead).unwrap());
        let said = |path: &Path| format!("{:#}", ask_flows(path).unwrap_err());
        let (absent, dead) = (said(&absent), said(&dead));
        std::fs::remove_dir_all(&directory).unwrap();
        assert!(absent.contains("control.socket"), "{absent}");
        assert!(dead.contains("not running"), "{dead}");
        let denied = io::Error::from(io::ErrorKind::PermissionDenied);
        assert!(advice(&denied).contains("as root"));
    }

    #[test]
    fn what_the_daemon_refuses_is_an_error_in_its_words() {
        let path = std::env::temp_dir().join(format!("trunkline-no-flow-{}", std::process::id()));
        let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let daemon = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut question = String::new();
            BufReader::new(stream.try_clone().unwrap())
                .read_line(&mut question)
                .unwrap();
            stream
                .write_all(b"{\"error\": \"there is no flow 7\"}\n")
                .unwrap();
            question
        });
        let refused = ask_flow(&path, 7).unwrap_err();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(daemon.join().unwrap(), "flow 7\n");
        assert_eq!(refused.to_string(), "there is no flow 7");
    }
}
