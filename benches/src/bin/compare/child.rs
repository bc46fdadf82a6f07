//! A contender's process: see `protocol.rs` for what is said to it.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{self, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use greenroom_bench::protocol::Outcome;

use super::layout::Cores;

pub(super) struct Child {
    process: process::Child,
    stdin: ChildStdin,
    said: Receiver<String>,
    stderr: File,
    limit: Duration,
    /// The port that it serves, or 0.
    pub(super) port: u16,
}

impl Child {
    /// Starts `command` on these cores, and waits until it is prepared.
    ///
    /// # Errors
    /// It does not start, or ends, or is not ready within `limit`.
    pub(super) fn start(mut command: Command, cores: Cores, limit: Duration) -> Outcome<Child> {
        let stderr = nameless_file()?;
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(stderr.try_clone()?);
        // SAFETY: makes one system call.
        unsafe { command.pre_exec(move || cores.confine()) };
        let mut process = command.spawn()?;
        let (stdin, stdout) = (process.stdin.take(), process.stdout.take());
        let (stdin, stdout) = (stdin.ok_or("no pipe")?, stdout.ok_or("no pipe")?);
        let (put, said) = channel();
        // Ends when the pipe does.
        thread::spawn(move || {
            let lines = BufReader::new(stdout).lines().map_while(Result::ok);
            lines.for_each(|line| drop(put.send(line)));
        });
        let mut child = Child { process, stdin, said, stderr, limit, port: 0 };
        child.port = child.hear("ready", limit)?.parse()?;
        Ok(child)
    }

    /// A round of about `time`: how many operations, and the sum for all.
    ///
    /// # Errors
    /// It ends, or takes too long, or says something else.
    pub(super) fn round(&mut self, time: Duration) -> Outcome<(f64, f64)> {
        writeln!(self.stdin, "round {}", time.as_millis())
            .map_err(|e| self.last_words().unwrap_or_else(|| e.to_string()))?;
        let answer = self.hear("done", time + self.limit)?;
        let (count, amount) = answer.split_once(' ').ok_or("an answer without a figure")?;
        Ok((count.parse()?, amount.parse()?))
    }

    /// What comes after `word` on the next line.
    fn hear(&mut self, word: &str, limit: Duration) -> Outcome<String> {
        match self.said.recv_timeout(limit) {
            Ok(line) => {
                let rest = line.strip_prefix(word).ok_or_else(|| format!("it says {line:?}"))?;
                Ok(rest.trim().to_owned())
            }
            Err(RecvTimeoutError::Timeout) => {
                Err(format!("hangs: nothing within {:.0?}", limit).into())
            }
            Err(RecvTimeoutError::Disconnected) => {
                let status = self.process.wait()?;
                Err(self.last_words().unwrap_or_else(|| format!("ends: {status}")).into())
            }
        }
    }

    /// What it said on stderr, in a line.
    fn last_words(&mut self) -> Option<String> {
        let mut text = String::new();
        self.stderr.seek(SeekFrom::Start(0)).ok()?;
        self.stderr.read_to_string(&mut text).ok()?;
        gist(&text)
    }

    /// How long its threads have run, those that have ended included.
    ///
    /// # Errors
    /// It has ended.
    pub(super) fn cpu(&self) -> io::Result<Duration> {
        let (mut clock, mut time) = (0, libc::timespec { tv_sec: 0, tv_nsec: 0 });
        // SAFETY: a child of ours that nobody has waited for, and out pointers.
        let failed = unsafe {
            libc::clock_getcpuclockid(self.process.id() as i32, &mut clock) != 0
                || libc::clock_gettime(clock, &mut time) != 0
        };
        if failed {
            return Err(io::Error::last_os_error());
        }
        Ok(Duration::new(time.tv_sec as u64, time.tv_nsec as u32))
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // It ends when its stdin does, but may be stuck.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn nameless_file() -> io::Result<File> {
    // SAFETY: a C string and a flag.
    let fd = unsafe { libc::memfd_create(c"stderr".as_ptr(), libc::MFD_CLOEXEC) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: just made, and nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) }.into())
}

/// The line of an error report that says what is wrong, without the places of
/// files on this machine.
fn gist(report: &str) -> Option<String> {
    let mut lines = report.lines().filter(|line| !line.trim().is_empty());
    let first = lines.next()?;
    let line = match first {
        // Rust: where, and then what. Python: what comes last.
        _ if first.contains("panicked at") => lines.next().unwrap_or(first),
        _ if first.starts_with("Traceback") => lines.next_back().unwrap_or(first),
        _ => first,
    };
    let words = line.split_whitespace().map(|w| if w.starts_with('/') { "…" } else { w });
    Some(words.collect::<Vec<_>>().join(" ").chars().take(200).collect())
}

/// What starts this contender; `None` if it is not installed here.
///
/// # Errors
/// This program does not know where it lies.
pub(super) fn command(contender: &str) -> Outcome<Option<Command>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let beside = |name| Ok::<_, io::Error>(std::env::current_exe()?.with_file_name(name));
    let program = match contender {
        "go" => return super::others::go(&folder),
        "gevent" => return Ok(super::others::gevent(&folder)),
        _ if contender.starts_with("greenroom") || contender.starts_with("patched") => {
            beside("contender_greenroom")?
        }
        _ => beside("contender_peers")?,
    };
    if !program.exists() {
        return Err(format!("{} is not built: use cargo bench", program.display()).into());
    }
    let mut command = Command::new(program);
    command.env_remove("GREENROOM_THREAD_LOCALS").env_remove("GREENROOM_WORKERS");
    Ok(Some(command))
}

#[cfg(test)]
mod tests {
    use super::super::layout::Place;
    use super::*;

    fn start(script: &str) -> Outcome<Child> {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        let cores = Cores::of_this_process().unwrap().at(Place::All).0;
        Child::start(command, cores, Duration::from_secs(2))
    }

    #[test]
    fn a_contender_is_asked_and_heard() {
        let mut child = start("echo ready 7; read round; echo done 10 500; read round").unwrap();
        assert_eq!(child.port, 7);
        assert_eq!(child.round(Duration::from_millis(1)).unwrap(), (10.0, 500.0));
        assert!(child.cpu().is_ok());
    }

    #[test]
    fn reports_are_cut_down_to_what_is_wrong() {
        let rust = "\nthread 'main' (7) panicked at /a/b.rs:1:2:\ntoo many of /c/d\nnote: run";
        assert_eq!(gist(rust).as_deref(), Some("too many of …"));
        let python = "Traceback (most recent call last):\n  File x\nOSError: no";
        assert_eq!(gist(python).as_deref(), Some("OSError: no"));
        assert_eq!(gist("panic: so\n\ngoroutine 1").as_deref(), Some("panic: so"));
        assert_eq!(gist("\n \n"), None);
    }

    #[test]
    fn failures_and_hangs_are_told() {
        let told = |script| start(script).err().unwrap().to_string();
        assert_eq!(told("echo no memory >&2; exit 3"), "no memory");
        assert!(told("exit 3").contains("exit status: 3"));
        assert!(told("echo rubbish").contains("rubbish"));
        assert!(told("exec sleep 100").contains("hangs"));
        let mut child = start("echo ready 0; read round; echo broken >&2; exit 1").unwrap();
        assert_eq!(child.round(Duration::from_millis(1)).unwrap_err().to_string(), "broken");
    }
}
