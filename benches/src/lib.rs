//! Benches: of what every packet and every message costs (`benches/`, by criterion:
//! `cargo xtask bench`), and of the media plane beside its peers ([`media`]:
//! `cargo xtask bench media`).

pub mod media;
