//! Bytes that no driver sends: clients that lie, stall, vanish, or never read; and too many of them.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use libtest_mimic::{Failed, Trial};
use tempfile::TempDir;

use super::{configuration, server};
use crate::serving::Server;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A query that never ends, and says nothing while it runs.
const ENDLESS: &str = "SELECT max(value) FROM generate_series(1, 1000000000000)";

/// A connection without a driver.
struct Raw(TcpStream);

impl Raw {
    fn open(server: &Server) -> Result<Self, Failed> {
        let stream = TcpStream::connect(("127.0.0.1", server.port("postgresql")))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self(stream))
    }

    /// Connects and waits until the server is ready; its number and its secret.
    fn ready(server: &Server) -> Result<(Self, [u8; 8]), Failed> {
        let mut raw = Self::open(server)?;
        raw.0.write_all(&startup())?;
        let mut key = [0; 8];
        loop {
            let (kind, body) = raw.message()?.ok_or("the server hung up")?;
            match kind {
                b'K' => key.copy_from_slice(&body),
                b'Z' => return Ok((raw, key)),
                b'E' => return Err(text(&body).into()),
                _ => {}
            }
        }
    }

    fn send(&mut self, kind: u8, body: &[u8]) -> Result<(), Failed> {
        self.0.write_all(&message(kind, body))?;
        Ok(())
    }

    fn query(&mut self, statement: &str) -> Result<(), Failed> {
        self.send(b'Q', &[statement.as_bytes(), b"\0"].concat())
    }

    /// The next message; `None` where the server has hung up.
    fn message(&mut self) -> Result<Option<(u8, Vec<u8>)>, Failed> {
        let mut head = [0; 5];
        match self.0.read_exact(&mut head) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return Ok(None),
            Err(error) => return Err(error.into()),
        }
        let length = u32::from_be_bytes(head[1..].try_into()?) as usize;
        let mut body = vec![0; length.checked_sub(4).ok_or("a length below four")?];
        self.0.read_exact(&mut body)?;
        Ok(Some((head[0], body)))
    }

    /// Messages up to the one of this kind, or to the end; their kinds, and the text of the last error.
    fn until(&mut self, wanted: u8) -> Result<(String, String), Failed> {
        let (mut kinds, mut error) = (String::new(), String::new());
        while let Some((kind, body)) = self.message()? {
            kinds.push(char::from(kind));
            if kind == b'E' {
                error = text(&body);
            }
            if kind == wanted {
                break;
            }
        }
        Ok((kinds, error))
    }
}

fn startup() -> Vec<u8> {
    let mut body = 196_608_u32.to_be_bytes().to_vec();
    body.extend(b"user\0ada\0\0");
    let length = u32::try_from(body.len() + 4).unwrap();
    [&length.to_be_bytes()[..], &body].concat()
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap();
    [&[kind], &length.to_be_bytes()[..], body].concat()
}

fn text(body: &[u8]) -> String {
    String::from_utf8_lossy(body).replace('\0', " ")
}

/// Is the server still at the service of others?
fn serves(server: &Server) -> Result<(), Failed> {
    let (mut raw, _) = Raw::ready(server)?;
    raw.query("SELECT 1")?;
    let (kinds, error) = raw.until(b'Z')?;
    assert_eq!((kinds.as_str(), error.as_str()), ("TDCZ", ""));
    Ok(())
}

