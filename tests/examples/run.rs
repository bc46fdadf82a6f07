//! Builds the examples once, and runs one.

use crate::common;
use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// What an example printed, run to its end.
#[track_caller]
pub(crate) fn printed(name: &str, arguments: &[&str]) -> String {
    let mut command = Command::new(examples().join(name));
    // Each example says itself how many workers it needs.
    command.args(arguments).env_remove("GREENROOM_WORKERS");
    let ended = common::run(&mut command);
    ended.assert_success();
    assert_eq!(ended.stderr, "", "{ended}");
    ended.stdout
}

/// The lines of `text` that contain `part`.
pub(crate) fn having<'a>(text: &'a str, part: &str) -> Vec<&'a str> {
    text.lines().filter(|line| line.contains(part)).collect()
}

/// Where `line` stands in `text`.
#[track_caller]
pub(crate) fn place(text: &str, line: &str) -> usize {
    let place = text.lines().position(|other| other == line);
    place.unwrap_or_else(|| panic!("no line {line:?} in\n{text}"))
}

/// The number between `before` and `after`.
#[track_caller]
pub(crate) fn number<T: std::str::FromStr>(text: &str, before: &str, after: &str) -> T {
    let inside = text.split_once(before).and_then(|(_, rest)| rest.split_once(after));
    let (number, _) = inside.unwrap_or_else(|| panic!("no {before}…{after} in\n{text}"));
    number.parse().unwrap_or_else(|_| panic!("{number:?} is no such number in\n{text}"))
}

/// Whether threads that std starts are green ones: not where thread-locals are shared.
pub(crate) fn threads_are_green() -> bool {
    env::var("GREENROOM_THREAD_LOCALS").as_deref() != Ok("shared")
}

/// The folder of the examples, up to date: a test alone does not build them.
fn examples() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        // target/debug/deps/examples-0123
        let test = env::current_exe().unwrap();
        let profile = test.ancestors().nth(2).unwrap();
        let mut build = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        build.args(["build", "--offline", "--quiet", "--examples", "--target-dir"]);
        build.arg(profile.parent().unwrap()).current_dir(env!("CARGO_MANIFEST_DIR"));
        if profile.ends_with("release") {
            build.arg("--release");
        }
        let output = build.output().expect("cargo");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        profile.join("examples")
    })
}

/// Nobody adds an example that nothing runs.
#[test]
fn every_example_is_run() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| std::fs::read_to_string(root.join(path)).unwrap();
    let tests = ["threads", "queues", "processes", "network"]
        .map(|file| read(&format!("tests/examples/{file}.rs")))
        .concat();
    let manifest = read("Cargo.toml");
    let mut seen = 0;
    for entry in std::fs::read_dir(root.join("examples")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.join("main.rs").exists() {
            continue; // what is no program, such as gdb's script, has a test of its own
        }
        let name = path.file_stem().unwrap().to_str().unwrap();
        let by_us = tests.contains(&format!("printed(\"{name}\""));
        let by_itself = manifest.contains(&format!("name = \"{name}\"\ntest = true"));
        assert!(by_us != by_itself, "the example {name} has no test, or two");
        seen += 1;
    }
    assert!(seen >= 20, "saw {seen} examples");
}

/// The page says where to look, and that is there.
#[test]
fn the_page_names_examples_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join("docs/coming-from-python.md")).unwrap();
    let mut seen = 0;
    for paragraph in page.split("\n\n").filter(|p| p.starts_with("*Example")) {
        for name in paragraph.split('`').skip(1).step_by(2) {
            assert!(root.join(format!("examples/{name}.rs")).exists(), "there is no {name}");
            seen += 1;
        }
    }
    assert!(seen >= 20, "saw {seen} names");
}
