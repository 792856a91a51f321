use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use portcullis_core::identify::KeyText;

use super::{Fresh, ensure, reset};
use crate::admin::mint;
use crate::world::store::Claim;
use crate::world::store::tests::{at, store};

/// The hash of the key in the file.
fn hash(file: &Path) -> [u8; 32] {
    KeyText::parse(fs::read_to_string(file).unwrap().trim()).unwrap().hash()
}

fn names(folder: &Path) -> Vec<String> {
    let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    files.filter(|name| name.starts_with("admin")).collect()
}

#[tokio::test]
async fn makes_the_folder_and_one_file_for_its_owner_alone() {
    let (folder, _, store) = store().await;
    let place = folder.path().join("a").join("b");
    let file = ensure(&store.admin_key, &place, at(1)).await.unwrap();
    assert_eq!(store.admin_key.hash().await, Ok(Some(hash(&file))));
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let first = hash(&file);
    assert_eq!(ensure(&store.admin_key, &place, at(2)).await.as_ref(), Ok(&file));
    assert_eq!((hash(&file), names(&place)), (first, vec!["admin.key".to_owned()]));
    assert_eq!(reset(&store.admin_key, &place, at(3)).await.as_ref(), Ok(&file));
    assert_eq!(store.admin_key.hash().await, Ok(Some(hash(&file))));
    assert!(hash(&file) != first && names(&place) == ["admin.key"]);
}

#[tokio::test]
async fn a_key_that_cannot_be_written_down_does_not_count() {
    let (folder, _, store) = store().await;
    let taken = folder.path().join("a file");
    fs::write(&taken, "").unwrap();
    assert!(ensure(&store.admin_key, &taken, at(1)).await.is_err());
    assert_eq!(store.admin_key.hash().await, Ok(None));
    assert!(reset(&store.admin_key, &taken, at(1)).await.is_err());
    assert_eq!(store.admin_key.hash().await, Ok(None));
}

#[tokio::test]
async fn whoever_dies_between_leaves_the_key_that_counts_where_the_next_start_finds_it() {
    let (folder, _, store) = store().await;
    let (key, never, place) = (mint("admin").unwrap(), mint("admin").unwrap(), folder.path());
    Fresh::write(place, &never).unwrap();
    Fresh::write(place, &key).unwrap();
    assert_eq!(store.admin_key.claim(key.hash, "gateway", at(1)).await, Ok(Claim::Made));
    let file = ensure(&store.admin_key, place, at(2)).await.unwrap();
    assert_eq!(hash(&file), key.hash);

    let next = mint("admin").unwrap();
    Fresh::write(place, &next).unwrap();
    store.admin_key.replace(next.hash, "command line", at(3)).await.unwrap();
    let file = ensure(&store.admin_key, place, at(4)).await.unwrap();
    assert_eq!(hash(&file), next.hash);
    assert_eq!(names(place).len(), 2, "what never counted is left alone: its maker may be about to make it count");
}
