//! The messages of RFC 4475 that matter to an edge: those that are well-formed must be understood
//! and leave as they came, the others must be refused, with a 400 (or 505) where one can be sent.

use sip_core::message::{
    Contacts, HeaderError, HeaderName, Message, Method, ParseError, ParseErrorKind, Request,
    Response, Scheme, StatusCode, response_to,
};
use sip_core::transport::{Host, Transport};

/// The 150 bytes of SDP that many of the messages end with.
const SDP: &str = "v=0\n\
    o=mhandley 29739 7272939 IN IP4 192.0.2.1\n\
    s=-\n\
    c=IN IP4 192.0.2.1\n\
    t=0 0\n\
    m=audio 49217 RTP/AVP 0 12\n\
    m=video 3227 RTP/AVP 31\n\
    a=rtpmap:31 LPC\n";

/// Messages are written with LF; on the wire it is CRLF.
fn wire(text: &str) -> Vec<u8> {
    text.replace('\n', "\r\n").into_bytes()
}

fn request(bytes: &[u8]) -> Request {
    match Message::parse(bytes) {
        Ok(Message::Request(request)) => request,
        other => panic!("{other:?}"),
    }
}

fn response(bytes: &[u8]) -> Response {
    match Message::parse(bytes) {
        Ok(Message::Response(response)) => response,
        other => panic!("{other:?}"),
    }
}

/// A well-formed request with the right Content-Length leaves byte for byte.
fn untouched_request(text: &str) -> Request {
    let bytes = wire(text);
    let request = request(&bytes);
    assert_eq!(
        String::from_utf8_lossy(&request.to_bytes()),
        String::from_utf8_lossy(&bytes)
    );
    request
}

fn refused(text: &str) -> ParseError {
    match Message::parse(&wire(text)) {
        Err(error) => error,
        Ok(message) => panic!("{message:?}"),
    }
}

/// What the sender of a refused request gets.
fn answer(error: &ParseError) -> String {
    let request = error.answerable.as_ref().expect("it can be answered");
    let answer = response_to(request, error.status(), Some("edge"));
    String::from_utf8(answer.to_bytes()).expect("these are in UTF-8")
}

/// 3.1.1.1
#[test]
fn wsinv_a_short_tortuous_invite() {
    let invite = untouched_request(&format!(
        r#"INVITE sip:vivekg@chair-dnrc.example.com;unknownparam SIP/2.0
TO :
 sip:vivekg@chair-dnrc.example.com ;   tag    = 1918181833n
from   : "J Rosenberg \\\""       <sip:jdrosen@example.com>
  ;
  tag = 98asjd8
MaX-fOrWaRdS: 0068
Call-ID: wsinv.ndaksdj@192.0.2.1
Content-Length   : 150
cseq: 0009
  INVITE
Via  : SIP  /   2.0
 /UDP
    192.0.2.2;branch=390skdjuw
s :
NewFangledHeader:   newfangled value
 continued newfangled value
UnknownHeaderWithUnusualValue: ;;,,;;,;
Content-Type: application/sdp
Route:
 <sip:services.example.com;lr;unknownwith=value;unknown-no-value>
v:  SIP  / 2.0  / TCP     spindle.example.com   ;
  branch  =   z9hG4bK9ikj8  ,
 SIP  /    2.0   / UDP  192.168.255.111   ; branch=
 z9hG4bK30239
m:"Quoted string \"\"" <sip:jdrosen@example.com> ; newparam =
      newvalue ;
  secondparam ; q = 0.33

{SDP}"#
    ));
    let headers = &invite.headers;
    assert_eq!(invite.method, Method::Invite);
    assert!(invite.uri.has_param("unknownparam"));
    assert_eq!(headers.to().unwrap().tag(), Some("1918181833n"));
    let from = headers.from().unwrap();
    assert_eq!(from.tag(), Some("98asjd8"));
    assert_eq!(from.display_name().unwrap(), "J Rosenberg \\\"");
    assert_eq!(headers.max_forwards(), Ok(Some(68)));
    assert_eq!(headers.call_id(), Ok("wsinv.ndaksdj@192.0.2.1"));
    assert_eq!(headers.cseq().unwrap().number, 9);
    let branches: Vec<_> = headers
        .vias()
        .unwrap()
        .iter()
        .map(|via| via.branch().unwrap().to_owned())
        .collect();
    assert_eq!(branches, ["390skdjuw", "z9hG4bK9ikj8", "z9hG4bK30239"]);
    assert_eq!(headers.value(HeaderName::Subject), Some(&b""[..]));
    let unusual: Vec<_> = headers.named("unknownheaderwithunusualvalue").collect();
    assert_eq!(unusual, [b";;,,;;,;"]);
    let routes = headers.routes().unwrap();
    assert!(routes[0].uri().has_param("lr"));
    let contact = headers.contact().unwrap().unwrap();
    assert_eq!(contact.display_name().unwrap(), "Quoted string \"\"");
    assert_eq!(contact.param("newparam"), Some("newvalue"));
    assert_eq!(contact.param("secondparam"), Some(""));
    assert_eq!(contact.q(), Some(330));
    assert!(headers.content_type().unwrap().is("application", "sdp"));
}

