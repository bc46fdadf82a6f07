//! Put what happens into a queue, and call who handles it (seed 000: 八、事件驱动模型).
//!
//! The sources of events, here a clock and a mouse, know nothing of those who
//! handle them; one loop takes each event and calls its handlers. They run one
//! after the other, so they share state without locks.
//!
//! ```sh
//! cargo run --example handle_events
//! ```

use std::error::Error;
use std::time::Duration;

use greenroom::queue::Queue;
use greenroom::{sleep, spawn};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    Tick(u32),
    Click { x: i32, y: i32 },
    Quit,
}

type Wanted = fn(&Event) -> bool;
type Handler<State> = fn(&mut State, Event);

/// Which functions want to know of which events.
struct Dispatcher<State> {
    handlers: Vec<(Wanted, Handler<State>)>,
}

impl<State> Dispatcher<State> {
    fn new() -> Self {
        Dispatcher { handlers: Vec::new() }
    }

    fn on(mut self, wanted: Wanted, handler: Handler<State>) -> Self {
        self.handlers.push((wanted, handler));
        self
    }

    /// Until somebody says `Quit`.
    fn run(&self, events: Queue<Event>, state: &mut State) {
        for event in events.into_iter().take_while(|event| *event != Event::Quit) {
            for (_, handler) in self.handlers.iter().filter(|(wanted, _)| wanted(&event)) {
                handler(state, event);
            }
        }
    }
}

#[derive(Default)]
struct Counts {
    ticks: u32,
    clicks: u32,
}

fn main() -> Result<(), Box<dyn Error>> {
    let events = Queue::new();
    let (clock, mouse) = (events.clone(), events.clone());
    let clock = spawn(move || {
        for n in 0..5 {
            sleep(Duration::from_millis(10));
            clock.put(Event::Tick(n)).expect("it is open");
        }
    });
    let mouse = spawn(move || {
        for n in 0..3 {
            sleep(Duration::from_millis(15));
            mouse.put(Event::Click { x: n, y: 10 * n }).expect("it is open");
        }
    });
    let quitter = events.clone();
    spawn(move || {
        greenroom::joinall([clock, mouse]);
        quitter.put(Event::Quit).expect("it is open");
    });

    let mut counts = Counts::default();
    Dispatcher::new()
        .on(|event| matches!(event, Event::Tick(_)), |counts: &mut Counts, _| counts.ticks += 1)
        .on(|event| matches!(event, Event::Click { .. }), |counts, _| counts.clicks += 1)
        .on(|event| matches!(event, Event::Click { .. }), |_, event| println!("{event:?}"))
        .run(events, &mut counts);
    println!("{} ticks and {} clicks", counts.ticks, counts.clicks);
    Ok(())
}
