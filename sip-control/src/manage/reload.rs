//! SIGHUP: the file is read again, and joined to what the store has.

use std::sync::Arc;

use super::Manager;
use super::resolve::{self, Changed, LeaveOut};
use crate::daemon::log_certificates;
use crate::driver::log_warnings;

impl Manager {
    /// Takes effect as a whole or not at all; what is wrong goes to the log.
    pub(crate) async fn reload(self: Arc<Self>) {
        let _changing = self.changing.lock().await;
        let current = self.current();
        let read = tokio::task::spawn_blocking(move || {
            let file = current
                .config
                .read_again()
                .map_err(|error| error.to_string())?;
            let mut kept = current.kept.clone();
            let config =
                resolve::resolve(&file, &mut kept, LeaveOut::KnownProblems, Changed::Nothing)
                    .map_err(|error| format!("beside what the store has: {error}"))?;
            let config = config
                .keep_ids_of(&current.config)
                .map_err(|fault| fault.problem)?;
            Ok((config, kept))
        });
        let (config, kept) = match read.await.unwrap_or_else(|error| Err(error.to_string())) {
            Ok(read) => read,
            Err(error) => return tracing::error!("not reloaded: {error}"),
        };
        log_warnings(&config);
        log_certificates(&config);
        self.put_into_effect(config, kept).await;
        tracing::info!("reloaded trunks, routes and certificates");
    }
}
