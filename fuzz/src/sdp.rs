//! Offers and answers: no leg is ever weaker than its trunk, and what is not ours to change leaves
//! as it came.

use std::net::IpAddr;
use std::time::Instant;

use media_core::ports::{MediaPorts, NoPorts, RealmId};
use media_core::session::{CallId, LocalMedia, Security, Session, Side};
use media_core::srtp::profile::Suite;
use sip_core::sdp::{LegPolicy, Negotiation};
use sip_core::trunk::{AdvertisedMedia, Passthrough, SourceMode};

use crate::input::Input;
use crate::rng::SeededRng;

/// Ends a description: no UTF-8 has it.
pub(crate) const MARK: u8 = 0xfe;
/// Steps of one call.
const MOST_STEPS: usize = 24;
const MOST_PAIRS: usize = 64;

/// Two bytes of policy, then steps: a byte that says what happens, and the description up to
/// [`MARK`].
pub(crate) fn negotiate(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let legs = [policy(&mut input, 0), policy(&mut input, 1)];
    let mut call = Call {
        negotiation: Negotiation::new(CallId(1), legs[0].clone(), legs[1].clone()),
        legs,
        ports: Ports { given: 0 },
        rng: SeededRng(1),
        keys: Vec::new(),
    };
    for _ in 0..MOST_STEPS {
        if input.is_empty() {
            break;
        }
        let step = input.byte();
        call.step(step, input.until(MARK));
    }
    let printed = format!("{:?}", call.negotiation);
    // libFuzzer finds out what is looked for here, and writes it into its inputs.
    let came = text(bytes);
    let mut shown = call.keys.iter().filter(|key| printed.contains(*key));
    assert!(shown.all(|key| came.contains(key)), "{printed}");
}

fn policy(input: &mut Input<'_>, realm: u16) -> LegPolicy {
    let bits = input.byte();
    let is = |bit: u8| bits & 1 << bit != 0;
    let suites: &[Suite] = if is(1) { Suite::ALL } else { &[] };
    LegPolicy {
        secure: is(0),
        opportunistic: is(1) && !is(0),
        suites: suites.to_vec(),
        codecs: ["PCMU", "PCMA", "TELEPHONE-EVENT"].map(String::from).into(),
        t38: is(2),
        video: is(2),
        advertised: AdvertisedMedia::default(),
        source: if is(3) {
            SourceMode::Latch
        } else {
            SourceMode::Strict
        },
        media_acl: Vec::new(),
        passthrough: if is(4) {
            Passthrough::Prefer
        } else {
            Passthrough::Never
        },
        mki: is(5),
        dscp: is(6).then_some(46),
        max_packet_rate: None,
        realm: RealmId(realm),
        ipv6_first: is(7),
    }
}

struct Call {
    negotiation: Negotiation,
    /// Indexed by [`Side::index`].
    legs: [LegPolicy; 2],
    ports: Ports,
    rng: SeededRng,
    /// Every key that we wrote.
    keys: Vec<String>,
}

impl Call {
    fn step(&mut self, step: u8, sdp: &[u8]) {
        let from = if step & 1 == 0 {
            Side::Caller
        } else {
            Side::Callee
        };
        let before = self.negotiation.session();
        let written = match step >> 1 & 7 {
            0..=2 => self
                .negotiation
                .offer(from, sdp, &mut self.ports, &mut self.rng),
            3..=5 => self
                .negotiation
                .answer(from, sdp, &mut self.ports, &mut self.rng),
            6 => {
                self.negotiation.confirm();
                return;
            }
            _ => {
                self.negotiation.reject();
                return;
            }
        };
        match written {
            Ok(body) => self.check_body(from.other(), sdp, &body),
            Err(_) => assert_eq!(
                self.negotiation.session(),
                before,
                "an error changes nothing"
            ),
        }
        if let Some(session) = self.negotiation.session() {
            self.check_session(&session);
        }
        assert!(self.negotiation.local_media().count() <= MOST_PAIRS);
    }

    /// A description for the peer at `to`, made of one from the other side.
    fn check_body(&mut self, to: Side, came: &[u8], body: &[u8]) {
        let policy = &self.legs[to.index()];
        let mut media = Vec::new();
        for line in lines(body) {
            if line.starts_with(b"m=") {
                media.push((line, 0));
            } else if line.starts_with(b"a=crypto:") {
                media.last_mut().expect("keys belong to an m-line").1 += 1;
                let key = text(line);
                self.keys
                    .extend(key.split("inline:").nth(1).map(str::to_owned));
            }
        }
        for (line, keys) in media {
            let words: Vec<&[u8]> = line.split(|&byte| byte == b' ').collect();
            let is_off = words[1] == b"0" || words[1].starts_with(b"0/");
            let profile = words[2].to_ascii_uppercase();
            let is_srtp = profile.windows(4).any(|text| text == b"SAVP");
            assert!(is_off || is_srtp == policy.secure, "{}", text(line));
            let keys_are_right = policy.opportunistic || (keys > 0) == policy.secure;
            assert!(is_off || keys_are_right, "{}", text(line));
        }
        // Behind a last line without an end there may be none, or an empty one.
        for line in lines(body).filter(|line| !line.is_empty()) {
            let ours: [&[u8]; 8] = [
                b"o=",
                b"c=",
                b"m=",
                b"a=crypto:",
                b"a=sendrecv",
                b"a=sendonly",
                b"a=recvonly",
                b"a=inactive",
            ];
            let is_ours = ours.iter().any(|start| line.starts_with(start));
            assert!(
                is_ours || lines(came).any(|old| old == line),
                "{}",
                text(line)
            );
        }
    }

    fn check_session(&self, session: &Session) {
        for stream in &session.streams {
            for (leg, policy) in stream.legs.iter().zip(&self.legs) {
                let is_plain = leg.security == Security::Plain;
                assert!(policy.opportunistic || is_plain != policy.secure);
                assert!(!(stream.is_raw && policy.secure), "no protection for T.38");
                assert!(is_plain || !stream.is_raw);
            }
            let keys = stream.legs.iter().map(|leg| match &leg.security {
                Security::Srtp { receive, send } => !receive.is_same_key(send),
                _ => true,
            });
            assert!(
                keys.into_iter().all(|differ| differ),
                "one keystream both ways"
            );
        }
    }
}

fn lines(body: &[u8]) -> impl Iterator<Item = &[u8]> {
    body.split(|&byte| byte == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
}

fn text(line: &[u8]) -> String {
    String::from_utf8_lossy(line).into_owned()
}

/// A few pairs, of both families.
struct Ports {
    given: usize,
}

impl MediaPorts for Ports {
    fn allocate(&mut self, realm: RealmId, ipv6: bool) -> Result<LocalMedia, NoPorts> {
        if self.given == MOST_PAIRS {
            return Err(NoPorts::Exhausted);
        }
        let rtp_port = 20_000 + 2 * self.given as u16;
        self.given += 1;
        let address: IpAddr = if ipv6 {
            [0x2001, 0xdb8, 0, 0, 0, 0, 0, realm.0 + 1].into()
        } else {
            [198, 51, 100, realm.0 as u8 + 1].into()
        };
        Ok(LocalMedia {
            address,
            rtp_port,
            rtcp_port: rtp_port + 1,
        })
    }

    fn release(&mut self, _: Instant, _: RealmId, _: LocalMedia) {}
}
