//! What is said on stderr about a green thread: its panic, its overflow, and
//! that it could not start.

use super::face::{self, Face};
use super::overflow;
use super::record::Record;
pub(crate) use super::say::say;
use super::warn::warn;
use super::{cancel, current};
use crate::stack;
use crate::sys::fault::{self, Fault};
use std::io::{self, Write};
use std::panic::{self, PanicHookInfo};
use std::thread;

/// Whether the fault is an overflow of the running green thread, or of a
/// generator or the like that runs here; says so if it is. For the fault handler.
pub(crate) fn overflow(fault: &Fault) -> bool {
    match stack::overflown(fault.address, fault.stack_pointer) {
        Some(it) => say_overflow(it.what, it.name, it.bytes),
        None => standing(fault).is_some_and(|record| own_overflow(record, fault.address)),
    }
}

/// Who has overflowed: found by its stack, as one that is about to suspend has hidden.
fn standing<'a>(fault: &Fault) -> Option<&'a Record> {
    let owner = stack::atlas::overflown_of(fault.address, fault.stack_pointer);
    // SAFETY: the record of one that runs here, since its stack does.
    owner.and_then(|record| unsafe { record.cast::<Record>().as_ref() }).or_else(current::get)
}

fn own_overflow(record: &Record, address: usize) -> bool {
    if !record.guard().contains(&address) {
        return false;
    }
    let face = Face::of(record);
    if face.is_some_and(Face::knows_its_stack) && fault::is_chained() {
        return false; // std's own handler is next, and knows the whole name
    }
    let name = face.map(Face::name);
    let name = match &name {
        Some(name) => face::text(name),
        None => record.name().unwrap_or("<unnamed>"),
    };
    say_overflow("green thread", name, record.class().bytes())
}

fn say_overflow(what: &str, name: &str, bytes: usize) -> bool {
    let mut text = [0; overflow::MESSAGE_LEN];
    let length = overflow::message(&mut text, what, name, bytes);
    say(&text[..length]);
    true
}

/// Says that `record` never ran; its joiner gets the error too, but it may
/// have none.
pub(crate) fn not_started(record: &Record, why: &io::Error) {
    let name = record.name().unwrap_or("<unnamed>");
    warn(format!("green thread '{name}' could not start: {why}"));
}

/// Lets panics on green threads name the green thread instead of its worker.
///
/// Only std's own report is replaced. A program that has set a hook gets its
/// own, as on OS threads, and `greenroom::current()` tells it who panicked.
pub(crate) fn install_panic_hook() {
    if thread::panicking() {
        return; // the hook cannot be changed now
    }
    let before = panic::take_hook();
    // The hook is std's own now; taking it makes the same type again.
    let default = panic::take_hook();
    let is_default = same_type(&*before, &*default);
    panic::set_hook(if is_default {
        Box::new(move |info| report_panic(info, &*default))
    } else {
        // Std counts "inside a hook" per OS thread: two green threads of one
        // worker inside it at a time would abort. So it may block, not park.
        Box::new(move |info| {
            if is_no_failure(info) {
                return;
            }
            let _inside = current::Inside::enter();
            before(info)
        })
    });
}

type Hook<'a> = &'a (dyn Fn(&PanicHookInfo<'_>) + Sync + Send + 'static);

/// Whether both are of one type: closures cannot be compared, vtables can. A
/// false "no" only keeps the hook as it is.
fn same_type(a: Hook<'_>, b: Hook<'_>) -> bool {
    let vtable = |hook: Hook<'_>| {
        // SAFETY: a reference to a trait object is a data and a vtable pointer.
        let [_, vtable] = unsafe { std::mem::transmute::<Hook<'_>, [*const (); 2]>(hook) };
        vtable
    };
    vtable(a) == vtable(b)
}

/// Whether that panic is only how a kill or a timeout ends std's sleep.
fn is_no_failure(info: &PanicHookInfo<'_>) -> bool {
    info.payload_as_str().is_some_and(cancel::is_end_of_sleep)
}

/// What std prints, with the green thread's name.
fn report_panic(info: &PanicHookInfo<'_>, default: Hook<'_>) {
    if is_no_failure(info) {
        return;
    }
    // A pthread has a name that std knows.
    let Some(record) = current::get().filter(|r| !r.is_pthread()) else {
        return default(info);
    };
    // Stderr may be a socket; its lock must not be held across a park.
    let _inside = current::Inside::enter();
    let name = record.name().unwrap_or("<unnamed>");
    let place = info.location().map_or_else(String::new, ToString::to_string);
    let text = info.payload_as_str().unwrap_or("Box<dyn Any>");
    let backtrace = std::backtrace::Backtrace::capture();
    let trace = match backtrace.status() {
        std::backtrace::BacktraceStatus::Captured => {
            let full = std::env::var_os("RUST_BACKTRACE").is_some_and(|v| v == "full");
            let text = backtrace.to_string();
            format!("stack backtrace:\n{}", if full { &text } else { short(&text) })
        }
        _ => "note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace\n"
            .to_owned(),
    };
    // As std's hook: without a stderr there is nobody to tell, and a panic
    // inside the hook would abort.
    let id = record.id();
    let _ = write!(
        io::stderr(),
        "\ngreen thread '{name}' ({id}) panicked at {place}:\n{text}\n{trace}"
    );
}

/// The part of a backtrace that is the user's: without what std does to panic
/// and what we do to run him, as std's own report leaves them out.
fn short(trace: &str) -> &str {
    let line_of = |what: &str| {
        let at = trace.find(what)?;
        Some(trace[..at].rfind('\n').map_or(0, |newline| newline + 1))
    };
    let start = line_of("rust_begin_unwind").unwrap_or(0);
    let end = line_of("greenroom::task::body::run").filter(|end| *end > start);
    &trace[start..end.unwrap_or(trace.len())]
}

#[cfg(test)]
mod tests {
    use super::short;

    #[test]
    fn the_users_frames_remain() {
        let ours = "  16: greenroom::task::body::run\n             at ./src/task/body.rs\n";
        let std = "   0: greenroom::green::report::report_panic\n             at x.rs:1\n";
        let user = "   6: __rustc::rust_begin_unwind\n   7: my::function\n             at y.rs\n";
        assert_eq!(short(&format!("{std}{user}{ours}")), user);
        assert_eq!(short(user), user);
        assert_eq!(short(""), "");
    }
}
