//! The table that moves while the calls last.

use std::io::{IsTerminal, Write};

use trunkline_tests::agent::MediaCounts;
use trunkline_tests::call::CallResult;

/// One row a call; redrawn in place on a terminal, a line now and then elsewhere.
pub(crate) struct LiveTable {
    rows: Vec<(String, String)>,
    show: bool,
    terminal: bool,
    drawn: bool,
    shows: u32,
}

impl LiveTable {
    pub(crate) fn new(show: bool, names: &[&str]) -> LiveTable {
        let rows = names
            .iter()
            .map(|name| ((*name).to_owned(), "waiting".to_owned()))
            .collect();
        LiveTable {
            rows,
            show,
            terminal: std::io::stdout().is_terminal(),
            drawn: false,
            shows: 0,
        }
    }

    /// A call that is up.
    pub(crate) fn show(&mut self, index: usize, counts: &[MediaCounts; 2]) {
        self.rows[index].1 = format!("up        {}", describe(counts));
        self.shows += 1;
        if self.terminal || self.shows.is_multiple_of(16) {
            self.draw(index);
        }
    }

    /// A call that is over.
    pub(crate) fn finish(&mut self, index: usize, result: &CallResult) {
        self.rows[index].1 = format!("ended     {}", describe(&result.counts));
        self.draw(index);
    }

    fn draw(&mut self, index: usize) {
        if !self.show {
            return;
        }
        let mut out = std::io::stdout().lock();
        let rows = if self.terminal {
            &self.rows[..]
        } else {
            &self.rows[index..=index]
        };
        if self.terminal && self.drawn {
            // Up to the first row again.
            let _ = write!(out, "\x1b[{}A", self.rows.len());
        }
        for (name, state) in rows {
            let clear = if self.terminal { "\x1b[K" } else { "" };
            let _ = writeln!(out, "  {name:<22} {state}{clear}");
        }
        let _ = out.flush();
        self.drawn = true;
    }
}

fn describe([caller, callee]: &[MediaCounts; 2]) -> String {
    format!(
        "→ {:>3} sent {:>3} received   ← {:>3} sent {:>3} received",
        caller.sent,
        callee.received.len(),
        callee.sent,
        caller.received.len()
    )
}
