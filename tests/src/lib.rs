//! What the end-to-end tests and the demo are made of: network namespaces, small SIP user
//! agents with SRTP, a wire tap, and the daemon as a child process.

pub mod acts;
pub mod agent;
pub mod api;
pub mod baresip;
pub mod call;
pub mod capture;
pub mod crowd;
pub mod dns;
pub mod door;
pub mod edge;
pub mod kamailio;
pub mod lab;
pub mod linphone;
pub mod peer;
pub mod privilege;
pub mod sipp;
pub mod sound;
pub mod stage;
pub mod sys;
pub mod tap;
pub mod tshark;
pub mod wire;
pub mod xdp;
