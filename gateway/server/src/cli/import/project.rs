//! What is there, what is written, and what is left alone because people changed it?

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use portcullis_core::authorize;
use portcullis_core::config::{Config, load, render};
use portcullis_core::openapi::{Artefacts, Blocks, Certificates, Kept, Responses, Tokens, Wishes};

use crate::world::files::Disk;

/// The types that generated actions speak of; people add to it.
pub(crate) const SCHEMA: &str = include_str!("schema.cedarschema");

/// A project on the disk.
pub(crate) struct Project {
    pub(crate) entry: PathBuf,
    folder: PathBuf,
    policies: PathBuf,
    config: Config,
}

/// What was written, and what was not.
#[derive(Debug, Default)]
pub(crate) struct Written {
    pub(crate) files: Vec<String>,
    pub(crate) kept: Vec<String>,
}

impl Project {
    /// Reads the configuration.
    ///
    /// # Errors
    /// There is none, or it does not hold together.
    pub(crate) fn of(entry: &Path) -> Result<Self, String> {
        if !entry.exists() {
            return Err(format!(
                "there is no `{}`: `portcullis init --openapi FILE` begins a project",
                entry.display()
            ));
        }
        let loaded = load(entry, &Disk::default()).map_err(|errors| render(&errors))?;
        let folder = entry.parent().unwrap_or(Path::new("")).to_owned();
        let policies = loaded.from_root(&loaded.config.policies.dir);
        Ok(Self { entry: entry.to_owned(), folder, policies, config: loaded.config })
    }

    /// # Errors
    /// Which upstream is meant is not clear.
    pub(crate) fn wishes(
        &self,
        name: String,
        upstream: Option<&str>,
        responses: Option<Responses>,
    ) -> Result<Wishes, String> {
        let names: Vec<&str> = self.config.upstreams.keys().map(String::as_str).collect();
        let upstream = match (upstream, names.as_slice()) {
            (Some(asked), names) if names.contains(&asked) => asked,
            (Some(asked), names) => {
                return Err(format!("there is no upstream `{asked}`: there are {}", names.join(", ")));
            }
            (None, [only]) => only,
            (None, names) => return Err(format!("say `--upstream NAME`: there are {}", names.join(", "))),
        };
        let asked = self.config.tls.certificates.iter().any(|pair| pair.client_certificates.is_some());
        Ok(Wishes {
            name,
            upstream: upstream.to_owned(),
            tokens: if self.config.tokens.is_empty() { Tokens::None } else { Tokens::Declared },
            certificates: if asked { Certificates::Asked } else { Certificates::None },
            responses,
        })
    }

    /// Names of routes that stand in files of people's own.
    pub(crate) fn elsewhere(&self, artefacts: &Artefacts) -> BTreeSet<String> {
        let ours: BTreeSet<String> = self.blocks(artefacts).into_iter().map(|block| block.name).collect();
        self.config.routes.iter().map(|route| route.name.clone()).filter(|name| !ours.contains(name)).collect()
    }

    fn blocks(&self, artefacts: &Artefacts) -> Vec<portcullis_core::openapi::Block> {
        let text = std::fs::read_to_string(self.place(&artefacts.routes_path())).unwrap_or_default();
        Blocks::of(&text, &artefacts.head).generated
    }

