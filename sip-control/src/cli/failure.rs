//! What can go wrong for the command line, and what it exits with.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::{Value, json};

/// What `trunkline` exits with, and when; the manual has the same table.
pub(super) const EXIT_CODES: [(u8, &str); 8] = [
    (0, "done"),
    (1, "failed: the disk, the network, a fault of the daemon"),
    (2, "wrong usage, or a wrong configuration"),
    (3, "no daemon answers"),
    (
        4,
        "not authorised: no token, a wrong one, or one of too low a role",
    ),
    (5, "not found: there is no such trunk, route, call, ..."),
    (
        6,
        "refused: a wrong value, a conflict, changed meanwhile by another, or a call in the wrong state",
    ),
    (7, "`health`: the daemon is not well"),
];

const FAILED: u8 = 1;
const USAGE: u8 = 2;
const NO_DAEMON: u8 = 3;
const NOT_AUTHORISED: u8 = 4;
const NOT_FOUND: u8 = 5;
const REFUSED: u8 = 6;
const UNHEALTHY: u8 = 7;

/// Why a verb did not do what it should.
#[derive(Debug)]
pub(super) enum Failure {
    /// The arguments, or a file that they name, are not right.
    Usage(String),
    /// Nothing answers where the daemon should be.
    NoDaemon(String),
    /// The daemon's refusal (RFC 9457).
    Refused(Problem),
    /// `health` was asked, and it is not.
    Unhealthy,
    /// Standard output was closed by whoever read it: no failure of ours.
    Closed,
    Other(anyhow::Error),
}

/// The parts of `application/problem+json` that people and scripts want.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) status: u16,
    pub(super) body: Value,
}

impl Failure {
    pub(super) fn usage(problem: impl Into<String>) -> Failure {
        Failure::Usage(problem.into())
    }

    /// A file of the user's that cannot be used.
    pub(super) fn file(path: &std::path::Path, error: &io::Error) -> Failure {
        Failure::Usage(format!("{}: {error}", path.display()))
    }

    /// With what it is about in front, unless `name` is in it already.
    pub(super) fn about(mut self, object: &str, name: &str) -> Failure {
        if let Failure::Refused(problem) = &mut self
            && !problem.words().contains(name)
        {
            let told = format!("{object}: {}", problem.words());
            if let Some(body) = problem.body.as_object_mut() {
                body.insert("detail".to_owned(), told.into());
            }
        }
        self
    }

    /// Says it on standard error: one line, or one JSON object.
    pub(super) fn report(&self, json: bool) -> ExitCode {
        let code = self.code();
        match self {
            Failure::Unhealthy | Failure::Closed => {}
            failure if json => eprintln!("{}", failure.as_json(code)),
            failure => eprintln!("trunkline: {}", failure.words()),
        }
        ExitCode::from(code)
    }

    pub(super) fn code(&self) -> u8 {
        match self {
            Failure::Usage(_) => USAGE,
            Failure::NoDaemon(_) => NO_DAEMON,
            Failure::Refused(problem) => problem.code(),
            Failure::Unhealthy => UNHEALTHY,
            Failure::Closed => 0,
            Failure::Other(_) => FAILED,
        }
    }

    fn words(&self) -> String {
        match self {
            Failure::Usage(problem) | Failure::NoDaemon(problem) => problem.clone(),
            Failure::Refused(problem) => problem.words(),
            Failure::Unhealthy => "the daemon is not well".to_owned(),
            Failure::Closed => String::new(),
            Failure::Other(error) => chain(error),
        }
    }

    fn as_json(&self, code: u8) -> Value {
        let mut body = match self {
            Failure::Refused(problem) if problem.body.is_object() => problem.body.clone(),
            other => json!({ "title": other.words() }),
        };
        body["exit"] = code.into();
        body
    }
}

impl Problem {
    fn code(&self) -> u8 {
        let slug = self.text("type").rsplit('/').next().unwrap_or_default();
        match (slug, self.status) {
            ("draining", _) => REFUSED,
            (_, 401 | 403) => NOT_AUTHORISED,
            (_, 404) => NOT_FOUND,
            (_, 400 | 405 | 409 | 410 | 412 | 413 | 415 | 422 | 428) => REFUSED,
            _ => FAILED,
        }
    }

