//! What does a process use? As Linux counts it, with all it started.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::net::TcpStream;

/// The core of gateways; everything else has another to itself.
const CORE: &str = "0";

/// One gateway. Ended when dropped.
pub(crate) struct Process(Child);

impl Process {
    /// Starts a command in `folder` and waits until `port` answers.
    pub(crate) async fn start(folder: &Path, command: &[&str], port: u16) -> Self {
        let log = std::fs::File::create(folder.join("log")).unwrap();
        let mut taskset = Command::new("taskset");
        taskset.args(["-c", CORE]).args(command).current_dir(folder).env("PORTCULLIS_LOG", "error");
        taskset.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let mut process = Self(taskset.spawn().expect("taskset"));
        while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            let ended = process.0.try_wait().unwrap();
            let said = || std::fs::read_to_string(folder.join("log")).unwrap();
            assert!(ended.is_none(), "{command:?} ended: {}", said());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        process
    }

    /// User and system time so far, in microseconds.
    pub(crate) fn cpu(&self) -> f64 {
        // The kernel's clock ticks a hundred times a second (`USER_HZ`).
        self.all().iter().map(|pid| ticks(*pid)).sum::<f64>() * 10_000.0
    }

    /// Memory in KiB, shared pages by their share.
    pub(crate) fn memory(&self) -> f64 {
        self.all().iter().map(|pid| pages(*pid)).sum()
    }

    /// The process and its children.
    fn all(&self) -> Vec<u32> {
        let pid = self.0.id();
        let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        let children = children.split_whitespace().map(|child| child.parse().unwrap());
        std::iter::once(pid).chain(children).collect()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        for pid in self.all().into_iter().rev() {
            let _ = Command::new("kill").args(["-9", &pid.to_string()]).status();
        }
        let _ = self.0.wait();
    }
}

fn ticks(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // After the name, which may hold anything.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let number = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok()).unwrap_or_default();
    number(11) + number(12)
}

fn pages(pid: u32) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}
