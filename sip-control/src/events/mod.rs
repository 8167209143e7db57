//! What happens: into the log, into the store, to whoever listens (OPS-3).

mod log;

pub(crate) use self::log::EventLog;
