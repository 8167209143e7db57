//! Long steps: a line when one begins, while it goes on and when it ends.

use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::workspace;

/// How often a step that goes on says so.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// How much of a failed step's output is shown, bytes.
const SHOWN: u64 = 16 * 1024;

/// One line of news, on standard error.
pub(crate) fn say(text: &str) {
    eprintln!("[xtask] {text}");
}

/// Runs `command` with its output in `<target>/xtask/<log>.log`, shown only if it fails.
pub(crate) fn logged(what: &str, log: &str, command: &mut Command) -> Result<()> {
    let dir = workspace::target_dir().join("xtask");
    fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
    let path = dir.join(format!("{log}.log"));
    let file = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    command
        .stdin(Stdio::null())
        .stdout(file.try_clone()?)
        .stderr(file);

    say(&format!("{what} ..."));
    let begin = Instant::now();
    let child = spawn(command)?;
    let status = wait_with_heartbeat(child, what, begin)?;
    if !status.success() {
        eprintln!("{}", tail(&path)?);
        bail!(
            "{what} failed ({status}); the whole output is in {}",
            path.display()
        );
    }
    say(&format!(
        "{what}: done in {:.1} s",
        begin.elapsed().as_secs_f64()
    ));
    Ok(())
}

/// Runs `command` with its output on our standard error, where cargo shows its own progress.
pub(crate) fn shown(what: &str, command: &mut Command) -> Result<()> {
    say(&format!("{what} ..."));
    let begin = Instant::now();
    command.stdin(Stdio::null()).stdout(std::io::stderr());
    let status = spawn(command)?.wait()?;
    if !status.success() {
        bail!("{what} failed ({status})");
    }
    say(&format!(
        "{what}: done in {:.1} s",
        begin.elapsed().as_secs_f64()
    ));
    Ok(())
}

fn spawn(command: &mut Command) -> Result<Child> {
    let program = command.get_program().to_string_lossy().into_owned();
    command
        .spawn()
        .with_context(|| format!("cannot run {program}"))
}

fn wait_with_heartbeat(mut child: Child, what: &str, begin: Instant) -> Result<ExitStatus> {
    let mut next = HEARTBEAT;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if begin.elapsed() >= next {
            say(&format!("{what}: {} s so far", begin.elapsed().as_secs()));
            next += HEARTBEAT;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn tail(path: &Path) -> Result<String> {
    let mut file = File::open(path)?;
    let start = file.metadata()?.len().saturating_sub(SHOWN);
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