fn malformed() -> Result<(), Failed> {
    let server = server()?;
    // In a session: an error, and then the session goes on.
    for (kind, body) in [
        (b'Q', b"no end".as_slice()),
        (b'Q', b"\xff\xfe\0"),
        (b'Q', b"SELECT '\0"),
    ] {
        let (mut raw, _) = Raw::ready(&server)?;
        raw.send(kind, body)?;
        let (kinds, error) = raw.until(b'Z')?;
        assert_eq!(kinds, "EZ", "{error}");
        raw.query("SELECT 1")?;
        assert_eq!(raw.until(b'Z')?.0, "TDCZ");
    }
    // In the extended protocol everything is skipped up to the next Sync.
    for (kind, body) in [
        (b'P', b"a\0SELECT 1\0\0\x09\0\0\0\x17".as_slice()),
        (b'B', b"\0\0\0\0\0\x01\x7f\xff\xff\xffx"),
        (b'B', b"\0nothing\0\0\0\0\0\0\0"),
        (b'D', b"X\0"),
        (b'E', b"nothing\0\0\0\0\0"),
        (b'p', b"secret\0"),
        (b'F', b""),
    ] {
        let (mut raw, _) = Raw::ready(&server)?;
        raw.send(kind, body)?;
        raw.send(b'E', b"\0\0\0\0\0")?;
        raw.send(b'S', b"")?;
        let (kinds, error) = raw.until(b'Z')?;
        assert_eq!(kinds, "EZ", "{error}");
        raw.query("SELECT 1")?;
        assert_eq!(raw.until(b'Z')?.0, "TDCZ");
    }
    // A length that lies ends the connection.
    for bytes in [
        [b'Q', 0, 0, 0, 3].as_slice(),
        &[b'Q', 0x7f, 0xff, 0xff, 0xff],
        &[b'P', 0x10, 0, 0, 0, 0],
    ] {
        let (mut raw, _) = Raw::ready(&server)?;
        raw.0.write_all(bytes)?;
        let (kinds, error) = raw.until(b'-')?;
        assert_eq!(kinds, "E", "{error}");
        assert!(
            error.contains("FATAL") && error.contains("08P01"),
            "{error}"
        );
    }
    // Before a session: whatever it is, it is no session.
    for bytes in [
        b"GET / HTTP/1.1\r\n\r\n".as_slice(),
        &[0, 0, 0, 8, 0, 2, 0, 0],
        &[0, 0, 0, 9, 0, 3, 0, 0, 0],
        &[0xff; 64],
        b"\x16\x03\x01\0\x05hello",
    ] {
        let mut raw = Raw::open(&server)?;
        raw.0.write_all(bytes)?;
        let _ = raw.0.shutdown(Shutdown::Write);
        let mut answer = vec![];
        let _ = raw.0.read_to_end(&mut answer);
        assert!(!answer.contains(&b'Z'), "{}", text(&answer));
    }
    serves(&server)
}

/// What one client can ask for has an end.
fn limited() -> Result<(), Failed> {
    let server = server()?;
    let (mut raw, _) = Raw::ready(&server)?;
    let chain = "+1".repeat(100_000);
    for statement in [
        format!("SELECT 1{chain}"),
        format!("SELECT 1{chain} FROM pg_class"),
    ] {
        raw.query(&statement)?;
        let (kinds, error) = raw.until(b'Z')?;
        assert_eq!(kinds, "EZ");
        assert!(error.contains("0A000"), "{error}");
    }
    for number in 0..600 {
        let name = format!("s{number}");
        raw.send(b'P', &[name.as_bytes(), b"\0SELECT 1\0\0\0"].concat())?;
    }
    raw.send(b'S', b"")?;
    let (kinds, error) = raw.until(b'Z')?;
    assert_eq!(kinds, format!("{}EZ", "1".repeat(512)));
    assert!(error.contains("53400"), "{error}");
    // Types of parameters that the statement does not have.
    raw.send(b'P', b"\0SELECT 1\0\0\x01\0\0\0\x17")?;
    raw.send(b'S', b"")?;
    let (kinds, error) = raw.until(b'Z')?;
    assert_eq!(kinds, "EZ");
    assert!(error.contains("08P01"), "{error}");
    serves(&server)
}

fn cancelled() -> Result<(), Failed> {
    let server = server()?;
    let (mut raw, key) = Raw::ready(&server)?;
    // Rows, and then silence: the query has begun.
    raw.query(&format!("SELECT 1; {ENDLESS}"))?;
    assert_eq!(raw.until(b'C')?.0, "TDC");
    let request = |key: [u8; 8]| [&[0, 0, 0, 16, 4, 210, 22, 46][..], &key].concat();
    let mut wrong = key;
    wrong[7] ^= 1;
    Raw::open(&server)?.0.write_all(&request(wrong))?;
    let begun = Instant::now();
    Raw::open(&server)?.0.write_all(&request(key))?;
    let (kinds, error) = raw.until(b'Z')?;
    assert!(
        kinds.ends_with("EZ") && error.contains("57014"),
        "{kinds} {error}"
    );
    assert!(begun.elapsed() < Duration::from_secs(2));
    raw.query("SELECT 1")?;
    assert_eq!(raw.until(b'Z')?.0, "TDCZ");
    Ok(())
}

