//! Tests that must die, or change what belongs to the whole process: the test binary runs
//! itself again, the child does the deed, and the parent looks at how it ended.

use std::any::type_name;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, exit};

/// Set in children.
const CHILD: &str = "GREENROOM_TEST_CHILD";

/// How a child ended and what it wrote on stderr.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) signal: Option<i32>,
    pub(crate) stderr: String,
}

/// Runs `deed` in a child process with `vars` in its environment; it exits with 0 if it
/// survives. Must be called by a test function directly, and once: the child finds its way
/// here by running that test alone.
pub(crate) fn in_child<F: FnOnce()>(vars: &[(&str, &str)], deed: F) -> Ended {
    if std::env::var_os(CHILD).is_some() {
        no_core_file();
        deed();
        exit(0);
    }
    // The type of a closure is named after the function around it.
    let path = type_name::<F>().strip_suffix("::{{closure}}").unwrap();
    let (_crate, test) = path.split_once("::").unwrap();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(CHILD, "1")
        .envs(vars.iter().copied())
        .output()
        .unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(stdout.contains("running 1 test"), "no test is called {test}: {stdout}");
    Ended {
        code: output.status.code(),
        signal: output.status.signal(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Keeps a child that dies on purpose from leaving a core file.
fn no_core_file() {
    let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: setrlimit only reads the structure.
    unsafe { libc::setrlimit(libc::RLIMIT_CORE, &none) };
}
