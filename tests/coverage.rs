//! Every function that std imports, and the blocking ones of C, stands in a
//! table: patched in which family, or why not. What a new toolchain's std
//! imports beside them makes this fail, before it can block a worker unseen.

#[path = "coverage/elf.rs"]
mod elf;
#[path = "coverage/table.rs"]
mod table;

use std::collections::BTreeMap;
use std::ffi::{CString, c_void};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};
use table::{Group, Kind, TABLE};

/// Set, the test writes `docs/coverage.md` instead of comparing it.
const WRITE: &str = "GREENROOM_WRITE_COVERAGE";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn known() -> BTreeMap<&'static str, &'static Group> {
    let mut known = BTreeMap::new();
    for group in TABLE {
        for name in group.names.split_whitespace() {
            assert!(known.insert(name, group).is_none(), "{name} stands in the table twice");
        }
    }
    known
}

/// The toolchain's standard library, as a shared object: it imports all that
/// std can ask of libc.
fn standard_library() -> PathBuf {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let out = Command::new(rustc).args(["--print", "target-libdir"]).output().expect("rustc runs");
    let folder = PathBuf::from(String::from_utf8(out.stdout).unwrap().trim());
    let is_std = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        name.starts_with("libstd-") && name.ends_with(".so")
    };
    let mut entries = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    entries.find(is_std).unwrap_or_else(|| panic!("no libstd-*.so in {}", folder.display()))
}

fn is_greenrooms(group: &Group) -> bool {
    matches!(group.kind, Kind::Family(_) | Kind::Minded)
}

#[test]
fn all_that_std_imports_is_known() {
    let known = known();
    let imports = elf::imports(&fs::read(standard_library()).unwrap());
    assert!(imports.len() > 100 && imports.iter().any(|name| name == "read"), "{imports:?}");
    let unknown: Vec<_> = imports.iter().filter(|name| !known.contains_key(&***name)).collect();
    assert!(
        unknown.is_empty(),
        "std imports what tests/coverage/table.rs does not know: {unknown:?}.\nFor each, find \
         out whether it can wait; patch it in src/patch, or add it to the table with the reason \
         why not; then run this test with {WRITE}=1."
    );
}

/// As `all_that_std_imports_is_known`, of a whole program: this one.
#[test]
fn all_that_a_program_imports_is_known() {
    let known = known();
    let imports = elf::imports(&fs::read(env::current_exe().unwrap()).unwrap());
    assert!(imports.len() > 50, "{imports:?}");
    let unknown: Vec<_> = imports.iter().filter(|name| !known.contains_key(&***name)).collect();
    assert!(
        unknown.is_empty(),
        "this program imports what tests/coverage/table.rs does not know: {unknown:?}.\nFor each, \
         find out whether it can wait; patch it, or add it with the reason why not."
    );
}

/// What libc offers under a second name is known by that, too.
#[test]
fn second_names_are_known() {
    let known = known();
    // SAFETY: a C string; asks the dynamic linker.
    let inside = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"strlen".as_ptr()) };
    let libc = information(inside).dli_fname;
    // SAFETY: the dynamic linker's own string.
    let libc = unsafe { std::ffi::CStr::from_ptr(libc) }.to_str().unwrap();
    let exports = elf::exports(&fs::read(libc).unwrap());
    let is_ours = |name: &String| known.get(&**name).is_some_and(|group| is_greenrooms(group));
    let ours: std::collections::BTreeSet<_> =
        exports.iter().filter(|(name, _)| is_ours(name)).map(|(_, address)| *address).collect();
    assert!(ours.len() > 80, "{libc}: {}", ours.len());
    let unknown: Vec<_> = exports
        .iter()
        .filter(|(name, address)| ours.contains(address) && !known.contains_key(&**name))
        .collect();
    assert!(
        unknown.is_empty(),
        "{libc} has second names for patched functions, which tests/coverage/table.rs does not \
         know: {unknown:?}.\nPatch them, or add them to SECOND_NAMES."
    );
}

