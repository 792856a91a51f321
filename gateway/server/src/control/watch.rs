//! When is it time to read again? When a file we read, or its folder, changed; or on SIGHUP.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::{RecursiveMode, Watcher};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};

use super::Publisher;
use crate::shared::Shared;

/// Editors and deployments write several files: they are read once they have been quiet for this long.
const QUIET: Duration = Duration::from_millis(150);
/// But not later than this after the first change.
const PATIENCE: Duration = Duration::from_secs(2);

/// Watches until `stop` changes. Folders are watched, not files, so that replaced files and swapped links are seen.
pub(crate) async fn watch(publisher: Arc<Publisher>, shared: Arc<Shared>, mut stop: watch::Receiver<bool>) {
    let (changed, mut changes) = mpsc::channel::<()>(1);
    let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        // Reading is no change; a full channel means that a reload is due anyway.
        if !event.is_ok_and(|event| event.kind.is_access()) {
            let _ = changed.try_send(());
        }
    });
    let mut watcher = match watcher {
        Ok(watcher) => Some(watcher),
        Err(error) => {
            tracing::warn!(%error, "files cannot be watched; use SIGHUP or the admin API to reload");
            None
        }
    };
    let Ok(mut hangup) = signal(SignalKind::hangup()) else { return };
    let mut seen = BTreeSet::new();
    loop {
        let folders = shared.current().snapshot.folders();
        if let Some(watcher) = &mut watcher {
            rewatch(watcher, &mut seen, &folders);
        }
        // Read after watching, the first time too: what changed in between is not missed.
        let reloading = Arc::clone(&publisher);
        // Compiling takes a core for a while; requests go on beside it.
        let _ = tokio::task::spawn_blocking(move || reloading.reload()).await;
        if shared.current().snapshot.folders() != folders {
            continue;
        }
        tokio::select! {
            _ = stop.changed() => return,
            _ = hangup.recv() => {}
            Some(()) = changes.recv() => settle(&mut changes).await,
        }
    }
}

async fn settle(changes: &mut mpsc::Receiver<()>) {
    let quiet =
        async { while tokio::time::timeout(QUIET, changes.recv()).await.is_ok_and(|change| change.is_some()) {} };
    let _ = tokio::time::timeout(PATIENCE, quiet).await;
}

/// Watches all of it anew: a folder of the same name may be another one by now.
fn rewatch(watcher: &mut notify::RecommendedWatcher, seen: &mut BTreeSet<PathBuf>, folders: &BTreeSet<PathBuf>) {
    for old in &*seen {
        let _ = watcher.unwatch(old);
    }
    seen.clone_from(folders);
    seen.extend(folders.iter().flat_map(|folder| link_parents(folder)));
    for folder in &*seen {
        if let Err(error) = watcher.watch(folder, RecursiveMode::NonRecursive) {
            tracing::warn!(folder = %folder.display(), %error, "folder cannot be watched");
        }
    }
}

/// Where the links stand that lead to a folder: a release is often put in force by turning one of them.
fn link_parents(folder: &Path) -> Vec<PathBuf> {
    let links = folder.ancestors().filter(|path| path.is_symlink());
    let parent = |link: &Path| match link.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    links.map(parent).collect()
}
