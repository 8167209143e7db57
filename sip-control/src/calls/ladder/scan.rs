//! What of a SIP message tells where it belongs, found without parsing it.

/// A message as it came or left.
#[derive(Debug)]
pub(super) struct Scanned<'a> {
    pub(super) call_id: &'a str,
    /// Of CSeq: that of the request, for responses too.
    pub(super) method: &'a str,
    /// `None` for a request.
    pub(super) status: Option<u16>,
    /// `INVITE sip:bob@example.com`, `200 OK`.
    pub(super) summary: String,
}

/// Start lines are shown up to this length, in bytes.
const LONGEST_SUMMARY: usize = 256;

/// `None` for what has no Call-ID or CSeq: keep-alives, and what cannot be parsed.
pub(super) fn scan(message: &[u8]) -> Option<Scanned<'_>> {
    let mut from = 0;
    let ends = memchr::memchr_iter(b'\n', message).chain([message.len()]);
    let mut lines = ends.filter_map(|end| {
        let line = message.get(from..end)?;
        from = end + 1;
        Some(line.strip_suffix(b"\r").unwrap_or(line))
    });
    let start = lines.find(|line| !line.is_empty())?;
    let start = String::from_utf8_lossy(start);
    let (mut call_id, mut cseq) = (None, None);
    for line in lines {
        if line.is_empty() || (call_id.is_some() && cseq.is_some()) {
            break;
        }
        // Of `Call-ID`, `i` and `CSeq`.
        if !matches!(line[0], b'C' | b'I' | b'c' | b'i') {
            continue;
        }
        let line = std::str::from_utf8(line).unwrap_or("");
        let Some((name, value)) = line.split_once(':') else {
            continue;
        };
        let name = name.trim_end();
        if name.eq_ignore_ascii_case("call-id") || name.eq_ignore_ascii_case("i") {
            call_id = Some(value.trim());
        } else if name.eq_ignore_ascii_case("cseq") {
            cseq = value.split_ascii_whitespace().nth(1);
        }
    }
    let status = start
        .strip_prefix("SIP/2.0 ")
        .and_then(|rest| rest.get(..3)?.parse().ok());
    let summary = start.strip_prefix("SIP/2.0 ").unwrap_or(&start);
    let summary = summary.strip_suffix(" SIP/2.0").unwrap_or(summary);
    Some(Scanned {
        call_id: call_id.filter(|id| !id.is_empty())?,
        method: cseq?,
        status,
        summary: summary[..summary.floor_char_boundary(LONGEST_SUMMARY)].to_owned(),
    })
}

/// Whether requests of that method, and their answers, never belong to a call. Probes and
/// registrations would leave no room for calls.
pub(super) fn is_of_no_call(method: &str) -> bool {
    matches!(method, "OPTIONS" | "REGISTER")
}

/// The same by the first bytes, before anything is copied.
pub(in crate::calls) fn begins_outside_calls(message: &[u8]) -> bool {
    message.starts_with(b"OPTIONS ") || message.starts_with(b"REGISTER ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_known_by_its_call_id_in_either_form() {
        let request = b"INVITE sip:bob@b.example SIP/2.0\r\nVia: x\r\ni :  a@b \r\nCSeq:  7  INVITE\r\n\r\nCall-ID: no";
        let scanned = scan(request).unwrap();
        assert_eq!(
            (scanned.call_id, scanned.method, scanned.status),
            ("a@b", "INVITE", None)
        );
        assert_eq!(scanned.summary, "INVITE sip:bob@b.example");
        let response = b"SIP/2.0 183 Session Progress\nCALL-ID:a@b\ncseq: 7 INVITE\n\n";
        let scanned = scan(response).unwrap();
        assert_eq!(
            (scanned.status, scanned.summary.as_str()),
            (Some(183), "183 Session Progress")
        );
        let no_text = b"BYE sip:\xff@b SIP/2.0\r\nCall-ID: a\r\nCSeq: 1 BYE\r\n\r\n";
        assert_eq!(scan(no_text).unwrap().summary, "BYE sip:\u{fffd}@b");
    }

    #[test]
    fn what_belongs_to_nothing_is_passed_over() {
        for nothing in [
            &b""[..],
            b"\r\n\r\n",
            b"\0\xff",
            b"INVITE x SIP/2.0\r\nCall-ID: \r\nCSeq: 1 A\r\n\r\n",
            b"SIP/2.0 2\xc3\xa4\r\n\r\n",
        ] {
            assert!(scan(nothing).is_none());
        }
        assert!(begins_outside_calls(b"OPTIONS sip:a SIP/2.0"));
    }
}
