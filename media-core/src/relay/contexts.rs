//! The contexts of one kind that a flow has, by key.

use media_common::counters::DropReason;

use crate::srtp::key::MasterKey;
use crate::srtp::parked::{NextIndex, Parked, Past};
use crate::srtp::{SrtcpReceiver, SrtcpSender, SrtpReceiver, SrtpSender};

/// The context of the key in use, and what is to be known of the key before: a description that
/// is taken back (a re-INVITE that is refused after early media) finds its key as it left it.
pub(super) struct Contexts<C: Context> {
    current: Option<Box<C>>,
    parked: Option<Box<Parked<C::Past>>>,
}

impl<C: Context> Default for Contexts<C> {
    fn default() -> Contexts<C> {
        Contexts {
            current: None,
            parked: None,
        }
    }
}

impl<C: Context> Contexts<C> {
    /// Makes the context of `key` the current one, if packets of its kind arrive at all.
    pub(super) fn select_if(&mut self, is_carried: bool, key: &MasterKey) {
        if !is_carried {
            return;
        }
        if !self.is_current(key) {
            let next = match self.parked.take_if(|parked| parked.is_of(key)) {
                Some(parked) => C::resume(*parked),
                None => C::new(key.clone()),
            };
            let before = self.current.replace(Box::new(next));
            self.parked = before.map(|context| Box::new(context.park()));
        }
        self.current
            .iter_mut()
            .for_each(|context| context.update_terms(key));
    }

    /// A flow's checks let no packet come here whose kind it does not carry.
    pub(super) fn current(&mut self) -> Result<&mut C, DropReason> {
        self.current.as_deref_mut().ok_or(DropReason::BadEntry)
    }

    /// The context of the key in use, to look at.
    pub(super) fn seen(&self) -> Option<&C> {
        self.current.as_deref()
    }

    fn is_current(&self, key: &MasterKey) -> bool {
        self.current
            .as_ref()
            .is_some_and(|context| context.master().is_same_key(key))
    }
}

/// A context of any kind.
pub(super) trait Context {
    /// What it has sent or received so far.
    type Past;

    fn new(master: MasterKey) -> Self;
    fn master(&self) -> &MasterKey;
    fn update_terms(&mut self, master: &MasterKey);
    /// Gives up the session keys.
    fn park(self) -> Parked<Self::Past>;
    /// Derives them again.
    fn resume(parked: Parked<Self::Past>) -> Self;
}

macro_rules! contexts {
    ($($kind:ty: $past:ty),*) => {
        $(impl Context for $kind {
            type Past = $past;

            fn new(master: MasterKey) -> Self {
                <$kind>::new(master)
            }

            fn master(&self) -> &MasterKey {
                <$kind>::master(self)
            }

            fn update_terms(&mut self, master: &MasterKey) {
                <$kind>::update_terms(self, master);
            }

            fn park(self) -> Parked<$past> {
                <$kind>::park(self)
            }

            fn resume(parked: Parked<$past>) -> Self {
                <$kind>::resume(parked)
            }
        })*
    };
}

contexts!(
    SrtpReceiver: Past,
    SrtcpReceiver: Past,
    SrtpSender: Past,
    SrtcpSender: NextIndex
);
