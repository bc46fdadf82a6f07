//! `examples/gdb/greenroom.py` shows green threads and walks their stacks: in a
//! process that gdb runs, and in core files. Where there is no gdb
//! it cannot be tried; `.ci/99-gdb.sh` sees to it that there is, and says so by
//! `GREENROOM_GDB=1`.

mod common;

use common::{run, until};
use greenroom::inspect::dump;
use std::io::ErrorKind;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

/// Set in the process that gdb looks at.
const SUBJECT: &str = "GREENROOM_GDB_SUBJECT";

#[inline(never)]
fn innermost(depth: u32) {
    if depth > 0 {
        innermost(depth - 1)
    } else {
        greenroom::park()
    }
    std::hint::black_box(depth);
}
const PARKS: u32 = line!() - 4;

#[inline(never)]
fn hog(stop: &AtomicBool) {
    while !stop.load(SeqCst) {
        std::hint::spin_loop();
    }
}

/// What the subject says of itself: the numbers of its green threads, and the
/// line where one of them is spawned.
#[derive(Debug)]
struct Scene {
    deep: u64,
    joiner: u64,
    inside: u64,
    busy: u64,
    spawned: u32,
}

/// One deep in calls, one that joins it, one in a generator, one that computes,
/// and one that has ended.
fn subject() {
    let spawned = line!() + 2;
    let builder = greenroom::Builder::new().name("the deep one".into());
    let deep = builder.spawn(|| innermost(9)).unwrap();
    let deep_id = deep.thread().id();
    let joiner = greenroom::spawn(move || deep.join().unwrap());
    let inside = greenroom::spawn(|| {
        let mut parks = greenroom::Generator::new(|co, (): ()| {
            innermost(3);
            co.yield_(1);
        });
        parks.resume(()).yielded()
    });
    greenroom::spawn(|| ()).join().unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let theirs = stop.clone();
    let busy = greenroom::Builder::new().name("busy".into());
    let busy = busy.spawn(move || hog(&theirs)).unwrap();
    let scene = Scene {
        deep: deep_id,
        joiner: joiner.thread().id(),
        inside: inside.thread().id(),
        busy: busy.thread().id(),
        spawned,
    };
    until(|| {
        let dump = dump();
        let waits = |id| dump.threads.iter().any(|t| t.id == id && t.in_state.is_some());
        let all = [scene.deep, scene.joiner, scene.inside].into_iter().all(waits);
        // The stack of one that has ended may be its own for a moment.
        all && dump.threads.len() == 4 && dump.workers.iter().any(|w| w.running == Some(scene.busy))
    });
    println!("\n{scene:?}");
    // SAFETY: gdb stops here.
    unsafe { libc::raise(libc::SIGTRAP) };
}

/// The number after `what` in what the subject said.
fn said(text: &str, what: &str) -> u64 {
    let rest = text.split_once(what).unwrap_or_else(|| panic!("no {what} in {text}")).1;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap()
}

impl Scene {
    fn read(text: &str) -> Scene {
        let text = text.split_once("Scene {").unwrap_or_else(|| panic!("{text}")).1;
        Scene {
            deep: said(text, "deep: "),
            joiner: said(text, "joiner: "),
            inside: said(text, "inside: "),
            busy: said(text, "busy: "),
            spawned: said(text, "spawned: ") as u32,
        }
    }

    /// What gdb printed is what the subject is.
    fn check(&self, text: &str) {
        let Scene { deep, joiner, inside, busy, spawned } = *self;
        assert!(text.contains("\n4 green threads\n"), "{text}");
        let here = file!();
        let line = |start: String| {
            let found = text.lines().find(|l| l.starts_with(&start));
            found.unwrap_or_else(|| panic!("no {start:?} in {text}"))
        };
        let it = line(format!("#{deep} 'the deep one' waits; spawned at "));
        assert!(it.ends_with(&format!("{here}:{spawned}")), "{it}");
        line(format!("#{joiner} waits for the end of #{deep}; spawned at "));
        line(format!("#{inside} waits; spawned at "));
        line(format!("#{busy} 'busy' runs; spawned at "));
        // Each is deeper by the one that is called from outside.
        for (id, depth) in [(deep, 10), (inside, 4)] {
            assert_eq!(frames(text, id, "innermost"), depth, "{text}");
            assert_eq!(frames(text, id, &format!("{here}:{PARKS}")), 1, "{text}");
        }
        // It is called from its generator, and that from its own stack.
        assert!(frames(text, inside, "src/task/body.rs") > 0, "{text}");
        assert!(frames(text, joiner, "join_wait.rs") > 0, "{text}");
        assert_eq!(frames(text, busy, "hog"), 1, "{text}");
        // Beyond its own frames stands its worker, as it was long ago.
        assert_eq!(frames(text, deep, "worker::Worker"), 0, "{text}");
    }
}

/// In how many frames of green thread `id` that stands.
fn frames(text: &str, id: u64, what: &str) -> usize {
    let backtraces = text.split_once("= backtraces").unwrap_or_else(|| panic!("{text}")).1;
    let mut lines = backtraces.lines().skip_while(|l| !l.starts_with(&format!("#{id} ")));
    lines.next();
    lines.take_while(|l| l.starts_with("    ")).filter(|l| l.contains(what)).count()
}

/// A process that plays the subject.
fn subject_of(test: &str) -> [String; 5] {
    let exe = std::env::current_exe().unwrap().to_str().unwrap().to_owned();
    [exe, "--exact".into(), test.into(), "--nocapture".into(), "--test-threads=1".into()]
}

