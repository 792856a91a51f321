//! The texts of a revision as they are kept: deflated, since a record has a bound.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use portcullis_core::moment::Moment;
use portcullis_core::snapshot::Texts;
use serde::{Deserialize, Serialize};

use super::super::{Draft, Kind, Record, StoreError, json, parsed};

/// All texts of a revision together, in bytes.
const LARGEST: usize = 8 * 1024 * 1024;
/// Of the JSON around what is kept, in bytes.
const AROUND: usize = 64;

#[derive(Deserialize, Serialize)]
struct Body {
    /// A JSON object of path and text, deflated (RFC 1951), in base64.
    deflated: String,
}

/// As they are kept.
pub(super) struct Packed(Vec<u8>);

impl Packed {
    /// `None`: they are not within the bounds. Takes tens of milliseconds for a few megabytes.
    pub(super) fn of(texts: &Texts) -> Option<Self> {
        let fitting = |bytes: &Vec<u8>| bytes.len().div_ceil(3) * 4 + AROUND <= Draft::LARGEST_BODY;
        let small = texts.size() <= LARGEST;
        small.then(|| deflated(texts).ok()).flatten().filter(fitting).map(Self)
    }
}

pub(super) fn draft(number: u64, packed: &Packed, at: Moment) -> Result<Draft, StoreError> {
    let deflated = STANDARD.encode(&packed.0);
    let (body, tags) = (json(&Body { deflated })?, Vec::new());
    Ok(Draft { kind: Kind::RevisionText, id: number.to_string().into(), body, tags, created_at: at, expires_at: None })
}

pub(super) fn read(record: &Record, main: &str) -> Result<Texts, StoreError> {
    let damaged = || StoreError::Damaged(format!("revision_text `{}` cannot be read", record.id));
    let body: Body = parsed(record)?;
    let bytes = STANDARD.decode(body.deflated).map_err(|_| damaged())?;
    let mut plain = Vec::new();
    // JSON may double what it quotes, and writes control characters as six.
    let most = LARGEST as u64 * 6;
    DeflateDecoder::new(&*bytes).take(most).read_to_end(&mut plain).map_err(|_| damaged())?;
    let files: BTreeMap<String, Arc<str>> = serde_json::from_slice(&plain).map_err(|_| damaged())?;
    Ok(Texts { main: main.to_owned(), files })
}

fn deflated(texts: &Texts) -> Result<Vec<u8>, StoreError> {
    let failed = |error: &dyn std::fmt::Display| StoreError::Failed(error.to_string());
    let plain = serde_json::to_vec(&texts.files).map_err(|error| failed(&error))?;
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(&plain).map_err(|error| failed(&error))?;
    encoder.finish().map_err(|error| failed(&error))
}
