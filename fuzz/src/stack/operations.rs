//! The operations themselves: each takes its bytes from the input.

use std::time::Duration;

use media_core::report::{Digit, MediaEvent};
use media_core::session::{CallId, Side};
use sip_core::message::{HeaderName, Message, Method, Response, StatusCode};
use sip_core::stack::TransportFailure;
use sip_core::transport::{Origin, Transport};

use super::description::KEYS;
use super::message::{self, Draft, METHODS, Options, STATUSES};
use super::peer::{self, COUNT, Peer, TRANSPORTS};
use super::world::World;
use super::{OPERATIONS, Operation};
use crate::input::Input;

impl World {
    pub(super) fn operate(&mut self, input: &mut Input<'_>) {
        match input.one_of(&OPERATIONS) {
            Operation::Invite => self.invite(input),
            Operation::Respond => self.respond(input),
            Operation::Within => self.within(input),
            Operation::Acknowledge => self.acknowledge(input),
            Operation::Cancel => self.cancel(input),
            Operation::Advance => self.advance(input.byte()),
            Operation::Fail => self.fail(input.byte()),
            Operation::Close => self.close(input),
            Operation::Media => self.media(input),
            Operation::Outside => self.outside(input),
            Operation::Resend => self.resend(input),
            Operation::Spoil => self.spoil(input),
            Operation::Raw => self.raw(input),
            Operation::Authenticate => self.authenticate(input),
            Operation::Resolve => self.resolve(input),
            Operation::Control => self.control(input),
            Operation::Reconfigure => self.stack.reconfigure(peer::trunks(), peer::routes()),
        }
    }

    fn raw(&mut self, input: &mut Input<'_>) {
        let (peer, transport) = by(input);
        let length = usize::from(input.byte());
        let bytes = input.bytes(length).to_vec();
        // libFuzzer finds out what is looked for in events and records.
        let written = String::from_utf8_lossy(&bytes);
        if !KEYS.iter().any(|key| written.contains(key)) {
            self.receive(peer, transport, bytes);
        }
    }

    fn invite(&mut self, input: &mut Input<'_>) {
        let (peer, transport) = by(input);
        let digit = input.byte() % 6;
        self.count += 1;
        let draft = Draft {
            options: Options(input.byte()),
            sdp: usize::from(input.byte()),
            ..Draft::outside(peer, transport, Method::Invite, digit, self.count)
        };
        self.receive(peer, transport, draft.bytes());
    }

    fn outside(&mut self, input: &mut Input<'_>) {
        let (peer, transport) = by(input);
        let method = METHODS[input.below(METHODS.len())].clone();
        let digit = input.byte() % 6;
        self.count += 1;
        let draft = Draft {
            options: Options(input.byte()),
            sdp: usize::from(input.byte()),
            ..Draft::outside(peer, transport, method, digit, self.count)
        };
        self.receive(peer, transport, draft.bytes());
    }

    /// The request that we challenged comes again with credentials.
    fn authenticate(&mut self, input: &mut Input<'_>) {
        let which = input.byte();
        let how = input.byte();
        let Some((response, _)) = self.latest(which, |message| match message {
            Message::Response(response) if response.status == StatusCode::UNAUTHORIZED => {
                Some(response.clone())
            }
            _ => None,
        }) else {
            return;
        };
        let Some((origin, mut request)) = self.request_of(&response) else {
            return;
        };
        self.count += 1;
        message::authenticate(&mut request, &response, how, self.count);
        self.receive_by(origin, request.to_bytes());
    }

    fn respond(&mut self, input: &mut Input<'_>) {
        let which = input.byte();
        let status = input.one_of(&STATUSES);
        let tag = format!("t{}", input.byte() % 3);
        let (options, sdp) = (Options(input.byte()), usize::from(input.byte()));
        let Some((request, target)) = self.latest(which, |message| match message {
            Message::Request(request) if request.method != Method::Ack => Some(request.clone()),
            _ => None,
        }) else {
            return;
        };
        let Some(peer) = Peer::at(&target.host) else {
            return;
        };
        let terms = (tag.as_str(), options, sdp);
        let bytes = message::response(peer, target.transport, &request, status, terms);
        let transport = if options.odd() {
            Transport::Udp
        } else {
            target.transport
        };
        self.receive(peer, transport, bytes);
    }

