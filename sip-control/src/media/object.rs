//! The XDP program, embedded when the daemon was built.

use super::error::MediaError;

/// BPF object code must be aligned for the ELF parser to read it in place.
#[repr(align(8))]
struct Aligned<T: ?Sized>(T);

static OBJECT: &Aligned<[u8]> = &Aligned(*include_bytes!(concat!(
    env!("OUT_DIR"),
    "/trunkline-ebpf.o"
)));

/// The object.
///
/// # Errors
/// The daemon was built without one.
pub(super) fn object() -> Result<&'static [u8], MediaError> {
    if OBJECT.0.is_empty() {
        return Err(MediaError::Unsupported {
            feature: "XDP program",
            detail: "this daemon was built without it; `cargo xtask build` embeds it".to_owned(),
        });
    }
    Ok(&OBJECT.0)
}
