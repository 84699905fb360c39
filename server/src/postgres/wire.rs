//! The bytes between one client and the server: messages in, messages out, and whether the client is still there.

use std::future::pending;

use bytes::{Buf, Bytes, BytesMut};
use pgwire::messages::PgWireBackendMessage;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_util::sync::CancellationToken;

use super::HASTE;
use super::messages::violation;
use super::trouble::Trouble;
use crate::failure::{Failure, SqlState};

/// The longest message of a client that has been let in.
const LONGEST: usize = 64 << 20;

/// The longest statement of one.
const LONGEST_STATEMENT: usize = 16 << 20;

/// The longest message before that, as in PostgreSQL.
const LONGEST_OF_STRANGERS: usize = 65_535;

/// Something is longer than anybody needs it.
pub(super) const PROGRAM_LIMIT_EXCEEDED: SqlState = SqlState("54000");

/// What is sent at a time.
const FULL: usize = 64 << 10;

/// What a client may send ahead while its statement runs.
const AHEAD: usize = 64 << 10;

/// Plain, or in TLS.
pub(super) trait Transport: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Transport for T {}

/// One client's connection.
pub(super) struct Wire {
    transport: Box<dyn Transport>,
    input: BytesMut,
    /// What is to be sent; rows are written into it as they are.
    pub(super) output: BytesMut,
    longest: usize,
    /// The server stops: a client that does not read is not waited for.
    stopping: CancellationToken,
}

impl Wire {
    pub(super) fn new(transport: Box<dyn Transport>, stopping: CancellationToken) -> Self {
        Self {
            transport,
            input: BytesMut::new(),
            output: BytesMut::new(),
            longest: LONGEST_OF_STRANGERS,
            stopping,
        }
    }

    /// The client has proved who it is, and may send more at a time.
    pub(super) fn trust(&mut self) {
        self.longest = LONGEST;
    }

    /// The next message, its kind and its body; `None` when the client has gone.
    ///
    /// # Errors
    /// The connection broke, or the message is too long to be read.
    pub(super) async fn receive(&mut self) -> Result<Option<(u8, Bytes)>, Trouble> {
        loop {
            if let Some(message) = self.complete_message().map_err(Trouble::Fatal)? {
                return Ok(Some(message));
            }
            if self.transport.read_buf(&mut self.input).await? == 0 {
                return Ok(None);
            }
        }
    }

    fn complete_message(&mut self) -> Result<Option<(u8, Bytes)>, Failure> {
        let mut head = &self.input[..];
        let (Ok(kind), Ok(length)) = (head.try_get_u8(), head.try_get_u32()) else {
            return Ok(None);
        };
        // The length counts itself.
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length < 4 {
            return Err(violation(
                "a message says that it is shorter than its length",
            ));
        }
        if length > self.longest {
            return Err(violation(format!(
                "a message of {length} bytes is longer than {}; send less at a time",
                self.longest
            )));
        }
        if matches!(kind, b'Q' | b'P') && length > LONGEST_STATEMENT {
            return Err(Failure::with_state(
                PROGRAM_LIMIT_EXCEEDED,
                format!(
                    "a statement of {length} bytes is longer than {LONGEST_STATEMENT}; send less at a time"
                ),
            ));
        }
        if head.len() < length - 4 {
            return Ok(None);
        }
        let mut message = self.input.split_to(length + 1);
        message.advance(5);
        Ok(Some((kind, message.freeze())))
    }

    /// Puts a message behind those that are to be sent.
    ///
    /// # Errors
    /// It is longer than the protocol allows.
    pub(super) fn send(&mut self, message: PgWireBackendMessage) -> Result<(), Trouble> {
        let encoded = message.encode(&mut self.output);
        encoded.map_err(|error| Trouble::Fatal(violation(error.to_string())))
    }

    /// Is it worth it to send what waits?
    pub(super) fn is_full(&self) -> bool {
        self.output.len() >= FULL
    }

    /// Sends what waits, once it is worth it.
    ///
    /// # Errors
    /// The connection broke.
    pub(super) async fn send_if_full(&mut self) -> Result<(), Trouble> {
        match self.is_full() {
            true => self.flush().await,
            false => Ok(()),
        }
    }

    /// Sends what waits. What is sent before this is dropped is not sent again.
    ///
    /// # Errors
    /// The connection broke, or the server stops and the client does not read.
    pub(super) async fn flush(&mut self) -> Result<(), Trouble> {
        let (transport, output) = (&mut self.transport, &mut self.output);
        let sending = async {
            transport.write_all_buf(output).await?;
            transport.flush().await
        };
        // Slow ones still get what they are told at the end.
        let ending = async {
            self.stopping.cancelled().await;
            tokio::time::sleep(HASTE).await;
        };
        tokio::select! {
            biased;
            sent = sending => Ok(sent?),
            () = ending => Err(Trouble::Gone),
        }
    }

    /// Ends when the client has gone, and sends what waits meanwhile. What the client sends is kept, up to a limit,
    /// beyond which nobody looks.
    pub(super) async fn vanished(&mut self) {
        if self.flush().await.is_err() {
            return;
        }
        while self.input.len() < AHEAD {
            match self.transport.read_buf(&mut self.input).await {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
        }
        pending().await
    }

    /// Says goodbye to the transport; who does not listen is not waited for.
    pub(super) async fn close(&mut self) {
        let _ = self.transport.shutdown().await;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn message(kind: u8, length: usize) -> Result<Option<(u8, Bytes)>, Failure> {
        let mut wire = Wire::new(Box::new(tokio::io::empty()), CancellationToken::new());
        wire.trust();
        wire.input.extend_from_slice(&[kind]);
        let length = u32::try_from(length).unwrap();
        wire.input.extend_from_slice(&length.to_be_bytes());
        wire.complete_message()
    }

    #[test]
    fn messages_are_refused_before_they_are_read() {
        assert_eq!(message(b'Q', LONGEST_STATEMENT), Ok(None));
        assert_eq!(message(b'B', LONGEST), Ok(None));
        for kind in [b'Q', b'P'] {
            let refused = message(kind, LONGEST_STATEMENT + 1);
            assert_eq!(refused.unwrap_err().state, PROGRAM_LIMIT_EXCEEDED);
        }
        assert!(message(b'B', LONGEST + 1).is_err());
    }
}
