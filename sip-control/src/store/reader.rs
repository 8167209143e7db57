//! What can be asked of the store.

use super::entry::{Entry, Kind, StoreError};
use super::journal::{AnswerRow, AuditEntry, CallRow, EventRow, Outcome};

/// One connection that reads. Everything may block, and fail.
pub(crate) trait Reader {
    /// In order.
    fn entries(&self, kind: Kind) -> Result<Vec<Entry>, StoreError>;

    /// Calls that have ended, the latest start first.
    fn calls(&self, query: &CallQuery) -> Result<Page<KeptCall>, StoreError>;

    /// One call with everything that is kept of it. Numbers are unique, unless a store was lost;
    /// with a start it is that one.
    fn call(&self, call: u64, start_ms: Option<i64>) -> Result<Option<CallRow>, StoreError>;

    /// Events above a number, in order; of these kinds, if any are named, and of this call.
    fn events(
        &self,
        after: u64,
        limit: usize,
        kinds: &[String],
        call: Option<u64>,
    ) -> Result<EventPage, StoreError>;

    /// The latest first; `before` is the number of an entry.
    fn audit(
        &self,
        before: Option<i64>,
        limit: usize,
    ) -> Result<Vec<(i64, AuditEntry)>, StoreError>;

    fn idempotent(&self, key: &str) -> Result<Option<AnswerRow>, StoreError>;

    /// What was kept by a [`MarkRow`](super::journal::MarkRow) of that name.
    fn mark(&self, name: &str) -> Result<Option<u64>, StoreError>;
}

/// Which calls; all that is set must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct CallQuery {
    /// A whole number (with `+` or without), user part or Call-ID is looked up. Of any other text the
    /// calls are given that have it in From, To or a Call-ID, in upper or lower case (of ASCII); a
    /// page looks at a bounded number of calls for that, may be short or empty, and its `next` goes
    /// on.
    pub(crate) search: Option<String>,
    /// Of either side.
    pub(crate) trunk: Option<String>,
    pub(crate) outcome: Option<Outcome>,
    /// Started at or after.
    pub(crate) from_ms: Option<i64>,
    /// Started before.
    pub(crate) to_ms: Option<i64>,
    /// `next` of the page before.
    pub(crate) before: Option<(i64, u64)>,
    pub(crate) limit: usize,
}

/// `next` is `None` at the end.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Page<T> {
    pub(crate) items: Vec<T>,
    pub(crate) next: Option<(i64, u64)>,
}

/// A call of a page. Its ladder and its quality are not read: [`Reader::call`] gives them.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct KeptCall {
    pub(crate) row: CallRow,
    pub(crate) has_ladder: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct EventPage {
    pub(crate) events: Vec<EventRow>,
    /// The lowest number that is kept, of any kind: what is below it and above `after` is gone.
    pub(crate) oldest: Option<u64>,
}

/// Where nothing is kept.
pub(super) struct Nothing;

impl Reader for Nothing {
    fn entries(&self, _: Kind) -> Result<Vec<Entry>, StoreError> {
        Ok(Vec::new())
    }

    fn calls(&self, _: &CallQuery) -> Result<Page<KeptCall>, StoreError> {
        Ok(Page {
            items: Vec::new(),
            next: None,
        })
    }

    fn call(&self, _: u64, _: Option<i64>) -> Result<Option<CallRow>, StoreError> {
        Ok(None)
    }

    fn events(
        &self,
        _: u64,
        _: usize,
        _: &[String],
        _: Option<u64>,
    ) -> Result<EventPage, StoreError> {
        Ok(EventPage::default())
    }

    fn audit(&self, _: Option<i64>, _: usize) -> Result<Vec<(i64, AuditEntry)>, StoreError> {
        Ok(Vec::new())
    }

    fn idempotent(&self, _: &str) -> Result<Option<AnswerRow>, StoreError> {
        Ok(None)
    }

    fn mark(&self, _: &str) -> Result<Option<u64>, StoreError> {
        Ok(None)
    }
}