/// 3.1.1.2
#[test]
fn intmeth_a_wide_range_of_valid_characters() {
    let text = "!interesting-Method0123456789_*+`.%indeed'~ sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)@example.com SIP/2.0
Via: SIP/2.0/TCP host1.example.com;branch=z9hG4bK-.!%66*_+`'~
To: \"BEL:\\\x07 NUL:\\\0 DEL:\\\x7f\" <sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*@example.com>
From: token1~` token2'+_ token3*%!.- <sip:mundane@example.com>;fromParam''~+*_!.-%=\"работающий\";tag=_token~1'+`*%!-.
Call-ID: intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{
CSeq: 139122385 !interesting-Method0123456789_*+`.%indeed'~
Max-Forwards: 255
extensionHeader-!.%*+_`'~:\u{feff}大停電
Content-Length: 0

";
    let odd = untouched_request(text);
    let name = "!interesting-Method0123456789_*+`.%indeed'~";
    assert_eq!(odd.method, Method::Other(name.into()));
    assert_eq!(
        odd.uri.user(),
        Some("1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*")
    );
    assert_eq!(
        odd.uri.password(),
        Some("&it+has=1,weird!*pas$wo~d_too.(doesn't-it)")
    );
    assert_eq!(odd.uri.host_port(), "example.com");
    let headers = &odd.headers;
    assert_eq!(
        headers.top_via().unwrap().branch(),
        Some("z9hG4bK-.!%66*_+`'~")
    );
    assert_eq!(
        headers.to().unwrap().display_name().unwrap(),
        "BEL:\x07 NUL:\0 DEL:\x7f"
    );
    let from = headers.from().unwrap();
    assert_eq!(from.tag(), Some("_token~1'+`*%!-."));
    assert_eq!(from.param("fromParam''~+*_!.-%"), Some("\"работающий\""));
    assert_eq!(
        headers.call_id(),
        Ok("intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{")
    );
}

/// 3.1.1.3
#[test]
fn esc01_valid_use_of_the_percent_escape() {
    let invite = untouched_request(&format!(
        "INVITE sip:sips%3Auser%40example.com@example.net SIP/2.0
To: sip:%75se%72@example.com
From: <sip:I%20have%20spaces@example.net>;tag=938
Max-Forwards: 87
i: esc01.239409asdfakjkn23onasd0-3234
CSeq: 234234 INVITE
Via: SIP/2.0/UDP host5.example.net;branch=z9hG4bKkdjuw
C: application/sdp
Contact:
  <sip:cal%6Cer@host5.example.net;%6C%72;n%61me=v%61lue%25%34%31>
Content-Length: 150

{SDP}"
    ));
    assert_eq!(
        invite.uri.user_unescaped().as_deref(),
        Some("sips:user@example.com")
    );
    assert_eq!(
        *invite.uri.host().unwrap(),
        Host::Name("example.net".to_owned())
    );
    let from = invite.headers.from().unwrap();
    assert_eq!(
        from.uri().user_unescaped().as_deref(),
        Some("I have spaces")
    );
    let contact = invite.headers.contact().unwrap().unwrap();
    assert!(contact.uri().has_param("lr"));
    assert_eq!(contact.uri().param("name"), Some("v%61lue%25%34%31"));
}

