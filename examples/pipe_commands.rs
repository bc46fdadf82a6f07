//! Join commands by pipes: `ls -l | wc` (seed 003: 一、1、子进程 subprocess).
//!
//! Unmodified `std::process`. Each pipeline is waited for on a green thread of
//! its own, and all of them run on one OS thread.
//!
//! ```sh
//! cargo run --example pipe_commands
//! ```

use std::error::Error;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use greenroom::{Config, joinall, spawn};

/// How many lines, words and bytes `ls -l` prints of a folder.
fn ls_wc(folder: &Path) -> Result<Vec<usize>, Box<dyn Error + Send + Sync>> {
    let mut ls = Command::new("ls").arg("-l").arg(folder).stdout(Stdio::piped()).spawn()?;
    let pipe = ls.stdout.take().expect("it is piped");
    let out = Command::new("wc").stdin(pipe).output()?; // Python's `communicate`
    ls.wait()?;
    let counts = String::from_utf8(out.stdout)?;
    Ok(counts.split_whitespace().map(str::parse).collect::<Result<_, _>>()?)
}

/// What a command prints, line by line as it comes.
fn follow(script: &str) -> Result<(), Box<dyn Error + Send + Sync>> {
    let mut shell = Command::new("sh").args(["-c", script]).stdout(Stdio::piped()).spawn()?;
    for line in BufReader::new(shell.stdout.take().expect("it is piped")).lines() {
        println!("the shell says {}", line?);
    }
    println!("the shell ended: {}", shell.wait()?);
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    greenroom::patch_all()?;
    Config::new().workers(1).install()?;

    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = ["src/sync", "src/queue", "examples"].map(|folder| root.join(folder));
    let counts = joinall(folders.clone().map(|folder| spawn(move || ls_wc(&folder))));
    for (folder, counts) in folders.iter().zip(counts) {
        let counts = counts?.map_err(|error| error.to_string())?;
        println!("({folder:?}, {counts:?})", folder = folder.strip_prefix(root)?);
    }

    let followed = spawn(|| follow("echo one; sleep 0.1; echo two; exit 3")).join()?;
    followed.map_err(|error| error.to_string())?;
    Ok(())
}
