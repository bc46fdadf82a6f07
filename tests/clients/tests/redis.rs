//! The `redis` crate against redis-server, alone and in an `r2d2` pool.

mod common;

use common::{ms, ready, server, together};
use redis::{Client, Commands, Connection};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;

fn client() -> Client {
    Client::open(format!("redis://{}/", server("GREENROOM_REDIS"))).unwrap()
}

fn connect() -> Connection {
    client().get_connection().unwrap()
}

/// BLPOP of a list that is filled later, by somebody on the same worker.
#[test]
fn blocking_pops() {
    let _alone = ready();
    let begun = Arc::new(AtomicBool::new(false));
    let begin = begun.clone();
    let filler = thread::spawn(move || {
        while !begun.load(SeqCst) {
            thread::sleep(ms(1));
        }
        thread::sleep(ms(400));
        let mut redis = connect();
        for i in 0..20 {
            let _: () = redis.rpush(format!("list-{i}"), i).unwrap();
        }
    });
    let popped = together(20, ms(250), move |i| {
        begin.store(true, SeqCst);
        let list = format!("list-{i}");
        let (_, value): (String, usize) = connect().blpop(&list, 20.0).unwrap();
        value
    });
    assert_eq!(popped, (0..20).collect::<Vec<_>>());
    filler.join().unwrap();
}

#[test]
fn pops_that_time_out() {
    let _alone = ready();
    let none = together(10, ms(1000), |i| {
        connect().blpop::<_, Option<(String, String)>>(format!("empty-{i}"), 1.0).unwrap()
    });
    assert!(none.into_iter().all(|n| n.is_none()));
}

#[test]
fn pipelines() {
    let _alone = ready();
    let sums: Vec<i64> = (0..10)
        .map(|i| {
            thread::spawn(move || {
                let (mut redis, key) = (connect(), format!("count-{i}"));
                let mut pipeline = redis::pipe();
                pipeline.cmd("SET").arg(&key).arg(0).ignore();
                for _ in 0..1000 {
                    pipeline.cmd("INCR").arg(&key).ignore();
                }
                pipeline.cmd("GET").arg(&key);
                let (sum,): (i64,) = pipeline.query(&mut redis).unwrap();
                sum
            })
        })
        .collect::<Vec<_>>()
        .into_iter()
        .map(|t| t.join().unwrap())
        .collect();
    assert_eq!(sums, [1000; 10]);
}

/// Subscribers get every message; publisher and they share the worker.
#[test]
fn publish_and_subscribe() {
    let _alone = ready();
    let subscribers: Vec<_> = (0..10)
        .map(|_| {
            thread::spawn(|| {
                let mut redis = connect();
                let mut channel = redis.as_pubsub();
                channel.subscribe("news").unwrap();
                let mut got = Vec::new();
                while got.len() < 50 {
                    got.push(channel.get_message().unwrap().get_payload::<u32>().unwrap());
                }
                got
            })
        })
        .collect();
    let mut redis = connect();
    let listening = |redis: &mut Connection| -> u32 {
        let (_, n): (String, u32) =
            redis::cmd("PUBSUB").arg("NUMSUB").arg("news").query(redis).unwrap();
        n
    };
    while listening(&mut redis) < 10 {
        thread::sleep(ms(1));
    }
    for i in 0..50 {
        let _: () = redis.publish("news", i).unwrap();
    }
    for subscriber in subscribers {
        assert_eq!(subscriber.join().unwrap(), (0..50).collect::<Vec<u32>>());
    }
}

/// Each connection of the pool may be any manager's; `r2d2` has threads of its
/// own, condition variables with timeouts, and this as the simplest manager.
struct Manager(Client);

impl r2d2::ManageConnection for Manager {
    type Connection = Connection;
    type Error = redis::RedisError;
    fn connect(&self) -> Result<Connection, redis::RedisError> {
        self.0.get_connection()
    }
    fn is_valid(&self, connection: &mut Connection) -> Result<(), redis::RedisError> {
        redis::cmd("PING").query(connection)
    }
    fn has_broken(&self, _: &mut Connection) -> bool {
        false
    }
}

#[test]
fn a_pool_of_connections() {
    let _alone = ready();
    let pool = r2d2::Pool::builder().max_size(5).build(Manager(client())).unwrap();
    let shared = pool.clone();
    together(20, ms(400), move |i| {
        // Four turns on each of five connections.
        let mut redis = shared.get().unwrap();
        let _: () = redis.set(format!("pooled-{i}"), i).unwrap();
        thread::sleep(ms(100));
        let back: usize = redis.get(format!("pooled-{i}")).unwrap();
        assert_eq!(back, i);
    });
    // All taken: one more gives up in time.
    let held: Vec<_> = (0..5).map(|_| pool.get().unwrap()).collect();
    assert!(pool.get_timeout(ms(50)).is_err());
    drop(held);
    assert!(pool.get_timeout(ms(5000)).is_ok());
}
