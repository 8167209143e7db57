//! What the generator says: the caller's requests and the callee's answers.
//!
//! The user part of From carries the run and the number of the call. An edge leaves it as it is,
//! so both sides know a message's call by it, whatever becomes of Call-ID and tags on the way.

use super::scenario::Scenario;
use super::template::{Template, hex};
use super::wire::{self, Received};
use crate::media::lab::{MEDIA, SINK, SOURCE};

/// Of every call's number in this order, so that no two that are up share one.
const MEDIA_PORTS: u32 = 20_000;
const FIRST_MEDIA_PORT: u16 = 20_000;

/// Of the base64 text of key and salt, after the eight digits of the call's number: 40 digits in
/// all are the 30 bytes of AES_CM_128 (RFC 4568 section 6.2).
const KEY_REST: &str = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9";

/// The text of key and salt that the caller of that call offers.
pub fn offered_key(number: u32) -> String {
    String::from_utf8_lossy(&hex(number)).into_owned() + KEY_REST
}

/// Tells the calls of one run from those of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run(pub u16);

/// The number of the call that a message belongs to; `None` if it is of another run.
pub fn call_of(received: &Received<'_>, run: Run) -> Option<u32> {
    let from = received.header("From")?;
    let user = &from[wire::find(from, b"sip:u")? + 5..];
    let (of_run, number) = user.split_at_checked(4)?;
    (of_run == &hex(run.0.into())[4..]).then(|| wire::number(number))?
}

/// The port that both sides use for a call's media.
pub fn media_port(number: u32) -> u16 {
    FIRST_MEDIA_PORT + 2 * (number % MEDIA_PORTS) as u16
}

/// The caller's requests.
pub struct Requests {
    invite: Template,
    refused: Template,
    /// From Via to Max-Forwards and from From to CSeq, of requests within the call.
    ack_via: Template,
    bye_via: Template,
    from: Template,
    call_id: Template,
}

impl Requests {
    pub fn new(scenario: Scenario, run: Run) -> Requests {
        let (token, parameter) = match scenario {
            Scenario::Udp => ("UDP", ""),
            Scenario::TlsSrtp => ("TLS", ";transport=tls"),
        };
        let run = String::from_utf8_lossy(&hex(run.0.into())[4..]).into_owned();
        let edge = MEDIA[0];
        let via = |what: &str| {
            format!(
                "Via: SIP/2.0/{token} {SOURCE}:5060;branch=z9hG4bK-{what}-{run}-########;rport\r\nMax-Forwards: 70\r\n"
            )
        };
        let from = format!(
            "From: \"Alice Carrier\" <sip:u{run}########@carrier.example.net>;tag=f########\r\n"
        );
        let call_id = format!("Call-ID: 3848276298-{run}-########@carrier.example.net\r\n");
        let sdp = offer(scenario);
        let invite = format!(
            "INVITE sip:+12015550123@{edge}{parameter} SIP/2.0\r\n{}{from}\
             To: <sip:+12015550123@{edge}>\r\n{call_id}CSeq: 1 INVITE\r\n\
             Contact: <sip:+14085550100@{SOURCE}:5060{parameter}>\r\n\
             Allow: INVITE, ACK, CANCEL, OPTIONS, BYE, UPDATE, INFO\r\nSupported: replaces\r\n\
             User-Agent: Carrier Session Border 1.0 (build 7)\r\nContent-Type: application/sdp\r\n\
             Content-Length: {}\r\n\r\n{sdp}",
            via("i"),
            sdp.len()
        );
        let refused = format!(
            "ACK sip:+12015550123@{edge}{parameter} SIP/2.0\r\n{}{from}To: ",
            via("i")
        );
        Requests {
            invite: Template::new(&invite),
            refused: Template::new(&refused),
            ack_via: Template::new(&via("a")),
            bye_via: Template::new(&via("b")),
            from: Template::new(&from),
            call_id: Template::new(&call_id),
        }
    }

