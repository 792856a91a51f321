//! What was fetched before the restart? One copy per source, `<alias>.json`, for its owner's eyes only.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

use portcullis_core::identify::jwks::{KeyOrigin, SourceSpec};
use portcullis_core::moment::Moment;
use serde::{Deserialize, Serialize};

/// A fetched set, with what it was fetched for.
#[derive(Deserialize, Serialize)]
pub(super) struct Copy {
    issuer: String,
    origin: String,
    pub(super) fetched_at: Moment,
    pub(super) jwks: String,
}

const MOST_BYTES: u64 = 4 * 1024 * 1024;
/// A copy from further ahead was written under a clock that was wrong: its age cannot be known.
const MOST_AHEAD: Duration = Duration::from_mins(5);

/// `None` when there is no copy of this very source, or none that can be read: the fetch will tell.
pub(super) fn load(folder: &Path, spec: &SourceSpec, now: Moment) -> Option<Copy> {
    let mut text = Vec::new();
    File::open(folder.join(format!("{}.json", spec.alias))).ok()?.take(MOST_BYTES).read_to_end(&mut text).ok()?;
    let copy: Copy = serde_json::from_slice(&text).ok()?;
    let same = copy.issuer == spec.issuer && copy.origin == origin(spec)?;
    (same && copy.fetched_at <= now.plus(MOST_AHEAD)).then_some(copy)
}

/// Whole or not at all: written beside, then renamed.
pub(super) fn save(folder: &Path, spec: &SourceSpec, document: &[u8], fetched_at: Moment) -> io::Result<()> {
    let Some(origin) = origin(spec) else { return Ok(()) };
    let jwks = String::from_utf8_lossy(document).into_owned();
    let copy = Copy { issuer: spec.issuer.clone(), origin, fetched_at, jwks };
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let beside = folder.join(format!("{}.json.new", spec.alias));
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    file.write_all(&serde_json::to_vec(&copy)?)?;
    file.sync_all()?;
    fs::rename(&beside, folder.join(format!("{}.json", spec.alias)))
}

fn origin(spec: &SourceSpec) -> Option<String> {
    match &spec.origin {
        KeyOrigin::Discovery => Some("discovery".to_owned()),
        KeyOrigin::File(_) => None,
        KeyOrigin::Url(url) => Some(url.clone()),
    }
}