/// Runs gdb with these commands; what it and the subject print.
fn gdb(commands: &[&str], arguments: &[&str], vars: &[(&str, &str)]) -> String {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/gdb/greenroom.py");
    let before = ["set debuginfod enabled off", "set confirm off", "set pagination off"];
    let mut command = Command::new("gdb");
    command.args(["-q", "-batch", "-nx", "-x", script]);
    command.args(before.iter().chain(commands).flat_map(|c| ["-ex", c]));
    command.args(arguments).env(SUBJECT, "1").env("GREENROOM_WORKERS", "2");
    let ended = run(command.envs(vars.iter().copied()));
    format!("{}\n{}", ended.stdout, ended.stderr)
}

const LIST: &str = "greenroom list";
const MARK: &str = "echo = backtraces\\n";
const WALK: &str = "greenroom bt all";

/// Whether to go on: this is no subject, and there is a gdb.
fn tries() -> bool {
    if std::env::var_os(SUBJECT).is_some() {
        subject();
        return false;
    }
    match Command::new("gdb").arg("--version").output() {
        Ok(_) => true,
        Err(why) if why.kind() == ErrorKind::NotFound => {
            assert!(std::env::var_os("GREENROOM_GDB").is_none(), "there is no gdb");
            eprintln!("!!! SKIPPED: there is no gdb !!!");
            false
        }
        Err(why) => panic!("{why}"),
    }
}

/// A folder for one test's core file.
fn folder(test: &str) -> PathBuf {
    let name = format!("{test}-{}", std::process::id());
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// The scene is in the core file.
fn check_core(scene: &Scene, core: &Path) {
    let [exe, ..] = subject_of("");
    let text = gdb(&[LIST, MARK, WALK], &[&exe, core.to_str().unwrap()], &[]);
    std::fs::remove_dir_all(core.parent().unwrap()).unwrap();
    scene.check(&text);
}

#[test]
fn a_process_is_looked_at() {
    if !tries() {
        return;
    }
    let subject = subject_of("a_process_is_looked_at");
    let arguments: Vec<_> = std::iter::once("--args").chain(subject.iter().map(|a| &**a)).collect();
    // The first is number 1.
    let switch = ["echo = switched\\n", "greenroom switch 1", "bt", "echo = back\\n"];
    let mut commands = vec!["run", LIST, MARK, WALK];
    commands.extend(switch);
    commands.extend(["greenroom switch off", "bt 2", "greenroom bt 99", "kill"]);
    let text = gdb(&commands, &arguments, &[]);
    let scene = Scene::read(&text);
    assert_eq!(scene.deep, 1);
    scene.check(&text);
    let (_, switched) = text.split_once("= switched").unwrap();
    let (switched, back) = switched.split_once("= back").unwrap();
    assert!(switched.contains("src/task/body.rs"), "{text}");
    // There it ends: beyond stands its worker, as it was long ago.
    assert!(!switched.contains("worker::Worker"), "{text}");
    assert_eq!(switched.matches("innermost").count(), 10, "{text}");
    assert!(!back.contains("src/task/body.rs"), "{text}");
    assert!(back.contains("there is no green thread 99"), "{text}");
}

/// gdb gives up at guard pages that are no mappings of their own.
#[test]
fn a_core_file_of_gdbs_is_looked_at() {
    if !tries() {
        return;
    }
    let test = "a_core_file_of_gdbs_is_looked_at";
    let subject = subject_of(test);
    let arguments: Vec<_> = std::iter::once("--args").chain(subject.iter().map(|a| &**a)).collect();
    let core = folder(test).join("core");
    let save = format!("gcore {}", core.display());
    let vars = [("GREENROOM_STACK_GUARD", "mprotect")];
    let text = gdb(&["run", &save, "kill"], &arguments, &vars);
    check_core(&Scene::read(&text), &core);
}

/// Where the system lets others have core files, there is none to look at.
#[test]
fn a_core_file_of_the_kernels_is_looked_at() {
    if !tries() {
        return;
    }
    let test = "a_core_file_of_the_kernels_is_looked_at";
    let pattern = std::fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap();
    if pattern.contains(['/', '|']) || !may_dump() {
        eprintln!("!!! SKIPPED: core files go to {} !!!", pattern.trim());
        return;
    }
    let [exe, arguments @ ..] = subject_of(test);
    let folder = folder(test);
    let mut command = Command::new(exe);
    command.args(arguments).current_dir(&folder).env(SUBJECT, "1").env("GREENROOM_WORKERS", "2");
    // SAFETY: one system call, of an argument that the child has.
    unsafe {
        command.pre_exec(|| {
            let all = libc::rlimit { rlim_cur: libc::RLIM_INFINITY, rlim_max: libc::RLIM_INFINITY };
            libc::setrlimit(libc::RLIMIT_CORE, &raw const all);
            Ok(())
        });
    }
    let ended = run(&mut command);
    ended.assert_signal(libc::SIGTRAP);
    let mut files = std::fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path());
    check_core(&Scene::read(&ended.stdout), &files.next().expect("a core file"));
}

/// Whether a child may have core files of any size.
fn may_dump() -> bool {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: a valid out pointer.
    unsafe { libc::getrlimit(libc::RLIMIT_CORE, &raw mut limit) };
    limit.rlim_max == libc::RLIM_INFINITY
}
