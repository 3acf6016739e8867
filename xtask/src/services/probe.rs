//! Asks a PostgreSQL server, in its own protocol, whether tests can use it without a password.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use anyhow::{Context, Result, bail};

const PROTOCOL: i32 = 196_608; // 3.0
const TIMEOUT: Duration = Duration::from_secs(2);
/// No message that we ask for is longer.
const MESSAGE_BYTES_MAX: usize = 64 * 1024;
const MAY_CREATE: &str = "select rolsuper or rolcreatedb from pg_roles where rolname = current_user";

/// The parts of `postgres://user:password@host:port/database?parameters` that a probe needs.
#[derive(Debug, PartialEq, Eq)]
struct Address {
    user: String,
    host: String,
    port: u16,
}

/// Whether something listens there; the tests find out whether it lets them in.
pub(super) fn is_reachable(url: &str) -> Result<()> {
    let address = Address::parse(url).context("the address of PostgreSQL cannot be read")?;
    connect(&address).with_context(|| format!("no PostgreSQL at {}:{}", address.host, address.port))?;
    Ok(())
}

/// Whether the role of the address is let in without a password and may create databases.
pub(super) fn can_create_databases(url: &str) -> bool {
    Address::parse(url).is_some_and(|address| ask(&address).unwrap_or(false))
}

impl Address {
    fn parse(url: &str) -> Option<Self> {
        let (_, rest) = url.split_once("://")?;
        let authority = rest.split(['/', '?']).next()?;
        let (user, place) = authority.rsplit_once('@').unwrap_or(("postgres", authority));
        let user = user.split(':').next()?.to_owned();
        let (host, port) = match place.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()?),
            _ => (place, 5432),
        };
        Some(Self { user, host: host.trim_matches(['[', ']']).to_owned(), port })
    }
}

fn connect(address: &Address) -> Result<TcpStream> {
    let mut last = None;
    for candidate in (address.host.as_str(), address.port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&candidate, TIMEOUT) {
            Ok(stream) => {
                stream.set_read_timeout(Some(TIMEOUT))?;
                stream.set_write_timeout(Some(TIMEOUT))?;
                return Ok(stream);
            }
            Err(error) => last = Some(error),
        }
    }
    Err(last.map_or_else(|| anyhow::anyhow!("the name has no address"), Into::into))
}

fn ask(address: &Address) -> Result<bool> {
    let mut stream = connect(address)?;
    let parameters = format!("user\0{}\0database\0postgres\0\0", address.user);
    stream.write_all(&with_length(&[&PROTOCOL.to_be_bytes(), parameters.as_bytes()].concat())?)?;
    until_ready(&mut stream)?;
    stream.write_all(b"Q")?;
    stream.write_all(&with_length(&[MAY_CREATE.as_bytes(), b"\0"].concat())?)?;
    let row = until_ready(&mut stream)?.context("no row")?;
    // A row is a count of columns, and per column a length and the text.
    Ok(row.last() == Some(&b't'))
}

fn with_length(body: &[u8]) -> Result<Vec<u8>> {
    let length = i32::try_from(body.len() + 4)?;
    Ok([&length.to_be_bytes(), body].concat())
}

/// Reads messages up to "ready for query" and returns the last data row.
fn until_ready(stream: &mut TcpStream) -> Result<Option<Vec<u8>>> {
    let mut row = None;
    loop {
        let mut head = [0; 5];
        stream.read_exact(&mut head)?;
        let length = i32::from_be_bytes([head[1], head[2], head[3], head[4]]);
        let length = usize::try_from(length)?.checked_sub(4).filter(|length| *length <= MESSAGE_BYTES_MAX);
        let mut body = vec![0; length.context("not a PostgreSQL message")?];
        stream.read_exact(&mut body)?;
        match head[0] {
            b'Z' => return Ok(row),
            b'D' => row = Some(body),
            b'E' => bail!("refused"),
            b'R' if body != [0; 4] => bail!("a password is needed"),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    const LET_IN: &[u8] = b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I";
    const YES: &[u8] = b"D\0\0\0\x0b\0\x01\0\0\0\x01tZ\0\0\0\x05I";
    const NO: &[u8] = b"D\0\0\0\x0b\0\x01\0\0\0\x01fZ\0\0\0\x05I";
    const PASSWORD: &[u8] = b"R\0\0\0\x08\0\0\0\x03";

    /// What the probe makes of a server that gives these answers, one per message.
    #[track_caller]
    fn check(answers: &[&'static [u8]], expected: bool) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("postgres://somebody@{}/postgres", listener.local_addr().unwrap());
        let answers = answers.to_vec();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            for answer in answers {
                let mut message = [0; 1024];
                assert!(stream.read(&mut message).unwrap() > 0);
                stream.write_all(answer).unwrap();
            }
        });
        assert_eq!(can_create_databases(&url), expected);
        server.join().unwrap();
    }

    #[test]
    fn a_server_that_lets_us_create_databases_is_used() {
        check(&[LET_IN, YES], true);
    }

    #[test]
    fn a_server_that_does_not_is_left_alone() {
        check(&[LET_IN, NO], false);
        check(&[PASSWORD], false);
        check(&[b"HTTP/1.1 400 Bad Request\r\n\r\n"], false);
        check(&[], false);
    }

    #[test]
    fn an_address_is_read() {
        let is = |url: &str, user: &str, host: &str, port: u16| {
            let expected = Address { user: user.to_owned(), host: host.to_owned(), port };
            assert_eq!(Address::parse(url), Some(expected), "{url}");
        };
        is("postgres://me:p@ss@db.example:6000/x?sslmode=disable", "me", "db.example", 6000);
        is("postgresql://127.0.0.1", "postgres", "127.0.0.1", 5432);
        is("postgres://me@[::1]/x", "me", "::1", 5432);
        is("postgres://me@[::1]:6000/x", "me", "::1", 6000);
        assert_eq!(Address::parse("sqlite"), None);
    }
}
