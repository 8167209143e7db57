//! What `key=value` may name: the fields of `trunkline.toml`, and how their values are written on a
//! command line. The daemon judges the values; a field that is not here goes to it as it is.

/// How a value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Text,
    /// One of these words.
    Word(&'static [&'static str]),
    /// Text that should not stand on a command line: `@FILE` reads it.
    Secret,
    Number,
    Flag,
    /// Of texts, with commas between them, or as JSON.
    List,
    /// As JSON.
    Tables,
}

pub(super) type Field = (&'static str, Shape);

use Shape::{Flag, List, Number, Secret, Tables, Text, Word};

pub(super) const TRUNK: &[Field] = &[
    ("name", Text),
    ("secure", Word(&["disabled", "tls", "srtp"])),
    ("domains", List),
    ("acl", List),
    ("credentials", Tables),
    ("auth_realm", Text),
    ("auth_algorithms", List),
    ("auth.user", Text),
    ("auth.password", Secret),
    ("register.aor", Text),
    ("register.expires", Text),
    ("max_calls_per_second", Number),
    ("max_concurrent_calls", Number),
    ("max_call_seconds", Number),
    ("destination", Text),
    ("origination", Tables),
    ("fallback", Text),
    ("no_response", Text),
    ("backoff", Text),
    ("probe", Text),
    ("probe_failures", Number),
    ("early_dialogs", Word(&["collapse", "pass"])),
    ("listener", Text),
    ("realm", Text),
    ("suites", List),
    ("source", Word(&["strict", "latch"])),
    ("media_acl", List),
    ("srtp_passthrough", Word(&["never", "prefer"])),
    ("sips", Word(&["tls", "pass"])),
    ("dial_plan.country", Text),
    ("dial_plan.national_prefix", Text),
    ("dial_plan.international_prefix", Text),
    ("nat", Flag),
    ("opportunistic", Flag),
    ("mki", Flag),
    ("headers", List),
    ("trusted", Flag),
    ("header_rules", Tables),
    ("dscp", Number),
    ("max_packet_rate", Number),
    ("codecs", List),
    ("video", Flag),
    ("t38", Flag),
    ("session_timer", Word(&["on", "strip"])),
    ("session_expires", Text),
    ("min_se", Text),
    ("refer", Word(&["off", "pass", "local"])),
    ("verify", Word(&["strict", "wildcard", "pin", "off"])),
    ("ca", Text),
    ("server_name", Text),
    ("pins", List),
    ("client_certificate", Text),
    ("client_key", Text),
    ("client_names", List),
    ("server_name_mismatch", Word(&["log", "refuse"])),
];

pub(super) const ORIGINATION: &[Field] = &[
    ("uri", Text),
    ("priority", Number),
    ("weight", Number),
    ("enabled", Flag),
];

pub(super) const ROUTE: &[Field] = &[
    ("from", Text),
    ("prefix", Text),
    ("pattern", Text),
    ("caller_prefix", Text),
    ("caller_pattern", Text),
    ("to", Text),
    ("reject", Number),
    ("strip", Number),
    ("prepend", Text),
    ("caller_strip", Number),
    ("caller_prepend", Text),
];

pub(super) const ACCOUNT: &[Field] = &[
    ("aor", Text),
    ("trunk", Text),
    ("user", Text),
    ("password", Secret),
    ("ha1_md5", Secret),
    ("ha1_sha256", Secret),
];

pub(super) const WEBHOOK: &[Field] = &[
    ("name", Text),
    ("url", Text),
    ("kinds", List),
    ("secret", Secret),
    ("enabled", Flag),
];

/// The help of every verb that takes `key=value`.
pub(super) fn help(fields: &[Field]) -> String {
    let mut text = "Fields, as in trunkline.toml:\n".to_owned();
    for (name, shape) in fields {
        let value = match shape {
            Text => "TEXT".to_owned(),
            Word(words) => words.join("|"),
            Secret => "@FILE".to_owned(),
            Number => "NUMBER".to_owned(),
            Flag => "true|false".to_owned(),
            List => "TEXT,TEXT,...".to_owned(),
            Tables => "JSON".to_owned(),
        };
        text += &format!("  {name}={value}\n");
    }
    text + VALUES
}

const VALUES: &str = "
  key=         back to its default
  key+=value   one more in a list
  key-=value   one less in a list
  key=@FILE    what the file holds, as for passwords; @- is standard input";

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde::de::DeserializeOwned;

    use super::*;
    use crate::config::sections::{AccountSection, OriginationSection, RouteSection, TrunkSection};
    use crate::manage::WebhookSection;

    /// The fields that a section has, as serde names them when it meets another one.
    fn sections<T: DeserializeOwned>() -> BTreeSet<String> {
        let refused = serde_json::from_str::<T>("{\"?\": 1}").err().unwrap();
        let said = refused.to_string();
        let names = said.split('`').skip(3).step_by(2);
        // Flags that stand for secrets are only told.
        let written = names.filter(|name| !name.starts_with("has_"));
        written.map(str::to_owned).collect()
    }

    #[test]
    fn every_field_of_a_section_is_known_and_no_other() {
        let cases = [
            (TRUNK, sections::<TrunkSection>()),
            (ORIGINATION, sections::<OriginationSection>()),
            (ROUTE, sections::<RouteSection>()),
            (ACCOUNT, sections::<AccountSection>()),
            (WEBHOOK, sections::<WebhookSection>()),
        ];
        for (fields, expected) in cases {
            let names = fields.iter().map(|(name, _)| name.split('.').next());
            let known: BTreeSet<String> = names.flatten().map(str::to_owned).collect();
            assert_eq!(known, expected);
        }
    }

    #[test]
    fn the_help_says_how_a_value_is_written() {
        let help = help(TRUNK);
        for line in [
            "  secure=disabled|tls|srtp\n",
            "  auth.password=@FILE\n",
            "  nat=true|false\n",
        ] {
            assert!(help.contains(line), "{help}");
        }
    }
}
