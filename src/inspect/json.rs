//! A dump as JSON.

use super::view::{Dump, Frame, Holder, ThreadDump, ThreadState, WaitsFor};
use std::collections::HashMap;
use std::fmt::Write;
use std::time::Duration;

impl Dump {
    /// As one JSON object. Stacks stand in an array of their own, as many green
    /// threads have the same; each green thread has an index into it, or says
    /// why it has none. Times are in seconds.
    ///
    /// ```
    /// greenroom::spawn(|| ()).join().unwrap();
    /// let json = greenroom::inspect::dump().to_json();
    /// assert!(json.starts_with("{\"threads\":[") && json.ends_with("]}"));
    /// ```
    pub fn to_json(&self) -> String {
        let mut stacks: HashMap<*const Frame, usize> = HashMap::new();
        let mut in_order = Vec::new();
        let threads = list(&self.threads, |out, thread| {
            let stack = thread.backtrace.as_ref().map(|frames| {
                *stacks.entry(frames.as_ptr()).or_insert_with(|| {
                    in_order.push(frames.clone());
                    in_order.len() - 1
                })
            });
            let place = match stack {
                Ok(index) => format!("\"stack\":{index}"),
                Err(why) => format!("\"stack\":null,\"no_stack\":{}", text(&why.to_string())),
            };
            write_thread(out, thread, &place);
        });
        let stacks = list(&in_order, |out, frames| out.push_str(&list(frames, write_frame)));
        let workers = list(&self.workers, |out, worker| {
            let running = or_null(worker.running, |id| id.to_string());
            let _ = write!(
                out,
                "{{\"running\":{running},\"fresh\":{},\"asleep\":{}}}",
                worker.fresh, worker.asleep
            );
        });
        format!(
            "{{\"threads\":{threads},\"not_started\":{},\"missed\":{},\"took\":{},\
             \"workers\":{workers},\"stacks\":{stacks}}}",
            self.not_started,
            self.missed,
            seconds(self.took),
        )
    }
}

fn write_thread(out: &mut String, thread: &ThreadDump, stack: &str) {
    let state = match thread.state {
        ThreadState::Running => "running",
        ThreadState::Runnable => "runnable",
        ThreadState::Waiting => "waiting",
    };
    let _ = write!(
        out,
        "{{\"id\":{},\"name\":{},\"state\":\"{state}\",\"age\":{},\"in_state\":{},\
         \"spawned_at\":{},\"parent\":{},\"worker\":{},\"waits_for\":{},\"deadline\":{},\
         \"stack_size\":{},\"stack_touched\":{},{stack}}}",
        thread.id,
        or_null(thread.name.as_ref(), |name| text(name)),
        or_null(thread.age, seconds),
        or_null(thread.in_state, seconds),
        or_null(thread.spawned_at, |place| text(&place.to_string())),
        or_null(thread.parent, |id| id.to_string()),
        or_null(thread.worker, |worker| worker.to_string()),
        list(&thread.waits_for, write_waits),
        or_null(thread.deadline, seconds),
        thread.stack_size,
        or_null(thread.stack_touched, |bytes| bytes.to_string()),
    );
}

fn write_waits(out: &mut String, waits: &WaitsFor) {
    let _ = match waits {
        WaitsFor::Descriptor { fd, write, what } => {
            let how = if *write { "write" } else { "read" };
            write!(out, "{{\"fd\":{fd},\"to\":\"{how}\",\"what\":{}}}", text(what))
        }
        WaitsFor::Child(pid) => write!(out, "{{\"child\":{pid}}}"),
        WaitsFor::Address(at) => write!(out, "{{\"address\":{at}}}"),
        WaitsFor::Join(id) => write!(out, "{{\"join\":{id}}}"),
        WaitsFor::Job => write!(out, "{{\"job\":true}}"),
        WaitsFor::PoolPlace => write!(out, "{{\"pool_place\":true}}"),
        WaitsFor::PoolEnd => write!(out, "{{\"pool_end\":true}}"),
        WaitsFor::Lock { at, holder } => {
            let _ = write!(out, "{{\"lock\":{at},\"holder\":");
            match holder {
                Holder::Green(id) => write!(out, "{id}}}"),
                Holder::Os(Some(thread)) => write!(out, "\"OS thread {thread}\"}}"),
                Holder::Os(None) => write!(out, "\"OS thread\"}}"),
                Holder::Ended => write!(out, "\"ended\"}}"),
                Holder::Unknown => write!(out, "null}}"),
            }
        }
        WaitsFor::Item(at) => write!(out, "{{\"item\":{at}}}"),
        WaitsFor::Room(at) => write!(out, "{{\"room\":{at}}}"),
        WaitsFor::Permit(at) => write!(out, "{{\"permit\":{at}}}"),
        WaitsFor::Event(at) => write!(out, "{{\"event\":{at}}}"),
        WaitsFor::Condition(at) => write!(out, "{{\"condition\":{at}}}"),
        WaitsFor::Group(at) => write!(out, "{{\"group\":{at}}}"),
        WaitsFor::Scope => write!(out, "{{\"scope\":true}}"),
        WaitsFor::First(arms) => write!(out, "{{\"first_of\":{arms}}}"),
        WaitsFor::Time => write!(out, "{{\"time\":true}}"),
        WaitsFor::Unpark => write!(out, "{{\"unpark\":true}}"),
    };
}

fn write_frame(out: &mut String, frame: &Frame) {
    let file = or_null(frame.file.as_ref(), |file| text(&file.to_string_lossy()));
    let line = or_null(frame.line, |line| line.to_string());
    let function = text(&frame.function);
    let _ = write!(out, "{{\"function\":{function},\"file\":{file},\"line\":{line}}}");
}

fn list<T>(items: &[T], mut write: impl FnMut(&mut String, &T)) -> String {
    let mut out = String::from("[");
    for (nth, item) in items.iter().enumerate() {
        if nth > 0 {
            out.push(',');
        }
        write(&mut out, item);
    }
    out.push(']');
    out
}

fn or_null<T>(value: Option<T>, write: impl FnOnce(T) -> String) -> String {
    value.map_or_else(|| "null".to_owned(), write)
}

fn seconds(time: Duration) -> String {
    format!("{}.{:09}", time.as_secs(), time.subsec_nanos())
}

/// A string in quotes.
fn text(value: &str) -> String {
    let mut out = String::from("\"");
    for c in value.chars() {
        match c {
            '"' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            c if c < ' ' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn strings_are_quoted() {
        assert_eq!(text("a\"b\\c\nd\u{e9}"), "\"a\\\"b\\\\c\\u000ad\u{e9}\"");
    }

    #[test]
    fn an_empty_dump_is_an_object() {
        let json = Dump::default().to_json();
        assert_eq!(
            json,
            "{\"threads\":[],\"not_started\":0,\"missed\":0,\"took\":0.000000000,\
             \"workers\":[],\"stacks\":[]}"
        );
    }
}
