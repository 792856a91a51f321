use std::path::Path;

use super::super::{load, render};
use super::{Disk, golden, project};

#[test]
fn says_what_is_wrong_with_each_broken_file() {
    let folder = Path::new("config/broken");
    let mut files: Vec<_> = std::fs::read_dir(project().join(folder))
        .unwrap()
        .map(|entry| folder.join(entry.unwrap().file_name()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    files.sort();
    assert!(files.len() >= 40, "{} broken files", files.len());
    let source = Disk(vec![("LISTEN", "hunter2-is-no-address")]);
    let mut wrong = Vec::new();
    for file in files {
        let said = match load(&file, &source) {
            Ok(_) => "nothing\n".to_owned(),
            Err(errors) => render(&errors),
        };
        if said == "nothing\n" || said.contains("hunter2") {
            wrong.push(format!("{}: {said}", file.display()));
        }
        wrong.extend(golden(&file.with_extension("expected"), &said).err());
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
