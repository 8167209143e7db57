//! Headers from one leg to the other (SIG-6): what both trunks let pass, byte for byte, and then
//! what their rules make of it.

use crate::message::{Field, HeaderName, Headers};
use crate::trunk::{HeaderPolicy, HeaderRule, RuleAction, RuleDirection, Trunk};

/// From one trunk to another, in one kind of message.
#[derive(Clone, Copy)]
pub(super) struct Crossing<'a> {
    from: &'a HeaderPolicy,
    to: &'a HeaderPolicy,
    is_request: bool,
}

impl<'a> Crossing<'a> {
    pub(super) fn request(from: &'a Trunk, to: &'a Trunk) -> Crossing<'a> {
        Crossing {
            from: &from.headers,
            to: &to.headers,
            is_request: true,
        }
    }

    pub(super) fn response(from: &'a Trunk, to: &'a Trunk) -> Crossing<'a> {
        Crossing {
            is_request: false,
            ..Crossing::request(from, to)
        }
    }

    /// Copies what crosses, as spelled, and applies the rules of the trunk that it comes from, then
    /// those of the trunk that it goes to.
    pub(super) fn pass(self, headers: &Headers, out: &mut Headers) {
        let passing = self.passing(headers);
        let mut rules = self.rules().peekable();
        if rules.peek().is_none() {
            return out.extend(passing);
        }
        let mut changed = Headers::new();
        changed.extend(passing);
        for rule in rules {
            changed = apply(rule, changed);
        }
        out.extend(changed.iter());
    }

    /// Whether a message says anything that is for the other side.
    pub(super) fn has_news(self, headers: &Headers) -> bool {
        self.passing(headers).next().is_some()
    }

    fn passing(self, headers: &Headers) -> impl Iterator<Item = Field<'_>> {
        let stays = Withheld::of(headers, self);
        headers
            .iter()
            .filter(move |field| self.from.passes(field) && self.to.passes(field))
            .filter(move |field| !field.name.is_some_and(|name| stays.holds(name)))
    }

    fn rules(self) -> impl Iterator<Item = &'a HeaderRule> {
        let of = |policy: &'a HeaderPolicy, direction| {
            policy
                .rules
                .iter()
                .filter(move |rule| rule.direction == direction)
        };
        of(self.from, RuleDirection::In)
            .chain(of(self.to, RuleDirection::Out))
            .filter(move |rule| rule.messages.include(self.is_request))
    }
}

/// What its owner does not want to be known beyond the trust domain, or what nobody in it vouches
/// for.
struct Withheld {
    identity: bool,
    history: bool,
}

impl Withheld {
    /// An identity that is asserted from outside the trust domain means nothing and goes no further
    /// (RFC 3325 section 5); one that Privacy withholds goes to trusted peers only (section 7), and
    /// so does a history (RFC 7044 section 10.1.2).
    fn of(headers: &Headers, crossing: Crossing<'_>) -> Withheld {
        let beyond = |wish: &[u8]| !crossing.to.trusted && asks_for(headers, wish);
        Withheld {
            identity: !crossing.from.trusted || beyond(b"id"),
            history: beyond(b"history"),
        }
    }

    fn holds(&self, name: HeaderName) -> bool {
        match name {
            HeaderName::PAssertedIdentity | HeaderName::RemotePartyId => self.identity,
            HeaderName::HistoryInfo => self.history,
            _ => false,
        }
    }
}

/// Whether Privacy has that value (RFC 3325 section 9.3). Its values are parted by semicolons
/// (RFC 3323 section 4.2); commas are seen, too.
fn asks_for(headers: &Headers, wish: &[u8]) -> bool {
    headers.values(HeaderName::Privacy).any(|value| {
        value
            .split(|byte| matches!(byte, b';' | b','))
            .any(|word| word.trim_ascii().eq_ignore_ascii_case(wish))
    })
}