/// 3.1.1.4
#[test]
fn escnull_escaped_nulls_shorten_nothing() {
    let register = untouched_request(
        "REGISTER sip:example.com SIP/2.0
To: sip:null-%00-null@example.com
From: sip:null-%00-null@example.com;tag=839923423
Max-Forwards: 70
Call-ID: escnull.39203ndfvkjdasfkq3w4otrq0adsfdfnavd
CSeq: 14398234 REGISTER
Via: SIP/2.0/UDP host5.example.com;branch=z9hG4bKkdjuw
Contact: <sip:%00@host5.example.com>
Contact: <sip:%00%00@host5.example.com>
L:0

",
    );
    let to = register.headers.to().unwrap();
    assert_eq!(to.uri().user_unescaped().as_deref(), Some("null-\0-null"));
    let Ok(Contacts::List(contacts)) = register.headers.contacts() else {
        panic!("two contacts");
    };
    assert_eq!(contacts.len(), 2);
    assert!(!contacts[0].uri().equivalent(contacts[1].uri()));
}

/// 3.1.1.5
#[test]
fn esc02_percent_where_it_is_not_an_escape() {
    let odd = untouched_request(
        "RE%47IST%45R sip:registrar.example.com SIP/2.0
To: \"%Z%45\" <sip:resource@example.com>
From: \"%Z%45\" <sip:resource@example.com>;tag=f232jadfj23
Call-ID: esc02.asdfnqwo34rq23i34jrjasdcnl23nrlknsdf
Via: SIP/2.0/TCP host.example.com;branch=z9hG4bK209%fzsnel234
CSeq: 29344 RE%47IST%45R
Max-Forwards: 70
Contact: <sip:alias1@host1.example.com>
C%6Fntact: <sip:alias2@host2.example.com>
Contact: <sip:alias3@host3.example.com>
l: 0

",
    );
    assert_eq!(odd.method, Method::Other("RE%47IST%45R".into()));
    assert_eq!(
        odd.headers.to().unwrap().display_name().as_deref(),
        Some("%Z%45")
    );
    assert_eq!(odd.headers.list(HeaderName::Contact).count(), 2);
}

/// 3.1.1.6
#[test]
fn lwsdisp_no_white_space_before_the_bracket() {
    let options = untouched_request(
        "OPTIONS sip:user@example.com SIP/2.0
To: sip:user@example.com
From: caller<sip:caller@example.com>;tag=323
Max-Forwards: 70
Call-ID: lwsdisp.1234abcd@funky.example.com
CSeq: 60 OPTIONS
Via: SIP/2.0/UDP funky.example.com;branch=z9hG4bKkdjuw
l: 0

",
    );
    let from = options.headers.from().unwrap();
    assert_eq!(from.display_name().as_deref(), Some("caller"));
    assert_eq!(from.tag(), Some("323"));
}

/// 3.1.1.7: long values, and 34 Vias in every spelling.
#[test]
fn longreq_long_values() {
    let vias: String = (1..=33)
        .map(|hop| {
            let name = ["Via", "v", "V", "ViA", "vIA", "V  ", "v ", "Via "][hop % 8];
            format!("{name}: SIP/2.0/TCP sip{hop}.example.com\n")
        })
        .collect();
    let invite = untouched_request(&format!(
        "INVITE sip:user@example.com SIP/2.0
To: \"I have a user name of {extreme} proportion\"<sip:user@example.com:6000;unknownparam1=very{long}value;longparam{name}=shortvalue;very{long}ParameterNameWithNoValue>
F: sip:{amazing}@example.net;tag=12{tag}424;unknownheaderparam{name}=unknowheaderparam{value};unknownValueless{name}
Call-ID: longreq.one{really}longcallid
CSeq: 3882340 INVITE
Unknown-{long}-Name: unknown-{long}-value; unknown-{long}-parameter-name = unknown-{long}-parameter-value
{vias}Via: SIP/2.0/TCP host.example.com;received=192.0.2.5;branch=very{long}branchvalue
Max-Forwards: 70
Contact: <sip:{amazing}@host5.example.net>
Content-Type: application/sdp
l: 150

{SDP}",
        extreme = "extreme".repeat(10),
        long = "long".repeat(45),
        name = "name".repeat(25),
        value = "value".repeat(15),
        amazing = "amazinglylongcallername".repeat(5),
        tag = "982".repeat(50),
        really = "really".repeat(20),
    ));
    assert_eq!(invite.headers.vias().unwrap().len(), 34);
    let to = invite.headers.to().unwrap();
    assert_eq!(to.uri().port(), Some(6000));
    assert_eq!(invite.headers.from().unwrap().tag().unwrap().len(), 155);
}

