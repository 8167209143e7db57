//! Pages of calls, the latest first.
//!
//! A page is taken from the index that fits best: a whole number, user or Call-ID, else the trunk,
//! else the outcome, else all calls. All of them are in order of time, so that a page costs what it
//! shows, however many calls there are. What else is asked for, a part of a number above all, is
//! picked out row by row; a page ends after so many rows and so much time, and the next goes on there.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use rusqlite::types::Value;
use rusqlite::{Connection, Row, params_from_iter};

use super::calls::{self, outcome_number};
use super::{to_i64, to_u64};
use crate::store::reader::{CallQuery, KeptCall, Page};

/// A page may be longer than anybody reads.
const LONGEST_PAGE: usize = 1000;
/// A page that is short for this reason has looked at so many calls at least, ...
const LEAST_ROWS: usize = 2000;
/// ... or at so many, ...
const MOST_ROWS: usize = 100_000;
/// ... or for so long.
const LONGEST_LOOK: Duration = Duration::from_millis(10);
/// The clock is not read for each row.
const LOOK_AT_CLOCK_EVERY: usize = 128;

pub(super) fn page(connection: &Connection, query: &CallQuery) -> rusqlite::Result<Page<KeptCall>> {
    // Of one moment: between the two, some could go.
    let transaction = connection.unchecked_transaction()?;
    let wanted = Wanted::new(&transaction, query)?;
    let (keys, next) = wanted.keys(&transaction)?;
    let select = format!(
        "SELECT {}, ladder IS NOT NULL FROM call_record WHERE call = ?1 AND start_ms = ?2",
        calls::COLUMNS
    );
    let mut select = transaction.prepare_cached(&select)?;
    let mut items = Vec::with_capacity(keys.len());
    for (start_ms, call) in keys {
        let mut rows = select.query((call, start_ms))?;
        // One of the same number may have taken its place: then a store was lost before.
        if let Some(found) = rows.next()? {
            items.push(KeptCall {
                row: calls::row(found)?,
                has_ladder: found.get(13)?,
            });
        }
    }
    Ok(Page { items, next })
}

/// Start and number.
type Cursor = (i64, u64);
type Key = (i64, i64);

/// Where rows come from, in order of time.
enum Source {
    Word(String),
    Trunk(String),
    Outcome(i64),
    All,
}

struct Wanted<'a> {
    source: Source,
    text: Option<String>,
    trunk: Option<&'a str>,
    outcome: Option<i64>,
    /// Below it.
    before: Key,
    from_ms: i64,
    limit: usize,
}