    /// Writes everything that is not people's own.
    ///
    /// # Errors
    /// A file that cannot be read or written.
    pub(crate) fn write(&self, artefacts: &Artefacts, elsewhere: &BTreeSet<String>) -> Result<Written, String> {
        let mut written = Written::default();
        let path = artefacts.routes_path();
        let there = self.read(&path)?;
        let (text, kept) = artefacts.routes(there.as_deref(), elsewhere);
        let Kept { edited, behind, lost, .. } = &kept;
        written.kept.extend(edited.iter().map(|name| format!("kept as edited: route `{name}` in {path}")));
        let stale =
            behind.iter().map(|name| format!("look at route `{name}` in {path}: the document says something else now"));
        written.kept.extend(stale);
        written.kept.extend(lost.iter().map(|name| format!("gone from the document: route `{name}`")));
        if there.as_deref() != Some(&text) {
            self.put(&path, &text, &mut written)?;
        }
        for (path, text) in &artefacts.generated {
            match self.read(path)? {
                Some(there) if there == *text => {}
                Some(there) if Artefacts::is_edited(&there) => written.kept.push(format!("kept as edited: {path}")),
                Some(_) | None => self.put(path, text, &mut written)?,
            }
        }
        for path in self.stale(artefacts) {
            let text = self.read(&path)?.unwrap_or_default();
            if Artefacts::is_edited(&text) {
                written.kept.push(format!("kept as edited, though nothing needs it: {path}"));
            } else {
                std::fs::remove_file(self.place(&path)).map_err(|error| format!("{path}: {error}"))?;
            }
        }
        let schema = ("policies/schema.cedarschema".to_owned(), SCHEMA.to_owned());
        for (path, text) in artefacts.begun.iter().chain([&schema]) {
            if self.read(path)?.is_none() {
                // So that `policy fmt --check` has nothing to say of what nobody has touched.
                let policies = Path::new(path).extension().is_some_and(|extension| extension == "cedar");
                let formatted = if policies { authorize::format(text).ok() } else { None };
                self.put(path, formatted.as_ref().unwrap_or(text), &mut written)?;
            }
        }
        Ok(written)
    }

    /// How the files differ from what the document makes of them.
    pub(crate) fn drift(&self, artefacts: &Artefacts, elsewhere: &BTreeSet<String>) -> Vec<String> {
        let path = artefacts.routes_path();
        let there = self.read(&path).ok().flatten();
        let (_, kept) = artefacts.routes(there.as_deref(), elsewhere);
        let mut findings: Vec<String> = Vec::new();
        let route = |name: &String, what: &str| format!("route `{name}` in {path}: {what}");
        findings.extend(
            kept.changed.iter().map(|name| route(name, "the document says something else now: import it again")),
        );
        findings.extend(
            kept.behind.iter().map(|name| route(name, "edited by hand, and the document says something else now")),
        );
        findings.extend(kept.lost.iter().map(|name| route(name, "the document has lost its operation")));
        for (path, text) in &artefacts.generated {
            match self.read(path) {
                Ok(Some(there)) if there == *text => {}
                Ok(Some(there)) if Artefacts::is_edited(&there) => {
                    findings.push(format!("{path}: edited by hand, so it is not kept in step"));
                }
                Ok(Some(_)) => findings.push(format!("{path}: the document says something else now: import it again")),
                Ok(None) | Err(_) => findings.push(format!("{path} is missing: import the document again")),
            }
        }
        findings
            .extend(self.stale(artefacts).into_iter().map(|path| format!("{path}: nothing in the document needs it")));
        findings
    }

    /// Schema files of operations that are gone.
    fn stale(&self, artefacts: &Artefacts) -> Vec<String> {
        let below = format!("config/schemas/{}", artefacts.name);
        let files = std::fs::read_dir(self.place(&below)).into_iter().flatten().flatten();
        let names = files.filter_map(|file| file.file_name().into_string().ok()).map(|name| format!("{below}/{name}"));
        let mut stale: Vec<String> =
            names.filter(|path| !artefacts.generated.iter().any(|(known, _)| known == path)).collect();
        stale.sort();
        stale
    }

    fn place(&self, path: &str) -> PathBuf {
        match (path.strip_prefix("config/"), path.strip_prefix("policies/")) {
            (Some(rest), _) => self.folder.join(rest),
            (None, Some(rest)) => self.policies.join(rest),
            (None, None) => self.folder.join(path),
        }
    }

    fn read(&self, path: &str) -> Result<Option<String>, String> {
        match std::fs::read_to_string(self.place(path)) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(format!("{path} cannot be read: {error}")),
        }
    }

    fn put(&self, path: &str, text: &str, written: &mut Written) -> Result<(), String> {
        let place = self.place(path);
        let folder = place.parent().map_or(Ok(()), std::fs::create_dir_all);
        folder
            .and_then(|()| std::fs::write(&place, text))
            .map_err(|error| format!("{path} cannot be written: {error}"))?;
        written.files.push(place.display().to_string());
        Ok(())
    }
}