/// 3.1.1.8: a datagram ends where Content-Length says.
#[test]
fn dblreq_what_follows_in_the_datagram_is_discarded() {
    let register = "REGISTER sip:example.com SIP/2.0
To: sip:j.user@example.com
From: sip:j.user@example.com;tag=43251j3j324
Max-Forwards: 8
I: dblreq.0ha0isndaksdj99sdfafnl3lk233412
Contact: sip:j.user@host.example.com
CSeq: 8 REGISTER
Via: SIP/2.0/UDP 192.0.2.125;branch=z9hG4bKkdjuw23492
Content-Length: 0

";
    let both = format!("{register}INVITE sip:joe@example.com SIP/2.0\nt: sip:joe@example.com\n\n");
    let first = request(&wire(&both));
    assert_eq!(first.method, Method::Register);
    assert_eq!(first.to_bytes(), wire(register));
}

/// 3.1.1.9
#[test]
fn semiuri_semicolons_in_the_user() {
    let options = untouched_request(
        "OPTIONS sip:user;par=u%40example.net@example.com SIP/2.0
To: sip:j_user@example.com
From: sip:caller@example.org;tag=33242
Max-Forwards: 3
Call-ID: semiuri.0ha0isndaksdj
CSeq: 8 OPTIONS
Accept: application/sdp, application/pkcs7-mime,
        multipart/mixed, multipart/signed,
        message/sip, message/sipfrag
Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKkdjuw
l: 0

",
    );
    assert_eq!(options.uri.user(), Some("user;par=u%40example.net"));
    assert!(!options.uri.has_param("par"));
    assert_eq!(options.headers.list(HeaderName::Accept).count(), 6);
}

/// 3.1.1.10
#[test]
fn transports_known_and_unknown_ones() {
    let options = untouched_request(
        "OPTIONS sip:user@example.com SIP/2.0
To: sip:user@example.com
From: <sip:caller@example.com>;tag=323
Max-Forwards: 70
Call-ID:  transports.kijh4akdnaqjkwendsasfdj
Accept: application/sdp
CSeq: 60 OPTIONS
Via: SIP/2.0/UDP t1.example.com;branch=z9hG4bKkdjuw
Via: SIP/2.0/SCTP t2.example.com;branch=z9hG4bKklasjdhf
Via: SIP/2.0/TLS t3.example.com;branch=z9hG4bK2980unddj
Via: SIP/2.0/UNKNOWN t4.example.com;branch=z9hG4bKasd0f3en
Via: SIP/2.0/TCP t5.example.com;branch=z9hG4bK0a9idfnee
l: 0

",
    );
    let vias = options.headers.vias().unwrap();
    let transports: Vec<_> = vias.iter().map(|via| via.transport()).collect();
    assert_eq!(
        transports,
        [
            Some(Transport::Udp),
            None,
            Some(Transport::Tls),
            None,
            Some(Transport::Tcp)
        ]
    );
    assert_eq!(vias[3].transport_token(), "UNKNOWN");
}

