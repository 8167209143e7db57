//! Where a call goes: the first route that matches its source and its number (TRK-7).

use super::{Route, TrunkId};

/// The destination of a call from trunk `from` to `number`; `None`: no route.
///
/// `number` is the user part of the Request-URI, unescaped.
pub fn route(routes: &[Route], from: TrunkId, number: &str) -> Option<TrunkId> {
    routes
        .iter()
        .find(|route| {
            route.from.is_none_or(|source| source == from) && number.starts_with(&route.prefix)
        })
        .map(|route| route.to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_matching_route_decides() {
        let rule = |from: Option<u16>, prefix: &str, to| Route {
            from: from.map(TrunkId),
            prefix: prefix.to_owned(),
            to: TrunkId(to),
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
            assert_eq!(
                route(&routes, TrunkId(from), number),
                expected.map(TrunkId),
                "{number} from {from}"
            );
        }
    }
}
