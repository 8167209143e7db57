//! SDP through a whole call, as the two peers and the media plane see it.

mod codecs;
mod fax;
mod hold;
mod lines;
mod m_lines;
mod offer_answer;
mod opportunistic;
mod passthrough;
mod properties;
mod reinvite;
mod security;
mod support;
