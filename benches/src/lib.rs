//! Benches: of what every packet and every message costs (`benches/`, by criterion:
//! `cargo xtask bench`), of the media plane beside its peers ([`media`]: `cargo xtask bench
//! media`), and of signalling beside its peers ([`sip`]: `cargo xtask bench sip`).

pub mod media;
pub mod sip;
