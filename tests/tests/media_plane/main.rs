//! The media plane without signalling: sessions applied to it, real packets through it.

mod edge;
mod endpoint;
mod sockets;
mod support;
mod xdp;
