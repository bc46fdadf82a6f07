//! Run work in a pool of processes (seeds: 000 六、进程池; 001 进程池; 003 进程池 Process Pool).
//!
//! Functions cannot travel between processes, so the workers are this very
//! program, started with the argument `worker`: it is sent a function's name
//! and an argument in a line, and answers in a line. Waiting for a worker parks
//! a green thread. A worker that crashes takes nobody with it, and is replaced.
//!
//! ```sh
//! cargo run --example use_process_pool
//! ```

use std::error::Error;
use std::io::{self, BufRead, BufReader, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{self, Child, Command};
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{env, thread};

use greenroom::queue::Queue;
use greenroom::{JoinHandle, spawn};

const PAUSE: Duration = Duration::from_secs(1);

/// What a function in a worker returns, or why it does not.
type Answer = Result<String, String>;

/// What workers can do, by name.
fn function(name: &str) -> Option<fn(&str) -> Answer> {
    Some(match name {
        "long_time_task" => long_time_task,
        "square" => |n| match n.parse::<u64>() {
            Ok(n) => Ok((n * n).to_string()),
            Err(error) => Err(error.to_string()),
        },
        "crash" => |_| process::exit(7),
        _ => return None,
    })
}

fn long_time_task(name: &str) -> Answer {
    println!("Run task {name} ({})...", process::id());
    let start = Instant::now();
    thread::sleep(PAUSE);
    Ok(format!("Task {name} runs {:.2} seconds.", start.elapsed().as_secs_f64()))
}

/// A worker's life: a line in, a line out.
fn work() -> io::Result<()> {
    // The parent made its end of the pipe our standard input; it goes both ways.
    let pipe = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    for line in BufReader::new(&pipe).lines() {
        let line = line?;
        let (name, argument) = line.split_once(' ').unwrap_or((&line, ""));
        let answer = match function(name) {
            Some(f) => f(argument),
            None => Err(format!("no function is called {name:?}")),
        };
        match answer {
            Ok(value) => writeln!(&pipe, "ok {value}")?,
            Err(why) => writeln!(&pipe, "error {why}")?,
        }
    }
    Ok(())
}

struct Worker {
    child: Child,
    pipe: BufReader<UnixStream>,
}

impl Worker {
    fn start() -> io::Result<Worker> {
        let (ours, theirs) = UnixStream::pair()?;
        let mut command = Command::new(env::current_exe()?);
        let child = command.arg("worker").stdin(OwnedFd::from(theirs)).spawn()?;
        Ok(Worker { child, pipe: BufReader::new(ours) })
    }

    fn ask(&mut self, name: &str, argument: &str) -> io::Result<Answer> {
        writeln!(self.pipe.get_mut(), "{name} {argument}")?;
        let mut line = String::new();
        self.pipe.read_line(&mut line)?;
        match line.trim_end().split_once(' ') {
            Some(("ok", value)) => Ok(Ok(value.to_owned())),
            Some(("error", why)) => Ok(Err(why.to_owned())),
            _ => Err(io::Error::other(format!("the worker ended: {}", self.child.wait()?))),
        }
    }
}

struct ProcessPool {
    size: usize,
    idle: Queue<Worker>,
}

impl ProcessPool {
    fn new(size: usize) -> io::Result<Arc<ProcessPool>> {
        let idle = Queue::new();
        for _ in 0..size {
            idle.put(Worker::start()?).map_err(io::Error::other)?;
        }
        Ok(Arc::new(ProcessPool { size, idle }))
    }

    /// Calls a function in a worker, and waits for what it returns.
    fn apply(&self, name: &str, argument: &str) -> Answer {
        // If all are busy, this waits its turn.
        let mut worker = self.idle.get().map_err(|error| error.to_string())?;
        let answer = worker.ask(name, argument).unwrap_or_else(|error| {
            worker = Worker::start().map_err(|error| error.to_string())?;
            Err(error.to_string())
        });
        self.idle.put(worker).map_err(|error| error.to_string())?;
        answer
    }

    /// The same without waiting; the callback is called in this process.
    fn apply_async<F>(
        self: &Arc<Self>,
        name: &'static str,
        argument: u32,
        then: F,
    ) -> JoinHandle<()>
    where
        F: FnOnce(Answer) + Send + 'static,
    {
        let pool = self.clone();
        spawn(move || then(pool.apply(name, &argument.to_string())))
    }

    /// Once nobody asks any more: closes the pipes, and waits for the workers.
    fn join(&self) -> io::Result<()> {
        for _ in 0..self.size {
            let Worker { mut child, pipe } = self.idle.get().map_err(io::Error::other)?;
            drop(pipe); // its input ends, and so does its loop
            child.wait()?;
        }
        Ok(())
    }
}

fn print(answer: Answer) {
    println!("{}", answer.unwrap_or_else(|why| format!("error: {why}")));
}

fn main() -> Result<(), Box<dyn Error>> {
    if env::args().nth(1).as_deref() == Some("worker") {
        return Ok(work()?);
    }
    greenroom::patch_all()?;
    println!("Parent process {}.", process::id());
    let pool = ProcessPool::new(4)?;

    // `apply` waits, so these come one after the other.
    for n in 1..=3 {
        print(pool.apply("square", &n.to_string()));
    }

    // `apply_async` does not: four workers, four tasks at once.
    let start = Instant::now();
    let tasks: Vec<_> = (0..4)
        .map(|n| {
            pool.apply_async("long_time_task", n, |answer| {
                println!("callback in {}", process::id());
                print(answer);
            })
        })
        .collect();
    println!("Waiting for all subprocesses done...");
    greenroom::joinall(tasks).into_iter().collect::<Result<Vec<()>, _>>()?;
    println!("4 pauses took as long as {:.1}", start.elapsed().as_secs_f64() / PAUSE.as_secs_f64());

    // What goes wrong in a worker comes back, and the pool goes on.
    print(pool.apply("nothing", ""));
    print(pool.apply("square", "x"));
    print(pool.apply("crash", ""));
    print(pool.apply("square", "12"));

    pool.join()?;
    println!("All subprocesses done.");
    Ok(())
}
