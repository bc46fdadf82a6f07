//! Contenders in other languages, where these are installed.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use greenroom_bench::protocol::Outcome;

/// Compiles the Go contender once.
pub(super) fn go(folder: &Path) -> Outcome<Option<Command>> {
    if !answers(Command::new("go").arg("version")) {
        return Ok(None);
    }
    let program = std::env::current_exe()?.with_file_name("contender_go");
    let source = folder.join("others/contender.go");
    if !is_newer(&program, &source) {
        let built = Command::new("go").arg("build").arg("-o").args([&program, &source]).output()?;
        if !built.status.success() {
            let why = String::from_utf8_lossy(&built.stderr).into_owned();
            return Err(why.lines().last().unwrap_or("go build fails").into());
        }
    }
    Ok(Some(Command::new(program)))
}

/// The gevent contender, if there is a Python that has it.
pub(super) fn gevent(folder: &Path) -> Option<Command> {
    if !answers(Command::new("python3").args(["-c", "import gevent"])) {
        return None;
    }
    let mut command = Command::new("python3");
    command.arg(folder.join("others/contender.py"));
    Some(command)
}

/// The version of what is installed, in a word or two.
pub(super) fn version(words: &[&str]) -> Option<String> {
    let output = Command::new(words[0]).args(&words[1..]).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let line = text.lines().next()?.trim();
    (output.status.success() && !line.is_empty()).then(|| line.to_owned())
}

fn answers(command: &mut Command) -> bool {
    let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

fn is_newer(made: &Path, source: &Path) -> bool {
    let time = |path| fs::metadata(path).and_then(|data| data.modified()).ok();
    time(made).zip(time(source)).is_some_and(|(made, source)| made > source)
}

#[test]
fn what_is_not_installed_has_no_version() {
    assert_eq!(version(&["there-is-no-such-program"]), None);
    assert_eq!(version(&["false"]), None);
    assert_eq!(version(&["echo", "one 1.2"]).as_deref(), Some("one 1.2"));
}
