//! `recvmmsg` and `sendmmsg`: many messages by one call.

use super::call::Socket;
use crate::sched::entry::{Kind, LOW_WATER, NO_INFERENCE};
use crate::sys::clock::{self, Nanos};
use crate::sys::errno::Errno;
use crate::sys::raw;
use libc::{MSG_DONTWAIT, MSG_OOB, MSG_WAITALL, MSG_WAITFORONE, c_int, mmsghdr};

impl Socket {
    /// As `recvmmsg`. Its timeout is looked at after each wait that brought
    /// something, as the kernel does: none cuts a wait short.
    ///
    /// # Errors
    /// As `recvmmsg`.
    ///
    /// # Safety
    /// `list` is as `recvmmsg` wants it.
    pub(crate) unsafe fn recv_messages(
        self,
        list: *mut mmsghdr,
        most: usize,
        flags: c_int,
        deadline: Option<Nanos>,
    ) -> Result<usize, Errno> {
        let most = most.min(libc::UIO_MAXIOV as usize);
        if most == 0 {
            // SAFETY: the caller's promise.
            return unsafe { self.recv_at_once(list, 0, flags) }; // the pending error
        }
        let mut done = 0;
        // The last step may have waited, and the number mean another socket.
        while done < most && (done == 0 || self.is_open()) {
            // SAFETY: the caller's promise.
            let next = unsafe {
                let most = if deadline.is_some() { 1 } else { most - done };
                self.recv_some_messages(list.wrapping_add(done), most, flags)
            };
            match next {
                Ok(n) => done += n,
                Err(e) if done == 0 => return Err(e),
                Err(_) => break,
            }
            let late = deadline.is_some_and(|at| clock::now() >= at);
            // SAFETY: the kernel has filled in as many.
            let urgent = unsafe { (*list.wrapping_add(done - 1)).msg_hdr.msg_flags } & MSG_OOB != 0;
            if late || urgent || flags & MSG_WAITFORONE != 0 {
                break;
            }
        }
        Ok(done)
    }

    /// At least one.
    ///
    /// # Safety
    /// As `recv_messages`.
    unsafe fn recv_some_messages(
        self,
        list: *mut mmsghdr,
        most: usize,
        flags: c_int,
    ) -> Result<usize, Errno> {
        let plain = flags & MSG_WAITALL == 0
            && self.entry.flags() & (LOW_WATER | NO_INFERENCE) == 0
            && self.entry.kind() == Kind::Datagram;
        if plain {
            // SAFETY: the caller's promise.
            match unsafe { self.recv_at_once(list, most, flags) } {
                Err(Errno::AGAIN) => {}
                other => return other,
            }
        }
        // SAFETY: the caller's promise; the kernel looks at it first.
        unsafe {
            self.recv_at_once(list, 0, flags)?; // an error comes before data
            let n = self.recv_message(&raw mut (*list).msg_hdr, flags & !MSG_WAITFORONE)?;
            (*list).msg_len = n as u32;
            if flags & MSG_WAITFORONE == 0 || most == 1 {
                return Ok(1);
            }
            Ok(1 + self.recv_at_once(list.wrapping_add(1), most - 1, flags).unwrap_or(0))
        }
    }

    /// What is there already. The kernel keeps an error that comes after the
    /// first message for the next call.
    ///
    /// # Safety
    /// As `recv_messages`.
    unsafe fn recv_at_once(
        self,
        list: *mut mmsghdr,
        most: usize,
        flags: c_int,
    ) -> Result<usize, Errno> {
        let how = (flags | MSG_DONTWAIT) as usize;
        let args = [self.fd as usize, list as usize, most, how, 0, 0];
        // SAFETY: the caller's promise.
        unsafe { raw::syscall(libc::SYS_recvmmsg, args) }
    }

    /// As `sendmmsg`.
    ///
    /// # Errors
    /// As `sendmmsg`.
    ///
    /// # Safety
    /// `list` is as `sendmmsg` wants it.
    pub(crate) unsafe fn send_messages(
        self,
        list: *mut mmsghdr,
        most: usize,
        flags: c_int,
    ) -> Result<usize, Errno> {
        let most = most.min(libc::UIO_MAXIOV as usize);
        let mut done = 0;
        // As in `recv_messages`.
        while done < most && (done == 0 || self.is_open()) {
            let at = list.wrapping_add(done);
            if self.entry.kind() == Kind::Datagram {
                let args = [self.fd as usize, at as usize, most - done];
                let how = (flags | MSG_DONTWAIT) as usize;
                // What goes at once; none of them goes in part.
                // SAFETY: the caller's promise.
                let sent = unsafe {
                    raw::syscall(libc::SYS_sendmmsg, [args[0], args[1], args[2], how, 0, 0])
                };
                match sent {
                    Ok(sent @ 1..) => {
                        done += sent;
                        // It stopped for want of room, or for an error.
                        let room = self.poll_now(libc::POLLOUT) & libc::POLLOUT != 0;
                        if done < most && room {
                            break;
                        }
                        continue;
                    }
                    Ok(_) | Err(Errno::AGAIN) => {}
                    Err(_) if done > 0 => break,
                    other => return other,
                }
            }
            // SAFETY: the caller's promise; the kernel looks at it first.
            let sent = unsafe { self.send_message(&raw const (*at).msg_hdr, flags) };
            match sent {
                // SAFETY: the kernel has just read it.
                Ok(n) => unsafe { (*at).msg_len = n as u32 },
                Err(e) if done == 0 => return Err(e),
                Err(_) => break,
            }
            done += 1;
        }
        Ok(done)
    }
}
