//! `/export`, `/import`, `/backup`: the configuration as TOML, and the store as a file.

use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::Deserialize;
use serde_json::json;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::Api;
use crate::api::auth::{Administrator, Reader};
use crate::api::model::{Backup, BackupDone, Import, ImportMode};
use crate::api::problem::{Problem, Slug};
use crate::api::request::{Body, QueryOf};
use crate::api::server::{Connection, Peer};
use crate::manage::{Diff, Mode, Role};

use super::control::record;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(export))
        .routes(routes!(import))
        .routes(routes!(backup))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Asked {
    /// `toml`, the only one.
    #[param(pattern = "^toml$")]
    format: Option<String>,
    /// With the secrets in the clear: for administrators.
    #[serde(default)]
    secrets: bool,
}

/// Trunks, routes and accounts as TOML
#[utoipa::path(
    get, path = "/export", tag = "configuration", operation_id = "export_configuration", params(Asked),
    responses((status = 200, description = "As in trunkline.toml.", content_type = "application/toml", body = String)),
)]
async fn export(
    Reader(actor): Reader,
    State(api): State<Api>,
    QueryOf(asked): QueryOf<Asked>,
) -> Result<Response, Problem> {
    if let Some(format) = asked.format.as_deref().filter(|format| *format != "toml") {
        let problem = format!("is {format:?}; expected toml");
        return Err(Problem::invalid("format", problem));
    }
    if asked.secrets {
        let detail = "secrets are for the role admin; expected secrets=false";
        let mut refused = (actor.role < Role::Admin).then(|| Problem::new(Slug::Forbidden, detail));
        record(
            &api,
            &actor,
            "configuration.export",
            String::new(),
            json!({"secrets": true}),
            refused.as_mut(),
        );
        if let Some(refused) = refused {
            return Err(refused);
        }
    }
    let mut response = api.manager.export(asked.secrets).into_response();
    let kind = HeaderValue::from_static("application/toml");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    Ok(response)
}

/// Takes trunks, routes and accounts from TOML, or tells what that would change
#[utoipa::path(
    post, path = "/import", tag = "configuration", operation_id = "import_configuration",
    request_body = Import,
    responses((status = 200, description = "What is different.", body = Diff)),
)]
async fn import(
    Administrator(actor): Administrator,
    State(api): State<Api>,
    body: Body,
) -> Result<Json<Diff>, Problem> {
    let import: Import = body.read()?;
    let mode = match import.mode {
        ImportMode::Merge => Mode::Merge,
        ImportMode::Replace => Mode::Replace,
    };
    let diff = api
        .manager
        .import(&actor, &import.toml, mode, import.apply)
        .await?;
    Ok(Json(diff))
}

/// Copies the store into a file, while it is in use
#[utoipa::path(
    post, path = "/backup", tag = "daemon", operation_id = "back_up", request_body = Backup,
    responses((status = 200, description = "The file is written.", body = BackupDone)),
)]
async fn backup(
    Administrator(actor): Administrator,
    State(api): State<Api>,
    Extension(connection): Extension<Arc<Connection>>,
    body: Body,
) -> Result<Json<BackupDone>, Problem> {
    let backup: Backup = body.read()?;
    let is_local = matches!(connection.peer, Peer::Unix { .. });
    let path = place(&backup.path, api.backup_dir.as_deref(), is_local)?;
    let what = json!({"path": path.display().to_string()});
    let mut done = api.store.backup(path.clone()).await.map_err(Problem::from);
    record(
        &api,
        &actor,
        "store.backup",
        String::new(),
        what,
        done.as_mut().err(),
    );
    Ok(Json(BackupDone {
        path: path.display().to_string(),
        bytes: done?,
    }))
}

/// Where a backup may be written: into the directory that is configured for it; and by the socket,
/// where the daemon's user may write anyway, anywhere.
fn place(path: &str, directory: Option<&Path>, is_local: bool) -> Result<PathBuf, Problem> {
    let refuse = |problem: &str| Problem::invalid("path", problem);
    let asked = Path::new(path);
    let is_plain = asked
        .components()
        .all(|part| matches!(part, Component::Normal(_) | Component::RootDir));
    if path.is_empty() || path.contains('\0') || !is_plain {
        return Err(refuse("is no path of a file; expected one without `..`"));
    }
    match directory {
        _ if asked.is_absolute() && is_local => Ok(asked.to_owned()),
        Some(directory) if !asked.is_absolute() => Ok(directory.join(asked)),
        Some(directory) if asked.starts_with(directory) => Ok(asked.to_owned()),
        Some(_) => Err(refuse("is elsewhere; expected a file in store.backup_dir")),
        None if is_local => Err(refuse("is not absolute; expected an absolute path")),
        None => Err(refuse(
            "cannot be written from here; expected store.backup_dir to be configured",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backup_stays_in_its_directory_unless_asked_for_by_the_socket() {
        let directory = Some(Path::new("/var/backups"));
        let placed = |path, directory, is_local| {
            place(path, directory, is_local)
                .ok()
                .map(|path| path.display().to_string())
        };
        let inside = Some("/var/backups/a.db".to_owned());
        assert_eq!(placed("a.db", directory, false), inside);
        assert_eq!(placed("/var/backups/a.db", directory, false), inside);
        assert_eq!(
            placed("/tmp/a.db", directory, true),
            Some("/tmp/a.db".to_owned())
        );
        for path in [
            "/tmp/a.db",
            "../a.db",
            "/var/backups/../a.db",
            "",
            "a/../../b",
            "a\0b",
        ] {
            assert_eq!(placed(path, directory, false), None, "{path:?}");
        }
        assert_eq!(placed("a.db", None, false), None);
        assert_eq!(placed("a.db", None, true), None);
    }
}
