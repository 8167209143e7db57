//! Values of the configuration that are more than a string or a number.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::Duration;

use sip_core::message::{Scheme, Uri};
use sip_core::transport::{Host, Transport};
use sip_core::trunk::{Allowed, Network};

/// `500ms`, `60s`, `2m`, `1h`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let expected =
        || format!("{text:?} is not a time; expected a number and ms, s, m or h, like \"60s\"");
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .ok_or_else(expected)?;
    let number: u64 = text[..digits].parse().map_err(|_| expected())?;
    let milliseconds = match text[digits..].trim_start() {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(expected()),
    };
    number
        .checked_mul(milliseconds)
        .map(Duration::from_millis)
        .ok_or_else(expected)
}

/// `30000-39999`: a range for pairs of an even RTP port and the odd RTCP port above it.
pub(super) fn port_range(text: &str) -> Result<RangeInclusive<u16>, String> {
    let expected =
        || format!("{text:?} is not a range of ports; expected \"LOW-HIGH\", like \"30000-39999\"");
    let (low, high) = text.split_once('-').ok_or_else(expected)?;
    let low: u16 = low.trim().parse().map_err(|_| expected())?;
    let high: u16 = high.trim().parse().map_err(|_| expected())?;
    if low < 1024 {
        return Err(format!(
            "port {low} is below 1024; expected a range of unprivileged ports"
        ));
    }
    if u32::from(low).next_multiple_of(2) >= u32::from(high) {
        return Err(format!(
            "{text:?} holds no pair of ports; expected LOW below HIGH"
        ));
    }
    Ok(low..=high)
}

/// `192.0.2.0/24`, `2001:db8::/32`, or one address.
pub(super) fn network(text: &str) -> Result<Network, String> {
    let expected = || {
        format!(
            "{text:?} is not a network; expected an address or address/prefix, like \"192.0.2.0/24\""
        )
    };
    let (address, prefix) = match text.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().map_err(|_| expected())?;
    let bits = if address.is_ipv4() { 32 } else { 128 };
    let prefix: u8 = match prefix {
        None => bits,
        Some(prefix) => prefix
            .parse()
            .ok()
            .filter(|prefix| *prefix <= bits)
            .ok_or_else(expected)?,
    };
    let first = masked(address, prefix);
    if first != address {
        return Err(format!(
            "{text:?} has bits beyond its prefix; expected {first}/{prefix} or {address}"
        ));
    }
    Ok(Network { address, prefix })
}

/// A network of an ACL, with ports or without: `network`, `network:port`, `network:low-high`; an IPv6
/// network with ports stands in brackets.
pub(super) fn allowed(text: &str) -> Result<Allowed, String> {
    let bracketed = text
        .strip_prefix('[')
        .map(|rest| rest.split_once("]:").unwrap_or((rest, "")));
    let with_ports = match bracketed {
        Some(parts) => Some(parts),
        // More than one colon is an IPv6 network.
        None => text
            .split_once(':')
            .filter(|(_, ports)| !ports.contains(':')),
    };
    let Some((network_text, ports)) = with_ports else {
        return network(text).map(Allowed::from);
    };
    let expected = || {
        format!(
            "{text:?} has no ports; expected network:port or network:low-high, like \"192.0.2.0/24:5060\" \
             or \"[2001:db8::/32]:5060-5061\""
        )
    };
    let port = |text: &str| text.trim().parse::<u16>().ok().filter(|port| *port != 0);
    let (low, high) = ports.split_once('-').unwrap_or((ports, ports));
    let (low, high) = port(low).zip(port(high)).ok_or_else(expected)?;
    if low > high {
        return Err(expected());
    }
    Ok(Allowed {
        network: network(network_text)?,
        ports: Some(low..=high),
    })
}

fn masked(address: IpAddr, prefix: u8) -> IpAddr {
    let host_bits = |bits: u32| bits.saturating_sub(u32::from(prefix));
    match address {
        IpAddr::V4(v4) => {
            IpAddr::V4((v4.to_bits() & u32::MAX.checked_shl(host_bits(32)).unwrap_or(0)).into())
        }
        IpAddr::V6(v6) => {
            IpAddr::V6((v6.to_bits() & u128::MAX.checked_shl(host_bits(128)).unwrap_or(0)).into())
        }
    }
}

/// A regular expression. What is wrong with it is told in one line.
pub(super) fn regex(pattern: &str) -> Result<regex::Regex, String> {
    regex::Regex::new(pattern).map_err(|error| {
        let told = error.to_string();
        let problem = told.rsplit("error: ").next().unwrap_or(&told).trim().to_owned();
        format!("{pattern:?} is not a pattern: {problem}; expected a regular expression, like \"^\\+49\"")
    })
}

/// A name, an IPv4 address, or an IPv6 address (in brackets or not).
pub(super) fn host(text: &str) -> Result<Host, String> {
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(text);
    if let Ok(address) = bare.parse::<IpAddr>() {
        return Ok(Host::Address(address));
    }
    domain(text).map(Host::Name)
}

