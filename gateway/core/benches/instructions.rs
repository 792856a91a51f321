//! How many instructions does a decision take? Counted by valgrind, so that it can be compared on any machine, however
//! busy, with what is on record in `instructions.txt`.
//!
//! `cargo bench -p portcullis-core --bench instructions`; `-- --record` writes the record anew. Fails where a way takes
//! more than a twentieth more than on record, where a thousand routes cost more than half as much again as ten, and where policies
//! that cannot apply to a route make it dearer.
//! Another compiler makes other code, and another processor other ways through it: then, and where there is no valgrind,
//! it says so and compares nothing.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a benchmark")]

#[path = "shared/cases.rs"]
mod cases;
#[path = "../tests/journey/ground.rs"]
mod ground;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use http::Method;

use cases::{Case, cases, snapshot, snapshot_of, travel, unlimited, with_policies};
use ground::{Asked, Ground};

/// Times that a way is gone before it is counted, and while it is.
const WARM: u32 = 100;
const COUNTED: u32 = 1000;

/// Ways over many routes, with their number.
const SCALES: [(&str, usize); 2] = [("ten_routes", 10), ("thousand_routes", 1_000)];

/// Ways beside so many policies that can never apply there.
const BESIDE: [(&str, usize); 2] = [("beside_5_policies", 5), ("beside_500_policies", 500)];

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let [flag, name] = &words[..]
        && flag == "--run"
    {
        run(name);
        return ExitCode::SUCCESS;
    }
    if Command::new("valgrind").arg("--version").output().is_err() {
        println!("valgrind is not installed: nothing is counted");
        return ExitCode::SUCCESS;
    }
    let counted = count();
    let compiler = compiler();
    if words.iter().any(|word| word == "--record") {
        let mut text = format!("{compiler}\n");
        for (name, instructions) in &counted {
            let _ = writeln!(text, "{name} {instructions}");
        }
        std::fs::write(record(), text).unwrap();
    }
    let recorded = std::fs::read_to_string(record()).unwrap_or_default();
    let mut lines = recorded.lines();
    let comparable = lines.next() == Some(&compiler);
    let recorded: BTreeMap<&str, u64> =
        lines.filter_map(|line| line.split_once(' ')).map(|(name, count)| (name, count.parse().unwrap())).collect();
    if !comparable {
        println!("another compiler or processor than on record ({compiler}): nothing is compared");
    }
    let mut worse = false;
    for (name, instructions) in &counted {
        let before = recorded.get(name.as_str()).copied().filter(|_| comparable);
        let grown = before.is_some_and(|before| instructions * 20 > before * 21);
        worse |= grown;
        let before = before.map_or_else(|| "none".to_owned(), |before| before.to_string());
        println!("{name:20} {instructions:8}  on record {before:>8}{}", if grown { "  MORE" } else { "" });
    }
    let [few, many] = SCALES.map(|(name, _)| counted[name]);
    if many * 2 > few * 3 {
        println!("a thousand routes cost more than half as much again as ten");
        worse = true;
    }
    let [few, many] = BESIDE.map(|(name, _)| counted[name]);
    if many * 20 > few * 21 {
        println!("policies that cannot apply to a route make it dearer");
        worse = true;
    }
    if worse { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// What is counted: called once, with everything warm.
#[inline(never)]
fn counted_by_valgrind(travel: &dyn Fn()) {
    for _ in 0..COUNTED {
        travel();
    }
}

/// One way, many times.
fn run(name: &str) {
    let scale = SCALES.iter().find(|(scale, _)| *scale == name);
    let beside = BESIDE.iter().find(|(beside, _)| *beside == name);
    let ground = if scale.is_some() { unlimited() } else { Ground::usual() };
    let known = |name, path| {
        let asked = Asked::new(Method::GET, path).with("authorization", &format!("Bearer {}", ground.token));
        Case { name, asked, refused: None }
    };
    let (snapshot, case) = match (scale, beside) {
        (Some((name, routes)), _) => (snapshot_of(*routes), known(name, "/a0/1")),
        (None, Some((name, policies))) => (with_policies(*policies, "many"), known(name, "/asked/1")),
        (None, None) => (snapshot(), cases(&ground).into_iter().find(|case| case.name == name).unwrap()),
    };
    let once = || travel(&snapshot, &ground, &case);
    for _ in 0..WARM {
        once();
    }
    counted_by_valgrind(&once);
}

/// Instructions of each way, once.
fn count() -> BTreeMap<String, u64> {
    let scales = SCALES.into_iter().chain(BESIDE).map(|(name, _)| name);
    let names = cases(&Ground::usual()).into_iter().map(|case| case.name).chain(scales);
    names.map(|name| (name.to_owned(), count_one(name))).collect()
}

fn count_one(name: &str) -> u64 {
    let out = std::env::temp_dir().join(format!("portcullis-instructions-{}", std::process::id()));
    let done = Command::new("valgrind")
        .args(["--tool=callgrind", "--toggle-collect=*counted_by_valgrind*"])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(std::env::current_exe().unwrap())
        .args(["--run", name])
        .output()
        .unwrap();
    assert!(done.status.success(), "{name}: {}", String::from_utf8_lossy(&done.stderr));
    let counts = std::fs::read_to_string(&out).unwrap();
    std::fs::remove_file(&out).unwrap();
    let line = counts.lines().find_map(|line| line.strip_prefix("summary: ").or(line.strip_prefix("totals: ")));
    line.unwrap().trim().parse::<u64>().unwrap() / u64::from(COUNTED)
}

fn record() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/instructions.txt")
}

/// The compiler, the machine it compiles for, and what of it the libraries look for as they run.
fn compiler() -> String {
    let said = Command::new("rustc").arg("-vV").output().unwrap();
    let said = String::from_utf8(said.stdout).unwrap();
    let line = |key: &str| said.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default().to_owned();
    format!("rustc {} {}{}", line("release: "), line("host: "), processor())
}

#[cfg(target_arch = "x86_64")]
fn processor() -> String {
    let adx = if is_x86_feature_detected!("adx") { " adx" } else { "" };
    let avx2 = if is_x86_feature_detected!("avx2") { " avx2" } else { "" };
    format!("{adx}{avx2}")
}

#[cfg(not(target_arch = "x86_64"))]
fn processor() -> String {
    String::new()
}
