//! The media plane without signalling: sessions applied to it, real packets through it.

// `cfg(test)` always holds here; with it clippy knows that this is a test's code.
#[cfg(test)]
mod edge;
#[cfg(test)]
mod endpoint;
#[cfg(test)]
mod sockets;
#[cfg(test)]
mod support;
#[cfg(test)]
mod xdp;
