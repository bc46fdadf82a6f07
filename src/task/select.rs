//! The `select!` macro. What it does is in `sync/select.rs`.

/// Waits for several things, and does the first that can be done, and none of
/// the others. Green threads park, OS threads block; nothing is spawned or
/// allocated, and nothing is left behind where it waited.
///
/// Each arm is `pattern = operation => expression,`. The operations:
///
/// | operation | waits until | gives |
/// |---|---|---|
/// | `get(queue)` | there is an item, which it takes | as [`Queue::get`](crate::queue::Queue::get) |
/// | `put(queue, item)` | there is room; only then `item` is evaluated | as [`Queue::put`](crate::queue::Queue::put) |
/// | `join(handle)` | the green thread has ended | as [`JoinHandle::join`](crate::JoinHandle::join), which uses `handle` up |
/// | `wait(event)` | an [`Event`](crate::sync::Event) is set, an [`AsyncResult`](crate::sync::AsyncResult) is there | `()`, or a reference to the value |
/// | `access(semaphore)` | there is a permit, which it takes | as [`Semaphore::access`](crate::sync::Semaphore::access) |
/// | `after(duration)` | it has waited for so long | `()` |
/// | `until(instant)` | it is that time | `()` |
/// | `tick(interval)` | the [`Interval`](crate::Interval) ticks | the tick |
///
/// A last arm `default => expression` is done if nothing can be done at once.
///
/// Queues are all three of [`queue`](crate::queue), but not its rendezvous. They,
/// handles and the rest are named by variables or fields, which are looked at
/// twice; the handle of `join` must be mutable, since none but this may wait for
/// it. If several can be done it is not always the first; beginning with
/// `biased;` it is.
///
/// Those who wait here stand in line with those who wait for one thing alone.
///
/// ```
/// use greenroom::queue::Queue;
/// use std::time::Duration;
///
/// let (orders, cancels) = (Queue::new(), Queue::<u32>::new());
/// let theirs = orders.clone();
/// let mut cook = greenroom::spawn(move || theirs.put("soup").map(|()| 1).unwrap());
/// let mut served = Vec::new();
/// loop {
///     greenroom::select! {
///         order = get(orders) => served.push(order.unwrap()),
///         number = get(cancels) => println!("not {}", number.unwrap()),
///         orders = join(cook) => {
///             assert_eq!(orders.unwrap(), 1);
///             break;
///         }
///         _ = after(Duration::from_secs(60)) => panic!("nobody orders"),
///     }
/// }
/// served.extend(orders.try_get());
/// assert_eq!(served, ["soup"]);
///
/// let free = greenroom::select! {
///     _ = get(orders) => false,
///     default => true,
/// };
/// assert!(free);
/// ```
#[macro_export]
macro_rules! select {
    // What to wait for.
    (@arm get ($queue:expr $(,)?)) => { $queue.__getting() };
    (@arm put ($queue:expr, $item:expr $(,)?)) => { $queue.__putting() };
    (@arm join ($handle:expr $(,)?)) => { $handle.__joining() };
    (@arm wait ($event:expr $(,)?)) => { $event.__waiting() };
    (@arm access ($semaphore:expr $(,)?)) => { $semaphore.__accessing() };
    (@arm after ($delay:expr $(,)?)) => { $crate::__select::Arm::after($delay) };
    (@arm until ($time:expr $(,)?)) => { $crate::__select::Arm::until($time) };
    (@arm tick ($interval:expr $(,)?)) => { $interval.__ticking() };

    // What that gives.
    (@give $chosen:ident get ($queue:expr $(,)?)) => { $queue.__got($chosen) };
    (@give $chosen:ident put ($queue:expr, $item:expr $(,)?)) => {{
        let room = $queue.__room($chosen);
        let item = $item;
        $queue.__put_in(room, item)
    }};
    (@give $chosen:ident join ($handle:expr $(,)?)) => { $handle.join() };
    (@give $chosen:ident wait ($event:expr $(,)?)) => { $event.__waited() };
    (@give $chosen:ident access ($semaphore:expr $(,)?)) => { $semaphore.__accessed($chosen) };
    (@give $chosen:ident after $delay:tt) => { () };
    (@give $chosen:ident until $time:tt) => { () };
    (@give $chosen:ident tick ($interval:expr $(,)?)) => { $interval.__ticked() };

    // One arm after the other; each `arm` is a variable of its own.
    (@arms $fair:tt [$($arms:tt)+]) => {
        $crate::select!(@run $fair [$crate::__select::first] { unreachable!("it waits until one can be done") } $($arms)+)
    };
    (@arms $fair:tt [$($arms:tt)+] default => $body:expr $(,)?) => {
        $crate::select!(@run $fair [$crate::__select::try_first] { $body } $($arms)+)
    };
    (@arms $fair:tt [$($arms:tt)*] , $($rest:tt)*) => {
        $crate::select!(@arms $fair [$($arms)*] $($rest)*)
    };
    (@arms $fair:tt [$($arms:tt)*] $gives:pat = $what:ident $of:tt => $body:block $($rest:tt)*) => {
        $crate::select!(@arms $fair [$($arms)* { arm $gives = $what $of => $body }] $($rest)*)
    };
    (@arms $fair:tt [$($arms:tt)*] $gives:pat = $what:ident $of:tt => $body:expr, $($rest:tt)*) => {
        $crate::select!(@arms $fair [$($arms)* { arm $gives = $what $of => $body }] $($rest)*)
    };
    (@arms $fair:tt [$($arms:tt)*] $gives:pat = $what:ident $of:tt => $body:expr) => {
        $crate::select!(@arms $fair [$($arms)* { arm $gives = $what $of => $body }])
    };

    (@run $fair:tt [$first:path] $else:block
        $({ $arm:ident $gives:pat = $what:ident $of:tt => $body:expr })+
    ) => {{
        $(let mut $arm = $crate::select!(@arm $what $of);)+
        $first(&mut [$(&mut $arm),+], $fair);
        $(if let Some(chosen) = $arm.chosen() {
            let _ = chosen; // not all need it
            let $gives = $crate::select!(@give chosen $what $of);
            $body
        } else)+ $else
    }};

    (biased; $($arms:tt)+) => { $crate::select!(@arms false [] $($arms)+) };
    ($($arms:tt)+) => { $crate::select!(@arms true [] $($arms)+) };
}
