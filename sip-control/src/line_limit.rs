//! A bound on log lines that strangers can cause: whoever floods a port must not flood the log.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Lines of one kind in each [`WINDOW`]; the rest is counted.
const LINES: u32 = 20;
const WINDOW: Duration = Duration::from_secs(1);

/// Lets some lines of one kind through.
#[derive(Debug, Default)]
pub(crate) struct LineLimit(Mutex<Window>);

#[derive(Debug, Default)]
struct Window {
    began: Option<Instant>,
    lines: u32,
    /// Since the last line that was let through.
    suppressed: u64,
}

impl LineLimit {
    /// Whether a line may be written now; then also says how many of its kind have not been.
    pub(crate) fn admits(&self, kind: &str) -> bool {
        let Some(suppressed) = self.admit(Instant::now()) else {
            return false;
        };
        if suppressed > 0 {
            tracing::warn!(suppressed, "more lines than are logged: {kind}");
        }
        true
    }

    /// The number of lines that were suppressed before this one, which is let through.
    fn admit(&self, now: Instant) -> Option<u64> {
        let mut window = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_over = |began| now.saturating_duration_since(began) >= WINDOW;
        if window.began.is_none_or(is_over) {
            (window.began, window.lines) = (Some(now), 0);
        }
        if window.lines == LINES {
            window.suppressed += 1;
            return None;
        }
        window.lines += 1;
        Some(std::mem::take(&mut window.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_cut_and_the_next_line_tells_how_much_of_it() {
        let (limit, start) = (LineLimit::default(), Instant::now());
        let admitted = (0..1000).filter(|_| limit.admit(start).is_some()).count();
        assert_eq!(admitted, 20);
        assert_eq!(limit.admit(start + WINDOW), Some(980));
        assert_eq!(limit.admit(start + WINDOW), Some(0));
    }
}
