//! Call flows through the whole of signalling, on a simulated network and a clock that moves by
//! itself: nothing here waits, and every run of a test is the same.

mod authentication;
mod basic;
mod challenged;
mod codes;
mod correcting;
mod early;
mod failover;
mod faults;
mod forks;
mod gotchas;
mod hiding;
mod limits;
mod lured;
mod messages;
mod noise;
mod operating;
mod operator_hold;
mod operator_transfer;
mod placing;
mod placing_refused;
mod prack;
mod probing;
mod providers;
mod random;
mod refusals;
mod registrar;
mod reinvite;
mod replacing;
mod ringing;
mod routes;
mod session_timer;
mod sim;
mod transfer;
mod updating;
mod within;