    pub fn invite(&self, out: &mut Vec<u8>, number: u32) {
        self.invite.write(out, number, media_port(number));
    }

    /// ACK of a refusal (RFC 3261 section 17.1.1.3).
    pub fn ack_refusal(&self, out: &mut Vec<u8>, number: u32, refusal: &Received<'_>) {
        self.refused.write(out, number, 0);
        out.extend_from_slice(refusal.header("To").unwrap_or_default());
        out.extend_from_slice(b"\r\n");
        self.call_id.write(out, number, 0);
        out.extend_from_slice(b"CSeq: 1 ACK\r\nContent-Length: 0\r\n\r\n");
    }

    /// ACK of a 2xx, through its route set to its Contact (RFC 3261 section 13.2.2.4).
    pub fn ack(&self, out: &mut Vec<u8>, number: u32, answer: &Received<'_>) -> Option<()> {
        self.within(out, number, answer, (&self.ack_via, "ACK", "1 ACK"))
    }

    pub fn bye(&self, out: &mut Vec<u8>, number: u32, answer: &Received<'_>) -> Option<()> {
        self.within(out, number, answer, (&self.bye_via, "BYE", "2 BYE"))
    }

    /// `None` if the answer has no Contact or To.
    fn within(
        &self,
        out: &mut Vec<u8>,
        number: u32,
        answer: &Received<'_>,
        (via, method, cseq): (&Template, &str, &str),
    ) -> Option<()> {
        let target = wire::uri(answer.header("Contact")?);
        let to = answer.header("To")?;
        for part in [method.as_bytes(), b" ", target, b" SIP/2.0\r\n"] {
            out.extend_from_slice(part);
        }
        via.write(out, number, 0);
        // The route set of a caller is the Record-Route from the last to the first (section 12.1.2).
        let routes: Vec<&[u8]> = answer
            .lines()
            .filter_map(|line| wire::value(line, "Record-Route"))
            .flat_map(|value| value.split(|byte| *byte == b','))
            .collect();
        for route in routes.iter().rev() {
            for part in [b"Route: ", route.trim_ascii(), b"\r\n"] {
                out.extend_from_slice(part);
            }
        }
        self.from.write(out, number, 0);
        for part in [b"To: ".as_slice(), to, b"\r\n"] {
            out.extend_from_slice(part);
        }
        self.call_id.write(out, number, 0);
        for part in ["CSeq: ", cseq, "\r\nContent-Length: 0\r\n\r\n"] {
            out.extend_from_slice(part.as_bytes());
        }
        Some(())
    }
}

/// The callee's answers.
pub struct Answers {
    body: Template,
}

impl Default for Answers {
    fn default() -> Answers {
        Answers::new()
    }
}

impl Answers {
    pub fn new() -> Answers {
        Answers {
            body: Template::new(&plain_sdp(&SINK.to_string(), "4711")),
        }
    }

    pub fn ringing(&self, out: &mut Vec<u8>, number: u32, request: &Received<'_>) {
        echo(out, b"180 Ringing", Some(number), request);
        out.extend_from_slice(CONTACT);
        out.extend_from_slice(b"Content-Length: 0\r\n\r\n");
    }

    pub fn answered(&self, out: &mut Vec<u8>, number: u32, request: &Received<'_>) {
        echo(out, b"200 OK", Some(number), request);
        out.extend_from_slice(CONTACT);
        out.extend_from_slice(b"Allow: INVITE, ACK, CANCEL, OPTIONS, BYE, UPDATE, INFO\r\n");
        out.extend_from_slice(b"Content-Type: application/sdp\r\nContent-Length: ");
        let mut body = Vec::with_capacity(256);
        self.body.write(&mut body, number, media_port(number));
        out.extend_from_slice(body.len().to_string().as_bytes());
        out.extend_from_slice(b"\r\n\r\n");
        out.extend_from_slice(&body);
    }

