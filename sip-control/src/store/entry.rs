//! What configuration the store keeps: entries of a kind and a name, changed together or not at all.

use serde_json::Value;

/// What an entry configures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Kind {
    Trunk,
    Route,
    Account,
    Token,
    Webhook,
}

impl Kind {
    pub(crate) const ALL: [Kind; 5] = [
        Kind::Trunk,
        Kind::Route,
        Kind::Account,
        Kind::Token,
        Kind::Webhook,
    ];

    /// The name in the store, in audit records and in paths.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Trunk => "trunk",
            Kind::Route => "route",
            Kind::Account => "account",
            Kind::Token => "token",
            Kind::Webhook => "webhook",
        }
    }

    pub(crate) fn of_name(name: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// One object of the configuration.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) kind: Kind,
    /// Unique within its kind, upper and lower case (of ASCII) being the same.
    pub(crate) name: String,
    /// Entries of a kind are in order of it.
    pub(crate) position: i64,
    pub(crate) body: Value,
    /// No two states of any entries ever had the same one, those that are deleted included.
    pub(crate) version: i64,
    /// Milliseconds since 1970.
    pub(crate) updated_ms: i64,
}

/// One step of a change; all the steps are done, or none.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Change {
    /// Makes the entry, or gives it another body.
    Put {
        kind: Kind,
        name: String,
        /// `None`: it stays where it is; a new one comes last. Where another stands already, that
        /// one and those behind it make room.
        position: Option<i64>,
        body: Value,
        expected: Expected,
    },
    Delete {
        kind: Kind,
        name: String,
        expected: Expected,
    },
    /// Those that are named come first, in this order; the others follow in theirs.
    Reorder { kind: Kind, names: Vec<String> },
}

/// How the entry must be for the change to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    /// Else [`StoreError::Exists`].
    Absent,
    /// Else [`StoreError::Stale`], or [`StoreError::Missing`] if there is none.
    Version(i64),
    /// For a deletion there must be one: else [`StoreError::Missing`].
    Any,
}

/// Why something was not done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum StoreError {
    #[error("there is no store; expected [store] path in trunkline.toml")]
    NoStore,
    #[error("there is no such entry")]
    Missing,
    #[error("there is one of that name already")]
    Exists,
    #[error("it has changed meanwhile: it is version {found} now")]
    Stale { found: i64 },
    /// Full, locked, gone, damaged, or it does not answer: in words.
    #[error("the store cannot be used: {0}")]
    Unavailable(String),
    /// Why no file can be made there, whatever the store does.
    #[error("a backup cannot be written there: {0}")]
    NoPlace(String),
}