/// 3.1.1.11: a multipart body with binary parts (shape, with bytes of our own).
#[test]
fn mpart01_a_binary_body_is_not_touched() {
    let mut body = b"--7a9cbec02ceef655\r\nContent-Type: text/plain\r\n\r\nHello\r\n".to_vec();
    body.extend(b"--7a9cbec02ceef655\r\nContent-Transfer-Encoding: binary\r\n\r\n");
    body.extend((0..=255_u8).chain((0..=255).rev()));
    body.extend(b"\r\n\r\n\n\r--7a9cbec02ceef655--\r\n");
    let head = format!(
        "MESSAGE sip:kumiko@example.org SIP/2.0
v: SIP/2.0/UDP 127.0.0.1:5070;branch=z9hG4bK-d87543-4dade06d0bdb11ee-1--d87543-;rport
Max-Forwards: 70
Route: <sip:127.0.0.1:5080>
Identity: r5mwreLuyDRYBi/0TiPwEsY3rEVsk/G2WxhgTV1PF7hHuLIK0YWVKZhKv9Mj8UeXqkMVbnVq37CD+813gvYjcBUaZngQmXc9WNZSDNGCzA+fWl9MEUHWIZo1CeJebdY/XlgKeTa0Olvq0rt70Q5jiSfbqMJmQFteeivUhkMWYUA=
Contact: <sip:fluffy@127.0.0.1:5070>
t: <sip:kumiko@example.org>
From: <sip:fluffy@example.com>;tag=2fb0dcc9
Call-ID: 3d9485ad0c49859b@Zmx1ZmZ5LW1hYy0xNi5sb2NhbA..
CSeq: 1 MESSAGE
Content-Transfer-Encoding: binary
Content-Type: multipart/mixed;boundary=7a9cbec02ceef655
Date: Sat, 15 Oct 2005 04:44:56 GMT
User-Agent: SIPimp.org/0.2.5 (curses)
Content-Length: {}

",
        body.len()
    );
    let mut bytes = wire(&head);
    bytes.extend(&body);
    let message = request(&bytes);
    assert_eq!(message.body, body);
    assert_eq!(message.to_bytes(), bytes);
    let boundary = message.headers.content_type().unwrap().boundary();
    assert_eq!(boundary.as_deref(), Some("7a9cbec02ceef655"));
}

/// 3.1.1.12 and 3.1.1.13
#[test]
fn unreason_and_noreason_any_reason_phrase() {
    for (start, status, reason) in [
        (
            "SIP/2.0 200 = 2**3 * 5**2 но сто девяносто девять - простое",
            200,
            "= 2**3 * 5**2 но сто девяносто девять - простое",
        ),
        ("SIP/2.0 100 ", 100, ""),
    ] {
        let bytes = wire(&format!(
            "{start}
Via: SIP/2.0/UDP 192.0.2.198;branch=z9hG4bK1324923
Call-ID: unreason.1234ksdfak3j2erwedfsASdf
CSeq: 35 INVITE
From: sip:user@example.com;tag=11141343
To: sip:user@example.edu;tag=2229
Content-Length: 0

"
        ));
        let answer = response(&bytes);
        assert_eq!(answer.status, status);
        assert_eq!(answer.reason, reason.as_bytes());
        assert_eq!(answer.to_bytes(), bytes);
    }
}

/// A status line without even the space before the reason, which some peers send.
#[test]
fn a_status_line_may_end_after_the_code() {
    let answer = response(&wire(
        "SIP/2.0 100
Via: SIP/2.0/UDP h;branch=z9hG4bK1
Call-ID: 1
CSeq: 35 INVITE
From: <sip:a@b>;tag=1
To: <sip:c@d>

",
    ));
    assert_eq!(answer.status, StatusCode::TRYING);
    assert!(answer.reason.is_empty());
}

/// A request that has `lines` (among them what is wrong) and everything else that it must have.
fn with_lines(start: &str, cseq: &str, lines: &str) -> String {
    let mut text = format!("{start}\n");
    for (name, line) in [
        ("To: ", "To: sip:j.user@example.com"),
        ("From: ", "From: sip:caller@example.net;tag=134161461246"),
        ("Call-ID: ", "Call-ID: bad.0ha0isndaksdjasdf3234nas"),
        ("CSeq: ", cseq),
        ("Via: ", "Via: SIP/2.0/UDP 192.0.2.15;branch=z9hG4bKkdjuw"),
        ("Max-Forwards: ", "Max-Forwards: 7"),
    ] {
        if !lines.contains(name) {
            text.push_str(line);
            text.push('\n');
        }
    }
    text.push_str(lines);
    text.push_str("\n\n");
    text
}

