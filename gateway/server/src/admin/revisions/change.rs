//! Puts another configuration in force: texts that are sent, or an older revision.

use std::collections::BTreeMap;
use std::path::{Component, Path as FilePath};
use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, PathRejection};
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use portcullis_core::config::{ConfigError, ControlSource};
use portcullis_core::snapshot::{Effects, Texts};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use validator::{Validate, ValidationError};

use super::differences::{FileChange, between};
use super::{AT_ONCE, Shown, find, shown, texts};
use crate::admin::call::{Call, Purpose, etag};
use crate::admin::operation::Operation;
use crate::admin::problem::Refused;
use crate::admin::{Admin, input};
use crate::control::{Compiled, Text};
use crate::world::store::{Applied, Force, Origin, Overtaken, StoreError};

/// Of all texts together and the JSON around them, in bytes.
const LARGEST_BODY: usize = 2 * 1024 * 1024;
/// Files of one revision.
const MOST_FILES: usize = 1_000;
/// Of a path, in bytes.
const LONGEST_PATH: usize = 512;

pub(super) fn apply_operation() -> Operation {
    Operation::post(
        "/v1/config/revisions",
        "applyRevision",
        "Puts the texts that are sent in force on every replica, all of them or nothing.",
        apply,
    )
    .body::<Sent>()
    .body_up_to(LARGEST_BODY)
    .answers::<Outcome>(201)
    .answers::<Outcome>(200)
    .refuses(409, "config_from_files")
    .refuses(409, "revision_too_large")
    .versioned()
    .refuses(422, "config_refused")
}

pub(super) fn roll_back_operation() -> Operation {
    Operation::post(
        "/v1/config/revisions/{number}/rollback",
        "rollBackRevision",
        "Puts an older revision in force again, as a new one.",
        roll_back,
    )
    .answers::<Outcome>(201)
    .answers::<Outcome>(200)
    .refuses(404, "revision_not_found")
    .refuses(409, "revision_too_large")
    .versioned()
    .refuses(422, "config_refused")
}

/// A whole configuration.
#[derive(Debug, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "SentConfiguration")]
struct Sent {
    /// Every text it is made of, by its path below the root: `config/portcullis.toml`, `policies/app.cedar`.
    #[validate(custom(function = fitting))]
    files: BTreeMap<String, String>,
    /// What it is for.
    #[serde(default)]
    #[validate(length(max = 500, message = "at most 500 characters"), custom(function = input::printable))]
    note: String,
}

fn fitting(files: &BTreeMap<String, String>) -> Result<(), ValidationError> {
    let wrong = |message: &'static str| Err(ValidationError::new("files").with_message(message.into()));
    if files.is_empty() || files.len() > MOST_FILES {
        return wrong("1 to 1000 files");
    }
    let fits = |path: &String| {
        let plain = FilePath::new(path).components().all(|part| matches!(part, Component::Normal(_)));
        let whole = FilePath::new(path).components().collect::<std::path::PathBuf>().as_os_str() == path.as_str();
        plain && whole && path.len() <= LONGEST_PATH && !path.chars().any(char::is_control)
    };
    if files.keys().all(fits) {
        Ok(())
    } else {
        wrong("paths are relative, without `.` and `..`, of at most 512 bytes")
    }
}

/// What has changed, or would.
#[derive(JsonSchema, Serialize)]
#[schemars(rename = "AppliedConfiguration")]
struct Outcome {
    result: Upshot,
    /// Null in a rehearsal; where nothing changes, what is in force.
    revision: Option<Shown>,
    files: Vec<FileChange>,
    #[serde(flatten)]
    effects: Effects,
    /// What its operator should know.
    warnings: Vec<String>,
}

#[derive(Clone, Copy, Debug, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "Upshot")]
enum Upshot {
    Applied,
    Unchanged,
    WouldApply,
}