/// One query at a time may run: who has gone, or does not read, must not keep the others out for long.
fn vanished() -> Result<(), Failed> {
    let text = format!(
        "{}[server]\nqueries = 1\nqueue_timeout = \"30s\"\n",
        configuration()
    );
    let server = Server::start(&text, &["pg"], &[])?;
    for statement in [
        ENDLESS,
        "SELECT value FROM generate_series(1, 1000000000000)",
    ] {
        let (mut raw, _) = Raw::ready(&server)?;
        raw.query(&format!("SELECT 1; {statement}"))?;
        assert_eq!(raw.until(b'C')?.0, "TDC");
        drop(raw);
        serves(&server)?;
    }
    // A client that never reads is stopped by its timeout.
    let (mut idle, _) = Raw::ready(&server)?;
    idle.query("SET statement_timeout = '1s'")?;
    idle.until(b'Z')?;
    idle.query("SELECT value FROM generate_series(1, 1000000000000)")?;
    serves(&server)
}

/// A statement whose rows are taken in portions leaves its place to others in between.
fn suspended() -> Result<(), Failed> {
    let text = format!(
        "{}[server]\nqueries = 1\nqueue_timeout = \"3s\"\n",
        configuration()
    );
    let server = Server::start(&text, &["pg"], &[])?;
    let rows = b"SELECT value FROM generate_series(1, 1000000000000)\0";
    let (mut raw, key) = Raw::ready(&server)?;
    raw.query("BEGIN; DECLARE c CURSOR FOR SELECT value FROM generate_series(1, 1000000000000); FETCH 2 FROM c")?;
    assert_eq!(raw.until(b'Z')?.0, "CCTDDCZ");
    raw.send(b'P', &[b"\0".as_slice(), rows, b"\0\0"].concat())?;
    raw.send(b'B', b"p\0\0\0\0\0\0\0\0")?;
    let portion = b"p\0\0\0\0\x03";
    for beginning in ["12", ""] {
        raw.send(b'E', portion)?;
        raw.send(b'S', b"")?;
        let (kinds, error) = raw.until(b'Z')?;
        assert_eq!(kinds, format!("{beginning}DDDsZ"), "{error}");
        serves(&server)?;
        raw.query("FETCH 1 FROM c; MOVE 5 IN c")?;
        assert_eq!(raw.until(b'Z')?.0, "TDCCZ");
        serves(&server)?;
    }
    // Whoever wants more rows waits as others do.
    let (mut other, other_key) = Raw::ready(&server)?;
    other.query(&format!("SELECT 1; {ENDLESS}"))?;
    assert_eq!(other.until(b'C')?.0, "TDC");
    raw.send(b'E', portion)?;
    raw.send(b'S', b"")?;
    let (kinds, error) = raw.until(b'Z')?;
    assert!(kinds == "EZ" && error.contains("53300"), "{kinds} {error}");
    let request = |key: [u8; 8]| [&[0, 0, 0, 16, 4, 210, 22, 46][..], &key].concat();
    Raw::open(&server)?.0.write_all(&request(other_key))?;
    assert!(other.until(b'Z')?.1.contains("57014"));
    // One that waits can be cancelled, and what was suspended ends with its connection.
    raw.query("ROLLBACK")?;
    raw.until(b'Z')?;
    Raw::open(&server)?.0.write_all(&request(key))?;
    drop(raw);
    serves(&server)
}

