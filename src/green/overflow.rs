//! What a green thread that overflowed its stack says before the program aborts.
//!
//! The signal handler calls this with almost no stack and locks in unknown states, so it
//! only copies bytes: no allocation, no formatting machinery, nothing that can panic.

use std::ops::ControlFlow;

const BEFORE_NAME: &str = " '";
const AFTER_NAME: &str = "' has overflowed its stack (";
const AFTER_SIZE: &str =
    "; see Builder::stack_size)\nfatal runtime error: stack overflow, aborting\n";
const CUT: &str = "...";

/// Long enough for the message with a name of about 300 bytes.
pub(crate) const MESSAGE_LEN: usize = 448;

/// Writes the message for the `what` called `name` with a stack of `stack_bytes` bytes into
/// `buf`, and returns its length. A name too long for `buf` is cut short; a buffer too small
/// even for the rest gets as much of it as fits.
pub(crate) fn message(buf: &mut [u8], what: &str, name: &str, stack_bytes: usize) -> usize {
    let mut digits = [0; 20];
    let (number, unit) = match stack_bytes % 1024 {
        0 => (decimal(stack_bytes / 1024, &mut digits), " KiB"),
        _ => (decimal(stack_bytes, &mut digits), " bytes"),
    };
    let rest = ["\n", what, BEFORE_NAME, AFTER_NAME, unit, AFTER_SIZE];
    let rest = rest.iter().fold(number.len(), |sum, part| sum + part.len());
    let (name, cut) = shorten(name, buf.len().saturating_sub(rest));
    let parts = [
        b"\n",
        what.as_bytes(),
        BEFORE_NAME.as_bytes(),
        name.as_bytes(),
        cut.as_bytes(),
        AFTER_NAME.as_bytes(),
        number,
        unit.as_bytes(),
        AFTER_SIZE.as_bytes(),
    ];
    let written = parts.iter().try_fold(0, |at, part| append(buf, at, part));
    match written {
        ControlFlow::Continue(len) | ControlFlow::Break(len) => len,
    }
}

/// As much of `name` as fits `room` bytes, and what marks that it was cut.
fn shorten(name: &str, room: usize) -> (&str, &'static str) {
    if name.len() <= room {
        return (name, "");
    }
    let Some(room) = room.checked_sub(CUT.len()) else {
        return ("", "");
    };
    let end = (0..=room).rev().find(|at| name.is_char_boundary(*at));
    (end.and_then(|end| name.get(..end)).unwrap_or(""), CUT)
}

/// Copies `part` to `buf` at `at`, and breaks off when the buffer is full.
fn append(buf: &mut [u8], at: usize, part: &[u8]) -> ControlFlow<usize, usize> {
    let mut len = at;
    for byte in part {
        match buf.get_mut(len) {
            Some(place) => *place = *byte,
            None => return ControlFlow::Break(len),
        }
        len += 1;
    }
    ControlFlow::Continue(len)
}

fn decimal(mut number: usize, digits: &mut [u8; 20]) -> &[u8] {
    let mut first = digits.len();
    for (at, digit) in digits.iter_mut().enumerate().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
        first = at;
        if number == 0 {
            break;
        }
    }
    digits.get(first..).unwrap_or(&[])
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHAT: &str = "green thread";

    fn text(room: usize, name: &str, stack_bytes: usize) -> String {
        let mut buf = vec![b'#'; room];
        let len = message(&mut buf, WHAT, name, stack_bytes);
        assert!(buf[len..].iter().all(|byte| *byte == b'#'), "wrote past the length");
        String::from_utf8(buf[..len].to_vec()).unwrap()
    }

    fn full(name: &str, size: &str) -> String {
        format!("\n{WHAT}{BEFORE_NAME}{name}{AFTER_NAME}{size}{AFTER_SIZE}")
    }

    #[test]
    fn the_message_names_the_thread_and_its_stack() {
        let said = text(MESSAGE_LEN, "worker 7", 256 << 10);
        let line = "\ngreen thread 'worker 7' has overflowed its stack \
                    (256 KiB; see Builder::stack_size)\n";
        assert!(said.starts_with(line), "{said}");
        assert!(said.ends_with("\nfatal runtime error: stack overflow, aborting\n"), "{said}");
    }

    #[test]
    fn sizes_that_are_no_whole_kib_are_given_in_bytes() {
        assert_eq!(text(MESSAGE_LEN, "x", 100_000), full("x", "100000 bytes"));
        assert_eq!(text(MESSAGE_LEN, "x", 1023), full("x", "1023 bytes"));
        assert_eq!(text(MESSAGE_LEN, "x", 1024), full("x", "1 KiB"));
        assert_eq!(text(MESSAGE_LEN, "x", 1 << 30), full("x", "1048576 KiB"));
        assert_eq!(text(MESSAGE_LEN, "x", 0), full("x", "0 KiB"));
        let most = format!("{} bytes", usize::MAX);
        assert_eq!(text(MESSAGE_LEN, "x", usize::MAX), full("x", &most));
    }

    #[test]
    fn a_long_name_is_cut_so_that_the_rest_fits() {
        let said = text(MESSAGE_LEN, &"n".repeat(1000), 256 << 10);
        assert_eq!(said.len(), MESSAGE_LEN);
        assert!(said.contains(&format!("nnn{CUT}{AFTER_NAME}256 KiB{AFTER_SIZE}")), "{said}");
        // The longest name that fits is not cut.
        let room = full("", "256 KiB").len();
        assert_eq!(text(room + 5, "abcde", 256 << 10), full("abcde", "256 KiB"));
        assert_eq!(text(room + 5, "abcdef", 256 << 10), full("ab...", "256 KiB"));
        assert_eq!(text(room + 2, "abcdef", 256 << 10), full("", "256 KiB"));
    }

    #[test]
    fn a_name_is_cut_between_characters() {
        let room = full("", "32 KiB").len() + 8;
        assert_eq!(text(room, "ééééé", 32 << 10), full("éé...", "32 KiB"));
    }

    #[test]
    fn any_buffer_is_filled_and_never_overrun() {
        let whole = full("", "32 KiB");
        for room in 0..whole.len() {
            assert_eq!(text(room, "name", 32 << 10), whole[..room]);
        }
    }
}

#[cfg(all(test, not(miri)))]
#[path = "overflow_tests.rs"]
mod in_children;
