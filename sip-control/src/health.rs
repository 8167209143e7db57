//! What is wrong with the daemon, if anything is.
