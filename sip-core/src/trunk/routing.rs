//! Where a call goes: the first route that matches its source and its numbers, and what becomes of
//! the numbers on the way (TRK-7).

use regex::Regex;

use super::{Digits, TrunkId};
use crate::registrar::Aor;

/// One rule of the ordered routing table.
#[derive(Clone, Debug)]
pub struct Route {
    /// The trunk that the call came from; `None`: any.
    pub from: Option<TrunkId>,
    pub called: NumberMatch,
    pub caller: NumberMatch,
    pub to: RouteTo,
    pub called_digits: Digits,
    pub caller_digits: Digits,
}

/// Which numbers a route is for: those that pass both.
#[derive(Clone, Debug, Default)]
pub struct NumberMatch {
    /// What the number begins with; empty: anything.
    pub prefix: String,
    /// What is found in it. Runs in time linear to the number, whatever the pattern.
    pub pattern: Option<Regex>,
}

/// What becomes of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouteTo {
    /// To its account of the called number, if there is one, else to its targets.
    Trunk(TrunkId),
    /// To that account of the trunk, whatever the number.
    Account(TrunkId, Aor),
    /// It is refused with that SIP status.
    Reject(u16),
}

/// The numbers of a call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Numbers {
    /// The user part of the Request-URI, unescaped.
    pub called: String,
    /// That of From.
    pub caller: String,
}

impl Route {
    /// For called numbers with a prefix, which pass as they are.
    pub fn new(from: Option<TrunkId>, prefix: &str, to: TrunkId) -> Route {
        Route {
            from,
            called: NumberMatch {
                prefix: prefix.to_owned(),
                pattern: None,
            },
            caller: NumberMatch::default(),
            to: RouteTo::Trunk(to),
            called_digits: Digits::default(),
            caller_digits: Digits::default(),
        }
    }

    /// The numbers as they go on.
    pub fn rewrite(&self, numbers: &Numbers) -> Numbers {
        Numbers {
            called: self.called_digits.apply(&numbers.called),
            caller: self.caller_digits.apply(&numbers.caller),
        }
    }
}

impl NumberMatch {
    fn matches(&self, number: &str) -> bool {
        number.starts_with(&self.prefix)
            && self
                .pattern
                .as_ref()
                .is_none_or(|pattern| pattern.is_match(number))
    }
}

/// The route of a call from trunk `from`; `None`: there is none.
pub fn route<'a>(routes: &'a [Route], from: TrunkId, numbers: &Numbers) -> Option<&'a Route> {
    routes.iter().find(|route| {
        route.from.is_none_or(|source| source == from)
            && route.called.matches(&numbers.called)
            && route.caller.matches(&numbers.caller)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(called: &str, caller: &str) -> Numbers {
        Numbers {
            called: called.to_owned(),
            caller: caller.to_owned(),
        }
    }

    #[test]
    fn trk_7_the_first_matching_route_decides() {
        let rule = |from: Option<u16>, prefix: &str, to| {
            Route::new(from.map(TrunkId), prefix, TrunkId(to))
        };
        let routes = [
            rule(Some(0), "+4930", 1),
            rule(Some(0), "+49", 2),
            rule(None, "0", 3),
            rule(Some(4), "", 5),
        ];
        for (from, number, expected) in [
            (0, "+493012345", Some(1)),
            (0, "+498912345", Some(2)),
            (1, "+493012345", None),
            (1, "00", Some(3)),
            (4, "+1", Some(5)),
            (4, "0", Some(3)),
            (0, "", None),
            (4, "", Some(5)),
        ] {
            let found = route(&routes, TrunkId(from), &numbers(number, "+1"));
            assert_eq!(
                found.map(|route| route.to.clone()),
                expected.map(|to| RouteTo::Trunk(TrunkId(to))),
                "{number} from {from}"
            );
        }
    }

    #[test]
    fn trk_7_patterns_and_callers_must_match_too() {
        let mut premium = Route::new(None, "+", TrunkId(1));
        premium.called.pattern = Some(Regex::new(r"^\+49900\d+$").unwrap());
        premium.to = RouteTo::Reject(603);
        let mut branch = Route::new(None, "", TrunkId(2));
        branch.caller.prefix = "+4930".to_owned();
        branch.caller.pattern = Some(Regex::new("[02468]$").unwrap());
        let routes = [premium, branch, Route::new(None, "", TrunkId(3))];
        for (called, caller, expected) in [
            ("+499001234", "+49301", RouteTo::Reject(603)),
            ("+49900x", "+49302", RouteTo::Trunk(TrunkId(2))),
            ("+4989", "+49303", RouteTo::Trunk(TrunkId(3))),
            ("+4989", "+49892", RouteTo::Trunk(TrunkId(3))),
            ("", "", RouteTo::Trunk(TrunkId(3))),
        ] {
            let found = route(&routes, TrunkId(0), &numbers(called, caller));
            assert_eq!(found.map(|route| &route.to), Some(&expected), "{called}");
        }
    }
}
