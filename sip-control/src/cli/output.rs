//! What goes to standard output: for people or for scripts, once or again and again.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use serde_json::Value;

use super::failure::Failure;
use super::table::{Column, Look, table};

/// Between two looks of `--watch`.
const WATCH_EVERY: Duration = Duration::from_secs(1);
/// From the top of an empty screen.
const CLEAR: &[u8] = b"\x1b[H\x1b[2J";

/// How this run of the program shows what it has to show.
#[derive(Clone, Copy, Debug)]
pub(super) struct Output {
    pub(super) json: bool,
    pub(super) look: Look,
    is_terminal: bool,
}

impl Output {
    /// As standard output and the environment are (<https://no-color.org>).
    pub(super) fn new(json: bool) -> Output {
        let is_terminal = io::stdout().is_terminal();
        let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Output {
            json,
            look: Look {
                width: is_terminal.then(width).flatten(),
                colour: is_terminal && !set("NO_COLOR") && !is_dumb,
            },
            is_terminal,
        }
    }

    /// One line of JSON, or what `text` makes of it.
    pub(super) fn show(
        &self,
        answer: &Value,
        text: impl FnOnce(&Value, Look) -> String,
    ) -> Result<(), Failure> {
        let text = match self.json {
            true => format!("{answer}\n"),
            false => text(answer, self.look),
        };
        self.write(text.as_bytes())
    }

    /// The items of a page as a table; `none` tells people what to do where there are none.
    pub(super) fn list(
        &self,
        answer: &Value,
        columns: &[Column],
        none: &str,
    ) -> Result<(), Failure> {
        self.show(answer, |answer, look| {
            match answer["items"].as_array().map(Vec::as_slice) {
                None | Some([]) => format!("{none}\n"),
                Some(items) => table(columns, items, look),
            }
        })
    }

    /// A line for people of what was done, where scripts get `answer`.
    pub(super) fn done(&self, answer: &Value, said: &str) -> Result<(), Failure> {
        self.show(answer, |_, _| format!("{said}\n"))
    }

    pub(super) fn write(&self, bytes: &[u8]) -> Result<(), Failure> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(bytes)?;
        Ok(stdout.flush()?)
    }

    /// Before each look but with `--watch`: an empty screen. Where that goes to a file or a script,
    /// one look follows the other.
    fn clear(&self) -> Result<(), Failure> {
        match self.is_terminal && !self.json {
            true => self.write(CLEAR),
            false => Ok(()),
        }
    }

    /// Looks and shows once, or each second until something fails.
    pub(super) async fn watch<F>(
        &self,
        watch: bool,
        look: impl Fn() -> F,
        show: impl Fn(&Value) -> Result<(), Failure>,
    ) -> Result<(), Failure>
    where
        F: Future<Output = Result<Value, Failure>>,
    {
        loop {
            let answer = look().await?;
            if watch {
                self.clear()?;
            }
            show(&answer)?;
            if !watch {
                return Ok(());
            }
            tokio::time::sleep(WATCH_EVERY).await;
        }
    }
}

/// Columns of the terminal: as the environment says, else as the terminal does.
fn width() -> Option<usize> {
    let named = std::env::var("COLUMNS").ok();
    named
        .and_then(|columns| columns.parse().ok())
        .or_else(|| {
            let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
            Some(usize::from(size.ws_col))
        })
        .filter(|columns| *columns > 0)
}

/// Asks for a yes on standard error; without a terminal nobody could say it.
pub(super) fn confirm(question: &str) -> Result<bool, Failure> {
    if !io::stdin().is_terminal() {
        return Err(Failure::usage(format!(
            "{question}: nobody can be asked; expected --yes"
        )));
    }
    eprint!("{question} [y/N] ");
    io::stderr().flush()?;
    let mut said = String::new();
    io::stdin().read_line(&mut said)?;
    Ok(matches!(said.trim(), "y" | "Y" | "yes"))
}
