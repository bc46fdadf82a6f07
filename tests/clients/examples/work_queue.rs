//! Hand out work through Redis, losing none of it (seed 000: the title's 消息队列, message queue).
//!
//! The unmodified, blocking `redis` client. A worker moves a job from the queue
//! to a list of its own in one step, and removes it there once its result is
//! stored: so each job is in one of the two, whoever dies. Here somebody does.
//!
//! ```sh
//! redis-server &
//! cargo run --example work_queue -- 127.0.0.1:6379
//! ```

use std::collections::BTreeMap;
use std::error::Error;
use std::thread;
use std::time::Duration;

use redis::{Client, Commands, Direction, RedisResult};

const WORKERS: usize = 5;
const PAUSE: Duration = Duration::from_millis(50);

/// The names of the lists and of the results, so that several can share a server.
#[derive(Clone)]
struct Names {
    jobs: String,
    results: String,
}

impl Names {
    /// The jobs that a worker has taken and not done.
    fn doing(&self, worker: usize) -> String {
        format!("{}:doing:{worker}", self.jobs)
    }
}

/// Works until it is told to stop. One that dies leaves its job where it is.
fn work(client: &Client, names: &Names, worker: usize, dies: bool) -> RedisResult<u32> {
    let mut redis = client.get_connection()?;
    let doing = names.doing(worker);
    let mut done = 0;
    loop {
        // Waits for a job, and parks; 0 is for ever.
        let (from, to) = (Direction::Right, Direction::Left);
        let job: String = redis.blmove(&names.jobs, &doing, from, to, 0.0)?;
        if dies {
            return Ok(done);
        }
        if let Ok(n) = job.parse::<u64>() {
            thread::sleep(PAUSE); // the work
            let (name, square) = (&names.results, n * n);
            // Together or not at all; a job that is done twice still counts once.
            let mut both = redis::pipe();
            both.atomic().hset_nx(name, &job, square).ignore().lrem(&doing, 1, &job).ignore();
            both.query::<()>(&mut redis)?;
            done += 1;
        } else {
            redis.lrem::<_, _, ()>(&doing, 1, &job)?; // it says "stop"
            return Ok(done);
        }
    }
}

/// Gives back what a worker had not done; how many jobs that were.
fn give_back(client: &Client, names: &Names, worker: usize) -> RedisResult<u32> {
    let mut redis = client.get_connection()?;
    let mut count = 0;
    let doing = names.doing(worker);
    while redis
        .lmove::<_, _, Option<String>>(&doing, &names.jobs, Direction::Right, Direction::Right)?
        .is_some()
    {
        count += 1;
    }
    Ok(count)
}

pub(crate) struct Report {
    pub(crate) results: BTreeMap<u64, u64>,
    /// By each worker; the last one died.
    pub(crate) done: Vec<u32>,
    pub(crate) given_back: u32,
}

/// Has the numbers below `jobs` squared.
pub(crate) fn run(client: &Client, prefix: &str, jobs: u64) -> Result<Report, Box<dyn Error>> {
    let names = Names { jobs: format!("{prefix}:jobs"), results: format!("{prefix}:results") };
    let mut redis = client.get_connection()?;
    let start = |worker, dies| {
        let (client, names) = (client.clone(), names.clone());
        thread::spawn(move || work(&client, &names, worker, dies))
    };
    let workers: Vec<_> = (0..=WORKERS).map(|n| start(n, n == WORKERS)).collect();
    for job in 0..jobs {
        redis.lpush::<_, _, ()>(&names.jobs, job)?;
    }

    let mut workers = workers.into_iter();
    let mortal = workers.next_back().expect("there are some");
    let mut done = vec![mortal.join().expect("no panic")?];
    let given_back = give_back(client, &names, WORKERS)?;
    while redis.hlen::<_, u64>(&names.results)? < jobs {
        thread::sleep(PAUSE);
    }
    for _ in 0..WORKERS {
        redis.lpush::<_, _, ()>(&names.jobs, "stop")?;
    }
    for worker in workers.rev() {
        done.insert(0, worker.join().expect("no panic")?);
    }
    let results = redis.hgetall(&names.results)?;
    redis.del::<_, ()>((&names.jobs, &names.results))?;
    Ok(Report { results, done, given_back })
}

fn main() -> Result<(), Box<dyn Error>> {
    greenroom::patch_all()?;
    greenroom::Config::new().workers(1).install()?; // all of them on one OS thread
    let server = std::env::args().nth(1).ok_or("usage: work_queue HOST:PORT")?;
    let client = Client::open(format!("redis://{server}/"))?;
    let report = run(&client, &format!("greenroom-{}", std::process::id()), 40)?;
    println!("{:?}", report.results);
    println!("done by each worker: {:?}", report.done);
    println!("given back after a worker died: {}", report.given_back);
    Ok(())
}
