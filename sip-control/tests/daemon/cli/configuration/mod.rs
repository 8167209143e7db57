//! Everything that is configured while a real daemon runs (OPS-1): each verb for people and for
//! scripts, and what is refused.

mod others;
mod trunks;
mod whole;

use serde_json::Value;

use super::{Ran, ask, run_with};
use crate::support::{Authority, Daemon, Directory, Edge, free_port};

/// In the file, so that there is something that only the file changes.
const IN_FILE: &str = "[[trunks]]\nname = \"fixed\"\nacl = [\"127.0.0.9\"]\n\
    [[routes]]\nfrom = \"fixed\"\nreject = 603\n\
    [store]\npath = \"DIR/store.db\"\n";

struct Edited {
    daemon: Daemon,
    api: u16,
}

impl Edited {
    fn start() -> Edited {
        let (edge, directory, api) = (Edge::new(), Directory::new(), free_port());
        let more = format!("{IN_FILE}[api]\nlisten = \"127.0.0.1:{api}\"\n");
        edge.configure(&directory, &Authority::new(), &more);
        let daemon = Daemon::start(directory);
        Edited { daemon, api }
    }

    fn ask(&self, words: &str) -> Ran {
        ask(&self.daemon.directory().path("control.sock"), words)
    }

    /// With something on standard input.
    fn tell(&self, words: &str, input: &str) -> Ran {
        let socket = self.daemon.directory().path("control.sock");
        run_with(
            &format!("{words} --socket {}", socket.display()),
            &[],
            input,
        )
    }

    /// What people see; that scripts get JSON of the same is checked along.
    #[track_caller]
    fn both(&self, words: &str) -> String {
        let shown = self.ask(words).done();
        self.ask(&format!("{words} --json")).json();
        shown
    }

    #[track_caller]
    fn json(&self, words: &str) -> Value {
        self.ask(&format!("{words} --json")).json()
    }
}

/// The row of a table that begins with a word.
#[track_caller]
fn row<'a>(table: &'a str, first: &str) -> Vec<&'a str> {
    let rows = table
        .lines()
        .map(|line| line.split_ascii_whitespace().collect::<Vec<_>>());
    let found = rows.into_iter().find(|row| row.first() == Some(&first));
    found.unwrap_or_else(|| panic!("no {first} in\n{table}"))
}
