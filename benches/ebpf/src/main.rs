//! The benches' kernel programs; [`bench_ebpf`] says what each is.
#![cfg_attr(target_arch = "bpf", no_std, no_main)]

#[cfg(target_arch = "bpf")]
mod programs;

#[cfg(not(target_arch = "bpf"))]
fn main() {
    eprintln!("these programs run in the kernel: cargo xtask bench media compiles them for there");
    std::process::exit(1);
}
