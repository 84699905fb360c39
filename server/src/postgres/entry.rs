//! The first bytes of a connection: TLS or not, and whether somebody wants in or wants a statement to be cancelled.
//!
//! ```text
//!  0x16 ─────────────▶ TLS at once, with the protocol "postgresql" ─┐
//!  SSLRequest ─▶ S or N ─▶ TLS                                     ─┼─▶ startup, or cancel request
//!  GSSENCRequest ─▶ N ─▶ once more                                 ─┘
//! ```

use std::sync::Arc;

use bytes::Bytes;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::messages::{Body, violation};
use super::trouble::Trouble;
use super::wire::Transport;

/// What clients that begin with TLS call this protocol.
const PROTOCOL: &[u8] = b"postgresql";

/// The first byte of TLS.
const HANDSHAKE: u8 = 0x16;

/// The longest first message, as in PostgreSQL.
const LONGEST: u32 = 10_000;

const SSL_REQUEST: u32 = 80_877_103;
const GSS_REQUEST: u32 = 80_877_104;
const CANCEL_REQUEST: u32 = 80_877_102;

/// What a connection turned out to be.
pub(super) enum Entry {
    /// Somebody wants in.
    Startup {
        transport: Box<dyn Transport>,
        /// Is it inside of TLS?
        is_encrypted: bool,
        /// The version of the protocol: 3.0 is 196608.
        version: u32,
        parameters: Body,
    },
    /// The statement of another connection is to be cancelled.
    Cancel { number: i32, secret: i32 },
}

/// TLS for this protocol: with the certificate of all doors, and the name that clients know it by.
pub(super) fn acceptor(config: &ServerConfig) -> TlsAcceptor {
    let mut config = config.clone();
    config.alpn_protocols = vec![PROTOCOL.to_vec()];
    TlsAcceptor::from(Arc::new(config))
}

/// Reads until it is known what the connection is for.
///
/// # Errors
/// The client broke the protocol, or went away.
pub(super) async fn enter(
    mut stream: TcpStream,
    tls: Option<&TlsAcceptor>,
) -> Result<Entry, Trouble> {
    let mut first = [0];
    stream.peek(&mut first).await?;
    if first == [HANDSHAKE] {
        let tls = tls.ok_or(Trouble::Gone)?;
        let stream = tls.accept(stream).await?;
        if stream.get_ref().1.alpn_protocol() != Some(PROTOCOL) {
            return Err(Trouble::Gone);
        }
        return inside(Box::new(stream), true).await;
    }
    // One question about each way to encrypt.
    for _ in 0..2 {
        let (code, rest) = packet(&mut stream).await?;
        match (code, tls) {
            (SSL_REQUEST, Some(tls)) => {
                stream.write_all(b"S").await?;
                return inside(Box::new(tls.accept(stream).await?), true).await;
            }
            (SSL_REQUEST | GSS_REQUEST, _) => stream.write_all(b"N").await?,
            _ => return entry(Box::new(stream), false, code, rest),
        }
    }
    inside(Box::new(stream), false).await
}

async fn inside(mut transport: Box<dyn Transport>, is_encrypted: bool) -> Result<Entry, Trouble> {
    let (code, rest) = packet(&mut transport).await?;
    entry(transport, is_encrypted, code, rest)
}

fn entry(
    transport: Box<dyn Transport>,
    is_encrypted: bool,
    version: u32,
    rest: Bytes,
) -> Result<Entry, Trouble> {
    let mut parameters = Body(rest);
    if version != CANCEL_REQUEST {
        return Ok(Entry::Startup {
            transport,
            is_encrypted,
            version,
            parameters,
        });
    }
    let mut number = || Ok::<_, Trouble>(parameters.u32()?.cast_signed());
    Ok(Entry::Cancel {
        number: number()?,
        secret: number()?,
    })
}

/// A message without a kind: its code, and the rest. Not a byte more is read, because TLS may follow.
async fn packet(stream: &mut (impl AsyncRead + Unpin)) -> Result<(u32, Bytes), Trouble> {
    let length = stream.read_u32().await?;
    if !(8..=LONGEST).contains(&length) {
        return Err(Trouble::Fatal(violation(
            "this is not PostgreSQL's protocol",
        )));
    }
    let code = stream.read_u32().await?;
    let mut rest = vec![0; usize::try_from(length - 8).unwrap_or_default()];
    stream.read_exact(&mut rest).await?;
    Ok((code, Bytes::from(rest)))
}
