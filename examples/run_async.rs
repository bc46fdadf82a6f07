//! Run async functions: asyncio's hello (seeds: 002 asyncio; 001 协程, async and await).
//!
//! Your own code needs no `async`: a green thread that waits lets others run.
//! But some crates are async, and any future runs here: `block_on` waits for
//! it, on a green thread or, as here, on `main`; and a green thread's handle is
//! itself something to `await`, so whatever blocks can be used in async code.
//!
//! ```sh
//! cargo run --example run_async
//! ```

use std::error::Error;
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::thread;
use std::time::Duration;

use greenroom::{Config, JoinError, block_on, spawn};

const PAUSE: Duration = Duration::from_millis(100);

/// `asyncio.sleep`: any blocking call becomes something to wait for.
async fn sleep(time: Duration) -> Result<(), JoinError> {
    spawn(move || greenroom::sleep(time)).await
}

async fn hello() -> Result<(), JoinError> {
    let thread = thread::current();
    println!("Hello world! ({})", thread.name().unwrap_or("?"));
    sleep(PAUSE).await?;
    println!("Hello again! ({})", thread.name().unwrap_or("?"));
    Ok(())
}

async fn work(name: &str, times: u32) -> Result<(), JoinError> {
    for i in 0..times {
        println!("--{name}------{i}-----------");
        sleep(PAUSE).await?;
    }
    Ok(())
}

/// `asyncio.gather` of two: both go on whenever one of them can.
async fn gather<A: Future, B: Future>(a: A, b: B) -> (A::Output, B::Output) {
    let (mut a, mut b) = (pin!(a), pin!(b));
    let (mut from_a, mut from_b) = (None, None);
    poll_fn(move |context| {
        if from_a.is_none()
            && let Poll::Ready(output) = a.as_mut().poll(context)
        {
            from_a = Some(output);
        }
        if from_b.is_none()
            && let Poll::Ready(output) = b.as_mut().poll(context)
        {
            from_b = Some(output);
        }
        match (from_a.take(), from_b.take()) {
            (Some(a), Some(b)) => Poll::Ready((a, b)),
            unfinished => {
                (from_a, from_b) = unfinished;
                Poll::Pending
            }
        }
    })
    .await
}

fn main() -> Result<(), Box<dyn Error>> {
    Config::new().workers(1).install()?;

    // `loop.run_until_complete(hello())`, `asyncio.run(hello())`
    block_on(hello())?;

    // Two tasks on one thread, the one that calls `block_on`.
    let (one, two) = block_on(gather(hello(), hello()));
    one.and(two)?;

    // `asyncio.create_task`: on green threads of their own, on all cores.
    let work1 = spawn(|| block_on(work("work1", 3)));
    let work2 = spawn(|| block_on(work("work2", 5)));
    block_on(async {
        work1.await??;
        work2.await?
    })?;
    println!("both are done");
    Ok(())
}
