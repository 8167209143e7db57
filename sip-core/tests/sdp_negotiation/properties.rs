//! What holds for any input.

use media_core::session::{Security, Side};
use media_core::srtp::profile::Suite;
use proptest::prelude::*;
use sip_core::sdp::LegPolicy;
use sip_core::trunk::Passthrough;

use crate::support::*;

const SUITES: &[Suite] = &[Suite::AesCm128HmacSha1_80, Suite::AesCm128HmacSha1_32];

/// A description with something of everything, from an address and with a key that must not
/// cross; `crypto` are the lines of its two audio m-lines.
fn rich(address: &str, profile: &str, key: &str, crypto: [&str; 2]) -> Vec<String> {
    let [first, second] = crypto;
    let text = format!(
        "v=0
o=alice 1 1 IN IP4 {address}
s=-
c=IN IP4 {address}
t=0 0
a=ice-lite
a=group:BUNDLE a v
a=sendrecv
m=audio 4000 {profile} 0 8 18 101
c=IN IP4 {address}
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-15
a=rtcp:4001 IN IP4 {address}
a=rtcp-mux
a=candidate:1 1 UDP 1 {address} 4000 typ host
{first}
a=acap:1 crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{key}
k=clear:{key}
a=sendonly
m=audio 4010 {profile} 8
{second}
m=video 4020 {profile} 96
c=IN IP4 {address}
a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{key}"
    );
    text.lines().map(String::from).collect()
}

/// What the first peer offers.
fn rich_offer(leg: &LegPolicy) -> Vec<String> {
    let first = format!(
        "a=crypto:3 {SUITE_80} inline:{KEY_A}|2^31|1:4\na=crypto:2 {SUITE_32} inline:{KEY_A}"
    );
    let second =
        format!("a=crypto:7 {SUITE_32} inline:{KEY_A}\na=crypto:8 {SUITE_80} inline:{KEY_A}");
    rich(CALLER, profile(leg), KEY_A, [&first, &second])
}

/// What the second peer answers to what we offered it: the last line of each m-line.
fn rich_answer(leg: &LegPolicy, offered: &str) -> Vec<String> {
    let mut lines =
        offered
            .split("\nm=")
            .skip(1)
            .map(|section| match crypto_lines(section).last() {
                Some((tag, suite, _)) => format!("a=crypto:{tag} {suite} inline:{KEY_B}"),
                None => "a=x-nothing".to_owned(),
            });
    let mut next = || lines.next().unwrap_or_default();
    let crypto = [next(), next()];
    rich(CALLEE, profile(leg), KEY_B, [&crypto[0], &crypto[1]])
}

/// What may befall a line.
#[derive(Clone, Debug)]
enum Fault {
    Drop(usize),
    Repeat(usize),
    Swap(usize, usize),
    Cut(usize, usize),
    Upper(usize),
}

fn faults() -> impl Strategy<Value = Vec<Fault>> {
    let line = 0..24usize;
    let fault = prop_oneof![
        line.clone().prop_map(Fault::Drop),
        line.clone().prop_map(Fault::Repeat),
        (line.clone(), line.clone()).prop_map(|(one, other)| Fault::Swap(one, other)),
        (line.clone(), 0..60usize).prop_map(|(at, length)| Fault::Cut(at, length)),
        line.prop_map(Fault::Upper),
    ];
    prop::collection::vec(fault, 0..4)
}

fn suffer(mut lines: Vec<String>, faults: &[Fault]) -> String {
    for fault in faults {
        let count = lines.len();
        match *fault {
            Fault::Drop(at) if at < count => drop(lines.remove(at)),
            Fault::Repeat(at) if at < count => lines.insert(at, lines[at].clone()),
            Fault::Swap(one, other) if one < count && other < count => lines.swap(one, other),
            Fault::Cut(at, length) if at < count && length < lines[at].len() => {
                lines[at].truncate(length);
            }
            // Addresses and keys stay as they are, or the search below would not find them.
            Fault::Upper(at) if at < count && !lines[at].contains("inline") => {
                let kind = lines[at]
                    .chars()
                    .next()
                    .map(String::from)
                    .unwrap_or_default();
                lines[at] = kind + lines[at].to_uppercase().get(1..).unwrap_or_default();
            }
            _ => {}
        }
    }
    lines.iter().map(|line| format!("{line}\r\n")).collect()
}

fn legs() -> impl Strategy<Value = [LegPolicy; 2]> {
    let leg = |realm| {
        (any::<bool>(), 0..3usize, any::<bool>(), any::<bool>()).prop_map(
            move |(is_secure, first, prefers, mki)| {
                let suites = if first == 2 {
                    SUITES
                } else {
                    &SUITES[first..=first]
                };
                let passthrough = if prefers {
                    Passthrough::Prefer
                } else {
                    Passthrough::Never
                };
                LegPolicy {
                    secure: is_secure,
                    passthrough,
                    mki,
                    ..secure(realm, suites)
                }
            },
        )
    };
    (leg(0), leg(1)).prop_map(|(caller, callee)| [caller, callee])
}

