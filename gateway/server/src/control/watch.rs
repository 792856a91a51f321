//! When is it time to read again? When a file we read, or its folder, changed; or on SIGHUP.

use std::collections::BTreeSet;
use std::path::PathBuf;
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
    let mut watched = BTreeSet::new();
    loop {
        if let Some(watcher) = &mut watcher {
            rewatch(watcher, &mut watched, shared.current().snapshot.folders());
        }
        tokio::select! {
            _ = stop.changed() => return,
            _ = hangup.recv() => {}
            Some(()) = changes.recv() => settle(&mut changes).await,
        }
        let publisher = Arc::clone(&publisher);
        // Compiling takes a core for a while; requests go on beside it.
        let _ = tokio::task::spawn_blocking(move || publisher.reload()).await;
    }
}

async fn settle(changes: &mut mpsc::Receiver<()>) {
    let quiet =
        async { while tokio::time::timeout(QUIET, changes.recv()).await.is_ok_and(|change| change.is_some()) {} };
    let _ = tokio::time::timeout(PATIENCE, quiet).await;
}

fn rewatch(watcher: &mut notify::RecommendedWatcher, watched: &mut BTreeSet<PathBuf>, wanted: BTreeSet<PathBuf>) {
    for gone in watched.difference(&wanted) {
        let _ = watcher.unwatch(gone);
    }
    for fresh in wanted.difference(watched) {
        if let Err(error) = watcher.watch(fresh, RecursiveMode::NonRecursive) {
            tracing::warn!(folder = %fresh.display(), %error, "folder cannot be watched");
        }
    }
    *watched = wanted;
}
