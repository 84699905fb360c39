//! The bytes between one client and the server: messages in, messages out, and whether the client is still there.

use std::future::pending;

use bytes::{Buf, Bytes, BytesMut};
use pgwire::messages::PgWireBackendMessage;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::messages::violation;
use super::trouble::Trouble;
use crate::failure::Failure;

/// The longest message of a client that has been let in.
const LONGEST: usize = 64 << 20;

/// The longest one before that, as in PostgreSQL.
const LONGEST_OF_STRANGERS: usize = 65_535;

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
}

impl Wire {
    pub(super) fn new(transport: Box<dyn Transport>) -> Self {
        Self {
            transport,
            input: BytesMut::new(),
            output: BytesMut::new(),
            longest: LONGEST_OF_STRANGERS,
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

    /// Sends what waits, once it is worth it.
    ///
    /// # Errors
    /// The connection broke.
    pub(super) async fn send_if_full(&mut self) -> Result<(), Trouble> {
        match self.output.len() < FULL {
            true => Ok(()),
            false => self.flush().await,
        }
    }

    /// Sends what waits.
    ///
    /// # Errors
    /// The connection broke.
    pub(super) async fn flush(&mut self) -> Result<(), Trouble> {
        self.transport.write_all_buf(&mut self.output).await?;
        Ok(self.transport.flush().await?)
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