fn profile(leg: &LegPolicy) -> &'static str {
    if leg.secure { "RTP/SAVP" } else { "RTP/AVP" }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400), late in any::<bool>()) {
        let mut call = Call::plain();
        let from = if late { Side::Callee } else { Side::Caller };
        let _ = call.negotiation.offer(from, &bytes, &mut call.ports, &mut call.rng);
        call.offer(Side::Caller, &avp(CALLER));
        let _ = call.negotiation.answer(Side::Callee, &bytes, &mut call.ports, &mut call.rng);
    }

    #[test]
    fn random_lines_never_panic(
        lines in prop::collection::vec("[vosctmabk]=[ -~]{0,40}", 0..12),
        attributes in prop::collection::vec("a=(crypto|rtcp|rtpmap|fmtp|group):[0-9a-zA-Z:|;^= /_-]{0,40}", 0..6),
    ) {
        for policy in [plain(0), secure(0, SUITES)] {
            let mut call = Call::new(policy, secure(1, SUITES));
            let _ = call.try_offer(Side::Caller, &(lines.join("\n") + &attributes.join("\n")));
            let offer = savp(CALLER, &[]) + &attributes.join("\r\n");
            let _ = call.try_offer(Side::Caller, &offer);
        }
    }

    #[test]
    fn an_accepted_exchange_leaks_nothing_and_never_weakens_a_leg(
        legs in legs(),
        offer_faults in faults(),
        answer_faults in faults(),
        late in any::<bool>(),
    ) {
        let (from, to) = if late { (Side::Callee, Side::Caller) } else { (Side::Caller, Side::Callee) };
        let [offerer, answerer] = [&legs[from.index()], &legs[to.index()]];
        let passes_through = legs.iter().all(|leg| leg.secure && leg.passthrough == Passthrough::Prefer);
        let mut call = Call::new(legs[0].clone(), legs[1].clone());
        let offer = suffer(rich_offer(offerer), &offer_faults);
        let Ok(offered) = call.try_offer(from, &offer) else { return Ok(()) };
        prop_assert!(!offered.contains(CALLER), "{offered}");
        prop_assert!(passes_through || !offered.contains(KEY_A), "{offered}");
        prop_assert_eq!(offered.matches("\nm=").count(), offer.matches("\nm=").count());

        let answer = suffer(rich_answer(answerer, &offered), &answer_faults);
        let Ok(answered) = call.try_answer(to, &answer) else {
            prop_assert_eq!(call.negotiation.session(), None);
            return Ok(());
        };
        prop_assert!(!answered.contains(CALLEE), "{answered}");
        prop_assert!(passes_through || !answered.contains(KEY_B), "{answered}");
        prop_assert!(!offered.contains(KEY_B) && !answered.contains(KEY_A));
        prop_assert_eq!(answered.matches("\nm=").count(), offer.matches("\nm=").count());
        for stream in call.session().streams {
            for (leg, policy) in stream.legs.iter().zip(&legs) {
                let keyed = matches!(leg.security, Security::Srtp { .. } | Security::Passthrough { .. });
                prop_assert_eq!(keyed, policy.secure);
            }
        }
        // Nothing was printed that must not be.
        let printed = format!("{:?}", call.negotiation);
        prop_assert!(!printed.contains(KEY_A) && !printed.contains(KEY_B));
    }

    #[test]
    fn an_exchange_without_faults_is_accepted(legs in legs(), late in any::<bool>()) {
        let (from, to) = if late { (Side::Callee, Side::Caller) } else { (Side::Caller, Side::Callee) };
        let mut call = Call::new(legs[0].clone(), legs[1].clone());
        let offered = call.offer(from, &suffer(rich_offer(&legs[from.index()]), &[]));
        call.answer(to, &suffer(rich_answer(&legs[to.index()], &offered), &[]));
        prop_assert_eq!(call.session().streams.len(), 2);
    }

    #[test]
    fn any_sequence_of_exchanges_keeps_our_keys_and_ports(steps in prop::collection::vec((any::<bool>(), 0..4u8), 1..8)) {
        let mut call = Call::new(secure(0, &SUITES[..1]), plain(1));
        call.agree(&savp(CALLER, &[&crypto(1, SUITE_80, KEY_A)]), &avp(CALLEE));
        let agreed = call.session();
        let ports: Vec<_> = call.negotiation.local_media().collect();
        for (late, fate) in steps {
            let (from, to) = if late { (Side::Callee, Side::Caller) } else { (Side::Caller, Side::Callee) };
            let said = |side| if side == Side::Caller { savp(CALLER, &[&crypto(1, SUITE_80, KEY_A)]) } else { avp(CALLEE) };
            call.offer(from, &said(from));
            if fate != 0 {
                call.answer(to, &said(to));
            }
            match fate {
                0 | 1 => call.negotiation.reject(),
                2 => call.negotiation.confirm(),
                _ => {}
            }
            prop_assert_eq!(call.session(), agreed.clone());
        }
        prop_assert_eq!(call.negotiation.local_media().collect::<Vec<_>>(), ports);
    }
}
