//! The patch must arrive whatever way a program is linked, and a program that
//! does not ask for it must not feel it.
//!
//! Builds the programs of `tests/linking/` as a package of its own, in each of
//! the ways below, and runs them. The builds share one target directory, kept
//! between runs. `cc.sh` stands in for the linker and links what was compiled by
//! each of them, for to compile it takes much longer.

use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

/// One way of compiling; each is done once, whoever asks first.
struct Build {
    name: &'static str,
    profile: &'static str,
    /// Given to the last rustc only, so that dependencies are shared.
    rustc: &'static [&'static str],
    /// The folder with what came of it.
    kept: OnceLock<PathBuf>,
}

static DEBUG: Build = Build::new("debug", "dev", &[]);
static RELEASE: Build = Build::new("release", "release", &[]);
static FAT: Build = Build::new("fat", "fat", &[]);
/// What `strip = true` in a profile comes to.
static STRIPPED: Build = Build::new("stripped", "release", &["-Cstrip=symbols"]);
static ABORT: Build = Build::new("abort", "release", &["-Cpanic=abort"]);

#[derive(Clone, Copy, PartialEq)]
enum Linker {
    /// What rustc takes by itself: on x86-64 Linux rust-lld, from 1.90 on.
    Default,
    /// rustc puts its own lld before the system's, so this is rust-lld.
    Lld,
    /// It takes a member of an archive only if something needs it by then.
    Bfd,
}

impl Linker {
    /// As `cc.sh` names its folder.
    fn folder(self) -> &'static str {
        match self {
            Linker::Default => "",
            Linker::Lld => "lld",
            Linker::Bfd => "bfd",
        }
    }
}

const BINARIES: [&str; 3] = ["probe", "aloof", "inert"];

#[test]
fn linked_debug() {
    check(&DEBUG, Linker::Default);
}

#[test]
fn linked_release() {
    check(&RELEASE, Linker::Default);
}

#[test]
fn linked_fat_lto() {
    check(&FAT, Linker::Default);
}

#[test]
fn linked_by_rust_lld() {
    check(&RELEASE, Linker::Lld);
}

#[test]
fn linked_by_bfd_debug() {
    check(&DEBUG, Linker::Bfd);
}

#[test]
fn linked_by_bfd_release() {
    check(&RELEASE, Linker::Bfd);
}

#[test]
fn linked_by_bfd_fat_lto() {
    check(&FAT, Linker::Bfd);
}

#[test]
fn linked_stripped() {
    check(&STRIPPED, Linker::Default);
}

#[test]
fn linked_panic_abort() {
    check(&ABORT, Linker::Default);
}

fn check(build: &Build, linker: Linker) {
    let binaries @ [probe, aloof, inert] = &build.linked_by(linker);
    for binary in binaries {
        check_linked(build, linker, binary);
    }
    assert!(run(probe, "patched").ends_with("patched ok\n"));
    assert!(run(probe, "ended").ends_with("ended ok\n"));
    let unwound = finish(probe, "unwound");
    let aborts = build.rustc.contains(&"-Cpanic=abort");
    let signal = aborts.then_some(6); // SIGABRT
    assert_eq!(unwound.status.signal(), signal, "{unwound:?}");
    assert!(run(aloof, "unpatched").ends_with("unpatched ok\n"));
    let without = run(inert, "");
    assert!(without.ends_with("plain ok\n"), "{without}");
    assert_eq!(run(probe, "plain"), without);
    assert_eq!(run(aloof, "plain"), without);
}

/// Asserts that the binary was made the way that was asked for.
fn check_linked(build: &Build, linker: Linker, binary: &Path) {
    let bytes = fs::read(binary).unwrap_or_else(|why| panic!("{}: {why}", binary.display()));
    let has = |mark: &[u8]| bytes.windows(mark.len()).any(|window| window == mark);
    // lld writes its name into `.comment`, where it survives stripping; gold
    // leaves a note. bfd says nothing, and gcc fails if it was asked for bfd
    // and has none.
    let lld = has(b"Linker: LLD");
    match linker {
        Linker::Default => {}
        Linker::Lld => assert!(lld, "{} was not linked by lld", binary.display()),
        Linker::Bfd => assert!(!lld && !has(b".note.gnu.gold"), "not bfd: {}", binary.display()),
    }
    // The name of the section stands in the table of section names.
    let stripped = build.rustc.contains(&"-Cstrip=symbols");
    assert_eq!(has(b"\0.symtab\0"), !stripped, "{}", binary.display());
}

impl Build {
    const fn new(
        name: &'static str,
        profile: &'static str,
        rustc: &'static [&'static str],
    ) -> Build {
        Build { name, profile, rustc, kept: OnceLock::new() }
    }

    /// Probe, aloof and inert; each is built if it has to be.
    fn linked_by(&self, linker: Linker) -> [PathBuf; 3] {
        let kept = self.kept.get_or_init(|| self.build());
        BINARIES.map(|binary| kept.join(linker.folder()).join(binary))
    }

    /// Builds all, and moves them out of the next build's way.
    fn build(&self) -> PathBuf {
        // Cargo would wait for itself anyway, and the builds overwrite each other.
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(|e| e.into_inner());
        let start = Instant::now();
        let package = package();
        let kept = package.join("kept").join(self.name);
        fs::create_dir_all(&kept).expect("a folder for the binaries");
        let built = package.join("target").join(match self.profile {
            "dev" => "debug",
            other => other,
        });
        for binary in BINARIES {
            cargo_rustc(&package, self, binary, &kept);
            let to = kept.join(binary);
            let _ = fs::remove_file(&to);
            // Not a copy: a child forked meanwhile would hold it open for writing,
            // and starting it would fail with ETXTBSY.
            fs::hard_link(built.join(binary), to).expect("the binary that was built");
        }
        println!("{}: built in {:?}", self.name, start.elapsed());
        kept
    }
}

/// What other linkers make goes to `kept` at once.
fn cargo_rustc(package: &Path, build: &Build, binary: &str, kept: &Path) {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["rustc", "--offline", "--quiet", "--bin", binary])
        .args(["--profile", build.profile])
        .arg("--target-dir")
        .arg(package.join("target"))
        .arg("--")
        .arg(format!("-Clinker={}", package.join("cc.sh").display()))
        .args(build.rustc)
        .env("GREENROOM_LINKED", kept)
        .current_dir(package)
        // It would put the binaries elsewhere.
        .env_remove("CARGO_BUILD_TARGET")
        .output()
        .expect("cargo");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {errors}", build.name);
}

/// Writes the package and returns its folder.
fn package() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let package = Path::new(env!("CARGO_TARGET_TMPDIR")).join("linking");
    fs::create_dir_all(&package).expect("a folder for the package");
    let manifest = include_str!("linking/manifest.toml").replace("ROOT", root.to_str().unwrap());
    write_if_new(&package.join("Cargo.toml"), &manifest);
    let linker = package.join("cc.sh");
    write_if_new(&linker, include_str!("linking/cc.sh"));
    fs::set_permissions(&linker, fs::Permissions::from_mode(0o755)).expect("a file of ours");
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
