//! Proof that each check can fail: a small tree in which all is well, broken
//! in one place at a time.

use super::sound::SOUND;
use super::source::File;
use super::{Allowances, Seen, Violation, violations};

fn tree() -> Vec<File> {
    let files = SOUND.iter();
    files.map(|(path, text)| File::new(path, text)).collect()
}

/// What is reported once `text` stands at `path`.
fn with(path: &str, text: &str) -> Vec<Violation> {
    let mut files = tree();
    files.retain(|file| file.path != path);
    files.push(File::new(path, text));
    violations(&files, &[], &Allowances::default())
}

/// Asserts that this change breaks `rule`, once, there, and no other.
#[track_caller]
fn breaks(rule: &str, path: &str, text: &str) {
    let found = with(path, text);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].rule, rule, "{found:?}");
    assert!(found[0].place.starts_with(path), "{found:?}");
}

/// Adds `text` to a sound file and asserts that this breaks `rule`.
#[track_caller]
fn adding_breaks(rule: &str, path: &str, text: &str) {
    let (_, sound) = SOUND.iter().find(|(known, _)| *known == path).unwrap();
    breaks(rule, path, &format!("{sound}{text}"));
}

#[track_caller]
fn adding_is_fine(path: &str, text: &str) {
    let (_, sound) = SOUND.iter().find(|(known, _)| *known == path).unwrap();
    let found = with(path, &format!("{sound}{text}"));
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn the_sound_tree_is_sound() {
    let found = violations(&tree(), &[], &Allowances::default());
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn layers_can_fail() {
    const RULE: &str = "layers";
    let upward = [
        "use crate::task::spawn;\n",
        "use crate::{error::Oops, task::{spawn::{self as s}}};\n",
        "use super::super::task::spawn;\n",
        "fn f() { crate::task::spawn::spawn(); }\n",
        "mod inner { use super::super::super::task; }\n",
        "macro_rules! m { () => { $crate::task::spawn() } }\n",
        // Through the root's re-export, and past a char that looks like a string.
        "use crate::start;\n",
        "const Q: char = '\"'; use crate::task::spawn; const R: char = '\"';\n",
    ];
    for text in upward {
        adding_breaks(RULE, "src/sys/fd.rs", text);
    }
    // A later sibling: by its file, by the map's re-export; and the map itself.
    adding_breaks(RULE, "src/sys/lock.rs", "use super::fd::Fd;\n");
    adding_breaks(RULE, "src/green/state.rs", "use crate::green::park;\n");
    adding_breaks(RULE, "src/green/park.rs", "use super::*;\n");
    adding_breaks(RULE, "src/error.rs", "use crate::sys::fd;\n");
    adding_breaks(RULE, "src/sys/fd.rs", "use crate::nobody::knows;\n");
    breaks(RULE, "src/extra.rs", "//! D.\n");
    breaks(RULE, "src/green/stray.rs", "//! D.\n");
}

#[test]
fn layers_let_the_right_imports_pass() {
    adding_is_fine("src/sys/fd.rs", "pub(in crate::task) fn f() {}\n");
    adding_is_fine("src/sys/fd.rs", "use crate::Oops;\nuse crate::sys::lock;\n");
    adding_is_fine("src/green/park.rs", "mod inner { use super::park; }\n");
    adding_is_fine("src/task/spawn.rs", "use crate::{sys::{fd, lock}, green::park};\n");
}

#[test]
fn a_file_may_have_another_name_than_its_module() {
    let named = |map: &str, inner: &str| {
        let mut files = tree();
        files.retain(|file| !file.path.starts_with("src/sys/"));
        files.push(File::new("src/sys/mod.rs", &format!("//! D.\n{map}pub mod fd;\n")));
        files
            .push(File::new("src/sys/fd.rs", "//! D.\n#[cfg(test)]\n#[path = \"x.rs\"]\nmod t;\n"));
        files.push(File::new("src/sys/x.rs", "//! D.\nuse crate::task::spawn;\n"));
        files.push(File::new("src/sys/lock.rs", "//! D.\n"));
        files.push(File::new("src/sys/other.rs", &format!("//! D.\n{inner}")));
        violations(&files, &[], &Allowances::default()).len()
    };
    let map = "#[cfg_attr(portable, path = \"other.rs\")]\npub mod lock;\n";
    assert_eq!(named(map, "use crate::error::Oops;\nuse crate::sys::lock;\n"), 0);
    assert_eq!(named(map, "use super::fd;\n"), 1);
    assert_eq!(named("pub mod lock;\n", ""), 1);
}

#[test]
fn file_shape_can_fail() {
    breaks("opening doc", "src/error.rs", "// D.\n");
    // No map reaches that deep, so the layers speak up as well.
    let found = with("src/sys/deep/down.rs", "//! D.\n");
    assert!(found.iter().any(|v| v.rule == "one level"), "{found:?}");
    for lines in [300, 600] {
        breaks("file length", "src/error.rs", &format!("//! D.\n{}", "\n".repeat(lines)));
    }
    let found = with("src/error.rs", &format!("//! D.\n{}", "\n".repeat(299)));
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn function_length_can_fail() {
    let body = |lines| format!("fn f<T, U>(a: [u8; 3]) -> T {{\n{}}}\n", "// }\n".repeat(lines));
    adding_breaks("function length", "src/error.rs", &body(41));
    adding_is_fine("src/error.rs", &body(40));
    let tricky = format!("fn f() {{\nlet _ = ('}}', \"}}\", r#\"}}\"#);\n{}}}\n", "\n".repeat(40));
    adding_breaks("function length", "src/error.rs", &tricky);
    adding_is_fine("src/error.rs", &format!("#[cfg(test)]\n{}", body(41)));
}

#[test]
fn excuses_excuse_and_go_stale() {
    let long = format!("//! D.\nfn f() {{\n{}}}\n", "\n".repeat(400));
    let allowed = Allowances {
        long_files: &[("src/error.rs", "reason")],
        long_functions: &[("src/error.rs: f", "reason")],
        std_waits: &[("src/sys/fd.rs", "std::sync::Mutex", "reason")],
    };
    let mut files = tree();
    let stale = violations(&files, &[], &allowed);
    let rules: Vec<_> = stale.iter().map(|v| v.rule).collect();
    assert_eq!(rules, ["file length", "function length", "std waits"]);

    files.retain(|file| file.path != "src/error.rs" && file.path != "src/sys/fd.rs");
    files.push(File::new("src/error.rs", &long));
    files.push(File::new("src/sys/fd.rs", "//! D.\nuse std::sync::Mutex;\n"));
    let found = violations(&files, &[], &allowed);
    assert!(found.is_empty(), "{found:?}");
    // Nothing excuses a file of more than 600 lines.
    files.retain(|file| file.path != "src/error.rs");
    files.push(File::new(
        "src/error.rs",
        &long.replace("}\n", &format!("}}\n{}", "\n".repeat(200))),
    ));
    assert_eq!(violations(&files, &[], &allowed)[0].rule, "file length");
}

#[test]
fn maps_without_logic_can_fail() {
    for text in ["fn f() {}\n", "m!();\n", "pub const N: u8 = 1;\n", "mod m { struct S; }\n"] {
        adding_breaks("maps", "src/task/mod.rs", text);
        adding_breaks("maps", "src/lib.rs", text);
    }
}

#[test]
fn confinement_can_fail() {
    let platform = [
        "#[cfg(target_os = \"linux\")]\nfn f() {}\n",
        "#[cfg_attr(all(unix, target_arch = \"x86_64\"), inline)]\nfn f() {}\n",
        "fn f() -> bool { cfg!(target_env = \"gnu\") }\n",
    ];
    for text in platform {
        adding_breaks("platform", "src/green/park.rs", text);
        adding_is_fine("src/sys/fd.rs", text);
    }
    for name in ["#[unsafe(no_mangle)]", "#[unsafe(export_name = \"x\")]"] {
        let text = format!("{name}\nextern \"C\" fn f() {{}}\n");
        adding_breaks("exports", "src/green/park.rs", &text);
        adding_is_fine("src/patch/sleep.rs", &text);
    }
}

#[test]
fn std_waits_can_fail() {
    let waits = [
        "use std::sync::Mutex;\n",
        "use std::{fmt, sync::{Arc, mpsc}};\n",
        "use std::sync::*;\n",
        "use std::sync;\nstatic L: sync::OnceLock<u8> = f();\n",
        "fn f() { std::thread::sleep(d); }\n",
        "use std::thread as t;\nfn f() { t::park(); }\n",
        "use std::thread::{self, JoinHandle};\nfn f() { thread::yield_now(); }\n",
    ];
    for text in waits {
        adding_breaks("std waits", "src/green/park.rs", text);
    }
    adding_is_fine("src/task/spawn.rs", "use crate::green as sync;\nfn f() { sync::park(); }\n");
}

#[test]
fn reasons_for_unsafe_can_fail() {
    let far = format!("// SAFETY: r\n{}fn f() {{ unsafe {{ g() }} }}\n", "\n".repeat(8));
    let bare = [
        "fn f() { unsafe { g() } }\n",
        "unsafe impl Send for T {}\n",
        "pub unsafe fn f() {}\n",
        "unsafe extern \"C\" fn f() {}\n",
        "unsafe trait T {}\n",
        &far,
    ];
    for text in bare {
        adding_breaks("unsafe", "src/green/park.rs", text);
    }
    adding_is_fine("src/green/park.rs", &far.replacen("\n\n", "\n", 1));
    adding_is_fine("src/green/park.rs", "type F = unsafe extern \"C\" fn(u8);\n");
    adding_is_fine("src/green/park.rs", "unsafe extern \"C\" { fn g(); }\n");
}

#[test]
fn machine_paths_can_fail() {
    let text = format!("fine\nsee {}main\n", ["", "work", ""].join("/"));
    let tracked = [("README.md".to_owned(), text), ("A".to_owned(), "network/a".to_owned())];
    let found = violations(&tree(), &tracked, &Allowances::default());
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].rule, found[0].place.as_str()), ("machine paths", "README.md:2"));
}