/// What `COPY … FROM STDIN` is not told, told twice, or told to somebody else.
fn copies() -> Result<(), Failed> {
    let folder = TempDir::new()?;
    std::fs::create_dir(folder.path().join("lake"))?;
    let text = "[stores.lake]\ntype = \"file\"\npath = \"lake\"\n";
    std::fs::write(folder.path().join("graticule.toml"), text)?;
    let server = Server::start_in(folder, &["pg"], &[])?;
    let (mut raw, _) = Raw::ready(&server)?;
    raw.query(
        "CREATE TABLE lake.points WITH (dims = 'id') AS \
         SELECT value AS id, CAST(value AS double) AS a FROM generate_series(0, 1)",
    )?;
    assert!(raw.until(b'Z')?.1.is_empty());
    let statement = "COPY lake.points (id, a) FROM STDIN";
    // What comes before, between and behind rows.
    raw.query(&format!("SELECT 1; {statement}; SELECT 2"))?;
    assert_eq!(raw.until(b'G')?.0, "TDCG");
    for (kind, body) in [
        (b'H', b"".as_slice()),
        (b'd', b"5\t"),
        (b'S', b""),
        (b'd', b"1\n6\t2"),
    ] {
        raw.send(kind, body)?;
    }
    raw.send(b'c', b"")?;
    assert_eq!(raw.until(b'Z')?, ("CTDCZ".to_string(), String::new()));
    // In the extended protocol, where the client has said Sync before it is asked for rows.
    let extended = |raw: &mut Raw| -> Result<(), Failed> {
        raw.send(b'P', &[b"\0", statement.as_bytes(), b"\0\0\0"].concat())?;
        raw.send(b'B', b"\0\0\0\0\0\0\0\0")?;
        raw.send(b'D', b"P\0")?;
        raw.send(b'E', b"\0\0\0\0\0")?;
        raw.send(b'S', b"")?;
        assert_eq!(raw.until(b'G')?.0, "12nG");
        Ok(())
    };
    extended(&mut raw)?;
    raw.send(b'd', b"7\t3\n")?;
    raw.send(b'c', b"")?;
    raw.send(b'S', b"")?;
    assert_eq!(raw.until(b'Z')?, ("CZ".to_string(), String::new()));
    // Mistakes end it, and what still comes is left out up to the next Sync.
    for (kind, body, state) in [
        (b'd', b"8\tx\n".as_slice(), "22P02"),
        (b'f', b"no more\0", "57014"),
        (b'Q', b"SELECT 1\0", "08P01"),
    ] {
        extended(&mut raw)?;
        raw.send(kind, body)?;
        raw.send(b'c', b"")?;
        raw.send(b'd', b"9\t9\n")?;
        raw.send(b'c', b"")?;
        raw.send(b'S', b"")?;
        let (kinds, error) = raw.until(b'Z')?;
        assert!(kinds == "EZ" && error.contains(state), "{kinds} {error}");
        raw.query(statement)?;
        assert_eq!(raw.until(b'G')?.0, "G");
        raw.send(kind, body)?;
        raw.send(b'c', b"")?;
        let (kinds, error) = raw.until(b'Z')?;
        assert!(kinds == "EZ" && error.contains(state), "{kinds} {error}");
    }
    for end in [b"".as_slice(), b"X\0\0\0\x04"] {
        let (mut gone, _) = Raw::ready(&server)?;
        gone.query(statement)?;
        gone.until(b'G')?;
        gone.send(b'd', b"10\t1\n11\t")?;
        gone.0.write_all(end)?;
        drop(gone);
    }
    raw.query("SELECT id FROM lake.points ORDER BY id; SELECT 1 WHERE false")?;
    assert_eq!(raw.until(b'Z')?.0, "TDDDDDCTCZ");
    Ok(())
}

fn too_many() -> Result<(), Failed> {
    let text = format!("{}[server]\nconnections = 3\n", configuration());
    let server = Server::start(&text, &["pg"], &[])?;
    let mut open = (0..3)
        .map(|_| Raw::ready(&server))
        .collect::<Result<Vec<_>, _>>()?;
    let mut refused = Raw::open(&server)?;
    refused.0.write_all(&startup())?;
    let (kinds, error) = refused.until(b'-')?;
    assert_eq!(kinds, "E");
    assert!(
        error.contains("FATAL") && error.contains("53300"),
        "{error}"
    );
    open.pop();
    let begun = Instant::now();
    while Raw::ready(&server).is_err() {
        assert!(begun.elapsed() < PATIENCE, "the place is never free again");
    }
    Ok(())
}

