//! The policy folder: every `*.cedar` file, and the schema.

use std::path::{Path, PathBuf};

use super::{Work, schemas};
use crate::authorize::{self, Hands, PolicyFault};
use crate::config::{ConfigError, ContentHash, FileFault, Source};
use crate::govern;

/// `None`: errors were noted.
pub(super) fn compile(work: &mut Work<'_>, source: &dyn Source, hands: Hands) -> Option<Folder> {
    let config = &work.loaded.config.policies;
    let folder = work.loaded.from_root(&config.dir);
    let schema = work.loaded.from_root(&config.schema_path());
    let paths = match cedar_files(&folder, source) {
        Ok(paths) => paths,
        Err(fault) => {
            work.refuse(
                &["policies".into(), "dir".into()],
                format!("the policy folder `{}` {fault}", folder.display()),
                NO_FOLDER,
            );
            // The schema may be wrong too.
            if let Err(error) = take_text(source, &schema, NO_SCHEMA) {
                work.errors.push(*error);
            }
            return None;
        }
    };
    let compile = |schema: &_, files: &[_]| authorize::Policies::compile_by(hands, schema, files);
    match read(&paths, &schema, source, compile) {
        Ok(folder) => {
            work.warnings.extend(folder.warnings.iter().cloned());
            work.read.extend(folder.read.iter().cloned());
            Some(folder)
        }
        Err(errors) => {
            work.errors.extend(errors);
            None
        }
    }
}

/// The policies in shadow; `None`: there are none, or errors were noted.
pub(super) fn compile_shadow(work: &mut Work<'_>, source: &dyn Source) -> Option<authorize::Policies> {
    let config = &work.loaded.config.policies;
    let folder = work.loaded.from_root(config.shadow.as_ref()?);
    let own = folder.join("schema.cedarschema");
    let schema = work.loaded.from_root(&config.schema_path());
    let paths = match cedar_files(&folder, source) {
        Ok(paths) => paths,
        Err(fault) => {
            let message = format!("the policy folder `{}` {fault}", folder.display());
            work.refuse(&["policies".into(), "shadow".into()], message, "create it, or take `shadow` out");
            return None;
        }
    };
    let schema = if source.list(&folder).is_ok_and(|files| files.contains(&own)) { own } else { schema };
    match read(&paths, &schema, source, authorize::Policies::compile_beside) {
        Ok(folder) => {
            work.read.extend(folder.read);
            Some(folder.policies)
        }
        Err(errors) => {
            work.errors.extend(errors);
            None
        }
    }
}

const NO_FOLDER: &str = "nothing is permitted without policies: create the folder with at least one `.cedar` file";
const NO_SCHEMA: &str = "a schema is mandatory: write the entity types and actions there";

/// The policies of a folder that stands by itself.
pub fn policy_folder(folder: &Path, schema: &Path, source: &dyn Source) -> Result<Folder, Vec<ConfigError>> {
    let paths = cedar_files(folder, source).map_err(|fault| {
        let mut error = ConfigError::of_file(folder, format!("the policy folder {fault}"));
        error.help = Some(NO_FOLDER.to_owned());
        vec![error]
    })?;
    read(&paths, schema, source, authorize::Policies::compile)
}

/// The `*.cedar` files of a folder, in the order in which they are read; without those about administrators, which have
/// a schema of their own.
pub fn cedar_files(folder: &Path, source: &dyn Source) -> Result<Vec<PathBuf>, FileFault> {
    let mut paths = source.list(folder)?;
    paths.retain(|path| {
        let cedar = path.extension().is_some_and(|extension| extension == "cedar");
        cedar && path.file_name().is_some_and(|name| name != govern::FILE)
    });
    paths.sort();
    Ok(paths)
}

/// Policies that compiled, with what else is to be known of their files.
#[derive(Debug)]
pub struct Folder {
    pub policies: authorize::Policies,
    pub warnings: Vec<ConfigError>,
    pub(super) read: Vec<(PathBuf, ContentHash)>,
}

fn read(
    paths: &[PathBuf],
    schema: &Path,
    source: &dyn Source,
    compile: impl Fn(&authorize::Source, &[authorize::Source]) -> Result<authorize::Policies, Vec<PolicyFault>>,
) -> Result<Folder, Vec<ConfigError>> {
    let mut errors = Vec::new();
    let mut hashes = Vec::new();
    let mut take = |path: &Path, help: &str| match take_text(source, path, help) {
        Ok((text, hash)) => {
            hashes.push((path.to_owned(), hash));
            Some(text)
        }
        Err(error) => {
            errors.push(*error);
            None
        }
    };
    let more = schemas::beside(schema, source);
    let schema = take(schema, NO_SCHEMA);
    let more: Option<Vec<authorize::Source>> =
        more.iter().map(|path| take(path, "make the file readable, or remove it")).collect();
    let schema = schema.zip(more).map(|(schema, more)| schemas::together(schema, more));
    let files: Vec<_> = paths.iter().map(|path| take(path, "make the file readable, or remove it")).collect();
    let files: Option<Vec<authorize::Source>> = files.into_iter().collect();
    let (Some(schema), Some(files)) = (schema, files) else { return Err(errors) };
    match compile(&schema, &files) {
        Ok(policies) => {
            let warnings = policies.warnings().iter().map(|fault| error(fault, &schema, &files)).collect();
            Ok(Folder { policies, warnings, read: hashes })
        }
        Err(faults) => Err(faults.iter().map(|fault| error(fault, &schema, &files)).collect()),
    }
}

/// The text of one file, noted as read; `None`: an error was.
pub(super) fn text(work: &mut Work<'_>, source: &dyn Source, path: &Path, help: &str) -> Option<authorize::Source> {
    match take_text(source, path, help) {
        Ok((text, hash)) => {
            work.read.push((path.to_owned(), hash));
            Some(text)
        }
        Err(error) => {
            work.errors.push(*error);
            None
        }
    }
}

fn take_text(
    source: &dyn Source,
    path: &Path,
    help: &str,
) -> Result<(authorize::Source, ContentHash), Box<ConfigError>> {
    let refuse = |message: String| {
        let mut error = ConfigError::of_file(path, message);
        error.help = Some(help.to_owned());
        Box::new(error)
    };
    let bytes = source.read(path).map_err(|fault| refuse(fault.to_string()))?;
    let hash = ContentHash::of(&bytes);
    let text = String::from_utf8(bytes).map_err(|_| refuse("is not UTF-8 text: save it as UTF-8".to_owned()))?;
    Ok((authorize::Source { file: path.display().to_string(), text }, hash))
}

/// A policy's fault, at its place.
pub(super) fn error(fault: &PolicyFault, schema: &authorize::Source, files: &[authorize::Source]) -> ConfigError {
    let (file, text, offset) = match files.iter().find(|source| source.file == fault.file) {
        Some(source) => (source.file.as_str(), source.text.as_str(), fault.offset),
        None if schema.file == fault.file => schemas::apart(schema, fault.offset),
        None => (fault.file.as_str(), "", fault.offset),
    };
    let span = offset.map(|offset| offset..offset.saturating_add(fault.len));
    let mut error = ConfigError::in_text(&PathBuf::from(file), text, span, fault.message.clone());
    error.help.clone_from(&fault.help);
    error
}