const INVITE: &str = "INVITE sip:user@example.com SIP/2.0";
const OPTIONS: &str = "OPTIONS sip:user@example.com SIP/2.0";

/// Section 3.1.2, 3.3: everything that is refused with an answer.
#[test]
fn malformed_requests_are_answered() {
    use ParseErrorKind as Kind;
    let malformed = |name| Kind::Header(HeaderError::Malformed(name));
    for (name, start, cseq, lines, kind) in [
        (
            "badinv01: extraneous separators",
            INVITE,
            "CSeq: 8 INVITE",
            "Via: SIP/2.0/UDP 192.0.2.15;;,;,,\nContact: \"Joe\" <sip:joe@example.org>;;;;",
            malformed(HeaderName::Via),
        ),
        (
            "clerr: Content-Length longer than the datagram",
            INVITE,
            "CSeq: 8 INVITE",
            "Content-Length: 9999",
            Kind::BodyTooShort,
        ),
        (
            "ncl: negative Content-Length",
            INVITE,
            "CSeq: 8 INVITE",
            "Content-Length: -999",
            malformed(HeaderName::ContentLength),
        ),
        (
            "scalar02: CSeq out of range",
            "REGISTER sip:example.com SIP/2.0",
            "CSeq: 36893488147419103232 REGISTER",
            "Expires: 10000000000000000000000000000000000000000000000000",
            malformed(HeaderName::CSeq),
        ),
        (
            "scalar02: Max-Forwards out of range",
            "REGISTER sip:example.com SIP/2.0",
            "CSeq: 1 REGISTER",
            "Max-Forwards: 300",
            malformed(HeaderName::MaxForwards),
        ),
        (
            "quotbal: unterminated quoted string",
            INVITE,
            "CSeq: 8 INVITE",
            "To: \"Mr. J. User <sip:j.user@example.com>",
            malformed(HeaderName::To),
        ),
        (
            "ltgtruri: brackets around the Request-URI",
            "INVITE <sip:user@example.com> SIP/2.0",
            "CSeq: 8 INVITE",
            "",
            Kind::RequestUri,
        ),
        (
            "lwsruri: white space in the Request-URI",
            "INVITE sip:user@example.com; lr SIP/2.0",
            "CSeq: 8 INVITE",
            "",
            Kind::RequestUri,
        ),
        (
            "lwsstart: several spaces in the request line",
            "INVITE  sip:user@example.com  SIP/2.0",
            "CSeq: 8 INVITE",
            "",
            Kind::RequestUri,
        ),
        (
            "trws: trailing spaces in the request line",
            "OPTIONS sip:user@example.com SIP/2.0  ",
            "CSeq: 8 OPTIONS",
            "",
            Kind::StartLine,
        ),
        (
            "escruri: headers in the Request-URI",
            "INVITE sip:user@example.com?Route=%3Csip:example.com%3E SIP/2.0",
            "CSeq: 8 INVITE",
            "",
            Kind::RequestUri,
        ),
        (
            "badaspec: spaces within addr-spec",
            OPTIONS,
            "CSeq: 8 OPTIONS",
            "To: \"Watson, Thomas\" < sip:t.watson@example.org >",
            malformed(HeaderName::To),
        ),
        (
            "baddn: comma in an unquoted display name",
            OPTIONS,
            "CSeq: 8 OPTIONS",
            "From: Bell, Alexander <sip:a.g.bell@example.com>;tag=43",
            malformed(HeaderName::From),
        ),
        (
            "badvers: unknown protocol version",
            "OPTIONS sip:t.watson@example.org SIP/7.0",
            "CSeq: 8 OPTIONS",
            "Via: SIP/7.0/UDP c.example.com;branch=z9hG4bKkdjuw",
            Kind::Version,
        ),
        (
            "mismatch01: CSeq of another method",
            OPTIONS,
            "CSeq: 8 INVITE",
            "",
            Kind::CSeqMethod,
        ),
        (
            "mismatch02: an unknown method, CSeq of another",
            "NEWMETHOD sip:user@example.com SIP/2.0",
            "CSeq: 8 INVITE",
            "",
            Kind::CSeqMethod,
        ),
        (
            "multi01: two of what must be one",
            INVITE,
            "CSeq: 8 INVITE",
            "CSeq: 59 INVITE\nCSeq: 5 INVITE",
            Kind::Duplicate(HeaderName::CSeq),
        ),
        (
            "multi01: two From",
            INVITE,
            "CSeq: 8 INVITE",
            "From: sip:caller@example.com;tag=34\nf: sip:other.caller@example.net;tag=66",
            Kind::Duplicate(HeaderName::From),
        ),
        (
            "mcl01: two Content-Length that differ",
            OPTIONS,
            "CSeq: 8 OPTIONS",
            "Content-Length: 0\nl: 5",
            Kind::Duplicate(HeaderName::ContentLength),
        ),
        (
            "a header without colon",
            INVITE,
            "CSeq: 8 INVITE",
            "This is not a header",
            Kind::HeaderLine,
        ),
    ] {
        let error = refused(&with_lines(start, cseq, lines));
        assert_eq!(error.kind, kind, "{name}");
        let answer = answer(&error);
        let status = if kind == Kind::Version { 505 } else { 400 };
        assert!(
            answer.starts_with(&format!("SIP/2.0 {status} ")),
            "{name}: {answer}"
        );
        for copied in ["\r\nVia: SIP/", "\r\nTo: ", "\r\nFrom: ", "\r\nCSeq: "] {
            assert!(answer.contains(copied), "{name}: {answer}");
        }
    }
}