    /// A request of the peer in a dialog: made by its INVITE and our response, or by ours.
    fn within(&mut self, input: &mut Input<'_>) {
        let which = input.byte();
        let method = METHODS[input.below(METHODS.len())].clone();
        let tag = format!(";tag=t{}", input.byte() % 3);
        let sequence = u32::from(input.byte());
        let (options, sdp) = (Options(input.byte()), usize::from(input.byte()));
        let Some((message, target)) = self.latest(which, |message| {
            let makes_dialog = match message {
                Message::Request(request) => request.method == Method::Invite,
                Message::Response(response) => is_to_invite(response),
            };
            makes_dialog.then(|| message.clone())
        }) else {
            return;
        };
        let Some(peer) = Peer::at(&target.host) else {
            return;
        };
        let value = |name| text(message.headers().value(name));
        let (from, to) = (value(HeaderName::From), value(HeaderName::To));
        let (from, to) = match &message {
            Message::Request(_) if to.contains(";tag=") => (to, from),
            Message::Request(_) => (to + &tag, from),
            Message::Response(_) => (from, to),
        };
        self.count += 1;
        let draft = Draft {
            peer,
            transport: target.transport,
            method,
            uri: uri_of_contact(&message),
            from,
            to,
            call_id: value(HeaderName::CallId),
            sequence,
            branch: format!("z9hG4bK{}", self.count),
            options,
            sdp,
        };
        self.receive(peer, target.transport, draft.bytes());
    }

    fn acknowledge(&mut self, input: &mut Input<'_>) {
        let which = input.byte();
        let sdp = usize::from(input.byte());
        let Some((response, target)) = self.latest(which, |message| match message {
            Message::Response(response) if is_to_invite(response) && response.status.is_final() => {
                Some(response.clone())
            }
            _ => None,
        }) else {
            return;
        };
        let Some(peer) = Peer::at(&target.host) else {
            return;
        };
        self.count += 1;
        let value = |name| text(response.headers.value(name));
        let own_branch = response.headers.top_via().ok();
        let own_branch = own_branch.and_then(|via| via.branch().map(str::to_owned));
        let branch = match own_branch {
            Some(branch) if !response.status.is_success() => branch,
            _ => format!("z9hG4bK{}", self.count),
        };
        let draft = Draft {
            peer,
            transport: target.transport,
            method: Method::Ack,
            uri: uri_of_contact(&Message::Response(response.clone())),
            from: value(HeaderName::From),
            to: value(HeaderName::To),
            call_id: value(HeaderName::CallId),
            sequence: response.headers.cseq().map_or(1, |cseq| cseq.number),
            branch,
            options: Options(u8::from(sdp & 0x80 == 0)),
            sdp,
        };
        self.receive(peer, target.transport, draft.bytes());
    }

    fn cancel(&mut self, input: &mut Input<'_>) {
        let which = usize::from(input.byte());
        let invites: Vec<&(Origin, Vec<u8>)> = self
            .came
            .iter()
            .rev()
            .filter(|(_, bytes)| bytes.starts_with(b"INVITE "))
            .collect();
        let Some((origin, bytes)) = invites.get(which % invites.len().max(1)) else {
            return;
        };
        let head = String::from_utf8_lossy(bytes).replace("INVITE", "CANCEL");
        let end = head.find("Contact:").unwrap_or(head.len());
        let bytes = format!("{}Content-Length: 0\r\n\r\n", &head[..end]).into_bytes();
        let origin = origin.clone();
        self.receive_by(origin, bytes);
    }

    /// To the next timer, or for up to six minutes.
    fn advance(&mut self, how: u8) {
        let until = match how {
            0..64 => self.stack.poll_timeout().unwrap_or(self.now),
            _ => {
                let step = u64::from(how - 64);
                self.now + Duration::from_millis(step * step * 10)
            }
        };
        self.run_until(until);
    }