impl<'a> Wanted<'a> {
    fn new(connection: &Connection, query: &'a CallQuery) -> rusqlite::Result<Wanted<'a>> {
        let search = query.search.as_deref().map(str::trim);
        let mut text = search
            .filter(|search| !search.is_empty())
            .map(str::to_ascii_lowercase);
        let word = text.as_deref().map(calls::word).map(str::to_owned);
        let outcome = query.outcome.map(outcome_number);
        let source = match (word, &query.trunk, outcome) {
            (Some(word), ..) if is_known(connection, &word)? => {
                text = None;
                Source::Word(word)
            }
            (_, Some(trunk), _) => Source::Trunk(trunk.clone()),
            (_, None, Some(outcome)) => Source::Outcome(outcome),
            (_, None, None) => Source::All,
        };
        let cursor = query
            .before
            .map(|(start_ms, call)| (start_ms, to_i64(call)));
        let until = query.to_ms.map(|to_ms| (to_ms, 0));
        let before = cursor.into_iter().chain(until).min();
        Ok(Wanted {
            source,
            text,
            trunk: query.trunk.as_deref(),
            outcome,
            before: before.unwrap_or((i64::MAX, i64::MAX)),
            from_ms: query.from_ms.unwrap_or(i64::MIN),
            limit: query.limit.clamp(1, LONGEST_PAGE),
        })
    }

    /// The keys of the page, and where the next one begins.
    fn keys(&self, connection: &Connection) -> rusqlite::Result<(Vec<Key>, Option<Cursor>)> {
        let (select, value) = self.source.select();
        let mut select = connection.prepare_cached(&select)?;
        let (start_ms, call) = self.before;
        let bounds = [start_ms, call, self.from_ms].map(Value::Integer);
        let mut rows = select.query(params_from_iter(bounds.into_iter().chain(value)))?;
        let mut look = Look::new();
        let mut keys = Vec::new();
        let mut last = None;
        while let Some(row) = rows.next()? {
            if keys.len() >= self.limit || look.ends().is_break() {
                return Ok((keys, last));
            }
            let key: Key = (row.get(0)?, row.get(1)?);
            last = Some((key.0, to_u64(key.1)));
            if self.wants(row)? {
                keys.push(key);
            }
        }
        Ok((keys, None))
    }

    fn wants(&self, row: &Row<'_>) -> rusqlite::Result<bool> {
        if let Some(outcome) = self.outcome
            && row.get::<_, i64>(2)? != outcome
        {
            return Ok(false);
        }
        if let Some(trunk) = self.trunk
            && !is_trunk(row, 3, trunk)?
            && !is_trunk(row, 4, trunk)?
        {
            return Ok(false);
        }
        match &self.text {
            Some(text) => Ok(row.get_ref(5)?.as_str().is_ok_and(|all| all.contains(text))),
            None => Ok(true),
        }
    }
}

fn is_trunk(row: &Row<'_>, column: usize, trunk: &str) -> rusqlite::Result<bool> {
    let name = row.get_ref(column)?.as_str_or_null();
    Ok(name.is_ok_and(|name| name.is_some_and(|name| name.eq_ignore_ascii_case(trunk))))
}

/// Whether there is a call with that word.
fn is_known(connection: &Connection, word: &str) -> rusqlite::Result<bool> {
    let mut select =
        connection.prepare_cached("SELECT 1 FROM call_word WHERE word = ?1 LIMIT 1")?;
    select.exists([word])
}

impl Source {
    /// Rows of `call`: the first three values bound the key, the fourth is of the source.
    fn select(&self) -> (String, Option<Value>) {
        const COLUMNS: &str = "start_ms, call, outcome, caller_trunk, callee_trunk, text";
        const BOUNDS: &str = "(start_ms, call) < (?1, ?2) AND start_ms >= ?3";
        const ORDER: &str = "ORDER BY start_ms DESC, call DESC";
        match self {
            Source::All => (
                format!("SELECT {COLUMNS} FROM call WHERE {BOUNDS} {ORDER}"),
                None,
            ),
            Source::Outcome(outcome) => (
                format!(
                    "SELECT {COLUMNS} FROM call INDEXED BY call_outcome \
                     WHERE outcome = ?4 AND {BOUNDS} {ORDER}"
                ),
                Some(Value::Integer(*outcome)),
            ),
            // Both sides are in order, and merged.
            Source::Trunk(trunk) => (
                format!(
                    "SELECT {COLUMNS} FROM call INDEXED BY call_caller_trunk \
                     WHERE caller_trunk = ?4 AND {BOUNDS} \
                     UNION ALL SELECT {COLUMNS} FROM call INDEXED BY call_callee_trunk \
                     WHERE callee_trunk = ?4 AND caller_trunk IS NOT ?4 AND {BOUNDS} {ORDER}"
                ),
                Some(Value::Text(trunk.clone())),
            ),
            Source::Word(word) => (
                format!(
                    "SELECT {COLUMNS} FROM (SELECT start_ms, call FROM call_word \
                     WHERE word = ?4 AND {BOUNDS} {ORDER}) CROSS JOIN call USING (start_ms, call) \
                     {ORDER}"
                ),
                Some(Value::Text(word.clone())),
            ),
        }
    }
}

/// How long a page has been looking.
struct Look {
    began: Instant,
    rows: usize,
}

impl Look {
    fn new() -> Look {
        Look {
            began: Instant::now(),
            rows: 0,
        }
    }

    fn ends(&mut self) -> ControlFlow<()> {
        self.rows += 1;
        let reads_clock = self.rows > LEAST_ROWS && self.rows.is_multiple_of(LOOK_AT_CLOCK_EVERY);
        if self.rows > MOST_ROWS || reads_clock && self.began.elapsed() > LONGEST_LOOK {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }
}
