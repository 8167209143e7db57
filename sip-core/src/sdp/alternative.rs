//! One offer to several peers at once, of whom one will answer: an account's telephones (SIG-4).
//!
//! Each has keys of its own. Under one key for all, whoever is not answered could read what we send
//! to the one that is (RFC 4568 section 7.3). The ports are the same: media flows with one of them.

use media_core::ports::MediaPorts;
use media_core::session::Side;
use rand_core::CryptoRng;

use super::exchange::Exchange;
use super::leg::Told;
use super::negotiation::Negotiation;
use crate::refusal::Refusal;

/// What another peer than the first was offered.
#[derive(Debug, Default)]
pub struct Alternative {
    told: Told,
    exchange: Option<Exchange>,
}

impl Negotiation {
    /// Offers what the caller offers to one more callee, beside the one that [`Negotiation::offer`]
    /// was for; its answer is read after [`Negotiation::take_up`].
    ///
    /// # Errors
    /// Those of [`Negotiation::offer`].
    pub fn offer_beside(
        &mut self,
        sdp: &[u8],
        ports: &mut dyn MediaPorts,
        rng: &mut dyn CryptoRng,
    ) -> Result<(Vec<u8>, Alternative), Refusal> {
        let mut other = Alternative::default();
        self.exchange_for(&mut other);
        let offered = self.offer(Side::Caller, sdp, ports, rng);
        self.exchange_for(&mut other);
        Ok((offered?, other))
    }

    /// It is that one who answers: the first one's keys are forgotten.
    pub fn take_up(&mut self, mut other: Alternative) {
        self.exchange_for(&mut other);
    }

    fn exchange_for(&mut self, other: &mut Alternative) {
        self.leg_of_mut(Side::Callee).exchange_told(&mut other.told);
        self.exchange_pending(&mut other.exchange);
    }
}
