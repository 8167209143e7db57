//! A small SIP user agent with RTP and SRTP: one call at a time, scripted from outside.
//!
//! It checks what a person would hear: every payload that arrives is compared byte for byte
//! with what the other end sent, and every datagram of a secure leg is searched for plaintext.

mod fax;
mod media;
mod message;
mod pattern;
mod place;
mod protection;
mod sdp;
mod serving;
mod signalling;
mod tls;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use media_core::srtp::key::MasterKey;
use media_core::srtp::profile::Suite;
use rand_core::{OsRng, RngCore, TryRngCore};
use sip_core::transport::Transport;

pub use media::{Media, MediaCounts};
pub use message::SipMessage;
pub use pattern::{MARKER, PAYLOAD_LEN, Pattern};
pub use place::Place;
pub use sdp::{LocalSdp, RemoteSdp};
pub use serving::Served;
pub use signalling::{PATIENCE, Signalling, Via};
pub use tls::{Authority, Credentials, Identity};

/// Who an agent is and how it talks.
#[derive(Clone)]
pub struct AgentConfig {
    pub place: Place,
    /// User part of its address-of-record, and of its Contact.
    pub user: String,
    pub address: IpAddr,
    pub sip_port: u16,
    /// RTP; RTCP is the port above.
    pub rtp_port: u16,
    /// The RTP port in its SDP, if something else receives in its place.
    pub announced_rtp_port: Option<u16>,
    pub transport: Transport,
    /// Payload type of telephone-event that it wants to receive.
    pub events: u8,
    /// SRTP with this suite, else RTP.
    pub suite: Option<Suite>,
    /// Needed for TLS.
    pub credentials: Option<Arc<Credentials>>,
    /// The edge's listener for this agent.
    pub edge: SocketAddr,
    /// What it sends in its RTP.
    pub pattern: Pattern,
}

/// The agent's half of a dialog.
struct Dialog {
    call_id: String,
    /// From and To as they stand in requests that we send.
    local: String,
    remote: String,
    /// The peer's Contact URI.
    target: String,
    cseq: u32,
    via: Via,
    /// The tag of the crypto line that is in use.
    crypto_tag: u32,
}

/// A user agent.
pub struct Agent {
    config: AgentConfig,
    signalling: Signalling,
    key: Option<MasterKey>,
    media: Media,
    dialog: Option<Dialog>,
    remote_sdp: Option<RemoteSdp>,
    sdp_version: u32,
}

impl Agent {
    /// Opens the agent's sockets; it can be called from now on.
    pub async fn start(config: AgentConfig) -> Result<Agent> {
        let local = SocketAddr::new(config.address, config.sip_port);
        let signalling = Signalling::open(
            &config.place,
            config.transport,
            local,
            config.credentials.clone(),
        )
        .await?;
        let key = config
            .suite
            .map(|suite| MasterKey::generate(suite, &mut OsRng.unwrap_err()));
        let media = Media::open(
            &config.place,
            SocketAddr::new(config.address, config.rtp_port),
            config.pattern,
        )?;
        Ok(Agent {
            config,
            signalling,
            key,
            media,
            dialog: None,
            remote_sdp: None,
            sdp_version: 1,
        })
    }

    /// What the agent sends and receives.
    pub fn media(&self) -> &Media {
        &self.media
    }

    /// What the edge said last.
    pub fn remote_sdp(&self) -> Option<&RemoteSdp> {
        self.remote_sdp.as_ref()
    }

    /// Calls `user` through the edge; returns when the call is up, with the time from INVITE to 200.
    pub async fn call(&mut self, user: &str) -> Result<Duration> {
        let edge = self.config.edge;
        let via = self.signalling.connect(edge).await?;
        let target = format!("sip:{user}@{}{}", host(edge), self.transport_parameter());
        self.dialog = Some(Dialog {
            call_id: format!("{}@{}", token(), self.config.address),
            local: format!(
                "<sip:{}@{}>;tag={}",
                self.config.user,
                uri_host(self.config.address),
                token()
            ),
            remote: format!("<sip:{user}@{}>", host(edge)),
            target,
            cseq: 0,
            via,
            crypto_tag: 1,
        });
        let started = Instant::now();
        let offer = self.local_sdp("sendrecv");
        let invite = self.request("INVITE")?.with_sdp(&offer);
        let response = self.transact(invite).await?;
        let setup = started.elapsed();
        ensure!(
            response.status() == Some(200),
            "the call was refused: {}",
            response.start_line
        );
        let dialog = self.dialog.as_mut().context("no dialog")?;
        response.require("To")?.clone_into(&mut dialog.remote);
        dialog.target = uri_of(response.require("Contact")?)?;
        self.acknowledge().await?;
        self.use_answer(&RemoteSdp::parse(&response.body)?)?;
        Ok(setup)
    }

