//! What a trunk may do with REFER (SIG-7).

/// What becomes of a REFER of the trunk's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum ReferMode {
    /// Refused.
    #[default]
    Off,
    /// It goes to the far side of the call, and the NOTIFYs come back.
    Pass,
    /// We place the new call and bridge it with the side that remains.
    Local,
}