    /// `acl[0]: "10.0.0.0/33" is no network; expected an address or a network`.
    pub(super) fn words(&self) -> String {
        let mut words = match (self.text("detail"), self.text("title")) {
            ("", "") => format!("the daemon answers with status {}", self.status),
            ("", title) => title.to_owned(),
            (detail, _) => detail.to_owned(),
        };
        let (field, expected) = (self.text("field"), self.text("expected"));
        if !field.is_empty() && !words.contains(field) {
            words = format!("{field}: {words}");
        }
        if !expected.is_empty() && !words.contains(expected) {
            words = format!("{words}; expected {expected}");
        }
        words
    }

    fn text(&self, name: &str) -> &str {
        self.body[name].as_str().unwrap_or_default()
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Failure::Closed,
            _ => Failure::Other(error.into()),
        }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Failure {
        Failure::Other(error)
    }
}

/// The path, or standard input as `-`.
pub(super) fn name_of(path: &Option<PathBuf>) -> String {
    match path {
        Some(path) if path.as_os_str() != "-" => path.display().to_string(),
        _ => "standard input".to_owned(),
    }
}

/// One line, with every cause that the line does not tell already.
pub(super) fn chain(error: &anyhow::Error) -> String {
    let mut line = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if line.is_empty() {
            line = cause;
        } else if !line.contains(&cause) {
            line = format!("{line}: {cause}");
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, slug: &str) -> Failure {
        let body = json!({ "type": format!("https://trunkline.dev/problems/{slug}") });
        Failure::Refused(Problem { status, body })
    }

    #[test]
    fn every_exit_code_means_something() {
        let cases = [
            (Failure::usage("x"), 2),
            (Failure::NoDaemon(String::new()), 3),
            (refused(401, "unauthenticated"), 4),
            (refused(403, "forbidden"), 4),
            (refused(404, "not_found"), 5),
            (refused(404, "no_such_call"), 5),
            (refused(400, "unknown_field"), 6),
            (refused(409, "defined_in_file"), 6),
            (refused(412, "stale"), 6),
            (refused(428, "precondition_required"), 6),
            (refused(503, "draining"), 6),
            (refused(503, "store_unavailable"), 1),
            (refused(429, "rate_limited"), 1),
            (Failure::Unhealthy, 7),
            (Failure::Closed, 0),
            (Failure::Other(anyhow::anyhow!("x")), 1),
        ];
        for (failure, code) in cases {
            assert_eq!(failure.code(), code, "{failure:?}");
            assert!(EXIT_CODES.iter().any(|(known, _)| *known == code));
        }
    }

    #[test]
    fn a_refusal_names_the_field_and_what_is_expected_once() {
        let said = |body| Problem { status: 422, body }.words();
        assert_eq!(
            said(
                json!({"title": "Invalid field", "detail": "\"x\" is no network",
                        "field": "acl[0]", "expected": "an address or a network"})
            ),
            "acl[0]: \"x\" is no network; expected an address or a network"
        );
        assert_eq!(
            said(json!({"detail": "acl[0]: is x; expected y", "field": "acl[0]", "expected": "y"})),
            "acl[0]: is x; expected y"
        );
        assert_eq!(said(json!({"title": "Not found"})), "Not found");
        assert_eq!(said(json!(null)), "the daemon answers with status 422");
    }

    #[test]
    fn scripts_get_the_problem_with_the_exit_code() {
        let failure = Failure::Refused(Problem {
            status: 404,
            body: json!({"title": "Not found", "status": 404}),
        });
        assert_eq!(
            failure.as_json(failure.code()),
            json!({"title": "Not found", "status": 404, "exit": 5})
        );
        let failure = Failure::NoDaemon("no daemon answers".to_owned());
        assert_eq!(
            failure.as_json(3),
            json!({"title": "no daemon answers", "exit": 3})
        );
    }
}
