//! SQLite's errors in our words.

use rusqlite::{Error, ErrorCode};

use crate::store::backend::{Failure, FailureKind, NotChanged};
use crate::store::entry::StoreError;

pub(super) fn failure(error: Error) -> Failure {
    Failure::new(kind(&error), words(&error))
}

fn kind(error: &Error) -> FailureKind {
    match error.sqlite_error_code() {
        Some(
            ErrorCode::DiskFull
            | ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::OutOfMemory,
        ) => FailureKind::Passing,
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => FailureKind::Damaged,
        Some(ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch | ErrorCode::TooBig) => {
            FailureKind::Unwritable
        }
        Some(_) => FailureKind::Broken,
        None => match error {
            Error::ToSqlConversionFailure(_) => FailureKind::Unwritable,
            _ => FailureKind::Broken,
        },
    }
}

fn words(error: &Error) -> String {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => "the disk is full".to_owned(),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            "another process holds the file locked".to_owned()
        }
        Some(ErrorCode::DatabaseCorrupt) => "the file is damaged".to_owned(),
        Some(ErrorCode::NotADatabase) => "the file is not a database".to_owned(),
        Some(ErrorCode::ReadOnly) => "the file may not be written to".to_owned(),
        _ => error.to_string(),
    }
}

impl From<Error> for StoreError {
    fn from(error: Error) -> StoreError {
        StoreError::Unavailable(words(&error))
    }
}

impl From<Error> for NotChanged {
    fn from(error: Error) -> NotChanged {
        NotChanged::Failed(failure(error))
    }
}

pub(super) fn is_in_use(error: &Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)
    )
}
