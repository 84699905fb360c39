//! The values of one row of text: [`Fields`].

/// More values than a table has columns: those behind are not looked at.
const MOST: usize = 1 << 16;

/// The values, one behind the other.
#[derive(Default)]
pub(super) struct Fields {
    bytes: Vec<u8>,
    /// Where each value ends, and whether it is one.
    ends: Vec<(usize, bool)>,
}

impl Fields {
    /// Forgets the row.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    /// Puts a byte behind the value that is being read.
    pub(super) fn push(&mut self, byte: u8) {
        self.bytes.push(byte);
    }

    /// The value that is being read, so far.
    pub(super) fn current(&self) -> &[u8] {
        &self.bytes[self.start()..]
    }

    /// The value ends here, and is NULL or what has been read of it.
    pub(super) fn end(&mut self, is_null: bool) {
        if is_null {
            self.bytes.truncate(self.start());
        }
        if self.ends.len() < MOST {
            self.ends.push((self.bytes.len(), is_null));
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The values; `None` for NULL.
    pub(super) fn iter(&self) -> impl Iterator<Item = Option<&[u8]>> {
        let starts = std::iter::once(0).chain(self.ends.iter().map(|(end, _)| *end));
        let values = starts.zip(&self.ends);
        values.map(|(start, (end, is_null))| (!is_null).then(|| &self.bytes[start..*end]))
    }

    fn start(&self) -> usize {
        self.ends.last().map_or(0, |(end, _)| *end)
    }
}
