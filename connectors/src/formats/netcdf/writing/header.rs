//! Headers of objects, message by message: [`Header`].
//!
//! ```text
//!  OHDR  version flags bytes │ kind size flags order [ message ] │ … │ checksum
//! ```

use super::attributes::Attribute;
use super::checksum::checksum;
use super::types::{UNDEFINED, shape};

/// Kinds of messages.
pub(super) mod kind {
    pub(in super::super) const SHAPE: u8 = 0x01;
    pub(in super::super) const LINK_INFO: u8 = 0x02;
    pub(in super::super) const TYPE: u8 = 0x03;
    pub(in super::super) const FILL_VALUE: u8 = 0x05;
    pub(in super::super) const LINK: u8 = 0x06;
    pub(in super::super) const LAYOUT: u8 = 0x08;
    pub(in super::super) const GROUP_INFO: u8 = 0x0a;
    pub(in super::super) const FILTERS: u8 = 0x0b;
    pub(super) const ATTRIBUTE: u8 = 0x0c;
    pub(super) const ATTRIBUTE_INFO: u8 = 0x15;
}

/// Four bytes tell the size, and the order in which attributes were created is known.
const FLAGS: u8 = 0x02 | 0x04;

/// The header of a group or an array while it is put together.
#[derive(Debug, Default)]
pub(super) struct Header {
    messages: Vec<u8>,
    attributes: u16,
}

impl Header {
    /// Adds a message. The error is its cause in words.
    pub(super) fn message(&mut self, kind: u8, message: &[u8]) -> Result<(), String> {
        self.message_in_order(kind, message, 0)
    }

    fn message_in_order(&mut self, kind: u8, message: &[u8], order: u16) -> Result<(), String> {
        let size = u16::try_from(message.len()).map_err(|_| {
            let bytes = message.len();
            format!(
                "{bytes} bytes are more than fit into the header of an HDF5 file, which are 65535"
            )
        })?;
        self.messages.push(kind);
        self.messages.extend(size.to_le_bytes());
        self.messages.push(0);
        self.messages.extend(order.to_le_bytes());
        self.messages.extend(message);
        Ok(())
    }

    /// Adds an attribute. The error is its cause in words.
    pub(super) fn attribute(&mut self, name: &str, attribute: &Attribute) -> Result<(), String> {
        const VERSION: u8 = 3;
        const UTF8: u8 = 1;
        let shape = shape(&attribute.shape);
        let mut message = vec![VERSION, 0];
        for length in [name.len() + 1, attribute.data_type.len(), shape.len()] {
            message.extend((length as u16).to_le_bytes());
        }
        message.push(UTF8);
        message.extend(name.as_bytes());
        message.push(0);
        message.extend(&attribute.data_type);
        message.extend(shape);
        message.extend(&attribute.bytes);
        let order = self.attributes;
        self.attributes += 1;
        self.message_in_order(kind::ATTRIBUTE, &message, order)
            .map_err(|cause| format!("the attribute {name} is too long: {cause}"))
    }

    /// The header as it stands in the file.
    pub(super) fn finish(mut self) -> Result<Vec<u8>, String> {
        const VERSION: u8 = 2;
        let mut info = vec![0, 1];
        info.extend(self.attributes.to_le_bytes());
        info.extend(UNDEFINED.to_le_bytes());
        info.extend(UNDEFINED.to_le_bytes());
        self.message(kind::ATTRIBUTE_INFO, &info)?;
        let mut header = b"OHDR".to_vec();
        header.extend([VERSION, FLAGS]);
        header.extend((self.messages.len() as u32).to_le_bytes());
        header.extend(&self.messages);
        header.extend(checksum(&header).to_le_bytes());
        Ok(header)
    }
}