fn apply(rule: &HeaderRule, headers: Headers) -> Headers {
    let mut changed = Headers::new();
    for field in headers.iter() {
        if !rule.header.names(&field) {
            changed.push_raw(field);
            continue;
        }
        match &rule.action {
            RuleAction::Remove => {}
            RuleAction::Replace { pattern, with } if pattern.is_match(field.value) => {
                let value = pattern.replace_all(field.value, with.as_bytes());
                changed.push_named(&String::from_utf8_lossy(field.raw_name), value);
            }
            RuleAction::Add(_) | RuleAction::Replace { .. } => changed.push_raw(field),
        }
    }
    if let RuleAction::Add(value) = &rule.action {
        changed.push_named(rule.header.as_str(), value.as_str());
    }
    changed
}

#[cfg(test)]
mod tests {
    use regex::bytes::Regex;

    use super::*;
    use crate::trunk::{HeaderKey, RuleMessages};

    fn headers(lines: &[(&str, &str)]) -> Headers {
        let mut headers = Headers::new();
        for (name, value) in lines {
            headers.push_named(name, *value);
        }
        headers
    }

    fn crossed(crossing: Crossing<'_>, lines: &[(&str, &str)]) -> Vec<String> {
        let mut out = Headers::new();
        crossing.pass(&headers(lines), &mut out);
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        out.iter()
            .map(|field| format!("{}: {}", text(field.raw_name), text(field.value)))
            .collect()
    }

    fn between<'a>(from: &'a HeaderPolicy, to: &'a HeaderPolicy) -> Crossing<'a> {
        Crossing {
            from,
            to,
            is_request: true,
        }
    }

    fn trusted() -> HeaderPolicy {
        HeaderPolicy {
            trusted: true,
            ..HeaderPolicy::default()
        }
    }

    #[test]
    fn sig_6_only_the_listed_headers_cross_and_they_cross_as_spelled() {
        let policy = trusted();
        let lines = [
            ("Via", "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1"),
            ("x-Trace", "a  b;\tc=\"d\""),
            ("User-to-user", "00ab;encoding=hex"),
            ("History-Info", "<sip:a@b>;index=1"),
            ("Record-Route", "<sip:192.0.2.1;lr>"),
            ("Diversion", "<tel:+1>;reason=unknown"),
            ("P-ASSERTED-IDENTITY", "\"A\" <sip:a@b>"),
            ("Privacy", "user"),
            ("Reason", "Q.850;cause=16"),
            ("Alert-Info", "<http://example.com/ring>"),
            ("Server", "them"),
            ("Xylophone", "1"),
            ("Subject", "hidden"),
        ];
        assert_eq!(
            crossed(between(&policy, &policy), &lines),
            [
                "x-Trace: a  b;\tc=\"d\"",
                "User-to-user: 00ab;encoding=hex",
                "History-Info: <sip:a@b>;index=1",
                "Diversion: <tel:+1>;reason=unknown",
                "P-ASSERTED-IDENTITY: \"A\" <sip:a@b>",
                "Privacy: user",
                "Reason: Q.850;cause=16",
                "Alert-Info: <http://example.com/ring>",
            ]
        );
    }

    #[test]
    fn sig_6_a_header_crosses_if_both_trunks_let_it() {
        let with = |names: &[&str]| HeaderPolicy {
            pass: names
                .iter()
                .map(|name| HeaderKey::parse(name).unwrap())
                .collect(),
            ..HeaderPolicy::default()
        };
        let (wide, narrow) = (with(&["subject", "P-Example"]), with(&["Subject"]));
        let lines = [
            ("s", "compact"),
            ("p-example", "1"),
            ("Diversion", "<tel:+1>"),
            ("X-Always", "1"),
        ];
        for (from, to, expected) in [
            (
                &wide,
                &wide,
                &["s: compact", "p-example: 1", "X-Always: 1"][..],
            ),
            (&wide, &narrow, &["s: compact", "X-Always: 1"]),
            (&narrow, &wide, &["s: compact", "X-Always: 1"]),
        ] {
            assert_eq!(crossed(between(from, to), &lines), expected);
        }
    }