/// An ACK is never answered, nor is a response, nor what lacks the headers of an answer
/// (insuf, section 3.3.1; bigcode; scalarlg).
#[test]
fn what_cannot_be_answered_is_not() {
    let ack = "ACK <sip:a@b> SIP/2.0";
    let answerless = [
        with_lines(ack, "CSeq: 8 ACK", ""),
        with_lines(
            "SIP/2.0 4294967301 better not break the receiver",
            "CSeq: 8 OPTIONS",
            "",
        ),
        with_lines(
            "SIP/2.0 503 Service Unavailable",
            "CSeq: 9292394834772304023312 OPTIONS",
            "Retry-After: 949302838503028349304023988",
        ),
        with_lines("SIP/3.0 200 OK", "CSeq: 8 OPTIONS", ""),
        with_lines("SIP/2.0 99 Low", "CSeq: 8 OPTIONS", ""),
        with_lines("SIP/2.0 700 High", "CSeq: 8 OPTIONS", ""),
        with_lines("SIP/2.0 0200 OK", "CSeq: 8 OPTIONS", ""),
        with_lines(INVITE, "CSeq: 8 INVITE", "Via: nonsense"),
        format!(
            "{INVITE}\nVia: SIP/2.0/UDP 192.0.2.95;branch=z9hG4bKkdj.insuf\nCSeq: 193942 INVITE\n\n"
        ),
        with_lines("(bad) sip:a@b SIP/2.0", "CSeq: 8 (bad)", ""),
        "GET / HTTP/1.1\nHost: a\n\n".to_owned(),
        "INVITE\n\n".to_owned(),
        "INVITE sip:a@b\n\n".to_owned(),
        "\n\n".to_owned(),
        String::new(),
    ];
    for text in answerless {
        assert!(refused(&text).answerable.is_none(), "{text}");
    }
}

