//! Requests that are made again with the same `Idempotency-Key` are done once
//! (draft-ietf-httpapi-idempotency-key-header): the answer of the first is given again.
//!
//! Answers are in memory, for those who ask again at once, and in the store, for those who ask again
//! after a restart.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::http::{HeaderMap, StatusCode};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::sync::watch;
use tokio::time::Instant;

use super::Api;
use super::problem::{Problem, Slug};
use crate::clock::unix_ms;
use crate::manage::Actor;
use crate::store::{AnswerRow, JournalItem};

pub(super) const HEADER: &str = "idempotency-key";
const LONGEST_KEY: usize = 255;
/// Of those that are in memory; older ones are in the store.
const MOST: usize = 10_000;

/// What was answered, or that it is being done.
#[derive(Default)]
pub(super) struct Answers(Mutex<HashMap<String, Kept>>);

struct Kept {
    fingerprint: String,
    at: Instant,
    answer: watch::Receiver<Option<Answer>>,
}

/// What a request was answered with.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: Value,
}

/// The key of a request, within what its actor has asked, and what it asks.
struct Asked {
    key: String,
    fingerprint: String,
}

impl Asked {
    fn of(
        headers: &HeaderMap,
        actor: &Actor,
        what: &str,
        body: &Value,
    ) -> Result<Option<Asked>, Problem> {
        let Some(value) = headers.get(HEADER) else {
            return Ok(None);
        };
        let key = value.to_str().ok().map(str::trim);
        let key = key
            .filter(|key| (1..=LONGEST_KEY).contains(&key.len()))
            .ok_or_else(|| {
                let problem = format!("is no key; expected 1 to {LONGEST_KEY} visible characters");
                Problem::invalid("Idempotency-Key", problem)
            })?;
        let hash = Sha256::digest(format!("{what}\n{body}"));
        Ok(Some(Asked {
            key: format!("{}\n{key}", actor.name),
            fingerprint: hash.iter().map(|byte| format!("{byte:02x}")).collect(),
        }))
    }
}

/// Whose turn it is.
enum Turn {
    /// Nobody has asked that before: it is done, and whoever asks meanwhile waits.
    First(watch::Sender<Option<Answer>>),
    Again(watch::Receiver<Option<Answer>>),
}

impl Answers {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Kept>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn turn(&self, asked: &Asked) -> Result<Turn, Problem> {
        let mut answers = self.lock();
        if let Some(kept) = answers.get(&asked.key) {
            check(&kept.fingerprint, asked)?;
            return Ok(Turn::Again(kept.answer.clone()));
        }
        if answers.len() >= MOST {
            let oldest = answers.iter().min_by_key(|(_, kept)| kept.at);
            if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
                answers.remove(&oldest);
            }
        }
        let (sender, answer) = watch::channel(None);
        let kept = Kept {
            fingerprint: asked.fingerprint.clone(),
            at: Instant::now(),
            answer,
        };
        answers.insert(asked.key.clone(), kept);
        Ok(Turn::First(sender))
    }
}

fn check(fingerprint: &str, asked: &Asked) -> Result<(), Problem> {
    match fingerprint == asked.fingerprint {
        true => Ok(()),
        false => Err(Problem::new(
            Slug::Conflict,
            "the Idempotency-Key was used for another request; expected a new one",
        )),
    }
}

/// Does something once for each key. Without a key it is done.
///
/// What fails is not remembered: it may be asked again.
pub(super) async fn once<F>(
    api: &Api,
    headers: &HeaderMap,
    actor: &Actor,
    (what, body): (&str, &Value),
    act: F,
) -> Result<Answer, Problem>
where
    F: Future<Output = Result<Answer, Problem>> + Send + 'static,
{
    let Some(asked) = Asked::of(headers, actor, what, body)? else {
        return act.await;
    };
    let mut waiting = match api.answers.turn(&asked)? {
        Turn::Again(waiting) => waiting,
        Turn::First(sender) => {
            let api = Api::clone(api);
            // Goes on if the client leaves: it may come again for the answer.
            let done = tokio::spawn(async move { first(&api, asked, sender, act).await });
            return done
                .await
                .map_err(|_| Problem::new(Slug::Internal, "it could not be done"))?;
        }
    };
    let answer = match waiting.wait_for(Option::is_some).await {
        Ok(answer) => answer.clone(),
        Err(_) => None,
    };
    answer.ok_or_else(|| {
        Problem::new(
            Slug::Conflict,
            "the first request with this Idempotency-Key has failed; expected another try",
        )
    })
}

async fn first<F>(
    api: &Api,
    asked: Asked,
    sender: watch::Sender<Option<Answer>>,
    act: F,
) -> Result<Answer, Problem>
where
    F: Future<Output = Result<Answer, Problem>>,
{
    // However this ends, a failure is forgotten.
    let forget = Forget {
        answers: Arc::clone(&api.answers),
        key: Some(asked.key.clone()),
    };
    let answer = match from_store(api, &asked).await? {
        Some(answer) => answer,
        None => {
            let answer = act.await?;
            api.store.journal(JournalItem::Answer(AnswerRow {
                key: asked.key,
                time_ms: unix_ms(),
                fingerprint: asked.fingerprint,
                status: answer.status.as_u16(),
                body: answer.body.to_string(),
            }));
            answer
        }
    };
    forget.keep();
    sender.send_replace(Some(answer.clone()));
    Ok(answer)
}

/// A store that does not answer does not know it.
async fn from_store(api: &Api, asked: &Asked) -> Result<Option<Answer>, Problem> {
    let key = asked.key.clone();
    let row = api.store.read(move |reader| reader.idempotent(&key)).await;
    let Ok(Some(row)) = row else {
        return Ok(None);
    };
    check(&row.fingerprint, asked)?;
    Ok(Some(Answer {
        status: StatusCode::from_u16(row.status).unwrap_or(StatusCode::ACCEPTED),
        body: serde_json::from_str(&row.body).unwrap_or_default(),
    }))
}

struct Forget {
    answers: Arc<Answers>,
    key: Option<String>,
}

impl Forget {
    fn keep(mut self) {
        self.key = None;
    }
}

impl Drop for Forget {
    fn drop(&mut self) {
        if let Some(key) = &self.key {
            self.answers.lock().remove(key);
        }
    }
}