/// Connections that say nothing, or stop half-way, are no burden to the others.
fn idle() -> Result<(), Failed> {
    let server = server()?;
    let mut silent = vec![];
    for _ in 0..500 {
        silent.push(Raw::ready(&server)?.0);
    }
    let mut stalled = vec![];
    for beginning in [
        b"".as_slice(),
        &[0, 0],
        &[0, 0, 0, 8, 4, 210, 22, 47],
        b"\x16\x03\x01",
    ] {
        let mut raw = Raw::open(&server)?;
        raw.0.write_all(beginning)?;
        stalled.push(raw);
    }
    serves(&server)?;
    silent[499].query("SELECT 1")?;
    assert_eq!(silent[499].until(b'Z')?.0, "TDCZ");
    let (code, said) = server.stop()?;
    assert_eq!(code, Some(0), "{said}");
    assert!(!said.contains("panicked"), "{said}");
    Ok(())
}

/// Numbers that look random and are always the same (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit as u64).unwrap()
    }
}

/// A session as a driver would hold it.
fn conversation() -> Vec<u8> {
    [
        startup(),
        message(b'Q', b"SELECT 1; SELECT 'two'\0"),
        message(b'P', b"s\0SELECT $1::int + $2::int\0\0\x01\0\0\0\x17"),
        message(b'D', b"Ss\0"),
        message(
            b'B',
            b"p\0s\0\0\x01\0\x01\0\x02\0\0\0\x04\0\0\0\x01\0\0\0\x04\0\0\0\x02\0\x01\0\x01",
        ),
        message(b'E', b"p\0\0\0\0\x01"),
        message(b'C', b"Pp\0"),
        message(b'S', b""),
        message(
            b'Q',
            b"BEGIN; DECLARE c CURSOR FOR SELECT 1; FETCH 1 FROM c; COMMIT\0",
        ),
        message(b'Q', b"COPY (SELECT 1) TO STDOUT (FORMAT csv)\0"),
        message(b'Q', b"COPY lake.points FROM STDIN\0"),
        message(b'd', b"1\t2\n"),
        message(b'c', b""),
        message(b'X', b""),
    ]
    .concat()
}

fn mutated() -> Result<(), Failed> {
    let server = server()?;
    let original = conversation();
    let mut random = Random(0x5eed_cafe_f00d_d00d);
    for _ in 0..400 {
        let mut bytes = original.clone();
        for _ in 0..=random.below(6) {
            let place = random.below(bytes.len());
            match random.below(4) {
                0 => bytes[place] = u8::try_from(random.below(256))?,
                1 => bytes[place] ^= 1 << random.below(8),
                2 => bytes.truncate(place.max(1)),
                _ => {
                    let length = random.below(20).min(bytes.len() - place);
                    bytes.drain(place..place + length);
                }
            }
            if bytes.is_empty() {
                break;
            }
        }
        let mut raw = Raw::open(&server)?;
        // The server may hang up before it has read everything.
        let _ = raw.0.write_all(&bytes);
        let _ = raw.0.shutdown(Shutdown::Write);
        let mut answer = vec![];
        let ended = raw.0.read_to_end(&mut answer);
        if let Err(error) = ended {
            assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{bytes:?}");
        }
    }
    serves(&server)?;
    let (code, said) = server.stop()?;
    assert_eq!(code, Some(0), "{said}");
    assert!(!said.contains("panicked"), "{said}");
    Ok(())
}

pub(super) fn trials() -> Vec<Trial> {
    let trial = |name: &str, check: fn() -> Result<(), Failed>| {
        Trial::test(format!("serving::postgres::{name}"), check)
    };
    vec![
        trial("malformed_messages", malformed),
        trial("limits", limited),
        trial("cancel_requests", cancelled),
        trial("clients_that_vanish", vanished),
        trial("suspended_portals", suspended),
        trial("copies_of_clients", copies),
        trial("too_many_connections", too_many),
        trial("idle_connections", idle),
        trial("mutated_sessions", mutated),
    ]
}
