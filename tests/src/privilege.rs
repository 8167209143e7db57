//! Tests that need root say so when they cannot run, and fail where they must run.

/// Set by `cargo xtask test` when it runs as root: then nothing may be skipped.
pub const REQUIRE: &str = "TRUNKLINE_REQUIRE_PRIVILEGED";

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
    false
}
