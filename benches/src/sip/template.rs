//! Messages that differ in a number only: bytes that are copied, and a few places patched.

/// Where the call's number goes, as eight hexadecimal digits.
const NUMBER: &[u8] = b"########";
/// Where the call's media port goes, as five digits.
const PORT: &[u8] = b"@@@@@";

/// A message with places for a call's number and its media port.
pub struct Template {
    bytes: Vec<u8>,
    numbers: Vec<usize>,
    ports: Vec<usize>,
}

impl Template {
    pub fn new(text: &str) -> Template {
        Template {
            numbers: places(text.as_bytes(), NUMBER),
            ports: places(text.as_bytes(), PORT),
            bytes: text.as_bytes().to_vec(),
        }
    }

    /// Appends the message of that call.
    pub fn write(&self, out: &mut Vec<u8>, number: u32, port: u16) {
        let begin = out.len();
        out.extend_from_slice(&self.bytes);
        let message = &mut out[begin..];
        let digits = hex(number);
        for &at in &self.numbers {
            message[at..at + NUMBER.len()].copy_from_slice(&digits);
        }
        let digits = decimal(port);
        for &at in &self.ports {
            message[at..at + PORT.len()].copy_from_slice(&digits);
        }
    }
}

/// Eight digits.
pub fn hex(number: u32) -> [u8; 8] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    std::array::from_fn(|at| DIGITS[(number >> (28 - 4 * at)) as usize & 15])
}

fn decimal(port: u16) -> [u8; 5] {
    let digit = |unit| b'0' + (port / unit % 10) as u8;
    [10_000, 1000, 100, 10, 1].map(digit)
}

fn places(text: &[u8], mark: &[u8]) -> Vec<usize> {
    let windows = text.windows(mark.len()).enumerate();
    windows
        .filter(|(_, window)| *window == mark)
        .map(|(at, _)| at)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_gets_the_number_of_the_call() {
        let template = Template::new("a=######## m=@@@@@ b=########;");
        let mut out = b"before ".to_vec();
        template.write(&mut out, 0x00ab_cdef, 1042);
        assert_eq!(out, b"before a=00abcdef m=01042 b=00abcdef;");
    }
}
