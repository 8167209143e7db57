//! A call that switches to T.38 over UDPTL (ITU-T T.38 Annex D) and back.

use std::net::SocketAddr;

use anyhow::{Context, Result, ensure};

use super::{Agent, RemoteSdp};

impl Agent {
    /// Offers a fax in the place of speech, by a re-INVITE; sends datagrams where the answer says.
    pub async fn switch_to_fax(&mut self) -> Result<()> {
        self.sdp_version += 1;
        let offer = self.fax_sdp();
        let invite = self.request("INVITE")?.with_sdp(&offer);
        let response = self.transact(invite).await?;
        ensure!(
            response.status() == Some(200),
            "the fax was refused: {}",
            response.start_line
        );
        self.acknowledge().await?;
        self.media.set_fax(Some(fax_address(&response.body)?));
        Ok(())
    }

    /// Waits for such a re-INVITE and accepts it.
    pub async fn accept_fax(&mut self) -> Result<()> {
        let (via, invite) = self.expect_request("INVITE").await?;
        self.media.set_fax(Some(fax_address(&invite.body)?));
        self.sdp_version += 1;
        let answer = self.fax_sdp();
        self.accept(via, &invite, "", &answer).await
    }

    /// Speech is switched off, and the fax arrives at the port that it had.
    fn fax_sdp(&self) -> String {
        let speech = self.local_sdp("inactive");
        let speech = speech.replacen(
            &format!("m=audio {} ", self.config.rtp_port),
            "m=audio 0 ",
            1,
        );
        format!(
            "{speech}m=image {} udptl t38\r\na=T38FaxVersion:0\r\na=T38FaxUdpEC:t38UDPRedundancy\r\n",
            self.config.rtp_port
        )
    }
}

/// Where the other side receives the fax.
fn fax_address(sdp: &str) -> Result<SocketAddr> {
    let line = sdp.lines().find_map(|line| line.strip_prefix("m=image "));
    let (port, rest) = line
        .context("no m=image")?
        .split_once(' ')
        .context("no port in m=image")?;
    ensure!(rest.trim() == "udptl t38", "m=image {port} {rest}");
    let port: u16 = port.parse()?;
    ensure!(port != 0, "the fax was declined");
    Ok(SocketAddr::new(RemoteSdp::address(sdp)?, port))
}
