//! Copies of the store: made while the gateway goes on, listed, removed. What a copy holds never leaves the machine here.

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, PathRejection};
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis_core::govern::Subject;
use portcullis_core::moment::Moment;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use validator::{Validate, ValidationError};

use super::call::{Call, Purpose};
use super::operation::Operation;
use super::problem::Refused;
use super::{Admin, input};
use crate::world::backups::{Backup, BackupFault, Made, is_name, usual_name};
use crate::world::store::{AuditVerdict, StoreError};

pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::get("/v1/backups", "listBackups", "The copies of the store on this machine, newest first.", list)
            .answers::<Backups>(200),
        Operation::post(
            "/v1/backups",
            "createBackup",
            "Copies the store into one file of the declared folder, and verifies it.",
            create,
        )
        .body::<Wanted>()
        .answers::<Shown>(201)
        .answers::<Shown>(200)
        .refuses(409, "backup_exists")
        .refuses(409, "backups_full")
        .refuses(409, "backup_disturbed"),
        Operation::delete("/v1/backups/{name}", "deleteBackup", "Removes a copy.", remove)
            .answers_nothing(204)
            .refuses(404, "backup_not_found"),
    ]
}

#[derive(Debug, Default, Deserialize, JsonSchema, Validate)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "WantedBackup")]
struct Wanted {
    /// 1 to 64 of `a-z0-9-_.`; after the time when left out.
    #[validate(custom(function = fitting))]
    name: Option<String>,
    /// When it is made, the oldest beyond so many are removed. Needs the right to `deleteBackup`, too.
    #[validate(range(min = 1, max = 1000, message = "1 to 1000"))]
    keep: Option<u32>,
}

fn fitting(name: &str) -> Result<(), ValidationError> {
    if is_name(name) {
        return Ok(());
    }
    let message = "1 to 64 of `a-z0-9-_.`, of which the first is a letter or a digit and the last no dot";
    Err(ValidationError::new("name").with_message(message.into()))
}

/// A copy of the store.
#[derive(JsonSchema, Serialize)]
#[schemars(rename = "Backup")]
struct Shown {
    name: String,
    created_at: i64,
    /// Null in a rehearsal.
    bytes: Option<u64>,
    /// Base64; in the answer to its making alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
    /// Of its audit log: `whole`, or what `audit verify` would say; in the answer to its making alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    audit: Option<String>,
    /// Older ones that were removed; in the answer to its making alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    removed: Option<Vec<String>>,
}

/// All of them.
#[derive(JsonSchema, Serialize)]
struct Backups {
    items: Vec<Shown>,
}

impl Shown {
    fn of(backup: Backup) -> Self {
        let (sha256, audit, removed) = (None, None, None);
        let Backup { name, made_at, bytes } = backup;
        Self { name, created_at: made_at.seconds(), bytes: Some(bytes), sha256, audit, removed }
    }

    fn made(made: Made) -> Self {
        let audit = match made.log {
            AuditVerdict::Whole { .. } => "whole".to_owned(),
            AuditVerdict::Broken { seq } => format!("row {seq} does not follow from the rows before it"),
            AuditVerdict::Cut { seq } => format!("row {seq} and those after it are missing"),
        };
        let (sha256, removed) = (Some(STANDARD.encode(made.sha256)), Some(made.removed));
        Self { sha256, audit: Some(audit), removed, ..Self::of(made.backup) }
    }

    fn rehearsed(name: String, now: Moment) -> Self {
        Self { name, created_at: now.seconds(), bytes: None, sha256: None, audit: None, removed: None }
    }
}

async fn list(State(admin): State<Admin>) -> Result<Response, Refused> {
    let items = admin.backups.list().map_err(|error| refused(BackupFault::Io(error)))?;
    Ok(Json(Backups { items: items.into_iter().map(Shown::of).collect() }).into_response())
}

async fn create(
    State(admin): State<Admin>,
    call: Call,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Refused> {
    let body = body?;
    let wanted: Wanted = if body.is_empty() { Wanted::default() } else { input::parse(&body)? };
    if wanted.keep.is_some() {
        call.may("deleteBackup", Subject::Gateway)?;
    }
    let now = admin.shared.world.clock.now().wall;
    let name = wanted.name.unwrap_or_else(|| usual_name(now));
    let keep = wanted.keep.and_then(|keep| usize::try_from(keep).ok());
    if call.purpose == Purpose::Rehearse {
        admin.backups.rehearse(&name, keep).map_err(refused)?;
        return Ok(Json(Shown::rehearsed(name, now)).into_response());
    }
    // It goes on when the client leaves: half a copy is of no use.
    let making = tokio::spawn(async move { admin.backups.make(&name, keep, call.actor()).await });
    let made = making.await.map_err(|error| Refused::failed(&error))?.map_err(refused)?;
    let location = HeaderValue::try_from(format!("/v1/backups/{}", made.backup.name));
    let mut response = (StatusCode::CREATED, Json(Shown::made(made))).into_response();
    if let Ok(location) = location {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

async fn remove(
    State(admin): State<Admin>,
    call: Call,
    name: Result<Path<String>, PathRejection>,
) -> Result<Response, Refused> {
    let Path(name) = name?;
    if call.purpose == Purpose::Rehearse {
        let list = admin.backups.list().map_err(|error| refused(BackupFault::Io(error)))?;
        let there = list.iter().any(|backup| backup.name == name);
        return if there { Ok(StatusCode::NO_CONTENT.into_response()) } else { Err(refused(BackupFault::NotFound)) };
    }
    admin.backups.remove(&name, call.actor()).await.map_err(refused)?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn refused(fault: BackupFault) -> Refused {
    let conflict = |code, detail: String| Refused::new(StatusCode::CONFLICT, code, detail);
    match fault {
        BackupFault::Disturbed => conflict(
            "backup_disturbed",
            "the store was changed again and again while it was copied: try again when fewer changes are made"
                .to_owned(),
        ),
        BackupFault::Exists => conflict("backup_exists", "there is a backup of this name: choose another".to_owned()),
        BackupFault::Full(most) => conflict(
            "backups_full",
            format!("there are {most} backups, as many as `store.max_backups` allows: remove some, or send `keep`"),
        ),
        BackupFault::Io(error) => Refused::failed(&format!("a backup: {error}")),
        BackupFault::NotFound => Refused::new(StatusCode::NOT_FOUND, "backup_not_found", "there is no such backup"),
        // What is in doubt is a word in the log, and no backup.
        BackupFault::Store(StoreError::Doubtful(error)) => Refused::failed(&format!("a backup: {error}")),
        BackupFault::Store(error) => Refused::store(&error),
    }
}
