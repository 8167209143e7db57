//! Webhooks: where events are sent to. Here they are settings; `crate::events` sends.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::watch;
use utoipa::ToSchema;

use super::Manager;
use super::change::{look_up, plan_delete, plan_put};
use super::kept::{Item, Kept, KeptItem};
use super::model::{Actor, IfMatch, ManageError, Managed};
use super::trunks::check_name;
use crate::config::secret::Secret;
use crate::config::sections::{HoldsSecrets, is_default, is_secret, untold};
use crate::events::{check_url, kinds};
use crate::store::{Kind, StoreError};

/// Short enough to be tried out would be worse than none.
const SHORTEST_SECRET: usize = 16;
const LONGEST_URL: usize = 2048;
const MOST_WEBHOOKS: usize = 100;

/// Somebody who is told of events by HTTP.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, ToSchema)]
#[schema(as = Webhook)]
#[serde(deny_unknown_fields)]
pub(crate) struct WebhookSection {
    /// Never changed.
    pub(crate) name: String,
    /// `http://` or `https://`
    pub(crate) url: String,
    /// Kinds of events; none: all of them.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) kinds: Vec<String>,
    /// What bodies are signed with; 16 characters or more.
    #[serde(default, skip_serializing_if = "is_secret", serialize_with = "untold")]
    #[schema(value_type = Option<String>, format = Password, write_only)]
    pub(crate) secret: Option<Secret>,
    /// Whether there is a secret. Only told.
    #[serde(default, skip_serializing_if = "is_default")]
    #[schema(read_only)]
    pub(crate) has_secret: Option<bool>,
    /// Default: true.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) enabled: Option<bool>,
}

impl HoldsSecrets for WebhookSection {
    fn secrets(&mut self) -> Vec<(String, &mut Option<Secret>)> {
        vec![("/secret".to_owned(), &mut self.secret)]
    }

    fn tell_secrets(&mut self, told: fn(bool) -> Option<bool>) {
        self.has_secret = told(self.secret.is_some());
    }

    fn keep_secrets(&mut self, old: &WebhookSection) {
        if self.secret.is_none() {
            self.secret.clone_from(&old.secret);
        }
    }
}

impl Item for WebhookSection {
    const KIND: Kind = Kind::Webhook;
    const WORD: &'static str = "webhook";

    fn of(kept: &Kept) -> &Vec<KeptItem<Self>> {
        &kept.webhooks
    }

    fn of_mut(kept: &mut Kept) -> &mut Vec<KeptItem<Self>> {
        &mut kept.webhooks
    }
}

impl Kept {
    /// With their secrets, for whoever signs.
    pub(super) fn all_webhooks(&self) -> Vec<WebhookSection> {
        self.webhooks.iter().map(|item| item.body.clone()).collect()
    }
}

impl Manager {
    pub(crate) fn webhooks(&self) -> Vec<Managed<WebhookSection>> {
        let current = self.current();
        let webhooks = current.kept.webhooks.iter().enumerate();
        webhooks.map(|(place, item)| item.shown(place)).collect()
    }

    pub(crate) fn webhook(&self, name: &str) -> Result<Managed<WebhookSection>, ManageError> {
        let mut webhooks = self.webhooks().into_iter();
        let found = webhooks.find(|webhook| webhook.name.eq_ignore_ascii_case(name));
        found.ok_or(ManageError::Store(StoreError::Missing))
    }

    /// Those that are to be told, with their secrets; again whenever one changes.
    pub(crate) fn watch_webhooks(&self) -> watch::Receiver<Arc<Vec<WebhookSection>>> {
        self.webhooks.subscribe()
    }

    pub(crate) async fn put_webhook(
        self: &Arc<Self>,
        who: &Actor,
        name: &str,
        body: WebhookSection,
        condition: IfMatch,
    ) -> Result<Managed<WebhookSection>, ManageError> {
        let key = name.to_owned();
        self.change(who, move |kept, _| {
            let old = look_up::<WebhookSection>(kept, &key, condition)?;
            if old.is_none() && kept.webhooks.len() >= MOST_WEBHOOKS {
                let problem = format!("there are {MOST_WEBHOOKS} webhooks already, the most");
                return Err(ManageError::Conflict(problem));
            }
            let mut new = body.kept();
            if let Some(old) = old {
                new.keep_secrets(old);
            }
            let known = old.map_or(key.as_str(), |old| old.name.as_str());
            check_name("webhook", known, &new.name, old.is_some())?;
            check(&new)?;
            Ok((plan_put(kept, &key, new, condition, None)?, ()))
        })
        .await?;
        self.webhook(name)
    }

    pub(crate) async fn patch_webhook(
        self: &Arc<Self>,
        who: &Actor,
        name: &str,
        patch: Value,
        condition: IfMatch,
    ) -> Result<Managed<WebhookSection>, ManageError> {
        let known = self.webhook(name)?;
        let condition = match condition {
            IfMatch::Any => IfMatch::Version(known.version),
            condition => condition,
        };
        let body = super::parts::patched(&known.body, patch)?;
        self.put_webhook(who, name, body, condition).await
    }

    pub(crate) async fn delete_webhook(
        self: &Arc<Self>,
        who: &Actor,
        name: &str,
        condition: IfMatch,
    ) -> Result<(), ManageError> {
        let name = name.to_owned();
        self.change(who, move |kept, _| {
            let item = kept
                .find::<WebhookSection>(&name)
                .ok_or(StoreError::Missing)?;
            look_up::<WebhookSection>(kept, &name, condition)?;
            let plan = plan_delete(kept, &item.name, &item.body, condition);
            Ok((plan, ()))
        })
        .await
    }
}

fn check(webhook: &WebhookSection) -> Result<(), ManageError> {
    let is_http = ["http://", "https://"].iter().any(|scheme| {
        let rest = webhook.url.get(scheme.len()..).unwrap_or_default();
        let start = webhook.url.get(..scheme.len()).unwrap_or_default();
        start.eq_ignore_ascii_case(scheme) && !rest.is_empty() && !rest.starts_with('/')
    });
    let is_plain = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '<' | '>' | '\\');
    let is_url = is_http && webhook.url.len() <= LONGEST_URL && webhook.url.chars().all(is_plain);
    if !is_url || webhook.url.contains('@') {
        let problem = "is no address to send to; expected http://HOST[:PORT][/PATH] or https://…";
        return Err(ManageError::field("url", problem));
    }
    check_url(&webhook.url).map_err(|problem| ManageError::field("url", problem))?;
    for (place, kind) in webhook.kinds.iter().enumerate() {
        if !kinds().any(|known| known == kind) {
            let known: Vec<&str> = kinds().collect();
            let known = known.join(", ");
            let problem = format!("{kind:?} is no kind of event; expected one of {known}");
            return Err(ManageError::field(format!("kinds[{place}]"), problem));
        }
    }
    let length = webhook.secret.as_ref().map(|secret| secret.expose().len());
    match length {
        Some(length) if length >= SHORTEST_SECRET => Ok(()),
        Some(_) => Err(ManageError::field(
            "secret",
            format!("is too short; expected {SHORTEST_SECRET} characters or more"),
        )),
        None => Err(ManageError::field("secret", "missing")),
    }
}
