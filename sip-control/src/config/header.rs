//! `headers`, `trusted` and `header_rules` of a trunk (SIG-6).

use regex::bytes::Regex;
use sip_core::trunk::{
    HeaderKey, HeaderPolicy, HeaderRule, RuleAction, RuleDirection, RuleMessages,
};

use super::error::Fault;
use super::sections::{HeaderRuleSection, TrunkSection};
use super::settings::{at, optional};
use super::value;

/// `key` is the trunk's.
pub(super) fn resolve(key: &str, section: &TrunkSection) -> Result<HeaderPolicy, Fault> {
    let pass = match &section.headers {
        None => HeaderPolicy::default().pass,
        Some(names) => names
            .iter()
            .enumerate()
            .map(|(place, name)| header(&format!("{key}.headers[{place}]"), name))
            .collect::<Result<_, _>>()?,
    };
    let rules = section
        .header_rules
        .iter()
        .enumerate()
        .map(|(place, section)| {
            let key = format!("{key}.header_rules[{place}]");
            rule(&key, section)
        });
    Ok(HeaderPolicy {
        pass,
        trusted: section.trusted,
        rules: rules.collect::<Result<_, _>>()?,
    })
}

fn header(key: &str, name: &str) -> Result<HeaderKey, Fault> {
    HeaderKey::parse(name).map_err(|bad| Fault::new(key, bad.to_string()))
}

fn rule(key: &str, section: &HeaderRuleSection) -> Result<HeaderRule, Fault> {
    let directions = [("in", RuleDirection::In), ("out", RuleDirection::Out)];
    let messages = [
        ("all", RuleMessages::All),
        ("requests", RuleMessages::Requests),
        ("responses", RuleMessages::Responses),
    ];
    let (field, name, action) = action(key, section)?;
    Ok(HeaderRule {
        direction: value::choice(&section.direction, &directions)
            .map_err(at(format!("{key}.direction")))?,
        messages: optional(&section.messages, |text| value::choice(text, &messages))
            .map_err(at(format!("{key}.messages")))?
            .unwrap_or_default(),
        header: header(&format!("{key}.{field}"), name)?,
        action,
    })
}

/// Which of the three a rule is, the header that it names, and what it does.
fn action<'a>(
    key: &str,
    section: &'a HeaderRuleSection,
) -> Result<(&'static str, &'a str, RuleAction), Fault> {
    let HeaderRuleSection {
        add,
        remove,
        replace,
        value,
        pattern,
        with,
        ..
    } = section;
    let of = |field: &str, value: &Option<String>| {
        let missing = || Fault::new(format!("{key}.{field}"), "missing");
        value.clone().ok_or_else(missing)
    };
    let (field, name, action, uses) = match (add, remove, replace) {
        (Some(name), None, None) => (
            "add",
            name,
            RuleAction::Add(of("value", value)?),
            &["value"][..],
        ),
        (None, Some(name), None) => ("remove", name, RuleAction::Remove, &[][..]),
        (None, None, Some(name)) => {
            let action = RuleAction::Replace {
                pattern: bytes_regex(&format!("{key}.pattern"), &of("pattern", pattern)?)?,
                with: of("with", with)?,
            };
            ("replace", name, action, &["pattern", "with"][..])
        }
        _ => {
            let problem = "expected one of add, remove and replace, with the name of a header";
            return Err(Fault::new(key, problem));
        }
    };
    let given = [("value", value), ("pattern", pattern), ("with", with)];
    match given
        .iter()
        .find(|(setting, value)| value.is_some() && !uses.contains(setting))
    {
        Some((setting, _)) => {
            let problem = format!("means nothing to a rule that has {field}");
            Err(Fault::new(format!("{key}.{setting}"), problem))
        }
        None => Ok((field, name.as_str(), action)),
    }
}

/// The same for bytes: a header's value need not be UTF-8.
fn bytes_regex(key: &str, pattern: &str) -> Result<Regex, Fault> {
    value::regex(pattern).map_err(at(key))?;
    Regex::new(pattern).map_err(|error| Fault::new(key, error.to_string()))
}
