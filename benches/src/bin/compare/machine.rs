//! Where, when and with what it was measured.

use std::ffi::CStr;
use std::fs;

use serde::{Deserialize, Serialize};

use super::layout::{Cores, Place};
use super::others::version;

#[derive(Serialize, Deserialize)]
pub(super) struct Machine {
    pub(super) date: String,
    pub(super) command: String,
    pub(super) cpu: String,
    pub(super) cores: usize,
    pub(super) memory: String,
    pub(super) kernel: String,
    pub(super) libc: String,
    /// Processes that ran or waited to, over the minute before.
    pub(super) load_before: String,
    /// Of compilers, languages and libraries.
    pub(super) versions: Vec<(String, String)>,
}

pub(super) fn describe(words: &[String], cores: &Cores) -> Machine {
    let unknown = || "unknown".to_owned();
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let after = |path, key: &str| {
        let text = read(path);
        let line = text.lines().find_map(|line| line.strip_prefix(key)).map(str::to_owned);
        line.map_or_else(unknown, |rest| rest.trim_start_matches([':', ' ', '\t']).to_owned())
    };
    // SAFETY: a C string that lives as long as the process.
    let libc = unsafe { CStr::from_ptr(libc::gnu_get_libc_version()) };
    Machine {
        date: version(&["date", "-u", "+%Y-%m-%d %H:%M UTC"]).unwrap_or_else(unknown),
        command: command(words),
        cpu: after("/proc/cpuinfo", "model name"),
        cores: cores.at(Place::All).1,
        memory: after("/proc/meminfo", "MemTotal"),
        kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
        libc: format!("glibc {}", libc.to_string_lossy()),
        load_before: read("/proc/loadavg").split(' ').next().unwrap_or_default().to_owned(),
        versions: versions(),
    }
}

/// As it can be repeated; the places of files on this machine are left out.
fn command(words: &[String]) -> String {
    let kept = |word: &&String| !word.contains('/') && *word != "--out";
    let words = words.iter().filter(kept).map(String::as_str);
    let words: Vec<&str> = words.collect();
    let rest = if words.is_empty() { String::new() } else { format!(" -- {}", words.join(" ")) };
    format!("cargo bench -p greenroom-bench{rest}")
}

fn versions() -> Vec<(String, String)> {
    const LOCK: &str = include_str!("../../../../Cargo.lock");
    const CRATES: [&str; 5] = ["tokio", "may", "async-executor", "async-io", "corosensei"];
    let commit = version(&["git", "describe", "--always", "--dirty"]);
    let asked = [
        ("greenroom", commit),
        ("rustc", version(&["rustc", "--version"])),
        ("go", version(&["go", "version"])),
        ("gevent", version(&["python3", "-c", "import gevent; print(gevent.__version__)"])),
    ];
    let asked = asked.into_iter().filter_map(|(name, version)| Some((name.into(), version?)));
    let locked = CRATES.iter().filter_map(|name| Some((name.to_string(), locked(LOCK, name)?)));
    asked.chain(locked).collect()
}

/// The version of a package in a lock file.
fn locked(lock: &str, name: &str) -> Option<String> {
    let (_, rest) = lock.split_once(&format!("name = \"{name}\"\nversion = \""))?;
    Some(rest.split_once('"')?.0.to_owned())
}

#[test]
fn the_machine_is_described() {
    let cores = Cores::of_this_process().unwrap();
    let words = ["--only", "echo", "--out", "/somewhere/else"].map(str::to_owned);
    let machine = describe(&words, &cores);
    assert_eq!(machine.command, "cargo bench -p greenroom-bench -- --only echo");
    assert!(machine.cores >= 1 && machine.libc.starts_with("glibc 2."));
    assert!(machine.versions.iter().any(|(name, _)| name == "tokio"));
    assert_eq!(locked("name = \"a\"\nversion = \"1.2\"\n", "a").as_deref(), Some("1.2"));
    assert_eq!(locked("", "a"), None);
}
