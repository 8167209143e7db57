//! The XDP program `trunkline_media`.
//!
//! [`media_ebpf`] decides and rewrites; here are the maps, the sending and the counting.
#![cfg_attr(target_arch = "bpf", no_std, no_main)]

#[cfg(target_arch = "bpf")]
mod maps;
#[cfg(target_arch = "bpf")]
mod program;
#[cfg(target_arch = "bpf")]
mod redirect;
#[cfg(all(target_arch = "bpf", feature = "trace"))]
mod trace;

#[cfg(not(target_arch = "bpf"))]
fn main() {
    eprintln!("this program runs in the kernel: cargo xtask build compiles it for there");
    std::process::exit(1);
}
