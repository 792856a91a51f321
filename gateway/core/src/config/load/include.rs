//! Which further files belong to the configuration?

use std::ops::Range;
use std::path::{Component, Path, PathBuf};

use super::files::Desk;
use super::keys::Part;

/// Most files of one configuration.
const MOST: usize = 256;

/// Reads everything the main file includes, and notes which file holds which route, upstream and token source.
pub(super) fn read_all(desk: &mut Desk<'_>) {
    for (pattern, span) in patterns(desk) {
        for path in expand(desk, &pattern, &span) {
            add(desk, &path, &span);
        }
    }
    index(desk);
}

/// The texts of `include`; what is not a text is reported.
fn patterns(desk: &mut Desk<'_>) -> Vec<(String, Range<usize>)> {
    let Some(list) = desk.spans.files.first().and_then(|main| main.tree.table()).and_then(|table| table.get("include"))
    else {
        return Vec::new();
    };
    let wrong = || "expected a list of paths, as in `include = [\"routes/*.toml\"]`".to_owned();
    let Some(items) = list.node.list() else {
        desk.findings.add(0, list.node.span.clone(), wrong(), None);
        return Vec::new();
    };
    let mut patterns = Vec::new();
    for item in items {
        match item.text() {
            Some(text) => patterns.push((text.to_owned(), item.span.clone())),
            None => desk.findings.add(0, item.span.clone(), wrong(), None),
        }
    }
    patterns
}

/// The files a pattern stands for, sorted.
fn expand(desk: &mut Desk<'_>, pattern: &str, span: &Range<usize>) -> Vec<PathBuf> {
    let mut refuse = |message: String| {
        desk.findings.add(0, span.clone(), message, None);
        desk.torn = true;
        Vec::new()
    };
    let path = Path::new(pattern);
    if pattern.is_empty() || path.components().any(|part| !matches!(part, Component::CurDir | Component::Normal(_))) {
        return refuse(format!("`{pattern}` must be a relative path that stays below this folder, without `..`"));
    }
    let (Some(above), Some(last)) = (path.parent(), path.file_name().and_then(|name| name.to_str())) else {
        return refuse(format!("`{pattern}` names no file"));
    };
    let Some((prefix, suffix)) = last.split_once('*') else {
        if pattern.contains('*') {
            return refuse(format!("`{pattern}` has a `*` in a folder: it may stand in the last part only"));
        }
        return vec![desk.folder.join(path)];
    };
    if suffix.contains('*') || above.to_string_lossy().contains('*') {
        return refuse(format!("`{pattern}` has more than one `*`: one may stand in the last part"));
    }
    let folder = desk.folder.join(above);
    let files = match desk.source.list(&folder) {
        Ok(files) => files,
        Err(fault) => return refuse(format!("the folder `{}` {fault}", folder.display())),
    };
    let matches = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        !name.starts_with('.') && name.strip_prefix(prefix).is_some_and(|rest| rest.ends_with(suffix))
    };
    let mut files: Vec<PathBuf> = files.into_iter().filter(matches).collect();
    files.sort();
    if files.is_empty() {
        return refuse(format!("`{pattern}` matches no file"));
    }
    files
}

fn add(desk: &mut Desk<'_>, path: &Path, span: &Range<usize>) {
    let fault = if desk.spans.files.iter().any(|file| file.path == path) {
        Some(format!("`{}` is included twice", path.display()))
    } else if desk.spans.files.len() >= MOST {
        Some(format!("there are more than {MOST} files"))
    } else {
        desk.add(path, Part::Included).err().map(|fault| format!("`{}` {fault}", path.display()))
    };
    if let Some(message) = fault {
        desk.findings.add(0, span.clone(), message, None);
        desk.torn = true;
    }
}

fn index(desk: &mut Desk<'_>) {
    let mut routes = Vec::new();
    let mut twice = Vec::new();
    for (file, text) in desk.spans.files.iter().enumerate() {
        let Some(table) = text.tree.table() else { continue };
        let here = table.get("routes").and_then(|entry| entry.node.list()).map_or(0, <[_]>::len);
        routes.extend((0..here).map(|at| (file, at)));
        for section in ["hierarchy", "plans", "providers", "tokens", "upstreams"] {
            for (name, entry) in table.get(section).and_then(|entry| entry.node.table()).into_iter().flatten() {
                if *desk.spans.named.entry((section, name.clone())).or_insert(file) != file {
                    twice.push((file, entry.key.clone(), section, name.clone()));
                }
            }
        }
    }
    desk.spans.routes = routes;
    for (file, span, section, name) in twice {
        let first = desk.spans.named(&[section.into(), name.as_str().into()]);
        let message = format!("`{section}.{name}` is defined twice");
        desk.findings.add(file, span, message, Some(format!("the first stands at {first}")));
    }
}
