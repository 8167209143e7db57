//! Every code of the table is given by a flow: in the response or BYE, in the record, in an event.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use media_core::session::Side;
use sip_core::message::{HeaderName, Method, Request, Uri};
use sip_core::refusal::Refusal;
use sip_core::stack::{StackConfig, TransferHow};
use sip_core::transport::TlsPeer;
use sip_core::trunk::RouteTo;

use crate::sim::{Agent, CALLEE, CALLER, Profile, Wire, World, config};

/// What makes a refusal of the table happen.
enum Source {
    /// A call that leaves the code in a record and in an event, and tells an agent of it.
    Call(fn() -> World),
    /// Not a call of this simulation's; where it is made and tested instead.
    Elsewhere(&'static str),
}

use Source::{Call, Elsewhere};

const SOURCES: &[(Refusal, Source)] = &[
    (
        Refusal::LIMIT,
        Call(|| invited(with(UDP, |config| config.max_calls = 0), |_| {})),
    ),
    (
        Refusal::CALL_TOO_LONG,
        Call(|| {
            let mut world = with(UDP, |config| {
                config.trunks[CALLEE].limits.length = Some(Duration::from_secs(60));
            });
            world.establish();
            world
        }),
    ),
    (
        Refusal::OVERLOADED,
        Call(|| {
            invited(
                with(UDP, |config| config.calls_per_second = Some(0)),
                |_| {},
            )
        }),
    ),
    (
        Refusal::DRAINING,
        Call(|| {
            let mut world = World::new(UDP, 1);
            world.stack.set_draining(true);
            invited(world, |_| {})
        }),
    ),
    (
        Refusal::OPERATOR,
        Call(|| {
            let mut world = World::new(UDP, 1);
            world.establish();
            let call = world.live().call;
            let done = world.operate(|stack, now| stack.hang_up(now, call));
            done.expect("a call");
            world
        }),
    ),
    (Refusal::TRANSFERRED, Call(moved)),
    (
        Refusal::ALL_TARGETS_FAILED,
        Call(|| {
            let mut world = World::new(UDP, 1);
            world.unreachable[CALLEE] = true;
            invited(world, |_| {})
        }),
    ),
    (
        Refusal::NO_ROUTE,
        Call(|| invited(with(UDP, |config| config.routes.clear()), |_| {})),
    ),
    (
        Refusal::NO_MEDIA_PORT,
        Call(|| {
            let world = World::new(UDP, 1);
            world.ports.exhaust();
            invited(world, |_| {})
        }),
    ),
    (
        Refusal::NO_ANSWER,
        Call(|| invited(World::new(UDP, 1), |_| {})),
    ),
    (
        Refusal::ACK_MISSING,
        Call(|| {
            let mut world = World::new(UDP, 1);
            world.caller().manners.acknowledges = false;
            world.callee().manners.invite = Some(200);
            invited(world, |_| {})
        }),
    ),
    (
        Refusal::SHUTTING_DOWN,
        Call(|| {
            let mut world = World::new(UDP, 1);
            world.establish();
            world.shut_down();
            world
        }),
    ),
    (
        Refusal::DIALOG_LOST,
        Call(|| {
            let mut world = World::new(UDP, 1);
            world.establish();
            world.callee().manners.reinvite = Some(481);
            world.tell(CALLER, |agent, now| agent.reinvite(now, "sendrecv"));
            world
        }),
    ),
    (
        Refusal::PRACK_MISSING,
        Call(|| {
            let mut world = World::new(UDP, 1);
            world.caller().manners.pracks = false;
            let mut world = invited(world, |invite| {
                invite.headers.push(HeaderName::Require, "100rel");
            });
            world.run_ms(100);
            world.tell(CALLEE, |agent, now| agent.respond(now, 183));
            world
        }),
    ),
    (
        Refusal::SESSION_EXPIRED,
        Call(|| {
            let mut world = World::new(UDP, 1);
            let expires = "300;refresher=uas".to_owned();
            world.callee().manners.extra = vec![("Session-Expires", expires)];
            world.establish();
            world
        }),
    ),
    (
        Refusal::INTERVAL_TOO_SMALL,
        Call(|| {
            invited(World::new(UDP, 1), |invite| {
                invite.headers.push(HeaderName::Supported, "timer");
                invite.headers.push(HeaderName::SessionExpires, "1");
            })
        }),
    ),
    (
        Refusal::MEDIA_FAILED,
        Call(|| {
            let mut world = World::new(UDP, 1);
            world.establish();
            world.media_failure();
            world
        }),
    ),
    (
        Refusal::ROUTE_REJECTED,
        Call(|| {
            let reject = |config: &mut StackConfig| config.routes[0].to = RouteTo::Reject(603);
            invited(with(UDP, reject), |_| {})
        }),
    ),
    (
        Refusal::ACL,
        Call(|| {
            let stranger = |config: &mut StackConfig| config.trunks[CALLER].acl.clear();
            invited(with(UDP, stranger), |_| {})
        }),
    ),
    (Refusal::CREDENTIALS, Call(|| declined(401))),
    (
        Refusal::UNKNOWN_DOMAIN,
        Call(|| {
            let world = with(UDP, |config| {
                config.trunks[CALLER].domains = vec!["a.sip.example.com".to_owned()];
            });
            invited(world, |_| {})
        }),
    ),
    (
        Refusal::SRTP_UNUSABLE,
        Call(|| {
            invited(World::new([Wire::Srtp, Wire::Udp], 1), |invite| {
                replace(invite, "AES_CM_128_HMAC_SHA1_80", "NULL_HMAC_SHA1_80");
            })
        }),
    ),
    (
        Refusal::SRTP_REQUIRED,
        Call(|| {
            let mut world = World::new([Wire::Srtp, Wire::Udp], 1);
            world.caller().profile = Profile::Rtp;
            invited(world, |_| {})
        }),
    ),
    (
        Refusal::TLS_REQUIRED,
        Call(|| {
            let world = with(UDP, |config| {
                config.trunks[CALLER].mode = Wire::Tls.mode();
            });
            invited(world, |_| {})
        }),
    ),
    (
        Refusal::NO_COMMON_CODEC,
        Call(|| {
            invited(World::new(UDP, 1), |invite| {
                replace(invite, "PCMU/8000", "L16/8000");
            })
        }),
    ),
    (
        Refusal::UNUSABLE_ADDRESS,
        Call(|| {
            invited(World::new(UDP, 1), |invite| {
                replace(invite, "c=IN IP4 192.0.2.10", "c=IN IP4 media.example.com");
            })
        }),
    ),
    (
        Refusal::TRANSFER,
        Elsewhere(
            "transfer.rs: REFER is refused within a call, which goes on and has no other end",
        ),
    ),
    (
        Refusal::NO_DIALOG,
        Call(|| {
            invited(World::new(UDP, 1), |invite| {
                let nobody = "nothing;to-tag=1;from-tag=2";
                invite.headers.push(HeaderName::Replaces, nobody);
            })
        }),
    ),
    (
        Refusal::REDIRECT,
        Call(|| {
            let mut world = World::new(UDP, 1);
            let manners = &mut world.callee().manners;
            manners.invite = Some(302);
            let private = "<sip:+200@10.0.0.1>".to_owned();
            manners.extra.push(("Contact", private));
            invited(world, |_| {})
        }),
    ),
    (
        Refusal::AUTH_THROTTLED,
        Elsewhere("authentication.rs: it takes several guesses at once"),
    ),
    (
        Refusal::REGISTRATION_TOO_BRIEF,
        Elsewhere("registrar.rs: a REGISTER is no call"),
    ),
    (
        Refusal::TOO_MANY_BINDINGS,
        Elsewhere("registrar.rs: a REGISTER is no call"),
    ),
    (
        Refusal::REGISTER_OUT_OF_ORDER,
        Elsewhere("sip-core/src/registrar/tests.rs: a REGISTER is no call"),
    ),
    (
        Refusal::NOT_REGISTERED,
        Elsewhere("ringing.rs: it takes an account"),
    ),
    (
        Refusal::NO_ACCOUNTS,
        Elsewhere("registrar.rs: a REGISTER is no call"),
    ),
    (
        Refusal::TLS_VERSION,
        Elsewhere("sip-control/src/transport: no SIP message is read"),
    ),
    (
        Refusal::CERTIFICATE,
        Call(|| {
            let world = with([Wire::Tls, Wire::Udp], |config| {
                config.trunks[CALLER].needs_certificate = true;
            });
            invited(world, |_| {})
        }),
    ),
    (
        Refusal::SERVER_NAME,
        Call(|| {
            let mut world = with([Wire::Tls, Wire::Udp], |config| {
                config.trunks[CALLER].domains = vec!["203.0.113.1".to_owned()];
                config.trunks[CALLER].refuse_other_server_names = true;
                config.trunks[CALLEE].domains = vec!["pbx.example".to_owned()];
            });
            world.tls[CALLER] = Some(Arc::new(TlsPeer {
                server_name: Some("pbx.example".to_owned()),
                proven: Vec::new(),
            }));
            invited(world, |_| {})
        }),
    ),
    (
        Refusal::MEDIA_TIMEOUT,
        Call(|| {
            let mut world = World::new(UDP, 1);
            world.establish();
            world.media_timeout();
            world
        }),
    ),
    (
        Refusal::MALFORMED,
        Call(|| {
            invited(World::new(UDP, 1), |invite| {
                invite.headers.remove(HeaderName::Contact);
            })
        }),
    ),
    (
        Refusal::NO_SDP,
        Call(|| {
            let mut world = World::new(UDP, 1);
            world.tell(CALLER, Agent::invite);
            world.run_ms(100);
            world.tell(CALLEE, |agent, now| {
                agent.respond_edited(now, 200, |answer| answer.body.clear());
            });
            world
        }),
    ),
    (
        Refusal::TOO_MANY_HOPS,
        Call(|| {
            invited(World::new(UDP, 1), |invite| {
                invite.headers.set(HeaderName::MaxForwards, "0");
            })
        }),
    ),
    (
        Refusal::MERGED,
        Call(|| {
            let mut world = World::new(UDP, 1);
            let invite = world.caller().new_invite("+200", true);
            world.tell(CALLER, |agent, now| agent.send_outside(now, invite.clone()));
            world.run_ms(100);
            world.tell(CALLER, |agent, now| agent.send_outside(now, invite));
            world
        }),
    ),
    (
        Refusal::BAD_EXTENSION,
        Call(|| {
            invited(World::new(UDP, 1), |invite| {
                invite.headers.push(HeaderName::Require, "teleportation");
            })
        }),
    ),
    (
        Refusal::MEDIA_TYPE,
        Call(|| {
            invited(World::new(UDP, 1), |invite| {
                invite.headers.set(HeaderName::ContentType, "image/png");
            })
        }),
    ),
    (
        Refusal::URI_SCHEME,
        Call(|| {
            invited(World::new(UDP, 1), |invite| {
                invite.uri = Uri::parse(b"urn:service:sos").expect("a URI");
            })
        }),
    ),
    (
        Refusal::SDP_NOT_ACCEPTED,
        Call(|| {
            invited(World::new(UDP, 1), |invite| {
                invite.headers.set(HeaderName::Accept, "text/plain");
            })
        }),
    ),
];

const UDP: [Wire; 2] = [Wire::Udp, Wire::Udp];

fn with(wires: [Wire; 2], edit: impl FnOnce(&mut StackConfig)) -> World {
    let mut config = config(wires);
    edit(&mut config);
    World::with_config(wires, 1, config)
}

/// The caller calls, with an INVITE changed by `edit`.
fn invited(mut world: World, edit: impl FnOnce(&mut Request)) -> World {
    let mut invite = world.caller().new_invite("+200", true);
    edit(&mut invite);
    world.tell(CALLER, |agent, now| agent.send_invite(now, invite));
    world
}

/// The callee answers with that status.
fn declined(status: u16) -> World {
    let mut world = World::new(UDP, 1);
    world.callee().manners.invite = Some(status);
    invited(world, |_| {})
}

/// The callee was sent REFER, and says that it is through.
fn moved() -> World {
    let mut world = World::new(UDP, 1);
    world.establish();
    let call = world.live().call;
    let how = TransferHow::Refer;
    let done = world.operate(|stack, now| stack.transfer(now, call, Side::Callee, "+300", how));
    done.expect("REFER is sent");
    world.run_ms(100);
    world.tell(CALLEE, |agent, now| {
        agent.request(now, Method::Notify, |notify| {
            notify.headers.push(HeaderName::Event, "refer");
            notify.body = b"SIP/2.0 200 OK".to_vec();
        });
    });
    world
}

fn replace(invite: &mut Request, from: &str, to: &str) {
    let body = String::from_utf8(invite.body.clone()).expect("text");
    assert!(body.contains(from), "{body}");
    invite.body = body.replace(from, to).into_bytes();
}

#[test]
fn every_code_is_given_by_a_flow_in_response_record_and_event() {
    let sources: BTreeSet<u32> = SOURCES.iter().map(|(refusal, _)| refusal.code).collect();
    let table: BTreeSet<u32> = Refusal::ALL.iter().map(|refusal| refusal.code).collect();
    assert_eq!(sources, table, "each code of the table needs a source here");
    for (refusal, source) in SOURCES {
        match source {
            Call(run) => assert_given(refusal, run()),
            Elsewhere(place) => assert!(!place.is_empty()),
        }
    }
}

fn assert_given(refusal: &Refusal, mut world: World) {
    // Longer than any timer of a call.
    world.run_for(Duration::from_secs(400));
    let code = &refusal.code;
    let record = world
        .records
        .iter()
        .find(|record| record.code == Some(*code))
        .unwrap_or_else(|| panic!("no record says {code}: {:?}", world.records));
    assert!(!record.reason.is_empty(), "{code}");
    let told = |event: &sip_core::stack::Event| event.code == Some(*code);
    assert!(world.events.iter().any(told), "no event says {code}");
    let header = refusal.reason_header();
    let heard = world.agents.iter().flat_map(|agent| &agent.received);
    let says = |headers: &sip_core::message::Headers| {
        headers
            .values(HeaderName::Reason)
            .any(|reason| reason == header.as_bytes())
    };
    let mut telling = heard.filter(|message| says(message.headers()));
    assert!(telling.next().is_some(), "nobody was told {code}");
    if refusal.status == 488 {
        let invites = world.agents[CALLER].responses(&Method::Invite);
        let warned = invites.iter().any(|response| {
            response
                .headers
                .value(HeaderName::Warning)
                .is_some_and(|warning| String::from_utf8_lossy(warning).contains(&code.to_string()))
        });
        assert!(warned, "no Warning with {code}");
    }
}
