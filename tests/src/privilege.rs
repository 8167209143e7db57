//! Tests that need root say so when they cannot run, and fail where they must run.

use std::io::Write as _;

/// Set by `cargo xtask test` when it runs as root: then nothing may be skipped.
pub const REQUIRE: &str = "TRUNKLINE_REQUIRE_PRIVILEGED";

/// Names the file that `cargo xtask test` reads afterwards to tell what was skipped.
pub const SKIP_LOG: &str = "TRUNKLINE_SKIP_LOG";

/// Whether a privileged test may go on. If not, prints why it is skipped.
///
/// # Panics
/// If [`REQUIRE`] is set and the process is not root.
pub fn require_root(what: &str) -> bool {
    if crate::sys::is_root() {
        return true;
    }
    assert!(
        std::env::var_os(REQUIRE).is_none(),
        "{what} needs root, and {REQUIRE} is set"
    );
    println!("skipped: {what} needs root");
    if let Some(log) = std::env::var_os(SKIP_LOG) {
        note(log.as_ref(), what);
    }
    false
}

/// One line, appended at once, so that tests that run side by side do not mix theirs. That the
/// file cannot be written must not fail a test that is skipped anyway.
fn note(log: &std::path::Path, what: &str) {
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    let file = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(log);
    let _ =
        file.and_then(|mut file| file.write_all(format!("{test}: {what} needs root\n").as_bytes()));
}
