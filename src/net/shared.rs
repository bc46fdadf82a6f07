//! Methods that several sockets have, as macros: each type is documented as
//! std's is, and a macro is the only way to share methods with their docs.

/// `Read` and `Write` for streams.
macro_rules! stream_io {
    ($($type:ty => $std:ty),*) => {$(
        impl std::io::Read for $type {
            fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
                self.0.recv(buf, 0).unwrap_or_else(|| (&*self.0).read(buf))
            }

            fn read_vectored(
                &mut self,
                bufs: &mut [std::io::IoSliceMut<'_>],
            ) -> std::io::Result<usize> {
                self.0.recv_parts(bufs).unwrap_or_else(|| (&*self.0).read_vectored(bufs))
            }
        }

        impl std::io::Write for $type {
            fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
                self.0.send(buf).unwrap_or_else(|| (&*self.0).write(buf))
            }

            fn write_vectored(
                &mut self,
                bufs: &[std::io::IoSlice<'_>],
            ) -> std::io::Result<usize> {
                self.0.send_parts(bufs).unwrap_or_else(|| (&*self.0).write_vectored(bufs))
            }

            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
    )*};
}
pub(super) use stream_io;

/// Methods that only ask or tell the kernel: `name(argument: type) -> result`.
macro_rules! asks {
    ($($(#[$doc:meta])* $name:ident($($arg:ident: $ty:ty),*) -> $result:ty;)*) => {$(
        $(#[$doc])*
        ///
        /// # Errors
        /// Those of std's method of that name.
        pub fn $name(&self, $($arg: $ty),*) -> std::io::Result<$result> {
            self.0.$name($($arg),*)
        }
    )*};
}
pub(super) use asks;

/// What every socket has; `$of` is std's type.
macro_rules! every_socket {
    ($type:ident) => {
        /// Another descriptor for the same socket.
        ///
        /// # Errors
        /// EMFILE without a descriptor left.
        pub fn try_clone(&self) -> std::io::Result<$type> {
            Ok($type(self.0.cloned(self.0.try_clone()?)))
        }

        /// Makes calls fail with [`WouldBlock`](std::io::ErrorKind::WouldBlock)
        /// where they would wait, on green threads as well.
        ///
        /// # Errors
        /// Those of std's method of that name.
        pub fn set_nonblocking(&self, nonblocking: bool) -> std::io::Result<()> {
            self.0.set_nonblocking(nonblocking)
        }

        /// The socket's pending error, which is taken from it.
        ///
        /// # Errors
        /// Those of std's method of that name.
        pub fn take_error(&self) -> std::io::Result<Option<std::io::Error>> {
            self.0.take_error()
        }
    };
}
pub(super) use every_socket;

/// Timeouts.
macro_rules! timeouts {
    () => {
        /// After which a call that receives fails with
        /// [`WouldBlock`](std::io::ErrorKind::WouldBlock); `None`: never.
        ///
        /// # Errors
        /// InvalidInput for a timeout of zero.
        pub fn set_read_timeout(&self, dur: Option<std::time::Duration>) -> std::io::Result<()> {
            self.0.note_timeouts(self.0.set_read_timeout(dur))
        }

        /// As `set_read_timeout`, of calls that send.
        ///
        /// # Errors
        /// InvalidInput for a timeout of zero.
        pub fn set_write_timeout(&self, dur: Option<std::time::Duration>) -> std::io::Result<()> {
            self.0.note_timeouts(self.0.set_write_timeout(dur))
        }

        /// What `set_read_timeout` set.
        ///
        /// # Errors
        /// Those of std's method of that name.
        pub fn read_timeout(&self) -> std::io::Result<Option<std::time::Duration>> {
            self.0.read_timeout()
        }

        /// What `set_write_timeout` set.
        ///
        /// # Errors
        /// Those of std's method of that name.
        pub fn write_timeout(&self) -> std::io::Result<Option<std::time::Duration>> {
            self.0.write_timeout()
        }
    };
}
pub(super) use timeouts;
