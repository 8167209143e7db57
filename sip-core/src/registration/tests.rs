use super::*;
use crate::message::Message;

struct Fixed;

impl RngCore for Fixed {
    fn next_u32(&mut self) -> u32 {
        7
    }

    fn next_u64(&mut self) -> u64 {
        7
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        bytes.fill(7);
    }
}

struct Bench {
    now: Instant,
    contact: NameAddr,
    registration: Registration,
}

impl Bench {
    fn new() -> Bench {
        let now = Instant::now();
        let settings = RegistrationSettings {
            aor: Uri::parse(b"sip:+4930@provider.example").unwrap(),
            expires: Duration::from_secs(600),
        };
        let names = ("id".to_owned(), "tag".to_owned());
        Bench {
            now,
            contact: NameAddr::parse(b"<sip:+4930@192.0.2.1>").unwrap(),
            registration: Registration::new(now, settings, names, &mut Fixed),
        }
    }

    /// The time that the next REGISTER asks for, and what a response to it comes to.
    fn answered(&mut self, status: &str, cseq: u32, line: &str) -> (Duration, Outcome) {
        let (_, asked) = self.registration.next();
        let text = format!(
            "SIP/2.0 {status} X\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n\
             From: <sip:a@b>;tag=tag\r\nTo: <sip:a@b>;tag=2\r\nCall-ID: id\r\n\
             CSeq: {cseq} REGISTER\r\n{line}\r\n"
        );
        let Ok(Message::Response(response)) = Message::parse(text.as_bytes()) else {
            panic!("{text}");
        };
        let (state, contact) = (&mut self.registration, &self.contact);
        let outcome = state.handle_response(self.now, &response, contact, None, &mut Fixed);
        (asked, outcome)
    }
}

#[test]
fn sig_5_a_provider_that_wants_ever_more_is_asked_again_at_once_only_once() {
    let mut bench = Bench::new();
    for (minimum, expected) in [
        ("900", Outcome::Again),
        ("901", Outcome::Failed),
        // The next attempt begins with what it wanted, and may be told once more.
        ("902", Outcome::Again),
        ("903", Outcome::Failed),
    ] {
        let line = format!("Min-Expires: {minimum}\r\n");
        let (_, outcome) = bench.answered("423", 1, &line);
        assert_eq!(outcome, expected, "{minimum}");
        let is_due_now = bench.registration.due() == Some(bench.now);
        assert_eq!(is_due_now, outcome == Outcome::Again, "{minimum}");
    }
    let (asked, outcome) = bench.answered("200", 1, "Expires: 902\r\n");
    assert_eq!((asked.as_secs(), outcome), (902, Outcome::Registered(true)));
    // Years later it may change its mind.
    let (_, outcome) = bench.answered("423", 1, "Min-Expires: 1800\r\n");
    assert_eq!(outcome, Outcome::Again);
}

#[test]
fn sig_5_a_number_that_we_never_sent_is_not_counted_on_from() {
    let mut bench = Bench::new();
    bench.answered("200", 2_147_483_647, "");
    assert_eq!(bench.registration.next().0, 2);
    // Two challenges were answered meanwhile.
    bench.answered("200", 5, "");
    assert_eq!(bench.registration.next().0, 6);
}
