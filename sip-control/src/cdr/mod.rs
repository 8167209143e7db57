//! Call records: one line of JSON for each call, written by a thread of its own, so that no disk
//! ever holds up a call.

mod line;

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, SyncSender, TrySendError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use sip_core::stack::CallRecord;

pub(crate) use self::line::{Heard, Leg, Target, far_end, in_ms, leg, record, side, target};
use crate::clock::WallClock;
use crate::config::RecordSink;
use crate::metrics::Counter;

/// Records that wait for a slow disk; beyond it they are lost, and counted.
const QUEUE_LENGTH: usize = 16_384;
/// What most records fit in.
const USUAL_BYTES: usize = 2048;
/// After what waited is written: records come late by no more, and do not each wake the thread.
const REST: Duration = Duration::from_millis(10);
/// At most one warning in that time, however many records are lost.
const WARN_EVERY: Duration = Duration::from_secs(60);

/// Where the driver leaves call records.
pub(crate) struct Records {
    writer: Option<(SyncSender<Job>, JoinHandle<()>)>,
    lost: Arc<Counter>,
}

enum Job {
    Write(Vec<u8>),
    /// The file was moved away by log rotation.
    Reopen,
}

impl Records {
    /// Opens the file; without a sink, records are dropped.
    pub(crate) fn open(sink: Option<&RecordSink>) -> io::Result<Records> {
        let lost = Arc::new(Counter::default());
        let Some(sink) = sink else {
            return Ok(Records { writer: None, lost });
        };
        let writer = Writer {
            output: Output::open(sink)?,
            torn: false,
            lost: Arc::clone(&lost),
            warned_of: 0,
            warned_at: None,
        };
        let (sender, jobs) = mpsc::sync_channel(QUEUE_LENGTH);
        let thread = std::thread::Builder::new()
            .name("call-records".to_owned())
            .spawn(move || writer.run(&jobs))?;
        Ok(Records {
            writer: Some((sender, thread)),
            lost,
        })
    }

    /// Leaves a record to be written. Never waits.
    pub(crate) fn write(&self, call: &CallRecord) {
        let Some((sender, _)) = &self.writer else {
            return;
        };
        let mut line = Vec::with_capacity(USUAL_BYTES);
        let sent = serde_json::to_writer(&mut line, &record(call, WallClock::now()))
            .is_ok()
            .then(|| {
                line.push(b'\n');
                sender.try_send(Job::Write(line))
            });
        match sent {
            Some(Ok(())) => {}
            // The writer warns of it.
            None | Some(Err(TrySendError::Full(_) | TrySendError::Disconnected(_))) => {
                self.lost.add_one();
            }
        }
    }

    /// Records that were not written, since the start of the process.
    pub(crate) fn lost(&self) -> u64 {
        self.lost.value()
    }

    /// Opens the file anew before the next record.
    pub(crate) fn reopen(&self) {
        if let Some((sender, _)) = &self.writer {
            // A queue full of records: the disk has worse trouble than an old file name.
            let _ = sender.try_send(Job::Reopen);
        }
    }

    /// Waits until everything is written.
    pub(crate) fn close(self) {
        if let Some((sender, thread)) = self.writer {
            drop(sender);
            if thread.join().is_err() {
                tracing::error!("the writer of call records panicked");
            }
        }
    }
}

enum Output {
    Stdout,
    File { path: PathBuf, file: File },
}

impl Output {
    fn open(sink: &RecordSink) -> io::Result<Output> {
        match sink {
            RecordSink::Stdout => Ok(Output::Stdout),
            RecordSink::File(path) => {
                let file = OpenOptions::new()
                    .append(true)
                    .create(true)
                    .mode(0o640)
                    .open(path)
                    .map_err(|error| named(path, &error))?;
                Ok(Output::File {
                    path: path.clone(),
                    file,
                })
            }
        }
    }

    fn reopen(&mut self) -> io::Result<()> {
        if let Output::File { path, .. } = self {
            *self = Output::open(&RecordSink::File(path.clone()))?;
        }
        Ok(())
    }

    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        match self {
            Output::Stdout => {
                let mut stdout = io::stdout().lock();
                stdout.write_all(line)?;
                stdout.flush()
            }
            Output::File { file, .. } => file.write_all(line),
        }
    }
}

fn named(path: &Path, error: &io::Error) -> io::Error {
    let text = format!("cdr.path {} cannot be opened: {error}", path.display());
    io::Error::new(error.kind(), text)
}

struct Writer {
    output: Output,
    /// The last line may lack its end: the next one must not be joined to it.
    torn: bool,
    lost: Arc<Counter>,
    /// How many were lost at the last warning.
    warned_of: u64,
    warned_at: Option<Instant>,
}

