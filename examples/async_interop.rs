//! Futures and green threads together: futures are waited for on green threads,
//! and green threads are awaited in futures, here in those of a small executor.
//! With tokio it is the same: `handle.await` in its tasks, and
//! `greenroom::block_on(runtime.spawn(future))` on a green thread.
//!
//! ```sh
//! cargo run --example async_interop
//! ```

use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};
use std::thread;
use std::time::Duration;

use greenroom::queue::Queue;
use greenroom::sync::Mutex;
use greenroom::{block_on, green_local, sleep, spawn};

green_local! {
    /// Who asked. Green threads that work for him inherit it.
    #[inherit]
    static ASKED_BY: std::cell::Cell<u32> = std::cell::Cell::new(0);
}

/// An executor of one OS thread: tasks that are woken stand in its queue.
struct Task {
    future: Mutex<Option<Pin<Box<dyn Future<Output = ()> + Send>>>>,
    woken: Queue<Arc<Task>>,
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        let _ = self.woken.clone().put(self);
    }
}

fn execute(tasks: Queue<Arc<Task>>) {
    for task in tasks {
        let waker = Waker::from(task.clone());
        let mut future = task.future.lock();
        let poll = future.as_mut().map(|f| f.as_mut().poll(&mut Context::from_waker(&waker)));
        if poll.is_none_or(|poll| poll.is_ready()) {
            *future = None;
        }
    }
}

/// Blocking code, as green threads run it.
fn look_up(word: &'static str) -> String {
    sleep(Duration::from_millis(10));
    format!("{word} for {}", ASKED_BY.get())
}

/// Asynchronous code, which awaits green threads.
async fn meal(guest: u32) -> String {
    ASKED_BY.set(guest);
    let (first, second) = (spawn(|| look_up("soup")), spawn(|| look_up("bread")));
    format!("{}, {}", first.await.unwrap(), second.await.unwrap())
}

fn run() -> Result<Vec<String>, Box<dyn Error>> {
    let (tasks, served) = (Queue::new(), Queue::new());
    let executor = thread::spawn({
        let tasks = tasks.clone();
        move || execute(tasks)
    });
    for guest in 1..=3 {
        let served = served.clone();
        let future = async move { served.put(meal(guest).await).unwrap() };
        let future = Mutex::new(Some(Box::pin(future) as Pin<Box<_>>));
        tasks.put(Arc::new(Task { future, woken: tasks.clone() }))?;
    }
    // And a future on a green thread.
    let fourth = spawn(|| block_on(meal(4)));
    let mut meals = (0..3).map(|_| served.get()).collect::<Result<Vec<_>, _>>()?;
    meals.push(fourth.join()?);
    tasks.shutdown(false);
    executor.join().map_err(|_| "the executor panicked")?;
    meals.sort();
    Ok(meals)
}

fn main() -> Result<(), Box<dyn Error>> {
    run()?.iter().for_each(|meal| println!("{meal}"));
    Ok(())
}

#[test]
fn everybody_is_served() {
    let expected: Vec<_> = (1..=4).map(|n| format!("soup for {n}, bread for {n}")).collect();
    assert_eq!(run().unwrap(), expected);
}
