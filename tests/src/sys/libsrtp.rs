//! Debian's libsrtp2 (libsrtp2-1), called through its C ABI: what we compare SRTP with.
//!
//! The library is opened at run time, so that nothing but a test or a bench needs it.

use std::ffi::{CStr, c_char, c_int, c_uint, c_ulong, c_void};
use std::ptr;
use std::sync::OnceLock;

use anyhow::{Result, bail};
use media_core::srtp::key::MasterKey;
use media_core::srtp::profile::Suite;

/// A session of libsrtp2: one master key, one direction, RTP and RTCP.
pub struct Session {
    library: &'static Library,
    context: *mut c_void,
    has_mki: bool,
}

/// What a session is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    Protect,
    Unprotect,
}

/// What libsrtp2 answers other than success: `srtp_err_status_t`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status(pub c_int);

impl Status {
    /// `srtp_err_status_auth_fail`
    pub const AUTH_FAIL: Status = Status(7);
    /// `srtp_err_status_replay_fail`
    pub const REPLAY_FAIL: Status = Status(9);
    /// `srtp_err_status_replay_old`
    pub const REPLAY_OLD: Status = Status(10);
    /// `srtp_err_status_bad_mki`
    pub const BAD_MKI: Status = Status(25);
}

/// Room that a buffer must have after the packet: `SRTP_MAX_TRAILER_LEN` with an MKI.
pub const TRAILER: usize = 16 + 128 + 4;

impl Session {
    /// # Errors
    /// If the library is not installed, or its build has no such suite.
    pub fn new(key: &MasterKey, direction: Direction) -> Result<Session> {
        let library = Library::get()?;
        let mut key_salt = [key.key(), key.salt()].concat();
        let mut mki = key.mki().to_vec();
        let mut master = MasterKeyC {
            key: key_salt.as_mut_ptr(),
            mki_id: mki.as_mut_ptr(),
            mki_size: mki.len() as c_uint,
        };
        let mut masters = [&raw mut master];
        let (rtp, rtcp) = library.policies(key.suite());
        let mut policy = Policy {
            ssrc_type: match direction {
                Direction::Protect => ANY_OUTBOUND,
                Direction::Unprotect => ANY_INBOUND,
            },
            ssrc: 0,
            rtp,
            rtcp,
            key: ptr::null_mut(),
            keys: masters.as_mut_ptr(),
            num_master_keys: 1,
            deprecated_ekt: ptr::null_mut(),
            window_size: 128,
            allow_repeat_tx: 0,
            enc_xtn_hdr: ptr::null_mut(),
            enc_xtn_hdr_count: 0,
            next: ptr::null_mut(),
        };
        let mut context = ptr::null_mut();
        // SAFETY: the policy and everything it points to live until the call returns; libsrtp
        // copies keys and identifiers.
        let status = unsafe { (library.create)(&mut context, &mut policy) };
        if status != 0 || context.is_null() {
            bail!(
                "srtp_create with {} answers {status}: its build may lack the suite",
                key.suite().name()
            );
        }
        Ok(Session {
            library,
            context,
            has_mki: !key.mki().is_empty(),
        })
    }

    /// Protects the RTP packet `buffer[..len]` where it stands; answers its new length.
    pub fn protect(&mut self, buffer: &mut [u8], len: usize) -> Result<usize, Status> {
        assert!(
            len + TRAILER <= buffer.len(),
            "libsrtp writes behind the packet"
        );
        let mut len = len as c_int;
        // SAFETY: the context is live, and `buffer` has room for the longest trailer.
        let status = unsafe {
            (self.library.protect)(
                self.context,
                buffer.as_mut_ptr().cast(),
                &mut len,
                self.has_mki.into(),
                0,
            )
        };
        answer(status, len)
    }

    /// Unprotects an SRTP packet where it stands; answers its new length.
    pub fn unprotect(&mut self, packet: &mut [u8]) -> Result<usize, Status> {
        let mut len = packet.len() as c_int;
        // SAFETY: the context is live; libsrtp reads and writes within `len` bytes.
        let status = unsafe {
            (self.library.unprotect)(
                self.context,
                packet.as_mut_ptr().cast(),
                &mut len,
                self.has_mki.into(),
            )
        };
        answer(status, len)
    }

