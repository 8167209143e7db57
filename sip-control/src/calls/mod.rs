//! Calls one can see: those that are up, the messages of each, and how good its media was.