    /// Waits for a call and answers it at once; returns when it is up.
    pub async fn answer(&mut self) -> Result<()> {
        let (via, invite) = self.expect_request("INVITE").await?;
        let tag = token();
        let ringing = invite
            .response(180, "Ringing", &tag)
            .with("Contact", self.contact());
        self.signalling.send(via, &ringing).await?;
        let offer = RemoteSdp::parse(&invite.body)?;
        let crypto_tag = self.choose_crypto(&offer)?;
        self.dialog = Some(Dialog {
            call_id: invite.require("Call-ID")?.to_owned(),
            local: format!("{};tag={tag}", invite.require("To")?),
            remote: invite.require("From")?.to_owned(),
            target: uri_of(invite.require("Contact")?)?,
            cseq: 100,
            via,
            crypto_tag,
        });
        self.use_answer(&offer)?;
        let answer = self.local_sdp("sendrecv");
        self.accept(via, &invite, &tag, &answer).await
    }

    /// Offers `direction` in a re-INVITE; returns the direction of the answer.
    pub async fn reinvite(&mut self, direction: &str) -> Result<String> {
        self.sdp_version += 1;
        let offer = self.local_sdp(direction);
        let invite = self.request("INVITE")?.with_sdp(&offer);
        let response = self.transact(invite).await?;
        ensure!(
            response.status() == Some(200),
            "the re-INVITE was refused: {}",
            response.start_line
        );
        self.acknowledge().await?;
        let answer = RemoteSdp::parse(&response.body)?;
        self.use_answer(&answer)?;
        Ok(answer.direction)
    }

    /// Waits for a re-INVITE and accepts it; returns the direction that was offered.
    pub async fn accept_reinvite(&mut self) -> Result<String> {
        let (via, invite) = self.expect_request("INVITE").await?;
        self.take_reinvite(via, &invite).await
    }

    /// Asks the edge to connect the other side with `refer_to` instead (RFC 3515); returns when it is
    /// told that it is done.
    pub async fn refer(&mut self, refer_to: &str) -> Result<()> {
        let refer = self
            .request("REFER")?
            .with("Refer-To", format!("<{refer_to}>"));
        let response = self.transact(refer).await?;
        ensure!(
            response.status() == Some(202),
            "REFER was refused: {}",
            response.start_line
        );
        loop {
            let (via, notify) = self.expect_request("NOTIFY").await?;
            self.signalling
                .send(via, &notify.response(200, "OK", ""))
                .await?;
            // message/sipfrag: the status line of the new call (RFC 3515 section 2.4.5).
            let status = notify.body.split(' ').nth(1).unwrap_or_default();
            match status.parse::<u16>() {
                Ok(100..=199) => {}
                Ok(200) => return Ok(()),
                _ => bail!("the transfer failed: {}", notify.body.trim()),
            }
        }
    }

    /// The edge's address towards this agent, as the host of a URI.
    pub fn edge_host(&self) -> String {
        host(self.config.edge)
    }

    /// Ends the call.
    pub async fn hang_up(&mut self) -> Result<()> {
        let bye = self.request("BYE")?;
        let response = self.transact(bye).await?;
        ensure!(
            response.status() == Some(200),
            "BYE was refused: {}",
            response.start_line
        );
        self.dialog = None;
        Ok(())
    }

    /// Waits until the other side ends the call.
    pub async fn await_hang_up(&mut self) -> Result<()> {
        let (via, bye) = self.expect_request("BYE").await?;
        self.signalling
            .send(via, &bye.response(200, "OK", ""))
            .await?;
        self.dialog = None;
        Ok(())
    }

    async fn accept(
        &mut self,
        via: Via,
        invite: &SipMessage,
        tag: &str,
        answer: &str,
    ) -> Result<()> {
        let ok = invite
            .response(200, "OK", tag)
            .with("Contact", self.contact())
            .with_sdp(answer);
        self.signalling.send(via, &ok).await?;
        self.expect_request("ACK").await.map(drop)
    }

    /// Sends a request and waits for its final response.
    async fn transact(&mut self, request: SipMessage) -> Result<SipMessage> {
        let via = self.dialog.as_ref().context("no dialog")?.via;
        let (number, method) = request.cseq()?;
        self.signalling.send(via, &request).await?;
        loop {
            let (_, message) = self
                .signalling
                .receive(PATIENCE)
                .await
                .with_context(|| format!("waiting for the answer to {method}"))?;
            match message.status() {
                Some(100..=199) => {}
                Some(_) if message.cseq()? == (number, method) => return Ok(message),
                // A retransmission of something that is done.
                _ => {}
            }
        }
    }