    /// Protects the RTCP packet `buffer[..len]` where it stands; answers its new length.
    pub fn protect_rtcp(&mut self, buffer: &mut [u8], len: usize) -> Result<usize, Status> {
        assert!(
            len + TRAILER <= buffer.len(),
            "libsrtp writes behind the packet"
        );
        let mut len = len as c_int;
        // SAFETY: as in `protect`.
        let status = unsafe {
            (self.library.protect_rtcp)(
                self.context,
                buffer.as_mut_ptr().cast(),
                &mut len,
                self.has_mki.into(),
                0,
            )
        };
        answer(status, len)
    }

    /// Unprotects an SRTCP packet where it stands; answers its new length.
    pub fn unprotect_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, Status> {
        let mut len = packet.len() as c_int;
        // SAFETY: as in `unprotect`.
        let status = unsafe {
            (self.library.unprotect_rtcp)(
                self.context,
                packet.as_mut_ptr().cast(),
                &mut len,
                self.has_mki.into(),
            )
        };
        answer(status, len)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // SAFETY: `srtp_create` made the context, and nothing uses it any more.
        unsafe { (self.library.dealloc)(self.context) };
    }
}

fn answer(status: c_int, len: c_int) -> Result<usize, Status> {
    match usize::try_from(len) {
        Ok(len) if status == 0 => Ok(len),
        _ => Err(Status(status)),
    }
}

/// The version that is installed, as the library names it.
pub fn version() -> Result<String> {
    let library = Library::get()?;
    // SAFETY: the function answers a string constant of the library.
    let version = unsafe { CStr::from_ptr((library.version)()) };
    Ok(version.to_string_lossy().into_owned())
}

type SetPolicy = unsafe extern "C" fn(*mut CryptoPolicy);
type Protect = unsafe extern "C" fn(*mut c_void, *mut c_void, *mut c_int, c_uint, c_uint) -> c_int;
type Unprotect = unsafe extern "C" fn(*mut c_void, *mut c_void, *mut c_int, c_uint) -> c_int;

/// The functions of the library, found once.
type Init = unsafe extern "C" fn() -> c_int;
type Version = unsafe extern "C" fn() -> *const c_char;
type Create = unsafe extern "C" fn(*mut *mut c_void, *mut Policy) -> c_int;
type Dealloc = unsafe extern "C" fn(*mut c_void) -> c_int;

struct Library {
    version: Version,
    create: Create,
    dealloc: Dealloc,
    protect: Protect,
    unprotect: Unprotect,
    protect_rtcp: Protect,
    unprotect_rtcp: Unprotect,
    cm_128_80: SetPolicy,
    cm_128_32: SetPolicy,
    cm_256_80: SetPolicy,
    cm_256_32: SetPolicy,
    gcm_128: SetPolicy,
    gcm_256: SetPolicy,
}

