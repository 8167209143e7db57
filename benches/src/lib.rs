//! Benches of what every packet and every message costs: `cargo bench -p trunkline-benches`.
//!
//! The benches are in `benches/`, a file each; this library is empty.
