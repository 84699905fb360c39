//! A folder as a ZIP archive, made while it is sent: entry by entry, nothing compressed, for chunks are already.
//!
//! ```text
//!  local header, name, bytes │ … │ central directory: a header per entry │ its end, in 64 bits and in 32
//! ```
//! The format is that of PKWARE's APPNOTE 6.3.9. Sizes and places are written in 64 bits (its 4.5.3) whether they need
//! them or not, so that there is one form of each header.

use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use futures::Stream;
use futures::stream::try_unfold;

use super::grids::Outlet;

/// The version that can read 64-bit sizes.
const VERSION: u16 = 45;
/// Names are UTF-8.
const FLAGS: u16 = 1 << 11;
/// Midnight of 1 January 1980, the first that the format knows: when the chunks were written says nothing.
const TIME: u16 = 0;
const DATE: u16 = (1 << 5) | 1;
/// Stands where the number is in the part with 64 bits.
const ELSEWHERE: u32 = u32::MAX;

/// The archive of the folder at `path`, inside of `owner`, which is removed when the archive is sent.
///
/// # Errors
/// The folder cannot be listed.
pub(super) fn archive(
    path: PathBuf,
    owner: Outlet,
) -> io::Result<impl Stream<Item = io::Result<Bytes>> + Send + 'static> {
    let mut files = vec![];
    list(&path, &mut files)?;
    files.sort_unstable_by(|a, b| b.cmp(a));
    let sending = Sending {
        root: path,
        files,
        directory: Directory::default(),
        _owner: owner,
    };
    Ok(try_unfold(Some(sending), |sending| async move {
        match sending {
            Some(sending) => sending.piece().await.map(Some),
            None => Ok(None),
        }
    }))
}

fn list(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        match entry.file_type()?.is_dir() {
            true => list(&entry.path(), files)?,
            false => files.push(entry.path()),
        }
    }
    Ok(())
}

/// An archive that is being sent.
struct Sending {
    root: PathBuf,
    /// What is not sent yet, the next one last.
    files: Vec<PathBuf>,
    directory: Directory,
    _owner: Outlet,
}

impl Sending {
    /// The next file with its header, at last the directory.
    async fn piece(mut self) -> io::Result<(Bytes, Option<Self>)> {
        let Some(file) = self.files.pop() else {
            return Ok((Bytes::from(self.directory.ended()), None));
        };
        let content = tokio::fs::read(&file).await?;
        let name = file.strip_prefix(&self.root).unwrap_or(&file);
        let mut piece = self.directory.entry(&name.to_string_lossy(), &content);
        piece.extend_from_slice(&content);
        Ok((Bytes::from(piece), Some(self)))
    }
}

/// The directory of an archive, as far as it is sent.
#[derive(Default)]
struct Directory {
    headers: Vec<u8>,
    entries: u64,
    /// Bytes before the next entry.
    sent: u64,
}

impl Directory {
    /// Adds an entry; what is sent before its content.
    fn entry(&mut self, name: &str, content: &[u8]) -> Vec<u8> {
        let size = content.len() as u64;
        let common = |header: &mut Vec<u8>| {
            header.extend_from_slice(&VERSION.to_le_bytes());
            header.extend_from_slice(&FLAGS.to_le_bytes());
            // Stored as it is.
            header.extend_from_slice(&0_u16.to_le_bytes());
            header.extend_from_slice(&TIME.to_le_bytes());
            header.extend_from_slice(&DATE.to_le_bytes());
            header.extend_from_slice(&checksum(content).to_le_bytes());
            header.extend_from_slice(&ELSEWHERE.to_le_bytes());
            header.extend_from_slice(&ELSEWHERE.to_le_bytes());
            header.extend_from_slice(&(name.len() as u16).to_le_bytes());
        };
        let mut local = b"PK\x03\x04".to_vec();
        common(&mut local);
        local.extend_from_slice(&20_u16.to_le_bytes());
        local.extend_from_slice(name.as_bytes());
        local.extend_from_slice(&in_64_bits(&[size, size]));

        let central = &mut self.headers;
        central.extend_from_slice(b"PK\x01\x02");
        central.extend_from_slice(&VERSION.to_le_bytes());
        common(central);
        central.extend_from_slice(&28_u16.to_le_bytes());
        // No comment, first disk, no attributes.
        central.extend_from_slice(&[0; 10]);
        central.extend_from_slice(&ELSEWHERE.to_le_bytes());
        central.extend_from_slice(name.as_bytes());
        central.extend_from_slice(&in_64_bits(&[size, size, self.sent]));
        self.entries += 1;
        self.sent += local.len() as u64 + size;
        local
    }

    /// The directory and its end.
    fn ended(self) -> Vec<u8> {
        let size = self.headers.len() as u64;
        let mut end = self.headers;
        end.extend_from_slice(b"PK\x06\x06");
        end.extend_from_slice(&44_u64.to_le_bytes());
        end.extend_from_slice(&VERSION.to_le_bytes());
        end.extend_from_slice(&VERSION.to_le_bytes());
        end.extend_from_slice(&[0; 8]);
        for number in [self.entries, self.entries, size, self.sent] {
            end.extend_from_slice(&number.to_le_bytes());
        }
        // Where this end is.
        end.extend_from_slice(b"PK\x06\x07");
        end.extend_from_slice(&0_u32.to_le_bytes());
        end.extend_from_slice(&(self.sent + size).to_le_bytes());
        end.extend_from_slice(&1_u32.to_le_bytes());
        // The end in 32 bits, which refers to that in 64.
        end.extend_from_slice(b"PK\x05\x06");
        end.extend_from_slice(&[0; 4]);
        end.extend_from_slice(&[0xff; 12]);
        end.extend_from_slice(&[0; 2]);
        end
    }
}

/// The part of a header that holds numbers of 64 bits.
fn in_64_bits(numbers: &[u64]) -> Vec<u8> {
    let mut part = 1_u16.to_le_bytes().to_vec();
    part.extend_from_slice(&((numbers.len() * 8) as u16).to_le_bytes());
    part.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
    part
}

/// CRC-32 with the polynomial of IEEE 802.3, its bits reversed.
fn checksum(bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = table();
    let rest = bytes.iter().fold(u32::MAX, |rest, byte| {
        TABLE[usize::from(rest as u8 ^ byte)] ^ (rest >> 8)
    });
    !rest
}

const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut rest = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            rest = if rest & 1 == 1 {
                0xedb8_8320 ^ (rest >> 1)
            } else {
                rest >> 1
            };
            bit += 1;
        }
        table[byte] = rest;
        byte += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::checksum;

    #[test]
    fn the_checksum_is_that_of_the_standard() {
        // The check value of CRC-32/ISO-HDLC.
        assert_eq!(checksum(b"123456789"), 0xcbf4_3926);
        assert_eq!(checksum(b""), 0);
    }
}
