//! What a trunk says of session timers (RFC 4028).

/// A trunk's session timers, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionPolicy {
    /// We know session timers on this trunk; else nothing of them is sent, and nothing that comes
    /// is looked at.
    pub timers: bool,
    /// The interval that we ask for, at least `min_se`.
    pub expires: u32,
    /// The shortest interval that we take, at least [`SHORTEST_INTERVAL`].
    pub min_se: u32,
}

/// RFC 4028 section 4: no Min-SE, and no interval, is below 90 s.
pub const SHORTEST_INTERVAL: u32 = 90;
/// A day: whoever wants more wants no timer.
pub const LONGEST_INTERVAL: u32 = 86_400;
/// RFC 4028 section 4: what is recommended.
pub const USUAL_INTERVAL: u32 = 1800;

impl Default for SessionPolicy {
    fn default() -> SessionPolicy {
        SessionPolicy {
            timers: true,
            expires: USUAL_INTERVAL,
            min_se: SHORTEST_INTERVAL,
        }
    }
}
