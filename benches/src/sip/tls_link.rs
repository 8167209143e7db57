//! Connections of the caller to the edge by TLS that stay open, and the messages on them.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};

use super::wire::{Received, find};

/// One connection, used without blocking once it is open.
pub struct TlsLink {
    stream: TcpStream,
    session: ClientConnection,
    /// Decrypted bytes: whole messages from `taken` on, and perhaps a part of one.
    incoming: Vec<u8>,
    taken: usize,
}

impl TlsLink {
    /// Connects from the thread's network namespace.
    pub fn open(to: SocketAddr, config: &Arc<ClientConfig>) -> Result<TlsLink> {
        let mut stream = TcpStream::connect(to).context("connecting to the edge by TCP")?;
        stream.set_nodelay(true)?;
        let name = ServerName::from(to.ip());
        let mut session = ClientConnection::new(Arc::clone(config), name)?;
        session.set_buffer_limit(None);
        while session.is_handshaking() {
            session
                .complete_io(&mut stream)
                .context("the edge's TLS handshake")?;
        }
        stream.set_nonblocking(true)?;
        Ok(TlsLink {
            stream,
            session,
            incoming: Vec::new(),
            taken: 0,
        })
    }

    /// Leaves a message to be sent.
    pub fn put(&mut self, message: &[u8]) -> Result<()> {
        self.session.writer().write_all(message)?;
        Ok(())
    }

    /// Sends what was put, as far as the edge reads.
    pub fn flush(&mut self) -> Result<()> {
        while self.session.wants_write() {
            match self.session.write_tls(&mut self.stream) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error).context("the edge closed a TLS connection"),
            }
        }
        Ok(())
    }

    /// Reads and decrypts what waits.
    pub fn receive(&mut self) -> Result<()> {
        self.incoming.drain(..self.taken);
        self.taken = 0;
        loop {
            match self.session.read_tls(&mut self.stream) {
                Ok(0) => bail!("the edge closed a TLS connection"),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error).context("the edge closed a TLS connection"),
            }
            let state = self.session.process_new_packets()?;
            let begin = self.incoming.len();
            self.incoming
                .resize(begin + state.plaintext_bytes_to_read(), 0);
            self.session
                .reader()
                .read_exact(&mut self.incoming[begin..])?;
        }
    }

    /// Moves the next whole message into `message`; whether there was one.
    pub fn take(&mut self, message: &mut Vec<u8>) -> bool {
        let rest = &self.incoming[self.taken..];
        let blank = rest.iter().take_while(|byte| matches!(byte, b'\r' | b'\n'));
        let blank = blank.count();
        let rest = &rest[blank..];
        let Some(length) = whole(rest) else {
            return false;
        };
        message.clear();
        message.extend_from_slice(&rest[..length]);
        self.taken += blank + length;
        true
    }
}

/// Length of the message that `bytes` begin with, if all of it is there.
fn whole(bytes: &[u8]) -> Option<usize> {
    let head = find(bytes, b"\r\n\r\n")? + 4;
    let length = Received::cut(bytes)?.header("Content-Length")?;
    let length: usize = std::str::from_utf8(length).ok()?.parse().ok()?;
    (bytes.len() >= head + length).then_some(head + length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_on_a_stream_ends_by_its_length() {
        let message = b"SIP/2.0 200 OK\r\nContent-Length: 4\r\n\r\nbodySIP/2.0";
        assert_eq!(whole(message), Some(message.len() - 7));
        assert_eq!(whole(&message[..message.len() - 8]), None);
        assert_eq!(whole(b"SIP/2.0 200 OK\r\n"), None);
    }
}