impl Writer {
    fn run(mut self, jobs: &Receiver<Job>) {
        while let Ok(job) = jobs.recv() {
            self.take(job);
            while let Ok(job) = jobs.try_recv() {
                self.take(job);
            }
            std::thread::sleep(REST);
        }
    }

    fn take(&mut self, job: Job) {
        let done = match job {
            Job::Write(line) => self.write(&line),
            Job::Reopen => self.output.reopen(),
        };
        self.warn(done.err());
    }

    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        let written = if self.torn {
            self.output.write(&[b"\n", line].concat())
        } else {
            self.output.write(line)
        };
        self.torn = written.is_err();
        written.inspect_err(|_| self.lost.add_one())
    }

    fn warn(&mut self, error: Option<io::Error>) {
        let lost = self.lost.value();
        let recently = self
            .warned_at
            .is_some_and(|warned| warned.elapsed() < WARN_EVERY);
        if recently || (error.is_none() && lost == self.warned_of) {
            return;
        }
        (self.warned_at, self.warned_of) = (Some(Instant::now()), lost);
        match error {
            Some(error) => {
                tracing::warn!(lost, "call records cannot be written: {error}; calls go on");
            }
            None => {
                tracing::warn!(
                    lost,
                    "call records were lost: the disk is too slow; calls go on"
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use media_core::session::CallId;
    use sip_core::stack::{EndedBy, LegRecord};
    use sip_core::transport::Transport;

    use super::*;

    fn refused_call() -> CallRecord {
        let now = Instant::now();
        let caller = LegRecord {
            sip_call_id: "a@b".to_owned(),
            user: None,
            trunk: None,
            transport: Transport::Udp,
            remote: None,
            profile: None,
            suite: None,
        };
        CallRecord {
            call: CallId(1),
            caller,
            callee: None,
            from: "sip:a@b".to_owned(),
            to: "sip:c@d".to_owned(),
            start: now,
            answer: None,
            end: now,
            ended_by: EndedBy::Trunkline,
            status: 404,
            code: None,
            reason: "no route".to_owned(),
            codec: None,
            media: None,
            targets: Vec::new(),
            first_party: Vec::new(),
        }
    }

    fn directory(name: &str) -> PathBuf {
        let directory =
            std::env::temp_dir().join(format!("trunkline-cdr-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        directory
    }

    #[test]
    fn every_record_is_a_line_and_a_restart_appends() {
        let directory = directory("append");
        let sink = RecordSink::File(directory.join("calls.jsonl"));
        for _ in 0..2 {
            let records = Records::open(Some(&sink)).unwrap();
            records.write(&refused_call());
            records.close();
        }
        let text = std::fs::read_to_string(directory.join("calls.jsonl")).unwrap();
        std::fs::remove_dir_all(directory).unwrap();
        assert_eq!(text.lines().count(), 2);
        assert!(
            text.lines()
                .all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok())
        );
    }

    #[test]
    fn a_full_disk_loses_records_and_counts_them() {
        let records = Records::open(Some(&RecordSink::File("/dev/full".into()))).unwrap();
        let lost = Arc::clone(&records.lost);
        for _ in 0..3 {
            records.write(&refused_call());
        }
        records.close();
        assert_eq!(lost.value(), 3);
    }

    #[test]
    fn after_log_rotation_the_new_file_is_written() {
        let directory = directory("rotate");
        let (path, moved) = (
            directory.join("calls.jsonl"),
            directory.join("calls.jsonl.1"),
        );
        let records = Records::open(Some(&RecordSink::File(path.clone()))).unwrap();
        records.write(&refused_call());
        std::fs::rename(&path, &moved).unwrap();
        records.reopen();
        records.write(&refused_call());
        records.close();
        let lines = |path| std::fs::read_to_string(path).unwrap().lines().count();
        assert_eq!((lines(&path), lines(&moved)), (1, 1));
        std::fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn a_line_that_broke_off_does_not_spoil_the_next() {
        let directory = directory("torn");
        let path = directory.join("calls.jsonl");
        std::fs::write(&path, "{\"half\":").unwrap();
        let sink = RecordSink::File(path.clone());
        let mut writer = Writer {
            output: Output::open(&sink).unwrap(),
            torn: true,
            lost: Arc::default(),
            warned_of: 0,
            warned_at: None,
        };
        writer.write(b"{}\n").unwrap();
        writer.write(b"{}\n").unwrap();
        assert_eq!(
            std::fs::read_to_string(&path).unwrap(),
            "{\"half\":\n{}\n{}\n"
        );
        std::fs::remove_dir_all(directory).unwrap();
    }
}