/// Section 3.1.2.12, 3.3: odd, but not for the parser to refuse.
#[test]
fn what_is_odd_but_no_hindrance_is_accepted() {
    for (name, start, cseq, lines) in [
        (
            "baddate: a Date outside GMT",
            INVITE,
            "CSeq: 8 INVITE",
            "Date: Fri, 01 Jan 2010 16:00:00 EST",
        ),
        (
            "unkscm: an unknown URI scheme",
            "OPTIONS nobodyKnowsThisScheme:totallyopaquecontent SIP/2.0",
            "CSeq: 8 OPTIONS",
            "",
        ),
        (
            "novelsc: a known scheme that is not SIP's",
            "OPTIONS soap.beep://192.0.2.103:3002 SIP/2.0",
            "CSeq: 8 OPTIONS",
            "",
        ),
        (
            "unksm2: unknown schemes in headers",
            OPTIONS,
            "CSeq: 8 OPTIONS",
            "To: isbn:2983792873\nFrom: <http://www.example.com>;tag=3234233\nContact: <name:John_Smith>",
        ),
        (
            "zeromf: Max-Forwards 0",
            OPTIONS,
            "CSeq: 8 OPTIONS",
            "Max-Forwards: 0",
        ),
        (
            "inv2543: no branch, no tag, no Max-Forwards",
            INVITE,
            "CSeq: 1 INVITE",
            "Via: SIP/2.0/UDP iftgw.example.com\nFrom: <sip:+13035551111@ift.client.example.net;user=phone>",
        ),
        (
            "invut: an unknown content type",
            INVITE,
            "CSeq: 8 INVITE",
            "Content-Type: application/unknownformat",
        ),
        (
            "the same Content-Length twice",
            INVITE,
            "CSeq: 8 INVITE",
            "Content-Length: 0\nl: 0",
        ),
    ] {
        let parsed = Message::parse(&wire(&with_lines(start, cseq, lines)));
        assert!(parsed.is_ok(), "{name}: {parsed:?}");
    }
}

/// regbadct (3.1.2.13), regescrt (3.3.13), cparam01 (3.3.10): a Contact is judged by who reads it.
#[test]
fn a_contact_needs_brackets_where_its_uri_has_headers() {
    let contact = |value: &str| {
        let lines = format!("Contact: {value}");
        let register = "REGISTER sip:example.com SIP/2.0";
        let text = with_lines(register, "CSeq: 8 REGISTER", &lines);
        request(&wire(&text)).headers.contact()
    };
    assert_eq!(
        contact("sip:user@example.com?Route=%3Csip:sip.example.com%3E"),
        Err(HeaderError::Malformed(HeaderName::Contact))
    );
    let escaped = contact("<sip:user@example.com?Route=%3Csip:sip.example.com%3E>");
    let uri = escaped.unwrap().unwrap().into_uri();
    assert_eq!(uri.headers(), Some("Route=%3Csip:sip.example.com%3E"));
    assert_eq!(uri.as_request_uri().as_str(), "sip:user@example.com");
    let unbracketed = contact("sip:+19725552222@gw1.example.net;unknownparam");
    let unbracketed = unbracketed.unwrap().unwrap();
    assert!(unbracketed.params().contains("unknownparam"));
    assert!(!unbracketed.uri().has_param("unknownparam"));
    assert!(contact("*").is_err());
}

/// RFC 5118: IPv6.
#[test]
fn ipv6_references_stand_in_brackets() {
    let register = |uri: &str| {
        with_lines(
            &format!("REGISTER {uri} SIP/2.0"),
            "CSeq: 98176 REGISTER",
            "Via: SIP/2.0/UDP [2001:db8::9:1];received=[2001:db8::9:255];branch=z9hG4bKas3-111\n\
             Contact: \"Caller\" <sip:caller@[2001:db8::1]>",
        )
    };
    let good = request(&wire(&register("sip:[2001:db8::10]:5070")));
    let address = Host::Address("2001:db8::10".parse().unwrap());
    assert_eq!(good.uri.host(), Some(&address));
    assert_eq!(good.uri.port(), Some(5070));
    assert_eq!(good.uri.scheme(), Scheme::Sip);
    let received = good.headers.top_via().unwrap().received();
    assert_eq!(received, Some("2001:db8::9:255".parse().unwrap()));
    let ambiguous = request(&wire(&register("sip:[2001:db8::10:5070]")));
    assert_eq!(ambiguous.uri.port(), None);
    assert_eq!(
        refused(&register("sip:2001:db8::10")).kind,
        ParseErrorKind::RequestUri
    );
}
