//! What a long-lived process of many threads wants of the C library's allocator.

/// Lets the threads that are started from now on share two arenas of glibc's allocator, where else
/// there are up to eight for each CPU (mallopt(3), `M_ARENA_MAX`). What one thread has freed is of use
/// only to threads of the same arena, and whichever worker runs the driver allocates what a call
/// holds: with many arenas, each has holes that the others' calls would fit into. Two, as two threads
/// allocate much: the one that runs the driver, and that of the media plane.
///
/// Other C libraries have no such setting.
pub(crate) fn share_arenas() {
    #[cfg(target_env = "gnu")]
    {
        const ARENAS: libc::c_int = 2;
        // SAFETY: mallopt takes two numbers and refers to no memory of ours. If it refuses, nothing
        // changes but the size that the process may have.
        unsafe { libc::mallopt(libc::M_ARENA_MAX, ARENAS) };
    }
}
