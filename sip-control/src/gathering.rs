//! A writer for a thread that is woken for each line: it rests after each flush, so that the lines of
//! the next moment gather, and one wake-up serves them all.

use std::io::{self, BufWriter, Write};
use std::time::Duration;

const BUFFER_BYTES: usize = 64 * 1024;

/// Writes at each flush what came since the last one, then rests.
pub struct Gathering<W: Write> {
    out: BufWriter<W>,
    rest: Duration,
}

impl<W: Write> Gathering<W> {
    pub fn new(out: W, rest: Duration) -> Gathering<W> {
        Gathering {
            out: BufWriter::with_capacity(BUFFER_BYTES, out),
            rest,
        }
    }
}

impl<W: Write> Write for Gathering<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        let flushed = self.out.flush();
        std::thread::sleep(self.rest);
        flushed
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn lines_are_written_at_a_flush_and_then_it_rests() {
        let mut out = Vec::new();
        let rest = Duration::from_millis(5);
        let begun = Instant::now();
        let mut gathering = Gathering::new(&mut out, rest);
        gathering.write_all(b"one\n").unwrap();
        gathering.write_all(b"two\n").unwrap();
        assert!(gathering.out.get_ref().is_empty());
        gathering.flush().unwrap();
        assert!(begun.elapsed() >= rest);
        drop(gathering);
        assert_eq!(out, b"one\ntwo\n");
    }
}
