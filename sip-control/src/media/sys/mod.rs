//! The daemon's only unsafe code, behind safe faces: bytes of the kernel's tables, AF_XDP sockets,
//! datagrams with their marks, datagrams that ICMP gives back, the one `ioctl` that no crate has, and the
//! allocator's arenas.
#![allow(unsafe_code)]

mod abi;
mod allocator;
mod cache;
mod datagrams;
mod ethtool;
mod given_back;
mod table;
mod xsk;

pub(super) use abi::Abi;
pub(crate) use allocator::share_arenas;
pub(super) use cache::prefetch_value;
pub(super) use datagrams::{Datagrams, LONGEST, Marks, Outgoing, TURN, report_marks, send};
pub(super) use ethtool::receive_queues;
pub(crate) use given_back::{GivenBack, next_given_back, report_given_back};
pub(super) use table::FlowTable;
pub(super) use xsk::{BATCH, BindError, FRAME, Receive, Room, Transmit, open as open_xsk};