/// A DNS name, in lower case.
pub(super) fn domain(text: &str) -> Result<String, String> {
    let expected = || format!("{text:?} is not a host name");
    let name = text.strip_suffix('.').unwrap_or(text);
    let label_is_fine = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    // A last label of digits alone is a mistyped IPv4 address (RFC 3261 section 25.1, toplabel).
    let top_is_fine = name
        .rsplit('.')
        .next()
        .is_some_and(|top| !top.bytes().all(|byte| byte.is_ascii_digit()));
    if name.len() > 253 || !name.split('.').all(label_is_fine) || !top_is_fine {
        return Err(expected());
    }
    Ok(name.to_ascii_lowercase())
}

/// `HOST` or `HOST:PORT`, IPv6 in brackets when a port follows.
pub(super) fn host_and_port(text: &str) -> Result<(Host, Option<u16>), String> {
    if text.parse::<IpAddr>().is_ok() {
        return Ok((host(text)?, None));
    }
    let (name, port) = match text.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, Some(port)),
        _ => (text, None),
    };
    let port = match port {
        None => None,
        Some(port) => Some(
            port.parse()
                .ok()
                .filter(|port| *port != 0)
                .ok_or_else(|| format!("{port:?} is not a port; expected 1-65535"))?,
        ),
    };
    Ok((host(name)?, port))
}

/// `192.0.2.53`, or with a port that is not 53.
pub(super) fn name_server(text: &str) -> Result<SocketAddr, String> {
    match host_and_port(text) {
        Ok((Host::Address(address), port)) => Ok((address, port.unwrap_or(53)).into()),
        _ => Err(format!(
            "{text:?} is not a name server; expected an address or address:port, like \"192.0.2.53\""
        )),
    }
}

/// A transport's token, in any case. Never a default: an unknown one is an error (TRK-4).
pub(super) fn transport(text: &str) -> Result<Transport, String> {
    Transport::from_token(text)
        .ok_or_else(|| format!("unknown transport {text:?}; expected udp, tcp or tls"))
}

/// A destination as it is written; [`super::trunk`] settles transport and port.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct DestinationUri {
    /// `sips:` was written.
    pub(super) sips: bool,
    pub(super) host: Host,
    pub(super) port: Option<u16>,
    pub(super) transport: Option<Transport>,
}

/// `sip:host:port;transport=tls`; scheme and tokens in any case.
pub(super) fn destination(text: &str) -> Result<DestinationUri, String> {
    let example = "expected sip:HOST[:PORT][;transport=udp|tcp|tls]";
    let (scheme, rest) = text
        .split_once(':')
        .ok_or_else(|| format!("{text:?} is not a SIP URI; {example}"))?;
    let sips = match scheme.to_ascii_lowercase().as_str() {
        "sip" => false,
        "sips" => true,
        _ => {
            return Err(format!(
                "scheme {scheme:?} cannot be a destination; {example}"
            ));
        }
    };
    if rest.contains('@') || rest.contains('?') {
        return Err(format!(
            "a destination has no user and no headers; {example}"
        ));
    }
    let mut parts = rest.split(';');
    let (host, port) = host_and_port(parts.next().unwrap_or_default())?;
    let mut chosen = None;
    for parameter in parts {
        match parameter.split_once('=') {
            Some((name, token))
                if name.trim().eq_ignore_ascii_case("transport") && chosen.is_none() =>
            {
                chosen = Some(transport(token.trim())?);
            }
            _ => {
                return Err(format!(
                    "parameter {parameter:?} is not understood; {example}"
                ));
            }
        }
    }
    Ok(DestinationUri {
        sips,
        host,
        port,
        transport: chosen,
    })
}

/// `sip:user@host`: our address-of-record with somebody else.
pub(super) fn aor(text: &str) -> Result<Uri, String> {
    let expected = || format!("{text:?} is not an address-of-record; expected sip:USER@HOST");
    let uri = Uri::parse(text.as_bytes()).ok_or_else(expected)?;
    let is_plain = uri.params().iter().next().is_none() && uri.headers().is_none();
    let is_fine = uri.scheme() == Scheme::Sip && uri.user().is_some() && is_plain;
    if is_fine { Ok(uri) } else { Err(expected()) }
}

