//! The XDP program by itself: packets built byte by byte, and runs of the program on one
//! packet (`BPF_PROG_TEST_RUN`) with maps that the test fills.

pub mod case;
pub mod kernel;
pub mod packet;
pub mod scene;
