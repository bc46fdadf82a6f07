//! The rest of a transfer after a part of it went through.

use crate::sys::errno::Errno;
use libc::iovec;

/// Repeats `once`, which is told how many bytes have moved, until `len` have;
/// `done` have already. Zero or an error ends it early.
pub(crate) fn until_all(
    mut done: usize,
    len: usize,
    once: impl Fn(usize) -> Result<usize, Errno>,
) -> usize {
    while done > 0 && done < len {
        match once(done) {
            Ok(n) if n > 0 => done += n,
            _ => break,
        }
    }
    done
}

/// How many bytes `list` describes; saturates.
pub(crate) fn total(list: &[iovec]) -> usize {
    list.iter().fold(0, |sum, part| sum.saturating_add(part.iov_len))
}

/// What is left of `list` after its first `done` bytes.
pub(crate) fn rest(list: &[iovec], mut done: usize) -> Vec<iovec> {
    let mut rest = Vec::with_capacity(list.len());
    for part in list {
        let skip = done.min(part.iov_len);
        done -= skip;
        if skip < part.iov_len {
            rest.push(iovec {
                iov_base: part.iov_base.wrapping_byte_add(skip),
                iov_len: part.iov_len - skip,
            });
        }
    }
    rest
}

/// The first `len` bytes of `list`.
pub(crate) fn prefix(list: &[iovec], mut len: usize) -> Vec<iovec> {
    let mut prefix = Vec::new();
    for part in list {
        let iov_len = part.iov_len.min(len);
        len -= iov_len;
        if iov_len > 0 {
            prefix.push(iovec { iov_base: part.iov_base, iov_len });
        }
    }
    prefix
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(lengths: &[usize]) -> Vec<iovec> {
        let at = |i: usize| std::ptr::without_provenance_mut(i * 1000);
        lengths.iter().enumerate().map(|(i, n)| iovec { iov_base: at(i), iov_len: *n }).collect()
    }

    fn plain(list: Vec<iovec>) -> Vec<(usize, usize)> {
        list.into_iter().map(|v| (v.iov_base.addr(), v.iov_len)).collect()
    }

    #[test]
    fn the_rest_starts_inside_a_part() {
        let list = list(&[10, 0, 20, 5]);
        assert_eq!(total(&list), 35);
        assert_eq!(plain(rest(&list, 0)), [(0, 10), (2000, 20), (3000, 5)]);
        assert_eq!(plain(rest(&list, 10)), [(2000, 20), (3000, 5)]);
        assert_eq!(plain(rest(&list, 12)), [(2002, 18), (3000, 5)]);
        assert_eq!(plain(rest(&list, 35)), []);
        assert_eq!(plain(prefix(&list, 12)), [(0, 10), (2000, 2)]);
        assert_eq!(plain(prefix(&list, 99)), plain(rest(&list, 0)));
    }
}
