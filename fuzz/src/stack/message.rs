//! What the peers write: requests and responses, right in form, with every option in its turn.

use sip_core::auth::client::{Answers, Password};
use sip_core::message::{HeaderName, Method, Request, Response, StatusCode, response_to};
use sip_core::transport::Transport;

use super::description::description;
use super::peer::{ACCOUNTS, PASSWORD, Peer, edge};
use crate::rng::SeededRng;

/// Methods within a dialog and outside.
pub(super) const METHODS: [Method; 13] = [
    Method::Bye,
    Method::Invite,
    Method::Update,
    Method::Prack,
    Method::Info,
    Method::Refer,
    Method::Notify,
    Method::Message,
    Method::Options,
    Method::Subscribe,
    Method::Register,
    Method::Publish,
    Method::Ack,
];
/// Statuses of the peers' responses.
pub(super) const STATUSES: [u16; 25] = [
    100, 180, 183, 200, 200, 202, 302, 400, 401, 404, 407, 408, 415, 420, 422, 480, 481, 486, 487,
    488, 491, 500, 503, 603, 423,
];

/// Options of a message, a bit each.
#[derive(Clone, Copy, Debug)]
pub(super) struct Options(pub(super) u8);

impl Options {
    fn has(self, bit: u8) -> bool {
        self.0 & 1 << bit != 0
    }

    /// No SDP, where there could be some.
    pub(super) fn no_sdp(self) -> bool {
        self.has(0)
    }

    fn supports(self) -> bool {
        self.has(1)
    }

    fn reliable(self) -> bool {
        self.has(2)
    }

    fn session_timer(self) -> bool {
        self.has(3)
    }

    fn routed(self) -> bool {
        self.has(4)
    }

    fn replaces(self) -> bool {
        self.has(5)
    }

    fn no_contact(self) -> bool {
        self.has(6)
    }

    /// Headers that cross to the other leg; a response comes by UDP, whatever it answers.
    pub(super) fn odd(self) -> bool {
        self.has(7)
    }
}

/// What a request says of itself.
pub(super) struct Draft {
    pub(super) peer: Peer,
    pub(super) transport: Transport,
    pub(super) method: Method,
    pub(super) uri: String,
    pub(super) from: String,
    pub(super) to: String,
    pub(super) call_id: String,
    pub(super) sequence: u32,
    /// With its cookie.
    pub(super) branch: String,
    pub(super) options: Options,
    /// Which [`description`].
    pub(super) sdp: usize,
}

impl Draft {
    /// A request outside any dialog to a number that starts with `digit`; the `count`th message.
    pub(super) fn outside(
        peer: Peer,
        transport: Transport,
        method: Method,
        digit: u8,
        count: u32,
    ) -> Draft {
        let host = edge(transport);
        Draft {
            peer,
            transport,
            method,
            uri: format!("sip:{digit}00@{host}"),
            from: format!("\"Peer\" <sip:peer@{}>;tag=f{count}", peer.ip()),
            to: format!("<sip:{digit}00@{}>", host.ip()),
            call_id: format!("c{count}@{}", peer.ip()),
            sequence: 1,
            branch: format!("z9hG4bK{count}"),
            options: Options(0),
            sdp: 0,
        }
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let Draft {
            method,
            uri,
            from,
            to,
            call_id,
            sequence,
            branch,
            options,
            ..
        } = self;
        let sent_by = self.peer.address(self.transport);
        let transport = self.transport.via_token();
        let mut text = format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/{transport} {sent_by};branch={branch};rport\r\n\
             Max-Forwards: 70\r\nFrom: {from}\r\nTo: {to}\r\nCall-ID: {call_id}\r\n\
             CSeq: {sequence} {method}\r\n"
        );
        if !options.no_contact() {
            text.push_str(&self.contact());
        }
        text.push_str(&self.lines());
        let takes_sdp = matches!(
            method,
            Method::Invite | Method::Ack | Method::Update | Method::Prack
        );
        let body = if takes_sdp && !options.no_sdp() {
            text.push_str("Content-Type: application/sdp\r\n");
            description(self.sdp, &self.peer.ip())
        } else if *method == Method::Notify {
            text.push_str("Content-Type: message/sipfrag\r\n");
            b"SIP/2.0 200 OK\r\n".to_vec()
        } else {
            Vec::new()
        };
        text.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
        [text.into_bytes(), body].concat()
    }

    /// A telephone registers in up to sixteen places.
    fn contact(&self) -> String {
        let usual = contact(self.peer, self.transport);
        match self.method {
            Method::Register => usual.replace("peer@", &format!("peer{}@", self.sdp % 16)),
            _ => usual,
        }
    }

    /// What the options and the method add.
    fn lines(&self) -> String {
        let options = self.options;
        let mut lines = String::new();
        for (is_set, line) in [
            (options.supports(), "Supported: 100rel, timer, replaces"),
            (options.reliable(), "Require: 100rel"),
            (
                options.session_timer(),
                "Session-Expires: 90;refresher=uac\r\nMin-SE: 90",
            ),
            (
                options.routed(),
                "Record-Route: <sip:192.0.2.10;lr>, <sip:203.0.113.200>",
            ),
            (
                options.replaces(),
                "Replaces: c1@192.0.2.10;to-tag=t1;from-tag=f1",
            ),
            (
                options.odd(),
                "X-Odd: \"a\r\n\tb\r\nUser-to-User: 00ff;encoding=hex\r\nPrivacy: id\r\n\
                 P-Asserted-Identity: <sip:x@y>\r\nDiversion: <tel:+1>",
            ),
        ] {
            if is_set {
                lines.push_str(line);
                lines.push_str("\r\n");
            }
        }
        lines.push_str(match self.method {
            Method::Refer => "Refer-To: <sip:200@198.51.100.1?Replaces=a%3Bto-tag%3Db>\r\n",
            Method::Prack => "RAck: 1 1 INVITE\r\n",
            Method::Notify => "Event: refer\r\nSubscription-State: terminated\r\n",
            Method::Subscribe => "Event: dialog\r\nExpires: 60\r\n",
            Method::Register => "Expires: 120\r\n",
            _ => "",
        });
        lines
    }
}

