//! rtpengine's control protocol: a cookie and a bencoded dictionary, over UDP.

use std::collections::BTreeMap;
use std::net::{SocketAddr, UdpSocket};

use anyhow::{Context as _, Result, bail, ensure};

/// What bencode can say, but for integers, which nothing here sends.
pub enum Item {
    Text(String),
    List(Vec<Item>),
}

impl Item {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Item::Text(text) => write_text(text, out),
            Item::List(items) => {
                out.push(b'l');
                items.iter().for_each(|item| item.write(out));
                out.push(b'e');
            }
        }
    }
}

impl From<&str> for Item {
    fn from(text: &str) -> Item {
        Item::Text(text.to_owned())
    }
}

impl<const N: usize> From<[&str; N]> for Item {
    fn from(texts: [&str; N]) -> Item {
        Item::List(texts.into_iter().map(Item::from).collect())
    }
}

fn write_text(text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(format!("{}:{text}", text.len()).as_bytes());
}

/// A command with its arguments, as it goes onto the wire.
fn encode(cookie: u64, arguments: &[(&str, Item)]) -> Vec<u8> {
    // Keys in order, as bencode wants them.
    let sorted: BTreeMap<&str, &Item> = arguments.iter().map(|(key, item)| (*key, item)).collect();
    let mut out = format!("{cookie} d").into_bytes();
    for (key, item) in sorted {
        write_text(key, &mut out);
        item.write(&mut out);
    }
    out.push(b'e');
    out
}

/// The texts of a bencoded dictionary by their keys; what is not a text is passed over.
fn decode(bytes: &[u8]) -> Result<BTreeMap<String, String>> {
    let mut reader = Reader(bytes);
    ensure!(reader.byte()? == b'd', "not a dictionary");
    let mut texts = BTreeMap::new();
    while reader.0.first() != Some(&b'e') {
        let key = reader.text()?;
        match reader.0.first() {
            Some(digit) if digit.is_ascii_digit() => drop(texts.insert(key, reader.text()?)),
            _ => reader.skip()?,
        }
    }
    Ok(texts)
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn byte(&mut self) -> Result<u8> {
        let (first, rest) = self.0.split_first().context("cut off")?;
        self.0 = rest;
        Ok(*first)
    }

    fn until(&mut self, end: u8) -> Result<&str> {
        let at = self
            .0
            .iter()
            .position(|byte| *byte == end)
            .context("cut off")?;
        let (text, rest) = self.0.split_at(at);
        self.0 = &rest[1..];
        Ok(std::str::from_utf8(text)?)
    }

    fn text(&mut self) -> Result<String> {
        let length: usize = self.until(b':')?.parse()?;
        let (text, rest) = self.0.split_at_checked(length).context("cut off")?;
        self.0 = rest;
        Ok(String::from_utf8_lossy(text).into_owned())
    }

    fn skip(&mut self) -> Result<()> {
        match self.0.first().context("cut off")? {
            b'i' => drop(self.until(b'e')?),
            b'l' | b'd' => {
                self.byte()?;
                while self.0.first() != Some(&b'e') {
                    self.skip()?;
                }
                self.byte()?;
            }
            _ => drop(self.text()?),
        }
        Ok(())
    }
}

/// A connection to a running rtpengine.
pub struct Client {
    socket: UdpSocket,
    cookie: u64,
}

impl Client {
    /// Answers are waited for as long as the socket's read time limit says.
    pub fn new(socket: UdpSocket, to: SocketAddr) -> Result<Client> {
        socket.connect(to)?;
        Ok(Client { socket, cookie: 0 })
    }

    /// Sends a command; the answer's texts.
    ///
    /// # Errors
    /// Also if the answer's result is an error.
    pub fn ask(&mut self, arguments: &[(&str, Item)]) -> Result<BTreeMap<String, String>> {
        self.cookie += 1;
        self.socket.send(&encode(self.cookie, arguments))?;
        let mut buffer = [0; 8192];
        let prefix = format!("{} ", self.cookie);
        loop {
            let length = self.socket.recv(&mut buffer)?;
            // An answer to an earlier command, which was asked again.
            let Some(answer) = buffer[..length].strip_prefix(prefix.as_bytes()) else {
                continue;
            };
            let answer = decode(answer)?;
            match answer.get("result").map(String::as_str) {
                Some("error") | None => bail!(
                    "rtpengine: {}",
                    answer
                        .get("error-reason")
                        .map_or("no result", String::as_str)
                ),
                Some(_) => return Ok(answer),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_a_dictionary_in_order() {
        let bytes = encode(
            7,
            &[
                ("sdp", Item::from("v=0")),
                ("command", Item::from("offer")),
                ("flags", Item::from(["a", "bc"])),
            ],
        );
        assert_eq!(
            String::from_utf8_lossy(&bytes),
            "7 d7:command5:offer5:flagsl1:a2:bce3:sdp3:v=0e"
        );
    }

    #[test]
    fn an_answer_gives_its_texts() {
        let texts = decode(b"d6:numberi42e4:listl1:ad1:b1:cee6:result2:oke").unwrap();
        assert_eq!(texts.len(), 1);
        assert_eq!(texts["result"], "ok");
        assert!(decode(b"d6:result").is_err());
    }
}
