//! Pipes.

use super::bytes::{reads, writes};
use super::held::{Held, conversions};
use crate::sched::entry::Kind;
use std::io;
use std::process::Stdio;

/// Makes a pipe: what is written to the one end is read from the other.
///
/// As [`std::io::pipe`], but green threads park.
///
/// # Errors
/// EMFILE or ENFILE without a descriptor left.
///
/// ```
/// use std::io::{Read, Write};
/// let (mut reader, mut writer) = greenroom::io::pipe()?;
/// writer.write_all(b"abc")?;
/// drop(writer);
/// let mut text = String::new();
/// reader.read_to_string(&mut text)?;
/// assert_eq!(text, "abc");
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn pipe() -> io::Result<(PipeReader, PipeWriter)> {
    let (reader, writer) = io::pipe()?;
    let (reader, writer) = (Held::made(reader, Kind::Waitable), Held::made(writer, Kind::Waitable));
    Ok((PipeReader(reader), PipeWriter(writer)))
}

/// The end of a pipe that is read; as [`std::io::PipeReader`].
///
/// ```
/// use std::io::Read;
/// let (mut reader, writer) = greenroom::io::pipe()?;
/// drop(writer);
/// assert_eq!(reader.read(&mut [0; 8])?, 0, "the end");
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct PipeReader(Held<io::PipeReader>);

/// The end of a pipe that is written; as [`std::io::PipeWriter`].
///
/// ```
/// use std::io::Write;
/// let (reader, mut writer) = greenroom::io::pipe()?;
/// drop(reader);
/// assert_eq!(writer.write(b"x").unwrap_err().kind(), std::io::ErrorKind::BrokenPipe);
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct PipeWriter(Held<io::PipeWriter>);

conversions!(PipeReader, io::PipeReader);
conversions!(PipeWriter, io::PipeWriter);
reads!(PipeReader, &PipeReader);
writes!(PipeWriter, &PipeWriter);

impl PipeReader {
    /// Another descriptor for the same end.
    ///
    /// # Errors
    /// EMFILE without a descriptor left.
    ///
    /// ```
    /// let (reader, _writer) = greenroom::io::pipe()?;
    /// let again = reader.try_clone()?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn try_clone(&self) -> io::Result<PipeReader> {
        Ok(PipeReader(self.0.cloned(self.0.try_clone()?)))
    }
}

impl PipeWriter {
    /// Another descriptor for the same end.
    ///
    /// # Errors
    /// EMFILE without a descriptor left.
    ///
    /// ```
    /// let (_reader, writer) = greenroom::io::pipe()?;
    /// let again = writer.try_clone()?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn try_clone(&self) -> io::Result<PipeWriter> {
        Ok(PipeWriter(self.0.cloned(self.0.try_clone()?)))
    }
}

impl From<PipeReader> for Stdio {
    fn from(from: PipeReader) -> Stdio {
        io::PipeReader::from(from).into()
    }
}

impl From<PipeWriter> for Stdio {
    fn from(from: PipeWriter) -> Stdio {
        io::PipeWriter::from(from).into()
    }
}