/// The shims in the source and the names in the table are the same.
#[test]
fn the_table_names_all_shims() {
    let known = known();
    let mut shims = Vec::new();
    for entry in fs::read_dir(root().join("src/patch")).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        for rest in text.split("Shim::new(").skip(1) {
            let name = rest.split([' ', ')']).next().unwrap();
            let name = name.trim_start_matches("self::");
            if name.starts_with(|c: char| c == '_' || c.is_ascii_lowercase()) {
                shims.push(name.to_owned());
            }
        }
    }
    assert!(shims.len() > 100, "{}", shims.len());
    for name in &shims {
        let group = known.get(&**name);
        assert!(group.is_some_and(|g| is_greenrooms(g)), "{name} is missing in the table");
    }
    for (name, group) in known.iter().filter(|(_, group)| is_greenrooms(group)) {
        assert!(shims.iter().any(|shim| shim == name), "{name} has no shim ({})", group.note);
    }
}

/// Each of those is really defined by this program, for all that is linked to it.
#[test]
fn what_is_patched_is_ours() {
    greenroom::patch_all().unwrap();
    let of_this_program = object_of(what_is_patched_is_ours as *const c_void);
    for (name, group) in known() {
        let text = CString::new(name).unwrap();
        // SAFETY: a C string; asks the dynamic linker.
        let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, text.as_ptr()) };
        let ours = !found.is_null() && object_of(found) == of_this_program;
        assert_eq!(ours, is_greenrooms(group), "{name}");
    }
}

/// Where the object begins that an address belongs to.
fn object_of(address: *const c_void) -> usize {
    information(address).dli_fbase.addr()
}

fn information(address: *const c_void) -> libc::Dl_info {
    // SAFETY: all zero is an empty one; `dladdr` takes any address.
    unsafe {
        let mut info: libc::Dl_info = std::mem::zeroed();
        assert_ne!(libc::dladdr(address, &mut info), 0, "{address:?}");
        info
    }
}

#[test]
fn the_documentation_is_up_to_date() {
    let path = root().join("docs/coverage.md");
    let wanted = page();
    if env::var_os(WRITE).is_some() {
        return fs::write(path, wanted).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(written == wanted, "docs/coverage.md is out of date: run this test with {WRITE}=1");
}

fn page() -> String {
    let mut page = String::from(
        "# Which calls park\n\nMade by `tests/coverage.rs` from `tests/coverage/table.rs`; it \
         knows every function\nthat the standard library imports. System calls made without libc \
         are not caught.\n",
    );
    type Belongs = fn(Kind) -> bool;
    let parts: [(&str, Belongs); 4] = [
        ("Patched", |kind| matches!(kind, Kind::Family(_))),
        ("Defined, and never waiting", |kind| kind == Kind::Minded),
        ("Not patched: they may keep their worker", |kind| kind == Kind::Blocks),
        ("Not patched: they never wait", |kind| kind == Kind::AtOnce),
    ];
    for (title, belongs) in parts {
        let groups = TABLE.iter().filter(|group| belongs(group.kind));
        page += &format!("\n## {title}\n\n| functions | {} |\n|---|---|\n", column(title));
        for group in groups {
            let names: Vec<_> =
                group.names.split_whitespace().map(|name| format!("`{name}`")).collect();
            let how = match group.kind {
                Kind::Family(family) => format!("*{}*: {}", family.to_lowercase(), group.note),
                _ => group.note.to_owned(),
            };
            page += &format!("| {} | {how} |\n", names.join(", "));
        }
    }
    page
}

fn column(title: &str) -> &'static str {
    match title {
        "Patched" => "family, and how",
        "Defined, and never waiting" => "why",
        "Not patched: they may keep their worker" => "what they wait for",
        _ => "what they are",
    }
}