    /// RFC 3325 sections 5 and 7.
    #[test]
    fn sig_6_an_identity_crosses_by_trust_and_privacy() {
        let (trusting, untrusted) = (trusted(), HeaderPolicy::default());
        for (privacy, from, to, crosses) in [
            ("none", &trusting, &trusting, true),
            ("none", &trusting, &untrusted, true),
            ("none", &untrusted, &trusting, false),
            ("none", &untrusted, &untrusted, false),
            ("id", &trusting, &trusting, true),
            ("id", &trusting, &untrusted, false),
            ("ID ;critical", &trusting, &untrusted, false),
            ("header; user;id", &trusting, &untrusted, false),
            ("user, id", &trusting, &untrusted, false),
            ("user;identity", &trusting, &untrusted, true),
        ] {
            let lines = [
                ("P-Asserted-Identity", "<sip:+15550100@carrier.example>"),
                ("Privacy", privacy),
                ("P-Asserted-Identity", "<tel:+15550100>"),
            ];
            let crossed = crossed(between(from, to), &lines);
            let identities = crossed
                .iter()
                .filter(|line| line.starts_with("P-A"))
                .count();
            assert_eq!(identities, if crosses { 2 } else { 0 }, "{privacy}");
            assert!(
                crossed.contains(&format!("Privacy: {privacy}")),
                "the wish itself"
            );
        }
    }

    #[test]
    fn sig_6_a_history_that_is_withheld_stays_within_the_trust_domain() {
        let (trusting, untrusted) = (trusted(), HeaderPolicy::default());
        let lines = [
            ("History-Info", "<sip:a@b>;index=1"),
            ("Privacy", "history"),
        ];
        assert_eq!(crossed(between(&trusting, &untrusted), &lines).len(), 1);
        assert_eq!(crossed(between(&trusting, &trusting), &lines).len(), 2);
    }

    fn rule(direction: RuleDirection, name: &str, action: RuleAction) -> HeaderRule {
        HeaderRule {
            direction,
            messages: RuleMessages::All,
            header: HeaderKey::parse(name).unwrap(),
            action,
        }
    }

    fn replace(pattern: &str, with: &str) -> RuleAction {
        RuleAction::Replace {
            pattern: Regex::new(pattern).unwrap(),
            with: with.to_owned(),
        }
    }

    #[test]
    fn sig_6_rules_of_both_trunks_apply_in_order() {
        let from = HeaderPolicy {
            rules: vec![
                rule(RuleDirection::In, "x-secret", RuleAction::Remove),
                rule(
                    RuleDirection::In,
                    "X-From",
                    RuleAction::Add("carrier".to_owned()),
                ),
                rule(RuleDirection::Out, "X-From", RuleAction::Remove),
            ],
            ..HeaderPolicy::default()
        };
        let to = HeaderPolicy {
            rules: vec![
                rule(
                    RuleDirection::Out,
                    "Diversion",
                    replace(r"@10\.[0-9.]+", "@edge.example"),
                ),
                rule(RuleDirection::Out, "X-From", replace("^(.*)$", "<$1>")),
                rule(
                    RuleDirection::Out,
                    "P-Hint",
                    RuleAction::Add("a\r\nVia: b".to_owned()),
                ),
            ],
            ..HeaderPolicy::default()
        };
        let lines = [
            ("X-SECRET", "1"),
            ("diversion", "<sip:1@10.0.0.1>,\r\n <sip:2@10.0.0.2>"),
            ("Diversion", "<sip:3@192.0.2.1>;a=\"  \""),
            ("X-Other", "y"),
        ];
        assert_eq!(
            crossed(between(&from, &to), &lines),
            [
                "diversion: <sip:1@edge.example>,\r\n <sip:2@edge.example>",
                "Diversion: <sip:3@192.0.2.1>;a=\"  \"",
                "X-Other: y",
                "X-From: <carrier>",
                "P-Hint: a  Via: b",
            ]
        );
    }

    #[test]
    fn sig_6_a_rule_may_be_for_requests_or_responses_alone() {
        let policy = HeaderPolicy {
            rules: vec![HeaderRule {
                messages: RuleMessages::Responses,
                ..rule(RuleDirection::Out, "X-A", RuleAction::Add("1".to_owned()))
            }],
            ..HeaderPolicy::default()
        };
        let request = between(&policy, &policy);
        let response = Crossing {
            is_request: false,
            ..request
        };
        assert_eq!(crossed(request, &[]), Vec::<String>::new());
        assert_eq!(crossed(response, &[]), ["X-A: 1"]);
    }
}
