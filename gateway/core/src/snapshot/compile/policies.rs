//! The policy folder: every `*.cedar` file, and the schema.

use std::path::{Path, PathBuf};

use super::Work;
use crate::authorize::{self, PolicyFault};
use crate::config::{ConfigError, ContentHash, Source};
use crate::govern;

pub(super) struct Compiled {
    pub(super) policies: authorize::Policies,
}

/// `None`: errors were noted.
pub(super) fn compile(work: &mut Work<'_>, source: &dyn Source) -> Option<Compiled> {
    let config = &work.loaded.config.policies;
    let folder = work.loaded.from_root(&config.dir);
    let schema_path = work.loaded.from_root(&config.schema_path());
    let schema = text(work, source, &schema_path, "a schema is mandatory: write the entity types and actions there");
    let mut paths = match source.list(&folder) {
        Ok(paths) => paths,
        Err(fault) => {
            work.refuse(
                &["policies".into(), "dir".into()],
                format!("the policy folder `{}` {fault}", folder.display()),
                "nothing is permitted without policies: create the folder with at least one `.cedar` file",
            );
            return None;
        }
    };
    // Those about administrators have a schema of their own.
    paths.retain(|path| {
        let cedar = path.extension().is_some_and(|extension| extension == "cedar");
        cedar && path.file_name().is_some_and(|name| name != govern::FILE)
    });
    paths.sort();
    let mut files = Vec::new();
    for path in &paths {
        files.push(text(work, source, path, "make the file readable, or remove it"));
    }
    let schema = schema?;
    let files: Vec<authorize::Source> = files.into_iter().collect::<Option<_>>()?;
    match authorize::Policies::compile(&schema, &files) {
        Ok(policies) => {
            let warnings: Vec<ConfigError> =
                policies.warnings().iter().map(|fault| error(fault, &schema, &files)).collect();
            work.warnings.extend(warnings);
            Some(Compiled { policies })
        }
        Err(faults) => {
            work.errors.extend(faults.iter().map(|fault| error(fault, &schema, &files)));
            None
        }
    }
}

pub(super) fn text(work: &mut Work<'_>, source: &dyn Source, path: &Path, help: &str) -> Option<authorize::Source> {
    let mut refuse = |message: String| {
        let mut error = ConfigError::of_file(path, message);
        error.help = Some(help.to_owned());
        work.errors.push(error);
    };
    let bytes = match source.read(path) {
        Ok(bytes) => bytes,
        Err(fault) => {
            refuse(fault.to_string());
            return None;
        }
    };
    let hash = ContentHash::of(&bytes);
    if let Ok(text) = String::from_utf8(bytes) {
        work.read.push((path.to_owned(), hash));
        Some(authorize::Source { file: path.display().to_string(), text })
    } else {
        refuse("is not UTF-8 text: save it as UTF-8".to_owned());
        None
    }
}

/// A policy's fault, at its place.
pub(super) fn error(fault: &PolicyFault, schema: &authorize::Source, files: &[authorize::Source]) -> ConfigError {
    let text = files.iter().chain([schema]).find(|source| source.file == fault.file).map(|source| source.text.as_str());
    let mut error = ConfigError::in_text(
        &PathBuf::from(&fault.file),
        text.unwrap_or_default(),
        fault.offset.map(|offset| offset..offset.saturating_add(fault.len)),
        fault.message.clone(),
    );
    error.help.clone_from(&fault.help);
    error
}
