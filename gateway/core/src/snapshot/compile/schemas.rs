//! Which files are the Cedar schema? The main one, and those that `import` generates beside it: together they are one.

use std::path::{Path, PathBuf};

use crate::authorize;
use crate::config::Source;

/// Stands between the texts of two files, with the name of the one that follows.
const SEAM: &str = "\n// From ";

/// The further `*.cedarschema` files in the folder of the main one; without the administrators' own.
pub(super) fn beside(main: &Path, source: &dyn Source) -> Vec<PathBuf> {
    let folder = main.parent().unwrap_or(Path::new(""));
    // Whether the folder can be read is told of its policies.
    let mut paths = source.list(folder).unwrap_or_default();
    paths.retain(|path| {
        let schema = path.extension().is_some_and(|extension| extension == "cedarschema");
        schema && path != main && path.file_name().is_some_and(|name| name != "admin.cedarschema")
    });
    paths.sort();
    paths
}

pub(super) fn together(mut schema: authorize::Source, more: Vec<authorize::Source>) -> authorize::Source {
    for source in more {
        schema.text = format!("{}{SEAM}{}\n{}", schema.text, source.file, source.text);
    }
    schema
}

/// The file, its text and the offset in it, of a place in schemas that were put together.
pub(super) fn apart(schema: &authorize::Source, offset: Option<usize>) -> (&str, &str, Option<usize>) {
    let (mut file, mut start) = (schema.file.as_str(), 0);
    for (at, seam) in schema.text.match_indices(SEAM) {
        let rest = schema.text.get(at + seam.len()..).unwrap_or_default();
        let name = rest.lines().next().unwrap_or_default();
        let begin = at + seam.len() + name.len() + 1;
        if offset.is_some_and(|offset| offset >= begin) && name.ends_with(".cedarschema") {
            (file, start) = (name, begin);
        }
    }
    let text = schema.text.get(start..).unwrap_or_default();
    (file, text.split(SEAM).next().unwrap_or_default(), offset.map(|offset| offset.saturating_sub(start)))
}
