//! The server in a process of its own, for where one may not have enough descriptors for both
//! ends. The two talk over the second one's stdin and stdout, a line at a time.

use std::error::Error;
use std::io::{self, BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Command, Stdio};

use crate::meter::Memory;
use crate::options::Options;
use crate::server;
use crate::threads::Threads;

const LISTENING: &str = "listening on ";
const MEMORY: &str = "memory grown by ";

/// The second process, as the first one sees it. Ends when dropped.
pub(crate) struct SecondProcess {
    child: Child,
    answers: BufReader<ChildStdout>,
    pub(crate) addresses: Vec<SocketAddr>,
}

impl SecondProcess {
    pub(crate) fn start(mut command: Command) -> Result<Self, Box<dyn Error>> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let stdout = child.stdout.take().expect("stdout is piped");
        let mut second =
            SecondProcess { child, answers: BufReader::new(stdout), addresses: Vec::new() };
        let answer = second.answer(LISTENING)?;
        second.addresses = answer.split(' ').map(str::parse).collect::<Result<_, _>>()?;
        Ok(second)
    }

    /// By how much the server's memory has grown since before its first connection.
    pub(crate) fn memory(&mut self) -> io::Result<Option<u64>> {
        let questions = self.child.stdin.as_mut().expect("stdin is piped");
        if questions.write_all(b"memory?\n").is_err() {
            return Err(self.ended());
        }
        Ok(self.answer(MEMORY)?.parse().ok())
    }

    fn answer(&mut self, intro: &str) -> io::Result<String> {
        for line in (&mut self.answers).lines() {
            if let Some((_, answer)) = line?.split_once(intro) {
                return Ok(answer.to_owned());
            }
        }
        Err(self.ended())
    }

    fn ended(&mut self) -> io::Error {
        match self.child.wait() {
            Ok(status) => io::Error::other(format!("the server's process has ended: {status}")),
            Err(error) => error,
        }
    }
}

impl Drop for SecondProcess {
    fn drop(&mut self) {
        // It has nothing to lose. Were this process to die, it would end with its stdin.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the second process does, until the first one closes the pipe.
pub(crate) fn serve(options: &Options) -> Result<(), Box<dyn Error>> {
    let threads = Threads::start(options)?;
    let memory = Memory::now();
    let addresses = server::start(threads, options.connections)?;
    let addresses: Vec<String> = addresses.iter().map(SocketAddr::to_string).collect();
    say(LISTENING, &addresses.join(" "))?;
    for _question in io::stdin().lines() {
        let grown = memory.grown().map(|bytes| bytes.to_string());
        say(MEMORY, grown.as_deref().unwrap_or("unknown"))?;
    }
    Ok(())
}

fn say(intro: &str, answer: &str) -> io::Result<()> {
    let mut stdout = io::stdout();
    writeln!(stdout, "{intro}{answer}")?;
    stdout.flush()
}
