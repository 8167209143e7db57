//! Benches: of what every packet and every message costs (`benches/`, by criterion:
//! `cargo xtask bench`), of the media plane beside its peers ([`media`]: `cargo xtask bench
//! media`), of signalling beside its peers ([`sip`]: `cargo xtask bench sip`), and of
//! operating ([`sip::api`]: `cargo xtask bench api`).

pub mod arguments;
pub mod media;
pub mod sip;
