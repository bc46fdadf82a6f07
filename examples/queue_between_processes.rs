//! Share one queue between processes (seeds: 000 三、进程Queue; 001 多进程间的数据通讯; 003 多进程共享资源).
//!
//! A queue of one process is no other's, so one process keeps it and does what
//! the others ask, as Python's `Manager().Queue()` does. Here the parent keeps
//! it: one green thread per child takes requests from the child's pipe, and a
//! `get` that waits for an item parks that one alone.
//!
//! ```sh
//! cargo run --example queue_between_processes
//! ```

use std::error::Error;
use std::io::{self, BufRead, BufReader, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command};
use std::time::Duration;
use std::{env, thread};

use greenroom::queue::Queue;

/// The keeper's side: does what one child asks, until it closes its pipe.
fn serve(queue: Queue<String>, pipe: UnixStream) -> io::Result<()> {
    for request in BufReader::new(&pipe).lines() {
        match request?.split_once(' ') {
            Some(("put", item)) => queue.put(item.to_owned()).map_err(io::Error::other)?,
            Some(("close", _)) => queue.shutdown(false),
            _ => match queue.get() {
                Ok(item) => writeln!(&pipe, "item {item}")?,
                Err(_closed_and_empty) => writeln!(&pipe, "end")?,
            },
        }
    }
    Ok(())
}

/// The children's side: the queue that is somewhere else.
struct RemoteQueue(BufReader<UnixStream>);

impl RemoteQueue {
    fn put(&mut self, item: impl std::fmt::Display) -> io::Result<()> {
        writeln!(self.0.get_mut(), "put {item}")
    }

    /// Waits for an item; `None` once the queue is closed and empty.
    fn get(&mut self) -> io::Result<Option<String>> {
        writeln!(self.0.get_mut(), "get ")?;
        let mut answer = String::new();
        self.0.read_line(&mut answer)?;
        Ok(answer.trim_end().strip_prefix("item ").map(str::to_owned))
    }

    fn close(&mut self) -> io::Result<()> {
        writeln!(self.0.get_mut(), "close ")
    }
}

/// Takes a number, counts on, and puts it back.
fn work(name: &str, queue: &mut RemoteQueue) -> Result<(), Box<dyn Error>> {
    let mut a: u64 = queue.get()?.ok_or("an empty queue")?.parse()?;
    for _ in 0..5_000_000 {
        a += 1;
    }
    queue.put(a)?;
    println!("{name} {a}");
    Ok(())
}

fn write(queue: &mut RemoteQueue) -> Result<(), Box<dyn Error>> {
    for value in ['A', 'B', 'C', 'D'] {
        println!("Put {value} to Queue!");
        queue.put(value)?;
        thread::sleep(Duration::from_millis(20));
    }
    Ok(queue.close()?)
}

fn read(queue: &mut RemoteQueue) -> Result<(), Box<dyn Error>> {
    while let Some(value) = queue.get()? {
        println!("Get {value} from Queue");
    }
    Ok(())
}

/// Starts a child with a pipe, its standard input, to `queue`.
fn start(task: &str, queue: &Queue<String>) -> io::Result<Child> {
    let (ours, theirs) = UnixStream::pair()?;
    let child = Command::new(env::current_exe()?).arg(task).stdin(OwnedFd::from(theirs)).spawn()?;
    let queue = queue.clone();
    greenroom::spawn(move || serve(queue, ours));
    Ok(child)
}

fn parent() -> Result<(), Box<dyn Error>> {
    greenroom::patch_all()?;
    let q = Queue::new();
    q.put("0".to_owned())?;
    let children = [start("work1", &q)?, start("work2", &q)?];
    for mut child in children {
        child.wait()?;
    }
    println!("{}", q.get()?);

    let q = Queue::new();
    let children = [start("write", &q)?, start("read", &q)?];
    for mut child in children {
        child.wait()?;
    }
    println!("all was written and read");
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let Some(task) = env::args().nth(1) else { return parent() };
    let pipe = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    let mut queue = RemoteQueue(BufReader::new(pipe));
    match task.as_str() {
        "write" => write(&mut queue),
        "read" => read(&mut queue),
        name => work(name, &mut queue),
    }
}
