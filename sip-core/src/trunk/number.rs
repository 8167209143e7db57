//! Telephone numbers: brought to E.164 when a trunk's calls come in, and changed digit by digit on
//! the way out (TRK-7).

/// How the peers of a trunk dial, where they do not dial `+`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DialPlan {
    /// Country code, e.g. `49`.
    pub country: String,
    /// What national numbers begin with, e.g. `0`; `1` in North America.
    pub national_prefix: String,
    /// What international ones begin with, e.g. `00` or `011`.
    pub international_prefix: String,
}

/// What is done to the digits of a number: first stripped, then prepended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Digits {
    /// How many characters are taken from the front; a number that has no more becomes empty.
    pub strip: usize,
    pub prepend: String,
}

impl DialPlan {
    /// The number as E.164, `+` and digits. One that has neither `+` nor a prefix stays: it may be
    /// a short code, or what else only its owner can tell.
    pub fn normalise(&self, number: &str) -> String {
        let (digits, parameters) = split(number);
        let bare = without_separators(digits);
        let e164 = match (
            strip(&bare, &self.international_prefix),
            strip(&bare, &self.national_prefix),
        ) {
            (Some(international), _) => format!("+{international}"),
            (None, Some(national)) => format!("+{}{national}", self.country),
            (None, None) => bare,
        };
        e164 + parameters
    }
}

impl Digits {
    pub fn apply(&self, number: &str) -> String {
        let (digits, parameters) = split(number);
        let kept: String = digits.chars().skip(self.strip).collect();
        format!("{}{kept}{parameters}", self.prepend)
    }
}

/// A number and the user parameters behind it (RFC 3261 section 19.1.1, `telephone-subscriber`).
fn split(user: &str) -> (&str, &str) {
    user.split_at(user.find(';').unwrap_or(user.len()))
}

/// RFC 3966 section 5.1.1. What is a name and no number stays as it is.
fn without_separators(digits: &str) -> String {
    let is_separator = |letter: char| "-.() ".contains(letter);
    let is_number = digits.chars().any(|letter| letter.is_ascii_digit())
        && digits
            .chars()
            .all(|letter| "0123456789*#+".contains(letter) || is_separator(letter));
    if !is_number {
        return digits.to_owned();
    }
    digits
        .chars()
        .filter(|letter| !is_separator(*letter))
        .collect()
}

/// What follows a prefix; `None` without one, or if what follows is no number.
fn strip<'a>(number: &'a str, prefix: &str) -> Option<&'a str> {
    let rest = number.strip_prefix(prefix).filter(|_| !prefix.is_empty())?;
    let is_number = !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(country: &str, national: &str, international: &str) -> DialPlan {
        DialPlan {
            country: country.to_owned(),
            national_prefix: national.to_owned(),
            international_prefix: international.to_owned(),
        }
    }

    #[test]
    fn trk_7_numbers_become_e164_and_what_is_none_stays() {
        let german = plan("49", "0", "00");
        let american = plan("1", "1", "011");
        for (plan, dialled, expected) in [
            (&german, "+493012345", "+493012345"),
            (&german, "03012345", "+493012345"),
            (&german, "(030) 123-45", "+493012345"),
            (&german, "004312345", "+4312345"),
            (&german, "112", "112"),
            (&german, "alice.b", "alice.b"),
            (&german, "0", "0"),
            (&german, "00", "+490"),
            (&german, "*21#", "*21#"),
            (&german, "03012345;npdi;rn=+1", "+493012345;npdi;rn=+1"),
            (&american, "12125551234", "+12125551234"),
            (&american, "011493012345", "+493012345"),
            (&american, "911", "911"),
            (&american, "", ""),
            (&plan("44", "", ""), "02012345", "02012345"),
        ] {
            assert_eq!(plan.normalise(dialled), expected, "{dialled}");
        }
    }

    #[test]
    fn trk_7_digits_are_stripped_and_then_prepended() {
        for (strip, prepend, number, expected) in [
            (0, "", "+4930", "+4930"),
            (1, "00", "+4930", "004930"),
            (3, "0", "+493012", "03012"),
            (9, "", "+4930", ""),
            (1, "", "äß", "ß"),
            (1, "9", "+4930;npdi", "94930;npdi"),
        ] {
            let digits = Digits {
                strip,
                prepend: prepend.to_owned(),
            };
            assert_eq!(digits.apply(number), expected, "{number}");
        }
    }
}
