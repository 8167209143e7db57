//! How often one CPU may tell user space of strangers: an attacker must not be able to fill
//! the ring of events.

use media_common::event::{MISMATCHES_PER_WINDOW, WINDOW_SHIFT};

/// Reports that a CPU has made in a window of time.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReportBudget {
    window: u64,
    spent: u64,
}

impl ReportBudget {
    /// Takes one report out of the budget of the window that `now_ns` lies in, if one is left.
    #[inline(always)]
    pub fn take(&mut self, now_ns: u64) -> bool {
        let window = now_ns >> WINDOW_SHIFT;
        if self.window != window {
            self.window = window;
            self.spent = 0;
        }
        let left = self.spent < u64::from(MISMATCHES_PER_WINDOW);
        self.spent += u64::from(left);
        left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_has_so_many_reports_and_the_next_one_as_many_again() {
        let window_ns = 1u64 << WINDOW_SHIFT;
        let mut budget = ReportBudget::default();
        for window in [0, 1, 5] {
            let first_ns = window * window_ns;
            let taken = (0..1000)
                .filter(|n| budget.take(first_ns + n * window_ns / 1000))
                .count();
            assert_eq!(taken, MISMATCHES_PER_WINDOW as usize, "window {window}");
        }
    }
}
