//! The built program itself: what it prints, how it ends, what signals do to it.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;

use crate::{PATIENCE, within};

/// What a verb said, and its exit code.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Ran {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("not JSON ({error}): {self:#?}"))
    }
}

/// The program that lies beside the running test; a panic when it is missing or older than its sources.
pub fn path() -> PathBuf {
    const REMEDY: &str = "build it first: cargo build -p portcullis";
    let test = std::env::current_exe().expect("the test's own path");
    let profile = test.parent().and_then(Path::parent).expect("a target folder");
    let program = profile.join("portcullis");
    let built = std::fs::metadata(&program).and_then(|file| file.modified());
    let built = built.unwrap_or_else(|error| panic!("{}: {error}; {REMEDY}", program.display()));
    // Cargo lists what the program was made of: `PROGRAM: SOURCE SOURCE …`.
    let list =
        std::fs::read_to_string(profile.join("portcullis.d")).unwrap_or_else(|error| panic!("{error}; {REMEDY}"));
    let (_, sources) = list.split_once(": ").expect("a list of sources");
    for source in sources.split_whitespace() {
        let changed = std::fs::metadata(source).and_then(|file| file.modified());
        assert!(changed.is_ok_and(|changed| changed <= built), "{source} is newer than the program; {REMEDY}");
    }
    program
}

fn command(folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(path());
    command.args(arguments);
    let mut command = prepare(command, folder);
    command.envs(variables.iter().copied());
    command
}

/// In `folder`, watched, and without what the environment says of another gateway.
fn prepare(mut command: Command, folder: &Path) -> Command {
    command.current_dir(folder).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("PORTCULLIS_") {
            command.env_remove(name);
        }
    }
    command.env("TMPDIR", folder).kill_on_drop(true);
    command
}

/// Runs a verb in `folder` to its end.
pub async fn run(folder: &Path, arguments: &[&str]) -> Ran {
    run_with(folder, arguments, &[]).await
}

/// The same, with these variables set.
pub async fn run_with(folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Ran {
    ran(within(&arguments.join(" "), command(folder, arguments, variables).output()).await.expect("the program"))
}

/// The same, with this on standard input.
pub async fn run_fed(folder: &Path, arguments: &[&str], input: &str) -> Ran {
    let mut child = command(folder, arguments, &[]).stdin(Stdio::piped()).spawn().expect("the program");
    let mut stdin = child.stdin.take().expect("stdin");
    // Whoever ends without reading closes it.
    let _ = stdin.write_all(input.as_bytes()).await;
    drop(stdin);
    let output = within(&arguments.join(" "), child.wait_with_output()).await.expect("the program");
    ran(output)
}

fn ran(output: std::process::Output) -> Ran {
    Ran {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).expect("UTF-8"),
        stderr: String::from_utf8(output.stderr).expect("UTF-8"),
    }
}

/// A program that serves. Killed when dropped.
pub struct Running {
    child: Child,
    stdout: Lines,
    stderr: Lines,
}

/// What came over one stream, as it comes.
struct Lines {
    coming: mpsc::UnboundedReceiver<String>,
    seen: Vec<String>,
}

/// Starts a verb in `folder` that goes on.
pub fn spawn(folder: &Path, arguments: &[&str]) -> Running {
    spawn_with(folder, arguments, &[])
}

/// The same, with these variables set.
pub fn spawn_with(folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Running {
    start(&mut command(folder, arguments, variables))
}

fn start(command: &mut Command) -> Running {
    let mut child = command.spawn().expect("the program");
    let stdout = Lines::of(child.stdout.take().expect("stdout"));
    let stderr = Lines::of(child.stderr.take().expect("stderr"));
    Running { child, stdout, stderr }
}

impl Lines {
    fn of(stream: impl AsyncRead + Send + Unpin + 'static) -> Self {
        let (say, coming) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            let mut lines = BufReader::new(stream).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                let _ = say.send(line);
            }
        });
        Self { coming, seen: Vec::new() }
    }

    async fn until(&mut self, words: &str) -> String {
        let found = async {
            loop {
                let line = self.coming.recv().await;
                let line = line.unwrap_or_else(|| panic!("it ended without `{words}`: {:#?}", self.seen));
                self.seen.push(line.clone());
                if line.contains(words) {
                    return line;
                }
            }
        };
        let found = tokio::time::timeout(PATIENCE, found).await;
        found.unwrap_or_else(|_| panic!("`{words}`: not within {PATIENCE:?}, but {:#?}", self.seen))
    }

    /// All of it, once the stream has ended.
    async fn whole(mut self) -> String {
        while let Some(line) = self.coming.recv().await {
            self.seen.push(line);
        }
        self.seen.iter().fold(String::new(), |text, line| text + line + "\n")
    }
}

impl Running {
    /// Waits for a line on stderr that contains `words`.
    pub async fn says(&mut self, words: &str) -> String {
        self.stderr.until(words).await
    }

    /// Waits for a line on stdout that contains `words`; answers all lines up to it.
    pub async fn prints(&mut self, words: &str) -> Vec<String> {
        self.stdout.until(words).await;
        self.stdout.seen.clone()
    }

    pub fn pid(&self) -> u32 {
        self.child.id().expect("a process that runs")
    }

    /// Whether it has not ended.
    pub fn runs(&mut self) -> bool {
        self.child.try_wait().expect("a state").is_none()
    }

    /// Sends a signal: `TERM`, `HUP`, `INT`.
    pub async fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.pid());
        let sent = Command::new("sh").args(["-c", &kill]).status().await.expect("sh");
        assert!(sent.success(), "{kill}");
    }

    /// Waits for its end.
    pub async fn ended(mut self) -> Ran {
        let status = within("the end of the program", self.child.wait()).await.expect("a status");
        let (stdout, stderr) = (self.stdout.whole().await, self.stderr.whole().await);
        Ran { code: status.code(), stdout, stderr }
    }
}

/// A port N such that N to N + `count` - 1 were free. Below what systems give out by themselves, and never twice here.
pub fn free_ports(count: u16) -> u16 {
    use std::net::{Ipv4Addr, TcpListener};
    use std::sync::atomic::{AtomicU16, Ordering};
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Processes that run side by side begin in different places.
    let begin = 12_000 + u16::try_from(std::process::id() % 1_500).expect("below 1500") * 10;
    for _ in 0..1_000 {
        let base = begin + NEXT.fetch_add(count, Ordering::SeqCst) % 5_000;
        let bound: Result<Vec<_>, _> =
            (base..base + count).map(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port))).collect();
        if bound.is_ok() {
            return base;
        }
    }
    panic!("no {count} free ports in a row");
}
