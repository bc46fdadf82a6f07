//! The patch must arrive whatever way a program is linked, and a program that
//! does not ask for it must not feel it.
//!
//! Builds the programs of `tests/linking/` as a package of its own, in each of
//! the ways below, and runs them. The builds share one target directory, kept
//! between runs, and only the last step differs between most of them.

use std::env;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

/// One way of building.
struct Variant {
    name: &'static str,
    profile: &'static str,
    /// Given to the last rustc only, so that dependencies are shared.
    rustc: &'static [&'static str],
    linker: Linker,
    stripped: bool,
}

#[derive(PartialEq)]
enum Linker {
    /// What rustc takes by itself: on x86-64 Linux rust-lld, from 1.90 on.
    Default,
    Lld,
    Bfd,
}

const PLAIN: Variant =
    Variant { name: "", profile: "dev", rustc: &[], linker: Linker::Default, stripped: false };

#[test]
fn linked_debug() {
    check(&Variant { name: "debug", ..PLAIN });
}

#[test]
fn linked_release() {
    check(&Variant { name: "release", profile: "release", ..PLAIN });
}

#[test]
fn linked_fat_lto() {
    check(&Variant { name: "fat", profile: "fat", ..PLAIN });
}

/// rustc puts its own lld before the system's, so this finds rust-lld.
#[test]
fn linked_by_rust_lld() {
    check(&Variant {
        name: "lld",
        profile: "release",
        rustc: &["-Clink-arg=-fuse-ld=lld"],
        linker: Linker::Lld,
        ..PLAIN
    });
}

/// bfd takes a member of an archive only if something needs it by then.
#[test]
fn linked_by_bfd_debug() {
    check(&Variant {
        name: "bfd-debug",
        rustc: &["-Clink-arg=-fuse-ld=bfd"],
        linker: Linker::Bfd,
        ..PLAIN
    });
}

#[test]
fn linked_by_bfd_release() {
    check(&Variant {
        name: "bfd",
        profile: "release",
        rustc: &["-Clink-arg=-fuse-ld=bfd"],
        linker: Linker::Bfd,
        ..PLAIN
    });
}

#[test]
fn linked_by_bfd_fat_lto() {
    check(&Variant {
        name: "bfd-fat",
        profile: "fat",
        rustc: &["-Clink-arg=-fuse-ld=bfd"],
        linker: Linker::Bfd,
        ..PLAIN
    });
}

/// What `strip = true` in a profile comes to.
#[test]
fn linked_stripped() {
    check(&Variant {
        name: "stripped",
        profile: "release",
        rustc: &["-Cstrip=symbols"],
        stripped: true,
        ..PLAIN
    });
}

#[test]
fn linked_panic_abort() {
    check(&Variant { name: "abort", profile: "release", rustc: &["-Cpanic=abort"], ..PLAIN });
}

fn check(variant: &Variant) {
    let [probe, aloof, inert] = build(variant);
    for binary in [&probe, &aloof, &inert] {
        check_linked(variant, binary);
    }
    assert!(run(&probe, "patched").ends_with("patched ok\n"));
    assert!(run(&probe, "ended").ends_with("ended ok\n"));
    let unwound = finish(&probe, "unwound");
    let aborts = variant.rustc.contains(&"-Cpanic=abort");
    let signal = aborts.then_some(6); // SIGABRT
    assert_eq!(unwound.status.signal(), signal, "{unwound:?}");
    assert!(run(&aloof, "unpatched").ends_with("unpatched ok\n"));
    let without = run(&inert, "");
    assert!(without.ends_with("plain ok\n"), "{without}");
    assert_eq!(run(&probe, "plain"), without);
    assert_eq!(run(&aloof, "plain"), without);
}

/// Asserts that the binary was made the way the variant asks for.
fn check_linked(variant: &Variant, binary: &Path) {
    let bytes = fs::read(binary).expect("the binary");
    let has = |mark: &[u8]| bytes.windows(mark.len()).any(|window| window == mark);
    // lld writes its name into `.comment`, where it survives stripping; gold
    // leaves a note. bfd says nothing, and gcc fails if it was asked for bfd
    // and has none.
    let lld = has(b"Linker: LLD");
    match variant.linker {
        Linker::Default => {}
        Linker::Lld => assert!(lld, "{} was not linked by lld", variant.name),
        Linker::Bfd => assert!(!lld && !has(b".note.gnu.gold"), "not bfd: {}", variant.name),
    }
    // The name of the section stands in the table of section names.
    assert_eq!(has(b"\0.symtab\0"), !variant.stripped, "{}", variant.name);
}

/// Builds probe, aloof and inert, and moves them out of the next build's way.
fn build(variant: &Variant) -> [PathBuf; 3] {
    // Cargo would wait for itself anyway, and the builds overwrite each other.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(|e| e.into_inner());
    let start = Instant::now();
    let package = package();
    let kept = package.join("kept").join(variant.name);
    fs::create_dir_all(&kept).expect("a folder for the binaries");
    let folder = match variant.profile {
        "dev" => "debug",
        other => other,
    };
    let built = ["probe", "aloof", "inert"].map(|binary| {
        cargo_rustc(&package, variant, binary);
        let from = package.join("target").join(folder).join(binary);
        let to = kept.join(binary);
        let _ = fs::remove_file(&to);
        // Not a copy: a child forked meanwhile would hold it open for writing,
        // and starting it would fail with ETXTBSY.
        fs::hard_link(&from, &to).expect("the binary that was built");
        to
    });
    println!("{}: built in {:?}", variant.name, start.elapsed());
    built
}

fn cargo_rustc(package: &Path, variant: &Variant, binary: &str) {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["rustc", "--offline", "--quiet", "--bin", binary])
        .args(["--profile", variant.profile])
        .arg("--target-dir")
        .arg(package.join("target"))
        .arg("--")
        .args(variant.rustc)
        .current_dir(package)
        // It would put the binaries elsewhere.
        .env_remove("CARGO_BUILD_TARGET")
        .output()
        .expect("cargo");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {errors}", variant.name);
}

/// Writes the package and returns its folder.
fn package() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let package = Path::new(env!("CARGO_TARGET_TMPDIR")).join("linking");
    fs::create_dir_all(&package).expect("a folder for the package");
    let manifest = include_str!("linking/manifest.toml").replace("ROOT", root.to_str().unwrap());
    write_if_new(&package.join("Cargo.toml"), &manifest);
    // The same versions as ours, all of them fetched already.
    fs::copy(root.join("Cargo.lock"), package.join("Cargo.lock")).expect("our Cargo.lock");
    package
}

/// Leaves the file's time alone if there is nothing to change.
fn write_if_new(path: &Path, text: &str) {
    if fs::read_to_string(path).is_ok_and(|old| old == text) {
        return;
    }
    fs::write(path, text).expect("a writable target directory");
}

/// The standard output of a run that ended well and in time.
fn run(binary: &Path, argument: &str) -> String {
    let output = finish(binary, argument);
    let (errors, status) = (String::from_utf8_lossy(&output.stderr), output.status);
    assert!(status.success(), "{binary:?} {argument}: {status}\n{errors}");
    String::from_utf8(output.stdout).expect("text")
}

fn finish(binary: &Path, argument: &str) -> Output {
    let mut child = Command::new(binary)
        .arg(argument)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let deadline = Instant::now() + Duration::from_secs(60);
    while child.try_wait().expect("a child").is_none() {
        if Instant::now() > deadline {
            child.kill().expect("a child to end");
            break;
        }
        thread::sleep(Duration::from_millis(5));
    }
    child.wait_with_output().expect("its output")
}