    async fn expect_request(&mut self, method: &str) -> Result<(Via, SipMessage)> {
        loop {
            let (via, message) = self
                .signalling
                .receive(PATIENCE)
                .await
                .with_context(|| format!("waiting for {method}"))?;
            match message.method() {
                Some(found) if found == method => return Ok((via, message)),
                Some("ACK" | "INVITE") | None => {}
                Some(other) => bail!("{other} came where {method} was expected"),
            }
        }
    }

    async fn acknowledge(&mut self) -> Result<()> {
        let dialog = self.dialog.as_ref().context("no dialog")?;
        let (via, number) = (dialog.via, dialog.cseq);
        let mut ack = self.request("ACK")?;
        self.dialog.as_mut().context("no dialog")?.cseq = number;
        for (name, value) in &mut ack.headers {
            if name == "CSeq" {
                *value = format!("{number} ACK");
            }
        }
        self.signalling.send(via, &ack).await
    }

    /// A request in the dialog, with the next CSeq.
    fn request(&mut self, method: &str) -> Result<SipMessage> {
        let (contact, local) = (self.contact(), self.signalling.local());
        let transport = self.config.transport.via_token();
        let dialog = self.dialog.as_mut().context("no dialog")?;
        dialog.cseq += 1;
        Ok(
            SipMessage::new(format!("{method} {} SIP/2.0", dialog.target))
                .with(
                    "Via",
                    format!(
                        "SIP/2.0/{transport} {};branch=z9hG4bK{};rport",
                        host(local),
                        token()
                    ),
                )
                .with("Max-Forwards", "70")
                .with("From", &dialog.local)
                .with("To", &dialog.remote)
                .with("Call-ID", &dialog.call_id)
                .with("CSeq", format!("{} {method}", dialog.cseq))
                .with("Contact", contact),
        )
    }

    fn contact(&self) -> String {
        format!(
            "<sip:{}@{}{}>",
            self.config.user,
            host(self.signalling.local()),
            self.transport_parameter()
        )
    }

    fn transport_parameter(&self) -> String {
        match self.config.transport {
            Transport::Udp => String::new(),
            other => format!(";transport={}", other.uri_token()),
        }
    }

    fn local_sdp(&self, direction: &str) -> String {
        let crypto_tag = self.dialog.as_ref().map_or(1, |dialog| dialog.crypto_tag);
        LocalSdp {
            address: self.config.address,
            port: self
                .config
                .announced_rtp_port
                .unwrap_or(self.config.rtp_port),
            version: self.sdp_version,
            direction,
            events: self.config.events,
            crypto: self.key.as_ref().map(|key| (crypto_tag, key)),
        }
        .write()
    }

    /// The tag of the crypto line to answer: the one of our suite.
    fn choose_crypto(&self, offer: &RemoteSdp) -> Result<u32> {
        let Some(suite) = self.config.suite else {
            return Ok(1);
        };
        let line = offer
            .crypto
            .iter()
            .find(|(_, key)| key.suite() == suite)
            .context("no crypto line of our suite")?;
        Ok(line.0)
    }

    /// Sends media where the edge said, under the keys that were agreed.
    fn use_answer(&mut self, remote: &RemoteSdp) -> Result<()> {
        self.remote_sdp = Some(remote.clone());
        let expected = if self.key.is_some() {
            "RTP/SAVP"
        } else {
            "RTP/AVP"
        };
        ensure!(
            remote.profile == expected,
            "the edge says {}, we are {expected}",
            remote.profile
        );
        let keys = match &self.key {
            None => {
                ensure!(remote.crypto.is_empty(), "a key in the SDP of a plain leg");
                None
            }
            Some(send) => {
                let receive = remote
                    .crypto
                    .iter()
                    .find(|(_, key)| key.suite() == send.suite())
                    .context("no key in the edge's SDP")?;
                Some((send.clone(), receive.1.clone()))
            }
        };
        self.media.set_remote(remote.rtp, keys);
        self.media
            .set_event_types(remote.events, self.config.events);
        Ok(())
    }
}

/// Random text for tags, branches and Call-IDs.
pub fn token() -> String {
    format!("{:016x}", OsRng.unwrap_err().next_u64())
}

/// An address as the host of a URI (RFC 3261 section 19.1.1).
pub fn uri_host(address: IpAddr) -> String {
    if address.is_ipv6() {
        format!("[{address}]")
    } else {
        address.to_string()
    }
}

fn host(address: SocketAddr) -> String {
    address.to_string()
}

/// The URI between the angle brackets of a name-addr.
fn uri_of(contact: &str) -> Result<String> {
    let (_, rest) = contact.split_once('<').context("no < in Contact")?;
    Ok(rest
        .split_once('>')
        .context("no > in Contact")?
        .0
        .to_owned())
}