async fn apply(
    State(admin): State<Admin>,
    call: Call,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Refused> {
    let sent: Sent = input::parse(&body?)?;
    let main = call.published.texts.main.clone();
    if !sent.files.contains_key(&main) {
        return Err(input::fault("/files", "required", format!("there is no `{main}`, which is the main file")));
    }
    if admin.publisher.source() == ControlSource::Files && call.purpose == Purpose::Apply {
        let detail = "the files of each machine decide: change them, or set `control.source = \"store\"`; `dry_run=true` \
                      shows what a change would do";
        return Err(Refused::new(StatusCode::CONFLICT, "config_from_files", detail));
    }
    let files = sent.files.into_iter().map(|(path, text)| (path, text.into())).collect();
    let change = Change { texts: Texts { main, files }, text: Text::Sent, origin: Origin::Api, note: sent.note };
    change.make(admin, call).await
}

async fn roll_back(
    State(admin): State<Admin>,
    call: Call,
    number: Result<Path<String>, PathRejection>,
) -> Result<Response, Refused> {
    let Path(number) = number?;
    let revision = find(&admin, number.parse().unwrap_or_default()).await?;
    let texts = texts(&admin, &revision).await?;
    let note = format!("revision {}", revision.number);
    Change { texts, text: Text::Kept, origin: Origin::Rollback, note }.make(admin, call).await
}

struct Change {
    texts: Texts,
    text: Text,
    origin: Origin,
    note: String,
}

impl Change {
    async fn make(self, admin: Admin, call: Call) -> Result<Response, Refused> {
        let standing = admin.store.revisions.standing().await.map_err(|error| Refused::store(&error))?;
        call.expects(standing.latest)?;
        // It goes on when the client leaves: what is written comes into force.
        let making = tokio::spawn(async move { self.run(&admin, &call, standing.latest).await });
        making.await.map_err(|error| Refused::failed(&error))?
    }

    async fn run(self, admin: &Admin, call: &Call, latest: u64) -> Result<Response, Refused> {
        let (compiled, files, effects) = self.weigh(admin).await?;
        let warnings = compiled.warnings.iter().map(ToString::to_string).collect();
        // Secrets in clear, which only stay out of what is kept, are out of these.
        let texts = compiled.published.texts;
        let unchanged = texts.hash() == admin.shared.current().texts.hash();
        let mut outcome = Outcome { result: Upshot::WouldApply, revision: None, files, effects, warnings };
        if unchanged {
            let in_force = admin.publisher.chronicle().in_force();
            outcome.result = Upshot::Unchanged;
            outcome.revision = in_force.map(|revision| shown(admin, &revision, None));
        }
        if unchanged || call.purpose == Purpose::Rehearse {
            return Ok((etag(latest).map(|tag| [tag]), Json(outcome)).into_response());
        }
        let force = match admin.publisher.source() {
            ControlSource::Files => Force::Over(admin.publisher.standing().0),
            ControlSource::Store => Force::Everywhere,
        };
        let at = admin.shared.world.clock.now().wall;
        let applied = Applied { texts: &texts, author: call.actor(), origin: self.origin, note: &self.note, at };
        let keep = u64::from(admin.shared.current().snapshot.control().revisions);
        let expected = call.names_a_version().then_some(latest);
        let made = admin.store.revisions.apply(applied, force, expected, keep).await;
        let revision = match made {
            Ok(Ok(revision)) => revision,
            Ok(Err(Overtaken(latest))) => return Err(call.expects(latest).err().unwrap_or_else(overtaken)),
            Err(StoreError::Unfit(_)) => {
                let detail = "the texts are too large to be kept";
                return Err(Refused::new(StatusCode::CONFLICT, "revision_too_large", detail));
            }
            Err(error) => return Err(Refused::store(&error)),
        };
        // Where it cannot be read back now it is followed in a moment, and the answer says that it is not in force yet.
        if let Err(error) = admin.publisher.chronicle().follow(&admin.publisher).await {
            tracing::warn!(%error, "a revision that was applied here comes into force later");
        }
        outcome.result = Upshot::Applied;
        outcome.revision = Some(shown(admin, &revision, None));
        let location = HeaderValue::try_from(format!("/v1/config/revisions/{}", revision.number));
        let tag = etag(revision.number).map(|tag| [tag]);
        let mut response = (StatusCode::CREATED, tag, Json(outcome)).into_response();
        if let Ok(location) = location {
            response.headers_mut().insert(header::LOCATION, location);
        }
        Ok(response)
    }

    /// Compiles it as this replica would, and says what is another then.
    async fn weigh(&self, admin: &Admin) -> Result<(Compiled, Vec<FileChange>, Effects), Refused> {
        let _turn = AT_ONCE.acquire().await.map_err(|error| Refused::failed(&error))?;
        let (publisher, before) = (Arc::clone(&admin.publisher), admin.shared.current());
        let (texts, text) = (self.texts.clone(), self.text);
        let working = tokio::task::spawn_blocking(move || {
            let compiled = publisher.try_texts(&texts, text)?;
            let files = between(&before.texts, &compiled.published.texts);
            let effects = crate::control::roomy(|| before.snapshot.effects(&compiled.published.snapshot));
            Ok((compiled, files, effects))
        });
        working.await.map_err(|error| Refused::failed(&error))?.map_err(|errors: Vec<ConfigError>| refused(&errors))
    }
}

fn refused(errors: &[ConfigError]) -> Refused {
    let detail = "it does not hold together on this replica, and what is in force stays; see `errors`";
    let mut refused = Refused::new(StatusCode::UNPROCESSABLE_ENTITY, "config_refused", detail);
    refused.errors = errors.iter().take(10).map(|error| json!(error)).collect();
    refused
}

fn overtaken() -> Refused {
    let detail = "it has changed since: another revision was applied meanwhile";
    Refused::new(StatusCode::PRECONDITION_FAILED, "precondition_failed", detail)
}