impl Library {
    fn get() -> Result<&'static Library> {
        static LIBRARY: OnceLock<Option<Library>> = OnceLock::new();
        match LIBRARY.get_or_init(Library::open) {
            Some(library) => Ok(library),
            None => bail!("libsrtp2.so.1 is not installed: apt-get install libsrtp2-1"),
        }
    }

    fn open() -> Option<Library> {
        // SAFETY: the name is NUL-terminated; the library is never closed.
        let handle = unsafe { libc::dlopen(c"libsrtp2.so.1".as_ptr(), libc::RTLD_NOW) };
        if handle.is_null() {
            return None;
        }
        macro_rules! symbol {
            ($name:literal, $signature:ty) => {{
                // SAFETY: the handle is open and the name NUL-terminated.
                let symbol = unsafe { libc::dlsym(handle, $name.as_ptr()) };
                if symbol.is_null() {
                    return None;
                }
                // SAFETY: the types are those of libsrtp 2.5's srtp.h, whose ABI is that of
                // every libsrtp2.so.1 from 2.3 on.
                unsafe { std::mem::transmute::<*mut c_void, $signature>(symbol) }
            }};
        }
        let init = symbol!(c"srtp_init", Init);
        let library = Library {
            version: symbol!(c"srtp_get_version_string", Version),
            create: symbol!(c"srtp_create", Create),
            dealloc: symbol!(c"srtp_dealloc", Dealloc),
            protect: symbol!(c"srtp_protect_mki", Protect),
            unprotect: symbol!(c"srtp_unprotect_mki", Unprotect),
            protect_rtcp: symbol!(c"srtp_protect_rtcp_mki", Protect),
            unprotect_rtcp: symbol!(c"srtp_unprotect_rtcp_mki", Unprotect),
            cm_128_80: symbol!(c"srtp_crypto_policy_set_rtp_default", SetPolicy),
            cm_128_32: symbol!(c"srtp_crypto_policy_set_aes_cm_128_hmac_sha1_32", SetPolicy),
            cm_256_80: symbol!(c"srtp_crypto_policy_set_aes_cm_256_hmac_sha1_80", SetPolicy),
            cm_256_32: symbol!(c"srtp_crypto_policy_set_aes_cm_256_hmac_sha1_32", SetPolicy),
            gcm_128: symbol!(c"srtp_crypto_policy_set_aes_gcm_128_16_auth", SetPolicy),
            gcm_256: symbol!(c"srtp_crypto_policy_set_aes_gcm_256_16_auth", SetPolicy),
        };
        // SAFETY: called once, before any other function.
        let status = unsafe { init() };
        (status == 0).then_some(library)
    }

    /// Of RTP and of RTCP, whose tag stays long with the short suites.
    fn policies(&self, suite: Suite) -> (CryptoPolicy, CryptoPolicy) {
        let (rtp, rtcp) = match suite {
            Suite::AesCm128HmacSha1_80 => (self.cm_128_80, self.cm_128_80),
            Suite::AesCm128HmacSha1_32 => (self.cm_128_32, self.cm_128_80),
            Suite::Aes256CmHmacSha1_80 => (self.cm_256_80, self.cm_256_80),
            Suite::Aes256CmHmacSha1_32 => (self.cm_256_32, self.cm_256_80),
            Suite::AeadAes128Gcm => (self.gcm_128, self.gcm_128),
            Suite::AeadAes256Gcm => (self.gcm_256, self.gcm_256),
        };
        let set = |set: SetPolicy| {
            let mut policy = CryptoPolicy::default();
            // SAFETY: the function fills the structure that it is given.
            unsafe { set(&mut policy) };
            policy
        };
        (set(rtp), set(rtcp))
    }
}

/// `srtp_crypto_policy_t`
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct CryptoPolicy {
    cipher_type: u32,
    cipher_key_len: c_int,
    auth_type: u32,
    auth_key_len: c_int,
    auth_tag_len: c_int,
    sec_serv: c_int,
}

/// `srtp_master_key_t`
#[repr(C)]
struct MasterKeyC {
    key: *mut u8,
    mki_id: *mut u8,
    mki_size: c_uint,
}

/// `srtp_policy_t`
#[repr(C)]
struct Policy {
    ssrc_type: c_int,
    ssrc: c_uint,
    rtp: CryptoPolicy,
    rtcp: CryptoPolicy,
    key: *mut u8,
    keys: *mut *mut MasterKeyC,
    num_master_keys: c_ulong,
    deprecated_ekt: *mut c_void,
    window_size: c_ulong,
    allow_repeat_tx: c_int,
    enc_xtn_hdr: *mut c_int,
    enc_xtn_hdr_count: c_int,
    next: *mut Policy,
}

/// `ssrc_any_inbound` and `ssrc_any_outbound` of `srtp_ssrc_type_t`.
const ANY_INBOUND: c_int = 2;
const ANY_OUTBOUND: c_int = 3;
