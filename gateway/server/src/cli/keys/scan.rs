//! `keys scan PATH`: is one of our keys where it should not be?

mod reading;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::cli::{FINDING, FINE, Format, WRONG};
use reading::{Found, Text, read};

/// Folders in folders, at most.
const DEEPEST: usize = 128;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A file or a folder with all below it, links not followed; `-` is standard input.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Look into binary files, too.
    #[arg(long)]
    binary: bool,
    /// How many to show at most; the scan ends there.
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    most: u64,
}

/// What was seen so far.
struct Scan<'a> {
    args: &'a Args,
    format: Format,
    found: Vec<Value>,
    shown: u64,
    files: u64,
    binary: u64,
    unread: u64,
}

/// Exit 1 when a key was found; 2 when none was, and something could not be read.
pub(super) fn scan(args: &Args, format: Format) -> u8 {
    let mut scan = Scan { args, format, found: Vec::new(), shown: 0, files: 0, binary: 0, unread: 0 };
    for path in &args.paths {
        if scan.shown >= args.most {
            break;
        }
        if path.as_os_str() == "-" {
            scan.text(path, io::stdin().lock());
        } else {
            scan.below(path);
        }
    }
    let Scan { found, shown, files, binary, unread, .. } = scan;
    let all = shown < args.most;
    if format == Format::Json {
        let told = json!({ "found": found, "complete": all && unread == 0, "files": files, "binary_skipped": binary,
            "unread": unread });
        say_line!("{told:#}");
    }
    let more = if all { "" } else { " (and perhaps more)" };
    eprintln!("keys: {shown}{more}; files: {files}; binary files left out: {binary}; unreadable: {unread}");
    match (shown, unread) {
        (0, 0) => FINE,
        (0, _) => WRONG,
        (_, _) => FINDING,
    }
}

impl Scan<'_> {
    /// A folder is read entry by entry, in the order of the names, and those in it after it.
    fn below(&mut self, top: &Path) {
        let mut waiting = vec![(top.to_owned(), 0)];
        while let Some((path, depth)) = waiting.pop() {
            if self.shown >= self.args.most {
                return;
            }
            let kind = match fs::symlink_metadata(&path) {
                Ok(facts) => facts.file_type(),
                Err(error) => {
                    self.complain(&path, &error);
                    continue;
                }
            };
            if kind.is_file() {
                match File::open(&path) {
                    Ok(file) => self.text(&path, file),
                    Err(error) => self.complain(&path, &error),
                }
            } else if kind.is_dir() && depth == DEEPEST {
                self.complain(&path, &"folders lie too deep in folders");
            } else if kind.is_dir() {
                match fs::read_dir(&path).and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect()) {
                    Ok(entries) => {
                        let mut entries: Vec<PathBuf> = entries;
                        entries.sort_unstable_by(|one, other| other.cmp(one));
                        waiting.extend(entries.into_iter().map(|path| (path, depth + 1)));
                    }
                    Err(error) => self.complain(&path, &error),
                }
            } else if depth == 0 {
                self.complain(&path, &"it is neither a file nor a folder");
            }
        }
    }

    fn text(&mut self, path: &Path, text: impl io::Read) {
        let (args, left) = (self.args, self.args.most - self.shown);
        let (mut seen, format) = (Vec::new(), self.format);
        let read = read(text, args.binary, left, |found| {
            if format == Format::Text {
                let Found { line, column, env, id } = &found;
                say_line!("{}:{line}:{column}: ptcl_{env}_{id}_…", path.display());
            }
            seen.push(found);
        });
        self.shown += u64::try_from(seen.len()).unwrap_or(u64::MAX);
        if self.format == Format::Json {
            let told = |Found { line, column, env, id }| json!({ "path": path.to_string_lossy(), "line": line, "column": column, "env": env, "id": id });
            self.found.extend(seen.into_iter().map(told));
        }
        match read {
            Ok(Text::Plain) => self.files += 1,
            Ok(Text::Binary) => self.binary += 1,
            Err(error) => self.complain(path, &error),
        }
    }

    fn complain(&mut self, path: &Path, what: &dyn std::fmt::Display) {
        self.unread += 1;
        eprintln!("`{}` cannot be read: {what}", path.display());
    }
}
