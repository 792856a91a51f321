//! `policy fmt`: policy files as Cedar's formatter writes them.

use std::path::PathBuf;

use portcullis_core::authorize;
use portcullis_core::snapshot::cedar_files;

use super::{Done, compile, read};
use crate::cli::{ConfigArg, FINDING, FINE, complain};
use crate::world::files::Disk;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    #[command(flatten)]
    config: ConfigArg,
    /// Write nothing; exit 1 and name the files that would change.
    #[arg(long)]
    check: bool,
    /// Files, or folders with `*.cedar` files. Default: the configuration's policies.
    paths: Vec<PathBuf>,
}

pub(super) fn fmt(args: &Args) -> Done {
    let mut given = args.paths.clone();
    if given.is_empty() {
        given.push(compile(&args.config.config)?.policy_folder());
    }
    let mut files = Vec::new();
    for path in given {
        if path.is_dir() {
            let found = cedar_files(&path, &Disk::default());
            files.extend(found.map_err(|fault| complain(&format!("{}: {fault}", path.display())))?);
        } else {
            files.push(path);
        }
    }
    let mut changed = 0;
    for path in &files {
        let before = read(path)?;
        let after = authorize::format(&before).map_err(|why| complain(&format!("{}: {why}", path.display())))?;
        if before == after {
            continue;
        }
        changed += 1;
        say_line!("{}", path.display());
        if !args.check {
            std::fs::write(path, after)
                .map_err(|error| complain(&format!("{}: cannot be written: {error}", path.display())))?;
        }
    }
    if args.check && changed > 0 {
        eprintln!("not as the formatter writes them: `portcullis policy fmt` does");
        return Ok(FINDING);
    }
    Ok(FINE)
}