    /// 200 to anything without a body.
    pub fn done(&self, out: &mut Vec<u8>, request: &Received<'_>) {
        echo(out, b"200 OK", None, request);
        out.extend_from_slice(b"Content-Length: 0\r\n\r\n");
    }
}

const CONTACT: &[u8] = b"Contact: <sip:pbx@198.51.100.10:5060>\r\n";

/// Status line and the headers that a response copies (RFC 3261 section 8.2.6.2); a To tag where
/// there is none.
fn echo(out: &mut Vec<u8>, status: &[u8], number: Option<u32>, request: &Received<'_>) {
    for part in [b"SIP/2.0 ", status, b"\r\n"] {
        out.extend_from_slice(part);
    }
    for line in request.lines() {
        let is_to = wire::value(line, "To").is_some();
        let is_copied = is_to
            || ["Via", "From", "Call-ID", "CSeq", "Record-Route"]
                .iter()
                .any(|name| wire::value(line, name).is_some());
        if !is_copied {
            continue;
        }
        out.extend_from_slice(line);
        if is_to && wire::find(line, b";tag=").is_none() {
            out.extend_from_slice(b";tag=t");
            out.extend_from_slice(&hex(number.unwrap_or_default()));
        }
        out.extend_from_slice(b"\r\n");
    }
}

fn offer(scenario: Scenario) -> String {
    let plain = plain_sdp(&SOURCE.to_string(), "20518");
    match scenario {
        Scenario::Udp => plain,
        Scenario::TlsSrtp => {
            plain.replace("RTP/AVP", "RTP/SAVP")
                + &format!("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:########{KEY_REST}\r\n")
        }
    }
}

fn plain_sdp(address: &str, session: &str) -> String {
    format!(
        "v=0\r\no=- {session} 1 IN IP4 {address}\r\ns=-\r\nc=IN IP4 {address}\r\nt=0 0\r\n\
         m=audio @@@@@ RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\n\
         a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n"
    )
}

#[cfg(test)]
mod tests {
    use sip_core::message::Message;

    use super::*;

    fn cut(bytes: &[u8]) -> Received<'_> {
        Received::cut(bytes).unwrap()
    }

    #[test]
    fn a_call_is_made_of_messages_that_a_strict_parser_takes() {
        for scenario in [Scenario::Udp, Scenario::TlsSrtp] {
            let requests = Requests::new(scenario, Run(7));
            let (mut invite, mut ok, mut ack) = (Vec::new(), Vec::new(), Vec::new());
            requests.invite(&mut invite, 42);
            assert_eq!(call_of(&cut(&invite), Run(7)), Some(42));
            assert_eq!(call_of(&cut(&invite), Run(8)), None);
            Answers::new().answered(&mut ok, 42, &cut(&invite));
            assert_eq!(call_of(&cut(&ok), Run(7)), Some(42));
            requests.ack(&mut ack, 42, &cut(&ok)).unwrap();
            assert!(ack.starts_with(b"ACK sip:pbx@198.51.100.10:5060 SIP/2.0\r\n"));
            for message in [invite, ok, ack] {
                Message::parse(&message).unwrap();
            }
        }
    }

    #[test]
    fn requests_within_the_call_follow_the_record_route_backwards() {
        let answer = b"SIP/2.0 200 OK\r\nContact: <sip:c@d>\r\nTo: <sip:t>;tag=1\r\n\
            Record-Route: <sip:a;lr>, <sip:b;lr>\r\nRecord-Route: <sip:c;lr>\r\n\r\n";
        let mut bye = Vec::new();
        let requests = Requests::new(Scenario::Udp, Run(1));
        requests.bye(&mut bye, 1, &cut(answer)).unwrap();
        let routes: Vec<&[u8]> = cut(&bye)
            .lines()
            .filter_map(|line| wire::value(line, "Route"))
            .collect();
        assert_eq!(routes, [b"<sip:c;lr>", b"<sip:b;lr>", b"<sip:a;lr>"]);
    }
}