/// A response of `peer` to a request of ours; `tag` is of To.
pub(super) fn response(
    peer: Peer,
    transport: Transport,
    request: &Request,
    status: u16,
    (tag, options, sdp): (&str, Options, usize),
) -> Vec<u8> {
    let status = StatusCode::new(status).expect("one of STATUSES");
    let mut response: Response = response_to(request, status, Some(tag));
    let headers = &mut response.headers;
    if options.routed() {
        headers.push(HeaderName::RecordRoute, "<sip:192.0.2.10;lr>");
    }
    if options.reliable() && status.is_provisional() {
        headers.push(HeaderName::Require, "100rel");
        headers.push(HeaderName::RSeq, "1");
    }
    if options.session_timer() {
        headers.push(HeaderName::SessionExpires, "90;refresher=uas");
    }
    match status.code() {
        302 => headers.push(HeaderName::Contact, "<sip:302@192.0.2.20>"),
        401 => headers.push(
            HeaderName::WwwAuthenticate,
            "Digest realm=\"r\", nonce=\"n\"",
        ),
        407 => headers.push(
            HeaderName::ProxyAuthenticate,
            "Digest realm=\"r\", nonce=\"n\"",
        ),
        422 => headers.push(HeaderName::MinSe, "120"),
        423 => headers.push(HeaderName::MinExpires, "900"),
        200 if request.method == Method::Register => {
            let contact = request.headers.value(HeaderName::Contact);
            headers.push(HeaderName::Contact, contact.unwrap_or(b"*"));
            headers.push(HeaderName::Expires, "90");
        }
        503 => headers.push(HeaderName::RetryAfter, "1"),
        _ if options.no_contact() => {}
        _ => {
            let contact = contact(peer, transport);
            headers.push(HeaderName::Contact, &contact["Contact: ".len()..]);
        }
    }
    let may_describe = matches!(
        request.method,
        Method::Invite | Method::Update | Method::Prack
    );
    if may_describe && status.code() < 300 && status.code() > 100 && !options.no_sdp() {
        response = response.with_body("application/sdp", description(sdp, &peer.ip()));
    }
    response.to_bytes()
}

/// Makes the request again, with an answer to the challenge. What is wrong with it, a bit each: user,
/// password, method, nonce count, CSeq and branch.
pub(super) fn authenticate(request: &mut Request, challenge: &Response, how: u8, count: u32) {
    let is = |bit: u8| how & 1 << bit != 0;
    let headers = &mut request.headers;
    let password = if is(1) { "wrong" } else { PASSWORD };
    let password = Password::new(ACCOUNTS[usize::from(is(0))], password);
    let method = if is(2) {
        Method::Bye
    } else {
        request.method.clone()
    };
    let mut answers = Answers::default();
    answers.learn(challenge, &[]);
    let mut rng = SeededRng(u64::from(count));
    for _ in 0..=usize::from(is(3)) {
        for (name, value) in answers.lines(&password, &method, request.uri.as_str(), &mut rng) {
            headers.set(name, value);
        }
    }
    if is(4) {
        return;
    }
    if let (Ok(cseq), Ok(via)) = (headers.cseq(), headers.top_via())
        && let Some(branch) = via.branch()
    {
        // Beyond every other, or it would be the same request once more (RFC 3261 section 8.2.2.2).
        let cseq = format!("{} {}", count + 1, cseq.method);
        headers.set(HeaderName::CSeq, cseq);
        let via = via.to_string().replace(branch, &format!("z9hG4bK{count}"));
        headers.set(HeaderName::Via, via);
    }
}

fn contact(peer: Peer, transport: Transport) -> String {
    let (address, token) = (peer.address(transport), transport.uri_token());
    format!("Contact: <sip:peer@{address};transport={token}>\r\n")
}
