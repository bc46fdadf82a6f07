//! Starting children.

use super::child::Child;
use std::ffi::OsStr;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{self, CommandArgs, CommandEnvs, ExitStatus, Output, Stdio};

/// How to start a child; as [`std::process::Command`].
///
/// ```
/// use greenroom::process::Command;
/// let outputs = (0..3).map(|n| {
///     greenroom::spawn(move || Command::new("echo").arg(n.to_string()).output())
/// });
/// for (n, output) in greenroom::joinall(outputs.collect::<Vec<_>>()).into_iter().enumerate() {
///     assert_eq!(output??.stdout, format!("{n}\n").as_bytes());
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Command {
    inner: process::Command,
    /// Whether stdin, stdout and stderr are what the caller said.
    said: [bool; 3],
}

/// Methods that only note something.
macro_rules! notes {
    ($($(#[$doc:meta])* $name:ident[$($gen:tt)*]($($arg:ident: $ty:ty),*);)*) => {$(
        $(#[$doc])*
        pub fn $name<$($gen)*>(&mut self, $($arg: $ty),*) -> &mut Command {
            self.inner.$name($($arg),*);
            self
        }
    )*};
}

impl Command {
    /// Of a program: a path, or a name to look for in `PATH`.
    pub fn new<S: AsRef<OsStr>>(program: S) -> Command {
        Command { inner: process::Command::new(program), said: [false; 3] }
    }

    notes! {
        /// Adds an argument.
        arg[S: AsRef<OsStr>](arg: S);
        /// Adds arguments.
        args[I: IntoIterator<Item = S>, S: AsRef<OsStr>](args: I);
        /// Sets a variable of its environment.
        env[K: AsRef<OsStr>, V: AsRef<OsStr>](key: K, val: V);
        /// Sets variables of its environment.
        envs[I: IntoIterator<Item = (K, V)>, K: AsRef<OsStr>, V: AsRef<OsStr>](vars: I);
        /// Takes a variable out of its environment.
        env_remove[K: AsRef<OsStr>](key: K);
        /// Empties its environment.
        env_clear[]();
        /// Sets the folder that it runs in.
        current_dir[P: AsRef<Path>](dir: P);
        /// Sets its user.
        uid[](id: u32);
        /// Sets its group.
        gid[](id: u32);
        /// Sets what it is told as its own name.
        arg0[S: AsRef<OsStr>](arg: S);
        /// Sets its process group; 0: one of its own.
        process_group[](pgroup: i32);
    }

    /// Sets what it reads: by default, as this process, and for `output` nothing.
    pub fn stdin<T: Into<Stdio>>(&mut self, cfg: T) -> &mut Command {
        self.inner.stdin(cfg);
        self.said[0] = true;
        self
    }

    /// Sets where it writes: by default, as this process, and for `output` a pipe.
    pub fn stdout<T: Into<Stdio>>(&mut self, cfg: T) -> &mut Command {
        self.inner.stdout(cfg);
        self.said[1] = true;
        self
    }

    /// Sets where it complains: by default, as this process, and for `output` a pipe.
    pub fn stderr<T: Into<Stdio>>(&mut self, cfg: T) -> &mut Command {
        self.inner.stderr(cfg);
        self.said[2] = true;
        self
    }

    /// Has the child run `f` right before the program.
    ///
    /// # Safety
    /// As [`std::os::unix::process::CommandExt::pre_exec`].
    pub unsafe fn pre_exec<F>(&mut self, f: F) -> &mut Command
    where
        F: FnMut() -> io::Result<()> + Send + Sync + 'static,
    {
        // SAFETY: the caller's promise.
        unsafe { self.inner.pre_exec(f) };
        self
    }

    /// Starts it.
    ///
    /// # Errors
    /// There is no such program, or no room for another process.
    pub fn spawn(&mut self) -> io::Result<Child> {
        self.inner.spawn().map(Child::made)
    }

    /// Starts it and waits until it has ended; collects what it writes, unless
    /// that goes elsewhere.
    ///
    /// # Errors
    /// Those of `spawn`, of reading and of waiting.
    pub fn output(&mut self) -> io::Result<Output> {
        // Once said, it stays said: another `spawn` must not find it so.
        let said = self.said;
        let defaults: [fn() -> Stdio; 3] = [Stdio::null, Stdio::piped, Stdio::piped];
        self.set_unsaid(said, defaults);
        let spawned = self.spawn();
        self.set_unsaid(said, [Stdio::inherit; 3]);
        spawned?.wait_with_output()
    }

    fn set_unsaid(&mut self, said: [bool; 3], to: [fn() -> Stdio; 3]) {
        if !said[0] {
            self.inner.stdin(to[0]());
        }
        if !said[1] {
            self.inner.stdout(to[1]());
        }
        if !said[2] {
            self.inner.stderr(to[2]());
        }
    }

    /// Starts it and waits until it has ended.
    ///
    /// # Errors
    /// Those of `spawn` and of waiting.
    pub fn status(&mut self) -> io::Result<ExitStatus> {
        self.spawn()?.wait()
    }

    /// Becomes it; returns only if that fails.
    pub fn exec(&mut self) -> io::Error {
        self.inner.exec()
    }

    /// The program.
    pub fn get_program(&self) -> &OsStr {
        self.inner.get_program()
    }

    /// The arguments.
    pub fn get_args(&self) -> CommandArgs<'_> {
        self.inner.get_args()
    }

    /// What was set of its environment.
    pub fn get_envs(&self) -> CommandEnvs<'_> {
        self.inner.get_envs()
    }

    /// The folder that was set.
    pub fn get_current_dir(&self) -> Option<&Path> {
        self.inner.get_current_dir()
    }
}

/// std's, with all that was set. There is no way back: std does not tell what
/// was set, and `output` has to know. After `output`, what was not set is
/// inherited.
impl From<Command> for process::Command {
    fn from(from: Command) -> process::Command {
        from.inner
    }
}
