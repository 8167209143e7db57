//! The one place that asks the `rsip` crate: its vocabulary of status codes.
//!
//! rsip's parser and serialiser are not used: they refuse or change too much of what real peers
//! send, and what passes through Trunkline must not change.

/// The reason phrase that the RFC which defines `code` gives it; that of its class's `x00` if the
/// code is unknown (RFC 3261 section 8.1.3.2).
pub(super) fn reason_phrase(code: u16) -> String {
    match code {
        300..=399 if !is_known(code) => return "Redirection".to_owned(),
        481 => return "Call/Transaction Does Not Exist".to_owned(),
        408 | 504 => return words(code).replace("Time Out", "Time-out"),
        _ => {}
    }
    if is_known(code) {
        return words(code);
    }
    match code {
        ..=199 => "Progress".to_owned(),
        _ => words(code / 100 * 100),
    }
}

fn is_known(code: u16) -> bool {
    !matches!(rsip::StatusCode::from(code), rsip::StatusCode::Other(..))
}

/// rsip names its codes in camel case (`BusyHere`); phrases have words.
fn words(code: u16) -> String {
    let name = match rsip::StatusCode::from(code) {
        rsip::StatusCode::OK => return "OK".to_owned(),
        rsip::StatusCode::RequestUriTooLong => return "Request-URI Too Long".to_owned(),
        rsip::StatusCode::Other(..) => return "Failure".to_owned(),
        known => format!("{known:?}"),
    };
    let mut phrase = String::with_capacity(name.len() + 4);
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !phrase.is_empty() {
            phrase.push(' ');
        }
        phrase.push(letter);
    }
    phrase
}

#[cfg(test)]
mod tests {
    use super::reason_phrase;

    #[test]
    fn phrases_are_those_of_the_rfcs() {
        for (code, phrase) in [
            (100, "Trying"),
            (180, "Ringing"),
            (183, "Session Progress"),
            (200, "OK"),
            (400, "Bad Request"),
            (408, "Request Timeout"),
            (414, "Request-URI Too Long"),
            (481, "Call/Transaction Does Not Exist"),
            (486, "Busy Here"),
            (487, "Request Terminated"),
            (488, "Not Acceptable Here"),
            (491, "Request Pending"),
            (500, "Server Internal Error"),
            (503, "Service Unavailable"),
            (504, "Server Time-out"),
            (505, "Version Not Supported"),
            (603, "Decline"),
        ] {
            assert_eq!(reason_phrase(code), phrase, "{code}");
        }
    }

    #[test]
    fn an_unknown_code_is_called_as_its_class() {
        for (code, phrase) in [
            (199, "Early Dialog Terminated"),
            (150, "Progress"),
            (299, "OK"),
            (399, "Redirection"),
            (499, "Bad Request"),
            (599, "Server Internal Error"),
            (699, "Busy Everywhere"),
        ] {
            assert_eq!(reason_phrase(code), phrase, "{code}");
        }
    }
}
