//! What is written behind: calls that have ended, events, who did what.

use serde_json::Value;

/// One thing to be written. The store may lose it, and then counts that.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum JournalItem {
    Call(CallRow),
    Event(EventRow),
    Audit(AuditEntry),
    Answer(AnswerRow),
    Mark(MarkRow),
}

impl JournalItem {
    /// About what it holds of memory, while it waits.
    pub(super) fn bytes(&self) -> usize {
        let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        let strings = match self {
            JournalItem::Call(call) => {
                call.from.len()
                    + call.to.len()
                    + text(&call.caller_trunk)
                    + text(&call.callee_trunk)
                    + call.record.len()
                    + text(&call.ladder)
                    + text(&call.quality)
            }
            JournalItem::Event(event) => event.kind.len() + text(&event.trunk) + event.body.len(),
            // Of its detail, which is a tree, a guess.
            JournalItem::Audit(audit) => audit.who.len() + audit.object.len() + 512,
            JournalItem::Answer(answer) => answer.key.len() + answer.body.len(),
            JournalItem::Mark(mark) => mark.name.len(),
        };
        size_of::<JournalItem>() + strings
    }
}

/// A call that has ended.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CallRow {
    pub(crate) call: u64,
    /// Milliseconds since 1970, as all times here.
    pub(crate) start_ms: i64,
    pub(crate) answer_ms: Option<i64>,
    pub(crate) end_ms: i64,
    /// URIs, as in the record.
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) caller_trunk: Option<String>,
    pub(crate) callee_trunk: Option<String>,
    pub(crate) status: u16,
    pub(crate) code: Option<u32>,
    /// `caller`, `callee` or `trunkline`.
    pub(crate) ended_by: &'static str,
    pub(crate) mos_min: Option<f64>,
    /// The JSON line of the call record. The Call-IDs in it (`caller.call_id`, `callee.call_id`,
    /// `targets[].call_id`) are found by a search.
    pub(crate) record: String,
    /// JSON.
    pub(crate) ladder: Option<String>,
    /// JSON.
    pub(crate) quality: Option<String>,
}

impl CallRow {
    pub(crate) fn outcome(&self) -> Outcome {
        match (self.answer_ms, self.code) {
            (Some(_), _) => Outcome::Answered,
            (None, Some(_)) => Outcome::Refused,
            (None, None) => Outcome::Failed,
        }
    }
}

/// How a call ended, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Answered,
    /// Not answered, and Trunkline had a say in it: the record has a code of ours.
    Refused,
    /// Not answered, for the far side's reasons or the caller's.
    Failed,
}

impl Outcome {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Outcome::Answered => "answered",
            Outcome::Refused => "refused",
            Outcome::Failed => "failed",
        }
    }

    pub(crate) fn of_name(name: &str) -> Option<Outcome> {
        [Outcome::Answered, Outcome::Refused, Outcome::Failed]
            .into_iter()
            .find(|outcome| outcome.name() == name)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EventRow {
    pub(crate) seq: u64,
    pub(crate) time_ms: i64,
    pub(crate) kind: String,
    pub(crate) call: Option<u64>,
    pub(crate) trunk: Option<String>,
    /// The JSON of the event, as the API gives it.
    pub(crate) body: String,
}

/// Who did what, or tried to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct AuditEntry {
    pub(crate) time_ms: i64,
    pub(crate) who: String,
    pub(crate) role: String,
    /// The address it came from.
    pub(crate) from: String,
    /// `trunk.update`
    pub(crate) action: String,
    pub(crate) object: String,
    /// The fields that changed; no secrets.
    pub(crate) detail: Value,
    pub(crate) outcome: String,
}

/// How far somebody has got who reads events: in the place of what was kept under that name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MarkRow {
    pub(crate) name: String,
    /// `None`: it is to be forgotten.
    pub(crate) value: Option<u64>,
}

/// What a request with an idempotency key was answered with. It is kept for a day.
///
/// It is written behind like everything here: whoever must know the answer of a moment ago keeps it
/// in memory as well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AnswerRow {
    pub(crate) key: String,
    pub(crate) time_ms: i64,
    /// Of what was asked: the same key with another request is a mistake.
    pub(crate) fingerprint: String,
    pub(crate) status: u16,
    pub(crate) body: String,
}
