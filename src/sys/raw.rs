//! System calls without libc in between: no symbol that the patch could catch,
//! no cancellation point, and the error as a value instead of in `errno`.

use super::errno::Errno;
use std::arch::asm;

/// Splits the kernel's return value: `-4095..=-1` are error numbers.
#[inline]
fn split(ret: isize) -> Result<usize, Errno> {
    if (-4095..0).contains(&ret) { Err(Errno(-ret as i32)) } else { Ok(ret as usize) }
}

/// Makes system call `nr`.
///
/// # Safety
/// The arguments must be what that call asks for; pointers must be valid for
/// what the kernel does through them, or be such that it answers EFAULT.
#[inline(always)] // else its result goes through memory
pub(crate) unsafe fn syscall(nr: libc::c_long, a: [usize; 6]) -> Result<usize, Errno> {
    let ret: isize;
    // SAFETY: the x86-64 system call convention: number and result in rax,
    // arguments in rdi, rsi, rdx, r10, r8, r9; rcx and r11 are clobbered. What
    // the call does to memory is the caller's promise.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") nr as isize => ret,
            in("rdi") a[0], in("rsi") a[1], in("rdx") a[2],
            in("r10") a[3], in("r8") a[4], in("r9") a[5],
            lateout("rcx") _, lateout("r11") _,
            options(nostack),
        );
    }
    split(ret)
}

/// The kernel's number of the calling OS thread.
pub(crate) fn thread_id() -> u32 {
    // SAFETY: takes no arguments.
    unsafe { syscall(libc::SYS_gettid, [0; 6]) }.map_or(0, |tid| tid as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_values() {
        // SAFETY: closing a descriptor that cannot exist.
        let r = unsafe { syscall(libc::SYS_close, [usize::MAX, 0, 0, 0, 0, 0]) };
        assert_eq!(r, Err(Errno::BADF));
        // SAFETY: getpid takes no arguments.
        let pid = unsafe { syscall(libc::SYS_getpid, [0; 6]) };
        assert_eq!(pid, Ok(std::process::id() as usize));
    }

    #[test]
    fn only_the_last_page_of_values_is_errors() {
        assert_eq!(split(-1), Err(Errno(1)));
        assert_eq!(split(-4095), Err(Errno(4095)));
        assert!(split(-4096).is_ok());
        assert_eq!(split(0), Ok(0));
    }
}