    fn fail(&mut self, which: u8) {
        let count = self.sent.len();
        if count == 0 {
            return;
        }
        let (_, _, id) = &self.sent[count - 1 - usize::from(which) % count];
        let failure = TransportFailure {
            id: id.clone(),
            reason: "refused".to_owned(),
            handshake_refused: which % 2 == 1,
        };
        self.stack.handle_transport_failure(self.now, failure);
    }

    fn close(&mut self, input: &mut Input<'_>) {
        if let Some(connection) = self.connections.remove(&by(input)) {
            self.stack.handle_connection_closed(self.now, connection);
        }
    }

    fn media(&mut self, input: &mut Input<'_>) {
        let what = input.below(5);
        let from = input.one_of(&[Side::Caller, Side::Callee]);
        let known: Vec<CallId> = self.seen.sessions.keys().copied().collect();
        let which = input.byte();
        let call = known.get(usize::from(which) % known.len().max(1));
        let call = call.copied().unwrap_or(CallId(u64::from(which)));
        let event = match what {
            0 => MediaEvent::Timeout {
                call,
                silent_for: Duration::from_secs(60),
            },
            1 => MediaEvent::Failed {
                call,
                reason: "no next hop".to_owned(),
            },
            2 => MediaEvent::Digit {
                call,
                from,
                digit: Digit::from_event_code(which % 16).expect("sixteen of them"),
            },
            _ => return self.flows_are_gone(),
        };
        self.stack.handle_media(self.now, event);
    }

    fn resolve(&mut self, input: &mut Input<'_>) {
        let Some(asked) = self.asked.pop_front() else {
            return;
        };
        let transport = asked.transports[input.below(asked.transports.len())];
        let hops = [input.byte(), input.byte()]
            .map(|which| Peer::chosen(usize::from(which)).hop(transport));
        let found = match input.below(4) {
            0 => Err("it does not exist".to_owned()),
            1 => Ok(Vec::new()),
            count => Ok(hops[..count - 1].to_vec()),
        };
        self.stack.handle_resolved(self.now, asked.id, found);
    }

    fn resend(&mut self, input: &mut Input<'_>) {
        let Some((mut origin, bytes)) = self.remembered(input.byte()) else {
            return;
        };
        let other = input.byte();
        if other != 0 {
            let (peer, transport) = by(&mut Input::new(&[other]));
            origin = self.origin(peer, transport);
        }
        self.receive_by(origin, bytes);
    }

    fn spoil(&mut self, input: &mut Input<'_>) {
        let Some((origin, mut bytes)) = self.remembered(input.byte()) else {
            return;
        };
        for _ in 0..=input.byte() % 4 {
            let at = usize::from(input.u16()) % bytes.len().max(1);
            let what = input.byte();
            match what {
                0..32 => drop(bytes.drain(at..bytes.len().min(at + usize::from(what)))),
                _ => bytes[at..]
                    .first_mut()
                    .into_iter()
                    .for_each(|byte| *byte = what),
            }
        }
        self.receive_by(origin, bytes);
    }
}

/// One byte: who, and by what transport.
fn by(input: &mut Input<'_>) -> (Peer, Transport) {
    let byte = usize::from(input.byte());
    let peer = Peer::chosen(byte);
    let transport = match byte / COUNT % 4 {
        0 => peer.usual_transport(),
        other => TRANSPORTS[other - 1],
    };
    (peer, transport)
}

fn is_to_invite(response: &Response) -> bool {
    response
        .headers
        .cseq()
        .is_ok_and(|cseq| cseq.method == Method::Invite)
}

fn text(value: Option<&[u8]>) -> String {
    String::from_utf8_lossy(value.unwrap_or_default()).into_owned()
}

/// Where requests in the dialog of a message of ours go.
fn uri_of_contact(message: &Message) -> String {
    let contact = message.headers().contact().ok().flatten();
    contact.map_or_else(
        || "sip:edge@198.51.100.1".to_owned(),
        |contact| contact.uri().to_string(),
    )
}