#[test]
fn surface_can_fail() {
    let leaks = [
        "pub fn f(e: &polling::Event) {}\n",
        "use polling::{Event as E};\npub fn f() -> Vec<E> { vec![] }\n",
        "pub struct S<T = corosensei::Stack>(T);\n",
        "pub struct S { pub a: Map<u8, polling::Event>, b: u8 }\n",
        "pub struct S(pub polling::Event);\n",
        "pub enum S { A(polling::Event) }\n",
        "pub use polling::Event;\n",
        "pub type P = polling::Poller;\n",
    ];
    for text in leaks {
        adding_breaks("surface", "src/green/park.rs", text);
    }
    adding_is_fine("src/green/park.rs", "pub struct S { pub a: u8, b: polling::Event }\n");
    adding_is_fine("src/green/park.rs", "pub(crate) fn f(e: polling::Event) {}\n");
    adding_is_fine("src/green/park.rs", "pub fn f() { polling::go() }\n");
}

#[test]
fn blindness_is_noticed() {
    let tracked = [("A".to_owned(), String::new())];
    let seen = Seen::count(&tree(), &tracked);
    let exact = Seen { files: 13, tracked: 1, functions: 5, imports: 8, unsafes: 4, exports: 1 };
    assert_eq!(seen, exact);
    assert!(seen.missing(&exact).is_empty());
    assert_eq!(Seen::count(&[], &[]).missing(&exact).len(), 6);
}
