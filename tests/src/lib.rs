//! What the end-to-end tests and the demo are made of: network namespaces, small SIP user
//! agents with SRTP, a wire tap, and the daemon as a child process.

pub mod lab;
pub mod privilege;
pub mod sys;
