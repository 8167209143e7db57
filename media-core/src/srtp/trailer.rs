//! What follows the payload of a protected packet.
//!
//! ```text
//!                SRTP          SRTCP
//! HMAC (RFC 3711)  MKI, tag      index, MKI, tag
//! GCM (RFC 7714)   tag, MKI      tag, index, MKI
//! ```

use super::error::SrtpError;
use super::key::MasterKey;

/// How a key's packets of one kind end.
#[derive(Clone, Copy)]
pub(super) struct Layout {
    /// Of the E flag and SRTCP index; 0 for SRTP.
    pub(super) index_len: usize,
    pub(super) tag_len: usize,
    pub(super) is_aead: bool,
}

/// The parts of a trailer that arrived.
pub(super) struct Trailer<'a> {
    pub(super) index: &'a [u8],
    pub(super) tag: &'a [u8],
}

impl Layout {
    pub(super) fn of_rtp(master: &MasterKey) -> Layout {
        Layout {
            index_len: 0,
            tag_len: master.suite().rtp_tag_len(),
            is_aead: master.suite().is_aead(),
        }
    }

    pub(super) fn of_rtcp(master: &MasterKey) -> Layout {
        Layout {
            index_len: 4,
            tag_len: master.suite().rtcp_tag_len(),
            is_aead: master.suite().is_aead(),
        }
    }

    pub(super) fn len(&self, master: &MasterKey) -> usize {
        self.index_len + self.tag_len + master.mki().len()
    }

    /// Divides a trailer, which has [`Layout::len`] bytes, and sees to it that it names our key.
    pub(super) fn split<'a>(
        &self,
        trailer: &'a [u8],
        master: &MasterKey,
    ) -> Result<Trailer<'a>, SrtpError> {
        let mki_len = master.mki().len();
        let (index, mki, tag);
        if self.is_aead {
            let rest;
            (tag, rest) = trailer.split_at(self.tag_len);
            (index, mki) = rest.split_at(self.index_len);
        } else {
            let rest;
            (index, rest) = trailer.split_at(self.index_len);
            (mki, tag) = rest.split_at(mki_len);
        }
        master.check_mki(mki)?;
        Ok(Trailer { index, tag })
    }

    /// Where index, MKI and tag stand, counted from the trailer's begin.
    fn places(&self, mki_len: usize) -> (usize, usize, usize) {
        if self.is_aead {
            (self.tag_len, self.tag_len + self.index_len, 0)
        } else {
            (0, self.index_len, self.index_len + mki_len)
        }
    }

    /// Writes index and MKI into the trailer that begins at `out[at]`, for which there is room.
    pub(super) fn write_index_and_mki(
        &self,
        out: &mut [u8],
        at: usize,
        index: &[u8],
        master: &MasterKey,
    ) {
        let mki = master.mki();
        let (index_at, mki_at, _) = self.places(mki.len());
        out[at + index_at..][..self.index_len].copy_from_slice(index);
        out[at + mki_at..][..mki.len()].copy_from_slice(mki);
    }

    /// Where the tag stands in a packet whose trailer begins at `at`.
    pub(super) fn tag_at(&self, at: usize, master: &MasterKey) -> usize {
        at + self.places(master.mki().len()).2
    }
}