/// One of a few words, in any case.
pub(super) fn choice<T: Copy>(text: &str, choices: &[(&str, T)]) -> Result<T, String> {
    choices
        .iter()
        .find(|(word, _)| word.eq_ignore_ascii_case(text))
        .map(|(_, value)| *value)
        .ok_or_else(|| {
            let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
            match words.split_last() {
                Some((last, [])) => format!("{text:?} is unknown; expected {last}"),
                Some((last, others)) => format!(
                    "{text:?} is unknown; expected {} or {last}",
                    others.join(", ")
                ),
                None => format!("{text:?} is unknown"),
            }
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_need_a_unit() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("60s"), Ok(Duration::from_secs(60)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        assert_eq!(duration("24h"), Ok(Duration::from_secs(86_400)));
        for bad in [
            "",
            "60",
            "s",
            "-1s",
            "1d",
            "99999999999999999999s",
            "18446744073709551615h",
        ] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn port_ranges_hold_at_least_one_pair() {
        assert_eq!(port_range("30000-39999"), Ok(30000..=39999));
        assert_eq!(port_range("30000 - 30001"), Ok(30000..=30001));
        for bad in [
            "30000",
            "30001-30002",
            "40000-30000",
            "80-90",
            "30000-70000",
            "a-b",
            "65535-65535",
        ] {
            assert!(port_range(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn trk_1_networks_of_an_acl_may_have_ports() {
        let of = |text: &str| {
            let allowed = allowed(text)?;
            let network = (allowed.network.address.to_string(), allowed.network.prefix);
            Ok::<_, String>((network, allowed.ports))
        };
        let v4 = ("192.0.2.0".to_owned(), 24);
        let v6 = ("2001:db8::".to_owned(), 32);
        assert_eq!(of("192.0.2.0/24"), Ok((v4.clone(), None)));
        assert_eq!(of("192.0.2.0/24:5060"), Ok((v4.clone(), Some(5060..=5060))));
        assert_eq!(of("192.0.2.0/24:5060-5070"), Ok((v4, Some(5060..=5070))));
        assert_eq!(of("2001:db8::/32"), Ok((v6.clone(), None)));
        assert_eq!(of("[2001:db8::/32]:5060"), Ok((v6, Some(5060..=5060))));
        for bad in [
            "192.0.2.0/24:",
            "192.0.2.0/24:0",
            "192.0.2.0/24:70000",
            "192.0.2.0/24:5070-5060",
            "192.0.2.0/24:5060-",
            "192.0.2.0/24:sip",
            "[2001:db8::/32]",
            "[2001:db8::/32]5060",
            "[2001:db8::/32]:",
            "[192.0.2.1/24]:5060",
            ":5060",
        ] {
            assert!(of(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn networks_have_no_bits_beyond_their_prefix() {
        let network_of =
            |text: &str| network(text).map(|network| (network.address.to_string(), network.prefix));
        assert_eq!(network_of("192.0.2.0/24"), Ok(("192.0.2.0".to_owned(), 24)));
        assert_eq!(network_of("192.0.2.7"), Ok(("192.0.2.7".to_owned(), 32)));
        assert_eq!(network_of("0.0.0.0/0"), Ok(("0.0.0.0".to_owned(), 0)));
        assert_eq!(
            network_of("2001:db8::/32"),
            Ok(("2001:db8::".to_owned(), 32))
        );
        assert_eq!(network_of("::/0"), Ok(("::".to_owned(), 0)));
        for bad in [
            "",
            "192.0.2.0/33",
            "192.0.2.1/24",
            "example.com",
            "2001:db8::1/64",
            "192.0.2.0/",
        ] {
            assert!(network(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn destinations_are_read_in_any_case_and_never_guessed() {
        let name = |name: &str| Host::Name(name.to_owned());
        let cases = [
            (
                "sip:PBX.example.com",
                (false, name("pbx.example.com"), None, None),
            ),
            (
                "SIP:pbx.example.com:5070;Transport=TCP",
                (
                    false,
                    name("pbx.example.com"),
                    Some(5070),
                    Some(Transport::Tcp),
                ),
            ),
            (
                "sips:pbx.example.com",
                (true, name("pbx.example.com"), None, None),
            ),
            (
                "sip:192.0.2.1:5060",
                (
                    false,
                    Host::Address([192, 0, 2, 1].into()),
                    Some(5060),
                    None,
                ),
            ),
            (
                "sip:[2001:db8::1]:5061;transport=tls",
                (
                    false,
                    Host::Address("2001:db8::1".parse().unwrap()),
                    Some(5061),
                    Some(Transport::Tls),
                ),
            ),
            (
                "sip:[2001:db8::1]",
                (
                    false,
                    Host::Address("2001:db8::1".parse().unwrap()),
                    None,
                    None,
                ),
            ),
        ];
        for (text, (sips, host, port, transport)) in cases {
            assert_eq!(
                destination(text),
                Ok(DestinationUri {
                    sips,
                    host,
                    port,
                    transport
                }),
                "{text}"
            );
        }
        for bad in [
            "pbx.example.com",
            "tel:+431",
            "sip:",
            "sip:a@b.example",
            "sip:h:0",
            "sip:h:99999",
            "sip:10.0.0.256",
            "sip:h;transport=sctp",
            "sip:h;lr",
            "sip:h;transport=udp;transport=tls",
            "sip:[::1",
            "sip:a..b",
        ] {
            assert!(destination(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_unknown_word_is_answered_with_the_known_ones() {
        let choices = [("strict", 1), ("wildcard", 2), ("off", 3)];
        assert_eq!(choice("WildCard", &choices), Ok(2));
        assert_eq!(
            choice("none", &choices),
            Err("\"none\" is unknown; expected strict, wildcard or off".to_owned())
        );
    }
}
