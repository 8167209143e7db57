//! An agent within a call that others decide of: it answers what comes until the other side hangs up.

use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::time::Instant;

use super::{Agent, RemoteSdp, Via};
use crate::agent::SipMessage;

/// How a while within a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Served {
    /// The call goes on.
    TimeIsUp,
    /// The other side has hung up.
    HungUp,
}

impl Agent {
    /// Answers what comes within the call for that long: takes part in a hold, confirms that it is
    /// there, declines to transfer.
    pub async fn serve(&mut self, patience: Duration) -> Result<Served> {
        let until = Instant::now() + patience;
        loop {
            let received = tokio::time::timeout_at(until, self.signalling.receive(patience));
            let (via, message) = match received.await {
                Ok(Ok(received)) => received,
                // The agent's own limit is the same time, and may come first.
                Ok(Err(_)) if Instant::now() >= until => return Ok(Served::TimeIsUp),
                Ok(Err(error)) => return Err(error),
                Err(_) => return Ok(Served::TimeIsUp),
            };
            if self.take_request(via, &message).await? == Served::HungUp {
                return Ok(Served::HungUp);
            }
        }
    }

    async fn take_request(&mut self, via: Via, request: &SipMessage) -> Result<Served> {
        match request.method() {
            Some("INVITE") => {
                if self.is_in_dialog(request) {
                    self.take_reinvite(via, request).await?;
                }
            }
            Some("BYE") => {
                let ok = request.response(200, "OK", "");
                self.signalling.send(via, &ok).await?;
                self.dialog = None;
                return Ok(Served::HungUp);
            }
            Some("OPTIONS" | "INFO" | "UPDATE" | "NOTIFY") => {
                let ok = request.response(200, "OK", "");
                self.signalling.send(via, &ok).await?;
            }
            // A retransmission of what is done, or an answer to it.
            Some("ACK") | None => {}
            Some(_) => {
                let refusal = request
                    .response(405, "Method Not Allowed", "")
                    .with("Allow", "INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, UPDATE");
                self.signalling.send(via, &refusal).await?;
            }
        }
        Ok(Served::TimeIsUp)
    }

    fn is_in_dialog(&self, request: &SipMessage) -> bool {
        let current = self.dialog.as_ref().map(|dialog| dialog.call_id.as_str());
        current.is_some() && current == request.require("Call-ID").ok()
    }

    /// Accepts a re-INVITE; returns the direction that was offered.
    pub(super) async fn take_reinvite(&mut self, via: Via, invite: &SipMessage) -> Result<String> {
        let offer = RemoteSdp::parse(&invite.body)?;
        let crypto_tag = self.choose_crypto(&offer)?;
        self.dialog.as_mut().context("no dialog")?.crypto_tag = crypto_tag;
        self.use_answer(&offer)?;
        self.sdp_version += 1;
        // RFC 3264 section 6.1.
        let answer = self.local_sdp(match offer.direction.as_str() {
            "sendonly" => "recvonly",
            "recvonly" => "sendonly",
            other => other,
        });
        self.accept(via, invite, "", &answer).await?;
        Ok(offer.direction)
    }
}
